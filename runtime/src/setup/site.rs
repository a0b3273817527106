//! What every part of a setup works on: a computation, what its container is made of, and the engine.

use super::error::{SetupError, doing};
use crate::{
    computation::environment::Environment,
    container::{
        identity::{self, Identity, MadeOf},
        mounts::Mounts,
        spec::container_spec,
    },
    engine::{Container, ContainerSpec, Engine, EngineError},
};

/// A computation and the engine its container lives on.
pub(crate) struct Site<'a> {
    pub(super) engine: &'a dyn Engine,
    pub(super) environment: &'a Environment,
    pub(super) mounts: &'a Mounts,
    /// What its container is made of, but for the image's id and the labels.
    pub(super) spec: ContainerSpec,
    /// The id of the image that the description names; `None` when it is not there.
    image_id: Option<String>,
    /// The user that image's commands run as; empty for root.
    pub(super) image_user: Option<String>,
    /// Whether a container in which a stage failed is to be used.
    pub(super) retry: bool,
}

impl<'a> Site<'a> {
    pub(super) fn new(
        engine: &'a dyn Engine,
        environment: &'a Environment,
        mounts: &'a Mounts,
        retry: bool,
    ) -> Result<Self, SetupError> {
        let spec = container_spec(&environment.description, &environment.computation.directory, mounts)
            .map_err(|path| SetupError::MountSource { path })?;
        let image = match engine.image(&environment.description.image) {
            Ok(image) => Some(image),
            Err(EngineError::NoSuchImage { .. }) => None,
            Err(error) => return Err(doing("look for the image")(error)),
        };
        let (image_id, image_user) = image.map(|image| (image.id, image.user)).unzip();
        Ok(Self { engine, environment, mounts, spec, image_id, image_user, retry })
    }

    pub(super) fn identity(&self) -> Identity {
        Identity::new(&self.environment.computation, self.mounts.storage().to_owned())
    }

    /// What a container is made of now.
    ///
    /// # Errors
    /// When the image is not there.
    pub(super) fn made(&self) -> Result<MadeOf, SetupError> {
        let image = &self.environment.description.image;
        match &self.image_id {
            Some(id) => Ok(self.made_from(id)),
            None => {
                let task = format!("create a container for computation `{}`", self.environment.computation.name);
                Err(doing(task)(EngineError::NoSuchImage { reference: image.clone() }))
            }
        }
    }

    /// What a container is to be made of so that it is what the description says. Where its image is gone from the engine,
    /// the one it was made from is still meant.
    pub(super) fn made_like(&self, container: &Container) -> MadeOf {
        let made = MadeOf::of(container);
        let is_same_name = made.image == self.environment.description.image;
        let former = is_same_name.then_some(made.image_id.as_str());
        self.made_from(self.image_id.as_deref().or(former).unwrap_or_default())
    }

    fn made_from(&self, image_id: &str) -> MadeOf {
        let description = &self.environment.description;
        MadeOf {
            base: identity::base(image_id, &description.shell, &self.spec),
            spec: identity::spec(&self.spec),
            image: description.image.clone(),
            image_id: image_id.to_owned(),
        }
    }
}
