//! `sudo` where everything runs as root.
//!
//! ## What it does
//! Looks for commands behind `sudo`.
//!
//! ## Why
//! A setup runs as root. `sudo` is missing in most images, and where it is there, it takes variables away.
//!
//! ## Example
//! ```sh
//! next_stage && sudo make install
//! ```
//!
//! ## Use instead
//! ```sh
//! next_stage && make install
//! ```
//!
//! ## Fix safety
//! Unsafe: where docker.conf names another user, it may be needed.

use crate::{
    Applicability, Diagnostic, Edit, Severity, Span,
    lint::{analysis::Analysis, rule::Rule},
};

pub(in crate::lint) const RULE: Rule = Rule::new("CE072", "sudo", Severity::Warning, include_str!("sudo.rs"), check);

fn check(rule: &Rule, analysis: &Analysis<'_>, findings: &mut Vec<Diagnostic>) {
    for invocation in &analysis.invocations {
        let Some(span) = invocation.sudo else { continue };
        let text = analysis.source.slice(span);
        let word = Span {
            start: span.start,
            end: span.start + text.iter().take_while(|byte| !byte.is_ascii_whitespace()).count() as u32,
        };
        let finding = rule
            .finding(word, "a setup runs as root already")
            .help("leave `sudo` out; to run as somebody else, write `su USER -c 'COMMAND'`");
        // With options, it does more than run something as root.
        let is_plain = text.split(u8::is_ascii_whitespace).filter(|part| !part.is_empty()).count() == 1;
        findings.push(match is_plain {
            true => finding.fix(Applicability::Unsafe, vec![Edit::replace(span, "")]),
            false => finding,
        });
    }
    for invocation in analysis.named(&["sudo"]) {
        findings.push(rule.finding(invocation.name_span, "a setup runs as root already").help("leave `sudo` out"));
    }
}
