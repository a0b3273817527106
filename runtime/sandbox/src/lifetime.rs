//! Whether the first process of a container lives, and how it is reached.

use std::{
    fs::{self, File},
    io,
    os::fd::{AsRawFd, OwnedFd},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with},
    process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal},
};

use crate::{
    error::{Doing, Result, named},
    layout::Home,
};

/// What a first process that has nothing to do writes where its lock is, before it ends.
pub(crate) const RESTS: &str = "rests";

/// Writes which process this one is, as the host knows it: its number, and when it began. In the time since
/// this machine started, they are no other's.
pub(crate) fn write_pid(home: &Home) -> Result<()> {
    let own = || {
        let pid = fs::read_link("/proc/self")?.display().to_string(); // still that of the host
        fs::write(home.pid(), format!("{pid} {} {}", began("self")?, boot()))
    };
    own().doing(|| named("write", home.pid()))
}

/// When a process began, in ticks of the clock since the machine did (proc_pid_stat(5)).
fn began(pid: &str) -> io::Result<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields = stat.rsplit(')').next().unwrap_or_default();
    Ok(fields.split_whitespace().nth(19).unwrap_or_default().to_owned())
}

/// Names the time since this machine started: afterwards, processes have the same numbers once more.
fn boot() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

/// The first process of a container, if it lives.
pub(crate) fn first_process(home: &Home) -> Option<OwnedFd> {
    let text = fs::read_to_string(home.pid()).ok()?;
    let mut words = text.split_whitespace();
    let (pid, then) = (words.next()?, words.next()?);
    if words.next()? != boot() {
        return None;
    }
    let process = pidfd_open(Pid::from_raw(pid.parse().ok()?)?, PidfdFlags::empty()).ok()?;
    // Opened before it is looked at, so that it stays the one that was looked at.
    let is_it = began(pid).ok()? == then;
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    let lives = poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&now)) == Ok(0);
    (is_it && lives).then_some(process)
}

/// Waits until the first process of a container, if there is one, has ended with all others in it.
pub(crate) fn wait_for_end(home: &Home) -> Result<()> {
    let Some(process) = first_process(home) else { return Ok(()) };
    let ended = rustix::io::retry_on_intr(|| poll(&mut [PollFd::new(&process, PollFlags::IN)], None));
    ended.map(drop).doing(|| "wait for the end of a container".into())
}

/// Kills the first process of a container, if there is one, and all others with it.
pub(crate) fn kill(home: &Home) -> Result<()> {
    let Some(process) = first_process(home) else { return Ok(()) };
    match pidfd_send_signal(&process, Signal::KILL) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => wait_for_end(home),
        refused => refused.doing(|| "end a container".into()),
    }
}

/// A connection to the first process; `None` when nobody is there.
pub(crate) fn connection(home: &Home) -> Result<Option<OwnedFd>> {
    let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None);
    let socket = socket.doing(|| "make a socket".into())?;
    let (_directory, address) = match address(home) {
        Ok(address) => address,
        Err(_) if !home.path().exists() => return Ok(None),
        Err(error) => return Err(error),
    };
    match rustix::io::retry_on_intr(|| connect(&socket, &address)) {
        Ok(()) => Ok(Some(socket)),
        Err(rustix::io::Errno::CONNREFUSED | rustix::io::Errno::NOENT) => Ok(None),
        refused => refused.map(|()| None).doing(|| named("connect to", home.socket())),
    }
}

/// The address of a container's socket, which is good as long as what comes with it is held. The path may be longer than
/// the 107 bytes that an address has.
pub(crate) fn address(home: &Home) -> Result<(File, SocketAddrUnix)> {
    let directory = File::open(home.path()).doing(|| named("open", home.path()))?;
    let address = SocketAddrUnix::new(format!("/proc/self/fd/{}/socket", directory.as_raw_fd()));
    Ok((directory, address.doing(|| named("name", home.socket()))?))
}
