//! A script to effects: walks the tree, counts stages, and sends each stretch of real commands to a dispatcher.
//!
//! There are three ways to run a node. *Delegated*: a stretch without markers goes to the shell verbatim, as large as
//! possible ([`stretch`]). *Native*: lists, conditions, loops and functions that hold markers are walked here ([`list`],
//! [`compound`], [`function`]). *Delegated with its markers*: a construct that cannot be split from what is around it
//! goes to the shell as a whole, with the markers defined there as functions ([`crate::marker`]).

use std::sync::Arc;

use bstr::{BStr, BString};

use crate::{
    Diagnostic, Source, Span,
    definitions::{Collected, Definitions},
    dispatch::{Cancel, Chain, DispatchError, Dispatcher, Kind, Request, messages::Message},
    fingerprint::{self, Link, Origin},
    marker::Markers,
    parse, shell_error,
    state::{Function, State},
    syntax::{FunctionDefinition, Script},
};

mod compound;
pub(crate) mod edits;
mod function;
mod list;
mod pure;
mod stretch;

/// What was recorded of a container's stages, and what fingerprints need to know of the computation.
pub trait Ledger {
    /// How many stages are applied: the first ones, without a gap.
    fn applied(&self) -> u32;

    /// The fingerprint recorded for stage `number`, from 1; `None` where none is kept, so that nothing is compared.
    fn fingerprint(&self, _number: u32) -> Option<String> {
        None
    }

    /// Whether `chain` is what was recorded as stage `number`, so that it may be skipped.
    fn agrees(&self, number: u32, chain: &Chain) -> bool {
        match (self.fingerprint(number), &chain.fingerprint) {
            (Some(recorded), Some(now)) => recorded == *now,
            _ => true,
        }
    }

    /// What the chain of fingerprints begins with: the identity of the image.
    fn root(&self) -> String {
        String::new()
    }

    /// A hash of the content of a file or directory below the computation's directory, all of it for an empty path;
    /// `None` when it is not there.
    fn content(&mut self, _path: &BStr) -> Option<String> {
        None
    }
}

/// A ledger that only counts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counted(pub u32);

impl Ledger for Counted {
    fn applied(&self) -> u32 {
        self.0
    }
}

/// What happens during a run, as it happens.
#[derive(Debug)]
pub enum Event<'e> {
    /// A stage was reached that is applied already.
    Skipped {
        /// The stage, from 1.
        number: u32,
        /// Its chain.
        chain: &'e Chain,
        /// The command whose answer decides whether this is reached; `None` when it surely is.
        depends_on: Option<Span>,
    },
    /// A stretch is about to be sent.
    Started {
        /// The stretch.
        request: &'e Request<'e>,
        /// As for [`Event::Skipped`].
        depends_on: Option<Span>,
    },
    /// A stretch has ended.
    Ended {
        /// What it was.
        kind: Kind,
        /// Where it stands.
        span: Span,
        /// Its exit status.
        status: i32,
        /// The stages that were applied by it.
        applied: std::ops::RangeInclusive<u32>,
    },
}

/// Somebody who is told what happens.
pub trait Observer {
    /// Called for each event, in order.
    fn event(&mut self, event: Event<'_>);
}

/// Nobody.
#[derive(Clone, Copy, Debug)]
pub struct Unobserved;

impl Observer for Unobserved {
    fn event(&mut self, _: Event<'_>) {}
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// At the end of the script.
    Finished,
    /// At an `exit`, a `return` outside functions, or an error that ends a shell.
    Exited,
    /// Because the shell of commands outside of chains went away before it could tell its state.
    Lost {
        /// The commands.
        span: Span,
    },
    /// With a chain that failed; nothing behind it was run.
    ChainFailed {
        /// The stage, or `None` for `everytime`.
        number: Option<u32>,
        /// The chain.
        chain: Chain,
        /// Whether its shell was killed or went away.
        lost: bool,
    },
    /// At an applied stage that is no longer what was recorded: this container cannot be brought up to date.
    Diverged {
        /// The stage, from 1.
        number: u32,
        /// What the script says now.
        chain: Chain,
    },
    /// Because it was cancelled.
    Cancelled,
}

/// Why a run ended before the end of its script.
#[derive(Clone, Debug, PartialEq)]
pub struct Cause {
    /// The text it is in: the script, or one that `eval` or `.` runs in it.
    pub source: Arc<Source>,
    /// What happened, where, and what to do.
    pub finding: Diagnostic,
}

/// What became of a run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The exit status of the setup: 0 at the end of the script, whatever its last command gave.
    pub status: i32,
    /// How it ended.
    pub end: End,
    /// Why it failed: an error of the shell, or the commands that ended it with a status other than 0. `None` where
    /// no more can be told than that a chain failed.
    pub cause: Option<Cause>,
    /// How often `next_stage` was hit.
    pub hits: u32,
    /// How many stages are applied now.
    pub applied: u32,
    /// The fingerprint of the last stage, where each could be told.
    pub fingerprint: Option<String>,
    /// The state of the shell at the end.
    pub state: State,
}

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
enum Errexit {
    Counts,
    /// In a condition, before `&&` or `||`, or behind `!` (POSIX 2.8.1, Consequences of Shell Errors; `set -e`).
    Ignored,
}

/// Where the walk goes after a node. The exit status is in the state.
#[derive(Clone, Debug, PartialEq)]
enum Flow {
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
use next;

/// A script being walked.
struct Walk<'a> {
    /// The text being walked: the script, or one that `eval` or `.` runs in it.
    source: Arc<Source>,
    /// The number of a definition at that text's beginning, and the first one no text has yet.
    first_number: u32,
    next_number: u32,
    markers: Markers,
    /// The function definitions of all texts so far.
    definitions: Definitions,
    state: State,
    hits: u32,
    applied: u32,
    link: Link,
    origin: Origin,
    /// Loops around the current place, up to the next function.
    loops: usize,
    /// Function calls around the current place.
    calls: usize,
    /// The command whose unknown answer decides whether the current place is reached.
    depends_on: Option<Span>,
    /// The same for the numbers of stages from here on.
    numbers_depend_on: Option<Span>,
    /// The command whose unknown answer is the exit status now.
    unknown_status: Option<Span>,
    /// A command without an answer that may have ended the script, a function or a loop.
    may_have_left: Option<Span>,
    /// The last command that gave no answer: a loop around it turns nobody knows how often.
    last_unknown: Option<Span>,
    /// The command that was to be walked cannot be, and needs one shell with what follows.
    gave_up: bool,
    /// The last stretch that was run, and what its shell complained of.
    last_sent: Option<(Arc<Source>, Span, Option<Message>)>,
    settings: &'a Settings,
    ledger: &'a mut dyn Ledger,
    dispatcher: &'a mut dyn Dispatcher,
    observer: &'a mut dyn Observer,
}

impl Walk<'_> {
    /// Walks a text: the script, or one inside another.
    fn text(&mut self, script: &Script, errexit: Errexit) -> Result<Flow, DispatchError> {
        let outer = self.enter(script);
        let flow = self.list(&script.list, errexit);
        (self.source, self.first_number) = outer;
        flow
    }

    /// Takes the functions of the state before the script as ones of this run.
    fn adopt_functions(&mut self) {
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
            for definition in Collected::of(&script.list).functions {
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
    fn enter(&mut self, script: &Script) -> (Arc<Source>, u32) {
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
    fn function(&self, definition: &Arc<FunctionDefinition>) -> Function {
        let number = self.first_number.saturating_add(definition.span.start);
        let aliases = Arc::new(self.state.aliases.clone());
        Function { definition: Arc::clone(definition), source: Arc::clone(&self.source), number, aliases }
    }

    /// What must come true before the current place is reached, or stages have the numbers they seem to have.
    fn doubt(&self) -> Option<Span> {
        self.depends_on.or(self.may_have_left).or(self.numbers_depend_on)
    }

    /// The fingerprint of the chain that is about to run or be skipped.
    fn fingerprint(&mut self, items: &[crate::syntax::ListItem]) -> Option<String> {
        let surroundings =
            fingerprint::Surroundings { state: &self.state, origin: &self.origin, definitions: &self.definitions };
        fingerprint::of_chain(&self.link, items, &surroundings, self.ledger)
    }

    /// Why a run failed that ended with the last stretch that was sent.
    fn cause(&self, end: &End, status: i32) -> Option<Cause> {
        let (source, span, message) = self.last_sent.as_ref()?;
        let gave_up = GIVING_UP.contains(&status);
        let error = message.as_ref().filter(|_| gave_up).and_then(|message| shell_error::find(message, source, *span));
        match end {
            End::ChainFailed { .. } => error,
            End::Exited if status != 0 => error.or_else(|| {
                let place = shell_error::exit_with(status, source, *span).unwrap_or(*span);
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
    fn exit_trap(mut self, end: End, status: i32) -> Result<Outcome, DispatchError> {
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
    fn define(&mut self, reported: &BStr) {
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

    fn set_status(&mut self, status: i32) {
        self.state.status = status;
        self.state.status_unknown = false;
        self.unknown_status = None;
    }

    fn chain(&self, span: Span, text: BString, fingerprint: Option<String>) -> Chain {
        let line = self.source.line_number(span.start);
        Chain { source: Arc::clone(&self.source), span, text, line, fingerprint }
    }
}
