//! A file with a fixed name in a directory that everybody shares.
//!
//! ## What it does
//! Looks for redirections and files that are written below `/tmp` under a name that is the same on every run, in
//! everytime chains.
//!
//! ## Why
//! Calls share a container: what one has written there, another one finds.
//!
//! ## Example
//! ```sh
//! everytime && date > /tmp/today
//! ```
//!
//! ## Use instead
//! ```sh
//! everytime && today=$(mktemp) && date > "$today"
//! ```

use std::collections::HashSet;

use crate::{
    Diagnostic, Severity,
    analyze::{calls, folding::Folded},
    lint::{analysis::Analysis, rule::Rule},
};

pub(in crate::lint) const RULE: Rule =
    Rule::new("CE059", "fixed-temporary-name", Severity::Style, include_str!("fixed_temporary_name.rs"), check);

fn check(rule: &Rule, analysis: &Analysis<'_>, findings: &mut Vec<Diagnostic>) {
    let mut seen = HashSet::new();
    for place in analysis.places {
        if !analysis.runs(place).every {
            continue;
        }
        for redirection in place.command.redirections.iter().filter(|redirection| calls::writes_file(redirection)) {
            let file = analysis.variables.fold(&redirection.target);
            findings.extend(report(rule, &mut seen, &file));
        }
    }
    for invocation in analysis.invocations.iter().filter(|invocation| analysis.runs(invocation.place).every) {
        let written = match invocation.name.as_str() {
            "mkdir" | "touch" | "tee" | "mkfifo" => invocation.operands("m", &[]).first().copied(),
            "cp" | "mv" | "ln" | "install" | "rsync" => invocation.operands("", &[]).last().copied(),
            "curl" | "wget" => {
                let mut arguments = invocation.arguments.iter();
                let is_output = |argument: &Folded| {
                    argument.known().is_some_and(|text| text.starts_with('-') && text.ends_with(['o', 'O']))
                };
                arguments.find(|argument| is_output(argument)).and_then(|_| arguments.next())
            }
            _ => None,
        };
        findings.extend(written.and_then(|file| report(rule, &mut seen, file)));
    }
}

fn report(rule: &Rule, seen: &mut HashSet<String>, file: &Folded) -> Option<Diagnostic> {
    let path = file.known()?;
    let is_temporary = ["/tmp/", "/var/tmp/", "/dev/shm/"]
        .iter()
        .any(|directory| path.starts_with(directory) && path.len() > directory.len());
    (is_temporary && seen.insert(path.to_owned())).then(|| {
        rule.finding(file.span, format!("`{path}` is the same file for all that run in the container"))
            .help("make a name of its own: `file=$(mktemp)`")
    })
}
