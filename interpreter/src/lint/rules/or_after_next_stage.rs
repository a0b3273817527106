//! A `||` behind `next_stage`, which answers to the stage being skipped.
//!
//! ## What it does
//! Looks for `||` behind `next_stage` in the same and-or list, and behind a group or function that ends with a stage.
//!
//! ## Why
//! An applied stage is skipped: `next_stage` returns 1. The shell reads `next_stage && a || b` as
//! `{ next_stage && a; } || b`, so that `b` runs on every later run, when nothing has failed.
//!
//! ## Example
//! ```sh
//! next_stage && fetch-data || fetch-data --mirror
//! ```
//!
//! ## Use instead
//! ```sh
//! next_stage && { fetch-data || fetch-data --mirror; }
//! ```
//!
//! ## Fix safety
//! Unsafe: what runs when the stage is skipped, and what when its command fails, is what the script means to say.

use crate::{
    Applicability, Diagnostic, Edit, Severity, Span,
    analyze::places::{Follower, Placed},
    language::marker::Marker,
    lint::{analysis::Analysis, rule::Rule},
    syntax::{AndOr, AndOrList, AndOrPart},
};

pub(in crate::lint) const RULE: Rule =
    Rule::new("CE002", "or-after-next-stage", Severity::Error, include_str!("or_after_next_stage.rs"), check);

fn check(rule: &Rule, analysis: &Analysis<'_>, findings: &mut Vec<Diagnostic>) {
    for (marker, place) in analysis.markers() {
        if marker != Marker::NextStage || place.context.outer_marker().is_some() || place.is_negated() {
            continue;
        }
        let Some(or) = place.first_or() else { continue };
        let marker = place.command.span;
        let finding = report(rule, analysis, or, marker).help(advice(analysis, place));
        let finding = match (place.follower(), place.rest()) {
            (Follower::And, Some(rest)) => {
                finding.fix(Applicability::Unsafe, vec![Edit::insert(rest.start, "{ "), Edit::insert(rest.end, "; }")])
            }
            (Follower::Or, Some(_)) => finding.fix(Applicability::Unsafe, vec![Edit::replace(or.operator_span, "&&")]),
            _ => finding,
        };
        findings.push(finding);
    }
    for list in &analysis.alternatives {
        findings.extend(behind_group(rule, analysis, list));
    }
}

/// A `||` whose left side ends with a stage somewhere inside a compound command.
fn behind_group(rule: &Rule, analysis: &Analysis<'_>, list: &AndOrList) -> Option<Diagnostic> {
    let lefts = list.pipelines();
    let (or, stage) = lefts.zip(&list.rest).find_map(|(left, part)| {
        let stage = (part.operator == AndOr::Or).then(|| analysis.last_stage(left))??;
        Some((part, stage))
    })?;
    let help = "put braces around the alternatives inside the stage: `next_stage && { a || b; }`";
    Some(report(rule, analysis, or, stage).help(help))
}

fn report(rule: &Rule, analysis: &Analysis<'_>, or: &AndOrPart, marker: Span) -> Diagnostic {
    let right = analysis.quote(or.pipeline.span);
    rule.finding(or.operator_span, format!("`{right}` also runs whenever the stage is skipped"))
        .label("answers to the status 1 of a skipped stage")
        .related(marker, "returns 1 once the stage is applied")
}

fn advice(analysis: &Analysis<'_>, place: &Placed<'_>) -> String {
    match place.rest().and_then(|rest| analysis.repeat(rest)) {
        Some(rest) if place.follower() == Follower::Or => {
            format!("write `next_stage && {rest}` to run it once, or `everytime && {rest}` to run it each time")
        }
        Some(rest) => format!("put braces around the alternatives: `next_stage && {{ {rest}; }}`"),
        None => "put braces around everything behind `next_stage &&`".to_owned(),
    }
}
