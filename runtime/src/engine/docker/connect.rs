//! Finding the daemon, waiting for its answers, and telling its failures apart.

use std::{
    error::Error as _,
    io,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
};

use bollard::errors::Error;

use super::Docker;
use crate::engine::error::EngineError;

const DEFAULT_SOCKET: &str = "/var/run/docker.sock";
/// Root's.
const PODMANS_SOCKET: &str = "/run/podman/podman.sock";
const VERSION: &bollard::ClientVersion = &bollard::ClientVersion { major_version: 1, minor_version: 41 };
/// How long the daemon may take to begin an answer.
const PATIENCE_SECONDS: u64 = 120;

impl Docker {
    /// The daemon at `DOCKER_HOST` (`unix://` and a path), or at `/var/run/docker.sock`.
    ///
    /// # Errors
    /// [`EngineError::UnsupportedAddress`] for another kind of address, [`EngineError::Unreachable`] when there is no
    /// socket or nobody listens, [`EngineError::PermissionDenied`] when it is not for us.
    pub fn connect() -> Result<Self, EngineError> {
        match std::env::var("DOCKER_HOST") {
            Ok(host) if !host.is_empty() => match host.strip_prefix("unix://") {
                Some(path) => Self::connect_to(Path::new(path)),
                None => Err(EngineError::UnsupportedAddress { address: host }),
            },
            _ => Self::connect_to(Path::new(DEFAULT_SOCKET)),
        }
    }

    /// The service of Podman, which answers as a Docker daemon does: at `CONTAINER_HOST` (`unix://` and a path), else this
    /// user's, else root's.
    ///
    /// # Errors
    /// As [`Docker::connect`].
    pub fn connect_to_podman() -> Result<Self, EngineError> {
        let host = std::env::var("CONTAINER_HOST").unwrap_or_default();
        if !host.is_empty() {
            return match host.strip_prefix("unix://") {
                Some(path) => Self::connect_to(Path::new(path)),
                None => Err(EngineError::UnsupportedAddress { address: host }),
            };
        }
        let own = std::env::var_os("XDG_RUNTIME_DIR").map(|directory| Path::new(&directory).join("podman/podman.sock"));
        match own.filter(|socket| socket.exists()) {
            Some(socket) => Self::connect_to(&socket),
            None => Self::connect_to(Path::new(PODMANS_SOCKET)),
        }
    }

    /// The daemon that listens on `socket`.
    ///
    /// # Errors
    /// As [`Docker::connect`].
    pub fn connect_to(socket: &Path) -> Result<Self, EngineError> {
        // The client library asks only whether the path exists; connecting tells the three failures apart.
        UnixStream::connect(socket).map_err(|error| connection_error(socket, error))?;
        let client = bollard::Docker::connect_with_unix(&socket.to_string_lossy(), PATIENCE_SECONDS, VERSION)
            .map_err(|error| EngineError::Refused { doing: "connect".into(), message: error.to_string() })?;
        Ok(Self { socket: socket.to_owned(), client })
    }

    /// One of our errors for a failed request about container `id`.
    pub(super) fn container_error(&self, error: Error, id: &str, doing: &str) -> EngineError {
        let (status, message) = match &error {
            Error::DockerResponseServerError { status_code, message } => (*status_code, message.as_str()),
            Error::DockerStreamError { error } => (0, error.as_str()),
            _ => (0, ""),
        };
        let id = id.to_owned();
        match status {
            // A network that is missing has the same status.
            404 if !message.starts_with("network ") => EngineError::NoSuchContainer { id },
            409 if message.contains("is paused") => EngineError::Paused { id },
            // The status differs when it ends between two requests of ours.
            _ if message.contains("is not running") => EngineError::NotRunning { id },
            _ => self.refusal(error, format!("{doing} container `{id}`")),
        }
    }

    /// One of our errors for a request that failed for no reason particular to it.
    pub(super) fn refusal(&self, error: Error, doing: String) -> EngineError {
        match error {
            Error::DockerResponseServerError { message, .. } | Error::DockerStreamError { error: message } => {
                match missing_source(&message) {
                    Some(source_path) => EngineError::BadMount { source_path },
                    None => EngineError::Refused { doing, message },
                }
            }
            Error::SocketNotFoundError(_) => connection_error(&self.socket, io::ErrorKind::NotFound.into()),
            error => match connection_failure(&error) {
                Some(kind) => connection_error(&self.socket, kind.into()),
                None => EngineError::Refused { doing, message: error.to_string() },
            },
        }
    }
}

pub(super) fn connection_error(socket: &Path, source: io::Error) -> EngineError {
    let socket = socket.to_owned();
    match source.kind() {
        io::ErrorKind::PermissionDenied => EngineError::PermissionDenied { socket },
        _ => EngineError::Unreachable { socket, source },
    }
}

pub(super) fn status(error: &Error) -> Option<u16> {
    match error {
        Error::DockerResponseServerError { status_code, .. } => Some(*status_code),
        _ => None,
    }
}

/// The kind of I/O error at the bottom of a failed request, if there is one.
fn connection_failure(error: &Error) -> Option<io::ErrorKind> {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return Some(error.kind());
        }
        cause = error.source();
    }
    None
}

/// The path in the daemon's complaint about a bind mount without a source, wherever it stands in the message.
fn missing_source(message: &str) -> Option<PathBuf> {
    let (_, path) = message.split_once("bind source path does not exist: ")?;
    Some(PathBuf::from(path.trim_end()))
}
