//! The computation's own command in a container that is ready: one exec, which first makes sure that it is.

pub mod arguments;
pub mod caller;
mod handshake;
mod purity;
pub mod runner;
pub mod terminal;
mod watchdog;

use std::{ffi::OsString, io};

use jiff::Timestamp;

use crate::{
    container::mounts::COMPUTATION,
    engine::{EngineError, FileChange, Stream, TerminalSize, exec::ROOT},
    setup::{
        Ready, SET_UP, Setup,
        error::SetupError,
        fed::FedShell,
        find::has_ended,
        notice::{Notice, Watcher},
    },
};

use self::{handshake::Words, runner::CommandRunner};

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
    /// The mode bits that its new files do not get; `None` for those that the container's shell has.
    pub umask: Option<u32>,
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
        Call { argv, interpreter: None, user: None, directory, umask: None, input: Input::Nothing, terminal: None }
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
        let umask = self.umask.map(|mask| format!("{mask:04o}")).unwrap_or_default();
        Words { nonce, ready, interpreter, directory: &self.directory, umask, is_watched }
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
            match self.runner().exec(&container.id, command, &ready, &mut begun, output) {
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
        let runner = self.runner();
        let called = match shell {
            Some(shell) => runner.feed(shell, &container, command, &mut begun, output),
            None if command.is_text() || command.terminal.is_some() => {
                runner.exec(&container, command, "", &mut begun, output)
            }
            None => {
                let user = command.user.clone();
                let shell = FedShell::start(&site, &container, user).map_err(failed)?;
                runner.feed(shell, &container, command, &mut begun, output)
            }
        };
        self.finished(&container, begin, called.map_err(failed)?, before, watcher)
    }

    fn runner(&self) -> CommandRunner<'_> {
        CommandRunner { engine: self.engine, shell: &self.environment.description.shell, interrupt: &self.interrupt }
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
        watcher.notice(Notice::Called { container });
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
