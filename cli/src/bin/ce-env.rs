//! `ce-env`: shows and tends the containers of computations.

use std::process::ExitCode;

use compeval_cli::env_command::{self, EnvArguments};

fn main() -> ExitCode {
    compeval_cli::help_if_asked();
    match EnvArguments::of_process() {
        Ok(arguments) => env_command::run(&arguments),
        Err(status) => status,
    }
}
