//! A stretch of script on its way to the shell and back: what is sent, and what the answer means.

use super::{
    outcome::{End, Event},
    walk::{Errexit, Flow, Walk},
};
use crate::{
    Span,
    analyze::effects::Effects,
    dispatch::{
        DispatchError,
        request::{Count, Kind, Request, Response},
    },
    program::edits,
    stage::Chain,
    syntax::{AndOrList, ListItem},
};

/// And-or lists to be sent together.
pub(super) struct Stretch<'i> {
    pub(super) kind: Kind,
    /// None for a marker alone.
    pub(super) items: &'i [ListItem],
    pub(super) errexit: Errexit,
    /// Whether markers may be hit in it.
    pub(super) markers: bool,
    /// For a chain, from its marker to its end.
    pub(super) marker: Option<Span>,
}

/// What came back.
pub(super) enum Answer {
    /// It was not run.
    Unknown,
    Ended {
        /// Where the script went in it.
        flow: Flow,
        /// The exit status, or what a chain that was left is judged by.
        judged: i32,
        /// Its shell went away before it could tell its state.
        lost: bool,
        marks: Option<Marks>,
    },
}

/// What a stretch with markers did.
pub(super) struct Marks {
    hits: u32,
    applied: u32,
    failed: Option<Failed>,
}

/// A chain inside a stretch that failed.
struct Failed {
    status: i32,
    /// Its index in [`Request::chains`].
    chain: usize,
    number: Option<u32>,
}

impl Walk<'_> {
    /// Sends a stretch and goes where its answer leads.
    pub(super) fn stretch(&mut self, stretch: Stretch<'_>) -> Result<Flow, DispatchError> {
        // A marker alone has an empty chain.
        let span = self.span_of(stretch.items).unwrap_or_default();
        let nodes = || stretch.items.iter().map(|item| &item.and_or);
        let shown = stretch.marker.unwrap_or(span);
        let text = edits::verbatim(&self.source, shown, nodes());
        let effects = Effects::of(stretch.items, &self.definitions);
        let is_stage = matches!(stretch.kind, Kind::Stage(_));
        let fingerprint = (is_stage || stretch.markers).then(|| self.fingerprint(stretch.items)).flatten();
        let own = stretch.marker.map(|marker| self.chain(marker, text.clone(), fingerprint.clone()));
        let (chunk, chains) = self.chunk(&stretch, span, own, fingerprint.as_deref());
        let source = std::sync::Arc::clone(&self.source);
        let state = self.state.clone();
        let request = Request {
            kind: stretch.kind,
            source: &source,
            span: shown,
            text,
            state: &state,
            chains,
            markers: stretch.markers.then_some(Count { hits: self.hits, applied: self.applied }),
            cancel: &self.settings.cancel,
            assigns: effects.assigns.clone(),
            chunk_line: source.line_number(span.start),
            chunk,
            errexit_ignored: stretch.errexit == Errexit::Ignored,
            changes_positional: effects.changes_options,
            saves_stdout: effects.redirects_shell,
        };
        let before = self.applied;
        // Doubts about the numbers of stages do not touch what has none.
        let depends_on = if is_stage { self.doubt() } else { self.depends_on.or(self.may_have_left) };
        self.observer.event(Event::Started { request: &request, depends_on });
        let answer = match self.send(&request)? {
            // It has come to the end of its program without doing any more of it.
            Answer::Ended { flow: Flow::Stop(End::Lost { .. }), judged: 0, .. } if effects.stops_reading => {
                self.set_status(0);
                Answer::Ended { flow: Flow::Stop(End::Exited), judged: 0, lost: false, marks: None }
            }
            answer => answer,
        };
        let flow = self.judge(&request, answer);
        if effects.leaves && self.last_unknown == Some(shown) {
            self.may_have_left = self.may_have_left.or(Some(shown));
        }
        self.remember(is_stage, stretch.markers, &effects, fingerprint);
        if self.unknown_status.is_none() {
            let (kind, status, applied) = (stretch.kind, self.state.status, before.saturating_add(1)..=self.applied);
            self.observer.event(Event::Ended { kind, span: shown, status, applied });
        }
        Ok(flow)
    }

    /// The text as it is sent, and the chains that may begin in it behind the stretch's `own`.
    fn chunk(
        &self,
        stretch: &Stretch<'_>,
        span: Span,
        own: Option<Chain>,
        fingerprint: Option<&str>,
    ) -> (Vec<u8>, Vec<Chain>) {
        let mut chains: Vec<Chain> = own.into_iter().collect();
        let markers = stretch.markers.then_some(&self.markers);
        let surroundings = edits::Surroundings {
            loops: self.loops,
            first_number: self.first_number,
            process: self.state.process.as_ref(),
            aliases: Some(&self.state.aliases),
        };
        let (mut chunk, inside) = edits::edited(&self.source, span, stretch.items, markers, surroundings, chains.len());
        if stretch.items.last().is_some_and(|item| item.background) && !inside.is_empty() {
            // Whether a chain is done must be known before the next one is counted.
            chunk.extend_from_slice(b"\n\\wait");
        }
        for (index, span) in inside.into_iter().enumerate() {
            let text = edits::verbatim(&self.source, span, std::iter::empty::<&AndOrList>());
            chains.push(self.chain(span, text, fingerprint.map(|whole| format!("{whole}/{index}"))));
        }
        (chunk, chains)
    }

    /// Keeps for the fingerprints of later stages what a stretch did.
    fn remember(&mut self, is_stage: bool, markers: bool, effects: &Effects, fingerprint: Option<String>) {
        if is_stage || markers {
            self.origin.stage(effects);
        }
        if !is_stage {
            self.origin.outside(effects);
        }
        match (is_stage, markers) {
            (true, _) => self.link.push(fingerprint),
            (false, true) => self.link.push(fingerprint.map(|whole| format!("{whole}#{}", self.hits))),
            (false, false) => {}
        }
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
    fn diverged_inside(&self, request: &Request<'_>, hits_before: u32) -> Option<Flow> {
        let mut skipped = hits_before + 1..=self.hits.min(self.applied);
        let agrees = |number: u32| request.chains.iter().any(|chain| self.ledger.agrees(number, chain));
        let number = skipped.find(|number| !agrees(*number))?;
        let chain = request.chains.last()?.clone();
        Some(Flow::Stop(End::Diverged { number, chain }))
    }

    /// Has the dispatcher run a request, and takes over the state it leaves.
    pub(super) fn send(&mut self, request: &Request<'_>) -> Result<Answer, DispatchError> {
        if self.settings.cancel.is_cancelled() {
            return Ok(Answer::Ended { flow: Flow::Stop(End::Cancelled), judged: 130, lost: false, marks: None });
        }
        let (status, state) = match self.dispatcher.dispatch(request)? {
            Response::Unknown => {
                match &request.assigns {
                    Some(names) => names.iter().for_each(|name| self.state.forget(name)),
                    None => self.state.forget_all(),
                }
                if request.changes_positional {
                    self.state.forget_positional();
                }
                self.state.forget_status();
                self.unknown_status = Some(request.span);
                self.last_unknown = Some(request.span);
                return Ok(Answer::Unknown);
            }
            Response::Ran { status, told } => {
                self.last_sent = Some((std::sync::Arc::clone(request.source), request.span, told.message));
                (status, told.state)
            }
        };
        let dump = match state {
            Some(dump) => dump,
            None => {
                // A shell that came to its end has told its state: this one did not, whatever its status.
                self.set_status(status.max(1));
                let cancelled = self.settings.cancel.is_cancelled();
                let flow = if cancelled { End::Cancelled } else { End::Lost { span: request.span } };
                return Ok(Answer::Ended { flow: Flow::Stop(flow), judged: status, lost: true, marks: None });
            }
        };
        let own = |name: &str| dump.own(name).map(ToString::to_string);
        let flow = if dump.is_completed() { Flow::Next } else { left(own("w").as_deref(), self.loops, self.calls > 0) };
        let marks = request.markers.and_then(|_| {
            Some(Marks {
                hits: own("hits")?.parse().ok()?,
                applied: own("applied")?.parse().ok()?,
                failed: own("failed").as_deref().and_then(failed),
            })
        });
        let defined = dump.own("f").cloned();
        let judged = own("j").and_then(|status| status.parse().ok()).unwrap_or(dump.status());
        let status = if dump.is_completed() { dump.status() } else { status.max(dump.status()) };
        self.state = dump.into_state();
        self.set_status(status);
        if let Some(defined) = defined {
            self.define(defined.as_ref());
        }
        Ok(Answer::Ended { flow, judged, lost: false, marks })
    }

    /// Judges the chains of a stretch that has ended (design: a chain that ends otherwise than with 0 ends the setup).
    fn judge(&mut self, request: &Request<'_>, answer: Answer) -> Flow {
        let (flow, judged, lost, marks) = match answer {
            Answer::Ended { flow, judged, lost, marks } => (flow, judged, lost, marks),
            Answer::Unknown => {
                self.judge_unknown(request);
                return Flow::Next;
            }
        };
        if flow == Flow::Stop(End::Cancelled) {
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
                        Flow::Stop(End::ChainFailed { number: failed.number, chain: chain.clone(), lost: false })
                    }
                    None => Flow::Stop(End::Exited),
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
                Flow::Stop(End::ChainFailed { number, chain: chain.clone(), lost })
            }
            (_, None) => Flow::Stop(End::Exited),
        }
    }

    /// A chain that was not run is taken to succeed: if it does not, nothing behind it is reached.
    fn judge_unknown(&mut self, request: &Request<'_>) {
        if request.markers.is_some() {
            self.numbers_depend_on = self.numbers_depend_on.or(Some(request.span));
        }
        if matches!(request.kind, Kind::Stage(_) | Kind::Everytime) {
            self.set_status(0);
        }
    }
}

/// Where a shell went that did not come to the end of its program: no further than out of `loops` loops.
fn left(flow: Option<&str>, loops: usize, in_function: bool) -> Flow {
    let mut words = flow.unwrap_or_default().split(' ');
    let word = words.next();
    let count = words.next().and_then(|count| count.parse().ok()).unwrap_or(1).min(loops);
    match word {
        Some("break") if count > 0 => Flow::Break(count),
        Some("continue") if count > 0 => Flow::Continue(count),
        Some("return") if in_function => Flow::Return,
        _ => Flow::Stop(End::Exited),
    }
}

/// Reads `STATUS CHAIN NUMBER`; the number is `e` for an everytime chain.
fn failed(text: &str) -> Option<Failed> {
    let mut words = text.split(' ');
    let status = words.next()?.parse().ok()?;
    let chain = words.next()?.parse().ok()?;
    Some(Failed { status, chain, number: words.next()?.parse().ok() })
}
