//! Why a container is not used, as data: the words are for whoever talks to a person.

use compeval_interpreter::stage::fingerprint::Difference;

/// Why a container is not used, so that another one takes its place.
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
    /// The stages from this one on, which are applied in it, are not in the script any more.
    StageRemoved(u32),
    /// A command that runs on every call has run in it, and is not in the script as it was.
    RepeatedGone {
        /// The command, as it was.
        text: String,
    },
    /// The name of its image means another one now.
    ImageMoved,
    /// What `docker.conf` says of it is something else.
    DescriptionChanged,
    /// It ended, or was removed, while it was set up.
    Gone,
    /// A stage has just failed in it.
    Failed,
    /// Stages are missing in it, and nothing is to be built upon.
    StagesMissing,
    /// Stages are missing in it, and in another one none is.
    OtherFits,
    /// Stages are missing in it, and so many calls run there, which take longer than to come as far in another one.
    InUse(usize),
}

impl Reason {
    /// Whether the container is made of something else than is asked for, whatever the script says.
    #[must_use]
    pub fn is_of_what_it_is_made(&self) -> bool {
        matches!(self, Reason::ImageMoved | Reason::DescriptionChanged)
    }

    /// Whether the script, or what it reads, says something else than what has run.
    #[must_use]
    pub fn is_edit(&self) -> bool {
        matches!(self, Reason::StageEdited { .. } | Reason::StageRemoved(_) | Reason::RepeatedGone { .. })
    }
}
