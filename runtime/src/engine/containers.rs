//! The verbs about containers, and what a container is made of.

use std::{collections::BTreeMap, path::PathBuf};

use super::error::EngineError;

/// The longest file that is read from a container, in bytes.
pub const LONGEST_FILE: usize = 16 << 20;

/// The verbs about containers.
pub trait Containers {
    /// The containers that carry all of `labels` (name and value), in any state, newest first.
    ///
    /// # Errors
    /// Whatever kept the daemon from answering.
    fn containers(&self, labels: &[(&str, &str)]) -> Result<Vec<Container>, EngineError>;

    /// The container with this id or name, `None` when there is none (any more).
    ///
    /// # Errors
    /// Whatever kept the daemon from answering.
    fn container(&self, id: &str) -> Result<Option<Container>, EngineError>;

    /// Creates a container, not yet started, and gives its id. For one name this is a test-and-set: of several
    /// callers one wins.
    ///
    /// # Errors
    /// [`EngineError::NameTaken`] for the losers, [`EngineError::NoSuchImage`], [`EngineError::BadMount`] for a bind
    /// mount whose source does not exist.
    fn create(&self, name: &str, spec: &ContainerSpec) -> Result<String, EngineError>;

    /// Starts a container; one that runs already is left as it is.
    ///
    /// # Errors
    /// [`EngineError::NoSuchContainer`], [`EngineError::Paused`], [`EngineError::BadMount`], or the daemon's refusal.
    fn start(&self, id: &str) -> Result<(), EngineError>;

    /// Lets a paused container go on; one that is not paused is left as it is.
    ///
    /// # Errors
    /// [`EngineError::NoSuchContainer`], or the daemon's refusal.
    fn unpause(&self, id: &str) -> Result<(), EngineError>;

    /// Stops a container at once, killing what runs in it; one that does not run is left as it is.
    ///
    /// # Errors
    /// [`EngineError::NoSuchContainer`], or the daemon's refusal.
    fn stop(&self, id: &str) -> Result<(), EngineError>;

    /// The programs that run in a container by [`exec`](super::Execs::exec), whoever started them. None when it does not run.
    ///
    /// # Errors
    /// [`EngineError::NoSuchContainer`], or the daemon's refusal.
    fn commands(&self, id: &str) -> Result<Vec<RunningProgram>, EngineError>;

    /// How many processes there are in a running container, its first one included.
    ///
    /// # Errors
    /// [`EngineError::NoSuchContainer`], or the daemon's refusal.
    fn processes(&self, id: &str) -> Result<usize, EngineError>;

    /// Whether something in a container was killed since then because all of it together came up against its limit of
    /// memory.
    ///
    /// # Errors
    /// Whatever kept the daemon from answering.
    fn ran_out_of_memory(&self, id: &str, since: jiff::Timestamp) -> Result<bool, EngineError>;

    /// What differs in a container's own files from those of its image, sorted by path; what is mounted does not count. A
    /// directory in which something differs is told, too. That something which differs already was changed once more
    /// cannot be seen.
    ///
    /// # Errors
    /// [`EngineError::NoSuchContainer`], or the daemon's refusal.
    fn changes(&self, id: &str) -> Result<Vec<FileChange>, EngineError>;

    /// How much there is in a container's own files that differ from its image's, in bytes. It takes the daemon time to count.
    ///
    /// # Errors
    /// [`EngineError::NoSuchContainer`], or the daemon's refusal.
    fn size(&self, id: &str) -> Result<u64, EngineError>;

    /// Removes a container with its anonymous volumes, killing what runs in it. One that is gone is no error.
    ///
    /// # Errors
    /// The daemon's refusal.
    fn remove(&self, id: &str) -> Result<(), EngineError>;

    /// The content of a file in a container that may be stopped, `None` when there is no such file. Meant for small
    /// files: the whole content is held in memory.
    ///
    /// # Errors
    /// [`EngineError::NoSuchContainer`], [`EngineError::FileTooLong`] past [`LONGEST_FILE`], or the daemon's refusal.
    fn read_file(&self, id: &str, path: &str) -> Result<Option<Vec<u8>>, EngineError>;
}

/// A container as the daemon has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// Its id, 64 hexadecimal digits.
    pub id: String,
    /// Its name, without the daemon's leading `/`.
    pub name: String,
    /// The id of the image it was made from.
    pub image_id: String,
    /// What it is doing.
    pub state: ContainerState,
    /// Its labels, those of its image included.
    pub labels: BTreeMap<String, String>,
    /// When it was created; whole seconds when it comes from a list.
    pub created: jiff::Timestamp,
    /// When it was started last; `None` when it never was, or when it comes from a list.
    pub started: Option<jiff::Timestamp>,
}

/// A program that runs in a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunningProgram {
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// The process that it began as, by its number in the container; it leads a group. `None` where that cannot be told.
    pub process: Option<u32>,
}

/// A path in a container that differs from the image's.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileChange {
    /// The absolute path.
    pub path: String,
    /// How it differs.
    pub kind: FileChangeKind,
}

/// How a path differs from the image's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FileChangeKind {
    /// It is another file, or a directory in which something differs.
    Modified,
    /// It is new.
    Added,
    /// It is gone.
    Deleted,
}

/// What a container is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContainerState {
    /// Never started.
    Created,
    /// Its first process runs.
    Running,
    /// Its processes are frozen.
    Paused,
    /// Between two runs.
    Restarting,
    /// Its first process has ended.
    Exited,
    /// Could not be removed entirely.
    Dead,
    /// Being removed.
    Removing,
}

/// What a container is made of (Docker API, ContainerCreate).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ContainerSpec {
    /// Name or id of the image.
    pub image: String,
    /// The platform the image must have; `None` takes it as it is.
    pub platform: Option<String>,
    /// The first process, whose end is the container's; it replaces the image's entrypoint and command.
    pub command: Vec<String>,
    /// Environment, on top of the image's.
    pub env: Vec<(String, String)>,
    /// The user commands run as; `None` means the image's.
    pub user: Option<String>,
    /// Further groups of all users there, whatever they are.
    pub groups: Vec<u32>,
    /// The directory commands start in; `None` means the image's.
    pub working_dir: Option<String>,
    /// The network's name; `None` means the daemon's default.
    pub network: Option<String>,
    /// Host directories and files that are seen inside.
    pub mounts: Vec<BindMount>,
    /// The same directories at other places, where what is made of the container depends on none of them.
    pub own_paths: Vec<BindMount>,
    /// Named volumes that are seen inside.
    pub caches: Vec<Cache>,
    /// Where a volume of the container's own is seen inside, which goes with it.
    pub scratch: Option<String>,
    /// Labels, on top of the image's.
    pub labels: BTreeMap<String, String>,
    /// Whether a small init reaps orphans before the first process.
    pub init: bool,
    /// What it may use at most.
    pub limits: Limits,
    /// Size of `/dev/shm`, in bytes.
    pub shm_size: Option<u64>,
    /// The GPUs it may use.
    pub gpus: Option<Gpus>,
}

/// A host directory or file seen inside a container. A source that does not exist is an error, never created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BindMount {
    /// Absolute path on the host.
    pub source: PathBuf,
    /// Absolute path inside.
    pub target: String,
    /// Whether it can only be read inside.
    pub read_only: bool,
}

/// A named volume, kept by the daemon from container to container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cache {
    /// The volume's name.
    pub name: String,
    /// Absolute path inside.
    pub target: String,
}

/// What a container may use at most; `None` is no limit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Memory, in bytes.
    pub memory: Option<u64>,
    /// Processors, in billionths: 1_500_000_000 is one and a half.
    pub nano_cpus: Option<u64>,
    /// Processes and threads.
    pub pids: Option<u32>,
}

/// The GPUs a container may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gpus {
    /// All of them.
    All,
    /// This many.
    Count(u32),
}
