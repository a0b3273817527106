//! How a computation's container comes to be as its commit says: found or created, started, set up. Read top down.

use std::{cell::RefCell, time::Duration};

use compeval_interpreter::{
    Settings,
    execute::{End, Event, Observer, Outcome},
    run,
};

use crate::{
    computation::environment::Environment,
    container::{lock::Lock, mounts::Mounts},
    engine::{Container, ContainerState, Engine, EngineError},
    interrupt::Interrupt,
    ledger::{FILE, Records},
};

pub mod error;
mod find;
mod keep;
pub mod notice;
pub mod plan;
pub mod reason;
mod session;
mod shell;
mod site;

pub use error::SetupError;

use self::{
    error::doing,
    notice::{Notice, Watcher},
    plan::{Plan, Recorded},
    reason::Reason,
    session::{Session, Waits},
    shell::ContainerShell,
    site::Site,
};

/// A computation and the engine its container lives on.
pub struct Setup<'a> {
    /// The engine.
    pub engine: &'a dyn Engine,
    /// The computation.
    pub environment: &'a Environment,
    /// What its container sees of this machine.
    pub mounts: &'a Mounts,
    /// How long to wait for another process that sets up the same computation; `None` for as long as it takes.
    pub lock_timeout: Option<Duration>,
    /// What ends a setup before its time.
    pub interrupt: Interrupt,
}

/// A container that is set up, and what makes that sure for later calls.
#[derive(Clone, Debug)]
pub struct Ready {
    /// Its id.
    pub container: String,
    /// The fingerprint that later calls look for; `None` when something runs on every call.
    pub fingerprint: Option<String>,
}

/// How a setup in one container ended.
enum AttemptEnd {
    /// Well; with what later calls look for.
    Ready(Option<String>),
    /// The container has to be replaced, for this reason.
    Unusable(Reason),
}

impl Setup<'_> {
    /// Brings the computation's container up to date, and keeps others from doing so meanwhile.
    ///
    /// # Errors
    /// When a chain fails, a signal comes, or the engine or the lock does not do its part.
    pub fn set_up(&self, watcher: &mut dyn Watcher) -> Result<Ready, SetupError> {
        let ready = self.set_up_undisturbed(watcher);
        // Whatever else came of it.
        match self.interrupt.signal() {
            Some(signal) => Err(SetupError::Interrupted { signal, stopped: self.interrupt.stopped() }),
            None => ready,
        }
    }

    fn set_up_undisturbed(&self, watcher: &mut dyn Watcher) -> Result<Ready, SetupError> {
        let site = self.site()?;
        let watcher = RefCell::new(watcher);
        let waiting = || watcher.borrow_mut().notice(Notice::WaitingForSetup);
        // Everybody who sets this computation up has its directory in common, whatever their home is.
        let gives_up = || self.interrupt.signal().is_some();
        let _setup = Lock::acquire(&self.environment.computation.directory, self.lock_timeout, waiting, gives_up)?;
        let mut because = None;
        // A container may have to be replaced once, and be removed by somebody else in between.
        for _ in 0..4 {
            let container = find::running_container(&site, &watcher, because.as_ref())?;
            match self.set_up_in(&site, &container, &watcher) {
                Ok(AttemptEnd::Ready(fingerprint)) => return Ok(Ready { container: container.id, fingerprint }),
                Ok(AttemptEnd::Unusable(reason)) => {
                    keep::remove(&site, &container)?;
                    because = Some(reason);
                }
                Err(error) if find::is_gone(&site, &container, &error) => {
                    because = Some(Reason::Gone);
                }
                Err(error) => return Err(error),
            }
        }
        Err(find::unstable(self.environment))
    }

    /// Walks the script in a running container.
    fn set_up_in(
        &self,
        site: &Site<'_>,
        container: &Container,
        watcher: &RefCell<&mut dyn Watcher>,
    ) -> Result<AttemptEnd, SetupError> {
        let session = Session { site, container };
        let waits = Waits { watcher, interrupt: &self.interrupt, timeout: self.lock_timeout };
        let Some(ledger) = session.settled_ledger(&waits)? else {
            return Ok(AttemptEnd::Unusable(Reason::LedgerDamaged));
        };
        let unfinished = || ledger.unfinished().map(|record| Reason::StageUnfinished(record.stage));
        if let Some(reason) = failed(&ledger).or_else(unfinished) {
            return Ok(AttemptEnd::Unusable(reason));
        }
        let environment = self.environment;
        let base = site.base(&container.image_id);
        let mut recorded = Recorded { environment, base: base.clone(), ledger: &ledger };
        let commit = environment.computation.key();
        let mut shell = ContainerShell {
            engine: self.engine,
            container: &container.id,
            shell: &environment.description.shell,
            commit: &commit,
            watcher,
            interrupt: &self.interrupt,
        };
        let settings = Settings { cancel: self.interrupt.cancel(), ..plan::settings(self.mounts) };
        let outcome = run(&environment.script, &settings, &mut recorded, &mut shell, &mut Narrator(watcher));
        if let Some(signal) = self.interrupt.signal() {
            let stopped = self.interrupt.stopped();
            session.stage_has_failed(stopped, 128 + signal.number)?;
            return Err(SetupError::Interrupted { signal, stopped });
        }
        let outcome = outcome?;
        // Only a walk that came to the end, over the stages as they stand in the script, needs no repeating.
        let reached = (outcome.end == End::Finished).then(|| outcome.fingerprint.clone());
        if let Some(reason) = self.judge(outcome, &ledger)? {
            return Ok(AttemptEnd::Unusable(reason));
        }
        let fingerprint =
            plan::ready_fingerprint(environment, self.mounts, base).filter(|ready| Some(ready) == reached.as_ref());
        if let Some(fingerprint) = &fingerprint {
            session.set_ready(fingerprint)?;
        }
        Ok(AttemptEnd::Ready(fingerprint))
    }

    /// What a walk's end means; the reason when this container cannot be brought up to date.
    fn judge(&self, outcome: Outcome, ledger: &Records) -> Result<Option<Reason>, SetupError> {
        let computation = self.environment.computation.name.clone();
        let cause = outcome.cause.map(Box::new);
        match outcome.end {
            End::Finished => Ok(None),
            End::Exited if outcome.status == 0 => Ok(None),
            End::Exited => Err(SetupError::SetupExited { computation, status: outcome.status, cause }),
            End::Lost { .. } | End::Cancelled => {
                Err(SetupError::SetupExited { computation, status: outcome.status.max(1), cause })
            }
            End::Diverged { number, chain } => Ok(Some(plan::edited(ledger, number, &chain))),
            End::ChainFailed { number, chain, lost } => Err(SetupError::ChainFailed {
                computation,
                number,
                chain: Box::new(chain),
                status: outcome.status,
                lost,
                cause,
            }),
        }
    }

    /// What a call would do, with nothing touched: no container is created, started or entered.
    ///
    /// # Errors
    /// When the engine cannot be asked, the image is not there, or a newer program wrote the ledger.
    pub fn plan(&self) -> Result<(Option<Container>, Plan), SetupError> {
        let site = self.site()?;
        let plan = |image: &str, ledger| plan::plan(self.environment, self.mounts, &site.base(image), ledger);
        let Some(container) = find::find(&site)? else {
            return Ok((None, plan(&find::image_id(&site)?, &Records::default())));
        };
        let ledger = match self.engine.read_file(&container.id, FILE) {
            Err(EngineError::FileTooLong { .. }) => None,
            text => {
                let text = text.map_err(doing("read the container's ledger"))?;
                session::parse_ledger(&container, &text.unwrap_or_default())?
            }
        };
        // What is debris will not be used. A stage without an end may still run: then its end is waited for.
        let debris = ledger.as_ref().map_or(Some(Reason::LedgerDamaged), failed);
        let unfinished = ledger.as_ref().and_then(Records::unfinished).map(|record| record.stage);
        let ledger = ledger.filter(|_| debris.is_none()).unwrap_or_default();
        let plan = plan(&container.image_id, &ledger);
        Ok((Some(container), Plan { replaced: debris.or(plan.replaced), unfinished, ..plan }))
    }

    /// A running container that a finished setup may have left, for a script that runs nothing on every call.
    pub(crate) fn probably_ready(&self) -> Result<Option<Ready>, SetupError> {
        let site = self.site()?;
        let Some(container) = find::find(&site)?.filter(|found| found.state == ContainerState::Running) else {
            return Ok(None);
        };
        let base = site.base(&container.image_id);
        let fingerprint = plan::ready_fingerprint(self.environment, self.mounts, base);
        Ok(fingerprint.map(|fingerprint| Ready { container: container.id, fingerprint: Some(fingerprint) }))
    }

    fn site(&self) -> Result<Site<'_>, SetupError> {
        Site::new(self.engine, self.environment, self.mounts)
    }
}

/// Whether a stage failed in the container with this ledger, as a reason not to use that.
fn failed(ledger: &Records) -> Option<Reason> {
    ledger.failed().map(|record| Reason::StageFailed(record.stage))
}

/// Passes what the interpreter tells on to a watcher.
struct Narrator<'w, 'c>(&'c RefCell<&'w mut dyn Watcher>);

impl Observer for Narrator<'_, '_> {
    fn event(&mut self, event: Event<'_>) {
        self.0.borrow_mut().notice(Notice::Setup(event));
    }
}
