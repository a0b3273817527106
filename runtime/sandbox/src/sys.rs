//! The system calls that `rustix` has no safe form of: all `unsafe` of this workspace.

#![expect(unsafe_code, reason = "each block says why it holds")]

use std::{
    ffi::{CString, c_char, c_int, c_long, c_ulong},
    fs, io,
    os::{
        fd::{AsFd, AsRawFd, FromRawFd, OwnedFd},
        unix::process::CommandExt,
    },
    process::Command,
};

use rustix::process::Pid;

fn checked(value: c_long) -> io::Result<c_long> {
    if value < 0 { Err(io::Error::last_os_error()) } else { Ok(value) }
}

fn checked_int(value: c_int) -> io::Result<c_int> {
    if value < 0 { Err(io::Error::last_os_error()) } else { Ok(value) }
}

/// Forks (clone(2)), with `namespaces` of its own for the child (`CLONE_NEW*`); `None` in the child.
///
/// # Errors
/// The system's, and one for a process that has threads: only one without can go on in both.
pub(crate) fn fork_into(namespaces: c_int) -> io::Result<Option<Pid>> {
    if fs::read_dir("/proc/self/task")?.count() != 1 {
        return Err(io::Error::other("a process with threads cannot be forked"));
    }
    let flags = c_ulong::from(namespaces.cast_unsigned()) | c_ulong::from(libc::SIGCHLD.cast_unsigned());
    // SAFETY: without a stack of its own the child goes on with a copy of ours, as after fork(2); there is no other
    // thread, so that no lock is held in that copy by somebody who is not there.
    let pid = checked(unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) })?;
    Ok(c_int::try_from(pid).ok().and_then(Pid::from_raw))
}

/// Runs `setup` in the child of `command` between fork and exec. Only for a process without threads, in which it may do
/// whatever it likes.
pub(crate) fn before_exec(command: &mut Command, setup: impl FnMut() -> io::Result<()> + Send + Sync + 'static) {
    // SAFETY: the caller has one thread, so that the child's copy of each lock is free.
    unsafe { command.pre_exec(setup) };
}

/// Becomes a program (execve(2)); comes back only with the system's refusal. `arguments` and `variables` end with a null.
fn execve(program: &CString, arguments: &[*const c_char], variables: &[*const c_char]) -> io::Error {
    // SAFETY: the pointers are to C strings that outlive the call, and each list ends with a null.
    unsafe { libc::execve(program.as_ptr(), arguments.as_ptr(), variables.as_ptr()) };
    io::Error::last_os_error()
}

/// Becomes the first of `programs` that is there, without another try by a shell for one whose format is not known.
pub(crate) fn become_program(programs: &[CString], arguments: &[CString], variables: &[CString]) -> io::Error {
    let list = |words: &[CString]| -> Vec<*const c_char> {
        words.iter().map(|word| word.as_ptr()).chain([std::ptr::null()]).collect()
    };
    let (arguments, variables) = (list(arguments), list(variables));
    let mut refused = io::Error::from_raw_os_error(libc::ENOENT);
    for program in programs {
        let error = execve(program, &arguments, &variables);
        match error.raw_os_error() {
            Some(libc::ENOENT | libc::ENOTDIR) => {}
            // One that may be executed may stand behind it.
            Some(libc::EACCES) => refused = error,
            _ => return error,
        }
    }
    refused
}

/// Sets attributes (`MOUNT_ATTR_*`) on a whole detached tree of mounts, which is cut off from what it is a copy of: what is
/// mounted there later would come without them (mount_setattr(2)).
pub(crate) fn set_mount_attributes(tree: impl AsFd, attributes: u64) -> io::Result<()> {
    let wanted = libc::mount_attr { attr_set: attributes, attr_clr: 0, propagation: libc::MS_PRIVATE, userns_fd: 0 };
    let flags = libc::AT_EMPTY_PATH | libc::AT_RECURSIVE;
    let descriptor = tree.as_fd().as_raw_fd();
    // SAFETY: the pointers are to a C string and to `wanted`, whose size is told.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            descriptor,
            c"".as_ptr(),
            flags,
            &raw const wanted,
            size_of::<libc::mount_attr>(),
        )
    };
    checked(answer).map(drop)
}

/// Installs a filter of system calls (seccomp(2)) without giving up new privileges: this takes `CAP_SYS_ADMIN`.
pub(crate) fn install_filter(program: &seccompiler::BpfProgram) -> io::Result<()> {
    let length = u16::try_from(program.len()).map_err(|_| io::Error::other("a filter is too long"))?;
    let program = libc::sock_fprog { len: length, filter: program.as_ptr().cast_mut().cast() };
    // SAFETY: both crates declare the kernel's `sock_filter`; the kernel copies the program, and writes nothing to it.
    let answer = unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const program) };
    checked(answer).map(drop)
}

/// A descriptor that can be read when one of `signals` came (signalfd(2)); from now on they do nothing else.
pub(crate) fn signal_descriptor(signals: &[c_int]) -> io::Result<OwnedFd> {
    // SAFETY: `sigemptyset` makes the set; the descriptor is new, and nobody else's.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        for signal in signals {
            libc::sigaddset(&raw mut set, *signal);
        }
        checked_int(libc::sigprocmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()))?;
        let descriptor = checked_int(libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK))?;
        Ok(OwnedFd::from_raw_fd(descriptor))
    }
}

/// No signal is blocked or ignored any more: what a process blocks is handed on to what it starts.
pub(crate) fn default_signals() -> io::Result<()> {
    // SAFETY: `sigemptyset` makes the set, and no handler is installed. KILL and STOP refuse, which is well.
    unsafe {
        for signal in 1..=libc::SIGRTMAX() {
            libc::signal(signal, libc::SIG_DFL);
        }
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        checked_int(libc::sigprocmask(libc::SIG_SETMASK, &raw const set, std::ptr::null_mut())).map(drop)
    }
}

/// The process and the user on the other side of a socket (unix(7), SO_PEERCRED). Process 0 is one that is not in our
/// namespace of processes, nor in one below it.
pub(crate) fn peer(socket: impl AsFd) -> io::Result<(i32, u32)> {
    let mut peer = libc::ucred { pid: 0, uid: 0, gid: 0 };
    let mut length = libc::socklen_t::try_from(size_of::<libc::ucred>()).map_err(io::Error::other)?;
    let descriptor = socket.as_fd().as_raw_fd();
    // SAFETY: the pointers are to `peer`, whose size is told, and to that size.
    let answer = unsafe {
        libc::getsockopt(descriptor, libc::SOL_SOCKET, libc::SO_PEERCRED, (&raw mut peer).cast(), &raw mut length)
    };
    checked_int(answer)?;
    Ok((peer.pid, peer.uid))
}

/// Leaves the session's keyring for a new one (keyctl(2)).
pub(crate) fn new_keyring() -> io::Result<()> {
    // SAFETY: the only pointer is null: a ring without a name.
    let answer = unsafe { libc::syscall(libc::SYS_keyctl, libc::KEYCTL_JOIN_SESSION_KEYRING, 0) };
    checked(answer).map(drop)
}

/// Closes every descriptor from 3 on (close_range(2)): somebody else's pipe would be held open for as long as we live.
pub(crate) fn close_inherited() -> io::Result<()> {
    // SAFETY: this is the first thing that this process does, so that no value of it owns one of them.
    let answer = unsafe { libc::syscall(libc::SYS_close_range, 3, c_ulong::from(u32::MAX), 0) };
    checked(answer).map(drop)
}

/// Brings up the loopback interface of this network namespace (netdevice(7)).
pub(crate) fn loopback_up() -> io::Result<()> {
    let socket = rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::DGRAM, None)?;
    // SAFETY: zeroes are a request; its name and flags are what SIOCSIFFLAGS reads.
    unsafe {
        let mut request: libc::ifreq = std::mem::zeroed();
        for (place, letter) in request.ifr_name.iter_mut().zip(*b"lo") {
            *place = letter.cast_signed();
        }
        request.ifr_ifru.ifru_flags = libc::IFF_UP as libc::c_short;
        checked_int(libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request)).map(drop)
    }
}
