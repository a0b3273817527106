//! Exit statuses, and what is said where a command did not come to one of its own.

use compeval_runtime::{
    call::{Call, Called, KILLED},
    computation::error::ComputationError,
};

use crate::words;

/// Our own failures, as with `docker run`.
pub const FAILED: u8 = 125;
const NOT_EXECUTABLE: u8 = 126;
const NOT_FOUND: u8 = 127;
/// Nobody reads our output any more: 128 and the number of SIGPIPE.
pub const BROKEN_PIPE: u8 = 141;

/// The exit status where a computation has no program to run.
pub fn of_exec(error: &ComputationError) -> u8 {
    match error {
        ComputationError::NoExec { .. } => NOT_FOUND,
        ComputationError::ExecNotAFile { .. } | ComputationError::ExecNotExecutable { .. } => NOT_EXECUTABLE,
        _ => FAILED,
    }
}

/// What is said of a command, if it is not its own affair, and the exit status.
pub fn of(called: Called, command: &Call) -> (Option<String>, u8) {
    let program = command.argv.first().map(|program| program.display().to_string()).unwrap_or_default();
    let (complaint, status) = match called {
        Called::Ended(status) => return (None, u8::try_from(status).unwrap_or(FAILED)),
        Called::NoDirectory => {
            let directory = command.directory.display();
            (
                format!(
                    "the command cannot start in `{directory}`: it is not there in the container, or not for its user"
                ),
                FAILED,
            )
        }
        Called::NotFound => (format!("`{program}` is not there in the container"), NOT_FOUND),
        Called::NotExecutable => {
            let why = match command.interpreter.as_deref().is_some_and(|name| name.ends_with('\r')) {
                true => "its first line ends as on Windows: `sed -i 's/\\r$//' exec` makes it one for Unix",
                false => "it is no program, or the container lacks what its `#!` line names",
            };
            (format!("`{program}` cannot be executed in the container: {why}"), NOT_EXECUTABLE)
        }
        Called::NoShell { said } => (format!("the container's shell cannot be started: {said}"), FAILED),
        Called::OutOfMemory { limit } => {
            let limit = limit.map(|bytes| format!(", of which docker.conf gives it {}", words::size(bytes)));
            let limit = limit.unwrap_or_default();
            (format!("the command was killed: the container had no more memory{limit}"), KILLED)
        }
        Called::Stale => ("the container was changed by somebody else meanwhile; run again".to_owned(), FAILED),
    };
    (Some(complaint), status)
}
