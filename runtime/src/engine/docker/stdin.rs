//! What this process reads, on its way to a command.

use std::{io, pin::Pin};

use tokio::{
    io::{AsyncWrite, AsyncWriteExt},
    sync::mpsc,
};

use crate::engine::{error::EngineError, stdin::read_until_woken};

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
            .spawn(move || read_until_woken(&woken, |chunk| chunks.blocking_send(chunk).is_ok()))
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
