//! What commands mention that comes from outside of them: variables, functions, files of the computation.

use std::{collections::BTreeSet, sync::Arc};

use bstr::{BString, ByteSlice};
use sha2::{Digest, Sha256};

use super::{
    effects::Effects,
    flow::{Called, Flow, Inputs, Values},
};
use crate::{
    language::names_in,
    syntax::{
        FunctionDefinition, ListItem, Parameter, Part, PartKind, SimpleCommand, Word, print,
        visit::{self, Visit},
    },
};

/// A hash of a text.
pub(crate) type Hash = [u8; 32];

/// What commands mention, functions that they call included where that is so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mentions {
    /// The names of variables.
    pub(crate) variables: BTreeSet<String>,
    /// Whether positional parameters are among it; those of a function are its own.
    pub(crate) positional: bool,
    /// Of functions: their texts, and those of what they call.
    pub(crate) texts: BTreeSet<Hash>,
    /// What of the computation functions depend on, wherever they are called.
    pub(crate) inputs: Inputs,
}

impl Mentions {
    pub(crate) fn merge(&mut self, other: &Mentions) {
        self.variables.extend(other.variables.iter().cloned());
        self.positional |= other.positional;
        self.texts.extend(&other.texts);
        self.inputs.merge(&other.inputs);
    }

    /// The same with one text for all: that of functions of which nothing more will be learnt.
    pub(crate) fn sealed(&self) -> Mentions {
        let mut hasher = Sha256::new();
        self.texts.iter().for_each(|text| hasher.update(text));
        Mentions { texts: BTreeSet::from([hasher.finalize().into()]), ..self.clone() }
    }
}

/// What and-or lists mention themselves, and the names of commands that may be functions.
pub(crate) fn of_items(items: &[ListItem]) -> (Mentions, BTreeSet<String>) {
    let mut finder = Finder::default();
    items.iter().for_each(|item| finder.visit_and_or(&item.and_or));
    (finder.mentions, finder.calls)
}

/// What a word mentions itself, and the names of commands in it that may be functions.
pub(crate) fn of_word(word: &Word) -> (Mentions, BTreeSet<String>) {
    let mut finder = Finder::default();
    finder.visit_word(word);
    (finder.mentions, finder.calls)
}

/// What a function mentions itself, and the names of commands that may be functions. `is_function` tells whether a
/// command of this name is one: what those do is not known here.
pub(crate) fn of_function(
    definition: &FunctionDefinition,
    is_function: &dyn Fn(&str) -> bool,
) -> (Mentions, BTreeSet<String>) {
    let mut finder = Finder::default();
    finder.visit_compound_command(&definition.body);
    let Finder { mut mentions, calls } = finder;
    mentions.positional = false;
    mentions.texts.insert(Sha256::digest(print::canonical_function(definition).as_slice()).into());
    let anything = Arc::new(Called {
        effects: Effects { assigns: None, changes_directory: true, changes_options: true, ..Effects::none() },
        variables: BTreeSet::new(),
        inputs: Inputs::default(),
    });
    let calls_of = |name: &str| is_function(name).then(|| Arc::clone(&anything));
    let mut told = |_: &_, _| {};
    let mut flow = Flow::new(Values::unknown(), &calls_of, &mut told);
    flow.body(&definition.body);
    mentions.inputs = flow.inputs;
    (mentions, calls)
}

#[derive(Default)]
struct Finder {
    mentions: Mentions,
    calls: BTreeSet<String>,
}

impl<'t> Visit<'t> for Finder {
    fn visit_simple_command(&mut self, command: &'t SimpleCommand) {
        let name: Option<BString> = command.literal_name();
        self.calls.extend(name.and_then(|name| name.to_str().ok().map(str::to_owned)));
        visit::walk_simple_command(self, command);
    }

    fn visit_part(&mut self, part: &'t Part) {
        let variables = &mut self.mentions.variables;
        match &part.kind {
            PartKind::Parameter(expansion) => match &expansion.parameter {
                Parameter::Variable(name) => drop(variables.insert(name.clone())),
                Parameter::Positional(_) | Parameter::Special(b'@' | b'*' | b'#') => self.mentions.positional = true,
                Parameter::Special(_) => {}
            },
            PartKind::Arithmetic(parts) => {
                for part in parts {
                    if let PartKind::Literal(text) = &part.kind {
                        variables.extend(names_in(text).map(str::to_owned));
                    }
                }
            }
            PartKind::Foreign(foreign) => variables.extend(names_in(&foreign.text).map(str::to_owned)),
            _ => {}
        }
        visit::walk_part(self, part);
    }
}
