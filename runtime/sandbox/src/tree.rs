//! What is done with trees of files that may belong to others: removed, copied, compared, counted. All of it runs in a child
//! that is root of their ids, with one directory as its root and nothing mounted there to be seen.

use std::{
    collections::{HashMap, HashSet},
    ffi::{CString, OsStr},
    fs::{self, File, Metadata},
    io::{self, Read},
    os::{
        fd::OwnedFd,
        unix::{
            ffi::OsStrExt,
            fs::{FileTypeExt, MetadataExt, OpenOptionsExt},
        },
    },
    path::{Path, PathBuf},
};

use rustix::{
    fs::{
        AtFlags, CWD, Dir, FileType, Gid, Mode, OFlags, SeekFrom, Timespec, Timestamps, Uid, XattrFlags, chownat,
        fstat, lgetxattr, llistxattr, lsetxattr, makedev, mknodat, openat, renameat, seek, symlinkat, unlinkat,
        utimensat,
    },
    io::Errno,
    mount::{OpenTreeFlags, open_tree},
};
use serde::{Deserialize, Serialize};

use crate::error::{Doing, Result, named, refused};

/// A path that differs from the image's.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TreeChange {
    /// The absolute path in the container.
    pub path: String,
    /// How it differs.
    pub kind: TreeChangeKind,
}

/// How a path differs from the image's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum TreeChangeKind {
    /// It is another file, or a directory in which something differs.
    Modified,
    /// It is new.
    Added,
    /// It is gone.
    Deleted,
}

/// Where something is mounted in every container: what is made for that is no change.
const PLACES: [&str; 6] = ["dev", "etc/hostname", "etc/hosts", "etc/resolv.conf", "proc", "sys"];

/// What overlays write about a file of theirs that says what it is; the rest says where it was.
const KEPT: [&[u8]; 4] =
    [b"trusted.overlay.opaque", b"trusted.overlay.redirect", b"user.overlay.opaque", b"user.overlay.redirect"];
const OVERLAYS: [&[u8]; 2] = [b"trusted.overlay.", b"user.overlay."];

/// Makes a directory the root of this process, without whatever is mounted in it: what is done from then on follows no link
/// and no mount out of it. This process has mounts of its own.
///
/// # Errors
/// The system's refusals; a mount in there that this user may not leave out.
pub(crate) fn enclose(directory: &Path) -> Result<()> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let tree = match open_tree(CWD, directory, flags) {
        Err(Errno::INVAL) => {
            let what = format!("something is mounted in `{}`: unmount it first", directory.display());
            return Err(refused(what));
        }
        tree => tree.doing(|| named("open", directory))?,
    };
    rustix::process::fchdir(&tree).doing(|| named("enter", directory))?;
    rustix::process::chroot(".").doing(|| named("enter", directory))
}

/// Removes all that is in the root directory. However deep it is, few directories are open at a time: those that are in
/// another are moved to the top first.
///
/// # Errors
/// The system's refusals; another file system in there.
pub(crate) fn empty() -> Result<()> {
    let root = directory(CWD, OsStr::new("/"))?;
    let device = fstat(&root).doing(|| "look at the directory".into())?.st_dev;
    let mut moved = 0u64;
    loop {
        let names = names(&root)?;
        if names.is_empty() {
            return Ok(());
        }
        for name in names {
            if is_unlinked(&root, &name)? {
                continue;
            }
            let inner = directory(&root, &name)?;
            if fstat(&inner).doing(|| named("look at", &name))?.st_dev != device {
                return Err(refused(format!("`{}` is on another file system", name.display())));
            }
            for child in self::names(&inner)? {
                if !is_unlinked(&inner, &child)? {
                    lift(&inner, &child, &root, &mut moved)?;
                }
            }
            unlinkat(&root, &name, AtFlags::REMOVEDIR).doing(|| named("remove", &name))?;
        }
    }
}

/// Moves a directory to the top, under a name that nothing has there.
fn lift(from: &OwnedFd, name: &OsStr, root: &OwnedFd, moved: &mut u64) -> Result<()> {
    loop {
        *moved += 1;
        match renameat(from, name, root, format!(".gone-{moved}")) {
            Ok(()) => return Ok(()),
            Err(Errno::EXIST | Errno::NOTEMPTY | Errno::NOTDIR) => {}
            refused => return refused.doing(|| named("remove", name)),
        }
    }
}

/// Removes what is no directory; `false` for one.
fn is_unlinked(directory: &OwnedFd, name: &OsStr) -> Result<bool> {
    match unlinkat(directory, name, AtFlags::empty()) {
        Ok(()) => Ok(true),
        Err(Errno::ISDIR | Errno::PERM) => Ok(false),
        refused => refused.map(|()| false).doing(|| named("remove", name)),
    }
}

fn directory(at: impl std::os::fd::AsFd, name: &OsStr) -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(at, name, flags, Mode::empty()).doing(|| named("open", name))
}

fn names(directory: &OwnedFd) -> Result<Vec<std::ffi::OsString>> {
    let entries = Dir::read_from(directory).doing(|| "list a directory".into())?;
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.doing(|| "list a directory".into())?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(OsStr::from_bytes(name).to_owned());
        }
    }
    Ok(names)
}

/// Goes through a tree, a directory before what is in it, the names of one in order.
fn walk(top: &Path, mut each: impl FnMut(&Path, &Metadata) -> Result<()>) -> Result<()> {
    let mut waiting = vec![top.to_owned()];
    while let Some(path) = waiting.pop() {
        let is_gone = |error: &io::Error| error.kind() == io::ErrorKind::NotFound && path != top;
        let found = match fs::symlink_metadata(&path) {
            Err(error) if is_gone(&error) => continue,
            found => found.doing(|| named("look at", &path))?,
        };
        each(&path, &found)?;
        if found.is_dir() {
            let entries = match fs::read_dir(&path).and_then(Iterator::collect::<io::Result<Vec<_>>>) {
                Err(error) if is_gone(&error) => continue,
                entries => entries.doing(|| named("list", &path))?,
            };
            let mut inner: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
            inner.sort_unstable_by(|one, other| other.cmp(one));
            waiting.append(&mut inner);
        }
    }
    Ok(())
}

/// Whether a file stands for one that is removed (overlayfs: whiteouts).
fn is_whiteout(found: &Metadata) -> bool {
    found.file_type().is_char_device() && found.rdev() == 0
}

/// How many bytes there are in the files of the tree `/`.
///
/// # Errors
/// The system's refusals.
pub(crate) fn size() -> Result<u64> {
    let (mut total, mut seen) = (0, HashSet::new());
    walk(Path::new("/"), |_, found| {
        if found.is_file() && (found.nlink() < 2 || seen.insert(found.ino())) {
            total += found.len();
        }
        Ok(())
    })?;
    Ok(total)
}

/// Where in the root directory the tree is that something is done with.
pub(crate) const FROM: &str = "from";
/// Where a tree is that it is compared with.
pub(crate) const LOWER: &str = "lower";
/// Where it is copied to.
pub(crate) const TO: &str = "to";

/// What the tree [`FROM`] says differs from [`LOWER`], which is there as its overlay has it, sorted by path.
///
/// # Errors
/// The system's refusals.
pub(crate) fn changes() -> Result<Vec<TreeChange>> {
    let (upper, lower) = (&Path::new("/").join(FROM), &Path::new("/").join(LOWER));
    let mut changes = Vec::new();
    walk(upper, |path, found| {
        let Some(inside) = path.strip_prefix(upper).ok().filter(|path| *path != Path::new("")) else { return Ok(()) };
        let before = fs::symlink_metadata(lower.join(inside)).ok();
        let absolute = |inside: &Path| Path::new("/").join(inside).to_string_lossy().into_owned();
        if before.is_none() && PLACES.iter().any(|place| inside == Path::new(place)) {
            return Ok(());
        }
        let kind = match (is_whiteout(found), &before) {
            (true, None) => return Ok(()),
            (true, Some(_)) => TreeChangeKind::Deleted,
            (false, None) => TreeChangeKind::Added,
            (false, Some(_)) => TreeChangeKind::Modified,
        };
        changes.push(TreeChange { path: absolute(inside), kind });
        if found.is_dir() && before.is_some_and(|before| before.is_dir()) && is_opaque(path) {
            for entry in fs::read_dir(lower.join(inside)).into_iter().flatten().flatten() {
                if !path.join(entry.file_name()).exists() {
                    changes.push(TreeChange {
                        path: absolute(&inside.join(entry.file_name())),
                        kind: TreeChangeKind::Deleted,
                    });
                }
            }
        }
        Ok(())
    })?;
    changes.sort();
    Ok(changes)
}

/// Whether nothing of the layers below is seen in a directory.
fn is_opaque(directory: &Path) -> bool {
    let mut value = [0u8; 1];
    ["trusted.overlay.opaque", "user.overlay.opaque"]
        .iter()
        .any(|name| lgetxattr(directory, *name, &mut value).is_ok_and(|length| length == 1) && value == *b"y")
}

/// Copies the tree [`FROM`] to [`TO`], which is not there yet, with owners, modes, times, links, holes and extended
/// attributes. What goes meanwhile is left out.
///
/// # Errors
/// The system's refusals.
pub(crate) fn copy() -> Result<()> {
    let (from, to) = (&Path::new("/").join(FROM), &Path::new("/").join(TO));
    let mut links: HashMap<u64, PathBuf> = HashMap::new();
    let mut directories = Vec::new();
    walk(from, |path, found| {
        let inside = path.strip_prefix(from).unwrap_or(Path::new(""));
        let target = if inside == Path::new("") { to.to_owned() } else { to.join(inside) };
        if let Some(first) = links.get(&found.ino()) {
            return fs::hard_link(first, &target).doing(|| named("link", &target));
        }
        match copy_one(path, found, &target) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && fs::symlink_metadata(path).is_err() => {
                return Ok(());
            }
            copied => copied.doing(|| named("copy", path))?,
        }
        if !found.is_dir() && found.nlink() > 1 {
            links.insert(found.ino(), target.clone());
        }
        if found.is_dir() {
            directories.push((target, found.clone()));
        }
        Ok(())
    })?;
    // What is made in a directory changes its time.
    directories.iter().try_for_each(|(path, found)| set_times(path, found).doing(|| named("copy", path)))
}

fn copy_one(path: &Path, found: &Metadata, target: &Path) -> io::Result<()> {
    let kind = FileType::from_raw_mode(found.mode());
    let mode = Mode::from_raw_mode(found.mode());
    match kind {
        FileType::Directory => fs::create_dir(target)?,
        FileType::RegularFile => copy_content(path, found.len(), target)?,
        FileType::Symlink => symlinkat(fs::read_link(path)?, CWD, target)?,
        other => {
            let device = makedev(rustix::fs::major(found.rdev()), rustix::fs::minor(found.rdev()));
            mknodat(CWD, target, other, mode, device)?;
        }
    }
    let (owner, group) = (Uid::from_raw(found.uid()), Gid::from_raw(found.gid()));
    match chownat(CWD, target, Some(owner), Some(group), AtFlags::SYMLINK_NOFOLLOW) {
        // Without further ids, all of it belongs to who we are.
        Ok(()) | Err(Errno::INVAL) => {}
        refused => refused?,
    }
    if kind != FileType::Symlink {
        rustix::fs::chmod(target, mode)?;
    }
    copy_attributes(path, target)?;
    set_times(target, found)
}

/// Copies what a file holds, and leaves its holes.
fn copy_content(path: &Path, length: u64, target: &Path) -> io::Result<()> {
    // It may have been replaced by something that opens in another way.
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let mut from = File::options().read(true).custom_flags(flags).open(path)?;
    if !from.metadata()?.is_file() {
        return Err(io::ErrorKind::NotFound.into());
    }
    let mut to = File::create_new(target)?;
    let mut at = 0;
    while let Ok(start) = seek(&from, SeekFrom::Data(at)) {
        let end = seek(&from, SeekFrom::Hole(start)).unwrap_or(length);
        seek(&from, SeekFrom::Start(start))?;
        seek(&to, SeekFrom::Start(start))?;
        io::copy(&mut (&mut from).take(end.saturating_sub(start)), &mut to)?;
        at = end.max(start + 1);
    }
    to.set_len(length)
}

fn set_times(path: &Path, found: &Metadata) -> io::Result<()> {
    let time = |seconds, nanoseconds| Timespec { tv_sec: seconds, tv_nsec: nanoseconds };
    let times = Timestamps {
        last_access: time(found.atime(), found.atime_nsec()),
        last_modification: time(found.mtime(), found.mtime_nsec()),
    };
    Ok(utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}

fn copy_attributes(path: &Path, target: &Path) -> io::Result<()> {
    let mut names = vec![0u8; llistxattr(path, &mut [0u8; 0]).unwrap_or(0)];
    if names.is_empty() {
        return Ok(());
    }
    let length = llistxattr(path, names.as_mut_slice())?;
    names.truncate(length);
    for name in names.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        if OVERLAYS.iter().any(|overlay| name.starts_with(overlay)) && !KEPT.contains(&name) {
            continue;
        }
        let name = CString::new(name)?;
        let mut value = vec![0u8; lgetxattr(path, name.as_c_str(), &mut [0u8; 0])?];
        let length = lgetxattr(path, name.as_c_str(), value.as_mut_slice())?;
        value.truncate(length);
        lsetxattr(target, name.as_c_str(), &value, XattrFlags::empty())?;
    }
    Ok(())
}
