//! The computation's own command in a container that is ready: one exec, which first makes sure that it is.

mod handshake;

use std::{io, ops::ControlFlow};

use bstr::ByteSlice;
use compeval_interpreter::{language::quoting::quote, text::nonce};

use crate::{
    container::in_use::CALL,
    engine::{Engine, EngineError, Exec, Stdin, Stream},
    interrupt::Running,
    setup::{Ready, SET_UP, Setup, error::SetupError, fed::FedShell, find::has_ended, notice::Watcher},
};

use self::handshake::{Handshake, wrapper};

/// The exit status of what SIGKILL ended.
const KILLED: i32 = 128 + 9;

/// What stands for root where a user is named.
const ROOT: [&str; 4] = ["", "0", "root", "0:0"];

/// What to run.
#[derive(Clone, Debug)]
pub struct Call {
    /// The program and its arguments, as the container sees them.
    pub argv: Vec<String>,
    /// The program that runs it, if it is a script and names one.
    pub interpreter: Option<String>,
    /// As whom; `None` for the container's own user.
    pub user: Option<String>,
    /// Where its standard input comes from.
    pub stdin: Stdin,
}

/// What became of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Called {
    /// It ran, and ended with this status: 128+N when it died of signal N.
    Ended(i32),
    /// The container is not set up as it should be; nothing was run.
    Stale,
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

/// What the container is expected to be before the command runs.
#[derive(Clone, Copy, Debug)]
pub enum Expected<'e> {
    /// A finished setup that ended with this fingerprint.
    Ready(&'e str),
    /// Nothing more: it was just set up.
    SetUp,
}

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
        let site = self.site()?;
        if let Some((container, ready)) = self.probably_ready(&site)? {
            let mut begun = || self.remember(&container, watcher);
            match self.exec(&container.id, command, Expected::Ready(&ready), &mut begun, output) {
                Ok(Called::Stale) => {}
                // Stopped, paused or gone since: the slow way sets that right.
                Err(
                    EngineError::NotRunning { .. } | EngineError::Paused { .. } | EngineError::NoSuchContainer { .. },
                ) => {}
                called => return self.finished(&container.id, called.map_err(failed)?),
            }
        }
        let mut ready = self.set_up_at(&site, watcher)?;
        if ready.changed {
            self.check_unmoved(SET_UP)?;
        }
        // All of a setup runs as root.
        let is_roots = command.user.as_ref().or(ready.user.as_ref()).is_some_and(|user| ROOT.contains(&user.as_str()));
        if !is_roots || matches!(command.stdin, Stdin::Bytes(_)) {
            ready.leave_shell()?;
        }
        let Ready { container, shell, lock, .. } = ready;
        // Another setup must not begin before it can see that this call runs.
        let mut lock = Some(lock);
        let mut begun = || drop(lock.take());
        let called = match shell {
            Some(shell) => self.feed(shell, &container, command, &mut begun, output),
            None => self.exec(&container, command, Expected::SetUp, &mut begun, output),
        };
        self.finished(&container, called.map_err(failed)?)
    }

    /// Runs a command in the shell that the setup was fed to.
    fn feed(
        &self,
        shell: FedShell<'_>,
        container: &str,
        command: &Call,
        begun: &mut dyn FnMut(),
        output: &mut CallOutput<'_>,
    ) -> Result<Called, EngineError> {
        let nonce = nonce();
        let mut handshake = Handshake::new(nonce.clone());
        // The shell would only say that there are too many.
        Exec::new(command.argv.iter().cloned()).check_length()?;
        let input = if command.stdin == Stdin::Null { "exec </dev/null\n" } else { "" };
        let words = [nonce.as_str(), "", command.interpreter.as_deref().unwrap_or_default()];
        let words = words.into_iter().chain(command.argv.iter().map(String::as_str));
        let words: Vec<Vec<u8>> = words.map(|word| quote(word.as_bytes())).collect();
        let mut talk = shell.call(&format!("{input}set -- {}\n{}\n", bstr::join(" ", words).as_bstr(), wrapper()))?;
        let mut started = |process| self.started(container, process, begun);
        while let Some((stream, bytes)) = talk.receive()? {
            let was_running = handshake.is_ok();
            let bytes = if stream == Stream::Stdout { handshake.take(&bytes, &mut started) } else { &bytes };
            if handshake.is_ok() && !was_running && command.stdin == Stdin::Inherit {
                // What was read for a command that did not run would be lost to the next one.
                talk.pass_input()?;
            }
            if !bytes.is_empty() {
                output(stream, bytes).map_err(EngineError::Output)?;
            }
        }
        let called = handshake.ended(talk.status()?);
        self.interrupt.ends();
        Ok(called)
    }

    /// The command runs.
    fn started(&self, container: &str, process: u32, begun: &mut dyn FnMut()) {
        self.interrupt.begins(Running { container: container.to_owned(), process, stretch: None });
        begun();
    }

    /// A command has ended in a container: what came of it is the commit's only if that is still there.
    fn finished(&self, container: &str, called: Called) -> Result<Called, SetupError> {
        if let Called::Ended(status) = called {
            self.check_unmoved("its command ran")?;
            // What ends with its container is killed, and cannot say why.
            if status == KILLED && has_ended(self.engine, container) {
                return Err(SetupError::Vanished { computation: self.environment.computation.name.clone() });
            }
        }
        Ok(called)
    }

    fn exec(
        &self,
        container: &str,
        command: &Call,
        expect: Expected<'_>,
        begun: &mut dyn FnMut(),
        output: &mut CallOutput<'_>,
    ) -> Result<Called, EngineError> {
        let shell = &self.environment.description.shell;
        let mut started = |process| self.started(container, process, begun);
        let called = exec(self.engine, container, shell, command, expect, &mut started, output)?;
        // One whose output nobody takes runs on.
        self.interrupt.ends();
        Ok(called)
    }
}

/// Runs a command and passes its output on, byte for byte. `started` is told when it runs.
///
/// # Errors
/// As for [`Execs::exec`](crate::engine::Execs::exec).
fn exec(
    engine: &dyn Engine,
    container: &str,
    shell: &str,
    command: &Call,
    expect: Expected<'_>,
    started: &mut dyn FnMut(u32),
    output: &mut CallOutput<'_>,
) -> Result<Called, EngineError> {
    let nonce = nonce();
    let fingerprint = match expect {
        Expected::Ready(fingerprint) => fingerprint,
        Expected::SetUp => "",
    };
    let wrapper = wrapper();
    let interpreter = command.interpreter.as_deref().unwrap_or_default();
    let words = [shell, "-c", &wrapper, CALL, &nonce, fingerprint, interpreter].map(str::to_owned);
    let mut exec = Exec::new(words.into_iter().chain(command.argv.iter().cloned()));
    (exec.user, exec.stdin, exec.stdin_after) = (command.user.clone(), command.stdin.clone(), Some(" ok".to_owned()));
    let mut handshake = Handshake::new(nonce);
    let status = engine.exec(container, &exec, &mut |stream, bytes| {
        let bytes = if stream == Stream::Stdout { handshake.take(bytes, started) } else { bytes };
        if !bytes.is_empty() {
            output(stream, bytes)?;
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(handshake.ended(status))
}
