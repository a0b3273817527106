//! The `docker-container` file in a computation's directory: which container belongs to which version of it.
//!
//! It is a cache of what the containers' labels say: losing it costs one question to the daemon.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::computation::{Computation, layout};

const SCHEMA: u32 = 1;
/// More than any mapping needs; what is longer is no mapping.
const LONGEST_FILE: u64 = 1 << 20;

/// Which container belongs to which version: by [`Computation::key`], the container's id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    schema: u32,
    #[serde(default)]
    containers: BTreeMap<String, String>,
}

/// Why the file could not be read or written. After a failed read, go on with what the labels say.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MappingError {
    /// It holds something else.
    #[error("`{}` is not a mapping from versions to containers: {message}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// A later version of this program wrote it.
    #[error("`{}` has schema {schema}, and this program knows 1", path.display())]
    NewerSchema {
        /// The file.
        path: PathBuf,
        /// Its number.
        schema: i64,
    },
    /// It cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// It cannot be written.
    #[error("cannot write `{}`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
}

impl Default for Mapping {
    fn default() -> Self {
        Self { schema: SCHEMA, containers: BTreeMap::new() }
    }
}

impl Mapping {
    /// The mapping of `computation`; empty when there is no file. When the file cannot be used, that is said in the
    /// second place and the mapping is empty: rebuild it from the containers' labels.
    ///
    /// A file that holds nothing but an id, as the first form of this file did, maps the computation's present version.
    #[must_use]
    pub fn read(computation: &Computation) -> (Self, Option<MappingError>) {
        let path = computation.mapping();
        match read_text(&path).and_then(|text| Self::parse(&path, &text, &computation.key())) {
            Ok(mapping) => (mapping, None),
            Err(MappingError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                (Self::default(), None)
            }
            Err(error) => (Self::default(), Some(error)),
        }
    }

    fn parse(path: &Path, text: &str, present: &str) -> Result<Self, MappingError> {
        if is_id(text.trim()) {
            let containers = [(present.to_owned(), text.trim().to_owned())].into();
            return Ok(Self { containers, ..Self::default() });
        }
        let corrupt = |message: String| MappingError::Corrupt { path: path.to_owned(), message };
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| corrupt(one_line(error.message())))?;
        if let Some(schema) = table.get("schema").and_then(toml::Value::as_integer)
            && schema > i64::from(SCHEMA)
        {
            return Err(MappingError::NewerSchema { path: path.to_owned(), schema });
        }
        let mapping: Self = table.try_into().map_err(|error: toml::de::Error| corrupt(one_line(error.message())))?;
        match mapping.containers.values().find(|id| !is_id(id)) {
            Some(id) => Err(corrupt(format!("`{}` is not a container's id", id.escape_debug()))),
            None => Ok(mapping),
        }
    }

    /// The id of the container for `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.containers.get(key).map(String::as_str)
    }

    /// Puts down that `id` is the container for `key`, and says whether that is news.
    pub fn insert(&mut self, key: &str, id: &str) -> bool {
        self.containers.insert(key.to_owned(), id.to_owned()).as_deref() != Some(id)
    }

    /// Forgets a container under whichever keys it is.
    pub fn remove(&mut self, id: &str) {
        self.containers.retain(|_, mapped| mapped != id);
    }

    /// All keys with their containers' ids, sorted by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.containers.iter().map(|(key, id)| (key.as_str(), id.as_str()))
    }

    /// Replaces the file at once, by one that belongs to whom the computation's directory belongs to. A symbolic link
    /// in its place is replaced, not followed.
    ///
    /// # Errors
    /// [`MappingError::Write`]; the former file is then still there.
    pub fn write(&self, computation: &Computation) -> Result<(), MappingError> {
        let text = toml::to_string(self).map_err(io::Error::other);
        text.and_then(|text| replace(&computation.directory, layout::MAPPING, &text))
            .map_err(|source| MappingError::Write { path: computation.mapping(), source })
    }
}

/// Makes Git ignore the mapping file of `computation`, through the repository's own list. Says so once: a line that is
/// there already is left alone.
///
/// # Errors
/// [`MappingError::Read`] and [`MappingError::Write`] for that list.
pub fn exclude(computation: &Computation) -> Result<(), MappingError> {
    let path = &computation.exclude;
    let text = match read_text(path) {
        Err(MappingError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => String::new(),
        other => other?,
    };
    let below = computation.directory.strip_prefix(&computation.repository).unwrap_or(Path::new(""));
    let pattern = format!("/{}", below.join(layout::MAPPING).to_string_lossy());
    let pattern = escape_pattern(&pattern);
    if text.lines().any(|line| line == pattern) {
        return Ok(());
    }
    let separator = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    let (Some(directory), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
        return Ok(());
    };
    let write = || {
        fs::create_dir_all(directory)?;
        replace(directory, name, &format!("{text}{separator}{pattern}\n"))
    };
    write().map_err(|source| MappingError::Write { path: path.clone(), source })
}

/// A container's id, whole or shortened as `docker ps` does.
fn is_id(text: &str) -> bool {
    (12..=64).contains(&text.len()) && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn one_line(message: &str) -> String {
    message.replace('\n', ", ")
}

/// What stands for exactly this path in a list of ignored files (gitignore).
fn escape_pattern(path: &str) -> String {
    let mut pattern = String::new();
    for character in path.chars() {
        if matches!(character, '*' | '?' | '[' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern
}

fn read_text(path: &Path) -> Result<String, MappingError> {
    let read = |source| MappingError::Read { path: path.to_owned(), source };
    // Neither follow a symbolic link to another's file, nor wait for the writer of a FIFO.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty()).map_err(|error| read(error.into()))?);
    let corrupt = |message: &str| MappingError::Corrupt { path: path.to_owned(), message: message.to_owned() };
    let metadata = file.metadata().map_err(read)?;
    if !metadata.is_file() {
        return Err(corrupt("not a file"));
    }
    if metadata.len() > LONGEST_FILE {
        return Err(corrupt("too long"));
    }
    let mut bytes = Vec::new();
    file.take(LONGEST_FILE).read_to_end(&mut bytes).map_err(read)?;
    String::from_utf8(bytes).map_err(|_| corrupt("not UTF-8 text"))
}

/// Puts a file with this text, mode 0644 and the directory's owner in the place of `name`.
fn replace(directory: &Path, name: &str, text: &str) -> io::Result<()> {
    let mut file = tempfile::Builder::new().prefix(&format!("{name}.")).tempfile_in(directory)?;
    file.write_all(text.as_bytes())?;
    file.as_file().set_permissions(fs::Permissions::from_mode(0o644))?;
    let owner = fs::metadata(directory)?;
    if file.as_file().metadata()?.uid() != owner.uid() {
        std::os::unix::fs::fchown(file.as_file(), Some(owner.uid()), Some(owner.gid()))?;
    }
    file.as_file().sync_all()?;
    file.persist(directory.join(name))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "4c01db0b339c4c01db0b339c4c01db0b339c4c01db0b339c4c01db0b339c4c01";

    /// A computation in `sub/a[1]` of a pretended repository.
    fn computation() -> (tempfile::TempDir, Computation) {
        let top = tempfile::tempdir().unwrap();
        let directory = top.path().join("sub/a[1]");
        fs::create_dir_all(&directory).unwrap();
        let computation = Computation {
            directory,
            name: "a[1]".into(),
            commit: "1234567890123456789012345678901234567890".into(),
            dirty: None,
            repository: top.path().into(),
            exclude: top.path().join(".git/info/exclude"),
        };
        (top, computation)
    }

    fn read(text: &str) -> (Mapping, Option<String>) {
        let (_top, computation) = computation();
        fs::write(computation.mapping(), text).unwrap();
        let (mapping, error) = Mapping::read(&computation);
        let name = format!("`{}`", computation.mapping().display());
        (mapping, error.map(|error| error.to_string().replace(&name, "FILE")))
    }

    #[test]
    fn what_is_written_is_read_again() {
        let (_top, computation) = computation();
        assert!(matches!(Mapping::read(&computation), (mapping, None) if mapping == Mapping::default()));
        let mut mapping = Mapping::default();
        assert!(mapping.insert("1234+56", ID));
        assert!(!mapping.insert("1234+56", ID));
        mapping.write(&computation).unwrap();
        let text = fs::read_to_string(computation.mapping()).unwrap();
        assert_eq!(text, format!("schema = 1\n\n[containers]\n\"1234+56\" = \"{ID}\"\n"));
        let (mut again, error) = Mapping::read(&computation);
        assert!(error.is_none(), "{error:?}");
        assert_eq!(again.get("1234+56"), Some(ID));
        again.remove(ID);
        assert_eq!(again.iter().count(), 0);
    }

    #[test]
    fn a_bare_id_is_the_container_of_the_present_version() {
        let (mapping, error) = read(&format!("{ID}\n"));
        assert_eq!((mapping.get("1234567890123456789012345678901234567890"), error), (Some(ID), None));
    }

    #[test]
    fn a_file_that_cannot_be_used_is_empty_with_a_reason() {
        let cases = [
            ("schema = 2\n", "FILE has schema 2, and this program knows 1"),
            (
                "schema = 1\n[containers]\na = \"../x\"\n",
                "FILE is not a mapping from versions to containers: `../x` is not a container's id",
            ),
            ("containers = {}\n", "FILE is not a mapping from versions to containers: missing field `schema`"),
        ];
        for (text, message) in cases {
            assert_eq!(read(text), (Mapping::default(), Some(message.into())), "{text}");
        }
        for text in ["<<<<<<< HEAD\n", "schema = ", "\0"] {
            assert!(read(text).1.unwrap().starts_with("FILE is not a mapping"), "{text}");
        }
    }

    #[test]
    fn a_symbolic_link_is_neither_read_nor_written_through() {
        let (top, computation) = computation();
        let other = top.path().join("other");
        fs::write(&other, ID).unwrap();
        std::os::unix::fs::symlink(&other, computation.mapping()).unwrap();
        assert!(matches!(Mapping::read(&computation), (_, Some(MappingError::Read { .. }))));
        Mapping::default().write(&computation).unwrap();
        assert_eq!(fs::read_to_string(other).unwrap(), ID);
        assert!(fs::symlink_metadata(computation.mapping()).unwrap().is_file());
    }

    #[test]
    fn the_file_is_the_directorys_owners_and_readable() {
        let (_top, computation) = computation();
        let owner = if rustix::process::geteuid().is_root() { 12345 } else { rustix::process::geteuid().as_raw() };
        std::os::unix::fs::chown(&computation.directory, Some(owner), None).unwrap();
        Mapping::default().write(&computation).unwrap();
        let metadata = fs::metadata(computation.mapping()).unwrap();
        assert_eq!((metadata.uid(), metadata.permissions().mode() & 0o7777), (owner, 0o644));
        assert_eq!(fs::read_dir(&computation.directory).unwrap().count(), 1);
    }

    #[test]
    fn git_is_told_once_to_ignore_the_file() {
        let (_top, computation) = computation();
        exclude(&computation).unwrap();
        exclude(&computation).unwrap();
        assert_eq!(fs::read_to_string(&computation.exclude).unwrap(), "/sub/a\\[1]/docker-container\n");
        fs::write(&computation.exclude, "# mine\n*.o").unwrap();
        exclude(&computation).unwrap();
        assert_eq!(fs::read_to_string(&computation.exclude).unwrap(), "# mine\n*.o\n/sub/a\\[1]/docker-container\n");
    }
}
