//! A running container while it is set up: its ledger, read and waited for, and shell commands of ours in it.

use std::{
    cell::RefCell,
    io,
    ops::ControlFlow,
    time::{Duration, Instant},
};

use bstr::ByteSlice;
use compeval_interpreter::{
    dispatch::Kind,
    language::quoting::quote,
    program::{feed::WORD, record_failed},
};

use super::{
    error::{SetupError, doing},
    fed::{self, Slot},
    notice::{Notice, Watcher},
    site::Site,
};
use crate::{
    container::mounts::SCRATCH,
    engine::{Container, EngineError, Exec, LONGEST_FILE, Sink, Stream},
    interrupt::Interrupt,
    ledger::{DIRECTORY, EXPORTS, FILE, LedgerError, READY, Records, format},
};

/// How much is kept of what a shell complains of, in bytes.
const LONGEST_COMPLAINT: usize = 4096;

/// How long to wait at first, and at most, between two looks at what still runs.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// What waiting depends on.
pub(super) struct Waits<'a, 'w> {
    pub(super) watcher: &'a RefCell<&'w mut dyn Watcher>,
    pub(super) interrupt: &'a Interrupt,
    /// `None` for as long as it takes.
    pub(super) timeout: Option<Duration>,
}

/// A record without an end: what it tells of may still run.
struct LeftRunning {
    stretch: Kind,
    process: u32,
    /// The leader of the group that it is in.
    group: u32,
    /// For how long.
    running: Duration,
}

impl LeftRunning {
    fn of(ledger: &Records) -> Option<LeftRunning> {
        let record = ledger.unfinished()?;
        let start: Option<jiff::Timestamp> = record.start.as_ref().and_then(|start| start.parse().ok());
        let running = start.map(|start| jiff::Timestamp::now().duration_since(start));
        let running = running.and_then(|running| Duration::try_from(running).ok()).unwrap_or_default();
        let (process, group) = (record.pid?, record.group.or(record.pid)?);
        Some(LeftRunning { stretch: Kind::Stage(record.stage), process, group, running })
    }
}

/// A running container, and what is done in it that is no part of the script.
pub(super) struct Session<'a, 'e> {
    pub(super) site: &'a Site<'e>,
    pub(super) container: &'a Container,
    /// A shell that is fed what is done, for as long as it can go on.
    pub(super) shell: Option<&'a Slot<'e>>,
}

/// What a container says of itself.
pub(super) struct Said {
    pub(super) ledger: Records,
    /// What the last setup left for later calls, if it has ended well.
    pub(super) ready: String,
    /// Nothing runs there but the shell that is fed: no call that the container was still ready for.
    pub(super) is_alone: bool,
}

impl<'e> Session<'_, 'e> {
    /// A word in the argument list of the shell that is fed, and in no other.
    pub(super) fn own(&self) -> Option<String> {
        fed::usable(self.shell?).map(|shell| shell.nonce().to_owned())
    }

    /// Reads the ledger when nothing of a setup runs any more: what an ended ce-run left running is waited for.
    /// `None` when it is damaged. From here on no call takes the container for ready.
    pub(super) fn settled(&self, waits: &Waits<'_, '_>) -> Result<Option<Said>, SetupError> {
        let Some(said) = self.read()? else { return Ok(None) };
        if LeftRunning::of(&said.ledger).is_none() {
            return Ok(Some(said));
        }
        let (begin, mut pause, mut waited) = (Instant::now(), SHORTEST_PAUSE, false);
        // Asked again and again from here: a shell that waits there would go on when this process ends.
        while let Some(left) = self.still_running(&said.ledger)? {
            if !std::mem::replace(&mut waited, true) {
                let LeftRunning { stretch, running, .. } = left;
                waits.watcher.borrow_mut().notice(Notice::WaitingForStretch { stretch, running });
            }
            if waits.timeout.is_some_and(|timeout| begin.elapsed() >= timeout) {
                return Err(self.still(&left));
            }
            if let Some(signal) = waits.interrupt.sleep(pause) {
                return Err(SetupError::Interrupted { signal, stopped: None });
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        // It may have ended, and put that down, since the first look.
        self.read()
    }

    /// Puts down that the stage in a stretch which was stopped has failed with this status, whatever its shell said: dash
    /// dies without a word, and bash may take the status of the command before.
    pub(super) fn stage_has_failed(&self, stretch: Option<Kind>, status: i32) -> Result<(), SetupError> {
        let stage = match (stretch, self.read()?) {
            (Some(Kind::Stage(number)), _) => Some(number),
            (_, said) => said.as_ref().and_then(|said| said.ledger.unfinished()).map(|record| record.stage),
        };
        let Some(stage) = stage else { return Ok(()) };
        self.add(&record_failed(stage, status))
    }

    /// Adds records to the ledger.
    pub(super) fn add(&self, records: &str) -> Result<(), SetupError> {
        self.in_shell("write the ledger", &format!("printf '%s' {} >>{FILE}", quoted(records))).map(drop)
    }

    /// What of that which the ledger knows without an end still runs.
    fn still_running(&self, ledger: &Records) -> Result<Option<LeftRunning>, SetupError> {
        let shell = self.site.environment.description.shell.as_str();
        // After a restart, the shell that is fed may have the process id of what ran before.
        let own = self.shell.and_then(fed::usable).and_then(|shell| shell.process());
        let Some(left) = LeftRunning::of(ledger).filter(|left| Some(left.process) != own) else { return Ok(None) };
        // The process id may have another owner after a restart: ours has this word in its command line.
        let process = left.process;
        let ask = format!(
            "c=; IFS= read -r c 2>/dev/null </proc/{process}/cmdline; case $c in *{WORD}*) printf runs;; esac; :"
        );
        // In no process that has the word itself.
        let task = "look for what still runs";
        let said = self.printed(task, |output| self.exec(Exec::new([shell, "-c", &ask]), output))?;
        Ok((said == b"runs").then_some(left))
    }

    fn still(&self, left: &LeftRunning) -> SetupError {
        SetupError::StillRunning {
            container: self.container.name.clone(),
            shell: self.site.environment.description.shell.clone(),
            stretch: left.stretch,
            group: left.group,
            running: left.running,
        }
    }

    /// Puts down what a setup that has ended well leaves for later calls: at once, or at the latest when the shell that is
    /// fed ends or becomes a command.
    pub(super) fn set_ready(&self, ready: &str) -> Result<(), SetupError> {
        let commands = format!("printf '%s\\n' {} >{READY}", quoted(ready));
        match self.shell {
            Some(shell) => self.before_the_command(shell, commands.as_bytes()),
            None => self.in_shell("note what is set up", &commands).map(drop),
        }
    }

    /// Puts down all that a setup which has ended well leaves for calls; `ready` only if it needs no repeating.
    pub(super) fn leave(&self, shell: &Slot<'e>, exports: &[u8], ready: Option<String>) -> Result<(), SetupError> {
        self.set_exports(shell, exports)?;
        ready.map_or(Ok(()), |ready| self.set_ready(&ready))
    }

    /// Puts down what the setup exports, for the commands of calls, as late as [`Session::set_ready`].
    fn set_exports(&self, shell: &Slot<'e>, exports: &[u8]) -> Result<(), SetupError> {
        let commands = [&b"printf '%s\\n' "[..], &quote(exports), b" >", EXPORTS.as_bytes()].concat();
        self.before_the_command(shell, &commands)
    }

    fn before_the_command(&self, shell: &Slot<'e>, commands: &[u8]) -> Result<(), SetupError> {
        let task = || format!("start a shell in container `{}`", self.container.name);
        fed::usable_or_new(shell, self.site, &self.container.id).map_err(doing(task()))?.run_first(commands);
        Ok(())
    }

    fn read(&self) -> Result<Option<Said>, SetupError> {
        let header = quoted(&format::header());
        // What calls have left that ended with the container is nobody's then.
        let alone = if self.shell.is_some() { self.of_shell() } else { 0 };
        let read = format!(
            "[ -d {DIRECTORY} ] || mkdir -p {DIRECTORY} || exit\n\
             [ ! -d {SCRATCH} ] || [ -e {SCRATCH}/.open ] || {{ chmod 1777 {SCRATCH} && : >{SCRATCH}/.open; }}\n\
             r=; IFS= read -r r 2>/dev/null <{READY}; printf '%s\\n' \"$r\"\n\
             : >{READY}; set -- /proc/[0-9]*; printf '%s\\n' $#\n\
             if [ $# -le {alone} ]; then set -- {SCRATCH}/ce-*; [ ! -e \"$1\" ] || rm -rf \"$@\"; fi\n\
             [ -f {FILE} ] || printf '%s' {header} >{FILE} || exit\n\
             if command -v cat >/dev/null; then exec cat {FILE}; fi\n\
             l=; while IFS= read -r l; do printf '%s\\n' \"$l\"; done <{FILE}; printf '%s' \"$l\""
        );
        match self.in_shell("read the ledger", &read) {
            Err(SetupError::Engine { source: EngineError::Output(_), .. }) => Ok(None),
            text => {
                let text = text?;
                let (ready, rest) = text.split_once_str("\n").unwrap_or_default();
                let (processes, ledger) = rest.split_once_str("\n").unwrap_or_default();
                let processes = processes.to_str().ok().and_then(|number| number.parse().ok()).unwrap_or(usize::MAX);
                let is_alone = self.shell.is_some() && processes <= self.of_shell();
                let said = |ledger| Said { ledger, ready: ready.to_str_lossy().into_owned(), is_alone };
                Ok(parse_ledger(self.container, ledger)?.map(said))
            }
        }
    }

    /// How many processes there are where nothing but a shell that is fed runs: the container's own, and while it evaluates
    /// something, itself and a subshell.
    fn of_shell(&self) -> usize {
        3 + usize::from(self.site.spec.init)
    }

    /// Runs shell commands of ours in the container for a task; gives what they print.
    fn in_shell(&self, task: &str, commands: &str) -> Result<Vec<u8>, SetupError> {
        self.printed(task, |output| match self.shell.and_then(fed::usable) {
            Some(mut shell) => shell.eval(commands, output),
            None => self.exec(Exec::new([self.site.environment.description.shell.as_str(), "-c", commands]), output),
        })
    }

    fn exec(&self, exec: Exec, output: &mut Sink<'_>) -> Result<i32, EngineError> {
        self.site.engine.exec(&self.container.id, &exec.as_root(), output)
    }

    /// What commands of ours print.
    fn printed(
        &self,
        task: &str,
        run: impl FnOnce(&mut Sink<'_>) -> Result<i32, EngineError>,
    ) -> Result<Vec<u8>, SetupError> {
        let too_long = || io::ErrorKind::FileTooLarge.into();
        let (mut text, mut complaints) = (Vec::new(), Vec::new());
        let status = run(&mut |stream, bytes| {
            match stream {
                Stream::Stdout => text.extend_from_slice(bytes),
                Stream::Stderr => complaints.extend(bytes.iter().take(LONGEST_COMPLAINT - complaints.len())),
            }
            if text.len() > LONGEST_FILE { Err(too_long()) } else { Ok(ControlFlow::Continue(())) }
        });
        let task = || format!("{task} in container `{}`", self.container.name);
        match status.map_err(doing(task()))? {
            0 => Ok(text),
            status => {
                let said = if complaints.is_empty() { text } else { complaints };
                let message = format!("its shell gave {status}: {}", String::from_utf8_lossy(&said).trim());
                Err(SetupError::Engine {
                    doing: task(),
                    source: EngineError::Refused { doing: "run a shell".into(), message },
                })
            }
        }
    }
}

/// One word of the shell that stands for `text`.
fn quoted(text: &str) -> String {
    String::from_utf8_lossy(&quote(text.as_bytes())).into_owned()
}

/// The ledger of a container; `None` when it is damaged.
pub(super) fn parse_ledger(container: &Container, text: &[u8]) -> Result<Option<Records>, SetupError> {
    match Records::parse(text) {
        Ok(ledger) => Ok(Some(ledger)),
        Err(LedgerError::Damaged { .. }) => Ok(None),
        Err(source) => Err(SetupError::Ledger { container: container.name.clone(), source }),
    }
}
