//! A command that is talked to while it runs.

use std::{
    io::{self, Write},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::{Duration, Instant},
};

use rustix::process::Pid;

use super::{AFTERLIFE, Held, Memory, TICK, exit_code, pieces};
use crate::engine::{
    error::EngineError,
    exec::{Conversation, Exec, Orders, Resize, Stream},
};

/// More pieces than a test's command writes while it is sent something.
const AHEAD: usize = 1000;
/// How long a command may take to end once its input has.
const PATIENCE: Duration = Duration::from_millis(500);

/// A command that runs.
pub(super) struct ChildTalk<'m> {
    memory: &'m Memory,
    held: Held,
    child: Child,
    input: Arc<Mutex<Option<ChildStdin>>>,
    output: Receiver<(Stream, Vec<u8>)>,
    ended: Option<Instant>,
}

impl<'m> ChildTalk<'m> {
    pub(super) fn start(memory: &'m Memory, held: Held, exec: &Exec) -> Result<ChildTalk<'m>, EngineError> {
        let spawn = |mut command: Command| command.stdin(Stdio::piped()).spawn();
        let mut child = held.command(exec).and_then(spawn).map_err(EngineError::Client)?;
        memory.note(&held.container.id, Pid::from_child(&child), &exec.argv, true);
        let (input, output) = (Arc::new(Mutex::new(child.stdin.take())), pieces(&mut child, AHEAD));
        Ok(ChildTalk { memory, held, child, input, output, ended: None })
    }
}

impl Conversation for ChildTalk<'_> {
    fn send(&mut self, bytes: &[u8]) -> Result<(), EngineError> {
        write(&self.input, &self.held.bytes_on_this_machine(bytes));
        Ok(())
    }

    fn receive(&mut self) -> Result<Option<(Stream, Vec<u8>)>, EngineError> {
        loop {
            match self.output.recv_timeout(TICK) {
                Ok(piece) => return Ok(Some(piece)),
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
                Err(RecvTimeoutError::Timeout) => {
                    if self.ended.is_some_and(|since| since.elapsed() > AFTERLIFE) {
                        return Ok(None);
                    }
                    if self.child.try_wait().map_err(EngineError::Client)?.is_some() {
                        self.ended.get_or_insert_with(Instant::now);
                    }
                }
            }
        }
    }

    fn pass_input(&mut self) -> Result<(), EngineError> {
        let input = locked(&self.input).take();
        std::thread::spawn(move || input.map(|mut input| io::copy(&mut io::stdin(), &mut input)));
        Ok(())
    }

    fn end_input(&mut self) {
        locked(&self.input).take();
    }

    fn orders(&mut self) -> Orders {
        let input = Arc::clone(&self.input);
        Orders::new(move |bytes| write(&input, bytes))
    }

    fn resize(&self) -> Resize {
        Resize::new(|_| ())
    }

    fn status(&mut self) -> Result<i32, EngineError> {
        self.child.wait().map(exit_code).map_err(EngineError::Client)
    }
}

impl Drop for ChildTalk<'_> {
    fn drop(&mut self) {
        self.end_input();
        let since = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) && since.elapsed() < PATIENCE {
            std::thread::sleep(TICK);
        }
        self.memory.note(&self.held.container.id, Pid::from_child(&self.child), &[], false);
    }
}

fn locked(input: &Mutex<Option<ChildStdin>>) -> MutexGuard<'_, Option<ChildStdin>> {
    input.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A command may end, or close its input, without having read it all.
fn write(input: &Mutex<Option<ChildStdin>>, bytes: &[u8]) {
    if let Some(input) = &mut *locked(input) {
        let _ = input.write_all(bytes);
    }
}
