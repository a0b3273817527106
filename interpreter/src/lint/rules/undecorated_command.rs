//! A command that acts on the container outside any chain.
//!
//! ## What it does
//! Looks for commands without a marker that run a program or write a file. Shell built-ins (`cd`, `export`, `set`,
//! `echo`, tests), assignments, command substitutions, functions that only use those, and commands that a condition
//! or a guard before a marker asks are left alone: they do nothing to the container, or are asked for their status.
//!
//! ## Why
//! It runs on every run, before every call of the computation, and the setup goes on when it fails.
//!
//! ## Example
//! ```sh
//! apt-get update
//! ```
//!
//! ## Use instead
//! ```sh
//! everytime && apt-get update
//! ```
//!
//! ## Fix safety
//! Unsafe: its failure ends the setup then.

use std::collections::HashSet;

use super::misspelt_marker;
use crate::{
    Applicability, Diagnostic, Edit, Severity, Span,
    analyze::calls,
    analyze::decision::Decision,
    analyze::places::{Apart, Context, Placed},
    lint::{analysis::Analysis, rule::Rule},
    syntax::AndOr,
};

pub(in crate::lint) const RULE: Rule =
    Rule::new("CE012", "undecorated-command", Severity::Warning, include_str!("undecorated_command.rs"), check);

fn check(rule: &Rule, analysis: &Analysis<'_>, findings: &mut Vec<Diagnostic>) {
    commands(rule, analysis, findings);
    redirected(rule, analysis, findings);
}

fn commands(rule: &Rule, analysis: &Analysis<'_>, findings: &mut Vec<Diagnostic>) {
    // A marker in a pipeline is reported for standing there, and the commands beside it with it.
    let beside: HashSet<Span> = analysis.hits.iter().filter_map(|hit| pipeline(&hit.place.context)).collect();
    let both = analysis.places.iter().filter_map(|place| analysis.redirects_both(place.item));
    let redirected_to: HashSet<u32> = both.map(|span| span.end - 1).collect();
    let wrapped: HashSet<Span> = analysis
        .named(&["next_stage", "everytime"])
        .filter(|invocation| misspelt_marker::is_wrapped(invocation))
        .map(|invocation| invocation.place.item.and_or.span)
        .collect();
    let mut last: Option<&Placed<'_>> = None;
    for place in analysis.places {
        // One finding for an and-or list: one marker is enough for it.
        // Of a word with a byte order mark in it, nobody knows what was meant.
        let is_marked = analysis.source.slice(place.name_span()).starts_with(b"\xef\xbb\xbf");
        let seen = is_marked || last.is_some_and(|last| std::ptr::eq(last.item, place.item));
        let is_beside = pipeline(&place.context).is_some_and(|span| beside.contains(&span));
        // What stands behind `&>` belongs to the command before it, and is told there.
        let is_target = redirected_to.contains(&place.command.span.start);
        // Of a line that was meant to go on, what stands there is the rest: that is told.
        let is_rest = analysis.is_rest_of_line(place.command.span.start);
        if !seen
            && !is_rest
            && !is_beside
            && !is_target
            && !wrapped.contains(&place.item.and_or.span)
            && is_undecorated(analysis, &place.context)
            && acts(analysis, place)
        {
            last = Some(place);
            findings.push(report(rule, analysis, place));
        }
    }
}

/// Compound commands whose output goes to a file; around markers that is a log of them.
fn redirected(rule: &Rule, analysis: &Analysis<'_>, findings: &mut Vec<Diagnostic>) {
    let mut hits: Vec<u32> = analysis.hits.iter().map(|hit| hit.place.command.span.start).collect();
    hits.sort_unstable();
    for (command, context) in &analysis.redirected {
        let next = hits.get(hits.partition_point(|hit| *hit < command.span.start));
        let has_marker = next.is_some_and(|next| *next < command.span.end);
        let written = command.redirections.iter().find(|redirection| calls::writes_file(redirection));
        if let Some(written) = written.filter(|_| !has_marker && is_undecorated(analysis, context)) {
            let message = "this writes a file on every run, and its failure is ignored";
            let help = "put the whole behind a marker: `everytime && { ...; } >FILE`";
            findings.push(rule.finding(written.span, message).help(help));
        }
    }
}

/// The pipeline that a command runs in.
fn pipeline(context: &Context<'_>) -> Option<Span> {
    context.apart.filter(|(apart, _)| *apart == Apart::Pipeline).map(|(_, span)| span)
}

/// Whether a command there runs on every run, and nothing asks for its status.
fn is_undecorated(analysis: &Analysis<'_>, context: &Context<'_>) -> bool {
    // Without a marker in it, a function is judged where it is called.
    let is_called = context
        .function
        .is_none_or(|function| analysis.calls.effects(&function.name).is_some_and(|effects| effects.marks()));
    let excused = context.chain.is_some() || context.asked || context.substituted || context.left_behind;
    is_called && !excused
}

fn acts(analysis: &Analysis<'_>, place: &Placed<'_>) -> bool {
    match analysis.calls.call(place.command) {
        Some(effects) => effects.acts && !effects.marks(),
        None => calls::acts(place.command) && misspelt_marker::misspelt(analysis, place).is_none(),
    }
}

fn report(rule: &Rule, analysis: &Analysis<'_>, place: &Placed<'_>) -> Diagnostic {
    let name = analysis.quote(place.name_span());
    let list = &place.item.and_or;
    let has_or = list.rest.iter().any(|part| part.operator == AndOr::Or);
    // As a stage it would be counted anew by every condition and loop around it.
    let is_free = place.context.decision == Decision::default() && place.context.repeated.is_none();
    let help = match analysis.repeat(list.span).filter(|_| !place.item.background) {
        Some(list) if has_or => format!("write `everytime && {{ {list}; }}`"),
        Some(list) if is_free => format!("write `everytime && {list}`, or `next_stage && {list}` to run it once"),
        Some(list) => format!("write `everytime && {list}`"),
        None => "put `everytime &&` before it".to_owned(),
    };
    let mut edits = vec![Edit::insert(list.span.start, "everytime && ")];
    if has_or {
        edits = vec![Edit::insert(list.span.start, "everytime && { "), Edit::insert(list.span.end, "; }")];
    }
    let finding = rule
        .finding(place.name_span(), format!("`{name}` runs on every run, and its failure is ignored"))
        .label("no marker before it")
        .help(help);
    // What is in a pipeline or function may be marked there, or where it is called.
    let is_free = place.context.function.is_none() && place.context.apart.is_none() && place.context.judged.is_none();
    if is_free && !place.item.background { finding.fix(Applicability::Unsafe, edits) } else { finding }
}
