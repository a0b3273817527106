//! A comment for ce-lint that does nothing, or does not say why.
//!
//! ## What it does
//! Looks for `# ce-lint: ignore[CODE]` comments that name a rule which is not there, that suppress nothing, or that give
//! no reason, and for comments that begin with `# ce-lint:` and mean nothing.
//!
//! ## Why
//! Who reads it believes that somebody has looked at a finding, and knows why it does not matter.
//!
//! ## Example
//! ```sh
//! # ce-lint: ignore[CE060] the tests may fail
//! next_stage && make
//! ```
//!
//! ## Use instead
//! ```sh
//! # the tests may fail
//! next_stage && make
//! ```
//!
//! ## Fix safety
//! Safe: the comment is removed where it does nothing.

use crate::{
    Diagnostic, Severity,
    lint::{analysis::Analysis, rule::Rule},
};

pub(in crate::lint) const RULE: Rule =
    Rule::new("CE095", "bad-suppression", Severity::Warning, include_str!("bad_suppression.rs"), check);

// What a suppression does is known when all the others have found what there is: `lint/suppress.rs`.
fn check(_: &Rule, _: &Analysis<'_>, _: &mut Vec<Diagnostic>) {}
