//! A stage in a loop or a function.
//!
//! ## What it does
//! Looks for `next_stage` in loops that take the same turns on every run, and in functions.
//!
//! ## Why
//! Each turn and each call is a stage of its own. A word added to the loop's list, or one more call, gives other
//! numbers to all stages behind it. Stages that are written out can only be appended to.
//!
//! ## Example
//! ```sh
//! for package in make gcc; do next_stage && install "$package"; done
//! ```
//!
//! ## Use instead
//! ```sh
//! next_stage && install make gcc
//! ```

use std::collections::HashSet;

use super::stage_count_varies;
use crate::{
    Diagnostic, Severity,
    analyze::places::Repetition,
    lint::{analysis::Analysis, rule::Rule},
};

pub(in crate::lint) const RULE: Rule =
    Rule::new("CE009", "marker-in-loop", Severity::Warning, include_str!("marker_in_loop.rs"), check);

fn check(rule: &Rule, analysis: &Analysis<'_>, findings: &mut Vec<Diagnostic>) {
    let mut reported = HashSet::new();
    for place in analysis.counted() {
        let Some((repetition, span)) = place.context.repeated else { continue };
        let is_call_in_function = place.marker.is_none() && repetition == Repetition::Function;
        let is_nested = place.context.chain.is_some();
        if is_call_in_function || is_nested || stage_count_varies::culprit(analysis, place).is_some() {
            continue;
        }
        if !reported.insert(span) {
            continue;
        }
        let name = analysis.quote(place.name_span());
        let (message, label, help) = match repetition {
            Repetition::Loop => (
                format!("`{name}` is hit once for every turn of the loop"),
                "one more turn renumbers all stages behind the loop",
                "put the loop into the stage, with `|| exit` behind commands that may fail, or write the stages out",
            ),
            Repetition::Function => (
                format!("`{name}` is hit once for every call of the function"),
                "one more call renumbers all stages behind it",
                "call the function from a stage instead: `next_stage && NAME`",
            ),
        };
        findings.push(rule.finding(place.name_span(), message).related(span, label).help(help));
    }
}
