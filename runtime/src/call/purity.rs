//! Whether a call leaves its container as it found it: what it leaves there, later calls would find.

use crate::{
    computation::{description::Purity, layout::OUR_PLACES},
    container::in_use,
    engine::{EngineError, FileChange, FileChangeKind},
    setup::{
        Setup, SetupError,
        notice::{Notice, Watcher},
    },
};

/// Where a call may leave what it likes.
const FREE: [&str; 5] = ["/tmp", "/var/tmp", "/run", "/var/run", "/dev"];

impl Setup<'_> {
    /// What differs in the container before the command runs, if somebody wants to know.
    pub(super) fn before(&self, container: &str) -> Result<Option<Vec<FileChange>>, EngineError> {
        match self.purity {
            Purity::Off => Ok(None),
            Purity::Warn | Purity::Fail => self.engine.changes(container).map(Some),
        }
    }

    /// Looks what the command has left, if that is asked for.
    pub(super) fn check_left(
        &self,
        container: &str,
        before: Option<Vec<FileChange>>,
        status: i32,
        watcher: &mut dyn Watcher,
    ) -> Result<(), SetupError> {
        let Some(before) = before else { return Ok(()) };
        let left = match self.engine.changes(container) {
            Ok(now) => left(&before, &now),
            // Without its container, nothing is left.
            Err(EngineError::NoSuchContainer { .. }) => return Ok(()),
            Err(source) => {
                let doing = format!("look what the command of `{}` left", self.environment.computation.name);
                return Err(SetupError::Engine { doing, source });
            }
        };
        let others = in_use::calls(self.engine, container, None).unwrap_or_default();
        match (left.is_empty(), self.purity) {
            (true, _) => {}
            (false, Purity::Fail) => {
                let computation = self.environment.computation.name.clone();
                return Err(SetupError::Impure { computation, status, left, others });
            }
            (false, _) => watcher.notice(Notice::Left { left: &left, others }),
        }
        Ok(())
    }
}

/// What differs now and did not before, but for what may, and for directories that only have it in them.
fn left(before: &[FileChange], now: &[FileChange]) -> Vec<FileChange> {
    let is_free = |path: &str| {
        let is_below =
            |directory: &str| path.strip_prefix(directory).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        FREE.iter().chain(&OUR_PLACES).any(|directory| is_below(directory))
    };
    // What the setup had added, and is gone, is like the image's again.
    let is_added = |change: &&FileChange| change.kind == FileChangeKind::Added;
    let is_gone = |change: &&FileChange| now.binary_search_by(|other| other.path.cmp(&change.path)).is_err();
    let deleted = before.iter().filter(is_added).filter(is_gone);
    let deleted = deleted.map(|change| FileChange { kind: FileChangeKind::Deleted, ..change.clone() });
    let others = now.iter().filter(|change| before.binary_search(change).is_err()).cloned();
    let mut news: Vec<FileChange> = others.chain(deleted).filter(|change| !is_free(&change.path)).collect();
    news.sort();
    let holds_others = |change: &FileChange| {
        let inside = format!("{}/", change.path);
        news.iter().any(|other| other.path.starts_with(&inside))
            // Only what may be there changed in it.
            || FREE.iter().chain(&OUR_PLACES).any(|directory| directory.starts_with(&inside))
    };
    news.iter().filter(|change| !holds_others(change)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::FileChangeKind::{Added, Deleted, Modified};

    #[test]
    fn what_is_left_is_what_was_not_there_before() {
        let change = |path: &str, kind| FileChange { path: path.to_owned(), kind };
        let before = [change("/etc", Modified), change("/etc/a", Added), change("/root", Modified)];
        let mut now = before.to_vec();
        now.retain(|change| change.path != "/etc/a");
        now.extend([
            change("/bin/x", Deleted),
            change("/etc/b", Modified),
            change("/root/new", Added),
            change("/root/new/file", Added),
            change("/tmp", Modified),
            change("/tmp/x", Added),
            change("/tmpx", Added),
            change("/var", Modified),
            change("/var/lib", Modified),
            change("/var/lib/compeval/state.toml", Modified),
            change("/var/log", Modified),
            change("/var/log/y", Added),
        ]);
        now.sort();
        let left: Vec<String> = left(&before, &now).into_iter().map(|change| change.path).collect();
        assert_eq!(left, ["/bin/x", "/etc/a", "/etc/b", "/root/new/file", "/tmpx", "/var/log/y"]);
    }
}
