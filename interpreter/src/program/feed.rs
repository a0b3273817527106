//! How a program reaches its shell: on standard input, so that no list of processes and no event of an engine shows what
//! is in it, whatever its length and its bytes.

use std::borrow::Cow;

/// In the command line of every shell that runs a program, in the first line of it: so it is known for one of ours.
pub const WORD: &str = "compeval-program";

/// For `sh -c FEEDER NAME NONCE`. It says which process it is, reads the program to its end, and runs it when it is
/// whole: whoever sends it may be killed meanwhile. Nothing of it is left then but the word `eval` in what some shells
/// complain of. All on one line: bash counts the program's lines from that.
const FEEDER: &str = r##": @WORD@; \printf '%s %s\n' "$1" "$$"; if \command -v cat >/dev/null 2>&1; then \set -- "$1" "$(\cat)"; else \set -- "$1" "$(while IFS= \read -r l; do \printf '%s\n' "$l"; done; \printf %s "$l")"; fi; \exec </dev/null; case $2 in *"#$1") \eval "\set --;$2";; *) \exit 125;; esac"##;

/// More than the first line has, in bytes. What an engine says when it cannot start the shell comes in its place.
const LONGEST_LINE: usize = 4096;

/// What follows the name of the shell's program; `name` is what the shell calls itself.
pub fn arguments(name: &str, nonce: &str) -> [String; 4] {
    ["-c".to_owned(), FEEDER.replace("@WORD@", WORD), name.to_owned(), nonce.to_owned()]
}

/// What the shell reads: the program, and that this is all of it.
pub fn input(text: &[u8], nonce: &str) -> Vec<u8> {
    [text, b"\n#", nonce.as_bytes()].concat()
}

/// Takes the feeder's line off the beginning of what the shell prints.
#[derive(Debug)]
pub(crate) struct Greeting {
    nonce: String,
    held: Vec<u8>,
    is_over: bool,
    process: Option<u32>,
}

impl Greeting {
    pub(crate) fn new(nonce: &str) -> Greeting {
        Greeting { nonce: nonce.to_owned(), held: Vec::new(), is_over: false, process: None }
    }

    /// The process id of the shell, once that is told.
    pub(crate) fn process(&self) -> Option<u32> {
        self.process
    }

    /// What of the next bytes is no line of the feeder's.
    pub(crate) fn take<'b>(&mut self, bytes: &'b [u8]) -> Cow<'b, [u8]> {
        if self.is_over {
            return bytes.into();
        }
        self.held.extend_from_slice(bytes);
        let end = self.held.iter().position(|byte| *byte == b'\n');
        if end.is_none() && self.held.len() < LONGEST_LINE {
            return Cow::default();
        }
        self.is_over = true;
        let mut held = std::mem::take(&mut self.held);
        let rest = held.split_off(end.map_or(0, |end| end + 1));
        self.process = self.read(&held);
        if self.process.is_some() { rest.into() } else { [held, rest].concat().into() }
    }

    /// What was held for nothing.
    pub(crate) fn finish(self) -> Vec<u8> {
        self.held
    }

    fn read(&self, line: &[u8]) -> Option<u32> {
        std::str::from_utf8(line).ok()?.strip_prefix(&self.nonce)?.trim().parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::Write,
        path::Path,
        process::{Command, Output, Stdio},
    };

    use super::*;

    const SHELLS: [&[&str]; 4] = [&["dash"], &["bash"], &["bash", "--posix"], &["busybox", "sh"]];

    fn feed(shell: &[&str], path: Option<&Path>, input: &[u8]) -> Output {
        let program = Command::new("sh").args(["-c", "command -v \"$0\"", shell[0]]).output().unwrap().stdout;
        let mut command = Command::new(String::from_utf8(program).unwrap().trim());
        command.args(&shell[1..]).args(arguments("sh", "ce0")).env("LC_ALL", "C.UTF-8");
        command.envs(path.map(|path| ("PATH", path)));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(input).unwrap();
        drop(stdin);
        child.wait_with_output().unwrap()
    }

    /// What a whole program prints behind the greeting.
    fn run(shell: &[&str], path: Option<&Path>, text: &[u8]) -> Vec<u8> {
        let output = feed(shell, path, &input(text, "ce0"));
        assert!(output.status.success() && output.stderr.is_empty(), "{shell:?}: {output:?}");
        let mut greeting = Greeting::new("ce0");
        let printed = greeting.take(&output.stdout).into_owned();
        assert!(greeting.process().is_some());
        printed
    }

    #[test]
    fn programs_of_every_size_and_byte_arrive_whole() {
        let bytes: Vec<u8> = (1..=255).filter(|byte| *byte != b'\'').collect();
        let every = [b"printf %s '", bytes.as_slice(), b"'"].concat();
        let large = [b"x='", "lines\n".repeat(1_000_000).as_bytes(), b"'; printf %s ${#x}"].concat();
        for shell in SHELLS {
            assert_eq!(run(shell, None, b"echo a $# $0; read x || echo b\n\n"), b"a 0 sh\nb\n", "{shell:?}");
            assert!(run(shell, None, &every) == bytes, "{shell:?}");
            assert_eq!(run(shell, None, &large), b"6000000", "{shell:?}");
        }
    }

    #[test]
    fn a_machine_without_cat_can_be_fed() {
        let nothing = tempfile::tempdir().unwrap();
        let bytes: Vec<u8> = (1..=255).filter(|byte| *byte != b'\'').collect();
        let every = [b"printf %s '", bytes.as_slice(), b"'"].concat();
        for shell in SHELLS {
            assert!(run(shell, Some(nothing.path()), &every) == bytes, "{shell:?}");
        }
    }

    #[test]
    fn a_program_that_is_not_whole_does_not_begin() {
        let whole = input(b"echo ran\n", "ce0");
        for shell in SHELLS {
            for end in [0, 9, whole.len() - 1] {
                let output = feed(shell, None, &whole[..end]);
                assert_eq!(output.status.code(), Some(125), "{shell:?}");
                assert!(!output.stdout.ends_with(b"ran\n"));
            }
        }
    }

    #[test]
    fn it_leaves_nothing_in_the_shell() {
        for shell in SHELLS {
            let variables = |printed: &[u8]| {
                let text = String::from_utf8_lossy(printed).into_owned();
                // These differ from process to process, or are the text itself.
                let own =
                    ["PPID=", "_=", "PIPESTATUS=", "BASH_", "RANDOM=", "SECONDS=", "EPOCH", "LINENO=", "SRANDOM="];
                text.lines().filter(|line| !own.iter().any(|name| line.starts_with(name))).map(str::to_owned).collect()
            };
            let mut plain = Command::new(shell[0]);
            plain.args(&shell[1..]).args(["-c", "set; echo $-", "sh"]).env("LC_ALL", "C.UTF-8").stdin(Stdio::null());
            let expected: Vec<String> = variables(&plain.output().unwrap().stdout);
            let found: Vec<String> = variables(&run(shell, None, b"unset BASH_EXECUTION_STRING; set; echo $-"));
            assert_eq!(found, expected, "{shell:?}");
        }
    }

    #[test]
    fn what_comes_in_place_of_the_greeting_is_passed_on() {
        for (pieces, passed, process) in [
            (&["ce0 7\n", "out"][..], "out", Some(7)),
            (&["ce", "0 7", "\nou", "t\n"], "out\n", Some(7)),
            (&["OCI runtime exec failed\r\n"], "OCI runtime exec failed\r\n", None),
            (&["ce0 x\n", "more"], "ce0 x\nmore", None),
            (&["no newline"], "no newline", None),
            (&["x".repeat(5000).as_str(), "y\n"], &format!("{}y\n", "x".repeat(5000)), None),
        ] {
            let mut greeting = Greeting::new("ce0");
            let mut found = Vec::new();
            pieces.iter().for_each(|piece| found.extend_from_slice(&greeting.take(piece.as_bytes())));
            assert_eq!(greeting.process(), process);
            found.extend(greeting.finish());
            assert_eq!(String::from_utf8(found).unwrap(), passed);
        }
    }
}
