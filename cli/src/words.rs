//! What things are called when a person is told of them: one table for each kind of thing.

use std::error::Error;

use compeval_interpreter::dispatch::Kind;
use compeval_runtime::{
    engine::ContainerState,
    setup::{notice::Warning, reason::Reason},
};

/// Why a container is not used.
pub fn reason(reason: Reason) -> String {
    match reason {
        Reason::LedgerDamaged => "its ledger is damaged".to_owned(),
        Reason::StageFailed(number) => format!("stage {number} failed"),
        Reason::StageUnfinished(number) => format!("stage {number} did not end"),
        Reason::StageEdited(number) => {
            format!("what stage {number} depends on is not as it was when it was applied")
        }
        Reason::Gone => "the last one ended or was removed meanwhile".to_owned(),
    }
}

/// What does not stop a call, but should be known.
pub fn warning(warning: Warning<'_>) -> String {
    match warning {
        Warning::MappingDamaged(error) => format!("{}; it is written anew", with_causes(error)),
        Warning::MappingNotKept(error) => with_causes(error),
    }
}

/// What a stretch of a script is.
pub fn kind(kind: Kind) -> String {
    match kind {
        Kind::Stage(number) => format!("stage {number}"),
        Kind::Everytime => "everytime".to_owned(),
        Kind::Undecorated => "command".to_owned(),
        Kind::Condition => "condition".to_owned(),
        Kind::Expansion => "words".to_owned(),
        Kind::ExitTrap => "exit trap".to_owned(),
    }
}

/// What a container is doing.
pub fn state(state: ContainerState) -> &'static str {
    match state {
        ContainerState::Running => "running",
        ContainerState::Paused => "paused",
        _ => "stopped",
    }
}

/// An error on one line.
fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text
}
