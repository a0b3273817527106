//! A chain that leaves the script.
//!
//! ## What it does
//! Looks for `exit 0`, `exit` without a status, `return` outside of functions, and `exec PROGRAM` in chains.
//!
//! ## Why
//! The commands behind it do not run, and the stage is recorded as applied all the same. `exit 1`, which fails the
//! stage, is left alone, and so is what ends a subshell early.
//!
//! ## Example
//! ```sh
//! next_stage && { set -e; make; exit 0; make install; }
//! ```
//!
//! ## Use instead
//! ```sh
//! next_stage && make && make install
//! ```

use crate::{
    Diagnostic, Severity,
    analyze::{invocation::Invocation, places::Placed},
    lint::{analysis::Analysis, rule::Rule},
};

pub(in crate::lint) const RULE: Rule =
    Rule::new("CE023", "exit-in-chain", Severity::Warning, include_str!("exit_in_chain.rs"), check);

fn check(rule: &Rule, analysis: &Analysis<'_>, findings: &mut Vec<Diagnostic>) {
    for invocation in &analysis.invocations {
        let place = invocation.place;
        if !analysis.runs(place).in_chain() || !is_alone(place) {
            continue;
        }
        let name = place.command.unquoted_name().unwrap_or_default();
        let ends_well = match name {
            "exit" => leaves_well(invocation),
            "return" => place.context.function.is_none() && leaves_well(invocation),
            "exec" => place.command.words.len() > 1,
            _ => false,
        };
        // What failed before it is passed on.
        let passes_on = name != "exec" && invocation.arguments.is_empty() && !place.is_behind_and();
        let in_subshell = name != "exec" && place.context.apart.is_some();
        let ends_subshell = in_subshell && analysis.is_last_in(place, place.context.apart.map(|(_, span)| span));
        if ends_well && !passes_on && (!in_subshell || !place.context.is_guarded()) && !ends_subshell {
            let message = match name {
                "exec" => "`exec` puts a program in the shell's place: nothing behind it runs".to_owned(),
                _ => format!("`{name}` ends the setup here, and the chain counts as done"),
            };
            let help = match name {
                "exec" => "leave `exec` out",
                _ => "remove it, or give a status that is not 0 where something has failed",
            };
            findings.push(rule.finding(place.command.span, message).help(help));
        }
    }
}

/// Whether it is no part of a pipeline, and not in a substitution.
fn is_alone(place: &Placed<'_>) -> bool {
    place.pipeline.commands.len() == 1 && !place.context.substituted
}

fn leaves_well(invocation: &Invocation<'_>) -> bool {
    invocation.arguments.is_empty() || invocation.argument(0) == Some("0")
}
