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

use crate::{
    Diagnostic, Severity, Span,
    analyze::invocation::Invocation,
    lint::{analysis::Analysis, rule::Rule},
    syntax::{Command, Part, PartKind},
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
            if let Some(download) = before.iter().find_map(downloads) {
                findings.push(report(rule, download, invocation.name_span));
            }
        }
        // `sh -c "$(curl ...)"`, `eval "$(curl ...)"`
        if runs_text || invocation.is(&["eval", "."]) {
            let by_text = invocation.has(Some('c'), &["-e"]) || invocation.is(&["eval"]);
            let words = place.command.words.iter().filter(|_| by_text);
            if let Some(download) = words.into_iter().find_map(|word| substituted(&word.parts)) {
                findings.push(report(rule, download, invocation.name_span));
            }
        }
    }
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

/// The place of a download's name.
fn downloads(command: &Command) -> Option<Span> {
    let Command::Simple(command) = command else { return None };
    let name = command.words.iter().find(|word| !matches!(word.unquoted(), Some("sudo" | "env" | "command")))?;
    let text = name.unquoted()?;
    DOWNLOADING.contains(&text.rsplit('/').next().unwrap_or(text)).then_some(name.span)
}

/// The download in a substitution of a word.
fn substituted(parts: &[Part]) -> Option<Span> {
    parts.iter().find_map(|part| match &part.kind {
        PartKind::CommandSubstitution(substitution) => {
            let pipelines = substitution.list.items.iter().flat_map(|item| item.and_or.pipelines());
            pipelines.flat_map(|pipeline| &pipeline.commands).find_map(downloads)
        }
        PartKind::DoubleQuoted(parts) => substituted(parts),
        _ => None,
    })
}
