//! Running a command: its output as it comes, its input, its exit status.

use std::time::Duration;

use futures_util::StreamExt;

use super::{
    Docker,
    connect::block_on,
    convert::exec_options,
    stdin::{CHUNK, Feed},
};
use crate::engine::{
    error::EngineError,
    exec::{Exec, Execs, Output, Stdin, Stream},
};

/// How often, and how often at most, to ask for an exit status that is not there yet.
const EXIT_STATUS_POLL: Duration = Duration::from_millis(2);
const EXIT_STATUS_POLLS: u32 = 2500;

impl Execs for Docker {
    fn exec(&self, id: &str, exec: &Exec, output: &mut Output<'_>) -> Result<i32, EngineError> {
        exec.check_length()?;
        block_on(self.run(id, exec, output))?
    }
}

impl Docker {
    async fn run(&self, id: &str, exec: &Exec, output: &mut Output<'_>) -> Result<i32, EngineError> {
        let created = self.client.create_exec(id, exec_options(exec)).await;
        let exec_id = created.map_err(|error| self.container_error(error, id, "run a command in"))?.id;
        let options = bollard::exec::StartExecOptions { output_capacity: Some(CHUNK), ..Default::default() };
        let started = self.client.start_exec(&exec_id, Some(options)).await;
        let lost = || EngineError::Lost { id: id.to_owned() };
        let bollard::exec::StartExecResults::Attached { output: mut pieces, input } =
            started.map_err(|error| self.container_error(error, id, "run a command in"))?
        else {
            return Err(lost());
        };
        // Kept to the end of the command: dropping it ends both the reading and the sending.
        let mut waiting = (exec.stdin == Stdin::Inherit).then_some(input);
        let mut feed = None;
        if exec.stdin_after.is_none()
            && let Some(input) = waiting.take()
        {
            feed = Some(Feed::start(input)?);
        }
        let mut first_line = Vec::new();
        while let Some(piece) = pieces.next().await {
            match piece.map_err(|_| lost())? {
                bollard::container::LogOutput::StdErr { message } => output(Stream::Stderr, &message),
                other => {
                    let bytes = other.into_bytes();
                    if waiting.is_some() && !first_line.contains(&b'\n') {
                        first_line.extend_from_slice(&bytes);
                        let line = first_line.split_inclusive(|byte| *byte == b'\n').next().unwrap_or_default();
                        let awaited = exec.stdin_after.as_deref().unwrap_or_default();
                        if line.strip_suffix(b"\n").is_some_and(|line| line.ends_with(awaited.as_bytes()))
                            && let Some(input) = waiting.take()
                        {
                            feed = Some(Feed::start(input)?);
                        }
                    }
                    output(Stream::Stdout, &bytes)
                }
            }
            .map_err(EngineError::Output)?;
        }
        drop(feed);
        self.exit_status(&exec_id).await.ok_or_else(lost)
    }

    /// How a command ended whose output has. `None` when it cannot be known: output also ends with the connection.
    async fn exit_status(&self, exec_id: &str) -> Option<i32> {
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
