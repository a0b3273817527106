//! Runs stretches with a shell of this machine, each in a process of its own.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io::{self, Read, Write},
    os::{
        fd::OwnedFd,
        unix::{
            ffi::OsStrExt,
            process::{CommandExt, ExitStatusExt},
        },
    },
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use bstr::ByteSlice;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    process::{Pid, Signal, kill_process_group, test_kill_process_group},
};

use super::{
    DispatchError, Dispatcher,
    request::{Request, Response},
};
use crate::program::{Ended, Hooks, Output, Program};

/// Linux takes at most 128 KiB in one argument, its end included.
const LONGEST_ARGUMENT: usize = 120 * 1024;

/// A shell of this machine. Its standard input is empty.
pub struct Local<'h> {
    shell: Vec<OsString>,
    hooks: Hooks<'h>,
    output: Box<dyn Write + 'h>,
    errors: Box<dyn Write + 'h>,
    prepare: Box<dyn Fn(&mut Command) + 'h>,
    feeds: bool,
}

impl<'h> Local<'h> {
    /// Runs `shell`, a program with arguments before `-c`, such as `["sh"]` or `["busybox", "sh"]`. Output of the script
    /// goes to this process's standard output, what the script and its shell complain of to standard error.
    pub fn new(shell: &[&str], hooks: Hooks<'h>) -> Local<'h> {
        let shell = shell.iter().map(OsString::from).collect();
        let (output, errors) = (Box::new(io::stdout()), Box::new(io::stderr()));
        Local { shell, hooks, output, errors, prepare: Box::new(|_| {}), feeds: false }
    }

    /// The same where no list of processes shows the programs: that takes the shell a little longer.
    #[must_use]
    pub fn fed(self) -> Local<'h> {
        Local { feeds: true, ..self }
    }

    /// The same with another place for the script's standard output.
    #[must_use]
    pub fn output(self, output: impl Write + 'h) -> Local<'h> {
        Local { output: Box::new(output), ..self }
    }

    /// The same with another place for standard error.
    #[must_use]
    pub fn errors(self, errors: impl Write + 'h) -> Local<'h> {
        Local { errors: Box::new(errors), ..self }
    }

    /// The same with something done to each command before it is started: a directory, an environment.
    #[must_use]
    pub fn prepare(self, prepare: impl Fn(&mut Command) + 'h) -> Local<'h> {
        Local { prepare: Box::new(prepare), ..self }
    }

    fn run(&mut self, request: &Request<'_>) -> io::Result<Response> {
        let program = Program::of(request, &self.hooks);
        let name = called(&self.shell);
        let (mut child, mut output) = if self.feeds || program.text().len() > LONGEST_ARGUMENT {
            (self.feed(&program, &name)?, program.fed_output(&name))
        } else {
            (self.start(&["-c".as_ref(), OsStr::from_bytes(program.text())], Stdio::null())?, program.output(&name))
        };
        let mut pipes = Pipes {
            stdout: child.stdout.take().map(|pipe| File::from(OwnedFd::from(pipe))),
            stderr: child.stderr.take().map(|pipe| File::from(OwnedFd::from(pipe))),
        };
        let mut pause = SHORTEST_PAUSE;
        let status = loop {
            // The usual shell that has printed its last line is gone in no time.
            let ends = output.is_at_end() || pipes.stdout.is_none();
            self.pass_on(&mut pipes, &mut output, if ends { pause } else { LOOK_AROUND })?;
            if ends {
                pause = (pause * 2).min(LOOK_AROUND);
            }
            if request.cancel.is_cancelled() {
                end_group(&mut child)?;
                break child.wait()?;
            }
            if let Some(status) = child.try_wait()? {
                break status;
            }
        };
        // What the shell printed is in the pipes; others may go on printing.
        for _ in 0..PIPE_READS {
            if !self.pass_on(&mut pipes, &mut output, Duration::ZERO)? {
                break;
            }
        }
        pipes.pass_on_late();
        if !output.is_complete() && !request.cancel.is_cancelled() {
            let rest =
                self.start(&["-c".as_ref(), OsStr::from_bytes(program.rest())], Stdio::null())?.wait_with_output()?;
            self.show(&output.stdout(&rest.stdout), &[])?;
        }
        let status = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
        let Ended { stdout, stderr, response } = output.finish(request, status);
        self.show(&stdout, &stderr)?;
        Ok(response)
    }

    fn feed(&self, program: &Program, name: &str) -> io::Result<Child> {
        let arguments = program.arguments(name);
        let mut child = self.start(&arguments.each_ref().map(AsRef::as_ref), Stdio::piped())?;
        if let Some(mut stdin) = child.stdin.take() {
            // A shell that ends before it has read all has said why.
            let _ = stdin.write_all(&program.input());
        }
        Ok(child)
    }

    fn start(&self, arguments: &[&OsStr], stdin: Stdio) -> io::Result<Child> {
        let mut words = self.shell.iter();
        let name = words.next().map_or(OsStr::new("sh"), OsString::as_os_str);
        let mut command = Command::new(name);
        command.args(words).args(arguments);
        // A group of its own: cancelling ends everything the stretch has started.
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        (self.prepare)(&mut command);
        command.stdin(stdin).spawn()
    }

    /// Waits for output, no longer than `pause`, and passes it on. False when there was none.
    fn pass_on(&mut self, pipes: &mut Pipes, output: &mut Output, pause: Duration) -> io::Result<bool> {
        let (stdout, stderr) = pipes.read(pause)?;
        if stdout.is_empty() && stderr.is_empty() {
            return Ok(false);
        }
        self.show(&output.stdout(&stdout), &output.stderr(&stderr))?;
        Ok(true)
    }

    fn show(&mut self, stdout: &[u8], stderr: &[u8]) -> io::Result<()> {
        for (to, bytes) in [(&mut self.output, stdout), (&mut self.errors, stderr)] {
            if !bytes.is_empty() {
                to.write_all(bytes)?;
                to.flush()?;
            }
        }
        Ok(())
    }
}

/// How often to look whether the run was cancelled.
const LOOK_AROUND: Duration = Duration::from_millis(10);

/// How long to wait at first for a shell that has told its state.
const SHORTEST_PAUSE: Duration = Duration::from_micros(25);

/// How long processes get to end by themselves when the run was cancelled.
const GRACE: Duration = Duration::from_millis(40);

/// How much to read at once, and how often at most what a pipe can hold.
const PIECE: usize = 64 * 1024;
const PIPE_READS: usize = 16;

/// The name the shell knows itself by: that of the applet, where it is one of many in a program.
fn called(shell: &[OsString]) -> String {
    let is_many = |first: &OsString| first.as_bytes().ends_with(b"busybox");
    let name = if shell.first().is_some_and(is_many) { shell.get(1) } else { shell.first() };
    name.map_or_else(|| "sh".into(), |name| name.to_string_lossy()).into_owned()
}

/// The shell's output, for as long as a process has it open.
struct Pipes {
    stdout: Option<File>,
    stderr: Option<File>,
}

impl Pipes {
    /// What comes next from each, nothing when nothing came within `pause`.
    fn read(&mut self, pause: Duration) -> io::Result<(Vec<u8>, Vec<u8>)> {
        let open: Vec<&File> = [&self.stdout, &self.stderr].into_iter().flatten().collect();
        if !is_ready(&open, pause)? {
            return Ok(Default::default());
        }
        Ok((next_of(&mut self.stdout)?, next_of(&mut self.stderr)?))
    }

    /// What processes that were left behind still print goes on, for as long as this process lives.
    fn pass_on_late(self) {
        if let Some(mut pipe) = self.stdout {
            std::thread::spawn(move || io::copy(&mut pipe, &mut io::stdout()));
        }
        if let Some(mut pipe) = self.stderr {
            std::thread::spawn(move || io::copy(&mut pipe, &mut io::stderr()));
        }
    }
}

/// Whether one of these has something to read, or has ended, within `pause`.
fn is_ready(files: &[&File], pause: Duration) -> io::Result<bool> {
    let mut polled: Vec<PollFd<'_>> = files.iter().map(|file| PollFd::new(file, PollFlags::IN)).collect();
    match poll(&mut polled, Timespec::try_from(pause).ok().as_ref()) {
        Ok(ready) => Ok(ready > 0),
        Err(Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// The next bytes of a pipe, if there are any; at its end it is closed.
fn next_of(pipe: &mut Option<File>) -> io::Result<Vec<u8>> {
    let Some(file) = pipe else { return Ok(Vec::new()) };
    if !is_ready(&[file], Duration::ZERO)? {
        return Ok(Vec::new());
    }
    let mut bytes = vec![0; PIECE];
    let length = file.read(&mut bytes)?;
    if length == 0 {
        *pipe = None;
    }
    bytes.truncate(length);
    Ok(bytes)
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
