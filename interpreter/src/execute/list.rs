//! Lists and and-or lists (POSIX 2.9.3): what is sent in one stretch, where chains begin, which stages are skipped.

use std::sync::Arc;

use super::{
    outcome::{End, Event},
    pure,
    stretch::Stretch,
    walk::{Errexit, Flow, Walk, next},
};
use crate::{
    Span,
    analyze::{
        effects,
        reach::{self, Finder},
        ties,
    },
    dispatch::{DispatchError, request::Kind},
    expand,
    language::marker::Marker,
    program::edits,
    syntax::{AndOr, AndOrList, AndOrPart, Assignment, Command, List, ListItem, Pipeline},
};

impl Walk<'_> {
    /// Walks a list: its and-or lists with markers one by one, those between them in stretches.
    pub(super) fn list(&mut self, list: &List, errexit: Errexit) -> Result<Flow, DispatchError> {
        let mut items = list.items.as_slice();
        while let [item, rest @ ..] = items {
            if self.settings.cancel.is_cancelled() {
                return Ok(Flow::Stop(End::Cancelled));
            }
            let tied = ties::tied_together(items, &self.definitions);
            if tied > 0 {
                let (stretch, behind) = items.split_at(tied);
                next!(self.undecorated(stretch, errexit));
                items = behind;
            } else if self.natively(item) {
                items = rest;
            } else if self.is_walked(item) {
                match self.and_or(&item.and_or, errexit)? {
                    Flow::Next => items = rest,
                    Flow::Together(index) => {
                        let mut together = vec![part_of(&item.and_or, index..item.and_or.rest.len() + 1)];
                        together.extend(rest.iter().cloned());
                        return self.undecorated(&together, errexit);
                    }
                    flow => return Ok(flow),
                }
            } else {
                let (stretch, behind) = items.split_at(self.stretch_length(items));
                next!(self.undecorated(stretch, errexit));
                items = behind;
            }
        }
        Ok(Flow::Next)
    }

    fn holds_marker(&self, item: &ListItem) -> bool {
        self.markers.in_and_or(&item.and_or)
    }

    /// What runs in the background has a shell of its own, whatever it holds.
    fn is_walked(&self, item: &ListItem) -> bool {
        !item.background && self.walked().in_and_or(&item.and_or)
    }

    /// Finds what is walked here: what may hit a marker, or runs a text that may do what only the walk can do.
    pub(super) fn walked(&self) -> Finder<'_> {
        self.markers.or_eval(self.loops > 0 || self.calls > 0)
    }

    /// How many and-or lists, from the first, go together: up to the next that is walked.
    fn stretch_length(&self, items: &[ListItem]) -> usize {
        let first_line = |item: &ListItem| self.source.line_number(item.and_or.span.start);
        let ends = |index: usize| {
            let (Some(item), Some(previous)) = (items.get(index), items.get(index - 1)) else { return true };
            let last_line = self.source.line_number(previous.and_or.span.end);
            // Functions keep the aliases that are there when they are defined.
            let other = self.settings.split || ties::sets_aliases(item) != ties::sets_aliases(previous);
            (other && first_line(item) > last_line)
                || self.is_walked(item)
                || self.holds_marker(item)
                || self.holds_marker(previous)
                || ties::tied_together(items.get(index..).unwrap_or_default(), &self.definitions) > 0
        };
        (1..items.len()).find(|index| ends(*index)).unwrap_or(items.len())
    }

    fn undecorated(&mut self, items: &[ListItem], errexit: Errexit) -> Result<Flow, DispatchError> {
        let markers = items.iter().any(|item| self.holds_marker(item));
        self.stretch(Stretch { kind: Kind::Undecorated, items, errexit, markers, marker: None })
    }

    /// Does what needs no shell: defines a function, assigns values that are known. False when it needs one.
    fn natively(&mut self, item: &ListItem) -> bool {
        let Some(command) = item.and_or.first.single().filter(|_| item.and_or.rest.is_empty() && !item.background)
        else {
            return false;
        };
        match command {
            Command::Function(definition) if definition.body.redirections.is_empty() => {
                let function = self.function(definition);
                Arc::make_mut(&mut self.state.functions).insert(definition.name.clone(), function);
            }
            Command::Simple(command) if command.words.is_empty() && command.redirections.is_empty() => {
                if !self.assign(&command.assignments) {
                    return false;
                }
                if self.depends_on.is_none() {
                    command.assignments.iter().for_each(|assignment| self.origin.assigned(&assignment.name));
                }
            }
            _ => return false,
        }
        self.set_status(0);
        true
    }

    /// Makes all of the assignments, or none when the shell is needed for one, or traces them (`set -x`).
    fn assign(&mut self, assignments: &[Assignment]) -> bool {
        if self.state.has_option('x') {
            return false;
        }
        // A later value may use an earlier variable.
        let before = (assignments.len() > 1).then(|| self.state.clone());
        let all = assignments.iter().all(|assignment| {
            let value = expand::expand_value(&assignment.value, &self.state);
            value.is_ok_and(|value| self.state.assign(&assignment.name, value))
        });
        if let (false, Some(before)) = (all, before) {
            self.state = before;
        }
        all
    }

    /// Walks an and-or list that holds a marker.
    fn and_or(&mut self, and_or: &AndOrList, errexit: Errexit) -> Result<Flow, DispatchError> {
        let depends_on = self.depends_on;
        let flow = self.pipelines(and_or, errexit);
        self.depends_on = depends_on;
        flow
    }

    fn pipelines(&mut self, and_or: &AndOrList, errexit: Errexit) -> Result<Flow, DispatchError> {
        let pipelines: Vec<&Pipeline> = and_or.pipelines().collect();
        let mut next = Some(0);
        while let Some((index, pipeline)) = next.and_then(|index| Some((index, *pipelines.get(index)?))) {
            let errexit_of = |length| if index + length == pipelines.len() { errexit } else { Errexit::Ignored };
            let mut length = 1;
            if let Some(marker) = pipeline.marker() {
                let items: Vec<ListItem> = chain_behind(and_or, index).into_iter().collect();
                match self.marker(marker, pipeline.span.to(and_or.span), &items)? {
                    Hit::Chain(stretch) => return self.stretch(stretch),
                    Hit::Stop(flow) => return Ok(flow),
                    Hit::Skipped => {}
                }
                if errexit_of(1) == Errexit::Counts && self.state.has_option('e') {
                    return Ok(Flow::Stop(End::Exited));
                }
            } else if self.walked().in_pipeline(pipeline) {
                let walked = match pipeline.commands.as_slice() {
                    [command] => self.negated(pipeline, command, errexit_of(1))?,
                    _ => None,
                };
                match walked {
                    Some(Flow::Next) => {}
                    Some(flow) => return Ok(flow),
                    None if std::mem::take(&mut self.gave_up) => return Ok(Flow::Together(index)),
                    None => {
                        // A chain that begins in it reaches to the end of the list.
                        let alone = part_of(and_or, index..index + 1);
                        if reach::begins_chain(&self.markers, &alone.and_or) {
                            length = pipelines.len() - index;
                        }
                        let items = [part_of(and_or, index..index + length)];
                        next!(self.undecorated(&items, errexit_of(length)));
                    }
                }
            } else {
                let behind = pipelines.get(index + 1..).unwrap_or_default();
                length += behind.iter().take_while(|pipeline| !self.walked().in_pipeline(pipeline)).count();
                let item = part_of(and_or, index..index + length);
                let may_exit = errexit_of(length) == Errexit::Counts && self.state.has_option('e');
                match pure::status_of_and_or(&item.and_or, &self.state).filter(|_| !may_exit) {
                    Some(status) => self.set_status(status),
                    None => next!(self.undecorated(&[item], errexit_of(length))),
                }
            }
            next = self.next_to_run(and_or, index + length);
        }
        Ok(Flow::Next)
    }

    /// Walks the one command of a pipeline, and turns its status around behind `!`. None when it cannot be walked.
    fn negated(
        &mut self,
        pipeline: &Pipeline,
        command: &Command,
        errexit: Errexit,
    ) -> Result<Option<Flow>, DispatchError> {
        let errexit = if pipeline.negation.is_some() { Errexit::Ignored } else { errexit };
        let flow = self.command(command, errexit)?;
        if pipeline.negation.is_some() && flow == Some(Flow::Next) {
            self.state.status = i32::from(self.state.status == 0);
        }
        Ok(flow)
    }

    /// The first pipeline from `index` on that runs, by the operators before it and the status so far.
    /// When that is unknown, what follows is taken to run, and only may.
    fn next_to_run(&mut self, and_or: &AndOrList, index: usize) -> Option<usize> {
        let mut operators = and_or.rest.iter().map(|part| part.operator).enumerate().skip(index - 1);
        if self.unknown_status.is_some() {
            self.depends_on = self.depends_on.or(self.unknown_status);
            return operators.next().map(|_| index);
        }
        let runs = |operator| (operator == AndOr::And) == (self.state.status == 0);
        operators.find(|(_, operator)| runs(*operator)).map(|(before, _)| before + 1)
    }

    /// A marker was reached: what its chain is to be run as, or that it is to be skipped. `items` are the chain.
    pub(super) fn marker<'i>(
        &mut self,
        marker: Marker,
        span: Span,
        items: &'i [ListItem],
    ) -> Result<Hit<'i>, DispatchError> {
        self.set_status(0);
        let kind = match marker {
            Marker::Everytime => Kind::Everytime,
            Marker::NextStage => {
                self.hits += 1;
                self.numbers_depend_on = self.numbers_depend_on.or(self.depends_on);
                if self.hits <= self.applied {
                    return Ok(self.skip(span, items));
                }
                Kind::Stage(self.hits)
            }
        };
        let markers = items.iter().any(|item| self.holds_marker(item));
        Ok(Hit::Chain(Stretch { kind, items, errexit: Errexit::Counts, markers, marker: Some(span) }))
    }

    /// Skips an applied stage, unless its fingerprint is not the one in the ledger any more.
    fn skip<'i>(&mut self, span: Span, items: &[ListItem]) -> Hit<'i> {
        let number = self.hits;
        let fingerprint = self.fingerprint(items);
        // What was recorded is what later stages were chained to.
        self.link.push(self.ledger.fingerprint(number).or(fingerprint.clone()));
        self.origin.stage(&effects::Effects::of(items, &self.definitions));
        let text = edits::verbatim(&self.source, span, items.iter().map(|item| &item.and_or));
        let chain = self.chain(span, text, fingerprint);
        let doubt = self.doubt();
        if doubt.is_none() && !self.ledger.agrees(number, &chain) {
            return Hit::Stop(Flow::Stop(End::Diverged { number, chain }));
        }
        self.observer.event(Event::Skipped { number, chain: &chain, depends_on: doubt });
        self.set_status(1);
        Hit::Skipped
    }
}

/// What a marker that was reached leads to.
pub(super) enum Hit<'i> {
    /// Its chain runs.
    Chain(Stretch<'i>),
    /// The stage is applied; the marker gave 1.
    Skipped,
    Stop(Flow),
}

/// What of an and-or list runs behind a marker at `index` that returned 0; nothing for a marker alone.
fn chain_behind(and_or: &AndOrList, index: usize) -> Option<ListItem> {
    let first = and_or.rest.iter().skip(index).position(|part| part.operator == AndOr::And)?;
    Some(part_of(and_or, index + 1 + first..and_or.rest.len() + 1))
}

/// Some of an and-or list's pipelines as an and-or list of their own. What stands before the first decides whether
/// it runs, so that its operator is left out.
fn part_of(and_or: &AndOrList, range: std::ops::Range<usize>) -> ListItem {
    let mut pipelines = and_or.pipelines().skip(range.start).cloned();
    let first = pipelines.next().unwrap_or_else(|| and_or.first.clone());
    let rest: Vec<AndOrPart> =
        and_or.rest.iter().skip(range.start).take(range.len().saturating_sub(1)).cloned().collect();
    let span = rest.last().map_or(first.span, |part| first.span.to(part.pipeline.span));
    ListItem { and_or: AndOrList { first, rest, span }, background: false }
}
