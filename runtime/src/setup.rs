//! How a container comes to be what a computation's script says: chosen or made, started, set up. Read top down.

use std::{cell::RefCell, time::Duration};

use compeval_interpreter::{
    Settings,
    dispatch::Kind,
    execute::{End, Event, Observer, Outcome},
    program::exports,
    run,
    state::exports::StageExports,
};

use crate::{
    computation::{
        description::{Purity, Update},
        environment::Environment,
    },
    container::{
        identity::{Ancestor, MadeOf},
        in_use,
        lock::Lock,
        mounts::Mounts,
    },
    engine::{Container, ContainerState, Engine},
    interrupt::Interrupt,
    ledger::Records,
};

mod accept;
mod choose;
pub mod compare;
pub mod error;
pub(crate) mod fed;
pub(crate) mod find;
mod keep;
pub mod notice;
pub mod plan;
mod pull;
pub mod reason;
mod room;
mod session;
mod shell;
mod site;
pub mod snapshot;

pub use error::SetupError;

use self::{
    choose::{Candidate, Chosen, Refused},
    error::doing,
    fed::{FedShell, Slot},
    notice::{Notice, Watcher},
    plan::{Action, Fit, Plan, Recorded},
    reason::Reason,
    room::Room,
    session::{Said, Session, Waits},
    shell::ContainerShell,
    site::Site,
    snapshot::{Start, Worth},
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
    /// When a snapshot is taken.
    pub worth: Worth,
    /// Whether the last stage that failed is tried again in its own container, on what it left there.
    pub retry: bool,
    /// What becomes of stages that are not as they were when they were applied.
    pub on_edit: OnEdit,
    /// What becomes of a call that leaves something in its container.
    pub purity: Purity,
    /// What ends a setup before its time.
    pub interrupt: Interrupt,
}

/// What becomes of stages that are not as they were when they were applied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnEdit {
    /// They run in another container.
    #[default]
    Run,
    /// They are an error: nothing is run.
    Fail,
}

/// A container that is set up.
pub struct Ready<'e> {
    /// Its id.
    pub container: String,
    /// The user its commands run as: a name, a number, or nothing for root; `None` where that is not known.
    pub(crate) user: Option<String>,
    /// A shell in it that can run the command, too.
    pub(crate) shell: Option<FedShell<'e>>,
    /// Whether a stage was applied.
    pub(crate) changed: bool,
    /// Keeps others from setting it up: to be dropped once the call that this was done for can be seen to run there.
    pub lock: Lock,
}

impl<'e> Ready<'e> {
    /// Ends the shell that the command could be fed to.
    pub(crate) fn leave_shell(&mut self) -> Result<(), SetupError> {
        let task = || doing(format!("end a shell in container `{}`", self.container));
        self.shell.take().map_or(Ok(()), FedShell::close).map_err(task())
    }
}

/// How a setup in one container ended.
enum AttemptEnd<'e> {
    /// Well.
    Ready {
        /// A shell in the container that can go on.
        shell: Option<FedShell<'e>>,
        /// Whether a stage was applied.
        changed: bool,
    },
    /// Another container has to be used, for this reason.
    Unusable(Reason),
}

/// How a walk through the script ended.
struct WalkEnd {
    outcome: Outcome,
    /// The time that a stage had which took longer.
    overran: Option<Duration>,
    /// What the script exports outside of stages, as commands.
    exports: Vec<u8>,
}

/// What was done while a computation moved.
pub(crate) const SET_UP: &str = "it was set up";

/// The status of a stage that was stopped: 128 and the number of TERM.
const STOPPED: i32 = 128 + 15;

/// How often another container is chosen before it is given up: some may be removed by others meanwhile.
const ATTEMPTS: u32 = 32;

/// How many containers that were just made may end or go away before it is given up.
const MOST_LOST: u32 = 2;

impl<'a> Setup<'a> {
    /// One that waits for others as long as it takes, and asks for nothing special.
    pub fn new(engine: &'a dyn Engine, environment: &'a Environment, mounts: &'a Mounts) -> Setup<'a> {
        Setup {
            engine,
            environment,
            mounts,
            lock_timeout: None,
            worth: Worth::default(),
            retry: false,
            on_edit: OnEdit::default(),
            purity: Purity::Off,
            interrupt: Interrupt::default(),
        }
    }
}

impl Setup<'_> {
    /// Brings a container of the computation up to date, and keeps others from doing so meanwhile.
    ///
    /// # Errors
    /// When a chain fails, a signal comes, or the engine or the lock does not do its part.
    pub fn set_up(&self, watcher: &mut dyn Watcher) -> Result<Ready<'_>, SetupError> {
        let site = self.fresh_site(watcher)?;
        let mut ready = self.set_up_at(&site, watcher)?;
        self.check_unmoved(SET_UP)?;
        ready.leave_shell()?;
        Ok(ready)
    }

    /// The same; whether the computation has moved meanwhile is for the caller to see.
    pub(crate) fn set_up_at<'e>(&self, site: &Site<'e>, watcher: &mut dyn Watcher) -> Result<Ready<'e>, SetupError> {
        let ready = self.set_up_undisturbed(site, watcher);
        // Whatever else came of it.
        match self.interrupt.signal() {
            Some(signal) => Err(SetupError::Interrupted { signal, stopped: self.interrupt.stopped() }),
            None => ready,
        }
    }

    /// Makes sure that the computation is still what it was when it was read.
    pub(crate) fn check_unmoved(&self, doing: &'static str) -> Result<(), SetupError> {
        let computation = &self.environment.computation;
        match computation.moved()? {
            Some(moved) => Err(SetupError::Moved { computation: computation.name.clone(), doing, moved }),
            None => Ok(()),
        }
    }

    fn set_up_undisturbed<'e>(&self, site: &Site<'e>, watcher: &mut dyn Watcher) -> Result<Ready<'e>, SetupError> {
        let watcher = RefCell::new(watcher);
        let lock = self.lock(&watcher)?;
        let mut refused = Refused::default();
        let (mut lost, mut retries) = (0, self.environment.description.retries);
        for _ in 0..ATTEMPTS {
            let Some((container, is_new)) = self.running_container(site, &mut refused, &watcher)? else { continue };
            let container = RefCell::new(container);
            let end = self.set_up_in(site, &container, &mut refused, &watcher);
            let container = container.into_inner();
            match end {
                Ok(AttemptEnd::Ready { shell, changed }) => {
                    let user = site.spec.user.clone().or(site.image_user());
                    return Ok(Ready { container: container.id, user, shell, changed, lock });
                }
                Ok(AttemptEnd::Unusable(reason)) => {
                    refused.add(&container, reason);
                    if is_new {
                        refused.add_snapshot(Ancestor::of(&container.labels).snapshot);
                    }
                }
                Err(error) if find::is_gone(site, &container, &error) => {
                    if is_new {
                        // Nothing was done in it yet: there is nothing to look at.
                        site.engine.remove(&container.id).map_err(doing(format!("remove `{}`", container.name)))?;
                        lost += 1;
                    }
                    if lost > MOST_LOST {
                        break;
                    }
                    refused.add(&container, Reason::Gone);
                }
                Err(error) => {
                    let is_stage = error.is_of_stage();
                    if is_stage {
                        keep::keep_failed(site, &container, &watcher)?;
                    }
                    if !is_stage || retries == 0 || self.interrupt.signal().is_some() {
                        return Err(error);
                    }
                    watcher.borrow_mut().notice(Notice::Retrying { left: retries });
                    retries -= 1;
                    refused.add(&container, Reason::Failed);
                }
            }
        }
        Err(find::unstable(self.environment))
    }

    /// Keeps others from setting the computation up.
    fn lock(&self, watcher: &RefCell<&mut dyn Watcher>) -> Result<Lock, SetupError> {
        let waiting = || watcher.borrow_mut().notice(Notice::WaitingForSetup);
        // Everybody who sets this computation up has its directory in common, whatever their home is.
        let gives_up = || self.interrupt.signal().is_some();
        Ok(Lock::acquire(&self.environment.computation.directory, self.lock_timeout, waiting, gives_up)?)
    }

    /// Keeps other setups from the caches that are not shared, in the order of their names: no two wait for each other.
    fn lock_caches(&self, watcher: &RefCell<&mut dyn Watcher>) -> Result<Vec<Lock>, SetupError> {
        let own = self.environment.description.caches.iter().filter(|mount| !mount.is_shared);
        let lock = |name: &str| {
            let waiting = || watcher.borrow_mut().notice(Notice::WaitingForCache { name });
            Lock::of_cache(name, self.lock_timeout, waiting, || self.interrupt.signal().is_some())
        };
        own.map(|mount| Ok(lock(&mount.cache.name)?)).collect()
    }

    /// The container to go on in, running, and whether it was just made; `None` when others were faster, or removed it.
    fn running_container(
        &self,
        site: &Site<'_>,
        refused: &mut Refused,
        watcher: &RefCell<&mut dyn Watcher>,
    ) -> Result<Option<(Container, bool)>, SetupError> {
        let (container, is_new) = match choose::choose(site, refused)? {
            Chosen::Existing(container) => (container, false),
            Chosen::New => {
                let edit = refused.because().filter(|reason| reason.is_edit());
                if let (OnEdit::Fail, Some(reason)) = (self.on_edit, edit) {
                    return Err(SetupError::Edited { reason: reason.clone() });
                }
                self.have_image(site, watcher)?;
                let start = snapshot::nearest(site, refused)?;
                match find::create(site, start.as_ref(), watcher, refused.because())? {
                    Some(container) => (container, true),
                    None => return Ok(None),
                }
            }
        };
        match find::start(site, &container) {
            Ok(is_there) => Ok(is_there.then_some((container, is_new))),
            Err(error) => {
                if is_new {
                    // It will never run: what keeps it from that is told by the error.
                    let _ = site.engine.remove(&container.id);
                }
                Err(error)
            }
        }
    }

    /// Brings a running container up to date, if that is possible.
    fn set_up_in<'e>(
        &self,
        site: &Site<'e>,
        current: &RefCell<Container>,
        refused: &mut Refused,
        watcher: &RefCell<&mut dyn Watcher>,
    ) -> Result<AttemptEnd<'e>, SetupError> {
        let (environment, container) = (self.environment, &current.borrow().clone());
        let task = doing(format!("start a shell in container `{}`", container.name));
        let shell = &RefCell::new(Some(FedShell::start(site, &container.id, fed::root()).map_err(task)?));
        let session = Session { site, container, shell: Some(shell) };
        let waits = Waits { watcher, interrupt: &self.interrupt, timeout: self.lock_timeout };
        let Some(Said { ledger, ready, is_alone }) = session.settled(&waits)? else {
            return Ok(AttemptEnd::Unusable(Reason::LedgerDamaged));
        };
        let base = site.made_like(container).base;
        let fit = plan::fit(environment, self.mounts, &base, &ledger);
        let pending = match self.usable(site, container, &ledger, fit.pending, refused)? {
            Ok(pending) => pending,
            Err(reason) => return Ok(AttemptEnd::Unusable(reason)),
        };
        let settled = plan::settled(environment, self.mounts, base.clone());
        let left = plan::left_then(settled.as_ref(), environment, &base);
        let runs_any = pending > 0 || fit.steps.iter().any(|step| !matches!(step.kind, Kind::Stage(_)));
        let is_settled = left.as_ref() == Some(&ready);
        let room = match runs_any && !is_alone {
            true => self.make_room(&session, self.patience(site, &ledger, pending, refused)?, is_settled, watcher)?,
            false => Room::Free,
        };
        match room {
            Room::Free => {}
            Room::Join => {
                session.set_ready(&ready)?;
                keep::remember(&environment.computation, container, false, watcher);
                return Ok(AttemptEnd::Ready { shell: shell.take(), changed: false });
            }
            Room::Taken(calls) => {
                session.set_ready(&ready)?;
                fed::close(shell).map_err(doing(format!("end a shell in container `{}`", container.name)))?;
                return Ok(AttemptEnd::Unusable(Reason::InUse(calls)));
            }
        }
        let _caches = if pending > 0 { self.lock_caches(watcher)? } else { Vec::new() };
        let WalkEnd { outcome, overran, exports } = self.walk(site, shell, current, base, &ledger, watcher)?;
        let changed = outcome.applied > ledger.applied();
        // Only a walk that came to the end, over the stages as they stand in the script, needs no repeating.
        let is_as_told = settled.is_none_or(|settled| settled.fingerprint == outcome.fingerprint);
        let reached = outcome.end == End::Finished && is_as_told;
        if let Some(reason) = self.judge(outcome, overran, &ledger)? {
            return Ok(AttemptEnd::Unusable(reason));
        }
        let was_as_left = !ready.is_empty() && container.state == ContainerState::Running;
        let container = &current.borrow();
        // Before the container is ready: where this is cut off as well, the next setup will do it.
        if changed || !was_as_left {
            keep::tidy(site, container, watcher)?;
        }
        Session { site, container, shell: Some(shell) }.leave(shell, &exports, left.filter(|_| reached))?;
        keep::remember(&environment.computation, container, changed, watcher);
        Ok(AttemptEnd::Ready { shell: fed::take_usable(shell), changed })
    }

    /// How many stages are to be applied in a container that was looked into, or why another one is to be used.
    fn usable(
        &self,
        site: &Site<'_>,
        container: &Container,
        ledger: &Records,
        pending: Result<usize, Reason>,
        refused: &mut Refused,
    ) -> Result<Result<usize, Reason>, SetupError> {
        let pending = match choose::debris(site, ledger, true).map_or(pending, Err) {
            Ok(pending) => pending,
            Err(reason) => return Ok(Err(reason)),
        };
        Ok(self.rather(site, container, ledger, pending, refused)?.map_or(Ok(pending), Err))
    }

    /// Why another container is rather used than this one, in which so many stages are to be applied.
    fn rather(
        &self,
        site: &Site<'_>,
        container: &Container,
        ledger: &Records,
        pending: usize,
        refused: &mut Refused,
    ) -> Result<Option<Reason>, SetupError> {
        let appends = pending > 0 && ledger.applied() > 0 && !self.retry;
        Ok(match self.environment.description.update {
            Update::Build if appends => Some(Reason::StagesMissing),
            Update::Nearest | Update::InPlace if appends && choose::finished(site, container, refused)?.is_some() => {
                Some(Reason::OtherFits)
            }
            _ => None,
        })
    }

    /// Walks the script in a container.
    fn walk<'e>(
        &self,
        site: &Site<'e>,
        shell: &Slot<'e>,
        current: &RefCell<Container>,
        base: String,
        ledger: &Records,
        watcher: &RefCell<&mut dyn Watcher>,
    ) -> Result<WalkEnd, SetupError> {
        let environment = self.environment;
        let mut recorded = Recorded { environment, base, ledger };
        let commit = environment.computation.key();
        let former = Ancestor::of(&current.borrow().labels).chain;
        let mut dispatcher = ContainerShell {
            site,
            shell,
            container: current,
            worth: self.worth,
            work: ledger.work_since(&former),
            cost: snapshot::USUAL_COST,
            has_run: false,
            commit: &commit,
            watcher,
            interrupt: &self.interrupt,
            overran: None,
            stage_exports: StageExports::default(),
        };
        let settings = Settings { cancel: self.interrupt.cancel(), ..plan::settings(self.mounts) };
        let outcome = run(&environment.script, &settings, &mut recorded, &mut dispatcher, &mut Narrator(watcher));
        if let Some(signal) = self.interrupt.signal() {
            let stopped = self.interrupt.stopped();
            let container = &current.borrow();
            Session { site, container, shell: None }.stage_has_failed(stopped, 128 + signal.number)?;
            return Err(SetupError::Interrupted { signal, stopped });
        }
        let ContainerShell { overran, stage_exports, .. } = dispatcher;
        if overran.is_some() {
            let container = &current.borrow();
            Session { site, container, shell: None }.stage_has_failed(overran, STOPPED)?;
        }
        let overran = overran.and(environment.description.stage_timeout);
        let outcome = outcome?;
        let exports = exports(&stage_exports.without(&outcome.state));
        Ok(WalkEnd { outcome, overran, exports })
    }

    /// What a walk's end means; the reason when this container cannot be brought up to date.
    fn judge(
        &self,
        outcome: Outcome,
        overran: Option<Duration>,
        ledger: &Records,
    ) -> Result<Option<Reason>, SetupError> {
        let computation = self.environment.computation.name.clone();
        let cause = outcome.cause.map(Box::new);
        match outcome.end {
            // A stage that the plan was not sure of may have been the last one.
            End::Finished => Ok(plan::removed(self.environment, ledger, outcome.hits)),
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
                overran,
                failed: outcome.failed.map(Box::new),
                cause,
            }),
        }
    }

    /// What a call would do, with nothing touched: no container is created, started or entered.
    ///
    /// # Errors
    /// When the engine cannot be asked, the image is not there, or a newer program wrote a ledger.
    pub fn plan(&self) -> Result<Plan, SetupError> {
        let site = self.site()?;
        let mut refused = Refused::default();
        let chosen = self.chosen(&site, &mut refused)?;
        let because = refused.because().cloned();
        if let (OnEdit::Fail, None, Some(reason)) =
            (self.on_edit, &chosen, because.as_ref().filter(|reason| reason.is_edit()))
        {
            return Err(SetupError::Edited { reason: reason.clone() });
        }
        // The last container is what a person has in mind, whether it is used or not.
        let last = match refused.first() {
            Some(container) => choose::read(&site, container)?.unwrap_or_default(),
            None => Records::default(),
        };
        let Some(Candidate { container, ledger, fit, pending }) = chosen else {
            let made = site.made()?;
            let Fit { mut steps, hits_depend_on, .. } =
                plan::fit(self.environment, self.mounts, &made.base, &Records::default());
            let action = match snapshot::nearest(&site, &refused)? {
                Some(Start { stages, commit, .. }) => {
                    plan::apply_first(&mut steps, stages);
                    Action::Fork { stages, commit }
                }
                None => Action::Build,
            };
            let removed = plan::compare(&mut steps, &last);
            let image_id = made.image_id;
            let plan = Plan { action, because, steps, removed, unfinished: None, calls: 0, image_id, hits_depend_on };
            return Ok(plan.without_doubtful_removals());
        };
        let unfinished = ledger.unfinished().map(|record| record.stage);
        let calls = match container.state {
            ContainerState::Running => in_use::calls(site.engine, &container.id, None),
            _ => Ok(0),
        };
        let calls = calls.map_err(doing(format!("see what runs in container `{}`", container.name)))?;
        let image_id = MadeOf::of(&container).image_id;
        let action = if pending == 0 { Action::Use(container) } else { Action::Append(container) };
        let Fit { mut steps, hits_depend_on, .. } = fit;
        // One from which a stage is gone would not be used.
        plan::compare(&mut steps, &ledger);
        plan::tell_failed(&mut steps, &last);
        Ok(Plan { action, because, steps, removed: Vec::new(), unfinished, calls, image_id, hits_depend_on })
    }

    /// The environment variables that a container is made with, besides those of its image; the image's own variables stand in
    /// their values.
    ///
    /// # Errors
    /// When the engine cannot be asked.
    pub fn container_environment(&self) -> Result<Vec<(String, String)>, SetupError> {
        Ok(self.site()?.filled_spec().env)
    }

    /// The container that a call would use; `None` for a new one.
    fn chosen(&self, site: &Site<'_>, refused: &mut Refused) -> Result<Option<Candidate>, SetupError> {
        for _ in 0..ATTEMPTS {
            let containers = choose::usable(site, refused)?;
            let Some(candidate) = choose::best(site, containers, refused)? else { return Ok(None) };
            let Candidate { container, ledger, pending, .. } = &candidate;
            match self.rather(site, container, ledger, *pending, refused)? {
                None => return Ok(Some(candidate)),
                Some(reason) => refused.add(container, reason),
            }
        }
        Ok(None)
    }

    /// A running container that a finished setup may have left, for a script that runs nothing on every call, with what it
    /// left then.
    pub(crate) fn probably_ready(&self, site: &Site<'_>) -> Result<Option<(Container, String)>, SetupError> {
        // Most often the base of the image that is there is the container's, too.
        let ready = |base: &str| Some(plan::settled(self.environment, self.mounts, base.to_owned())?.ready);
        let base = site.made().map(|made| made.base).unwrap_or_default();
        let Some(likely) = ready(&base) else { return Ok(None) };
        let usable = choose::usable(site, &mut Refused::default())?;
        let Some(container) = usable.into_iter().find(|container| container.state == ContainerState::Running) else {
            return Ok(None);
        };
        let own = site.made_like(&container).base;
        let ready = if own == base { Some(likely) } else { ready(&own) };
        Ok(ready.map(|ready| (container, ready)))
    }

    /// Keeps in mind that a container was found ready.
    pub(crate) fn remember(&self, container: &Container, watcher: &mut dyn Watcher) {
        keep::remember(&self.environment.computation, container, false, &RefCell::new(watcher));
    }

    pub(crate) fn site(&self) -> Result<Site<'_>, SetupError> {
        Site::new(self.engine, self.environment, self.mounts, self.retry)
    }
}

/// Passes what the interpreter tells on to a watcher.
struct Narrator<'w, 'c>(&'c RefCell<&'w mut dyn Watcher>);

impl Observer for Narrator<'_, '_> {
    fn event(&mut self, event: Event<'_>) {
        self.0.borrow_mut().notice(Notice::Setup(event));
    }
}
