//! Runs stretches with a shell of this machine, each in a process of its own.

use std::{
    ffi::{OsStr, OsString},
    io::{self, Read, Write},
    os::unix::{ffi::OsStrExt, process::ExitStatusExt},
    process::{Command, Stdio},
};

use bstr::ByteSlice;

use super::{DispatchError, Dispatcher, Hooks, Request, Response};

/// Linux takes at most 128 KiB in one argument, its end included, and about 2 MiB in all.
const LONGEST_ARGUMENT: usize = 120 * 1024;

/// A shell of this machine. Its standard input is empty; its standard error is inherited.
pub struct Local<'h> {
    shell: Vec<OsString>,
    hooks: Hooks<'h>,
    output: Box<dyn Write + 'h>,
    prepare: Box<dyn Fn(&mut Command) + 'h>,
}

impl<'h> Local<'h> {
    /// Runs `shell`, a program with arguments before `-c`, such as `["sh"]` or `["busybox", "sh"]`. Output of the script
    /// goes to this process's standard output.
    pub fn new(shell: &[&str], hooks: Hooks<'h>) -> Local<'h> {
        let shell = shell.iter().map(OsString::from).collect();
        Local { shell, hooks, output: Box::new(io::stdout()), prepare: Box::new(|_| {}) }
    }

    /// The same with another place for the script's standard output.
    #[must_use]
    pub fn output(self, output: impl Write + 'h) -> Local<'h> {
        Local { output: Box::new(output), ..self }
    }

    /// The same with something done to each command before it is started: a directory, an environment.
    #[must_use]
    pub fn prepare(self, prepare: impl Fn(&mut Command) + 'h) -> Local<'h> {
        Local { prepare: Box::new(prepare), ..self }
    }

    fn run(&mut self, request: &Request<'_>) -> io::Result<Response> {
        let program = request.program(&self.hooks);
        let mut output = program.output();
        let mut words = self.shell.iter();
        let mut command = Command::new(words.next().map_or(OsStr::new("sh"), OsString::as_os_str));
        command.args(words).arg("-c").args(arguments(program.text()));
        (self.prepare)(&mut command);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        if let Some(mut pipe) = child.stdout.take() {
            let mut buffer = vec![0; 64 * 1024];
            while !output.is_complete() {
                match pipe.read(&mut buffer) {
                    Ok(0) => break,
                    Ok(length) => {
                        self.output.write_all(&output.push(buffer.get(..length).unwrap_or_default()))?;
                        self.output.flush()?;
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
            // A process left behind may still print: take that in for as long as this one lives, or it would be killed.
            std::thread::spawn(move || io::copy(&mut pipe, &mut io::stderr()));
        }
        let status = child.wait()?;
        let status = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
        let (rest, response) = output.finish(request, status);
        self.output.write_all(&rest)?;
        self.output.flush()?;
        Ok(response)
    }
}

/// The arguments behind `-c`: the text itself, or a line that puts its parts together.
fn arguments(text: &[u8]) -> Vec<OsString> {
    let argument = |text: &[u8]| OsStr::from_bytes(text).to_owned();
    if text.len() <= LONGEST_ARGUMENT {
        return vec![argument(text)];
    }
    let parts: Vec<OsString> = text.chunks(LONGEST_ARGUMENT).map(argument).collect();
    let names: String = (1..=parts.len()).map(|number| format!("${{{number}}}")).collect();
    let first = format!("\\eval '\\set --\n'\"{names}\"");
    [first.into(), "sh".into()].into_iter().chain(parts).collect()
}

impl Dispatcher for Local<'_> {
    fn dispatch(&mut self, request: &Request<'_>) -> Result<Response, DispatchError> {
        self.run(request).map_err(|error| DispatchError {
            doing: format!("cannot run `{}`", self.shell.join(OsStr::new(" ")).as_bytes().as_bstr()),
            source: error.into(),
        })
    }
}

impl std::fmt::Debug for Local<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Local").field("shell", &self.shell).finish_non_exhaustive()
    }
}
