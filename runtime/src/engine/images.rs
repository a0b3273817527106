//! The verbs about images, and what an image is.

use std::{collections::BTreeMap, ops::ControlFlow};

use super::error::EngineError;

/// The verbs about images.
pub trait Images {
    /// The image that `reference` (a name, a digest or an id) stands for on this daemon; nothing is pulled.
    ///
    /// # Errors
    /// [`EngineError::NoSuchImage`] when the daemon has none, and whatever kept it from answering.
    fn image(&self, reference: &str) -> Result<Image, EngineError>;

    /// Brings an image here from its registry, with the user's credentials for that; one without a tag or digest is
    /// `latest`. `progress` is told how far that is, and asked whether to go on, several times a second.
    ///
    /// # Errors
    /// [`EngineError::NotPulled`] with the registry's or the daemon's words, and when `progress` said no.
    fn pull(
        &self,
        reference: &str,
        platform: Option<&str>,
        progress: &mut dyn FnMut(Pulling) -> ControlFlow<()>,
    ) -> Result<(), EngineError>;

    /// Takes an image over from another engine of this machine, where one is asked and has it; says whether.
    ///
    /// # Errors
    /// What kept it from being taken; [`EngineError::NotPulled`] when `progress` said no.
    fn take_over(
        &self,
        _reference: &str,
        _progress: &mut dyn FnMut(Pulling) -> ControlFlow<()>,
    ) -> Result<bool, EngineError> {
        Ok(false)
    }

    /// The images that carry all of `labels` (name and value), newest first.
    ///
    /// # Errors
    /// Whatever kept the daemon from answering.
    fn images(&self, labels: &[(&str, &str)]) -> Result<Vec<Image>, EngineError>;

    /// Makes an image of what is in a container now, mounts excepted, under the name and tag `reference`, and gives its id.
    /// Of the container's labels those in `labels` have another value there; the others stay.
    ///
    /// # Errors
    /// [`EngineError::NoSuchContainer`], or the daemon's refusal.
    fn commit(
        &self,
        container: &str,
        reference: &str,
        labels: &BTreeMap<String, String>,
    ) -> Result<String, EngineError>;

    /// Removes an image's name, and the image with its last one. One that is gone is no error.
    ///
    /// # Errors
    /// [`EngineError::ImageInUse`] when a container or another image is made from it, or the daemon's refusal.
    fn remove_image(&self, reference: &str) -> Result<(), EngineError>;
}

/// How much of an image has been brought here, as far as that is known yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pulling {
    /// What is here, in bytes.
    pub done: u64,
    /// All of it, in bytes.
    pub total: u64,
}

/// An image as the daemon has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    /// Its content's id, `sha256:` and 64 hexadecimal digits.
    pub id: String,
    /// Operating system, architecture and, if any, variant: `linux/arm64/v8`.
    pub platform: String,
    /// The user its commands run as; empty means root.
    pub user: String,
    /// The directory its commands start in; empty means `/`.
    pub working_dir: String,
    /// Its environment, `NAME=value` each.
    pub env: Vec<String>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// What it takes, in bytes, with the layers that it has in common with others.
    pub size: u64,
}
