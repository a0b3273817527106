//! [`Engine`](super::Engine) for tests without Docker: a container is a record and a directory of this machine.
//!
//! Commands run for real, with this machine's programs. What is not real is their view of the file system: wherever
//! a command, its arguments, its environment or the bytes it is given to read name the container's `/var/lib/compeval` or the inside of a bind mount,
//! the path on this machine is put in its place.

mod talk;

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::Pid;
use sha2::{Digest, Sha256};

use self::talk::ChildTalk;
use super::{
    containers::{
        Container, ContainerSpec, ContainerState, Containers, FileChange, FileChangeKind, LONGEST_FILE, RunningProgram,
    },
    error::EngineError,
    exec::{Conversation, Exec, Execs, Sink, Stream},
    images::{Image, Images, Pulling},
};
use compeval_interpreter::text::hex;

/// The directory inside a container that holds what we know of it.
const LEDGER_DIRECTORY: &str = "/var/lib/compeval";
/// How long output may go on after its command has ended, as a daemon allows.
const AFTERLIFE: Duration = Duration::from_secs(2);
const TICK: Duration = Duration::from_millis(10);

/// A daemon that lives in this process; its containers' files go with it.
pub struct Memory {
    root: tempfile::TempDir,
    state: Mutex<Shelf>,
}

#[derive(Default)]
struct Shelf {
    images: BTreeMap<String, Image>,
    offered: Vec<String>,
    containers: Vec<Held>,
    calls: Vec<String>,
    created: u32,
}

#[derive(Clone)]
struct Held {
    container: Container,
    spec: ContainerSpec,
    directory: PathBuf,
    /// What runs in it: the process, and its arguments.
    commands: Vec<(Pid, Vec<String>)>,
}

impl Memory {
    /// A daemon without images and containers.
    ///
    /// # Errors
    /// When no temporary directory can be made.
    pub fn new() -> io::Result<Self> {
        Ok(Self { root: tempfile::tempdir()?, state: Mutex::default() })
    }

    /// Has a registry offer an image, to be pulled.
    pub fn offer_image(&self, reference: &str) {
        self.state().offered.push(reference.to_owned());
    }

    /// Registers an image under `reference`, with an id made from that, and gives it.
    pub fn add_image(&self, reference: &str) -> Image {
        let digits = hex(&Sha256::digest(reference));
        let image = Image { id: format!("sha256:{digits}"), platform: "linux/amd64".into(), ..Image::default() };
        self.state().images.insert(reference.to_owned(), image.clone());
        image
    }

    /// The verbs called so far, by the names they have in [`Engine`](super::Engine), oldest first.
    #[must_use]
    pub fn calls(&self) -> Vec<String> {
        self.state().calls.clone()
    }

    /// The directory that holds a container's files, `var/lib/compeval` among them. `None` when it is gone.
    #[must_use]
    pub fn directory(&self, id: &str) -> Option<PathBuf> {
        self.state().find(id).ok().map(|record| record.directory.clone())
    }

    /// Puts a container into a state, as if somebody else had stopped or paused it.
    ///
    /// # Errors
    /// [`EngineError::NoSuchContainer`].
    pub fn set_state(&self, id: &str, state: ContainerState) -> Result<(), EngineError> {
        self.state().find(id)?.container.state = state;
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, Shelf> {
        // A test that panicked has failed already; the others may go on.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn called(&self, verb: &str) -> MutexGuard<'_, Shelf> {
        let mut state = self.state();
        state.calls.push(verb.to_owned());
        state
    }
}

impl Shelf {
    fn find(&mut self, id: &str) -> Result<&mut Held, EngineError> {
        self.containers
            .iter_mut()
            .find(|record| record.container.id == id || record.container.name == id)
            .ok_or_else(|| EngineError::NoSuchContainer { id: id.to_owned() })
    }

    fn image(&self, reference: &str) -> Result<&Image, EngineError> {
        let by_id = || self.images.values().find(|image| image.id == reference);
        let image = self.images.get(reference).or_else(by_id);
        image.ok_or_else(|| EngineError::NoSuchImage { reference: reference.to_owned() })
    }
}

impl Images for Memory {
    fn image(&self, reference: &str) -> Result<Image, EngineError> {
        self.called("image").image(reference).cloned()
    }

    fn pull(
        &self,
        reference: &str,
        _: Option<&str>,
        progress: &mut dyn FnMut(Pulling) -> ControlFlow<()>,
    ) -> Result<(), EngineError> {
        let is_offered = self.called("pull").offered.iter().any(|offered| offered == reference);
        if !is_offered || progress(Pulling::default()).is_break() {
            return Err(EngineError::NotPulled { reference: reference.to_owned(), message: "no such image".into() });
        }
        self.add_image(reference);
        Ok(())
    }

    fn images(&self, labels: &[(&str, &str)]) -> Result<Vec<Image>, EngineError> {
        let state = self.called("images");
        let mut images: Vec<Image> =
            state.images.values().filter(|image| carries(&image.labels, labels)).cloned().collect();
        images.dedup_by(|one, other| one.id == other.id);
        Ok(images)
    }

    fn commit(
        &self,
        container: &str,
        reference: &str,
        labels: &BTreeMap<String, String>,
    ) -> Result<String, EngineError> {
        let mut state = self.called("commit");
        let held = state.find(container)?.clone();
        let id = format!("sha256:{}", hex(&Sha256::digest(format!("{container} {reference} {}", state.calls.len()))));
        let files = self.root.path().join(id.trim_start_matches("sha256:"));
        copy(&held.directory, &files)?;
        let mut all = held.container.labels;
        all.extend(labels.clone());
        let image = Image { id: id.clone(), labels: all, ..Image::default() };
        state.images.insert(reference.to_owned(), image);
        Ok(id)
    }

    fn remove_image(&self, reference: &str) -> Result<(), EngineError> {
        let mut state = self.called("remove_image");
        let Ok(id) = state.image(reference).map(|image| image.id.clone()) else { return Ok(()) };
        if state.containers.iter().any(|held| held.container.image_id == id) {
            return Err(EngineError::ImageInUse { reference: reference.to_owned() });
        }
        state.images.retain(|_, image| image.id != id);
        Ok(())
    }
}

impl Containers for Memory {
    fn containers(&self, labels: &[(&str, &str)]) -> Result<Vec<Container>, EngineError> {
        let state = self.called("containers");
        let newest_first = state.containers.iter().rev().map(|record| record.container.clone());
        Ok(newest_first.filter(|container| carries(&container.labels, labels)).collect())
    }

    fn container(&self, id: &str) -> Result<Option<Container>, EngineError> {
        Ok(self.called("container").find(id).ok().map(|record| record.container.clone()))
    }

    fn create(&self, name: &str, spec: &ContainerSpec) -> Result<String, EngineError> {
        let mut state = self.called("create");
        let Image { id: image_id, mut labels, .. } = state.image(&spec.image)?.clone();
        labels.extend(spec.labels.clone());
        if state.find(name).is_ok() {
            return Err(EngineError::NameTaken { name: name.to_owned() });
        }
        if let Some(mount) = spec.mounts.iter().find(|mount| !mount.source.exists()) {
            return Err(EngineError::BadMount { source_path: mount.source.clone() });
        }
        state.created += 1;
        let id = format!("{:064x}", state.created);
        let directory = self.root.path().join(name);
        let files = self.root.path().join(image_id.trim_start_matches("sha256:"));
        match files.exists() {
            true => copy(&files, &directory)?,
            false => std::fs::create_dir_all(directory.join("root")).map_err(EngineError::Client)?,
        }
        let container = Container {
            id: id.clone(),
            name: name.to_owned(),
            image_id,
            state: ContainerState::Created,
            labels,
            created: jiff::Timestamp::now(),
            started: None,
        };
        state.containers.push(Held { container, spec: spec.clone(), directory, commands: Vec::new() });
        Ok(id)
    }

    fn start(&self, id: &str) -> Result<(), EngineError> {
        let mut state = self.called("start");
        let container = &mut state.find(id)?.container;
        if container.state == ContainerState::Paused {
            return Err(EngineError::Paused { id: id.to_owned() });
        }
        container.state = ContainerState::Running;
        container.started = Some(jiff::Timestamp::now());
        Ok(())
    }

    fn unpause(&self, id: &str) -> Result<(), EngineError> {
        let mut state = self.called("unpause");
        let container = &mut state.find(id)?.container;
        if container.state == ContainerState::Paused {
            container.state = ContainerState::Running;
        }
        Ok(())
    }

    fn stop(&self, id: &str) -> Result<(), EngineError> {
        let mut state = self.called("stop");
        let held = state.find(id)?;
        for (process, _) in held.commands.drain(..) {
            let _ = rustix::process::kill_process_group(process, rustix::process::Signal::KILL);
        }
        held.container.state = ContainerState::Exited;
        Ok(())
    }

    fn commands(&self, id: &str) -> Result<Vec<RunningProgram>, EngineError> {
        let program = |(process, argv): &(Pid, Vec<String>)| RunningProgram {
            argv: argv.clone(),
            process: u32::try_from(process.as_raw_nonzero().get()).ok(),
        };
        Ok(self.called("commands").find(id)?.commands.iter().map(program).collect())
    }

    fn ran_out_of_memory(&self, _: &str, _: jiff::Timestamp) -> Result<bool, EngineError> {
        Ok(false)
    }

    fn changes(&self, id: &str) -> Result<Vec<FileChange>, EngineError> {
        let directory = self.called("changes").find(id)?.directory.clone();
        let files = std::fs::read_dir(directory.join("root")).into_iter().flatten().flatten();
        let added = |path: PathBuf| FileChange {
            path: format!("/root/{}", path.file_name().unwrap_or_default().display()),
            kind: FileChangeKind::Added,
        };
        let mut changes: Vec<FileChange> = files.map(|file| added(file.path())).collect();
        changes.sort();
        Ok(changes)
    }

    fn size(&self, id: &str) -> Result<u64, EngineError> {
        let directory = self.called("size").find(id)?.directory.clone();
        let files = std::fs::read_dir(directory.join("root")).into_iter().flatten().flatten();
        Ok(files.filter_map(|file| file.metadata().ok()).map(|metadata| metadata.len()).sum())
    }

    fn processes(&self, id: &str) -> Result<usize, EngineError> {
        let mut state = self.called("processes");
        let held = state.find(id)?;
        Ok(1 + usize::from(held.spec.init) + held.commands.len())
    }

    fn remove(&self, id: &str) -> Result<(), EngineError> {
        let mut state = self.called("remove");
        let Ok(directory) = state.find(id).map(|record| record.directory.clone()) else {
            return Ok(());
        };
        state.containers.retain(|record| record.directory != directory);
        std::fs::remove_dir_all(directory).map_err(EngineError::Client)
    }

    fn read_file(&self, id: &str, path: &str) -> Result<Option<Vec<u8>>, EngineError> {
        let path = self.called("read_file").find(id)?.on_this_machine(path);
        match crate::file::read(Path::new(&path), LONGEST_FILE as u64) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
                Err(EngineError::FileTooLong { path: path.into() })
            }
            content => content.map(Some).map_err(EngineError::Client),
        }
    }
}

impl Execs for Memory {
    fn exec(&self, id: &str, exec: &Exec, output: &mut Sink<'_>) -> Result<i32, EngineError> {
        exec.check_length()?;
        let record = self.running("exec", id)?;
        record.run(exec, output, |process, runs| self.note(id, process, &exec.argv, runs))
    }

    fn converse<'e>(&'e self, id: &str, exec: &Exec) -> Result<Box<dyn Conversation + 'e>, EngineError> {
        exec.check_length()?;
        Ok(Box::new(ChildTalk::start(self, self.running("converse", id)?, exec)?))
    }
}

impl Memory {
    /// The container that a verb is called for, if commands can run there.
    fn running(&self, verb: &str, id: &str) -> Result<Held, EngineError> {
        let record = self.called(verb).find(id)?.clone();
        match record.container.state {
            ContainerState::Running => Ok(record),
            ContainerState::Paused => Err(EngineError::Paused { id: id.to_owned() }),
            _ => Err(EngineError::NotRunning { id: id.to_owned() }),
        }
    }

    /// Takes note of a command that runs in a container, or does no longer.
    fn note(&self, id: &str, process: Pid, argv: &[String], runs: bool) {
        if let Ok(held) = self.state().find(id) {
            match runs {
                true => held.commands.push((process, argv.to_vec())),
                false => held.commands.retain(|(other, _)| *other != process),
            }
        }
    }
}

impl Held {
    fn run(&self, exec: &Exec, output: &mut Sink<'_>, note: impl Fn(Pid, bool)) -> Result<i32, EngineError> {
        let mut child = match self.command(exec).and_then(|mut command| command.spawn()) {
            Ok(child) => child,
            Err(error) => {
                let complaint = format!("OCI runtime exec failed: exec failed: {error}\r\n");
                let _ = output(Stream::Stdout, complaint.as_bytes()).map_err(EngineError::Output)?;
                return Ok(126);
            }
        };
        let process = Pid::from_child(&child);
        note(process, true);
        let status = pass_on(&mut child, output).and_then(|()| child.wait().map_err(EngineError::Client));
        note(process, false);
        status.map(exit_code)
    }

    fn command(&self, exec: &Exec) -> io::Result<Command> {
        let mut words = exec.argv.iter().map(|word| self.on_this_machine(word));
        let mut command = Command::new(words.next().unwrap_or_default());
        command.args(words).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", self.directory.join("root"));
        for (name, value) in self.spec.env.iter().chain(&exec.env) {
            command.env(name, self.on_this_machine(value));
        }
        command.current_dir(self.working_directory(exec)?);
        // As in a container, every command leads a process group: signals go to that.
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        Ok(command)
    }

    fn working_directory(&self, exec: &Exec) -> io::Result<PathBuf> {
        let inside = exec.working_dir.as_ref().or(self.spec.working_dir.as_ref()).map_or("/root", String::as_str);
        let mapped = self.on_this_machine(inside);
        if mapped != inside {
            return Ok(PathBuf::from(mapped));
        }
        let directory = self.directory.join(inside.trim_start_matches('/'));
        std::fs::create_dir_all(&directory)?;
        Ok(directory)
    }

    /// `text` with every path of the container that has a place on this machine replaced, the longest that fits, in
    /// one pass: what is put in is not looked at again.
    fn on_this_machine(&self, text: &str) -> String {
        String::from_utf8_lossy(&self.bytes_on_this_machine(text.as_bytes())).into_owned()
    }

    fn bytes_on_this_machine(&self, text: &[u8]) -> Vec<u8> {
        let ledger = self.directory.join(LEDGER_DIRECTORY.trim_start_matches('/'));
        let mounts = self.spec.mounts.iter().map(|mount| (mount.target.as_str(), mount.source.as_path()));
        let mut places: Vec<(&str, &Path)> = mounts.chain([(LEDGER_DIRECTORY, ledger.as_path())]).collect();
        places.sort_by_key(|(inside, _)| std::cmp::Reverse(inside.len()));
        let mut replaced = Vec::with_capacity(text.len());
        let mut rest = text;
        while let Some((first, others)) = rest.split_first() {
            let place = |(inside, outside): &(&str, &Path)| {
                Some((rest.strip_prefix(inside.as_bytes())?, outside.as_os_str().as_encoded_bytes().to_vec()))
            };
            match places.iter().find_map(place) {
                Some((after, outside)) => {
                    replaced.extend(outside);
                    rest = after;
                }
                None => {
                    replaced.push(*first);
                    rest = others;
                }
            }
        }
        replaced
    }
}

/// Passes a command's output on until both streams have ended, or for [`AFTERLIFE`] after the command has; no longer
/// than the command itself when that is enough.
fn pass_on(child: &mut Child, output: &mut Sink<'_>) -> Result<(), EngineError> {
    let received = pieces(child, 1);
    let mut ended: Option<Instant> = None;
    let mut patience = AFTERLIFE;
    while ended.is_none_or(|since| since.elapsed() < patience) {
        match received.recv_timeout(TICK) {
            Ok((stream, piece)) => {
                if output(stream, &piece).map_err(EngineError::Output)?.is_break() {
                    patience = TICK;
                }
            }
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
            Err(RecvTimeoutError::Timeout) => {
                if ended.is_none() && child.try_wait().map_err(EngineError::Client)?.is_some() {
                    ended = Some(Instant::now());
                }
            }
        }
    }
    Ok(())
}

/// A command's output, of which not more than `ahead` pieces are read ahead.
fn pieces(child: &mut Child, ahead: usize) -> Receiver<(Stream, Vec<u8>)> {
    let (pieces, received) = mpsc::sync_channel(ahead);
    let stdout = child.stdout.take().map(|pipe| (Stream::Stdout, Box::new(pipe) as Box<dyn Read + Send>));
    let stderr = child.stderr.take().map(|pipe| (Stream::Stderr, Box::new(pipe) as Box<dyn Read + Send>));
    for (stream, mut pipe) in stdout.into_iter().chain(stderr) {
        let pieces = pieces.clone();
        std::thread::spawn(move || {
            let mut buffer = [0; 8192];
            while let Ok(length @ 1..) = pipe.read(&mut buffer) {
                let piece = buffer.iter().take(length).copied().collect::<Vec<u8>>();
                if pieces.send((stream, piece)).is_err() {
                    return;
                }
            }
        });
    }
    received
}

/// Whether all of the `wanted` labels are among those that something has.
fn carries(labels: &BTreeMap<String, String>, wanted: &[(&str, &str)]) -> bool {
    wanted.iter().all(|&(name, value)| labels.get(name).is_some_and(|carried| carried == value))
}

fn copy(from: &Path, to: &Path) -> Result<(), EngineError> {
    let copied = Command::new("cp").arg("-a").args([from, to]).status().map_err(EngineError::Client)?;
    if copied.success() { Ok(()) } else { Err(EngineError::Client(io::Error::other("cp failed"))) }
}

fn exit_code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use super::super::containers::BindMount;
    use super::*;

    fn running(spec: ContainerSpec) -> (Memory, String) {
        let memory = Memory::new().unwrap();
        memory.add_image("base");
        let id = memory.create("one", &ContainerSpec { image: "base".into(), ..spec }).unwrap();
        memory.start(&id).unwrap();
        (memory, id)
    }

    fn sh(memory: &Memory, id: &str, script: &str) -> (i32, String, String) {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let status = memory.exec(id, &Exec::new(["sh", "-c", script]), &mut |stream, piece| {
            match stream {
                Stream::Stdout => stdout.extend_from_slice(piece),
                Stream::Stderr => stderr.extend_from_slice(piece),
            }
            Ok(ControlFlow::Continue(()))
        });
        (status.unwrap(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
    }

    #[test]
    fn a_command_gives_its_output_and_its_exit_status() {
        let (memory, id) = running(ContainerSpec::default());
        assert_eq!(sh(&memory, &id, "echo out; echo err >&2; exit 3"), (3, "out\n".into(), "err\n".into()));
        assert_eq!(sh(&memory, &id, "kill -TERM $$").0, 143);
        assert_eq!(memory.calls(), ["create", "start", "exec", "exec"]);
    }

    #[test]
    fn a_program_that_cannot_be_started_is_the_daemons_126() {
        let (memory, id) = running(ContainerSpec::default());
        let mut said = Vec::new();
        let status = memory.exec(&id, &Exec::new(["/no/such/program"]), &mut |_, piece| {
            said.extend_from_slice(piece);
            Ok(ControlFlow::Continue(()))
        });
        assert_eq!(status.unwrap(), 126);
        assert!(String::from_utf8(said).unwrap().starts_with("OCI runtime exec failed"));
    }

    #[test]
    fn files_below_the_ledgers_directory_belong_to_the_container() {
        let (memory, id) = running(ContainerSpec::default());
        sh(&memory, &id, "mkdir -p /var/lib/compeval && echo kept >/var/lib/compeval/ready");
        assert_eq!(sh(&memory, &id, "cat /var/lib/compeval/ready").1, "kept\n");
        let file = memory.directory(&id).unwrap().join("var/lib/compeval/ready");
        assert_eq!(std::fs::read_to_string(file).unwrap(), "kept\n");
    }

    #[test]
    fn a_bind_mount_is_seen_at_its_target() {
        let source = tempfile::tempdir().unwrap();
        std::fs::write(source.path().join("file"), "text").unwrap();
        let mount = BindMount { source: source.path().into(), target: "/compeval/gfs".into(), read_only: false };
        let env = vec![("GFSDIR".into(), "/compeval/gfs".into())];
        let (memory, id) = running(ContainerSpec { mounts: vec![mount], env, ..ContainerSpec::default() });
        assert_eq!(sh(&memory, &id, "cat /compeval/gfs/file \"$GFSDIR\"/file").1, "texttext");
    }

    #[test]
    fn states_are_checked_as_the_daemon_does() {
        let (memory, id) = running(ContainerSpec::default());
        let exec = |id: &str| memory.exec(id, &Exec::new(["true"]), &mut |_, _| Ok(ControlFlow::Continue(())));
        memory.set_state(&id, ContainerState::Paused).unwrap();
        assert!(matches!(exec(&id), Err(EngineError::Paused { .. })));
        assert!(matches!(memory.start(&id), Err(EngineError::Paused { .. })));
        memory.unpause(&id).unwrap();
        assert!(matches!(exec(&id), Ok(0)));
        memory.set_state(&id, ContainerState::Exited).unwrap();
        assert!(matches!(exec(&id), Err(EngineError::NotRunning { .. })));
        memory.remove("one").unwrap();
        memory.remove("one").unwrap();
        assert!(matches!(exec(&id), Err(EngineError::NoSuchContainer { .. })));
    }

    #[test]
    fn of_two_creations_with_one_name_the_second_fails() {
        let (memory, _) = running(ContainerSpec::default());
        let spec = ContainerSpec { image: "base".into(), ..ContainerSpec::default() };
        assert!(matches!(memory.create("one", &spec), Err(EngineError::NameTaken { name }) if name == "one"));
        let spec = ContainerSpec { image: "other".into(), ..ContainerSpec::default() };
        assert!(matches!(memory.create("two", &spec), Err(EngineError::NoSuchImage { .. })));
    }

    #[test]
    fn containers_are_found_by_all_of_their_labels() {
        let (memory, _) = running(ContainerSpec::default());
        for name in ["a", "b"] {
            let labels = BTreeMap::from([("role".into(), "setup".into()), ("name".into(), name.into())]);
            memory.create(name, &ContainerSpec { image: "base".into(), labels, ..ContainerSpec::default() }).unwrap();
        }
        let names = |labels: &[(&str, &str)]| {
            memory.containers(labels).unwrap().into_iter().map(|container| container.name).collect::<Vec<_>>()
        };
        assert_eq!(names(&[("role", "setup")]), ["b", "a"]);
        assert_eq!(names(&[("role", "setup"), ("name", "a")]), ["a"]);
        assert_eq!(names(&[("role", "other")]), [] as [&str; 0]);
    }

    #[test]
    fn a_failing_reader_ends_the_exec() {
        let (memory, id) = running(ContainerSpec::default());
        let result = memory.exec(&id, &Exec::new(["echo", "x"]), &mut |_, _| Err(io::ErrorKind::BrokenPipe.into()));
        assert!(matches!(result, Err(EngineError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe));
    }
}
