//! The interpreter's `Dispatcher` in a container: each stretch is one exec of the container's shell.

use std::{cell::RefCell, io, ops::ControlFlow};

use compeval_interpreter::{
    Dispatcher, Request, Response,
    dispatch::{DispatchError, Kind},
    program::{Ended, Hooks, Program, RecordHook},
};

use super::notice::Watcher;
use crate::{
    engine::{Engine, EngineError, Exec, Stdin, Stream},
    interrupt::{self, Interrupt, Running},
    ledger::{DIRECTORY, FILE},
};

/// The shell of a container that is being set up.
pub(super) struct ContainerShell<'a, 'w> {
    /// The engine it runs on.
    pub(super) engine: &'a dyn Engine,
    /// The container's id.
    pub(super) container: &'a str,
    /// The shell's program.
    pub(super) shell: &'a str,
    /// The computation's commit, for the records.
    pub(super) commit: &'a str,
    /// Who sees the output.
    pub(super) watcher: &'a RefCell<&'w mut dyn Watcher>,
    /// Who ends it, and is told what there is to end.
    pub(super) interrupt: &'a Interrupt,
}

impl Dispatcher for ContainerShell<'_, '_> {
    fn dispatch(&mut self, request: &Request<'_>) -> Result<Response, DispatchError> {
        let start = jiff::Timestamp::now().to_string();
        let started = [("commit", self.commit), ("start", &start)];
        let record = Some(RecordHook { file: FILE, started: &started });
        let program = Program::of(request, &Hooks { scratch: DIRECTORY, record });
        let mut output = program.fed_output(self.shell);
        let argv = [self.shell.to_owned()].into_iter().chain(program.arguments(self.shell));
        let exec = Exec { user: Some("0".to_owned()), stdin: Stdin::Bytes(program.input()), ..Exec::new(argv) };
        let mut process = None;
        let mut show = |stream: Stream, bytes: &[u8]| -> io::Result<ControlFlow<()>> {
            let shown = match stream {
                Stream::Stdout => output.stdout(bytes),
                Stream::Stderr => output.stderr(bytes),
            };
            self.watcher.borrow_mut().output(stream, &shown);
            if process.is_none() {
                process = output.process();
                self.begins(process, request.kind);
            }
            // What the script leaves running may keep the output open for as long as it likes.
            Ok(if output.is_at_end() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        };
        let failed = |error: EngineError| DispatchError {
            doing: format!("cannot run line {} of `{}` in the container", request.line(), request.place.source.name()),
            source: error.into(),
        };
        let status = self.engine.exec(self.container, &exec, &mut show);
        self.ends();
        let status = status.map_err(failed)?;
        if !output.is_complete() && !request.cancel.is_cancelled() {
            let rest = program.rest().to_string();
            let exec = Exec { user: Some("0".to_owned()), ..Exec::new([self.shell, "-c", &rest]) };
            let mut tell = |stream: Stream, bytes: &[u8]| -> io::Result<ControlFlow<()>> {
                if stream == Stream::Stdout {
                    let shown = output.stdout(bytes);
                    self.watcher.borrow_mut().output(stream, &shown);
                }
                Ok(ControlFlow::Continue(()))
            };
            self.engine.exec(self.container, &exec, &mut tell).map_err(failed)?;
        }
        let Ended { stdout, stderr, response } = output.finish(request, status);
        self.watcher.borrow_mut().output(Stream::Stdout, &stdout);
        self.watcher.borrow_mut().output(Stream::Stderr, &stderr);
        Ok(response)
    }
}

impl ContainerShell<'_, '_> {
    fn begins(&self, process: Option<u32>, stretch: Kind) {
        let Some(process) = process else { return };
        self.interrupt.begins(Running { container: self.container.to_owned(), process, stretch: Some(stretch) });
    }

    /// The shell has ended; when it was made to, nothing that it has started may run on.
    fn ends(&self) {
        if self.interrupt.signal().is_some()
            && let Some(running) = self.interrupt.running()
        {
            // The next setup makes sure of it in its own way.
            let _ = interrupt::send(self.engine, self.shell, &running, "KILL");
        }
        self.interrupt.ends();
    }
}
