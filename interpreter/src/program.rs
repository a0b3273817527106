//! A request as a program for `sh`, and its output as a response.

use bstr::BStr;

use crate::dispatch::request::{Request, Response, Told};

mod compose;
pub(crate) mod edits;
mod frame;
mod markers;
mod messages;
mod record;

use compose::Composed;
use frame::Splitter;
use messages::Messages;

pub use record::{Hooks, Record};

/// A program for `sh -c`, and the readers of its output.
pub struct Program(Composed);

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

/// A word that nobody prints, names a file or guesses by chance: a letter, then letters and digits.
pub fn nonce() -> String {
    use std::hash::{BuildHasher, Hasher, RandomState};
    let random = || RandomState::new().build_hasher().finish();
    format!("ce{:016x}{:016x}", random(), random())
}

impl Program {
    /// The program that runs the stretch of `request` in its state and prints the state after it.
    pub fn of(request: &Request<'_>, hooks: &Hooks<'_>) -> Program {
        Program(compose::compose(request, hooks))
    }

    /// The text, any bytes but NUL.
    pub fn text(&self) -> &BStr {
        self.0.text.as_slice().into()
    }

    /// The text of a second program, for when the first has ended and [`Output::is_complete`] is still false: then what
    /// the shell had to tell is in a file, for its standard output was that of the script. What the second prints goes to
    /// the same [`Output::stdout`]; its status and what else it says do not count.
    pub fn rest(&self) -> &BStr {
        self.0.rest.as_slice().into()
    }

    /// A reader for one run of the program by `shell`, which is the name that shell's messages begin with.
    pub fn output(&self, shell: &str) -> Output {
        let Composed { framing, origins, traced, .. } = &self.0;
        let messages = Messages::new(shell, &framing.nonce, origins.clone()).traced(*traced);
        Output { splitter: Splitter::new(framing.clone()), messages }
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

    /// Whether the shell has told all: no second program is needed.
    pub fn is_complete(&self) -> bool {
        self.splitter.is_complete()
    }

    /// Whether the shell has nothing more to do: only its end is awaited. Later bytes come from processes that it leaves
    /// behind, which may keep its output open.
    pub fn is_at_end(&self) -> bool {
        self.is_complete() || self.messages.is_at_end()
    }

    /// The program for `request` has ended with `status`.
    pub fn finish(self, request: &Request<'_>, status: i32) -> Ended {
        let (stdout, after) = self.splitter.finish(request, status);
        let (stderr, message) = self.messages.finish();
        Ended { stdout, stderr, response: Response::Ran { status, told: Box::new(Told { after, message }) } }
    }
}
