//! A script that ends before its end.
//!
//! ## What it does
//! Looks for `exit`, `return` and `exec PROGRAM` outside of chains, where no condition stands before it, and for `exit 0`
//! behind a condition, with stages below it.
//!
//! ## Why
//! Stages below it are never reached, and those that are appended to the script later never run.
//!
//! ## Example
//! ```sh
//! next_stage && make
//! exit 0
//! ```
//!
//! ## Use instead
//! ```sh
//! next_stage && make
//! ```

use crate::{
    Diagnostic, Severity,
    lint::{analysis::Analysis, rule::Rule},
};

pub(in crate::lint) const RULE: Rule =
    Rule::new("CE024", "top-level-exit", Severity::Warning, include_str!("top_level_exit.rs"), check);

fn check(rule: &Rule, analysis: &Analysis<'_>, findings: &mut Vec<Diagnostic>) {
    for place in analysis.places {
        let context = &place.context;
        let is_outside = context.chain.is_none() && context.function.is_none() && context.apart.is_none();
        if !is_outside || place.pipeline.commands.len() > 1 {
            continue;
        }
        let name = place.command.unquoted_name().unwrap_or_default();
        let leaves = matches!(name, "exit" | "return");
        if !(leaves || name == "exec" && place.command.words.len() > 1) {
            continue;
        }
        if !context.is_guarded() && context.guard.is_none() {
            findings.push(
                rule.finding(place.command.span, format!("nothing below `{name}` is ever reached"))
                    .help("remove it: a setup is done at the end of the script"),
            );
            continue;
        }
        // What has failed is passed on; a status that is not 0 fails the setup.
        let status = place.command.words.get(1).and_then(|word| word.unquoted());
        let ends_well = match status {
            Some(status) => status == "0",
            None => place.command.words.len() == 1 && place.is_behind_and(),
        };
        let has_stages_below = analysis.counted().any(|stage| stage.command.span.start > place.command.span.end);
        if leaves && ends_well && has_stages_below {
            findings.push(
                rule.finding(place.command.span, format!("on some runs, no stage below `{name}` is reached"))
                    .help("put the condition into the stages: `next_stage && { CONDITION || COMMAND; }`"),
            );
        }
    }
}
