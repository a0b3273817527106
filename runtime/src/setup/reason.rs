//! Why a container is not used, as data: the words are for whoever talks to a person.

use compeval_interpreter::stage::fingerprint::Difference;

/// Why a container is not used, so that a new one takes its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Its ledger cannot be read.
    LedgerDamaged,
    /// This stage failed in it.
    StageFailed(u32),
    /// This stage began in it and never ended.
    StageUnfinished(u32),
    /// What this stage depends on is not as it was when the stage was applied in it.
    StageEdited {
        /// The stage, from 1.
        number: u32,
        /// What is different; empty where that was not recorded.
        differences: Vec<Difference>,
    },
    /// It ended, or was removed, while it was set up.
    Gone,
}
