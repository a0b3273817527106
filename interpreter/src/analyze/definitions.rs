//! The function definitions of a run, which are needed after the text that holds them was walked.

use std::collections::{BTreeMap, HashMap};

use crate::state::Function;

/// The function definitions of all texts of a run, found by number or by name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Definitions {
    functions: BTreeMap<u32, Function>,
    names: HashMap<String, Vec<u32>>,
}

impl Definitions {
    pub(crate) fn insert(&mut self, function: Function) {
        self.names.entry(function.definition.name.clone()).or_default().push(function.number);
        self.functions.insert(function.number, function);
    }

    /// Takes all definitions of a name away.
    pub(crate) fn remove(&mut self, name: &str) {
        for number in self.names.remove(name).into_iter().flatten() {
            self.functions.remove(&number);
        }
    }

    pub(crate) fn is_defined(&self, name: &str) -> bool {
        self.names.contains_key(name)
    }

    /// The names that are defined.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.keys().map(String::as_str)
    }

    pub(crate) fn numbered(&self, number: u32) -> Option<&Function> {
        self.functions.get(&number)
    }

    /// All definitions of a name, in the order they were read.
    pub(crate) fn named(&self, name: &str) -> impl Iterator<Item = &Function> {
        self.names.get(name).into_iter().flatten().filter_map(|number| self.functions.get(number))
    }
}
