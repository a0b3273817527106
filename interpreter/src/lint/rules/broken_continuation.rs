//! A line that does not go on where it seems to, or goes on where it should not.
//!
//! ## What it does
//! Looks for a blank behind the `\` at the end of a line, for a comment inside a command that goes on over lines, and
//! for a last `\` that makes the next marker an argument.
//!
//! ## Why
//! The blank becomes an argument, and the command ends there; a comment ends the command as well, and what stands below
//! it is a command of its own.
//!
//! ## Example
//! ```sh
//! next_stage && make \
//! next_stage && make check
//! ```
//!
//! ## Use instead
//! ```sh
//! next_stage && make
//! next_stage && make check
//! ```
//!
//! ## Fix safety
//! Safe for a blank behind the `\`; unsafe for a last `\`: the chains are counted otherwise then.

use bstr::ByteSlice;

use crate::{
    Applicability, Diagnostic, Edit, Severity, Span,
    language::marker::Marker,
    lint::{analysis::Analysis, rule::Rule},
    syntax::{Part, PartKind},
};

pub(in crate::lint) const RULE: Rule =
    Rule::new("CE088", "broken-continuation", Severity::Error, include_str!("broken_continuation.rs"), check);

fn check(rule: &Rule, analysis: &Analysis<'_>, findings: &mut Vec<Diagnostic>) {
    let text = analysis.source.text();
    if !text.contains(&b'\\') {
        return;
    }
    for place in analysis.places {
        for word in &place.command.words {
            findings.extend(word.parts.iter().find_map(|part| blank_behind(rule, text, part)));
        }
        for word in place.command.words.iter().skip(1) {
            let marker = word.unquoted().and_then(|name| Marker::named(name.as_bytes()));
            let before = text
                .get(..word.span.start as usize)
                .unwrap_or_default()
                .trim_end_with(|letter| matches!(letter, ' ' | '\t'));
            if let (Some(marker), Some(backslash)) = (marker, before.strip_suffix(b"\\\n")) {
                let at = backslash.len() as u32;
                let name = marker.name();
                findings.push(
                    rule.finding(
                        Span { start: at, end: at + 1 },
                        format!("the line goes on here, and `{name}` below is an argument"),
                    )
                    .related(word.span, "no marker, but an argument")
                    .help("remove the `\\`")
                    .fix(Applicability::Unsafe, vec![Edit::replace(Span { start: at, end: at + 1 }, "")]),
                );
            }
        }
        findings.extend(comment_inside(rule, text, place.command.span.end));
    }
}

/// A quoted blank at the end of a line.
fn blank_behind(rule: &Rule, text: &[u8], part: &Part) -> Option<Diagnostic> {
    let PartKind::Escaped(letter) = &part.kind else { return None };
    let rest = text.get(part.span.end as usize..)?.lines().next().unwrap_or_default();
    let is_comment = rest.trim_ascii_start().starts_with(b"#");
    let is_blank = matches!(letter.as_slice(), b" " | b"\t");
    if !is_blank || !(rest.trim_ascii().is_empty() || is_comment) {
        return None;
    }
    let span = Span { start: part.span.start, end: part.span.end };
    let finding = rule.finding(span, "the line does not go on: a blank stands behind the `\\`");
    Some(match is_comment {
        true => finding.help("put the comment on a line of its own, above the command"),
        false => {
            let blanks = Span { start: part.span.start + 1, end: part.span.end + rest.len() as u32 };
            finding.help("remove the blank").fix(Applicability::Safe, vec![Edit::replace(blanks, "")])
        }
    })
}

/// A comment behind a command, whose `\` at its end belongs to it.
fn comment_at_end(rule: &Rule, rest: &[u8], end: u32) -> Option<Diagnostic> {
    let mut lines = rest.lines();
    let line = lines.next()?;
    let comment = line.trim_ascii_start();
    let goes_on = comment.starts_with(b"#") && comment.ends_with(b"\\");
    // A blank stands before a comment; below it stands what was meant to belong to the command.
    let is_comment =
        goes_on && comment.len() < line.len() && lines.next().is_some_and(|next| !next.trim_ascii().is_empty());
    let start = end + (line.len() - comment.len()) as u32;
    is_comment.then(|| {
        let span = Span { start, end: start + comment.len() as u32 };
        rule.finding(span, "the comment ends the command: its `\\` is a part of the comment")
            .help("put the comment above the command")
    })
}

/// A comment behind a `\` and a newline, with more of the command below it.
fn comment_inside(rule: &Rule, text: &[u8], end: u32) -> Option<Diagnostic> {
    let rest = text.get(end as usize..)?;
    if let Some(finding) = comment_at_end(rule, rest, end) {
        return Some(finding);
    }
    let mut behind = rest.trim_ascii_start().strip_prefix(b"\\\n").filter(|_| !rest.starts_with(b"\n"))?;
    // Lines with nothing but a `\`.
    while let Some(further) = behind.trim_ascii_start().strip_prefix(b"\\\n") {
        behind = further;
    }
    let blanks = behind.iter().take_while(|byte| b" \t".contains(byte)).count();
    let comment = behind.get(blanks..)?.strip_prefix(b"#").map(|rest| rest.lines().next().unwrap_or_default())?;
    let below = behind.get(blanks + 1 + comment.len()..)?.lines().skip(1).map(|line| line.trim_ascii());
    let next = below.into_iter().find(|line| !line.starts_with(b"#"))?;
    let ends = next.is_empty()
        || Marker::named(next.split(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_').next()?).is_some();
    let start = end + (rest.len() - behind.len() + blanks) as u32;
    let span = Span { start, end: start + 1 + comment.len() as u32 };
    (!ends).then(|| {
        rule.finding(span, "the comment ends the command: what stands below is a command of its own")
            .help("put the comment above the command")
    })
}
