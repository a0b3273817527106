//! Whose a container is and what it is made of: its labels, its name, and the base that its fingerprints begin with.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use compeval_interpreter::text::hex;

use crate::{
    computation::Computation,
    engine::containers::{BindMount, Container, ContainerSpec, ContainerState, Gpus, Limits},
};

/// The label with a hash of the environment that a container was made for.
pub const CHAIN: &str = "compeval.chain";
/// What the names of all labels of ours begin with.
pub const PREFIX: &str = "compeval.";
/// The label with the directory of a container's, or snapshot's, computation.
pub const DIRECTORY: &str = "compeval.directory";

/// The version of the labels.
const SCHEMA: &str = "2";

/// What tells a computation's containers from all others: its directory, and the global file storage that they see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    computation: String,
    directory: PathBuf,
    gfs: PathBuf,
}

/// What a container is made of, as its labels tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MadeOf {
    /// What its fingerprints begin with; see [`base`].
    pub base: String,
    /// All that its creation was told but for labels; see [`spec`].
    pub spec: String,
    /// The name of the image that `docker.conf` gave.
    pub image: String,
    /// The id that this name had.
    pub image_id: String,
}

/// The snapshot that a container, or the container that another snapshot was taken of, was made from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ancestor {
    /// The snapshot's id; empty for the image of `docker.conf` itself.
    pub snapshot: String,
    /// The fingerprint of the last stage in it.
    pub chain: String,
}

impl Identity {
    /// The containers of this computation with the storage in `gfs`.
    #[must_use]
    pub fn new(computation: &Computation, gfs: PathBuf) -> Self {
        Self { computation: computation.name.clone(), directory: computation.directory.clone(), gfs }
    }

    /// The labels that tell whose a container is.
    #[must_use]
    pub fn labels(&self) -> [(&'static str, String); 3] {
        [
            (DIRECTORY, self.directory.display().to_string()),
            ("compeval.gfs", self.gfs.display().to_string()),
            ("compeval.schema", SCHEMA.to_owned()),
        ]
    }

    /// All labels of a container that is made for `commit`, in the environment `chain`. Labels pass from a container into
    /// its image and on from there: each of ours is always set.
    #[must_use]
    pub fn all_labels(
        &self,
        made: &MadeOf,
        ancestor: &Ancestor,
        chain: &str,
        commit: &str,
    ) -> BTreeMap<String, String> {
        let further = [
            ("compeval.computation", self.computation.clone()),
            ("compeval.role", CONTAINER.to_owned()),
            ("compeval.snapshot", ancestor.snapshot.clone()),
            ("compeval.snapshot-chain", ancestor.chain.clone()),
            ("compeval.repeated", String::new()),
            ("compeval.script", String::new()),
            ("compeval.base", made.base.clone()),
            ("compeval.spec", made.spec.clone()),
            ("compeval.image", made.image.clone()),
            ("compeval.image-id", made.image_id.clone()),
            (CHAIN, chain.to_owned()),
            ("compeval.commit", commit.to_owned()),
        ];
        self.labels().into_iter().chain(further).map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// The labels in which a snapshot of a container differs from that.
    #[must_use]
    pub fn snapshot_labels(&self, snapshot: &SnapshotContents) -> BTreeMap<String, String> {
        let labels = [
            ("compeval.commit", snapshot.commit.clone()),
            ("compeval.role", SNAPSHOT.to_owned()),
            (CHAIN, snapshot.chain.clone()),
            ("compeval.repeated", snapshot.repeated.join(" ")),
            ("compeval.script", snapshot.script.clone()),
        ];
        labels.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// The labels that all snapshots have which are of this computation, and begin with this base.
    #[must_use]
    pub fn labels_of_snapshots(&self, base: Option<&str>) -> Vec<(&'static str, String)> {
        let further = base.map(|base| ("compeval.base", base.to_owned()));
        let role = ("compeval.role", SNAPSHOT.to_owned());
        self.labels().into_iter().chain([role]).chain(further).collect()
    }

    /// Whether a container can be used at all: it is one of this computation's, and not about to go.
    #[must_use]
    pub fn is_of(&self, container: &Container) -> bool {
        self.labels().iter().all(|(name, value)| container.labels.get(*name) == Some(value))
            && container.labels.get("compeval.role").is_some_and(|role| role == CONTAINER)
            && !matches!(container.state, ContainerState::Dead | ContainerState::Removing)
    }

    /// A hash of the environment that a script asks for: two calls agree on it before anything has run.
    #[must_use]
    pub fn chain(&self, base: &str, script: &str) -> String {
        let labels = self.labels().map(|(_, value)| value).to_vec();
        hash(&[labels, vec![base.to_owned(), script.to_owned()]])
    }

    /// What the names of all containers for the environment `chain` begin with; a number follows.
    #[must_use]
    pub fn name(&self, chain: &str) -> String {
        format!("ce-{}-{}-", plain(&self.computation), chain.get(..12).unwrap_or(chain))
    }
}

/// The labels that all containers have, of one directory's computation or of any, whatever storage they see.
#[must_use]
pub fn labels_of_containers(directory: Option<&Path>) -> Vec<(&'static str, String)> {
    labels_with_role(CONTAINER, directory)
}

/// The same of snapshots.
#[must_use]
pub fn labels_of_all_snapshots(directory: Option<&Path>) -> Vec<(&'static str, String)> {
    labels_with_role(SNAPSHOT, directory)
}

fn labels_with_role(role: &str, directory: Option<&Path>) -> Vec<(&'static str, String)> {
    let directory = directory.map(|directory| (DIRECTORY, directory.display().to_string()));
    [("compeval.role", role.to_owned())].into_iter().chain(directory).collect()
}

/// The role of a container that calls run in.
const CONTAINER: &str = "computation";
/// The role of an image that was made of one.
const SNAPSHOT: &str = "snapshot";

/// What has run in a snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SnapshotContents {
    /// The fingerprint of the last stage.
    pub chain: String,
    /// The fingerprints of the commands that run on every call.
    pub repeated: Vec<String>,
    /// A hash of the script that all of these were in last.
    pub script: String,
    /// What the version of the computation is filed under that it was taken for.
    pub commit: String,
}

impl SnapshotContents {
    /// What has run in a snapshot, by its labels.
    #[must_use]
    pub fn of(labels: &BTreeMap<String, String>) -> SnapshotContents {
        let label = |name: &str| labels.get(name).cloned().unwrap_or_default();
        let repeated = label("compeval.repeated").split_whitespace().map(str::to_owned).collect();
        let [chain, script, commit] = [CHAIN, "compeval.script", "compeval.commit"].map(label);
        SnapshotContents { chain, repeated, script, commit }
    }
}

impl Ancestor {
    /// What a container, or a snapshot, was made from, by its labels.
    #[must_use]
    pub fn of(labels: &BTreeMap<String, String>) -> Ancestor {
        let label = |name: &str| labels.get(name).cloned().unwrap_or_default();
        Ancestor { snapshot: label("compeval.snapshot"), chain: label("compeval.snapshot-chain") }
    }
}

impl MadeOf {
    /// What a container is made of, by its labels.
    #[must_use]
    pub fn of(container: &Container) -> MadeOf {
        let label = |name: &str| container.labels.get(name).cloned().unwrap_or_default();
        MadeOf {
            base: label("compeval.base"),
            spec: label("compeval.spec"),
            image: label("compeval.image"),
            image_id: label("compeval.image-id"),
        }
    }
}

/// A hash of what the creation of a container fixes: the image by its id, the platform, the shell, the user, the working
/// directory, the environment, and where mounts and caches are seen. No path of this machine is in it, nor the image's
/// name: both may change while the container stays what it is.
#[must_use]
pub fn base(image_id: &str, shell: &str, spec: &ContainerSpec) -> String {
    let mut lists = vec![vec![image_id.to_owned(), shell.to_owned()]];
    let optional = [&spec.platform, &spec.user, &spec.working_dir];
    lists.extend(optional.map(|part| part.iter().cloned().collect()));
    lists.push(spec.env.iter().flat_map(|(name, value)| [name.clone(), value.clone()]).collect());
    lists.push(spec.mounts.iter().map(|mount| mount.target.clone()).collect());
    lists.push(spec.caches.iter().map(|cache| cache.target.clone()).collect());
    hash(&lists)
}

/// A hash of what a container's creation is told besides its [`base`]: what of this machine it sees, and what it may use.
#[must_use]
pub fn spec(spec: &ContainerSpec) -> String {
    let source = |mount: &BindMount| [mount.source.display().to_string(), mount.read_only.to_string()];
    let Limits { memory, nano_cpus, pids } = &spec.limits;
    let mut lists = vec![
        spec.mounts.iter().flat_map(source).collect(),
        spec.caches.iter().map(|cache| cache.name.clone()).collect(),
        spec.command.clone(),
        spec.network.iter().cloned().collect(),
        vec![spec.init.to_string()],
    ];
    lists.extend([*memory, *nano_cpus, pids.map(u64::from), spec.shm_size].map(|limit| text(limit).collect()));
    lists.push(match spec.gpus {
        None => Vec::new(),
        Some(Gpus::All) => vec!["all".to_owned()],
        Some(Gpus::Count(count)) => vec![count.to_string()],
    });
    hash(&lists)
}

fn text(number: Option<u64>) -> impl Iterator<Item = String> {
    number.into_iter().map(|number| number.to_string())
}

/// A hash of lists, each with its length, each part of it with its own: no two look alike.
pub(crate) fn hash(lists: &[Vec<String>]) -> String {
    let mut hash = Sha256::new();
    for parts in lists {
        hash.update((parts.len() as u64).to_le_bytes());
        for part in parts {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
    }
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
    use crate::engine::containers::Cache;

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
