//! Texts that a script gives to another shell: `sh -c 'TEXT'`, `su USER -c 'TEXT'`, `eval 'TEXT'`, `sh <<END`. Each is looked at
//! as the script that it is, by the rules that are about what commands do.

use bstr::ByteSlice;

use super::analysis::{Analysis, Setting};
use crate::{Diagnostic, Parsed, Source, Span, analyze::invocation::Invocation, parse, syntax::PartKind};

/// The families of rules that say something about a text whatever is around it, and those of them that do not: what is
/// quoted by the text around it, what is searched for in all of the script, what is only so in a shell of the setup's own.
const FAMILIES: [&str; 6] = ["CE03", "CE04", "CE05", "CE06", "CE07", "CE08"];
const BESIDE: [&str; 6] = ["CE061", "CE067", "CE071", "CE081", "CE083", "CE087"];
/// The only ones of other families.
const FURTHER: [&str; 4] = ["CE025", "CE026", "CE027", "CE028"];

/// Shells that run the text behind `-c`.
const SHELLS: [&str; 6] = ["sh", "ash", "bash", "busybox", "dash", "ksh"];

/// The findings in such texts, without fixes: what is put in would have to be quoted.
pub(super) fn findings(analysis: &Analysis<'_>, check: fn(&Parsed, &Setting) -> Vec<Diagnostic>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for invocation in analysis.named(&["sh", "ash", "bash", "dash", "ksh", "su", "runuser", "eval"]) {
        let Some(span) = text_of(analysis, invocation) else { continue };
        let runs = analysis.runs(invocation.place);
        let marker = match (runs.once, runs.every) {
            (true, _) => "next_stage && {\n",
            (_, true) => "everytime && {\n",
            _ => continue,
        };
        let text = [marker.as_bytes(), analysis.source.slice(span), b"\n}\n"].concat();
        let parsed = parse(Source::new(analysis.source.name(), text));
        if !parsed.errors.is_empty() {
            continue;
        }
        let shell = if invocation.name == "bash" { "/bin/bash".to_owned() } else { analysis.container.shell.clone() };
        let container = Setting { shell, ..analysis.container.clone() };
        let moved = |inner: Span| {
            let start = (inner.start as usize).checked_sub(marker.len())? + span.start as usize;
            let end = start + (inner.end - inner.start) as usize;
            (end <= span.end as usize).then_some(Span::new(start..end))
        };
        // A shell of a login has read what prepares it.
        let is_login = invocation.name != "eval" && invocation.has(Some('l'), &["--login", "-i", "-"]);
        for mut finding in check(&parsed, &container) {
            if is_login && finding.code == "CE086" {
                continue;
            }
            let is_about_commands = FAMILIES.iter().any(|family| finding.code.starts_with(family))
                && !BESIDE.contains(&finding.code)
                || FURTHER.contains(&finding.code);
            let Some(place) = moved(finding.primary.span).filter(|_| is_about_commands) else { continue };
            finding.primary.span = place;
            finding.related.retain_mut(|label| moved(label.span).map(|moved| label.span = moved).is_some());
            finding.fix = None;
            found.push(finding);
        }
    }
    found
}

/// The place of the text that a command runs.
fn text_of(analysis: &Analysis<'_>, invocation: &Invocation<'_>) -> Option<Span> {
    let is_option = |text: &str| text.starts_with('-') && !text.starts_with("--");
    let behind_option = || {
        let mut arguments = invocation.arguments.iter();
        arguments.find(|argument| argument.known().is_some_and(|text| is_option(text) && text.contains('c')))?;
        arguments.find(|argument| !argument.known().is_some_and(is_option))
    };
    let argument = match invocation.name.as_str() {
        "eval" => invocation.arguments.first().filter(|_| invocation.arguments.len() == 1),
        name if SHELLS.contains(&name) && invocation.arguments.iter().all(|one| one.known().is_some_and(is_option)) => {
            let mut redirections = invocation.place.command.redirections.iter();
            let document = redirections.find_map(|redirection| redirection.here_document())?;
            let end = document.span.end.min(document.body.span.end.max(document.span.start));
            return Some(Span { start: document.span.start, end });
        }
        _ => behind_option(),
    }?;
    let word = invocation.place.command.words.iter().find(|word| word.span == argument.span)?;
    let [part] = word.parts.as_slice() else { return None };
    let inside = Span { start: word.span.start + 1, end: word.span.end.checked_sub(1)? };
    match &part.kind {
        PartKind::SingleQuoted(_) => Some(inside),
        // Where nothing is quoted in it, what is written is what runs, but for the values of variables.
        PartKind::DoubleQuoted(_) => {
            let text = analysis.source.slice(inside);
            (!text.contains(&b'\\') && !text.contains(&b'`') && !text.contains_str("$(")).then_some(inside)
        }
        _ => None,
    }
}
