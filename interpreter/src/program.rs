//! A request as a program for `sh`, and its output as a response.
//!
//! # The protocol
//!
//! All names of ours in a shell begin with `__ce_`; none is exported, and a script's variables never reach one.
//! Only this room writes shell code. What a name means, and who sets it:
//!
//! - *Told by the frame* ([`frame`] reads them): `x` `$?` at the end, `o` the options, `n` and `p1`, `p2`... the positional
//!   parameters, `y` the process id, `posix` that bash was in no POSIX mode, `s` and `done` that the stretch came to its end and how, `j` what a chain is judged
//!   by, `w` where the walk goes on, `step` how many commands of a chain went well, `t` the EXIT trap's action, `ran` that it is run by this shell, `u` the limits, `f`
//!   the functions that were defined, with `tn`, `ttN` and `tpN` the texts of `eval`, `.` and traps; of markers `hits`, `applied`
//!   and `failed`. The prelude or the function that stands for the built-in sets them, nobody else.
//! - *Of the program*: `k` the nonce, `d` the directory to go to, `first` the first shell's process id, `1` and `2` which
//!   open files its output goes to, `b` and `bn` the files that texts are kept in which can be read once only, `names` the
//!   functions that texts may define, `sx` and `sq` options and status around a function without a trace, `ps` and `act` of
//!   the trap, `in_` and a name the function itself; `c` and `open` the chains that are open, `m` the one that begins.
//! - *Of the moment*, set and read within one function: `a`, `e`, `g`, `h`, `i`, `l`, `q`, `v`, `z`. What runs between may
//!   set them anew.
//! - *Of a script that stands alone* ([`standalone`]): `stage`, `count`, `chain`; nothing else is there then.
//! - *Of records*: `__ce_rec_` and what follows it ([`record`]), and nothing else.
//!
//! What a shell shows of its commands (`set -x`) is the script's alone: a call of ours stands behind one that turns the
//! trace off, in a group without standard error, and the called function turns it on again; where it stands for a built-in,
//! it runs that traced. Where the script lists variables, those of ours are unset before.
//!
//! A program is an argument of its shell, or is *fed* to it on standard input ([`feed`]); then the first line that the shell
//! prints is `NONCE PID`. A *driver* is a shell that is fed programs one after the other; what it reads before each, and
//! prints behind it, says [`feed`].
//! A *frame* is the lines from `NONCE v` to `NONCE e` on standard output, each section of it behind a line `NONCE LETTER`;
//! before the first stretch there is one of a fresh shell, from `NONCE b` to `NONCE w`. Where standard output is another
//! at the end than it was at the beginning, the frame is in a file, `NONCE f` on standard error says so, and a second
//! program prints it. A *record* is what [`RecordHook`] says.

use bstr::BStr;

use crate::dispatch::request::{Request, Response, Told};

mod called;
mod compose;
pub(crate) mod edits;
pub mod feed;
mod frame;
mod markers;
mod messages;
mod record;
mod standalone;

use compose::Composed;
use feed::Greeting;
use frame::Splitter;
use messages::Messages;

pub use compose::exports;
pub use record::{Hooks, RecordHook, record_accepted, record_dropped, record_failed};
pub use standalone::standalone;

/// A program for a shell, and the readers of its output.
pub struct Program(Composed);

/// Reads what a program prints as it comes: output of the script goes on, the state is kept, and what the shell says
/// gets the places of the script.
#[derive(Debug)]
pub struct Output {
    greeting: Option<Greeting>,
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

impl Program {
    /// The program that runs the stretch of `request` in its state and prints the state after it.
    pub fn of(request: &Request<'_>, hooks: &Hooks<'_>) -> Program {
        Program(compose::compose(request, hooks))
    }

    /// The text, for `sh -c`: any bytes but NUL.
    pub fn text(&self) -> &BStr {
        self.0.text.as_slice().into()
    }

    /// The arguments of a shell that is fed the program, and calls itself `name`. Nothing of the program is in them.
    pub fn arguments(&self, name: &str) -> [String; 5] {
        feed::arguments(name, &self.0.framing.nonce)
    }

    /// What that shell is to read on its standard input, to the end.
    pub fn input(&self) -> Vec<u8> {
        feed::input(&self.0.text, &self.0.framing.nonce)
    }

    /// What a shell is to read that is fed one program after the other ([`feed::driver_arguments`]).
    pub fn fed(&self) -> Vec<u8> {
        feed::fed(feed::Verb::Run, &self.input(), &self.0.framing.nonce)
    }

    /// The text of a second program, for `sh -c`, for when the first has ended and [`Output::is_complete`] is still false: then what
    /// the shell had to tell is in a file, for its standard output was that of the script. What the second prints goes to
    /// the same [`Output::stdout`]; its status and what else it says do not count.
    pub fn rest(&self) -> &BStr {
        self.0.rest.as_slice().into()
    }

    /// A reader for one run of the program by `shell -c`, which is the name that shell's messages begin with.
    pub fn output(&self, shell: &str) -> Output {
        let Composed { framing, origins, .. } = &self.0;
        let messages = Messages::new(shell, &framing.nonce, origins.clone());
        Output { greeting: None, splitter: Splitter::new(framing.clone()), messages }
    }

    /// The same where the shell is fed the program.
    pub fn fed_output(&self, shell: &str) -> Output {
        let Output { splitter, messages, .. } = self.output(shell);
        Output { greeting: Some(Greeting::new(&self.0.framing.nonce)), splitter, messages: messages.fed() }
    }
}

impl Output {
    /// Takes the next bytes of standard output; gives those that the script itself printed.
    pub fn stdout(&mut self, bytes: &[u8]) -> Vec<u8> {
        match &mut self.greeting {
            Some(greeting) => self.splitter.push(&greeting.take(bytes)),
            None => self.splitter.push(bytes),
        }
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
        let (held, after) = self.splitter.finish(request, status);
        let stdout = [self.greeting.as_ref().map(Greeting::held).unwrap_or_default(), &held].concat();
        let (stderr, message) = self.messages.finish();
        Ended { stdout, stderr, response: Response::Ran { status, told: Box::new(Told { after, message }) } }
    }
}
