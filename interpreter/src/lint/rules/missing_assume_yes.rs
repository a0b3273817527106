//! A package manager that asks before it installs.
//!
//! ## What it does
//! Looks for package managers that are not told to take "yes" for an answer.
//!
//! ## Why
//! A setup has no terminal and nothing on its standard input: the program stops with an error, or waits for ever.
//!
//! ## Example
//! ```sh
//! next_stage && apt-get update && apt-get install gcc
//! ```
//!
//! ## Use instead
//! ```sh
//! next_stage && apt-get update && apt-get install -y gcc
//! ```
//!
//! ## Fix safety
//! Safe: without it, nothing is installed.

use bstr::ByteSlice;

use crate::{
    Applicability, Diagnostic, Edit, Severity,
    analyze::invocation::Invocation,
    lint::{analysis::Analysis, rule::Rule},
};

pub(in crate::lint) const RULE: Rule =
    Rule::new("CE040", "missing-assume-yes", Severity::Error, include_str!("missing_assume_yes.rs"), check);

fn check(rule: &Rule, analysis: &Analysis<'_>, findings: &mut Vec<Diagnostic>) {
    let apt_is_told = analysis.source.text().contains_str("APT::Get::Assume-Yes");
    for invocation in &analysis.invocations {
        let Some((manager, index, subcommand)) = invocation.package_manager() else { continue };
        let Some(yes) = manager.yes.first() else { continue };
        let rest = invocation.from(index + 1);
        // With nothing to remove, there is nothing to ask.
        let is_empty =
            matches!(subcommand, "remove" | "purge") && rest.operands(manager.valued, manager.long).is_empty();
        let asks = manager.asking.contains(&subcommand) && !is_empty
            || matches!(invocation.name.as_str(), "add-apt-repository" | "apt-add-repository")
            || invocation.name == "pacman" && subcommand.starts_with("-S") && !subcommand.ends_with('y')
            || invocation.name == "pacman" && subcommand.starts_with("-R");
        let quiet = invocation.known().filter(|word| matches!(*word, "-q" | "--quiet")).count() > 1;
        let is_told = invocation.has(manager.yes_letter, manager.yes)
            || quiet && manager.names.contains(&"apt-get")
            || invocation
                .known()
                .any(|word| manager.names.contains(&"apt-get") && word.starts_with('-') && word.contains("qq"))
            || apt_is_told && manager.names.contains(&"apt-get")
            || is_configured(analysis, invocation);
        if !asks
            || is_told
            || invocation.has(None, &["--dry-run", "--simulate", "--download-only", "--help", "--print-uris"])
            || is_answered(invocation)
        {
            continue;
        }
        let at = match invocation.name.as_str() {
            "pacman" | "add-apt-repository" | "apt-add-repository" => invocation.name_span,
            _ => invocation.arguments.get(index).map_or(invocation.name_span, |argument| argument.span),
        };
        let word = if invocation.name == "zypper" { "-n" } else { yes };
        let at = if invocation.name == "zypper" { invocation.name_span.end } else { at.end };
        findings.push(
            rule.finding(
                invocation.span_to(index),
                format!("`{}` asks before it goes on, and nobody answers", invocation.name),
            )
            .help(format!("add `{word}`"))
            .fix(Applicability::Safe, vec![Edit::insert(at, format!(" {word}"))]),
        );
    }
}

/// Whether somebody answers on its standard input: `yes |`.
fn is_answered(invocation: &Invocation<'_>) -> bool {
    let place = invocation.place;
    place.position > 0 && !invocation.has_more
        || !place.command.redirections.is_empty()
            && place.command.redirections.iter().any(|redirection| redirection.here_document().is_some())
}

/// Whether the environment says so: `CONDA_ALWAYS_YES`, `OPAMYES`.
fn is_configured(analysis: &Analysis<'_>, invocation: &Invocation<'_>) -> bool {
    let name = match invocation.name.as_str() {
        "conda" | "mamba" => "CONDA_ALWAYS_YES",
        "micromamba" => "MAMBA_ALWAYS_YES",
        "opam" => "OPAMYES",
        _ => return false,
    };
    let is_configured = analysis.invocations.iter().any(|other| other.known().any(|word| word == "always_yes"));
    is_configured || analysis.has_variable(name)
}
