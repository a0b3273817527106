//! An installer of R that succeeds when it has installed nothing.
//!
//! ## What it does
//! Looks for `install.packages`, `BiocManager::install` and `biocLite` in what `R` and `Rscript` are given, and for
//! `install2.r` without `--error`, where nothing looks at what came of it.
//!
//! ## Why
//! R only warns when a package could not be installed, and ends with the status 0: the stage is recorded as applied.
//!
//! ## Example
//! ```sh
//! next_stage && Rscript -e 'install.packages("ape")'
//! ```
//!
//! ## Use instead
//! ```sh
//! next_stage && Rscript -e 'options(warn = 2); install.packages("ape")'
//! ```
//!
//! ## Fix safety
//! Safe: an installation that works is not changed.

use bstr::ByteSlice;

use crate::{
    Applicability, Diagnostic, Edit, Severity, Span,
    lint::{analysis::Analysis, rule::Rule},
};

pub(in crate::lint) const RULE: Rule =
    Rule::new("CE066", "silent-installer", Severity::Warning, include_str!("silent_installer.rs"), check);

fn check(rule: &Rule, analysis: &Analysis<'_>, findings: &mut Vec<Diagnostic>) {
    for invocation in analysis.named(&["R", "Rscript", "install.r", "install2.r", "installBioc.r", "littler", "r"]) {
        if invocation.is(&["install2.r", "install.r", "installBioc.r"]) {
            if !invocation.has(Some('e'), &["--error"]) && invocation.name != "install.r" {
                let edits = vec![Edit::insert(invocation.name_span.end, " --error")];
                findings.push(report(rule, invocation.name_span).fix(Applicability::Safe, edits));
            }
            continue;
        }
        if !invocation.is(&["R", "Rscript", "r", "littler"]) {
            continue;
        }
        let here = invocation.place.command.redirections.iter().filter_map(|redirection| redirection.here_document());
        let here: Vec<String> = here.map(|document| analysis.source.slice(document.span).to_string()).collect();
        // What another command prints to it.
        let piped = invocation.place.pipeline.commands.get(..invocation.place.position).unwrap_or_default();
        let piped: Vec<String> =
            piped.iter().map(|command| analysis.source.slice(command.span()).to_string()).collect();
        let text: Vec<&str> = invocation.known().chain(here.iter().chain(&piped).map(String::as_str)).collect();
        let text = text.join("\n");
        if INSTALLING.iter().any(|call| text.contains(call)) && !LOOKING.iter().any(|look| text.contains(look)) {
            let literal = invocation
                .arguments
                .iter()
                .find(|argument| INSTALLING.iter().any(|call| argument.text.contains_str(call)));
            let finding = report(rule, literal.map_or(invocation.name_span, |argument| argument.span));
            let quote = literal
                .map(|argument| analysis.source.slice(argument.span))
                .filter(|text| text.starts_with(b"'") || text.starts_with(b"\""));
            findings.push(match (literal, quote) {
                (Some(argument), Some(_)) => {
                    finding.fix(Applicability::Safe, vec![Edit::insert(argument.span.start + 1, "options(warn = 2); ")])
                }
                _ => finding,
            });
        }
    }
}

/// What installs.
const INSTALLING: [&str; 4] = ["install.packages(", "BiocManager::install(", "biocLite(", "update.packages("];

/// What fails when it is not there, or says so.
const LOOKING: [&str; 10] = [
    "library(",
    "requireNamespace(",
    "loadNamespace(",
    "stopifnot(",
    "warn = 2",
    "warn=2",
    "quit(",
    "q(status",
    "stop(",
    "installed.packages(",
];

fn report(rule: &Rule, span: Span) -> Diagnostic {
    rule.finding(span, "R ends with the status 0 although a package could not be installed")
        .help("begin with `options(warn = 2);`, or load the package behind it: `library(NAME)`")
}
