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
use crate::engines::EngineArguments;

type Underlying = Box<dyn std::error::Error + Send + Sync>;

/// Why it cannot be told which stages there were.
#[derive(Debug)]
pub(super) enum NoHistory {
    /// An older version could not be read.
    OfVersion { name: String, source: Underlying },
    /// The engine was not to be asked.
    Unknown { source: Underlying },
}

impl NoHistory {
    /// What the reader can do about it, if we know.
    pub(super) fn help(&self) -> Option<&'static str> {
        match self {
            NoHistory::OfVersion { .. } => None,
            NoHistory::Unknown { .. } => Some(
                "see to it that the engine answers; or say `--isolated`, and every stage counts as one that was never applied",
            ),
        }
    }
}

impl fmt::Display for NoHistory {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoHistory::OfVersion { name, .. } => write!(formatter, "cannot read the version `{name}`"),
            NoHistory::Unknown { .. } => {
                write!(formatter, "cannot tell which stages are applied, and are not to be edited")
            }
        }
    }
}

impl std::error::Error for NoHistory {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            NoHistory::OfVersion { source, .. } | NoHistory::Unknown { source } => Some(source.as_ref()),
        }
    }
}

/// The stages that a script had: by `--against`, else by the ledger of the container that has most of them; `None` where
/// neither is there.
///
/// # Errors
/// When there is no such version, or the script was not in it.
pub(super) fn of(arguments: &LintArguments, subject: &Subject) -> Result<Option<History>, NoHistory> {
    let Some(version) = &arguments.against else {
        if arguments.isolated {
            return Ok(None);
        }
        // Who only looks, or edits applied stages as well, is told what can be seen without.
        let depends_on_it = (arguments.fix || arguments.diff) && !arguments.fix_applied;
        return of_container(subject).or_else(|error| if depends_on_it { Err(error) } else { Ok(None) });
    };
    let failed = |source: Underlying| NoHistory::OfVersion { name: version.clone(), source };
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
fn of_container(subject: &Subject) -> Result<Option<History>, NoHistory> {
    let unknown = |source| NoHistory::Unknown { source };
    let Some(directory) = subject.path().and_then(Path::parent) else { return Ok(None) };
    let directory = if directory == Path::new("") { Path::new(".") } else { directory };
    if !directory.join(MAPPING).exists() {
        return Ok(None);
    }
    let directory = directory.canonicalize().map_err(|error| unknown(error.into()))?;
    let connected = EngineArguments::default().connect_for(&directory).map_err(|error| unknown(error.into()))?;
    let containers = Inventory { engine: connected.engine() }.entries(Some(&directory));
    let containers = containers.map_err(|error| unknown(error.into()))?;
    let applied = containers.iter().map(|known| {
        let stages = known.stages().into_iter().take_while(|stage| stage.is_applied);
        stages.map(|stage| stage.text).collect::<Vec<_>>()
    });
    // The newest first: it is what the next call will use.
    let newest = applied.into_iter().next();
    Ok(newest.map(|newest| History::of_texts(newest.iter().map(String::as_str))))
}
