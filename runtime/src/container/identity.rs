//! Whose a container is: its labels, its name, and the base that its fingerprints begin with.

use std::path::PathBuf;

use sha2::{Digest, Sha256};

use compeval_interpreter::text::hex;

use crate::{
    computation::Computation,
    engine::containers::{Container, ContainerSpec, ContainerState},
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

/// A hash of what the creation of a container fixes: the image by its id, the platform, the shell, the user, the working
/// directory, the environment, and where mounts and caches are seen. No path of this machine is in it, nor the image's
/// name: both may change while the container stays what it is.
#[must_use]
pub fn base(image_id: &str, shell: &str, spec: &ContainerSpec) -> String {
    let mut hash = Sha256::new();
    // Each list with its length, each part with its own: no two lists look alike.
    let mut add = |parts: &[&str]| {
        hash.update((parts.len() as u64).to_le_bytes());
        for part in parts {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
    };
    add(&[image_id, shell]);
    for optional in [&spec.platform, &spec.user, &spec.working_dir] {
        add(optional.as_deref().as_slice());
    }
    add(&spec.env.iter().flat_map(|(name, value)| [name.as_str(), value]).collect::<Vec<_>>());
    add(&spec.mounts.iter().map(|mount| mount.target.as_str()).collect::<Vec<_>>());
    add(&spec.caches.iter().map(|cache| cache.target.as_str()).collect::<Vec<_>>());
    hex(&hash.finalize())
}

/// A name with the characters that an engine allows in a container's, which are plain everywhere else too.
#[must_use]
pub fn plain(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || "_.-".contains(c) { c } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::engine::containers::{BindMount, Cache, Limits};

    fn spec() -> ContainerSpec {
        let mount =
            BindMount { source: "/home/x/align".into(), target: "/compeval/computation".into(), read_only: true };
        ContainerSpec {
            image: "debian:13".into(),
            env: vec![("A".into(), "b".into())],
            mounts: vec![mount],
            caches: vec![Cache { name: "ce-cache-apt".into(), target: "/var/cache/apt".into() }],
            ..ContainerSpec::default()
        }
    }

    #[test]
    fn a_base_is_what_creation_fixes() {
        let mut known = BTreeSet::from([base("sha256:1", "/bin/sh", &spec())]);
        assert!(known.insert(base("sha256:2", "/bin/sh", &spec())));
        assert!(known.insert(base("sha256:1", "/bin/bash", &spec())));
        let changes: [fn(&mut ContainerSpec); 9] = [
            |spec| spec.platform = Some("linux/arm64".into()),
            |spec| spec.user = Some("linux/arm64".into()),
            |spec| spec.user = Some(String::new()),
            |spec| spec.working_dir = Some("linux/arm64".into()),
            |spec| spec.env = vec![("Ab".into(), String::new())],
            |spec| spec.env = vec![("A".into(), "b\nC=d".into())],
            |spec| spec.env = vec![("A".into(), "b".into()), ("C".into(), "d".into())],
            |spec| spec.mounts[0].target = "/data".into(),
            |spec| spec.caches[0].target = "/data".into(),
        ];
        for change in changes {
            let mut changed = spec();
            change(&mut changed);
            assert!(known.insert(base("sha256:1", "/bin/sh", &changed)), "{changed:?}");
        }
    }

    #[test]
    fn nothing_of_this_machine_is_in_a_base() {
        let mut moved = spec();
        moved.image = "debian:latest".into();
        moved.mounts[0].source = "/srv/align".into();
        moved.caches[0].name = "ce-cache-other".into();
        moved.limits = Limits { memory: Some(1), ..Limits::default() };
        moved.network = Some("none".into());
        assert_eq!(base("sha256:1", "/bin/sh", &moved), base("sha256:1", "/bin/sh", &spec()));
    }
}
