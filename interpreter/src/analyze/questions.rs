//! Commands that are run for their answer: is something there, is it so?

use crate::syntax::{AndOr, Command, CompoundKind, List, ListItem, Pipeline, Word};

/// Utilities that are run for their exit status: it tells whether something is there.
const ASKING: [&str; 24] = [
    "[",
    "[[",
    "cmp",
    "command",
    "diff",
    "dpkg",
    "dpkg-query",
    "egrep",
    "fgrep",
    "getent",
    "grep",
    "hash",
    "id",
    "ls",
    "mountpoint",
    "pgrep",
    "pidof",
    "rpm",
    "stat",
    "test",
    "type",
    "which",
    "apk",
    "pip",
];

/// What decides whether a command runs.
#[derive(Clone, Copy, Default)]
pub(crate) enum Guarded<'t> {
    /// Nothing but what fails before it.
    #[default]
    No,
    /// This one question.
    By(&'t Pipeline),
    /// More than one, or what is not seen through.
    Otherwise,
}

impl<'t> Guarded<'t> {
    /// The same, with one more question; `None` is one that is not seen through.
    pub(crate) fn and(self, question: Option<&'t Pipeline>) -> Guarded<'t> {
        match (self, question) {
            (Guarded::No, Some(question)) => Guarded::By(question),
            _ => Guarded::Otherwise,
        }
    }
}

/// Whether a pipeline asks whether something is there.
pub(crate) fn is_question(pipeline: &Pipeline) -> bool {
    match pipeline.commands.last() {
        Some(Command::Simple(command)) => {
            let argument = |index: usize| command.words.get(index).and_then(Word::unquoted);
            let asks = match argument(0) {
                Some("command") => matches!(argument(1), Some("-v" | "-V")),
                Some("apk") => matches!(argument(1), Some("info")),
                Some("pip") => matches!(argument(1), Some("show")),
                Some("dpkg") => argument(1).is_some_and(|option| matches!(option, "-s" | "-l" | "--status")),
                Some("rpm") => argument(1).is_some_and(|option| option.starts_with("-q")),
                Some(name) => ASKING.contains(&name),
                None => false,
            };
            asks || pipeline.negation.is_some()
        }
        Some(Command::Compound(command)) => match &command.kind {
            CompoundKind::BraceGroup(list) | CompoundKind::Subshell(list) => {
                list.items.last().is_some_and(|item| item.and_or.pipelines().any(is_question))
            }
            _ => false,
        },
        _ => false,
    }
}

/// Whether what stands behind in the list is only come to on some answer: `[ -e x ] && return`.
pub(crate) fn leaves_early(item: &ListItem) -> bool {
    let leaves = |pipeline: &Pipeline| match pipeline.single() {
        Some(Command::Simple(command)) => {
            matches!(command.unquoted_name(), Some("return" | "exit" | "continue" | "break"))
        }
        _ => false,
    };
    if let Some(Command::Compound(command)) = item.single()
        && let CompoundKind::If(command) = &command.kind
    {
        let mut last = command.branches.iter().filter_map(|(_, body)| body.items.last());
        return last.any(|item| leaves(&item.and_or.first));
    }
    item.and_or.rest.last().is_some_and(|part| part.operator == AndOr::And && leaves(&part.pipeline))
}

/// The pipeline that is all of a list.
pub(crate) fn only_pipeline(list: &List) -> Option<&Pipeline> {
    match list.items.as_slice() {
        [item] if item.and_or.rest.is_empty() => Some(&item.and_or.first),
        _ => None,
    }
}
