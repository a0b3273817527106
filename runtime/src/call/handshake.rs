//! The first line of a call: whether the container is ready and the program there, told by the shell that starts it.

use crate::ledger::READY;

/// A command that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Running {
    /// Its process id in the container; it leads a process group of its own.
    pub process: u32,
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

/// The text of the shell that starts a command, for `sh -c TEXT NAME NONCE FINGERPRINT PROGRAM ARGUMENT...`.
pub(super) fn wrapper() -> String {
    WRAPPER.replace("@READY@", READY)
}

#[derive(Clone, Copy)]
pub(super) enum Word {
    Ok,
    Stale,
    Missing,
    Denied,
}

/// Takes the first line off the command's standard output.
pub(super) struct Handshake {
    pub(super) nonce: String,
    pub(super) line: Vec<u8>,
    pub(super) word: Option<Word>,
}

impl Handshake {
    /// The bytes that belong to the command.
    pub(super) fn take<'b>(&mut self, bytes: &'b [u8], started: &mut dyn FnMut(Running)) -> &'b [u8] {
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
