//! Packages installed from lists as old as the image.
//!
//! ## What it does
//! Looks for `apt-get install` without `apt-get update` before it in the same chain, or behind `everytime` before it.
//!
//! ## Why
//! The lists say which versions there are. Those of the image are old, and those that an earlier stage has fetched are
//! as old as the container: a stage that is appended later gets "404 Not Found".
//!
//! ## Example
//! ```sh
//! next_stage && apt-get install -y gcc
//! ```
//!
//! ## Use instead
//! ```sh
//! next_stage && apt-get update && apt-get install -y gcc
//! ```
//!
//! ## Fix safety
//! Safe: fetching the lists changes nothing else.

use std::collections::HashSet;

use crate::{
    Applicability, Diagnostic, Edit, Severity,
    analyze::{folding::Folded, invocation::Invocation},
    lint::{analysis::Analysis, rule::Rule},
};

pub(in crate::lint) const RULE: Rule = Rule::new(
    "CE036",
    "apt-install-without-update",
    Severity::Warning,
    include_str!("apt_install_without_update.rs"),
    check,
);

fn check(rule: &Rule, analysis: &Analysis<'_>, findings: &mut Vec<Diagnostic>) {
    let fetched = Updates::of(analysis);
    for invocation in &analysis.invocations {
        let Some((manager, index)) = invocation.installs() else { continue };
        if !manager.names.contains(&"apt-get") || invocation.place.context.substituted {
            continue;
        }
        let packages = invocation.from(index + 1);
        let packages = packages.operands(manager.valued, manager.long);
        let is_file = |operand: &&Folded| operand.text.contains(&b'/') && !operand.text.starts_with(b"-");
        let are_files = !packages.is_empty() && packages.iter().all(is_file);
        // The lists that the first of a chain needs are there for the others.
        let is_later = analysis
            .before(invocation.place)
            .any(|other| other.installs().is_some_and(|(manager, _)| manager.names.contains(&"apt-get")));
        let is_later = is_later && invocation.place.context.chain.is_some();
        if are_files || is_later || fetched.are_before(analysis, invocation) {
            continue;
        }
        let program = &invocation.name;
        let finding = rule
            .finding(invocation.span_to(index), "the package lists may be as old as the image")
            .help(format!("write `{program} update && {program} install ...` in one chain"));
        findings.push(finding.fix(Applicability::Safe, edits(invocation)));
    }
}

/// Where package lists are fetched.
struct Updates<'t> {
    /// Where the first of those stands that are fetched on every run.
    first_each_time: Option<u32>,
    /// The functions that fetch them.
    functions: HashSet<&'t str>,
}

impl<'t> Updates<'t> {
    fn of(analysis: &Analysis<'t>) -> Updates<'t> {
        let all = || analysis.invocations.iter().filter(|invocation| updates(invocation));
        let each_time = all().filter(|update| analysis.runs(update.place).each_time());
        let first_each_time = each_time.map(|update| update.place.command.span.start).min();
        let functions = all().filter_map(|update| Some(update.place.context.function?.name.as_str())).collect();
        Updates { first_each_time, functions }
    }

    /// Whether lists are fetched before, on the run that the packages are installed on.
    fn are_before(&self, analysis: &Analysis<'t>, install: &Invocation<'t>) -> bool {
        let start = install.place.command.span.start;
        self.first_each_time.is_some_and(|first| first < start)
            || analysis
                .before(install.place)
                .any(|other| updates(other) || self.functions.contains(other.name.as_str()))
    }
}

/// Whether a command fetches package lists.
fn updates(invocation: &Invocation<'_>) -> bool {
    let is_update = invocation.package_manager().is_some_and(|(manager, _, subcommand)| {
        manager.names.contains(&"apt-get") && matches!(subcommand, "update" | "up")
    });
    is_update || invocation.is(&["add-apt-repository", "apt-add-repository"])
}

/// The update put before it; in braces, where something else decides whether it runs.
fn edits(invocation: &Invocation<'_>) -> Vec<Edit> {
    let span = invocation.place.command.span;
    let sudo = if invocation.sudo.is_some() { "sudo " } else { "" };
    let update = format!("{sudo}{} update && ", invocation.name);
    let is_plain = invocation.place.pipeline.commands.len() == 1
        && !invocation.place.is_negated()
        && invocation.place.is_behind_and();
    match is_plain {
        true => vec![Edit::insert(span.start, update)],
        false => vec![Edit::insert(span.start, format!("{{ {update}")), Edit::insert(span.end, "; }")],
    }
}
