//! The computation's own command in a container that is ready: one exec, which first makes sure that it is.

pub mod arguments;
pub mod caller;
mod handshake;
mod purity;
pub mod terminal;
mod watchdog;

use std::{
    env,
    ffi::{OsStr, OsString},
    io,
    os::unix::ffi::OsStrExt,
};

use compeval_interpreter::{language::quoting::quote, text::nonce};
use jiff::Timestamp;

use crate::{
    container::{in_use::CALL, mounts::COMPUTATION},
    engine::{Conversation, EngineError, Exec, FileChange, Stream, TerminalSize, exec::ROOT},
    interrupt::Running,
    setup::{
        Ready, SET_UP, Setup,
        error::SetupError,
        fed::FedShell,
        find::has_ended,
        notice::{Notice, Watcher},
    },
};

use self::{
    handshake::{GO, Handshake, Started, Words, wrapper},
    terminal::Raw,
    watchdog::Watchdog,
};

/// The exit status of what SIGKILL ended.
pub const KILLED: u8 = 128 + 9;

/// What stands for root where a user is named.
const ROOTS: [&str; 4] = ["", ROOT, "root", "0:0"];

/// What to run.
#[derive(Clone, Debug)]
pub struct Call {
    /// The program and its arguments, as the container sees them; any bytes but NUL.
    pub argv: Vec<OsString>,
    /// The program that runs it, if it is a script and names one.
    pub interpreter: Option<String>,
    /// As whom; `None` for the container's own user.
    pub user: Option<String>,
    /// The directory of the container that it starts in.
    pub directory: OsString,
    /// What it reads on its standard input.
    pub input: Input,
    /// When given, its streams are a terminal of this size, of the kind that `TERM` here says; what this process reads is
    /// read from a terminal that passes every byte on.
    pub terminal: Option<TerminalSize>,
}

/// What a command reads on its standard input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Input {
    /// Nothing.
    #[default]
    Nothing,
    /// What this process reads on its own, to its end; nothing is waited for once the command has ended.
    Inherited,
}

impl Call {
    /// A program without arguments, as the container's own user, in the computation's directory; it reads nothing.
    pub fn new(program: impl Into<OsString>) -> Call {
        let (argv, directory) = (vec![program.into()], COMPUTATION.into());
        Call { argv, interpreter: None, user: None, directory, input: Input::Nothing, terminal: None }
    }

    /// Whether an engine can be told of it: that takes text only.
    fn is_text(&self) -> bool {
        self.argv.iter().chain([&self.directory]).all(|word| word.to_str().is_some())
    }

    /// Whether its standard input is there for its watchdog.
    fn has_free_input(&self) -> bool {
        self.input == Input::Nothing && self.terminal.is_none()
    }

    fn words<'w>(&'w self, nonce: &'w str, ready: &'w str) -> Words<'w> {
        let interpreter = self.interpreter.as_deref().unwrap_or_default();
        let is_watched = self.has_free_input();
        Words { nonce, ready, interpreter, directory: &self.directory, is_watched }
    }
}

/// What became of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Called {
    /// It ran, and ended with this status: 128+N when it died of signal N.
    Ended(i32),
    /// It was killed: the container had no more memory.
    OutOfMemory {
        /// What it may use, in bytes, where docker.conf says that.
        limit: Option<u64>,
    },
    /// The container is not set up as it should be; nothing was run.
    Stale,
    /// The directory that it is to start in is not there, or not for its user.
    NoDirectory,
    /// There is no such program there.
    NotFound,
    /// There is, but it cannot be run.
    NotExecutable,
    /// The shell that starts the command could not be started.
    NoShell {
        /// What came in place of the shell's first line: the beginning, as the engine or the container wrote it.
        said: String,
    },
}

/// Takes the command's output.
pub type CallOutput<'o> = dyn FnMut(Stream, &[u8]) -> io::Result<()> + 'o;

impl Setup<'_> {
    /// Runs a command in the computation's container, which is found or created and set up first.
    ///
    /// # Errors
    /// Whatever kept the command from being run. Its own exit status is no error.
    pub fn call(
        &self,
        command: &Call,
        watcher: &mut dyn Watcher,
        output: &mut CallOutput<'_>,
    ) -> Result<Called, SetupError> {
        let failed = |source| SetupError::Engine {
            doing: format!("run the command of computation `{}`", self.environment.computation.name),
            source,
        };
        let site = self.fresh_site(watcher)?;
        if command.is_text()
            && let Some((container, ready)) = self.probably_ready(&site)?
        {
            let (begin, before) = (Timestamp::now(), self.before(&container.id));
            watcher.notice(Notice::Calling);
            let mut begun = || self.remember(&container, watcher);
            match self.exec(&container.id, command, &ready, &mut begun, output) {
                Ok(Called::Stale) => {}
                // Stopped, paused or gone since: the slow way sets that right.
                Err(
                    EngineError::NotRunning { .. } | EngineError::Paused { .. } | EngineError::NoSuchContainer { .. },
                ) => {}
                called => {
                    let before = before.map_err(failed)?;
                    return self.finished(&container.id, begin, called.map_err(failed)?, before, watcher);
                }
            }
        }
        let mut ready = self.set_up_at(&site, watcher)?;
        if ready.changed {
            self.check_unmoved(SET_UP)?;
        }
        // All of a setup runs as root.
        let is_roots = command.user.as_ref().or(ready.user.as_ref()).is_some_and(|user| ROOTS.contains(&user.as_str()));
        // A terminal would show what it is fed.
        if !is_roots || command.terminal.is_some() {
            ready.leave_shell()?;
        }
        watcher.notice(Notice::Calling);
        let Ready { container, shell, lock, .. } = ready;
        // From here on, the container has run already.
        let (begin, before) = (Timestamp::now(), self.before(&container).map_err(failed)?);
        // Another setup must not begin before it can see that this call runs.
        let mut lock = Some(lock);
        let mut begun = || drop(lock.take());
        let called = match shell {
            Some(shell) => self.feed(shell, &container, command, &mut begun, output),
            None if command.is_text() || command.terminal.is_some() => {
                self.exec(&container, command, "", &mut begun, output)
            }
            None => {
                let user = command.user.clone();
                let shell = FedShell::start(&site, &container, user).map_err(failed)?;
                self.feed(shell, &container, command, &mut begun, output)
            }
        };
        self.finished(&container, begin, called.map_err(failed)?, before, watcher)
    }

    /// Runs a command in a shell that is fed.
    fn feed(
        &self,
        shell: FedShell<'_>,
        container: &str,
        command: &Call,
        begun: &mut dyn FnMut(),
        output: &mut CallOutput<'_>,
    ) -> Result<Called, EngineError> {
        // The shell would only say that there are too many.
        Exec::new(command.argv.iter().map(|word| word.to_string_lossy())).check_length()?;
        let nonce = nonce();
        let words = command.words(&nonce, "");
        let words = words.parameters().into_iter().chain(command.argv.iter().map(OsString::as_os_str));
        let words: Vec<Vec<u8>> = words.map(|word| quote(word.as_bytes())).collect();
        let program = [&b"set -- "[..], &bstr::join(" ", words), b"\n", wrapper().as_bytes(), b"\n"].concat();
        self.watched(container, command, |watchdog| {
            let talk = shell.call(&program)?;
            self.follow(talk, nonce, container, command, watchdog, begun, output)
        })
    }

    /// Runs a command in a shell of its own, if the container is ready as it is told; empty: however it is.
    fn exec(
        &self,
        container: &str,
        command: &Call,
        ready: &str,
        begun: &mut dyn FnMut(),
        output: &mut CallOutput<'_>,
    ) -> Result<Called, EngineError> {
        let (shell, wrapper, nonce) = (&self.environment.description.shell, wrapper(), nonce());
        if let Some(word) = command.argv.iter().find(|word| word.to_str().is_none()) {
            return Err(EngineError::NotText { word: word.to_string_lossy().into_owned() });
        }
        let text = |word: &OsStr| word.to_string_lossy().into_owned();
        let words = command.words(&nonce, ready).parameters().map(text);
        let words = [shell, "-c", &wrapper, CALL].map(str::to_owned).into_iter().chain(words);
        let argv = words.chain(command.argv.iter().map(|word| text(word)));
        let kind = env::var("TERM").ok().filter(|_| command.terminal.is_some());
        let (user, has_terminal) = (command.user.clone(), command.terminal.is_some());
        let exec = Exec {
            user,
            has_terminal,
            env: kind.map(|kind| ("TERM".to_owned(), kind)).into_iter().collect(),
            ..Exec::new(argv)
        };
        self.watched(container, command, |watchdog| {
            let talk = self.engine.converse(container, &exec)?;
            self.follow(talk, nonce, container, command, watchdog, begun, output)
        })
    }

    /// Runs something with a watchdog beside it, where the command itself reads what could tell it of our end.
    fn watched<T>(&self, container: &str, command: &Call, run: impl FnOnce(Option<&Watchdog>) -> T) -> T {
        if command.has_free_input() {
            return run(None);
        }
        let exec = watchdog::exec(&self.environment.description.shell, command.user.as_deref());
        Watchdog::beside(self.engine, container, &exec, |watchdog| run(Some(watchdog)))
    }

    /// Passes a command's output on, byte for byte, until it ends.
    #[expect(clippy::too_many_arguments, reason = "a call has that many sides")]
    fn follow(
        &self,
        mut talk: Box<dyn Conversation + '_>,
        nonce: String,
        container: &str,
        command: &Call,
        watchdog: Option<&Watchdog>,
        begun: &mut dyn FnMut(),
        output: &mut CallOutput<'_>,
    ) -> Result<Called, EngineError> {
        let mut handshake = Handshake::new(nonce, command.terminal.is_some());
        let mut raw = None;
        let mut run = || {
            while let Some((stream, bytes)) = talk.receive()? {
                let bytes = if stream == Stream::Stdout { handshake.take(&bytes) } else { &bytes };
                if let Some(Started { process, scratch }) = handshake.started() {
                    command.terminal.into_iter().for_each(|size| talk.resize().to(size));
                    let orders = match watchdog {
                        None => talk.orders(),
                        Some(watchdog) => {
                            watchdog.guard(process, &scratch);
                            talk.send(GO)?;
                            watchdog.orders()
                        }
                    };
                    let container = container.to_owned();
                    let (orders, terminal) = (Some(orders), command.terminal.map(|_| talk.resize()));
                    self.interrupt.begins(Running { container, process, stretch: None, orders, terminal });
                    begun();
                    // Without what is typed, `^C` is ours to pass on.
                    raw = command.terminal.filter(|_| command.input == Input::Inherited).map(|_| Raw::begin());
                    if command.input == Input::Inherited {
                        // What was read for a command that did not run would be lost to the next one.
                        talk.pass_input()?;
                    }
                }
                if !bytes.is_empty() {
                    output(stream, bytes).map_err(EngineError::Output)?;
                }
            }
            talk.status()
        };
        let status = run();
        drop(raw);
        if let (Err(EngineError::Output(_)), Some(Running { orders: Some(orders), .. })) =
            (&status, self.interrupt.running())
        {
            // As for one that writes to a pipe itself; the watchdog does the rest.
            match watchdog {
                None => drop(talk.send(b"PIPE\n")),
                Some(_) => orders.send(b"PIPE\n"),
            }
        }
        self.interrupt.ends();
        Ok(handshake.ended(status?))
    }

    /// A command has ended in a container: what came of it is the commit's only if that is still there.
    fn finished(
        &self,
        container: &str,
        since: Timestamp,
        called: Called,
        before: Option<Vec<FileChange>>,
        watcher: &mut dyn Watcher,
    ) -> Result<Called, SetupError> {
        if let Called::Ended(status) = called {
            self.check_unmoved("its command ran")?;
            // What ends with its container is killed, and cannot say why.
            if status == i32::from(KILLED) && has_ended(self.engine, container, Some(since)) {
                return Err(SetupError::Vanished { computation: self.environment.computation.name.clone() });
            }
            // An engine that does not tell leaves the bare status.
            if status == i32::from(KILLED) && self.engine.ran_out_of_memory(container, since).unwrap_or(false) {
                return Ok(Called::OutOfMemory { limit: self.environment.description.limits.memory });
            }
            self.check_left(container, before, status, watcher)?;
        }
        Ok(called)
    }
}
