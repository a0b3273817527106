//! A stage that was applied, and is gone.
//!
//! ## What it does
//! Holds the script against an older version (`--against`), or against the stages that a container has: looks for stages
//! that are no longer there.
//!
//! ## Why
//! Stages are counted. All behind it get other numbers.
//!
//! ## Example
//! ```sh
//! next_stage && second
//! ```
//!
//! ## Use instead
//! ```sh
//! next_stage && :
//! next_stage && second
//! ```
//!
//! ## Fix safety
//! Unsafe: containers that are made from now on do without what the stage did.

use crate::{
    Diagnostic, Severity,
    lint::{analysis::Analysis, rule::Rule},
};

pub(in crate::lint) const RULE: Rule =
    Rule::new("CE092", "stage-removed", Severity::Error, include_str!("stage_removed.rs"), check);

// Stages are compared where it is known which there were: `lint/history.rs`.
fn check(_: &Rule, _: &Analysis<'_>, _: &mut Vec<Diagnostic>) {}
