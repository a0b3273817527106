//! Which commands need one shell between them, because they share what cannot be carried to another process.

use std::collections::BTreeSet;

use bstr::{BString, ByteSlice};

use super::effects;
use crate::{
    language::builtins::{self, Effect},
    parse::alias,
    syntax::{
        Command, CompoundCommand, CompoundKind, FunctionDefinition, List, ListItem, Parameter, Part, PartKind,
        Pipeline, SimpleCommand, Word,
        visit::{self, Visit},
    },
};

/// Whether a command is an `eval` whose text may define functions: `()` stands in it.
pub(crate) fn defines_functions(command: &SimpleCommand) -> bool {
    command.unquoted_name() == Some("eval") && command.words.iter().any(mentions_definition)
}

/// Whether a compound command can be walked without a shell of its own, but for the subshell and the loop that reads
/// something.
pub(crate) fn can_be_walked(command: &CompoundCommand) -> bool {
    command.redirections.is_empty()
        && match &command.kind {
            CompoundKind::Subshell(_) => false,
            // A marker alone makes all of it one chain; `getopts` keeps its place among joined letters in the shell.
            CompoundKind::While(body) | CompoundKind::Until(body) => {
                body.condition.marker_alone().is_none() && !effects::reads_options(&body.condition)
            }
            _ => true,
        }
}

/// Whether the calls of a function can: with its own redirections, a subshell or `local` they need a shell.
pub(crate) fn call_can_be_walked(definition: &FunctionDefinition) -> bool {
    can_be_walked(&definition.body) && !effects::declares_local(&definition.body)
}

fn mentions_definition(word: &Word) -> bool {
    struct FindsParentheses(bool);
    impl<'t> Visit<'t> for FindsParentheses {
        fn visit_part(&mut self, part: &'t Part) {
            if let PartKind::Literal(text) | PartKind::SingleQuoted(text) = &part.kind {
                self.0 |= text.contains_str("()");
            }
            visit::walk_part(self, part);
        }
    }
    let mut finder = FindsParentheses(false);
    finder.visit_word(word);
    finder.0
}

/// The literal actions of `trap ... EXIT` in a list.
pub(crate) fn exit_actions(list: &List) -> Vec<BString> {
    struct ExitActions(Vec<BString>);
    impl<'t> Visit<'t> for ExitActions {
        fn visit_simple_command(&mut self, command: &'t SimpleCommand) {
            let is_exit =
                |word: &Word| word.literal().is_some_and(|text| text == "0" || text.eq_ignore_ascii_case(b"EXIT"));
            if command.unquoted_name() == Some("trap") && command.words.iter().any(is_exit) {
                self.0.extend(command.words.iter().filter_map(|word| Some(word.literal()?.to_owned())));
            }
            visit::walk_simple_command(self, command);
        }
    }
    let mut finder = ExitActions(Vec::new());
    finder.visit_list(list);
    finder.0
}

/// Whether an and-or list begins with `alias` or `unalias`.
pub(crate) fn sets_aliases(item: &ListItem) -> bool {
    let Some(Command::Simple(command)) = item.and_or.first.single() else { return false };
    matches!(command.unquoted_name(), Some("alias" | "unalias"))
}

/// The aliases that an and-or list is sure to set, where nothing of them is made at run time.
pub(crate) fn aliases_of(item: &ListItem) -> Vec<(BString, BString)> {
    let Some(command) = item.plain_command().filter(|command| command.unquoted_name() == Some("alias")) else {
        return Vec::new();
    };
    let literals = command.words.iter().skip(1).map(Word::literal);
    let set = |text: BString| {
        let (name, value) = text.split_once_str("=")?;
        Some((BString::from(name), BString::from(value)))
    };
    literals.flatten().filter_map(set).collect()
}

/// The functions that an and-or list is sure to unset.
pub(crate) fn unset_functions(item: &ListItem) -> impl Iterator<Item = String> {
    let words = item.plain_command().map(|command| command.words.as_slice()).unwrap_or_default();
    let names = match words {
        [name, option, names @ ..] if name.unquoted() == Some("unset") && option.unquoted() == Some("-f") => names,
        _ => &[],
    };
    names.iter().filter_map(|name| name.unquoted().map(str::to_owned))
}

/// What in some commands refers to the shell process that they run in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ties {
    /// All that follows needs the same shell: a descriptor was opened, aliases change the grammar, or a process that was
    /// started will send it a signal.
    pub(crate) whole_rest: bool,
    /// A process is started in the background.
    pub(crate) starts_process: bool,
    /// Processes of this shell are waited for or named.
    pub(crate) waits: bool,
    /// Options are read, perhaps among joined letters.
    pub(crate) reads_options: bool,
}

impl Ties {
    pub(crate) fn merge(&mut self, other: Ties) {
        self.whole_rest |= other.whole_rest;
        self.starts_process |= other.starts_process;
        self.waits |= other.waits;
        self.reads_options |= other.reads_options;
    }

    /// Whether what runs behind may need the shell.
    pub(crate) fn any(self) -> bool {
        self != Ties::default()
    }
}

/// The ties of an and-or list itself, and the names of commands that may be functions.
pub(crate) fn of_item(item: &ListItem) -> (Ties, BTreeSet<String>) {
    let mut finder = TieFinder::default();
    finder.item(item);
    (finder.ties, finder.calls)
}

/// The ties of a function's body itself, and the names of commands that may be functions.
pub(crate) fn of_body(body: &CompoundCommand) -> (Ties, BTreeSet<String>) {
    let mut finder = TieFinder::default();
    finder.visit_compound_command(body);
    (finder.ties, finder.calls)
}

/// Whether a `kill` of `$$` stands in it. In the background, that is for whatever the shell does then.
fn signals_shell(item: &ListItem) -> bool {
    struct Signals {
        in_kill: bool,
        found: bool,
    }
    impl<'t> Visit<'t> for Signals {
        fn visit_simple_command(&mut self, command: &'t SimpleCommand) {
            let outer = std::mem::replace(&mut self.in_kill, command.unquoted_name() == Some("kill"));
            visit::walk_simple_command(self, command);
            self.in_kill = outer;
        }

        fn visit_part(&mut self, part: &'t Part) {
            if let PartKind::Parameter(expansion) = &part.kind {
                self.found |= self.in_kill && expansion.parameter == Parameter::Special(b'$');
            }
            visit::walk_part(self, part);
        }
    }
    let mut signals = Signals { in_kill: false, found: false };
    signals.visit_and_or(&item.and_or);
    signals.found
}

#[derive(Default)]
struct TieFinder {
    ties: Ties,
    calls: BTreeSet<String>,
}

impl TieFinder {
    fn item(&mut self, item: &ListItem) {
        if item.background {
            self.ties.starts_process = true;
            self.ties.whole_rest |= signals_shell(item);
        } else {
            self.visit_and_or(&item.and_or);
        }
    }
}

impl<'t> Visit<'t> for TieFinder {
    fn visit_list(&mut self, list: &'t List) {
        list.items.iter().for_each(|item| self.item(item));
    }

    fn visit_pipeline(&mut self, pipeline: &'t Pipeline) {
        // The commands of a pipeline have shells of their own.
        if let [Command::Simple(_) | Command::Compound(_)] = pipeline.commands.as_slice() {
            visit::walk_pipeline(self, pipeline);
        }
    }

    fn visit_simple_command(&mut self, command: &'t SimpleCommand) {
        let name = command.unquoted_name();
        match name.map_or(Effect::None, |name| builtins::effect_of(name.as_bytes())) {
            Effect::Exec => self.ties.whole_rest |= command.words.len() == 1 && !command.redirections.is_empty(),
            Effect::Jobs if name == Some("kill") => {
                let is_job = |word: &Word| word.literal().is_some_and(|text| text.starts_with(b"%"));
                self.ties.waits |= command.words.iter().any(is_job);
            }
            Effect::Jobs => self.ties.waits = true,
            Effect::ReadsOptions => self.ties.reads_options = true,
            Effect::Aliases => self.ties.whole_rest |= command.words.iter().skip(1).any(alias::changes_grammar),
            Effect::Operands => {
                let called = command.words.get(1).and_then(Word::unquoted);
                self.ties.whole_rest |= called == Some("exec") && command.words.len() == 2;
            }
            Effect::None => self.calls.extend(name.map(str::to_owned)),
            _ => {}
        }
        visit::walk_simple_command(self, command);
    }

    fn visit_compound_command(&mut self, command: &'t CompoundCommand) {
        if !matches!(command.kind, CompoundKind::Subshell(_)) {
            visit::walk_compound_command(self, command);
        }
    }

    fn visit_function(&mut self, _: &'t FunctionDefinition) {}

    fn visit_part(&mut self, part: &'t Part) {
        match &part.kind {
            PartKind::Parameter(expansion) => self.ties.waits |= expansion.parameter == Parameter::Special(b'!'),
            PartKind::CommandSubstitution(_) => {}
            _ => visit::walk_part(self, part),
        }
    }
}
