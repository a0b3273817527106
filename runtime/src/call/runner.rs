//! Runs a command in a running container, whatever that is set up as: its streams, its terminal, its watchdog.

use std::{
    env,
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStrExt,
};

use compeval_interpreter::{language::quoting::quote, text::nonce};

use super::{
    Call, CallOutput, Called, Input,
    handshake::{GO, Handshake, Started, wrapper},
    terminal::Raw,
    watchdog::{self, Watchdog},
};
use crate::{
    container::in_use::CALL,
    engine::{Conversation, Engine, EngineError, Exec, Stream},
    interrupt::{Interrupt, Running},
    setup::fed::FedShell,
};

/// What runs commands in containers.
#[derive(Clone, Copy)]
pub struct CommandRunner<'r> {
    /// Where the containers are.
    pub engine: &'r dyn Engine,
    /// The shell there that starts a command.
    pub shell: &'r str,
    /// Who is told what runs, to pass signals on to it.
    pub interrupt: &'r Interrupt,
}

impl CommandRunner<'_> {
    /// Runs a command in a running container; nothing is set up.
    ///
    /// # Errors
    /// Whatever kept it from being run. Its own exit status is no error.
    pub fn run(&self, container: &str, command: &Call, output: &mut CallOutput<'_>) -> Result<Called, EngineError> {
        self.exec(container, command, "", &mut || {}, output)
    }

    /// Runs a command in a shell that is fed.
    pub(super) fn feed(
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
    pub(super) fn exec(
        &self,
        container: &str,
        command: &Call,
        ready: &str,
        begun: &mut dyn FnMut(),
        output: &mut CallOutput<'_>,
    ) -> Result<Called, EngineError> {
        let (shell, wrapper, nonce) = (self.shell, wrapper(), nonce());
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
        let exec = watchdog::exec(self.shell, command.user.as_deref());
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
}
