//! What commands may do to the shell they run in, told from their text.

use std::collections::BTreeSet;

use bstr::{BString, ByteSlice};

use super::definitions::Definitions;
use crate::{
    language::{leading_name, names_in},
    syntax::{
        CompoundCommand, CompoundKind, FunctionDefinition, List, ListItem, Operation, Parameter, ParameterExpansion,
        Part, PartKind, Pipeline, SimpleCommand, Substitution, Word,
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
    /// Whether `set -n` may keep the shell from doing anything more.
    pub stops_reading: bool,
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
            stops_reading: false,
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
            match leading_name(&text) {
                Some((name, rest)) if rest.is_empty() || rest.starts_with(b"=") => {
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
                (self.effects.leaves, self.effects.redirects_shell) = (true, true);
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
            Some(name @ (b"set" | b"shift")) => {
                self.effects.changes_options = true;
                let is_noexec = |word: &Word| match word.literal().unwrap_or_default().as_slice() {
                    b"noexec" => true,
                    [b'-', letters @ ..] => letters.contains(&b'n'),
                    _ => false,
                };
                self.effects.stops_reading |= name == b"set" && command.words.iter().any(is_noexec);
            }
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
            PartKind::Foreign(foreign) => names_in(&foreign.text).for_each(|name| self.effects.assign(name)),
            _ => {}
        }
        visit::walk_part(self, part);
    }
}

/// The variables an arithmetic expression names without `$`: it may read or assign them.
pub(crate) fn arithmetic_names(parts: &[Part]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for part in parts {
        if let PartKind::Literal(text) = &part.kind {
            names.extend(names_in(text).map(str::to_owned));
        }
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
    let mut calls = Calls { names: &["local", "typeset", "declare"], found: false };
    calls.visit_compound_command(body);
    calls.found
}

/// Whether a list calls `getopts`.
pub(crate) fn reads_options(list: &List) -> bool {
    let mut calls = Calls { names: &["getopts"], found: false };
    calls.visit_list(list);
    calls.found
}

/// Looks for commands of some names; definitions call nothing.
struct Calls {
    names: &'static [&'static str],
    found: bool,
}

impl<'t> Visit<'t> for Calls {
    fn visit_simple_command(&mut self, command: &'t SimpleCommand) {
        self.found |= command.unquoted_name().is_some_and(|name| self.names.contains(&name));
        visit::walk_simple_command(self, command);
    }

    fn visit_function(&mut self, _: &'t FunctionDefinition) {}
}
