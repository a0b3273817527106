//! Whose a container is: its labels and its name.

use std::path::PathBuf;

use sha2::{Digest, Sha256};

use crate::{
    computation::Computation,
    engine::containers::{Container, ContainerState},
    text::hex,
};

/// The version of the labels.
const SCHEMA: &str = "1";

/// What tells a computation's container from all others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    computation: String,
    directory: PathBuf,
    version: String,
    gfs: PathBuf,
}

impl Identity {
    /// The container of this computation, at its version, with the storage in `gfs`.
    #[must_use]
    pub fn new(computation: &Computation, gfs: PathBuf) -> Self {
        Self {
            computation: computation.name.clone(),
            directory: computation.directory.clone(),
            version: computation.key(),
            gfs,
        }
    }

    /// The labels that tell whose container it is.
    #[must_use]
    pub fn labels(&self) -> [(&'static str, String); 5] {
        [
            ("compeval.computation", self.computation.clone()),
            ("compeval.directory", self.directory.display().to_string()),
            ("compeval.commit", self.version.clone()),
            ("compeval.gfs", self.gfs.display().to_string()),
            ("compeval.role", "computation".to_owned()),
        ]
    }

    /// Whether a container is this one, and can be used.
    #[must_use]
    pub fn is_of(&self, container: &Container) -> bool {
        self.labels().iter().all(|(name, value)| container.labels.get(*name) == Some(value))
            && !matches!(container.state, ContainerState::Dead | ContainerState::Removing)
    }

    /// The labels that only say what it was made of.
    #[must_use]
    pub fn further_labels(chain: &str, image: &str) -> [(&'static str, String); 4] {
        [
            ("compeval.chain", chain.to_owned()),
            ("compeval.image", image.to_owned()),
            ("compeval.lineage", String::new()),
            ("compeval.schema", SCHEMA.to_owned()),
        ]
    }

    /// A hash of all that makes a container this one: two calls agree on it before anything was run.
    #[must_use]
    pub fn chain(&self, base: &str, script: &[u8]) -> String {
        let mut hasher = Sha256::new();
        for (name, value) in self.labels() {
            hasher.update(format!("{name} {} {value}\n", value.len()));
        }
        hasher.update(base);
        hasher.update(script);
        hex(&hasher.finalize())
    }

    /// The container's name.
    #[must_use]
    pub fn name(&self, chain: &str) -> String {
        format!("ce-{}-{}", plain(&self.computation), chain.get(..12).unwrap_or(chain))
    }
}

/// A name with the characters that an engine allows in a container's.
pub(crate) fn plain(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || "_.-".contains(c) { c } else { '_' }).collect()
}
