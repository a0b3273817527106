//! Text that is no shell script.
//!
//! ## What it does
//! Reports every place where the grammar of the POSIX shell is broken: unclosed quotes and groups, missing commands,
//! forms that only bash has.
//!
//! ## Why
//! Such a script cannot be interpreted, so that no container can be set up from it. `ce-lint` goes on reading behind
//! the place, and reports all errors of a file together.
//!
//! ## Example
//! ```sh
//! next_stage && echo "x
//! ```
//!
//! ## Use instead
//! ```sh
//! next_stage && echo "x"
//! ```

use crate::{
    Diagnostic, Severity,
    lint::{analysis::Analysis, rule::Rule},
};

pub(in crate::lint) const RULE: Rule =
    Rule::new("CE001", "syntax-error", Severity::Error, include_str!("syntax_error.rs"), check);

/// Reading the script has found them already.
fn check(_: &Rule, _: &Analysis<'_>, _: &mut Vec<Diagnostic>) {}
