//! Runs stretches with a shell of this machine, each in a process of its own.

use std::{
    ffi::{OsStr, OsString},
    io::{self, Read, Write},
    os::unix::{
        ffi::OsStrExt,
        process::{CommandExt, ExitStatusExt},
    },
    process::{Child, ChildStdout, Command, ExitStatus, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use bstr::ByteSlice;
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};

use super::{Cancel, DispatchError, Dispatcher, Hooks, Request, Response};

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
        // A group of its own: cancelling ends everything the stretch has started.
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).process_group(0).spawn()?;
        let chunks = child.stdout.take().map(read_on).unwrap_or_else(|| mpsc::channel().1);
        while !output.is_complete() {
            if request.cancel.is_cancelled() {
                end_group(&mut child)?;
                break;
            }
            match chunks.recv_timeout(LOOK_AROUND) {
                Ok(bytes) => {
                    self.output.write_all(&output.push(&bytes))?;
                    self.output.flush()?;
                }
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
            }
        }
        let status = wait(&mut child, request.cancel)?;
        let status = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
        let (rest, response) = output.finish(request, status);
        self.output.write_all(&rest)?;
        self.output.flush()?;
        Ok(response)
    }
}

/// How often to look whether the run was cancelled.
const LOOK_AROUND: Duration = Duration::from_millis(10);

/// How long processes get to end by themselves when it was.
const GRACE: Duration = Duration::from_millis(40);

/// Reads a pipe in a thread of its own. When nobody takes the bytes any more, the stretch has ended and a process it
/// left behind still prints: that goes to standard output, for as long as this process lives.
fn read_on(mut pipe: ChildStdout) -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let length = match pipe.read(&mut buffer) {
                Ok(0) => return,
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => return,
            };
            let bytes = buffer.get(..length).unwrap_or_default();
            if sender.send(bytes.to_vec()).is_err() && io::stdout().write_all(bytes).is_err() {
                return;
            }
        }
    });
    receiver
}

/// Waits for the shell, or ends it when the run is cancelled.
fn wait(child: &mut Child, cancel: &Cancel) -> io::Result<ExitStatus> {
    // The usual shell has just printed its last line: it is gone in no time.
    let mut pause = Duration::from_micros(50);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if cancel.is_cancelled() {
            end_group(child)?;
            return child.wait();
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(LOOK_AROUND);
    }
}

/// Asks all processes of the group to end, and kills those that do not.
fn end_group(child: &mut Child) -> io::Result<()> {
    let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) else { return Ok(()) };
    // There may be nobody left to signal.
    let _ = kill_process_group(group, Signal::TERM);
    let end = Instant::now() + GRACE;
    while Instant::now() < end && test_kill_process_group(group).is_ok() {
        child.try_wait()?;
        std::thread::sleep(Duration::from_millis(1));
    }
    let _ = kill_process_group(group, Signal::KILL);
    Ok(())
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
