//! What we ask of a container daemon: the trait [`Engine`], and the plain data that goes in and comes out.
//!
//! Two implementations: [`docker::Docker`] talks to a real daemon, [`memory::Memory`] keeps its containers in this
//! process, for tests.

pub mod docker;
pub mod memory;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// The longest single argument or `NAME=value` that Linux passes to a program, in bytes, without the final NUL
/// (`MAX_ARG_STRLEN`, 32 pages).
pub const LONGEST_ARGUMENT: usize = 131_071;

/// The most that all arguments and variables of a command may come to together, in bytes: a quarter of the usual
/// 8 MiB stack, less what the daemon adds.
pub const LONGEST_COMMAND: usize = 2_060_000;

/// The few container verbs this crate needs, each one finished when it returns.
pub trait Engine: Send + Sync {
    /// The image that `reference` (a name, a digest or an id) stands for on this daemon; nothing is pulled.
    ///
    /// # Errors
    /// [`EngineError::NoSuchImage`] when the daemon has none, and whatever kept it from answering.
    fn image(&self, reference: &str) -> Result<Image, EngineError>;

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

    /// Removes a container with its anonymous volumes, killing what runs in it. One that is gone is no error.
    ///
    /// # Errors
    /// The daemon's refusal.
    fn remove(&self, id: &str) -> Result<(), EngineError>;

    /// The content of a file in a container that may be stopped, `None` when there is no such file. Meant for small
    /// files: the whole content is held in memory.
    ///
    /// # Errors
    /// [`EngineError::NoSuchContainer`], or the daemon's refusal.
    fn read_file(&self, id: &str, path: &str) -> Result<Option<Vec<u8>>, EngineError>;

    /// Runs a command in a running container and gives its exit status once its output has ended. Each piece of
    /// output goes to `output` as it comes, in order within a stream; a slow `output` slows the command down.
    ///
    /// A program that cannot be started is no error here: the daemon says 126 and writes its reason to stdout.
    ///
    /// # Errors
    /// [`EngineError::NoSuchContainer`], [`EngineError::NotRunning`] and [`EngineError::Paused`] before anything ran;
    /// [`EngineError::ArgumentTooLong`] likewise; [`EngineError::Lost`] when the connection broke, so that the command
    /// may run on and its exit status is unknown; [`EngineError::Output`] when `output` failed (the command may run on
    /// then too).
    fn exec(&self, id: &str, exec: &Exec, output: &mut Output<'_>) -> Result<i32, EngineError>;
}

/// Takes a command's output, piece by piece; see [`Engine::exec`].
pub type Output<'a> = dyn FnMut(Stream, &[u8]) -> io::Result<()> + 'a;

/// An image as the daemon has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    /// Its content's id, `sha256:` and 64 hexadecimal digits.
    pub id: String,
    /// Operating system, architecture and, if any, variant: `linux/arm64/v8`.
    pub platform: String,
    /// The user its commands run as; empty means root.
    pub user: String,
    /// The directory its commands start in; empty means `/`.
    pub working_dir: String,
    /// Its environment, `NAME=value` each.
    pub env: Vec<String>,
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
    /// The directory commands start in; `None` means the image's.
    pub working_dir: Option<String>,
    /// The network's name; `None` means the daemon's default.
    pub network: Option<String>,
    /// Host directories and files that are seen inside.
    pub mounts: Vec<BindMount>,
    /// Named volumes that are seen inside.
    pub caches: Vec<Cache>,
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

/// A command to run in a container (Docker API, ContainerExec).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exec {
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// Environment, on top of the container's.
    pub env: Vec<(String, String)>,
    /// The user it runs as; `None` means the container's.
    pub user: Option<String>,
    /// The directory it starts in; `None` means the container's.
    pub working_dir: Option<String>,
    /// What it reads.
    pub stdin: Stdin,
    /// When given, nothing is read for it before its first line on stdout, and only if that ends with this: what was
    /// read for a command that did not want it is lost to the next one.
    pub stdin_after: Option<String>,
}

/// What a command reads on its standard input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stdin {
    /// Nothing.
    #[default]
    Null,
    /// What this process reads on its own, to its end; nothing is waited for once the command has ended.
    Inherit,
}

/// One of a command's two outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Why the daemon did not do as asked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EngineError {
    /// `DOCKER_HOST` names something else than a Unix socket.
    #[error("`DOCKER_HOST={host}` is not a Unix socket")]
    UnsupportedHost {
        /// Its value.
        host: String,
    },
    /// Nothing answers.
    #[error("cannot reach the Docker daemon at `{}`", socket.display())]
    Unreachable {
        /// The socket tried.
        socket: PathBuf,
        /// `NotFound`: no socket; `ConnectionRefused`: nobody listens on it.
        source: io::Error,
    },
    /// The socket is there, but not for us.
    #[error("not allowed to use the Docker daemon's socket `{}`", socket.display())]
    PermissionDenied {
        /// The socket tried.
        socket: PathBuf,
    },
    /// The daemon has no such image.
    #[error("the Docker daemon has no image `{reference}`")]
    NoSuchImage {
        /// What was asked for.
        reference: String,
    },
    /// The container is gone, or never was.
    #[error("the Docker daemon has no container `{id}`")]
    NoSuchContainer {
        /// What was asked for.
        id: String,
    },
    /// The container is stopped.
    #[error("container `{id}` is not running")]
    NotRunning {
        /// The container.
        id: String,
    },
    /// The container is frozen.
    #[error("container `{id}` is paused")]
    Paused {
        /// The container.
        id: String,
    },
    /// Another container has this name.
    #[error("there is already a container named `{name}`")]
    NameTaken {
        /// The name.
        name: String,
    },
    /// More than Linux passes to a program: counted here, as the daemon reports it like a failure of the command.
    #[error("a command of {bytes} bytes is longer than the {limit} that can be passed to a program")]
    ArgumentTooLong {
        /// The length of the string, or of all together.
        bytes: usize,
        /// What it may be.
        limit: usize,
    },
    /// The command's output broke off: it may run on, and how it ended is unknown.
    #[error("lost the connection to a command in container `{id}`: it may still be running")]
    Lost {
        /// The container.
        id: String,
    },
    /// The command's output could not be passed on.
    #[error("cannot write the output of the command")]
    Output(#[source] io::Error),
    /// A bind mount's source does not exist.
    #[error("cannot mount `{}`: it does not exist on the daemon's machine", source_path.display())]
    BadMount {
        /// The path on the host.
        source_path: PathBuf,
    },
    /// Something on this side of the socket failed.
    #[error("cannot talk to the Docker daemon")]
    Client(#[source] io::Error),
    /// Anything else the daemon says no to.
    #[error("the Docker daemon refused to {doing}: {message}")]
    Refused {
        /// What was asked, as in "create container `x`".
        doing: String,
        /// The daemon's words.
        message: String,
    },
}

impl EngineError {
    /// What the reader can do about it, if we know.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        Some(match self {
            Self::UnsupportedHost { .. } => {
                "set DOCKER_HOST to `unix:///path/to/docker.sock`, or unset it for /var/run/docker.sock".into()
            }
            Self::Unreachable { .. } => {
                "start the daemon (`systemctl start docker`), or set DOCKER_HOST to its socket".into()
            }
            Self::PermissionDenied { .. } => {
                "run as root, or join the group that owns the socket (often `docker`)".into()
            }
            Self::NoSuchImage { reference } => {
                format!("run `docker pull {reference}`, or change `image` in docker.conf")
            }
            Self::Paused { id } => format!("run `docker unpause {id}`"),
            Self::NameTaken { name } => format!("rename that one (`docker rename {name} NAME`), or remove it"),
            Self::ArgumentTooLong { .. } => "put the data into a file and pass its name".into(),
            Self::Lost { .. } => "run again: what was done is read from the container".into(),
            Self::BadMount { source_path } => format!("create `{}`, or correct the path", source_path.display()),
            _ => return None,
        })
    }
}

impl Exec {
    /// A command as the container's own user, in its own directory, reading nothing.
    pub fn new<S: Into<String>>(argv: impl IntoIterator<Item = S>) -> Self {
        Self { argv: argv.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    /// Counts what will be passed to the program.
    ///
    /// # Errors
    /// [`EngineError::ArgumentTooLong`] for one string past [`LONGEST_ARGUMENT`], or all past [`LONGEST_COMMAND`].
    pub fn check_length(&self) -> Result<(), EngineError> {
        const POINTER_AND_NUL: usize = 9;
        let variables = self.env.iter().map(|(name, value)| name.len() + 1 + value.len());
        let mut total = 0;
        for bytes in self.argv.iter().map(String::len).chain(variables) {
            if bytes > LONGEST_ARGUMENT {
                return Err(EngineError::ArgumentTooLong { bytes, limit: LONGEST_ARGUMENT });
            }
            total += bytes + POINTER_AND_NUL;
        }
        if total > LONGEST_COMMAND {
            return Err(EngineError::ArgumentTooLong { bytes: total, limit: LONGEST_COMMAND });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_may_be_as_long_as_linux_allows_and_no_longer() {
        assert!(Exec::new(["true".into(), "x".repeat(131_071)]).check_length().is_ok());
        let error = Exec::new(["true".into(), "x".repeat(131_072)]).check_length().unwrap_err();
        assert_eq!(
            error.to_string(),
            "a command of 131072 bytes is longer than the 131071 that can be passed to a program"
        );
    }

    #[test]
    fn a_variable_counts_with_its_name() {
        let with = |length: usize| Exec { env: vec![("A".into(), "x".repeat(length))], ..Exec::new(["true"]) };
        assert!(with(131_069).check_length().is_ok());
        assert!(with(131_070).check_length().is_err());
    }

    #[test]
    fn many_strings_are_too_long_together() {
        assert!(Exec::new(vec!["x".repeat(1000); 2000]).check_length().is_ok());
        assert!(Exec::new(vec!["x".repeat(1000); 2095]).check_length().is_err());
    }

    #[test]
    fn an_error_says_what_to_do() {
        let error = EngineError::NoSuchImage { reference: "debian:13".into() };
        assert_eq!(error.to_string(), "the Docker daemon has no image `debian:13`");
        assert_eq!(error.help().unwrap(), "run `docker pull debian:13`, or change `image` in docker.conf");
    }
}
