//! Where this user keeps what ce-run writes beside computations: logs, and when something was done last.

use std::{
    env, fs,
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use compeval_runtime::container::identity::plain;

/// Where the log of this process will be. Its name tells the computation, the time and the process; of what the
/// directory is called, only plain characters get into it.
pub fn log(directory: &Path) -> PathBuf {
    let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    logs(directory).join(format!("{time}-{}.log", std::process::id()))
}

/// The logs of the computation in a directory, newest first.
pub fn logs_of(directory: &Path) -> Vec<PathBuf> {
    dated(&logs(directory)).into_iter().rev().map(|(_, path)| path).collect()
}

/// The directory of a computation's logs: its name, and a hash of its path, for others have that name, too.
fn logs(directory: &Path) -> PathBuf {
    let directory = directory.canonicalize().unwrap_or_else(|_| directory.to_owned());
    let name = directory.file_name().map_or_else(|| "computation".into(), |name| plain(&name.to_string_lossy()));
    let mut hash = DefaultHasher::new();
    directory.hash(&mut hash);
    state_directory().join("logs").join(format!("{name}-{:012x}", hash.finish() >> 16))
}

/// `$XDG_STATE_HOME/compeval`, or its default in the home directory.
fn state_directory() -> PathBuf {
    let absolute = |name| env::var_os(name).map(PathBuf::from).filter(|path: &PathBuf| path.is_absolute());
    let base = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")));
    // Without a home, the engine's socket is all that says who this is: only root has that everywhere.
    base.unwrap_or_else(|| PathBuf::from("/var/lib")).join("compeval")
}

/// When something was done last for a computation.
pub struct Mark(PathBuf);

impl Mark {
    /// The mark of what was done for the computation in a directory.
    pub fn new(directory: &Path, what: &str) -> Mark {
        let mut name = logs(directory).into_os_string();
        name.push(format!(".{what}"));
        Mark(name.into())
    }

    /// Whether it was not done for so long.
    pub fn is_due(&self, every: Duration) -> bool {
        let age = || self.0.metadata().ok()?.modified().ok()?.elapsed().ok();
        age().is_none_or(|age| age >= every)
    }

    /// It is done now. Where that cannot be kept, it will be done again.
    pub fn set(&self) {
        if self.0.parent().is_some_and(|parent| fs::create_dir_all(parent).is_ok()) {
            let _ = fs::write(&self.0, "");
        }
    }
}

/// How many logs of a computation stay.
const LOGS: usize = 20;

/// Removes the oldest logs beside this one. That they are not removed is nothing to stop for.
pub fn prune(log: &Path) {
    let logs = log.parent().map(dated).unwrap_or_default();
    let too_many = logs.len().saturating_sub(LOGS);
    for (_, path) in logs.into_iter().take(too_many) {
        let _ = std::fs::remove_file(path);
    }
}

/// The logs in a directory with their times, oldest first.
fn dated(directory: &Path) -> Vec<(u64, PathBuf)> {
    let time = |path: &PathBuf| path.file_name()?.to_str()?.split_once('-')?.0.parse::<u64>().ok();
    let paths = directory.read_dir().into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    let mut logs: Vec<(u64, PathBuf)> = paths.filter_map(|path| Some((time(&path)?, path))).collect();
    logs.sort();
    logs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_logs_stay() {
        let top = tempfile::tempdir().unwrap();
        for time in 8..40 {
            std::fs::write(top.path().join(format!("{time}-1.log")), "").unwrap();
        }
        std::fs::write(top.path().join("notes"), "").unwrap();
        prune(&top.path().join("39-1.log"));
        let left = || top.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name());
        assert_eq!(left().count(), LOGS + 1);
        assert!(left().all(|name| name != "19-1.log" && name != "8-1.log"));
    }

    #[test]
    fn a_logs_name_has_no_character_of_the_directory_that_is_not_plain() {
        let top = tempfile::tempdir().unwrap();
        let directory = top.path().join("a\n\u{1b}[2J ü");
        std::fs::create_dir(&directory).unwrap();
        let log = log(&directory);
        let name = log.parent().unwrap().file_name().unwrap().to_str().unwrap().to_owned();
        assert!(name.starts_with("a___2J__-") && name.len() == "a___2J__-".len() + 12, "{name}");
    }
}
