//! Between what an engine is asked and what a store takes and gives.

use compeval_sandbox::{
    Bind, ContainerSetup, HostNetwork, RunningCommand, SandboxError, Store, StoredContainer, StoredImage, StoredState,
    TreeChange, TreeChangeKind, Volume,
};

use crate::engine::{
    containers::{BindMount, Container, ContainerSpec, ContainerState, FileChange, FileChangeKind, RunningProgram},
    error::EngineError,
    images::Image,
};

/// What a store is to set up.
///
/// # Errors
/// What it has not: networks of its own, limits, GPUs, images for other machines.
pub(super) fn setup_of(name: &str, spec: &ContainerSpec, image: &StoredImage) -> Result<ContainerSetup, EngineError> {
    let refused = |message: String| Err(EngineError::Refused { doing: format!("create container `{name}`"), message });
    let network = match spec.network.as_deref() {
        None | Some("host") => HostNetwork::Host,
        Some("none") => HostNetwork::None,
        Some(other) => return refused(format!("network {other} not found: there are `host` and `none`")),
    };
    if spec.limits != Default::default() {
        return refused("the embedded engine sets no limits: those of the batch system, or of `ulimit`, count".into());
    }
    if spec.gpus.is_some() {
        return refused("the embedded engine passes no graphics cards on".into());
    }
    if let Some(platform) = spec.platform.as_ref().filter(|platform| **platform != image.platform) {
        return refused(format!("the image is for {}, not for {platform}", image.platform));
    }
    Ok(ContainerSetup {
        env: spec.env.iter().map(|(name, value)| format!("{name}={value}")).collect(),
        user: spec.user.clone().unwrap_or_default(),
        groups: spec.groups.clone(),
        working_dir: spec.working_dir.clone().unwrap_or_default(),
        network,
        binds: spec.mounts.iter().chain(&spec.own_paths).map(bind).collect(),
        volumes: spec.caches.iter().map(|one| Volume { name: one.name.clone(), target: one.target.clone() }).collect(),
        scratch: spec.scratch.clone(),
        labels: spec.labels.clone(),
        init: spec.init,
        shm_size: spec.shm_size,
    })
}

fn bind(mount: &BindMount) -> Bind {
    Bind { source: mount.source.clone(), target: mount.target.clone(), read_only: mount.read_only }
}

pub(super) fn found_container(store: &Store, container: StoredContainer) -> Container {
    let (state, started) = store.state(&container);
    let state = match state {
        StoredState::Created => ContainerState::Created,
        StoredState::Running => ContainerState::Running,
        StoredState::Exited => ContainerState::Exited,
    };
    let StoredContainer { id, name, image_id, created, setup, .. } = container;
    Container { id, name, image_id, state, labels: setup.labels, created, started }
}

pub(super) fn found_image(image: StoredImage) -> Image {
    let StoredImage { id, platform, user, working_dir, env, labels, size, .. } = image;
    Image { id, platform, user, working_dir, env, labels, size }
}

pub(super) fn change(change: TreeChange) -> FileChange {
    let kind = match change.kind {
        TreeChangeKind::Modified => FileChangeKind::Modified,
        TreeChangeKind::Added => FileChangeKind::Added,
        TreeChangeKind::Deleted => FileChangeKind::Deleted,
    };
    FileChange { path: change.path, kind }
}

pub(super) fn program(command: RunningCommand) -> RunningProgram {
    RunningProgram { argv: command.argv, process: Some(command.process) }
}

/// A text in which names out of an archive or a container may stand, for a terminal.
fn shown(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '?' } else { letter }).collect()
}

impl From<SandboxError> for EngineError {
    fn from(error: SandboxError) -> EngineError {
        match error {
            SandboxError::NoSuchContainer { name } => EngineError::NoSuchContainer { id: name },
            SandboxError::NameTaken { name } => EngineError::NameTaken { name },
            SandboxError::NotRunning { name } => EngineError::NotRunning { id: name },
            SandboxError::NoSuchImage { reference } => EngineError::NoSuchImage { reference },
            SandboxError::ImageInUse { reference } => EngineError::ImageInUse { reference },
            SandboxError::BadMount { source_path } => EngineError::BadMount { source_path },
            SandboxError::FileTooLong { path } => EngineError::FileTooLong { path: path.into() },
            SandboxError::Lost { name } => EngineError::Lost { id: name },
            SandboxError::Machine { what, help } => EngineError::Unusable { what, help },
            SandboxError::Failed { doing, source } => {
                EngineError::Refused { doing: shown(&doing), message: shown(&source.to_string()) }
            }
            other => EngineError::Declined { message: shown(&other.to_string()) },
        }
    }
}
