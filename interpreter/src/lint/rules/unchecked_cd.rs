//! A `cd` whose failure nothing sees.
//!
//! ## What it does
//! Looks for `cd` with commands behind it in the same list, where neither `set -e` nor `&&` or `||` looks at its status.
//!
//! ## Why
//! When the directory is not there, everything behind it runs in another one: `rm` removes what is there, `make` builds
//! something else.
//!
//! ## Example
//! ```sh
//! next_stage && { cd /opt/tool; make; }
//! ```
//!
//! ## Use instead
//! ```sh
//! next_stage && (cd /opt/tool && make)
//! ```
//!
//! ## Fix safety
//! Unsafe: what stands behind it no longer runs when it fails.

use crate::{
    Applicability, Diagnostic, Severity,
    lint::{analysis::Analysis, rule::Rule},
};

pub(in crate::lint) const RULE: Rule =
    Rule::new("CE065", "unchecked-cd", Severity::Warning, include_str!("unchecked_cd.rs"), check);

fn check(rule: &Rule, analysis: &Analysis<'_>, findings: &mut Vec<Diagnostic>) {
    for (span, edit) in &analysis.status.cds {
        let finding = rule
            .finding(*span, "if this fails, what is behind it runs in the wrong directory")
            .help("write `cd DIRECTORY && ...`, in parentheses where it is to end again");
        findings.push(match edit {
            Some(edit) => finding.fix(Applicability::Unsafe, vec![edit.clone()]),
            None => finding,
        });
    }
}
