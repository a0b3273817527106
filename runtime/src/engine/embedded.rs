//! An [`Engine`](super::Engine) without a daemon, over [`compeval_sandbox`]: a store of images and containers of this user's.

mod convert;
mod help;
#[cfg(feature = "registries")]
mod pull;
mod talk;

use std::{
    collections::BTreeMap,
    env,
    io::{Read, Seek},
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use compeval_sandbox::{Launched, Store};
use rustix::process::{getegid, geteuid};

pub use compeval_sandbox::help_if_asked;
pub use help::help;

use self::{
    convert::{change, found_container, found_image, program, setup_of},
    talk::{EmbeddedTalk, run},
};
use super::{
    containers::{Container, ContainerSpec, Containers, FileChange, LONGEST_FILE, RunningProgram},
    docker::Docker,
    error::EngineError,
    exec::{Conversation, Exec, Execs, ROOT, Sink, Stream},
    images::{Image, Images, Pulling},
};

/// The variable that names the directory of the store.
pub const STORE: &str = "CE_STORE";

/// The engine that is this program itself.
pub struct Embedded {
    store: Store,
}

impl Embedded {
    /// The store of this user: `CE_STORE`, else `compeval/containers` in `$XDG_DATA_HOME` or `~/.local/share`; root's is below
    /// /var/lib. A program that uses it calls [`compeval_sandbox::help_if_asked`] before all else.
    ///
    /// # Errors
    /// [`EngineError::Unusable`] where this machine does not allow containers; the system's refusals.
    pub fn open() -> Result<Embedded, EngineError> {
        Embedded::open_at(&store_directory()?, Path::new("/proc/self/exe"))
    }

    /// A store in a directory, with another program to help.
    ///
    /// # Errors
    /// As [`Embedded::open`].
    pub fn open_at(directory: &Path, program: &Path) -> Result<Embedded, EngineError> {
        Ok(Embedded { store: Store::open(directory, program)? })
    }

    /// What is to be known about a store that has just been made.
    #[must_use]
    pub fn first_words(&self) -> Option<&str> {
        self.store.first_words()
    }

    /// Whether root is all there is in its containers.
    #[must_use]
    pub fn has_only_root(&self) -> bool {
        self.store.has_only_root()
    }

    /// Removes what was left by who was killed, and layers that nobody has; nothing while others use the store.
    ///
    /// # Errors
    /// What could not be removed.
    pub fn tidy(&self) -> Result<(), EngineError> {
        self.store.collect().map_err(EngineError::from)
    }

    /// Takes the images out of an archive of `docker save` or an OCI layout, under a name if one is given.
    ///
    /// # Errors
    /// An archive that is none; the system's refusals.
    pub fn import(&self, archive: impl Read, name: Option<&str>) -> Result<Vec<Image>, EngineError> {
        let images = self.store.import(archive, name)?;
        Ok(images.into_iter().map(found_image).collect())
    }

    /// Who the user of a command is inside: the caller's own is root there, where root inside is the caller outside.
    fn user(&self, user: Option<&String>) -> Option<String> {
        let own = format!("{}:{}", geteuid().as_raw(), getegid().as_raw());
        user.map(|user| if self.store.is_rootless() && *user == own { ROOT.to_owned() } else { user.clone() })
    }

    fn launched(&self, id: &str, exec: &Exec, reads: bool) -> Result<Launched, EngineError> {
        exec.check_length()?;
        let launch = compeval_sandbox::Launch {
            argv: exec.argv.clone(),
            env: exec.env.iter().map(|(name, value)| format!("{name}={value}")).collect(),
            user: self.user(exec.user.as_ref()),
            working_dir: exec.working_dir.clone(),
            has_terminal: exec.has_terminal,
        };
        self.store.launch(id, &launch, reads).map_err(EngineError::from)
    }
}

/// Whether all of `wanted` are among the labels.
fn has_all(labels: &BTreeMap<String, String>, wanted: &[(&str, &str)]) -> bool {
    wanted.iter().all(|(name, value)| labels.get(*name).is_some_and(|there| there == value))
}

/// The directory of this user's store.
fn store_directory() -> Result<PathBuf, EngineError> {
    let help = || format!("set {STORE} to an absolute path on a local disk");
    if let Some(chosen) = env::var_os(STORE).filter(|value| !value.is_empty()).map(PathBuf::from) {
        let what = format!("`{}` in {STORE} is not an absolute path", chosen.display());
        return if chosen.is_absolute() { Ok(chosen) } else { Err(EngineError::Unusable { what, help: help() }) };
    }
    let absolute = |name| env::var_os(name).map(PathBuf::from).filter(|path: &PathBuf| path.is_absolute());
    let own = absolute("XDG_DATA_HOME").or_else(|| Some(absolute("HOME")?.join(".local/share")));
    // Root of a user namespace cannot write there.
    let shared = Path::new("/var/lib");
    let may_share = geteuid().is_root() && rustix::fs::access(shared, rustix::fs::Access::WRITE_OK).is_ok();
    match if may_share { Some(shared.to_owned()) } else { own } {
        Some(base) => Ok(base.join("compeval/containers")),
        None => {
            Err(EngineError::Unusable { what: "nothing says where containers are to be kept".into(), help: help() })
        }
    }
}

impl Images for Embedded {
    fn image(&self, reference: &str) -> Result<Image, EngineError> {
        self.store.image(reference).map(found_image).map_err(EngineError::from)
    }

    #[cfg(feature = "registries")]
    fn pull(
        &self,
        reference: &str,
        platform: Option<&str>,
        progress: &mut dyn FnMut(Pulling) -> ControlFlow<()>,
    ) -> Result<(), EngineError> {
        pull::pull(&self.store, reference, platform, progress)
    }

    #[cfg(not(feature = "registries"))]
    fn pull(
        &self,
        reference: &str,
        _platform: Option<&str>,
        _progress: &mut dyn FnMut(Pulling) -> ControlFlow<()>,
    ) -> Result<(), EngineError> {
        let message = "this program was built without what asks registries".to_owned();
        Err(EngineError::NotPulled { reference: reference.to_owned(), message })
    }

    /// From a Docker daemon of this machine.
    fn take_over(
        &self,
        reference: &str,
        progress: &mut dyn FnMut(Pulling) -> ControlFlow<()>,
    ) -> Result<bool, EngineError> {
        let Ok(docker) = Docker::connect() else { return Ok(false) };
        // One that does not answer has nothing for us.
        let Ok(image) = docker.image(reference) else { return Ok(false) };
        let mut archive = tempfile::tempfile().map_err(EngineError::Client)?;
        docker.save(reference, &mut archive, &mut |done| progress(Pulling { done, total: image.size.max(done) }))?;
        archive.rewind().map_err(EngineError::Client)?;
        self.import(archive, Some(reference)).map(|_| true)
    }

    fn images(&self, labels: &[(&str, &str)]) -> Result<Vec<Image>, EngineError> {
        let images = self.store.images()?;
        Ok(images.into_iter().filter(|image| has_all(&image.labels, labels)).map(found_image).collect())
    }

    fn commit(
        &self,
        container: &str,
        reference: &str,
        labels: &BTreeMap<String, String>,
    ) -> Result<String, EngineError> {
        self.store.commit(container, reference, labels).map_err(EngineError::from)
    }

    fn remove_image(&self, reference: &str) -> Result<(), EngineError> {
        self.store.remove_image(reference).map_err(EngineError::from)
    }
}

impl Containers for Embedded {
    fn containers(&self, labels: &[(&str, &str)]) -> Result<Vec<Container>, EngineError> {
        let found = self.store.containers()?.into_iter();
        let found = found.filter(|container| has_all(&container.setup.labels, labels));
        Ok(found.map(|container| found_container(&self.store, container)).collect())
    }

    fn container(&self, id: &str) -> Result<Option<Container>, EngineError> {
        let found = self.store.container(id)?;
        Ok(found.map(|container| found_container(&self.store, container)))
    }

    fn create(&self, name: &str, spec: &ContainerSpec) -> Result<String, EngineError> {
        let image = self.store.image(&spec.image)?;
        let mut setup = setup_of(name, spec, &image)?;
        setup.user = self.user(spec.user.as_ref()).unwrap_or_default();
        self.store.create(name, &spec.image, &setup).map_err(EngineError::from)
    }

    fn start(&self, id: &str) -> Result<(), EngineError> {
        self.store.start(id).map_err(EngineError::from)
    }

    fn unpause(&self, id: &str) -> Result<(), EngineError> {
        // None is ever paused.
        match self.store.container(id)? {
            Some(_) => Ok(()),
            None => Err(EngineError::NoSuchContainer { id: id.to_owned() }),
        }
    }

    fn stop(&self, id: &str) -> Result<(), EngineError> {
        self.store.stop(id).map_err(EngineError::from)
    }

    fn commands(&self, id: &str) -> Result<Vec<RunningProgram>, EngineError> {
        Ok(self.store.commands(id)?.into_iter().map(program).collect())
    }

    fn processes(&self, id: &str) -> Result<usize, EngineError> {
        // The first one reaps: it stands for an init, too, where one is asked for.
        let has_init = self.store.container(id)?.is_some_and(|found| found.setup.init);
        Ok(1 + usize::from(has_init) + self.store.processes(id)?)
    }

    fn ran_out_of_memory(&self, _id: &str, _since: jiff::Timestamp) -> Result<bool, EngineError> {
        // There is no limit to come up against.
        Ok(false)
    }

    fn changes(&self, id: &str) -> Result<Vec<FileChange>, EngineError> {
        Ok(self.store.changes(id)?.into_iter().map(change).collect())
    }

    fn size(&self, id: &str) -> Result<u64, EngineError> {
        self.store.size(id).map_err(EngineError::from)
    }

    fn remove(&self, id: &str) -> Result<(), EngineError> {
        self.store.remove(id).map_err(EngineError::from)
    }

    fn read_file(&self, id: &str, path: &str) -> Result<Option<Vec<u8>>, EngineError> {
        self.store.read_file(id, path, LONGEST_FILE as u64).map_err(EngineError::from)
    }
}

impl Execs for Embedded {
    fn exec(&self, id: &str, exec: &Exec, output: &mut Sink<'_>) -> Result<i32, EngineError> {
        match self.launched(id, exec, false)? {
            Launched::Running(running) => run(running, id, output),
            // As a daemon tells it.
            Launched::Refused { status, words } => {
                let _ = output(Stream::Stdout, format!("{words}\n").as_bytes()).map_err(EngineError::Output)?;
                Ok(status)
            }
        }
    }

    fn converse<'e>(&'e self, id: &str, exec: &Exec) -> Result<Box<dyn Conversation + 'e>, EngineError> {
        Ok(Box::new(EmbeddedTalk::new(self.launched(id, exec, true)?, id)?))
    }
}
