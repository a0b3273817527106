//! Text that is no shell script.
//!
//! ## What it does
//! Reports every place where the grammar of the POSIX shell is broken: unclosed quotes and groups, missing commands,
//! forms that only bash has.
//!
//! ## Why
//! Such a script cannot be interpreted, so that no container can be set up from it. `ce-lint` goes on reading behind
//! the place, and reports all errors of a file together.
//!
//! ## Example
//! ```sh
//! next_stage && echo "x
//! ```
//!
//! ## Use instead
//! ```sh
//! next_stage && echo "x"
//! ```

use bstr::ByteSlice;

use crate::{
    Diagnostic, Severity, Span,
    lint::{analysis::Analysis, rule::Rule},
};

pub(in crate::lint) const RULE: Rule =
    Rule::new("CE001", "syntax-error", Severity::Error, include_str!("syntax_error.rs"), check);

/// Reading the script has found them already, but for a here-document that shells end at the end of the text.
fn check(rule: &Rule, analysis: &Analysis<'_>, findings: &mut Vec<Diagnostic>) {
    let simple = analysis.places.iter().flat_map(|place| &place.command.redirections);
    let compound = analysis.redirected.iter().flat_map(|(command, _)| &command.redirections);
    for redirection in simple.chain(compound) {
        let Some(document) = redirection.here_document() else { continue };
        let text = analysis.source.slice(document.span);
        // A carriage return is told by itself.
        let plain = |line: &[u8]| line.trim_with(|letter| matches!(letter, '\t' | '\r')).to_vec();
        let is_end = |line: &[u8]| plain(line) == plain(&document.delimiter);
        if document.delimiter.is_empty() || text.lines().next_back().is_some_and(is_end) {
            continue;
        }
        let delimiter = &document.delimiter;
        let nearly = text.lines().find(|line| line.trim_ascii() == delimiter.as_bytes());
        let finding = rule.finding(redirection.span, "the here-document never ends: all below it is its text");
        findings.push(match nearly {
            Some(line) => {
                let start = document.span.start as usize + text.find(line).unwrap_or_default();
                let place = Span::new(start..start + line.len());
                finding
                    .related(place, "this line does not end it")
                    .help(format!("write `{delimiter}` alone on that line, without blanks"))
            }
            None => finding.help(format!("end it with a line that is `{delimiter}`")),
        });
    }
}
