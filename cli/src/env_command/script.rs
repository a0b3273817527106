//! The script of the computation at hand, for what of `ce-env` needs it.

use std::path::Path;

use compeval_runtime::{Environment, Setup, container::mounts::Mounts, engine::Engine};

use super::EnvError;

/// Does something with the computation in a directory, whose global file storage is there.
pub(super) fn with_setup<T>(
    engine: &dyn Engine,
    directory: &Path,
    storage: Option<&Path>,
    act: impl FnOnce(&Setup<'_>) -> Result<T, EnvError>,
) -> Result<T, EnvError> {
    let environment = Environment::read(directory).map_err(Box::new)?;
    let mounts = Mounts::new(directory, storage)?;
    act(&Setup::new(engine, &environment, &mounts))
}
