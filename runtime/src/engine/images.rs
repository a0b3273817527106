//! The verbs about images, and what an image is.

use super::error::EngineError;

/// The verbs about images.
pub trait Images {
    /// The image that `reference` (a name, a digest or an id) stands for on this daemon; nothing is pulled.
    ///
    /// # Errors
    /// [`EngineError::NoSuchImage`] when the daemon has none, and whatever kept it from answering.
    fn image(&self, reference: &str) -> Result<Image, EngineError>;
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
}
