//! The computation's own command in a container that is ready: one exec, which first makes sure that it is.

use std::io;

use crate::{
    engine::{Engine, EngineError, Exec, Stdin, Stream},
    ledger::READY,
    text::nonce,
};

/// What to run.
#[derive(Clone, Debug)]
pub struct Command {
    /// The program and its arguments, as the container sees them.
    pub argv: Vec<String>,
    /// As whom; `None` for the container's own user.
    pub user: Option<String>,
    /// Where its standard input comes from.
    pub stdin: Stdin,
}

/// A command that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Running {
    /// Its process id in the container; it leads a process group of its own.
    pub process: u32,
}

/// What became of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Called {
    /// It ran, and ended with this status: 128+N when it died of signal N.
    Ended(i32),
    /// The container is not set up as it should be; nothing was run.
    Stale,
    /// There is no such program there.
    NotFound,
    /// There is, but it cannot be run.
    NotExecutable,
    /// The shell that starts the command could not be started; what the engine said went to its stderr.
    NoShell,
}

/// What the container is expected to be before the command runs.
#[derive(Clone, Copy, Debug)]
pub enum Expect<'e> {
    /// A finished setup that ended with this fingerprint.
    Ready(&'e str),
    /// Nothing more: it was just set up.
    SetUp,
}

/// Prints one line, `NONCE PROCESS WORD`, and becomes the command. The engine's own exit code for a program that
/// cannot be started does not tell missing from not executable, so the shell looks first (POSIX 2.8.2), also for the
/// interpreter that a script names.
const WRAPPER: &str = r#"n=$1 w=$2; shift 2
case $w in ?*) h=; IFS= read -r h 2>/dev/null <@READY@; [ "$h" = "$w" ] || { printf '%s %s stale\n' "$n" "$$"; exit 125; };; esac
case $1 in
*/*) [ -e "$1" ] || { printf '%s %s missing\n' "$n" "$$"; exit 127; }
     { [ ! -d "$1" ] && [ -x "$1" ]; } || { printf '%s %s denied\n' "$n" "$$"; exit 126; }
     h=; IFS=' 	' read -r h i 2>/dev/null <"$1"
     case $h in '#!') h=${i%%[ 	]*};; '#!'*) h=${h#'#!'};; *) h=;; esac
     case $h in /*) [ -x "$h" ] || { printf '%s %s denied\n' "$n" "$$"; exit 126; };; esac;;
*) command -v "$1" >/dev/null 2>&1 || { printf '%s %s missing\n' "$n" "$$"; exit 127; };;
esac
printf '%s %s ok\n' "$n" "$$"
exec "$@""#;

/// Runs a command and passes its output on, byte for byte. `started` is told when it runs.
///
/// # Errors
/// As for [`Engine::exec`].
pub fn call(
    engine: &dyn Engine,
    container: &str,
    shell: &str,
    command: &Command,
    expect: Expect<'_>,
    started: &mut dyn FnMut(Running),
    output: &mut dyn FnMut(Stream, &[u8]) -> io::Result<()>,
) -> Result<Called, EngineError> {
    let nonce = nonce();
    let fingerprint = match expect {
        Expect::Ready(fingerprint) => fingerprint,
        Expect::SetUp => "",
    };
    let wrapper = WRAPPER.replace("@READY@", READY);
    let words = [shell, "-c", &wrapper, "ce-run", &nonce, fingerprint].map(str::to_owned);
    let mut exec = Exec::new(words.into_iter().chain(command.argv.iter().cloned()));
    (exec.user, exec.stdin, exec.stdin_after) = (command.user.clone(), command.stdin, Some(" ok".to_owned()));
    let mut handshake = Handshake { nonce, line: Vec::new(), word: None };
    let status = engine.exec(container, &exec, &mut |stream, bytes| {
        let bytes = if stream == Stream::Stdout { handshake.take(bytes, started) } else { bytes };
        if bytes.is_empty() { Ok(()) } else { output(stream, bytes) }
    })?;
    Ok(match handshake.word {
        Some(Word::Ok) => Called::Ended(status),
        Some(Word::Stale) => Called::Stale,
        Some(Word::Missing) => Called::NotFound,
        Some(Word::Denied) => Called::NotExecutable,
        None => {
            output(Stream::Stderr, &handshake.line).map_err(EngineError::Output)?;
            Called::NoShell
        }
    })
}

/// Sends a signal, by its name without `SIG`, to a command and all its children.
///
/// # Errors
/// As for [`Engine::exec`]. A command that has ended is no error.
pub fn signal(engine: &dyn Engine, container: &str, running: Running, signal: &str) -> Result<(), EngineError> {
    // The one spelling that dash, bash and busybox all understand.
    let kill = format!("kill -{signal} -{}", running.process);
    let exec = Exec { user: Some("0".to_owned()), ..Exec::new(["/bin/sh", "-c", &kill]) };
    engine.exec(container, &exec, &mut |_, _| Ok(())).map(drop)
}

#[derive(Clone, Copy)]
enum Word {
    Ok,
    Stale,
    Missing,
    Denied,
}

/// Takes the first line off the command's standard output.
struct Handshake {
    nonce: String,
    line: Vec<u8>,
    word: Option<Word>,
}

impl Handshake {
    /// The bytes that belong to the command.
    fn take<'b>(&mut self, bytes: &'b [u8], started: &mut dyn FnMut(Running)) -> &'b [u8] {
        if self.word.is_some() {
            return bytes;
        }
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let (head, rest) = bytes.split_at(end.map_or(bytes.len(), |end| end + 1));
        self.line.extend_from_slice(head);
        if end.is_some() {
            self.word = self.read(started);
        }
        rest
    }

    fn read(&self, started: &mut dyn FnMut(Running)) -> Option<Word> {
        let line = std::str::from_utf8(&self.line).ok()?.strip_prefix(&self.nonce)?.trim();
        let (process, word) = line.split_once(' ')?;
        let word = match word {
            "ok" => Word::Ok,
            "stale" => Word::Stale,
            "missing" => Word::Missing,
            "denied" => Word::Denied,
            _ => return None,
        };
        if let (Word::Ok, Ok(process)) = (word, process.parse()) {
            started(Running { process });
        }
        Some(word)
    }
}
