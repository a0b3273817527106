//! A directory in a Git repository: the commit that is checked out, and what differs from it.
//!
//! Repositories are read as somebody else's, whoever owns them: nothing their configuration names is run (filters,
//! file system monitors, hooks), and the configuration of the user and of the machine has no say. So every caller sees
//! the same version, root and owner alike.

use std::{
    collections::{BTreeMap, BTreeSet},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use gix::bstr::{BStr, BString, ByteSlice};
use sha2::{Digest, Sha256};

use super::{
    content::{self, Contents},
    error::ComputationError,
    layout,
};
use compeval_interpreter::text::hex;

use crate::file;

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
        refuse_endless(directory)?;
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

    /// Whether a commit is the one that is checked out, or one that came before it. Where the history is not there, or
    /// cannot be read, it is not.
    pub(super) fn descends_from(&self, commit: &str) -> bool {
        let Ok(id) = gix::ObjectId::from_hex(commit.as_bytes()) else { return false };
        let walk = self.repository.rev_walk([self.commit]).all();
        walk.is_ok_and(|walk| walk.map_while(Result::ok).any(|found| found.id == id))
    }

    /// The files below the directory that are not as the commit has them: their names, kinds and contents.
    pub(super) fn changes(&self, contents: &Contents) -> Result<Changes, ComputationError> {
        let mut paths = self.changed_files().map_err(|source| self.git_error(source))?;
        paths.extend(self.changed_submodules(contents)?.into_iter().map(|path| (path, true)));
        let ours = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().as_bytes();
            path.parent() == Some(&self.directory) && layout::is_mapping(name)
        };
        paths.retain(|path, _| path.starts_with(&self.directory) && !ours(path));
        let mut changes = Changes::default();
        for (path, is_tracked) in paths {
            let what = what_is_at(&path, contents)?;
            let below = path.strip_prefix(&self.directory).unwrap_or(&path).to_owned();
            changes.0.insert(below, Changed { is_tracked, what });
        }
        Ok(changes)
    }

    /// The bytes of a file of the working tree as a version has it, named as `git rev-parse` knows it (`HEAD~2`, `main`, an
    /// id); `None` where it is not there.
    pub(super) fn text_at(&self, file: &Path, version: &str) -> Result<Option<Vec<u8>>, ComputationError> {
        let git = |source: gix::Error| self.git_error(source);
        let version = self.repository.rev_parse_single(version).map_err(git)?;
        let tree = version.object().map_err(git)?.peel_to_tree().map_err(git)?;
        let below = file.strip_prefix(&self.top).unwrap_or(file);
        let entry = tree.lookup_entry_by_path(below).map_err(git)?;
        let object = entry.map(|entry| entry.object()).transpose().map_err(git)?;
        Ok(object.map(|object| object.detach().data))
    }

    fn git_error(&self, source: gix::Error) -> ComputationError {
        ComputationError::Git { directory: self.directory.clone(), source: Box::new(source) }
    }

    /// The absolute paths below the directory that differ from the commit, or that Git neither tracks nor ignores, and whether
    /// Git tracks them.
    fn changed_files(&self) -> Result<BTreeMap<PathBuf, bool>, gix::Error> {
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
        let mut paths = BTreeMap::new();
        for item in status.into_iter(pattern)? {
            let item = item?;
            let changed = match &item {
                gix::status::Item::IndexWorktree(item) => item.summary().is_some(),
                gix::status::Item::TreeIndex(_) => true,
            };
            let is_untracked = matches!(
                &item,
                gix::status::Item::IndexWorktree(gix::status::index_worktree::Item::DirectoryContents { .. })
            );
            if changed {
                *paths.entry(self.absolute(item.location())).or_default() |= !is_untracked;
            }
        }
        Ok(paths)
    }

    /// The absolute paths of submodules that are at another commit than this repository says, or dirty themselves.
    fn changed_submodules(&self, contents: &Contents) -> Result<Vec<PathBuf>, ComputationError> {
        let index = self.repository.index_or_empty().map_err(|source| self.git_error(source))?;
        let mut changed = Vec::new();
        for entry in index.entries().iter().filter(|entry| entry.mode == gix::index::entry::Mode::COMMIT) {
            let path = self.absolute(entry.path(&index));
            // One that is not checked out is an empty directory, and clean.
            if !path.starts_with(&self.directory) || !path.join(".git").exists() {
                continue;
            }
            let submodule = Self::discover(&path)?;
            if submodule.commit != entry.id || !submodule.changes(contents)?.is_empty() {
                changed.push(path);
            }
        }
        Ok(changed)
    }

    fn absolute(&self, path: &BStr) -> PathBuf {
        self.top.join(path.to_path_lossy())
    }
}

/// What is not as a commit has it, by path below the computation's directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes(BTreeMap<PathBuf, Changed>);

/// A file that is not as the commit has it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Changed {
    is_tracked: bool,
    /// Its kind, and a hash of its content.
    what: String,
}

impl Changes {
    /// Whether all is as the commit has it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The paths, sorted.
    pub fn paths(&self) -> impl ExactSizeIterator<Item = &Path> {
        self.0.keys().map(PathBuf::as_path)
    }

    /// A hash of the paths, and of what is there; `None` when all is as the commit has it.
    pub fn hash(&self) -> Option<String> {
        let mut hash = Sha256::new();
        for (path, Changed { what, .. }) in &self.0 {
            content::add(&mut hash, path.as_os_str().as_bytes());
            content::add(&mut hash, what.as_bytes());
        }
        (!self.is_empty()).then(|| hex(&hash.finalize()))
    }

    /// The files that Git tracks which are something else in `now`.
    pub(super) fn moved(&self, now: &Changes) -> Vec<PathBuf> {
        let paths: BTreeSet<&PathBuf> = self.0.keys().chain(now.0.keys()).collect();
        let tracked =
            |changes: &Changes, path: &PathBuf| changes.0.get(path).filter(|changed| changed.is_tracked).cloned();
        paths.into_iter().filter(|path| tracked(self, path) != tracked(now, path)).cloned().collect()
    }
}

impl Checkout {
    /// The directory of the repository where its list of ignored files is (gitrepository-layout, `$GIT_COMMON_DIR`).
    /// `None` when it is no part of this working tree and does not name it either: then it is somebody else's, which a
    /// file or a link here only points at.
    pub(super) fn git_directory(&self) -> Option<PathBuf> {
        let (own, common) = (real_path(self.repository.git_dir()), real_path(self.repository.common_dir()));
        let is_here = || own.starts_with(&self.top) && common.starts_with(&self.top);
        (is_here() || self.is_linked(&own, &common) || self.is_submodule(&own, &common)).then_some(common)
    }

    /// Whether this is a working tree that its repository knows of (git-worktree).
    fn is_linked(&self, own: &Path, common: &Path) -> bool {
        let named = file::read(&own.join("gitdir"), LONGEST_PATH).unwrap_or_default();
        let named = named.trim_ascii_end().to_path_lossy();
        own.parent() == Some(&common.join("worktrees"))
            && own.join(named).parent().is_some_and(|named| real_path(named) == self.top)
    }

    /// Whether this is the working tree that its repository's configuration names (gitsubmodules).
    fn is_submodule(&self, own: &Path, common: &Path) -> bool {
        let configuration = self.repository.config_snapshot();
        let named = configuration.string("core.worktree");
        own == common && named.is_some_and(|named| real_path(&own.join(named.to_path_lossy())) == self.top)
    }
}

/// What Git reads from first to last wherever it finds it, relative to the Git directory.
const READ_WHOLE: &[&str] = &[
    "HEAD",
    "config",
    "commondir",
    "gitdir",
    "index",
    "packed-refs",
    "info/attributes",
    "info/exclude",
    "info/grafts",
];

/// Refuses a Git directory in which reading such a file would wait, or never end.
fn refuse_endless(directory: &Path) -> Result<(), ComputationError> {
    let Some(git) = directory.ancestors().map(|above| above.join(".git")).find(|git| git.exists()) else {
        return Ok(());
    };
    let mut places = vec![git.clone()];
    let mut pointed = |file: &Path, prefix: &[u8], base: &Path| {
        let text = file::read(file, LONGEST_PATH).unwrap_or_default();
        let path = text.strip_prefix(prefix).map(|path| base.join(path.trim_ascii().to_path_lossy()));
        places.extend(path.clone());
        path
    };
    let own = match git.is_dir() {
        true => Some(git.clone()),
        false => pointed(&git, b"gitdir:", git.parent().unwrap_or(directory)),
    };
    if let Some(own) = own {
        pointed(&own.join("commondir"), b"", &own);
    }
    for path in places.iter().flat_map(|place| READ_WHOLE.iter().map(|name| place.join(name))).chain([git]) {
        if let Ok(metadata) = path.metadata()
            && !metadata.is_dir()
            && let Err(source) = file::check(&metadata)
        {
            return Err(ComputationError::Read { path, source });
        }
    }
    Ok(())
}

/// How long a path can be that is read from a file, in bytes.
const LONGEST_PATH: u64 = 4097;

/// `path` without symbolic links and `..`, as far as it can be told.
pub(super) fn real_path(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

/// What is at a path that differs from the commit. A repository of its own counts by its commit, and what differs from
/// that; one without a commit, as any directory does.
fn what_is_at(path: &Path, contents: &Contents) -> Result<String, ComputationError> {
    if path.join(".git").exists() && path.is_dir() {
        match Checkout::discover(path) {
            Err(ComputationError::NoCommit { .. }) => {}
            checkout => {
                let checkout = checkout?;
                return Ok(format!("{} {}", checkout.commit, checkout.changes(contents)?.hash().unwrap_or_default()));
            }
        }
    }
    let content = contents.at(path).map_err(|source| ComputationError::Read { path: path.to_owned(), source })?;
    Ok(content.unwrap_or_else(|| "gone".to_owned()))
}
