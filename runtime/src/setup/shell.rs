//! The interpreter's `Dispatcher` in a container: each stretch is a program that a shell there is fed.

use std::{
    cell::RefCell,
    io,
    ops::ControlFlow,
    time::{Duration, Instant},
};

use compeval_interpreter::{
    Dispatcher, Request, Response,
    dispatch::{DispatchError, Kind},
    program::{Ended, Hooks, Output, Program, RecordHook},
    state::exports::StageExports,
};

use super::{
    error::{SetupError, doing},
    fed::{self, Slot},
    find,
    notice::Watcher,
    site::Site,
    snapshot::{self, Worth},
};
use crate::{
    computation::environment::Environment,
    engine::{Container, EngineError, Exec, Stream},
    interrupt::{self, Interrupt, Running},
    ledger::{DIRECTORY, FILE},
};

/// The shell of a container that is being set up.
pub(super) struct ContainerShell<'a, 'e, 'w> {
    pub(super) site: &'a Site<'e>,
    /// A shell that is fed what is run, for as long as it can go on.
    pub(super) shell: &'a Slot<'e>,
    /// The container, in whose place another one may come that is made from a snapshot of it.
    pub(super) container: &'a RefCell<Container>,
    /// When a snapshot is taken.
    pub(super) worth: Worth,
    /// How long what was done took that is in no snapshot.
    pub(super) work: Duration,
    /// How long a snapshot takes.
    pub(super) cost: Duration,
    /// Whether a stage has run.
    pub(super) has_run: bool,
    /// The computation's commit, for the records.
    pub(super) commit: &'a str,
    /// Who sees the output.
    pub(super) watcher: &'a RefCell<&'w mut dyn Watcher>,
    /// Who ends it, and is told what there is to end.
    pub(super) interrupt: &'a Interrupt,
    /// The stage that was stopped because it took too long.
    pub(super) overran: Option<Kind>,
    /// What stages changed of what is exported.
    pub(super) stage_exports: StageExports,
}

impl ContainerShell<'_, '_, '_> {
    /// Takes a snapshot before a chain begins, if that is worth it, and goes on in a container made from it: what is done
    /// next is a layer of its own then.
    fn put_aside(&mut self, kind: Kind) -> Result<(), SetupError> {
        let is_before_chain = matches!(kind, Kind::Stage(_)) || self.has_run && kind == Kind::Everytime;
        if !is_before_chain || self.work < self.worth.least.max(self.cost * self.worth.times) {
            return Ok(());
        }
        // What runs there is in no snapshot.
        fed::close(self.shell).map_err(doing("end a shell"))?;
        let begin = Instant::now();
        let former = self.container.borrow().clone();
        let Some(start) = snapshot::take(self.site, &former, self.watcher)? else {
            // Not again before as much has been done once more.
            self.work = Duration::ZERO;
            return Ok(());
        };
        (self.work, self.cost) = (Duration::ZERO, begin.elapsed());
        if let Some(container) = find::create(self.site, Some(&start), self.watcher, None)?
            && find::start(self.site, &container)?
        {
            self.container.replace(container);
            let task = doing(format!("remove container `{}`", former.name));
            self.site.engine.remove(&former.id).map_err(task)?;
        }
        Ok(())
    }
}

impl Dispatcher for ContainerShell<'_, '_, '_> {
    fn dispatch(&mut self, request: &Request<'_>) -> Result<Response, DispatchError> {
        let unsaved =
            |error: SetupError| DispatchError { doing: "cannot take a snapshot".to_owned(), source: error.into() };
        self.put_aside(request.kind).map_err(unsaved)?;
        let Environment { description, script_hash, .. } = self.site.environment;
        let (engine, container) = (self.site.engine, self.container.borrow().id.clone());
        let begin = Instant::now();
        let start = jiff::Timestamp::now().to_string();
        let started = [("commit", self.commit), ("script", script_hash), ("start", &start)];
        let record = Some(RecordHook { file: FILE, started: &started });
        let program = Program::of(request, &Hooks { scratch: DIRECTORY, record });
        let shell = &description.shell;
        let mut output = program.fed_output(shell);
        let failed = |error: EngineError| DispatchError {
            doing: format!("cannot run line {} of `{}` in the container", request.line(), request.place.source.name()),
            source: error.into(),
        };
        let limit = description.stage_timeout.filter(|_| matches!(request.kind, Kind::Stage(_)));
        let run = || self.run(request.kind, &program, &mut output);
        let (status, is_over) = self.interrupt.limited(engine, shell, limit, run);
        // What runs behind it, such as a trap's action, changes nothing of that.
        self.overran = self.overran.or(is_over.then_some(request.kind));
        self.ends(is_over);
        let status = status.map_err(failed)?;
        if !output.is_complete() && !request.cancel.is_cancelled() && !is_over {
            let rest = program.rest().to_string();
            let exec = Exec::new([shell, "-c", &rest]).as_root();
            let mut tell = |stream: Stream, bytes: &[u8]| -> io::Result<ControlFlow<()>> {
                if stream == Stream::Stdout {
                    let shown = output.stdout(bytes);
                    self.watcher.borrow_mut().output(stream, &shown);
                }
                Ok(ControlFlow::Continue(()))
            };
            engine.exec(&container, &exec, &mut tell).map_err(failed)?;
        }
        let Ended { stdout, stderr, response } = output.finish(request, status);
        let may_apply = request.kind != Kind::Everytime && !request.chains.is_empty();
        if may_apply {
            response.note_exports(request.state, &mut self.stage_exports);
        }
        self.watcher.borrow_mut().output(Stream::Stdout, &stdout);
        self.watcher.borrow_mut().output(Stream::Stderr, &stderr);
        if matches!(request.kind, Kind::Stage(_)) {
            self.work += begin.elapsed();
            self.has_run = true;
        }
        Ok(response)
    }
}

impl ContainerShell<'_, '_, '_> {
    /// Feeds a program to the shell; gives its exit status.
    fn run(&self, kind: Kind, program: &Program, output: &mut Output) -> Result<i32, EngineError> {
        let container = self.container.borrow().id.clone();
        let mut shell = fed::usable_or_new(self.shell, self.site, &container)?;
        let mut begun = |process| {
            let container = container.clone();
            self.interrupt.begins(Running { container, process, stretch: Some(kind), orders: None, terminal: None });
        };
        shell.run(&program.fed(), &mut begun, &mut |stream, bytes| {
            let shown = match stream {
                Stream::Stdout => output.stdout(bytes),
                Stream::Stderr => output.stderr(bytes),
            };
            self.watcher.borrow_mut().output(stream, &shown);
            Ok(ControlFlow::Continue(()))
        })
    }

    /// A program has ended; when it was made to, nothing that it has started may run on.
    fn ends(&self, was_stopped: bool) {
        if (was_stopped || self.interrupt.signal().is_some())
            && let Some(running) = self.interrupt.running()
        {
            // The next setup makes sure of it in its own way.
            let _ = interrupt::send(self.site.engine, &self.site.environment.description.shell, &running, "KILL");
            self.shell.take();
        }
        self.interrupt.ends();
    }
}
