//! A shell in a container that is fed one program after the other, the command of a call as the last: together they cost the
//! start of one exec.

use std::{
    cell::{RefCell, RefMut},
    ops::ControlFlow,
};

use compeval_interpreter::{
    program::feed::{self, Divider, Greeting, Verb},
    text::nonce,
};

use super::site::Site;
use crate::engine::{Conversation, EngineError, Exec, Sink, Stream, exec::ROOT};

/// Where such a shell is, for as long as there is one.
pub(super) type Slot<'e> = RefCell<Option<FedShell<'e>>>;

/// A shell that is fed.
pub(crate) struct FedShell<'e> {
    talk: Box<dyn Conversation + 'e>,
    nonce: String,
    greeting: Greeting,
    is_usable: bool,
    /// Commands to run before the next program: by themselves they would cost a way there and back.
    first: Vec<u8>,
}

impl<'e> FedShell<'e> {
    /// Starts one, as this user, or the container's own.
    pub(crate) fn start(site: &Site<'e>, container: &str, user: Option<String>) -> Result<FedShell<'e>, EngineError> {
        let (shell, nonce) = (&site.environment.description.shell, nonce());
        let argv = [shell.clone()].into_iter().chain(feed::driver_arguments(shell, &nonce));
        let exec = Exec { user, ..Exec::new(argv) };
        Ok(FedShell {
            talk: site.engine.converse(container, &exec)?,
            greeting: Greeting::new(&nonce),
            nonce,
            is_usable: true,
            first: Vec::new(),
        })
    }

    /// Its process id, as it knows itself, once that is told. It leads the group of all that it starts.
    pub(super) fn process(&self) -> Option<u32> {
        self.greeting.process()
    }

    /// What is in its argument list, and in no other.
    pub(super) fn nonce(&self) -> &str {
        &self.nonce
    }

    /// Has it run shell commands of ours.
    pub(super) fn eval(&mut self, commands: &str, output: &mut Sink<'_>) -> Result<i32, EngineError> {
        let program = self.program(Verb::Eval, commands.as_bytes());
        self.run(&program, &mut |_| (), output)
    }

    /// Has it run shell commands of ours before the command that it is to become.
    pub(super) fn run_first(&mut self, commands: &[u8]) {
        self.first.extend_from_slice(commands);
        self.first.push(b'\n');
    }

    fn program(&mut self, verb: Verb, commands: &[u8]) -> Vec<u8> {
        let (nonce, first) = (nonce(), std::mem::take(&mut self.first));
        feed::fed(verb, &feed::input(&[&first, commands].concat(), &nonce), &nonce)
    }

    /// Has it run a program, and gives that one's exit status. `begun` is told the process that leads its group. What it
    /// prints goes to `output`, whatever that answers.
    pub(super) fn run(
        &mut self,
        program: &[u8],
        begun: &mut dyn FnMut(u32),
        output: &mut Sink<'_>,
    ) -> Result<i32, EngineError> {
        // Until it has said that it goes on.
        self.is_usable = false;
        self.talk.send(program)?;
        self.process().into_iter().for_each(&mut *begun);
        let mut pass_on = |stream, bytes: &[u8]| output(stream, bytes).map(drop).map_err(EngineError::Output);
        let (mut stdout, mut stderr) = (Divider::new(&self.nonce), Divider::new(&self.nonce));
        while !stdout.is_over() || !stderr.is_over() {
            let Some((stream, bytes)) = self.talk.receive()? else {
                // It has ended with what it ran, or could not be started: then that is said in the place of its greeting.
                pass_on(Stream::Stdout, &stdout.take(self.greeting.held()))?;
                pass_on(Stream::Stdout, &stdout.finish())?;
                pass_on(Stream::Stderr, &stderr.finish())?;
                return self.talk.status();
            };
            let bytes = match stream {
                Stream::Stdout if self.process().is_none() => {
                    let bytes = stdout.take(&self.greeting.take(&bytes));
                    self.process().into_iter().for_each(&mut *begun);
                    bytes
                }
                Stream::Stdout => stdout.take(&bytes),
                Stream::Stderr => stderr.take(&bytes),
            };
            if !bytes.is_empty() {
                pass_on(stream, &bytes)?;
            }
        }
        let Some(fed) = stdout.fed() else { return self.talk.status() };
        self.is_usable = !fed.leaves_more;
        Ok(fed.status)
    }

    /// Has it run the last program, and gives what that one is to be talked to by.
    pub(crate) fn call(mut self, program: &[u8]) -> Result<Box<dyn Conversation + 'e>, EngineError> {
        while self.process().is_none()
            && let Some((stream, bytes)) = self.talk.receive()?
        {
            // What a shell complains of at its start is none of the command's.
            if stream == Stream::Stdout {
                let _ = self.greeting.take(&bytes);
            }
        }
        let program = self.program(Verb::Call, program);
        self.talk.send(&program)?;
        Ok(self.talk)
    }

    /// Ends it, and waits for its end.
    pub(crate) fn close(mut self) -> Result<(), EngineError> {
        if !self.first.is_empty() {
            self.eval("", &mut |_, _| Ok(ControlFlow::Continue(())))?;
        }
        self.talk.end_input();
        while self.talk.receive()?.is_some() {}
        Ok(())
    }
}

/// Who sets up.
pub(super) fn root() -> Option<String> {
    Some(ROOT.to_owned())
}

/// The shell, or a new one in the container.
pub(super) fn usable_or_new<'s, 'e>(
    slot: &'s Slot<'e>,
    site: &Site<'e>,
    container: &str,
) -> Result<RefMut<'s, FedShell<'e>>, EngineError> {
    if usable(slot).is_none() {
        slot.replace(Some(FedShell::start(site, container, root())?));
    }
    usable(slot).ok_or_else(|| EngineError::Lost { id: container.to_owned() })
}

/// The shell, if it can go on: what was left running might print between what comes next.
pub(super) fn usable<'s, 'e>(slot: &'s Slot<'e>) -> Option<RefMut<'s, FedShell<'e>>> {
    slot.borrow_mut().take_if(|shell| !shell.is_usable);
    RefMut::filter_map(slot.borrow_mut(), Option::as_mut).ok()
}

/// The shell for its last program, if it can go on.
pub(super) fn take_usable<'e>(slot: &Slot<'e>) -> Option<FedShell<'e>> {
    slot.take().filter(|shell| shell.is_usable)
}

/// Ends the shell, if there is one; what was left running is not waited for.
pub(super) fn close(slot: &Slot<'_>) -> Result<(), EngineError> {
    take_usable(slot).map_or(Ok(()), FedShell::close)
}
