//! The `docker-container` file in a computation's directory: which container belongs to which version of it.
//!
//! It is a cache of what the containers' labels say: losing it costs one question to the daemon.

use std::{
    collections::BTreeMap,
    io,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use bstr::ByteSlice;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    computation::{Computation, layout},
    file::Directory,
};

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
    #[error("`{}` has schema {schema}, and this program knows {SCHEMA}", path.display())]
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
    /// Git cannot be told to ignore it.
    #[error("cannot make Git ignore `{}`", path.display())]
    Exclude {
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
        let parse = |text: String| Self::parse(&path, &text, &computation.key());
        match read_text(&path).and_then(|text| text.map_or_else(|| Ok(Self::default()), parse)) {
            Ok(mapping) => (mapping, None),
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

    /// Forgets a container under whichever keys it is, and says whether it was under any.
    pub fn remove(&mut self, id: &str) -> bool {
        let before = self.containers.len();
        self.containers.retain(|_, mapped| mapped != id);
        self.containers.len() < before
    }

    /// Forgets all containers but these, and says whether there were others.
    pub fn keep_only(&mut self, ids: &[&str]) -> bool {
        let before = self.containers.len();
        self.containers.retain(|_, mapped| ids.contains(&mapped.as_str()));
        self.containers.len() < before
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
        let directory = Directory::open(&computation.directory);
        text.and_then(|text| directory?.replace(layout::MAPPING, text.as_bytes()))
            .map_err(|source| MappingError::Write { path: computation.mapping(), source })
    }
}

/// Makes Git ignore the mapping file of `computation`, through the repository's own list. Says so once: a line that is
/// there already is left alone.
///
/// # Errors
/// [`MappingError::Exclude`].
pub fn exclude(computation: &Computation) -> Result<(), MappingError> {
    let failed = |source| MappingError::Exclude { path: computation.mapping(), source };
    add_to_exclude(computation).map_err(failed)
}

fn add_to_exclude(computation: &Computation) -> io::Result<()> {
    let below = computation.directory.strip_prefix(&computation.repository).unwrap_or(Path::new(""));
    let pattern = pattern(&below.join(layout::MAPPING))?;
    let git_directory = computation.git_directory.as_ref();
    let foreign = || io::Error::other("the Git directory belongs to another working tree");
    let info = Directory::open(git_directory.ok_or_else(foreign)?)?.directory("info")?;
    let mut text = info.read("exclude", LONGEST_FILE)?.unwrap_or_default();
    if text.lines().any(|line| line == pattern) {
        return Ok(());
    }
    if !text.is_empty() && !text.ends_with(b"\n") {
        text.push(b'\n');
    }
    text.extend(pattern);
    text.push(b'\n');
    info.replace("exclude", &text)
}

/// A container's id, whole or shortened as `docker ps` does.
fn is_id(text: &str) -> bool {
    (12..=64).contains(&text.len()) && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn one_line(message: &str) -> String {
    message.replace('\n', ", ")
}

/// What stands for exactly this path in a list of ignored files (gitignore). A list has one pattern a line, so that some
/// names cannot be in it.
fn pattern(path: &Path) -> io::Result<Vec<u8>> {
    let mut pattern = vec![b'/'];
    for byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_control() {
            return Err(io::Error::other("the path has control characters in it"));
        }
        if matches!(byte, b'*' | b'?' | b'[' | b'\\') {
            pattern.push(b'\\');
        }
        pattern.push(*byte);
    }
    Ok(pattern)
}

fn read_text(path: &Path) -> Result<Option<String>, MappingError> {
    let read = |source: io::Error| MappingError::Read { path: path.to_owned(), source };
    let corrupt = |message: &str| MappingError::Corrupt { path: path.to_owned(), message: message.to_owned() };
    let directory = path.parent().unwrap_or(Path::new("/"));
    let bytes = Directory::open(directory).and_then(|directory| directory.read(layout::MAPPING, LONGEST_FILE));
    let Some(bytes) = bytes.map_err(read)? else { return Ok(None) };
    String::from_utf8(bytes).map(Some).map_err(|_| corrupt("not UTF-8 text"))
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    };

    use super::*;

    const ID: &str = "4c01db0b339c4c01db0b339c4c01db0b339c4c01db0b339c4c01db0b339c4c01";

    /// A computation in `sub/a[1]` of a pretended repository.
    fn computation() -> (tempfile::TempDir, Computation) {
        let top = tempfile::tempdir().unwrap();
        let directory = top.path().join("sub/a[1]");
        fs::create_dir_all(&directory).unwrap();
        fs::create_dir(top.path().join(".git")).unwrap();
        let computation = Computation {
            directory,
            name: "a[1]".into(),
            commit: "1234567890123456789012345678901234567890".into(),
            changes: crate::computation::Changes::default(),
            dirty: None,
            repository: top.path().into(),
            git_directory: Some(top.path().join(".git")),
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
        symlink(&other, computation.mapping()).unwrap();
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
        let (top, computation) = computation();
        let list = top.path().join(".git/info/exclude");
        exclude(&computation).unwrap();
        exclude(&computation).unwrap();
        assert_eq!(fs::read_to_string(&list).unwrap(), "/sub/a\\[1]/docker-container\n");
        fs::write(&list, b"# mine \xff\n*.o").unwrap();
        exclude(&computation).unwrap();
        assert_eq!(fs::read(&list).unwrap(), b"# mine \xff\n*.o\n/sub/a\\[1]/docker-container\n");
    }

    #[test]
    fn nothing_is_written_outside_of_the_repository() {
        let elsewhere = tempfile::tempdir().unwrap();
        let victim = elsewhere.path().join("exclude");
        let complaint = |trick: &dyn Fn(&Path)| {
            fs::write(&victim, "theirs\n").unwrap();
            let (top, computation) = computation();
            trick(&top.path().join(".git"));
            let error = exclude(&computation).unwrap_err();
            assert_eq!(fs::read_to_string(&victim).unwrap(), "theirs\n");
            assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 1);
            std::error::Error::source(&error).unwrap().to_string()
        };
        let info = complaint(&|git| symlink(elsewhere.path(), git.join("info")).unwrap());
        assert_eq!(info, "Not a directory (os error 20)");
        let list = complaint(&|git| {
            fs::create_dir(git.join("info")).unwrap();
            symlink(&victim, git.join("info/exclude")).unwrap();
        });
        assert_eq!(list, "Too many levels of symbolic links (os error 40)");
        let git = complaint(&|git| {
            fs::remove_dir(git).unwrap();
            symlink(elsewhere.path(), git).unwrap();
        });
        assert_eq!(git, "Not a directory (os error 20)");
        let (_top, computation) = computation();
        let foreign = exclude(&Computation { git_directory: None, ..computation }).unwrap_err();
        assert_eq!(
            std::error::Error::source(&foreign).unwrap().to_string(),
            "the Git directory belongs to another working tree"
        );
    }

    #[test]
    fn a_name_that_would_be_another_line_is_refused() {
        let (top, computation) = computation();
        for name in ["a\n*", "a\r", "\u{1b}[2J", "\u{7f}"] {
            let directory = top.path().join("sub").join(name);
            let error = exclude(&Computation { directory, ..computation.clone() }).unwrap_err();
            assert!(error.to_string().starts_with("cannot make Git ignore `"), "{error}");
            assert!(!top.path().join(".git/info").exists());
        }
    }
}
