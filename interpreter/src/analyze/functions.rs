//! What the functions of a run come to with all that they call: told once for each, in time linear in their text.

use std::{
    cell::RefCell,
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use super::{
    definitions::Definitions,
    effects::{self, Effects},
    flow::Called,
    mentions::{self, Mentions},
    ties::{self, Ties},
};
use crate::{state::Function, syntax::ListItem};

/// The functions of all texts of a run.
#[derive(Debug, Default)]
pub(crate) struct Functions {
    definitions: Definitions,
    /// How often one was added: what was told before may not be so any more.
    version: u64,
    summaries: RefCell<HashMap<String, Told>>,
}

/// What a call comes to, all definitions of the function's name and all that they call taken together.
#[derive(Clone, Debug)]
pub(crate) struct Summary {
    pub(crate) effects: Effects,
    pub(crate) ties: Ties,
    pub(crate) mentions: Mentions,
}

/// A summary that is complete, and its parts that a [`Flow`](super::flow::Flow) asks for.
#[derive(Clone, Debug)]
struct Told {
    summary: Arc<Summary>,
    called: Arc<Called>,
}

/// The same for one function alone, and the names that it calls.
struct Direct {
    summary: Summary,
    calls: BTreeSet<String>,
}

impl Functions {
    pub(crate) fn insert(&mut self, function: Function) {
        self.definitions.insert(function);
        self.version += 1;
        self.summaries.get_mut().clear();
    }

    pub(crate) fn numbered(&self, number: u32) -> Option<&Function> {
        self.definitions.numbered(number)
    }

    pub(crate) fn is_defined(&self, name: &str) -> bool {
        self.definitions.named(name).next().is_some()
    }

    /// Changes whenever a definition is added.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// What a call of `name` comes to; `None` when no function has that name.
    pub(crate) fn summary(&self, name: &str) -> Option<Arc<Summary>> {
        self.told(name).map(|told| told.summary)
    }

    /// The same for those who follow what commands do.
    pub(crate) fn called(&self, name: &str) -> Option<Arc<Called>> {
        self.told(name).map(|told| told.called)
    }

    fn told(&self, name: &str) -> Option<Told> {
        if !self.is_defined(name) {
            return None;
        }
        if !self.summaries.borrow().contains_key(name) {
            self.summarize(name);
        }
        self.summaries.borrow().get(name).cloned()
    }

    /// The effects of and-or lists, functions that they call included.
    pub(crate) fn effects_of(&self, items: &[ListItem]) -> Effects {
        let effects::Found { mut effects, calls } = effects::of_items(items);
        for summary in calls.iter().filter_map(|name| self.summary(name)) {
            effects.merge(&summary.effects);
        }
        effects
    }

    /// What ties an and-or list to the shell it runs in, functions that it calls included.
    pub(crate) fn ties_of(&self, item: &ListItem) -> Ties {
        let (mut ties, calls) = ties::of_item(item);
        calls.iter().filter_map(|name| self.summary(name)).for_each(|summary| ties.merge(summary.ties));
        ties
    }

    fn direct(&self, name: &str) -> Direct {
        let mut whole: Option<Direct> = None;
        for function in self.definitions.named(name) {
            let body = &function.definition.body;
            let effects::Found { effects, mut calls } = effects::of_body(body);
            let (ties, _) = ties::of_body(body);
            let (mentions, mentioned) = mentions::of_function(&function.definition, &|name| self.is_defined(name));
            // What runs in a subshell is called there too, only without effect on this shell.
            calls.extend(mentioned);
            let summary = Summary { effects, ties, mentions };
            match &mut whole {
                None => whole = Some(Direct { summary, calls }),
                Some(whole) => {
                    whole.summary.merge(&summary);
                    whole.calls.extend(calls);
                }
            }
        }
        let mut direct = whole.unwrap_or_else(|| Direct { summary: Summary::none(), calls: BTreeSet::new() });
        direct.calls.retain(|called| self.is_defined(called));
        direct
    }

    /// Tells what `name` comes to, and every function it may call: functions that call one another in a circle come to
    /// the same (the algorithm of Tarjan, without recursion: scripts may nest calls as deeply as they like).
    fn summarize(&self, name: &str) {
        let mut search = Search::default();
        search.enter(name, self.direct(name));
        while let Some((at, called)) = search.next() {
            match called {
                Some(called) if self.summaries.borrow().contains_key(&called) => {
                    let known = self.summaries.borrow().get(&called).map(|told| Arc::clone(&told.summary));
                    search.learn(at, known);
                }
                Some(called) => match search.number(&called) {
                    Some(number) => search.sees(at, number),
                    None => search.enter(&called, self.direct(&called)),
                },
                None => {
                    if let Some((names, summary)) = search.leave(at) {
                        let told = Told::of(summary);
                        let mut summaries = self.summaries.borrow_mut();
                        names.into_iter().for_each(|name| drop(summaries.insert(name, told.clone())));
                    }
                }
            }
        }
    }
}

impl Told {
    fn of(summary: Summary) -> Told {
        let called = Called {
            effects: summary.effects.clone(),
            variables: summary.mentions.variables.clone(),
            inputs: summary.mentions.inputs.clone(),
        };
        Told { summary: Arc::new(summary), called: Arc::new(called) }
    }
}

impl Summary {
    fn none() -> Summary {
        Summary { effects: Effects::none(), ties: Ties::default(), mentions: Mentions::default() }
    }

    /// That of functions of which nothing more will be learnt.
    fn sealed(&self) -> Summary {
        Summary { mentions: self.mentions.sealed(), ..self.clone() }
    }

    fn merge(&mut self, other: &Summary) {
        self.effects.merge(&other.effects);
        self.ties.merge(other.ties);
        self.mentions.merge(&other.mentions);
    }
}

/// A function that is being summarized.
struct Node {
    name: String,
    summary: Summary,
    calls: std::collections::btree_set::IntoIter<String>,
    /// The earliest function on the way that it leads back to.
    lowest: usize,
}

#[derive(Default)]
struct Search {
    nodes: Vec<Node>,
    numbers: HashMap<String, usize>,
    /// The way to the function that is looked at.
    way: Vec<usize>,
    /// Those that are not yet part of a finished circle.
    open: Vec<usize>,
}

impl Search {
    fn enter(&mut self, name: &str, direct: Direct) {
        let number = self.nodes.len();
        let Direct { summary, calls } = direct;
        self.nodes.push(Node { name: name.to_owned(), summary, calls: calls.into_iter(), lowest: number });
        self.numbers.insert(name.to_owned(), number);
        self.way.push(number);
        self.open.push(number);
    }

    /// The function to go on with, and what it calls next; `None` for one whose calls were all looked at.
    fn next(&mut self) -> Option<(usize, Option<String>)> {
        let at = *self.way.last()?;
        Some((at, self.nodes.get_mut(at)?.calls.next()))
    }

    fn number(&self, name: &str) -> Option<usize> {
        self.numbers.get(name).copied()
    }

    fn sees(&mut self, at: usize, number: usize) {
        if let Some(node) = self.nodes.get_mut(at) {
            node.lowest = node.lowest.min(number);
        }
    }

    fn learn(&mut self, at: usize, known: Option<Arc<Summary>>) {
        if let (Some(node), Some(known)) = (self.nodes.get_mut(at), known) {
            node.summary.merge(&known);
        }
    }

    /// All calls of a function were looked at. When it leads back to none before it, all behind it come to the same.
    fn leave(&mut self, at: usize) -> Option<(Vec<String>, Summary)> {
        self.way.pop();
        let lowest = self.nodes.get(at)?.lowest;
        if lowest < at {
            let summary = self.nodes.get(at)?.summary.clone();
            if let Some(caller) = self.way.last().and_then(|caller| self.nodes.get_mut(*caller)) {
                caller.lowest = caller.lowest.min(lowest);
                caller.summary.merge(&summary);
            }
            return None;
        }
        let first = self.open.partition_point(|open| *open < at);
        let summary = self.nodes.get(at)?.summary.sealed();
        let names =
            self.open.split_off(first).into_iter().filter_map(|number| Some(self.nodes.get(number)?.name.clone()));
        let names = names.collect();
        if let Some(caller) = self.way.last().and_then(|caller| self.nodes.get_mut(*caller)) {
            caller.summary.merge(&summary);
        }
        Some((names, summary))
    }
}
