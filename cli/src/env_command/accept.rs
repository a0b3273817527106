//! An edited stage that counts as applied, because a person says so.

use std::{
    env,
    io::{self, IsTerminal},
    path::{Path, PathBuf},
};

use compeval_runtime::{Environment, Setup, container::mounts::Mounts, engine::docker::Docker};

use super::EnvError;
use crate::{
    progress::{ProgressArguments, Reporter},
    state_directory,
};

/// Takes a stage for applied as it is now; nothing is run.
pub(super) fn accept(
    docker: &Docker,
    directory: &Path,
    gfs: Option<PathBuf>,
    stage: u32,
    reason: &str,
) -> Result<(), EnvError> {
    let gfs = gfs.or_else(|| env::var_os("GFSDIR").map(PathBuf::from));
    let environment = Environment::read(directory).map_err(Box::new)?;
    let mounts = Mounts::new(directory, gfs.as_deref())?;
    let setup = Setup::new(docker, &environment, &mounts);
    let mut reporter =
        Reporter::new(ProgressArguments::default(), io::stderr().is_terminal(), state_directory::log(directory));
    let accepted = setup.accept(stage, reason, &mut reporter);
    reporter.end(accepted.is_ok());
    Ok(accepted?)
}
