//! The images of a store.

use std::{collections::BTreeMap, fs, path::PathBuf};

use sha2::{Digest, Sha256};

use super::{Store, entries, full_name, names::is_id, random, read_record, write_record};
use crate::{
    error::{Doing, Result, SandboxError, named},
    helper::Job,
    layout::{self, Home},
    record::StoredImage,
    tree,
    unpack::hexadecimal,
};

/// How many digits of a layer's digest name it: the options of a mount are one page.
const LAYER_DIGITS: usize = 20;
/// Before the rest of the name of a layer that was made here.
const LOCAL: &str = "local-";
/// The most layers that a container can have: more do not fit into the options of a mount.
pub(super) const MOST_LAYERS: usize = 150;

impl Store {
    /// All images, newest first.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn images(&self) -> Result<Vec<StoredImage>> {
        let mut images = Vec::new();
        for path in entries(&layout::images(&self.root))? {
            if path.extension().is_none() {
                // One may be damaged: then it is collected.
                images.extend(read_record::<StoredImage>(&path).ok().flatten());
            }
        }
        images.sort_by(|one, other| (other.created, &one.id).cmp(&(one.created, &other.id)));
        Ok(images)
    }

    /// The image that `reference` (a name, a digest or an id) stands for.
    ///
    /// # Errors
    /// [`SandboxError::NoSuchImage`]; a store that cannot be read.
    pub fn image(&self, reference: &str) -> Result<StoredImage> {
        let name = full_name(reference);
        let images = self.images()?;
        let named = images.iter().find(|image| image.names.contains(&name));
        let found = named.or_else(|| images.iter().find(|image| is_id(reference, &image.id)));
        found.cloned().ok_or_else(|| SandboxError::NoSuchImage { reference: reference.to_owned() })
    }

    /// Makes an image of what is in a container now, mounts excepted, and gives its id. Of the container's labels those in
    /// `labels` have another value there; the others stay. What runs there meanwhile goes on.
    ///
    /// # Errors
    /// [`SandboxError::NoSuchContainer`]; the system's refusals.
    pub fn commit(&self, container: &str, reference: &str, labels: &BTreeMap<String, String>) -> Result<String> {
        let _lock = self.shared()?;
        let container = self.existing(container)?;
        let before = self.image(&container.image_id)?;
        let from = Home::of(&self.root, &container.name).upper();
        let layer = format!("{LOCAL}{}", random(7)?);
        let place = layout::layers(&self.root).join(&layer);
        let size = self.in_directory(|directory| {
            self.helper.tell(Job::Copy { from, directory: directory.to_owned() })?;
            let made = directory.join(tree::TO);
            let size = self.helper.ask::<u64>(Job::Size { directory: made.clone() })?;
            fs::rename(&made, &place).doing(|| named("make", &place))?;
            Ok::<u64, SandboxError>(size)
        })?;
        let setup = container.setup;
        let mut image = StoredImage {
            id: String::new(),
            names: vec![full_name(reference)],
            user: setup.user,
            working_dir: setup.working_dir,
            env: setup.env,
            labels: setup.labels.into_iter().chain(labels.clone()).collect(),
            created: jiff::Timestamp::now(),
            size: before.size + size,
            parent: Some(container.image_id),
            layers: container.layers.into_iter().chain([layer]).collect(),
            ..before
        };
        let text = serde_json::to_vec(&image).map_err(std::io::Error::from).doing(|| "write an image".into())?;
        image.id = format!("sha256:{}", hexadecimal(&Sha256::digest(text)));
        self.add_image(&image)?;
        Ok(image.id)
    }

    /// Removes an image's name, and the image with its last one. One that is gone is no error.
    ///
    /// # Errors
    /// [`SandboxError::ImageInUse`] when a container or another image is made from it; the system's refusals.
    pub fn remove_image(&self, reference: &str) -> Result<()> {
        let mut image = match self.image(reference) {
            Err(SandboxError::NoSuchImage { .. }) => return Ok(()),
            image => image?,
        };
        let name = full_name(reference);
        if image.names.len() > 1 && image.names.contains(&name) {
            image.names.retain(|other| *other != name);
            return write_record(&self.image_record(&image.id), &image);
        }
        let is_child = |other: &StoredImage| other.parent.as_ref() == Some(&image.id);
        let is_made_of_it = self.containers()?.iter().any(|container| container.image_id == image.id);
        if is_made_of_it || self.images()?.iter().any(is_child) {
            return Err(SandboxError::ImageInUse { reference: reference.to_owned() });
        }
        let record = self.image_record(&image.id);
        fs::remove_file(&record).doing(|| named("remove", &record))?;
        self.collect()
    }

    /// Keeps an image; names that others had are its own now.
    pub(super) fn add_image(&self, image: &StoredImage) -> Result<()> {
        for mut other in self.images()? {
            if other.id != image.id && other.names.iter().any(|name| image.names.contains(name)) {
                other.names.retain(|name| !image.names.contains(name));
                write_record(&self.image_record(&other.id), &other)?;
            }
        }
        write_record(&self.image_record(&image.id), image)
    }

    fn image_record(&self, id: &str) -> PathBuf {
        layout::images(&self.root).join(id.trim_start_matches("sha256:"))
    }
}

/// The name of a layer by its digest.
pub(super) fn layer_name(digest: &str) -> String {
    digest.trim_start_matches("sha256:").chars().take(LAYER_DIGITS).collect()
}
