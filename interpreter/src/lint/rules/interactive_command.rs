//! A command that waits for a person.
//!
//! ## What it does
//! Looks for commands that read from a terminal, open an editor, or ask for a password, a name or whether to go on:
//! `read`, `passwd`, `vi`, `ssh-keygen`, `git clone git@...` without a known host key, `unzip` without `-o`, and their
//! like.
//!
//! ## Why
//! A setup has no terminal and nothing on its standard input: the command fails, or waits for ever.
//!
//! ## Example
//! ```sh
//! next_stage && ssh-keygen -t ed25519
//! ```
//!
//! ## Use instead
//! ```sh
//! next_stage && ssh-keygen -q -N "" -f /root/.ssh/id_ed25519
//! ```

use crate::{
    Diagnostic, Severity,
    lint::interactive::Interactive,
    lint::{analysis::Analysis, rule::Rule},
};

pub(in crate::lint) const RULE: Rule =
    Rule::new("CE041", "interactive-command", Severity::Error, include_str!("interactive_command.rs"), check);

fn check(rule: &Rule, analysis: &Analysis<'_>, findings: &mut Vec<Diagnostic>) {
    let judge = Interactive::of(analysis);
    for invocation in &analysis.invocations {
        if let Some((what, help)) = judge.asks(invocation) {
            findings.push(rule.finding(invocation.name_span, format!("`{}` {what}", invocation.name)).help(help));
        }
    }
}
