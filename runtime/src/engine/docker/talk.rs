//! A command that is talked to while it runs.

use std::{collections::VecDeque, pin::Pin};

use bollard::{container::LogOutput, query_parameters::ResizeExecOptionsBuilder};
use futures_util::{
    Stream as Pieces, StreamExt,
    future::{Either, select},
};
use tokio::{io::AsyncWriteExt, runtime::Runtime, sync::mpsc};

use super::{
    Docker,
    stdin::{Feed, Writer},
};
use crate::engine::{
    error::EngineError,
    event_loop::block_on,
    exec::{Conversation, Orders, Resize, Stream, TerminalSize},
};

/// What a command prints.
pub(super) type Printed = Pin<Box<dyn Pieces<Item = Result<LogOutput, bollard::errors::Error>> + Send>>;

/// A command that runs, and its streams.
pub(super) struct Attached {
    pub(super) exec_id: String,
    pub(super) pieces: Printed,
    pub(super) input: Writer,
}

/// A command that runs, and the event loop that its connection lives in.
pub(super) struct ExecTalk<'d> {
    docker: &'d Docker,
    id: String,
    runtime: Runtime,
    attached: Attached,
    /// Where its input comes from now; [`Attached::input`] until then.
    passed: Option<Feed>,
    /// Output that came while something was sent.
    held: VecDeque<LogOutput>,
    /// What other threads have to send.
    orders: Option<mpsc::UnboundedReceiver<Vec<u8>>>,
}

impl<'d> ExecTalk<'d> {
    pub(super) fn new(docker: &'d Docker, id: &str, runtime: Runtime, attached: Attached) -> Self {
        Self { docker, id: id.to_owned(), runtime, attached, passed: None, held: VecDeque::new(), orders: None }
    }

    fn lost(&self) -> EngineError {
        EngineError::Lost { id: self.id.clone() }
    }

    /// The writer; a writer to nobody takes its place.
    fn take_input(&mut self) -> Writer {
        std::mem::replace(&mut self.attached.input, Box::pin(tokio::io::sink()))
    }
}

impl Conversation for ExecTalk<'_> {
    fn send(&mut self, bytes: &[u8]) -> Result<(), EngineError> {
        let Attached { pieces, input, .. } = &mut self.attached;
        let held = &mut self.held;
        let is_sent = self.runtime.block_on(async {
            let mut sending = Box::pin(async { input.write_all(bytes).await.is_ok() && input.flush().await.is_ok() });
            // A command that writes before it has read may wait for its reader.
            loop {
                match select(&mut sending, pieces.next()).await {
                    Either::Left((is_sent, _)) => return is_sent,
                    Either::Right((Some(Ok(piece)), _)) => held.push_back(piece),
                    // Its end will be seen by who receives.
                    Either::Right((_, _)) => return true,
                }
            }
        });
        if is_sent { Ok(()) } else { Err(self.lost()) }
    }

    fn receive(&mut self) -> Result<Option<(Stream, Vec<u8>)>, EngineError> {
        let Attached { pieces, input, .. } = &mut self.attached;
        let orders = &mut self.orders;
        let piece = match self.held.pop_front() {
            Some(piece) => piece,
            None => match self.runtime.block_on(next(pieces, input, orders)) {
                Some(piece) => piece.map_err(|_| self.lost())?,
                None => return Ok(None),
            },
        };
        Ok(Some(match piece {
            LogOutput::StdErr { message } => (Stream::Stderr, message.into()),
            other => (Stream::Stdout, other.into_bytes().into()),
        }))
    }

    fn pass_input(&mut self) -> Result<(), EngineError> {
        let input = self.take_input();
        let _inside = self.runtime.enter();
        self.passed = Some(Feed::start(input)?);
        Ok(())
    }

    fn end_input(&mut self) {
        let mut input = self.take_input();
        // Where that fails, it has ended already.
        let _ = self.runtime.block_on(input.shutdown());
    }

    fn orders(&mut self) -> Orders {
        let (sender, orders) = mpsc::unbounded_channel();
        self.orders = Some(orders);
        // Who has gone needs no orders.
        Orders::new(move |bytes| drop(sender.send(bytes.to_vec())))
    }

    fn resize(&self) -> Resize {
        let (client, exec_id) = (self.docker.client.clone(), self.attached.exec_id.clone());
        Resize::new(move |TerminalSize { columns, rows }| {
            let options = ResizeExecOptionsBuilder::default().w(columns.into()).h(rows.into()).build();
            // A size that does not come through is no reason to end.
            let _ = block_on(client.resize_exec(&exec_id, options));
        })
    }

    fn status(&mut self) -> Result<i32, EngineError> {
        let status = self.runtime.block_on(self.docker.exit_status(&self.attached.exec_id));
        status.ok_or_else(|| self.lost())
    }
}

/// The next piece of output; what others have to send meanwhile is sent.
async fn next(
    pieces: &mut Printed,
    input: &mut Writer,
    orders: &mut Option<mpsc::UnboundedReceiver<Vec<u8>>>,
) -> Option<Result<LogOutput, bollard::errors::Error>> {
    while let Some(awaited) = orders {
        let order = match select(Box::pin(awaited.recv()), pieces.next()).await {
            Either::Left((order, _)) => order,
            Either::Right((piece, _)) => return piece,
        };
        match order {
            // A command that has ended takes what is sent to it.
            Some(bytes) => drop(input.write_all(&bytes).await.and(input.flush().await)),
            None => *orders = None,
        }
    }
    pieces.next().await
}
