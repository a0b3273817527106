//! On which runs a command runs: once, as a part of a stage, or on every run.

use std::collections::HashMap;

use super::places::{Context, Placed};
use crate::{Span, language::marker::Marker, syntax::FunctionDefinition};

/// On which runs something runs; on none, where nothing calls the function it stands in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Runs {
    /// In a stage.
    pub(crate) once: bool,
    /// In an everytime chain.
    pub(crate) every: bool,
    /// Outside of chains.
    pub(crate) bare: bool,
    /// On every run, and nothing was asked before.
    pub(crate) unguarded: bool,
}

impl Runs {
    /// Whether it runs in a chain, which fails with it.
    pub(crate) fn in_chain(self) -> bool {
        self.once || self.every
    }

    /// Whether it runs on every run.
    pub(crate) fn each_time(self) -> bool {
        self.every || self.bare
    }

    fn or(self, other: Runs) -> Runs {
        Runs {
            once: self.once || other.once,
            every: self.every || other.every,
            bare: self.bare || other.bare,
            unguarded: self.unguarded || other.unguarded,
        }
    }
}

/// A chain: its marker, and from there to its end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ChainRange {
    /// The marker that it stands behind; `None` when its name is misspelt.
    pub(crate) marker: Option<Marker>,
    /// The marker's place.
    pub(crate) at: Span,
    /// From the marker to the end of the last command behind it.
    pub(crate) span: Span,
}

/// On which runs the commands of a script run.
#[derive(Default)]
pub(crate) struct Timetable<'t> {
    /// The outermost chains, in order.
    chains: Vec<ChainRange>,
    functions: HashMap<&'t str, Runs>,
    /// The outermost definitions, in order.
    bodies: Vec<&'t FunctionDefinition>,
}

impl<'t> Timetable<'t> {
    /// Reads the chains of a script, and follows its calls into functions.
    pub(crate) fn of(definitions: &[&'t FunctionDefinition], places: &[Placed<'t>]) -> Timetable<'t> {
        let mut table = Timetable { chains: chains(places), functions: HashMap::new(), bodies: Vec::new() };
        let mut bodies = definitions.to_vec();
        bodies.sort_by_key(|definition| definition.span);
        for definition in bodies {
            if table.bodies.last().is_none_or(|outer| !outer.span.contains(definition.span)) {
                table.bodies.push(definition);
            }
        }
        table.functions.extend(definitions.iter().map(|definition| (definition.name.as_str(), Runs::default())));
        if table.functions.is_empty() {
            return table;
        }
        let calls =
            |place: &&Placed<'t>| place.command.unquoted_name().is_some_and(|name| table.functions.contains_key(name));
        let mut callers: HashMap<&str, Vec<&Placed<'t>>> = HashMap::new();
        let mut open = Vec::new();
        for place in places.iter().filter(calls) {
            match place.context.function {
                Some(function) => callers.entry(function.name.as_str()).or_default().push(place),
                None => open.push(place),
            }
        }
        // Those that stand in functions, but behind a marker there, run whoever calls these.
        open.extend(callers.values().flatten().filter(|place| place.context.chain.is_some()));
        while let Some(place) = open.pop() {
            let Some(name) = place.command.unquoted_name() else { continue };
            let more = table.at(&place.context);
            let Some(known) = table.functions.get_mut(name) else { continue };
            let all = known.or(more);
            if *known != all {
                *known = all;
                open.extend(callers.get(name).into_iter().flatten());
            }
        }
        table
    }

    /// On which runs a command in this context runs.
    pub(crate) fn at(&self, context: &Context<'_>) -> Runs {
        let guarded = context.is_guarded();
        let own = match (context.chain, context.function) {
            (Some(chain), _) => Runs {
                once: chain.marker == Some(Marker::NextStage),
                every: chain.marker == Some(Marker::Everytime),
                bare: false,
                unguarded: chain.marker == Some(Marker::Everytime),
            },
            (None, Some(function)) => self.functions.get(function.name.as_str()).copied().unwrap_or_default(),
            (None, None) => Runs { once: false, every: false, bare: true, unguarded: true },
        };
        Runs { unguarded: own.unguarded && !guarded, ..own }
    }

    /// The outermost chain that holds a place.
    pub(crate) fn chain_at(&self, span: Span) -> Option<&ChainRange> {
        let behind = self.chains.partition_point(|chain| chain.span.start <= span.start);
        let chain = self.chains.get(behind.checked_sub(1)?)?;
        (span.end <= chain.span.end).then_some(chain)
    }

    /// The function whose body holds a place.
    pub(crate) fn function_at(&self, span: Span) -> Option<&'t FunctionDefinition> {
        let behind = self.bodies.partition_point(|definition| definition.span.start <= span.start);
        self.bodies.get(behind.checked_sub(1)?).filter(|definition| span.end <= definition.span.end).copied()
    }

    /// On which runs calls of a function run.
    pub(crate) fn of_function(&self, name: &str) -> Runs {
        self.functions.get(name).copied().unwrap_or_default()
    }
}

fn chains(places: &[Placed<'_>]) -> Vec<ChainRange> {
    let mut ends: HashMap<u32, ChainRange> = HashMap::new();
    for place in places {
        let Some(chain) = place.context.chain else { continue };
        let range = ends.entry(chain.span.start).or_insert(ChainRange {
            marker: chain.marker,
            at: chain.span,
            span: chain.span,
        });
        let documents = place.command.redirections.iter().filter_map(|redirection| redirection.here_document());
        let end = documents.map(|document| document.span.end).max().unwrap_or_default();
        range.span.end = range.span.end.max(place.command.span.end).max(end);
    }
    let mut chains: Vec<ChainRange> = ends.into_values().collect();
    chains.sort_by_key(|chain| chain.span);
    chains
}
