//! A stage that was applied, and is not what it was.
//!
//! ## What it does
//! Holds the script against an older version (`--against`), or against the stages that a container has: looks for stages
//! with another text. Layout and comments do not count.
//!
//! ## Why
//! An applied stage is not run again. Containers that have it keep what it did before; new ones get what it does now.
//!
//! ## Example
//! ```sh
//! next_stage && make install PREFIX=/opt
//! ```
//!
//! ## Use instead
//! ```sh
//! next_stage && make install
//! next_stage && make install PREFIX=/opt
//! ```

use crate::{
    Diagnostic, Severity,
    lint::{analysis::Analysis, rule::Rule},
};

pub(in crate::lint) const RULE: Rule =
    Rule::new("CE090", "stage-edited", Severity::Error, include_str!("stage_edited.rs"), check);

// Stages are compared where it is known which there were: `lint/history.rs`.
fn check(_: &Rule, _: &Analysis<'_>, _: &mut Vec<Diagnostic>) {}
