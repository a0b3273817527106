//! A letter that nobody sees, or takes for another, and that the shell takes for a part of a word.
//!
//! ## What it does
//! Looks, outside of quotes and comments, for the CR of lines that end as on Windows, byte order marks, no-break and
//! zero-width spaces, and typographic quotes.
//!
//! ## Why
//! Editors and web pages put them in. `mkdir data` with a CR behind it makes a directory that nobody finds; a no-break
//! space joins two words to one; typographic quotes quote nothing.
//!
//! ## Example
//! ```sh
//! next_stage && mkdir “/opt/data”
//! ```
//!
//! ## Use instead
//! ```sh
//! next_stage && mkdir "/opt/data"
//! ```
//!
//! ## Fix safety
//! Safe: nobody can have meant what is not to be seen. Quotes are left to you.

use bstr::ByteSlice;

use crate::{
    Applicability, Diagnostic, Edit, Severity, Span,
    analyze::letters::{self, Unseen},
    language::quoting::quote,
    lint::{analysis::Analysis, rule::Rule},
};

pub(in crate::lint) const RULE: Rule =
    Rule::new("CE082", "invisible-character", Severity::Error, include_str!("invisible_character.rs"), check);

fn check(rule: &Rule, analysis: &Analysis<'_>, findings: &mut Vec<Diagnostic>) {
    let unseen = letters::in_list(analysis.source, analysis.list);
    let line_ends = unseen.iter().filter(|(_, kind)| *kind == Unseen::LineEnd).count();
    let mut is_told = false;
    for (span, kind) in unseen {
        if kind == Unseen::LineEnd {
            // All of them come from the same: one is enough.
            let edits = || line_end_edits(analysis);
            findings.extend((!is_told).then(|| line_end(rule, analysis, span, line_ends, edits())));
            is_told = true;
        } else {
            findings.push(report(rule, analysis, span, kind));
        }
    }
}

fn line_end(rule: &Rule, analysis: &Analysis<'_>, span: Span, line_ends: usize, edits: Vec<Edit>) -> Diagnostic {
    let others = match line_ends {
        0 | 1 => String::new(),
        2 => ", and so does one more".to_owned(),
        count => format!(", and so do {} more", count - 1),
    };
    rule.finding(span, format!("this line ends in CR LF, as on Windows{others}"))
        .label("`sh` takes the CR for the last letter of the word")
        .help(format!("convert the file: `sed -i 's/\\r$//' {}`", typed(analysis.source.name())))
        .fix(Applicability::Safe, edits)
}

fn report(rule: &Rule, analysis: &Analysis<'_>, span: Span, kind: Unseen) -> Diagnostic {
    let letter = analysis.source.slice(span);
    let code = std::str::from_utf8(letter).ok().and_then(|letter| letter.chars().next()).map_or(0, u32::from);
    let (what, help) = match kind {
        Unseen::ByteOrderMark => {
            ("a byte order mark is part of this word", "remove it: save the file as UTF-8 without it")
        }
        Unseen::Blank => ("this blank separates no words", "write a space"),
        Unseen::Quote => ("this quote quotes nothing", "write `\"` or `'`"),
        Unseen::Dash => ("this dash begins no option", "write `-`"),
        Unseen::Nothing | Unseen::LineEnd => ("a letter that is not shown is part of this word", "remove it"),
    };
    let finding = rule.finding(span, format!("{what}: it is U+{code:04X}")).help(help);
    let instead = match kind {
        Unseen::Blank => " ",
        Unseen::Dash => "-",
        Unseen::Quote => return finding,
        Unseen::ByteOrderMark | Unseen::Nothing | Unseen::LineEnd => "",
    };
    finding.fix(Applicability::Safe, vec![Edit::replace(span, instead)])
}

/// All of the file's line ends at once: half a file would be worse.
fn line_end_edits(analysis: &Analysis<'_>) -> Vec<Edit> {
    let places = analysis.source.text().find_iter("\r\n");
    places.map(|at| Edit::replace(Span { start: at as u32, end: at as u32 + 1 }, "")).collect()
}

/// A file's name as one types it.
fn typed(name: &str) -> String {
    match name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._/+".contains(&byte)) {
        true => name.to_owned(),
        false => quote(name.as_bytes()).to_str_lossy().into_owned(),
    }
}
