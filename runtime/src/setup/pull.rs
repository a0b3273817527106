//! The image, brought here when docker.conf says so.

use std::{
    cell::RefCell,
    ops::ControlFlow,
    time::{Duration, Instant},
};

use super::{
    Setup,
    error::{SetupError, doing},
    notice::{Notice, Watcher},
    site::Site,
};
use crate::computation::description::Pull;

/// How often to tell how far it is.
const BETWEEN_NOTICES: Duration = Duration::from_secs(5);

impl Setup<'_> {
    /// A site for something that may run there, with the image that its name means now if docker.conf asks for that.
    pub(crate) fn fresh_site(&self, watcher: &mut dyn Watcher) -> Result<Site<'_>, SetupError> {
        if self.environment.description.pull == Pull::Always {
            self.pull(&RefCell::new(watcher), false)?;
        }
        self.site()
    }

    /// Sees to it that a container can be made.
    pub(super) fn have_image(&self, site: &Site<'_>, watcher: &RefCell<&mut dyn Watcher>) -> Result<(), SetupError> {
        if self.environment.description.pull == Pull::Never || site.has_image() {
            return Ok(());
        }
        self.pull(watcher, true)?;
        site.look_for_image()
    }

    fn pull(&self, watcher: &RefCell<&mut dyn Watcher>, from_here: bool) -> Result<(), SetupError> {
        let description = &self.environment.description;
        let image = description.image.as_str();
        watcher.borrow_mut().notice(Notice::Pulling { image, so_far: None });
        let mut told = Instant::now();
        let mut progress = |so_far| {
            if told.elapsed() >= BETWEEN_NOTICES {
                told = Instant::now();
                watcher.borrow_mut().notice(Notice::Pulling { image, so_far: Some(so_far) });
            }
            if self.interrupt.signal().is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let pulled = match from_here {
            // What another engine of this machine has is as good, unless its name is to mean what it means now.
            true => self.engine.take_over(image, &mut progress),
            false => Ok(false),
        };
        let pulled = pulled.and_then(|is_here| match is_here {
            true => Ok(()),
            false => self.engine.pull(image, description.platform.as_deref(), &mut progress),
        });
        match self.interrupt.signal() {
            Some(signal) => Err(SetupError::Interrupted { signal, stopped: None }),
            None => pulled.map_err(doing(format!("set up computation `{}`", self.environment.computation.name))),
        }
    }
}
