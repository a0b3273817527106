//! What every part of a setup works on: a computation, what its container is made of, and the engine.

use super::error::SetupError;
use crate::{
    computation::environment::Environment,
    container::{
        identity::{self, Identity},
        mounts::Mounts,
        spec::container_spec,
    },
    engine::{ContainerSpec, Engine},
};

/// A computation and the engine its container lives on.
pub(crate) struct Site<'a> {
    pub(super) engine: &'a dyn Engine,
    pub(super) environment: &'a Environment,
    pub(super) mounts: &'a Mounts,
    /// What its container is made of, but for the image's id and the labels.
    pub(super) spec: ContainerSpec,
}

impl<'a> Site<'a> {
    pub(super) fn new(
        engine: &'a dyn Engine,
        environment: &'a Environment,
        mounts: &'a Mounts,
    ) -> Result<Self, SetupError> {
        let spec = container_spec(&environment.description, &environment.computation.directory, mounts)
            .map_err(|path| SetupError::MountSource { path })?;
        Ok(Self { engine, environment, mounts, spec })
    }

    pub(super) fn identity(&self) -> Identity {
        Identity::new(&self.environment.computation, self.mounts.storage().to_owned())
    }

    /// What the chain of fingerprints begins with in a container made from the image with this id.
    pub(super) fn base(&self, image_id: &str) -> String {
        identity::base(image_id, &self.environment.description.shell, &self.spec)
    }
}
