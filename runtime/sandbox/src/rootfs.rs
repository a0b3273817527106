//! The file system that the processes of a container see.

use std::{
    ffi::CString,
    fs,
    io::Read,
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::fs::MetadataExt,
    },
    path::{Path, PathBuf},
};

use rustix::{
    fs::{
        AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, fstat, mkdirat, openat, openat2, statat, symlink, unlinkat,
    },
    io::Errno,
    mount::{
        MountFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags, mount, mount_change,
        move_mount, open_tree, unmount,
    },
};

use crate::{
    error::{Doing, Result, SandboxError, named, refused},
    ids::Ids,
    layout::{self, Home},
    record::{HostNetwork, StoredContainer},
    sys,
};

/// What shows too much of the machine; Docker hides the same.
const MASKED: [&str; 12] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
];
/// What would change the machine; Docker protects the same.
const READ_ONLY: [&str; 5] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];
const LINKS: [(&str, &str); 5] = [
    ("pts/ptmx", "/dev/ptmx"),
    ("/proc/self/fd", "/dev/fd"),
    ("/proc/self/fd/0", "/dev/stdin"),
    ("/proc/self/fd/1", "/dev/stdout"),
    ("/proc/self/fd/2", "/dev/stderr"),
];

/// How what is hidden is covered.
const EMPTY: MountFlags =
    MountFlags::RDONLY.union(MountFlags::NOSUID).union(MountFlags::NODEV).union(MountFlags::NOEXEC);

const SHM_SIZE: u64 = 64 << 20;
/// Whose the terminals are: the group `tty` of nearly every system.
const TTY: &str = ",gid=5";

const READ: u64 = libc::MOUNT_ATTR_RDONLY;
/// Nobody becomes another user by a file of the host's, nor has its devices.
const PLAIN: u64 = libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV;
const NOTHING_RUNS: u64 = libc::MOUNT_ATTR_NOEXEC;

/// What is tried where a kernel or its file system has no overlays for us.
pub(crate) const OVERLAY: &str = "mount an overlay";
/// What is tried where an outer container hides parts of /proc.
pub(crate) const FRESH_PROC: &str = "mount a fresh /proc";
/// What is tried where a kernel is older than 5.12.
pub(crate) const ATTRIBUTES: &str = "protect a mount";

/// Makes the container's file system the root of this process, whose mounts are its own.
///
/// # Errors
/// The system's refusals; a bind that is not there, or that is a part of the store.
pub(crate) fn enter(container: &StoredContainer, store: &Path, ids: &Ids) -> Result<()> {
    let home = Home::of(store, &container.name);
    // Nothing of ours is seen outside, nor inside what the host mounts later: it would come without our attributes.
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .doing(|| "keep mounts to ourselves".into())?;
    overlay(container, store, &home, ids)?;
    let outer = Outer::collect(container, store, &home)?;
    turn_to(&home.root(), container.setup.network)?;
    system(container, &outer, ids)?;
    for (target, tree) in &outer.files {
        place(tree, target)?;
    }
    for (target, tree, source) in &outer.binds {
        is_ours_to_make(Path::new(target))?;
        place(tree, target)?;
        hide(store, source, target)?;
    }
    mask()?;
    if !container.setup.working_dir.is_empty() {
        is_ours_to_make(Path::new(&container.setup.working_dir))?;
        find_or_make(Path::new(&container.setup.working_dir), true)?;
    }
    if container.setup.network == HostNetwork::None {
        // With the host's network, its name stays: others look it up there.
        rustix::system::sethostname(container.id.get(..12).unwrap_or_default().as_bytes())
            .doing(|| "set the name of the host".into())?;
        sys::loopback_up().doing(|| "bring up the loopback interface".into())?;
    }
    Ok(())
}

/// Mounts the layers, and what was written above them.
fn overlay(container: &StoredContainer, store: &Path, home: &Home, ids: &Ids) -> Result<()> {
    // The options of a mount are one page: names relative to this directory are short.
    rustix::process::chdir(layout::layers(store)).doing(|| "enter the directory of layers".into())?;
    let lower = container.layers.iter().rev().map(String::as_str).collect::<Vec<_>>().join(":");
    let own = |part: &str| format!("../c/{}/{part}", container.name);
    // Files of its own are whole, whatever the kernel does by default: a snapshot copies them.
    let attributes = if ids.is_rootless() { ",userxattr" } else { ",index=off,metacopy=off,redirect_dir=off" };
    let options = format!("lowerdir={lower},upperdir={},workdir={}{attributes}", own("upper"), own("work"));
    let options = CString::new(options).map_err(std::io::Error::from).doing(|| OVERLAY.into())?;
    // Without devices: root may make nodes inside, and would open the host's disks by them.
    mount("overlay", home.root(), "overlay", MountFlags::NODEV, options.as_c_str()).doing(|| OVERLAY.into())
}

/// What of the host will be seen inside, taken before its root is left.
struct Outer {
    /// `/sys` where the network is the host's; another network has one of its own.
    system: Option<OwnedFd>,
    devices: Vec<(String, OwnedFd)>,
    files: Vec<(&'static str, OwnedFd)>,
    /// Where each is seen, and what it is a copy of, unless that is the store's own.
    binds: Vec<(String, OwnedFd, Option<PathBuf>)>,
}

impl Outer {
    fn collect(container: &StoredContainer, store: &Path, home: &Home) -> Result<Outer> {
        let setup = &container.setup;
        let device = |name: &&str| {
            let tree = copy(&Path::new("/dev").join(name), libc::MOUNT_ATTR_NOSUID | NOTHING_RUNS)?;
            Ok((format!("/dev/{name}"), tree))
        };
        let mut files = Vec::new();
        let (hosts, resolver) = match setup.network {
            HostNetwork::Host => (PathBuf::from("/etc/hosts"), Some(PathBuf::from("/etc/resolv.conf"))),
            HostNetwork::None => (home.etc().join("hosts"), None),
        };
        let hostname = home.etc().join("hostname");
        for (target, source) in
            [("/etc/hostname", Some(hostname)), ("/etc/hosts", Some(hosts)), ("/etc/resolv.conf", resolver)]
        {
            // A host may do without them.
            if let Some(source) = source.filter(|source| source.exists()) {
                files.push((target, copy(&source, READ | PLAIN)?));
            }
        }
        let mut binds = Vec::new();
        for bind in &setup.binds {
            let source = bind.source.canonicalize().map_err(|_| gone(&bind.source))?;
            apart(&source, store, bind.read_only)?;
            let attributes = if bind.read_only { READ | PLAIN } else { PLAIN };
            let tree = copy(&source, attributes)?;
            binds.push((bind.target.clone(), tree, Some(source)));
        }
        for volume in &setup.volumes {
            binds.push((volume.target.clone(), copy(&layout::volumes(store).join(&volume.name), PLAIN)?, None));
        }
        if let Some(target) = &setup.scratch {
            binds.push((target.clone(), copy(&home.scratch(), PLAIN)?, None));
        }
        // One may lie in another.
        binds.sort_by_key(|(target, ..)| Path::new(target).components().count());
        let devices = DEVICES.iter().map(device).collect::<Result<_>>()?;
        let system = match setup.network {
            HostNetwork::Host => Some(copy_of_system()?),
            HostNetwork::None => None,
        };
        Ok(Outer { system, devices, files, binds })
    }
}

/// Refuses a bind that is a part of the store, or that would let it be reached: who can write there decides what is mounted at
/// the next start, and who can rename a directory above it brings it out from under what hides it.
fn apart(source: &Path, store: &Path, read_only: bool) -> Result<()> {
    let same = |one: &Path, other: &Path| match (fs::metadata(one), fs::metadata(other)) {
        (Ok(one), Ok(other)) => (one.dev(), one.ino()) == (other.dev(), other.ino()),
        _ => false,
    };
    // By what they are, not by what they are called: a directory may have several paths.
    if source.ancestors().any(|above| same(above, store)) {
        return Err(refused(format!("`{}` is a part of the store of containers", source.display())));
    }
    if !read_only && store.ancestors().any(|above| same(above, source)) {
        return Err(SandboxError::Machine {
            what: format!("`{}` has the store of containers in it, `{}`", source.display(), store.display()),
            help: "set CE_STORE to a directory that is not below what a computation may write to".into(),
        });
    }
    Ok(())
}

fn gone(source: &Path) -> SandboxError {
    SandboxError::BadMount { source_path: source.to_owned() }
}

/// `/sys` without the file systems in it, for those who debug kernels; where they cannot be left out, they are not for us.
fn copy_of_system() -> Result<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let attributes = READ | PLAIN | NOTHING_RUNS;
    let Ok(tree) = open_tree(CWD, "/sys", flags) else { return copy(Path::new("/sys"), attributes) };
    sys::set_mount_attributes(&tree, attributes).doing(|| format!("{ATTRIBUTES} of `/sys`"))?;
    Ok(tree)
}

/// A copy of what is seen at `path`, with all that is mounted in it, to be put elsewhere (open_tree(2)).
fn copy(path: &Path, attributes: u64) -> Result<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_RECURSIVE;
    let tree = match open_tree(CWD, path, flags) {
        Err(Errno::NOENT) => return Err(gone(path)),
        tree => tree.doing(|| named("bind", path))?,
    };
    sys::set_mount_attributes(&tree, attributes).doing(|| format!("{ATTRIBUTES} of `{}`", path.display()))?;
    Ok(tree)
}

/// Makes `root` the root, with a fresh `/proc`, and a `/sys` that shows a network of its own.
fn turn_to(root: &Path, network: HostNetwork) -> Result<()> {
    rustix::process::chdir(root).doing(|| named("enter", root))?;
    rustix::process::pivot_root(".", ".").doing(|| "change the root".into())?;
    // The old root lies upon the new one, yet paths begin below it. As long as it is there, the kernel sees that no part of
    // /proc is hidden from us.
    special("proc", "/proc", MountFlags::NODEV | MountFlags::NOEXEC, "").map_err(|error| match error {
        SandboxError::Failed { source, .. } => SandboxError::Failed { doing: FRESH_PROC.into(), source },
        other => other,
    })?;
    if network == HostNetwork::None {
        special("sysfs", "/sys", MountFlags::RDONLY | MountFlags::NODEV | MountFlags::NOEXEC, "")?;
    }
    unmount(".", UnmountFlags::DETACH).doing(|| "leave the old root".into())?;
    rustix::process::chdir("/").doing(|| "enter the new root".into())
}

/// `/sys` and `/dev`.
fn system(container: &StoredContainer, outer: &Outer, ids: &Ids) -> Result<()> {
    if let Some(system) = &outer.system {
        is_directory("/sys")?;
        place(system, "/sys")?;
    }
    special("tmpfs", "/dev", MountFlags::NODEV, "mode=755,size=65536k")?;
    for (target, tree) in &outer.devices {
        place(tree, target)?;
    }
    let group = if ids.is_single() { "" } else { TTY };
    special("devpts", "/dev/pts", MountFlags::NOEXEC, &format!("newinstance,ptmxmode=0666,mode=0620{group}"))?;
    let shm = format!("mode=1777,size={}", container.setup.shm_size.unwrap_or(SHM_SIZE));
    special("tmpfs", "/dev/shm", MountFlags::NODEV | MountFlags::NOEXEC, &shm)?;
    special("mqueue", "/dev/mqueue", MountFlags::NODEV | MountFlags::NOEXEC, "")?;
    for (to, link) in LINKS {
        symlink(to, link).doing(|| named("make", link))?;
    }
    Ok(())
}

/// Refuses a link of the image, which might lead anywhere; what is missing is made.
fn is_directory(target: &str) -> Result<()> {
    match fs::symlink_metadata(target) {
        Ok(found) if found.is_dir() => Ok(()),
        Ok(_) => Err(refused(format!("`{target}` of the image is not a directory"))),
        Err(_) => fs::create_dir(target).doing(|| named("make", target)),
    }
}

/// Mounts a file system of the kernel's own.
fn special(kind: &str, target: &str, flags: MountFlags, data: &str) -> Result<()> {
    is_directory(target)?;
    let data = CString::new(data).map_err(std::io::Error::from).doing(|| named("mount", target))?;
    mount(kind, target, kind, flags | MountFlags::NOSUID, data.as_c_str()).doing(|| named("mount", target))
}

/// What becomes of a link at the end of a path.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum LastLink {
    /// What it leads to is meant.
    Followed,
    /// It is none of what is meant.
    Refused,
}

/// Opens what `path` is in this root, by its own links alone: those in /proc would lead to what this process holds.
fn find(path: &Path) -> std::result::Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    openat2(CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), resolve)
}

/// A regular file of the container, by the links of the container alone; `last` tells whether the last part may be one.
pub(crate) fn open(path: &str, last: LastLink) -> Option<OwnedFd> {
    let last = if last == LastLink::Followed { OFlags::empty() } else { OFlags::NOFOLLOW };
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | last;
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let file = openat2(CWD, path, flags, Mode::empty(), resolve).ok()?;
    let kind = FileType::from_raw_mode(fstat(&file).ok()?.st_mode);
    kind.is_file().then_some(file)
}

/// A regular file that a container wrote itself, from outside, in its directory `upper`; `None` where that is not to be had
/// without being root of its ids, or not without a link.
pub(crate) fn open_written(upper: &Path, path: &str) -> Option<OwnedFd> {
    let upper = fs::File::open(upper).ok()?;
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    let file = openat2(&upper, path.trim_start_matches('/'), flags, Mode::empty(), resolve).ok()?;
    FileType::from_raw_mode(fstat(&file).ok()?.st_mode).is_file().then_some(file)
}

/// What a file holds, up to `most` bytes, and whether there is more of it.
pub(crate) fn content(file: OwnedFd, path: &str, most: u64) -> Result<(Vec<u8>, bool)> {
    let mut bytes = Vec::new();
    let read = fs::File::from(file).take(most + 1).read_to_end(&mut bytes);
    read.doing(|| format!("read `{path}` in the container"))?;
    let is_longer = bytes.len() as u64 > most;
    Ok((bytes, is_longer))
}

/// The same; what is missing is made, as directories, and last as a directory or an empty file.
fn find_or_make(path: &Path, is_directory: bool) -> Result<OwnedFd> {
    let found = match (find(path), path.parent(), path.file_name()) {
        (Err(Errno::NOENT), Some(parent), Some(name)) => {
            let parent = find_or_make(parent, true)?;
            // A link to what is not there stands in the way.
            let is_link = statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW)
                .is_ok_and(|found| FileType::from_raw_mode(found.st_mode).is_symlink());
            if is_link {
                unlinkat(&parent, name, AtFlags::empty()).doing(|| named("replace", path))?;
            }
            if is_directory {
                mkdirat(&parent, name, Mode::from(0o755)).doing(|| named("make", path))?;
            } else {
                let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
                openat(&parent, name, flags, Mode::from(0o644)).doing(|| named("make", path))?;
            }
            find(path)
        }
        (found, ..) => found,
    };
    found.doing(|| format!("find `{}` in the container", path.display()))
}

/// Refuses a path that is not there and would have to be made in a directory of the host.
fn is_ours_to_make(path: &Path) -> Result<()> {
    let device = |directory: &OwnedFd| fstat(directory).map(|found| found.st_dev);
    let Some((above, directory)) = path.ancestors().find_map(|above| Some((above, find(above).ok()?))) else {
        return Ok(());
    };
    let root = find(Path::new("/")).and_then(|root| device(&root)).doing(|| "look at the root".into())?;
    if above == path || device(&directory).doing(|| named("look at", above))? == root {
        return Ok(());
    }
    let (path, above) = (path.display(), above.display());
    Err(refused(format!("`{path}` would have to be made in `{above}`, which is the host's: make it there")))
}

/// Puts a copy to where `target` is in this root (move_mount(2)).
fn place(tree: &OwnedFd, target: &str) -> Result<()> {
    let is_directory = fstat(tree).is_ok_and(|found| FileType::from_raw_mode(found.st_mode).is_dir());
    let place = find_or_make(Path::new(target), is_directory)?;
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    move_mount(tree, "", &place, "", flags).doing(|| named("mount on", target))
}

/// Covers the store where it is in a bind that can only be read.
fn hide(store: &Path, source: &Option<PathBuf>, target: &str) -> Result<()> {
    let Some(inside) = source.as_ref().and_then(|source| store.strip_prefix(source).ok()) else { return Ok(()) };
    let hidden = find_or_make(&Path::new(target).join(inside), true)?;
    let hidden = format!("/proc/self/fd/{}", hidden.as_raw_fd());
    mount("tmpfs", hidden, "tmpfs", EMPTY, c"size=0").doing(|| "hide the store of containers".into())
}

fn mask() -> Result<()> {
    for path in MASKED {
        match fs::metadata(path) {
            Ok(found) if found.is_dir() => {
                mount("tmpfs", path, "tmpfs", EMPTY, c"size=0").doing(|| named("hide", path))?;
            }
            Ok(_) => place(&copy(Path::new("/dev/null"), READ)?, path)?,
            Err(_) => {}
        }
    }
    for path in READ_ONLY.iter().filter(|path| fs::metadata(path).is_ok()) {
        place(&copy(Path::new(path), READ | PLAIN | NOTHING_RUNS)?, path)?;
    }
    Ok(())
}
