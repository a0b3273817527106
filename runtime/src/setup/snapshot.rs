//! Snapshots: what was done in a container so far as an image, for later setups to go on from (our design, section 6).

use std::{cell::RefCell, collections::BTreeMap, time::Duration};

use compeval_interpreter::text::hex;
use sha2::{Digest, Sha256};

use super::{
    choose::{self, Refused},
    error::{SetupError, doing},
    notice::{Notice, Watcher},
    plan,
    site::Site,
};
use crate::{
    computation::description::Update,
    container::identity::{Ancestor, SnapshotContents},
    engine::{Container, EngineError, Image},
    ledger::Records,
};

/// When a snapshot is worth what it costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Worth {
    /// How long what is done since the last one must have taken at least.
    pub least: Duration,
    /// And how many times as long as a snapshot takes.
    pub times: u32,
}

impl Worth {
    /// Once so much time has passed, whatever a snapshot costs; after every stage for none at all.
    #[must_use]
    pub fn after(least: Duration) -> Worth {
        Worth { least, times: 0 }
    }
}

impl Default for Worth {
    /// Ten seconds, and five times.
    fn default() -> Worth {
        Worth { least: Duration::from_secs(10), times: 5 }
    }
}

/// What a snapshot is taken to cost before one was taken.
pub(super) const USUAL_COST: Duration = Duration::from_secs(1);

/// A snapshot to go on from.
pub(super) struct Start {
    pub(super) ancestor: Ancestor,
    /// How many stages are applied in it.
    pub(super) stages: u32,
    /// What the version of the computation is filed under that it was taken for.
    pub(super) commit: String,
}

/// How many snapshots may come from one another: each is a layer, of which an engine can stack a hundred or so.
const MOST_LAYERS: usize = 90;

/// More than any label should have, in commands that run on every call.
const MOST_REPEATED: usize = 1000;

/// Takes a snapshot of a container; `None` when that is not possible now: something that the setup left still runs there, or
/// nothing is applied that is not in the snapshot it was made from.
pub(super) fn take(
    site: &Site<'_>,
    container: &Container,
    watcher: &RefCell<&mut dyn Watcher>,
) -> Result<Option<Start>, SetupError> {
    let task = || doing(format!("take a snapshot of container `{}`", container.name));
    let alone = 1 + usize::from(site.spec.init);
    let Some(ledger) = choose::read(site, container)?.filter(|ledger| ledger.debris().is_none()) else {
        return Ok(None);
    };
    let repeated: Vec<String> = ledger.repeated().map(|one| one.fingerprint.clone()).collect();
    let last = ledger.stage(ledger.applied()).and_then(|record| record.fingerprint.clone());
    let is_news = |chain: &String| *chain != Ancestor::of(&container.labels).chain && repeated.len() <= MOST_REPEATED;
    let Some(chain) = last.filter(is_news) else { return Ok(None) };
    if site.engine.processes(&container.id).map_err(task())? > alone
        || lineage(&all(site, None)?, &container.labels).len() >= MOST_LAYERS
    {
        return Ok(None);
    }
    watcher.borrow_mut().notice(Notice::Snapshot);
    let script = if is_all_of(&ledger, &site.environment.script_hash) {
        site.environment.script_hash.clone()
    } else {
        String::new()
    };
    let commit = site.environment.computation.key();
    let contents = SnapshotContents { chain: chain.clone(), repeated, script, commit: commit.clone() };
    let labels = site.identity().snapshot_labels(&contents);
    let owner = site.identity().labels().map(|(_, value)| value).concat();
    let tag: String = hex(&Sha256::digest(format!("{owner} {chain}"))).chars().take(24).collect();
    let id = site.engine.commit(&container.id, &format!("compeval-snapshot:{tag}"), &labels).map_err(task())?;
    Ok(Some(Start { ancestor: Ancestor { snapshot: id, chain }, stages: ledger.applied(), commit }))
}

fn is_all_of(ledger: &Records, script: &str) -> bool {
    ledger.repeated().all(|one| one.script.as_deref() == Some(script))
}

/// The snapshot in which the most stages of the script are applied, and nothing else has run.
pub(super) fn nearest(site: &Site<'_>, refused: &Refused) -> Result<Option<Start>, SetupError> {
    if site.environment.description.update == Update::Build {
        return Ok(None);
    }
    let base = match site.made() {
        Ok(made) => made.base,
        // Without its image nothing can be made, and that will be said.
        Err(_) => return Ok(None),
    };
    let snapshots = all(site, Some(&base))?;
    if snapshots.is_empty() {
        return Ok(None);
    }
    let fit = plan::fit(site.environment, site.mounts, &base, &Records::default());
    let start = |image: Image| {
        let contents = SnapshotContents::of(&image.labels);
        let is_ours = contents.script == site.environment.script_hash;
        let at = fit.stages.iter().position(|stage| *stage == contents.chain)?;
        let fits = is_ours || contents.repeated.iter().all(|repeated| fit.repeated.contains_key(repeated));
        let stages = u32::try_from(at + 1).ok()?;
        let ancestor = Ancestor { snapshot: image.id, chain: contents.chain };
        let commit = contents.commit;
        (fits && !refused.has_snapshot(&ancestor.snapshot)).then_some(Start { ancestor, stages, commit })
    };
    Ok(snapshots.into_iter().filter_map(start).max_by_key(|start| start.stages))
}

/// The computation's snapshots, newest first.
fn all(site: &Site<'_>, base: Option<&str>) -> Result<Vec<Image>, SetupError> {
    let labels = site.identity().labels_of_snapshots(base);
    let wanted: Vec<(&str, &str)> = labels.iter().map(|(name, value)| (*name, value.as_str())).collect();
    site.engine.images(&wanted).map_err(doing("look for snapshots"))
}

/// The snapshots that something comes from, the nearest first.
fn lineage<'s>(snapshots: &'s [Image], labels: &BTreeMap<String, String>) -> Vec<&'s Image> {
    let mut lineage: Vec<&Image> = Vec::new();
    let mut from = Ancestor::of(labels).snapshot;
    while let Some(image) = snapshots.iter().find(|image| image.id == from)
        && lineage.len() < snapshots.len()
    {
        lineage.push(image);
        from = Ancestor::of(&image.labels).snapshot;
    }
    lineage
}

/// Removes the snapshots that no container of the computation comes from.
pub(super) fn tidy(site: &Site<'_>, containers: &[Container]) -> Result<(), SetupError> {
    let snapshots = all(site, None)?;
    let needed: Vec<&Image> = containers.iter().flat_map(|container| lineage(&snapshots, &container.labels)).collect();
    for image in snapshots.iter().filter(|image| !needed.contains(image)) {
        match site.engine.remove_image(&image.id) {
            Ok(()) | Err(EngineError::ImageInUse { .. }) => {}
            Err(error) => return Err(doing("remove a snapshot")(error)),
        }
    }
    Ok(())
}
