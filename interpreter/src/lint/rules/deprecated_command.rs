//! A command that newer systems do not have.
//!
//! ## What it does
//! Looks for `apt-key`, and for `easy_install`, `pip2` and `python2`.
//!
//! ## Why
//! It is gone from newer releases: the next image does not have it.
//!
//! ## Example
//! ```sh
//! next_stage && apt-key add /tmp/key.asc
//! ```
//!
//! ## Use instead
//! ```sh
//! next_stage && install -D -m 644 /tmp/key.asc /etc/apt/keyrings/tool.asc
//! ```

use crate::{
    Diagnostic, Severity,
    lint::{analysis::Analysis, rule::Rule},
};

pub(in crate::lint) const RULE: Rule =
    Rule::new("CE044", "deprecated-command", Severity::Warning, include_str!("deprecated_command.rs"), check);

fn check(rule: &Rule, analysis: &Analysis<'_>, findings: &mut Vec<Diagnostic>) {
    for invocation in analysis.named(&["apt-key", "easy_install", "pip2", "python2"]) {
        let instead = match invocation.name.as_str() {
            "apt-key" => "put the key into `/etc/apt/keyrings`, and name it with `signed-by` in the list of sources",
            "easy_install" => "use `pip install`",
            "pip2" | "python2" => "use Python 3",
            _ => continue,
        };
        findings.push(
            rule.finding(invocation.name_span, format!("newer systems have no `{}`", invocation.name)).help(instead),
        );
    }
}
