//! What is kept of a setup on this machine: the mapping, and the containers themselves.

use std::cell::RefCell;

use super::{
    choose,
    error::SetupError,
    notice::{Notice, Warning, Watcher},
    session::Session,
    site::Site,
    snapshot,
};
use crate::{
    computation::Computation,
    container::mapping::{self, Mapping},
    engine::{Container, ContainerState, EngineError},
};

/// Writes the mapping. It is a cache: a failure is only worth a warning. What is not committed is filed nowhere. In a
/// container that was `changed` is no other commit's environment any more.
pub(super) fn remember(
    computation: &Computation,
    container: &Container,
    changed: bool,
    watcher: &RefCell<&mut dyn Watcher>,
) {
    let (mut mapping, damaged) = Mapping::read(computation);
    if let Some(error) = &damaged {
        watcher.borrow_mut().notice(Notice::Warning(Warning::MappingDamaged(error)));
    }
    let mut is_news = damaged.is_some();
    if changed && (computation.dirty.is_some() || mapping.get(&computation.key()) != Some(&container.id)) {
        is_news |= mapping.remove(&container.id);
    }
    is_news |= computation.dirty.is_none() && mapping.insert(&computation.key(), &container.id);
    let written = is_news.then(|| {
        mapping.write(computation)?;
        mapping::exclude(computation)
    });
    if let Some(Err(error)) = &written {
        watcher.borrow_mut().notice(Notice::Warning(Warning::MappingNotKept(error)));
    }
}

/// Leaves of the computation's other containers the few that were used last, stopped; one that calls run in stays as it
/// is. What failed before goes now that a setup has succeeded.
pub(super) fn tidy(
    site: &Site<'_>,
    current: &Container,
    watcher: &RefCell<&mut dyn Watcher>,
) -> Result<(), SetupError> {
    let mut others = Vec::new();
    for container in choose::of_computation(site)?.into_iter().filter(|container| container.id != current.id) {
        let has_failed = choose::read(site, &container)?.is_none_or(|ledger| ledger.debris().is_some());
        match site.engine.container(&container.id) {
            Ok(Some(container)) => others.push((has_failed, container)),
            Ok(None) => {}
            Err(error) => not_tidied(watcher, &container, &error),
        }
    }
    others.sort_by_key(|(_, container)| std::cmp::Reverse(container.started.unwrap_or(container.created)));
    let (mut kept, keep) = (0, site.environment.description.keep);
    for (has_failed, container) in others {
        kept += u32::from(!has_failed);
        if let Err(error) = set_aside(site, &container, has_failed || kept > keep, watcher) {
            not_tidied(watcher, &container, &error);
        }
    }
    let left = choose::of_computation(site)?;
    forget_all_but(&site.environment.computation, &left, watcher);
    snapshot::tidy(site, &left)
}

/// Drops what is gone from the mapping.
fn forget_all_but(computation: &Computation, left: &[Container], watcher: &RefCell<&mut dyn Watcher>) {
    let (mut mapping, _) = Mapping::read(computation);
    let ids: Vec<&str> = left.iter().map(|container| container.id.as_str()).collect();
    if mapping.keep_only(&ids)
        && let Err(error) = mapping.write(computation)
    {
        watcher.borrow_mut().notice(Notice::Warning(Warning::MappingNotKept(&error)));
    }
}

/// Stops or removes a container, unless something is at work in it.
fn set_aside(
    site: &Site<'_>,
    container: &Container,
    goes: bool,
    watcher: &RefCell<&mut dyn Watcher>,
) -> Result<(), EngineError> {
    let is_up = matches!(container.state, ContainerState::Running | ContainerState::Paused);
    if container.state == ContainerState::Running {
        // A call that finds it ready can be seen from here on. Where its shell does not answer, no call finds it so.
        let _ = Session { site, container, shell: None }.set_ready("");
    }
    if is_up && !site.engine.commands(&container.id)?.is_empty() {
        return Ok(());
    }
    if goes {
        watcher.borrow_mut().notice(Notice::Removing { name: &container.name });
        return site.engine.remove(&container.id);
    }
    if is_up { site.engine.stop(&container.id) } else { Ok(()) }
}

/// A stage has failed in a container: it is stopped and kept for a look, in place of one where that happened before.
pub(super) fn keep_failed(
    site: &Site<'_>,
    failed: &Container,
    watcher: &RefCell<&mut dyn Watcher>,
) -> Result<(), SetupError> {
    if let Err(error) = site.engine.stop(&failed.id) {
        not_tidied(watcher, failed, &error);
    }
    watcher.borrow_mut().notice(Notice::Kept { name: &failed.name });
    for container in choose::of_computation(site)?.into_iter().filter(|container| container.id != failed.id) {
        if choose::read(site, &container)?.is_none_or(|ledger| ledger.debris().is_some())
            && let Err(error) = set_aside(site, &container, true, watcher)
        {
            not_tidied(watcher, &container, &error);
        }
    }
    Ok(())
}

fn not_tidied(watcher: &RefCell<&mut dyn Watcher>, container: &Container, error: &EngineError) {
    let warning = Warning::NotTidied { name: &container.name, error };
    watcher.borrow_mut().notice(Notice::Warning(warning));
}
