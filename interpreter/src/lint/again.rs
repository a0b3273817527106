//! Commands that are run again: what the run before has left in their way.

use bstr::ByteSlice;

use super::{analysis::Analysis, git};
use crate::{
    Span,
    analyze::{calls, folding::Folded, invocation::Invocation, places::Context},
    syntax::RedirectionOperator,
};

/// How many commands before one are looked at: a chain has fewer.
const MOST_LOOKED_AT: usize = 300;

/// Whether a command runs on every run in a chain that its failure ends, and nothing was asked before.
pub(super) fn fails(analysis: &Analysis<'_>, invocation: &Invocation<'_>) -> bool {
    let runs = analysis.runs(invocation.place);
    let is_last = invocation.place.position + 1 == invocation.place.pipeline.commands.len();
    runs.every && runs.unguarded && is_last && !analysis.is_excused(invocation.place)
}

/// Whether a command before this one in its chain has made room for a path: removed it, or made a directory for this run.
pub(super) fn is_made_anew(analysis: &Analysis<'_>, invocation: &Invocation<'_>, path: &Folded) -> bool {
    let covers = |operand: &Folded| {
        let removed = operand.text.strip_suffix(b"/").unwrap_or(&operand.text);
        let wanted = path.text.as_bytes();
        wanted == removed
            || wanted.strip_prefix(removed).is_some_and(|rest| rest.starts_with(b"/"))
            || removed.ends_with(b"*")
    };
    analysis.before(invocation.place).any(|other| {
        other.is(&["rm", "rmdir"]) && other.operands("", &[]).into_iter().any(covers)
            || other.is(&["mktemp", "userdel", "groupdel"])
    })
}

/// Whether a command before this one in its chain names the path, or writes it.
pub(super) fn is_named_before(analysis: &Analysis<'_>, invocation: &Invocation<'_>, path: &Folded) -> bool {
    let name = path.text.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    let is_named = |text: &[u8]| {
        text == path.text
            || path.text.starts_with(b"/") && text.starts_with(path.text.as_bytes())
            || !name.is_empty() && text.ends_with(name)
    };
    analysis.before(invocation.place).any(|other| {
        let redirections = &other.place.command.redirections;
        let writes =
            redirections.iter().any(|redirection| is_named(&analysis.variables.fold(&redirection.target).text));
        writes || other.arguments.iter().any(|argument| is_named(&argument.text)) || other.is(&["mktemp", "cd"])
    })
}

/// Whether a command before this one in its chain makes the directory, so that it is there on every run.
pub(super) fn is_there_before(analysis: &Analysis<'_>, invocation: &Invocation<'_>, directory: &str) -> bool {
    analysis.before(invocation.place).any(|other| {
        let makes = other.is(&["mkdir"]) || other.is(&["install"]) && other.has(Some('d'), &["--directory"]);
        makes && other.known().any(|word| word.trim_end_matches('/') == directory)
    })
}

/// Whether the file is written anew, copied or removed before `span` in the same chain.
pub(super) fn is_emptied_before(analysis: &Analysis<'_>, context: &Context<'_>, span: Span, file: &Folded) -> bool {
    let chain = context.chain.map(|chain| chain.span);
    let in_chain =
        |other: &Context<'_>| other.chain.map(|chain| chain.span) == chain && chain.is_some() || chain.is_none();
    let is_same = |text: &[u8]| text == file.text;
    let end = analysis.places.partition_point(|place| place.command.span.start < span.start);
    let before = analysis.places.get(..end).unwrap_or_default().iter().rev().take(MOST_LOOKED_AT);
    let emptied = before.filter(|place| in_chain(&place.context)).any(|place| {
        place.command.redirections.iter().any(|redirection| {
            let empties = matches!(redirection.operator, RedirectionOperator::Output | RedirectionOperator::Clobber);
            empties && calls::writes_file(redirection) && is_same(&analysis.variables.fold(&redirection.target).text)
        })
    });
    let end = analysis.invocations.partition_point(|other| other.place.command.span.start < span.start);
    let before = analysis.invocations.get(..end).unwrap_or_default().iter().rev().take(MOST_LOOKED_AT);
    let removed = before.filter(|other| in_chain(&other.place.context)).any(|other| {
        let is_mine =
            other.is(&["rm", "cp", "truncate", "install", "mv", "tee"]) && !other.has(Some('a'), &["--append"]);
        let writes = is_mine || other.is(&["curl", "wget"]);
        writes && other.arguments.iter().any(|argument| is_same(&argument.text)) || other.is(&["mktemp"])
    });
    emptied || removed
}

/// Whether a command brings files anew: a checkout, an archive, a copy.
pub(super) fn brings_files(invocation: &Invocation<'_>) -> bool {
    match invocation.name.as_str() {
        "rsync" | "cp" | "tar" | "unzip" => true,
        "git" => {
            matches!(git::subcommand(invocation), Some(("checkout" | "reset" | "clone" | "restore" | "archive", _)))
        }
        "apt-get" | "apt" => invocation.known().any(|word| word == "source"),
        _ => false,
    }
}
