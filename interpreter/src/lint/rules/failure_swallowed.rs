//! A stage that cannot fail.
//!
//! ## What it does
//! Looks for `|| true`, `|| :`, `|| echo ...` and `|| exit 0` at the end of a stage.
//!
//! ## Why
//! Whatever happens, the stage is recorded as applied, and is never tried again.
//!
//! ## Example
//! ```sh
//! next_stage && { make install || true; }
//! ```
//!
//! ## Use instead
//! ```sh
//! next_stage && make install
//! ```

use std::collections::HashSet;

use crate::{
    Diagnostic, Severity, Span,
    analyze::{calls, invocation::Invocation, questions::is_question},
    language::builtins,
    lint::{analysis::Analysis, checked, rule::Rule},
    syntax::{AndOr, AndOrList, Command, CompoundCommand, CompoundKind, List, Pipeline, Word},
};

pub(in crate::lint) const RULE: Rule =
    Rule::new("CE061", "failure-swallowed", Severity::Warning, include_str!("failure_swallowed.rs"), check);

fn check(rule: &Rule, analysis: &Analysis<'_>, findings: &mut Vec<Diagnostic>) {
    for invocation in &analysis.invocations {
        let place = invocation.place;
        // Inside of a stage, what matters is what was meant to build, fetch or test something.
        let inside = place.context.chain.is_some_and(|chain| chain.span.end < place.item.and_or.span.start);
        let is_stage = analysis.runs(place).once && !place.context.substituted;
        let next = place.after.first().filter(|part| part.operator == AndOr::Or && swallows(&part.pipeline));
        if let Some(part) = next.filter(|_| inside && is_stage && builds(invocation)) {
            findings.push(report(rule, analysis, part.operator_span.to(part.pipeline.span)));
        }
    }
    for stage in &analysis.stages {
        let Some(part) = stage.rest.last() else { continue };
        match part.operator {
            // Directly behind the marker, it answers to the stage being skipped: that is another rule's.
            AndOr::Or if stage.rest.len() == 1 => {}
            AndOr::Or => findings.extend(
                swallows(&part.pipeline).then(|| report(rule, analysis, part.operator_span.to(part.pipeline.span))),
            ),
            AndOr::And => in_pipeline(rule, analysis, &part.pipeline, findings),
        }
    }
    let mut seen = HashSet::new();
    findings.retain(|finding| finding.code != rule.code || seen.insert(finding.primary.span));
}

/// Whether a command is there for what it makes or tests.
fn builds(invocation: &Invocation<'_>) -> bool {
    const BUILDING: [&str; 14] = [
        "cmake",
        "configure",
        "ctest",
        "curl",
        "gcc",
        "gfortran",
        "make",
        "meson",
        "ninja",
        "patch",
        "pytest",
        "tar",
        "unzip",
        "wget",
    ];
    BUILDING.contains(&invocation.name.as_str()) || invocation.installs().is_some()
}

/// What a stage's last command comes to is decided by the last command in it.
fn in_pipeline(rule: &Rule, analysis: &Analysis<'_>, pipeline: &Pipeline, findings: &mut Vec<Diagnostic>) {
    let Some(Command::Compound(command)) = pipeline.single() else { return };
    if let Some(failing) = only_said(command) {
        findings.push(
            rule.finding(failing, "a failure is only told of, and the stage counts as applied")
                .help("leave it with a failure: `{ echo ... >&2; exit 1; }`"),
        );
        return;
    }
    let lists: Vec<&List> = match &command.kind {
        CompoundKind::BraceGroup(list) | CompoundKind::Subshell(list) => vec![list],
        CompoundKind::If(command) => command.branches.iter().map(|(_, body)| body).chain(&command.otherwise).collect(),
        CompoundKind::Case(command) => command.items.iter().map(|item| &item.body).collect(),
        CompoundKind::For(command) => vec![&command.body],
        CompoundKind::While(command) | CompoundKind::Until(command) => vec![&command.body],
    };
    for list in lists {
        let Some(item) = list.items.last() else { continue };
        match item.and_or.rest.last() {
            // A test that says no is no failure.
            Some(part) if part.operator == AndOr::Or && is_question(before_last(&item.and_or)) => {}
            Some(part) if part.operator == AndOr::Or && swallows(&part.pipeline) => {
                findings.push(report(rule, analysis, part.operator_span.to(part.pipeline.span)));
            }
            Some(part) if part.operator == AndOr::And => in_pipeline(rule, analysis, &part.pipeline, findings),
            Some(_) => {}
            None => in_pipeline(rule, analysis, &item.and_or.first, findings),
        }
    }
}

/// The command of a condition whose failure a branch says something about, and no more.
fn only_said(command: &CompoundCommand) -> Option<Span> {
    let CompoundKind::If(_) = &command.kind else { return None };
    checked::said_only(command)
        .filter(|asked| {
            let Some(Command::Simple(command)) = asked.commands.last() else { return false };
            !builtins::is_built_in(command.unquoted_name().unwrap_or_default().as_bytes())
        })
        .map(|asked| asked.span)
}

/// The last pipeline but one; the first, where there is no other.
fn before_last(list: &AndOrList) -> &Pipeline {
    let before = list.rest.len().checked_sub(2).and_then(|index| list.rest.get(index));
    before.map_or(&list.first, |part| &part.pipeline)
}

/// Whether a command always succeeds.
fn swallows(pipeline: &Pipeline) -> bool {
    let Some(Command::Simple(command)) = pipeline.single() else { return false };
    let name = command.words.first().and_then(Word::unquoted).unwrap_or_default();
    match name.rsplit('/').next().unwrap_or(name) {
        "true" | ":" => true,
        // What goes to a file is the work itself.
        "echo" | "printf" => !command.redirections.iter().any(calls::writes_file),
        "exit" | "return" => command.words.get(1).and_then(Word::unquoted) == Some("0"),
        _ => false,
    }
}

fn report(rule: &Rule, analysis: &Analysis<'_>, span: Span) -> Diagnostic {
    let written = analysis.quote(span);
    rule.finding(span, format!("with `{written}`, the stage counts as applied whatever happens"))
        .help("remove it; if one failure does not matter, ask for just that one before the command")
}
