//! Images made of this machine's own programs, for tests and the tour: no registry, no network.
//!
//! A test that needs an engine begins like this:
//!
//! ```no_run
//! use compeval_machine_image::{Kind, engine_for_tests, ensure};
//!
//! let Some(engine) = engine_for_tests("calls in a container", "target/debug/ce-run".as_ref()) else { return };
//! let image = ensure(&engine, Kind::Dash).unwrap();
//! ```

mod archive;

use std::env;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use compeval_runtime::engine::docker::Docker;
use compeval_runtime::engine::embedded::{Embedded, STORE};
use compeval_runtime::engine::{Connected, EngineError};
use thiserror::Error;

pub use archive::{busybox_tar, tar_of_programs};

/// Programs that every image of [`Kind::Dash`] and [`Kind::Bash`] holds.
pub const PROGRAMS: &[&str] = &[
    "basename",
    "cat",
    "chmod",
    "chown",
    "cp",
    "cut",
    "date",
    "df",
    "dirname",
    "du",
    "env",
    "expr",
    "false",
    "find",
    "grep",
    "head",
    "hostname",
    "id",
    "ln",
    "ls",
    "mkdir",
    "mktemp",
    "mv",
    "printf",
    "readlink",
    "realpath",
    "rm",
    "rmdir",
    "sed",
    "seq",
    "sha256sum",
    "sleep",
    "sort",
    "stat",
    "tail",
    "tee",
    "test",
    "touch",
    "tr",
    "true",
    "uname",
    "wc",
    "xargs",
];

/// Programs that such an image holds if this machine has them.
pub const FURTHER_PROGRAMS: &[&str] = &[
    "awk",
    "cmp",
    "diff",
    "git",
    "git-receive-pack",
    "git-upload-pack",
    "gzip",
    "make",
    "ps",
    "rsync",
    "stty",
    "tar",
    "tty",
    "uniq",
];

const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The images there are, by what their `sh` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Debian's `sh`, with GNU programs.
    Dash,
    /// `bash` as `sh`, with GNU programs.
    Bash,
    /// One static `busybox` under all of its names.
    Busybox,
}

/// Why an image cannot be made.
#[derive(Debug, Error)]
pub enum ImageError {
    /// This machine lacks a program.
    #[error("this machine has no program `{name}` in $PATH")]
    NoProgram {
        /// Its name.
        name: String,
    },
    /// This machine's `busybox` needs libraries.
    #[error("`{}` is not statically linked", path.display())]
    NotStatic {
        /// Where it is.
        path: PathBuf,
    },
    /// A file could not be read, or `ldd` not be run.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file or program.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// The archive could not be written.
    #[error("cannot write the archive of an image")]
    Archive(#[from] io::Error),
    /// The daemon did not take it.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl Kind {
    /// The name and tag of the image on the daemon.
    #[must_use]
    pub fn reference(self) -> &'static str {
        match self {
            Self::Dash => "compeval-test/dash:1",
            Self::Bash => "compeval-test/bash:1",
            Self::Busybox => "compeval-test/busybox:1",
        }
    }

    /// The files of the image, as a tar archive.
    ///
    /// # Errors
    /// When this machine lacks a program, or one of its files cannot be read.
    pub fn archive(self) -> Result<Vec<u8>, ImageError> {
        let shell = match self {
            Self::Dash => "dash",
            Self::Bash => "bash",
            Self::Busybox => return busybox_tar(),
        };
        let further = FURTHER_PROGRAMS.iter().filter(|name| archive::find_program(name).is_ok());
        let programs: Vec<&str> = PROGRAMS.iter().chain(further).copied().collect();
        tar_of_programs(shell, &programs)
    }
}

/// The reference of an image of this kind, imported into the engine unless it has one.
///
/// # Errors
/// As [`Kind::archive`], or when the engine refuses.
pub fn ensure(engine: &Connected, kind: Kind) -> Result<String, ImageError> {
    // The tests of one program import each kind once, however many threads they have.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let reference = kind.reference();
    match engine.engine().image(reference) {
        Err(EngineError::NoSuchImage { .. }) => import(engine, reference, kind.archive()?)?,
        other => drop(other?),
    }
    Ok(reference.to_owned())
}

/// The configuration of an image whose layers are these tar archives (OCI image specification).
#[must_use]
pub fn configuration(layers: &[&[u8]]) -> String {
    archive::configuration(layers, PATH)
}

/// Makes an image of a tar archive of its files.
///
/// # Errors
/// When the engine refuses.
pub fn import(engine: &Connected, reference: &str, files: Vec<u8>) -> Result<(), ImageError> {
    match engine {
        Connected::Docker(docker) | Connected::Podman(docker) => {
            docker.import_image(reference, files, &[&format!("ENV {PATH}"), "CMD [\"sh\"]"])?;
        }
        Connected::Embedded(embedded) => drop(embedded.import(&*archive::saved(reference, &files, PATH)?, None)?),
    }
    Ok(())
}

/// The engine for a test: Podman's service or the embedded one where `CE_ENGINE` says so, that with a store that `CE_STORE`
/// names and the help of `program`; else a Docker daemon. Without one, says on stderr that `subject` is left out and gives `None`.
///
/// # Panics
/// Without an engine when `CE_TEST_DOCKER=require` is set, as it is where all tests must run.
#[must_use]
pub fn engine_for_tests(subject: &str, program: &Path) -> Option<Connected> {
    match env::var("CE_ENGINE").unwrap_or_default().as_str() {
        "podman" => return or_left_out(Docker::connect_to_podman().map(Connected::Podman), subject),
        "embedded" => {}
        _ => return docker_for_tests(subject),
    }
    let store = env::var_os(STORE).map(PathBuf::from).unwrap_or_else(|| env::temp_dir().join("ce-test-store"));
    or_left_out(Embedded::open_at(&store, program).map(Connected::Embedded), subject)
}

/// The daemon for a test that is about Docker. Without one, says on stderr that `subject` is left out and gives `None`.
///
/// # Panics
/// As [`engine_for_tests`].
#[must_use]
pub fn docker_for_tests(subject: &str) -> Option<Connected> {
    or_left_out(Docker::connect().map(Connected::Docker), subject)
}

fn or_left_out(engine: Result<Connected, EngineError>, subject: &str) -> Option<Connected> {
    let error = match engine {
        Ok(engine) => return Some(engine),
        Err(error) => error,
    };
    let required = env::var_os("CE_TEST_DOCKER").is_some_and(|value| value == "require");
    assert!(!required, "CE_TEST_DOCKER=require is set, but {error}");
    // Past the capture of the test harness, which would hide it; nobody may be listening.
    let _ = writeln!(io::stderr(), "left out: {subject}: {error}");
    None
}
