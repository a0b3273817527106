//! Runs stretches with a shell of this machine, each in a process of its own.

use std::{
    io::{self, Read, Write},
    os::unix::process::ExitStatusExt,
    process::{Command, Stdio},
};

use super::{DispatchError, Dispatcher, Hooks, Request, Response};

/// A shell of this machine. Output goes to this process's standard output; standard error is inherited.
#[derive(Debug)]
pub struct Local<'h> {
    shell: Vec<String>,
    hooks: Hooks<'h>,
}

impl<'h> Local<'h> {
    /// Runs `shell`, a program with arguments before `-c`, such as `["sh"]` or `["busybox", "sh"]`.
    pub fn new(shell: &[&str], hooks: Hooks<'h>) -> Local<'h> {
        Local { shell: shell.iter().map(|word| (*word).to_owned()).collect(), hooks }
    }

    fn run(&self, request: &Request<'_>) -> io::Result<Response> {
        let program = request.program(&self.hooks);
        let mut output = program.output();
        let mut words = self.shell.iter();
        let mut command = Command::new(words.next().map_or("sh", String::as_str));
        command.args(words).arg("-c");
        // Linux takes at most 128 KiB in one argument, and about 2 MiB in all.
        let (first, rest) = split(program.text());
        command.args([first]).args(rest);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let mut stdout = io::stdout().lock();
        if let Some(mut pipe) = child.stdout.take() {
            let mut buffer = vec![0; 64 * 1024];
            while !output.is_complete() {
                match pipe.read(&mut buffer) {
                    Ok(0) => break,
                    Ok(length) => stdout.write_all(&output.push(buffer.get(..length).unwrap_or_default()))?,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
                stdout.flush()?;
            }
            // A process left behind may still print: pass that on for as long as this one lives.
            std::thread::spawn(move || io::copy(&mut pipe, &mut io::stdout()));
        }
        let status = child.wait()?;
        let status = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
        let (rest, response) = output.finish(request, status);
        stdout.write_all(&rest)?;
        stdout.flush()?;
        Ok(response)
    }
}

/// The arguments behind `-c`: the text itself, or a line that puts its parts together.
fn split(text: &[u8]) -> (std::ffi::OsString, Vec<std::ffi::OsString>) {
    use std::os::unix::ffi::OsStringExt;
    const LIMIT: usize = 120 * 1024;
    if text.len() <= LIMIT {
        return (std::ffi::OsString::from_vec(text.to_vec()), Vec::new());
    }
    let parts: Vec<_> = text.chunks(LIMIT).map(|part| std::ffi::OsString::from_vec(part.to_vec())).collect();
    let names: String = (1..=parts.len()).map(|number| format!("${{{number}}}")).collect();
    let first = format!("\\eval '\\set --\n'\"{names}\"");
    let words = std::iter::once("sh".into()).chain(parts).collect();
    (first.into(), words)
}

impl Dispatcher for Local<'_> {
    fn dispatch(&mut self, request: &Request<'_>) -> Result<Response, DispatchError> {
        self.run(request).map_err(|error| DispatchError {
            doing: format!("cannot run `{}`", self.shell.join(" ")),
            source: error.into(),
        })
    }
}
