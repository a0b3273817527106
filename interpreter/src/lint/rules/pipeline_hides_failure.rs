//! A pipeline that hides the failure of a command in it.
//!
//! ## What it does
//! Looks in chains for pipelines with a command that may fail before the last one. Left alone are pipelines whose last
//! command fails on what it is given then (`tar`, `gpg`, `sha256sum -c`, an interpreter), those that somebody asks with
//! (`grep -q`, conditions), and commands that only pass text on or look at something (`cat`, `sed`, `find`, `pip list`).
//!
//! ## Why
//! The status of a pipeline is that of its last command. dash 0.5.12 has no `pipefail`.
//!
//! ## Example
//! ```sh
//! next_stage && make 2>&1 | tee /var/log/make.log
//! ```
//!
//! ## Use instead
//! ```sh
//! next_stage && make > /var/log/make.log 2>&1
//! ```

use std::collections::HashSet;

use crate::{
    Diagnostic, Severity, Span,
    language::builtins,
    lint::{analysis::Analysis, rule::Rule},
    syntax::{
        Command, Pipeline, Word,
        visit::{self, Visit},
    },
};

pub(in crate::lint) const RULE: Rule =
    Rule::new("CE063", "pipeline-hides-failure", Severity::Warning, include_str!("pipeline_hides_failure.rs"), check);

fn check(rule: &Rule, analysis: &Analysis<'_>, findings: &mut Vec<Diagnostic>) {
    if analysis.is_bash()
        && analysis.invocations.iter().any(|set| set.is(&["set"]) && set.known().any(|word| word == "pipefail"))
    {
        return;
    }
    let mut seen = HashSet::new();
    for place in analysis.places.iter().filter(|place| place.pipeline.commands.len() > 1) {
        let runs = analysis.runs(place);
        let is_asked = place.context.asked || place.context.judged.is_some() || place.context.substituted;
        if !runs.in_chain() || is_asked || !seen.insert(place.pipeline.span) {
            continue;
        }
        let Some((last, before)) = place.pipeline.commands.split_last() else { continue };
        let Some(hidden) = before.iter().find(|command| may_fail(analysis, command)) else { continue };
        if notices(last) {
            continue;
        }
        let name = analysis.quote(name_span(hidden));
        findings.push(
            rule.finding(name_span(hidden), format!("a failure of `{name}` is hidden"))
                .related(name_span(last), "the status of the pipeline is that of this command")
                .help("write to a file first: `COMMAND > FILE && ... < FILE`"),
        );
    }
}

fn name_span(command: &Command) -> Span {
    match command {
        Command::Simple(command) => command.words.first().map_or(command.span, |word| word.span),
        other => other.span(),
    }
}

fn base_name(command: &Command) -> Option<&str> {
    let Command::Simple(command) = command else { return None };
    let names = command.words.iter().filter_map(Word::unquoted);
    let mut names = names.skip_while(|word| {
        matches!(*word, "sudo" | "env" | "command" | "xargs") || word.contains('=') || word.starts_with('-')
    });
    names.next().map(|name| name.rsplit('/').next().unwrap_or(name))
}

/// Commands that only pass text on, or look at something.
const HARMLESS: [&str; 40] = [
    "apt-cache",
    "apt-mark",
    "awk",
    "basename",
    "dirname",
    "dpkg",
    "ldd",
    "readelf",
    "readlink",
    "realpath",
    "base64",
    "cat",
    "column",
    "cut",
    "date",
    "dpkg-query",
    "echo",
    "env",
    "expr",
    "find",
    "fold",
    "grep",
    "head",
    "locale",
    "ls",
    "nl",
    "paste",
    "printenv",
    "printf",
    "ps",
    "rev",
    "sed",
    "seq",
    "sleep",
    "sort",
    "tail",
    "tr",
    "uname",
    "uniq",
    "yes",
];

/// Whether a command does more than pass on text that is there.
fn may_fail(analysis: &Analysis<'_>, command: &Command) -> bool {
    match command {
        Command::Simple(command) if command.words.is_empty() => false,
        Command::Simple(simple) => match base_name(command) {
            Some(name) if analysis.calls.effects(name).is_some() => true,
            Some(name) => {
                let asks = simple.words.iter().skip(1).filter_map(Word::unquoted).any(|word| {
                    matches!(
                        word,
                        "list"
                            | "show"
                            | "info"
                            | "freeze"
                            | "search"
                            | "--version"
                            | "-version"
                            | "-V"
                            | "-v"
                            | "--get-selections"
                    )
                });
                !asks && !HARMLESS.contains(&name) && !builtins::is_built_in(name.as_bytes())
            }
            None => true,
        },
        Command::Compound(compound) => {
            let mut finder = Acting { analysis, found: false };
            finder.visit_compound_command(compound);
            finder.found
        }
        Command::Function(_) => false,
    }
}

struct Acting<'a, 't> {
    analysis: &'a Analysis<'t>,
    found: bool,
}

impl<'t> Visit<'t> for Acting<'_, '_> {
    fn visit_pipeline(&mut self, pipeline: &'t Pipeline) {
        self.found |= pipeline
            .commands
            .last()
            .is_some_and(|command| !matches!(command, Command::Compound(_)) && may_fail(self.analysis, command));
        visit::walk_pipeline(self, pipeline);
    }
}

/// Whether a command fails when it is given nothing, or a part: archives, checksums, keys, and what somebody asks with.
fn notices(command: &Command) -> bool {
    let Some(name) = base_name(command) else { return matches!(command, Command::Compound(_)) };
    let Command::Simple(simple) = command else { return false };
    let has = |option: &str| {
        simple.words.iter().skip(1).filter_map(Word::unquoted).any(|word| {
            word == option
                || word.starts_with('-')
                    && !word.starts_with("--")
                    && word.contains(option.trim_start_matches('-'))
                    && option.len() == 2
        })
    };
    match name {
        "tar" | "gpg" | "gpg2" | "apt-key" | "unzip" | "cpio" | "gunzip" | "zcat" | "xz" | "unxz" | "xzcat"
        | "bunzip2" | "bzip2" | "zstd" | "dpkg" | "docker" | "bsdtar" | "jq" | "openssl" | "pg_restore" | "git" => true,
        "gzip" => has("-d"),
        "grep" | "egrep" | "fgrep" => has("-q"),
        // What a network sends to a shell has a rule of its own.
        "sh" | "bash" | "dash" | "ash" | "zsh" | "python" | "python3" | "perl" | "ruby" | "node" | "R" | "Rscript" => {
            true
        }
        name => name.ends_with("sum") && has("-c"),
    }
}
