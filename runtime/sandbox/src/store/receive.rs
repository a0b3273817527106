//! An image on its way into a store: first its configuration, then those of its layers that are not there.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::{Store, full_name, images::layer_name};
use crate::{
    error::{Doing, Result, SandboxError, named, refused, unreadable},
    helper::Job,
    layout,
    record::StoredImage,
    unpack::hexadecimal,
};

/// An image configuration (OCI image specification).
#[derive(Deserialize)]
struct ImageConfiguration {
    architecture: String,
    os: String,
    variant: Option<String>,
    config: Option<Execution>,
    rootfs: RootFs,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Execution {
    user: Option<String>,
    env: Option<Vec<String>>,
    working_dir: Option<String>,
    labels: Option<std::collections::BTreeMap<String, String>>,
}

#[derive(Deserialize)]
struct RootFs {
    diff_ids: Vec<String>,
}

/// An image on its way. Its layers stay while this lives, also before the image is there.
pub struct Incoming<'s> {
    store: &'s Store,
    _lock: File,
    id: String,
    configuration: ImageConfiguration,
}

impl Store {
    /// Begins to take an image, whose configuration (OCI image specification) this is.
    ///
    /// # Errors
    /// A configuration that is none; the system's refusals.
    pub fn receive(&self, configuration: &[u8]) -> Result<Incoming<'_>> {
        let id = format!("sha256:{}", hexadecimal(&Sha256::digest(configuration)));
        let configuration: ImageConfiguration = serde_json::from_slice(configuration)
            .map_err(unreadable)
            .doing(|| "understand the configuration of the image".into())?;
        if configuration.rootfs.diff_ids.is_empty() {
            return Err(refused("the image has no layers"));
        }
        Ok(Incoming { store: self, _lock: self.shared()?, id, configuration })
    }
}

impl Incoming<'_> {
    /// The digests of its layers as they are unpacked, the lowest first.
    #[must_use]
    pub fn layers(&self) -> &[String] {
        &self.configuration.rootfs.diff_ids
    }

    /// Whether the store has a layer.
    ///
    /// # Errors
    /// What is no digest.
    pub fn has(&self, digest: &str) -> Result<bool> {
        Ok(self.place(digest)?.exists())
    }

    /// What `with` makes of a new directory of the store, which is removed after it.
    ///
    /// # Errors
    /// Those of `with`, and the system's refusals.
    pub fn in_directory<T, E: From<SandboxError>>(
        &self,
        with: impl FnOnce(&Path) -> std::result::Result<T, E>,
    ) -> std::result::Result<T, E> {
        self.store.in_directory(with)
    }

    /// Unpacks a layer, which must be what its digest says: a tar archive, as it is or compressed by gzip or zstd.
    ///
    /// # Errors
    /// Another content, or none; the system's refusals.
    pub fn unpack(&self, digest: &str, archive: &Path) -> Result<()> {
        let place = self.place(digest)?;
        self.store.in_directory(|directory| {
            let tree = directory.join("tree");
            fs::create_dir(&tree).doing(|| named("make", &tree))?;
            let layer = archive.to_owned();
            let found: String = self.store.helper.ask(Job::Unpack { layer, directory: tree.clone() })?;
            if format!("sha256:{found}") != digest {
                return Err(refused(format!("a layer is sha256:{found}, and the image says {digest}")));
            }
            match fs::rename(&tree, &place) {
                // Another process had the same layer.
                Err(_) if place.exists() => self.store.helper.tell(Job::Empty { directory: tree }),
                renamed => renamed.doing(|| named("make", &place)),
            }
        })
    }

    /// The image, now that its layers are there. One that is there already keeps its other names.
    ///
    /// # Errors
    /// A layer that is not there; the system's refusals.
    pub fn finish(self, names: &[String]) -> Result<StoredImage> {
        let (store, read) = (self.store, &self.configuration);
        let mut size = 0;
        let mut layers = Vec::new();
        for digest in &read.rootfs.diff_ids {
            size += store.helper.ask::<u64>(Job::Size { directory: self.place(digest)? })?;
            let layer = layer_name(digest);
            // Of one that is there twice, the upper one decides.
            layers.retain(|other| *other != layer);
            layers.push(layer);
        }
        let variant = read.variant.iter().filter(|variant| !variant.is_empty()).map(|variant| format!("/{variant}"));
        let mut platform = format!("{}/{}", read.os, read.architecture);
        platform.extend(variant);
        let execution = self.configuration.config.unwrap_or_default();
        let mut names: Vec<String> = names.iter().map(|name| full_name(name)).collect();
        names.extend(store.image(&self.id).map(|image| image.names).unwrap_or_default());
        names.sort();
        names.dedup();
        let image = StoredImage {
            id: self.id,
            names,
            platform,
            user: execution.user.unwrap_or_default(),
            working_dir: execution.working_dir.unwrap_or_default(),
            env: execution.env.unwrap_or_default(),
            labels: execution.labels.unwrap_or_default(),
            created: jiff::Timestamp::now(),
            size,
            parent: None,
            layers,
        };
        store.add_image(&image)?;
        Ok(image)
    }

    /// Where a layer is, or will be.
    fn place(&self, digest: &str) -> Result<PathBuf> {
        let name = layer_name(digest);
        if name.len() < layer_name(&"0".repeat(64)).len() || !name.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(refused(format!("`{digest}` is not the digest of a layer")));
        }
        Ok(layout::layers(&self.store.root).join(name))
    }
}
