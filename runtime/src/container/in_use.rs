//! Whose calls run in a container: the engine's knowledge, not ours, so that it is right whatever died meanwhile.

use compeval_interpreter::program::feed::WORD;

use crate::engine::{Engine, EngineError, RunningProgram};

/// Stands as the name of the shell that starts a call's command, and so tells calls from all else that runs there.
pub(crate) const CALL: &str = "ce-run";

/// How many calls run in a container: their commands, and what the setup of one that has ended may have left running. Who
/// asks keeps others from setting up; `besides` is a word in the argument list of what runs there for himself.
///
/// # Errors
/// As for [`Containers::commands`](crate::engine::Containers::commands).
pub(crate) fn calls(engine: &dyn Engine, container: &str, besides: Option<&str>) -> Result<usize, EngineError> {
    let is_own = |program: &RunningProgram| program.argv.iter().any(|word| Some(word.as_str()) == besides);
    Ok(programs(engine, container)?.iter().filter(|program| !is_own(program)).count())
}

/// The same as programs.
///
/// # Errors
/// As for [`calls`].
pub(crate) fn programs(engine: &dyn Engine, container: &str) -> Result<Vec<RunningProgram>, EngineError> {
    let is_call = |program: &RunningProgram| program.argv.iter().any(|word| word == CALL || word.contains(WORD));
    Ok(engine.commands(container)?.into_iter().filter(is_call).collect())
}
