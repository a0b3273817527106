//! Why an engine did not do as asked, and what to do about it.

use std::{io, path::PathBuf};

use thiserror::Error;

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
    /// A file in a container is longer than any that is read from one.
    #[error("`{}` in the container is too long", path.display())]
    FileTooLong {
        /// The file.
        path: PathBuf,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_to_do() {
        let error = EngineError::NoSuchImage { reference: "debian:13".into() };
        assert_eq!(error.to_string(), "the Docker daemon has no image `debian:13`");
        assert_eq!(error.help().unwrap(), "run `docker pull debian:13`, or change `image` in docker.conf");
    }
}
