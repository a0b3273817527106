//! `ce-run`: sets up a computation's container and runs the computation in it.

use std::process::ExitCode;

use compeval_cli::run_command::{self, RunArguments};

fn main() -> ExitCode {
    compeval_cli::help_if_asked();
    match RunArguments::of_process() {
        Ok(arguments) => run_command::run(&arguments),
        Err(status) => status,
    }
}
