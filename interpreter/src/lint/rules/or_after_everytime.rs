//! A `||` behind `everytime`, which always succeeds.
//!
//! ## What it does
//! Looks for `||` behind `everytime` in the same and-or list.
//!
//! ## Why
//! `everytime` returns 0 on every run. What stands directly behind `everytime ||` is never reached; further on, the
//! right side hides that the command before it failed.
//!
//! ## Example
//! ```sh
//! everytime || make
//! ```
//!
//! ## Use instead
//! ```sh
//! everytime && make
//! ```
//!
//! ## Fix safety
//! Unsafe: what was never reached is run then.

use crate::{
    Applicability, Diagnostic, Edit, Severity,
    analyze::{places::Follower, questions::is_question},
    language::marker::Marker,
    lint::{analysis::Analysis, rule::Rule},
    syntax::Pipeline,
};

pub(in crate::lint) const RULE: Rule =
    Rule::new("CE014", "or-after-everytime", Severity::Warning, include_str!("or_after_everytime.rs"), check);

fn check(rule: &Rule, analysis: &Analysis<'_>, findings: &mut Vec<Diagnostic>) {
    for (marker, place) in analysis.markers() {
        if marker != Marker::Everytime || place.context.outer_marker().is_some() || place.is_negated() {
            continue;
        }
        let Some(or) = place.first_or() else { continue };
        let right = analysis.quote(or.pipeline.span);
        let is_direct = place.follower() == Follower::Or;
        // `everytime && [ -d x ] || mkdir x`: a test that says no is no failure.
        let pipelines: Vec<&Pipeline> = place.item.and_or.pipelines().collect();
        let at = place.item.and_or.rest.iter().position(|part| part.operator_span == or.operator_span);
        let left = at.and_then(|at| pipelines.get(at));
        if !is_direct && left.is_some_and(|left| is_question(left)) {
            continue;
        }
        let message = match is_direct {
            true => format!("`{right}` is never reached: `everytime` always succeeds"),
            false => format!("`{right}` hides a failure of the chain before it"),
        };
        let help = match place.rest().and_then(|rest| analysis.repeat(rest)) {
            Some(rest) if is_direct => format!("write `everytime && {rest}`"),
            Some(rest) => format!("if that is meant, say so with braces: `everytime && {{ {rest}; }}`"),
            None => "put braces around everything behind `everytime &&`".to_owned(),
        };
        let finding =
            rule.finding(or.operator_span, message).related(place.command.span, "always returns 0").help(help);
        findings.push(match place.rest() {
            _ if is_direct => finding.fix(Applicability::Unsafe, vec![Edit::replace(or.operator_span, "&&")]),
            Some(rest) => {
                finding.fix(Applicability::Unsafe, vec![Edit::insert(rest.start, "{ "), Edit::insert(rest.end, "; }")])
            }
            None => finding,
        });
    }
}
