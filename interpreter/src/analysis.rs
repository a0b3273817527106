//! What commands may do to the shell they run in, told from their text.

use std::collections::BTreeSet;

use bstr::{BString, ByteSlice};

use crate::{
    Source,
    definitions::Definitions,
    parse,
    syntax::{
        Command, CompoundCommand, CompoundKind, FunctionDefinition, List, ListItem, Operation, Parameter,
        ParameterExpansion, Part, PartKind, Pipeline, SimpleCommand, Substitution, Word,
        visit::{self, Visit},
    },
};

/// What running some commands may change in the shell itself. Everything that could happen counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Effects {
    /// The names of variables that may be assigned or unset; `None` when any may be.
    pub assigns: Option<BTreeSet<String>>,
    /// Whether the working directory may change.
    pub changes_directory: bool,
    /// Whether options of `set` or positional parameters may change.
    pub changes_options: bool,
    /// Whether `exec` may redirect the shell's own descriptors.
    pub redirects_shell: bool,
    /// Whether what follows may not be reached although nothing failed: `exit 0`, `return`, `break`, `continue`.
    pub leaves: bool,
}

impl Effects {
    /// The effects of and-or lists; the functions they may call are looked up among `definitions`.
    pub(crate) fn of(items: &[ListItem], definitions: &Definitions) -> Effects {
        let mut finder = EffectFinder {
            definitions,
            called: BTreeSet::new(),
            effects: Effects::none(),
            loops: 0,
            in_function: false,
        };
        items.iter().for_each(|item| finder.item(item));
        finder.effects
    }

    fn none() -> Effects {
        Effects {
            assigns: Some(BTreeSet::new()),
            changes_directory: false,
            changes_options: false,
            redirects_shell: false,
            leaves: false,
        }
    }

    fn assign(&mut self, name: &str) {
        if let Some(names) = &mut self.assigns {
            names.insert(name.to_owned());
        }
    }

    fn anything(&mut self) {
        (self.assigns, self.changes_directory, self.changes_options) = (None, true, true);
    }
}

struct EffectFinder<'d> {
    definitions: &'d Definitions,
    called: BTreeSet<String>,
    effects: Effects,
    loops: usize,
    in_function: bool,
}

impl EffectFinder<'_> {
    // What runs in a subshell has no effect on this one, so that nothing below goes into one.
    fn item(&mut self, item: &ListItem) {
        if !item.background {
            self.visit_and_or(&item.and_or);
        }
    }

    /// `exit`, `return`, `break` and `continue`.
    fn leave(&mut self, name: &[u8], command: &SimpleCommand) {
        let operand = command.words.get(1).and_then(Word::literal);
        let fails = operand.is_some_and(|operand| operand.to_str().is_ok_and(|text| text.parse().unwrap_or(0) != 0));
        self.effects.leaves |= match name {
            b"exit" => !fails,
            b"return" => !self.in_function && !fails,
            // How many loops an operand other than 1 leaves is not looked at.
            _ => self.loops == 0 || command.words.len() > 1,
        };
    }

    /// Operands such as `NAME` and `NAME=value`; one that is not literal may name anything.
    fn named_operands(&mut self, command: &SimpleCommand) {
        for word in command.words.iter().skip(1) {
            let mut text = BString::default();
            for part in &word.parts {
                match &part.kind {
                    PartKind::Literal(bytes) | PartKind::SingleQuoted(bytes) | PartKind::Escaped(bytes) => {
                        text.extend_from_slice(bytes);
                    }
                    _ => break,
                }
            }
            match crate::token::name(&text) {
                Ok((rest, name)) if rest.is_empty() || rest.starts_with(b"=") => {
                    self.effects.assign(&name.to_str_lossy());
                }
                _ if text.starts_with(b"-") => {}
                _ => self.effects.assigns = None,
            }
        }
    }

    fn call(&mut self, name: &str) {
        if self.called.insert(name.to_owned()) {
            let definitions = self.definitions;
            for function in definitions.named(name) {
                let mut inner = EffectFinder {
                    loops: 0,
                    in_function: true,
                    definitions: self.definitions,
                    called: std::mem::take(&mut self.called),
                    effects: std::mem::replace(&mut self.effects, Effects::none()),
                };
                inner.visit_compound_command(&function.definition.body);
                (self.called, self.effects) = (inner.called, inner.effects);
            }
        }
    }
}

impl<'t> Visit<'t> for EffectFinder<'_> {
    fn visit_simple_command(&mut self, command: &'t SimpleCommand) {
        let name = command.literal_name();
        let is_special = name.as_ref().is_none_or(|name| is_special_built_in(name));
        if command.words.is_empty() || is_special {
            command.assignments.iter().for_each(|assignment| self.effects.assign(&assignment.name));
        }
        match name.as_deref().map(|name| name.as_bytes()) {
            Some(b"eval" | b"." | b"source" | b"command" | b"builtin") => {
                self.effects.anything();
                self.effects.leaves = true;
            }
            Some(b"read" | b"export" | b"readonly" | b"unset" | b"local" | b"declare" | b"typeset") => {
                self.named_operands(command);
            }
            Some(b"getopts") => {
                self.named_operands(command);
                ["OPTIND", "OPTARG"].iter().for_each(|name| self.effects.assign(name));
            }
            Some(b"cd" | b"pushd" | b"popd") => {
                self.effects.changes_directory = true;
                ["PWD", "OLDPWD"].iter().for_each(|name| self.effects.assign(name));
            }
            Some(b"set" | b"shift") => self.effects.changes_options = true,
            Some(name @ (b"exit" | b"return" | b"break" | b"continue")) => self.leave(name, command),
            Some(b"exec") => self.effects.redirects_shell |= !command.redirections.is_empty(),
            Some(name) => self.call(&name.to_str_lossy()),
            // A command whose name is made at run time: any but one that leaves, which nobody writes that way.
            None if !command.words.is_empty() => self.effects.anything(),
            None => {}
        }
        visit::walk_simple_command(self, command);
    }

    fn visit_compound_command(&mut self, command: &'t CompoundCommand) {
        if let CompoundKind::For(body) = &command.kind {
            self.effects.assign(&body.variable);
        }
        match &command.kind {
            CompoundKind::Subshell(_) => {}
            CompoundKind::For(_) | CompoundKind::While(_) | CompoundKind::Until(_) => {
                self.loops += 1;
                visit::walk_compound_command(self, command);
                self.loops -= 1;
            }
            _ => visit::walk_compound_command(self, command),
        }
    }

    fn visit_list(&mut self, list: &'t crate::syntax::List) {
        list.items.iter().for_each(|item| self.item(item));
    }

    fn visit_pipeline(&mut self, pipeline: &'t Pipeline) {
        if let [_] = pipeline.commands.as_slice() {
            visit::walk_pipeline(self, pipeline);
        }
    }

    // A definition does nothing until it is called.
    fn visit_function(&mut self, _: &'t FunctionDefinition) {}

    fn visit_part(&mut self, part: &'t Part) {
        match &part.kind {
            PartKind::Parameter(expansion) => {
                if let ParameterExpansion {
                    parameter: Parameter::Variable(name),
                    operation: Operation::Substitute { when: Substitution::Assign, .. },
                    ..
                } = expansion.as_ref()
                {
                    self.effects.assign(name);
                }
            }
            PartKind::Arithmetic(parts) => arithmetic_names(parts).iter().for_each(|name| self.effects.assign(name)),
            PartKind::CommandSubstitution(_) => return,
            _ => {}
        }
        visit::walk_part(self, part);
    }
}

/// The variables an arithmetic expression names without `$`: it may read or assign them.
pub(crate) fn arithmetic_names(parts: &[Part]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for part in parts {
        let PartKind::Literal(mut text) = part.kind.clone() else { continue };
        text.iter_mut().for_each(|byte| {
            if !byte.is_ascii_alphanumeric() && *byte != b'_' {
                *byte = b' ';
            }
        });
        let words = text.split(|byte| *byte == b' ');
        names.extend(words.filter_map(|word| match crate::token::name(word) {
            Ok(([], name)) => Some(name.to_str_lossy().into_owned()),
            _ => None,
        }));
    }
    names
}

pub(crate) fn is_special_built_in(name: &[u8]) -> bool {
    const SPECIAL: [&[u8]; 15] = [
        b"break",
        b":",
        b"continue",
        b".",
        b"eval",
        b"exec",
        b"exit",
        b"export",
        b"readonly",
        b"return",
        b"set",
        b"shift",
        b"times",
        b"trap",
        b"unset",
    ];
    SPECIAL.contains(&name)
}

/// Whether a function's body uses `local`, which only works in a function of a shell.
pub(crate) fn declares_local(body: &CompoundCommand) -> bool {
    struct Finder(bool);
    impl<'t> Visit<'t> for Finder {
        fn visit_simple_command(&mut self, command: &'t SimpleCommand) {
            self.0 |= matches!(command.unquoted_name(), Some("local" | "typeset" | "declare"));
            visit::walk_simple_command(self, command);
        }
        fn visit_function(&mut self, _: &'t FunctionDefinition) {}
    }
    let mut finder = Finder(false);
    finder.visit_compound_command(body);
    finder.0
}

/// Whether a list calls `getopts`.
pub(crate) fn reads_options(list: &List) -> bool {
    struct Finder(bool);
    impl<'t> Visit<'t> for Finder {
        fn visit_simple_command(&mut self, command: &'t SimpleCommand) {
            self.0 |= command.unquoted_name() == Some("getopts");
        }
        fn visit_function(&mut self, _: &'t FunctionDefinition) {}
    }
    let mut finder = Finder(false);
    finder.visit_list(list);
    finder.0
}

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

/// Whether the literal text of a word has `()` in it, as a function definition does.
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
}

impl<'t> Visit<'t> for Needs<'_> {
    fn visit_list(&mut self, list: &'t crate::syntax::List) {
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
            Some(".") => self.whole_rest = true,
            Some("eval") => self.whole_rest |= command.words.iter().any(mentions_definition),
            Some("wait" | "jobs" | "fg" | "bg") => self.waits = true,
            Some("getopts") => self.reads_options = true,
            Some("alias") => self.whole_rest |= command.words.iter().skip(1).any(changes_grammar),
            Some("command") if command.words.get(1).is_some_and(|word| word.unquoted() == Some("exec")) => {
                self.whole_rest |= command.words.len() == 2;
            }
            Some("kill") => {
                let is_job = |word: &Word| word.literal().is_some_and(|text| text.starts_with(b"%"));
                self.waits |= command.words.iter().any(is_job);
            }
            Some(name) if self.called.insert(name.to_owned()) => {
                let definitions = self.definitions;
                for function in definitions.named(name) {
                    let mut inner = Needs { called: std::mem::take(&mut self.called), ..*self };
                    inner.visit_compound_command(&function.definition.body);
                    *self = inner;
                }
            }
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
            PartKind::Parameter(expansion) => self.waits |= expansion.parameter == Parameter::Special(b'!'),
            PartKind::CommandSubstitution(_) => {}
            _ => visit::walk_part(self, part),
        }
    }
}
