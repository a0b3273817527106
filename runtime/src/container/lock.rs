//! One setup at a time: a lock that the kernel holds for us, and lets go when this process ends, whatever way.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, Mode, OFlags, flock};
use rustix::io::Errno;
use thiserror::Error;

/// How often to try: the kernel knows no time limit, and no wish to stop.
const RETRY: Duration = Duration::from_millis(10);

/// How long one waits for others without a word.
const UNTOLD: Duration = Duration::from_secs(2);

/// Where the locks of caches are: whoever sets up on this machine can make one there, and nobody can remove another's.
const CACHES: &str = "/tmp";

/// A lock that is held until this is dropped, or the process ends.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// Why the lock was not had.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LockError {
    /// Somebody else holds it for too long.
    #[error("waited {} s for the lock `{}`", waited.as_secs(), path.display())]
    Timeout {
        /// The directory.
        path: PathBuf,
        /// The time limit.
        waited: Duration,
    },
    /// There was no more need for it.
    #[error("did not wait for the lock `{}`", path.display())]
    GivenUp {
        /// The directory.
        path: PathBuf,
    },
    /// It cannot be opened or locked: some network file systems lock no directory.
    #[error("cannot lock the directory `{}`", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
}

impl LockError {
    /// What the reader can do about it, if we know.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        match self {
            Self::Timeout { path, .. } => {
                Some(format!("another ce-run sets up: see who with `fuser -v {}`", path.display()))
            }
            Self::Directory { path, .. }
                if path.parent() == Some(Path::new(CACHES)) && path.extension() == Some("lock".as_ref()) =>
            {
                Some("whoever made it must let others read it: `chmod 755`, or remove it".to_owned())
            }
            Self::GivenUp { .. } => None,
            Self::Directory { .. } => {
                Some("put the computation on a file system on which directories can be locked (flock)".to_owned())
            }
        }
    }
}

impl Lock {
    /// Locks a cache, for whoever uses the same engine on this machine; otherwise as [`Lock::acquire`].
    ///
    /// # Errors
    /// As for [`Lock::acquire`].
    pub fn of_cache(
        name: &str,
        timeout: Option<Duration>,
        waiting: impl FnOnce(),
        gives_up: impl Fn() -> bool,
    ) -> Result<Self, LockError> {
        let path = Path::new(CACHES).join(format!("{name}.lock"));
        match std::fs::create_dir(&path) {
            Err(source) if source.kind() != io::ErrorKind::AlreadyExists => Err(LockError::Directory { path, source }),
            _ => Self::acquire(&path, timeout, waiting, gives_up),
        }
    }

    /// Locks the directory at `path`, which need not be writable: all who mean it have it in common, whoever they are.
    /// Waits for others as long as `timeout` says, `None` being for ever; `waiting` is called once, when that
    /// takes longer than two seconds, `gives_up` again and again.
    ///
    /// # Errors
    /// [`LockError::Timeout`]; [`LockError::GivenUp`]; [`LockError::Directory`] when it is none, is a symbolic link, or
    /// cannot be locked.
    pub fn acquire(
        path: &Path,
        timeout: Option<Duration>,
        waiting: impl FnOnce(),
        gives_up: impl Fn() -> bool,
    ) -> Result<Self, LockError> {
        let failed = |error: Errno| LockError::Directory { path: path.to_owned(), source: error.into() };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = File::from(rustix::fs::open(path, flags, Mode::empty()).map_err(failed)?);
        if !try_lock(&file).map_err(failed)? {
            let begin = Instant::now();
            let mut waiting = Some(waiting);
            while !try_lock(&file).map_err(failed)? {
                if gives_up() {
                    return Err(LockError::GivenUp { path: path.to_owned() });
                }
                if begin.elapsed() > UNTOLD
                    && let Some(waiting) = waiting.take()
                {
                    waiting();
                }
                let left = timeout.map_or(RETRY, |limit| limit.saturating_sub(begin.elapsed()));
                if left.is_zero() {
                    return Err(LockError::Timeout { path: path.to_owned(), waited: begin.elapsed() });
                }
                std::thread::sleep(RETRY.min(left));
            }
        }
        Ok(Self { _file: file })
    }
}

/// Whether the lock was free, and now is ours.
fn try_lock(file: &File) -> Result<bool, Errno> {
    match rustix::io::retry_on_intr(|| flock(file, FlockOperation::NonBlockingLockExclusive)) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK) => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const SHORT: Option<Duration> = Some(Duration::from_millis(60));

    fn directory() -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("align");
        std::fs::create_dir(&path).unwrap();
        (directory, path)
    }

    #[test]
    fn a_free_lock_is_had_without_waiting() {
        let (_directory, path) = directory();
        drop(Lock::acquire(&path, None, || panic!("waited"), || false).unwrap());
        drop(Lock::acquire(&path, SHORT, || panic!("waited"), || false).unwrap());
    }

    #[test]
    fn a_held_lock_times_out_and_short_waits_are_not_told() {
        let (_directory, path) = directory();
        let _held = Lock::acquire(&path, None, || (), || false).unwrap();
        let mut said = 0;
        let error = Lock::acquire(&path, SHORT, || said += 1, || false).unwrap_err();
        assert_eq!((said, error.to_string()), (0, format!("waited 0 s for the lock `{}`", path.display())));
    }

    #[test]
    fn one_who_waits_may_give_up() {
        let (_directory, path) = directory();
        let _held = Lock::acquire(&path, None, || (), || false).unwrap();
        let second = Lock::acquire(&path, None, || (), || true);
        assert!(matches!(second, Err(LockError::GivenUp { .. })), "{second:?}");
    }

    #[test]
    fn one_who_waits_has_it_when_the_holder_lets_go() {
        for timeout in [None, Some(Duration::from_secs(60))] {
            let (_directory, path) = directory();
            let held = Lock::acquire(&path, None, || (), || false).unwrap();
            let (waiting, waits) = mpsc::channel();
            std::thread::scope(|scope| {
                let second = scope
                    .spawn(|| Lock::acquire(&path, timeout, move || waiting.send(()).unwrap(), || false).map(drop));
                waits.recv().unwrap();
                drop(held);
                second.join().unwrap().unwrap();
            });
        }
    }

    #[test]
    fn a_killed_holder_lets_go() {
        let (_directory, path) = directory();
        let mut holder = std::process::Command::new("flock")
            .arg(&path)
            .args(["sh", "-c", "echo; exec sleep 1000"])
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        std::io::Read::read_exact(holder.stdout.as_mut().unwrap(), &mut [0]).unwrap();
        assert!(matches!(Lock::acquire(&path, SHORT, || (), || false), Err(LockError::Timeout { .. })));
        // The lock belongs to the open file, which `flock` and what it runs share: both must go.
        let children = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", holder.id())).unwrap();
        for child in children.split_whitespace() {
            std::process::Command::new("kill").args(["-KILL", child]).status().unwrap();
        }
        holder.kill().unwrap();
        holder.wait().unwrap();
        Lock::acquire(&path, Some(Duration::from_secs(60)), || (), || false).unwrap();
    }

    #[test]
    fn what_is_no_directory_is_not_locked_and_nothing_is_made() {
        let (directory, path) = directory();
        std::os::unix::fs::symlink(&path, directory.path().join("link")).unwrap();
        std::fs::write(directory.path().join("file"), "").unwrap();
        for name in ["link", "file", "none"] {
            let lock = Lock::acquire(&directory.path().join(name), None, || (), || false);
            assert!(matches!(lock, Err(LockError::Directory { .. })), "{name}: {lock:?}");
        }
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 3);
    }
}
