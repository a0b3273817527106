//! The verbs about images, as requests.

use bollard::query_parameters as query;
use futures_util::StreamExt;

use super::{
    Docker,
    connect::{block_on, status},
};
use crate::engine::{
    error::EngineError,
    images::{Image, Images},
};

impl Docker {
    /// Makes an image of a tar archive of its files, and gives its id. `reference` is a name and tag; `changes` are
    /// Dockerfile instructions for its configuration, as in `ENV PATH=/bin` (Docker API, ImageCreate).
    ///
    /// # Errors
    /// The daemon's refusal, of the archive for example.
    pub fn import_image(&self, reference: &str, archive: Vec<u8>, changes: &[&str]) -> Result<String, EngineError> {
        let options = query::CreateImageOptionsBuilder::default()
            .from_src("-")
            .repo(reference)
            .changes(changes.iter().map(|&change| change.to_owned()).collect())
            .build();
        let body = bollard::body_full(archive.into());
        let mut progress = Box::pin(self.client.create_image(Some(options), Some(body), None));
        block_on(async {
            while let Some(step) = progress.next().await {
                step.map_err(|error| self.refusal(error, format!("import image `{reference}`")))?;
            }
            Ok::<(), EngineError>(())
        })??;
        self.image(reference).map(|image| image.id)
    }

    /// Removes an image's name, and the image with its last one. One that is gone is no error.
    ///
    /// # Errors
    /// The daemon's refusal, as for an image that a container uses.
    pub fn remove_image(&self, reference: &str) -> Result<(), EngineError> {
        let doing = format!("remove image `{reference}`");
        match block_on(self.client.remove_image(reference, None::<query::RemoveImageOptions>, None))? {
            Err(error) if status(&error) != Some(404) => Err(self.refusal(error, doing)),
            _ => Ok(()),
        }
    }
}

impl Images for Docker {
    fn image(&self, reference: &str) -> Result<Image, EngineError> {
        let image = block_on(self.client.inspect_image(reference))?.map_err(|error| match status(&error) {
            Some(404) => EngineError::NoSuchImage { reference: reference.to_owned() },
            _ => self.refusal(error, format!("inspect image `{reference}`")),
        })?;
        let config = image.config.unwrap_or_default();
        let platform = [image.os, image.architecture, image.variant];
        Ok(Image {
            id: image.id.unwrap_or_default(),
            platform: platform.into_iter().flatten().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/"),
            user: config.user.unwrap_or_default(),
            working_dir: config.working_dir.unwrap_or_default(),
            env: config.env.unwrap_or_default(),
        })
    }
}
