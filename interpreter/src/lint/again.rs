//! Commands that are run again: what the run before has left in their way.

use bstr::ByteSlice;

use super::{analysis::Analysis, git};
use crate::{
    Span,
    analyze::{calls, folding::Folded, invocation::Invocation, places::Context, questions::Guarded},
    syntax::{Command, Pipeline, RedirectionOperator},
};

/// How many commands before one are looked at: a chain has fewer.
const MOST_LOOKED_AT: usize = 300;

/// Whether a command runs on every run in a chain that its failure ends, and nothing was asked before.
pub(super) fn fails(analysis: &Analysis<'_>, invocation: &Invocation<'_>) -> bool {
    let is_last = invocation.place.position + 1 == invocation.place.pipeline.commands.len();
    repeats(analysis, invocation) && is_last && !analysis.is_excused(invocation.place)
}

/// Whether a command runs on every run, and nothing was asked before that a former run could have an answer to.
pub(super) fn repeats(analysis: &Analysis<'_>, invocation: &Invocation<'_>) -> bool {
    repeats_in(analysis, &invocation.place.context, &invocation.arguments)
}

/// The same of what is done to `files` in a context.
pub(super) fn repeats_in(analysis: &Analysis<'_>, context: &Context<'_>, files: &[Folded]) -> bool {
    let mut context = *context;
    if !analysis.timetable.at(&context).every {
        return false;
    }
    if let Guarded::By(question) = context.guarded
        && !depends_on_runs(analysis, question, files)
    {
        context.guarded = Guarded::No;
    }
    let runs = analysis.timetable.at(&context);
    runs.every && runs.unguarded
}

/// Whether the answer to a question may be another one after a run that has done something to `files`. Only `test` is seen
/// through.
fn depends_on_runs(analysis: &Analysis<'_>, question: &Pipeline, files: &[Folded]) -> bool {
    let Some(Command::Simple(command)) = question.commands.first().filter(|_| question.commands.len() == 1) else {
        return true;
    };
    let words: Vec<Folded> = command.words.iter().map(|word| analysis.variables.fold(word)).collect();
    let operands = match words.as_slice() {
        [name, operands @ .., last] if name.text == "[" && last.text == "]" => operands,
        [name, operands @ ..] if name.text == "test" => operands,
        _ => return true,
    };
    let operands = match operands {
        [not, rest @ ..] if not.text == "!" => rest,
        all => all,
    };
    match operands {
        [operator, path]
            if ["-e", "-f", "-d", "-s", "-r", "-w", "-x", "-L", "-h"].iter().any(|one| operator.text == *one) =>
        {
            let is_apart = |file: &Folded| {
                let is_address = file.text.contains_str("://") || file.text.starts_with(b"git@");
                let is_below =
                    |one: &[u8], other: &[u8]| one.strip_prefix(other).is_some_and(|rest| rest.starts_with(b"/"));
                file.text.starts_with(b"-")
                    || is_address
                    || file.text.starts_with(b"/")
                        && file.text != path.text
                        && !is_below(&file.text, &path.text)
                        && !is_below(&path.text, &file.text)
            };
            let is_elsewhere = path.known().is_some_and(|path| path.starts_with('/')) && files.iter().all(is_apart);
            !is_elsewhere || analysis.acts_on(path)
        }
        [operator, word] if operator.text == "-n" || operator.text == "-z" => !is_constant(analysis, word),
        [one, operator, other] if ["=", "==", "!="].iter().any(|known| operator.text == *known) => {
            !(is_constant(analysis, one) && is_constant(analysis, other))
        }
        _ => true,
    }
}

/// Whether a word is the same on every run: the script gives nothing in it a value, or just one.
fn is_constant(analysis: &Analysis<'_>, word: &Folded) -> bool {
    let text = analysis.source.slice(word.span);
    let mut used = analysis.uses_from(word.span.start).take_while(|used| used.span.end <= word.span.end);
    let is_given = used.all(|used| analysis.variables.assigned(used.name).is_empty());
    word.known().is_some() || is_given && !text.contains_str("$(") && !text.contains(&b'`')
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
            // Of what is named from the top, a temporary directory says nothing.
            || other.is(&["mktemp"]) && !path.text.starts_with(b"/")
            || other.is(&["userdel", "groupdel"])
    })
}

/// Whether a command before this one in its chain names the path, or writes it.
pub(super) fn is_named_before(analysis: &Analysis<'_>, invocation: &Invocation<'_>, path: &Folded) -> bool {
    let name = path.text.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    let name = name.split(|byte| *byte == b'*').next().unwrap_or_default();
    let is_named = |text: &[u8]| {
        text == path.text
            || path.text.starts_with(b"/") && text.starts_with(path.text.as_bytes())
            || !name.is_empty() && text.ends_with(name)
    };
    analysis.before(invocation.place).any(|other| {
        let redirections = &other.place.command.redirections;
        let writes =
            redirections.iter().any(|redirection| is_named(&analysis.variables.fold(&redirection.target).text));
        let is_lists = path.text.starts_with(b"/var/lib/apt/lists")
            && other.is(&["apt-get", "apt"])
            && other.known().any(|word| word == "update");
        let is_relative = !path.text.starts_with(b"/");
        writes
            || other.arguments.iter().any(|argument| is_named(&argument.text))
            || is_lists
            || is_relative && other.is(&["mktemp", "cd"])
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
        let deletes = other.is(&["sed"]) && other.has(Some('i'), &["--in-place"]) && other.known().any(deletes_lines);
        (writes || deletes) && other.arguments.iter().any(|argument| is_same(&argument.text))
            || other.is(&["mktemp"]) && !file.text.starts_with(b"/")
    });
    emptied || removed
}

/// Whether a script of sed takes lines away that it may have put there.
pub(super) fn deletes_lines(script: &str) -> bool {
    script.split([';', '\n']).any(|command| {
        let command = command.trim();
        command.starts_with('/') && command.ends_with("/d")
    })
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
