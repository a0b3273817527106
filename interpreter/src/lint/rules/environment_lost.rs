//! A stage that ends with a change of its shell.
//!
//! ## What it does
//! Looks for stages whose last command is `export`, `.`, `umask`, `ulimit`, `set`, `trap`, `alias` or the definition of
//! a function, where nothing of the stage comes behind it.
//!
//! ## Why
//! A stage runs once. On every later run it is skipped, and the shell of that run is as it was: the variable is not
//! exported, the file was not read.
//!
//! ## Example
//! ```sh
//! next_stage && export LANG=C.UTF-8
//! ```
//!
//! ## Use instead
//! ```sh
//! export LANG=C.UTF-8
//! ```

use crate::{
    Diagnostic, Severity,
    language::{
        builtins::{self, Effect},
        marker::Marker,
    },
    lint::{analysis::Analysis, rule::Rule},
    syntax::SimpleCommand,
};

pub(in crate::lint) const RULE: Rule =
    Rule::new("CE021", "environment-lost", Severity::Warning, include_str!("environment_lost.rs"), check);

fn check(rule: &Rule, analysis: &Analysis<'_>, findings: &mut Vec<Diagnostic>) {
    for place in analysis.places {
        let is_stage = place.context.chain.is_some_and(|chain| chain.marker == Some(Marker::NextStage));
        let is_last = place.after.is_empty() && place.position + 1 == place.pipeline.commands.len();
        if !is_stage || !is_last || place.context.apart.is_some() || place.context.function.is_some() {
            continue;
        }
        let Some(name) = place.command.unquoted_name().filter(|_| changes_shell(place.command)) else { continue };
        if analysis.is_last_in_chain(place) {
            let what = analysis.quote(place.command.span);
            findings.push(
                rule.finding(place.command.span, format!("what `{name}` does here is gone on every later run"))
                    .label("the stage is skipped then")
                    .help(format!("write `{what}` outside of stages, or `everytime && {what}`")),
            );
        }
    }
    for chain in analysis.chains_that_define() {
        findings.push(
            rule.finding(chain, "the function is not defined on any later run, when the stage is skipped")
                .help("define it outside of stages"),
        );
    }
}

/// Whether the command changes nothing but the shell that runs it.
fn changes_shell(command: &SimpleCommand) -> bool {
    let name = command.unquoted_name().unwrap_or_default();
    let effect = builtins::effect_of(name.as_bytes());
    let is_setting = matches!(
        effect,
        Effect::Names | Effect::Options | Effect::Traps | Effect::Mask | Effect::Limits | Effect::Aliases
    );
    let is_known = matches!(name, "." | "source") || is_setting && !matches!(name, "read" | "unset" | "shift" | "let");
    let first = command.words.get(1).map(crate::syntax::Word::leading_text).unwrap_or_default();
    // What was turned on in the stage is turned off again.
    let undoes = name == "set" && first.starts_with(b"+") || name == "trap" && first == "-";
    is_known && command.words.len() > 1 && !undoes
}
