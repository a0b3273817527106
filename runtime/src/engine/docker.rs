//! [`Engine`] over a Docker daemon's Unix socket; the only file that names bollard and tokio.
//!
//! Every call drives a small event loop of its own on the calling thread. So a caller whose output is stuck (a full
//! pipe) holds up nobody: another thread can send a signal through the same [`Docker`] meanwhile.

use std::collections::HashMap;
use std::error::Error as _;
use std::future::Future;
use std::io::{self, PipeReader};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::Duration;

use bollard::errors::Error;
use bollard::models;
use bollard::query_parameters as query;
use futures_util::StreamExt;
use rustix::event::{PollFd, PollFlags, poll};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

use super::{
    BindMount, Cache, Container, ContainerSpec, ContainerState, Engine, EngineError, Exec, Gpus, Image, Output, Stdin,
    Stream,
};

const DEFAULT_SOCKET: &str = "/var/run/docker.sock";
const VERSION: &bollard::ClientVersion = &bollard::ClientVersion { major_version: 1, minor_version: 41 };
/// How long the daemon may take to begin an answer.
const PATIENCE_SECONDS: u64 = 120;
/// How often, and how often at most, to ask for an exit status that is not there yet.
const EXIT_STATUS_POLL: Duration = Duration::from_millis(2);
const EXIT_STATUS_POLLS: u32 = 2500;
const CHUNK: usize = 64 * 1024;

/// A Docker daemon.
pub struct Docker {
    socket: PathBuf,
    client: bollard::Docker,
}

impl Docker {
    /// The daemon at `DOCKER_HOST` (`unix://` and a path), or at `/var/run/docker.sock`.
    ///
    /// # Errors
    /// [`EngineError::UnsupportedHost`] for another kind of address, [`EngineError::Unreachable`] when there is no
    /// socket or nobody listens, [`EngineError::PermissionDenied`] when it is not for us.
    pub fn connect() -> Result<Self, EngineError> {
        match std::env::var("DOCKER_HOST") {
            Ok(host) if !host.is_empty() => match host.strip_prefix("unix://") {
                Some(path) => Self::connect_to(Path::new(path)),
                None => Err(EngineError::UnsupportedHost { host }),
            },
            _ => Self::connect_to(Path::new(DEFAULT_SOCKET)),
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

    /// Makes an image of a tar archive of its files, and gives its id. `reference` is a name and tag; `changes` are
    /// Dockerfile instructions for its configuration, as in `ENV PATH=/bin` (Docker API, ImageCreate).
    ///
    /// # Errors
    /// The daemon's refusal, of the archive for example.
    pub fn import_image(&self, reference: &str, archive: Vec<u8>, changes: &[&str]) -> Result<String, EngineError> {
        let options = query::CreateImageOptionsBuilder::default()
            .from_src("-")
            .repo(reference)
            .changes(changes.iter().map(|&change| change.to_owned()).collect())
            .build();
        let body = bollard::body_full(archive.into());
        let mut progress = Box::pin(self.client.create_image(Some(options), Some(body), None));
        block_on(async {
            while let Some(step) = progress.next().await {
                step.map_err(|error| self.refusal(error, format!("import image `{reference}`")))?;
            }
            Ok::<(), EngineError>(())
        })??;
        self.image(reference).map(|image| image.id)
    }

    /// Removes an image's name, and the image with its last one. One that is gone is no error.
    ///
    /// # Errors
    /// The daemon's refusal, as for an image that a container uses.
    pub fn remove_image(&self, reference: &str) -> Result<(), EngineError> {
        let doing = format!("remove image `{reference}`");
        match block_on(self.client.remove_image(reference, None::<query::RemoveImageOptions>, None))? {
            Err(error) if status(&error) != Some(404) => Err(self.refusal(error, doing)),
            _ => Ok(()),
        }
    }

    /// One of our errors for a failed request about container `id`.
    fn container_error(&self, error: Error, id: &str, doing: &str) -> EngineError {
        let (status, message) = match &error {
            Error::DockerResponseServerError { status_code, message } => (*status_code, message.as_str()),
            Error::DockerStreamError { error } => (0, error.as_str()),
            _ => (0, ""),
        };
        let id = id.to_owned();
        match status {
            404 => EngineError::NoSuchContainer { id },
            409 if message.contains("is paused") => EngineError::Paused { id },
            // The status differs when it ends between two requests of ours.
            _ if message.contains("is not running") => EngineError::NotRunning { id },
            _ => self.refusal(error, format!("{doing} container `{id}`")),
        }
    }

    /// One of our errors for a request that failed for no reason particular to it.
    fn refusal(&self, error: Error, doing: String) -> EngineError {
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

    async fn run(&self, id: &str, exec: &Exec, output: &mut Output<'_>) -> Result<i32, EngineError> {
        let created = self.client.create_exec(id, exec_options(exec)).await;
        let exec_id = created.map_err(|error| self.container_error(error, id, "run a command in"))?.id;
        let options = bollard::exec::StartExecOptions { output_capacity: Some(CHUNK), ..Default::default() };
        let started = self.client.start_exec(&exec_id, Some(options)).await;
        let lost = || EngineError::Lost { id: id.to_owned() };
        let bollard::exec::StartExecResults::Attached { output: mut pieces, input } =
            started.map_err(|error| self.container_error(error, id, "run a command in"))?
        else {
            return Err(lost());
        };
        // Kept to the end of the command: dropping it ends both the reading and the sending.
        let mut waiting = (exec.stdin == Stdin::Inherit).then_some(input);
        let mut feed = None;
        if exec.stdin_after.is_none()
            && let Some(input) = waiting.take()
        {
            feed = Some(Feed::start(input)?);
        }
        let mut first_line = Vec::new();
        while let Some(piece) = pieces.next().await {
            match piece.map_err(|_| lost())? {
                bollard::container::LogOutput::StdErr { message } => output(Stream::Stderr, &message),
                other => {
                    let bytes = other.into_bytes();
                    if waiting.is_some() && !first_line.contains(&b'\n') {
                        first_line.extend_from_slice(&bytes);
                        let line = first_line.split_inclusive(|byte| *byte == b'\n').next().unwrap_or_default();
                        let awaited = exec.stdin_after.as_deref().unwrap_or_default();
                        if line.strip_suffix(b"\n").is_some_and(|line| line.ends_with(awaited.as_bytes()))
                            && let Some(input) = waiting.take()
                        {
                            feed = Some(Feed::start(input)?);
                        }
                    }
                    output(Stream::Stdout, &bytes)
                }
            }
            .map_err(EngineError::Output)?;
        }
        drop(feed);
        self.exit_status(&exec_id).await.ok_or_else(lost)
    }

    /// How a command ended whose output has. `None` when it cannot be known: output also ends with the connection.
    async fn exit_status(&self, exec_id: &str) -> Option<i32> {
        for _ in 0..EXIT_STATUS_POLLS {
            let inspected = self.client.inspect_exec(exec_id).await.ok()?;
            if inspected.running == Some(false)
                && let Some(code) = inspected.exit_code
            {
                return i32::try_from(code).ok();
            }
            tokio::time::sleep(EXIT_STATUS_POLL).await;
        }
        None
    }
}

impl Engine for Docker {
    fn image(&self, reference: &str) -> Result<Image, EngineError> {
        let image = block_on(self.client.inspect_image(reference))?.map_err(|error| match status(&error) {
            Some(404) => EngineError::NoSuchImage { reference: reference.to_owned() },
            _ => self.refusal(error, format!("inspect image `{reference}`")),
        })?;
        let config = image.config.unwrap_or_default();
        let platform = [image.os, image.architecture, image.variant];
        Ok(Image {
            id: image.id.unwrap_or_default(),
            platform: platform.into_iter().flatten().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/"),
            user: config.user.unwrap_or_default(),
            working_dir: config.working_dir.unwrap_or_default(),
            env: config.env.unwrap_or_default(),
        })
    }

    fn containers(&self, labels: &[(&str, &str)]) -> Result<Vec<Container>, EngineError> {
        let filters = labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let options = query::ListContainersOptionsBuilder::default()
            .all(true)
            .filters(&HashMap::from([("label".to_owned(), filters)]))
            .build();
        let listed = block_on(self.client.list_containers(Some(options)))?;
        let listed = listed.map_err(|error| self.refusal(error, "list containers".into()))?;
        let mut containers: Vec<Container> = listed.into_iter().map(listed_container).collect();
        containers.sort_by_key(|container| std::cmp::Reverse(container.created));
        Ok(containers)
    }

    fn container(&self, id: &str) -> Result<Option<Container>, EngineError> {
        match block_on(self.client.inspect_container(id, None::<query::InspectContainerOptions>))? {
            Ok(inspected) => Ok(Some(inspected_container(inspected))),
            Err(error) if status(&error) == Some(404) => Ok(None),
            Err(error) => Err(self.refusal(error, format!("inspect container `{id}`"))),
        }
    }

    fn create(&self, name: &str, spec: &ContainerSpec) -> Result<String, EngineError> {
        let mut options = query::CreateContainerOptionsBuilder::default().name(name);
        if let Some(platform) = &spec.platform {
            options = options.platform(platform);
        }
        let created = block_on(self.client.create_container(Some(options.build()), create_body(spec)))?;
        created.map(|created| created.id).map_err(|error| match &error {
            Error::DockerResponseServerError { status_code: 404, message }
                if message.to_lowercase().contains("image") =>
            {
                EngineError::NoSuchImage { reference: spec.image.clone() }
            }
            Error::DockerResponseServerError { status_code: 409, .. } => {
                EngineError::NameTaken { name: name.to_owned() }
            }
            _ => self.refusal(error, format!("create container `{name}`")),
        })
    }

    fn start(&self, id: &str) -> Result<(), EngineError> {
        match block_on(self.client.start_container(id, None))? {
            Err(error) if status(&error) != Some(304) => Err(self.container_error(error, id, "start")),
            _ => Ok(()),
        }
    }

    fn unpause(&self, id: &str) -> Result<(), EngineError> {
        match block_on(self.client.unpause_container(id))? {
            Err(Error::DockerResponseServerError { message, .. }) if message.contains("is not paused") => Ok(()),
            Err(error) => Err(self.container_error(error, id, "unpause")),
            Ok(()) => Ok(()),
        }
    }

    fn remove(&self, id: &str) -> Result<(), EngineError> {
        let options = query::RemoveContainerOptionsBuilder::default().force(true).v(true).build();
        match block_on(self.client.remove_container(id, Some(options)))? {
            Err(Error::DockerResponseServerError { status_code: 409, message }) if message.contains("in progress") => {
                Ok(())
            }
            Err(error) if status(&error) != Some(404) => Err(self.container_error(error, id, "remove")),
            _ => Ok(()),
        }
    }

    fn read_file(&self, id: &str, path: &str) -> Result<Option<Vec<u8>>, EngineError> {
        let options = query::DownloadFromContainerOptionsBuilder::default().path(path).build();
        let archive = block_on(async {
            let mut stream = self.client.download_from_container(id, Some(options));
            let mut archive = Vec::new();
            while let Some(chunk) = stream.next().await {
                archive.extend_from_slice(&chunk?);
            }
            Ok(archive)
        })?;
        match archive {
            Ok(archive) => Ok(first_file(&archive)),
            // The same status says that the container is gone.
            Err(error) if status(&error) == Some(404) && self.container(id)?.is_some() => Ok(None),
            Err(error) => Err(self.container_error(error, id, "read a file of")),
        }
    }

    fn exec(&self, id: &str, exec: &Exec, output: &mut Output<'_>) -> Result<i32, EngineError> {
        exec.check_length()?;
        block_on(self.run(id, exec, output))?
    }
}

/// The content of the one file in a tar archive as the daemon makes it: a header of 512 bytes, which holds the length
/// in octal, and then the content.
fn first_file(archive: &[u8]) -> Option<Vec<u8>> {
    let digits = std::str::from_utf8(archive.get(124..136)?).ok()?;
    let length = usize::from_str_radix(digits.trim_matches(['\0', ' ']), 8).ok()?;
    let is_file = matches!(archive.get(156)?, b'0' | 0);
    is_file.then(|| archive.get(512..512 + length).map(<[u8]>::to_vec)).flatten()
}

fn block_on<T>(future: impl Future<Output = T>) -> Result<T, EngineError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(EngineError::Client)?;
    Ok(runtime.block_on(future))
}

/// This process's standard input on its way to a command.
struct Feed {
    /// Its closing wakes the reading thread, wherever it waits: that thread takes nothing meant for a later reader.
    _wake: io::PipeWriter,
    sender: tokio::task::JoinHandle<()>,
}

impl Feed {
    fn start(mut input: Pin<Box<dyn AsyncWrite + Send>>) -> Result<Self, EngineError> {
        let (woken, wake) = io::pipe().map_err(EngineError::Client)?;
        let (chunks, mut received) = mpsc::channel(1);
        std::thread::Builder::new()
            .name("stdin".into())
            .spawn(move || read_stdin(&woken, &chunks))
            .map_err(EngineError::Client)?;
        let sender = tokio::spawn(async move {
            while let Some(chunk) = received.recv().await {
                // A command may end, or close its input, without having read it all.
                if input.write_all(&chunk as &[u8]).await.is_err() {
                    return;
                }
            }
            let _ = input.shutdown().await;
        });
        Ok(Self { _wake: wake, sender })
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.sender.abort();
    }
}

/// Sends what standard input gives to `chunks` until its end, a failure, or the closing of `woken`'s other end.
fn read_stdin(woken: &PipeReader, chunks: &mpsc::Sender<Vec<u8>>) {
    let stdin = rustix::stdio::stdin();
    loop {
        let mut ready = [PollFd::from_borrowed_fd(stdin, PollFlags::IN), PollFd::new(woken, PollFlags::IN)];
        match poll(&mut ready, None) {
            Err(rustix::io::Errno::INTR) => continue,
            Err(_) => return,
            Ok(_) => {}
        }
        if ready.last().is_some_and(|woken| !woken.revents().is_empty()) {
            return;
        }
        let mut chunk = vec![0; CHUNK];
        match rustix::io::read(stdin, &mut chunk) {
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
            Err(_) | Ok(0) => return,
            Ok(length) => {
                chunk.truncate(length);
                if chunks.blocking_send(chunk).is_err() {
                    return;
                }
            }
        }
    }
}

fn connection_error(socket: &Path, source: io::Error) -> EngineError {
    let socket = socket.to_owned();
    match source.kind() {
        io::ErrorKind::PermissionDenied => EngineError::PermissionDenied { socket },
        _ => EngineError::Unreachable { socket, source },
    }
}

fn status(error: &Error) -> Option<u16> {
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

fn exec_options(exec: &Exec) -> bollard::exec::CreateExecOptions<String> {
    bollard::exec::CreateExecOptions {
        attach_stdin: Some(exec.stdin == Stdin::Inherit),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        cmd: Some(exec.argv.clone()),
        env: Some(variables(&exec.env)),
        user: exec.user.clone(),
        working_dir: exec.working_dir.clone(),
        ..Default::default()
    }
}

fn variables(env: &[(String, String)]) -> Vec<String> {
    env.iter().map(|(name, value)| format!("{name}={value}")).collect()
}

fn create_body(spec: &ContainerSpec) -> models::ContainerCreateBody {
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
            init: Some(spec.init),
            network_mode: spec.network.clone(),
            mounts: Some(spec.mounts.iter().map(bind_mount).chain(spec.caches.iter().map(volume)).collect()),
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

fn volume(cache: &Cache) -> models::Mount {
    models::Mount {
        typ: Some(models::MountType::VOLUME),
        source: Some(cache.name.clone()),
        target: Some(cache.target.clone()),
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

fn listed_container(listed: models::ContainerSummary) -> Container {
    Container {
        id: listed.id.unwrap_or_default(),
        name: without_slash(listed.names.unwrap_or_default().into_iter().next()),
        image_id: listed.image_id.unwrap_or_default(),
        state: container_state(&listed.state.map(|state| state.to_string()).unwrap_or_default()),
        labels: listed.labels.unwrap_or_default().into_iter().collect(),
        created: listed.created.and_then(|seconds| jiff::Timestamp::from_second(seconds).ok()).unwrap_or_default(),
    }
}

fn inspected_container(inspected: models::ContainerInspectResponse) -> Container {
    let status = inspected.state.and_then(|state| state.status);
    let config = inspected.config.unwrap_or_default();
    Container {
        id: inspected.id.unwrap_or_default(),
        name: without_slash(inspected.name),
        image_id: inspected.image.unwrap_or_default(),
        state: container_state(&status.map(|status| status.to_string()).unwrap_or_default()),
        labels: config.labels.unwrap_or_default().into_iter().collect(),
        created: inspected.created.and_then(|created| created.parse().ok()).unwrap_or_default(),
    }
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

#[cfg(test)]
mod tests {
    use compeval_machine_image::{Kind, docker_for_tests, ensure};

    use super::*;

    /// A running container that goes when the test ends, whatever way.
    struct Guarded {
        docker: Docker,
        id: String,
    }

    impl Drop for Guarded {
        fn drop(&mut self) {
            let _ = self.docker.remove(&self.id);
        }
    }

    impl Guarded {
        fn sh(&self, script: &str) -> (i32, String, String) {
            let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
            let status = self.docker.exec(&self.id, &Exec::new(["sh", "-c", script]), &mut |stream, piece| {
                match stream {
                    Stream::Stdout => stdout.extend_from_slice(piece),
                    Stream::Stderr => stderr.extend_from_slice(piece),
                }
                Ok(())
            });
            (status.unwrap(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
        }
    }

    fn spec(kind: Kind) -> ContainerSpec {
        ContainerSpec {
            image: kind.reference().into(),
            command: ["sleep", "1000"].map(String::from).to_vec(),
            network: Some("none".into()),
            init: true,
            labels: [("compeval.test".to_owned(), std::process::id().to_string())].into(),
            ..ContainerSpec::default()
        }
    }

    /// A running container named for this process and `name`; `None` without a daemon.
    fn container(name: &str, kind: Kind) -> Option<Guarded> {
        ensure(&docker_for_tests(&format!("engine::docker, {name}"))?, kind).unwrap();
        let docker = Docker::connect().unwrap();
        let id = docker.create(&format!("ce-test-{}-{name}", std::process::id()), &spec(kind)).unwrap();
        let guarded = Guarded { docker, id };
        guarded.docker.start(&guarded.id).unwrap();
        Some(guarded)
    }

    #[test]
    fn a_command_gives_its_output_and_its_exit_status() {
        for kind in [Kind::Dash, Kind::Bash, Kind::Busybox] {
            let Some(container) = container(&format!("output-{kind:?}"), kind) else {
                return;
            };
            assert_eq!(container.sh("echo out; echo err >&2; exit 3"), (3, "out\n".into(), "err\n".into()), "{kind:?}");
            assert_eq!(container.sh("kill -TERM $$").0, 143, "{kind:?}");
            assert_eq!(container.sh("cat /etc/hostname | wc -l && id -u").1.replace(' ', ""), "1\n0\n", "{kind:?}");
        }
    }

    #[test]
    fn a_container_that_is_gone_is_found_out_by_every_verb() {
        let Some(container) = container("gone", Kind::Busybox) else {
            return;
        };
        let (docker, id) = (&container.docker, container.id.as_str());
        docker.remove(id).unwrap();
        docker.remove(id).unwrap();
        assert_eq!(docker.container(id).unwrap(), None);
        let exec = docker.exec(id, &Exec::new(["true"]), &mut |_, _| Ok(()));
        assert!(matches!(exec, Err(EngineError::NoSuchContainer { .. })), "{exec:?}");
        assert!(matches!(docker.start(id), Err(EngineError::NoSuchContainer { .. })));
        assert!(matches!(docker.unpause(id), Err(EngineError::NoSuchContainer { .. })));
    }

    #[test]
    fn a_stopped_or_paused_container_runs_nothing() {
        let Some(container) = container("stopped", Kind::Busybox) else {
            return;
        };
        let (docker, id) = (&container.docker, container.id.as_str());
        let exec = || docker.exec(id, &Exec::new(["true"]), &mut |_, _| Ok(()));
        assert!(matches!(exec(), Ok(0)));
        docker.start(id).unwrap();
        docker.unpause(id).unwrap();
        block_on(docker.client.pause_container(id)).unwrap().unwrap();
        assert!(matches!(exec(), Err(EngineError::Paused { .. })));
        assert_eq!(docker.container(id).unwrap().unwrap().state, ContainerState::Paused);
        docker.unpause(id).unwrap();
        assert!(matches!(exec(), Ok(0)));
        block_on(docker.client.kill_container(id, None)).unwrap().unwrap();
        while docker.container(id).unwrap().unwrap().state != ContainerState::Exited {
            std::thread::sleep(EXIT_STATUS_POLL);
        }
        assert!(matches!(exec(), Err(EngineError::NotRunning { .. })));
        docker.start(id).unwrap();
        assert!(matches!(exec(), Ok(0)));
    }

    #[test]
    fn creation_tells_its_failures_apart() {
        let Some(container) = container("create", Kind::Busybox) else {
            return;
        };
        let docker = &container.docker;
        let name = docker.container(&container.id).unwrap().unwrap().name;
        assert!(matches!(docker.create(&name, &spec(Kind::Busybox)), Err(EngineError::NameTaken { .. })));
        let other = format!("{name}-other");
        let no_image = ContainerSpec { image: "compeval-test/none:1".into(), ..spec(Kind::Busybox) };
        assert!(matches!(docker.create(&other, &no_image), Err(EngineError::NoSuchImage { .. })));
        let mount = BindMount { source: "/no/such/source".into(), target: "/x".into(), read_only: true };
        let bad = ContainerSpec { mounts: vec![mount], ..spec(Kind::Busybox) };
        let error = docker.create(&other, &bad).unwrap_err();
        assert_eq!(error.to_string(), "cannot mount `/no/such/source`: it does not exist on the daemon's machine");
        assert!(matches!(docker.image("compeval-test/none:1"), Err(EngineError::NoSuchImage { .. })));
        assert!(!Path::new("/no/such/source").exists());

        let source = tempfile::tempdir().unwrap();
        let mount = BindMount { source: source.path().into(), target: "/x".into(), read_only: true };
        let mounted = ContainerSpec { mounts: vec![mount], ..spec(Kind::Busybox) };
        let guarded = Guarded { docker: Docker::connect().unwrap(), id: docker.create(&other, &mounted).unwrap() };
        let path = source.path().to_owned();
        source.close().unwrap();
        let error = docker.start(&guarded.id).unwrap_err();
        assert!(matches!(&error, EngineError::BadMount { source_path } if *source_path == path), "{error:?}");
        assert!(!path.exists());
    }

    #[test]
    fn containers_and_images_say_what_they_are() {
        let Some(container) = container("facts", Kind::Busybox) else {
            return;
        };
        let docker = &container.docker;
        let image = docker.image(Kind::Busybox.reference()).unwrap();
        assert!(image.platform.starts_with("linux/"), "{image:?}");
        assert!(image.env.iter().any(|variable| variable.starts_with("PATH=")), "{image:?}");
        let process = std::process::id().to_string();
        let listed = docker.containers(&[("compeval.test", &process)]).unwrap();
        let found = listed.iter().find(|listed| listed.id == container.id).unwrap();
        let inspected = docker.container(&found.name).unwrap().unwrap();
        assert_eq!((&found.name, found.state, &found.labels), (&inspected.name, inspected.state, &inspected.labels));
        assert_eq!((&inspected.image_id, inspected.state), (&image.id, ContainerState::Running));
        assert_eq!(found.image_id, image.id);
        assert_eq!(inspected.created.as_second(), found.created.as_second());
        assert_eq!(docker.containers(&[("compeval.test", "none")]).unwrap(), []);
    }

    #[test]
    fn a_megabyte_of_every_byte_arrives_as_it_was() {
        let Some(container) = container("bytes", Kind::Busybox) else {
            return;
        };
        let script = "i=0; while [ $i -lt 256 ]; do printf \"\\\\$(printf %o $i)\"; i=$((i+1)); done >/tmp/b; \
                      for i in 1 2 3 4; do cat /tmp/b /tmp/b /tmp/b /tmp/b >/tmp/c; mv /tmp/c /tmp/b; done; cat /tmp/b";
        let mut got = Vec::new();
        let status = container.docker.exec(&container.id, &Exec::new(["sh", "-c", script]), &mut |_, piece| {
            got.extend_from_slice(piece);
            Ok(())
        });
        assert_eq!(status.unwrap(), 0);
        assert_eq!(got, (0..=255).cycle().take(65536).collect::<Vec<u8>>());
    }

    #[test]
    fn a_reader_that_blocks_keeps_no_other_call_from_its_daemon() {
        let Some(container) = container("blocked", Kind::Busybox) else {
            return;
        };
        let (arrived, arrival) = std::sync::mpsc::channel();
        let (release, released) = std::sync::mpsc::channel();
        let (docker, id) = (&container.docker, &container.id);
        std::thread::scope(|scope| {
            let stuck = scope.spawn(move || {
                docker.exec(id, &Exec::new(["echo", "x"]), &mut |_, _| {
                    arrived.send(()).map_err(io::Error::other)?;
                    released.recv_timeout(Duration::from_secs(60)).map_err(io::Error::other)
                })
            });
            arrival.recv().unwrap();
            assert_eq!(container.sh("exit 5").0, 5);
            release.send(()).unwrap();
            assert_eq!(stuck.join().unwrap().unwrap(), 0);
        });
    }

    #[test]
    fn environment_user_and_directory_are_the_commands_own() {
        let Some(container) = container("as", Kind::Busybox) else {
            return;
        };
        let exec = Exec {
            env: vec![("A".into(), "b c".into())],
            user: Some("1000:1000".into()),
            working_dir: Some("/var".into()),
            ..Exec::new(["sh", "-c", "echo \"$A\" $(id -u) $PWD; cat"])
        };
        let mut got = Vec::new();
        let status = container.docker.exec(&container.id, &exec, &mut |_, piece| {
            got.extend_from_slice(piece);
            Ok(())
        });
        assert_eq!((status.unwrap(), got.as_slice()), (0, &b"b c 1000 /var\n"[..]));
    }

    /// What a process of its own gives whose standard input is a pipe holding `given`, and stays open if told to:
    /// this test program again, as [`passes_its_standard_input_on`] only.
    fn with_standard_input(container: &Guarded, script: &str, given: &[u8], stays_open: bool) -> String {
        use std::io::{Read, Write};
        use std::process::{Command, Stdio};
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "engine::docker::tests::passes_its_standard_input_on", "--nocapture"])
            .env("CE_TEST_STDIN", format!("{} {script}", container.id))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take();
        stdin.as_mut().unwrap().write_all(given).unwrap();
        if !stays_open {
            stdin = None;
        }
        let mut said = String::new();
        child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
        child.wait().unwrap();
        drop(stdin);
        said
    }

    #[test]
    fn passes_its_standard_input_on() {
        let Ok(order) = std::env::var("CE_TEST_STDIN") else {
            return;
        };
        let (id, script) = order.split_once(' ').unwrap();
        let exec = Exec { stdin: Stdin::Inherit, ..Exec::new(["sh", "-c", script]) };
        let status =
            Docker::connect().unwrap().exec(id, &exec, &mut |_, piece| io::Write::write_all(&mut io::stdout(), piece));
        println!("status {}", status.unwrap());
    }

    #[test]
    fn standard_input_reaches_the_command_with_its_end() {
        let Some(container) = container("stdin", Kind::Busybox) else {
            return;
        };
        let said = with_standard_input(&container, "wc -c; sleep 0.1; echo after", &vec![b'x'; 1_000_000], false);
        assert!(said.contains("1000000\nafter\nstatus 0\n"), "{said}");
    }

    #[test]
    fn a_command_that_ends_first_does_not_wait_for_standard_input() {
        let Some(container) = container("stdin-open", Kind::Busybox) else {
            return;
        };
        let said = with_standard_input(&container, "read line; echo got $line; exit 7", b"one\ntwo\n", true);
        assert!(said.contains("got one\nstatus 7\n"), "{said}");
    }

    #[test]
    fn the_ways_to_find_no_daemon_are_told_apart() {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("docker.sock");
        let kind = || match Docker::connect_to(&socket) {
            Err(EngineError::Unreachable { source, .. }) => Some(source.kind()),
            _ => None,
        };
        assert_eq!(kind(), Some(io::ErrorKind::NotFound));
        drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
        assert_eq!(kind(), Some(io::ErrorKind::ConnectionRefused));
        let denied = connection_error(&socket, io::ErrorKind::PermissionDenied.into());
        assert!(matches!(denied, EngineError::PermissionDenied { .. }));
    }

    #[test]
    fn a_daemon_that_went_away_is_unreachable() {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("docker.sock");
        let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let docker = Docker::connect_to(&socket).unwrap();
        drop(listener);
        let error = docker.container("x").unwrap_err();
        assert!(matches!(error, EngineError::Unreachable { .. }), "{error:?}");
    }
}
