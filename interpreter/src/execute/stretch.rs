//! A stretch of script on its way to the shell and back: what is sent, and what the answer means.

use std::{collections::BTreeMap, sync::Arc};

use bstr::BString;

use super::{
    outcome::{End, Event},
    walk::{Course, Errexit, Walk},
};
use crate::{
    Place, Span,
    analyze::{effects::Effects, mentions, ties},
    dispatch::{
        DispatchError,
        request::{After, Chains, Chunk, Count, Kind, Left, Marks, Repeated, Request, Response},
    },
    expand,
    language::marker::Marker,
    program::edits::{self, Edited},
    stage::{Chain, Fingerprint, fingerprint::Link},
    syntax::{AndOr, AndOrList, ListItem, visit::definitions_in_and_or},
};

/// And-or lists to be sent together.
pub(super) struct Stretch<'i> {
    pub(super) kind: Kind,
    /// None for a marker alone.
    pub(super) items: &'i [ListItem],
    pub(super) errexit: Errexit,
    /// Whether markers may be hit in it.
    pub(super) markers: bool,
    /// For a chain, its marker and the place from there to its end.
    pub(super) marker: Option<(Marker, Span)>,
}

/// The fingerprints of and-or lists that are sent together.
#[derive(Default)]
struct Each {
    /// The place of each, whether it is a chain itself, and its fingerprint.
    items: Vec<(Span, bool, Fingerprint)>,
    /// The chain of fingerprints behind them.
    link: Option<Link>,
}

impl Each {
    /// That of the chain that begins at `span`. Chains are asked about in order; `last` is the item that the one before
    /// stood in, and how many stood in it so far.
    fn of(&self, span: Span, last: &mut (usize, usize)) -> Option<Fingerprint> {
        let at = self.items.partition_point(|(item, ..)| item.end < span.end);
        let (item, is_chain, fingerprint) = self.items.get(at).filter(|(item, ..)| item.contains(span))?;
        *last = if last.0 == at { (at, last.1 + 1) } else { (at, 0) };
        Some(match *is_chain && item.start == span.start {
            true => fingerprint.clone(),
            false => fingerprint.inside(last.1),
        })
    }
}

/// What came back.
pub(super) enum Answer {
    /// It was not run.
    Unknown,
    Ended {
        /// Where the script went in it.
        flow: Course,
        /// The exit status, or what a chain that was left is judged by.
        judged: i32,
        /// Its shell went away before it could tell its state.
        lost: bool,
        marks: Option<Marks>,
    },
}

impl Walk<'_> {
    /// Sends a stretch and goes where its answer leads.
    pub(super) fn stretch(&mut self, stretch: Stretch<'_>) -> Result<Course, DispatchError> {
        // A marker alone has an empty chain.
        let span = self.span_of(stretch.items).unwrap_or_default();
        let nodes = || stretch.items.iter().map(|item| &item.and_or);
        let place = self.place(stretch.marker.map_or(span, |(_, span)| span));
        let text = edits::verbatim(&self.source, place.span, nodes());
        let effects = self.functions.effects_of(stretch.items);
        let is_stage = matches!(stretch.kind, Kind::Stage(_));
        let has_chains = stretch.marker.is_some() || stretch.markers;
        let fingerprint = has_chains.then(|| self.fingerprint(stretch.items, is_stage || stretch.markers));
        let has_several = stretch.marker.is_none() && stretch.markers && stretch.items.len() > 1;
        let each = if has_several { self.fingerprints(stretch.items) } else { Each::default() };
        let own = stretch.marker.zip(fingerprint.clone());
        let own = own.map(|((marker, span), fingerprint)| self.chain(marker, span, text.clone(), fingerprint));
        let repeated = self.repeated(&stretch, own.as_ref());
        let counts_steps = self.counts_steps(&stretch, &effects);
        let (chunk, chains) = self.chunk(&stretch, span, own, fingerprint.as_ref(), &each, &effects, counts_steps);
        let state = self.state.clone();
        let markers = stretch.markers.then_some(Count { hits: self.hits, applied: self.applied });
        let request = Request::new(stretch.kind, place.clone(), text, &state, &self.settings.cancel)
            .sent_as(chunk)
            .with_chains(chains, markers)
            .with_repeated(repeated)
            .ignoring_errexit(stretch.errexit == Errexit::Ignored);
        let (before, hits) = (self.applied, self.hits);
        let has_inside = request.chains.len() > usize::from(stretch.marker.is_some());
        // Doubts about the numbers of stages do not touch what has none.
        let depends_on = if is_stage { self.doubt.of_stage() } else { self.doubt.of_command() };
        self.observer.event(Event::Started { request: &request, depends_on });
        // What becomes readonly by itself is assigned before.
        let is_refused = stretch.marker.is_none() && self.is_refused(&effects);
        let answer = match self.send(&request, &effects)? {
            // It has come to the end of its program without doing any more of it.
            Answer::Ended { flow: Course::Stop(End::Lost { .. }), judged: 0, .. } if effects.stops_reading => {
                self.set_status(0);
                Answer::Ended { flow: Course::Stop(End::Exited), judged: 0, lost: false, marks: None }
            }
            answer => answer,
        };
        let is_unknown = matches!(answer, Answer::Unknown);
        let flow = match answer {
            Answer::Unknown => self.judge_unknown(&request, &stretch),
            Answer::Ended { flow, judged, lost, marks } => self.judge(&request, flow, judged, lost, marks),
        };
        if let (Course::Stop(End::ChainFailed { lost: false, .. }), [item], true) = (&flow, stretch.items, counts_steps)
        {
            let failed = item.and_or.pipelines().nth(self.steps);
            self.failed = failed.map(|pipeline| Place { span: pipeline.span, ..self.place(span) });
        }
        if is_unknown {
            self.doubt_behind(&stretch, &effects, &place, is_refused);
        }
        match (each.link, fingerprint) {
            (Some(link), _) => self.link = link,
            (None, Some(fingerprint)) if is_stage => self.link.push(fingerprint.hash),
            // Where no stage was, as in a text that turned out to have none, nothing is chained.
            (None, Some(fingerprint)) if stretch.markers && (has_inside || self.hits > hits) => {
                self.link.push(fingerprint.behind(self.hits).hash)
            }
            _ => {}
        }
        if !is_unknown {
            let (kind, status, applied) = (stretch.kind, self.state.status, before.saturating_add(1)..=self.applied);
            let has_failed = matches!(flow, Course::Stop(End::ChainFailed { .. }));
            self.observer.event(Event::Ended { kind, place: &place, status, has_failed, applied });
        }
        Ok(flow)
    }

    /// What is not sure any more behind a stretch that gave no answer.
    fn doubt_behind(&mut self, stretch: &Stretch<'_>, effects: &Effects, place: &Place, is_refused: bool) {
        if is_refused || self.may_leave(stretch, effects) {
            self.doubt.may_have_left(place, self.loops > 0 || self.calls > 0);
        }
        let unsets = || effects.assigns.iter().flatten().any(|name| self.markers.in_function(name));
        let is_stage = matches!(stretch.kind, Kind::Stage(_));
        if !is_stage && (effects.renames || unsets() || self.may_define(stretch.items)) {
            self.doubt.counts_vary(place);
        }
    }

    /// Whether commands may assign a variable that is readonly.
    pub(super) fn is_refused(&self, effects: &Effects) -> bool {
        effects.assigns.iter().flatten().any(|name| self.state.is_readonly(name))
    }

    /// Whether commands may define a function that hits a marker, or did, and may as well not.
    fn may_define(&self, items: &[ListItem]) -> bool {
        let unsure = items.iter().filter(|item| item.plain_definition().is_none());
        let mut defined = unsure.flat_map(|item| definitions_in_and_or(&item.and_or));
        defined.any(|definition| self.markers.in_function(&definition.name))
    }

    /// The fingerprints of and-or lists that are sent together: each counts what stands before it, as if it was walked.
    fn fingerprints(&mut self, items: &[ListItem]) -> Each {
        let (origin, link) = (self.origin.clone(), self.link.clone());
        let mut each = Each::default();
        for item in items {
            let marker = item.and_or.first.marker().filter(|_| !item.background);
            let own = marker.map(|marker| (marker, Vec::from_iter(item.and_or.chain_behind(0))));
            let fingerprint = match own {
                Some((marker, chain)) => {
                    let fingerprint = self.fingerprint(&chain, marker == Marker::NextStage);
                    if marker == Marker::NextStage {
                        self.link.push(fingerprint.hash.clone());
                    }
                    fingerprint
                }
                None if self.markers.in_and_or(&item.and_or) => {
                    let fingerprint = self.fingerprint(std::slice::from_ref(item), true);
                    self.link.push(fingerprint.behind(0).hash);
                    fingerprint
                }
                None => {
                    self.ran(item);
                    continue;
                }
            };
            each.items.push((item.and_or.span, marker.is_some(), fingerprint));
            self.ran(item);
        }
        self.origin = origin;
        each.link = Some(std::mem::replace(&mut self.link, link));
        each
    }

    /// What in a stretch runs on every call, an entry for each and-or list: what is sent together may differ from run to run.
    fn repeated(&mut self, stretch: &Stretch<'_>, own: Option<&Chain>) -> Vec<Repeated> {
        if !self.ledger.keeps_repeated() || matches!(stretch.kind, Kind::Stage(_)) {
            return Vec::new();
        }
        if let Some(chain) = own {
            let Chain { fingerprint, text, place, .. } = chain;
            return vec![self.told(fingerprint.hash.clone(), place.line(), text.clone())];
        }
        let origin = (stretch.items.len() > 1).then(|| self.origin.clone());
        let mut repeated = Vec::new();
        for item in stretch.items {
            let fingerprint = self.fingerprint(std::slice::from_ref(item), false);
            let span = item.and_or.span;
            let text = edits::verbatim(&self.source, span, [&item.and_or]);
            repeated.push(self.told(fingerprint.hash, self.source.line_number(span.start), text));
            // A later one may depend on what this one does to the shell.
            if origin.is_some() {
                self.ran(item);
            }
        }
        if let Some(origin) = origin {
            self.origin = origin;
        }
        repeated
    }

    fn told(&mut self, fingerprint: String, line: usize, text: BString) -> Repeated {
        let is_recorded = self.ledger.has_repeated(&fingerprint) || !self.repeated.insert(fingerprint.clone());
        Repeated { fingerprint, line, text, is_recorded }
    }

    /// Whether what follows a stretch may not be reached. A chain that fails ends the setup, and is not thought of here.
    fn may_leave(&self, stretch: &Stretch<'_>, effects: &Effects) -> bool {
        let is_chain = stretch.marker.is_some();
        let errexit = self.state.has_option('e') || self.doubt.of_options();
        let nounset = self.state.has_option('u') || self.doubt.of_options();
        let fails = errexit && stretch.errexit == Errexit::Counts && !is_chain;
        let mentions_any = || {
            let (mentions, _) = mentions::of_items(stretch.items);
            mentions.positional || mentions.variables.is_none_or(|names| !names.is_empty())
        };
        effects.leaves || fails || !is_chain && (effects.may_err || nounset && mentions_any())
    }

    /// Whether the shell can tell which command of a chain failed: one behind `&&`, while nothing of that is traced or exported.
    fn counts_steps(&self, stretch: &Stretch<'_>, effects: &Effects) -> bool {
        let is_plain = |item: &ListItem| {
            !item.background
                && !item.and_or.rest.is_empty()
                && item.and_or.rest.iter().all(|part| part.operator == AndOr::And)
        };
        let is_shown = ['a', 'x'].iter().any(|option| self.state.has_option(*option)) || effects.changes_options;
        let is_chain = stretch.marker.is_some() && !stretch.markers && !is_shown;
        is_chain && matches!(stretch.items, [item] if is_plain(item))
    }

    /// The text as it is sent, and the chains that may begin in it behind the stretch's `own`.
    #[expect(clippy::too_many_arguments, reason = "a stretch has that many sides")]
    fn chunk(
        &mut self,
        stretch: &Stretch<'_>,
        span: Span,
        own: Option<Chain>,
        fingerprint: Option<&Fingerprint>,
        each: &Each,
        effects: &Effects,
        counts_steps: bool,
    ) -> (Chunk, Chains) {
        let mut chains: Vec<Chain> = own.into_iter().collect();
        let markers = stretch.markers.then_some(&self.markers);
        let expanded = self.expanded.take();
        let surroundings = edits::Surroundings {
            loops: self.loops,
            first_number: self.first_number,
            process: self.state.process.as_ref(),
            aliases: Some(&self.state.aliases),
            expanded: expanded.as_ref().map(|(command, word)| (*command, word.as_str())),
            counts_steps,
        };
        let edited = edits::edited(&self.source, span, stretch.items, markers, surroundings, chains.len());
        let Edited { mut text, chains: inside, runs_text } = edited;
        let counts = inside.iter().any(|(marker, _)| *marker == Marker::NextStage);
        if stretch.items.last().is_some_and(|item| item.background) && counts {
            // Whether a stage is done must be known before the next one is counted.
            text.extend_from_slice(b"\n{ \\wait; } 2>/dev/null");
        }
        let mut last = (usize::MAX, 0);
        for (index, (marker, span)) in inside.into_iter().enumerate() {
            let text = edits::verbatim(&self.source, span, std::iter::empty::<&AndOrList>());
            let one = each.of(span, &mut last).or_else(|| fingerprint.map(|whole| whole.inside(index)));
            chains.extend(one.map(|fingerprint| self.chain(marker, span, text, fingerprint)));
        }
        let called = fingerprint.filter(|_| stretch.markers);
        let called =
            called.map(|whole| self.called_chains(stretch.items, whole, each, &mut chains)).unwrap_or_default();
        let line = self.source.line_number(span.start);
        let is_last = std::mem::take(&mut self.is_last);
        let chunk = Chunk { text, line, redirects_shell: effects.redirects_shell, runs_text, is_last };
        (chunk, Chains { all: chains, called })
    }

    /// Adds the chains in functions that and-or lists may call, and gives the index of the first one of each function.
    fn called_chains(
        &self,
        items: &[ListItem],
        whole: &Fingerprint,
        each: &Each,
        chains: &mut Vec<Chain>,
    ) -> BTreeMap<String, usize> {
        let mut called = BTreeMap::new();
        for (name, (function, by)) in self.markers.functions_in(items, &self.state.functions) {
            called.insert(name.to_owned(), chains.len());
            let caller = each.of(by.and_or.span, &mut (usize::MAX, 0));
            let caller = caller.as_ref().unwrap_or(whole);
            let inside = edits::function(function, Some(0), &self.state).chains;
            for (index, (marker, span)) in inside.into_iter().enumerate() {
                let text = edits::verbatim(&function.source, span, std::iter::empty::<&AndOrList>());
                let place = Place { source: Arc::clone(&function.source), span };
                chains.push(Chain { marker, place, text, fingerprint: caller.called(name, index) });
            }
        }
        called
    }

    pub(super) fn chain(&self, marker: Marker, span: Span, text: BString, fingerprint: Fingerprint) -> Chain {
        Chain { marker, place: self.place(span), text, fingerprint }
    }

    fn span_of(&self, items: &[ListItem]) -> Option<Span> {
        let (first, last) = (items.first()?, items.last()?);
        let mut span = first.and_or.span.to(last.and_or.span);
        if last.background {
            let behind = self.source.text().get(span.end as usize..).unwrap_or_default();
            span.end += behind.iter().position(|byte| *byte == b'&').map_or(0, |at| at as u32 + 1);
        }
        Some(span)
    }

    /// A stage that was skipped inside a construct that is sent whole, and is none of its chains as recorded.
    fn diverged_inside(&self, request: &Request<'_>, hits_before: u32) -> Option<Course> {
        let mut skipped = hits_before + 1..=self.hits.min(self.applied);
        let agrees = |number: u32| request.chains.iter().any(|chain| self.ledger.agrees(number, chain));
        let number = skipped.find(|number| !agrees(*number))?;
        let chain = request.chains.last()?.clone();
        Some(Course::Stop(End::Diverged { number, chain }))
    }

    /// Has the dispatcher run a request, and takes over the state it leaves.
    pub(super) fn send(&mut self, request: &Request<'_>, effects: &Effects) -> Result<Answer, DispatchError> {
        if self.settings.cancel.is_cancelled() {
            return Ok(Answer::Ended { flow: Course::Stop(End::Cancelled), judged: 130, lost: false, marks: None });
        }
        let (status, after) = match self.dispatcher.dispatch(request)? {
            Response::Unknown => {
                self.forget(effects, &request.place);
                return Ok(Answer::Unknown);
            }
            Response::Ran { status, told } => {
                self.last_sent = Some((request.place.clone(), told.message));
                (status, told.after)
            }
        };
        let Some(after) = after else {
            // A shell that came to its end has told its state: this one did not, whatever its status.
            self.set_status(status.max(1));
            let cancelled = self.settings.cancel.is_cancelled();
            let end = if cancelled { End::Cancelled } else { End::Lost { place: request.place.clone() } };
            return Ok(Answer::Ended { flow: Course::Stop(end), judged: status, lost: true, marks: None });
        };
        let flow = if after.is_completed { Course::Next } else { self.left(after.left) };
        let After { state, judged, steps, marks, defined, ran_exit_trap, .. } = after;
        self.steps = steps;
        self.state = state;
        if ran_exit_trap {
            self.state.exit_trap = None;
            self.trap_status = Some(status);
        }
        self.doubt.answered();
        self.define(defined);
        Ok(Answer::Ended { flow, judged, lost: false, marks })
    }

    /// A stretch with these effects was not run.
    fn forget(&mut self, effects: &Effects, place: &Place) {
        match &effects.assigns {
            Some(names) => names.iter().for_each(|name| self.state.forget(name)),
            None => self.state.forget_all(),
        }
        effects.readonly.iter().for_each(|name| self.state.make_readonly(name));
        if effects.changes_options {
            self.state.forget_positional();
            self.doubt.options_vary(place);
        }
        self.state.forget_status();
        self.doubt.unanswered(place.clone());
    }

    /// Where a shell went that did not come to the end of its program: no further than out of the loops that are walked.
    fn left(&self, left: Option<Left>) -> Course {
        match left {
            Some(Left::Break(count)) if count.min(self.loops) > 0 => Course::Break(count.min(self.loops)),
            Some(Left::Continue(count)) if count.min(self.loops) > 0 => Course::Continue(count.min(self.loops)),
            Some(Left::Return) if self.calls > 0 => Course::Return,
            _ => Course::Stop(End::Exited),
        }
    }

    /// Judges the chains of a stretch that has ended (design: a chain that ends otherwise than with 0 ends the setup).
    fn judge(&mut self, request: &Request<'_>, flow: Course, judged: i32, lost: bool, marks: Option<Marks>) -> Course {
        if flow == Course::Stop(End::Cancelled) {
            return flow;
        }
        if let Some(Marks { hits, applied, failed }) = marks {
            let hits_before = self.hits;
            self.hits = hits.max(hits_before);
            if let Some(flow) = self.diverged_inside(request, hits_before) {
                return flow;
            }
            self.applied = applied.max(self.applied);
            if let Some(failed) = failed {
                self.set_status(failed.status);
                return match request.chains.get(failed.chain).or(request.chains.first()) {
                    Some(chain) => {
                        Course::Stop(End::ChainFailed { number: failed.number, chain: chain.clone(), lost: false })
                    }
                    None => Course::Stop(End::Exited),
                };
            }
        }
        let number = match request.kind {
            Kind::Stage(number) => Some(number),
            Kind::Everytime => None,
            _ => return flow,
        };
        match (judged, request.chains.first()) {
            (0, _) if !lost => {
                if number.is_some() {
                    self.applied = self.applied.max(self.hits);
                }
                flow
            }
            (_, Some(chain)) => {
                self.set_status(judged.max(1));
                Course::Stop(End::ChainFailed { number, chain: chain.clone(), lost })
            }
            (_, None) => Course::Stop(End::Exited),
        }
    }

    /// A chain that was not run is taken to succeed: if it does not, nothing behind it is reached. What it is sure to have
    /// assigned then is known; so are the functions and aliases that commands define in any case.
    fn judge_unknown(&mut self, request: &Request<'_>, stretch: &Stretch<'_>) -> Course {
        for definition in stretch.items.iter().filter_map(ListItem::plain_definition) {
            let function = self.function(definition);
            Arc::make_mut(&mut self.state.functions).insert(definition.name.clone(), function);
        }
        for name in stretch.items.iter().flat_map(ties::unset_functions) {
            Arc::make_mut(&mut self.state.functions).remove(&name);
        }
        self.state.aliases.extend(stretch.items.iter().flat_map(ties::aliases_of));
        if request.markers.is_some()
            && let Some(course) = self.list_inside(request, stretch)
        {
            return course;
        }
        if stretch.marker.is_some() {
            self.set_status(0);
            if let [item] = stretch.items
                && let Some([assignment]) = item.plain_assignments()
                && let Ok(value) = expand::expand_value(&assignment.value, request.state)
                && !self.state.assign(&assignment.name, value)
            {
                self.state.forget(&assignment.name);
            }
        }
        Course::Next
    }
}
