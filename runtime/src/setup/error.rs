//! Why a container could not be set up or called, and what to do about it.

use std::{path::PathBuf, time::Duration};

use compeval_interpreter::{
    Place,
    dispatch::{DispatchError, Kind},
    execute::Cause,
    stage::Chain,
};
use thiserror::Error;

use super::reason::Reason;
use crate::{
    computation::{Moved, error::ComputationError},
    container::lock::LockError,
    engine::{EngineError, FileChange},
    interrupt::Signal,
    ledger::LedgerError,
};

/// Why a container could not be set up or called.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SetupError {
    /// The engine did not do something.
    #[error("cannot {doing}")]
    Engine {
        /// What was to be done.
        doing: String,
        /// Why it was not.
        source: EngineError,
    },
    /// A stretch of the script could not be run.
    #[error(transparent)]
    Dispatch(#[from] DispatchError),
    /// A newer program has been here.
    #[error("cannot use container `{container}`")]
    Ledger {
        /// Its name.
        container: String,
        /// Why.
        source: LedgerError,
    },
    /// Another process holds the lock.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A bind mount of the description has no source.
    #[error("docker.conf mounts `{}`, which does not exist in the computation's directory", path.display())]
    MountSource {
        /// The path.
        path: PathBuf,
    },
    /// A chain of the setup script failed.
    #[error("the setup of computation `{computation}` failed at {stage}", stage = stage_name(*number))]
    ChainFailed {
        /// The computation.
        computation: String,
        /// The stage, or `None` for an everytime chain.
        number: Option<u32>,
        /// The chain.
        chain: Box<Chain>,
        /// Its exit status.
        status: i32,
        /// Whether its shell was killed.
        lost: bool,
        /// The time it had, where it was stopped because it took longer.
        overran: Option<Duration>,
        /// The command in it that failed, where the shell could tell.
        failed: Option<Box<Place>>,
        /// The error of the shell in it, where that is known.
        cause: Option<Box<Cause>>,
    },
    /// The setup script ended itself with a status other than 0.
    #[error("the setup script of computation `{computation}` ended with status {status}")]
    SetupExited {
        /// The computation.
        computation: String,
        /// The status.
        status: i32,
        /// Where, and for what error of the shell.
        cause: Option<Box<Cause>>,
    },
    /// The computation is not what it was when the call began.
    #[error("computation `{computation}` was changed while {doing}: {}", moved_to(moved))]
    Moved {
        /// The computation.
        computation: String,
        /// What went on meanwhile.
        doing: &'static str,
        /// What it is now.
        moved: Moved,
    },
    /// The container was stopped or removed under its command.
    #[error("the container of computation `{computation}` was stopped or removed while its command ran")]
    Vanished {
        /// The computation.
        computation: String,
    },
    /// The command left something in its container, and that was to be an error.
    #[error(
        "the command of computation `{computation}`, which ended with status {status}, left something in its container"
    )]
    Impure {
        /// The computation.
        computation: String,
        /// How the command ended.
        status: i32,
        /// What, by path.
        left: Vec<FileChange>,
        /// How many other calls run there, which may have left it.
        others: usize,
    },
    /// The state of the computation's directory cannot be read.
    #[error(transparent)]
    Computation(#[from] ComputationError),
    /// What has run is not what the script says, and that was to be an error.
    #[error("the setup is not what has run")]
    Edited {
        /// In which way.
        reason: Reason,
    },
    /// A stage was to be taken for applied as it is now, and is none that was edited.
    #[error("stage {number} was not edited in any container of computation `{computation}`")]
    NotEdited {
        /// The stage.
        number: u32,
        /// The computation.
        computation: String,
        /// Why the last of its containers is not what the script says, if there is one.
        because: Option<Reason>,
    },
    /// The image is of another platform than docker.conf says.
    #[error("image `{image}` is for {found}, and `platform` in docker.conf says {wanted}")]
    WrongPlatform {
        /// Its name.
        image: String,
        /// What docker.conf says.
        wanted: String,
        /// What it is.
        found: String,
    },
    /// Calls run in the container for too long.
    #[error("waited {} s for {calls} that {run} in container `{container}`", waited.as_secs(), calls = calls_of(*calls), run = if *calls == 1 { "runs" } else { "run" })]
    InUse {
        /// Its name.
        container: String,
        /// How many.
        calls: usize,
        /// The time limit.
        waited: Duration,
    },
    /// A signal came.
    #[error("interrupted{}", stopped.map(|stretch| format!(": {} was stopped", stretch_name(stretch))).unwrap_or_default())]
    Interrupted {
        /// The signal.
        signal: Signal,
        /// What ran in the container then, if anything did.
        stopped: Option<Kind>,
    },
    /// A call that ended has left something running for too long.
    #[error("{}, which an ended call began {} ago, still runs in container `{container}`", stretch_name(*stretch), age(*running))]
    StillRunning {
        /// The container's name.
        container: String,
        /// The shell there.
        shell: String,
        /// What runs.
        stretch: Kind,
        /// The process id of the leader of its group there.
        group: u32,
        /// For how long.
        running: Duration,
    },
    /// The container ended or went away again and again.
    #[error("the container of computation `{computation}` does not keep running")]
    Unstable {
        /// The computation.
        computation: String,
        /// The shell it is kept running by.
        shell: String,
    },
}

fn calls_of(number: usize) -> String {
    if number == 1 { "a call".to_owned() } else { format!("{number} calls") }
}

fn moved_to(Moved { commit, files }: &Moved) -> String {
    let commit = commit.iter().map(|commit| format!("commit {} is checked out", commit.get(..7).unwrap_or(commit)));
    let files = files.iter().map(|file| format!("`{}` is another", file.display()));
    commit.chain(files.take(MOST_NAMED)).collect::<Vec<_>>().join(", ")
}

/// How many files are named.
const MOST_NAMED: usize = 8;

fn stage_name(number: Option<u32>) -> String {
    number.map_or_else(|| "an everytime command".to_owned(), |number| format!("stage {number}"))
}

/// What part of a setup is called in a sentence.
pub fn stretch_name(stretch: Kind) -> String {
    match stretch {
        Kind::Stage(number) => stage_name(Some(number)),
        Kind::Everytime => stage_name(None),
        _ => "a command of the setup script".to_owned(),
    }
}

/// A duration in one unit.
pub fn age(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ ..120 => format!("{seconds} s"),
        seconds @ ..7200 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3600),
    }
}

impl SetupError {
    /// Whether a stage failed, or was stopped, so that nothing is to be built upon its container.
    pub(crate) fn is_of_stage(&self) -> bool {
        matches!(
            self,
            SetupError::ChainFailed { number: Some(_), .. }
                | SetupError::Interrupted { stopped: Some(Kind::Stage(_)), .. }
        )
    }

    /// What to do about it; of what an engine did not do, that engine knows more.
    pub fn help(&self) -> Option<String> {
        match self {
            SetupError::Lock(error) => error.help(),
            SetupError::Ledger { container, source: LedgerError::Newer { .. } } => {
                Some(format!("use the newer ce-run that set it up, or remove container `{container}`"))
            }
            SetupError::MountSource { .. } => Some("create it, or change `mounts` in docker.conf".to_owned()),
            SetupError::ChainFailed { number: Some(_), overran: Some(_), .. } => {
                Some("give it more time: `stage-timeout` in docker.conf; what it ran into may be in its output".to_owned())
            }
            SetupError::ChainFailed { number: Some(_), .. } => {
                Some("mend the stage and run again: nothing half-done is built upon".to_owned())
            }
            SetupError::ChainFailed { number: None, .. } => Some("mend the command and run again".to_owned()),
            SetupError::SetupExited { status: status @ 129.., .. } => {
                Some(format!("its shell was ended by signal {}", status - 128))
            }
            SetupError::SetupExited { cause: None, .. } => {
                Some("an `exit` or an error outside of any chain ended it".to_owned())
            }
            SetupError::StillRunning { container, shell, group, .. } => Some(format!(
                "wait longer, or stop it: `ce-env exec --container {container} -u 0 {shell} -c 'kill -TERM -{group}'`"
            )),
            SetupError::Unstable { shell, .. } => Some(format!(
                "its image must have the shell `{shell}` (or another one that `shell` in docker.conf names), \
                 and nothing else may stop or remove it"
            )),
            SetupError::Computation(error) => error.help(),
            SetupError::Edited { .. } => Some("without `--on-edit fail` it runs in another container; see `--dry-run`".to_owned()),
            SetupError::NotEdited { .. } => Some("`--dry-run` shows what was; its number is that of the stage there".to_owned()),
            SetupError::Vanished { .. } => Some("the command was killed by that: call again".to_owned()),
            SetupError::Impure { .. } => Some(LEAVE_NOTHING.to_owned()),
            SetupError::Moved { .. } => Some(
                "what came of the call belongs to no commit: call again, and leave the computation as it is meanwhile; \
                 `git worktree add` gives another directory to work in"
                    .to_owned(),
            ),
            SetupError::WrongPlatform { image, wanted, .. } => Some(format!(
                "run `docker pull --platform {wanted} {image}`, or change `platform` in docker.conf"
            )),
            SetupError::InUse { .. } => Some(
                "what the setup runs must not run beside them: call again when they have ended, or with a longer \
                 `--lock-timeout`"
                    .to_owned(),
            ),
            SetupError::Interrupted { stopped: Some(Kind::Stage(number)), .. } => Some(format!(
                "stage {number} is not applied: the next run begins from before it, in another container"
            )),
            SetupError::Interrupted { stopped: Some(_), .. } => {
                Some("the stages applied so far stay so: the next run goes on behind them".to_owned())
            }
            SetupError::Engine { .. }
            | SetupError::Dispatch(_)
            | SetupError::Ledger { .. }
            | SetupError::SetupExited { .. }
            | SetupError::Interrupted { stopped: None, .. } => None,
        }
    }
}

/// What a command is to do with what it writes.
pub const LEAVE_NOTHING: &str =
    "results belong into $GFSDIR, all else into $TMPDIR: later calls find what is left elsewhere";

/// Makes what the engine answered an error of what was being done.
pub(crate) fn doing(doing: impl Into<String>) -> impl FnOnce(EngineError) -> SetupError {
    |source| SetupError::Engine { doing: doing.into(), source }
}
