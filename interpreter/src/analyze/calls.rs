//! What a call of the script's own functions comes to: which markers it can hit, whether it acts outside the shell.

use std::collections::HashMap;

use super::places::Placed;
use crate::{
    language::{builtins, marker::Marker},
    syntax::{FunctionDefinition, Redirection, RedirectionOperator, SimpleCommand, Word},
};

/// What a call can come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CallEffects {
    /// It can hit `next_stage`.
    pub(crate) next_stage: bool,
    /// It can hit `everytime`.
    pub(crate) everytime: bool,
    /// It runs a program or writes a file.
    pub(crate) acts: bool,
}

impl CallEffects {
    /// Whether it can hit a marker.
    pub(crate) fn marks(self) -> bool {
        self.next_stage || self.everytime
    }

    fn or(self, other: CallEffects) -> CallEffects {
        CallEffects {
            next_stage: self.next_stage || other.next_stage,
            everytime: self.everytime || other.everytime,
            acts: self.acts || other.acts,
        }
    }
}

/// The functions that a script defines, under their names.
#[derive(Default)]
pub(crate) struct Calls<'t> {
    effects: HashMap<&'t str, CallEffects>,
}

impl<'t> Calls<'t> {
    /// Reads what each function does from the commands in it, and follows calls to their callers.
    pub(crate) fn of(definitions: &[&'t FunctionDefinition], places: &[Placed<'t>]) -> Calls<'t> {
        let mut functions = Calls::default();
        functions
            .effects
            .extend(definitions.iter().map(|definition| (definition.name.as_str(), CallEffects::default())));
        let mut callers: HashMap<&str, Vec<&str>> = HashMap::new();
        let mut open = Vec::new();
        for place in places {
            let Some(function) = place.context.function else { continue };
            let called = place.command.unquoted_name().filter(|name| functions.effects.contains_key(name));
            if let Some(called) = called {
                callers.entry(called).or_default().push(&function.name);
            }
            let marker = place.marker;
            open.push((
                function.name.as_str(),
                CallEffects {
                    next_stage: marker == Some(Marker::NextStage),
                    everytime: marker == Some(Marker::Everytime),
                    acts: called.is_none() && !place.context.substituted && acts(place.command),
                },
            ));
        }
        while let Some((name, more)) = open.pop() {
            let Some(known) = functions.effects.get_mut(name) else { continue };
            let all = known.or(more);
            if *known != all {
                *known = all;
                open.extend(callers.get(name).into_iter().flatten().map(|caller| (*caller, all)));
            }
        }
        functions
    }

    /// What calling the function `name` comes to; `None` when the script defines no such function.
    pub(crate) fn effects(&self, name: &str) -> Option<CallEffects> {
        self.effects.get(name).copied()
    }

    /// What the command comes to when it is a call of one of the functions.
    pub(crate) fn call(&self, command: &SimpleCommand) -> Option<CallEffects> {
        if self.effects.is_empty() {
            return None;
        }
        self.effects(command.unquoted_name()?)
    }
}

/// Whether the command, taken for no function of the script, runs a program or writes a file.
pub(crate) fn acts(command: &SimpleCommand) -> bool {
    // `exec >log` is about the shell's own descriptors.
    let is_exec = command.unquoted_name() == Some("exec");
    let writes = !is_exec && command.redirections.iter().any(writes_file);
    command.marker().is_none() && (runs_program(command) || writes)
}

fn runs_program(command: &SimpleCommand) -> bool {
    if command.words.is_empty() {
        return false;
    }
    let literal = |index: usize| command.words.get(index).and_then(Word::literal);
    let Some(name) = literal(0) else { return true };
    match name.as_slice() {
        // These run their argument.
        b"command" => literal(1).is_none_or(|word| !word.starts_with(b"-") && !builtins::is_built_in(&word)),
        b"exec" => command.words.len() > 1,
        _ => !builtins::is_built_in(&name),
    }
}

/// Files that keep nothing.
const SINKS: [&[u8]; 4] = [b"/dev/null", b"/dev/tty", b"/dev/stdout", b"/dev/stderr"];

/// Whether a redirection can change a file.
pub(crate) fn writes_file(redirection: &Redirection) -> bool {
    use RedirectionOperator::*;
    let writes = matches!(redirection.operator, Output | Clobber | Append | ReadWrite);
    writes && redirection.target.literal().is_none_or(|target| !SINKS.contains(&target.as_slice()))
}
