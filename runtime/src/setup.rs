//! The life of a computation's container: found or created, started, set up, called, removed. Read top down.

use std::{cell::RefCell, collections::BTreeMap, io, path::PathBuf, time::Duration};

use compeval_interpreter::{
    execute::{End, Event, Observer, Outcome},
    run,
    syntax::print,
};
use sha2::{Digest, Sha256};

use crate::{
    call::{self, Called, Command, Expect, Running},
    computation::environment::Environment,
    container::{
        lock::{Lock, LockError},
        mapping::{self, Mapping},
    },
    engine::{Container, ContainerSpec, ContainerState, Engine, EngineError, Exec, Stream},
    ledger::{DIRECTORY, FILE, Ledger, LedgerError, READY, format as ledger_format},
    text::hex,
};

pub mod error;
pub mod notice;
pub mod plan;
mod shell;

pub use error::LifecycleError;

use self::{
    error::doing,
    notice::{Notice, Watcher},
    plan::{Plan, Recorded},
    shell::ContainerShell,
};

/// The version of the labels.
const SCHEMA: &str = "1";

/// How often to look whether a container has ended, and how long to wait in between.
const LOOKS: u32 = 10;
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// What the container of a setup does by itself: wait.
const IDLE: &str = "read -r _";

/// A computation and the engine its container lives on.
pub struct Lifecycle<'a> {
    /// The engine.
    pub engine: &'a dyn Engine,
    /// The computation.
    pub environment: &'a Environment,
    /// Where locks and logs are kept, outside the computation's directory.
    pub state_directory: PathBuf,
    /// How long to wait for another process that sets up the same computation; `None` for as long as it takes.
    pub lock_timeout: Option<Duration>,
}

/// A container that is set up, and what makes that sure for later calls.
#[derive(Clone, Debug)]
pub struct Ready {
    /// Its id.
    pub container: String,
    /// The fingerprint that later calls look for; `None` when something runs on every call.
    pub fingerprint: Option<String>,
}

/// Functions that a call reports to.
pub struct Streams<'s> {
    /// Told when the command runs, and in which container.
    pub started: &'s mut dyn FnMut(&str, Running),
    /// Takes the command's output.
    pub output: &'s mut dyn FnMut(Stream, &[u8]) -> io::Result<()>,
}

impl Lifecycle<'_> {
    /// Runs a command in the computation's container, which is found or created and set up first.
    ///
    /// # Errors
    /// Whatever kept the command from being run. Its own exit status is no error.
    pub fn call(
        &self,
        command: &Command,
        watcher: &mut dyn Watcher,
        streams: Streams<'_>,
    ) -> Result<Called, LifecycleError> {
        let Streams { started, output } = streams;
        if let Some(ready) = self.probably_ready()? {
            let expect = Expect::Ready(ready.fingerprint.as_deref().unwrap_or_default());
            match self.exec(&ready.container, command, expect, started, output) {
                Ok(Called::Stale) => {}
                // Stopped, paused or gone since: the slow way sets that right.
                Err(
                    EngineError::NotRunning { .. } | EngineError::Paused { .. } | EngineError::NoSuchContainer { .. },
                ) => {}
                Err(error) => return Err(self.command_failed(error)),
                Ok(called) => return Ok(called),
            }
        }
        let ready = self.set_up(watcher)?;
        self.exec(&ready.container, command, Expect::SetUp, started, output).map_err(|error| self.command_failed(error))
    }

    fn command_failed(&self, source: EngineError) -> LifecycleError {
        let Environment { computation, .. } = self.environment;
        LifecycleError::Engine { doing: format!("run the command of computation `{}`", computation.name), source }
    }

    fn exec(
        &self,
        container: &str,
        command: &Command,
        expect: Expect<'_>,
        started: &mut dyn FnMut(&str, Running),
        output: &mut dyn FnMut(Stream, &[u8]) -> io::Result<()>,
    ) -> Result<Called, EngineError> {
        let shell = &self.environment.description.shell;
        let mut started = |running| started(container, running);
        call::call(self.engine, container, shell, command, expect, &mut started, output)
    }

    /// What a call would do, with nothing touched: no container is created, started or entered.
    ///
    /// # Errors
    /// When the engine cannot be asked, the image is not there, or a newer program wrote the ledger.
    pub fn plan(&self) -> Result<(Option<Container>, Plan), LifecycleError> {
        let Some(container) = self.find()? else {
            let image = self.image_id()?;
            return Ok((None, plan::plan(self.environment, &self.root(&image), &Ledger::default())));
        };
        let text = self.engine.read_file(&container.id, FILE).map_err(doing("read the container's ledger"))?;
        let ledger = self.parse_ledger(&container, &text.unwrap_or_default())?;
        let root = self.root(&container.image_id);
        // What is debris will not be used. A stage without an end may still run: then its end is waited for.
        let replaced = match &ledger {
            None => Some("its ledger is damaged".to_owned()),
            Some(ledger) => ledger.failed().map(|record| format!("stage {} failed", record.stage)),
        };
        let unfinished = ledger.as_ref().and_then(Ledger::unfinished).map(|record| record.stage);
        let ledger = ledger.filter(|_| replaced.is_none()).unwrap_or_default();
        let plan = plan::plan(self.environment, &root, &ledger);
        Ok((Some(container), Plan { replaced, unfinished, ..plan }))
    }

    /// Brings the computation's container up to date, and keeps others from doing so meanwhile.
    ///
    /// # Errors
    /// When a chain fails, or the engine or the lock does not do its part.
    pub fn set_up(&self, watcher: &mut dyn Watcher) -> Result<Ready, LifecycleError> {
        let watcher = RefCell::new(watcher);
        let waiting = || watcher.borrow_mut().notice(Notice::WaitingForSetup);
        // Everybody who sets this computation up has its directory in common, whatever their home is.
        let _setup = match Lock::acquire(&self.environment.computation.directory, self.lock_timeout, waiting) {
            // Some network file systems do not lock directories.
            Err(LockError::File { .. }) => Lock::acquire(&self.lock_path(), self.lock_timeout, waiting)?,
            lock => lock?,
        };
        let mut because = None;
        // A container may have to be replaced once, and be removed by somebody else in between.
        for _ in 0..4 {
            let container = self.running_container(&watcher, because.as_deref())?;
            match self.set_up_in(&container, &watcher) {
                Ok(SetUp::Ready(fingerprint)) => return Ok(Ready { container: container.id, fingerprint }),
                Ok(SetUp::Unusable(reason)) => {
                    self.remove(&container)?;
                    because = Some(reason);
                }
                Err(error) if self.is_gone(&container, &error) => {
                    because = Some("the last one ended or was removed meanwhile".to_owned());
                }
                Err(error) => return Err(error),
            }
        }
        Err(self.unstable())
    }

    fn unstable(&self) -> LifecycleError {
        let Environment { computation, description, .. } = self.environment;
        LifecycleError::Unstable { computation: computation.name.clone(), shell: description.shell.clone() }
    }

    /// Whether what went wrong is that the container ended or was removed meanwhile: the engine says that in many ways.
    fn is_gone(&self, container: &Container, error: &LifecycleError) -> bool {
        let may_be = matches!(error, LifecycleError::Engine { .. } | LifecycleError::Dispatch(_));
        let is_running = || match self.engine.container(&container.id) {
            Ok(now) => now.is_some_and(|now| now.state == ContainerState::Running),
            Err(_) => true,
        };
        // Its processes end before the engine says that it has.
        may_be
            && (0..LOOKS).any(|look| {
                std::thread::sleep(BETWEEN_LOOKS * look.min(1));
                !is_running()
            })
    }

    /// Walks the script in a running container.
    fn set_up_in(&self, container: &Container, watcher: &RefCell<&mut dyn Watcher>) -> Result<SetUp, LifecycleError> {
        let environment = self.environment;
        let Some(ledger) = self.settled_ledger(container, watcher)? else {
            return Ok(SetUp::Unusable("its ledger is damaged".to_owned()));
        };
        if let Some(record) = ledger.failed().or(ledger.unfinished()) {
            return Ok(SetUp::Unusable(format!("stage {} did not end well in the last one", record.stage)));
        }
        let root = self.root(&container.image_id);
        let mut recorded = Recorded { environment, root: root.clone(), ledger: &ledger };
        let commit = environment.computation.key();
        let mut shell = ContainerShell {
            engine: self.engine,
            container: &container.id,
            shell: &environment.description.shell,
            commit: &commit,
            watcher,
        };
        let settings = plan::settings(environment);
        let outcome = run(&environment.script, &settings, &mut recorded, &mut shell, &mut Told(watcher))?;
        // Only a walk that came to the end, over the stages as they stand in the script, needs no repeating.
        let reached = outcome.fingerprint.clone().filter(|_| outcome.end == End::Finished);
        if let Some(reason) = self.judge(outcome)? {
            return Ok(SetUp::Unusable(reason));
        }
        let fingerprint = plan::ready_fingerprint(environment, root).filter(|ready| Some(ready) == reached.as_ref());
        if let Some(fingerprint) = &fingerprint {
            self.in_shell(container, &format!("printf '%s\\n' '{fingerprint}' >{READY}"))?;
        }
        Ok(SetUp::Ready(fingerprint))
    }

    /// What a walk's end means; the reason when this container cannot be brought up to date.
    fn judge(&self, outcome: Outcome) -> Result<Option<String>, LifecycleError> {
        let computation = self.environment.computation.name.clone();
        let cause = outcome.cause.map(Box::new);
        match outcome.end {
            End::Finished => Ok(None),
            End::Exited if outcome.status == 0 => Ok(None),
            End::Exited => Err(LifecycleError::SetupExited { computation, status: outcome.status, cause }),
            End::Cancelled => Err(LifecycleError::Cancelled { computation }),
            End::Lost { .. } => Err(LifecycleError::SetupExited { computation, status: outcome.status.max(1), cause }),
            End::Diverged { number, .. } => {
                Ok(Some(format!("what stage {number} depends on is not as it was when it was applied")))
            }
            End::ChainFailed { number, chain, lost } => {
                Err(LifecycleError::ChainFailed { computation, number, chain, status: outcome.status, lost, cause })
            }
        }
    }

    /// Reads the ledger when no stage runs any more: one that an ended ce-run left running is waited for.
    /// `None` when it is damaged.
    fn settled_ledger(
        &self,
        container: &Container,
        watcher: &RefCell<&mut dyn Watcher>,
    ) -> Result<Option<Ledger>, LifecycleError> {
        let Some(ledger) = self.read_ledger(container)? else { return Ok(None) };
        let Some((stage, pid)) = ledger.unfinished().and_then(|record| Some((record.stage, record.pid?))) else {
            return Ok(Some(ledger));
        };
        watcher.borrow_mut().notice(Notice::WaitingForStage(stage));
        // The process id may have another owner after a restart: ours has this word in its first line.
        let wait = format!(
            "while IFS= read -r c 2>/dev/null </proc/{pid}/cmdline; do\n\
             case $c in *BASH_EXECUTION_STRING*) sleep 0.2 2>/dev/null || sleep 1;; *) break;; esac\n\
             done"
        );
        self.in_shell(container, &wait)?;
        self.read_ledger(container)
    }

    fn read_ledger(&self, container: &Container) -> Result<Option<Ledger>, LifecycleError> {
        let header = ledger_format::header();
        let read = format!(
            "[ -d {DIRECTORY} ] || mkdir -p {DIRECTORY} || exit\n\
             : >{READY}; [ -f {FILE} ] || printf '%s' '{header}' >{FILE} || exit\n\
             if command -v cat >/dev/null; then exec cat {FILE}; fi\n\
             l=; while IFS= read -r l; do printf '%s\\n' \"$l\"; done <{FILE}; printf '%s' \"$l\""
        );
        let text = self.in_shell(container, &read)?;
        self.parse_ledger(container, &text)
    }

    fn parse_ledger(&self, container: &Container, text: &[u8]) -> Result<Option<Ledger>, LifecycleError> {
        match Ledger::parse(text) {
            Ok(ledger) => Ok(Some(ledger)),
            Err(LedgerError::Damaged { .. }) => Ok(None),
            Err(source) => Err(LifecycleError::Ledger { container: container.name.clone(), source }),
        }
    }

    /// Runs shell commands of ours in the container; gives what they print.
    fn in_shell(&self, container: &Container, commands: &str) -> Result<Vec<u8>, LifecycleError> {
        let shell = self.environment.description.shell.clone();
        let exec = Exec { user: Some("0".to_owned()), ..Exec::new([shell, "-c".to_owned(), commands.to_owned()]) };
        let (mut text, mut complaints) = (Vec::new(), Vec::new());
        let status = self.engine.exec(&container.id, &exec, &mut |stream, bytes| {
            let kept = if stream == Stream::Stdout { &mut text } else { &mut complaints };
            kept.extend_from_slice(bytes);
            Ok(())
        });
        let task = || format!("read the ledger in container `{}`", container.name);
        match status.map_err(doing(task()))? {
            0 => Ok(text),
            status => {
                let said = if complaints.is_empty() { text } else { complaints };
                let message = format!("its shell gave {status}: {}", String::from_utf8_lossy(&said).trim());
                Err(LifecycleError::Engine {
                    doing: task(),
                    source: EngineError::Refused { doing: "run a shell".into(), message },
                })
            }
        }
    }

    /// The computation's container, created if there is none, and running.
    fn running_container(
        &self,
        watcher: &RefCell<&mut dyn Watcher>,
        because: Option<&str>,
    ) -> Result<Container, LifecycleError> {
        for _ in 0..4 {
            let container = match self.find()? {
                Some(container) => container,
                None => match self.create(watcher, because)? {
                    Some(container) => container,
                    // Somebody else was faster: find theirs.
                    None => {
                        std::thread::sleep(BETWEEN_LOOKS);
                        continue;
                    }
                },
            };
            let name = &container.name;
            let started = match container.state {
                ContainerState::Running => Ok(()),
                ContainerState::Paused => self.engine.unpause(&container.id),
                _ => self.engine.start(&container.id),
            };
            match started {
                Ok(()) => {
                    self.remember(&container, watcher);
                    return Ok(container);
                }
                Err(EngineError::NoSuchContainer { .. }) => {}
                Err(source) => return Err(doing(format!("start container `{name}`"))(source)),
            }
        }
        Err(self.unstable())
    }

    /// The container of this computation, directory, commit and storage, in whatever state.
    fn find(&self) -> Result<Option<Container>, LifecycleError> {
        let computation = &self.environment.computation;
        let ask = || doing(format!("look for the container of computation `{}`", computation.name));
        let labels = self.identity();
        let is_ours = |container: &Container| {
            labels.iter().all(|(name, value)| container.labels.get(*name) == Some(value))
                && !matches!(container.state, ContainerState::Dead | ContainerState::Removing)
        };
        let (mapping, _) = Mapping::read(computation);
        if let Some(id) = mapping.get(&computation.key())
            && let Some(container) = self.engine.container(id).map_err(ask())?.filter(is_ours)
        {
            return Ok(Some(container));
        }
        let wanted: Vec<(&str, &str)> = labels.iter().map(|(name, value)| (*name, value.as_str())).collect();
        Ok(self.engine.containers(&wanted).map_err(ask())?.into_iter().find(is_ours))
    }

    /// The labels that tell whose container it is.
    fn identity(&self) -> [(&'static str, String); 5] {
        let Environment { computation, gfs, .. } = self.environment;
        [
            ("compeval.computation", computation.name.clone()),
            ("compeval.directory", computation.directory.display().to_string()),
            ("compeval.commit", computation.key()),
            ("compeval.gfs", gfs.display().to_string()),
            ("compeval.role", "computation".to_owned()),
        ]
    }

    /// Creates the container; `None` when another process has just done so.
    fn create(
        &self,
        watcher: &RefCell<&mut dyn Watcher>,
        because: Option<&str>,
    ) -> Result<Option<Container>, LifecycleError> {
        let Environment { computation, description, mounts, .. } = self.environment;
        let mut bind_mounts = mounts.bind_mounts();
        let further = description.bind_mounts(&computation.directory);
        bind_mounts.extend(further.map_err(|path| LifecycleError::MountSource { path })?);
        let image = self.image_id()?;
        let chain = self.chain(&image);
        let name = format!("ce-{}-{}", container_name(&computation.name), chain.get(..12).unwrap_or(&chain));
        let further = [
            ("compeval.chain", chain),
            ("compeval.image", image.clone()),
            ("compeval.lineage", String::new()),
            ("compeval.schema", SCHEMA.to_owned()),
        ];
        let labels: BTreeMap<String, String> =
            self.identity().into_iter().chain(further).map(|(name, value)| (name.to_owned(), value)).collect();
        let spec = ContainerSpec {
            image,
            platform: description.platform.clone(),
            command: vec![description.shell.clone(), "-c".to_owned(), IDLE.to_owned()],
            env: description.env.iter().cloned().chain(mounts.env()).collect(),
            user: description.user.clone(),
            working_dir: description.workdir.clone(),
            network: description.network.clone(),
            mounts: bind_mounts,
            caches: description.caches.clone(),
            labels,
            init: description.init,
            limits: description.limits.clone(),
            shm_size: description.shm_size,
            gpus: description.gpus,
        };
        watcher.borrow_mut().notice(Notice::Creating { name: &name, image: &description.image, because });
        let created = self.engine.create(&name, &spec);
        match created {
            Ok(id) => self.engine.container(&id).map_err(doing(format!("find container `{name}` again"))),
            Err(EngineError::NameTaken { .. }) => self.resolve_conflict(&name).map(|()| None),
            Err(source) => {
                let version = computation.key().chars().take(7).collect::<String>();
                let task = format!("create a container for computation `{}` at commit {version}", computation.name);
                Err(doing(task)(source))
            }
        }
    }

    /// The name is taken: by another process that was faster, or by a container whose labels are not ours any more.
    fn resolve_conflict(&self, name: &str) -> Result<(), LifecycleError> {
        if self.find()?.is_some() {
            return Ok(());
        }
        let task = format!("create the container of computation `{}`", self.environment.computation.name);
        match self.engine.container(name).map_err(doing(task.as_str()))? {
            None => Ok(()),
            Some(_) => Err(doing(task)(EngineError::NameTaken { name: name.to_owned() })),
        }
    }

    fn remove(&self, container: &Container) -> Result<(), LifecycleError> {
        self.engine.remove(&container.id).map_err(doing(format!("remove container `{}`", container.name)))
    }

    /// Writes the mapping. It is a cache: a failure is only worth a warning.
    fn remember(&self, container: &Container, watcher: &RefCell<&mut dyn Watcher>) {
        let computation = &self.environment.computation;
        let (mut mapping, damaged) = Mapping::read(computation);
        if let Some(error) = damaged {
            let text = format!("{error}; it is written anew");
            watcher.borrow_mut().notice(Notice::Warning(&text));
        }
        let written = mapping.insert(&computation.key(), &container.id).then(|| {
            mapping.write(computation)?;
            mapping::exclude(computation)
        });
        if let Some(Err(error)) = written {
            watcher.borrow_mut().notice(Notice::Warning(&error.to_string()));
        }
    }

    /// A running container that a finished setup may have left, for a script that runs nothing on every call.
    fn probably_ready(&self) -> Result<Option<Ready>, LifecycleError> {
        let Some(container) = self.find()?.filter(|container| container.state == ContainerState::Running) else {
            return Ok(None);
        };
        let fingerprint = plan::ready_fingerprint(self.environment, self.root(&container.image_id));
        Ok(fingerprint.map(|fingerprint| Ready { container: container.id, fingerprint: Some(fingerprint) }))
    }

    fn image_id(&self) -> Result<String, LifecycleError> {
        let Environment { computation, description, .. } = self.environment;
        let task = format!("create a container for computation `{}`", computation.name);
        Ok(self.engine.image(&description.image).map_err(doing(task))?.id)
    }

    /// What the chain of fingerprints begins with: all of the container that is there before the script.
    fn root(&self, image: &str) -> String {
        let description = &self.environment.description;
        let given = |value: &Option<String>| value.clone().unwrap_or_default();
        let env: Vec<String> = description.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
        [
            image.to_owned(),
            given(&description.platform),
            description.shell.clone(),
            given(&description.user),
            given(&description.workdir),
            env.join("\n"),
        ]
        .join("\n\n")
    }

    /// A hash of all that makes this container this one: two calls agree on it before anything was run.
    fn chain(&self, image: &str) -> String {
        let mut hasher = Sha256::new();
        for (name, value) in self.identity() {
            hasher.update(format!("{name} {} {value}\n", value.len()));
        }
        hasher.update(self.root(image));
        hasher.update(print::canonical(&self.environment.script.list).as_slice());
        hex(&hasher.finalize())
    }

    fn lock_path(&self) -> PathBuf {
        let Environment { computation, .. } = self.environment;
        let digest = Sha256::digest(computation.directory.as_os_str().as_encoded_bytes());
        let name = hex(digest.get(..8).unwrap_or_default());
        self.state_directory.join("locks").join(format!("{}-{name}.lock", container_name(&computation.name)))
    }
}

/// How a setup in one container ended.
enum SetUp {
    /// Well; with what later calls look for.
    Ready(Option<String>),
    /// The container has to be replaced, for this reason.
    Unusable(String),
}

/// A name with the characters that Docker allows in a container's.
fn container_name(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || "_.-".contains(c) { c } else { '_' }).collect()
}

/// Passes what the interpreter tells on to a watcher.
struct Told<'w, 'c>(&'c RefCell<&'w mut dyn Watcher>);

impl Observer for Told<'_, '_> {
    fn event(&mut self, event: Event<'_>) {
        self.0.borrow_mut().notice(Notice::Setup(event));
    }
}
