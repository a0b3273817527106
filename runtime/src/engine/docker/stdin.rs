//! What this process reads, on its way to a command.

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

pub(super) type Writer = Pin<Box<dyn AsyncWrite + Send>>;

/// Input on its way to a command.
pub(super) struct Feed {
    /// Its closing wakes the thread that reads, if one does, wherever it waits: it takes nothing meant for a later reader.
    _wake: io::PipeWriter,
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
        Ok(Self { _wake: wake, sender })
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
