//! A command that is almost a marker.
//!
//! ## What it does
//! Looks for commands without arguments whose name is up to two letters away from `next_stage` or `everytime`, in any
//! case and with `-` for `_`; and for markers that are quoted.
//!
//! ## Why
//! The shell finds no command of that name. The chain behind it is then skipped on every run, and nothing but a line
//! `not found` in the output tells of it.
//!
//! ## Example
//! ```sh
//! nextstage && make
//! ```
//!
//! ## Use instead
//! ```sh
//! next_stage && make
//! ```
//!
//! ## Fix safety
//! Unsafe: there are more chains then, and stages may get other numbers.

use crate::{
    Applicability, Diagnostic, Edit, Severity, Span,
    analyze::{
        invocation::Invocation,
        places::{Follower, Placed, meant},
    },
    language::marker::Marker,
    lint::{analysis::Analysis, rule::Rule},
};

pub(in crate::lint) const RULE: Rule =
    Rule::new("CE005", "misspelt-marker", Severity::Error, include_str!("misspelt_marker.rs"), check);

fn check(rule: &Rule, analysis: &Analysis<'_>, findings: &mut Vec<Diagnostic>) {
    for place in analysis.places {
        findings.extend(misspelt(analysis, place).map(|marker| report(rule, analysis, marker, place)));
    }
    for invocation in analysis.named(&["next_stage", "everytime"]).filter(|invocation| is_wrapped(invocation)) {
        let (name, span) = (&invocation.name, invocation.place.name_span());
        let before = Span { start: span.start, end: invocation.name_span.start };
        findings.push(
            rule.finding(
                invocation.place.command.span,
                format!("`{name}` is no program that `{}` could run", analysis.quote(span)),
            )
            .help(format!("write `{name} && COMMAND`; the chain behind it would be skipped on every run"))
            .fix(Applicability::Unsafe, vec![Edit::replace(before, "")]),
        );
    }
}

/// Whether a marker stands behind `command`, `env` and their like.
pub(super) fn is_wrapped(invocation: &Invocation<'_>) -> bool {
    invocation.place.marker.is_none()
        && Marker::named(invocation.name.as_bytes()).is_some()
        && invocation.place.name_span() != invocation.name_span
}

/// The marker that is misspelt there; functions of the script are what they are called.
pub(super) fn misspelt(analysis: &Analysis<'_>, place: &Placed<'_>) -> Option<Marker> {
    let marker = meant(place.command)?;
    let is_defined = analysis.calls.call(place.command).is_some();
    let is_followed = !matches!(place.follower(), Follower::Pipe | Follower::Background);
    (is_followed && !is_defined).then_some(marker)
}

fn report(rule: &Rule, analysis: &Analysis<'_>, marker: Marker, place: &Placed<'_>) -> Diagnostic {
    let name = marker.name();
    let written = analysis.quote(place.name_span());
    if place.command.literal_name().is_some_and(|literal| literal == name) {
        return rule
            .finding(place.name_span(), format!("`{written}` is quoted, and so no marker"))
            .help(format!("write `{name}` without quotes"))
            .fix(Applicability::Unsafe, vec![Edit::replace(place.name_span(), name)]);
    }
    rule.finding(place.name_span(), format!("there is no command `{written}`"))
        .label(format!("did you mean `{name}`?"))
        .help("the chain behind it would be skipped on every run")
        .fix(Applicability::Unsafe, vec![Edit::replace(place.name_span(), name)])
}
