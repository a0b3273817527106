//! A directory in a Git repository: the commit that is checked out, and what differs from it.
//!
//! Repositories are read as somebody else's, whoever owns them: nothing their configuration names is run (filters,
//! file system monitors, hooks), and the configuration of the user and of the machine has no say. So every caller sees
//! the same version, root and owner alike.

use std::{
    collections::BTreeSet,
    fs, io,
    os::unix::{ffi::OsStrExt, fs::PermissionsExt},
    path::{Path, PathBuf},
};

use gix::bstr::{BStr, BString, ByteSlice};
use sha2::{Digest, Sha256};

use super::{error::ComputationError, layout};
use crate::text::hex;

/// A directory in a checked-out repository.
pub(super) struct Checkout {
    /// The directory in question, absolute and without symbolic links.
    pub(super) directory: PathBuf,
    pub(super) repository: gix::Repository,
    /// The top of the working tree, likewise.
    pub(super) top: PathBuf,
    pub(super) commit: gix::ObjectId,
}

impl Checkout {
    pub(super) fn discover(directory: &Path) -> Result<Self, ComputationError> {
        let named = || directory.to_owned();
        let git = |source: gix::Error| ComputationError::Git { directory: named(), source: Box::new(source) };
        let discovery = gix::discover::upwards::Options {
            trust: gix::discover::upwards::TrustPolicy::Assume(gix::sec::Trust::Reduced),
            ..Default::default()
        };
        let isolated = gix::open::Options::isolated;
        let trusts = gix::sec::trust::Mapping { full: isolated(), reduced: isolated() };
        let repository = gix::ThreadSafeRepository::discover_opts(directory, discovery, trusts)
            .map_err(|error| match error.is_not_found() {
                true => ComputationError::NotInRepository { directory: named() },
                false => git(error),
            })?
            .to_thread_local();
        let in_git_directory = directory.starts_with(real_path(repository.git_dir()));
        let top = repository.workdir().map(real_path).filter(|top| !in_git_directory && directory.starts_with(top));
        let top = top.ok_or_else(|| ComputationError::NoWorkingTree { directory: named() })?;
        let head = repository.head().map_err(git)?;
        if head.is_unborn() {
            return Err(ComputationError::NoCommit { directory: named() });
        }
        let commit = head.into_peeled_id().map_err(git)?.detach();
        Ok(Self { directory: directory.to_owned(), repository, top, commit })
    }

    /// A hash of the files below the directory that are not as the commit has them: their names, kinds and contents.
    pub(super) fn dirty(&self) -> Result<Option<String>, ComputationError> {
        let mut paths = self.changed_files().map_err(|source| self.git_error(source))?;
        paths.extend(self.changed_submodules()?);
        let ours = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().as_bytes();
            path.parent() == Some(&self.directory) && layout::is_mapping(name)
        };
        paths.retain(|path| path.starts_with(&self.directory) && !ours(path));
        if paths.is_empty() {
            return Ok(None);
        }
        let mut hash = Sha256::new();
        for path in paths {
            let name = path.strip_prefix(&self.directory).unwrap_or(&path).as_os_str().as_bytes();
            update(&mut hash, name);
            update(&mut hash, &content(&path)?);
        }
        Ok(Some(hex(&hash.finalize())))
    }

    fn git_error(&self, source: gix::Error) -> ComputationError {
        ComputationError::Git { directory: self.directory.clone(), source: Box::new(source) }
    }

    /// The absolute paths below the directory that differ from the commit, or that Git neither tracks nor ignores.
    fn changed_files(&self) -> Result<BTreeSet<PathBuf>, gix::Error> {
        // Git's own look into submodules would read them by their rules, not by ours.
        let ignore = gix::submodule::config::Ignore::All;
        let status = self
            .repository
            .status(gix::progress::Discard)?
            .untracked_files(gix::status::UntrackedFiles::Files)
            .index_worktree_submodules(gix::status::Submodule::Given { ignore, check_dirty: false });
        let below = self.directory.strip_prefix(&self.top).unwrap_or(Path::new(""));
        let pattern = (!below.as_os_str().is_empty()).then(|| {
            let mut pattern = BString::from(":(top,literal)");
            pattern.extend_from_slice(below.as_os_str().as_bytes());
            pattern
        });
        let mut paths = BTreeSet::new();
        for item in status.into_iter(pattern)? {
            let item = item?;
            let changed = match &item {
                gix::status::Item::IndexWorktree(item) => item.summary().is_some(),
                gix::status::Item::TreeIndex(_) => true,
            };
            if changed {
                paths.insert(self.absolute(item.location()));
            }
        }
        Ok(paths)
    }

    /// The absolute paths of submodules that are at another commit than this repository says, or dirty themselves.
    fn changed_submodules(&self) -> Result<Vec<PathBuf>, ComputationError> {
        let index = self.repository.index_or_empty().map_err(|source| self.git_error(source))?;
        let mut changed = Vec::new();
        for entry in index.entries().iter().filter(|entry| entry.mode == gix::index::entry::Mode::COMMIT) {
            let path = self.absolute(entry.path(&index));
            // One that is not checked out is an empty directory, and clean.
            if !path.starts_with(&self.directory) || !path.join(".git").exists() {
                continue;
            }
            let submodule = Self::discover(&path)?;
            if submodule.commit != entry.id || submodule.dirty()?.is_some() {
                changed.push(path);
            }
        }
        Ok(changed)
    }

    fn absolute(&self, path: &BStr) -> PathBuf {
        self.top.join(path.to_path_lossy())
    }
}

/// `path` without symbolic links and `..`, as far as it can be told.
pub(super) fn real_path(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

/// What is at `path`, in a few bytes that differ for whatever differs: kind, and a hash of the content.
fn content(path: &Path) -> Result<Vec<u8>, ComputationError> {
    let read = |source| ComputationError::Read { path: path.to_owned(), source };
    let metadata = match fs::symlink_metadata(path) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(b"gone".to_vec());
        }
        other => other.map_err(read)?,
    };
    let mut hash = Sha256::new();
    let kind: &[u8] = if metadata.is_symlink() {
        hash.update(fs::read_link(path).map_err(read)?.as_os_str().as_bytes());
        b"link"
    } else if metadata.is_file() {
        let mut file = fs::File::open(path).map_err(read)?;
        io::copy(&mut file, &mut Hashing(&mut hash)).map_err(read)?;
        if metadata.permissions().mode() & 0o100 == 0 { b"file" } else { b"program" }
    } else if metadata.is_dir() {
        directory_content(path, &mut hash)?;
        b"directory"
    } else {
        b"other"
    };
    Ok([kind, b" ", hash.finalize().as_slice()].concat())
}

/// A directory that Git takes as one thing: a repository of its own. One without a commit is all of its files.
fn directory_content(path: &Path, hash: &mut Sha256) -> Result<(), ComputationError> {
    if path.join(".git").exists() {
        match Checkout::discover(path) {
            Err(ComputationError::NoCommit { .. }) => {}
            checkout => {
                let checkout = checkout?;
                update(hash, checkout.commit.as_bytes());
                update(hash, checkout.dirty()?.unwrap_or_default().as_bytes());
                return Ok(());
            }
        }
    }
    let read = |source| ComputationError::Read { path: path.to_owned(), source };
    let entries = fs::read_dir(path).map_err(read)?.collect::<Result<Vec<_>, _>>().map_err(read)?;
    let names: BTreeSet<_> = entries.into_iter().map(|entry| entry.file_name()).filter(|name| name != ".git").collect();
    for name in names {
        update(hash, name.as_bytes());
        update(hash, &content(&path.join(name))?);
    }
    Ok(())
}

/// Hashes `part` so that two lists of parts never look alike.
fn update(hash: &mut Sha256, part: &[u8]) {
    hash.update((part.len() as u64).to_le_bytes());
    hash.update(part);
}

struct Hashing<'a>(&'a mut Sha256);

impl io::Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
