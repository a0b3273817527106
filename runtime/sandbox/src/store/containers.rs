//! The containers of a store.

use std::{
    fs::{self, File},
    path::Path,
    time::Duration,
};

use rustix::fs::FlockOperation;

use super::{Store, entries, images::MOST_LAYERS, import::architecture, locked, random, read_record, write_record};
use crate::{
    client::{self, Launched},
    error::{Doing, Result, SandboxError, named, refused},
    helper::Job,
    layout::{self, Home},
    lifetime::{self, RESTS},
    protocol::{Ask, Launch, Reply, RunningCommand},
    record::{ContainerSetup, HostNetwork, StoredContainer},
    rootfs,
    tree::TreeChange,
};

/// How long to wait before it is tried once more to start a container whose former first process has not ended yet.
const PAUSE: Duration = Duration::from_millis(10);
/// How often.
const TRIES: usize = 1000;

/// What a container is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoredState {
    /// Never started.
    Created,
    /// It can be used. Its first process may have ended for want of anything to do; the next one comes by itself.
    Running,
    /// Its first process has ended, and all others with it.
    Exited,
}

impl Store {
    /// Creates a container from an image, not yet started, and gives its id. What `setup` leaves open is the image's. For one
    /// name this is a test-and-set: of several callers one wins.
    ///
    /// # Errors
    /// [`SandboxError::NameTaken`] for the losers, [`SandboxError::NoSuchImage`], [`SandboxError::BadMount`] for a bind whose
    /// source does not exist; an image for another machine, or with too many layers.
    pub fn create(&self, name: &str, image: &str, setup: &ContainerSetup) -> Result<String> {
        if !is_name(name) {
            return Err(refused(format!("`{name}` is no name for a container: letters, digits, `_`, `.`, `-`")));
        }
        let _lock = self.shared()?;
        let image = self.image(image)?;
        if image.platform.split('/').nth(1) != Some(architecture()) {
            let what = format!("the image is for {}, and this machine is linux/{}", image.platform, architecture());
            return Err(refused(what));
        }
        if image.layers.len() > MOST_LAYERS {
            return Err(refused(format!("the image has {} layers; {MOST_LAYERS} is the most", image.layers.len())));
        }
        if let Some(bind) = setup.binds.iter().find(|bind| !bind.source.exists()) {
            return Err(SandboxError::BadMount { source_path: bind.source.clone() });
        }
        let mut setup = setup.clone();
        for (given, other) in [(&mut setup.user, &image.user), (&mut setup.working_dir, &image.working_dir)] {
            if given.is_empty() {
                given.clone_from(other);
            }
        }
        setup.env.splice(0..0, image.env.iter().cloned());
        setup.labels = image.labels.clone().into_iter().chain(setup.labels).collect();
        for volume in &setup.volumes {
            let directory = layout::volumes(&self.root).join(&volume.name);
            if !is_name(&volume.name) {
                return Err(refused(format!("`{}` is no name for a volume", volume.name)));
            }
            fs::create_dir_all(&directory).doing(|| named("make", &directory))?;
        }
        let (id, created) = (random(32)?, jiff::Timestamp::now());
        let (name, image_id) = (name.to_owned(), image.id);
        self.put_in_place(&StoredContainer { id, name, image_id, created, setup, layers: image.layers })
    }

    fn put_in_place(&self, container: &StoredContainer) -> Result<String> {
        let made = Home::at(self.new_directory()?);
        let directories = [made.upper(), made.work(), made.root(), made.scratch(), made.etc()];
        directories.iter().try_for_each(|path| fs::create_dir(path).doing(|| named("make", path)))?;
        // They are directories of the container's own: the one of all containers keeps others out.
        let open = |path: &Path, mode| {
            fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).doing(|| named("open", path))
        };
        open(&made.upper(), 0o755)?;
        open(&made.scratch(), 0o1777)?;
        let short = container.id.get(..12).unwrap_or_default();
        let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let name = if container.setup.network == HostNetwork::None { short } else { host.trim() };
        let files = [("hostname", format!("{name}\n")), ("hosts", format!("127.0.0.1 localhost\n127.0.1.1 {short}\n"))];
        for (file, text) in files {
            fs::write(made.etc().join(file), text).doing(|| named("write", file))?;
        }
        write_record(&made.record(), container)?;
        // This takes the place of an empty directory alone, and none is.
        let placed = fs::rename(made.path(), Home::of(&self.root, &container.name).path());
        if let Err(error) = placed {
            self.discard(made.path())?;
            let is_taken = matches!(error.raw_os_error(), Some(libc::EEXIST | libc::ENOTEMPTY));
            let name = container.name.clone();
            return if is_taken {
                Err(SandboxError::NameTaken { name })
            } else {
                Err(error).doing(|| named("make", name))
            };
        }
        Ok(container.id.clone())
    }

    /// All containers, newest first.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn containers(&self) -> Result<Vec<StoredContainer>> {
        let mut containers: Vec<StoredContainer> = Vec::new();
        for path in entries(&layout::containers(&self.root))? {
            // One may go meanwhile, or be damaged: then it is collected.
            containers.extend(read_record(&Home::at(path).record()).ok().flatten());
        }
        containers.sort_by(|one, other| (other.created, &one.id).cmp(&(one.created, &other.id)));
        Ok(containers)
    }

    /// The container with this id or name, `None` when there is none (any more).
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn container(&self, id: &str) -> Result<Option<StoredContainer>> {
        if is_name(id)
            && let Some(found) = read_record(&Home::of(&self.root, id).record())?
        {
            return Ok(Some(found));
        }
        let is_it = |container: &StoredContainer| super::names::is_id(id, &container.id);
        Ok(self.containers()?.into_iter().find(is_it))
    }

    pub(super) fn existing(&self, id: &str) -> Result<StoredContainer> {
        self.container(id)?.ok_or_else(|| SandboxError::NoSuchContainer { name: id.to_owned() })
    }

    /// What a container is doing, and when it was started last.
    #[must_use]
    pub fn state(&self, container: &StoredContainer) -> (StoredState, Option<jiff::Timestamp>) {
        let home = Home::of(&self.root, &container.name);
        let began = fs::metadata(home.pid()).and_then(|found| found.modified()).ok();
        let began = began.and_then(|time| jiff::Timestamp::try_from(time).ok());
        let state = if lifetime::first_process(&home).is_some() || rests(&home) {
            StoredState::Running
        } else if began.is_some() {
            StoredState::Exited
        } else {
            StoredState::Created
        };
        (state, began)
    }

    /// Starts a container; one that runs already is left as it is.
    ///
    /// # Errors
    /// [`SandboxError::NoSuchContainer`], [`SandboxError::BadMount`], why it does not start.
    pub fn start(&self, id: &str) -> Result<()> {
        let container = self.existing(id)?;
        // A first process that does not answer may be one that ends.
        if rests(&Home::of(&self.root, &container.name)) {
            return Ok(());
        }
        for _ in 0..TRIES {
            let socket = self.started(&container)?;
            // One whose helper was killed may still be there, and end before it serves.
            if client::ask(&socket, &Ask::Processes, &[]).doing(|| "talk to the container".into())?.is_some() {
                return Ok(());
            }
        }
        Err(neither(&container))
    }

    /// A connection to the first process, which is made if there is none.
    fn started(&self, container: &StoredContainer) -> Result<std::os::fd::OwnedFd> {
        let home = Home::of(&self.root, &container.name);
        if let Some(socket) = lifetime::connection(&home)? {
            return Ok(socket);
        }
        let gone = || SandboxError::NoSuchContainer { name: container.name.clone() };
        let Some(_starting) = starting(&home)? else { return Err(gone()) };
        if let Some(bind) = container.setup.binds.iter().find(|bind| !bind.source.exists()) {
            return Err(SandboxError::BadMount { source_path: bind.source.clone() });
        }
        for _ in 0..TRIES {
            if let Some(socket) = lifetime::connection(&home)? {
                return Ok(socket);
            }
            if read_record::<StoredContainer>(&home.record())?.is_none_or(|there| there.id != container.id) {
                return Err(gone());
            }
            if !self.helper.start(container, &self.root)? {
                std::thread::sleep(PAUSE);
            }
        }
        Err(neither(container))
    }

    /// Stops a container at once, killing what runs in it; one that does not run is left as it is.
    ///
    /// # Errors
    /// [`SandboxError::NoSuchContainer`]; the system's refusals.
    pub fn stop(&self, id: &str) -> Result<()> {
        let container = self.existing(id)?;
        let home = Home::of(&self.root, &container.name);
        match starting(&home)? {
            Some(_starting) => end(&home),
            None => Err(SandboxError::NoSuchContainer { name: container.name }),
        }
    }

    /// Removes a container, killing what runs in it. One that is gone is no error.
    ///
    /// # Errors
    /// The system's refusals.
    pub fn remove(&self, id: &str) -> Result<()> {
        let Some(container) = self.container(id)? else { return Ok(()) };
        let home = Home::of(&self.root, &container.name);
        let _lock = self.shared()?;
        let gone = {
            let Some(_starting) = starting(&home)? else { return Ok(()) };
            end(&home)?;
            let gone = self.new_name()?;
            match fs::rename(home.path(), &gone) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
                renamed => renamed.doing(|| named("remove", home.path()))?,
            }
            gone
        };
        self.discard(&gone)
    }

    /// Starts a command in a running container. What it reads is sent to it if it `reads`, and nothing otherwise.
    ///
    /// # Errors
    /// [`SandboxError::NoSuchContainer`], [`SandboxError::NotRunning`], nobody to run it as, and the system's refusals, all
    /// before anything ran.
    pub fn launch(&self, id: &str, launch: &Launch, reads: bool) -> Result<Launched> {
        let container = self.existing(id)?;
        for _ in 0..TRIES {
            let socket = self.reached(&container)?;
            // One that has just ended for want of anything to do has not read what is asked: nothing was run.
            if let Some(launched) = client::launch(socket, launch, reads, &container.name)? {
                return Ok(launched);
            }
        }
        Err(refused(format!("container `{}` takes no more commands", container.name)))
    }

    /// A connection to the first process of a container that runs.
    fn reached(&self, container: &StoredContainer) -> Result<std::os::fd::OwnedFd> {
        let home = Home::of(&self.root, &container.name);
        match lifetime::connection(&home)? {
            Some(socket) => Ok(socket),
            None if !home.path().exists() => Err(SandboxError::NoSuchContainer { name: container.name.clone() }),
            None if rests(&home) || lifetime::first_process(&home).is_some() => self.started(container),
            None => Err(SandboxError::NotRunning { name: container.name.clone() }),
        }
    }

    /// The first process's answer; `None` when there is none.
    fn answer(&self, container: &StoredContainer, ask: &Ask) -> Result<Option<(Reply, Vec<std::os::fd::OwnedFd>)>> {
        let home = Home::of(&self.root, &container.name);
        match lifetime::connection(&home)? {
            Some(socket) => client::ask(&socket, ask, &[]).doing(|| "talk to the container".into()),
            None => Ok(None),
        }
    }

    /// The commands that run in a container, whoever started them. None when it does not run.
    ///
    /// # Errors
    /// [`SandboxError::NoSuchContainer`]; the system's refusals.
    pub fn commands(&self, id: &str) -> Result<Vec<RunningCommand>> {
        let container = self.existing(id)?;
        Ok(match self.answer(&container, &Ask::Commands)? {
            Some((Reply::Commands(commands), _)) => commands,
            _ => Vec::new(),
        })
    }

    /// How many processes there are in a container beside its first one.
    ///
    /// # Errors
    /// [`SandboxError::NoSuchContainer`]; the system's refusals.
    pub fn processes(&self, id: &str) -> Result<usize> {
        let container = self.existing(id)?;
        Ok(match self.answer(&container, &Ask::Processes)? {
            Some((Reply::Processes(count), _)) => count,
            _ => 0,
        })
    }

    /// What a regular file in a container holds, whether or not that runs, `None` when there is no such file.
    ///
    /// # Errors
    /// [`SandboxError::NoSuchContainer`], [`SandboxError::FileTooLong`] past `most` bytes; the system's refusals.
    pub fn read_file(&self, id: &str, path: &str, most: u64) -> Result<Option<Vec<u8>>> {
        let container = self.existing(id)?;
        let found: Option<(Vec<u8>, bool)> = match self.answer(&container, &Ask::Open { path: path.to_owned() })? {
            Some((Reply::Opened, descriptors)) => {
                descriptors.into_iter().next().map(|file| rootfs::content(file, path, most)).transpose()?
            }
            Some(_) => None,
            None => match rootfs::open_written(&Home::of(&self.root, &container.name).upper(), path) {
                Some(file) => Some(rootfs::content(file, path, most)?),
                None => {
                    let (container, store) = (Box::new(container), self.root.clone());
                    self.helper.ask(Job::Read { container, store, path: path.to_owned(), most })?
                }
            },
        };
        match found {
            Some((_, true)) => Err(SandboxError::FileTooLong { path: path.to_owned() }),
            found => Ok(found.map(|(bytes, _)| bytes)),
        }
    }

    /// What differs in a container's own files from those of its image, sorted by path; what is mounted does not count.
    ///
    /// # Errors
    /// [`SandboxError::NoSuchContainer`]; the system's refusals.
    pub fn changes(&self, id: &str) -> Result<Vec<TreeChange>> {
        let _lock = self.shared()?;
        let container = Box::new(self.existing(id)?);
        let store = self.root.clone();
        self.in_directory(|directory| {
            self.helper.ask(Job::Changes { container, store, directory: directory.to_owned() })
        })
    }

    /// How much a container wrote, in bytes.
    ///
    /// # Errors
    /// [`SandboxError::NoSuchContainer`]; the system's refusals.
    pub fn size(&self, id: &str) -> Result<u64> {
        let container = self.existing(id)?;
        self.helper.ask(Job::Size { directory: Home::of(&self.root, &container.name).upper() })
    }
}

/// Held by who starts or ends a container; `None` when that is gone.
fn starting(home: &Home) -> Result<Option<File>> {
    match locked(&home.starting(), FlockOperation::LockExclusive) {
        Err(_) if !home.path().exists() => Ok(None),
        held => held.map(Some),
    }
}

fn neither(container: &StoredContainer) -> SandboxError {
    refused(format!("container `{}` neither starts nor ends", container.name))
}

/// Whether the first process ended for want of anything to do: nothing is lost by another one.
fn rests(home: &Home) -> bool {
    fs::read_to_string(home.live()).is_ok_and(|text| text == RESTS)
}

/// Ends what runs in a container; from now on it does not rest either.
fn end(home: &Home) -> Result<()> {
    lifetime::kill(home)?;
    match File::options().write(true).truncate(true).open(home.live()) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error).doing(|| named("write", home.live())),
        _ => Ok(()),
    }
}

/// What can stand in the options of a mount, and in no other place of a path.
fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name.chars().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '.' | '-'))
}
