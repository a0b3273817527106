//! The program again, in a process of its own: it has one thread, so that it can fork, and be root of a container's ids.
//!
//! Its job comes as text on its standard input, what it found goes to standard output, an error to standard error.

use std::{
    fs::{self, File},
    io::{self, Write},
    os::{fd::AsRawFd, unix::process::CommandExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use rustix::{
    fs::{CWD, MemfdFlags, SealFlags, fcntl_add_seals, memfd_create},
    mount::{MountFlags, OpenTreeFlags, UnmountFlags, mount, open_tree, unmount},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    error::{Doing, Result, SandboxError, named, unreadable},
    ids::{self, Ids},
    init,
    layout::{self, Home},
    probe,
    record::StoredContainer,
    rootfs, sys, tree, unpack,
};

/// The argument that makes a helper of this program.
const ARGUMENT: &str = "__sandbox";
/// The exit status for one whose error is told.
const FAILED: i32 = 125;
/// The exit status when there is another first process, which is about to begin or to end.
const BUSY: i32 = 75;

/// What a helper does.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Job {
    /// Nothing but what is needed for all else: tells whether this machine allows it. The directory is empty, in the store.
    Try { directory: PathBuf },
    /// Makes the first process of a container.
    Start { container: Box<StoredContainer>, store: PathBuf },
    /// Unpacks a layer to an empty directory; gives its digest.
    Unpack { layer: PathBuf, directory: PathBuf },
    /// Removes all that is in a directory.
    Empty { directory: PathBuf },
    /// Copies a tree to `to` in an empty directory, in which `from` is shown meanwhile.
    Copy { from: PathBuf, directory: PathBuf },
    /// Counts the bytes of a tree.
    Size { directory: PathBuf },
    /// Compares what a container wrote with its layers; both are shown in an empty directory meanwhile.
    Changes { container: Box<StoredContainer>, store: PathBuf, directory: PathBuf },
    /// Reads a file of a container that does not run, of at most so many bytes.
    Read { container: Box<StoredContainer>, store: PathBuf, path: String, most: u64 },
}

/// The program that helps, as a file.
#[derive(Clone, Debug)]
pub(crate) struct Helper {
    pub(crate) program: PathBuf,
    /// The store that it works in.
    pub(crate) store: PathBuf,
    pub(crate) ids: Ids,
}

/// What a helper reads.
#[derive(Debug, Serialize, Deserialize)]
struct Order {
    ids: Ids,
    job: Job,
}

/// Does a helper's job and ends, where this process is one. A program that uses a [`Store`](crate::Store) calls this before all
/// else, when it has no other thread yet.
pub fn help_if_asked() {
    if std::env::args_os().nth(1).is_none_or(|argument| argument != ARGUMENT) {
        return;
    }
    std::process::exit(match work() {
        Ok(true) => 0,
        Ok(false) => BUSY,
        Err(error) => {
            ids::tell(&error);
            FAILED
        }
    });
}

/// `false` for what is to be tried once more.
fn work() -> Result<bool> {
    sys::close_inherited().doing(|| "close what was inherited".into())?;
    let order: Order = serde_json::from_reader(io::stdin()).map_err(io::Error::from).doing(|| "read the job".into())?;
    if let Job::Start { container, store } = &order.job {
        return init::stand_up(container, store, &order.ids);
    }
    order.ids.run(|| inside(&order)).map(|()| true)
}

/// What is done as root of the ids, with mounts of its own.
fn inside(Order { ids, job }: &Order) -> Result<()> {
    match job {
        Job::Start { .. } => Ok(()),
        Job::Try { directory } => try_all(directory, ids),
        Job::Unpack { layer, directory } => {
            let layer = File::open(layer).doing(|| named("open", layer))?;
            tree::enclose(directory)?;
            answer(&unpack::unpack(layer, ids)?)
        }
        Job::Empty { directory } => {
            tree::enclose(directory)?;
            tree::empty()
        }
        Job::Copy { from, directory } => {
            show(from, &directory.join(tree::FROM))?;
            change_root(directory)?;
            tree::copy()
        }
        Job::Size { directory } => {
            tree::enclose(directory)?;
            answer(&tree::size()?)
        }
        Job::Changes { container, store, directory } => {
            show(&Home::of(store, &container.name).upper(), &directory.join(tree::FROM))?;
            let lower = directory.join(tree::LOWER);
            fs::create_dir(&lower).doing(|| named("make", &lower))?;
            view(container, store, None, &lower, ids)?;
            change_root(directory)?;
            answer(&tree::changes()?)
        }
        Job::Read { container, store, path, most } => {
            let upper = format!("../c/{}/upper", container.name);
            let root = Home::of(store, &container.name).root();
            view(container, store, Some(&upper), &root, ids)?;
            change_root(&root)?;
            let file = rootfs::open(path, rootfs::LastLink::Refused);
            answer(&file.map(|file| rootfs::content(file, path, *most)).transpose()?)
        }
    }
}

/// Shows a tree, without what is mounted in it, at a place that is made for it.
fn show(tree: &Path, place: &Path) -> Result<()> {
    fs::create_dir(place).doing(|| named("make", place))?;
    mount(tree, place, "", MountFlags::BIND, None).doing(|| named("show", tree))
}

/// Makes a directory the root of this process: what a running container puts in the way meanwhile leads nowhere else.
fn change_root(directory: &Path) -> Result<()> {
    rustix::process::chdir(directory).and_then(|()| rustix::process::chroot(".")).doing(|| named("enter", directory))
}

/// Mounts the layers of a container to be read at `root`, and what it wrote above them if wanted.
fn view(container: &StoredContainer, store: &Path, upper: Option<&str>, root: &Path, ids: &Ids) -> Result<()> {
    rustix::process::chdir(layout::layers(store)).doing(|| "enter the directory of layers".into())?;
    let layers = upper.into_iter().chain(container.layers.iter().rev().map(String::as_str));
    let layers: Vec<&str> = layers.collect();
    if let [one] = layers.as_slice() {
        // An overlay has at least two.
        return mount(*one, root, "", MountFlags::BIND, None).doing(|| named("mount", one));
    }
    let attributes = if ids.is_rootless() { ",userxattr" } else { "" };
    let options = std::ffi::CString::new(format!("lowerdir={}{attributes}", layers.join(":")));
    let options = options.map_err(io::Error::from).doing(|| rootfs::OVERLAY.into())?;
    let flags = MountFlags::RDONLY | MountFlags::NODEV;
    mount("overlay", root, "overlay", flags, options.as_c_str()).doing(|| rootfs::OVERLAY.into())
}

/// An overlay that can be written, and a copy of a mount with attributes.
fn try_all(directory: &Path, ids: &Ids) -> Result<()> {
    for part in ["lower", "upper", "work", "root"] {
        fs::create_dir(directory.join(part)).doing(|| named("make", directory.join(part)))?;
    }
    rustix::process::chdir(directory).doing(|| named("enter", directory))?;
    let attributes = if ids.is_rootless() { ",userxattr" } else { "" };
    let options = std::ffi::CString::new(format!("lowerdir=lower,upperdir=upper,workdir=work{attributes}"));
    let options = options.map_err(io::Error::from).doing(|| rootfs::OVERLAY.into())?;
    mount("overlay", "root", "overlay", MountFlags::NODEV, options.as_c_str()).doing(|| rootfs::OVERLAY.into())?;
    fs::write("root/written", "x").doing(|| rootfs::OVERLAY.into())?;
    unmount("root", UnmountFlags::DETACH).doing(|| rootfs::OVERLAY.into())?;
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let copy = open_tree(CWD, "lower", flags).doing(|| rootfs::ATTRIBUTES.into())?;
    sys::set_mount_attributes(copy, libc::MOUNT_ATTR_RDONLY).doing(|| rootfs::ATTRIBUTES.into())
}

fn answer(found: &impl Serialize) -> Result<()> {
    let text = serde_json::to_vec(found).map_err(io::Error::from).doing(|| "write an answer".into())?;
    io::stdout().write_all(&text).doing(|| "write an answer".into())
}

impl Helper {
    /// Has a job done, and gives what was found.
    ///
    /// # Errors
    /// What the helper told, or the system's refusal to start it.
    pub(crate) fn ask<A: DeserializeOwned>(&self, job: Job) -> Result<A> {
        let text = self.output(job)?;
        serde_json::from_slice(&text).map_err(unreadable).doing(|| "understand a helper".into())
    }

    /// Has a job done that finds nothing.
    ///
    /// # Errors
    /// As [`Helper::ask`].
    pub(crate) fn tell(&self, job: Job) -> Result<()> {
        self.output(job).map(drop)
    }

    fn output(&self, job: Job) -> Result<Vec<u8>> {
        // What is tried may fail for want of other ids, which is not the end.
        let is_trial = matches!(job, Job::Try { .. });
        let mut command = Command::new(&self.program);
        command.arg0("ce-sandbox").arg(ARGUMENT).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.stdin(self.order(job)?);
        let output = command.output().doing(|| named("start", &self.program))?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        let error = ids::told(&String::from_utf8_lossy(&output.stderr));
        Err(if is_trial { error } else { probe::explained(error, &self.store) })
    }

    /// Has the first process of a container made; `false` when that is to be tried once more.
    ///
    /// # Errors
    /// Why it does not start.
    pub(crate) fn start(&self, container: &StoredContainer, store: &Path) -> Result<bool> {
        let program = sealed(&self.program)?;
        let log = Home::of(store, &container.name).log();
        let mut command = Command::new(format!("/proc/self/fd/{}", program.as_raw_fd()));
        command.arg0("ce-sandbox").args([ARGUMENT, &container.name]).stdout(Stdio::null());
        // Not a pipe: the first process would hold it.
        command.stderr(File::create(&log).doing(|| named("write", &log))?);
        command.stdin(self.order(Job::Start { container: Box::new(container.clone()), store: store.to_owned() })?);
        match command.status().doing(|| named("start", &self.program))?.code() {
            Some(0) => Ok(true),
            Some(BUSY) => Ok(false),
            _ => Err(probe::explained(ids::told(&fs::read_to_string(&log).unwrap_or_default()), &self.store)),
        }
    }

    fn order(&self, job: Job) -> Result<Stdio> {
        let order = Order { ids: self.ids.clone(), job };
        let write = || -> io::Result<Stdio> {
            let mut file = File::from(memfd_create("job", MemfdFlags::CLOEXEC)?);
            file.write_all(&serde_json::to_vec(&order)?)?;
            io::Seek::rewind(&mut file)?;
            Ok(Stdio::from(file))
        };
        write().doing(|| "write a job".into())
    }
}

/// A program in memory that can neither be changed nor found on a disk: what is inside could get hold of it.
fn sealed(program: &Path) -> Result<File> {
    let mut program = File::open(program).doing(|| named("read", program))?;
    let mut copied = || -> io::Result<File> {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        // Where such files cannot be run unless that is asked for; kernels before 6.3 do not know the question.
        let made = memfd_create("ce-sandbox", flags | MemfdFlags::EXEC);
        let mut copy = File::from(made.or_else(|_| memfd_create("ce-sandbox", flags))?);
        io::copy(&mut program, &mut copy)?;
        fcntl_add_seals(&copy, SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
        Ok(copy)
    };
    copied().doing(|| "copy this program".into())
}

/// Whether an error says that this is worth trying with other ids.
pub(crate) fn is_about_ids(error: &SandboxError) -> bool {
    matches!(error, SandboxError::Failed { doing, .. } if doing.starts_with(ids::MAP_IDS))
}
