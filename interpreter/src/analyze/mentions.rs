//! What commands mention that comes from outside of them: variables, functions, files of the computation.

use std::{collections::BTreeSet, sync::Arc};

use bstr::{BString, ByteSlice};
use sha2::{Digest, Sha256};

use super::{
    effects::{Effects, MOST_NAMES},
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mentions {
    /// The names of variables; `None` when there are too many to tell apart.
    pub(crate) variables: Option<BTreeSet<String>>,
    /// Whether positional parameters are among it; those of a function are its own.
    pub(crate) positional: bool,
    /// Of functions: their texts, and those of what they call.
    pub(crate) texts: BTreeSet<Hash>,
    /// What of the computation functions depend on, wherever they are called.
    pub(crate) inputs: Inputs,
}

impl Mentions {
    pub(crate) fn none() -> Mentions {
        let (variables, texts) = (Some(BTreeSet::new()), BTreeSet::new());
        Mentions { variables, positional: false, texts, inputs: Inputs::default() }
    }

    pub(crate) fn merge(&mut self, other: &Mentions) {
        match (&mut self.variables, &other.variables) {
            (Some(names), Some(more)) if names.len().max(more.len()) <= MOST_NAMES => {
                names.extend(more.iter().cloned())
            }
            _ => self.variables = None,
        }
        self.positional |= other.positional;
        self.texts.extend(&other.texts);
        self.inputs.merge(&other.inputs);
    }

    /// The same with one text for all: that of functions of which nothing more will be learnt.
    pub(crate) fn sealed(self) -> Mentions {
        let mut hasher = Sha256::new();
        self.texts.iter().for_each(|text| hasher.update(text));
        Mentions { texts: BTreeSet::from([hasher.finalize().into()]), ..self }
    }
}

/// What and-or lists mention themselves, and the names of commands that may be functions.
pub(crate) fn of_items(items: &[ListItem]) -> (Mentions, BTreeSet<String>) {
    let mut finder = Finder::new();
    items.iter().for_each(|item| finder.visit_and_or(&item.and_or));
    (finder.mentions, finder.calls)
}

/// What a word mentions itself, and the names of commands in it that may be functions.
pub(crate) fn of_word(word: &Word) -> (Mentions, BTreeSet<String>) {
    let mut finder = Finder::new();
    finder.visit_word(word);
    (finder.mentions, finder.calls)
}

/// What a function mentions itself, and the names of commands that may be functions. `is_function` tells whether a
/// command of this name is one: what those do is not known here.
pub(crate) fn of_function(
    definition: &FunctionDefinition,
    is_function: &dyn Fn(&str) -> bool,
) -> (Mentions, BTreeSet<String>) {
    let mut finder = Finder::new();
    finder.visit_compound_command(&definition.body);
    let Finder { mut mentions, calls } = finder;
    mentions.positional = false;
    mentions.texts.insert(Sha256::digest(print::canonical_function(definition).as_slice()).into());
    let anything = Arc::new(Called {
        effects: Effects { assigns: None, changes_directory: true, changes_options: true, ..Effects::none() },
        variables: Some(BTreeSet::new()),
        inputs: Inputs::default(),
    });
    let calls_of = |name: &str| is_function(name).then(|| Arc::clone(&anything));
    let (mut values, mut told) = (Values::unknown(), |_: &_, _| {});
    let mut flow = Flow::new(&mut values, &calls_of, &mut told);
    flow.body(&definition.body);
    mentions.inputs = flow.inputs;
    (mentions, calls)
}

struct Finder {
    mentions: Mentions,
    calls: BTreeSet<String>,
}

impl Finder {
    fn new() -> Finder {
        Finder { mentions: Mentions::none(), calls: BTreeSet::new() }
    }

    fn variable(&mut self, name: &str) {
        if let Some(variables) = &mut self.mentions.variables
            && !variables.contains(name)
        {
            variables.insert(name.to_owned());
        }
    }
}

impl<'t> Visit<'t> for Finder {
    fn visit_simple_command(&mut self, command: &'t SimpleCommand) {
        let name: Option<BString> = command.literal_name();
        self.calls.extend(name.and_then(|name| name.to_str().ok().map(str::to_owned)));
        visit::walk_simple_command(self, command);
    }

    fn visit_part(&mut self, part: &'t Part) {
        match &part.kind {
            PartKind::Parameter(expansion) => match &expansion.parameter {
                Parameter::Variable(name) => self.variable(name),
                Parameter::Positional(_) | Parameter::Special(b'@' | b'*' | b'#') => self.mentions.positional = true,
                Parameter::Special(_) => {}
            },
            PartKind::Arithmetic(parts) => {
                for part in parts {
                    if let PartKind::Literal(text) = &part.kind {
                        names_in(text).for_each(|name| self.variable(name));
                    }
                }
            }
            PartKind::Foreign(foreign) => names_in(&foreign.text).for_each(|name| self.variable(name)),
            _ => {}
        }
        visit::walk_part(self, part);
    }
}
