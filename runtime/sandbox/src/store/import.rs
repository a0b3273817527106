//! Images out of archives: those of `docker save`, and OCI layouts.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use serde::Deserialize;
use tar::{Archive, EntryType};

use super::Store;
use crate::{
    error::{Doing, Result, named, refused, unreadable},
    record::StoredImage,
    unpack::decompressed,
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
        self.in_directory(|directory| {
            let archive = decompressed(archive).doing(|| "read the archive".into())?;
            let unpacked = Unpacked::read(archive, directory)?;
            let mut all = unpacked.images()?;
            match (name, all.as_mut_slice()) {
                (Some(name), [one]) => one.names = vec![name.to_owned()],
                (Some(_), _) => return Err(refused("the archive has several images, which cannot have one name")),
                (None, _) => {}
            }
            all.iter().map(|parts| self.import_one(&unpacked, parts)).collect()
        })
    }

    fn import_one(&self, unpacked: &Unpacked, parts: &ImageParts) -> Result<StoredImage> {
        let incoming = self.receive(&unpacked.text(&parts.config)?)?;
        if incoming.layers().len() != parts.layers.len() {
            return Err(refused("the image says how many layers it has, and the archive has not as many"));
        }
        for (digest, path) in incoming.layers().iter().zip(&parts.layers) {
            if !incoming.has(digest)? {
                incoming.unpack(digest, &unpacked.file(path)?)?;
            }
        }
        incoming.finish(&parts.names)
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
                names: saved.repo_tags.unwrap_or_default(),
            };
            return Ok(saved.into_iter().map(parts).collect());
        }
        let index: Index = self.understood("index.json")?;
        let mut all = Vec::new();
        for blob in index.manifests {
            let name = ["io.containerd.image.name", "org.opencontainers.image.ref.name"]
                .iter()
                .find_map(|name| blob.annotations.get(*name));
            all.push(self.manifest(&blob, name.cloned().into_iter().collect(), DEEPEST)?);
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

/// What images call this machine: GOARCH of the Go language.
#[must_use]
pub fn architecture() -> &'static str {
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
