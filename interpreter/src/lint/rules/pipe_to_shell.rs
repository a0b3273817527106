//! A program from the network that runs before anybody has looked at it.
//!
//! ## What it does
//! Looks for downloads that go into a shell or interpreter: through a pipeline, `sh -c "$(curl ...)"`, `eval` or `.`.
//!
//! ## Why
//! It runs as root, and nobody has held it against a checksum. When the connection is cut, half of it has run.
//!
//! ## Example
//! ```sh
//! next_stage && curl -fsSL https://example.org/install-1.2.sh | sh
//! ```
//!
//! ## Use instead
//! ```sh
//! next_stage && curl -fo install.sh https://example.org/install-1.2.sh && sha256sum -c "$COMPDIR/install.sha256" && sh install.sh
//! ```

use std::collections::HashSet;

use bstr::ByteSlice;

use crate::{
    Diagnostic, Severity, Span,
    analyze::{
        folding::{Folded, Given},
        invocation::Invocation,
    },
    lint::{analysis::Analysis, rule::Rule},
    syntax::{Part, PartKind},
};

pub(in crate::lint) const RULE: Rule =
    Rule::new("CE070", "pipe-to-shell", Severity::Warning, include_str!("pipe_to_shell.rs"), check);

/// What runs a program that comes on its standard input.
const RUNNING: [&str; 16] = [
    "sh", "bash", "dash", "ash", "zsh", "ksh", "python", "python2", "python3", "perl", "ruby", "node", "R", "Rscript",
    "php", "source",
];

const DOWNLOADING: [&str; 5] = ["curl", "wget", "aria2c", "fetch", "http"];

fn check(rule: &Rule, analysis: &Analysis<'_>, findings: &mut Vec<Diagnostic>) {
    for invocation in &analysis.invocations {
        let place = invocation.place;
        let runs_text = RUNNING.contains(&invocation.name.as_str());
        if runs_text && place.position > 0 && reads_program(invocation) {
            let before = place.pipeline.commands.get(..place.position).unwrap_or_default();
            if let Some(download) = before.iter().find_map(|command| downloads(analysis, command.span())) {
                findings.push(report(rule, download, invocation.name_span));
            }
        }
        // `source("https://...")` of R.
        if invocation.is(&["R", "Rscript"]) {
            let is_remote = |argument: &&Folded| {
                ["source('http", "source(\"http", "source(url("].iter().any(|text| argument.text.contains_str(text))
            };
            let remote = invocation.arguments.iter().find(is_remote);
            findings.extend(remote.map(|argument| report(rule, argument.span, invocation.name_span)));
        }
        // `sh -c "$(curl ...)"`, `eval "$(curl ...)"`
        if runs_text || invocation.is(&["eval", "."]) {
            let by_text = invocation.has(Some('c'), &["-e"]) || invocation.is(&["eval"]);
            let words = place.command.words.iter().filter(|_| by_text);
            let download = words
                .into_iter()
                .find_map(|word| substituted(analysis, &word.parts).or_else(|| brought_before(analysis, word.span)));
            findings.extend(download.map(|download| report(rule, download, invocation.name_span)));
        }
    }
    for (download, shell) in in_process_substitutions(analysis.source.text()) {
        findings.push(report(rule, download, shell));
    }
    let mut seen = HashSet::new();
    findings.retain(|finding| finding.code != rule.code || seen.insert(finding.primary.span));
}

/// `bash <(curl ...)`, by the text: what is no shell of POSIX has not been read. Gives the download and what runs it.
fn in_process_substitutions(text: &[u8]) -> Vec<(Span, Span)> {
    let mut found = Vec::new();
    for at in text.find_iter("<(") {
        let line = text.get(..at).unwrap_or_default().rsplit_once_str("\n").map_or(0, |(before, _)| before.len() + 1);
        let before = text.get(line..at).unwrap_or_default();
        let behind = text.get(at + 2..).unwrap_or_default();
        let blanks = behind.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        let name = behind.get(blanks..).unwrap_or_default();
        let length = name.iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
        let is_download = DOWNLOADING.iter().any(|known| name.get(..length) == Some(known.as_bytes()));
        let mut words = before.trim_ascii_end().rsplit(|byte| b" \t;&|".contains(byte));
        let shell = words.find(|word| !word.starts_with(b"-")).unwrap_or_default();
        let base = shell.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        let runs = base == b"." || RUNNING.iter().any(|known| base == known.as_bytes());
        if is_download && runs && !before.contains(&b'#') {
            let start = at + 2 + blanks;
            let shell_at = line + before.rfind(shell).unwrap_or_default();
            found.push((Span::new(start..start + length), Span::new(shell_at..shell_at + shell.len())));
        }
    }
    found
}

/// The download that gave a variable of a word its value.
fn brought_before(analysis: &Analysis<'_>, word: Span) -> Option<Span> {
    let mut used = analysis.uses_from(word.start).take_while(|used| used.span.end <= word.end);
    used.find_map(|used| {
        analysis.variables.assigned(used.name).iter().find_map(|assigned| match assigned.given {
            Given::Word(word) => substituted(analysis, &word.parts),
            _ => None,
        })
    })
}

fn report(rule: &Rule, download: Span, shell: Span) -> Diagnostic {
    rule.finding(download, "what comes from the network is run as it comes")
        .related(shell, "by this, as root")
        .help("save it, hold it against its checksum, then run it: `curl -fo FILE ... && sha256sum -c SUMS && sh FILE`")
}

/// Whether the interpreter takes its program from the standard input.
fn reads_program(invocation: &Invocation<'_>) -> bool {
    let operands = invocation.operands("oO", &["--init-file", "--rcfile"]);
    let by_option = invocation.has(Some('s'), &[])
        || operands.first().is_some_and(|operand| operand.text == "-" || operand.text == "/dev/stdin");
    let has_text =
        invocation.has(Some('c'), &[]) || invocation.has(Some('e'), &["-m"]) || invocation.has(Some('m'), &[]);
    by_option || operands.is_empty() && !has_text
}

/// The place of the name of the first download in a command.
fn downloads(analysis: &Analysis<'_>, command: Span) -> Option<Span> {
    analysis.inside(command).find(|inside| inside.is(&DOWNLOADING)).map(|download| download.name_span)
}

/// The download in a substitution of a word.
fn substituted(analysis: &Analysis<'_>, parts: &[Part]) -> Option<Span> {
    parts.iter().find_map(|part| match &part.kind {
        PartKind::CommandSubstitution(_) => downloads(analysis, part.span),
        PartKind::DoubleQuoted(parts) => substituted(analysis, parts),
        _ => None,
    })
}
