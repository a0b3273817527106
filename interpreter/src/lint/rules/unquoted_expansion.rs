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
//! Safe for the directories of a setup and for variables of a loop; unsafe for other values, which may be lists of words that
//! are meant to be taken apart: write those with `set --` and `"$@"`.

use crate::{
    Applicability, Diagnostic, Edit, Severity,
    lint::quoting,
    lint::{analysis::Analysis, rule::Rule},
};

pub(in crate::lint) const RULE: Rule =
    Rule::new("CE081", "unquoted-expansion", Severity::Warning, include_str!("unquoted_expansion.rs"), check);

fn check(rule: &Rule, analysis: &Analysis<'_>, findings: &mut Vec<Diagnostic>) {
    for unquoted in quoting::unquoted(analysis) {
        let written = analysis.quote(unquoted.span);
        let around = if unquoted.is_plain { unquoted.word } else { unquoted.span };
        let finding = rule
            .finding(
                unquoted.span,
                format!("a blank in `{written}` makes several arguments of it, and `*` the names of files"),
            )
            .help(match analysis.repeat(around) {
                Some(text) if !text.contains('"') => {
                    format!("put quotes around it: `\"{text}\"`; a list is better written with `set --` and `\"$@\"`")
                }
                _ => "put double-quotes around it".to_owned(),
            });
        let applicability = if unquoted.is_one { Applicability::Safe } else { Applicability::Unsafe };
        // No quotes can be put inside backquotes.
        findings.push(match analysis.source.slice(around).contains(&b'`') {
            true => finding,
            false => finding.fix(applicability, vec![Edit::insert(around.start, "\""), Edit::insert(around.end, "\"")]),
        });
    }
}
