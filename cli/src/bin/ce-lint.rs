//! `ce-lint`: finds what will go wrong in `docker-setup.sh`.

use std::process::ExitCode;

use clap::Parser;
use compeval_cli::lint_command::{LintArguments, run};

fn main() -> ExitCode {
    run(&LintArguments::parse()).into()
}
