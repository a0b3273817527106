//! Users by the container's own files, as `docker exec --user` reads them.

use std::{fs::File, io::Read};

use rustix::process::{Gid, Uid};

use crate::{
    error::{Result, refused},
    rootfs,
};

/// More than a list of users has, in bytes.
const LONGEST_FILE: u64 = 4 << 20;

/// Who a command runs as.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) uid: Uid,
    pub(crate) gid: Gid,
    /// Further groups.
    pub(crate) groups: Vec<Gid>,
    pub(crate) home: String,
}

/// The user that `name`, `uid`, `name:group` or `uid:gid` stands for in this root directory; the empty text is root. A number
/// needs no row in a file.
///
/// # Errors
/// A name that no file has.
pub(crate) fn find(specification: &str) -> Result<User> {
    found(specification, &read("/etc/passwd"), &read("/etc/group"))
}

/// What a regular file of the container holds, up to a bound: it may be anything that the container makes of it.
fn read(path: &str) -> String {
    let mut bytes = Vec::new();
    let file = rootfs::open(path, rootfs::LastLink::Followed).map(File::from);
    // What cannot be read has no users.
    let _ = file.map(|file| file.take(LONGEST_FILE).read_to_end(&mut bytes));
    String::from_utf8_lossy(&bytes).into_owned()
}

fn found(specification: &str, passwd: &str, group: &str) -> Result<User> {
    let (user, wanted) = match specification.split_once(':') {
        Some((user, wanted)) => (user, Some(wanted)),
        None => (specification, None),
    };
    let user = if user.is_empty() { "0" } else { user };
    let row = rows(passwd, 6).find(|fields| field(fields, 0) == user || field(fields, 2) == user);
    let number = |text: &str| text.parse::<u32>().ok();
    let (uid, mut gid, home) = match &row {
        Some(fields) => (number(field(fields, 2)), number(field(fields, 3)), field(fields, 5)),
        None => (number(user), Some(0), if user == "0" { "/root" } else { "/" }),
    };
    let name = row.as_ref().map_or("", |fields| field(fields, 0));
    let mut groups = Vec::new();
    match wanted {
        Some(wanted) => {
            let row = rows(group, 3).find(|fields| field(fields, 0) == wanted || field(fields, 2) == wanted);
            gid = number(row.as_ref().map_or(wanted, |fields| field(fields, 2)));
        }
        None if !name.is_empty() => {
            let has = |fields: &Vec<&str>| field(fields, 3).split(',').any(|member| member == name);
            groups =
                rows(group, 4).filter(has).filter_map(|fields| number(field(&fields, 2))).map(Gid::from_raw).collect();
        }
        None => {}
    }
    match (uid, gid) {
        (Some(uid), Some(gid)) => {
            Ok(User { uid: Uid::from_raw(uid), gid: Gid::from_raw(gid), groups, home: home.to_owned() })
        }
        (None, _) => Err(refused(format!("unable to find user {user}: the container's /etc/passwd has no such name"))),
        (_, None) => Err(refused(format!(
            "unable to find group {}: the container's /etc/group has no such name",
            wanted.unwrap_or_default()
        ))),
    }
}

/// The rows that have at least so many fields.
fn rows(text: &str, fields: usize) -> impl Iterator<Item = Vec<&str>> {
    text.lines().map(|line| line.split(':').collect::<Vec<_>>()).filter(move |row| row.len() >= fields)
}

fn field<'t>(fields: &[&'t str], at: usize) -> &'t str {
    fields.get(at).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nbroken\nann:x:1000:100:Ann:/home/ann:/bin/sh\n";
    const GROUP: &str = "root:x:0:\nusers:x:100:\nstaff:x:50:bob,ann\ntape:x:26:ann\n";

    fn user(uid: u32, gid: u32, groups: &[u32], home: &str) -> User {
        let groups = groups.iter().copied().map(Gid::from_raw).collect();
        User { uid: Uid::from_raw(uid), gid: Gid::from_raw(gid), groups, home: home.into() }
    }

    #[test]
    fn users_are_named_as_docker_takes_them() {
        for (specification, expected) in [
            ("", user(0, 0, &[], "/root")),
            ("0", user(0, 0, &[], "/root")),
            ("ann", user(1000, 100, &[50, 26], "/home/ann")),
            ("1000", user(1000, 100, &[50, 26], "/home/ann")),
            ("ann:staff", user(1000, 50, &[], "/home/ann")),
            ("ann:7", user(1000, 7, &[], "/home/ann")),
            ("4711", user(4711, 0, &[], "/")),
            ("4711:4712", user(4711, 4712, &[], "/")),
        ] {
            assert_eq!(found(specification, PASSWD, GROUP).unwrap(), expected, "{specification}");
        }
        for (specification, what) in [("bob", "user bob"), ("ann:crew", "group crew"), ("0:-1", "group -1")] {
            let error = found(specification, PASSWD, GROUP).unwrap_err().to_string();
            assert!(error.starts_with(&format!("unable to find {what}: ")), "{error}");
        }
        assert_eq!(found("0", "", "").unwrap(), user(0, 0, &[], "/root"));
    }
}
