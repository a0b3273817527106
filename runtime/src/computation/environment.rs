//! All that a call needs from the computation's directory: description, setup script and version, read once.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use compeval_interpreter::{
    Diagnostic, Source, Span,
    analyze::letters::{Unseen, unseen},
    parse,
    syntax::{Script, print},
    text::hex,
};
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::{
    Computation,
    content::Contents,
    description::{Description, error::DescriptionError},
    error::ComputationError,
};
use crate::file;

/// A computation, ready to be set up and called.
#[derive(Debug)]
pub struct Environment {
    /// The computation, at its commit.
    pub computation: Computation,
    /// Its `docker.conf`.
    pub description: Description,
    /// Its `docker-setup.sh`.
    pub script: Script,
    /// A hash of that script, in which comments and layout do not count.
    pub script_hash: String,
    contents: Contents,
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
    /// There is a byte order mark in its `docker-setup.sh`.
    #[error(
        "line {} of `{}` has a byte order mark in it, which `sh` takes for a letter",
        source_text.line_number(place.start), source_text.name()
    )]
    ByteOrderMark {
        /// The script's text.
        source_text: Arc<Source>,
        /// The mark.
        place: Span,
    },
    /// Lines of its `docker-setup.sh` end in CR LF.
    #[error("line {} of `{}` ends in CR LF, as on Windows: `sh` takes the CR for the last letter of a word", source_text.line_number(place.start), source_text.name())]
    LineEnds {
        /// The script's text.
        source_text: Arc<Source>,
        /// The first such CR.
        place: Span,
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
            EnvironmentError::ByteOrderMark { source_text, .. } => {
                Some(format!("nothing was run; remove it: `sed -i 's/\\xef\\xbb\\xbf//' {}`", source_text.name()))
            }
            EnvironmentError::LineEnds { source_text, .. } => {
                Some(format!("nothing was run; convert the file: `sed -i 's/\\r$//' {}`", source_text.name()))
            }
            EnvironmentError::Syntax { .. } => Some("nothing was run; `ce-lint` shows these and more".to_owned()),
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
        let script_hash = hex(&Sha256::digest(print::canonical(&script.list).as_slice()));
        Ok(Environment { computation, description, script, script_hash, contents: Contents::default() })
    }

    /// A hash that changes whenever the computation's files may have, those included that Git ignores; no file is read.
    pub fn version(&self) -> Option<String> {
        Contents::by_version().at(&self.computation.directory).ok()?
    }

    /// The kind and the hash of what is at `path`, which is relative to the computation's directory: of a file, or of
    /// everything below a directory, by name. `None` when there is nothing in that directory.
    pub fn content(&self, path: &Path) -> Option<String> {
        let top = &self.computation.directory;
        let named = top.join(path);
        // A link is what it leads to. What is outside is another thing in the container.
        let dangling = || Some(named.parent()?.canonicalize().ok()?.join(named.file_name()?));
        let real = named.canonicalize().ok().or_else(dangling).filter(|real| real.starts_with(top))?;
        self.contents.at(&real).ok()?
    }
}

/// More than anybody writes, in bytes.
pub const LONGEST_SCRIPT: u64 = 16 << 20;

fn read_script(computation: &Computation) -> Result<Script, EnvironmentError> {
    let path = computation.setup_script();
    let text =
        file::read(&path, LONGEST_SCRIPT).map_err(|source| EnvironmentError::Script { path: path.clone(), source })?;
    let parsed = parse(Source::new(shown(&path), text));
    let source_text = Arc::clone(&parsed.script.source);
    if !parsed.errors.is_empty() {
        return Err(EnvironmentError::Syntax { source_text, errors: parsed.errors });
    }
    // Each would be part of a word: of a file's name that nobody finds, of a marker that is none then.
    for (place, kind) in unseen(&parsed.script) {
        match kind {
            Unseen::LineEnd => return Err(EnvironmentError::LineEnds { source_text, place }),
            Unseen::ByteOrderMark => return Err(EnvironmentError::ByteOrderMark { source_text, place }),
            Unseen::Blank | Unseen::Nothing | Unseen::Quote | Unseen::Dash => {}
        }
    }
    Ok(parsed.script)
}

/// A path as it is shown: relative to the working directory where it lies below that.
fn shown(path: &Path) -> String {
    let here = std::env::current_dir().and_then(fs::canonicalize).ok();
    let relative = here.and_then(|here| path.strip_prefix(here).map(Path::to_owned).ok());
    relative.as_deref().unwrap_or(path).display().to_string()
}
