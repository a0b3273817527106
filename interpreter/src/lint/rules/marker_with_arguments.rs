//! Arguments, assignments or redirections of a marker.
//!
//! ## What it does
//! Looks for markers with anything but their name: words behind it, `NAME=value` before it, redirections.
//!
//! ## Why
//! Nothing of that reaches the command behind the marker. `next_stage make` never runs `make`; in
//! `CC=clang next_stage && make`, the compiler is the default one.
//!
//! ## Example
//! ```sh
//! CC=clang next_stage && make
//! ```
//!
//! ## Use instead
//! ```sh
//! next_stage && CC=clang make
//! ```
//!
//! ## Fix safety
//! Unsafe: what stood behind the marker is run then.

use bstr::ByteSlice;

use crate::{
    Applicability, Diagnostic, Edit, Severity, Span,
    analyze::places::{Follower, Placed},
    language::marker::Marker,
    lint::{analysis::Analysis, rule::Rule},
};

pub(in crate::lint) const RULE: Rule =
    Rule::new("CE004", "marker-with-arguments", Severity::Error, include_str!("marker_with_arguments.rs"), check);

fn check(rule: &Rule, analysis: &Analysis<'_>, findings: &mut Vec<Diagnostic>) {
    for (marker, place) in analysis.markers().filter(|(_, place)| place.has_more_than_name()) {
        findings.push(report(rule, analysis, marker, place));
    }
}

fn report(rule: &Rule, analysis: &Analysis<'_>, marker: Marker, place: &Placed<'_>) -> Diagnostic {
    let (command, name) = (place.command, marker.name());
    let cover = |spans: &mut dyn Iterator<Item = Span>| spans.reduce(Span::to);
    let arguments = cover(&mut command.words.iter().skip(1).map(|word| word.span));
    let assignments = cover(&mut command.assignments.iter().map(|assignment| assignment.span));
    let redirections = cover(&mut command.redirections.iter().map(|redirection| redirection.span));
    let what = match (arguments, assignments) {
        (Some(_), _) => "takes no arguments",
        (_, Some(_)) => "hands no variables on",
        _ => "hands no redirections on",
    };
    let span = arguments.or(assignments).or(redirections).unwrap_or(command.span);
    let finding = rule.finding(span, format!("`{name}` {what}")).label("reaches no command");
    let finding = finding.related(place.name_span(), "");
    let behind = place.after.first();
    let moved = match (arguments, assignments, behind) {
        (Some(arguments), None, None) if redirections.is_none() => {
            vec![Edit::insert(arguments.start, "&& ")]
        }
        (None, Some(assignments), Some(behind)) if redirections.is_none() && place.follower() == Follower::And => {
            let text = format!("{} ", analysis.source.slice(assignments).to_str_lossy());
            let before = Span { start: assignments.start, end: place.name_span().start };
            vec![Edit::replace(before, ""), Edit::insert(behind.pipeline.span.start, text)]
        }
        _ => Vec::new(),
    };
    let finding = if moved.is_empty() { finding } else { finding.fix(Applicability::Unsafe, moved) };
    match (arguments.and_then(|span| analysis.repeat(span)), assignments.and_then(|span| analysis.repeat(span))) {
        (Some(arguments), _) => finding.help(format!("write `{name} && {arguments}`")),
        (_, Some(assignments)) => finding.help(format!("write `{name} && {assignments} COMMAND`")),
        _ => finding.help(format!("write it at the command: `{name} && COMMAND ...`")),
    }
}
