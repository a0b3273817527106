//! Why a directory is not a computation that can run, and what to do about it.

use std::{io, path::PathBuf};

use thiserror::Error;

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
