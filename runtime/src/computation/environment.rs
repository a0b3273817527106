//! All that a call needs from the computation's directory: description, setup script and version, read once.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use bstr::ByteSlice;
use compeval_interpreter::{Diagnostic, Source, parse, syntax::Script};
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::{
    Computation,
    description::{Description, error::DescriptionError},
    error::ComputationError,
    layout,
};
use crate::text::hex;

/// A computation, ready to be set up and called.
#[derive(Debug)]
pub struct Environment {
    /// The computation, at its commit.
    pub computation: Computation,
    /// Its `docker.conf`.
    pub description: Description,
    /// Its `docker-setup.sh`.
    pub script: Script,
}

/// Why a computation cannot be set up.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EnvironmentError {
    /// Its directory or repository is not as needed.
    #[error(transparent)]
    Computation(#[from] ComputationError),
    /// Its `docker.conf` is not as needed.
    #[error(transparent)]
    Description(#[from] DescriptionError),
    /// It has no `docker-setup.sh`, or that cannot be read.
    #[error("cannot read `{}`", path.display())]
    Script {
        /// The script.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Its `docker-setup.sh` is no valid shell script.
    #[error("`{}` has {}", source_text.name(), count(errors.len()))]
    Syntax {
        /// The script's text.
        source_text: Arc<Source>,
        /// Every error in it, in order of their places.
        errors: Vec<Diagnostic>,
    },
}

fn count(errors: usize) -> String {
    if errors == 1 { "a syntax error".to_owned() } else { format!("{errors} syntax errors") }
}

impl EnvironmentError {
    /// What to do about it.
    pub fn help(&self) -> Option<String> {
        match self {
            EnvironmentError::Computation(error) => error.help(),
            EnvironmentError::Description(error) => error.help.clone(),
            EnvironmentError::Script { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                Some("write one, such as `next_stage && apt-get update`; an empty file sets up nothing".to_owned())
            }
            EnvironmentError::Script { .. } => None,
            EnvironmentError::Syntax { .. } => Some("`ce-lint` shows these and more".to_owned()),
        }
    }
}

impl Environment {
    /// Reads the computation in `directory`.
    ///
    /// # Errors
    /// The first thing that is missing or wrong; all syntax errors of the script at once.
    pub fn read(directory: &Path) -> Result<Environment, EnvironmentError> {
        let computation = Computation::open(directory)?;
        let description = Description::read(&computation.docker_conf())?;
        let script = read_script(&computation)?;
        Ok(Environment { computation, description, script })
    }

    /// The hash of a file's content and whether it is executable, or of everything below a directory, by name; `None`
    /// when there is nothing at `path`, which is relative to the computation's directory.
    pub fn content(&self, path: &Path) -> Option<String> {
        let mut hasher = Sha256::new();
        add_content(&self.computation.directory.join(path), &mut hasher).ok()?;
        Some(hex(&hasher.finalize()))
    }
}

fn read_script(computation: &Computation) -> Result<Script, EnvironmentError> {
    let path = computation.setup_script();
    // Reading a pipe or a device would wait, or never end.
    let is_file = fs::metadata(&path).is_ok_and(|metadata| metadata.is_file() || metadata.is_dir());
    let text = if is_file { fs::read(&path) } else { fs::metadata(&path).and(Err(io::ErrorKind::InvalidInput.into())) };
    let text = text.map_err(|source| EnvironmentError::Script { path: path.clone(), source })?;
    let parsed = parse(Source::new(shown(&path), text));
    if parsed.errors.is_empty() {
        Ok(parsed.script)
    } else {
        Err(EnvironmentError::Syntax { source_text: parsed.script.source, errors: parsed.errors })
    }
}

/// A path as it is shown: relative to the working directory where it lies below that.
fn shown(path: &Path) -> String {
    let here = std::env::current_dir().and_then(fs::canonicalize).ok();
    let relative = here.and_then(|here| path.strip_prefix(here).map(Path::to_owned).ok());
    relative.as_deref().unwrap_or(path).display().to_string()
}

fn add_content(path: &Path, hasher: &mut Sha256) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let metadata = fs::symlink_metadata(path)?;
    let mut add = |kind: &str, bytes: &[u8]| {
        hasher.update(format!("{kind} {}\n", bytes.len()));
        hasher.update(bytes);
    };
    if metadata.is_symlink() {
        add("link", fs::read_link(path)?.as_os_str().as_encoded_bytes());
    } else if metadata.is_dir() {
        let mut names: Vec<_> = fs::read_dir(path)?.map(|entry| Ok(entry?.file_name())).collect::<io::Result<_>>()?;
        names.sort();
        names.retain(|name| name != ".git" && !layout::is_mapping(name.as_encoded_bytes()));
        for name in names {
            hasher.update(format!("entry {}\n", name.len()));
            hasher.update(name.as_encoded_bytes().as_bytes());
            add_content(&path.join(name), hasher)?;
        }
    } else if metadata.is_file() {
        let executable = metadata.permissions().mode() & 0o111 != 0;
        add(if executable { "program" } else { "file" }, &fs::read(path)?);
    }
    Ok(())
}
