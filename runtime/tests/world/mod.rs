//! A computation on the in-memory engine, whose containers are directories and whose programs are this machine's.

use std::{fs, path::PathBuf, process::Command as Process};

use compeval_runtime::{
    Environment, Setup, SetupError,
    call::{Call, Called},
    computation::description::Purity,
    container::mounts::Mounts,
    engine::{Stream, memory::Memory},
    interrupt::Interrupt,
    setup::{
        OnEdit,
        notice::{Notice, Unwatched, Watcher},
        plan::Plan,
        snapshot::Worth,
    },
};

pub(crate) const IMAGE: &str = "test:1";

/// A computation in a repository of its own, a storage, and an engine.
pub(crate) struct World {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) engine: Memory,
    pub(crate) worth: Worth,
    pub(crate) retry: bool,
    pub(crate) on_edit: OnEdit,
    pub(crate) purity: Purity,
}

impl World {
    pub(crate) fn new(script: &str) -> World {
        let world = World {
            directory: tempfile::tempdir().unwrap(),
            engine: Memory::new().unwrap(),
            worth: Worth::default(),
            retry: false,
            on_edit: OnEdit::Run,
            purity: Purity::Off,
        };
        world.engine.add_image(IMAGE);
        fs::create_dir_all(world.computation()).unwrap();
        fs::create_dir(world.path("gfs")).unwrap();
        fs::write(world.computation().join("docker.conf"), format!("image = \"{IMAGE}\"\n")).unwrap();
        world.git("init -q");
        world.commit(script);
        world
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn computation(&self) -> PathBuf {
        self.path("align")
    }

    pub(crate) fn git(&self, arguments: &str) {
        let mut git = Process::new("git");
        git.args(["-c", "user.name=x", "-c", "user.email=x"])
            .args(arguments.split(' '))
            .current_dir(self.computation());
        git.envs([("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_SYSTEM", "/dev/null")]);
        assert!(git.status().unwrap().success(), "git {arguments}");
    }

    pub(crate) fn commit(&self, script: &str) {
        fs::write(self.computation().join("docker-setup.sh"), script).unwrap();
        self.git("add -A");
        self.git("commit -q -m change");
    }

    pub(crate) fn environment(&self) -> Environment {
        Environment::read(&self.computation()).unwrap()
    }

    pub(crate) fn with<T>(&self, task: impl FnOnce(&Setup<'_>) -> T) -> T {
        let environment = self.environment();
        let mounts = Mounts::new(&self.computation(), Some(&self.path("gfs"))).unwrap();
        task(&Setup {
            engine: &self.engine,
            environment: &environment,
            mounts: &mounts,
            lock_timeout: None,
            worth: self.worth,
            retry: self.retry,
            on_edit: self.on_edit,
            purity: self.purity,
            interrupt: Interrupt::default(),
        })
    }

    pub(crate) fn set_up(&self, watcher: &mut dyn Watcher) -> Result<String, SetupError> {
        self.with(|setup| setup.set_up(watcher).map(|ready| ready.container))
    }

    /// Calls a shell command; gives what became of it and its standard output.
    pub(crate) fn call(&self, script: &str) -> (Called, String) {
        self.try_call(script).unwrap()
    }

    pub(crate) fn try_call(&self, script: &str) -> Result<(Called, String), SetupError> {
        let command =
            Call { argv: ["sh", "-c", script].map(Into::into).to_vec(), directory: ".".into(), ..Call::new("") };
        let mut stdout = Vec::new();
        let mut output = |stream, bytes: &[u8]| {
            if stream == Stream::Stdout {
                stdout.extend_from_slice(bytes);
            }
            Ok(())
        };
        let called = self.with(|setup| setup.call(&command, &mut Unwatched, &mut output))?;
        Ok((called, String::from_utf8(stdout).unwrap()))
    }

    pub(crate) fn plan(&self) -> Plan {
        self.with(|setup| setup.plan()).unwrap()
    }

    /// A file in a container, which scripts reach by its bare name.
    pub(crate) fn file(&self, container: &str, name: &str) -> String {
        let path = self.engine.directory(container).unwrap().join("root").join(name);
        fs::read_to_string(path).unwrap_or_default()
    }

    pub(crate) fn ledger(&self, container: &str) -> PathBuf {
        self.engine.directory(container).unwrap().join("var/lib/compeval/state.toml")
    }
}

/// Keeps what was told.
#[derive(Default)]
pub(crate) struct Told(pub(crate) Vec<String>);

impl Watcher for Told {
    fn notice(&mut self, notice: Notice<'_>) {
        match notice {
            Notice::Creating { because: None, .. } => self.0.push("creating".to_owned()),
            Notice::Creating { because: Some(reason), .. } => self.0.push(format!("creating: {reason:?}")),
            Notice::WaitingForStretch { stretch, .. } => self.0.push(format!("waiting for {stretch:?}")),
            Notice::Warning(warning) => self.0.push(format!("{warning:?}")),
            Notice::Joining { .. } => self.0.push("joining".to_owned()),
            Notice::WaitingForCalls { .. } => self.0.push("waiting for calls".to_owned()),
            Notice::WaitingForCache { name } => self.0.push(format!("waiting for {name}")),
            Notice::Retrying { left } => self.0.push(format!("retrying {left}")),
            Notice::Accepted { number, others, .. } => self.0.push(format!("accepted {number} and {others}")),
            Notice::Pulling { image, .. } => self.0.push(format!("pulling {image}")),
            Notice::Left { left, others } => {
                let left: Vec<&str> = left.iter().map(|change| change.path.as_str()).collect();
                self.0.push(format!("left {} beside {others}", left.join(" ")));
            }
            Notice::Kept { .. } => self.0.push("kept".to_owned()),
            Notice::Snapshot => self.0.push("snapshot".to_owned()),
            Notice::WaitingForSetup
            | Notice::Removing { .. }
            | Notice::Calling
            | Notice::Called { .. }
            | Notice::Setup(_) => {}
        }
    }

    fn output(&mut self, _: Stream, _: &[u8]) {}
}
