//! `docker.conf`: which image a computation runs in, and how; from text to a [`Description`], errors with their place.

pub mod error;
mod field;
pub(crate) mod template;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use toml::de::DeTable;

use self::{
    error::DescriptionError,
    field::{Field, File},
};
use crate::{
    engine::{
        ENGINES, EngineKind,
        containers::{BindMount, Cache, Gpus, Limits},
    },
    file,
};

/// More than any description needs, in bytes.
const LONGEST_FILE: u64 = 1 << 20;

pub use self::field::Mount;

/// What `docker.conf` says (our design, section 6). Keys that are not there have their defaults.
#[derive(Clone, Debug, PartialEq)]
pub struct Description {
    /// `image`: the base image's name, the only key that must be there.
    pub image: String,
    /// `engine`: what the containers are of, `docker`, `podman` or `embedded`; default: for who calls to say.
    pub engine: Option<EngineKind>,
    /// `platform`: the platform of the image, as in `linux/arm64`; default: whichever the daemon has.
    pub platform: Option<String>,
    /// `pull`: when the image is brought here; default: when it is missing.
    pub pull: Pull,
    /// `user`: whom the setup and the calls run as, as in `root` or `1000:1000`; default: the image's, or the caller.
    pub user: Option<String>,
    /// `workdir`: the absolute path the setup and the calls start in; default: the image's.
    pub workdir: Option<String>,
    /// `shell`: the program that understands `docker-setup.sh`; default: `/bin/sh`.
    pub shell: String,
    /// `env`: further environment variables, sorted by name; in a value, `${NAME}` is the image's own variable, and `$$` a
    /// `$`.
    pub env: Vec<(String, String)>,
    /// `path`: directories that commands are looked for in before those of `PATH`.
    pub path: Vec<String>,
    /// `network`: the daemon's network, as in `none`; default: the daemon's.
    pub network: Option<String>,
    /// `limits`: `memory` (bytes, or with `k`, `m`, `g`), `cpus` (may be a fraction), `pids`.
    pub limits: Limits,
    /// `shm-size`: the size of `/dev/shm`, written like `memory`, in bytes.
    pub shm_size: Option<u64>,
    /// `gpus`: `"all"` or how many.
    pub gpus: Option<Gpus>,
    /// `init`: whether orphaned processes are reaped; default: yes.
    pub init: bool,
    /// `mounts`: parts of the computation's directory at further places, in the order written.
    pub mounts: Vec<Mount>,
    /// `caches`: named volumes sorted by name, each with the absolute path where it is seen. The volumes' own names
    /// begin with `ce-cache-`, so that no volume of somebody else can be meant.
    pub caches: Vec<CacheMount>,
    /// `retries`: how often a setup in which a stage failed is tried again, from before that stage; default: never.
    pub retries: u32,
    /// `stage-timeout`: how long one try of a stage may take; default: as long as it likes.
    pub stage_timeout: Option<Duration>,
    /// `update`: where an edited script runs; default: on what is at hand.
    pub update: Update,
    /// `keep`: how many containers stay besides the one in use; default: 3.
    pub keep: u32,
    /// `everytime`: whether calls may share a run of the everytime chains; default: they may.
    pub everytime: Everytime,
    /// `pure`: what becomes of a call that leaves something in the container; default: for who calls to say.
    pub pure: Option<Purity>,
}

/// When an image is brought here from its registry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pull {
    /// When a container is to be made, and it is not here.
    #[default]
    Missing,
    /// Before each call: its name may have come to mean another one.
    Always,
    /// It must be here.
    Never,
}

/// What becomes of a call that leaves something in its container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Purity {
    /// Nothing: nobody looks.
    #[default]
    Off,
    /// It is told.
    Warn,
    /// The call has failed.
    Fail,
}

/// A cache in the container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheMount {
    /// The volume, and where it is seen.
    pub cache: Cache,
    /// Whether several setups may use it at the same time; default: one at a time.
    pub is_shared: bool,
}

/// Where the stages run that a container at hand does not have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Update {
    /// In a container that has all stages before them, or on a snapshot.
    #[default]
    Nearest,
    /// The same; and what runs on every call may have been another text at a commit that came before this one.
    InPlace,
    /// In a new container, with all others: nothing is built upon.
    Build,
}

/// When everytime chains run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Everytime {
    /// Before each call, but for one that comes while others run for which nothing was different.
    #[default]
    Shared,
    /// Before each call; one that comes while others run waits for their end.
    Always,
}

impl Description {
    /// Reads and parses the file at `path`.
    ///
    /// # Errors
    /// When it is missing or cannot be read, and as [`Description::parse`].
    pub fn read(path: &Path) -> Result<Self, DescriptionError> {
        let whole = |message: String, help: Option<&str>| DescriptionError {
            path: path.to_owned(),
            place: None,
            message,
            help: help.map(str::to_owned),
        };
        let bytes = file::read(path, LONGEST_FILE).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => {
                whole("no such file".into(), Some("create it with a line such as `image = \"debian:13\"`"))
            }
            _ => whole(format!("cannot be read: {error}"), None),
        })?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let valid = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
            let line = valid.iter().filter(|byte| **byte == b'\n').count() + 1;
            whole(format!("is not UTF-8 text: line {line} is in another encoding"), None)
        })?;
        Self::parse(path, &text)
    }

    /// The shell that the file at `path` names, even where the rest of it cannot be used; `None` when it names none.
    pub fn shell_of(path: &Path) -> Option<String> {
        word_of(path, "shell")
    }

    /// The engine that the file at `path` names, even where the rest of it cannot be used.
    pub fn engine_of(path: &Path) -> Option<EngineKind> {
        let word = word_of(path, "engine")?;
        ENGINES.iter().find(|(name, _)| *name == word).map(|(_, kind)| *kind)
    }

    /// Parses `text`; `path` is only named in errors.
    ///
    /// # Errors
    /// The first thing that is wrong: syntax, a key that is unknown or not supported, a value of the wrong type or
    /// that cannot be meant; or that there is no `image`.
    pub fn parse(path: &Path, text: &str) -> Result<Self, DescriptionError> {
        let file = File { path, text };
        let table = DeTable::parse(text).map_err(|error| file.syntax_error(&error))?;
        let mut description = Self {
            engine: None,
            image: String::new(),
            platform: None,
            pull: Pull::default(),
            user: None,
            workdir: None,
            shell: "/bin/sh".into(),
            env: Vec::new(),
            path: Vec::new(),
            network: None,
            limits: Limits::default(),
            shm_size: None,
            gpus: None,
            init: true,
            mounts: Vec::new(),
            caches: Vec::new(),
            retries: 0,
            stage_timeout: None,
            update: Update::default(),
            keep: 3,
            everytime: Everytime::default(),
            pure: None,
        };
        for field in file.fields(table.get_ref()) {
            description.set(&field).map_err(|error| field.with_example(error))?;
        }
        if description.image.is_empty() {
            let help = Some("add a line such as `image = \"debian:13\"`".into());
            return Err(DescriptionError { path: path.into(), place: None, message: "no key `image`".into(), help });
        }
        Ok(description)
    }

    /// The bind mounts that `mounts` asks for, of the computation in `directory`.
    ///
    /// # Errors
    /// The path of the first source that does not exist, or leads out of `directory` through a symbolic link.
    pub fn bind_mounts(&self, directory: &Path) -> Result<Vec<BindMount>, PathBuf> {
        let top = directory.canonicalize().map_err(|_| directory.to_owned())?;
        let resolve = |mount: &Mount| {
            let named = directory.join(&mount.source);
            let source = named.canonicalize().ok().filter(|source| source.starts_with(&top)).ok_or(named)?;
            Ok(BindMount { source, target: mount.target.clone(), read_only: mount.read_only })
        };
        self.mounts.iter().map(resolve).collect()
    }

    /// The variables that `env` and `path` ask for; values are as they are written.
    #[must_use]
    pub fn variables(&self) -> Vec<(String, String)> {
        let mut variables = self.env.clone();
        if !self.path.is_empty() {
            // A literal `$` stays one.
            let first = self.path.join(":").replace('$', "$$");
            match variables.iter_mut().find(|(name, _)| name == "PATH") {
                Some((_, path)) => *path = format!("{first}:{path}"),
                None => variables.push(("PATH".to_owned(), format!("{first}:${{PATH}}"))),
            }
        }
        variables
    }

    fn set(&mut self, field: &Field<'_>) -> Result<(), DescriptionError> {
        match field.key {
            "image" => self.image = field.image()?,
            "engine" => self.engine = Some(field.choice(&ENGINES)?),
            "platform" => self.platform = Some(field.platform()?),
            "user" => self.user = Some(field.word("a user")?),
            "workdir" => self.workdir = Some(field.absolute_path()?),
            "shell" => self.shell = field.word("one program")?,
            "network" => self.network = Some(field.network()?),
            "shm-size" => self.shm_size = Some(field.size()?),
            "gpus" => self.gpus = Some(field.gpus()?),
            "init" => self.init = field.boolean()?,
            "env" => self.env = field.table(|variable| variable.variable())?,
            "path" => self.path = field.absolute_paths()?,
            "limits" => self.limits = field.limits()?,
            "mounts" => self.mounts = field.mounts()?,
            "caches" => self.caches = field.table(|cache| cache.cache())?,
            "pull" => {
                let choices = [("missing", Pull::Missing), ("always", Pull::Always), ("never", Pull::Never)];
                self.pull = field.choice(&choices)?;
            }
            "retries" => self.retries = field.count()?,
            "stage-timeout" => self.stage_timeout = Some(field.duration()?),
            "update" => {
                let choices = [("nearest", Update::Nearest), ("in-place", Update::InPlace), ("build", Update::Build)];
                self.update = field.choice(&choices)?;
            }
            "keep" => self.keep = field.count()?,
            "everytime" => {
                self.everytime = field.choice(&[("shared", Everytime::Shared), ("always", Everytime::Always)])?;
            }
            "pure" => {
                let choices = [("warn", Purity::Warn), ("fail", Purity::Fail), ("off", Purity::Off)];
                self.pure = Some(field.choice(&choices)?);
            }
            _ => return Err(field.is_no_key()),
        }
        let mounts = self.mounts.iter().map(|mount| mount.target.as_str());
        field.check_apart(mounts.chain(self.caches.iter().map(|mount| mount.cache.target.as_str())))
    }
}

/// The value of a key of the file at `path`, where that is text.
fn word_of(path: &Path, key: &str) -> Option<String> {
    let text = String::from_utf8(file::read(path, LONGEST_FILE).ok()?).ok()?;
    let table: toml::Table = text.parse().ok()?;
    table.get(key).and_then(toml::Value::as_str).map(str::to_owned)
}

#[cfg(test)]
mod tests;
