//! A marker in a process of its own.
//!
//! ## What it does
//! Looks for markers, and calls of functions with markers, inside `( )`, `$( )`, a pipeline, or a list ended by `&`.
//!
//! ## Why
//! What the chain sets (variables, the working directory) is lost with the process, a failure may not stop the setup
//! where it happened, and a dry run cannot look inside.
//!
//! ## Example
//! ```sh
//! (next_stage && cd /src && make)
//! ```
//!
//! ## Use instead
//! ```sh
//! next_stage && (cd /src && make)
//! ```

use std::collections::HashSet;

use crate::{
    Diagnostic, Severity,
    analyze::places::{Apart, Follower},
    language::marker::Marker,
    lint::{
        analysis::{Analysis, Hit},
        rule::Rule,
    },
};

pub(in crate::lint) const RULE: Rule =
    Rule::new("CE006", "marker-in-subshell", Severity::Warning, include_str!("marker_in_subshell.rs"), check);

fn check(rule: &Rule, analysis: &Analysis<'_>, findings: &mut Vec<Diagnostic>) {
    let mut reported = HashSet::new();
    for Hit { place, .. } in &analysis.hits {
        let Some((apart, span)) = place.context.apart else { continue };
        // `&>` was not meant to put anything in the background.
        if analysis.redirects_both(place.item).is_some() {
            continue;
        }
        // A marker directly before the operator detaches its command, which is worse and reported as that.
        let detached = matches!(place.follower(), Follower::Pipe | Follower::Background);
        if place.marker.is_some() && detached || !reported.insert(span) {
            continue;
        }
        let marker = place.marker.unwrap_or(Marker::NextStage).name();
        let (where_to, help) = match apart {
            Apart::Subshell => ("a subshell", format!("put the parentheses behind the marker: `{marker} && (...)`")),
            Apart::Pipeline => {
                ("a pipeline", format!("put the pipeline behind the marker: `{marker} && {{ a | b; }}`"))
            }
            Apart::Substitution => ("a command substitution", format!("put the marker first: `{marker} && x=$(...)`")),
            Apart::Background => {
                ("an asynchronous list", "leave the `&` out, so that the setup waits for the chain".to_owned())
            }
        };
        let name = analysis.quote(place.name_span());
        let what = if place.marker.is_some() { "stands" } else { "hits a marker" };
        findings.push(
            rule.finding(place.name_span(), format!("`{name}` {what} in {where_to}"))
                .related(span, "a process of its own")
                .help(help),
        );
    }
}
