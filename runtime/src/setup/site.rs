//! What every part of a setup works on: a computation, what its container is made of, and the engine.

use std::cell::OnceCell;

use super::error::{SetupError, doing};
use crate::{
    computation::{description::template, environment::Environment},
    container::{
        identity::{self, Identity, MadeOf},
        mounts::Mounts,
        spec::container_spec,
    },
    engine::{Container, ContainerSpec, Engine, EngineError, Image},
};

/// A computation and the engine its container lives on.
pub(crate) struct Site<'a> {
    pub(super) engine: &'a dyn Engine,
    pub(super) environment: &'a Environment,
    pub(super) mounts: &'a Mounts,
    /// What its container is made of, but for the image's id and the labels.
    pub(super) spec: ContainerSpec,
    /// The image that the description names; `None` when it is not there.
    image: OnceCell<Image>,
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
        let site = Self { engine, environment, mounts, spec, image: OnceCell::new(), retry };
        site.look_for_image()?;
        Ok(site)
    }

    /// Whether the image is here.
    pub(super) fn has_image(&self) -> bool {
        self.image.get().is_some()
    }

    /// Looks for the image.
    pub(super) fn look_for_image(&self) -> Result<(), SetupError> {
        let description = &self.environment.description;
        let image = match self.engine.image(&description.image) {
            Ok(image) => image,
            Err(EngineError::NoSuchImage { .. }) => return Ok(()),
            Err(error) => return Err(doing("look for the image")(error)),
        };
        match &description.platform {
            Some(wanted) if !is_same_platform(&image.platform, wanted) => {
                let (image, wanted, found) = (description.image.clone(), wanted.clone(), image.platform);
                Err(SetupError::WrongPlatform { image, wanted, found })
            }
            _ => {
                self.image.get_or_init(|| image);
                Ok(())
            }
        }
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
        match self.image.get() {
            Some(image) => Ok(self.made_from(&image.id)),
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
        self.made_from(self.image.get().map(|image| image.id.as_str()).or(former).unwrap_or_default())
    }

    /// The user that the image's commands run as; empty for root, `None` when that is not known.
    pub(super) fn image_user(&self) -> Option<String> {
        self.image.get().map(|image| image.user.clone())
    }

    /// What the engine is told to create, with the image's own variables put into the values of others.
    pub(super) fn filled_spec(&self) -> ContainerSpec {
        let image = self.image.get().map(|image| image.env.as_slice()).unwrap_or_default();
        let fill = |(name, value): &(String, String)| (name.clone(), template::fill(value, image));
        ContainerSpec { env: self.spec.env.iter().map(fill).collect(), ..self.spec.clone() }
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

/// Whether an image is of a platform; where one of them names no variant, any is right.
fn is_same_platform(image: &str, wanted: &str) -> bool {
    image.split('/').zip(wanted.split('/')).all(|(image, wanted)| image == wanted)
}
