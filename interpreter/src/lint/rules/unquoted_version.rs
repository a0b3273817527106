//! A `>` or `<` of a version that the shell takes for a redirection.
//!
//! ## What it does
//! Looks for redirections without a blank before them, whose file begins with `=` or a digit, among the arguments of
//! package managers.
//!
//! ## Why
//! `pip install x>=1.2` installs any version of `x`, and writes what it says to a file of the name `=1.2`.
//!
//! ## Example
//! ```sh
//! next_stage && pip install numpy>=1.2
//! ```
//!
//! ## Use instead
//! ```sh
//! next_stage && pip install 'numpy>=1.2'
//! ```
//!
//! ## Fix safety
//! Safe: the script means what it says.

use crate::{
    Applicability, Diagnostic, Edit, Severity, Span,
    lint::{analysis::Analysis, rule::Rule},
    syntax::{Redirection, RedirectionOperator},
};

pub(in crate::lint) const RULE: Rule =
    Rule::new("CE037", "unquoted-version", Severity::Error, include_str!("unquoted_version.rs"), check);

fn check(rule: &Rule, analysis: &Analysis<'_>, findings: &mut Vec<Diagnostic>) {
    for invocation in analysis.invocations.iter().filter(|invocation| invocation.installs().is_some()) {
        let command = invocation.place.command;
        let mut redirections = command.redirections.iter().peekable();
        while let Some(redirection) = redirections.next() {
            let before = command.words.iter().rfind(|word| word.span.end <= redirection.span.start);
            let Some(word) = before else { continue };
            let is_adjacent = word.span.end == redirection.span.start;
            if !is_version(analysis, redirection, is_adjacent) {
                continue;
            }
            let mut end = redirection.span.end;
            while let Some(next) = redirections.next_if(|next| next.span.start == end) {
                end = next.span.end;
            }
            let span = Span { start: word.span.start, end };
            let text = analysis.source.slice(span);
            // Between single-quotes nothing is expanded, and another one cannot stand there.
            let is_plain = is_adjacent && !text.iter().any(|byte| b"$`\"'\\".contains(byte));
            let edits = vec![Edit::replace(span, format!("'{text}'"))];
            let finding = rule
                .finding(span, "the shell takes this for a redirection: the version is not asked for")
                .help(if is_plain {
                    format!("put quotes around it: `'{text}'`")
                } else {
                    "put quotes around all of it".to_owned()
                });
            findings.push(if is_plain { finding.fix(Applicability::Safe, edits) } else { finding });
        }
    }
}

fn is_version(analysis: &Analysis<'_>, redirection: &Redirection, is_adjacent_to_word: bool) -> bool {
    let is_bound = matches!(redirection.operator, RedirectionOperator::Output | RedirectionOperator::Input);
    let target = analysis.source.slice(redirection.target.span);
    let is_adjacent = redirection.target.span.start - redirection.span.start == 1;
    // Nobody calls a file `=1.2`.
    let begins = target.first().is_some_and(|first| *first == b'=' || is_adjacent_to_word && first.is_ascii_digit());
    is_bound && redirection.descriptor.is_none() && is_adjacent && begins
}
