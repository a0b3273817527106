//! A computation on this machine, for tests of `ce-run` with a real daemon: files, Git, calls, and all of it removed.

use std::{
    ffi::OsString,
    fs,
    io::{Read, Write},
    os::unix::{fs::PermissionsExt, net::UnixStream, process::ExitStatusExt},
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Output, Stdio},
    sync::{Arc, atomic::AtomicBool},
    thread::sleep,
    time::{Duration, Instant},
};

use compeval_runtime::engine::{Connected, Container, Engine, EngineKind};
use signal_hook::{consts, flag};
use tempfile::TempDir;

pub(crate) mod proxy;

/// Runs its arguments, so that a test says by each call what is to be computed.
const EXEC: &str = "#!/bin/sh\n\"$@\"\n";

/// A computation `align` in a repository of its own, with a storage. Dropping it removes its containers and files.
pub(crate) struct Computation {
    /// The engine its containers are of, if it comes as far as that.
    connected: Option<Connected>,
    /// Variables that its programs get.
    variables: Vec<(&'static str, OsString)>,
    top: TempDir,
}

/// How a program ended.
#[derive(Debug)]
pub(crate) struct Run {
    /// Its standard output.
    pub(crate) stdout: Vec<u8>,
    /// Its standard error.
    pub(crate) stderr: String,
    /// Its exit status.
    pub(crate) status: Option<i32>,
}

impl From<Output> for Run {
    fn from(output: Output) -> Run {
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        Run { stdout: output.stdout, stderr, status: status_of(output.status) }
    }
}

/// Where the tests run in the background of a script, signals are ignored by all that they run: those that are taken are not.
fn take_signals() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        for signal in [consts::SIGHUP, consts::SIGINT, consts::SIGQUIT, consts::SIGTERM] {
            flag::register_conditional_default(signal, Arc::new(AtomicBool::new(true))).unwrap();
        }
    });
}

/// An exit status as a shell gives it: 128 and the number of the signal that something died of.
pub(crate) fn status_of(status: ExitStatus) -> Option<i32> {
    status.code().or_else(|| Some(128 + status.signal()?))
}

impl Run {
    /// The standard output of a call that went well.
    pub(crate) fn text(self) -> String {
        assert_eq!(self.status, Some(0), "{}", self.stderr);
        String::from_utf8(self.stdout).unwrap()
    }
}

impl Computation {
    /// One whose container is made from `image` and set up by `script`, committed.
    pub(crate) fn new(connected: impl Into<Option<Connected>>, image: &str, script: &str) -> Computation {
        take_signals();
        let computation =
            Computation { connected: connected.into(), variables: Vec::new(), top: tempfile::tempdir().unwrap() };
        fs::create_dir_all(computation.directory()).unwrap();
        fs::create_dir(computation.storage()).unwrap();
        computation.write("docker.conf", format!("image = \"{image}\"\n"));
        computation.write("docker-setup.sh", script);
        computation.write("exec", EXEC);
        fs::set_permissions(computation.path("exec"), fs::Permissions::from_mode(0o755)).unwrap();
        computation.git("git init -q -b main .");
        computation.commit("one");
        computation
    }

    /// The same, with a variable for its programs.
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<OsString>) -> Computation {
        self.variables.push((name, value.into()));
        self
    }

    /// The engine its containers are of.
    pub(crate) fn engine(&self) -> &dyn Engine {
        self.connected().engine()
    }

    /// The same, as an image is made for it.
    pub(crate) fn connected(&self) -> &Connected {
        self.connected.as_ref().unwrap()
    }

    /// Whether they are a Docker daemon's, which a test may ask, too.
    pub(crate) fn has_daemon(&self) -> bool {
        self.connected().kind() == EngineKind::Docker
    }

    /// Whether root is all there is in them.
    pub(crate) fn has_only_root(&self) -> bool {
        matches!(self.connected(), Connected::Embedded(embedded) if embedded.has_only_root())
    }

    /// The directory of it all, without symbolic links.
    pub(crate) fn top(&self) -> PathBuf {
        self.top.path().canonicalize().unwrap()
    }

    /// The computation's directory.
    pub(crate) fn directory(&self) -> PathBuf {
        self.top().join("align")
    }

    /// The global file storage.
    pub(crate) fn storage(&self) -> PathBuf {
        self.top().join("gfs")
    }

    /// A file of the computation.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory().join(name)
    }

    /// Writes a file of the computation.
    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.path(name), text).unwrap();
    }

    /// Commits all files of the computation.
    pub(crate) fn commit(&self, message: &str) {
        self.git(&format!("git add -A . && git commit -q --allow-empty -m '{message}'"));
    }

    /// Runs shell commands in the computation's directory, with a Git that knows nothing of this machine.
    pub(crate) fn git(&self, script: &str) -> String {
        sh(&self.directory(), script)
    }

    /// A command line of `ce-run`, to be run in the computation's directory.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        self.of_program(&program("ce-run"), arguments)
    }

    /// The logs of its setups, oldest first.
    pub(crate) fn logs(&self) -> Vec<PathBuf> {
        let list = |directory: PathBuf| directory.read_dir().into_iter().flatten().map(|entry| entry.unwrap().path());
        let mut logs: Vec<PathBuf> = list(self.top().join("state/compeval/logs")).flat_map(list).collect();
        logs.sort();
        logs
    }

    /// One of `ce-env`.
    pub(crate) fn environment_command(&self, arguments: &[&str]) -> Command {
        self.of_program(&program("ce-env"), arguments)
    }

    fn of_program(&self, program: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(self.directory()).stdin(Stdio::null());
        command.env("GFSDIR", self.storage()).env("XDG_STATE_HOME", self.top().join("state"));
        if self.connected.is_none() {
            command.env("DOCKER_HOST", format!("unix://{}/no.sock", self.top().display())).env_remove("CE_ENGINE");
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        for name in ["SUDO_UID", "SUDO_GID", "NO_COLOR"] {
            command.env_remove(name);
        }
        command
    }

    /// Calls `ce-run`.
    pub(crate) fn call(&self, arguments: &[&str]) -> Run {
        self.command(arguments).output().unwrap().into()
    }

    /// Its containers, of whichever commit, newest first.
    pub(crate) fn containers(&self) -> Vec<Container> {
        let directory = self.directory().display().to_string();
        self.engine().containers(&[("compeval.directory", &directory)]).unwrap()
    }

    /// Its only container.
    pub(crate) fn container(&self) -> Container {
        let mut containers = self.containers();
        assert_eq!(containers.len(), 1, "{containers:?}");
        containers.remove(0)
    }

    /// Asks the daemon for what ce-run never asks: `pause`, or `stop?t=0`, of a container.
    pub(crate) fn ask(&self, container: &Container, what: &str) {
        if !self.has_daemon() {
            // Nothing is paused without a daemon.
            let engine = self.engine();
            engine.stop(&container.id).unwrap();
            return if what.starts_with("restart") {
                engine.start(&container.id).unwrap()
            };
        }
        let host = std::env::var("DOCKER_HOST").unwrap_or_default();
        let socket = host.strip_prefix("unix://").unwrap_or("/var/run/docker.sock");
        let mut stream = UnixStream::connect(socket).unwrap();
        write!(stream, "POST /containers/{}/{what} HTTP/1.1\r\nHost: x\r\n", container.id).unwrap();
        write!(stream, "Content-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 204"), "{what}: {answer}");
    }

    /// The lines of a file in the storage, where a stage may have written that it ran.
    pub(crate) fn lines(&self, name: &str) -> Vec<String> {
        let text = fs::read_to_string(self.storage().join(name)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}

impl Drop for Computation {
    fn drop(&mut self) {
        let directory = self.directory().display().to_string();
        let Some(connected) = &self.connected else { return };
        let engine = connected.engine();
        // A test that failed has more to say than this.
        for container in engine.containers(&[("compeval.directory", &directory)]).unwrap_or_default() {
            let _ = engine.remove(&container.id);
        }
        // Newest first: each may come from one before it.
        for image in engine.images(&[("compeval.directory", &directory)]).unwrap_or_default() {
            let _ = engine.remove_image(&image.id);
        }
    }
}

/// The engine for a test; without one, says that `subject` is left out.
pub(crate) fn engine_for_tests(subject: &str) -> Option<Connected> {
    compeval_machine_image::engine_for_tests(subject, &program("ce-run"))
}

/// One of our programs: a copy in `CE_TEST_PROGRAMS`, where the tests run as somebody who cannot read ours.
pub(crate) fn program(name: &str) -> PathBuf {
    if let Some(directory) = std::env::var_os("CE_TEST_PROGRAMS") {
        return Path::new(&directory).join(name);
    }
    match name {
        "ce-run" => env!("CARGO_BIN_EXE_ce-run").into(),
        "ce-env" => env!("CARGO_BIN_EXE_ce-env").into(),
        other => unreachable!("{other}"),
    }
}

/// Runs shell commands in a directory and gives what they print.
pub(crate) fn sh(directory: &Path, script: &str) -> String {
    let who = ["GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"];
    let mut command = Command::new("sh");
    command.args(["-ec", script]).current_dir(directory).envs(who.map(|name| (name, "x")));
    command.envs([("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_SYSTEM", "/dev/null")]);
    // The same commit ids every time.
    command.envs(["GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"].map(|name| (name, "1700000000 +0000")));
    let run: Run = command.output().unwrap().into();
    assert_eq!(run.status, Some(0), "{script}: {}", run.stderr);
    String::from_utf8(run.stdout).unwrap().trim().to_owned()
}

/// Waits for what comes about by itself.
pub(crate) fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(20), "waited too long: {what}");
        sleep(Duration::from_millis(10));
    }
}
