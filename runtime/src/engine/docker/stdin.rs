//! What a command reads, on its way there: bytes at hand, or this process's standard input.

use std::{
    io::{self, PipeReader},
    pin::Pin,
};

use rustix::event::{PollFd, PollFlags, poll};
use tokio::{
    io::{AsyncWrite, AsyncWriteExt},
    sync::mpsc,
};

use crate::engine::error::EngineError;

/// How much is read at once, in bytes.
pub(super) const CHUNK: usize = 64 * 1024;

/// More than the first line of a command that wants input has, in bytes.
const LONGEST_LINE: usize = 4096;

pub(super) type Writer = Pin<Box<dyn AsyncWrite + Send>>;

/// What a command reads.
pub(super) enum Input {
    /// Nothing, or nothing more.
    None,
    /// Our standard input, once the command's first line tells that it wants it.
    Waiting { writer: Writer, awaited: String, line: Vec<u8> },
    /// What is sent by itself.
    Fed(#[expect(dead_code, reason = "dropping it ends the feeding")] Feed),
}

impl Input {
    /// Standard input from now on, or from a first line on that ends with `awaited`.
    pub(super) fn new(writer: Writer, awaited: Option<&str>) -> Result<Self, EngineError> {
        match awaited {
            None => Feed::start(writer).map(Self::Fed),
            Some(awaited) => Ok(Self::Waiting { writer, awaited: awaited.to_owned(), line: Vec::new() }),
        }
    }

    /// These bytes, from now on.
    pub(super) fn bytes(mut writer: Writer, bytes: Vec<u8>) -> Self {
        let sender = tokio::spawn(async move {
            if writer.write_all(&bytes).await.is_ok() {
                let _ = writer.shutdown().await;
            }
        });
        Self::Fed(Feed { _wake: None, sender })
    }

    /// Takes note of what the command has written.
    pub(super) fn seen(&mut self, bytes: &[u8]) -> Result<(), EngineError> {
        let Self::Waiting { line, awaited, .. } = self else { return Ok(()) };
        let room = LONGEST_LINE.saturating_sub(line.len());
        line.extend(bytes.iter().take(room).take_while(|byte| **byte != b'\n'));
        if bytes.contains(&b'\n') || line.len() == LONGEST_LINE {
            let wants_it = line.ends_with(awaited.as_bytes());
            if let Self::Waiting { writer, .. } = std::mem::replace(self, Self::None)
                && wants_it
            {
                *self = Self::Fed(Feed::start(writer)?);
            }
        }
        Ok(())
    }
}

/// Input on its way to a command.
pub(super) struct Feed {
    /// Its closing wakes the thread that reads, if one does, wherever it waits: it takes nothing meant for a later reader.
    _wake: Option<io::PipeWriter>,
    sender: tokio::task::JoinHandle<()>,
}

impl Feed {
    /// Passes on what this process reads, from inside an event loop.
    pub(super) fn start(mut input: Writer) -> Result<Self, EngineError> {
        let (woken, wake) = io::pipe().map_err(EngineError::Client)?;
        let (chunks, mut received) = mpsc::channel(1);
        std::thread::Builder::new()
            .name("stdin".into())
            .spawn(move || read_stdin(&woken, &chunks))
            .map_err(EngineError::Client)?;
        let sender = tokio::spawn(async move {
            while let Some(chunk) = received.recv().await {
                // A command may end, or close its input, without having read it all.
                if input.write_all(&chunk as &[u8]).await.is_err() {
                    return;
                }
            }
            let _ = input.shutdown().await;
        });
        Ok(Self { _wake: Some(wake), sender })
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.sender.abort();
    }
}

/// Sends what standard input gives to `chunks` until its end, a failure, or the closing of `woken`'s other end.
fn read_stdin(woken: &PipeReader, chunks: &mpsc::Sender<Vec<u8>>) {
    let stdin = rustix::stdio::stdin();
    loop {
        let mut ready = [PollFd::from_borrowed_fd(stdin, PollFlags::IN), PollFd::new(woken, PollFlags::IN)];
        match poll(&mut ready, None) {
            Err(rustix::io::Errno::INTR) => continue,
            Err(_) => return,
            Ok(_) => {}
        }
        if ready.last().is_some_and(|woken| !woken.revents().is_empty()) {
            return;
        }
        let mut chunk = vec![0; CHUNK];
        match rustix::io::read(stdin, &mut chunk) {
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
            Err(_) | Ok(0) => return,
            Ok(length) => {
                chunk.truncate(length);
                if chunks.blocking_send(chunk).is_err() {
                    return;
                }
            }
        }
    }
}
