//! What this machine does not allow, in words, with what gives it.

use std::{fs, io, path::Path};

use rustix::process::geteuid;

use crate::{
    error::{Result, SandboxError},
    ids::{MAP_IDS, NEW_NAMESPACES},
    rootfs::{ATTRIBUTES, FRESH_PROC, OVERLAY},
};

/// File systems of many machines: an overlay cannot be written on them (statfs(2)).
const OF_THE_NETWORK: [(i64, &str); 6] = [
    (0x6969, "NFS"),
    (0x0bd0_0bd0, "Lustre"),
    (0x4750_4653, "GPFS"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB"),
    (0x0102_1997, "9p"),
];

const ELSEWHERE: &str = "set CE_STORE to a directory on a local disk";

/// Refuses a directory that cannot carry containers.
///
/// # Errors
/// [`SandboxError::Machine`].
pub(crate) fn is_local(directory: &Path) -> Result<()> {
    let Ok(found) = rustix::fs::statfs(directory) else { return Ok(()) };
    // Its sign is noise.
    let kind = found.f_type & 0xffff_ffff;
    match OF_THE_NETWORK.iter().find(|(number, _)| *number == kind) {
        Some((_, name)) => Err(SandboxError::Machine {
            what: format!("`{}` is on {name}, which cannot carry containers", directory.display()),
            help: ELSEWHERE.into(),
        }),
        None => Ok(()),
    }
}

/// An error of a first try, in words where we have some.
pub(crate) fn explained(error: SandboxError, store: &Path) -> SandboxError {
    let SandboxError::Failed { doing, source } = &error else { return error };
    let machine = |what: String, help: &str| SandboxError::Machine { what, help: help.to_owned() };
    let number = source.raw_os_error().unwrap_or_default();
    let is_refused = matches!(number, libc::EPERM | libc::EACCES);
    // It asks for what a namespace gives, and leaves root alone.
    let steps = [NEW_NAMESPACES, OVERLAY, ATTRIBUTES, FRESH_PROC];
    let is_of_namespaces = steps.contains(&doing.as_str()) || doing.starts_with(MAP_IDS);
    let is_restricted = is_refused && is_of_namespaces && !geteuid().is_root();
    if is_restricted && setting("kernel/apparmor_restrict_unprivileged_userns") == "1" {
        return machine("AppArmor of this machine leaves users' namespaces no rights".into(), APPARMOR);
    }
    match doing.as_str() {
        NEW_NAMESPACES => namespaces(source, number).unwrap_or(error),
        OVERLAY => machine(
            format!("no overlay can be mounted in `{}` ({source}; {})", store.display(), kernel()),
            "this takes Linux 5.11, and a directory on a local disk (ext4, xfs, btrfs, tmpfs): set CE_STORE to one",
        ),
        ATTRIBUTES => machine(format!("mounts cannot be protected ({source}; {})", kernel()), "this takes Linux 5.12"),
        FRESH_PROC => machine(format!("no fresh /proc can be mounted ({source})"), OUTER),
        doing if doing.starts_with(MAP_IDS) => machine(
            format!("the ids of /etc/subuid and /etc/subgid cannot be mapped: {source}"),
            "install `uidmap` (as root: `apt-get install uidmap`)",
        ),
        _ => error,
    }
}

const APPARMOR: &str = "as root, once: `sysctl -w kernel.apparmor_restrict_unprivileged_userns=0`, or a profile that lets this \
                        program have them (`userns,`)";
const OUTER: &str =
    "an outer container hides parts of it: run this outside of that, or have it started with `--privileged`";

fn namespaces(source: &io::Error, number: i32) -> Option<SandboxError> {
    let (what, help) = match number {
        libc::ENOSPC | libc::EUSERS => (
            "user namespaces are switched off on this machine",
            "as root, once: `sysctl -w user.max_user_namespaces=15000`",
        ),
        libc::EPERM if setting("kernel/unprivileged_userns_clone") == "0" => (
            "user namespaces are for root alone on this machine",
            "as root, once: `sysctl -w kernel.unprivileged_userns_clone=1`",
        ),
        libc::EPERM | libc::EACCES => ("this process is not allowed to make user namespaces", OUTER),
        libc::EINVAL | libc::ENOSYS => ("the kernel of this machine has no user namespaces", "this takes Linux 5.12"),
        _ => return None,
    };
    Some(SandboxError::Machine { what: format!("{what} ({source})"), help: help.to_owned() })
}

fn setting(name: &str) -> String {
    fs::read_to_string(Path::new("/proc/sys").join(name)).unwrap_or_default().trim().to_owned()
}

fn kernel() -> String {
    format!("Linux {}", setting("kernel/osrelease"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(doing: &str, number: i32) -> String {
        let source = io::Error::from_raw_os_error(number);
        match explained(SandboxError::Failed { doing: doing.into(), source }, Path::new("/store")) {
            SandboxError::Machine { what, help } => format!("{what}: {help}"),
            other => other.to_string(),
        }
    }

    #[test]
    fn what_is_missing_is_named_with_what_gives_it() {
        assert!(of(NEW_NAMESPACES, libc::ENOSPC).contains("`sysctl -w user.max_user_namespaces=15000`"));
        assert!(of(NEW_NAMESPACES, libc::EINVAL).starts_with("the kernel of this machine has no user namespaces"));
        assert!(of(OVERLAY, libc::EINVAL).contains("`/store`"));
        assert!(of(ATTRIBUTES, libc::ENOSYS).contains("this takes Linux 5.12"));
        assert!(of("map the ids with `newuidmap`", libc::ENOENT).contains("`apt-get install uidmap`"));
        assert_eq!(of("write `/x`", libc::ENOSPC), "cannot write `/x`");
    }
}
