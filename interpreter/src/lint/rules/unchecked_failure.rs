//! A failure that a chain does not see.
//!
//! ## What it does
//! Looks in the groups, subshells, loops and functions of chains for commands whose failure nothing asks for: another
//! command comes behind them, and neither `set -e` nor `&&`, `||` or `$?` looks at their status. `echo`, `printf`, `:`,
//! assignments and the like cannot fail.
//!
//! ## Why
//! The status of a group is that of its last command. What failed before it is recorded as a success, for ever.
//!
//! ## Example
//! ```sh
//! next_stage && { ./configure; make install; }
//! ```
//!
//! ## Use instead
//! ```sh
//! next_stage && { ./configure && make install; }
//! ```
//!
//! ## Fix safety
//! Unsafe: the script stops where it went on before.

use crate::{
    Applicability, Diagnostic, Severity,
    lint::{analysis::Analysis, rule::Rule},
};

pub(in crate::lint) const RULE: Rule =
    Rule::new("CE060", "unchecked-failure", Severity::Warning, include_str!("unchecked_failure.rs"), check);

fn check(rule: &Rule, analysis: &Analysis<'_>, findings: &mut Vec<Diagnostic>) {
    for body in &analysis.status.bodies {
        let Some((first, others)) = body.unchecked.split_first() else { continue };
        let name = analysis.quote(*first);
        let message = match others.len() {
            0 => format!("nothing sees whether `{name}` has failed"),
            1 => format!("nothing sees whether `{name}` has failed, nor one more command behind it"),
            count => format!("nothing sees whether `{name}` has failed, nor {count} more commands behind it"),
        };
        let finding = rule
            .finding(*first, message)
            .related(body.last, "only the status of the last command counts")
            .help("join the commands with `&&`, or begin with `set -e`");
        findings.push(match body.edits(analysis.source) {
            Some(edits) => finding.fix(Applicability::Unsafe, edits),
            None => finding,
        });
    }
}
