//! What execution asks of the outside, and what it is answered: plain data.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use bstr::BString;

use crate::{Source, Span, program::frame::Dump, stage::chain::Chain, state::State};

/// What a stretch is to the script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The chain of stage N, from 1.
    Stage(u32),
    /// The chain of `everytime`.
    Everytime,
    /// Commands outside chains.
    Undecorated,
    /// The condition of an `if` or loop that is walked here.
    Condition,
    /// Only words, to be expanded.
    Expansion,
    /// The action of `trap ... EXIT`.
    ExitTrap,
}

/// What a construct with markers starts from.
#[derive(Clone, Copy, Debug)]
pub struct Count {
    /// How often `next_stage` was hit before.
    pub hits: u32,
    /// How many stages are applied.
    pub applied: u32,
}

/// One stretch of script to be run.
#[derive(Debug)]
pub struct Request<'r> {
    /// What it is.
    pub kind: Kind,
    /// The script it comes from.
    pub source: &'r Arc<Source>,
    /// Its place there.
    pub span: Span,
    /// Its text as written, with the here-documents that belong to it.
    pub text: BString,
    /// The state of the shell before it.
    pub state: &'r State,
    /// The chains that may begin in it. For a stage, the first one is its own.
    pub chains: Vec<Chain>,
    /// Set when markers may be hit in it.
    pub markers: Option<Count>,
    /// Stops the run: a dispatcher that waits looks at it at least every few dozen milliseconds.
    pub cancel: &'r Cancel,
    /// The names of variables it may assign; `None` when any may be.
    pub assigns: Option<BTreeSet<String>>,
    pub(crate) chunk: Vec<u8>,
    /// The line of the script that the chunk begins on.
    pub(crate) chunk_line: usize,
    /// Whether it may change the positional parameters.
    pub(crate) changes_positional: bool,
    pub(crate) errexit_ignored: bool,
    pub(crate) saves_stdout: bool,
}

/// What became of a stretch.
#[derive(Clone, Debug)]
pub enum Response {
    /// It was run.
    Ran {
        /// The exit status of the shell: 128+N when it died of signal N.
        status: i32,
        /// What the shell told of itself.
        told: Box<Told>,
    },
    /// It was not run, and what it would have done cannot be told.
    Unknown,
}

/// What a shell told at its end, or before.
#[derive(Clone, Debug)]
pub struct Told {
    /// Its state; `None` when it died before it could tell.
    pub(crate) state: Option<Dump>,
    /// The last error it complained of.
    pub(crate) message: Option<Message>,
}

impl Response {
    /// The answer of a shell that came to the end of the stretch with `status`, and left its state as it was.
    pub fn unchanged(request: &Request<'_>, status: i32) -> Response {
        let state = Some(Dump::unchanged(request.state, status));
        Response::Ran { status, told: Box::new(Told { state, message: None }) }
    }
}

impl Request<'_> {
    /// Why this goes to a shell and is not done by the walk itself.
    pub fn reason(&self) -> &'static str {
        match (self.kind, self.markers) {
            (Kind::Expansion, _) => "words that only the shell can expand",
            (_, Some(_)) => "markers that cannot be split from what is around them",
            (Kind::Stage(_) | Kind::Everytime, None) => "the commands of a chain",
            (Kind::Undecorated, None) => "commands outside of chains",
            (Kind::Condition, None) => "commands that decide what comes next",
            (Kind::ExitTrap, None) => "the action of an EXIT trap",
        }
    }

    /// The line it begins on, from 1.
    pub fn line(&self) -> usize {
        self.source.line_number(self.span.start)
    }
}

/// A line of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) source: Arc<Source>,
    /// From 1.
    pub(crate) number: usize,
}

/// A complaint of the shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    /// Where the shell says it is.
    pub(crate) line: Option<Line>,
    /// What it says, behind its name and the line.
    pub(crate) text: BString,
}

/// A flag that stops a run from another thread or a signal handler.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Asks the run to stop.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// The flag itself, for a signal handler.
    pub fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0)
    }

    /// Whether it was asked to.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}
