//! The walk over a script: where it stands, what it knows, and where it goes next.

use std::sync::Arc;

use bstr::{BStr, BString};

use super::{
    cause::{self, Cause},
    outcome::{End, Observer, Outcome},
    stretch,
};
use crate::{
    Diagnostic, Source, Span,
    analyze::{definitions::Definitions, reach::Markers},
    dispatch::{
        DispatchError, Dispatcher,
        request::{Cancel, Kind, Message, Request},
    },
    parse,
    stage::{
        Chain, Ledger,
        fingerprint::{self, Link, Origin},
    },
    state::{Function, State},
    syntax::{FunctionDefinition, ListItem, Script, visit::definitions_in},
};

/// How a run is done.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Send every complete command separately.
    pub split: bool,
    /// Stops the run.
    pub cancel: Cancel,
    /// What is known of the state before the script begins, such as variables set for it, or the state that another
    /// run ended with.
    pub state: State,
}

/// The exit statuses of shells that end by an error of their own.
const GIVING_UP: [i32; 3] = [1, 2, 127];

/// Runs a script from its beginning.
///
/// # Errors
/// When the dispatcher cannot run anything any more.
pub fn run(
    script: &Script,
    settings: &Settings,
    ledger: &mut dyn Ledger,
    dispatcher: &mut dyn Dispatcher,
    observer: &mut dyn Observer,
) -> Result<Outcome, DispatchError> {
    let mut walk = Walk {
        source: Arc::clone(&script.source),
        first_number: 0,
        next_number: 0,
        markers: Markers::default(),
        definitions: Definitions::default(),
        state: settings.state.clone(),
        hits: 0,
        applied: ledger.applied(),
        link: Link::new(ledger.root()),
        origin: Origin::default(),
        loops: 0,
        calls: 0,
        depends_on: None,
        numbers_depend_on: None,
        unknown_status: None,
        last_unknown: None,
        may_have_left: None,
        gave_up: false,
        last_sent: None,
        settings,
        ledger,
        dispatcher,
        observer,
    };
    walk.adopt_functions();
    let flow = walk.text(script, Errexit::Counts)?;
    let (end, status) = match flow {
        Flow::Stop(end) => (end, walk.state.status),
        Flow::Return => (End::Exited, walk.state.status),
        Flow::Next | Flow::Break(_) | Flow::Continue(_) | Flow::Together(_) => (End::Finished, 0),
    };
    walk.exit_trap(end, status)
}

/// Whether a failing command ends the shell under `set -e` here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Errexit {
    Counts,
    /// In a condition, before `&&` or `||`, or behind `!` (POSIX 2.8.1, Consequences of Shell Errors; `set -e`).
    Ignored,
}

/// Where the walk goes after a node. The exit status is in the state.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Flow {
    Next,
    /// Out of so many loops.
    Break(usize),
    /// On with the so-manyeth loop around.
    Continue(usize),
    Return,
    Stop(End),
    /// The pipeline of that number in an and-or list needs one shell with all that follows in the list around.
    Together(usize),
}

/// Returns early unless the walk goes on to the next node.
macro_rules! next {
    ($flow:expr) => {
        match $flow? {
            Flow::Next => {}
            flow => return Ok(flow),
        }
    };
}
pub(super) use next;

/// A script being walked.
pub(super) struct Walk<'a> {
    /// The text being walked: the script, or one that `eval` or `.` runs in it.
    pub(super) source: Arc<Source>,
    /// The number of a definition at that text's beginning, and the first one no text has yet.
    pub(super) first_number: u32,
    pub(super) next_number: u32,
    pub(super) markers: Markers,
    /// The function definitions of all texts so far.
    pub(super) definitions: Definitions,
    pub(super) state: State,
    pub(super) hits: u32,
    pub(super) applied: u32,
    pub(super) link: Link,
    pub(super) origin: Origin,
    /// Loops around the current place, up to the next function.
    pub(super) loops: usize,
    /// Function calls around the current place.
    pub(super) calls: usize,
    /// The command whose unknown answer decides whether the current place is reached.
    pub(super) depends_on: Option<Span>,
    /// The same for the numbers of stages from here on.
    pub(super) numbers_depend_on: Option<Span>,
    /// The command whose unknown answer is the exit status now.
    pub(super) unknown_status: Option<Span>,
    /// A command without an answer that may have ended the script, a function or a loop.
    pub(super) may_have_left: Option<Span>,
    /// The last command that gave no answer: a loop around it turns nobody knows how often.
    pub(super) last_unknown: Option<Span>,
    /// The command that was to be walked cannot be, and needs one shell with what follows.
    pub(super) gave_up: bool,
    /// The last stretch that was run, and what its shell complained of.
    pub(super) last_sent: Option<(Arc<Source>, Span, Option<Message>)>,
    pub(super) settings: &'a Settings,
    pub(super) ledger: &'a mut dyn Ledger,
    pub(super) dispatcher: &'a mut dyn Dispatcher,
    pub(super) observer: &'a mut dyn Observer,
}

impl Walk<'_> {
    /// Walks a text: the script, or one inside another.
    pub(super) fn text(&mut self, script: &Script, errexit: Errexit) -> Result<Flow, DispatchError> {
        let outer = self.enter(script);
        let flow = self.list(&script.list, errexit);
        (self.source, self.first_number) = outer;
        flow
    }

    /// Takes the functions of the state before the script as ones of this run.
    pub(super) fn adopt_functions(&mut self) {
        let functions = std::mem::take(&mut self.state.functions);
        let mut sources: Vec<&Arc<Source>> = Vec::new();
        for function in functions.values() {
            if !sources.contains(&&function.source) {
                sources.push(&function.source);
            }
        }
        for source in sources {
            let script = parse(Arc::clone(source)).script;
            let outer = self.enter(&script);
            for definition in definitions_in(&script.list) {
                let is_it = |old: &&Function| old.source == *source && old.definition.span == definition.span;
                if let Some(old) = functions.get(&definition.name).filter(is_it) {
                    let function = Function { aliases: Arc::clone(&old.aliases), ..self.function(&definition) };
                    Arc::make_mut(&mut self.state.functions).insert(definition.name.clone(), function);
                }
            }
            (self.source, self.first_number) = outer;
        }
    }

    /// Makes a text the one that is walked, and its functions and markers known; gives what was walked before.
    pub(super) fn enter(&mut self, script: &Script) -> (Arc<Source>, u32) {
        let source = std::mem::replace(&mut self.source, Arc::clone(&script.source));
        let first_number = std::mem::replace(&mut self.first_number, self.next_number);
        let length = u32::try_from(script.source.text().len()).unwrap_or(u32::MAX);
        self.next_number = self.next_number.saturating_add(length).saturating_add(1);
        for definition in self.markers.add(script) {
            let function = self.function(&definition);
            self.definitions.insert(function);
        }
        (source, first_number)
    }

    /// A definition in the text being walked, as a function.
    pub(super) fn function(&self, definition: &Arc<FunctionDefinition>) -> Function {
        let number = self.first_number.saturating_add(definition.span.start);
        let aliases = Arc::new(self.state.aliases.clone());
        Function { definition: Arc::clone(definition), source: Arc::clone(&self.source), number, aliases }
    }

    /// What must come true before the current place is reached, or stages have the numbers they seem to have.
    pub(super) fn doubt(&self) -> Option<Span> {
        self.depends_on.or(self.may_have_left).or(self.numbers_depend_on)
    }

    /// The fingerprint of the chain that is about to run or be skipped.
    pub(super) fn fingerprint(&mut self, items: &[ListItem]) -> Option<String> {
        let surroundings =
            fingerprint::Surroundings { state: &self.state, origin: &self.origin, definitions: &self.definitions };
        fingerprint::of_chain(&self.link, items, &surroundings, self.ledger)
    }

    /// Why a run failed that ended with the last stretch that was sent.
    pub(super) fn cause(&self, end: &End, status: i32) -> Option<Cause> {
        let (source, span, message) = self.last_sent.as_ref()?;
        let gave_up = GIVING_UP.contains(&status);
        let error = message.as_ref().filter(|_| gave_up).and_then(|message| cause::find(message, source, *span));
        match end {
            End::ChainFailed { .. } => error,
            End::Exited if status != 0 => error.or_else(|| {
                let place = cause::exit_with(status, source, *span).unwrap_or(*span);
                let finding = Diagnostic::error(place, "the setup script ended before its last line");
                Some(Cause {
                    source: Arc::clone(source),
                    finding: finding.label(format!("ended with status {status}")),
                })
            }),
            _ => None,
        }
    }

    /// Runs the action of `trap ... EXIT`, and tells what became of the run.
    pub(super) fn exit_trap(mut self, end: End, status: i32) -> Result<Outcome, DispatchError> {
        let mut status = status;
        let cause = self.cause(&end, status);
        if let Some(action) = self.state.exit_trap.take()
            && !matches!(
                end,
                End::Cancelled | End::Diverged { .. } | End::Lost { .. } | End::ChainFailed { lost: true, .. }
            )
        {
            self.state.status = status;
            let source = Arc::new(Source::new("trap EXIT", action));
            let request = Request {
                kind: Kind::ExitTrap,
                source: &source,
                span: Span::new(0..source.text().len()),
                text: source.text().to_owned(),
                state: &self.state.clone(),
                chains: Vec::new(),
                markers: None,
                cancel: &self.settings.cancel,
                assigns: None,
                chunk_line: 1,
                chunk: source.text().to_vec(),
                changes_positional: false,
                errexit_ignored: false,
                saves_stdout: false,
            };
            if let stretch::Answer::Ended { flow: Flow::Stop(End::Exited), .. } = self.send(&request)? {
                status = self.state.status;
            }
        }
        Ok(Outcome {
            status,
            end,
            cause,
            hits: self.hits,
            applied: self.applied,
            fingerprint: self.link.fingerprint(),
            state: self.state,
        })
    }

    /// Notes the definitions the shell reports to have made, oldest first; `-name` is one that is gone.
    pub(super) fn define(&mut self, reported: &BStr) {
        for word in reported.split(|byte| *byte == b' ').filter(|word| !word.is_empty()) {
            let word = String::from_utf8_lossy(word);
            if let Some(name) = word.strip_prefix('-') {
                Arc::make_mut(&mut self.state.functions).remove(name);
            } else if let Some(function) = word.parse().ok().and_then(|number| self.definitions.numbered(number)) {
                let function = Function { aliases: Arc::new(self.state.aliases.clone()), ..function.clone() };
                Arc::make_mut(&mut self.state.functions).insert(function.definition.name.clone(), function);
            }
        }
    }

    pub(super) fn set_status(&mut self, status: i32) {
        self.state.status = status;
        self.state.status_unknown = false;
        self.unknown_status = None;
    }

    pub(super) fn chain(&self, span: Span, text: BString, fingerprint: Option<String>) -> Chain {
        let line = self.source.line_number(span.start);
        Chain { source: Arc::clone(&self.source), span, text, line, fingerprint }
    }
}
