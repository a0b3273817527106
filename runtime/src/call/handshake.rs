//! The first line of a call: whether the container is ready and the program there, told by the shell that starts it.

use std::ffi::OsStr;

use super::{Called, watchdog::WATCH};
use crate::{
    container::mounts::SCRATCH,
    ledger::{EXPORTS, READY},
};

/// Prints one line, `NONCE PROCESS WORD`, and becomes the command. The engine's own exit code for a program that
/// cannot be started does not tell missing from not executable, so the shell looks first (POSIX 2.8.2), also for the
/// interpreter that a script names; what it has built in is no program (2.9.1.1). It does not read the script for that:
/// built-ins know no end but that of a line.
///
/// Behind the word `ok` stands the directory that was made for the command, if that was possible. `HOME` is that, too, where
/// the user has none. A command that reads what ce-run reads waits for [`GO`]: until its watchdog knows of it.
const WRAPPER: &str = r#"__ce_n=$1 __ce_w=$2 __ce_i=$3 __ce_d=$4 __ce_u=$5 __ce_m=$6; shift 6
__ce_end() { printf '%s %s %s\n' "$__ce_n" "$$" "$1"; exit "$2"; }
case $__ce_w in ?*) __ce_h=; IFS= read -r __ce_h 2>/dev/null <@READY@; [ "$__ce_h" = "$__ce_w" ] || __ce_end stale 125;; esac
[ ! -r @EXPORTS@ ] || . @EXPORTS@
cd "$__ce_d" 2>/dev/null || __ce_end elsewhere 125
unset OLDPWD
case $__ce_u in ?*) umask "$__ce_u";; esac
case $1 in
*/*) [ -e "$1" ] || __ce_end missing 127
     { [ ! -d "$1" ] && [ -x "$1" ]; } || __ce_end denied 126
     case $__ce_i in /*) [ -x "$__ce_i" ] || __ce_end denied 126;; esac;;
*) __ce_p=${PATH-}:
   until __ce_x=${__ce_p%%:*}; __ce_x=${__ce_x:-.}/$1; [ -f "$__ce_x" ] && [ -x "$__ce_x" ]; do
       __ce_p=${__ce_p#*:}
       case $__ce_p in ?*) continue;; esac
       case ${FUNCNAME+x} in x) case $1 in @BUILTINS@) ;; *) ! command -v "$1" >/dev/null 2>&1 || break;; esac;; esac
       __ce_end missing 127
   done;;
esac
__ce_t=${TMPDIR:-@SCRATCH@}
case $__ce_t in *[!a-zA-Z0-9_./-]* | [!/]*) __ce_t=@SCRATCH@;; esac
__ce_t=$__ce_t/ce-$__ce_n
if mkdir -m 700 "$__ce_t" || { __ce_t=/tmp/ce-$__ce_n; mkdir -m 700 "$__ce_t"; }; then
    export TMPDIR="$__ce_t"
    case ${HOME:-/} in /) HOME=;; esac
    { [ -d "$HOME" ] && [ -w "$HOME" ]; } || export HOME="$__ce_t"
else __ce_t=
fi 2>/dev/null
case $__ce_m in watched)
exec 3<&0 </dev/null
__ce_g=$$
( ( exec <&3 3<&- >/dev/null 2>&1
@WATCH@
) & )
exec 3<&-
esac
printf '%s %s ok %s\n' "$__ce_n" "$$" "$__ce_t"
case $__ce_m in watched) ;; *) IFS= read -r __ce_x || exit 125;; esac
exec "$@""#;

/// What busybox has no program for, reserved words among it: all else that it knows it runs by itself, where it is built
/// so. It is known by its variable `FUNCNAME`.
const BUILTINS: &str = ". | : | alias | bg | break | cd | command | continue | eval | exec | exit | export | fc | fg | \
    getopts | hash | jobs | local | read | readonly | return | set | shift | times | trap | type | ulimit | umask | \
    unalias | unset | wait | ! | '{' | '}' | case | do | done | elif | else | esac | fi | for | function | if | in | \
    then | until | while | '[['";

/// What a command waits for whose watchdog is elsewhere, and what a terminal shows of it.
pub(super) const GO: &[u8] = b"\n";
pub(super) const ECHO: &[u8] = b"\r\n";

/// What the shell that starts a command is told besides the command.
pub(super) struct Words<'w> {
    /// What its first line begins with.
    pub(super) nonce: &'w str,
    /// What the last setup must have left; empty where that does not matter.
    pub(super) ready: &'w str,
    /// The program that runs the command, if it is a script and names one.
    pub(super) interpreter: &'w str,
    /// The directory that the command starts in.
    pub(super) directory: &'w OsStr,
    /// In octal, the mode bits that its new files do not get; empty to leave them.
    pub(super) umask: String,
    /// Whether its standard input is its watchdog's, and the command reads nothing.
    pub(super) is_watched: bool,
}

impl<'w> Words<'w> {
    /// The parameters of [`wrapper`], which the command's own words follow.
    pub(super) fn parameters(&self) -> [&OsStr; 6] {
        let watched = if self.is_watched { "watched" } else { "" };
        let Words { nonce, ready, interpreter, directory, umask, .. } = self;
        [nonce.as_ref(), ready.as_ref(), interpreter.as_ref(), directory, umask.as_ref(), watched.as_ref()]
    }
}

/// The text of the shell that starts a command; its parameters are [`Words::parameters`] and the command's words.
pub(super) fn wrapper() -> String {
    WRAPPER
        .replace("@READY@", READY)
        .replace("@EXPORTS@", EXPORTS)
        .replace("@SCRATCH@", SCRATCH)
        .replace("@BUILTINS@", BUILTINS)
        .replace("@WATCH@", WATCH)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Ok,
    Stale,
    Elsewhere,
    Missing,
    Denied,
}

/// A command that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Started {
    /// Its process id in the container; it leads a group.
    pub(super) process: u32,
    /// The directory that was made for it, if there is one.
    pub(super) scratch: String,
}

/// Takes the first line off the command's standard output.
pub(super) struct Handshake {
    nonce: String,
    line: Vec<u8>,
    /// `None` while the line is on its way; then what it says, if it is ours.
    told: Option<Option<Verdict>>,
    started: Option<Started>,
    /// How much of what comes behind the line is an echo.
    echo: usize,
}

/// More than the line has, in bytes. What an engine says when it cannot start the shell comes in its place.
const LONGEST_LINE: usize = 4096;

impl Handshake {
    pub(super) fn new(nonce: String, has_terminal: bool) -> Self {
        let echo = if has_terminal { ECHO.len() } else { 0 };
        Self { nonce, line: Vec::new(), told: None, started: None, echo }
    }

    /// The bytes that belong to the command.
    pub(super) fn take<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        match self.told {
            Some(Some(_)) => return self.without_echo(bytes),
            Some(None) => {
                self.keep(bytes);
                return &[];
            }
            None => {}
        }
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let (head, rest) = bytes.split_at(end.map_or(bytes.len(), |end| end + 1));
        self.keep(head);
        if end.is_some() || self.line.len() == LONGEST_LINE {
            self.told = Some(self.read());
            if self.told == Some(None) {
                self.keep(rest);
                return &[];
            }
        }
        self.without_echo(rest)
    }

    fn without_echo<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let (echo, rest) = bytes.split_at(self.echo.min(bytes.len()));
        self.echo -= echo.len();
        rest
    }

    /// The command, once it runs; told once.
    pub(super) fn started(&mut self) -> Option<Started> {
        self.started.take()
    }

    /// What became of the command when its shell has ended with this status.
    pub(super) fn ended(self, status: i32) -> Called {
        match self.finish() {
            Ok(Verdict::Ok) => Called::Ended(status),
            Ok(Verdict::Stale) => Called::Stale,
            Ok(Verdict::Elsewhere) => Called::NoDirectory,
            Ok(Verdict::Missing) => Called::NotFound,
            Ok(Verdict::Denied) => Called::NotExecutable,
            Err(said) => Called::NoShell { said: String::from_utf8_lossy(&said).trim().to_owned() },
        }
    }

    /// What the line said, or the beginning of what came in its place.
    fn finish(self) -> Result<Verdict, Vec<u8>> {
        self.told.flatten().ok_or(self.line)
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = LONGEST_LINE.saturating_sub(self.line.len());
        self.line.extend(bytes.iter().take(room));
    }

    fn read(&mut self) -> Option<Verdict> {
        let line = std::str::from_utf8(&self.line).ok()?.strip_prefix(&self.nonce)?.trim();
        let (process, words) = line.split_once(' ')?;
        let (word, scratch) = words.split_once(' ').unwrap_or((words, ""));
        let verdict = match word {
            "ok" => Verdict::Ok,
            "stale" => Verdict::Stale,
            "elsewhere" => Verdict::Elsewhere,
            "missing" => Verdict::Missing,
            "denied" => Verdict::Denied,
            _ => return None,
        };
        if let (Verdict::Ok, Ok(process)) = (verdict, process.parse()) {
            self.started = Some(Started { process, scratch: scratch.to_owned() });
        }
        Some(verdict)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is told, how much of it is the command's, and how much was kept.
    fn take(pieces: &[&[u8]]) -> (Result<Verdict, usize>, usize) {
        let mut handshake = Handshake::new("ce1".to_owned(), false);
        let given = pieces.iter().map(|piece| handshake.take(piece).len()).sum();
        (handshake.finish().map_err(|line| line.len()), given)
    }

    #[test]
    fn the_first_line_is_ours_and_the_rest_the_commands() {
        assert_eq!(take(&[b"ce1 7 ok\n"]), (Ok(Verdict::Ok), 0));
        assert_eq!(take(&[b"ce1 7 ok /tmp/x\r\nab"]), (Ok(Verdict::Ok), 2));
        assert_eq!(take(&[b"ce1 7", b" ok\nab", b"c\n"]), (Ok(Verdict::Ok), 4));
        assert_eq!(take(&[b"ce1 7 stale\n"]), (Ok(Verdict::Stale), 0));
    }

    #[test]
    fn what_comes_in_its_place_is_kept_up_to_a_bound() {
        assert_eq!(take(&[]), (Err(0), 0));
        assert_eq!(take(&[b"OCI runtime exec failed\r\n", b"more\n"]), (Err(30), 0));
        let long = vec![b'x'; 3000];
        assert_eq!(take(&[&long, &long, &long]), (Err(4096), 0));
        assert_eq!(take(&[b"\n", &long, &long]), (Err(4096), 0));
    }
}
