//! Which engine is used: the one that is asked for, or the first that is there.

use std::io::{self, Read};

use super::{
    Engine,
    docker::{self, Docker},
    embedded::{self, Embedded},
    error::EngineError,
    images::Image,
};

/// The engines there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineKind {
    /// A Docker daemon.
    Docker,
    /// The service of Podman.
    Podman,
    /// This program itself.
    Embedded,
}

/// All of them, each as it is asked for.
pub const ENGINES: [(&str, EngineKind); 3] =
    [("docker", EngineKind::Docker), ("podman", EngineKind::Podman), ("embedded", EngineKind::Embedded)];

/// An engine that can be used.
pub enum Connected {
    /// A Docker daemon.
    Docker(Docker),
    /// The service of Podman, which is talked to as a Docker daemon is.
    Podman(Docker),
    /// This program itself.
    Embedded(Embedded),
}

impl Connected {
    /// The engine.
    #[must_use]
    pub fn engine(&self) -> &dyn Engine {
        match self {
            Connected::Docker(docker) | Connected::Podman(docker) => docker,
            Connected::Embedded(embedded) => embedded,
        }
    }

    /// Which one it is.
    #[must_use]
    pub fn kind(&self) -> EngineKind {
        match self {
            Connected::Docker(_) => EngineKind::Docker,
            Connected::Podman(_) => EngineKind::Podman,
            Connected::Embedded(_) => EngineKind::Embedded,
        }
    }

    /// What is to be known about one that has just been made.
    #[must_use]
    pub fn first_words(&self) -> Option<&str> {
        match self {
            Connected::Docker(_) | Connected::Podman(_) => None,
            Connected::Embedded(embedded) => embedded.first_words(),
        }
    }

    /// Removes what was left by who was killed, where the engine does not do so itself.
    ///
    /// # Errors
    /// What could not be removed.
    pub fn tidy(&self) -> Result<(), EngineError> {
        match self {
            Connected::Docker(_) | Connected::Podman(_) => Ok(()),
            Connected::Embedded(embedded) => embedded.tidy(),
        }
    }

    /// Takes the images out of an archive of `docker save` or an OCI layout, under a name if one is given.
    ///
    /// # Errors
    /// An archive that is none; the engine's refusal.
    pub fn import(&self, archive: impl Read, name: Option<&str>) -> Result<Vec<Image>, EngineError> {
        match self {
            Connected::Docker(_) | Connected::Podman(_) => Err(EngineError::Refused {
                doing: "import an image".into(),
                message: "a daemon takes images by `docker load`, or `podman load`".into(),
            }),
            Connected::Embedded(embedded) => embedded.import(archive, name),
        }
    }
}

/// The engine that is wanted. Where none is, the Docker daemon if one answers, else Podman's service, and the embedded engine
/// otherwise; a daemon that `DOCKER_HOST` names is wanted, and one that is installed, and does not run now.
///
/// # Errors
/// Why it cannot be used.
pub fn connect(wanted: Option<EngineKind>) -> Result<Connected, EngineError> {
    let is_named = std::env::var_os("DOCKER_HOST").is_some_and(|host| !host.is_empty());
    let docker = || Docker::connect().map(Connected::Docker);
    let podman = || Docker::connect_to_podman().map(Connected::Podman);
    let embedded = || Embedded::open().map(Connected::Embedded);
    match wanted.or(is_named.then_some(EngineKind::Docker)) {
        Some(EngineKind::Docker) => docker(),
        Some(EngineKind::Podman) => podman(),
        Some(EngineKind::Embedded) => embedded(),
        None => match docker() {
            // One that is installed and does not run now is not replaced: all containers would be made anew.
            Err(EngineError::Unreachable { socket, source }) if source.kind() == io::ErrorKind::ConnectionRefused => {
                Err(EngineError::Unreachable { socket, source })
            }
            Err(_) => podman().or_else(|_| embedded()),
            docker => docker,
        },
    }
}

/// What the reader can do about an error of an engine, if we know.
#[must_use]
pub fn help(kind: EngineKind, error: &EngineError) -> Option<String> {
    match kind {
        EngineKind::Docker => docker::help(error, docker::DOCKER),
        EngineKind::Podman => docker::help(error, docker::PODMAN),
        EngineKind::Embedded => embedded::help(error),
    }
}
