//! Which stages there were: those of an older version, or those that a container has.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

use compeval_interpreter::lint::history::History;
use compeval_runtime::{
    computation::{self, error::ComputationError, layout::MAPPING},
    inventory::Inventory,
};

use super::{
    arguments::LintArguments,
    subject::{Subject, read_bounded},
};
use crate::engines;

/// An older version that could not be read.
#[derive(Debug)]
pub(super) struct NoOlderVersion {
    name: String,
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl fmt::Display for NoOlderVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "cannot read the version `{}`", self.name)
    }
}

impl std::error::Error for NoOlderVersion {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(self.source.as_ref())
    }
}

/// The stages that a script had: by `--against`, else by the ledger of the container that has most of them; `None` where
/// neither is there.
///
/// # Errors
/// When there is no such version, or the script was not in it.
pub(super) fn of(arguments: &LintArguments, subject: &Subject) -> Result<Option<History>, NoOlderVersion> {
    let Some(version) = &arguments.against else {
        return Ok(if arguments.isolated { None } else { of_container(subject) });
    };
    let failed = |source: Box<dyn std::error::Error + Send + Sync>| NoOlderVersion { name: version.clone(), source };
    let file = Path::new(version);
    if file.exists() {
        return fs::File::open(file)
            .and_then(read_bounded)
            .map(|text| Some(History::of_script(&text)))
            .map_err(|error| failed(error.into()));
    }
    let path = subject.path().map_or_else(|| PathBuf::from("docker-setup.sh"), Path::to_owned);
    // What Git says of a name that it does not know helps nobody.
    let text = computation::text_at(&path, version).map_err(|error| match error {
        ComputationError::Git { .. } => failed("there is neither a file nor a commit of this name".into()),
        error => failed(error.into()),
    })?;
    // A script that was not there had no stages.
    Ok(Some(text.map_or_else(History::default, |text| History::of_script(&text))))
}

/// The stages of the container, as its ledger has them. An engine is asked only where a mapping says that one was used.
fn of_container(subject: &Subject) -> Option<History> {
    let directory = subject.path()?.parent()?;
    let directory = if directory == Path::new("") { Path::new(".") } else { directory };
    if !directory.join(MAPPING).exists() {
        return None;
    }
    let connected = engines::of_environment().ok()?;
    let directory = directory.canonicalize().ok()?;
    let containers = Inventory { engine: connected.engine() }.entries(Some(&directory)).ok()?;
    let applied = containers.iter().map(|known| {
        let stages = known.stages().into_iter().take_while(|stage| stage.is_applied);
        stages.map(|stage| stage.text).collect::<Vec<_>>()
    });
    // The newest first: it is what the next call will use.
    let newest = applied.into_iter().next()?;
    Some(History::of_texts(newest.iter().map(String::as_str)))
}
