//! What is kept of a setup on this machine: the mapping, and the containers themselves.

use std::cell::RefCell;

use super::{
    error::{SetupError, doing},
    notice::{Notice, Warning, Watcher},
    site::Site,
};
use crate::{
    computation::Computation,
    container::mapping::{self, Mapping},
    engine::Container,
};

/// Writes the mapping. It is a cache: a failure is only worth a warning.
pub(super) fn remember(computation: &Computation, container: &Container, watcher: &RefCell<&mut dyn Watcher>) {
    let (mut mapping, damaged) = Mapping::read(computation);
    if let Some(error) = &damaged {
        watcher.borrow_mut().notice(Notice::Warning(Warning::MappingDamaged(error)));
    }
    let written = mapping.insert(&computation.key(), &container.id).then(|| {
        mapping.write(computation)?;
        mapping::exclude(computation)
    });
    if let Some(Err(error)) = &written {
        watcher.borrow_mut().notice(Notice::Warning(Warning::MappingNotKept(error)));
    }
}

/// Removes a container that cannot be brought up to date.
pub(super) fn remove(site: &Site<'_>, container: &Container) -> Result<(), SetupError> {
    site.engine.remove(&container.id).map_err(doing(format!("remove container `{}`", container.name)))
}
