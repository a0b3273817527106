//! What of this machine is seen inside a container, where, and how a call's arguments change accordingly.
//!
//! The places inside are the same for every computation, so that no path of this machine gets into a container's state.

use std::io;
use std::path::{Component, Path, PathBuf};

use thiserror::Error;

use crate::engine::containers::BindMount;

/// Where the computation's directory is inside, for reading only; the value of `COMPDIR` there.
pub const COMPUTATION: &str = "/compeval/computation";
/// Where the global file storage is inside; the value of `GFSDIR` there.
pub const GLOBAL_FILE_STORAGE: &str = "/compeval/gfs";

/// The bind mounts of a computation's container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mounts {
    /// Absolute, without symbolic links, like the next.
    computation: PathBuf,
    gfs: PathBuf,
    /// What relative arguments start from.
    current: PathBuf,
}

/// Why something of this machine cannot be seen inside.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MountError {
    /// Nobody said where the global file storage is.
    #[error("`$GFSDIR` is not set")]
    GfsNotSet,
    /// A directory to mount does not exist.
    #[error("no directory `{}`", path.display())]
    NoDirectory {
        /// As it was named.
        path: PathBuf,
    },
    /// There is something, but no directory.
    #[error("`{}` is not a directory", path.display())]
    NotADirectory {
        /// As it was named.
        path: PathBuf,
    },
    /// The daemon takes text only.
    #[error("the path `{}` is not UTF-8 text", path.display())]
    NotText {
        /// As far as it can be shown.
        path: PathBuf,
    },
    /// A path cannot be looked at.
    #[error("cannot look at `{}`", path.display())]
    Read {
        /// The path.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// An argument is a path of this machine that the command would not find.
    #[error("`{}` is a path of this machine that the container does not see", path.display())]
    NotMounted {
        /// The path, where it really leads.
        path: PathBuf,
        /// What the container sees.
        gfs: PathBuf,
        /// What it sees besides.
        computation: PathBuf,
    },
}

impl MountError {
    /// What the reader can do about it, if we know.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        Some(match self {
            Self::GfsNotSet => "set GFSDIR to the directory of the global file storage, or pass `--gfs DIR`".into(),
            Self::NoDirectory { path } => format!(
                "it is to be the global file storage: create it (`mkdir {}`), or correct `$GFSDIR` or `--gfs`",
                path.display()
            ),
            Self::NotADirectory { .. } => "it is to be the global file storage: correct `$GFSDIR` or `--gfs`".into(),
            Self::NotMounted { gfs, computation, .. } => format!(
                "it sees $GFSDIR (`{}`) and the computation's directory (`{}`): put the file there",
                gfs.display(),
                computation.display()
            ),
            Self::NotText { .. } | Self::Read { .. } => return None,
        })
    }
}

impl Mounts {
    /// The mounts for the computation in `computation` and the global file storage in `gfs` (`None` or empty: not set).
    ///
    /// # Errors
    /// [`MountError::GfsNotSet`]; for either path, that it does not exist, is no directory, or is no text.
    pub fn new(computation: &Path, gfs: Option<&Path>) -> Result<Self, MountError> {
        let gfs = gfs.filter(|path| !path.as_os_str().is_empty()).ok_or(MountError::GfsNotSet)?;
        let current = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
        Ok(Self { computation: real_directory(computation)?, gfs: real_directory(gfs)?, current })
    }

    /// The host's directory of the global file storage, absolute and without symbolic links.
    #[must_use]
    pub fn storage(&self) -> &Path {
        &self.gfs
    }

    /// What the daemon is to mount.
    #[must_use]
    pub fn bind_mounts(&self) -> Vec<BindMount> {
        let mount = |source: &Path, target: &str, read_only| BindMount {
            source: source.into(),
            target: target.into(),
            read_only,
        };
        vec![mount(&self.computation, COMPUTATION, true), mount(&self.gfs, GLOBAL_FILE_STORAGE, false)]
    }

    /// The variables that say inside where the mounts are.
    #[must_use]
    pub fn env(&self) -> Vec<(String, String)> {
        vec![("COMPDIR".into(), COMPUTATION.into()), ("GFSDIR".into(), GLOBAL_FILE_STORAGE.into())]
    }

    /// What a call's argument is inside. A path of this machine below a mounted directory, there or yet to be made,
    /// becomes its path in the container, symbolic links resolved. This goes for absolute paths, for the absolute value
    /// of `NAME=` and `--NAME=`, and for relative paths that have a `/` in them and exist (or begin with `./` or `../`).
    /// Everything else stays as it is: names, paths that are not of this machine, paths of the container, and `/dev`.
    ///
    /// # Errors
    /// [`MountError::NotMounted`] for another path that exists on this machine.
    pub fn translate(&self, argument: &str) -> Result<String, MountError> {
        let (option, value) = split_option(argument);
        let is_absolute = value.starts_with('/');
        if value == "/" || !is_absolute && (!option.is_empty() || !value.contains('/')) {
            return Ok(argument.to_owned());
        }
        let named = self.current.join(value);
        let (real, exists) = resolve(&named);
        // A list of paths is for the command to take apart: all of them stay as they are, not only the first.
        if !exists && is_list(value) {
            return Ok(argument.to_owned());
        }
        let is_meant = is_absolute || exists || value.starts_with("./") || value.starts_with("../");
        match self.inside(&real) {
            Some(inside) if is_meant => {
                let slash = if value.ends_with('/') { "/" } else { "" };
                Ok(format!("{option}{inside}{slash}"))
            }
            None if exists && !is_everywhere(&named) => {
                Err(MountError::NotMounted { path: real, gfs: self.gfs.clone(), computation: self.computation.clone() })
            }
            _ => Ok(argument.to_owned()),
        }
    }

    /// The path in the container of a path without symbolic links, if it lies below a mount; of two, the inner one.
    fn inside(&self, real: &Path) -> Option<String> {
        let places = [(&self.computation, COMPUTATION), (&self.gfs, GLOBAL_FILE_STORAGE)];
        let below = places.into_iter().filter_map(|(outside, inside)| Some((real.strip_prefix(outside).ok()?, inside)));
        let (rest, inside) = below.min_by_key(|(rest, _)| rest.as_os_str().len())?;
        let rest = rest.to_str()?;
        Some(if rest.is_empty() { inside.to_owned() } else { format!("{inside}/{rest}") })
    }
}

fn real_directory(path: &Path) -> Result<PathBuf, MountError> {
    let named = || path.to_owned();
    let real = path.canonicalize().map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => MountError::NoDirectory { path: named() },
        io::ErrorKind::NotADirectory => MountError::NotADirectory { path: named() },
        _ => MountError::Read { path: named(), source },
    })?;
    if !real.is_dir() {
        return Err(MountError::NotADirectory { path: named() });
    }
    if real.to_str().is_none() {
        return Err(MountError::NotText { path: real });
    }
    Ok(real)
}

/// An argument's `NAME=` or `--NAME=`, empty if there is none, and the rest.
fn split_option(argument: &str) -> (&str, &str) {
    let is_name = |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.');
    match argument.find('=') {
        Some(sign) if sign > 0 && argument.split_at(sign).0.chars().all(is_name) => argument.split_at(sign + 1),
        _ => ("", argument),
    }
}

/// Whether a value is more than one absolute path, with `:` or `,` between them.
fn is_list(value: &str) -> bool {
    value.split([':', ',']).filter(|path| path.starts_with('/')).count() > 1
}

/// Where an absolute path leads, and whether anything is there: symbolic links are resolved as far as it exists, the
/// rest is taken as written, `.` and `..` removed.
fn resolve(path: &Path) -> (PathBuf, bool) {
    for (depth, ancestor) in path.ancestors().enumerate() {
        if let Ok(mut real) = ancestor.canonicalize() {
            for component in path.strip_prefix(ancestor).unwrap_or(Path::new("")).components() {
                match component {
                    Component::Normal(name) => real.push(name),
                    Component::ParentDir => drop(real.pop()),
                    _ => {}
                }
            }
            return (real, depth == 0);
        }
    }
    (path.to_owned(), false)
}

/// Whether a path means the same in every container, or is one of a container already.
fn is_everywhere(path: &Path) -> bool {
    ["/dev", COMPUTATION, GLOBAL_FILE_STORAGE].iter().any(|place| path.starts_with(place))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    /// A computation, a storage, and other files, all in one directory: `comp`, `gfs`, `other`.
    struct Machine {
        top: tempfile::TempDir,
        mounts: Mounts,
    }

    impl Machine {
        fn new() -> Self {
            let top = tempfile::tempdir().unwrap();
            for directory in ["comp/data", "gfs/c_align", "other", "comp/gfs"] {
                fs::create_dir_all(top.path().join(directory)).unwrap();
            }
            for file in ["comp/data/x", "comp/README", "gfs/c_align/out", "other/file"] {
                fs::write(top.path().join(file), "").unwrap();
            }
            symlink(top.path().join("gfs"), top.path().join("link")).unwrap();
            symlink(top.path().join("other/file"), top.path().join("gfs/leads-out")).unwrap();
            symlink(top.path().join("gfs/c_align/out"), top.path().join("gfs/latest")).unwrap();
            let mut mounts = Mounts::new(&top.path().join("comp"), Some(&top.path().join("gfs"))).unwrap();
            mounts.current = top.path().join("comp");
            Self { top, mounts }
        }

        /// Translates with `TOP` standing for the directory of it all, in the answer too.
        fn translate(&self, argument: &str) -> String {
            let top = self.top.path().canonicalize().unwrap().display().to_string();
            match self.mounts.translate(&argument.replace("TOP", &top)) {
                Ok(translated) => translated.replace(&top, "TOP"),
                Err(error) => format!("error: {error}").replace(&top, "TOP"),
            }
        }
    }

    #[test]
    fn arguments_are_translated_where_they_are_paths_below_a_mount() {
        let machine = Machine::new();
        let cases = [
            ("TOP/gfs", "/compeval/gfs"),
            ("TOP/gfs/", "/compeval/gfs/"),
            ("TOP/gfs/c_align/out", "/compeval/gfs/c_align/out"),
            ("TOP/gfs/new/out", "/compeval/gfs/new/out"),
            ("TOP/gfs//c_align/./../new", "/compeval/gfs/new"),
            ("TOP/link/c_align/out", "/compeval/gfs/c_align/out"),
            ("TOP/gfs/latest", "/compeval/gfs/c_align/out"),
            ("TOP/comp/data/x", "/compeval/computation/data/x"),
            ("--input=TOP/gfs/c_align/out", "--input=/compeval/gfs/c_align/out"),
            ("if=TOP/gfs/new", "if=/compeval/gfs/new"),
            ("data/x", "/compeval/computation/data/x"),
            ("./README", "/compeval/computation/README"),
            ("./new", "/compeval/computation/new"),
            ("../gfs/new", "/compeval/gfs/new"),
        ];
        for (argument, expected) in cases {
            assert_eq!(machine.translate(argument), expected, "{argument}");
        }
    }

    #[test]
    fn everything_else_stays_as_it_is() {
        let machine = Machine::new();
        let same = [
            "",
            "-",
            "README",
            "data",
            "data/none",
            "TOP/none",
            "TOP/gfsx",
            "/no/such/path",
            "s/a/b/",
            "--x=data/x",
            "/",
            "4",
            "=TOP/gfs",
            "/dev/null",
            "/dev/stdin",
            "/compeval/gfs/x",
            "-c",
            "cat TOP/gfs/x",
            "TOP/gfs/a:TOP/gfs/b",
            "--path=TOP/gfs/a,TOP/comp/b",
            "http://example.org/x",
            "a b=TOP/gfs",
        ];
        for argument in same {
            assert_eq!(machine.translate(argument), argument);
        }
    }

    #[test]
    fn another_path_of_this_machine_is_refused() {
        let machine = Machine::new();
        let seen = "is a path of this machine that the container does not see";
        for argument in
            ["TOP/other/file", "TOP/gfs/leads-out", "../other/file", "--x=TOP/other/file", "TOP/gfs/../other/file"]
        {
            assert_eq!(machine.translate(argument), format!("error: `TOP/other/file` {seen}"), "{argument}");
        }
        assert_eq!(machine.translate("TOP/gfs/../other"), format!("error: `TOP/other` {seen}"));
        let error = machine.mounts.translate("/etc").unwrap_err();
        let top = machine.top.path().canonicalize().unwrap();
        let help = "it sees $GFSDIR (`TOP/gfs`) and the computation's directory (`TOP/comp`): put the file there";
        assert_eq!(error.help().unwrap(), help.replace("TOP", &top.display().to_string()));
    }

    #[test]
    fn of_two_mounts_one_in_the_other_the_inner_counts() {
        let machine = Machine::new();
        let top = machine.top.path();
        let mounts = Mounts::new(&top.join("comp"), Some(&top.join("comp/gfs"))).unwrap();
        let inside = |path: &str| mounts.translate(&top.join(path).display().to_string()).unwrap();
        assert_eq!(inside("comp/gfs/x"), "/compeval/gfs/x");
        assert_eq!(inside("comp/gfsx"), "/compeval/computation/gfsx");
    }

    #[test]
    fn the_daemon_gets_real_paths_and_the_container_fixed_ones() {
        let machine = Machine::new();
        let top = machine.top.path();
        let mounts = Mounts::new(&top.join("comp"), Some(&top.join("link"))).unwrap();
        let real = top.canonicalize().unwrap();
        let mount = |source: &str, target: &str, read_only| BindMount {
            source: real.join(source),
            target: target.into(),
            read_only,
        };
        assert_eq!(
            mounts.bind_mounts(),
            [mount("comp", "/compeval/computation", true), mount("gfs", "/compeval/gfs", false)]
        );
    }

    #[test]
    fn a_storage_that_is_not_there_is_an_error_before_anything_is_made() {
        let machine = Machine::new();
        let top = machine.top.path();
        let error = |gfs: Option<&Path>| Mounts::new(&top.join("comp"), gfs).unwrap_err();
        assert_eq!(error(None).to_string(), "`$GFSDIR` is not set");
        assert_eq!(
            error(Some(Path::new(""))).help().unwrap(),
            "set GFSDIR to the directory of the global file storage, or pass `--gfs DIR`"
        );
        assert!(matches!(error(Some(&top.join("none"))), MountError::NoDirectory { .. }));
        assert!(matches!(error(Some(&top.join("other/file"))), MountError::NotADirectory { .. }));
        assert!(matches!(error(Some(&top.join("other/file/x"))), MountError::NotADirectory { .. }));
        assert!(!top.join("none").exists());
    }
}
