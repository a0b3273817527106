//! Which commands need one shell between them, because they share what cannot be carried to another process.

use std::collections::BTreeSet;

use bstr::ByteSlice;

use super::{definitions::Definitions, effects};
use crate::{
    Source, parse,
    syntax::{
        AndOrList, Command, CompoundCommand, CompoundKind, FunctionDefinition, List, ListItem, Parameter, Part,
        PartKind, Pipeline, SimpleCommand, Word,
        visit::{self, Visit},
    },
};

/// How many and-or lists, from the first, need one shell between them because they share what cannot be carried to
/// another process: descriptors that `exec` opened, functions from a sourced file, background processes that are
/// waited for, the place of `getopts` among joined letters. 0 when they do not.
pub(crate) fn tied_together(items: &[ListItem], definitions: &Definitions) -> usize {
    let Some(first) = items.first() else { return 0 };
    let needs = Needs::of(first, definitions);
    if needs.whole_rest {
        return items.len();
    }
    let up_to_last = |needing: fn(&Needs<'_>) -> bool| {
        items.iter().rposition(|item| needing(&Needs::of(item, definitions))).map_or(0, |last| last + 1)
    };
    let waiting = if needs.starts_process { up_to_last(|needs| needs.waits) } else { 0 };
    let reading = if needs.reads_options { up_to_last(|needs| needs.reads_options) } else { 0 };
    // One that reads options in a loop of its own needs nobody.
    waiting.max(if reading > 1 { reading } else { 0 })
}

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

/// Whether what runs behind a list may need its shell: it opens a descriptor, starts processes or reads options, say.
pub(crate) fn needs_one_shell(list: &List, definitions: &Definitions) -> bool {
    let needs = list.items.iter().map(|item| Needs::of(item, definitions));
    needs.into_iter().any(|needs| needs.whole_rest || needs.starts_process || needs.waits || needs.reads_options)
}

fn mentions_definition(word: &Word) -> bool {
    struct Finder(bool);
    impl<'t> Visit<'t> for Finder {
        fn visit_part(&mut self, part: &'t Part) {
            if let PartKind::Literal(text) | PartKind::SingleQuoted(text) = &part.kind {
                self.0 |= text.contains_str("()");
            }
            visit::walk_part(self, part);
        }
    }
    let mut finder = Finder(false);
    finder.visit_word(word);
    finder.0
}

/// Whether an and-or list begins with `alias` or `unalias`.
pub(crate) fn sets_aliases(item: &ListItem) -> bool {
    let Some(Command::Simple(command)) = item.and_or.first.single() else { return false };
    matches!(command.unquoted_name(), Some("alias" | "unalias"))
}

/// Whether the operand of `alias` gives a value that is not the beginning of one simple command: with it in force,
/// only the shell can tell where commands end.
fn changes_grammar(operand: &Word) -> bool {
    let text = operand.literal().unwrap_or_default();
    let Some((_, value)) = text.split_once_str("=") else { return false };
    let parsed = parse(Source::new("alias", [value, b" word"].concat()));
    let last = parsed.script.list.items.last().and_then(|item| item.and_or.pipelines().last()?.commands.last());
    let takes_word = match last {
        Some(Command::Simple(command)) => {
            command.words.len() > 1 && command.words.last().and_then(Word::unquoted) == Some("word")
        }
        _ => false,
    };
    !parsed.errors.is_empty() || !takes_word || value.ends_with(b"\\") || value.contains_str("<<")
}

/// What in a command refers to the shell process it runs in.
struct Needs<'d> {
    definitions: &'d Definitions,
    called: BTreeSet<String>,
    /// What is looked at is walked, and so are texts that are run there.
    is_walked: bool,
    /// It opens a descriptor, or may define functions that only this shell knows.
    whole_rest: bool,
    starts_process: bool,
    waits: bool,
    reads_options: bool,
}

impl Needs<'_> {
    fn of<'d>(item: &ListItem, definitions: &'d Definitions) -> Needs<'d> {
        let mut needs = Needs {
            definitions,
            called: BTreeSet::new(),
            is_walked: true,
            whole_rest: false,
            starts_process: false,
            waits: false,
            reads_options: false,
        };
        needs.item(item);
        needs
    }

    fn item(&mut self, item: &ListItem) {
        if item.background {
            self.starts_process = true;
        } else {
            self.visit_and_or(&item.and_or);
        }
    }

    /// Looks at something that is walked only under a condition.
    fn inside(&mut self, is_walked: bool, look: impl FnOnce(&mut Self)) {
        let outer = self.is_walked;
        self.is_walked &= is_walked;
        look(self);
        self.is_walked = outer;
    }

    /// A command that runs a text, which may define functions.
    fn runs_text(&mut self, command: &SimpleCommand) {
        let is_plain = command.assignments.is_empty() && command.redirections.is_empty();
        let is_known = command.unquoted_name() == Some("eval") || command.words.len() == 2;
        self.whole_rest |= !(self.is_walked && is_plain && is_known);
    }
}

impl<'t> Visit<'t> for Needs<'_> {
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
        match command.unquoted_name() {
            Some("exec") if command.words.len() == 1 && !command.redirections.is_empty() => self.whole_rest = true,
            Some(".") => self.runs_text(command),
            Some("eval") if defines_functions(command) => self.runs_text(command),
            Some("wait" | "jobs" | "fg" | "bg") => self.waits = true,
            Some("getopts") => self.reads_options = true,
            Some("alias") => self.whole_rest |= command.words.iter().skip(1).any(changes_grammar),
            Some("command") => match command.words.get(1).and_then(Word::unquoted) {
                Some("exec") => self.whole_rest |= command.words.len() == 2,
                Some("." | "eval") => self.whole_rest = true,
                _ => {}
            },
            Some("kill") => {
                let is_job = |word: &Word| word.literal().is_some_and(|text| text.starts_with(b"%"));
                self.waits |= command.words.iter().any(is_job);
            }
            Some(name) if self.called.insert(name.to_owned()) => {
                let definitions = self.definitions;
                for function in definitions.named(name) {
                    let definition = &function.definition;
                    self.inside(call_can_be_walked(definition), |needs| needs.visit_compound_command(&definition.body));
                }
            }
            _ => {}
        }
        visit::walk_simple_command(self, command);
    }

    fn visit_and_or(&mut self, and_or: &'t AndOrList) {
        // A chain goes to the shell as one.
        let marker = and_or.pipelines().position(|pipeline| pipeline.marker().is_some());
        for (index, pipeline) in and_or.pipelines().enumerate() {
            self.inside(marker.is_none_or(|marker| index < marker), |needs| needs.visit_pipeline(pipeline));
        }
    }

    fn visit_compound_command(&mut self, command: &'t CompoundCommand) {
        let is_chain = match &command.kind {
            CompoundKind::Subshell(_) => return,
            CompoundKind::If(command) => {
                command.branches.first().is_some_and(|(condition, _)| condition.marker_alone().is_some())
            }
            _ => false,
        };
        let is_walked = !is_chain && can_be_walked(command);
        self.inside(is_walked, |needs| visit::walk_compound_command(needs, command));
    }

    fn visit_function(&mut self, _: &'t FunctionDefinition) {}

    fn visit_part(&mut self, part: &'t Part) {
        match &part.kind {
            PartKind::Parameter(expansion) => self.waits |= expansion.parameter == Parameter::Special(b'!'),
            PartKind::CommandSubstitution(_) => {}
            _ => visit::walk_part(self, part),
        }
    }
}
