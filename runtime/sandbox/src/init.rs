//! The first process of a container: it reaps, and runs what it is asked to over a socket. It is a fork of this program,
//! so that an image need not have anything for it, and what it starts has its filter of system calls.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    os::{
        fd::{AsFd, OwnedFd},
        unix::{fs::OpenOptionsExt, net::UnixStream},
    },
    path::Path,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{FlockOperation, Mode, flock},
    net::{AddressFamily, SocketFlags, SocketType, accept_with, bind, listen, socket_with},
    process::{
        DumpableBehavior, Pid, Resource, Rlimit, Signal, WaitOptions, WaitStatus, getrlimit, set_dumpable_behavior,
        setrlimit, wait,
    },
};

use crate::{
    confine,
    error::{Doing, Result, SandboxError, named, refused},
    ids::{Ids, told},
    launch::{self, LaunchSurroundings, Refusal},
    layout::Home,
    lifetime::{self, RESTS},
    protocol::{self, Ask, Reply, RunningCommand},
    record::{self, HostNetwork, StoredContainer},
    rootfs, sys,
};

/// How long it stays when nobody is connected and nothing runs. Whoever comes next starts another one.
const LINGER: Timespec = Timespec { tv_sec: 10, tv_nsec: 0 };
/// How many may be connected.
const MOST_CLIENTS: usize = 1000;
const STANDS: &[u8] = b"up";

/// Makes a container's first process, and comes back when that stands; `false` when there is one that is about to begin or
/// to end. This process is left alone with its streams for it: it is the first thing that it does.
///
/// # Errors
/// What the system refuses, or the container's file system.
pub(crate) fn stand_up(container: &StoredContainer, store: &Path, ids: &Ids) -> Result<bool> {
    sys::default_signals().doing(|| "reset the signals".into())?;
    rustix::process::setsid().doing(|| "begin a session".into())?;
    rustix::process::umask(Mode::from(0o022));
    let home = Home::of(store, &container.name);
    let live = File::options().create(true).write(true).mode(0o600).truncate(false).open(home.live());
    let live = live.doing(|| named("open", home.live()))?;
    if flock(&live, FlockOperation::NonBlockingLockExclusive).is_err() {
        return Ok(false);
    }
    // The lock is free as soon as the former one has closed its files; its mounts are there until all have ended.
    lifetime::wait_for_end(&home)?;
    // Who had this one made may have been killed, and others have put another one in its place.
    if record::id_in(&home.record()).as_deref() != Some(container.id.as_str()) {
        return Err(SandboxError::NoSuchContainer { name: container.name.clone() });
    }
    let listener = listener(&home)?;
    let (mut stands, standing) = io::pipe().doing(|| "make a pipe".into())?;
    let mut namespaces = libc::CLONE_NEWNS | libc::CLONE_NEWPID | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS;
    if container.setup.network == HostNetwork::None {
        namespaces |= libc::CLONE_NEWNET;
    }
    let (child, _parent) = ids.fork(namespaces, |parent| {
        begin(container, store, ids, parent, &live)?;
        let signals = sys::signal_descriptor(&[libc::SIGCHLD]).doing(|| "wait for children".into())?;
        listen(&listener, 128).doing(|| "listen".into())?;
        stay(standing)?;
        let surroundings = LaunchSurroundings { container, is_single: ids.is_single(), is_rootless: ids.is_rootless() };
        let (clients, commands) = (Vec::new(), Vec::new());
        FirstProcess { listener: &listener, signals: &signals, live: &live, surroundings, clients, commands }.serve()
    })?;
    let mut word = Vec::new();
    stands.read_to_end(&mut word).doing(|| "wait for the container".into())?;
    if word == STANDS {
        return Ok(true);
    }
    // It writes why where this process writes, too, before it ends.
    let _ = rustix::process::waitpid(Some(child), WaitOptions::empty());
    Err(told(&fs::read_to_string(home.log()).unwrap_or_default()))
}

fn listener(home: &Home) -> Result<OwnedFd> {
    let _ = fs::remove_file(home.socket());
    let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None);
    let socket = socket.doing(|| "make a socket".into())?;
    let (_directory, address) = lifetime::address(home)?;
    bind(&socket, &address).doing(|| named("bind", home.socket()))?;
    Ok(socket)
}

/// From a fork of the helper to the first process of a container.
fn begin(container: &StoredContainer, store: &Path, ids: &Ids, parent: UnixStream, live: &File) -> Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).doing(|| "follow the helper".into())?;
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    // Whose parent ended before that was set is not told.
    if poll(&mut [PollFd::new(&parent, PollFlags::IN)], Some(&now)).doing(|| "look for the helper".into())? != 0 {
        return Err(refused("the helper is gone"));
    }
    lifetime::write_pid(&Home::of(store, &container.name))?;
    // From now on it is its process that says whether it lives.
    live.set_len(0).doing(|| "say that the container does not rest".into())?;
    let files = getrlimit(Resource::Nofile);
    // As many calls at once as can be; each command is given its caller's limit.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: files.maximum, maximum: files.maximum });
    // One that is shared holds nothing of the host's for us; without keyrings in the kernel there is none.
    let _ = sys::new_keyring();
    rootfs::enter(container, store, ids)?;
    confine::confine(ids.is_single())?;
    // Nobody inside may look into this process, or open its program.
    set_dumpable_behavior(DumpableBehavior::NotDumpable).doing(|| "hide from the container".into())
}

/// Lets the helper go, and its streams.
fn stay(mut standing: io::PipeWriter) -> Result<()> {
    rustix::process::set_parent_process_death_signal(None).doing(|| "leave the helper".into())?;
    standing.write_all(STANDS).doing(|| "say that the container stands".into())?;
    let null = File::options().read(true).write(true).open("/dev/null").doing(|| "open /dev/null".into())?;
    let streams = rustix::stdio::dup2_stdin(&null)
        .and_then(|()| rustix::stdio::dup2_stdout(&null))
        .and_then(|()| rustix::stdio::dup2_stderr(&null));
    streams.doing(|| "let the streams go".into())
}

struct FirstProcess<'c> {
    listener: &'c OwnedFd,
    signals: &'c OwnedFd,
    /// The lock that says that it lives, and the file that will say that it rests.
    live: &'c File,
    surroundings: LaunchSurroundings<'c>,
    clients: Vec<Client>,
    /// What runs, whether or not somebody waits for it.
    commands: Vec<(Pid, Vec<String>)>,
}

struct Client {
    socket: OwnedFd,
    waits_for: Option<Pid>,
}

impl FirstProcess<'_> {
    /// Serves until nobody is connected and nothing runs.
    fn serve(mut self) -> Result<i32> {
        loop {
            let mut polled = vec![PollFd::new(self.listener, PollFlags::IN), PollFd::new(self.signals, PollFlags::IN)];
            polled.extend(self.clients.iter().map(|client| PollFd::new(&client.socket, PollFlags::IN)));
            let patience = self.clients.is_empty().then_some(&LINGER);
            let answer = poll(&mut polled, patience);
            if answer == Ok(0) {
                drop(polled);
                self.reap();
                if matches!(wait(WaitOptions::NOHANG), Err(rustix::io::Errno::CHILD)) {
                    return self.rest();
                }
                continue;
            }
            if !matches!(answer, Ok(_) | Err(rustix::io::Errno::INTR)) {
                return answer.map(|_| 0).doing(|| "wait for what is asked".into());
            }
            let mut events = polled.iter().map(|polled| !polled.revents().is_empty()).collect::<Vec<_>>().into_iter();
            let (is_asked, has_ended) = (events.next() == Some(true), events.next() == Some(true));
            for mut client in std::mem::take(&mut self.clients) {
                if events.next() != Some(true) || self.hear(&mut client) {
                    self.clients.push(client);
                }
            }
            if has_ended {
                self.reap();
            }
            if is_asked {
                self.welcome();
            }
        }
    }

    /// Who comes next starts another one, and nothing is lost.
    fn rest(&mut self) -> Result<i32> {
        self.live.write_all(RESTS.as_bytes()).doing(|| "say that the container rests".into()).map(|()| 0)
    }

    /// Only our own user, and only from outside: what runs inside has a number here.
    fn welcome(&mut self) {
        if let Ok(socket) = accept_with(self.listener, SocketFlags::CLOEXEC)
            && sys::peer(&socket).is_ok_and(|peer| peer == (0, 0))
            && self.clients.len() < MOST_CLIENTS
        {
            self.clients.push(Client { socket, waits_for: None });
        }
    }

    fn reap(&mut self) {
        let _ = rustix::io::read(self.signals, &mut [0u8; 128]);
        while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
            self.commands.retain(|(running, _)| *running != pid);
            if let Some(at) = self.clients.iter().position(|client| client.waits_for == Some(pid)) {
                let client = self.clients.swap_remove(at);
                // Who has gone does not want to know.
                let _ = protocol::send(&client.socket, &Reply::Ended { status: exit_status(status) }, &[]);
            }
        }
    }

    /// One message of a client, or its end; `false` when it is to be forgotten. What runs for it goes on.
    fn hear(&mut self, client: &mut Client) -> bool {
        let Ok(Some((ask, descriptors))) = protocol::receive::<Ask>(&client.socket) else { return false };
        let answer = match ask {
            Ask::Run { launch, caller } if client.waits_for.is_none() => {
                let argv = launch.argv.clone();
                match launch::launch(launch, descriptors, caller, &self.surroundings) {
                    Ok((pid, terminal)) => {
                        client.waits_for = Some(pid);
                        self.commands.push((pid, argv));
                        let with: Vec<_> = terminal.iter().map(AsFd::as_fd).collect();
                        return protocol::send(&client.socket, &Reply::Started, &with).is_ok();
                    }
                    Err(Refusal { status, words }) => Reply::Refused { status, words },
                }
            }
            Ask::Run { .. } => return false,
            Ask::Open { path } => match rootfs::open(&path, rootfs::LastLink::Refused) {
                Some(file) => return protocol::send(&client.socket, &Reply::Opened, &[file.as_fd()]).is_ok(),
                None => Reply::NoFile,
            },
            Ask::Commands => Reply::Commands(self.commands.iter().map(running).collect()),
            Ask::Processes => Reply::Processes(processes().saturating_sub(1)),
        };
        protocol::send(&client.socket, &answer, &[]).is_ok()
    }
}

fn running((pid, argv): &(Pid, Vec<String>)) -> RunningCommand {
    RunningCommand { argv: argv.clone(), process: pid.as_raw_nonzero().get().unsigned_abs() }
}

/// As a shell gives it.
fn exit_status(status: WaitStatus) -> i32 {
    status.exit_status().unwrap_or_else(|| 128 + status.terminating_signal().unwrap_or(0))
}

/// How many processes there are in this namespace.
fn processes() -> usize {
    let is_number = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().parse::<u32>().is_ok();
    fs::read_dir("/proc").into_iter().flatten().flatten().filter(is_number).count()
}
