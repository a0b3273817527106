//! Why a sandbox did not do as asked.

use std::{fmt::Display, io, path::PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Why a sandbox did not do as asked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SandboxError {
    /// The container is gone, or never was.
    #[error("there is no container `{name}`")]
    NoSuchContainer {
        /// What was asked for.
        name: String,
    },
    /// Another container has this name.
    #[error("there is already a container named `{name}`")]
    NameTaken {
        /// The name.
        name: String,
    },
    /// The container is stopped.
    #[error("container `{name}` is not running")]
    NotRunning {
        /// The container.
        name: String,
    },
    /// The store has no such image.
    #[error("there is no image `{reference}`")]
    NoSuchImage {
        /// What was asked for.
        reference: String,
    },
    /// A container or another image is made from the image.
    #[error("image `{reference}` is in use")]
    ImageInUse {
        /// What was asked for.
        reference: String,
    },
    /// A bind mount's source does not exist.
    #[error("cannot mount `{}`: it does not exist", source_path.display())]
    BadMount {
        /// The path on the host.
        source_path: PathBuf,
    },
    /// A file in a container is longer than asked for.
    #[error("`{path}` in the container is too long")]
    FileTooLong {
        /// The path in the container.
        path: String,
    },
    /// How a command ended is unknown.
    #[error("lost the connection to a command in container `{name}`")]
    Lost {
        /// The container.
        name: String,
    },
    /// What is asked for does not fit, or is not to be had here.
    #[error("{what}")]
    Refused {
        /// The whole sentence.
        what: String,
    },
    /// This machine does not let us; `help` says what gives it.
    #[error("{what}")]
    Machine {
        /// What is missing.
        what: String,
        /// What to do about that.
        help: String,
    },
    /// The system said no.
    #[error("cannot {doing}")]
    Failed {
        /// What was tried, as in "create `/x`".
        doing: String,
        /// The system's answer.
        source: io::Error,
    },
}

/// What every function of this crate that can fail gives.
pub type Result<T> = std::result::Result<T, SandboxError>;

/// A sentence as an error.
pub(crate) fn refused(what: impl Into<String>) -> SandboxError {
    SandboxError::Refused { what: what.into() }
}

/// Says what was tried when the system refused it.
pub(crate) trait Doing<T> {
    fn doing(self, doing: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: Into<io::Error>> Doing<T> for std::result::Result<T, E> {
    fn doing(self, doing: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| SandboxError::Failed { doing: doing(), source: error.into() })
    }
}

/// A path as messages show it.
pub(crate) fn named(verb: &str, path: impl AsRef<std::path::Path>) -> String {
    format!("{verb} `{}`", path.as_ref().display())
}

/// An error on its way from one process to another.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Fault {
    Failed { doing: String, code: Option<i32>, words: String },
    Said { words: String, help: Option<String> },
}

impl From<&SandboxError> for Fault {
    fn from(error: &SandboxError) -> Self {
        match error {
            SandboxError::Failed { doing, source } => {
                Self::Failed { doing: doing.clone(), code: source.raw_os_error(), words: with_causes(source) }
            }
            SandboxError::Machine { what, help } => Self::Said { words: what.clone(), help: Some(help.clone()) },
            other => Self::Said { words: other.to_string(), help: None },
        }
    }
}

impl From<Fault> for SandboxError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Failed { doing, code, words } => {
                let source = code.map_or_else(|| io::Error::other(words), io::Error::from_raw_os_error);
                Self::Failed { doing, source }
            }
            Fault::Said { words, help: Some(help) } => Self::Machine { what: words, help },
            Fault::Said { words, help: None } => Self::Refused { what: words },
        }
    }
}

/// An error and what caused it, in one line.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let all = std::iter::successors(Some(error), |error| error.source());
    all.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// What could not be understood, as an error of the system's.
pub(crate) fn unreadable(error: impl Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error.to_string())
}
