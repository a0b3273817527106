//! The containers that there are, of one computation or of all on an engine: also those whose script, configuration or
//! directory is gone or cannot be read. Everything is asked of the engine, and of the containers' own ledgers.

pub mod packages;

use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use self::packages::Package;
use crate::{
    container::{
        identity::{self, MadeOf},
        in_use,
        lock::Lock,
    },
    engine::{
        Container, ContainerState, Engine, EngineError, FileChange, Image, RunningProgram, containers::FileChangeKind,
    },
    interrupt::{self, GRACE, LOOK_AROUND, Running},
    ledger::{FILE, LedgerError, Records},
    setup::{
        SetupError,
        compare::{self, Past},
        error::doing,
    },
};

/// What there is on an engine.
#[derive(Clone, Copy)]
pub struct Inventory<'e> {
    /// The engine.
    pub engine: &'e dyn Engine,
}

/// A container of some computation.
#[derive(Debug)]
pub struct KnownContainer {
    /// As the engine has it.
    pub container: Container,
    /// The computation's name.
    pub computation: String,
    /// Its directory, which need not be there any more.
    pub directory: PathBuf,
    /// The global file storage that is seen in it.
    pub storage: PathBuf,
    /// What the version of the computation is filed under that it was made for.
    pub version: String,
    /// The name of its image in docker.conf.
    pub image: String,
    /// What was applied in it.
    pub ledger: Result<Records, LedgerError>,
    /// How many calls and setups run in it.
    pub calls: usize,
}

impl KnownContainer {
    /// The stages that have begun in it, in order.
    #[must_use]
    pub fn stages(&self) -> Vec<Past> {
        self.ledger.as_ref().map(compare::all).unwrap_or_default()
    }

    /// Whether its computation's directory is there, or may be where this user cannot look.
    #[must_use]
    pub fn is_reachable(&self) -> bool {
        !is_gone(&self.directory)
    }

    /// Whether its processes are there, running or paused.
    #[must_use]
    pub fn is_up(&self) -> bool {
        matches!(self.container.state, ContainerState::Running | ContainerState::Paused)
    }

    /// Whether a stage failed in it, or was cut off while nothing runs there.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        let is_debris =
            |ledger: &Records| ledger.failed().is_some() || ledger.unfinished().is_some() && self.calls == 0;
        self.ledger.as_ref().is_ok_and(is_debris)
    }
}

/// Whether a directory is not there; one that cannot be looked at may be.
#[must_use]
pub fn is_gone(directory: &Path) -> bool {
    directory.metadata().is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

impl Inventory<'_> {
    /// The containers of the computation in a directory, or of all computations, newest first.
    ///
    /// # Errors
    /// Whatever kept the engine from answering.
    pub fn entries(&self, directory: Option<&Path>) -> Result<Vec<KnownContainer>, SetupError> {
        let labels = identity::labels_of_containers(directory);
        let labels: Vec<(&str, &str)> = labels.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let containers = self.engine.containers(&labels).map_err(doing("list the containers"))?;
        let mut entries = Vec::new();
        for container in containers {
            entries.extend(self.entry(container)?);
        }
        Ok(entries)
    }

    /// `None` where it was removed meanwhile.
    fn entry(&self, container: Container) -> Result<Option<KnownContainer>, SetupError> {
        let ledger = match self.engine.read_file(&container.id, FILE) {
            Err(EngineError::NoSuchContainer { .. }) => return Ok(None),
            Err(EngineError::FileTooLong { .. }) => Err(LedgerError::Damaged { reason: "it is too long".to_owned() }),
            text => Records::parse(&text.map_err(doing("read a container's ledger"))?.unwrap_or_default()),
        };
        let calls = match container.state {
            ContainerState::Running => in_use::calls(self.engine, &container.id, None),
            _ => Ok(0),
        };
        let label = |name: &str| container.labels.get(name).cloned().unwrap_or_default();
        Ok(Some(KnownContainer {
            computation: label("compeval.computation"),
            directory: label(identity::DIRECTORY).into(),
            storage: label("compeval.gfs").into(),
            version: label("compeval.commit"),
            image: MadeOf::of(&container).image,
            ledger,
            calls: calls.map_err(doing("see what runs in a container"))?,
            container,
        }))
    }

    /// The snapshots of the computation in a directory, or of all, newest first.
    ///
    /// # Errors
    /// Whatever kept the engine from answering.
    pub fn snapshots(&self, directory: Option<&Path>) -> Result<Vec<Image>, SetupError> {
        let labels = identity::labels_of_all_snapshots(directory);
        let labels: Vec<(&str, &str)> = labels.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.engine.images(&labels).map_err(doing("list the snapshots"))
    }

    /// How much a container has in its own files, in bytes.
    ///
    /// # Errors
    /// Whatever kept the engine from answering.
    pub fn size(&self, entry: &KnownContainer) -> Result<u64, SetupError> {
        self.engine.size(&entry.container.id).map_err(doing(format!("measure container `{}`", entry.container.name)))
    }

    /// What differs in a container's own files from those of its image, sorted by path.
    ///
    /// # Errors
    /// Whatever kept the engine from answering.
    pub fn changes(&self, known: &KnownContainer) -> Result<Vec<FileChange>, SetupError> {
        let name = &known.container.name;
        self.engine.changes(&known.container.id).map_err(doing(format!("look into container `{name}`")))
    }

    /// The packages that are installed in a container, in which so much differs from its image; of those that the image has,
    /// only what `other` has changed, another container of the image.
    ///
    /// # Errors
    /// Whatever kept the engine from answering.
    pub fn packages(
        &self,
        known: &KnownContainer,
        changes: &BTreeSet<FileChange>,
        other: &BTreeSet<FileChange>,
    ) -> Result<BTreeSet<Package>, SetupError> {
        let is_gone = |change: &&FileChange| change.kind == FileChangeKind::Deleted;
        let mut packages = packages::in_changes(changes.iter().filter(|change| !is_gone(change)));
        packages.extend(packages::in_changes(other.difference(changes).filter(is_gone)));
        for (path, read) in packages::DATABASES {
            if changes.union(other).any(|change| change.path == path) {
                packages.extend(self.read_file(known, path)?.map(|text| read(&text)).unwrap_or_default());
            }
        }
        Ok(packages)
    }

    /// The content of a small file in a container; `None` when it is not there, or longer than what is held in memory.
    ///
    /// # Errors
    /// Whatever kept the engine from answering.
    pub fn read_file(&self, known: &KnownContainer, path: &str) -> Result<Option<Vec<u8>>, SetupError> {
        match self.engine.read_file(&known.container.id, path) {
            Err(EngineError::FileTooLong { .. }) => Ok(None),
            content => content.map_err(doing(format!("read `{path}` in container `{}`", known.container.name))),
        }
    }

    /// Makes an image of what is in a container now, mounts excepted, under a name of its own: it has no labels of ours, and
    /// is nobody's snapshot. Gives its id.
    ///
    /// # Errors
    /// The engine's refusal.
    pub fn export(&self, known: &KnownContainer, reference: &str) -> Result<String, SetupError> {
        // Those of the container pass into it; an empty one says nothing.
        let ours = known.container.labels.keys().filter(|name| name.starts_with(identity::PREFIX));
        let labels = ours.map(|name| (name.clone(), String::new())).collect();
        let task = doing(format!("make an image of container `{}`", known.container.name));
        self.engine.commit(&known.container.id, reference, &labels).map_err(task)
    }

    /// Lets commands be run in a container: starts it, where it is stopped, and lets it go on, where it is paused.
    ///
    /// # Errors
    /// The engine's refusal.
    pub fn start(&self, known: &KnownContainer) -> Result<(), SetupError> {
        let started = match known.container.state {
            ContainerState::Paused => self.engine.unpause(&known.container.id),
            _ => self.engine.start(&known.container.id),
        };
        started.map_err(doing(format!("start container `{}`", known.container.name)))
    }

    /// Ends the calls and setups that run in a container: they get TERM, and KILL where they do not end in time. Gives how
    /// many there were.
    ///
    /// # Errors
    /// The engine's refusal.
    pub fn kill(&self, known: &KnownContainer, shell: &str) -> Result<usize, SetupError> {
        let task = || doing(format!("end what runs in container `{}`", known.container.name));
        let running = || in_use::programs(self.engine, &known.container.id);
        let programs = running().map_err(task())?;
        let end = |programs: &[RunningProgram], signal: &str| {
            programs.iter().try_for_each(|program| self.signal(known, shell, program, signal))
        };
        end(&programs, "TERM").map_err(task())?;
        let begun = Instant::now();
        while !running().map_err(task())?.is_empty() && begun.elapsed() < GRACE {
            thread::sleep(LOOK_AROUND);
        }
        end(&running().map_err(task())?, "KILL").map_err(task())?;
        Ok(programs.len())
    }

    fn signal(
        &self,
        known: &KnownContainer,
        shell: &str,
        program: &RunningProgram,
        signal: &str,
    ) -> Result<(), EngineError> {
        let Some(process) = program.process else { return Ok(()) };
        let container = known.container.id.clone();
        let running = Running { container, process, stretch: None, orders: None, terminal: None };
        interrupt::send(self.engine, shell, &running, signal)
    }

    /// Stops a container, unless calls or setups run there and are not to be killed by `force`. Gives how many keep it from
    /// that: none, when it is done.
    ///
    /// # Errors
    /// The engine's refusal, or that a setup of its computation is at work.
    pub fn stop(&self, known: &KnownContainer, force: bool) -> Result<usize, SetupError> {
        let stop = || self.engine.stop(&known.container.id);
        self.unless_busy(known, force, stop, doing(format!("stop container `{}`", known.container.name)))
    }

    /// Removes a container, on the same terms.
    ///
    /// # Errors
    /// The engine's refusal, or that a setup of its computation is at work.
    pub fn remove(&self, known: &KnownContainer, force: bool) -> Result<usize, SetupError> {
        let remove = || self.engine.remove(&known.container.id);
        self.unless_busy(known, force, remove, doing(format!("remove container `{}`", known.container.name)))
    }

    /// Does something to a container while no setup of its computation can begin.
    fn unless_busy(
        &self,
        known: &KnownContainer,
        force: bool,
        act: impl FnOnce() -> Result<(), EngineError>,
        failed: impl FnOnce(EngineError) -> SetupError,
    ) -> Result<usize, SetupError> {
        let wait = Some(Duration::from_secs(10));
        let is_locked = !force && known.directory.is_dir();
        let _lock = is_locked.then(|| Lock::acquire(&known.directory, wait, || {}, || false)).transpose()?;
        let done = || match self.engine.container(&known.container.id)?.map(|container| container.state) {
            Some(ContainerState::Running) if !force => match in_use::calls(self.engine, &known.container.id, None)? {
                0 => act().map(|()| 0),
                calls => Ok(calls),
            },
            _ => act().map(|()| 0),
        };
        done().map_err(failed)
    }

    /// Removes a snapshot; false where something is made from it.
    ///
    /// # Errors
    /// The engine's refusal.
    pub fn remove_snapshot(&self, snapshot: &Image) -> Result<bool, SetupError> {
        match self.engine.remove_image(&snapshot.id) {
            Err(EngineError::ImageInUse { .. }) => Ok(false),
            removed => removed.map(|()| true).map_err(doing(format!("remove snapshot `{}`", snapshot.id))),
        }
    }
}
