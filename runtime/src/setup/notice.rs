//! What a person may want to see while a container is found, made and set up.

use std::{path::Path, time::Duration};

use compeval_interpreter::{dispatch::Kind, execute::Event};

use super::reason::Reason;
use crate::{
    container::mapping::MappingError,
    engine::{EngineError, FileChange, Pulling, Stream},
};

/// Something that happens between the call and the command.
#[derive(Debug)]
pub enum Notice<'n> {
    /// Another process sets up the same computation; this one waits for it.
    WaitingForSetup,
    /// The setup of another computation uses this cache; this one waits for it.
    WaitingForCache {
        /// The volume's name.
        name: &'n str,
    },
    /// The image is brought here from its registry.
    Pulling {
        /// Its name.
        image: &'n str,
        /// How far that is, once it has gone on for a while.
        so_far: Option<Pulling>,
    },
    /// A new container is made.
    Creating {
        /// Its name.
        name: &'n str,
        /// The image it is made from.
        image: &'n str,
        /// How many stages are applied in the snapshot that it is made from in place of the image.
        stages: u32,
        /// Why an existing one is not used; `None` when there was none.
        because: Option<&'n Reason>,
    },
    /// What was done so far is put aside, for later setups to go on from, before the next chain begins.
    Snapshot,
    /// Calls run in the container, and something has to run there that must not run beside them: they are waited for.
    WaitingForCalls {
        /// How many.
        calls: usize,
        /// The container's name.
        container: &'n str,
    },
    /// Other calls run in the container, for which the everytime chains ran already: this one goes beside them.
    Joining {
        /// How many.
        calls: usize,
    },
    /// A stage has failed in a container, which is stopped and kept for a look.
    Kept {
        /// Its name.
        name: &'n str,
    },
    /// A stage that was edited is taken for applied, because a person says so.
    Accepted {
        /// The stage.
        number: u32,
        /// Stages behind it that are as they were, and are taken for applied with it.
        others: usize,
        /// The container's name.
        container: &'n str,
    },
    /// The setup is tried again, from before the stage that has just failed.
    Retrying {
        /// How many tries are left, this one included.
        left: u32,
    },
    /// A container that is not needed any more is removed.
    Removing {
        /// Its name.
        name: &'n str,
    },
    /// An earlier call was ended while this ran; it still runs, and is waited for.
    WaitingForStretch {
        /// What runs.
        stretch: Kind,
        /// For how long.
        running: Duration,
    },
    /// The command of a call has run in this container, or could not be started there.
    Called {
        /// Its id.
        container: &'n str,
    },
    /// The command of a call is about to run: what comes next is its own output.
    Calling,
    /// The command of a call has left something in its container.
    Left {
        /// What, by path.
        left: &'n [FileChange],
        /// How many other calls run there, which may have left it.
        others: usize,
    },
    /// Something that does not stop the call, but should be known.
    Warning(Warning<'n>),
    /// A stage is skipped, or a stretch begins or ends.
    Setup(Event<'n>),
}

/// Something that does not stop a call.
#[derive(Clone, Copy, Debug)]
pub enum Warning<'n> {
    /// The mapping could not be used, and is written anew.
    MappingDamaged(&'n MappingError),
    /// A container that is not needed any more could not be removed or stopped.
    NotTidied {
        /// Its name.
        name: &'n str,
        /// Why.
        error: &'n EngineError,
    },
    /// The mapping is not kept, or Git not told of it.
    MappingNotKept(&'n MappingError),
    /// This directory of this machine is not seen at its own path, where it would hide something.
    NotAtOwnPath(&'n Path),
}

/// Somebody who watches.
pub trait Watcher {
    /// Called for each notice, in order.
    fn notice(&mut self, notice: Notice<'_>);

    /// Output of the setup script.
    fn output(&mut self, stream: Stream, bytes: &[u8]);
}

/// Nobody.
#[derive(Clone, Copy, Debug)]
pub struct Unwatched;

impl Watcher for Unwatched {
    fn notice(&mut self, _: Notice<'_>) {}

    fn output(&mut self, _: Stream, _: &[u8]) {}
}
