//! All that execution asks of the outside: run this stretch of script in a shell, in this state.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use bstr::{BStr, BString};

use crate::{
    Source, Span, marker,
    state::{
        State,
        carry::{self, Framing},
        frame::{Dump, Splitter},
    },
};

pub mod dry_run;
pub mod local;
pub mod memory;
pub(crate) mod messages;

use messages::{Message, Messages, Origins};

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

/// A chain that a stretch may run: what a ledger says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// The text it stands in: the script, or one that `eval` or `.` runs in it.
    pub source: Arc<Source>,
    /// From the marker to the end of the chain.
    pub span: Span,
    /// The chain's text, as written.
    pub text: BString,
    /// The line of the marker, from 1.
    pub line: usize,
    /// What it depends on, hashed; `None` when that cannot be told here.
    pub fingerprint: Option<String>,
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
    pub markers: Option<marker::Count>,
    /// Stops the run: a dispatcher that waits looks at it at least every few dozen milliseconds.
    pub cancel: &'r Cancel,
    /// The names of variables it may assign; `None` when any may be.
    pub assigns: Option<std::collections::BTreeSet<String>>,
    pub(crate) chunk: Vec<u8>,
    /// The line of the script that the chunk begins on.
    pub(crate) chunk_line: usize,
    /// Whether it may change the positional parameters.
    pub(crate) changes_positional: bool,
    pub(crate) errexit_ignored: bool,
    pub(crate) saves_stdout: bool,
}

/// What a dispatcher adds to a program.
#[derive(Clone, Copy, Debug)]
pub struct Hooks<'h> {
    /// A directory there that the program may write to, for stretches with markers.
    pub scratch: &'h str,
    /// Shell commands, built-ins only, that record what became of a stage. Their arguments: the stage's number;
    /// `started`, `applied` or `failed`; its exit status; and the index of its chain in [`Request::chains`].
    pub record: &'h [u8],
}

/// A program for `sh -c`, and the readers of its output.
pub struct Program {
    text: Vec<u8>,
    framing: Framing,
    origins: Origins,
}

/// Reads what a program prints as it comes: output of the script goes on, the state is kept, and what the shell says
/// gets the places of the script.
#[derive(Debug)]
pub struct Output {
    splitter: Splitter,
    messages: Messages,
}

/// What is left when a program has ended.
#[derive(Debug)]
pub struct Ended {
    /// Bytes of standard output that were held back.
    pub stdout: Vec<u8>,
    /// Bytes of standard error that were held back.
    pub stderr: Vec<u8>,
    /// The answer to the request.
    pub response: Response,
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

/// The place where stretches run is gone, or cannot be used: the run stops.
#[derive(Debug, thiserror::Error)]
#[error("{doing}")]
pub struct DispatchError {
    /// What could not be done.
    pub doing: String,
    /// Why.
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// Somewhere with a shell.
///
/// An implementation makes the program of a request, runs it as `sh -c PROGRAM` with an empty standard input, hands
/// standard output and standard error to the program's [`Output`], and answers with what that found.
pub trait Dispatcher {
    /// Runs a stretch. A status other than 0 is an answer, not an error.
    ///
    /// # Errors
    /// When nothing can be run there any more.
    fn dispatch(&mut self, request: &Request<'_>) -> Result<Response, DispatchError>;
}

impl Response {
    /// The answer of a shell that came to the end of the stretch with `status`, and left its state as it was.
    pub fn unchanged(request: &Request<'_>, status: i32) -> Response {
        let state = Some(Dump::unchanged(request.state, status));
        Response::Ran { status, told: Box::new(Told { state, message: None }) }
    }
}

impl Request<'_> {
    /// The program that runs this stretch in its state and prints the state after it.
    pub fn program(&self, hooks: &Hooks<'_>) -> Program {
        let (text, framing, origins) = carry::compose(self, hooks);
        Program { text, framing, origins }
    }

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

impl Program {
    /// The text, any bytes but NUL.
    pub fn text(&self) -> &BStr {
        self.text.as_slice().into()
    }

    /// A reader for one run of the program by `shell`, which is the name that shell's messages begin with.
    pub fn output(&self, shell: &str) -> Output {
        let messages = Messages::new(shell, self.origins.clone());
        Output { splitter: Splitter::new(self.framing.clone()), messages }
    }
}

impl Output {
    /// Takes the next bytes of standard output; gives those that the script itself printed.
    pub fn stdout(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.splitter.push(bytes)
    }

    /// Takes the next bytes of standard error; gives those to be shown. The end of a line may be waited for.
    pub fn stderr(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.messages.push(bytes)
    }

    /// Whether the shell has printed all: later bytes come from processes it left behind.
    pub fn is_complete(&self) -> bool {
        self.splitter.is_complete()
    }

    /// The program for `request` has ended with `status`.
    pub fn finish(self, request: &Request<'_>, status: i32) -> Ended {
        let (stdout, state) = self.splitter.finish(request.state);
        let (stderr, message) = self.messages.finish();
        Ended { stdout, stderr, response: Response::Ran { status, told: Box::new(Told { state, message }) } }
    }
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
