//! A marker whose status something else asks for.
//!
//! ## What it does
//! Looks for markers behind `!` and in the condition of `if`, `elif`, `while` or `until`.
//!
//! ## Why
//! `! next_stage && a` runs `a` only when the stage is skipped. In a condition it is hard to see which commands belong
//! to the stage and whose failure counts; a loop over a marker makes a stage of each turn.
//!
//! ## Example
//! ```sh
//! if next_stage; then make; fi
//! ```
//!
//! ## Use instead
//! ```sh
//! next_stage && { make; }
//! ```
//!
//! ## Fix safety
//! Unsafe: a failure of what stands in the `if` ends the setup then.

use std::collections::HashSet;

use crate::{
    Applicability, Diagnostic, Severity,
    analyze::places::Judge,
    language::marker::Marker,
    lint::{
        analysis::{Analysis, Hit},
        rule::Rule,
    },
};

pub(in crate::lint) const RULE: Rule =
    Rule::new("CE007", "marker-as-condition", Severity::Error, include_str!("marker_as_condition.rs"), check);

fn check(rule: &Rule, analysis: &Analysis<'_>, findings: &mut Vec<Diagnostic>) {
    let mut reported = HashSet::new();
    for Hit { place, .. } in &analysis.hits {
        let Some((judge, span)) = place.context.judged else { continue };
        if !reported.insert(span) {
            continue;
        }
        let name = analysis.quote(place.name_span());
        let marker = place.marker.unwrap_or(Marker::NextStage).name();
        let keyword = match judge {
            Judge::Not => None,
            Judge::If => Some("if"),
            Judge::While => Some("while"),
            Judge::Until => Some("until"),
        };
        let (message, help) = match keyword {
            Some(keyword) => {
                (format!("`{name}` is the condition of `{keyword}`"), format!("write `{marker} && {{ ...; }}`"))
            }
            None => (
                format!("`!` turns the status of `{name}` round"),
                format!("leave the `!` out, or put it behind the marker: `{marker} && ! COMMAND`"),
            ),
        };
        let finding = rule.finding(place.name_span(), message).help(help);
        let edits = analysis.only_branch(span).filter(|_| judge == Judge::If && place.marker.is_some());
        findings.push(match edits {
            Some(edits) => finding.fix(Applicability::Unsafe, edits),
            None => finding,
        });
    }
}
