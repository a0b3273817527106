//! Asking the first process of a container from outside.

use std::{
    fs::File,
    io::{self, PipeReader, PipeWriter},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use crate::{
    caller::Caller,
    error::{Doing, Result, SandboxError, refused},
    protocol::{self, Ask, Launch, Reply},
};

/// The exit status of what died of KILL.
const KILLED: i32 = 128 + 9;

/// What became of a command that was to be run.
#[derive(Debug)]
pub enum Launched {
    /// It runs.
    Running(RunningLaunch),
    /// It cannot be run.
    Refused {
        /// The exit status that a shell would give: 126 or 127.
        status: i32,
        /// Why.
        words: String,
    },
}

/// A command that runs. When this is dropped it may run on.
#[derive(Debug)]
pub struct RunningLaunch {
    socket: OwnedFd,
    container: String,
    /// Its streams.
    pub streams: LaunchStreams,
}

/// The other ends of a command's streams.
#[derive(Debug)]
pub enum LaunchStreams {
    /// Three pipes.
    Pipes {
        /// What it reads; `None` where it reads nothing.
        input: Option<PipeWriter>,
        /// What it prints.
        output: PipeReader,
        /// What it prints of failures.
        errors: PipeReader,
    },
    /// A terminal.
    Terminal(File),
}

impl RunningLaunch {
    /// Waits for its end, and gives its exit status as a shell does: 128 and the number of a signal that ended it. Who ends
    /// a container kills what runs in it.
    ///
    /// # Errors
    /// [`SandboxError::Lost`] when the container says what cannot be understood.
    pub fn wait(&self) -> Result<i32> {
        match protocol::receive::<Reply>(&self.socket) {
            Ok(Some((Reply::Ended { status }, _))) => Ok(status),
            Ok(None) => Ok(KILLED),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(KILLED),
            _ => Err(SandboxError::Lost { name: self.container.clone() }),
        }
    }
}

impl AsFd for RunningLaunch {
    /// Can be read once it has ended.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Has a command run; `None` when the first process ended before it knew of it.
pub(crate) fn launch(socket: OwnedFd, launch: &Launch, reads: bool, container: &str) -> Result<Option<Launched>> {
    let ask = Ask::Run { launch: launch.clone(), caller: Caller::own() };
    let (theirs, ours) = if launch.has_terminal { (Vec::new(), None) } else { pipes(reads)? };
    let with: Vec<BorrowedFd<'_>> = theirs.iter().map(AsFd::as_fd).collect();
    let answer = self::ask(&socket, &ask, &with).doing(|| "talk to the container".into())?;
    drop(theirs);
    let running = |streams| Launched::Running(RunningLaunch { socket, container: container.to_owned(), streams });
    Ok(match answer {
        None => None,
        Some((Reply::Refused { status: Some(status), words }, _)) => Some(Launched::Refused { status, words }),
        Some((Reply::Refused { status: None, words }, _)) => return Err(refused(words)),
        Some((Reply::Started, descriptors)) => match (ours, descriptors.into_iter().next()) {
            (Some(pipes), _) => Some(running(pipes)),
            (None, Some(terminal)) => Some(running(LaunchStreams::Terminal(terminal.into()))),
            (None, None) => return Err(SandboxError::Lost { name: container.to_owned() }),
        },
        Some(_) => return Err(SandboxError::Lost { name: container.to_owned() }),
    })
}

/// The ends of three pipes for a command, and ours.
fn pipes(reads: bool) -> Result<(Vec<OwnedFd>, Option<LaunchStreams>)> {
    let make = || -> io::Result<_> {
        let (input, stdin): (_, OwnedFd) = match reads {
            true => io::pipe().map(|(theirs, ours)| (Some(ours), theirs.into()))?,
            false => (None, File::open("/dev/null")?.into()),
        };
        let ((output, stdout), (errors, stderr)) = (io::pipe()?, io::pipe()?);
        let streams = LaunchStreams::Pipes { input, output, errors };
        Ok((vec![stdin, stdout.into(), stderr.into()], Some(streams)))
    };
    make().doing(|| "make pipes".into())
}

/// What the first process answers; `None` when it ended before it knew of it.
///
/// # Errors
/// The system's; an answer of another version.
pub(crate) fn ask(socket: &OwnedFd, ask: &Ask, with: &[BorrowedFd<'_>]) -> io::Result<Option<(Reply, Vec<OwnedFd>)>> {
    match protocol::send(socket, ask, with).and_then(|()| protocol::receive(socket)) {
        // What is not read when the other side closes is answered like this.
        Err(error) if matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe) => Ok(None),
        answer => answer,
    }
}
