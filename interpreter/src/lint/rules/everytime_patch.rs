//! A patch applied on every run.
//!
//! ## What it does
//! Looks for `patch`, `git apply`, `git am`, `git cherry-pick` and `quilt push` in everytime chains, where nothing was
//! asked before, and the files are not brought anew in the same chain.
//!
//! ## Why
//! A patch can be applied once. The second run fails, or takes the patch back.
//!
//! ## Example
//! ```sh
//! everytime && patch -p1 -d /opt/tool < "$COMPDIR/fix.patch"
//! ```
//!
//! ## Use instead
//! ```sh
//! next_stage && patch -p1 -d /opt/tool < "$COMPDIR/fix.patch"
//! ```

use crate::{
    Diagnostic, Severity,
    lint::{again, git},
    lint::{analysis::Analysis, rule::Rule},
};

pub(in crate::lint) const RULE: Rule =
    Rule::new("CE053", "everytime-patch", Severity::Error, include_str!("everytime_patch.rs"), check);

fn check(rule: &Rule, analysis: &Analysis<'_>, findings: &mut Vec<Diagnostic>) {
    for invocation in analysis.invocations.iter().filter(|invocation| again::fails(analysis, invocation)) {
        let (subcommand, index) = match git::subcommand(invocation) {
            Some((subcommand, git)) => (Some(subcommand), git.index),
            None => (None, 0),
        };
        let applies = match (invocation.name.as_str(), subcommand) {
            ("patch", _) => !invocation.has(None, &["--dry-run", "--version"]),
            ("git", Some("apply" | "am" | "cherry-pick")) => !invocation.has(None, &["--check", "--stat", "--abort"]),
            ("quilt", _) => invocation.argument(0) == Some("push"),
            _ => false,
        };
        if applies && !analysis.before(invocation.place).any(again::brings_files) {
            let span = if subcommand.is_some() { invocation.span_to(index) } else { invocation.name_span };
            findings.push(
                rule.finding(span, "a patch can be applied once, and this is applied on every run")
                    .help("make it a stage (`next_stage &&`), or bring the files anew before it"),
            );
        }
    }
}
