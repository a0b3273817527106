//! Two markers in one chain.
//!
//! ## What it does
//! Looks for markers, and calls of functions with markers, inside the chain of another marker.
//!
//! ## Why
//! Whether the second marker is reached depends on the first, and on the commands between them. The count of the
//! stages then differs from run to run, and what is recorded for one depends on the other.
//!
//! ## Example
//! ```sh
//! everytime && next_stage && make
//! ```
//!
//! ## Use instead
//! ```sh
//! next_stage && make
//! ```

use crate::{
    Diagnostic, Severity,
    lint::{
        analysis::{Analysis, Hit},
        rule::Rule,
    },
};

pub(in crate::lint) const RULE: Rule =
    Rule::new("CE010", "mixed-markers", Severity::Error, include_str!("mixed_markers.rs"), check);

fn check(rule: &Rule, analysis: &Analysis<'_>, findings: &mut Vec<Diagnostic>) {
    for Hit { place, .. } in &analysis.hits {
        let Some((outer, span)) = place.context.outer_marker() else { continue };
        let (name, outer) = (analysis.quote(place.name_span()), outer.name());
        let what = if place.marker.is_some() { "stands" } else { "hits a marker" };
        findings.push(
            rule.finding(place.name_span(), format!("`{name}` {what} in the chain of `{outer}`"))
                .related(span, "the chain begins here")
                .help("keep one marker, or make two lists of it"),
        );
    }
}
