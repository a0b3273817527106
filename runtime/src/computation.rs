//! A computation on this machine: its directory, its name, and the exact version it is at, read from Git.
//!
//! Repositories are read as somebody else's, whoever owns them: nothing their configuration names is run (filters,
//! file system monitors, hooks), and the configuration of the user and of the machine has no say. So every caller sees
//! the same version, root and owner alike.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use gix::bstr::{BStr, BString, ByteSlice};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::mapping;

/// A computation, as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Computation {
    /// Its absolute directory, without symbolic links.
    pub directory: PathBuf,
    /// That directory's own name.
    pub name: String,
    /// The id of the commit that is checked out, in full.
    pub commit: String,
    /// When files of the computation are not as that commit has them: a hash of what they are instead. `None` means
    /// clean. Files that Git ignores, and the mapping, do not count.
    pub dirty: Option<String>,
    /// The top of the working tree.
    pub repository: PathBuf,
    /// The repository's own list of ignored files.
    pub exclude: PathBuf,
}

/// Why a directory is not a computation that can run.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ComputationError {
    /// There is no such directory.
    #[error("no directory `{}`", directory.display())]
    NoDirectory {
        /// As it was named.
        directory: PathBuf,
    },
    /// There is something, but no directory.
    #[error("`{}` is not a directory", directory.display())]
    NotADirectory {
        /// As it was named.
        directory: PathBuf,
    },
    /// It is in no repository.
    #[error("`{}` is not in a Git repository", directory.display())]
    NotInRepository {
        /// The computation's directory.
        directory: PathBuf,
    },
    /// Its repository has no working tree, or it is not in that.
    #[error("`{}` is not in the working tree of its Git repository", directory.display())]
    NoWorkingTree {
        /// The computation's directory.
        directory: PathBuf,
    },
    /// Nothing has been committed.
    #[error("the Git repository of `{}` has no commit yet", directory.display())]
    NoCommit {
        /// The computation's directory.
        directory: PathBuf,
    },
    /// The repository cannot be read.
    #[error("cannot read the Git repository of `{}`", directory.display())]
    Git {
        /// The computation's directory.
        directory: PathBuf,
        /// What went wrong.
        source: Box<gix::Error>,
    },
    /// A file cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// It has no `exec`.
    #[error("the computation has no file `{}`", path.display())]
    NoExec {
        /// Where it should be.
        path: PathBuf,
    },
    /// Its `exec` is something else.
    #[error("`{}` is not a file", path.display())]
    ExecNotAFile {
        /// What is there.
        path: PathBuf,
    },
    /// Its `exec` cannot be run.
    #[error("`{}` is not executable", path.display())]
    ExecNotExecutable {
        /// Where it is.
        path: PathBuf,
    },
}

impl ComputationError {
    /// What the reader can do about it, if we know.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        Some(match self {
            Self::NoDirectory { .. } | Self::NotADirectory { .. } => {
                "run in a computation's directory, or name it with `-C`".into()
            }
            Self::NotInRepository { directory } => {
                format!("results are filed under a commit: run `git init {}` and commit", directory.display())
            }
            Self::NoWorkingTree { .. } => "use a clone that has a working tree".into(),
            Self::NoCommit { .. } => "results are filed under a commit: run `git add` and `git commit`".into(),
            Self::NoExec { .. } => "create it: a program that is called with the names of inputs and outputs".into(),
            Self::ExecNotAFile { .. } => "it must be a program, called with the names of inputs and outputs".into(),
            Self::ExecNotExecutable { path } => format!("run `chmod +x {}`", path.display()),
            Self::Git { .. } | Self::Read { .. } => return None,
        })
    }
}

impl Computation {
    /// The computation in `directory`, with the state of its files at this moment.
    ///
    /// # Errors
    /// When there is no such directory, or it is in no Git repository with a working tree and a commit, or a file of
    /// either cannot be read.
    pub fn open(directory: &Path) -> Result<Self, ComputationError> {
        let named = || directory.to_owned();
        let real = directory.canonicalize().map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => ComputationError::NoDirectory { directory: named() },
            io::ErrorKind::NotADirectory => ComputationError::NotADirectory { directory: named() },
            _ => ComputationError::Read { path: named(), source },
        })?;
        if !real.is_dir() {
            return Err(ComputationError::NotADirectory { directory: named() });
        }
        let checkout = Checkout::discover(&real)?;
        Ok(Self {
            name: real.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            commit: checkout.commit.to_string(),
            dirty: checkout.dirty()?,
            exclude: real_path(checkout.repository.common_dir()).join("info/exclude"),
            repository: checkout.top,
            directory: real,
        })
    }

    /// What a container of this version is filed under: the commit, and after a `+` the hash of what differs from it.
    #[must_use]
    pub fn key(&self) -> String {
        match &self.dirty {
            None => self.commit.clone(),
            Some(dirty) => format!("{}+{dirty}", self.commit),
        }
    }

    /// The docker description.
    #[must_use]
    pub fn docker_conf(&self) -> PathBuf {
        self.directory.join("docker.conf")
    }

    /// The setup script.
    #[must_use]
    pub fn setup_script(&self) -> PathBuf {
        self.directory.join("docker-setup.sh")
    }

    /// The program that a call runs.
    #[must_use]
    pub fn exec(&self) -> PathBuf {
        self.directory.join("exec")
    }

    /// The mapping from versions to containers.
    #[must_use]
    pub fn mapping(&self) -> PathBuf {
        self.directory.join(mapping::FILE_NAME)
    }

    /// Finds out before anything is set up whether `exec` is there and can be run.
    ///
    /// # Errors
    /// [`ComputationError::NoExec`], [`ComputationError::ExecNotAFile`], [`ComputationError::ExecNotExecutable`].
    pub fn check_exec(&self) -> Result<(), ComputationError> {
        let path = self.exec();
        match fs::metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(ComputationError::NoExec { path }),
            Err(source) => Err(ComputationError::Read { path, source }),
            Ok(metadata) if !metadata.is_file() => Err(ComputationError::ExecNotAFile { path }),
            Ok(metadata) if metadata.permissions().mode() & 0o111 != 0 => Ok(()),
            Ok(_) => Err(ComputationError::ExecNotExecutable { path }),
        }
    }
}

/// A directory in a checked-out repository.
struct Checkout {
    /// The directory in question, absolute and without symbolic links.
    directory: PathBuf,
    repository: gix::Repository,
    /// The top of the working tree, likewise.
    top: PathBuf,
    commit: gix::ObjectId,
}

impl Checkout {
    fn discover(directory: &Path) -> Result<Self, ComputationError> {
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
    fn dirty(&self) -> Result<Option<String>, ComputationError> {
        let mut paths = self.changed_files().map_err(|source| self.git_error(source))?;
        paths.extend(self.changed_submodules()?);
        let ours = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().as_bytes();
            path.parent() == Some(&self.directory) && mapping::is_ours(name)
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
fn real_path(path: &Path) -> PathBuf {
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

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
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

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// Runs `script` in a new directory with a Git that knows nothing of this machine, and gives the directory.
    fn repository(script: &str) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        sh(directory.path(), "git init -q -b main .");
        sh(directory.path(), script);
        directory
    }

    fn sh(directory: &Path, script: &str) -> String {
        let author = ["GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"]
            .map(|name| (name, "x"));
        let output = Command::new("sh")
            .args(["-ec", script])
            .current_dir(directory)
            .envs(author)
            .envs([("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_SYSTEM", "/dev/null")])
            .env("GIT_ALLOW_PROTOCOL", "file")
            .output()
            .unwrap();
        assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    const ONE_COMMIT: &str = "mkdir align other; echo a >align/exec; echo b >other/file; git add .; git commit -qm one";

    fn dirty(directory: &Path) -> Option<String> {
        Computation::open(directory).unwrap().dirty
    }

    #[test]
    fn a_clean_computation_is_filed_under_its_commit() {
        let repository = repository(ONE_COMMIT);
        let top = repository.path().canonicalize().unwrap();
        let computation = Computation::open(&repository.path().join("align")).unwrap();
        let expected = Computation {
            directory: top.join("align"),
            name: "align".into(),
            commit: sh(&top, "git rev-parse HEAD"),
            dirty: None,
            exclude: top.join(".git/info/exclude"),
            repository: top,
        };
        assert_eq!(computation, expected);
        assert_eq!(computation.key(), computation.commit);
    }

    #[test]
    fn what_makes_a_computation_dirty_and_what_does_not() {
        let cases = [
            ("true", false),
            ("touch -d yesterday align/exec", false),
            ("echo c >other/file; echo d >other/new", false),
            ("echo x >align/docker-container; echo x >align/docker-container.x1", false),
            ("echo ignored >.git/info/exclude; echo x >align/ignored", false),
            ("echo b >align/exec", true),
            ("chmod +x align/exec", true),
            ("rm align/exec", true),
            ("ln -sf /etc/passwd align/exec", true),
            ("echo b >align/exec; git add align/exec", true),
            ("mkdir align/deep; echo new >align/deep/new", true),
            ("echo new >align/new; git add -N align/new", true),
        ];
        for (change, expected) in cases {
            let repository = repository(&format!("{ONE_COMMIT}; {change}"));
            assert_eq!(dirty(&repository.path().join("align")).is_some(), expected, "{change}");
        }
    }

    #[test]
    fn the_hash_depends_on_content_alone() {
        let hash = |change: &str| {
            let repository = repository(&format!("{ONE_COMMIT}; {change}"));
            dirty(&repository.path().join("align")).unwrap()
        };
        let edited = hash("echo b >align/exec");
        assert_eq!(edited, hash("echo b >align/exec; touch -d yesterday align/exec"));
        assert_eq!(edited, hash("echo b >align/exec; git add align/exec; echo c >other/file"));
        assert_ne!(edited, hash("echo c >align/exec"));
        assert_ne!(edited, hash("echo b >align/exec; chmod +x align/exec"));
        assert_ne!(hash("echo b >align/b"), hash("echo b >align/c"));
        assert_eq!(edited, "1f21ad3aac578a64feb82a319a7896260416474521dfbb94f929d68ab1bc2b38");
    }

    /// The changed file is as long as before, so that it has to be read, through a filter if there were one.
    #[test]
    fn nothing_of_the_repositorys_configuration_is_run() {
        let evil = "git config core.fsmonitor \"touch $PWD/ran; false\"; git config filter.x.clean \"touch $PWD/ran; cat\"; \
                    git config filter.x.process \"touch $PWD/ran\"; git config core.hooksPath $PWD/hooks; \
                    echo '* filter=x' >align/.gitattributes; echo b >align/exec";
        let repository = repository(&format!("{ONE_COMMIT}; {evil}"));
        assert!(dirty(&repository.path().join("align")).is_some());
        assert!(!repository.path().join("ran").exists());
    }

    #[test]
    fn a_repository_of_another_owner_is_read_all_the_same() {
        let repository = repository(ONE_COMMIT);
        if rustix::process::geteuid().is_root() {
            sh(repository.path(), "chown -R 12345:12345 .");
        }
        assert_eq!(dirty(&repository.path().join("align")), None);
    }

    #[test]
    fn a_submodule_is_a_repository_of_its_own() {
        let inner = repository("echo a >exec; git add .; git commit -qm inner");
        let script = format!(
            "git -c protocol.file.allow=always submodule --quiet add {} sub; git commit -qm outer",
            inner.path().display()
        );
        let outer = repository(&script);
        let sub = outer.path().join("sub");
        let computation = Computation::open(&sub).unwrap();
        assert_eq!(computation.commit, sh(inner.path(), "git rev-parse HEAD"));
        assert_eq!(computation.exclude, outer.path().canonicalize().unwrap().join(".git/modules/sub/info/exclude"));
        assert_eq!((computation.dirty, dirty(outer.path())), (None, None));

        sh(
            &sub,
            "git config filter.x.clean \"touch $PWD/../ran; cat\"; echo '* filter=x' >.gitattributes; echo b >exec",
        );
        assert!(dirty(&sub).is_some());
        let edited = dirty(outer.path()).unwrap();
        assert!(!outer.path().join("ran").exists());
        // Git itself, asked to add a file, does run the filter.
        sh(&sub, "git add .; git commit -qm edited");
        assert!(outer.path().join("ran").exists());
        assert_eq!(dirty(&sub), None);
        sh(outer.path(), "rm ran");
        assert_ne!(dirty(outer.path()).unwrap(), edited);
    }

    #[test]
    fn a_linked_worktree_has_the_exclude_file_of_its_repository() {
        let repository = repository(ONE_COMMIT);
        sh(repository.path(), "git worktree add -q --detach ../$(basename $PWD)-linked");
        let linked =
            repository.path().with_file_name(format!("{}-linked", repository.path().file_name().unwrap().display()));
        let computation = Computation::open(&linked.join("align"));
        sh(repository.path(), "git worktree remove --force ../$(basename $PWD)-linked");
        let computation = computation.unwrap();
        assert_eq!(computation.dirty, None);
        assert_eq!(computation.exclude, repository.path().canonicalize().unwrap().join(".git/info/exclude"));
    }

    #[test]
    fn a_repository_inside_that_is_not_a_submodule_counts_by_its_commit_and_its_files() {
        let outer = repository(&format!("{ONE_COMMIT}; git init -q align/inner; echo a >align/inner/file"));
        let unborn = dirty(&outer.path().join("align")).unwrap();
        sh(&outer.path().join("align/inner"), "git add .; git commit -qm one");
        let clean = dirty(&outer.path().join("align")).unwrap();
        sh(&outer.path().join("align/inner"), "echo b >file");
        let edited = dirty(&outer.path().join("align")).unwrap();
        assert_eq!(BTreeSet::from([unborn, clean, edited]).len(), 3);
    }

    #[test]
    fn what_is_no_computation_is_told_apart() {
        let empty = tempfile::tempdir().unwrap();
        let open = |path: &Path| Computation::open(path).unwrap_err();
        assert!(matches!(open(empty.path()), ComputationError::NotInRepository { .. }));
        assert!(matches!(open(&empty.path().join("none")), ComputationError::NoDirectory { .. }));
        sh(empty.path(), "echo x >file; git init -q --bare bare.git; git init -q unborn");
        assert!(matches!(open(&empty.path().join("file")), ComputationError::NotADirectory { .. }));
        assert!(matches!(open(&empty.path().join("bare.git")), ComputationError::NoWorkingTree { .. }));
        assert!(matches!(open(&empty.path().join("unborn")), ComputationError::NoCommit { .. }));
        assert!(matches!(open(&empty.path().join("unborn/.git")), ComputationError::NoWorkingTree { .. }));
    }

    #[test]
    fn exec_must_be_there_and_executable() {
        let repository = repository(ONE_COMMIT);
        let align = Computation::open(&repository.path().join("align")).unwrap();
        let error = align.check_exec().unwrap_err();
        assert!(error.to_string().ends_with("align/exec` is not executable"), "{error}");
        assert!(error.help().unwrap().starts_with("run `chmod +x "), "{error:?}");
        sh(repository.path(), "chmod +x align/exec");
        align.check_exec().unwrap();
        let other = Computation::open(&repository.path().join("other")).unwrap();
        assert!(matches!(other.check_exec(), Err(ComputationError::NoExec { .. })));
    }
}
