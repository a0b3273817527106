//! What a command has of who asks for it, rather than of who started the container.

use rustix::{
    process::{Resource, Rlimit, getpriority_process, getrlimit, setpriority_process, setrlimit},
    thread::{CpuSet, sched_getaffinity, sched_setaffinity},
};
use serde::{Deserialize, Serialize};

/// The limits that a command is given (getrlimit(2)), where those of the container's first process allow it.
const RESOURCES: [Resource; 7] = [
    Resource::Core,
    Resource::Cpu,
    Resource::Data,
    Resource::Fsize,
    Resource::Memlock,
    Resource::Nofile,
    Resource::Stack,
];

/// What a command has of who asks for it.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Caller {
    /// The limits in force, as in [`RESOURCES`].
    limits: Vec<Option<u64>>,
    /// How much it steps back for others (setpriority(2)).
    nice: i32,
    /// The processors that it may use.
    processors: Vec<usize>,
}

impl Caller {
    /// Those of this process.
    pub(crate) fn own() -> Caller {
        let set = sched_getaffinity(None).ok();
        let is_in = |processor: &usize| set.as_ref().is_some_and(|set| set.is_set(*processor));
        Caller {
            limits: RESOURCES.iter().map(|resource| getrlimit(*resource).current).collect(),
            nice: getpriority_process(None).unwrap_or_default(),
            processors: (0..CpuSet::MAX_CPU).filter(is_in).collect(),
        }
    }

    /// Gives them to this process, as far as it may have them; the rest stays as it is.
    pub(crate) fn apply(&self) {
        for (resource, current) in RESOURCES.into_iter().zip(&self.limits) {
            let maximum = getrlimit(resource).maximum;
            let _ = setrlimit(resource, Rlimit { current: *current, maximum });
        }
        let _ = setpriority_process(None, self.nice);
        let mut set = CpuSet::new();
        self.processors.iter().filter(|processor| **processor < CpuSet::MAX_CPU).for_each(|at| set.set(*at));
        if !self.processors.is_empty() {
            let _ = sched_setaffinity(None, &set);
        }
    }
}
