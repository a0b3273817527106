//! A command whose failure another one hides.
//!
//! ## What it does
//! Looks for `export X=$(COMMAND)` and its like, for `find -exec COMMAND \;`, and for `wait` without an operand.
//!
//! ## Why
//! The status is that of `export`, which succeeds; `find` and `wait` end with 0 whatever the commands did.
//!
//! ## Example
//! ```sh
//! export VERSION=$(get-version)
//! ```
//!
//! ## Use instead
//! ```sh
//! VERSION=$(get-version) && export VERSION
//! ```
//!
//! ## Fix safety
//! Unsafe: the chain stops where it went on before.

use bstr::ByteSlice;

use crate::{
    Applicability, Diagnostic, Edit, Severity, Span,
    analyze::invocation::Invocation,
    lint::quoting,
    lint::{analysis::Analysis, rule::Rule},
};

pub(in crate::lint) const RULE: Rule = Rule::new(
    "CE067",
    "assignment-hides-failure",
    Severity::Warning,
    include_str!("assignment_hides_failure.rs"),
    check,
);

/// Commands that nobody minds when they fail for one file: they remove, or only look.
const HARMLESS: [&str; 13] =
    ["basename", "cat", "du", "echo", "file", "grep", "head", "ldd", "ls", "printf", "rm", "rmdir", "stat"];

fn check(rule: &Rule, analysis: &Analysis<'_>, findings: &mut Vec<Diagnostic>) {
    for invocation in analysis.named(&["declare", "export", "find", "local", "readonly", "typeset", "wait"]) {
        match invocation.name.as_str() {
            "export" | "readonly" | "local" | "declare" | "typeset" => {
                declarations(rule, analysis, invocation, findings)
            }
            "find" => {
                let runs = analysis.runs(invocation.place);
                let command =
                    invocation.known().skip_while(|word| !matches!(*word, "-exec" | "-execdir" | "-ok")).nth(1);
                let is_harmless = command.is_none_or(|name| HARMLESS.contains(&name));
                let is_last = invocation.place.position + 1 == invocation.place.pipeline.commands.len();
                let each = invocation.arguments.iter().find(|argument| argument.text == ";");
                if let Some(end) =
                    each.filter(|_| !is_harmless && runs.in_chain() && is_last && !invocation.place.context.substituted)
                {
                    findings.push(
                        rule.finding(invocation.name_span, "`find` succeeds when the command that it runs has failed")
                            .help("end it with `{} +`: then its status tells")
                            .related(end.span, "each failure is dropped here"),
                    );
                }
            }
            "wait" if invocation.arguments.is_empty() && analysis.runs(invocation.place).in_chain() => findings.push(
                rule.finding(invocation.name_span, "`wait` succeeds when what it waits for has failed")
                    .help("name the process: `wait \"$!\"`"),
            ),
            _ => {}
        }
    }
}

fn declarations(rule: &Rule, analysis: &Analysis<'_>, invocation: &Invocation<'_>, findings: &mut Vec<Diagnostic>) {
    for word in invocation.place.command.words.iter().skip(1) {
        let Some(substitution) = quoting::failing_substitution(&word.parts) else { continue };
        let text = analysis.source.slice(word.span);
        let Some((name, _)) = text.split_once_str("=") else { continue };
        let (name, declare) = (name.to_str_lossy(), &invocation.name);
        let finding = rule
            .finding(word.span, format!("a failure of the command is hidden behind `{declare}`"))
            .related(substitution, "its status is dropped")
            .help(match declare.as_str() {
                "local" | "declare" | "typeset" => format!("write `{declare} {name}` first, then `{name}=$(...)`"),
                _ => format!("write `{name}=$(...) && {declare} {name}`"),
            });
        let is_alone = invocation.place.command.words.len() == 2
            && invocation.place.is_behind_and()
            && invocation.place.pipeline.commands.len() == 1;
        let is_plain = matches!(declare.as_str(), "export" | "readonly") && is_alone;
        findings.push(match is_plain {
            true => finding.fix(
                Applicability::Unsafe,
                vec![
                    Edit::replace(Span { start: invocation.place.command.span.start, end: word.span.start }, ""),
                    Edit::insert(word.span.end, format!(" && {declare} {name}")),
                ],
            ),
            false => finding,
        });
    }
}
