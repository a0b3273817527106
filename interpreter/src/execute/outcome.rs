//! What happens during a run, and what became of it.

use super::cause::Cause;
use crate::{
    Place,
    dispatch::request::{Kind, Request},
    stage::chain::Chain,
    state::State,
};

/// What happens during a run, as it happens.
#[derive(Debug)]
pub enum Event<'e> {
    /// A stage was reached that is applied already.
    Skipped {
        /// The stage, from 1.
        number: u32,
        /// Its chain.
        chain: &'e Chain,
        /// The command whose answer decides whether this is reached; `None` when it surely is.
        depends_on: Option<&'e Place>,
    },
    /// A stretch is about to be sent.
    Started {
        /// The stretch.
        request: &'e Request<'e>,
        /// As for [`Event::Skipped`].
        depends_on: Option<&'e Place>,
    },
    /// In a dry run, a chain inside a stretch that was not sent: one that goes to the shell as a whole, with its markers.
    Inside {
        /// What it is, with the number that it has if every chain in the stretch is reached once, in order.
        kind: Kind,
        /// The chain.
        chain: &'e Chain,
        /// Whether it is a stage that is applied already.
        is_applied: bool,
        /// As for [`Event::Skipped`].
        depends_on: Option<&'e Place>,
    },
    /// A stretch has ended.
    Ended {
        /// What it was.
        kind: Kind,
        /// Where it stands.
        place: &'e Place,
        /// Its exit status.
        status: i32,
        /// Whether a chain in it failed: of commands outside of chains a status other than 0 is no failure.
        has_failed: bool,
        /// The stages that were applied by it.
        applied: std::ops::RangeInclusive<u32>,
    },
}

/// Somebody who is told what happens.
pub trait Observer {
    /// Called for each event, in order.
    fn event(&mut self, event: Event<'_>);
}

/// Nobody.
#[derive(Clone, Copy, Debug)]
pub struct Unobserved;

impl Observer for Unobserved {
    fn event(&mut self, _: Event<'_>) {}
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// At the end of the script.
    Finished,
    /// At an `exit`, a `return` outside functions, or an error that ends a shell.
    Exited,
    /// Because the shell of commands outside of chains went away before it could tell its state.
    Lost {
        /// The commands.
        place: Place,
    },
    /// With a chain that failed; nothing behind it was run.
    ChainFailed {
        /// The stage, or `None` for `everytime`.
        number: Option<u32>,
        /// The chain.
        chain: Chain,
        /// Whether its shell was killed or went away.
        lost: bool,
    },
    /// At an applied stage that is no longer what was recorded: this container cannot be brought up to date.
    Diverged {
        /// The stage, from 1.
        number: u32,
        /// What the script says now.
        chain: Chain,
    },
    /// Because it was cancelled.
    Cancelled,
}

/// What became of a run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The exit status of the setup: 0 at the end of the script, whatever its last command gave.
    pub status: i32,
    /// How it ended.
    pub end: End,
    /// Of a chain that failed: the command in it that did, where the shell could tell.
    pub failed: Option<Place>,
    /// Why it failed: an error of the shell, or the commands that ended it with a status other than 0. `None` where
    /// no more can be told than that a chain failed.
    pub cause: Option<Cause>,
    /// How often `next_stage` was hit.
    pub hits: u32,
    /// Of a dry run: the command whose answer decides how often that is; `None` when it is sure.
    pub hits_depend_on: Option<Place>,
    /// How many stages are applied now.
    pub applied: u32,
    /// The fingerprint of the last stage.
    pub fingerprint: String,
    /// The state of the shell at the end.
    pub state: State,
}
