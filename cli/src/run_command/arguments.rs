//! What `ce-run` is told: its arguments, and its help.

use std::{ffi::OsString, path::PathBuf, process::ExitCode};

use clap::{Parser, ValueEnum};
use compeval_runtime::{computation::description::Purity, setup::OnEdit};

use crate::{VERSION, engines::EngineArguments, exit_status::FAILED, progress::ProgressArguments, report::Color};

/// Run a computation in a container of its own.
///
/// The container is the one of the computation's commit. It is made from the image that docker.conf names, and set up
/// as docker-setup.sh says: stages (`next_stage && ...`) once, `everytime && ...` on every call. Then `exec ARG...`
/// runs in it. Arguments that name files below the global file storage or the computation are translated.
#[derive(Debug, Parser)]
#[command(name = "ce-run", version = VERSION, after_help = EXIT_STATUSES, after_long_help = ALL_HELP)]
pub struct RunArguments {
    /// The computation's directory, or one inside it.
    #[arg(short = 'C', long, value_name = "DIR", default_value = ".")]
    pub(super) directory: PathBuf,

    /// The global file storage [default: $GFSDIR].
    #[arg(long, value_name = "DIR")]
    pub(super) gfs: Option<PathBuf>,

    /// Set the container up and run nothing in it.
    #[arg(long, conflicts_with_all = ["entrypoint", "dry_run"])]
    pub(super) setup_only: bool,

    /// Run this program of the container instead of the computation's `exec`.
    #[arg(long, value_name = "PROGRAM")]
    pub(super) entrypoint: Option<OsString>,

    /// Let the command read what ce-run reads on its standard input; without, it reads nothing.
    #[arg(short, long)]
    pub(super) interactive: bool,

    /// Give the command a terminal, where ce-run has one. `-it` is for programs that one types into.
    #[arg(short, long)]
    pub(super) tty: bool,

    /// Look what the command leaves in the container, where later calls would find it: `warn` of it, `fail`, or be `off`
    /// [default: what `pure` in docker.conf says, else `warn`, but not more often than once an hour].
    #[arg(long, value_name = "WHAT", value_enum)]
    pub(super) pure: Option<PurePolicy>,

    /// Pass the arguments on as they are.
    #[arg(long)]
    pub(super) no_translate: bool,

    /// Show what would be run to set the container up, and touch nothing.
    #[arg(short = 'n', long)]
    pub(super) dry_run: bool,

    /// With `--dry-run`: show all of the text of edited stages, with what is different.
    #[arg(long, requires = "dry_run")]
    pub(super) diff: bool,

    /// With `--dry-run`: how to show it; `json` is the schema `ce.plan/1` (docs/schemas).
    #[arg(long, value_enum, default_value_t, requires = "dry_run")]
    pub(super) format: PlanFormat,

    /// With `--dry-run`: exit with 2 where stages would be applied, or might, and with 3 where stages that were applied are
    /// edited, moved or gone.
    #[arg(long, requires = "dry_run")]
    pub(super) detailed_exitcode: bool,

    #[command(flatten)]
    pub(super) engine: EngineArguments,

    #[command(flatten)]
    pub(super) progress: ProgressArguments,

    /// Write what happened to this file, as data: the schema `ce.report/1` (docs/schemas).
    #[arg(long, value_name = "FILE", conflicts_with = "dry_run")]
    pub(super) report: Option<PathBuf>,

    /// When to use colours.
    #[arg(long, value_enum, default_value_t)]
    pub(super) color: Color,

    /// Wait at most so many seconds for another ce-run that sets up the same computation.
    #[arg(long, value_name = "SECONDS")]
    pub(super) lock_timeout: Option<u64>,

    /// Put aside what the setup has done once that took so many seconds, for later setups to go on from; 0: after every
    /// stage.
    #[arg(long, value_name = "SECONDS")]
    pub(super) snapshot_after: Option<u64>,

    /// Try the last stage that failed again in its own container, on what it left there.
    #[arg(long)]
    pub(super) retry: bool,

    /// What becomes of stages that are not as they were when they were applied: `run` them in another container, or `fail`.
    #[arg(long, value_name = "WHAT", value_enum, default_value_t)]
    pub(super) on_edit: EditPolicy,

    /// Take this stage, which was edited since it was applied, for applied as it is now.
    #[arg(long, value_name = "STAGE", requires = "reason", conflicts_with = "dry_run")]
    pub(super) accept: Option<u32>,

    /// Why that is right, for the container's ledger.
    #[arg(long, value_name = "TEXT", requires = "accept")]
    pub(super) reason: Option<String>,

    /// Arguments of the command.
    #[arg(trailing_var_arg = true)]
    pub(super) arguments: Vec<OsString>,
}

/// How a plan is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum PlanFormat {
    #[default]
    Text,
    Json,
}

/// [`OnEdit`], as it is said.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(super) enum EditPolicy {
    #[default]
    Run,
    Fail,
}

impl From<EditPolicy> for OnEdit {
    fn from(policy: EditPolicy) -> OnEdit {
        match policy {
            EditPolicy::Run => OnEdit::Run,
            EditPolicy::Fail => OnEdit::Fail,
        }
    }
}

/// What the exit status says; each row is a test.
macro_rules! exit_statuses {
    () => {
        "\
Exit status:
  N      the command's own
  125    ce-run itself failed, wrong usage included
  126    the command is there, and cannot be executed
  127    the command is not there
  128+N  the command died of signal N; so did ce-run, if that was interrupted"
    };
}
const EXIT_STATUSES: &str = exit_statuses!();

/// The same with the rest of what there is to know; the man page has a section for each part.
const ALL_HELP: &str = concat!(
    exit_statuses!(),
    "

Environment:
  GFSDIR           the global file storage, where `--gfs` names none
  CE_ENGINE        the engine, where `--engine` names none: `docker`, `podman` or `embedded`
  CE_STORE         the directory of the embedded engine's images and containers [default: below $XDG_DATA_HOME or
                   ~/.local/share, root's below /var/lib: compeval/containers]
  DOCKER_HOST      Docker's socket, as `unix:///path/to/docker.sock` [default: /var/run/docker.sock]
  CONTAINER_HOST   Podman's socket [default: $XDG_RUNTIME_DIR/podman/podman.sock, /run/podman/podman.sock]
  DOCKER_CONFIG    the directory of the credentials that images are pulled with [default: ~/.docker]
  XDG_STATE_HOME   the directory below which the setups' logs are [default: ~/.local/state]
  SUDO_UID and its brothers  under sudo, whose the outputs are
  NO_COLOR, TERM   no colours where the one is set, or the other is `dumb`
  CI, TERM         plain lines in place of a spinner where the one is set, or the other is `dumb`

Files:
  docker.conf       the container: its image, variables, limits
  docker-setup.sh   its setup, in stages
  exec              the program that a call runs
  docker-container  which container belongs to which commit; written by ce-run, may be deleted

Examples:
  ce-run \"$GFSDIR/in/reads.fa\" \"$GFSDIR/out/aligned.txt\"   run the computation
  ce-run -n                                  tell what would run, and why
  ce-run -it --entrypoint sh                 look around in its container
  ce-run -i --entrypoint sort <names         run another program on standard input"
);

/// [`Purity`], as it is said.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum PurePolicy {
    Warn,
    Fail,
    Off,
}

impl From<PurePolicy> for Purity {
    fn from(policy: PurePolicy) -> Purity {
        match policy {
            PurePolicy::Warn => Purity::Warn,
            PurePolicy::Fail => Purity::Fail,
            PurePolicy::Off => Purity::Off,
        }
    }
}

impl RunArguments {
    /// Those of this process.
    ///
    /// # Errors
    /// The exit status, when they ask for help, or are no use: then that is said.
    pub fn of_process() -> Result<RunArguments, ExitCode> {
        RunArguments::try_parse().map_err(|error| {
            // Where there is nobody to tell, the exit status has to do.
            let _ = error.print();
            if error.use_stderr() { ExitCode::from(FAILED) } else { ExitCode::SUCCESS }
        })
    }
}
