//! Running a command: its output as it comes, its input, its exit status.

use std::{ops::ControlFlow, time::Duration};

use bollard::{container::LogOutput, exec::StartExecResults};
use futures_util::StreamExt;

use super::{
    Docker,
    convert::exec_options,
    talk::{Attached, ExecTalk},
};
use crate::engine::{
    error::EngineError,
    event_loop::{block_on, event_loop},
    exec::{Conversation, Exec, Execs, Sink, Stream},
    stdin::CHUNK,
};

/// How often, and how often at most, to ask for an exit status that is not there yet.
const EXIT_STATUS_POLL: Duration = Duration::from_millis(2);
const EXIT_STATUS_POLLS: u32 = 2500;
/// How long to wait for output between two such questions, once there was enough of it.
const SHORTEST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);
/// How long to ask for the exit status of a command of whose output there was enough.
const PATIENCE: Duration = Duration::from_millis(150);

impl Execs for Docker {
    fn exec(&self, id: &str, exec: &Exec, output: &mut Sink<'_>) -> Result<i32, EngineError> {
        exec.check_length()?;
        block_on(self.run(id, exec, output))?
    }

    fn converse<'e>(&'e self, id: &str, exec: &Exec) -> Result<Box<dyn Conversation + 'e>, EngineError> {
        exec.check_length()?;
        // The connection lives as long as its event loop.
        let runtime = event_loop()?;
        let attached = match exec.has_terminal {
            false => runtime.block_on(self.start(id, exec, true))?,
            true => runtime.block_on(self.start_terminal(id, exec))?,
        };
        Ok(Box::new(ExecTalk::new(self, id, runtime, attached)))
    }
}

impl Docker {
    pub(super) async fn create_exec(&self, id: &str, exec: &Exec, reads: bool) -> Result<String, EngineError> {
        let created = self.client.create_exec(id, exec_options(exec, reads)).await;
        Ok(created.map_err(|error| self.container_error(error, id, "run a command in"))?.id)
    }

    async fn start(&self, id: &str, exec: &Exec, reads: bool) -> Result<Attached, EngineError> {
        let exec_id = self.create_exec(id, exec, reads).await?;
        let options = bollard::exec::StartExecOptions { output_capacity: Some(CHUNK), ..Default::default() };
        let started = self.client.start_exec(&exec_id, Some(options)).await;
        match started.map_err(|error| self.container_error(error, id, "run a command in"))? {
            StartExecResults::Attached { output: pieces, input } => Ok(Attached { exec_id, pieces, input }),
            StartExecResults::Detached => Err(EngineError::Lost { id: id.to_owned() }),
        }
    }

    async fn run(&self, id: &str, exec: &Exec, output: &mut Sink<'_>) -> Result<i32, EngineError> {
        // Dropping the input would end the reading, too.
        let Attached { exec_id, mut pieces, input: _input } = self.start(id, exec, false).await?;
        let lost = || EngineError::Lost { id: id.to_owned() };
        let mut pass_on = |piece: LogOutput| -> Result<ControlFlow<()>, EngineError> {
            match piece {
                LogOutput::StdErr { message } => output(Stream::Stderr, &message),
                other => output(Stream::Stdout, &other.into_bytes()),
            }
            .map_err(EngineError::Output)
        };
        let mut flow = ControlFlow::Continue(());
        while flow.is_continue() {
            match pieces.next().await {
                Some(piece) => flow = pass_on(piece.map_err(|_| lost())?)?,
                None => return self.exit_status(&exec_id).await.ok_or_else(lost),
            }
        }
        // The command is about to end; its output may be kept open by others, and then the engine takes seconds to say so.
        let mut pause = SHORTEST_PAUSE;
        let patience = tokio::time::Instant::now() + PATIENCE;
        let status = loop {
            match tokio::time::timeout(pause, pieces.next()).await {
                Ok(Some(piece)) => drop(pass_on(piece.map_err(|_| lost())?)?),
                Ok(None) => return self.exit_status(&exec_id).await.ok_or_else(lost),
                Err(_) => {
                    pause = (pause * 2).min(LONGEST_PAUSE);
                    let inspected = self.client.inspect_exec(&exec_id).await.map_err(|_| lost())?;
                    if tokio::time::Instant::now() > patience {
                        break 0;
                    }
                    if inspected.running == Some(false) {
                        break inspected.exit_code.and_then(|code| i32::try_from(code).ok()).ok_or_else(lost)?;
                    }
                }
            }
        };
        // The streams take different ways here: what the command wrote last may still be on one of them.
        let end = tokio::time::Instant::now() + LONGEST_PAUSE;
        while let Ok(Some(piece)) = tokio::time::timeout_at(end, pieces.next()).await {
            let _ = pass_on(piece.map_err(|_| lost())?)?;
        }
        Ok(status)
    }

    /// How a command ended whose output has. `None` when it cannot be known: output also ends with the connection.
    pub(super) async fn exit_status(&self, exec_id: &str) -> Option<i32> {
        for _ in 0..EXIT_STATUS_POLLS {
            let inspected = self.client.inspect_exec(exec_id).await.ok()?;
            if inspected.running == Some(false)
                && let Some(code) = inspected.exit_code
            {
                return i32::try_from(code).ok();
            }
            tokio::time::sleep(EXIT_STATUS_POLL).await;
        }
        None
    }
}
