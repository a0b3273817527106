//! Comments that say which findings are none: `# ce-lint: ignore[CE060] reason`.
//!
//! At the end of a line, such a comment is about the command that begins there, or goes on there; on a line of its own,
//! about the next one. `file-ignore` is about the whole file. `# shellcheck disable=SC2086` counts for the rules that look
//! for the same.

use bstr::ByteSlice;

use super::rule::{self, Rule};
use crate::{
    Applicability, Diagnostic, Edit, Source, Span,
    syntax::{
        HereDocument, List, ListItem, Script, Word,
        visit::{self, Visit},
    },
};

/// A comment that suppresses findings.
struct Suppression {
    /// The comment.
    comment: Span,
    /// The rules that it names, each with its place; for those of ShellCheck, without one.
    rules: Vec<(Option<&'static Rule>, Span)>,
    /// What it is about; all of the file, where that is `None`.
    scope: Option<Span>,
    has_reason: bool,
    /// Whether it is written for another program, and may say what is none of ours.
    is_foreign: bool,
    /// Which of the rules have suppressed something.
    used: Vec<bool>,
}

/// What a comment that begins as ours says.
enum Directive {
    Suppression(Suppression),
    /// Nothing that is known.
    Unknown(Span),
}

/// Takes away the findings that comments suppress, and adds what is wrong with those comments.
pub(super) fn apply(rules: &'static [Rule], script: &Script, findings: &mut Vec<Diagnostic>) {
    let directives = directives(rules, script);
    if directives.is_empty() {
        return;
    }
    let Some(rule) = rule::find(rules, "CE095") else { return };
    let mut suppressions = Vec::new();
    let mut wrong = Vec::new();
    for directive in directives {
        match directive {
            Directive::Suppression(suppression) => suppressions.push(suppression),
            Directive::Unknown(span) => wrong.push(
                rule.finding(span, "this says nothing to ce-lint")
                    .help("write `# ce-lint: ignore[CODE] REASON`, or `# ce-lint: file-ignore[CODE] REASON`"),
            ),
        }
    }
    suppressions.sort_by_key(|one| one.scope.map(|scope| scope.start));
    let files = suppressions.partition_point(|one| one.scope.is_none());
    findings.retain(|finding| {
        // What cannot be interpreted does not run, whatever a comment says.
        let is_fatal = finding.code == rules.first().map_or("", |rule| rule.code);
        // Those of the whole file come first, the others in the order of what they are about.
        let start = finding.primary.span.start;
        let end = suppressions.partition_point(|one| one.scope.is_none_or(|scope| scope.start <= start));
        let (whole, rest) = suppressions.split_at_mut(files);
        let nearest =
            rest.get_mut(..end.saturating_sub(files)).unwrap_or_default().iter_mut().rev().take(MOST_LOOKED_AT);
        is_fatal || !whole.iter_mut().chain(nearest).any(|suppression| suppression.covers(finding))
    });
    for suppression in suppressions.iter().filter(|suppression| !suppression.is_foreign) {
        wrong.extend(complaints(rules, rule, &script.source, suppression));
    }
    findings.append(&mut wrong);
}

impl Suppression {
    /// Whether it suppresses a finding; notes that it does.
    fn covers(&mut self, finding: &Diagnostic) -> bool {
        let is_about = self
            .scope
            .is_none_or(|scope| scope.start <= finding.primary.span.start && finding.primary.span.start < scope.end);
        let names = |(rule, _): &(Option<&'static Rule>, Span)| rule.is_some_and(|rule| rule.code == finding.code);
        let Some(index) = self.rules.iter().position(names).filter(|_| is_about) else { return false };
        self.used.get_mut(index).map(|used| *used = true).is_some()
    }
}

/// What is wrong with a suppression.
fn complaints(rules: &'static [Rule], rule: &Rule, source: &Source, suppression: &Suppression) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let removal = || vec![Edit::replace(suppression.comment, "")];
    let is_only = suppression.rules.len() == 1;
    for ((named, span), used) in suppression.rules.iter().zip(&suppression.used) {
        let written = source.slice(*span).to_str_lossy();
        let finding = match named {
            None => {
                let finding = rule.finding(*span, format!("there is no rule `{written}`"));
                match rule::nearest(rules, &written) {
                    Some(nearest) => finding.label(format!("did you mean `{nearest}`?")),
                    None => finding.help("`ce-lint rules` lists them"),
                }
            }
            Some(_) if !used => rule.finding(*span, format!("`{written}` suppresses nothing here")).help("remove it"),
            Some(_) => continue,
        };
        found.push(if is_only { finding.fix(Applicability::Safe, removal()) } else { finding });
    }
    if !suppression.has_reason && found.is_empty() {
        found.push(
            rule.finding(suppression.comment, "this does not say why the finding does not matter")
                .help("write the reason behind the bracket"),
        );
    }
    found
}

/// The comments of a script that are meant for us.
fn directives(rules: &'static [Rule], script: &Script) -> Vec<Directive> {
    let text = script.source.text();
    let mut starts: Vec<usize> = text
        .find_iter("ce-lint:")
        .chain(text.find_iter("ce-lint ignore["))
        .chain(text.find_iter("shellcheck disable="))
        .collect();
    if starts.is_empty() {
        return Vec::new();
    }
    starts.sort_unstable();
    let mut layout = Layout { items: Vec::new(), words: Vec::new() };
    layout.visit_list(&script.list);
    layout.words.sort();
    layout.items.sort();
    starts.into_iter().filter_map(|start| directive(rules, script, &layout, start)).collect()
}

fn directive(rules: &'static [Rule], script: &Script, layout: &Layout, at: usize) -> Option<Directive> {
    let text = script.source.text();
    let line_start = text.get(..at)?.rfind_byte(b'\n').map_or(0, |newline| newline + 1);
    let before = text.get(line_start..at)?;
    let hash = before
        .rfind_byte(b'#')
        .filter(|hash| before.get(hash + 1..).is_some_and(|between| between.trim_ascii().is_empty()))?;
    let start = line_start + hash;
    let end = text.get(at..)?.find_byte(b'\n').map_or(text.len(), |length| at + length);
    let comment = Span::new(start..end);
    if layout.is_in_word(comment) {
        return None;
    }
    let is_alone = before.get(..hash).is_some_and(|before| before.trim_ascii().is_empty());
    let scope = layout.scope(&script.source, comment, is_alone);
    let body = text.get(at..end)?;
    if let Some(codes) = body.strip_prefix(b"shellcheck disable=") {
        let codes = codes.split(|byte| *byte == b',' || byte.is_ascii_whitespace());
        let named: Vec<_> = codes
            .filter_map(|code| code.to_str().ok())
            .flat_map(|code| mapped(rules, code))
            .map(|rule| (Some(rule), comment))
            .collect();
        let used = vec![false; named.len()];
        return Some(Directive::Suppression(Suppression {
            comment,
            rules: named,
            scope,
            has_reason: true,
            is_foreign: true,
            used,
        }));
    }
    if !body.starts_with(b"ce-lint:") {
        return Some(Directive::Unknown(comment));
    }
    Some(ours(rules, text, comment, at + "ce-lint:".len(), scope))
}

/// Reads what stands behind `ce-lint:`.
fn ours(rules: &'static [Rule], text: &[u8], comment: Span, at: usize, scope: Option<Span>) -> Directive {
    let parsed = || -> Option<Suppression> {
        let body = text.get(at..comment.end as usize)?;
        let (word, behind) = body.split_once_str("[")?;
        let (codes, reason) = behind.split_once_str("]")?;
        let scope = match word.trim_ascii() {
            b"ignore" => Some(scope.unwrap_or(comment)),
            b"file-ignore" => None,
            _ => return None,
        };
        let mut from = at + word.len() + 1;
        let mut named = Vec::new();
        for code in codes.split(|byte| *byte == b',') {
            let blanks = code.len() - code.trim_ascii_start().len();
            let span = Span::new(from + blanks..from + blanks + code.trim_ascii().len());
            named.push((rule::find(rules, &code.trim_ascii().to_str_lossy()), span));
            from += code.len() + 1;
        }
        let used = vec![false; named.len()];
        let has_reason = !reason.trim_ascii().is_empty();
        Some(Suppression { comment, rules: named, scope, has_reason, is_foreign: false, used })
    };
    parsed().map_or(Directive::Unknown(comment), Directive::Suppression)
}

/// The rules that look for what a code of ShellCheck stands for.
fn mapped(rules: &'static [Rule], code: &str) -> Vec<&'static Rule> {
    let codes: &[&str] = match code {
        "SC2086" | "SC2046" | "SC2048" | "SC2068" => &["CE081"],
        "SC2154" | "SC2153" => &["CE083"],
        "SC2164" => &["CE065"],
        "SC2115" => &["CE073"],
        "SC2155" => &["CE067"],
        "SC2015" => &["CE002", "CE014"],
        "SC2030" | "SC2031" => &["CE020"],
        "SC2093" | "SC2317" => &["CE023", "CE024"],
        "SC2310" | "SC2311" | "SC2312" => &["CE062"],
        "SC2097" | "SC2098" => &["CE087"],
        "SC1017" | "SC1018" | "SC1082" | "SC1110" => &["CE082"],
        code if code.starts_with("SC3") => &["CE080"],
        _ => &[],
    };
    codes.iter().filter_map(|code| rule::find(rules, code)).collect()
}

/// How many commands before a comment are looked at.
const MOST_LOOKED_AT: usize = 100;

/// Where words and commands stand.
struct Layout {
    /// The and-or lists, at any depth.
    items: Vec<Span>,
    /// Words and here-documents.
    words: Vec<Span>,
}

impl Layout {
    fn is_in_word(&self, comment: Span) -> bool {
        let behind = self.words.partition_point(|word| word.start <= comment.start);
        // Words may stand in others, in a substitution: a few steps back are enough to come out of all of them.
        self.words.get(..behind).is_some_and(|before| {
            before.iter().rev().take(64).any(|word| word.end > comment.start && self.is_text(*word, comment))
        })
    }

    /// Whether a word around a comment has no commands there, in which it would be one.
    fn is_text(&self, word: Span, comment: Span) -> bool {
        let first = self.items.partition_point(|item| item.start < word.start);
        let end = self.items.partition_point(|item| item.start <= comment.start);
        let inside = self.items.get(first..end).unwrap_or_default().iter().rev().take(MOST_LOOKED_AT);
        !inside.into_iter().any(|item| word.contains(*item) && comment.start <= item.end.saturating_add(1))
    }

    /// The commands that a comment is about.
    fn scope(&self, source: &Source, comment: Span, is_alone: bool) -> Option<Span> {
        let behind = self.items.partition_point(|item| item.start < comment.start);
        let (before, after) = self.items.split_at_checked(behind)?;
        if is_alone {
            // The outermost of those that begin there.
            let first = after.first()?;
            return after.iter().take_while(|item| item.start == first.start).max_by_key(|item| item.end).copied();
        }
        let line = source.line(source.position(comment.start).line);
        let here = before.get(before.partition_point(|item| item.start < line.start)..).unwrap_or_default();
        let began = here
            .first()
            .and_then(|first| here.iter().take_while(|item| item.start == first.start).max_by_key(|item| item.end));
        // Those around it are not far before it.
        let nearest = || before.iter().rev().take(MOST_LOOKED_AT);
        let innermost = || nearest().find(|item| comment.start <= item.end);
        let ended = || nearest().find(|item| item.end <= comment.start && line.start <= item.end);
        began.or_else(innermost).or_else(ended).copied()
    }
}

impl<'t> Visit<'t> for Layout {
    fn visit_list(&mut self, list: &'t List) {
        self.items.extend(list.items.iter().map(|ListItem { and_or, .. }| and_or.span));
        visit::walk_list(self, list);
    }

    fn visit_word(&mut self, word: &'t Word) {
        self.words.push(word.span);
        word.parts.iter().for_each(|part| self.visit_part(part));
    }

    fn visit_here_document(&mut self, document: &'t HereDocument) {
        self.words.push(document.span);
        self.visit_word(&document.body);
    }
}
