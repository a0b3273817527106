//! A marker in the action of a trap.
//!
//! ## What it does
//! Looks for `next_stage` and `everytime` in the text that `trap` is given.
//!
//! ## Why
//! The action runs when the shell ends or gets a signal, at another point of every run: what it counts and what it runs
//! is not what a reader of the script expects, and a dry run cannot see it.
//!
//! ## Example
//! ```sh
//! trap 'next_stage && rm -f /tmp/archive' EXIT
//! ```
//!
//! ## Use instead
//! ```sh
//! next_stage && rm -f /tmp/archive
//! ```

use crate::{
    Diagnostic, Severity,
    language::marker::Marker,
    lint::{analysis::Analysis, rule::Rule},
};

pub(in crate::lint) const RULE: Rule =
    Rule::new("CE013", "marker-in-trap", Severity::Error, include_str!("marker_in_trap.rs"), check);

fn check(rule: &Rule, analysis: &Analysis<'_>, findings: &mut Vec<Diagnostic>) {
    for trap in analysis.named(&["trap"]) {
        let Some(action) = trap.operands("", &[]).first().copied() else { continue };
        let words = action.text.split(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_');
        if let Some(marker) = words.into_iter().find_map(Marker::named) {
            let name = marker.name();
            findings.push(
                rule.finding(action.span, format!("`{name}` in a trap counts whenever the trap comes to run"))
                    .help(format!("put the chain where it is to run: `{name} && COMMAND`")),
            );
        }
    }
}
