//! An edit that adds to a file on every run.
//!
//! ## What it does
//! Looks for `sed -i` with commands that insert or append (`i`, `a`, `r`), or that put text before or behind each line,
//! in everytime chains, where nothing was asked before.
//!
//! ## Why
//! Every call of the computation runs the chain, and adds the text once more.
//!
//! ## Example
//! ```sh
//! everytime && sed -i '1i # made by the setup' /etc/tool.conf
//! ```
//!
//! ## Use instead
//! ```sh
//! everytime && { grep -q '# made by the setup' /etc/tool.conf || sed -i '1i # made by the setup' /etc/tool.conf; }
//! ```

use crate::{
    Diagnostic, Severity,
    analyze::folding::Folded,
    lint::again,
    lint::{analysis::Analysis, rule::Rule},
};

pub(in crate::lint) const RULE: Rule =
    Rule::new("CE058", "everytime-edit", Severity::Warning, include_str!("everytime_edit.rs"), check);

fn check(rule: &Rule, analysis: &Analysis<'_>, findings: &mut Vec<Diagnostic>) {
    for invocation in analysis.named(&["sed"]) {
        if !(again::repeats(analysis, invocation) && invocation.has(Some('i'), &["--in-place"])) {
            continue;
        }
        let files = analysis.before(invocation.place).any(again::brings_files);
        let scripts = || invocation.arguments.iter().filter_map(Folded::known);
        if scripts().any(adds) && !scripts().any(again::deletes_lines) && !files {
            findings.push(
                rule.finding(invocation.name_span, "the text is added once more on every run")
                    .help("ask first (`grep -q TEXT FILE || sed ...`), or make it a stage"),
            );
        }
    }
}

/// Whether a script of sed adds text however often it is run.
fn adds(script: &str) -> bool {
    script.lines().flat_map(|line| line.split(';')).any(|command| {
        let command = behind_address(command.trim());
        let inserts = matches!(command.as_bytes(), [b'i' | b'a' | b'r', b' ' | b'\\', ..]);
        let puts_around = command.starts_with("s/^/")
            || command.starts_with("s/$/")
            || command.starts_with("s|$|")
            || command.starts_with("s|^|");
        inserts && command.len() > 2 || puts_around && command.len() > 5 || keeps_and_adds(command)
    })
}

/// `s/x/&y/`, and `s/^PATH=/PATH=a:/`: what is matched stays, and so the next run finds it again.
fn keeps_and_adds(command: &str) -> bool {
    let mut letters = command.chars();
    let (Some('s'), Some(delimiter)) = (letters.next(), letters.next()) else { return false };
    if delimiter.is_ascii_alphanumeric() || delimiter == ' ' {
        return false;
    }
    let parts = parts_at(letters.as_str(), delimiter);
    let [pattern, replacement, ..] = parts.as_slice() else { return false };
    if finds_again(pattern, replacement) {
        return true;
    }
    let has_whole = replacement.replace("\\&", "").contains('&') && replacement.len() > 1;
    let is_comment = replacement.starts_with('#') && pattern.starts_with('^');
    // With `^` before it, what stands in the line's beginning is no longer found behind what was added.
    let stays_first = replacement.starts_with('&') || !pattern.starts_with('^');
    has_whole && !is_comment && stays_first
}

/// Whether the text that is put in has what was looked for at the same place.
fn finds_again(pattern: &str, replacement: &str) -> bool {
    let (at_start, at_end) = (pattern.starts_with('^'), pattern.ends_with('$'));
    let plain = pattern.trim_start_matches('^').trim_end_matches('$');
    let is_plain = plain.chars().all(|letter| letter.is_ascii_alphanumeric() || "_-=:/ #".contains(letter));
    let is_there = match (at_start, at_end) {
        (true, true) => return false,
        (true, false) => replacement.starts_with(plain),
        (false, true) => replacement.ends_with(plain),
        (false, false) => replacement.contains(plain),
    };
    !plain.is_empty() && is_plain && is_there && replacement.len() > plain.len()
}

/// The text between delimiters, those left out that a `\` stands before.
fn parts_at(text: &str, delimiter: char) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let Some(part) = parts.last_mut() else { break };
        match letter {
            '\\' if letters.peek() == Some(&delimiter) => part.extend(letters.next()),
            '\\' => {
                part.push(letter);
                part.extend(letters.next());
            }
            _ if letter == delimiter => parts.push(String::new()),
            _ => part.push(letter),
        }
    }
    parts
}

/// What stands behind the address of a command.
fn behind_address(command: &str) -> &str {
    let rest =
        command.trim_start_matches(|letter: char| letter.is_ascii_digit() || matches!(letter, '$' | ',' | '~' | '+'));
    match rest.strip_prefix('/') {
        Some(pattern) => {
            let mut escaped = false;
            let end = pattern.find(|letter: char| {
                let ends = letter == '/' && !escaped;
                escaped = letter == '\\' && !escaped;
                ends
            });
            end.and_then(|end| pattern.get(end + 1..)).map_or(rest, behind_address)
        }
        None => rest.trim_start_matches([' ', 'I', '!']),
    }
}
