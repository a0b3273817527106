//! Why an engine did not do as asked, whichever engine it is.

use std::{io, path::PathBuf};

use thiserror::Error;

/// Why the engine did not do as asked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The engine is said to be somewhere else than at a Unix socket.
    #[error("`{address}` is not the address of a Unix socket")]
    UnsupportedAddress {
        /// The address.
        address: String,
    },
    /// This machine does not allow containers.
    #[error("{what}")]
    Unusable {
        /// What is missing.
        what: String,
        /// What to do about it.
        help: String,
    },
    /// Nothing answers.
    #[error("cannot reach the container engine at `{}`", socket.display())]
    Unreachable {
        /// The socket tried.
        socket: PathBuf,
        /// `NotFound`: no socket; `ConnectionRefused`: nobody listens on it.
        source: io::Error,
    },
    /// The socket is there, but not for us.
    #[error("not allowed to use the container engine's socket `{}`", socket.display())]
    PermissionDenied {
        /// The socket tried.
        socket: PathBuf,
    },
    /// The engine has no such image.
    #[error("the container engine has no image `{reference}`")]
    NoSuchImage {
        /// What was asked for.
        reference: String,
    },
    /// The image could not be brought here.
    #[error("cannot pull image `{reference}`: {message}")]
    NotPulled {
        /// What was asked for.
        reference: String,
        /// The registry's words, or the engine's.
        message: String,
    },
    /// Something is made from the image.
    #[error("image `{reference}` is in use")]
    ImageInUse {
        /// What was asked for.
        reference: String,
    },
    /// The container is gone, or never was.
    #[error("the container engine has no container `{id}`")]
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
    /// More than Linux passes to a program: counted here, as an engine reports it like a failure of the command.
    #[error("a command of {bytes} bytes is longer than the {limit} that can be passed to a program")]
    ArgumentTooLong {
        /// The length of the string, or of all together.
        bytes: usize,
        /// What it may be.
        limit: usize,
    },
    /// An engine takes text only for what runs with a terminal.
    #[error("`{word}` is not UTF-8 text, and cannot be passed to a command with a terminal")]
    NotText {
        /// The argument, as far as it can be shown.
        word: String,
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
    #[error("cannot mount `{}`: it does not exist on the engine's machine", source_path.display())]
    BadMount {
        /// The path on the host.
        source_path: PathBuf,
    },
    /// Something on this side of the socket failed.
    #[error("cannot talk to the container engine")]
    Client(#[source] io::Error),
    /// The engine says what is wrong with what was asked.
    #[error("{message}")]
    Declined {
        /// The engine's words.
        message: String,
    },
    /// Anything else the engine says no to.
    #[error("the container engine refused to {doing}: {message}")]
    Refused {
        /// What was asked, as in "create container `x`".
        doing: String,
        /// The engine's words.
        message: String,
    },
}
