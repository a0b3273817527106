//! A stage before stages that were applied.
//!
//! ## What it does
//! Holds the script against an older version (`--against`), or against the stages that a container has: looks for new
//! stages that are not at the end, and for stages that have moved.
//!
//! ## Why
//! Stages are counted. The new one takes the number of one that was applied, and all behind it get other numbers.
//!
//! ## Example
//! ```sh
//! next_stage && new
//! next_stage && old
//! ```
//!
//! ## Use instead
//! ```sh
//! next_stage && old
//! next_stage && new
//! ```
//!
//! ## Fix safety
//! Unsafe: at the end, the stage runs behind stages that may need it.

use crate::{
    Diagnostic, Severity,
    lint::{analysis::Analysis, rule::Rule},
};

pub(in crate::lint) const RULE: Rule =
    Rule::new("CE091", "stage-inserted", Severity::Error, include_str!("stage_inserted.rs"), check);

// Stages are compared where it is known which there were: `lint/history.rs`.
fn check(_: &Rule, _: &Analysis<'_>, _: &mut Vec<Diagnostic>) {}
