//! A marker that guards nothing.
//!
//! ## What it does
//! Looks for markers followed by `;`, a newline, `&`, `|` or the end of a group, where only `&&` ties a command to
//! them.
//!
//! ## Why
//! The stage is empty: it is recorded as applied at once, and takes a number. The command that was meant runs on
//! every run, and nobody asks whether it failed.
//!
//! ## Example
//! ```sh
//! next_stage ; make
//! ```
//!
//! ## Use instead
//! ```sh
//! next_stage && make
//! ```
//!
//! ## Fix safety
//! Unsafe: what stands behind the marker becomes its chain.

use crate::{
    Applicability, Diagnostic, Edit, Severity,
    analyze::places::Follower,
    lint::{analysis::Analysis, rule::Rule},
};

pub(in crate::lint) const RULE: Rule =
    Rule::new("CE003", "marker-without-and", Severity::Error, include_str!("marker_without_and.rs"), check);

fn check(rule: &Rule, analysis: &Analysis<'_>, findings: &mut Vec<Diagnostic>) {
    for (marker, place) in analysis.markers() {
        // A second marker, a condition and a marker with arguments have rules of their own.
        let context = &place.context;
        if context.outer_marker().is_some() || context.judged.is_some() || place.has_more_than_name() {
            continue;
        }
        let separator = match place.follower() {
            Follower::And | Follower::Or => continue,
            Follower::Pipe => Some("|"),
            Follower::Background => Some("&"),
            // The last command of a pipeline is reported for standing there.
            Follower::Nothing if place.position > 0 => continue,
            Follower::Nothing => None,
        };
        let name = marker.name();
        let finding = match separator {
            Some(separator) => rule
                .finding(place.command.span, format!("`{separator}` detaches what follows from `{name}`"))
                .label(format!("expected `&&` after this, not `{separator}`"))
                .help(format!("write `{name} && COMMAND`")),
            None => rule
                .finding(place.command.span, format!("`{name}` guards no command"))
                .label("expected `&&` and a command after this")
                .help(format!("write `{name} && COMMAND`, or remove this marker")),
        };
        let separator = analysis.separator_behind(place.command.span);
        findings.push(match separator {
            Some(separator) if place.position == 0 => {
                finding.fix(Applicability::Unsafe, vec![Edit::replace(separator, " && ")])
            }
            _ => finding,
        });
    }
}
