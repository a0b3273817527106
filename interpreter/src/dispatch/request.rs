//! What execution asks of the outside, and what it is answered: plain data.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use bstr::BString;

use crate::{
    Place, Source,
    stage::chain::Chain,
    state::{State, exports::StageExports},
};

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

/// An everytime chain, or a command outside of chains: what runs on every call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repeated {
    /// Its fingerprint, in which the content of files does not count.
    pub fingerprint: String,
    /// The line of its source that it begins on, from 1.
    pub line: usize,
    /// Its text, as written.
    pub text: BString,
    /// Whether a ledger has it already.
    pub is_recorded: bool,
}

/// One stretch of script to be run.
#[derive(Debug)]
pub struct Request<'r> {
    /// What it is.
    pub kind: Kind,
    /// Its place in the script, or in a text that the script runs.
    pub place: Place,
    /// Its text as written, with the here-documents that belong to it.
    pub text: BString,
    /// The state of the shell before it.
    pub state: &'r State,
    /// The chains that may begin in it, in the order of its text, behind them those in functions that it may call. For
    /// a chain, the first one is its own.
    pub chains: Vec<Chain>,
    /// For each of those functions, the index of its first chain.
    pub(crate) called: BTreeMap<String, usize>,
    /// What in it runs on every call, for a ledger that keeps such records.
    pub repeated: Vec<Repeated>,
    /// Set when markers may be hit in it.
    pub markers: Option<Count>,
    /// Stops the run: a dispatcher that waits looks at it at least every few dozen milliseconds.
    pub cancel: &'r Cancel,
    pub(crate) chunk: Chunk,
    /// Whether a failing command in it ends the shell under `set -e` not.
    pub(crate) errexit_ignored: bool,
}

/// The chains that may begin in a stretch.
#[derive(Debug, Default)]
pub(crate) struct Chains {
    pub(crate) all: Vec<Chain>,
    /// For each function that the stretch may call, the index of its first chain.
    pub(crate) called: BTreeMap<String, usize>,
}

/// A stretch as it is sent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Chunk {
    pub(crate) text: Vec<u8>,
    /// The line of its source that it begins on, from 1.
    pub(crate) line: usize,
    /// Whether it may redirect the shell's own descriptors.
    pub(crate) redirects_shell: bool,
    /// Whether it may run text that it makes or reads, where our edits are not made.
    pub(crate) runs_text: bool,
    /// Whether nothing comes behind it, so that its shell also runs the action of the EXIT trap.
    pub(crate) is_last: bool,
}

impl<'r> Request<'r> {
    /// A stretch that is sent as it stands at `place`, `text` being all of it.
    pub(crate) fn new(kind: Kind, place: Place, text: BString, state: &'r State, cancel: &'r Cancel) -> Request<'r> {
        let chunk = Chunk { text: text.to_vec(), line: place.line(), ..Chunk::default() };
        let (chains, called, repeated, markers) = (Vec::new(), BTreeMap::new(), Vec::new(), None);
        Request { kind, place, text, state, chains, called, repeated, markers, cancel, chunk, errexit_ignored: false }
    }

    /// The same with what in it runs on every call.
    pub(crate) fn with_repeated(self, repeated: Vec<Repeated>) -> Request<'r> {
        Request { repeated, ..self }
    }

    /// The same, sent as `chunk`.
    pub(crate) fn sent_as(self, chunk: Chunk) -> Request<'r> {
        Request { chunk, ..self }
    }

    /// The same with chains that may begin in it; with a count, they are counted there.
    pub(crate) fn with_chains(self, chains: Chains, markers: Option<Count>) -> Request<'r> {
        Request { chains: chains.all, called: chains.called, markers, ..self }
    }

    /// The same where `set -e` has no say.
    pub(crate) fn ignoring_errexit(self, errexit_ignored: bool) -> Request<'r> {
        Request { errexit_ignored, ..self }
    }

    /// Why this goes to a shell and is not done by the walk itself.
    pub fn delegation(&self) -> Delegation {
        match (self.kind, self.markers) {
            (Kind::Expansion, _) => Delegation::Words,
            (_, Some(_)) => Delegation::Markers,
            (Kind::Stage(_) | Kind::Everytime, None) => Delegation::Chain,
            (Kind::Undecorated, None) => Delegation::Undecorated,
            (Kind::Condition, None) => Delegation::Condition,
            (Kind::ExitTrap, None) => Delegation::ExitTrap,
        }
    }

    /// The line it begins on, from 1.
    pub fn line(&self) -> usize {
        self.place.line()
    }
}

/// Why something goes to a shell and is not done by the walk itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delegation {
    /// Words that only the shell can expand.
    Words,
    /// Markers that cannot be split from what is around them.
    Markers,
    /// The commands of a chain.
    Chain,
    /// Commands outside of chains.
    Undecorated,
    /// Commands that decide what comes next.
    Condition,
    /// The action of an EXIT trap.
    ExitTrap,
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

impl Response {
    /// Takes note of what a stretch that may apply stages exports, of the state that it found.
    pub fn note_exports(&self, before: &State, exports: &mut StageExports) {
        if let Response::Ran { told, .. } = self
            && let Some(after) = &told.after
        {
            exports.note(before, &after.state);
        }
    }
}

/// What a shell told at its end, or before.
#[derive(Clone, Debug)]
pub struct Told {
    /// What it left; `None` when it died before it could tell.
    pub(crate) after: Option<After>,
    /// The last error it complained of.
    pub(crate) message: Option<Message>,
}

/// What a shell left when it ended.
#[derive(Clone, Debug)]
pub(crate) struct After {
    /// Its state; functions are those of the state before.
    pub(crate) state: State,
    /// Whether it came to the end of its program, rather than to an `exit`.
    pub(crate) is_completed: bool,
    /// Where the script went that is walked outside of it.
    pub(crate) left: Option<Left>,
    /// What a chain is judged by.
    pub(crate) judged: i32,
    /// How many of a chain's commands went well, where that was counted.
    pub(crate) steps: usize,
    /// What became of the markers in it.
    pub(crate) marks: Option<Marks>,
    /// The functions that it defined and removed, in order.
    pub(crate) defined: Vec<Defined>,
    /// Whether it ran the action of the script's EXIT trap.
    pub(crate) ran_exit_trap: bool,
}

/// How a shell left the loop or function that is walked outside of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// Out of so many loops.
    Break(usize),
    /// On with the so-manyeth loop around.
    Continue(usize),
    Return,
}

/// What a stretch with markers did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Marks {
    pub(crate) hits: u32,
    pub(crate) applied: u32,
    pub(crate) failed: Option<FailedChain>,
}

/// A chain inside a stretch that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FailedChain {
    pub(crate) status: i32,
    /// Its index in [`Request::chains`].
    pub(crate) chain: usize,
    /// The stage; `None` for an everytime chain.
    pub(crate) number: Option<u32>,
}

/// What became of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Defined {
    /// The one of this number was defined.
    Numbered(u32),
    /// The one of this name is no more.
    Gone(String),
    /// Those in a text that was run were defined; those in the action of a trap may have been, where they are new.
    InText { name: String, text: BString, is_action: bool },
}

impl Response {
    /// The answer of a shell that came to the end of the stretch with `status`, and left its state as it was.
    pub fn unchanged(request: &Request<'_>, status: i32) -> Response {
        let mut state = request.state.clone();
        state.set_status(status);
        let after = After {
            state,
            is_completed: true,
            left: None,
            judged: status,
            steps: 0,
            marks: None,
            defined: Vec::new(),
            ran_exit_trap: false,
        };
        Response::Ran { status, told: Box::new(Told { after: Some(after), message: None }) }
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
