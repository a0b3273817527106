//! Programs and shells in a container as it is, with nothing set up.

use std::ffi::OsString;

use compeval_runtime::{
    SetupError,
    call::{Call, Called, Input, caller, runner::CommandRunner, terminal},
    computation::{description::Description, layout::DESCRIPTION},
    engine::ContainerState,
    interrupt::Interrupt,
    inventory::{Inventory, KnownContainer},
};

use super::{EnvError, tell};
use crate::{exit_status, output, report::printable, signals};

/// What to run.
pub(super) struct ProgramCall<'p> {
    pub(super) words: &'p [OsString],
    pub(super) user: Option<&'p str>,
    /// Whether it reads what this process reads.
    pub(super) reads: bool,
    pub(super) has_terminal: bool,
}

/// Runs the container's shell on this process's terminal or input.
pub(super) fn shell(inventory: &Inventory<'_>, entry: &KnownContainer, user: Option<&str>) -> Result<u8, EnvError> {
    let words = [shell_of(entry).into()];
    run(inventory, entry, &ProgramCall { words: &words, user, reads: true, has_terminal: true })
}

/// Runs a program in a container, which is started where that is stopped, and then stopped again; gives its exit status.
pub(super) fn run(
    inventory: &Inventory<'_>,
    entry: &KnownContainer,
    program: &ProgramCall<'_>,
) -> Result<u8, EnvError> {
    if entry.container.state != ContainerState::Running {
        inventory.start(entry)?;
    }
    let command = command(entry, program);
    let called = call(inventory, entry, &command);
    if !entry.is_up() {
        // Unless somebody else runs something there by now.
        inventory.stop(entry, false)?;
    }
    let (complaint, status) = exit_status::of(called?, &command);
    complaint.into_iter().for_each(|complaint| tell(&format!("ce-env: {}\n", printable(&complaint))));
    Ok(status)
}

fn command(entry: &KnownContainer, program: &ProgramCall<'_>) -> Call {
    // As calls are run: whom docker.conf names, where that can be read.
    let described = || Description::read(&entry.directory.join(DESCRIPTION)).ok()?.user;
    Call {
        argv: program.words.to_vec(),
        user: program.user.map(str::to_owned).or_else(described).or_else(|| Some(caller::caller())),
        umask: Some(caller::umask()),
        input: if program.reads { Input::Inherited } else { Input::Nothing },
        terminal: if program.has_terminal { terminal::size() } else { None },
        ..Call::new("")
    }
}

fn call(inventory: &Inventory<'_>, entry: &KnownContainer, command: &Call) -> Result<Called, EnvError> {
    let shell = shell_of(entry);
    let interrupt = Interrupt::default();
    signals::take(interrupt.clone(), shell.clone());
    let runner = CommandRunner { engine: inventory.engine, shell: &shell, interrupt: &interrupt };
    let doing = format!("run a program in container `{}`", entry.container.name);
    let called = runner.run(&entry.container.id, command, &mut output::pass_on);
    called.map_err(|source| SetupError::Engine { doing, source }.into())
}

/// The shell that docker.conf names, where that can be read.
pub(super) fn shell_of(entry: &KnownContainer) -> String {
    Description::shell_of(&entry.directory.join(DESCRIPTION)).unwrap_or_else(|| "/bin/sh".to_owned())
}
