//! What the functions of a run come to with all that they call: told once for each, in time linear in their text.

use std::{
    cell::RefCell,
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use super::{
    definitions::Definitions,
    effects::{self, Effects},
    flow::{CalledFunction, Inputs},
    mentions::{self, Mentions},
    ties::{self, Ties},
};
use crate::{
    state::Function,
    syntax::{FunctionDefinition, ListItem},
};

/// The functions of all texts of a run, and what is told of them beside their effects: `T`.
#[derive(Clone, Debug)]
pub(crate) struct Functions<T> {
    definitions: Definitions,
    /// How often one was added: what was told before may not be so any more.
    version: u64,
    circles: RefCell<Circles<T>>,
    /// Names that were asked for and are none of a function: what was told counts on that.
    missing: RefCell<HashSet<String>>,
}

/// What a call comes to, all definitions of the function's name and all that they call taken together.
#[derive(Debug)]
pub(crate) struct Summary<T> {
    pub(crate) told: T,
    pub(crate) called: Arc<CalledFunction>,
}

/// What can be told of a function by its text, and of several together.
pub(crate) trait Aspect: Clone {
    fn nothing() -> Self;

    /// Of a function itself, and the names of commands in it that may be functions. `is_function` tells which are.
    fn of(definition: &FunctionDefinition, is_function: &dyn Fn(&str) -> bool) -> (Self, BTreeSet<String>);

    fn add(&mut self, other: &Self);

    /// The same when nothing more will be added.
    fn complete(self) -> Self {
        self
    }

    /// What a call with these effects is to those who follow what commands do.
    fn called(&self, effects: Effects) -> CalledFunction;
}

impl Aspect for Ties {
    fn nothing() -> Ties {
        Ties::default()
    }

    fn of(definition: &FunctionDefinition, _: &dyn Fn(&str) -> bool) -> (Ties, BTreeSet<String>) {
        ties::of_body(&definition.body)
    }

    fn add(&mut self, other: &Ties) {
        self.merge(*other);
    }

    fn called(&self, effects: Effects) -> CalledFunction {
        CalledFunction { effects, variables: None, inputs: Inputs::default() }
    }
}

impl Aspect for Mentions {
    fn nothing() -> Mentions {
        Mentions::none()
    }

    fn of(definition: &FunctionDefinition, is_function: &dyn Fn(&str) -> bool) -> (Mentions, BTreeSet<String>) {
        let (mentions, calls) = mentions::of_function(definition, is_function);
        (mentions.with_words(is_function), calls)
    }

    fn add(&mut self, other: &Mentions) {
        self.merge(other);
    }

    fn complete(self) -> Mentions {
        self.sealed()
    }

    fn called(&self, effects: Effects) -> CalledFunction {
        CalledFunction { effects, variables: self.variables.clone(), inputs: self.inputs.clone() }
    }
}

/// Functions that call one another in a circle come to the same; most are a circle of one. A circle is told when all that
/// it calls is.
#[derive(Clone, Debug)]
struct Circles<T> {
    of_names: HashMap<String, usize>,
    told: Vec<Arc<Summary<T>>>,
}

/// What functions come to themselves, without what they call.
#[derive(Clone, Debug)]
struct Direct<T> {
    effects: Effects,
    told: T,
}

impl<T> Default for Functions<T> {
    fn default() -> Functions<T> {
        let (definitions, circles, missing) = Default::default();
        Functions { definitions, version: 0, circles, missing }
    }
}

impl<T> Default for Circles<T> {
    fn default() -> Circles<T> {
        Circles { of_names: HashMap::new(), told: Vec::new() }
    }
}

impl<T: Aspect> Functions<T> {
    pub(crate) fn insert(&mut self, function: Function) {
        self.changes(&function.definition.name);
        self.definitions.insert(function);
    }

    /// The function has no other definition any more.
    pub(crate) fn replace(&mut self, function: Function) {
        self.remove(&function.definition.name);
        self.insert(function);
    }

    pub(crate) fn remove(&mut self, name: &str) {
        self.changes(name);
        self.definitions.remove(name);
    }

    /// Forgets what was told if a function of this name has to do with it.
    fn changes(&mut self, name: &str) {
        self.version += 1;
        if self.is_defined(name) || self.missing.get_mut().contains(name) {
            *self.circles.get_mut() = Circles::default();
            self.missing.get_mut().clear();
        }
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.definitions.names()
    }

    /// Whether a command of this name calls a function, for what is told and kept.
    fn is_called(&self, name: &str) -> bool {
        let is_defined = self.is_defined(name);
        if !is_defined && !self.missing.borrow().contains(name) {
            self.missing.borrow_mut().insert(name.to_owned());
        }
        is_defined
    }

    pub(crate) fn numbered(&self, number: u32) -> Option<&Function> {
        self.definitions.numbered(number)
    }

    pub(crate) fn is_defined(&self, name: &str) -> bool {
        self.definitions.is_defined(name)
    }

    /// Changes whenever a definition is added.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// What a call of `name` comes to; `None` when no function has that name.
    pub(crate) fn summary(&self, name: &str) -> Option<Arc<Summary<T>>> {
        if !self.is_defined(name) {
            return None;
        }
        if !self.circles.borrow().of_names.contains_key(name) {
            self.find_circles(name);
        }
        let circles = self.circles.borrow();
        circles.told.get(*circles.of_names.get(name)?).map(Arc::clone)
    }

    /// The same for those who follow what commands do.
    pub(crate) fn called(&self, name: &str) -> Option<Arc<CalledFunction>> {
        self.summary(name).map(|summary| Arc::clone(&summary.called))
    }

    /// The effects of and-or lists, functions that they call included.
    pub(crate) fn effects_of(&self, items: &[ListItem]) -> Effects {
        let effects::Found { mut effects, calls } = effects::of_items(items);
        for summary in calls.iter().filter_map(|name| self.summary(name)) {
            effects.merge(&summary.called.effects);
        }
        effects
    }

    /// What the functions of a name come to themselves, and the functions that they call.
    fn direct(&self, name: &str) -> (Direct<T>, BTreeSet<String>) {
        let mut direct = Direct { effects: Effects::none(), told: T::nothing() };
        let mut all_calls = BTreeSet::new();
        for function in self.definitions.named(name) {
            let effects::Found { effects, calls } = effects::of_body(&function.definition.body);
            let (told, others) = T::of(&function.definition, &|name| self.is_called(name));
            direct.merge(&Direct { effects, told });
            // What runs in a subshell is called there too, only without effect on this shell.
            all_calls.extend(calls.into_iter().chain(others).filter(|called| self.is_called(called)));
        }
        (direct, all_calls)
    }

    /// Finds the circles of `name` and of every function that it may call (the algorithm of Tarjan, without recursion:
    /// scripts may nest calls as deeply as they like).
    fn find_circles(&self, name: &str) {
        let mut search = Search::new();
        search.enter(name, self.direct(name));
        while let Some((at, called)) = search.next() {
            let Some(called) = called else {
                search.leave(at, &mut self.circles.borrow_mut());
                continue;
            };
            let known = self.circles.borrow().of_names.get(&called).copied();
            match (known, search.numbers.get(&called).copied()) {
                (Some(circle), _) => search.calls_circle(at, circle),
                (None, Some(number)) => search.leads_back(at, number),
                (None, None) => search.enter(&called, self.direct(&called)),
            }
        }
    }
}

impl Functions<Ties> {
    /// What ties an and-or list to the shell it runs in, functions that it calls included.
    pub(crate) fn ties_of(&self, item: &ListItem) -> Ties {
        let (mut ties, calls) = ties::of_item(item);
        calls.iter().filter_map(|name| self.summary(name)).for_each(|summary| ties.merge(summary.told));
        ties
    }
}

impl<T: Aspect> Direct<T> {
    /// What a circle comes to with what it calls, which was told before.
    fn with_calls<'s>(mut self, calls: impl Iterator<Item = &'s Summary<T>>) -> Summary<T>
    where
        T: 's,
    {
        for called in calls {
            self.effects.merge(&called.called.effects);
            self.told.add(&called.told);
        }
        let told = self.told.complete();
        Summary { called: Arc::new(told.called(self.effects)), told }
    }

    fn merge(&mut self, other: &Direct<T>) {
        self.effects.merge(&other.effects);
        self.told.add(&other.told);
    }
}

/// A function that is being looked at.
struct Entered<T> {
    name: String,
    own: Option<Box<Direct<T>>>,
    calls: std::vec::IntoIter<String>,
    circles: Vec<usize>,
    /// The earliest function on the way that it leads back to.
    lowest: usize,
}

struct Search<T> {
    nodes: Vec<Entered<T>>,
    numbers: HashMap<String, usize>,
    /// The way to the function that is looked at.
    way: Vec<usize>,
    /// Those that are not yet part of a circle, by their numbers.
    open: Vec<usize>,
}

impl<T: Aspect> Search<T> {
    fn new() -> Search<T> {
        Search { nodes: Vec::new(), numbers: HashMap::new(), way: Vec::new(), open: Vec::new() }
    }

    fn enter(&mut self, name: &str, (own, calls): (Direct<T>, BTreeSet<String>)) {
        let lowest = self.nodes.len();
        let (calls, circles) = (Vec::from_iter(calls).into_iter(), Vec::new());
        self.nodes.push(Entered { name: name.to_owned(), own: Some(Box::new(own)), calls, circles, lowest });
        self.numbers.insert(name.to_owned(), lowest);
        self.way.push(lowest);
        self.open.push(lowest);
    }

    /// The function to go on with, and what it calls next; `None` when all its calls were looked at.
    fn next(&mut self) -> Option<(usize, Option<String>)> {
        let at = *self.way.last()?;
        Some((at, self.nodes.get_mut(at)?.calls.next()))
    }

    fn leads_back(&mut self, at: usize, number: usize) {
        if let Some(node) = self.nodes.get_mut(at) {
            node.lowest = node.lowest.min(number);
        }
    }

    fn calls_circle(&mut self, at: usize, circle: usize) {
        if let Some(node) = self.nodes.get_mut(at) {
            node.circles.push(circle);
        }
    }

    /// All calls of a function were looked at. When it leads back to none before it, it and those behind it are a circle.
    fn leave(&mut self, at: usize, circles: &mut Circles<T>) {
        self.way.pop();
        let Some(lowest) = self.nodes.get(at).map(|node| node.lowest) else { return };
        let caller = self.way.last().copied();
        if lowest < at {
            return caller.into_iter().for_each(|caller| self.leads_back(caller, lowest));
        }
        let number = circles.told.len();
        let mut own: Option<Box<Direct<T>>> = None;
        let mut calls = BTreeSet::new();
        for member in self.open.split_off(self.open.partition_point(|open| *open < at)) {
            let Some(node) = self.nodes.get_mut(member) else { continue };
            circles.of_names.insert(std::mem::take(&mut node.name), number);
            calls.extend(std::mem::take(&mut node.circles));
            match &mut own {
                None => own = node.own.take(),
                Some(own) => node.own.iter().for_each(|other| own.merge(other)),
            }
        }
        let told = own.map(|own| {
            let calls = calls.iter().filter_map(|called| circles.told.get(*called));
            Arc::new(own.with_calls(calls.map(Arc::as_ref)))
        });
        circles.told.extend(told);
        if let Some(caller) = caller {
            self.calls_circle(caller, number);
        }
    }
}
