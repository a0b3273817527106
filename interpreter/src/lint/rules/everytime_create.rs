//! A command that fails when what it makes is there, or what it takes is gone.
//!
//! ## What it does
//! Looks for `mkdir`, `ln -s`, `useradd`, `groupadd`, `mkfifo`, `mv`, `rm` and their like in everytime chains, where
//! nothing was asked before, no failure is expected, and nothing in the chain makes room first.
//!
//! ## Why
//! The second run finds what the first has made, and the chain fails.
//!
//! ## Example
//! ```sh
//! everytime && mkdir /opt/data
//! ```
//!
//! ## Use instead
//! ```sh
//! everytime && mkdir -p /opt/data
//! ```
//!
//! ## Fix safety
//! Safe: the first run does what it did before.

use crate::{
    Applicability, Diagnostic, Edit, Severity,
    analyze::{folding::Folded, invocation::Invocation},
    lint::again,
    lint::{analysis::Analysis, rule::Rule},
};

pub(in crate::lint) const RULE: Rule =
    Rule::new("CE051", "everytime-create", Severity::Error, include_str!("everytime_create.rs"), check);

fn check(rule: &Rule, analysis: &Analysis<'_>, findings: &mut Vec<Diagnostic>) {
    for invocation in analysis.invocations.iter().filter(|invocation| again::fails(analysis, invocation)) {
        if let Some(found) = failing(analysis, invocation) {
            findings.push(report(rule, invocation, found));
        }
    }
}

/// What fails, the options that keep it from failing, and whether these change nothing else.
type Failing = (&'static str, &'static str);

fn failing(analysis: &Analysis<'_>, invocation: &Invocation<'_>) -> Option<Failing> {
    let has = |letter: char, long: &str| invocation.has(Some(letter), &[long]);
    let operands = || invocation.operands("mZSt", &["--mode", "--suffix", "--target-directory"]);
    let made_anew = |operand: &&Folded| again::is_made_anew(analysis, invocation, operand) || operand.is_unknown();
    let is_used_before = |operand: &&Folded| again::is_named_before(analysis, invocation, operand);
    let there = "what it makes is there already";
    match invocation.name.as_str() {
        "mkdir" if !has('p', "--parents") && !operands().iter().all(made_anew) => Some((there, "-p")),
        "ln" if !has('f', "--force") && !operands().last().is_some_and(made_anew) => {
            Some((there, if has('s', "--symbolic") { "-fn" } else { "-f" }))
        }
        "mkfifo" | "mknod" if !operands().first().is_some_and(made_anew) => Some((there, "")),
        "useradd" | "adduser" | "groupadd" | "addgroup" | "createuser" | "createdb" | "dropdb" | "lvcreate" => {
            let forces = invocation.name == "groupadd" && has('f', "--force");
            // `adduser USER GROUP` says so when the user is a member.
            let joins = invocation.name.starts_with("add") && invocation.operands("", &[]).len() > 1;
            (!forces && !joins).then_some((there, ""))
        }
        "mv" => (!operands().first().is_some_and(is_used_before)).then_some(("what it moves is gone", "")),
        "rm" if !has('f', "--force") => {
            (!operands().iter().any(is_used_before)).then_some(("what it removes is gone", "-f"))
        }
        "rmdir" | "userdel" | "groupdel" | "unlink" => {
            (!operands().iter().any(is_used_before)).then_some(("what it removes is gone", ""))
        }
        _ => None,
    }
}

fn report(rule: &Rule, invocation: &Invocation<'_>, (what, options): Failing) -> Diagnostic {
    let name = &invocation.name;
    let finding = rule.finding(invocation.name_span, format!("`{name}` fails on the second run: {what}"));
    match options {
        "" => finding.help("make it a stage (`next_stage &&`), or ask first: `[ -e PATH ] || ...`, `id USER || ...`"),
        options => finding
            .help(format!("write `{name} {options} ...`"))
            .fix(Applicability::Safe, vec![Edit::insert(invocation.name_span.end, format!(" {options}"))]),
    }
}
