//! Whose ids a container's are: root's own, a user's with ranges of further ones, or a user's single one.

use std::{
    fs,
    io::{Read, Write},
    os::unix::net::UnixStream,
    path::Path,
    process::Command,
};

use rustix::{
    process::{Pid, getgid, getuid},
    thread::{CapabilitySet, capabilities},
};
use serde::{Deserialize, Serialize};

use crate::{
    error::{Doing, Fault, Result, SandboxError, named, refused},
    sys,
};

/// A row of a map of ids (user_namespaces(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Row {
    inside: u32,
    outside: u32,
    count: u32,
}

/// What the ids inside a container are outside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Ids {
    /// The same.
    Root,
    /// Root is this user, the others come from the ranges that he has in /etc/subuid and /etc/subgid.
    Ranges {
        /// The users.
        uids: Vec<Row>,
        /// The groups.
        gids: Vec<Row>,
    },
    /// Root is this user, and there is nobody else.
    Single {
        /// The user.
        uid: u32,
        /// The group.
        gid: u32,
    },
}

/// The exit status of a child whose error is on its standard error.
const FAULT: i32 = 125;

impl Ids {
    /// What this process could have, the best first.
    pub(crate) fn candidates() -> Vec<Ids> {
        // Root of a container or of a user namespace is a user like others.
        let has_all_ids = fs::read_to_string("/proc/self/uid_map").is_ok_and(|map| map.contains("4294967295"));
        let may_mount = capabilities(None).is_ok_and(|sets| sets.effective.contains(CapabilitySet::SYS_ADMIN));
        if getuid().is_root() && has_all_ids && may_mount {
            return vec![Ids::Root];
        }
        let (uid, gid) = (getuid().as_raw(), getgid().as_raw());
        let name = user_name(&fs::read_to_string("/etc/passwd").unwrap_or_default(), uid);
        let rows = |file: &str, own| {
            let text = fs::read_to_string(file).unwrap_or_default();
            mapped(own, &ranges(&text, uid, name.as_deref()))
        };
        let (uids, gids) = (rows("/etc/subuid", uid), rows("/etc/subgid", gid));
        let has_ranges = uids.len() > 1 && gids.len() > 1;
        has_ranges.then_some(Ids::Ranges { uids, gids }).into_iter().chain([Ids::Single { uid, gid }]).collect()
    }

    /// Whether this process is who they are for.
    pub(crate) fn is_ours(&self) -> bool {
        let own = match self {
            Ids::Root => return Ids::candidates() == [Ids::Root],
            Ids::Ranges { uids, .. } => uids.first().map(|row| row.outside),
            Ids::Single { uid, .. } => Some(*uid),
        };
        own == Some(getuid().as_raw())
    }

    /// The same for the group that this process has now; `None` where the ranges are of another one.
    pub(crate) fn for_this_group(self) -> Option<Ids> {
        let own = getgid().as_raw();
        match self {
            Ids::Single { uid, .. } => Some(Ids::Single { uid, gid: own }),
            Ids::Ranges { ref gids, .. } if gids.first().is_some_and(|row| row.outside != own) => None,
            ids => Some(ids),
        }
    }

    pub(crate) fn is_rootless(&self) -> bool {
        *self != Ids::Root
    }

    /// Whether root is all there is.
    pub(crate) fn is_single(&self) -> bool {
        matches!(self, Ids::Single { .. })
    }

    fn write_maps(&self, pid: Pid) -> Result<()> {
        let pid = pid.as_raw_nonzero();
        let write = |file: &str, text: String| {
            let path = format!("/proc/{pid}/{file}");
            fs::write(&path, text).doing(|| named("write", &path))
        };
        match self {
            Ids::Root => Ok(()),
            Ids::Single { uid, gid } => {
                write("setgroups", "deny".into())?;
                write("uid_map", format!("0 {uid} 1"))?;
                write("gid_map", format!("0 {gid} 1"))
            }
            Ids::Ranges { uids, gids } => {
                map_with("newuidmap", &pid.to_string(), uids)?;
                map_with("newgidmap", &pid.to_string(), gids)
            }
        }
    }

    /// Forks; the child has `namespaces` of its own (`CLONE_NEW*`), is root of these ids there, and ends with what `inside`
    /// gives. What it is given breaks when this process drops what it gets, or ends.
    ///
    /// # Errors
    /// The system's refusals, here or to map the ids.
    pub(crate) fn fork(
        &self,
        namespaces: libc::c_int,
        inside: impl FnOnce(UnixStream) -> Result<i32>,
    ) -> Result<(Pid, UnixStream)> {
        let user = if self.is_rootless() { libc::CLONE_NEWUSER } else { 0 };
        let (mut ours, mut theirs) = UnixStream::pair().doing(|| "make a socket".into())?;
        let Some(pid) = sys::fork_into(namespaces | user).doing(|| NEW_NAMESPACES.into())? else {
            drop(ours);
            if theirs.read_exact(&mut [0]).is_err() {
                // Who made us says why.
                std::process::exit(FAULT);
            }
            std::process::exit(inside(theirs).unwrap_or_else(|error| {
                tell(&error);
                FAULT
            }));
        };
        drop(theirs);
        self.write_maps(pid)?; // what fails drops `ours`, and that ends the child
        ours.write_all(b"g").doing(|| "begin in the new namespaces".into())?;
        Ok((pid, ours))
    }

    /// Runs `inside` in such a child with mounts of its own, and waits for it.
    ///
    /// # Errors
    /// As [`Ids::fork`], and one whose cause the child has told, by [`tell`].
    pub(crate) fn run(&self, inside: impl FnOnce() -> Result<()>) -> Result<()> {
        let (pid, _parent) = self.fork(libc::CLONE_NEWNS, |_| inside().map(|()| 0))?;
        let ended = rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty());
        match ended.doing(|| "wait for a child".into())?.and_then(|(_, status)| status.exit_status()) {
            Some(0) => Ok(()),
            Some(FAULT) => std::process::exit(FAULT),
            _ => Err(refused("a helper was killed")),
        }
    }
}

/// What is tried by [`Ids::fork`] first; the machine may not allow it.
pub(crate) const NEW_NAMESPACES: &str = "make new namespaces";

/// Writes an error to standard error, for the process that started this one.
pub(crate) fn tell(error: &SandboxError) {
    let text = serde_json::to_string(&Fault::from(error)).unwrap_or_default() + "\n";
    // In one piece, as others may write there; who does not listen has gone.
    let _ = rustix::io::write(rustix::stdio::stderr(), text.as_bytes());
}

/// The error that was told last; what else was written stands for it where none was.
pub(crate) fn told(text: &str) -> SandboxError {
    let fault = text.lines().rev().find_map(|line| serde_json::from_str::<Fault>(line).ok());
    fault.map_or_else(|| refused(format!("a helper failed: {}", text.trim())), SandboxError::from)
}

/// What is tried when the programs of `uidmap` fail.
pub(crate) const MAP_IDS: &str = "map the ids";

fn map_with(program: &str, pid: &str, rows: &[Row]) -> Result<()> {
    let numbers = rows.iter().flat_map(|row| [row.inside, row.outside, row.count]).map(|number| number.to_string());
    let output =
        Command::new(program).arg(pid).args(numbers).output().doing(|| format!("{MAP_IDS} with `{program}`"))?;
    if output.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(std::io::Error::other(words)).doing(|| format!("{MAP_IDS} with `{program}`"))
}

/// Root is `own`, and what follows comes from the ranges, without a gap.
fn mapped(own: u32, ranges: &[(u32, u32)]) -> Vec<Row> {
    let mut rows = vec![Row { inside: 0, outside: own, count: 1 }];
    let mut next = 1u32;
    for (outside, count) in ranges {
        rows.push(Row { inside: next, outside: *outside, count: *count });
        next = next.saturating_add(*count);
    }
    rows
}

/// What a user is called (passwd(5)).
fn user_name(passwd: &str, uid: u32) -> Option<String> {
    let uid = uid.to_string();
    let mut rows = passwd.lines().map(|line| line.split(':'));
    rows.find_map(|mut fields| {
        let name = fields.next()?;
        (fields.nth(1)? == uid).then(|| name.to_owned())
    })
}

/// The ranges of a user: the first id and how many (subuid(5)).
fn ranges(text: &str, uid: u32, name: Option<&str>) -> Vec<(u32, u32)> {
    let uid = uid.to_string();
    let row = |line: &str| {
        let mut fields = line.split(':');
        let owner = fields.next()?;
        let is_ours = owner == uid || Some(owner) == name;
        let range = (fields.next()?.parse().ok()?, fields.next()?.trim().parse().ok()?);
        is_ours.then_some(range)
    };
    text.lines().filter_map(row).collect()
}

/// Whether the programs that map ranges are here.
pub(crate) fn has_mapping_programs() -> bool {
    let places = ["/usr/bin", "/bin", "/usr/sbin", "/usr/local/bin"];
    ["newuidmap", "newgidmap"].iter().all(|program| places.iter().any(|place| Path::new(place).join(program).exists()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_those_of_the_users_name_or_number() {
        let text = "ann:100000:65536\n1000:5:10\nbob:7:x\n\nbroken\nann:300000:10\n";
        assert_eq!(ranges(text, 1000, Some("ann")), [(100_000, 65_536), (5, 10), (300_000, 10)]);
        assert_eq!(ranges(text, 1001, None), []);
        let passwd = "root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n";
        assert_eq!(user_name(passwd, 1000).as_deref(), Some("ann"));
        assert_eq!(user_name(passwd, 1001), None);
    }

    #[test]
    fn root_is_the_user_and_the_ranges_follow_without_a_gap() {
        let rows = mapped(1000, &[(100_000, 65_536), (5, 10)]);
        let places: Vec<_> = rows.iter().map(|row| (row.inside, row.outside, row.count)).collect();
        assert_eq!(places, [(0, 1000, 1), (1, 100_000, 65_536), (65_537, 5, 10)]);
    }

    #[test]
    fn an_error_comes_over_as_it_was() {
        let error = told("noise\n{\"Failed\":{\"doing\":\"mount x\",\"code\":1,\"words\":\"no\"}}\n");
        assert_eq!(error.to_string(), "cannot mount x");
        assert!(matches!(error, SandboxError::Failed { source, .. } if source.raw_os_error() == Some(1)));
        assert_eq!(told("ld: cannot\n").to_string(), "a helper failed: ld: cannot");
    }
}
