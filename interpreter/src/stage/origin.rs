//! What a script does to its shell outside of stages: the same on every run, and so a part of what stages depend on.
//!
//! What a stage makes of the shell is gone on the next run, when it is skipped; what the shell is by itself comes from
//! the container's base. Between the two, only what runs every time counts. Where that is known from the text alone, its
//! value counts; where a command gave it, the command's text counts, with all that it depends on itself. So what a stage
//! depends on can be told without running anything, and is the same in a dry run.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bstr::{BStr, BString};

use super::{
    content::{files, text_of},
    fingerprint::{PartKind, hash},
    ledger::Ledger,
};
use crate::{
    analyze::{
        effects::Effects,
        files::Root,
        flow::{Flow, Inputs, Values},
        functions::Functions,
        mentions::{self, Hash},
    },
    expand,
    state::Value,
    syntax::{Command, ListItem, Word, print::canonical_word},
};

/// How many exported variables are told apart.
const MOST_EXPORTS: usize = 32;

/// Positional parameters while a function has others.
#[derive(Debug)]
pub(crate) struct Positional {
    known: Option<Vec<BString>>,
    made: Option<Hash>,
}

/// What was done to the shell outside of stages so far.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    /// What is known from the text.
    values: Values,
    /// What commands gave: a hash of those.
    made: Arc<BTreeMap<String, Hash>>,
    made_positional: Option<Hash>,
    directory: Option<Hash>,
    options: Option<Hash>,
    settings: Option<Hash>,
    /// A hash of all exported variables, where it was told since the last change.
    exports: RefCell<Option<Hash>>,
    /// Commands that may do anything to the shell.
    anything: Option<Hash>,
    /// What runs now is part of such a command: what it does counts already.
    inside: usize,
}

impl Origin {
    pub(crate) fn new() -> Origin {
        Origin {
            values: Values::unknown(),
            made: Arc::default(),
            made_positional: None,
            directory: None,
            options: None,
            settings: None,
            exports: RefCell::default(),
            anything: None,
            inside: 0,
        }
    }

    /// What is known from the text.
    pub(crate) fn values(&self) -> &Values {
        &self.values
    }

    /// What is known of a variable; `None` for one that was not set.
    pub(crate) fn variable(&self, name: &str) -> Option<Hash> {
        if Root::ALL.iter().any(|root| root.variable() == name) {
            // Where that is says nothing; what is in it counts where it is used.
            return self.made.get(name).copied();
        }
        match self.made.get(name) {
            Some(made) => Some(*made),
            None => match self.values.state.variable(name) {
                Value::Set(value) => Some(hash(&[b"value", value])),
                Value::Unset | Value::Unknown => None,
            },
        }
    }

    /// What is known of variables, by name; of all of them for `None`.
    pub(crate) fn variables<'n>(&'n self, names: Option<&'n BTreeSet<String>>) -> Vec<(&'n str, Hash)> {
        let known = |name: &'n String| Some((name.as_str(), self.variable(name)?));
        match names {
            Some(names) => names.iter().filter_map(known).collect(),
            None => {
                let all: BTreeSet<&String> = self.made.keys().chain(self.values.state.variables.keys()).collect();
                all.into_iter().filter_map(known).collect()
            }
        }
    }

    pub(crate) fn positional(&self) -> Option<Hash> {
        match (self.made_positional, self.values.state.positional.as_slice()) {
            (None, []) => None,
            (None, values) => Some(hash(&values.iter().map(|value| value.as_slice()).collect::<Vec<_>>())),
            (made, _) => made,
        }
    }

    /// The variables that were exported, by name; with many, one hash of all without a name.
    pub(crate) fn exported(&self) -> Vec<(&str, Hash)> {
        let names = self.values.state.exported.iter();
        let value = |name: &str| self.variable(name).unwrap_or_else(|| hash(&[b"exported"]));
        if names.len() <= MOST_EXPORTS {
            return names.map(|name| (name.as_str(), value(name))).collect();
        }
        let all = *self.exports.borrow_mut().get_or_insert_with(|| {
            let each: Vec<Hash> = names.map(|name| hash(&[name.as_bytes(), &value(name)])).collect();
            hash(&each.iter().map(|hash| hash.as_slice()).collect::<Vec<_>>())
        });
        vec![("", all)]
    }

    /// The working directory and the rest, where something was done to it.
    pub(crate) fn settings(&self) -> impl Iterator<Item = (PartKind, Hash)> {
        let all = [
            (PartKind::Directory, self.directory),
            (PartKind::Options, self.options),
            (PartKind::Settings, self.settings),
            (PartKind::Anything, self.anything),
        ];
        all.into_iter().filter_map(|(kind, hash)| Some((kind, hash?)))
    }

    /// An and-or list runs outside of stages.
    pub(crate) fn run(&mut self, item: &ListItem, functions: &Functions, ledger: &mut dyn Ledger) {
        if self.inside > 0 {
            return;
        }
        *self.exports.get_mut() = None;
        let items = std::slice::from_ref(item);
        if self.assign_known(item) {
            return;
        }
        let effects = functions.effects_of(items);
        if effects == (Effects { leaves: effects.leaves, stops_reading: effects.stops_reading, ..Effects::none() }) {
            return;
        }
        // What it depends on is what was there before it.
        let mut parts = self.depended_on(items, functions);
        let inputs = self.follow(items, functions);
        parts.extend(files(&inputs, ledger).iter().map(|(_, name, content)| hash(&[name, content])));
        let made = hash(&parts.iter().map(|part| part.as_slice()).collect::<Vec<_>>());
        match &effects.assigns {
            Some(names) => names.iter().for_each(|name| self.assigned(name, made)),
            None => {
                self.anything = Some(after(self.anything, made));
                self.made = Arc::default();
            }
        }
        if effects.changes_directory {
            self.directory = Some(match directory_of(item) {
                Some(path) => hash(&[b"path", &path]),
                None => after(self.directory, made),
            });
        }
        if effects.changes_options {
            self.options = Some(after(self.options, made));
            if self.values.state.known_positional().is_none() {
                self.made_positional = self.options;
            }
        }
        if effects.changes_rest || effects.redirects_shell {
            self.settings = Some(after(self.settings, made));
        }
    }

    /// Makes an assignment that is all of an and-or list, where its value is known.
    fn assign_known(&mut self, item: &ListItem) -> bool {
        let Some([assignment]) = item.plain_assignments() else { return false };
        let value = expand::expand_value(&assignment.value, &self.values.state);
        let is_known = value.is_ok_and(|value| self.values.assign_known(&assignment.name, value));
        if is_known && self.made.contains_key(&assignment.name) {
            Arc::make_mut(&mut self.made).remove(&assignment.name);
        }
        is_known
    }

    /// The variable of a `for` that is walked has the next field; `turn` counts from 0.
    pub(crate) fn turn(&mut self, variable: &str, words: &[Word], turn: usize, field: Option<&BStr>) {
        if self.inside > 0 {
            return;
        }
        *self.exports.get_mut() = None;
        self.values.forget(variable);
        match field {
            Some(field) if self.values.state.assign(variable, field.to_owned()) => {
                Arc::make_mut(&mut self.made).remove(variable);
            }
            _ => {
                let made = hash(&[&turn.to_le_bytes(), &self.words(words)]);
                Arc::make_mut(&mut self.made).insert(variable.to_owned(), made);
            }
        }
    }

    /// A function is called with these words; gives what the positional parameters were.
    pub(crate) fn call(&mut self, words: &[Word]) -> Positional {
        let given = expand::expand_fields(words, &self.values.state).ok();
        let made = given.is_none().then(|| self.words(words));
        let known = self.values.state.swap_positional(given);
        Positional { known, made: std::mem::replace(&mut self.made_positional, made) }
    }

    /// The function has returned.
    pub(crate) fn returned(&mut self, positional: Positional) {
        self.values.state.swap_positional(positional.known);
        self.made_positional = positional.made;
    }

    /// A hash of words with all that they depend on.
    fn words(&self, words: &[Word]) -> Hash {
        let mut parts: Vec<Hash> = Vec::new();
        for word in words {
            let (mentioned, _) = mentions::of_word(word);
            parts.push(hash(&[&canonical_word(word)]));
            parts.extend(self.variables(mentioned.variables.as_ref()).into_iter().map(|(_, value)| value));
        }
        hash(&parts.iter().map(|part| part.as_slice()).collect::<Vec<_>>())
    }

    /// Whether what runs now is known without running anything.
    pub(crate) fn is_outside(&self) -> bool {
        self.inside == 0
    }

    /// Goes through a text that only a run knows: that of a file, or one that a command gave. What it does to the shell is
    /// what the command does that runs it.
    pub(crate) fn enter(&mut self) {
        self.inside += 1;
    }

    pub(crate) fn leave(&mut self) {
        self.inside = self.inside.saturating_sub(1);
    }

    /// Goes on behind the items; gives what of the computation they depend on.
    fn follow(&mut self, items: &[ListItem], functions: &Functions) -> Inputs {
        let calls = |name: &str| functions.called(name);
        let mut told = |_: &_, _| {};
        let mut flow = Flow::new(&mut self.values, &calls, &mut told);
        items.iter().for_each(|item| flow.item(item));
        flow.inputs
    }

    /// A variable may have been assigned by commands with this hash.
    fn assigned(&mut self, name: &str, made: Hash) {
        match self.values.state.variable(name) {
            Value::Set(_) if self.made.contains_key(name) => drop(Arc::make_mut(&mut self.made).remove(name)),
            Value::Set(_) => {}
            Value::Unset | Value::Unknown => {
                // What was there before may be there still.
                let before = self.made.get(name).copied();
                Arc::make_mut(&mut self.made).insert(name.to_owned(), after(before, made));
            }
        }
    }

    /// Hashes of commands and of all that they depend on, but for files.
    fn depended_on(&self, items: &[ListItem], functions: &Functions) -> Vec<Hash> {
        let (mentioned, calls) = mentions::of_items(items);
        let mut parts = vec![hash(&[text_of(items).as_slice()])];
        let mut whole = mentioned;
        for summary in calls.iter().filter_map(|name| functions.summary(name)) {
            parts.extend(&summary.mentions.texts);
            whole.merge(&summary.mentions);
        }
        let variables = self.variables(whole.variables.as_ref());
        parts.extend(variables.into_iter().map(|(name, value)| hash(&[name.as_bytes(), &value])));
        parts.extend(self.positional().filter(|_| whole.positional));
        parts.extend(self.settings().map(|(kind, setting)| hash(&[&[kind as u8], &setting])));
        parts
    }
}

fn after(before: Option<Hash>, made: Hash) -> Hash {
    before.map_or(made, |before| hash(&[&before, &made]))
}

/// The directory that an and-or list goes to, when it is `cd` and a path that is the same everywhere.
fn directory_of(item: &ListItem) -> Option<BString> {
    let Command::Simple(command) = item.and_or.first.single().filter(|_| item.and_or.rest.is_empty())? else {
        return None;
    };
    let [name, path] = command.words.as_slice() else { return None };
    let path = path.literal().filter(|path| path.starts_with(b"/"))?;
    (name.unquoted() == Some("cd") && command.redirections.is_empty()).then_some(path)
}
