//! The computation's container: found by the mapping or its labels, created if there is none, and running.

use std::{cell::RefCell, time::Duration};

use compeval_interpreter::syntax::print;

use super::{
    error::{SetupError, doing},
    keep,
    notice::{Notice, Watcher},
    reason::Reason,
    site::Site,
};
use crate::{
    computation::environment::Environment,
    container::{identity::Identity, mapping::Mapping},
    engine::{Container, ContainerSpec, ContainerState, EngineError},
};

/// How often to look whether a container has ended, and how long to wait in between.
const LOOKS: u32 = 10;
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// The container of this computation, directory, commit and storage, in whatever state.
pub(crate) fn find(site: &Site<'_>) -> Result<Option<Container>, SetupError> {
    let computation = &site.environment.computation;
    let ask = || doing(format!("look for the container of computation `{}`", computation.name));
    let identity = site.identity();
    let (mapping, _) = Mapping::read(computation);
    if let Some(id) = mapping.get(&computation.key())
        && let Some(container) = site.engine.container(id).map_err(ask())?
        && identity.is_of(&container)
    {
        return Ok(Some(container));
    }
    let labels = identity.labels();
    let wanted: Vec<(&str, &str)> = labels.iter().map(|(name, value)| (*name, value.as_str())).collect();
    Ok(site.engine.containers(&wanted).map_err(ask())?.into_iter().find(|container| identity.is_of(container)))
}

/// The computation's container, created if there is none, and running.
pub(super) fn running_container(
    site: &Site<'_>,
    watcher: &RefCell<&mut dyn Watcher>,
    because: Option<&Reason>,
) -> Result<Container, SetupError> {
    for _ in 0..4 {
        let container = match find(site)? {
            Some(container) => container,
            None => match create(site, watcher, because)? {
                Some(container) => container,
                // Somebody else was faster: find theirs.
                None => {
                    std::thread::sleep(BETWEEN_LOOKS);
                    continue;
                }
            },
        };
        let started = match container.state {
            ContainerState::Running => Ok(()),
            ContainerState::Paused => site.engine.unpause(&container.id),
            _ => site.engine.start(&container.id),
        };
        match started {
            Ok(()) => {
                keep::remember(&site.environment.computation, &container, watcher);
                return Ok(container);
            }
            Err(EngineError::NoSuchContainer { .. }) => {}
            Err(source) => return Err(doing(format!("start container `{}`", container.name))(source)),
        }
    }
    Err(unstable(site.environment))
}

/// The id of the image that the description names.
pub(super) fn image_id(site: &Site<'_>) -> Result<String, SetupError> {
    let Environment { computation, description, .. } = site.environment;
    let task = format!("create a container for computation `{}`", computation.name);
    Ok(site.engine.image(&description.image).map_err(doing(task))?.id)
}

/// Whether what went wrong is that the container ended or was removed meanwhile: the engine says that in many ways.
pub(super) fn is_gone(site: &Site<'_>, container: &Container, error: &SetupError) -> bool {
    let may_be = matches!(error, SetupError::Engine { .. } | SetupError::Dispatch(_));
    let is_running = || match site.engine.container(&container.id) {
        Ok(now) => now.is_some_and(|now| now.state == ContainerState::Running),
        Err(_) => true,
    };
    // Its processes end before the engine says that it has.
    may_be
        && (0..LOOKS).any(|look| {
            std::thread::sleep(BETWEEN_LOOKS * look.min(1));
            !is_running()
        })
}

/// The container ended or went away again and again.
pub(super) fn unstable(Environment { computation, description, .. }: &Environment) -> SetupError {
    SetupError::Unstable { computation: computation.name.clone(), shell: description.shell.clone() }
}

/// Creates the container; `None` when another process has just done so.
fn create(
    site: &Site<'_>,
    watcher: &RefCell<&mut dyn Watcher>,
    because: Option<&Reason>,
) -> Result<Option<Container>, SetupError> {
    let Environment { computation, description, script, .. } = site.environment;
    let image = image_id(site)?;
    let identity = site.identity();
    let chain = identity.chain(&site.base(&image), print::canonical(&script.list).as_slice());
    let name = identity.name(&chain);
    let labels = identity.labels().into_iter().chain(Identity::further_labels(&chain, &image));
    let labels = labels.map(|(name, value)| (name.to_owned(), value)).collect();
    let spec = ContainerSpec { image, labels, ..site.spec.clone() };
    watcher.borrow_mut().notice(Notice::Creating { name: &name, image: &description.image, because });
    match site.engine.create(&name, &spec) {
        Ok(id) => site.engine.container(&id).map_err(doing(format!("find container `{name}` again"))),
        Err(EngineError::NameTaken { .. }) => resolve_conflict(site, &name).map(|()| None),
        Err(source) => {
            let version = computation.key().chars().take(7).collect::<String>();
            let task = format!("create a container for computation `{}` at commit {version}", computation.name);
            Err(doing(task)(source))
        }
    }
}

/// The name is taken: by another process that was faster, or by a container whose labels are not ours any more.
fn resolve_conflict(site: &Site<'_>, name: &str) -> Result<(), SetupError> {
    if find(site)?.is_some() {
        return Ok(());
    }
    let task = format!("create the container of computation `{}`", site.environment.computation.name);
    match site.engine.container(name).map_err(doing(task.as_str()))? {
        None => Ok(()),
        Some(_) => Err(doing(task)(EngineError::NameTaken { name: name.to_owned() })),
    }
}
