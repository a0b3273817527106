//! The groups of who calls: a command can be given one of its own, the others belong to the container.

use std::{collections::BTreeSet, env, fs, os::unix::fs::MetadataExt, path::Path};

use rustix::process::{geteuid, getgroups};

use crate::file;

/// How many directories of a storage are looked at.
const MOST_DIRECTORIES: usize = 1000;
/// More than a list of groups has, in bytes.
const LONGEST_LIST: u64 = 4 << 20;

/// The caller's groups that `storage` or a directory directly in it belongs to.
pub(super) fn of_caller_in(storage: &Path) -> Vec<u32> {
    let callers = match env::var("SUDO_USER") {
        Ok(user) if geteuid().is_root() => {
            let list = file::read(Path::new("/etc/group"), LONGEST_LIST).unwrap_or_default();
            listed(&String::from_utf8_lossy(&list), &user)
        }
        _ => getgroups().unwrap_or_default().into_iter().map(|group| group.as_raw()).collect(),
    };
    if callers.is_empty() {
        return Vec::new();
    }
    let inside = fs::read_dir(storage).into_iter().flatten().flatten().take(MOST_DIRECTORIES);
    let directories =
        inside.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path());
    let owners =
        [storage.to_owned()].into_iter().chain(directories).filter_map(|path| Some(path.metadata().ok()?.gid()));
    // Root's group opens what is not the caller's.
    let owners: BTreeSet<u32> = owners.filter(|group| *group != 0).collect();
    owners.intersection(&callers).copied().collect()
}

/// The groups that a user is named in (group(5)).
fn listed(list: &str, user: &str) -> BTreeSet<u32> {
    let group = |line: &str| {
        let mut fields = line.split(':');
        let number = fields.nth(2)?.parse().ok()?;
        fields.next()?.split(',').any(|member| member == user).then_some(number)
    };
    list.lines().filter_map(group).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_groups_of_a_user_are_those_that_name_him() {
        let list = "root:x:0:\ndata:x:50:ann,bob\nbroken\nwork:x:60:bob\nnone:x:y:bob\n";
        assert_eq!(listed(list, "bob"), BTreeSet::from([50, 60]));
        assert_eq!(listed(list, "bo"), BTreeSet::new());
    }
}
