//! The function definitions of a run, which are needed after the text that holds them was walked.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use crate::{
    marker::Marker,
    state::Function,
    syntax::{
        Command, FunctionDefinition, List, Pipeline, SimpleCommand,
        visit::{self, Visit},
    },
};

/// The function definitions of all texts of a run, found by number or by name.
#[derive(Debug, Default)]
pub(crate) struct Definitions {
    functions: BTreeMap<u32, Function>,
    names: HashMap<String, Vec<u32>>,
}

impl Definitions {
    pub(crate) fn insert(&mut self, function: Function) {
        self.names.entry(function.definition.name.clone()).or_default().push(function.number);
        self.functions.insert(function.number, function);
    }

    pub(crate) fn numbered(&self, number: u32) -> Option<&Function> {
        self.functions.get(&number)
    }

    /// All definitions of a name, in the order they were read.
    pub(crate) fn named(&self, name: &str) -> impl Iterator<Item = &Function> {
        self.names.get(name).into_iter().flatten().filter_map(|number| self.functions.get(number))
    }
}

/// What a list holds, however deep.
#[derive(Default)]
pub(crate) struct Collected {
    /// The function definitions, in the order of their places.
    pub(crate) functions: Vec<Arc<FunctionDefinition>>,
    /// How many commands are markers.
    pub(crate) markers: usize,
}

impl Collected {
    pub(crate) fn of(list: &List) -> Collected {
        let mut collected = Collected::default();
        collected.visit_list(list);
        collected
    }
}

impl<'t> Visit<'t> for Collected {
    fn visit_pipeline(&mut self, pipeline: &'t Pipeline) {
        for command in &pipeline.commands {
            if let Command::Function(definition) = command {
                self.functions.push(Arc::clone(definition));
            }
        }
        visit::walk_pipeline(self, pipeline);
    }

    fn visit_simple_command(&mut self, command: &'t SimpleCommand) {
        self.markers += usize::from(Marker::of(command).is_some());
        visit::walk_simple_command(self, command);
    }
}
