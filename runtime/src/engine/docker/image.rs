//! The verbs about images, as requests.

use std::{collections::BTreeMap, io::Write, ops::ControlFlow};

use bollard::{models, query_parameters as query};
use futures_util::StreamExt;

use super::{Docker, connect::status, convert::label_filter};
use crate::engine::{
    error::EngineError,
    event_loop::block_on,
    images::{Image, Images, Pulling},
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

    /// Writes an image as an archive that other engines take (Docker API, ImageGet). `progress` is told how many bytes are
    /// written, and asked whether to go on.
    ///
    /// # Errors
    /// The daemon's refusal, an output that takes no more, [`EngineError::NotPulled`] when `progress` said no.
    pub fn save(
        &self,
        reference: &str,
        output: &mut dyn Write,
        progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> Result<(), EngineError> {
        let mut pieces = Box::pin(self.client.export_image(reference));
        let mut done = 0;
        block_on(async {
            while let Some(piece) = pieces.next().await {
                let piece = piece.map_err(|error| self.refusal(error, format!("save image `{reference}`")))?;
                output.write_all(&piece).map_err(EngineError::Client)?;
                done += piece.len() as u64;
                if progress(done).is_break() {
                    let message = "interrupted".to_owned();
                    return Err(EngineError::NotPulled { reference: reference.to_owned(), message });
                }
            }
            Ok(())
        })?
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
            labels: config.labels.unwrap_or_default().into_iter().collect(),
            size: image.size.and_then(|size| u64::try_from(size).ok()).unwrap_or_default(),
        })
    }

    fn pull(
        &self,
        reference: &str,
        platform: Option<&str>,
        progress: &mut dyn FnMut(Pulling) -> ControlFlow<()>,
    ) -> Result<(), EngineError> {
        self.pull_image(reference, platform, progress)
    }

    fn images(&self, labels: &[(&str, &str)]) -> Result<Vec<Image>, EngineError> {
        // All: one whose tag another one has now, and that others come from, is left out otherwise.
        let options = query::ListImagesOptionsBuilder::default().all(true).filters(&label_filter(labels)).build();
        let listed = block_on(self.client.list_images(Some(options)))?;
        let mut listed = listed.map_err(|error| self.refusal(error, "list images".into()))?;
        listed.sort_by_key(|image| std::cmp::Reverse(image.created));
        let image = |image: models::ImageSummary| Image {
            id: image.id,
            labels: image.labels.into_iter().collect(),
            size: u64::try_from(image.size).unwrap_or_default(),
            ..Image::default()
        };
        Ok(listed.into_iter().map(image).collect())
    }

    fn commit(
        &self,
        container: &str,
        reference: &str,
        labels: &BTreeMap<String, String>,
    ) -> Result<String, EngineError> {
        // A `:` before a `/` stands before the port of a registry.
        let tagged = reference.rsplit_once(':').filter(|(_, tag)| !tag.contains('/'));
        let (name, tag) = tagged.unwrap_or((reference, "latest"));
        let options =
            query::CommitContainerOptionsBuilder::default().container(container).repo(name).tag(tag).pause(true);
        let labels = Some(labels.clone().into_iter().collect());
        let config = models::ContainerConfig { labels, ..Default::default() };
        let committed = block_on(self.client.commit_container(options.build(), config))?;
        committed
            .map(|committed| committed.id)
            .map_err(|error| self.container_error(error, container, "make an image of"))
    }

    fn remove_image(&self, reference: &str) -> Result<(), EngineError> {
        match block_on(self.client.remove_image(reference, None::<query::RemoveImageOptions>, None))? {
            Err(error) => match status(&error) {
                Some(404) => Ok(()),
                Some(409) => Err(EngineError::ImageInUse { reference: reference.to_owned() }),
                _ => Err(self.refusal(error, format!("remove image `{reference}`"))),
            },
            Ok(_) => Ok(()),
        }
    }
}
