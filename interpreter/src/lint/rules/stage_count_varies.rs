//! A stage that is reached on some runs and not on others.
//!
//! ## What it does
//! Looks for `next_stage` under a condition, or in a loop, whose outcome depends on anything but constants of the
//! script: files, the output and status of programs, variables from outside, pathname patterns.
//!
//! ## Why
//! Stages are numbered as they are reached. When one drops out or comes in, all stages behind it change their numbers:
//! some run twice, others never.
//!
//! ## Example
//! ```sh
//! [ -d /opt/tool ] || next_stage && install-tool
//! ```
//!
//! ## Use instead
//! ```sh
//! next_stage && { [ -d /opt/tool ] || install-tool; }
//! ```

use crate::{
    Diagnostic, Severity, Span,
    lint::{analysis::Analysis, rule::Rule},
};

pub(in crate::lint) const RULE: Rule =
    Rule::new("CE008", "stage-count-varies", Severity::Error, include_str!("stage_count_varies.rs"), check);

fn check(rule: &Rule, analysis: &Analysis<'_>, findings: &mut Vec<Diagnostic>) {
    for place in analysis.counted() {
        // Inside another chain, that chain is what decides, and is reported.
        let Some(culprit) = culprit(analysis, place).filter(|_| place.context.chain.is_none()) else { continue };
        let name = analysis.quote(place.name_span());
        let condition = analysis.quote(culprit);
        findings.push(
            rule.finding(place.name_span(), format!("`{name}` is reached only on some runs: `{condition}` decides"))
                .label("shifts the numbers of all stages behind it")
                .related(culprit, "may come out differently on another run")
                .help("put the condition into the stage: `next_stage && { CONDITION || COMMAND; }`"),
        );
    }
}

/// What decides anew on each run whether the command is reached, or how often.
pub(super) fn culprit(analysis: &Analysis<'_>, place: &crate::analyze::places::Placed<'_>) -> Option<Span> {
    analysis.verdicts.culprit(place.context.decision)
}
