//! Starting a command with a terminal: the client library takes the first bytes of what such a command prints for a frame's
//! head, so the stream is taken as it comes (Docker API, ExecStart).

use bollard::container::LogOutput;
use futures_util::stream::unfold;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, ReadHalf},
    net::UnixStream,
};

use super::{Docker, connect::connection_error, talk::Attached};
use crate::engine::{error::EngineError, exec::Exec, stdin::CHUNK};

/// More than the head of an answer has, in bytes.
const LONGEST_HEAD: usize = 64 * 1024;

const BODY: &str = r#"{"Detach":false,"Tty":true}"#;

impl Docker {
    pub(super) async fn start_terminal(&self, id: &str, exec: &Exec) -> Result<Attached, EngineError> {
        let exec_id = self.create_exec(id, exec, true).await?;
        let unreachable = |error| connection_error(&self.socket, error);
        let mut stream = UnixStream::connect(&self.socket).await.map_err(unreachable)?;
        let request = format!(
            "POST /exec/{exec_id}/start HTTP/1.1\r\nHost: docker\r\nContent-Type: application/json\r\n\
             Connection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: {}\r\n\r\n{BODY}",
            BODY.len()
        );
        stream.write_all(request.as_bytes()).await.map_err(unreachable)?;
        let head = read_head(&mut stream).await.map_err(unreachable)?;
        if !["HTTP/1.1 101 ", "HTTP/1.1 200 "].iter().any(|status| head.starts_with(status)) {
            let message = head.lines().next().unwrap_or_default().to_owned();
            return Err(EngineError::Refused { doing: format!("run a command in container `{id}`"), message });
        }
        let (reader, writer) = tokio::io::split(stream);
        Ok(Attached { exec_id, pieces: Box::pin(unfold(Some(reader), next)), input: Box::pin(writer) })
    }
}

/// An answer up to the empty line, read no further.
async fn read_head(stream: &mut UnixStream) -> std::io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && head.len() < LONGEST_HEAD {
        head.push(stream.read_u8().await?);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

type Screen = Result<LogOutput, bollard::errors::Error>;

/// The next piece of what a terminal shows; nothing comes behind a failure.
async fn next(reader: Option<ReadHalf<UnixStream>>) -> Option<(Screen, Option<ReadHalf<UnixStream>>)> {
    let mut reader = reader?;
    let mut bytes = vec![0; CHUNK];
    match reader.read(&mut bytes).await {
        Ok(0) => None,
        Ok(length) => {
            bytes.truncate(length);
            Some((Ok(LogOutput::Console { message: bytes.into() }), Some(reader)))
        }
        Err(err) => Some((Err(err.into()), None)),
    }
}
