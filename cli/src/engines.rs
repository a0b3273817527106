//! Which engine this process uses.

use std::{env, fmt, path::Path, sync::OnceLock};

use clap::{Args, ValueEnum};
use compeval_runtime::{
    computation::{description::Description, layout::DESCRIPTION},
    engine::{self, Connected, ENGINES, EngineError, EngineKind},
};

/// Stands for the option where that is not given.
const ENGINE: &str = "CE_ENGINE";

/// The one that was chosen, for what of this process needs it once more.
static CHOSEN: OnceLock<EngineKind> = OnceLock::new();

/// The option of all programs that use an engine.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(crate) struct EngineArguments {
    /// What the containers are of: a Docker daemon, Podman's service, or this program itself, which needs no daemon and no
    /// root [default: $CE_ENGINE, what `engine` in docker.conf says, else the first that answers].
    #[arg(long, value_enum, value_name = "ENGINE", global = true)]
    engine: Option<EngineName>,
}

/// [`EngineKind`], as it is said.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum EngineName {
    Docker,
    Podman,
    Embedded,
}

impl EngineArguments {
    /// The engine that is wanted: by this option, by the environment, or by docker.conf.
    ///
    /// # Errors
    /// A word in the environment that names none; why the engine cannot be used.
    pub(crate) fn connect(self, described: Option<EngineKind>) -> Result<Connected, NoEngine> {
        let option = self.engine.map(|name| match name {
            EngineName::Docker => EngineKind::Docker,
            EngineName::Podman => EngineKind::Podman,
            EngineName::Embedded => EngineKind::Embedded,
        });
        let wanted = match option {
            Some(kind) => Some(kind),
            None => from_environment()?.or(described),
        };
        let connected = engine::connect(wanted).map_err(|source| NoEngine::Unusable { wanted, source })?;
        let _ = CHOSEN.set(connected.kind());
        Ok(connected)
    }

    /// The same for a computation, of whose docker.conf nothing but that can be read perhaps.
    ///
    /// # Errors
    /// As [`EngineArguments::connect`].
    pub(crate) fn connect_for(self, directory: &Path) -> Result<Connected, NoEngine> {
        self.connect(Description::engine_of(&directory.join(DESCRIPTION)))
    }
}

/// The engine that a program without options uses.
///
/// # Errors
/// A word in the environment that names none; why the engine cannot be used.
pub fn of_environment() -> Result<Connected, NoEngine> {
    EngineArguments::default().connect(None)
}

fn from_environment() -> Result<Option<EngineKind>, NoEngine> {
    let Some(value) = env::var_os(ENGINE).filter(|value| !value.is_empty()) else { return Ok(None) };
    match ENGINES.iter().find(|(name, _)| value == *name) {
        Some((_, kind)) => Ok(Some(*kind)),
        None => Err(NoEngine::Unknown { value: value.to_string_lossy().into_owned() }),
    }
}

/// The engine of this process once more, from any thread; `None` before there is one, and where it has gone.
pub(crate) fn again() -> Option<Connected> {
    engine::connect(Some(*CHOSEN.get()?)).ok()
}

/// What the reader can do about an error of the engine in use, if we know.
pub(crate) fn help(error: &EngineError) -> Option<String> {
    engine::choice::help(CHOSEN.get().copied().unwrap_or(EngineKind::Docker), error)
}

/// Why there is no engine to be used.
#[derive(Debug)]
pub enum NoEngine {
    /// The environment names one that is not known.
    Unknown {
        /// What it says.
        value: String,
    },
    /// It cannot be used.
    Unusable {
        /// The one that was asked for.
        wanted: Option<EngineKind>,
        /// Why not.
        source: EngineError,
    },
}

impl NoEngine {
    /// What the reader can do about it, if we know.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        match self {
            NoEngine::Unknown { .. } => Some(format!("set {ENGINE} to `docker`, `podman` or `embedded`, or unset it")),
            NoEngine::Unusable { wanted, source } => {
                let wanted = wanted.unwrap_or(EngineKind::Docker);
                let all = [wanted, EngineKind::Embedded];
                all.into_iter().find_map(|kind| engine::choice::help(kind, source))
            }
        }
    }
}

impl fmt::Display for NoEngine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoEngine::Unknown { value } => write!(formatter, "`{value}` in {ENGINE} is no engine"),
            NoEngine::Unusable { source, .. } => source.fmt(formatter),
        }
    }
}

impl std::error::Error for NoEngine {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            NoEngine::Unknown { .. } => None,
            NoEngine::Unusable { source, .. } => source.source(),
        }
    }
}
