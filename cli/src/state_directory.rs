//! Where this user keeps what ce-run writes beside computations: logs.

use std::{
    env,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use compeval_runtime::container::identity::plain;

/// Where the log of this process will be. Its name tells the computation, the time and the process; of what the
/// directory is called, only plain characters get into it.
pub fn log(directory: &Path) -> PathBuf {
    let directory = directory.canonicalize().unwrap_or_else(|_| directory.to_owned());
    let name = directory.file_name().map_or_else(|| "computation".into(), |name| plain(&name.to_string_lossy()));
    let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    state_directory().join("logs").join(name).join(format!("{time}-{}.log", std::process::id()))
}

/// `$XDG_STATE_HOME/compeval`, or its default in the home directory.
fn state_directory() -> PathBuf {
    let absolute = |name| env::var_os(name).map(PathBuf::from).filter(|path: &PathBuf| path.is_absolute());
    let base = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")));
    // Without a home, the engine's socket is all that says who this is: only root has that everywhere.
    base.unwrap_or_else(|| PathBuf::from("/var/lib")).join("compeval")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_logs_name_has_no_character_of_the_directory_that_is_not_plain() {
        let top = tempfile::tempdir().unwrap();
        let directory = top.path().join("a\n\u{1b}[2J ü");
        std::fs::create_dir(&directory).unwrap();
        let log = log(&directory);
        assert_eq!(log.parent().unwrap().file_name().unwrap(), "a___2J__");
    }
}
