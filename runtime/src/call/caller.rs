//! Whose call it is: what the command writes to the storage is his.

use std::env;

use rustix::{
    fs::Mode,
    process::{getegid, geteuid},
};

/// The user and group that a command runs as, unless docker.conf says otherwise: those of this process; under sudo, those of
/// who called sudo.
#[must_use]
pub fn caller() -> String {
    let (user, group) = (geteuid().as_raw(), getegid().as_raw());
    let number = |name: &str| env::var(name).ok()?.parse::<u32>().ok();
    match (user, number("SUDO_UID"), number("SUDO_GID")) {
        (0, Some(user), Some(group)) => format!("{user}:{group}"),
        _ => format!("{user}:{group}"),
    }
}

/// The mode bits that new files of this process do not get (POSIX umask).
#[must_use]
pub fn umask() -> u32 {
    // It can only be told by setting it.
    let mask = rustix::process::umask(Mode::from_raw_mode(0o077));
    rustix::process::umask(mask);
    mask.as_raw_mode()
}
