//! A container that is chosen, made if there is none, and running.

use std::{cell::RefCell, time::Duration};

use jiff::Timestamp;

use super::{
    choose,
    error::{SetupError, doing},
    notice::{Notice, Warning, Watcher},
    reason::Reason,
    site::Site,
    snapshot::Start,
};
use crate::{
    computation::environment::Environment,
    container::spec,
    engine::{Container, ContainerSpec, ContainerState, Engine, EngineError},
};

/// How often to look whether a container has ended, and how long to wait in between.
const LOOKS: u32 = 10;
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// Lets a container run; false when it is gone.
pub(super) fn start(site: &Site<'_>, container: &Container) -> Result<bool, SetupError> {
    let started = match container.state {
        ContainerState::Running => Ok(()),
        ContainerState::Paused => site.engine.unpause(&container.id),
        _ => site.engine.start(&container.id),
    };
    match started {
        Ok(()) => Ok(true),
        Err(EngineError::NoSuchContainer { .. }) => Ok(false),
        Err(source) => Err(doing(format!("start container `{}`", container.name))(source)),
    }
}

/// Whether what went wrong is that the container ended or was removed meanwhile: the engine says that in many ways.
pub(super) fn is_gone(site: &Site<'_>, container: &Container, error: &SetupError) -> bool {
    matches!(error, SetupError::Engine { .. } | SetupError::Dispatch(_)) && has_ended(site.engine, &container.id, None)
}

/// Whether a container in which something has just ended has ended with it, or was removed; or was started anew since then,
/// where that is told.
pub(crate) fn has_ended(engine: &dyn Engine, container: &str, since: Option<Timestamp>) -> bool {
    let is_newer = |started: Timestamp| since.is_some_and(|since| started > since);
    let is_same = |now: &Container| now.state == ContainerState::Running && !now.started.is_some_and(is_newer);
    let is_running = || match engine.container(container) {
        Ok(now) => now.as_ref().is_some_and(is_same),
        Err(_) => true,
    };
    // Its processes end before the engine says that it has.
    (0..LOOKS).any(|look| {
        std::thread::sleep(BETWEEN_LOOKS * look.min(1));
        !is_running()
    })
}

/// The container ended or went away again and again.
pub(super) fn unstable(Environment { computation, description, .. }: &Environment) -> SetupError {
    SetupError::Unstable { computation: computation.name.clone(), shell: description.shell.clone() }
}

/// Creates a container from a snapshot or the description's image; `None` when another process has just done so.
pub(super) fn create(
    site: &Site<'_>,
    start: Option<&Start>,
    watcher: &RefCell<&mut dyn Watcher>,
    because: Option<&Reason>,
) -> Result<Option<Container>, SetupError> {
    let Environment { computation, description, script_hash, .. } = site.environment;
    let made = site.made()?;
    let identity = site.identity();
    let chain = identity.chain(&made.base, script_hash);
    let prefix = identity.name(&chain);
    // Of containers for one environment, one that failed may still be there.
    let number = |container: &Container| container.name.strip_prefix(&prefix)?.parse::<u32>().ok();
    let last = choose::of_computation(site)?.iter().filter_map(number).max().unwrap_or(0);
    let ancestor = start.map(|start| start.ancestor.clone()).unwrap_or_default();
    let labels = identity.all_labels(&made, &ancestor, &chain, &computation.key());
    let image = if ancestor.snapshot.is_empty() { made.image_id } else { ancestor.snapshot };
    let spec = ContainerSpec { image, labels, ..site.filled_spec() };
    let stages = start.map_or(0, |start| start.stages);
    let version = computation.key().chars().take(7).collect::<String>();
    let task = || doing(format!("create a container for computation `{}` at commit {version}", computation.name));
    let names: Vec<String> = (1..=NAMES).map(|number| format!("{prefix}{}", last.saturating_add(number))).collect();
    let name = names.first().map(String::as_str).unwrap_or_default();
    watcher.borrow_mut().notice(Notice::Creating { name, image: &description.image, stages, because });
    for path in spec::left_out(&site.spec, description, site.mounts) {
        watcher.borrow_mut().notice(Notice::Warning(Warning::NotAtOwnPath(&path)));
    }
    for name in &names {
        match site.engine.create(name, &spec) {
            Ok(id) => return site.engine.container(&id).map_err(task()),
            Err(EngineError::NameTaken { .. }) => {}
            Err(source) => return Err(task()(source)),
        }
        // By a process that was faster; by what is just being removed, or is none of ours, which another name passes by.
        if site.engine.container(name).map_err(task())?.is_some_and(|other| identity.is_of(&other)) {
            return Ok(None);
        }
    }
    Err(task()(EngineError::NameTaken { name: name.to_owned() }))
}

/// How many names are tried.
const NAMES: u32 = 8;
