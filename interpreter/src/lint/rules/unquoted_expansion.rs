//! An expansion that the shell takes apart.
//!
//! ## What it does
//! Looks for `$NAME`, `$(...)` and `$1` without quotes among the arguments of commands. Left alone are values that the
//! script fixes and that hold nothing to take apart, lists of words that the script has written, the words of `for` and
//! `set`, and what prints one plain word (`$(nproc)`).
//!
//! ## Why
//! A blank in the value makes two arguments of it, and `*` the names of files.
//!
//! ## Example
//! ```sh
//! next_stage && cp $COMPDIR/config /etc/tool.conf
//! ```
//!
//! ## Use instead
//! ```sh
//! next_stage && cp "$COMPDIR/config" /etc/tool.conf
//! ```
//!
//! ## Fix safety
//! Safe, unless the value is a list of words that is meant to be taken apart: then write it into the command, or use
//! `set --` and `"$@"`.

use crate::{
    Applicability, Diagnostic, Edit, Severity, Span,
    lint::quoting,
    lint::{analysis::Analysis, rule::Rule},
};

pub(in crate::lint) const RULE: Rule =
    Rule::new("CE081", "unquoted-expansion", Severity::Warning, include_str!("unquoted_expansion.rs"), check);

fn check(rule: &Rule, analysis: &Analysis<'_>, findings: &mut Vec<Diagnostic>) {
    let mut fixed: Option<Span> = None;
    for unquoted in quoting::unquoted(analysis) {
        let written = analysis.quote(unquoted.span);
        let around = if unquoted.is_plain { unquoted.word } else { unquoted.span };
        let text = analysis.source.slice(around);
        let finding = rule
            .finding(
                unquoted.span,
                format!("the shell splits `{written}` at blanks, and takes `*` in it for a pattern"),
            )
            .help(match analysis.repeat(around) {
                Some(text) if !text.contains('"') => format!("put quotes around it: `\"{text}\"`"),
                _ => "put double-quotes around it".to_owned(),
            });
        // One pair of quotes is enough for a word, and none can stand inside backquotes.
        let is_done = fixed == Some(around);
        fixed = Some(around);
        findings.push(match is_done || text.contains(&b'`') {
            true => finding,
            false => {
                finding.fix(Applicability::Safe, vec![Edit::insert(around.start, "\""), Edit::insert(around.end, "\"")])
            }
        });
    }
}
