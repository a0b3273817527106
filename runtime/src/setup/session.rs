//! A running container while it is set up: its ledger, read and waited for, and shell commands of ours in it.

use std::{cell::RefCell, io, ops::ControlFlow};

use compeval_interpreter::{language::quoting::quote, program::feed::WORD};

use super::{
    error::{SetupError, doing},
    notice::{Notice, Watcher},
    site::Site,
};
use crate::{
    engine::{Container, EngineError, Exec, LONGEST_FILE, Stream},
    ledger::{DIRECTORY, FILE, LedgerError, READY, Records, format},
};

/// How much is kept of what a shell complains of, in bytes.
const LONGEST_COMPLAINT: usize = 4096;

/// A running container, and what is done in it that is no part of the script.
pub(super) struct Session<'a> {
    pub(super) site: &'a Site<'a>,
    pub(super) container: &'a Container,
}

impl Session<'_> {
    /// Reads the ledger when no stage runs any more: one that an ended ce-run left running is waited for.
    /// `None` when it is damaged.
    pub(super) fn settled_ledger(&self, watcher: &RefCell<&mut dyn Watcher>) -> Result<Option<Records>, SetupError> {
        let Some(ledger) = self.read_ledger()? else { return Ok(None) };
        let Some((stage, pid)) = ledger.unfinished().and_then(|record| Some((record.stage, record.pid?))) else {
            return Ok(Some(ledger));
        };
        watcher.borrow_mut().notice(Notice::WaitingForStage(stage));
        // The process id may have another owner after a restart: ours has this word in its first line.
        let wait = format!(
            "while IFS= read -r c 2>/dev/null </proc/{pid}/cmdline; do\n\
             case $c in *{WORD}*) sleep 0.2 2>/dev/null || sleep 1;; *) break;; esac\n\
             done"
        );
        self.in_shell(&wait)?;
        self.read_ledger()
    }

    /// Puts down that a setup has ended with this fingerprint.
    pub(super) fn set_ready(&self, fingerprint: &str) -> Result<(), SetupError> {
        self.in_shell(&format!("printf '%s\\n' {} >{READY}", quoted(fingerprint))).map(drop)
    }

    fn read_ledger(&self) -> Result<Option<Records>, SetupError> {
        let header = quoted(&format::header());
        let read = format!(
            "[ -d {DIRECTORY} ] || mkdir -p {DIRECTORY} || exit\n\
             : >{READY}; [ -f {FILE} ] || printf '%s' {header} >{FILE} || exit\n\
             if command -v cat >/dev/null; then exec cat {FILE}; fi\n\
             l=; while IFS= read -r l; do printf '%s\\n' \"$l\"; done <{FILE}; printf '%s' \"$l\""
        );
        match self.in_shell(&read) {
            Err(SetupError::Engine { source: EngineError::Output(_), .. }) => Ok(None),
            text => parse_ledger(self.container, &text?),
        }
    }

    /// Runs shell commands of ours in the container; gives what they print.
    fn in_shell(&self, commands: &str) -> Result<Vec<u8>, SetupError> {
        let shell = self.site.environment.description.shell.clone();
        let exec = Exec { user: Some("0".to_owned()), ..Exec::new([shell, "-c".to_owned(), commands.to_owned()]) };
        let too_long = || io::ErrorKind::FileTooLarge.into();
        let (mut text, mut complaints) = (Vec::new(), Vec::new());
        let status = self.site.engine.exec(&self.container.id, &exec, &mut |stream, bytes| {
            match stream {
                Stream::Stdout => text.extend_from_slice(bytes),
                Stream::Stderr => complaints.extend(bytes.iter().take(LONGEST_COMPLAINT - complaints.len())),
            }
            if text.len() > LONGEST_FILE { Err(too_long()) } else { Ok(ControlFlow::Continue(())) }
        });
        let task = || format!("read the ledger in container `{}`", self.container.name);
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
