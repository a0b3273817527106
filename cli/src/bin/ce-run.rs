//! `ce-run`: sets up a computation's container and runs the computation in it.

use std::process::ExitCode;

use clap::Parser;
use compeval_cli::run_command::{self, RunArguments};

fn main() -> ExitCode {
    run_command::run(&RunArguments::parse())
}
