//! Standard output or standard error of the whole script put into a file.
//!
//! ## What it does
//! Looks for `exec >FILE` and `exec 2>FILE` outside of chains.
//!
//! ## Why
//! What every later command says goes to a file in the container: a setup shows nothing, and its log and the lines shown
//! of a failure are empty. ce-run keeps a log of each stage by itself.
//!
//! ## Example
//! ```sh
//! exec >/var/log/setup.log 2>&1
//! next_stage && make
//! ```
//!
//! ## Use instead
//! ```sh
//! next_stage && make
//! ```

use crate::{
    Diagnostic, Severity,
    analyze::calls,
    lint::{analysis::Analysis, rule::Rule},
    syntax::Redirection,
};

pub(in crate::lint) const RULE: Rule =
    Rule::new("CE015", "output-hidden", Severity::Warning, include_str!("output_hidden.rs"), check);

fn check(rule: &Rule, analysis: &Analysis<'_>, findings: &mut Vec<Diagnostic>) {
    for place in analysis.places {
        let is_exec = place.command.unquoted_name() == Some("exec") && place.command.words.len() == 1;
        if !is_exec || place.context.apart.is_some() {
            continue;
        }
        let hides = |redirection: &&Redirection| {
            let is_output = matches!(redirection.descriptor, None | Some(1 | 2));
            is_output && calls::writes_file(redirection)
        };
        if let Some(redirection) = place.command.redirections.iter().find(hides) {
            findings.push(
                rule.finding(redirection.span, "nothing that the setup says from here on is seen")
                    .help("remove it; `ce-env log` shows what each stage has put out"),
            );
        }
    }
}
