//! A variable set for one command, and used by another.
//!
//! ## What it does
//! Looks for `NAME=value COMMAND` where `NAME` is expanded behind it in the same chain, or in the very arguments of the
//! command, and nothing else sets it.
//!
//! ## Why
//! The assignment holds for that command alone, and its arguments are expanded before it.
//!
//! ## Example
//! ```sh
//! next_stage && VERSION=1.2 true && curl -fLO "https://example.org/tool-$VERSION.tgz"
//! ```
//!
//! ## Use instead
//! ```sh
//! VERSION=1.2
//! next_stage && curl -fLO "https://example.org/tool-$VERSION.tgz"
//! ```

use crate::{
    Diagnostic, Severity,
    language::{builtins, is_given},
    lint::uses::Use,
    lint::{analysis::Analysis, rule::Rule},
};

pub(in crate::lint) const RULE: Rule = Rule::new(
    "CE087",
    "prefix-assignment-unused",
    Severity::Warning,
    include_str!("prefix_assignment_unused.rs"),
    check,
);

fn check(rule: &Rule, analysis: &Analysis<'_>, findings: &mut Vec<Diagnostic>) {
    for place in analysis.places {
        let command = place.command;
        // Before a special built-in, it stays.
        let is_special = command.unquoted_name().is_some_and(|name| builtins::is_special(name.as_bytes()));
        if command.words.is_empty() || command.assignments.is_empty() || is_special {
            continue;
        }
        for assignment in &command.assignments {
            let name = assignment.name.as_str();
            let is_set = analysis.has_variable(name) || is_given(name);
            let end = place.item.and_or.span.end;
            let is_behind = |used: &&Use<'_>| {
                used.name == name
                    && used.span.start >= command.span.start
                    && used.span.end <= end
                    && !assignment.span.contains(used.span)
            };
            let Some(used) = analysis
                .uses_from(command.span.start)
                .take_while(|used| used.span.end <= end)
                .find(is_behind)
                .filter(|_| !is_set)
            else {
                continue;
            };
            let is_own = command.span.contains(used.span);
            let message = match is_own {
                true => format!("`{name}` is not set yet when the arguments are expanded"),
                false => format!("`{name}` is set for this command alone"),
            };
            findings.push(
                rule.finding(assignment.span, message)
                    .related(used.span, "this expands to nothing")
                    .help(format!("write `{}` on a line of its own before the chain", analysis.quote(assignment.span))),
            );
        }
    }
}
