//! What commands may do to the shell they run in, told from their text.

use std::collections::BTreeSet;

use bstr::{BString, ByteSlice};

use super::fatal;
use crate::{
    language::{
        builtins::{self, Effect},
        leading_name, names_in,
    },
    syntax::{
        CompoundCommand, CompoundKind, FunctionDefinition, List, ListItem, Operation, Parameter, ParameterExpansion,
        Part, PartKind, Pipeline, SimpleCommand, Substitution, Word,
        visit::{self, Visit},
    },
};

/// How many names are told apart of those that functions assign or mention: beyond that, any name may be one.
pub(crate) const MOST_NAMES: usize = 64;

/// What running some commands may change in the shell itself. Everything that could happen counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Effects {
    /// The names of variables that may be assigned or unset; `None` when any may be.
    pub(crate) assigns: Option<BTreeSet<String>>,
    /// The names of variables that may be exported.
    pub(crate) exports: BTreeSet<String>,
    /// Whether later assignments may export (`set -a`).
    pub(crate) exports_all: bool,
    /// Whether the working directory may change.
    pub(crate) changes_directory: bool,
    /// Whether options of `set` or positional parameters may change.
    pub(crate) changes_options: bool,
    /// The built-ins that may change the mode of new files, limits, traps or aliases.
    pub(crate) changes_rest: BTreeSet<&'static str>,
    /// Whether `exec` may redirect the shell's own descriptors.
    pub(crate) redirects_shell: bool,
    /// Whether `set -n` may keep the shell from doing anything more.
    pub(crate) stops_reading: bool,
    /// The names of variables that may be readonly from then on.
    pub(crate) readonly: BTreeSet<String>,
    /// Whether names of commands may mean something else from then on: by an alias, or without a function.
    pub(crate) renames: bool,
    /// Whether what follows may not be reached: `exit`, `return`, `break`, `continue`, `${x:?}`.
    pub(crate) leaves: bool,
    /// Whether an error may end the shell.
    pub(crate) may_err: bool,
}

/// What was found in some commands: their own effects, and the functions that they may call.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) effects: Effects,
    pub(crate) calls: BTreeSet<String>,
}

impl Effects {
    pub(crate) fn none() -> Effects {
        Effects {
            assigns: Some(BTreeSet::new()),
            exports: BTreeSet::new(),
            exports_all: false,
            changes_directory: false,
            changes_options: false,
            changes_rest: BTreeSet::new(),
            redirects_shell: false,
            stops_reading: false,
            readonly: BTreeSet::new(),
            renames: false,
            leaves: false,
            may_err: false,
        }
    }

    /// Adds those of something else that may run too.
    pub(crate) fn merge(&mut self, other: &Effects) {
        self.leaves |= other.leaves;
        self.may_err |= other.may_err || other.may_assign_any(&self.readonly) || self.may_assign_any(&other.readonly);
        match (&mut self.assigns, &other.assigns) {
            (Some(names), Some(more)) if names.len().max(more.len()) <= MOST_NAMES => {
                names.extend(more.iter().cloned())
            }
            _ => self.assigns = None,
        }
        if self.exports.len().max(other.exports.len()) <= MOST_NAMES {
            self.exports.extend(other.exports.iter().cloned());
        } else {
            // Any that is assigned may be one.
            (self.exports_all, self.assigns) = (true, None);
        }
        self.exports_all |= other.exports_all;
        self.changes_directory |= other.changes_directory;
        self.changes_options |= other.changes_options;
        self.changes_rest.extend(&other.changes_rest);
        self.redirects_shell |= other.redirects_shell;
        self.stops_reading |= other.stops_reading;
        self.renames |= other.renames;
        if self.readonly.len().max(other.readonly.len()) <= MOST_NAMES {
            self.readonly.extend(other.readonly.iter().cloned());
        } else {
            self.may_err = true;
        }
    }

    /// Whether one of these variables may be assigned.
    pub(crate) fn may_assign_any(&self, names: &BTreeSet<String>) -> bool {
        let assigns = |name: &String| self.assigns.as_ref().is_none_or(|assigned| assigned.contains(name));
        names.iter().any(assigns)
    }

    fn assign(&mut self, name: &str) {
        self.may_err |= self.readonly.contains(name);
        if let Some(names) = &mut self.assigns {
            names.insert(name.to_owned());
        }
    }

    fn anything(&mut self) {
        self.assigns = None;
        (self.changes_directory, self.changes_options, self.renames) = (true, true, true);
        self.changes_rest.extend(["alias", "trap", "ulimit", "umask"]);
    }
}

/// What and-or lists may do themselves.
pub(crate) fn of_items(items: &[ListItem]) -> Found {
    let mut finder = EffectFinder::new(false);
    items.iter().for_each(|item| finder.item(item));
    Found { effects: finder.effects, calls: finder.calls }
}

/// What a pipeline may do itself.
pub(crate) fn of_pipeline(pipeline: &Pipeline) -> Found {
    let mut finder = EffectFinder::new(false);
    finder.visit_pipeline(pipeline);
    Found { effects: finder.effects, calls: finder.calls }
}

/// What a simple command may do itself.
pub(crate) fn of_command(command: &SimpleCommand) -> Found {
    let mut finder = EffectFinder::new(false);
    finder.visit_simple_command(command);
    Found { effects: finder.effects, calls: finder.calls }
}

/// What a call of a function with this body may do itself.
pub(crate) fn of_body(body: &CompoundCommand) -> Found {
    let mut finder = EffectFinder::new(true);
    finder.visit_compound_command(body);
    Found { effects: finder.effects, calls: finder.calls }
}

struct EffectFinder {
    calls: BTreeSet<String>,
    effects: Effects,
    loops: usize,
    in_function: bool,
}

impl EffectFinder {
    fn new(in_function: bool) -> EffectFinder {
        EffectFinder { calls: BTreeSet::new(), effects: Effects::none(), loops: 0, in_function }
    }

    // What runs in a subshell has no effect on this one, so that nothing below goes into one.
    fn item(&mut self, item: &ListItem) {
        if !item.background {
            self.visit_and_or(&item.and_or);
        }
    }

    /// `command` and `builtin` run their operands, which may be a built-in, or only tell what those are.
    fn operands(&mut self, command: &SimpleCommand) {
        let literals = command.words.iter().skip(1).map(|word| word.literal());
        let options = literals.take_while(|word| word.as_ref().is_some_and(|word| word.starts_with(b"-")));
        let options: Vec<BString> = options.flatten().collect();
        if options.iter().any(|option| option.contains(&b'v') || option.contains(&b'V')) {
            return;
        }
        let words: Vec<Word> = command.words.iter().skip(1 + options.len()).cloned().collect();
        match words.first().map(Word::literal) {
            None => {}
            Some(None) => self.anything(),
            Some(Some(name)) => {
                let run = SimpleCommand { words, ..command.clone() };
                // What it names is no function.
                if builtins::effect_of(&name) != Effect::None {
                    self.named(&name, &run);
                }
            }
        }
    }

    /// Any command.
    fn anything(&mut self) {
        self.effects.anything();
        (self.effects.leaves, self.effects.redirects_shell) = (true, true);
    }

    /// `exit`, `return`, `break` and `continue`.
    fn leave(&mut self, name: &[u8], command: &SimpleCommand) {
        self.effects.leaves |= match name {
            b"exit" => true,
            b"return" => !self.in_function,
            // How many loops an operand other than 1 leaves is not looked at.
            _ => self.loops == 0 || command.words.len() > 1,
        };
    }

    /// Operands such as `NAME` and `NAME=value`; one that is not literal may name anything.
    fn named_operands(&mut self, command: &SimpleCommand) {
        let names_functions = |word: &Word| word.literal().is_none_or(|text| text.starts_with(b"-") && text != "-v");
        self.effects.renames |= command.unquoted_name() == Some("unset") && command.words.iter().any(names_functions);
        for word in command.words.iter().skip(1) {
            let text = word.leading_text();
            match leading_name(&text) {
                Some((name, rest)) if rest.is_empty() || rest.starts_with(b"=") => {
                    self.effects.assign(&name.to_str_lossy());
                    let name = name.to_str_lossy().into_owned();
                    match command.unquoted_name() {
                        Some("export") => drop(self.effects.exports.insert(name)),
                        Some("readonly") => {
                            // In the next turn of a loop it is.
                            self.effects.may_err |= self.loops > 0;
                            self.effects.readonly.insert(name);
                        }
                        _ => {}
                    }
                }
                _ if text.starts_with(b"-") => {}
                _ => self.effects.assigns = None,
            }
        }
    }

    /// A command of this name; one that is no built-in may be a function.
    fn named(&mut self, name: &[u8], command: &SimpleCommand) {
        match builtins::effect_of(name) {
            Effect::None => drop(self.calls.insert(name.to_str_lossy().into_owned())),
            Effect::Operands => self.operands(command),
            Effect::Text => self.anything(),
            Effect::Names | Effect::LocalNames => self.named_operands(command),
            Effect::ReadsOptions => {
                self.named_operands(command);
                ["OPTIND", "OPTARG"].iter().for_each(|name| self.effects.assign(name));
            }
            Effect::Directory => {
                self.effects.changes_directory = true;
                ["PWD", "OLDPWD"].iter().for_each(|name| self.effects.assign(name));
            }
            Effect::Options => {
                self.effects.changes_options = true;
                let is_noexec = |word: &Word| match word.literal().unwrap_or_default().as_slice() {
                    b"noexec" => true,
                    [b'-', letters @ ..] => letters.contains(&b'n'),
                    _ => false,
                };
                let exports_all = |word: &Word| match word.literal().unwrap_or_default().as_slice() {
                    b"allexport" => true,
                    [b'-', letters @ ..] => letters.contains(&b'a'),
                    _ => false,
                };
                self.effects.exports_all |= name == b"set" && command.words.iter().any(exports_all);
                self.effects.stops_reading |= name == b"set" && command.words.iter().any(is_noexec);
            }
            Effect::Mask => drop(self.effects.changes_rest.insert("umask")),
            Effect::Limits => drop(self.effects.changes_rest.insert("ulimit")),
            Effect::Traps => drop(self.effects.changes_rest.insert("trap")),
            Effect::Aliases => {
                self.effects.changes_rest.insert("alias");
                self.effects.renames = true;
            }
            Effect::Leaves => self.leave(name, command),
            Effect::Exec => {
                self.effects.redirects_shell |= !command.redirections.is_empty();
                // The shell becomes a program.
                self.effects.leaves |= command.words.len() > 1;
            }
            Effect::Jobs => {}
        }
    }
}

impl<'t> Visit<'t> for EffectFinder {
    fn visit_simple_command(&mut self, command: &'t SimpleCommand) {
        let name = command.literal_name();
        let is_special = name.as_ref().is_none_or(|name| builtins::is_special(name));
        if command.words.is_empty() || is_special {
            command.assignments.iter().for_each(|assignment| self.effects.assign(&assignment.name));
        }
        let is_refused = command.assignments.iter().any(|assignment| self.effects.readonly.contains(&assignment.name));
        // In dash, an error elsewhere.
        let is_local = !self.in_function && command.unquoted_name() == Some("local");
        self.effects.may_err |= is_refused || is_local || fatal::may_be_fatal(command);
        match name.as_deref().map(|name| name.as_bytes()) {
            Some(name) => self.named(name, command),
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

    fn visit_list(&mut self, list: &'t List) {
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
        self.effects.may_err |= fatal::may_be_fatal_in_word(part);
        match &part.kind {
            PartKind::Parameter(expansion) => match expansion.as_ref() {
                ParameterExpansion {
                    parameter: Parameter::Variable(name),
                    operation: Operation::Substitute { when: Substitution::Assign, .. },
                    ..
                } => self.effects.assign(name),
                ParameterExpansion { operation: Operation::Substitute { when: Substitution::Error, .. }, .. } => {
                    self.effects.leaves = true;
                }
                _ => {}
            },
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

/// Whether a function's body uses `local`, which only works in a function of a shell.
pub(crate) fn declares_local(body: &CompoundCommand) -> bool {
    uses(Effect::LocalNames, |finder| finder.visit_compound_command(body))
}

/// Whether a list calls `getopts`.
pub(crate) fn reads_options(list: &List) -> bool {
    uses(Effect::ReadsOptions, |finder| finder.visit_list(list))
}

/// Whether a built-in with this effect is called; definitions call nothing.
fn uses(effect: Effect, look: impl FnOnce(&mut Uses)) -> bool {
    let mut uses = Uses { effect, found: false };
    look(&mut uses);
    uses.found
}

struct Uses {
    effect: Effect,
    found: bool,
}

impl<'t> Visit<'t> for Uses {
    fn visit_simple_command(&mut self, command: &'t SimpleCommand) {
        self.found |= command.unquoted_name().is_some_and(|name| builtins::effect_of(name.as_bytes()) == self.effect);
        visit::walk_simple_command(self, command);
    }

    fn visit_function(&mut self, _: &'t FunctionDefinition) {}
}
