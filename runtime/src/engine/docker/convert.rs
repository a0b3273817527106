//! Our plain data as the client library's, and back.

use std::collections::HashMap;

use bollard::models;

use crate::engine::{
    containers::{BindMount, Container, ContainerSpec, ContainerState, FileChange, FileChangeKind, Gpus},
    exec::Exec,
};

/// What ends a conversation with a terminal (Docker API, ExecCreate): there must be something, and it must be nothing that
/// anybody sends. The engine keeps a key back for as long as it may be the beginning of this, so that is a rare one.
const DETACH_KEYS: &str =
    "ctrl-^,ctrl-@,ctrl-^,ctrl-@,ctrl-^,ctrl-@,ctrl-^,ctrl-@,ctrl-^,ctrl-@,ctrl-^,ctrl-@,ctrl-^,ctrl-@";

pub(super) fn exec_options(exec: &Exec, reads: bool) -> bollard::exec::CreateExecOptions<String> {
    bollard::exec::CreateExecOptions {
        attach_stdin: Some(reads),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        tty: Some(exec.has_terminal),
        cmd: Some(exec.argv.clone()),
        env: Some(variables(&exec.env)),
        user: exec.user.clone(),
        working_dir: exec.working_dir.clone(),
        detach_keys: exec.has_terminal.then(|| DETACH_KEYS.to_owned()),
        ..Default::default()
    }
}

fn variables(env: &[(String, String)]) -> Vec<String> {
    env.iter().map(|(name, value)| format!("{name}={value}")).collect()
}

pub(super) fn create_body(spec: &ContainerSpec) -> models::ContainerCreateBody {
    let caches = spec.caches.iter().map(|cache| volume(Some(cache.name.clone()), &cache.target));
    // One without a name is the container's own.
    let volumes = caches.chain(spec.scratch.iter().map(|target| volume(None, target)));
    models::ContainerCreateBody {
        image: Some(spec.image.clone()),
        // An empty entrypoint, as opposed to none, keeps the image's own from being put before the command.
        entrypoint: Some(vec![]),
        cmd: Some(spec.command.clone()),
        env: Some(variables(&spec.env)),
        user: spec.user.clone(),
        working_dir: spec.working_dir.clone(),
        // The container's first process waits for input that never comes.
        open_stdin: Some(true),
        labels: Some(spec.labels.clone().into_iter().collect()),
        host_config: Some(models::HostConfig {
            group_add: Some(spec.groups.iter().map(u32::to_string).collect()),
            init: Some(spec.init),
            network_mode: spec.network.clone(),
            mounts: Some(spec.mounts.iter().chain(&spec.own_paths).map(bind_mount).chain(volumes).collect()),
            memory: spec.limits.memory.map(saturating),
            nano_cpus: spec.limits.nano_cpus.map(saturating),
            pids_limit: spec.limits.pids.map(i64::from),
            shm_size: spec.shm_size.map(saturating),
            device_requests: spec.gpus.map(|gpus| vec![gpu_request(gpus)]),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn bind_mount(mount: &BindMount) -> models::Mount {
    models::Mount {
        typ: Some(models::MountType::BIND),
        source: Some(mount.source.to_string_lossy().into_owned()),
        target: Some(mount.target.clone()),
        read_only: Some(mount.read_only),
        ..Default::default()
    }
}

fn volume(name: Option<String>, target: &str) -> models::Mount {
    models::Mount {
        typ: Some(models::MountType::VOLUME),
        source: name,
        target: Some(target.to_owned()),
        ..Default::default()
    }
}

fn gpu_request(gpus: Gpus) -> models::DeviceRequest {
    let count = match gpus {
        Gpus::All => -1,
        Gpus::Count(count) => i64::from(count),
    };
    let capabilities = Some(vec![vec!["gpu".to_owned()]]);
    models::DeviceRequest { count: Some(count), capabilities, ..Default::default() }
}

fn saturating(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The filter for what carries all of these labels.
pub(super) fn label_filter(labels: &[(&str, &str)]) -> HashMap<String, Vec<String>> {
    let labels = labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    HashMap::from([("label".to_owned(), labels)])
}

pub(super) fn listed_container(listed: models::ContainerSummary) -> Container {
    Container {
        id: listed.id.unwrap_or_default(),
        name: without_slash(listed.names.unwrap_or_default().into_iter().next()),
        image_id: listed.image_id.unwrap_or_default(),
        state: container_state(&listed.state.map(|state| state.to_string()).unwrap_or_default()),
        labels: listed.labels.unwrap_or_default().into_iter().collect(),
        created: listed.created.and_then(|seconds| jiff::Timestamp::from_second(seconds).ok()).unwrap_or_default(),
        started: None,
    }
}

pub(super) fn inspected_container(inspected: models::ContainerInspectResponse) -> Container {
    let state = inspected.state.unwrap_or_default();
    let (status, started) = (state.status, state.started_at);
    let config = inspected.config.unwrap_or_default();
    Container {
        id: inspected.id.unwrap_or_default(),
        name: without_slash(inspected.name),
        image_id: inspected.image.unwrap_or_default(),
        state: container_state(&status.map(|status| status.to_string()).unwrap_or_default()),
        labels: config.labels.unwrap_or_default().into_iter().collect(),
        created: inspected.created.and_then(|created| created.parse().ok()).unwrap_or_default(),
        // The year 1 stands for never.
        started: started
            .and_then(|started| started.parse().ok())
            .filter(|started| *started > jiff::Timestamp::UNIX_EPOCH),
    }
}

pub(super) fn file_change(told: models::FilesystemChange) -> FileChange {
    let kind = match told.kind {
        models::ChangeType::_0 => FileChangeKind::Modified,
        models::ChangeType::_1 => FileChangeKind::Added,
        models::ChangeType::_2 => FileChangeKind::Deleted,
    };
    FileChange { path: told.path, kind }
}

fn without_slash(name: Option<String>) -> String {
    name.unwrap_or_default().trim_start_matches('/').to_owned()
}

fn container_state(word: &str) -> ContainerState {
    match word {
        "created" => ContainerState::Created,
        "running" | "stopping" => ContainerState::Running,
        "paused" => ContainerState::Paused,
        "restarting" => ContainerState::Restarting,
        "removing" => ContainerState::Removing,
        "dead" => ContainerState::Dead,
        _ => ContainerState::Exited,
    }
}
