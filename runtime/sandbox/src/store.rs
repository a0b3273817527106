//! Layers, images and containers in a directory.

mod containers;
mod images;
mod import;
mod names;
mod receive;

use std::{
    fs::{self, File},
    io::{Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{FlockOperation, flock},
    process::geteuid,
};
use serde::{Serialize, de::DeserializeOwned};

pub use containers::StoredState;
pub use import::architecture;
pub use names::full_name;
pub use receive::Incoming;

use crate::{
    error::{Doing, Result, SandboxError, named, refused, unreadable},
    helper::{Helper, Job, is_about_ids},
    ids::{Ids, has_mapping_programs},
    layout::{self, Home},
    lifetime, probe,
    unpack::hexadecimal,
};

/// The images and containers of one user, in a directory that is his alone.
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
    helper: Helper,
    first_words: Option<String>,
}

impl Store {
    /// The store in `root`, which is made if there is none. `program` is one that calls
    /// [`help_if_asked`](crate::help_if_asked) first, usually this one: `/proc/self/exe`.
    ///
    /// # Errors
    /// [`SandboxError::Machine`] when this machine does not allow containers, or not there; a store of somebody else.
    pub fn open(root: &Path, program: &Path) -> Result<Store> {
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(root);
        made.doing(|| named("make", root))?;
        let root = root.canonicalize().doing(|| named("find", root))?;
        probe::is_local(&root)?;
        let owner = fs::metadata(&root).doing(|| named("look at", &root))?.uid();
        if owner != geteuid().as_raw() {
            return Err(not_ours(&root));
        }
        for part in [layout::layers, layout::images, layout::containers, layout::volumes, layout::gone] {
            let part = part(&root);
            match fs::DirBuilder::new().mode(0o700).create(&part) {
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                made => made.doing(|| named("make", &part))?,
            }
            // What is in there may be programs that make who starts them another user.
            if fs::metadata(&part).doing(|| named("look at", &part))?.mode() & 0o077 != 0 {
                fs::set_permissions(&part, fs::Permissions::from_mode(0o700)).doing(|| named("close", &part))?;
            }
        }
        let helper = Helper { program: program.to_owned(), store: root.clone(), ids: Ids::Root };
        let mut store = Store { root, helper, first_words: None };
        match read_record::<Ids>(&layout::ids(&store.root))? {
            Some(ids) if ids.is_ours() => {
                let other_group = || SandboxError::Machine {
                    what: "this process has another group than that of its user, whose ids cannot be mapped then"
                        .into(),
                    help: "run it under the login group (`newgrp -`)".into(),
                };
                store.helper.ids = ids.for_this_group().ok_or_else(other_group)?;
            }
            Some(_) => return Err(not_ours(&store.root)),
            None => store.choose_ids()?,
        }
        Ok(store)
    }

    /// What is to be known about a store that has just been made: where it is, and what its containers will not be able to
    /// do.
    #[must_use]
    pub fn first_words(&self) -> Option<&str> {
        self.first_words.as_deref()
    }

    /// Whether root inside is this user outside.
    #[must_use]
    pub fn is_rootless(&self) -> bool {
        self.helper.ids.is_rootless()
    }

    /// Whether root is all there is inside.
    #[must_use]
    pub fn has_only_root(&self) -> bool {
        self.helper.ids.is_single()
    }

    /// Tries what could be had, the best first.
    fn choose_ids(&mut self) -> Result<()> {
        let _lock = locked(&layout::lock(&self.root), FlockOperation::LockExclusive)?;
        if let Some(ids) = read_record(&layout::ids(&self.root))? {
            self.helper.ids = ids; // another process was first
            return Ok(());
        }
        let mut reason = String::from("this account has no rows in /etc/subuid and /etc/subgid");
        for ids in Ids::candidates() {
            self.helper.ids = ids;
            match self.in_directory(|directory| self.helper.tell(Job::Try { directory: directory.to_owned() })) {
                Ok(()) => {
                    let limits =
                        if self.helper.ids.is_single() { format!("; {reason}: {ONE_ID}") } else { String::new() };
                    let place = self.root.display();
                    self.first_words =
                        Some(format!("containers are made by this program itself, in `{place}`{limits}"));
                    return write_record(&layout::ids(&self.root), &self.helper.ids);
                }
                Err(error) if is_about_ids(&error) => {
                    reason = if has_mapping_programs() {
                        format!("the rows of this account in /etc/subuid cannot be used ({})", deepest(&error))
                    } else {
                        "`newuidmap` is not installed (as root: `apt-get install uidmap`)".into()
                    };
                }
                Err(error) => return Err(probe::explained(error, &self.root)),
            }
        }
        Err(refused("this user can have no containers"))
    }

    /// Held by who uses layers that no record names yet.
    fn shared(&self) -> Result<File> {
        locked(&layout::lock(&self.root), FlockOperation::LockShared)
    }

    /// A new directory among those that are being made or removed.
    fn new_directory(&self) -> Result<PathBuf> {
        let path = self.new_name()?;
        fs::create_dir(&path).doing(|| named("make", &path))?;
        Ok(path)
    }

    /// A name that nothing has there.
    fn new_name(&self) -> Result<PathBuf> {
        Ok(layout::gone(&self.root).join(random(8)?))
    }

    /// What `with` makes of a new directory, which is removed after it. Who calls holds the lock of the store.
    fn in_directory<T, E: From<SandboxError>>(
        &self,
        with: impl FnOnce(&Path) -> std::result::Result<T, E>,
    ) -> std::result::Result<T, E> {
        let directory = self.new_directory()?;
        let made = with(&directory);
        let swept = self.discard(&directory);
        // Why nothing was made is more than why something is left, which is collected one day.
        let made = made?;
        swept?;
        Ok(made)
    }

    /// Removes a directory among those, whoever its files belong to.
    fn discard(&self, directory: &Path) -> Result<()> {
        self.helper.tell(Job::Empty { directory: directory.to_owned() })?;
        fs::remove_dir(directory).doing(|| named("remove", directory))
    }

    fn is_ended(&self, home: &Path) -> bool {
        lifetime::first_process(&Home::at(home.to_owned())).is_none()
    }

    /// Removes layers that no image and no container has, and what was left by who was killed; nothing while others use
    /// layers.
    ///
    /// # Errors
    /// What could not be removed.
    pub fn collect(&self) -> Result<()> {
        let Ok(_lock) = locked(&layout::lock(&self.root), FlockOperation::NonBlockingLockExclusive) else {
            return Ok(()); // they will
        };
        let images = self.images()?.into_iter().flat_map(|image| image.layers);
        let containers = self.containers()?.into_iter().flat_map(|container| container.layers);
        let used: std::collections::HashSet<String> = images.chain(containers).collect();
        for layer in entries(&layout::layers(&self.root))? {
            if layer.file_name().is_some_and(|name| !used.contains(&*name.to_string_lossy())) {
                let gone = self.new_name()?;
                fs::rename(&layer, &gone).doing(|| named("remove", &layer))?;
            }
        }
        for home in entries(&layout::containers(&self.root))? {
            // When the power goes, a name may be there before what it names.
            if is_damaged(&Home::at(home.clone()).record()) && self.is_ended(&home) {
                let gone = self.new_name()?;
                fs::rename(&home, &gone).doing(|| named("remove", &home))?;
            }
        }
        for record in entries(&layout::images(&self.root))? {
            if record.extension().is_some() || is_damaged(&record) {
                fs::remove_file(&record).doing(|| named("remove", &record))?;
            }
        }
        for left in entries(&layout::gone(&self.root))? {
            if left.is_dir() {
                self.discard(&left)?;
            } else {
                fs::remove_file(&left).doing(|| named("remove", &left))?;
            }
        }
        Ok(())
    }
}

fn not_ours(root: &Path) -> SandboxError {
    let what = format!("the containers in `{}` belong to another user", root.display());
    SandboxError::Machine { what, help: "set CE_STORE to a directory of your own".into() }
}

/// What a store of a user with one id is without.
const ONE_ID: &str = "in containers root is all there is, so `su`, `chown` and services under users of their own only pretend \
                      to work; `apt-get` needs `-o APT::Sandbox::User=root`";

fn deepest(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source()).last().map(ToString::to_string).unwrap_or_default()
}

/// Whether a record is not what it was.
fn is_damaged(path: &Path) -> bool {
    match read_record::<serde_json::Map<String, serde_json::Value>>(path) {
        Err(SandboxError::Failed { source, .. }) => source.kind() == std::io::ErrorKind::InvalidData,
        found => matches!(found, Ok(None)),
    }
}

/// So many random bytes, in hexadecimal digits.
fn random(bytes: usize) -> Result<String> {
    let mut buffer = vec![0; bytes];
    let mut read = || File::open("/dev/urandom")?.read_exact(&mut buffer);
    read().doing(|| "read /dev/urandom".into())?;
    Ok(hexadecimal(&buffer))
}

/// A lock on a file, which is made if it is not there. Held until it is dropped.
///
/// # Errors
/// The system's, a lock that others have included where that is not waited for.
fn locked(path: &Path, how: FlockOperation) -> Result<File> {
    loop {
        let file = File::options().create(true).truncate(false).write(true).mode(0o600).open(path);
        let file = file.doing(|| named("open", path))?;
        rustix::io::retry_on_intr(|| flock(&file, how)).doing(|| named("lock", path))?;
        // It may have gone while we waited, and there may be another one at its place.
        let is_there = |found: &fs::Metadata| file.metadata().is_ok_and(|ours| ours.ino() == found.ino());
        if fs::metadata(path).is_ok_and(|found| is_there(&found)) {
            return Ok(file);
        }
    }
}

/// What is in a directory, by name.
fn entries(directory: &Path) -> Result<Vec<PathBuf>> {
    let read = || fs::read_dir(directory)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>();
    let mut entries = read().doing(|| named("list", directory))?;
    entries.sort();
    Ok(entries)
}

/// A record; `None` when there is none.
fn read_record<R: DeserializeOwned>(path: &Path) -> Result<Option<R>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes).map_err(unreadable).doing(|| named("understand", path))?)),
        // Also where a directory above it went.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).doing(|| named("read", path)),
    }
}

/// Writes a record as a whole or not at all.
fn write_record(path: &Path, record: &impl Serialize) -> Result<()> {
    let part = path.with_extension(format!("part-{}", random(4)?));
    let write = || -> std::io::Result<()> {
        let mut file = File::create_new(&part)?;
        file.write_all(&serde_json::to_vec(record)?)?;
        fs::rename(&part, path)
    };
    write().doing(|| named("write", path))
}
