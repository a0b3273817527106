//! An edited stage that counts as applied, because a person says so.

use std::io::{self, IsTerminal};

use compeval_runtime::Setup;

use super::EnvError;
use crate::{
    progress::{ProgressArguments, Reporter},
    state_directory,
};

/// Takes a stage for applied as it is now; nothing is run.
pub(super) fn accept(setup: &Setup<'_>, stage: u32, reason: &str) -> Result<(), EnvError> {
    let log = state_directory::log(&setup.environment.computation.directory);
    let mut reporter = Reporter::new(ProgressArguments::default(), io::stderr().is_terminal(), log);
    let accepted = setup.accept(stage, reason, &mut reporter);
    reporter.end(accepted.is_ok());
    Ok(accepted?)
}
