//! What of this machine is seen inside a container, and where.
//!
//! The fixed places inside are the same for every computation, so that no path of this machine gets into a container's
//! state. The same directories are also seen at their own paths, so that links and names that lead there do so inside.

use std::{
    ffi::{OsStr, OsString},
    io,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Component, Path, PathBuf},
};

use thiserror::Error;

use super::groups;
use crate::{computation::layout::OUR_PLACES, engine::containers::BindMount};

/// Where the computation's directory is inside, for reading only; the value of `COMPDIR` there.
pub const COMPUTATION: &str = "/compeval/computation";
/// Where the global file storage is inside; the value of `GFSDIR` there.
pub const GLOBAL_FILE_STORAGE: &str = "/compeval/gfs";

/// Where a volume of the container's own is inside, for what calls write while they run: in no snapshot, and on no layer
/// over the image, where making a directory takes longer.
pub const SCRATCH: &str = "/compeval/scratch";

/// Directories that every image may have: what is mounted there would hide them.
const OF_SYSTEM: &[&str] = &[
    "bin boot dev etc home lib lib32 lib64 libx32 media mnt opt proc root run sbin srv sys tmp usr var",
    "usr/bin usr/games usr/include usr/lib usr/lib32 usr/lib64 usr/libexec usr/local usr/sbin usr/share usr/src",
    "usr/local/bin usr/local/etc usr/local/games usr/local/include usr/local/lib usr/local/sbin usr/local/share",
    "var/backups var/cache var/lib var/local var/lock var/log var/mail var/opt var/run var/spool var/tmp",
];
/// Trees of the kernel's.
const OF_KERNEL: [&str; 3] = ["/proc", "/sys", "/dev"];

/// The bind mounts of a computation's container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mounts {
    computation: Seen,
    gfs: Seen,
    /// Where the caller is, named as he came there.
    current: PathBuf,
    /// The caller's further groups that something of the storage belongs to.
    groups: Vec<u32>,
}

/// A directory of this machine that is seen inside.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    /// Absolute, without symbolic links.
    real: PathBuf,
    /// Absolute, as it is named by the caller.
    given: PathBuf,
    /// The fixed place.
    inside: &'static str,
    read_only: bool,
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
    /// It would be all of this machine.
    #[error("the global file storage cannot be `/`")]
    WholeMachine,
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
            Self::WholeMachine => {
                "commands write to it as root: name a directory for data with `$GFSDIR` or `--gfs`".into()
            }
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
        let (computation, gfs) = ((computation, real_directory(computation)?), (gfs, real_directory(gfs)?));
        if gfs.1 == Path::new("/") {
            return Err(MountError::WholeMachine);
        }
        let current = current_directory();
        let place = |(given, real): (&Path, PathBuf), inside, read_only| {
            // He may have come here by a link.
            let come_by = current.ancestors().find(|path| path.canonicalize().is_ok_and(|path| path == real));
            let given = if given == real { come_by.unwrap_or(given) } else { given };
            let given = Some(lexical(&current.join(given))).filter(|given| leads_to(given, &real));
            Seen { given: given.unwrap_or_else(|| real.clone()), real, inside, read_only }
        };
        let (computation, gfs) = (place(computation, COMPUTATION, true), place(gfs, GLOBAL_FILE_STORAGE, false));
        let groups = groups::of_caller_in(&gfs.real);
        Ok(Self { computation, gfs, current, groups })
    }

    /// The caller's further groups that the storage or a directory directly in it belongs to, in ascending order: without
    /// them, he could not write there from inside.
    #[must_use]
    pub fn groups(&self) -> &[u32] {
        &self.groups
    }

    /// The same for a caller in another directory, absolute.
    #[must_use]
    pub fn with_current(self, current: PathBuf) -> Self {
        Self { current, ..self }
    }

    /// The host's directory of the global file storage, absolute and without symbolic links.
    #[must_use]
    pub fn storage(&self) -> &Path {
        &self.gfs.real
    }

    /// Where the caller is: absolute, named as he came there.
    #[must_use]
    pub fn current(&self) -> &Path {
        &self.current
    }

    /// What the daemon is to mount at the fixed places.
    #[must_use]
    pub fn bind_mounts(&self) -> Vec<BindMount> {
        self.places().map(|place| place.mount(place.inside.into())).into()
    }

    /// What it is to mount besides, so that the same directories are seen at their own paths, and those of them that are not
    /// text, or would hide something: a directory that an image has, or one of the `others`, or lie in one of those.
    #[must_use]
    pub fn at_own_paths(&self, others: &[&str]) -> (Vec<BindMount>, Vec<PathBuf>) {
        let (mut mounts, mut left_out) = (Vec::<BindMount>::new(), Vec::new());
        for place in self.places() {
            for path in [&place.real, &place.given] {
                let target = path.to_str().unwrap_or_default();
                let is_there = mounts.iter().any(|mount| mount.target == target) || left_out.contains(path);
                let hides = target.is_empty()
                    || is_of_system(path)
                    || others.iter().any(|other| Path::new(other).starts_with(path) || path.starts_with(other));
                match (is_there, hides) {
                    (true, _) => {}
                    (false, true) => left_out.push(path.clone()),
                    (false, false) => mounts.push(place.mount(target.to_owned())),
                }
            }
        }
        (mounts, left_out)
    }

    /// The variables that say inside where the mounts are.
    #[must_use]
    pub fn env(&self) -> Vec<(String, String)> {
        vec![("COMPDIR".into(), COMPUTATION.into()), ("GFSDIR".into(), GLOBAL_FILE_STORAGE.into())]
    }

    /// The fixed name of a path of this machine that lies below a mounted directory: the rest is left as it is written,
    /// symbolic links stay. Of two such directories, the inner one counts. `None` for every other path, and for one that is
    /// not absolute.
    #[must_use]
    pub fn inside(&self, path: &OsStr) -> Option<OsString> {
        let named = |place: &Seen, root: &Path| {
            let rest = path.as_bytes().strip_prefix(root.as_os_str().as_bytes())?;
            let is_below = rest.is_empty() || rest.starts_with(b"/");
            (is_below && !leads_out(rest)).then(|| (rest.len(), [place.inside.as_bytes(), rest].concat()))
        };
        let names = self.places().into_iter().flat_map(|place| [named(place, &place.given), named(place, &place.real)]);
        names.flatten().min_by_key(|(rest, _)| *rest).map(|(_, name)| OsString::from_vec(name))
    }

    fn places(&self) -> [&Seen; 2] {
        [&self.computation, &self.gfs]
    }
}

impl Seen {
    fn mount(&self, target: String) -> BindMount {
        BindMount { source: self.real.clone(), target, read_only: self.read_only }
    }
}

/// The directory that this process is in, as `$PWD` names it where that is right.
fn current_directory() -> PathBuf {
    let real = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
    let named = std::env::var_os("PWD").map(PathBuf::from).filter(|path| path.is_absolute());
    named.filter(|path| path.canonicalize().is_ok_and(|path| path == real)).unwrap_or(real)
}

/// Whether a path leads to a real one: behind a symbolic link, `..` is not what stands before it.
fn leads_to(path: &Path, real: &Path) -> bool {
    path.canonicalize().is_ok_and(|path| path == real)
}

/// A path without `.`, `..` and doubled slashes, as it is written: links that `..` stands behind are not followed.
pub(crate) fn lexical(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => drop(plain.pop()),
            component => plain.push(component),
        }
    }
    plain
}

/// Whether the rest of a path leads out of the directory that it begins in.
fn leads_out(rest: &[u8]) -> bool {
    let mut depth = 0_i64;
    rest.split(|byte| *byte == b'/').any(|name| {
        depth += match name {
            b"" | b"." => 0,
            b".." => -1,
            _ => 1,
        };
        depth < 0
    })
}

fn is_of_system(path: &Path) -> bool {
    let names = OF_SYSTEM.iter().flat_map(|line| line.split(' '));
    path == Path::new("/")
        || names.map(|name| Path::new("/").join(name)).any(|directory| directory == path)
        || OF_KERNEL.iter().chain(&OUR_PLACES).any(|tree| path.starts_with(tree))
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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    /// A computation, a storage, and a link to it, all in one directory: `comp`, `gfs`, `link`.
    fn machine() -> (tempfile::TempDir, PathBuf) {
        let top = tempfile::tempdir().unwrap();
        for directory in ["comp/gfs", "gfs"] {
            fs::create_dir_all(top.path().join(directory)).unwrap();
        }
        fs::write(top.path().join("file"), "").unwrap();
        symlink(top.path().join("gfs"), top.path().join("link")).unwrap();
        let real = top.path().canonicalize().unwrap();
        (top, real)
    }

    #[test]
    fn names_below_a_mount_are_those_of_the_fixed_places() {
        let (_machine, top) = machine();
        let mounts = Mounts::new(&top.join("comp"), Some(&top.join("link"))).unwrap();
        let inside = |path: &str| mounts.inside(top.join(path).as_os_str()).map(|path| path.into_string().unwrap());
        for (path, expected) in [
            ("gfs", Some("/compeval/gfs")),
            ("gfs/", Some("/compeval/gfs/")),
            ("gfs//a/./b/.", Some("/compeval/gfs//a/./b/.")),
            ("link/a", Some("/compeval/gfs/a")),
            ("gfs/a/../b", Some("/compeval/gfs/a/../b")),
            ("gfs/../comp", None),
            ("gfs/a/../../x", None),
            ("comp/x", Some("/compeval/computation/x")),
            ("gfsx", None),
            ("other", None),
        ] {
            assert_eq!(inside(path).as_deref(), expected, "{path}");
        }
        assert_eq!(mounts.inside(OsStr::new("comp/x")), None);
    }

    #[test]
    fn of_two_mounts_one_in_the_other_the_inner_counts() {
        let (_machine, top) = machine();
        let mounts = Mounts::new(&top.join("comp"), Some(&top.join("comp/gfs"))).unwrap();
        let inside = |path: &str| mounts.inside(top.join(path).as_os_str()).unwrap();
        assert_eq!(inside("comp/gfs/x"), "/compeval/gfs/x");
        assert_eq!(inside("comp/gfsx"), "/compeval/computation/gfsx");
    }

    #[test]
    fn the_daemon_gets_real_paths_and_the_container_fixed_ones_and_their_own() {
        let (_machine, top) = machine();
        let mounts = Mounts::new(&top.join("comp"), Some(&top.join("link"))).unwrap();
        let mount = |source: &str, target: &str, read_only| BindMount {
            source: top.join(source),
            target: target.replace("TOP", top.to_str().unwrap()),
            read_only,
        };
        assert_eq!(
            mounts.bind_mounts(),
            [mount("comp", "/compeval/computation", true), mount("gfs", "/compeval/gfs", false)]
        );
        let own = [mount("comp", "TOP/comp", true), mount("gfs", "TOP/gfs", false), mount("gfs", "TOP/link", false)];
        assert_eq!(mounts.at_own_paths(&[]), (own.to_vec(), vec![]));
        let other = top.join("link/cache").display().to_string();
        assert_eq!(mounts.at_own_paths(&[&other]), (own[..2].to_vec(), vec![top.join("link")]));
    }

    #[test]
    fn nothing_of_an_image_is_hidden() {
        for (path, hides) in [
            ("/", true),
            ("/home", true),
            ("/usr/local", true),
            ("/var/lib", true),
            ("/proc/1", true),
            ("/compeval/gfs", true),
            ("/home/ann", false),
            ("/srv/gfs", false),
            ("/usr/local/gfs", false),
            ("/data", false),
        ] {
            assert_eq!(is_of_system(Path::new(path)), hides, "{path}");
        }
    }

    #[test]
    fn a_storage_that_is_not_there_is_an_error_before_anything_is_made() {
        let (_machine, top) = machine();
        let error = |gfs: Option<&Path>| Mounts::new(&top.join("comp"), gfs).unwrap_err();
        assert_eq!(error(None).to_string(), "`$GFSDIR` is not set");
        assert_eq!(
            error(Some(Path::new(""))).help().unwrap(),
            "set GFSDIR to the directory of the global file storage, or pass `--gfs DIR`"
        );
        assert!(matches!(error(Some(Path::new("/"))), MountError::WholeMachine));
        assert!(matches!(error(Some(&top.join("none"))), MountError::NoDirectory { .. }));
        assert!(matches!(error(Some(&top.join("file"))), MountError::NotADirectory { .. }));
        assert!(matches!(error(Some(&top.join("file/x"))), MountError::NotADirectory { .. }));
        assert!(!top.join("none").exists());
    }
}
