//! A command's streams: read until they end, or talked to.

use std::{
    collections::VecDeque,
    fs::File,
    io::{self, PipeReader, PipeWriter, Write},
    ops::ControlFlow,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::mpsc,
};

use compeval_sandbox::{LaunchStreams, Launched, RunningLaunch};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::{Errno, ioctl_fionbio},
    termios::{Winsize, tcsetwinsize},
};

use crate::engine::{
    error::EngineError,
    exec::{Conversation, Orders, Resize, Sink, Stream, TerminalSize},
    stdin::{CHUNK, read_until_woken},
};

/// A command's outputs that have not ended.
struct Outputs(Vec<(Stream, OwnedFd)>);

impl Outputs {
    /// What one of them has to say; `None` for one that has ended, which is left out from now on.
    fn read(&mut self, index: usize) -> Option<(Stream, Vec<u8>)> {
        let (stream, reader) = self.0.get(index)?;
        let mut bytes = vec![0; CHUNK];
        match rustix::io::retry_on_intr(|| rustix::io::read(reader, &mut bytes)) {
            Err(Errno::AGAIN) => Some((*stream, Vec::new())),
            // A terminal whose other end is closed fails.
            Ok(0) | Err(_) => {
                self.0.remove(index);
                None
            }
            Ok(length) => {
                bytes.truncate(length);
                Some((*stream, bytes))
            }
        }
    }

    fn polled(&self) -> Vec<PollFd<'_>> {
        self.0.iter().map(|(_, reader)| PollFd::new(reader, PollFlags::IN)).collect()
    }
}

/// Which of those that were polled have something.
fn ready(polled: &[PollFd<'_>]) -> Vec<bool> {
    polled.iter().map(|one| !one.revents().is_empty()).collect()
}

fn wait(polled: &mut [PollFd<'_>], patience: Option<&Timespec>) -> Result<(), EngineError> {
    match poll(polled, patience) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(EngineError::Client(error.into())),
    }
}

/// Passes on what a command prints, and gives its exit status; see [`Execs::exec`](crate::engine::Execs::exec).
pub(super) fn run(mut running: RunningLaunch, id: &str, output: &mut Sink<'_>) -> Result<i32, EngineError> {
    let lost = |_| EngineError::Lost { id: id.to_owned() };
    let mut outputs = outputs(&mut running)?;
    let mut flow = ControlFlow::Continue(());
    while !outputs.0.is_empty() {
        let mut polled = outputs.polled();
        if flow.is_break() {
            polled.push(PollFd::from_borrowed_fd(running.as_fd(), PollFlags::IN));
        }
        wait(&mut polled, None)?;
        let ready = ready(&polled);
        let has_ended = flow.is_break() && ready.last() == Some(&true);
        for index in (0..outputs.0.len()).rev().filter(|index| ready.get(*index) == Some(&true)) {
            if let Some((stream, bytes)) = outputs.read(index)
                && output(stream, &bytes).map_err(EngineError::Output)?.is_break()
            {
                flow = ControlFlow::Break(());
            }
        }
        // What it wrote was there before its end was.
        if has_ended && !ready.iter().rev().skip(1).any(|is_ready| *is_ready) {
            break;
        }
    }
    running.wait().map_err(lost)
}

fn outputs(running: &mut RunningLaunch) -> Result<Outputs, EngineError> {
    let copy = |descriptor: BorrowedFd<'_>| descriptor.try_clone_to_owned().map_err(EngineError::Client);
    Ok(Outputs(match &running.streams {
        LaunchStreams::Pipes { output, errors, .. } => {
            vec![(Stream::Stdout, copy(output.as_fd())?), (Stream::Stderr, copy(errors.as_fd())?)]
        }
        LaunchStreams::Terminal(terminal) => vec![(Stream::Stdout, copy(terminal.as_fd())?)],
    }))
}

/// A command that is talked to while it runs.
pub(super) struct EmbeddedTalk {
    id: String,
    state: TalkState,
    outputs: Outputs,
    /// Where what it reads is written; writing never waits.
    input: Option<OwnedFd>,
    /// What is to be written there.
    pending: VecDeque<u8>,
    /// Output that came while something was sent.
    held: VecDeque<(Stream, Vec<u8>)>,
    /// What other threads have to send, and what wakes this one for it.
    orders: Option<(mpsc::Receiver<Vec<u8>>, PipeReader)>,
    /// Its closing ends the thread that reads standard input.
    _passing: Option<PipeWriter>,
}

enum TalkState {
    Runs(RunningLaunch),
    /// It could not be run.
    Refused(i32),
}

impl EmbeddedTalk {
    /// What is said to a command that was to be run.
    pub(super) fn new(launched: Launched, id: &str) -> Result<EmbeddedTalk, EngineError> {
        let mut talk = EmbeddedTalk {
            id: id.to_owned(),
            state: TalkState::Refused(0),
            outputs: Outputs(Vec::new()),
            input: None,
            pending: VecDeque::new(),
            held: VecDeque::new(),
            orders: None,
            _passing: None,
        };
        match launched {
            Launched::Refused { status, words } => {
                talk.held.push_back((Stream::Stdout, format!("{words}\n").into_bytes()));
                talk.state = TalkState::Refused(status);
            }
            Launched::Running(mut running) => {
                talk.outputs = outputs(&mut running)?;
                talk.input = match &mut running.streams {
                    LaunchStreams::Pipes { input, .. } => input.take().map(OwnedFd::from),
                    LaunchStreams::Terminal(terminal) => {
                        Some(terminal.try_clone().map_err(EngineError::Client)?.into())
                    }
                };
                if let Some(input) = &talk.input {
                    ioctl_fionbio(input, true).map_err(|error| EngineError::Client(error.into()))?;
                }
                talk.state = TalkState::Runs(running);
            }
        }
        Ok(talk)
    }

    fn has_terminal(&self) -> bool {
        matches!(&self.state, TalkState::Runs(RunningLaunch { streams: LaunchStreams::Terminal(_), .. }))
    }

    /// Waits until something can be read or written, and does that.
    fn step(&mut self) -> Result<(), EngineError> {
        let count = self.outputs.0.len();
        let mut polled = self.outputs.polled();
        // A descriptor that is not waited for has nothing to say.
        let writes = self.input.as_ref().filter(|_| !self.pending.is_empty());
        polled.extend(self.orders.iter().map(|(_, woken)| PollFd::new(woken, PollFlags::IN)));
        polled.extend(writes.map(|input| PollFd::new(input, PollFlags::OUT)));
        let has_orders = self.orders.is_some();
        let can_write = writes.is_some();
        wait(&mut polled, None)?;
        let ready = ready(&polled);
        for index in (0..count).rev().filter(|index| ready.get(*index) == Some(&true)) {
            self.held.extend(self.outputs.read(index).filter(|(_, bytes)| !bytes.is_empty()));
        }
        if has_orders && ready.get(count) == Some(&true) {
            self.take_orders();
        }
        if can_write && ready.last() == Some(&true) {
            self.write();
        }
        Ok(())
    }

    fn take_orders(&mut self) {
        let Some((orders, woken)) = &self.orders else { return };
        let is_over =
            rustix::io::retry_on_intr(|| rustix::io::read(woken, &mut [0u8; 64])).is_ok_and(|count| count == 0);
        self.pending.extend(orders.try_iter().flatten());
        if is_over {
            self.orders = None;
        }
    }

    fn write(&mut self) {
        let Some(input) = &self.input else { return };
        let bytes = self.pending.make_contiguous();
        match rustix::io::retry_on_intr(|| rustix::io::write(input, bytes)) {
            Ok(count) => drop(self.pending.drain(..count)),
            Err(Errno::AGAIN) => {}
            // A command that has ended takes what is sent to it.
            Err(_) => {
                self.pending.clear();
                self.input = None;
            }
        }
    }

    fn flush(&mut self) -> Result<(), EngineError> {
        while !self.pending.is_empty() && self.input.is_some() {
            self.step()?;
        }
        self.pending.clear();
        Ok(())
    }
}

impl Conversation for EmbeddedTalk {
    fn send(&mut self, bytes: &[u8]) -> Result<(), EngineError> {
        self.pending.extend(bytes);
        self.flush()
    }

    fn receive(&mut self) -> Result<Option<(Stream, Vec<u8>)>, EngineError> {
        loop {
            if let Some(piece) = self.held.pop_front() {
                return Ok(Some(piece));
            }
            if self.outputs.0.is_empty() {
                return Ok(None);
            }
            self.step()?;
        }
    }

    fn pass_input(&mut self) -> Result<(), EngineError> {
        self.flush()?;
        let Some(input) = self.input.take() else { return Ok(()) };
        let (woken, wake) = io::pipe().map_err(EngineError::Client)?;
        let has_terminal = self.has_terminal();
        let mut input = File::from(input);
        std::thread::Builder::new()
            .name("stdin".into())
            .spawn(move || {
                read_until_woken(&woken, |chunk| write_all(&mut input, &chunk).is_ok());
                if has_terminal {
                    // Its end is told as one types it.
                    let _ = write_all(&mut input, &[END_OF_TEXT]);
                }
            })
            .map_err(EngineError::Client)?;
        self._passing = Some(wake);
        Ok(())
    }

    fn end_input(&mut self) {
        // Where that fails, it has ended already.
        let _ = self.flush();
        self.input = None;
    }

    fn orders(&mut self) -> Orders {
        let (sender, orders) = mpsc::channel::<Vec<u8>>();
        let Ok((woken, wake)) = io::pipe() else { return Orders::new(|_| ()) };
        self.orders = Some((orders, woken));
        // Who has gone needs no orders.
        Orders::new(move |bytes| {
            if sender.send(bytes.to_vec()).is_ok() {
                let _ = (&wake).write_all(b"!");
            }
        })
    }

    fn resize(&self) -> Resize {
        let terminal = match &self.state {
            TalkState::Runs(RunningLaunch { streams: LaunchStreams::Terminal(terminal), .. }) => {
                terminal.try_clone().ok()
            }
            _ => None,
        };
        Resize::new(move |TerminalSize { columns, rows }| {
            if let Some(terminal) = &terminal {
                let size = Winsize { ws_col: columns, ws_row: rows, ws_xpixel: 0, ws_ypixel: 0 };
                // A size that does not come through is no reason to end.
                let _ = tcsetwinsize(terminal, size);
            }
        })
    }

    fn status(&mut self) -> Result<i32, EngineError> {
        match &self.state {
            TalkState::Refused(status) => Ok(*status),
            TalkState::Runs(running) => running.wait().map_err(|_| EngineError::Lost { id: self.id.clone() }),
        }
    }
}

/// ^D: what a terminal takes for the end of its input.
const END_OF_TEXT: u8 = 4;

/// Writes to a descriptor on which writing does not wait, waiting.
fn write_all(file: &mut File, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                poll(&mut [PollFd::new(file, PollFlags::OUT)], None)?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
