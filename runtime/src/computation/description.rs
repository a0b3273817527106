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
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Description, DescriptionError> {
        Description::parse(Path::new("align/docker.conf"), text)
    }

    /// The whole complaint, with its help on a second line.
    fn complaint(text: &str) -> String {
        let error = parse(text).unwrap_err();
        match &error.help {
            Some(help) => format!("{error}\nhelp: {help}"),
            None => error.to_string(),
        }
    }

    #[test]
    fn an_image_is_enough() {
        let description = parse("image = \"debian:13\"\n").unwrap();
        assert_eq!(description.image, "debian:13");
        assert_eq!((description.shell.as_str(), description.init), ("/bin/sh", true));
    }

    #[test]
    fn every_key_is_understood() {
        let description = parse(
            r#"
            image = "debian:13"
            platform = "linux/arm64/v8"
            pull = "never"
            user = "1000:1000"
            workdir = "/root"
            shell = "/bin/bash"
            network = "none"
            engine = "embedded"
            shm-size = "64m"
            gpus = "all"
            init = false
            retries = 2
            stage-timeout = "90m"
            update = "build"
            keep = 1
            everytime = "always"
            pure = "fail"
            mounts = [{ source = "data", target = "/data" }, { source = "out", target = "/out", read-only = false }]
            path = ["/opt/bin"]
            [env]
            LANG = "C"
            B = ""
            [limits]
            memory = "2g"
            cpus = 1.5
            pids = 100
            [caches]
            apt = "/var/cache/apt"
            pip = { target = "/root/.cache/pip", shared = true }
            "#,
        );
        let mount =
            |source: &str, target: &str, read_only| Mount { source: source.into(), target: target.into(), read_only };
        let cache = |name: &str, target: &str, is_shared| CacheMount {
            cache: Cache { name: format!("ce-cache-{name}"), target: target.into() },
            is_shared,
        };
        let expected = Description {
            engine: Some(EngineKind::Embedded),
            image: "debian:13".into(),
            platform: Some("linux/arm64/v8".into()),
            pull: Pull::Never,
            user: Some("1000:1000".into()),
            workdir: Some("/root".into()),
            shell: "/bin/bash".into(),
            env: vec![("B".into(), String::new()), ("LANG".into(), "C".into())],
            path: vec!["/opt/bin".into()],
            network: Some("none".into()),
            limits: Limits { memory: Some(2_147_483_648), nano_cpus: Some(1_500_000_000), pids: Some(100) },
            shm_size: Some(67_108_864),
            gpus: Some(Gpus::All),
            init: false,
            mounts: vec![mount("data", "/data", true), mount("out", "/out", false)],
            caches: vec![cache("apt", "/var/cache/apt", false), cache("pip", "/root/.cache/pip", true)],
            retries: 2,
            stage_timeout: Some(Duration::from_secs(5400)),
            update: Update::Build,
            keep: 1,
            everytime: Everytime::Always,
            pure: Some(Purity::Fail),
        };
        assert_eq!(description, Ok(expected));
    }

    #[test]
    fn an_unknown_key_is_shown_with_the_nearest() {
        assert_eq!(
            complaint("# what we run in\n\nimgae = \"debian:13\"\n"),
            "align/docker.conf:3:1: unknown key `imgae`\nhelp: did you mean `image`?"
        );
        assert_eq!(
            complaint("image = \"x\"\nshm_size = 1\n"),
            "align/docker.conf:2:1: unknown key `shm_size`\nhelp: did you mean `shm-size`?"
        );
        assert_eq!(
            complaint("image = \"x\"\nlimits = { memroy = 1 }\n"),
            "align/docker.conf:2:12: unknown key `memroy`\nhelp: did you mean `memory`?"
        );
        assert!(complaint("volume = 1").ends_with("help: the keys are `image`, `engine`, `platform`, `pull`, `user`, `workdir`, `shell`, `env`, `path`, `network`, `limits`, `shm-size`, `gpus`, `init`, `mounts`, `caches`, `retries`, `stage-timeout`, `update`, `keep`, `everytime`, `pure`"));
    }

    #[test]
    fn other_ways_to_write_a_line_are_answered_with_the_right_one() {
        let cases = [
            ("image: debian:13", "1:1: `:` after `image` where `=` must be"),
            ("image: \"debian:13\"  # base", "1:1: `:` after `image` where `=` must be"),
            ("image = debian:13", "1:1: the value of `image` is not quoted"),
            ("image=debian:13 # base", "1:1: the value of `image` is not quoted"),
            ("image debian:13", "1:1: no `=` after `image`"),
        ];
        assert_eq!(
            complaint("image = \"a\"\n<<<<<<< HEAD\nuser = \"b\"\n=======\n>>>>>>> other\n"),
            "align/docker.conf:2:1: a merge was not finished: two versions of the text are here\n\
             help: keep what is right of them, and remove the lines `<<<<<<<`, `=======` and `>>>>>>>`"
        );
        for (text, message) in cases {
            let expected = format!("align/docker.conf:{message}\nhelp: write `image = \"debian:13\"`");
            assert_eq!(complaint(text), expected, "{text}");
        }
        assert_eq!(
            complaint("image = \"x\"\n  user = 1000:1000\n"),
            "align/docker.conf:2:3: the value of `user` is not quoted\nhelp: write `user = \"1000:1000\"`"
        );
    }

    #[test]
    fn directories_of_path_come_before_those_of_the_image_or_of_env() {
        let variables = |text: &str| parse(&format!("image = \"x\"\n{text}\n")).unwrap().variables();
        let path = |value: &str| vec![("PATH".to_owned(), value.to_owned())];
        assert_eq!(variables("path = [\"/opt/$a\", \"/b\"]"), path("/opt/$$a:/b:${PATH}"));
        assert_eq!(variables("path = [\"/a\"]\nenv = { PATH = \"/b\" }"), path("/a:/b"));
    }

    #[test]
    fn a_place_counts_characters_and_quotes_its_line() {
        let error = parse("image = \"x\"\r\nenv = { \"é\" = 1 }\r\n").unwrap_err();
        let place = error.place.unwrap();
        assert_eq!((place.line, place.column, place.line_text.as_str()), (2, 9, "env = { \"é\" = 1 }"));
        assert_eq!(place.span, 21..25);
        assert_eq!(error.message, "`é` is not the name of a variable");
    }

    #[test]
    fn wrong_values_are_named_with_their_place() {
        let cases = [
            ("image = 13", "1:9: `image` must be a string, not an integer\nhelp: write `image = \"13\"`"),
            ("image = \"\"", "1:9: `image` is empty"),
            ("image = \" x\"", "1:9: `image` must be an image's name, without white space"),
            ("image = [\"x\"]", "1:9: `image` must be a string, not an array"),
            ("init = \"yes\"", "1:8: `init` must be `true` or `false`, not a string"),
            ("platform = \"amd64\"", "1:12: `platform` must be an operating system and an architecture"),
            ("workdir = \"src\"", "1:11: `workdir` must be an absolute path in the container, without `..`"),
            ("shm-size = \"big\"", "1:12: `shm-size` must be a size such as `\"512m\"` or `\"2g\"`"),
            ("limits = { cpus = 0 }", "1:19: `cpus` must be a number of processors, as in `1.5`"),
            ("limits = { pids = -1 }", "1:19: `pids` must be how many processes at most, 16 or more"),
            ("limits = { pids = 3 }", "1:19: `pids` must be how many processes at most, 16 or more"),
            ("limits = { memory = \"0\" }", "1:21: `memory` must be a size such as `\"512m\"` or `\"2g\"`"),
            ("gpus = 0", "1:8: `gpus` must be `\"all\"` or how many, 1 or more"),
            ("image = \"Debian:13\"", "1:9: the name of an image has no capital letters\nhelp: write `debian:13`"),
            (
                "image = \"Host.example:5000/Lab/x:A\"",
                "1:9: the name of an image has no capital letters\nhelp: write `Host.example:5000/lab/x:A`",
            ),
            (
                "image = \"debian@sha256:12\"",
                "1:9: the digest of the image is not one\nhelp: a digest is `sha256:` and 64 hexadecimal digits: `docker images --digests` shows it",
            ),
            ("gpus = true", "1:8: `gpus` must be `\"all\"` or how many, not a boolean"),
            ("env = { A = 1 }", "1:13: `A` must be a string, not an integer\nhelp: write `A = \"1\"`"),
            ("env = { COMPDIR = \"/\" }", "1:9: `COMPDIR` is set by ce-run"),
            (
                "env = { P = \"/opt/bin:$PATH\" }",
                "1:23: `$PATH` is not replaced\nhelp: write `${PATH}` for the image's variable, or `$$` for a `$`",
            ),
            (
                "env = { PATH = \"bin\" }",
                "1:16: `PATH` names no absolute directory: the setup would find no program\nhelp: write it as in `PATH = \"/opt/bin:${PATH}\"`",
            ),
            ("path = \"/opt/bin\"", "1:8: `path` must be an array of directories, not a string"),
            ("path = [\"bin\"]", "1:9: `path` must be an absolute path in the container, without `..`"),
            ("path = [\"/a:/b\"]", "1:9: a directory of `path` cannot have a `:` in its name"),
            ("network = \"container:x\"", "1:11: a computation cannot use the network of another container"),
            ("stage-timeout = 0", "1:17: `stage-timeout` must be a time such as `\"90s\"`, `\"30m\"` or `\"2h\"`"),
            (
                "stage-timeout = \"2 h\"",
                "1:17: `stage-timeout` must be a time such as `\"90s\"`, `\"30m\"` or `\"2h\"`",
            ),
            ("stage-timeout = \"30\"", "1:17: `stage-timeout` must be a time such as `\"90s\"`, `\"30m\"` or `\"2h\"`"),
            ("retries = -1", "1:11: `retries` must be a whole number, 0 or more"),
            ("update = \"newest\"", "1:10: `update` must be one of `\"nearest\"`, `\"in-place\"`, `\"build\"`"),
            ("everytime = true", "1:13: `everytime` must be one of `\"shared\"`, `\"always\"`, not a boolean"),
            ("pull = \"daily\"", "1:8: `pull` must be one of `\"missing\"`, `\"always\"`, `\"never\"`"),
        ];
        for (text, message) in cases {
            assert_eq!(own_complaint(text), format!("align/docker.conf:{message}"), "{text}");
        }
    }

    #[test]
    fn whatever_names_an_image_is_one() {
        let digest = "a".repeat(64);
        let names = [
            "x",
            "a/b-c/d_e.f:1.2-x_Y",
            "Host.example:5000/lab/x",
            "localhost/x:1",
            "localhost:5000/x",
            "0123456789ab",
            &format!("sha256:{digest}"),
            &format!("x@sha256:{digest}"),
            &format!("h.example/x:1@sha256:{digest}"),
        ];
        for name in names {
            assert_eq!(parse(&format!("image = \"{name}\"")).unwrap().image, name);
        }
    }

    #[test]
    fn where_nothing_else_helps_the_key_is_shown_as_it_may_be_written() {
        for (text, example) in [
            ("image = [\"x\"]", "image = \"debian:13\""),
            ("image = \"-x\"", "image = \"debian:13\""),
            ("image = \"x:\"", "image = \"debian:13\""),
            ("image = \"x:1:2\"", "image = \"debian:13\""),
            ("image = \"/x\"", "image = \"debian:13\""),
            ("image = \"a//b\"", "image = \"debian:13\""),
            ("platform = 1.5", "platform = \"1.5\""),
            ("platform = \"amd64\"", "platform = \"linux/amd64\""),
            ("workdir = \"src\"", "workdir = \"/data\""),
            ("env = [\"A=1\"]", "env = { LANG = \"C.UTF-8\" }"),
            ("path = \"/opt/bin\"", "path = [\"/opt/bin\"]"),
            ("limits = \"2g\"", "limits = { memory = \"2g\", cpus = 1.5, pids = 500 }"),
            ("limits = { cpus = 0 }", "limits = { memory = \"2g\", cpus = 1.5, pids = 500 }"),
            ("mounts = [\"a:/b\"]", "mounts = [{ source = \"data\", target = \"/data\" }]"),
            ("mounts = { a = \"/b\" }", "mounts = [{ source = \"data\", target = \"/data\" }]"),
            ("caches = [\"/x\"]", "caches = { apt = \"/var/cache/apt\" }"),
            ("retries = \"2\"", "retries = 2"),
            ("stage-timeout = \"30\"", "stage-timeout = \"30m\""),
            ("init = \"yes\"", "init = false"),
        ] {
            let said = complaint(text);
            assert!(said.ends_with(&format!("`{example}`")) && said.contains("\nhelp: write "), "{said}");
        }
    }

    /// Without the help that every key has.
    fn own_complaint(text: &str) -> String {
        let said = complaint(text);
        let own = said.split_once("\nhelp: write it as in `").filter(|(_, help)| !help.starts_with("PATH ="));
        own.map_or(said.clone(), |(own, _)| own.to_owned())
    }

    #[test]
    fn nothing_is_mounted_from_outside_or_over_our_places() {
        let source = "`source` must be a relative path below the computation's directory\n\
                      help: pass other data through the global file storage";
        let cases = [
            ("mounts = [{ source = \"/etc\", target = \"/x\" }]", "1:22", source),
            ("mounts = [{ source = \"a/../..\", target = \"/x\" }]", "1:22", source),
            ("mounts = [{ source = \"a\" }]", "1:11", "a mount needs `source` and `target`"),
            (
                "caches = { a = \"/usr/bin\" }",
                "1:16",
                "`/usr/bin` would hide what the image has there\nhelp: name a directory below it",
            ),
            (
                "caches = { a = \"/\" }",
                "1:16",
                "`/` would hide what the image has there\nhelp: name a directory below it",
            ),
            (
                "caches = { a = \"/var/lib/compeval\" }",
                "1:16",
                "`/var/lib/compeval` would cover `/var/lib/compeval`, which ce-run uses",
            ),
            (
                "caches = { a = \"/x\", b = \"/x/\" }",
                "1:10",
                "`/x/` is the place of two mounts or caches\nhelp: give each a directory of its own",
            ),
            (
                "caches = { a = \"/x\" }\nmounts = [{ source = \"x\", target = \"/x\" }]",
                "2:10",
                "`/x` is the place of two mounts or caches\nhelp: give each a directory of its own",
            ),
            (
                "caches = { a = \"/compeval/gfs/x\" }",
                "1:16",
                "`/compeval/gfs/x` would cover `/compeval`, which ce-run uses",
            ),
            (
                "caches = { \"/etc\" = \"/x\" }",
                "1:12",
                "`/etc` is not a name for a cache: use letters, digits, `_`, `.` and `-`",
            ),
        ];
        for (text, place, message) in cases {
            assert_eq!(own_complaint(text), format!("align/docker.conf:{place}: {message}"), "{text}");
        }
    }

    #[test]
    fn a_source_cannot_leave_the_computation_through_a_symbolic_link() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("data")).unwrap();
        std::os::unix::fs::symlink("/etc", directory.path().join("link")).unwrap();
        let mounts = |source: &str| {
            let text = format!("image = \"x\"\nmounts = [{{ source = \"{source}\", target = \"/x\" }}]");
            parse(&text).unwrap().bind_mounts(directory.path())
        };
        assert_eq!(mounts("data").unwrap()[0].source, directory.path().canonicalize().unwrap().join("data"));
        assert_eq!(mounts("link").unwrap_err(), directory.path().join("link"));
        assert_eq!(mounts("none").unwrap_err(), directory.path().join("none"));
    }

    #[test]
    fn a_file_without_an_image_or_no_file_at_all_gets_an_example() {
        let help = "add a line such as `image = \"debian:13\"`";
        assert_eq!(complaint("user = \"root\"\n"), format!("align/docker.conf: no key `image`\nhelp: {help}"));
        let error = Description::read(Path::new("/no/such/docker.conf")).unwrap_err();
        assert_eq!(error.to_string(), "/no/such/docker.conf: no such file");
        assert_eq!(error.help.unwrap(), "create it with a line such as `image = \"debian:13\"`");
    }

    #[test]
    fn other_syntax_errors_are_the_parsers() {
        let error = parse("image = \"debian\n").unwrap_err();
        assert_eq!((error.place.as_ref().unwrap().line, error.help), (1, None));
        let error = parse("image = \"a\"\nimage = \"b\"\n").unwrap_err();
        assert_eq!(error.to_string(), "align/docker.conf:2:1: duplicate key");
    }
}
