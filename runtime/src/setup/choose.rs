//! Which container a setup uses, of those that its computation has (our design, section 6): one that is what the script
//! says, or can become so; without any, a new one is made.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    error::{SetupError, doing},
    plan::{self, Fit},
    reason::Reason,
    session,
    site::Site,
};
use crate::{
    container::{identity::MadeOf, mapping::Mapping},
    engine::{Container, ContainerState, EngineError},
    ledger::{FILE, Records},
};

/// The containers that were thought of so far and cannot be used, and why.
#[derive(Default)]
pub(super) struct Refused {
    by_id: BTreeMap<String, Reason>,
    /// Snapshots that containers were made from which turned out to be none of the script's.
    snapshots: BTreeSet<String>,
    /// One of them, and why it is not used, for a person: the newest, before those that are made of something else.
    first: Option<(Container, Reason)>,
}

impl Refused {
    pub(super) fn add(&mut self, container: &Container, reason: Reason) {
        // One that is made of what is asked for tells more.
        let says_less =
            |(_, first): &(Container, Reason)| first.is_of_what_it_is_made() && !reason.is_of_what_it_is_made();
        if self.first.as_ref().is_none_or(says_less) {
            self.first = Some((container.clone(), reason.clone()));
        }
        self.by_id.insert(container.id.clone(), reason);
    }

    /// A container was just made from this snapshot, and cannot be used.
    pub(super) fn add_snapshot(&mut self, snapshot: String) {
        self.snapshots.insert(snapshot);
    }

    pub(super) fn has_snapshot(&self, snapshot: &str) -> bool {
        self.snapshots.contains(snapshot)
    }

    /// Why a container that was there is not used; `None` when there was none.
    pub(super) fn because(&self) -> Option<&Reason> {
        self.first.as_ref().map(|(_, reason)| reason)
    }

    /// The container that reason is of.
    pub(super) fn first(&self) -> Option<&Container> {
        self.first.as_ref().map(|(container, _)| container)
    }
}

/// A container to use.
pub(super) enum Chosen {
    /// This one; where it was as good as sure, its ledger was not looked at.
    Existing(Container),
    /// None of those that are there.
    New,
}

/// A container that can be used, and what would run in it.
pub(super) struct Candidate {
    pub(super) container: Container,
    pub(super) ledger: Records,
    pub(super) fit: Fit,
    /// How many stages would run, or might.
    pub(super) pending: usize,
}

/// Chooses among the containers that are not refused: one where nothing is to be applied before one where stages are
/// missing, and among those the one with the most.
pub(super) fn choose(site: &Site<'_>, refused: &mut Refused) -> Result<Chosen, SetupError> {
    let containers = usable(site, refused)?;
    let (mapping, _) = Mapping::read(&site.environment.computation);
    let mapped = mapping.get(&site.environment.computation.key());
    // Looking costs as much as a call: what is as good as sure is looked at when it is entered.
    let is_likely =
        |container: &&Container| !site.retry && (Some(container.id.as_str()) == mapped || containers.len() == 1);
    if let Some(container) = containers.iter().find(is_likely) {
        return Ok(Chosen::Existing(container.clone()));
    }
    Ok(best(site, containers, refused)?.map_or(Chosen::New, |candidate| Chosen::Existing(candidate.container)))
}

/// Whether, of the other containers, there is one where nothing is to be applied.
pub(super) fn finished(
    site: &Site<'_>,
    not: &Container,
    refused: &mut Refused,
) -> Result<Option<Candidate>, SetupError> {
    let others = usable(site, refused)?.into_iter().filter(|container| container.id != not.id).collect();
    Ok(best(site, others, refused)?.filter(|candidate| candidate.pending == 0))
}

/// The best container, by all their ledgers.
pub(super) fn best(
    site: &Site<'_>,
    containers: Vec<Container>,
    refused: &mut Refused,
) -> Result<Option<Candidate>, SetupError> {
    let mut best: Option<Candidate> = None;
    for container in containers {
        let Some(candidate) = look(site, container, refused)? else { continue };
        let rank = |candidate: &Candidate| {
            (candidate.ledger.failed().is_some(), candidate.pending == 0, candidate.ledger.applied())
        };
        if best.as_ref().is_none_or(|best| rank(&candidate) > rank(best)) {
            best = Some(candidate);
        }
    }
    Ok(best)
}

/// The computation's containers that are made of what is asked for now, newest first.
pub(super) fn usable(site: &Site<'_>, refused: &mut Refused) -> Result<Vec<Container>, SetupError> {
    let mut usable = Vec::new();
    for container in of_computation(site)? {
        let (made, asked) = (MadeOf::of(&container), site.made_like(&container));
        match () {
            () if refused.by_id.contains_key(&container.id) => {}
            () if made.image_id != asked.image_id && made.image == asked.image => {
                refused.add(&container, Reason::ImageMoved);
            }
            () if (&made.base, &made.spec) != (&asked.base, &asked.spec) => {
                refused.add(&container, Reason::DescriptionChanged);
            }
            () => usable.push(container),
        }
    }
    Ok(usable)
}

/// All of the computation's containers, newest first.
pub(super) fn of_computation(site: &Site<'_>) -> Result<Vec<Container>, SetupError> {
    let identity = site.identity();
    let labels = identity.labels();
    let wanted: Vec<(&str, &str)> = labels.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let task = || doing(format!("look for the containers of computation `{}`", site.environment.computation.name));
    Ok(site.engine.containers(&wanted).map_err(task())?.into_iter().filter(|found| identity.is_of(found)).collect())
}

/// Looks at a container's ledger from outside; `None` when it cannot be used.
fn look(site: &Site<'_>, container: Container, refused: &mut Refused) -> Result<Option<Candidate>, SetupError> {
    let Some(ledger) = read(site, &container)? else {
        refused.add(&container, Reason::LedgerDamaged);
        return Ok(None);
    };
    let fit = plan::fit(site.environment, site.mounts, &site.made_like(&container).base, &ledger);
    let is_over = container.state != ContainerState::Running;
    match debris(site, &ledger, is_over).map_or(fit.pending.clone(), Err) {
        Ok(pending) => Ok(Some(Candidate { container, ledger, fit, pending })),
        Err(reason) => {
            refused.add(&container, reason);
            Ok(None)
        }
    }
}

/// Why nothing is to be built upon a container with this ledger: a stage failed there, unless it is to be tried again, or
/// has no end, where all `is_over` that ran.
pub(super) fn debris(site: &Site<'_>, ledger: &Records, is_over: bool) -> Option<Reason> {
    let failed = ledger.failed().filter(|_| !site.retry).map(|record| Reason::StageFailed(record.stage));
    let unfinished = || ledger.unfinished().filter(|_| is_over);
    failed.or_else(|| unfinished().map(|record| Reason::StageUnfinished(record.stage)))
}

/// The ledger of a container, running or not; `None` when it is damaged.
pub(super) fn read(site: &Site<'_>, container: &Container) -> Result<Option<Records>, SetupError> {
    match site.engine.read_file(&container.id, FILE) {
        Err(EngineError::FileTooLong { .. }) => Ok(None),
        // It was removed meanwhile: nothing is known of it.
        Err(EngineError::NoSuchContainer { .. }) => Ok(None),
        text => {
            let text = text.map_err(doing("read the container's ledger"))?;
            session::parse_ledger(container, &text.unwrap_or_default())
        }
    }
}
