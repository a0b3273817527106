//! What goes between the first process of a container and who wants something of it: one message in one packet of a Unix
//! socket, its text in a file of memory that goes along, so that it may be of any length.

use std::{
    fs::File,
    io::{self, IoSlice, IoSliceMut, Read, Seek, Write},
    mem::MaybeUninit,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use rustix::{
    fs::{MemfdFlags, memfd_create},
    net::{
        RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
        recvmsg, sendmsg,
    },
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{caller::Caller, error::unreadable};

/// Stands in every packet. A container may have been started by another version of this program.
const VERSION: &[u8] = b"compeval-sandbox 1";
/// The most descriptors that go with a message: its text, and three streams.
const MOST_DESCRIPTORS: usize = 4;

/// What is asked of the first process. Only [`Ask::Run`] is followed by more of the same connection.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Ask {
    /// Run a command; without a terminal its three streams go along. Answered by [`Reply::Started`], with the other end of
    /// the terminal if there is one, and by [`Reply::Ended`] in the end.
    Run { launch: Launch, caller: Caller },
    /// Open a regular file to be read; it goes along with [`Reply::Opened`].
    Open { path: String },
    /// Which commands run; answered by [`Reply::Commands`].
    Commands,
    /// How many processes there are beside the first; answered by [`Reply::Processes`].
    Processes,
}

/// What the first process says.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Reply {
    Started,
    /// It cannot be run: the exit status that a shell would give, none when there is nobody to run it as, and why.
    Refused {
        status: Option<i32>,
        words: String,
    },
    Ended {
        status: i32,
    },
    Opened,
    NoFile,
    Commands(Vec<RunningCommand>),
    Processes(usize),
}

/// A command to be run in a container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Launch {
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// Environment, `NAME=value` each, on top of the container's.
    pub env: Vec<String>,
    /// The user it runs as; `None` means the container's.
    pub user: Option<String>,
    /// The directory it starts in; `None` means the container's.
    pub working_dir: Option<String>,
    /// Whether its streams are a terminal.
    pub has_terminal: bool,
}

/// A command that runs in a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunningCommand {
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// The process that it began as, by its number inside; it leads a group.
    pub process: u32,
}

/// Sends a message, and descriptors with it.
///
/// # Errors
/// The system's.
pub(crate) fn send(socket: impl AsFd, message: &impl Serialize, with: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut text = File::from(memfd_create("message", MemfdFlags::CLOEXEC)?);
    text.write_all(&serde_json::to_vec(message)?)?;
    let mut descriptors = vec![text.as_fd()];
    descriptors.extend(with);
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !control.push(SendAncillaryMessage::ScmRights(&descriptors)) {
        return Err(io::Error::other("too many descriptors for a message"));
    }
    sendmsg(socket, &[IoSlice::new(VERSION)], &mut control, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// The next message, waited for, and the descriptors that came with it; `None` when the other side has gone.
///
/// # Errors
/// The system's; a message of another version.
pub(crate) fn receive<M: DeserializeOwned>(socket: impl AsFd) -> io::Result<Option<(M, Vec<OwnedFd>)>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut version = [0; VERSION.len() + 1];
    let got = rustix::io::retry_on_intr(|| {
        let mut bytes = [IoSliceMut::new(&mut version)];
        recvmsg(&socket, &mut bytes, &mut control, RecvFlags::CMSG_CLOEXEC)
    })?;
    if got.bytes == 0 {
        return Ok(None);
    }
    let mut descriptors = control
        .drain()
        .filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(some) => Some(some),
            _ => None,
        })
        .flatten();
    let text = descriptors.next();
    let descriptors = descriptors.collect();
    match text {
        Some(text) if version.get(..got.bytes) == Some(VERSION) => {
            let mut text = File::from(text);
            text.rewind()?;
            let mut bytes = Vec::new();
            text.read_to_end(&mut bytes)?;
            Ok(Some((serde_json::from_slice(&bytes).map_err(unreadable)?, descriptors)))
        }
        _ => Err(unreadable("the container was started by another version of this program: stop it first")),
    }
}
