//! What `ce-lint` is asked to do.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};
use compeval_interpreter::Severity;

use crate::{VERSION, report::Color};

const MORE_HELP: &str = "\
Examples:
  ce-lint                              the docker-setup.sh and docker.conf here
  ce-lint --fix .                      put safe fixes in, below this directory
  ce-lint --against origin/main        also tell what has become of applied stages
  ce-lint --format sarif . > lint.sarif
  ce-lint explain CE020                what a rule is about, and why

Files:
  ce-lint.toml  in the directory of a script or above it: select, ignore, fail-on, [levels]

Exit status:
  0  nothing was found that counts
  1  something was found
  2  a failure, wrong usage included";

/// Find what will go wrong in the docker-setup.sh of a computation.
#[derive(Clone, Debug, Parser)]
#[command(name = "ce-lint", version = VERSION, after_help = MORE_HELP, args_conflicts_with_subcommands = true)]
pub struct LintArguments {
    #[command(subcommand)]
    pub(super) command: Option<LintCommand>,
    /// Scripts, or directories in which each docker-setup.sh is meant; `-` is the standard input [default: docker-setup.sh]
    pub(super) files: Vec<PathBuf>,
    /// How to print findings
    #[arg(long, value_enum, default_value_t)]
    pub(super) format: Format,
    /// Apply only these rules, by code or name
    #[arg(long, value_name = "RULES", value_delimiter = ',')]
    pub(super) select: Vec<String>,
    /// Leave these rules out, by code or name
    #[arg(long, value_name = "RULES", value_delimiter = ',')]
    pub(super) ignore: Vec<String>,
    /// How bad the findings of a rule are: RULE=error, warning, style or off
    #[arg(long = "level", value_name = "RULE=LEVEL", value_delimiter = ',')]
    pub(super) levels: Vec<String>,
    /// How bad a finding must be to count for the exit status [default: warning]
    #[arg(long, value_enum, value_name = "LEVEL")]
    pub(super) fail_on: Option<FailOn>,
    /// The configuration, instead of a ce-lint.toml beside the scripts or above
    #[arg(long, value_name = "FILE", conflicts_with = "isolated")]
    pub(super) config: Option<PathBuf>,
    /// Look at no ce-lint.toml, and ask no engine
    #[arg(long)]
    pub(super) isolated: bool,
    /// Put safe fixes into the files, and print what is left
    #[arg(long)]
    pub(super) fix: bool,
    /// Also those that may change what the script does
    #[arg(long)]
    pub(super) unsafe_fixes: bool,
    /// Print what `--fix` would change, and change nothing
    #[arg(long)]
    pub(super) diff: bool,
    /// Fix stages that are applied, too: containers that have them keep what they did
    #[arg(long)]
    pub(super) fix_applied: bool,
    /// An older version, as a commit or a file: its stages count as applied
    #[arg(long, value_name = "REV|FILE")]
    pub(super) against: Option<String>,
    /// Count the findings of each rule instead of printing them
    #[arg(long)]
    pub(super) statistics: bool,
    /// Write what is printed to this file
    #[arg(long, value_name = "FILE")]
    pub(super) output_file: Option<PathBuf>,
    /// The name to show for the standard input
    #[arg(long, value_name = "NAME", default_value = "-")]
    pub(super) stdin_filename: String,
    /// When to use colors
    #[arg(long, value_enum, default_value_t)]
    pub(super) color: Color,
    /// Speak the Language Server Protocol on standard input and output
    #[arg(long, conflicts_with_all = ["fix", "diff", "statistics"])]
    pub(super) lsp: bool,
}

/// What else it can do.
#[derive(Clone, Debug, Subcommand)]
pub(super) enum LintCommand {
    /// Tell what a rule is about, why, and what to write instead
    Explain {
        /// By code or name
        #[arg(required = true)]
        rules: Vec<String>,
    },
    /// List all rules
    Rules {
        /// As a list of objects
        #[arg(long)]
        json: bool,
    },
}

/// How findings are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// With the lines they are about
    #[default]
    Full,
    /// A line each
    Concise,
    /// As a list of objects
    Json,
    /// As an object a line
    Jsonl,
    /// As SARIF 2.1.0, which code hosts read
    Sarif,
    /// As commands of GitHub Actions
    Github,
    /// As a code quality report of GitLab
    Gitlab,
    /// As gcc prints them, which editors read
    Gcc,
    /// As the XML of Checkstyle
    Checkstyle,
    /// As the XML of JUnit
    Junit,
}

/// From which level on findings count for the exit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum FailOn {
    /// Errors
    Error,
    /// Errors and warnings
    Warning,
    /// All
    Style,
    /// None
    Never,
}

impl FailOn {
    /// Whether a finding of this level counts.
    pub(super) fn counts(self, severity: Severity) -> bool {
        match self {
            FailOn::Error => severity >= Severity::Error,
            FailOn::Warning => severity >= Severity::Warning,
            FailOn::Style => true,
            FailOn::Never => false,
        }
    }
}
