//! What every part of a setup works on: a computation, what it sees of this machine, and the engine.

use crate::{
    computation::environment::Environment,
    container::{identity::Identity, mounts::Mounts},
    engine::{Container, Engine},
};

/// A computation and the engine its container lives on.
#[derive(Clone, Copy)]
pub(crate) struct Site<'a> {
    pub(crate) engine: &'a dyn Engine,
    pub(crate) environment: &'a Environment,
    pub(crate) mounts: &'a Mounts,
}

impl Site<'_> {
    pub(super) fn identity(&self) -> Identity {
        Identity::new(&self.environment.computation, self.mounts.storage().to_owned())
    }

    /// What the chain of fingerprints begins with in this container.
    pub(super) fn base_of(&self, container: &Container) -> String {
        self.base(&container.image_id)
    }

    /// What the chain of fingerprints begins with: all of the container that is there before the script.
    pub(super) fn base(&self, image: &str) -> String {
        let description = &self.environment.description;
        let given = |value: &Option<String>| value.clone().unwrap_or_default();
        let env: Vec<String> = description.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
        [
            image.to_owned(),
            given(&description.platform),
            description.shell.clone(),
            given(&description.user),
            given(&description.workdir),
            env.join("\n"),
        ]
        .join("\n\n")
    }
}
