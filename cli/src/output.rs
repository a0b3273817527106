//! A command's two outputs, passed on as they come.

use std::io::{self, Write};

use compeval_runtime::engine::Stream;

/// Writes a piece of a command's output to the same stream of this process, at once.
///
/// # Errors
/// That of the stream, a reader that is gone among them.
pub fn pass_on(stream: Stream, bytes: &[u8]) -> io::Result<()> {
    match stream {
        Stream::Stdout => {
            let mut stdout = io::stdout().lock();
            stdout.write_all(bytes)?;
            stdout.flush()
        }
        Stream::Stderr => io::stderr().write_all(bytes),
    }
}
