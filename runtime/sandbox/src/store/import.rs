//! Images out of archives: those of `docker save`, and OCI layouts.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use serde::Deserialize;
use sha2::{Digest, Sha256};
use tar::{Archive, EntryType};

use super::{Store, full_name, images::layer_name};
use crate::{
    error::{Doing, Result, named, refused, unreadable},
    helper::Job,
    layout,
    record::StoredImage,
    unpack::{decompressed, hexadecimal},
};

/// The longest description in an archive, in bytes; layers may be of any length.
const LONGEST_TEXT: u64 = 16 << 20;
/// How deep an index of an archive may point to others.
const DEEPEST: usize = 4;
/// Links from file to file, which old archives have, at most.
const MOST_LINKS: usize = 8;

/// `manifest.json` of `docker save`: an image each.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

/// An image index or manifest (OCI image specification).
#[derive(Deserialize)]
struct Index {
    #[serde(default)]
    manifests: Vec<Blob>,
    config: Option<Blob>,
    #[serde(default)]
    layers: Vec<Blob>,
}

#[derive(Deserialize)]
struct Blob {
    digest: String,
    platform: Option<Platform>,
    #[serde(default)]
    annotations: HashMap<String, String>,
}

#[derive(Deserialize)]
struct Platform {
    architecture: String,
    os: String,
}

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

/// What an image is made of, by paths in the archive.
struct ImageParts {
    config: String,
    layers: Vec<String>,
    names: Vec<String>,
}

/// The files of an archive, each kept under a number: no path of it names anything here.
struct Unpacked {
    directory: PathBuf,
    files: HashMap<String, PathBuf>,
    links: HashMap<String, String>,
}

impl Store {
    /// Takes the images out of an archive, and gives them. `name` is what the one image is called that has no name there, or
    /// what it is called as well.
    ///
    /// # Errors
    /// An archive that holds no images, or others than it says; the system's refusals.
    pub fn import(&self, archive: impl Read, name: Option<&str>) -> Result<Vec<StoredImage>> {
        let _lock = self.shared()?;
        let directory = self.new_directory()?;
        let imported = self.import_to(archive, &directory, name);
        let swept = self.discard(&directory);
        let imported = imported?;
        swept.map(|()| imported)
    }

    fn import_to(&self, archive: impl Read, directory: &Path, name: Option<&str>) -> Result<Vec<StoredImage>> {
        let archive = decompressed(archive).doing(|| "read the archive".into())?;
        let unpacked = Unpacked::read(archive, directory)?;
        let mut all = unpacked.images()?;
        match (name, all.as_mut_slice()) {
            (Some(name), [one]) => one.names = vec![full_name(name)],
            (Some(_), _) => return Err(refused("the archive has several images, which cannot have one name")),
            (None, _) => {}
        }
        all.iter().map(|parts| self.import_one(&unpacked, parts)).collect()
    }

    fn import_one(&self, unpacked: &Unpacked, parts: &ImageParts) -> Result<StoredImage> {
        let text = unpacked.text(&parts.config)?;
        let read: ImageConfiguration =
            serde_json::from_slice(&text).map_err(unreadable).doing(|| named("understand", &parts.config))?;
        if read.rootfs.diff_ids.len() != parts.layers.len() {
            return Err(refused("the image says how many layers it has, and the archive has not as many"));
        }
        let mut size = 0;
        let mut layers = Vec::new();
        for (path, digest) in parts.layers.iter().zip(&read.rootfs.diff_ids) {
            let layer = self.import_layer(&unpacked.file(path)?, digest)?;
            size += self.helper.ask::<u64>(Job::Size { directory: layout::layers(&self.root).join(&layer) })?;
            // Of one that is there twice, the upper one decides.
            layers.retain(|other| *other != layer);
            layers.push(layer);
        }
        if layers.is_empty() {
            return Err(refused("the image has no layers"));
        }
        let execution = read.config.unwrap_or_default();
        let variant = read.variant.filter(|variant| !variant.is_empty()).map(|variant| format!("/{variant}"));
        let id = format!("sha256:{}", hexadecimal(&Sha256::digest(&text)));
        // One that is there already keeps its other names.
        let mut names = self.image(&id).map(|image| image.names).unwrap_or_default();
        names.extend(parts.names.iter().cloned());
        names.sort();
        names.dedup();
        let image = StoredImage {
            id,
            names,
            platform: format!("{}/{}{}", read.os, read.architecture, variant.unwrap_or_default()),
            user: execution.user.unwrap_or_default(),
            working_dir: execution.working_dir.unwrap_or_default(),
            env: execution.env.unwrap_or_default(),
            labels: execution.labels.unwrap_or_default(),
            created: jiff::Timestamp::now(),
            size,
            parent: None,
            layers,
        };
        self.add_image(&image)?;
        Ok(image)
    }

    /// The name of a layer in the store; it must be what the image says.
    fn import_layer(&self, file: &Path, wanted: &str) -> Result<String> {
        let name = layer_name(wanted);
        if name.len() < layer_name(&"0".repeat(64)).len() || !name.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(refused(format!("`{wanted}` is not the digest of a layer")));
        }
        let place = layout::layers(&self.root).join(&name);
        if place.exists() {
            return Ok(name);
        }
        let directory = self.new_directory()?;
        let layer = file.to_owned();
        let unpacked = self.helper.ask(Job::Unpack { layer, directory: directory.clone() });
        let digest: String = match unpacked {
            Ok(digest) => digest,
            Err(error) => {
                let _ = self.discard(&directory);
                return Err(error);
            }
        };
        if format!("sha256:{digest}") != wanted {
            self.discard(&directory)?;
            return Err(refused(format!("a layer of the archive is sha256:{digest}, and the image says {wanted}")));
        }
        match fs::rename(&directory, &place) {
            // Another process had the same layer.
            Err(_) if place.exists() => self.discard(&directory)?,
            renamed => renamed.doing(|| named("make", &place))?,
        }
        Ok(name)
    }
}

impl Unpacked {
    fn read(archive: impl Read, directory: &Path) -> Result<Unpacked> {
        let mut unpacked = Unpacked { directory: directory.to_owned(), files: HashMap::new(), links: HashMap::new() };
        let mut archive = Archive::new(archive);
        for entry in archive.entries().doing(|| "read the archive".into())? {
            let mut entry = entry.doing(|| "read the archive".into())?;
            let name = plain(&entry.path().doing(|| "read the archive".into())?);
            match entry.header().entry_type() {
                EntryType::Regular | EntryType::Continuous => {
                    let path = unpacked.directory.join(unpacked.files.len().to_string());
                    let copied = File::create_new(&path).and_then(|mut file| io::copy(&mut entry, &mut file));
                    copied.doing(|| named("unpack", &name))?;
                    unpacked.files.insert(name, path);
                }
                kind @ (EntryType::Symlink | EntryType::Link) => {
                    let to = entry.link_name().doing(|| "read the archive".into())?.unwrap_or_default().into_owned();
                    let from = if kind == EntryType::Symlink { Path::new(&name).parent() } else { None };
                    unpacked.links.insert(name.clone(), plain(&from.unwrap_or(Path::new("")).join(to)));
                }
                _ => {}
            }
        }
        Ok(unpacked)
    }

    fn file(&self, name: &str) -> Result<PathBuf> {
        let mut name = plain(Path::new(name));
        for _ in 0..MOST_LINKS {
            match (self.files.get(&name), self.links.get(&name)) {
                (Some(path), _) => return Ok(path.clone()),
                (None, Some(to)) => name.clone_from(to),
                (None, None) => break,
            }
        }
        Err(refused(format!("the archive has no `{name}`: it is no `docker save` and no OCI layout, or it is cut off")))
    }

    fn text(&self, name: &str) -> Result<Vec<u8>> {
        let path = self.file(name)?;
        let mut text = Vec::new();
        let read = File::open(&path).and_then(|file| file.take(LONGEST_TEXT).read_to_end(&mut text));
        read.doing(|| named("read", &path))?;
        Ok(text)
    }

    fn understood<T: serde::de::DeserializeOwned>(&self, name: &str) -> Result<T> {
        serde_json::from_slice(&self.text(name)?).map_err(unreadable).doing(|| named("understand", name))
    }

    fn images(&self) -> Result<Vec<ImageParts>> {
        if self.files.contains_key("manifest.json") {
            let saved: Vec<Saved> = self.understood("manifest.json")?;
            let parts = |saved: Saved| ImageParts {
                config: saved.config,
                layers: saved.layers,
                names: saved.repo_tags.unwrap_or_default().iter().map(|name| full_name(name)).collect(),
            };
            return Ok(saved.into_iter().map(parts).collect());
        }
        let index: Index = self.understood("index.json")?;
        let mut all = Vec::new();
        for blob in index.manifests {
            let name = ["io.containerd.image.name", "org.opencontainers.image.ref.name"]
                .iter()
                .find_map(|name| blob.annotations.get(*name));
            let names = name.map(|name| full_name(name)).into_iter().collect();
            all.push(self.manifest(&blob, names, DEEPEST)?);
        }
        Ok(all)
    }

    /// The parts of an image; of an index, those of the one for this machine.
    fn manifest(&self, blob: &Blob, names: Vec<String>, depth: usize) -> Result<ImageParts> {
        let path = blob_path(&blob.digest);
        let found: Index = self.understood(&path)?;
        if let Some(config) = found.config {
            let layers = found.layers.iter().map(|layer| blob_path(&layer.digest)).collect();
            return Ok(ImageParts { config: blob_path(&config.digest), layers, names });
        }
        let fits = |blob: &&Blob| blob.platform.as_ref().is_none_or(Platform::is_this);
        match found.manifests.iter().find(fits) {
            Some(inner) if depth > 0 => self.manifest(inner, names, depth - 1),
            _ => Err(refused(format!("the archive has no image for linux/{}", architecture()))),
        }
    }
}

impl Platform {
    fn is_this(&self) -> bool {
        self.os == "linux" && self.architecture == architecture()
    }
}

/// What images call this machine (GOARCH).
pub(super) fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn blob_path(digest: &str) -> String {
    format!("blobs/{}", digest.replace(':', "/"))
}

/// A path in an archive, without what leads up or away.
fn plain(path: &Path) -> String {
    let mut parts: Vec<String> = Vec::new();
    for part in path.components() {
        match part {
            std::path::Component::Normal(name) => parts.push(name.to_string_lossy().into_owned()),
            std::path::Component::ParentDir => drop(parts.pop()),
            _ => {}
        }
    }
    parts.join("/")
}
