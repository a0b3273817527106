//! `ce-lint`: finds what will go wrong in `docker-setup.sh`.

use std::process::ExitCode;

use clap::Parser;
use compeval_cli::lint_command::{LintArguments, run};

fn main() -> ExitCode {
    compeval_cli::help_if_asked();
    run(&LintArguments::parse()).into()
}
