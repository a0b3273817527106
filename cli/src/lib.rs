//! Arguments in, one library call, report and exit status out.

pub mod engines;
pub mod env_command;
pub mod exit_status;
pub mod lint_command;
pub mod output;
pub mod plan_report;
pub mod progress;
pub mod report;
pub mod run_command;
pub mod run_report;
pub mod signals;
pub mod state_directory;
pub mod words;

pub use compeval_runtime::engine::embedded::help_if_asked;

/// The version of the programs, with the commit they were built from.
pub const VERSION: &str = env!("CE_VERSION");
