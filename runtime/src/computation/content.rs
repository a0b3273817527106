//! What is at a path, as one hash: of a file's content, or of everything below a directory. The one owner of that
//! question: what is uncommitted and what a stage depends on are told by the same answer.

use std::{
    collections::{BTreeSet, HashMap},
    fs::{self, Metadata},
    io,
    os::unix::{
        ffi::OsStrExt,
        fs::{MetadataExt, PermissionsExt},
    },
    path::Path,
    sync::{Mutex, PoisonError},
};

use sha2::{Digest, Sha256};

use super::layout;
use compeval_interpreter::text::hex;

use crate::file;

/// Hashes of content. A file is read once, as a stream, for as long as its size, times and inode stay.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    known: Mutex<HashMap<Version, [u8; 32]>>,
    /// Whether the version of a file stands for its content, which is not read then.
    by_version: bool,
}

/// What changes when a file does: device, inode, size, and the times of the last change of content and of inode.
type Version = (u64, u64, u64, (i64, i64), (i64, i64));

impl Contents {
    /// Hashes that change whenever a file may have: no file is read.
    pub(crate) fn by_version() -> Contents {
        Contents { by_version: true, ..Contents::default() }
    }

    /// The kind of what is at `path`, and a hash of it in hexadecimal digits; `None` when there is nothing. A symbolic
    /// link is its text. Of a directory, everything below counts with its name, but for Git's own files and the mapping.
    pub(crate) fn at(&self, path: &Path) -> io::Result<Option<String>> {
        let metadata = match fs::symlink_metadata(path) {
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(None);
            }
            metadata => metadata?,
        };
        let kind = metadata.file_type();
        let (kind, hash) = match () {
            () if kind.is_symlink() => ("link", Sha256::digest(fs::read_link(path)?.as_os_str().as_bytes()).into()),
            // Only whether the owner may run it is told in Git.
            () if kind.is_file() && metadata.permissions().mode() & 0o100 != 0 => ("program", self.file(path)?),
            () if kind.is_file() => ("file", self.file(path)?),
            () if kind.is_dir() => ("directory", self.directory(path)?),
            // Reading a pipe or a device would wait, or never end.
            () => ("other", [0; 32]),
        };
        Ok(Some(format!("{kind} {}", hex(&hash))))
    }

    fn file(&self, path: &Path) -> io::Result<[u8; 32]> {
        let mut file = file::open(path)?;
        let version = version(&file.metadata()?);
        if self.by_version {
            return Ok(Sha256::digest(format!("{version:?}")).into());
        }
        if let Some(known) = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&version) {
            return Ok(*known);
        }
        let mut hash = Hashing(Sha256::new());
        io::copy(&mut file, &mut hash)?;
        let hash = hash.0.finalize().into();
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(version, hash);
        Ok(hash)
    }

    fn directory(&self, path: &Path) -> io::Result<[u8; 32]> {
        let entries = fs::read_dir(path)?.map(|entry| Ok(entry?.file_name()));
        let mut hash = Sha256::new();
        // Sorted: a directory gives its entries in any order.
        for name in entries.collect::<io::Result<BTreeSet<_>>>()? {
            if name == ".git" || layout::is_mapping(name.as_bytes()) {
                continue;
            }
            add(&mut hash, name.as_bytes());
            add(&mut hash, self.at(&path.join(&name))?.unwrap_or_default().as_bytes());
        }
        Ok(hash.finalize().into())
    }
}

/// Hashes `part` so that two lists of parts never look alike.
pub(crate) fn add(hash: &mut Sha256, part: &[u8]) {
    hash.update((part.len() as u64).to_le_bytes());
    hash.update(part);
}

fn version(metadata: &Metadata) -> Version {
    let times = ((metadata.mtime(), metadata.mtime_nsec()), (metadata.ctime(), metadata.ctime_nsec()));
    (metadata.dev(), metadata.ino(), metadata.len(), times.0, times.1)
}

struct Hashing(Sha256);

impl io::Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{os::unix::fs::symlink, process::Command};

    use super::*;

    fn at(path: &Path) -> Option<String> {
        Contents::default().at(path).unwrap()
    }

    #[test]
    fn each_kind_of_thing_has_its_hash() {
        let top = tempfile::tempdir().unwrap();
        let path = |name: &str| top.path().join(name);
        fs::write(path("file"), "abc").unwrap();
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(at(&path("file")).unwrap(), format!("file {abc}"));
        fs::set_permissions(path("file"), fs::Permissions::from_mode(0o700)).unwrap();
        assert_eq!(at(&path("file")).unwrap(), format!("program {abc}"));
        symlink("abc", path("link")).unwrap();
        assert_eq!(at(&path("link")).unwrap(), format!("link {abc}"));
        assert_eq!((at(&path("none")), at(&path("file/x"))), (None, None));
        assert!(Command::new("mkfifo").arg(path("pipe")).status().unwrap().success());
        assert!(at(&path("pipe")).unwrap().starts_with("other 0000"));
    }

    #[test]
    fn everything_below_a_directory_counts_but_for_what_is_not_the_computations() {
        let top = tempfile::tempdir().unwrap();
        let mut known = BTreeSet::new();
        fs::create_dir_all(top.path().join("d/.git")).unwrap();
        known.insert(at(top.path()));
        for (name, text) in
            [("d/a", "1"), ("d/a", "2"), ("d/b", "2"), ("d/docker-containers.yml", ""), ("docker-container.yml", "")]
        {
            fs::write(top.path().join(name), text).unwrap();
            assert!(known.insert(at(top.path())), "{name}");
        }
        for name in ["d/.git/x", "docker-container", "docker-container.ce0123456789abcdef0123456789abcdef"] {
            fs::write(top.path().join(name), "").unwrap();
            assert!(known.contains(&at(top.path())), "{name}");
        }
    }

    #[test]
    fn a_change_that_keeps_size_and_time_is_seen_by_the_same_reader() {
        let top = tempfile::tempdir().unwrap();
        let (file, other) = (top.path().join("file"), top.path().join("other"));
        fs::write(&file, "one").unwrap();
        fs::write(&other, "two").unwrap();
        let contents = Contents::default();
        let before = contents.at(&file).unwrap();
        assert_eq!(contents.at(&file).unwrap(), before);
        let touched = |from: &Path, to: &Path| {
            assert!(Command::new("touch").arg("-r").arg(from).arg(to).status().unwrap().success());
        };
        touched(&file, &other);
        fs::rename(&other, &file).unwrap();
        assert_ne!(contents.at(&file).unwrap(), before);
    }

    /// In a process of its own, which nobody else's memory counts in. The kernel counts pages in batches: 4 MB are within its error.
    #[test]
    fn a_large_file_is_read_as_a_stream() {
        if std::env::var_os("CE_TEST_ALONE").is_some() {
            let top = tempfile::tempdir().unwrap();
            let path = top.path().join("sparse");
            fs::File::create(&path).unwrap().set_len(32 << 20).unwrap();
            let before = peak_memory();
            at(&path).unwrap();
            assert!(peak_memory() < before + 8192, "{before} kB before, then {}", peak_memory());
            return;
        }
        let name = "computation::content::tests::a_large_file_is_read_as_a_stream";
        let mut alone = Command::new(std::env::current_exe().unwrap());
        assert!(alone.args(["--exact", name]).env("CE_TEST_ALONE", "1").status().unwrap().success());
    }

    /// The most memory this process has had, in kB.
    fn peak_memory() -> u64 {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }
}
