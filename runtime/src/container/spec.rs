//! From a docker description to what the engine is told to create.

use std::path::{Path, PathBuf};

use super::mounts::{Mounts, SCRATCH};
use crate::{
    computation::description::Description,
    engine::containers::{BindMount, ContainerSpec},
};

/// What the container of a setup does by itself: wait.
const IDLE: &str = "read -r _";

/// The container that a description asks for, of the computation in `directory`; image and labels are not yet in it.
///
/// # Errors
/// The path of the first bind mount's source that does not exist, or leads out of `directory`.
pub fn container_spec(description: &Description, directory: &Path, mounts: &Mounts) -> Result<ContainerSpec, PathBuf> {
    let mut bind_mounts = mounts.bind_mounts();
    bind_mounts.extend(description.bind_mounts(directory)?);
    let own_paths = mounts.at_own_paths(&others(description, &bind_mounts)).0;
    Ok(ContainerSpec {
        platform: description.platform.clone(),
        command: vec![description.shell.clone(), "-c".to_owned(), IDLE.to_owned()],
        env: description.variables().into_iter().chain(mounts.env()).collect(),
        user: description.user.clone(),
        groups: mounts.groups().to_vec(),
        working_dir: description.workdir.clone(),
        network: description.network.clone(),
        mounts: bind_mounts,
        own_paths,
        scratch: Some(SCRATCH.to_owned()),
        caches: description.caches.iter().map(|mount| mount.cache.clone()).collect(),
        init: description.init,
        limits: description.limits.clone(),
        shm_size: description.shm_size,
        gpus: description.gpus,
        ..ContainerSpec::default()
    })
}

/// The directories of this machine that are not seen at their own paths, since they would hide something there.
#[must_use]
pub fn left_out(spec: &ContainerSpec, description: &Description, mounts: &Mounts) -> Vec<PathBuf> {
    mounts.at_own_paths(&others(description, &spec.mounts)).1
}

/// Where else something is mounted.
fn others<'m>(description: &'m Description, mounts: &'m [BindMount]) -> Vec<&'m str> {
    let caches = description.caches.iter().map(|mount| mount.cache.target.as_str());
    mounts.iter().map(|mount| mount.target.as_str()).chain(caches).collect()
}
