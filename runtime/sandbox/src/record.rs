//! What the store keeps of an image and of a container, as plain data.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

/// An image: layers, and how what runs in them is set up (OCI image specification, image configuration).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StoredImage {
    /// Its content's id, `sha256:` and 64 hexadecimal digits.
    pub id: String,
    /// What it is called: `name:tag` and `name@sha256:...`, in full as by [`full_name`](crate::full_name).
    pub names: Vec<String>,
    /// Operating system, architecture and, if any, variant: `linux/arm64/v8`.
    pub platform: String,
    /// The user its commands run as; empty means root.
    pub user: String,
    /// The directory its commands start in; empty means `/`.
    pub working_dir: String,
    /// Its environment, `NAME=value` each.
    pub env: Vec<String>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// When it came here.
    pub created: jiff::Timestamp,
    /// What its layers take, in bytes.
    pub size: u64,
    /// The image that it was made from by a commit, by its id.
    pub parent: Option<String>,
    /// Its layers in the store, the lowest first.
    pub(crate) layers: Vec<String>,
}

/// A container: an image, what was written above it, and how it is set up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredContainer {
    /// Its id, 64 hexadecimal digits.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The id of the image it was made from.
    pub image_id: String,
    /// When it was created.
    pub created: jiff::Timestamp,
    /// How it is set up.
    pub setup: ContainerSetup,
    /// The layers of its image, the lowest first.
    pub(crate) layers: Vec<String>,
}

/// The id of the container that a record is of, if it is one.
pub(crate) fn id_in(record: &Path) -> Option<String> {
    let found: StoredContainer = serde_json::from_slice(&fs::read(record).ok()?).ok()?;
    Some(found.id)
}

/// How a container is set up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ContainerSetup {
    /// Environment, `NAME=value` each; of several of a name the last counts.
    pub env: Vec<String>,
    /// The user commands run as; empty means root.
    pub user: String,
    /// Further groups of all users there. Who may not choose his groups keeps those he has.
    pub groups: Vec<u32>,
    /// The directory commands start in; it is made where the image has none.
    pub working_dir: String,
    /// What it sees of the network.
    pub network: HostNetwork,
    /// Directories and files of the host that are seen inside.
    pub binds: Vec<Bind>,
    /// Directories of the store that are seen inside, by names that containers share.
    pub volumes: Vec<Volume>,
    /// Where a directory of the container's own is seen inside, which goes with it.
    pub scratch: Option<String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Whether an init was asked for. The first process is one in any case.
    pub init: bool,
    /// Size of `/dev/shm`, in bytes.
    pub shm_size: Option<u64>,
}

/// What a container sees of the network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum HostNetwork {
    /// All that the host has.
    #[default]
    Host,
    /// A loopback interface of its own.
    None,
}

/// A directory or file of the host that is seen inside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bind {
    /// Absolute path on the host.
    pub source: PathBuf,
    /// Absolute path inside.
    pub target: String,
    /// Whether it can only be read inside.
    pub read_only: bool,
}

/// A directory of the store that is seen inside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// Its name.
    pub name: String,
    /// Absolute path inside.
    pub target: String,
}
