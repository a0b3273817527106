//! How a program reaches its shell: on standard input, so that no list of processes and no event of an engine shows what
//! is in it, whatever its length and its bytes.

use std::borrow::Cow;

use bstr::ByteSlice;

/// In the command line of every shell that runs a program, in the first line of it: so it is known for one of ours.
pub const WORD: &str = "compeval-program";

/// For `sh -c FEEDER NAME NONCE LINES`. It says which process it is, reads the program up to the line that ends it, and runs it
/// when it is whole: whoever sends it may be killed meanwhile. Nothing of it is left then but the word `eval` in what some
/// shells complain of. All on one line: bash counts the program's lines from that.
const FEEDER: &str = r##": @WORD@; \printf '%s %s\n' "$1" "$$"; \set -- "$1" "$(@READ@)"; \exec </dev/null; case $2 in *"#$1") \eval "\set --;$2";; *) \exit 125;; esac"##;

/// Prints the next `$2` lines of standard input, or up to the line `#$1`. What reads ahead finds nothing there: whoever
/// sends a program waits for what becomes of it.
const READ: &str = r##"if \command -v head >/dev/null 2>&1; then \head -n "$2"; else while IFS= \read -r l; do \printf '%s\n' "$l"; case $l in "#$1") break;; esac; done; fi"##;

/// More lines than a program has that ends with the input.
const ALL: &str = "1000000000";

/// For `sh -c DRIVER NAME NONCE FEEDER`: a shell that is fed one program after the other, so that all of them together cost
/// the start of one. It says which process it is, as the feeder does. Before each program it reads a line: `run NONCE
/// LINES` (in a shell of its own, through the feeder), `eval NONCE LINES` (here, in a subshell) or `call NONCE LINES` (here:
/// what it execs takes this shell's place).
/// Behind it, it prints [`Divider`]'s line: whether processes are there that were not when it began, and might print later.
/// What it says itself of those it starts (that one was killed) is nobody's: standard error is descriptor 3 meanwhile.
/// Its own variables are none that a container's environment could have, and what a shell adds to that is taken away.
const DRIVER: &str = r##": @WORD@
__ce_n=$1 __ce_f=$2 __ce_l=${SHLVL-}; set -- /proc/[0-9]*; __ce_c=" $* "
case $__ce_l in 1) unset SHLVL;; esac
trap : HUP INT QUIT USR1 USR2 PIPE ALRM TERM
exec 3>&2 2>/dev/null
printf '%s %s\n' "$__ce_n" "$$"
__ce_get() {
    __ce_p=$(set -- "$__ce_o" "$__ce_i"; @READ@)
    case $__ce_p in *"#$__ce_o") ;; *) exit 125;; esac
}
while read -r __ce_k __ce_o __ce_i; do
    case $__ce_k in
    run) ( exec "$0" -c "$__ce_f" "$0" "$__ce_o" "$__ce_i" 2>&3 3>&- );;
    eval) ( __ce_get; exec </dev/null 2>&3 3>&-; eval "$__ce_p" );;
    call)
        __ce_get
        [ -z "$__ce_l" ] || export SHLVL="$__ce_l"
        trap - HUP INT QUIT USR1 USR2 PIPE ALRM TERM
        exec 2>&3 3>&-
        eval "$__ce_p";;
    esac
    __ce_s=$? __ce_m=all
    [ -d "/proc/$$" ] || __ce_m=more
    for __ce_i in /proc/[0-9]*; do case $__ce_c in *" $__ce_i "*) ;; *) __ce_m=more;; esac; done
    printf '\n%s %s %s\n' "$__ce_n" "$__ce_s" "$__ce_m"; printf '\n%s end\n' "$__ce_n" >&3
done"##;

/// More than the first line has, in bytes. What an engine says when it cannot start the shell comes in its place.
const LONGEST_LINE: usize = 4096;

/// What follows the name of the shell's program; `name` is what the shell calls itself.
pub(crate) fn arguments(name: &str, nonce: &str) -> [String; 5] {
    ["-c".to_owned(), feeder(), name.to_owned(), nonce.to_owned(), ALL.to_owned()]
}

fn feeder() -> String {
    FEEDER.replace("@WORD@", WORD).replace("@READ@", READ)
}

/// What the shell reads: the program, and that this is all of it.
pub fn input(text: &[u8], nonce: &str) -> Vec<u8> {
    [text, b"\n#", nonce.as_bytes(), b"\n"].concat()
}

/// What follows the name of the shell's program in a shell that is fed one program after the other, and is called `name`.
pub fn driver_arguments(name: &str, nonce: &str) -> [String; 5] {
    let driver = DRIVER.replace("@WORD@", WORD).replace("@READ@", READ);
    ["-c".to_owned(), driver, name.to_owned(), nonce.to_owned(), feeder()]
}

/// How such a shell runs a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// In a shell of its own.
    Run,
    /// In a subshell.
    Eval,
    /// Itself, for the last one: what is executed takes its place.
    Call,
}

/// What such a shell is to read for a program that [`input`] gave, with the nonce that it gave it for.
pub fn fed(verb: Verb, input: &[u8], nonce: &str) -> Vec<u8> {
    let verb = match verb {
        Verb::Run => "run",
        Verb::Eval => "eval",
        Verb::Call => "call",
    };
    let lines = input.iter().filter(|byte| **byte == b'\n').count();
    [format!("{verb} {nonce} {lines}\n").as_bytes(), input].concat()
}

/// Finds the end of a program's output in one of the streams of a shell that is fed one after the other.
#[derive(Debug)]
pub struct Divider {
    mark: Vec<u8>,
    held: Vec<u8>,
    line: Option<Vec<u8>>,
}

/// What such a shell says behind a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fed {
    /// The program's exit status.
    pub status: i32,
    /// Whether something may have been left running that could print later.
    pub leaves_more: bool,
}

impl Divider {
    /// For a shell with this nonce.
    pub fn new(nonce: &str) -> Divider {
        Divider { mark: format!("\n{nonce} ").into_bytes(), held: Vec::new(), line: None }
    }

    /// Takes the next bytes; gives those that are the program's.
    pub fn take(&mut self, bytes: &[u8]) -> Vec<u8> {
        if let Some(line) = &mut self.line {
            line.extend_from_slice(bytes);
            return Vec::new();
        }
        self.held.extend_from_slice(bytes);
        if let Some(at) = self.held.find(&self.mark) {
            self.line = Some(self.held.split_off(at).split_off(self.mark.len()));
            return std::mem::take(&mut self.held);
        }
        let may_begin = |length: &usize| self.held.ends_with(self.mark.get(..*length).unwrap_or_default());
        let kept = (1..self.mark.len()).rev().find(may_begin).unwrap_or(0);
        let rest = self.held.split_off(self.held.len() - kept);
        std::mem::replace(&mut self.held, rest)
    }

    /// Whether all of the program's output was there.
    pub fn is_over(&self) -> bool {
        self.line.as_ref().is_some_and(|line| line.ends_with(b"\n"))
    }

    /// What was said behind it on standard output.
    pub fn fed(&self) -> Option<Fed> {
        let line = self.line.as_ref()?.to_str().ok()?;
        let mut words = line.split_whitespace();
        Some(Fed { status: words.next()?.parse().ok()?, leaves_more: words.next()? != "all" })
    }

    /// What was held for nothing.
    pub fn finish(self) -> Vec<u8> {
        self.held
    }
}

/// Takes the line that says which process it is off the beginning of what a shell prints that is fed.
#[derive(Debug)]
pub struct Greeting {
    nonce: String,
    held: Vec<u8>,
    is_over: bool,
    process: Option<u32>,
}

impl Greeting {
    /// For a shell with this nonce.
    pub fn new(nonce: &str) -> Greeting {
        Greeting { nonce: nonce.to_owned(), held: Vec::new(), is_over: false, process: None }
    }

    /// The process id of the shell, once that is told.
    pub fn process(&self) -> Option<u32> {
        self.process
    }

    /// What of the next bytes is no line of the feeder's.
    pub fn take<'b>(&mut self, bytes: &'b [u8]) -> Cow<'b, [u8]> {
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
    pub fn held(&self) -> &[u8] {
        &self.held
    }

    fn read(&self, line: &[u8]) -> Option<u32> {
        std::str::from_utf8(line).ok()?.strip_prefix(&self.nonce)?.trim().parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
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
    fn a_machine_without_programs_can_be_fed() {
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
            for end in [0, 9, whole.len() - 2] {
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

    /// Feeds programs one after the other; gives the shell's process id, and what each printed on both streams, and what was said behind it.
    fn drive(shell: &[&str], programs: &[(Verb, &str)]) -> (u32, Vec<(String, String, Fed)>) {
        let program = Command::new("sh").args(["-c", "command -v \"$0\"", shell[0]]).output().unwrap().stdout;
        let program = String::from_utf8(program).unwrap().trim().to_owned();
        // The shell that it starts is called as it is itself.
        let directory = tempfile::tempdir().unwrap();
        let name = directory.path().join("sh");
        std::fs::write(&name, format!("#!/bin/sh\nexec {program} {} \"$@\"\n", shell[1..].join(" "))).unwrap();
        std::fs::set_permissions(&name, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let name = name.to_str().unwrap();
        let mut command = Command::new(name);
        command.args(driver_arguments(name, "ce0")).env_remove("SHLVL");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let (mut out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let read = |stream: &mut dyn Read, divider: &mut Divider| {
            let (mut printed, mut byte) = (Vec::new(), [0]);
            while !divider.is_over() && stream.read(&mut byte).unwrap() == 1 {
                printed.extend(divider.take(&byte));
            }
            printed.extend_from_slice(&divider.held);
            String::from_utf8(printed).unwrap()
        };
        let mut done = Vec::new();
        let mut greeting = Greeting::new("ce0");
        while greeting.process().is_none() {
            let mut byte = [0];
            out.read_exact(&mut byte).unwrap();
            assert!(greeting.take(&byte).is_empty());
        }
        for (verb, text) in programs {
            stdin.write_all(&fed(*verb, &input(text.as_bytes(), "ce1"), "ce1")).unwrap();
            let (mut first, mut second) = (Divider::new("ce0"), Divider::new("ce0"));
            let printed = read(&mut out, &mut first);
            let said = read(&mut err, &mut second);
            let printed = match printed.split_once('\n') {
                Some((line, rest)) if line.starts_with("ce1 ") => rest.to_owned(),
                _ => printed,
            };
            done.push((printed, said, first.fed().unwrap_or(Fed { status: -1, leaves_more: true })));
        }
        drop(stdin);
        child.wait().unwrap();
        (greeting.process().unwrap_or_default(), done)
    }

    #[test]
    fn one_shell_runs_programs_one_after_the_other() {
        for shell in SHELLS {
            let programs = [
                (Verb::Run, "echo out; echo err >&2; x=1; cd /; exit 3"),
                (Verb::Run, "read y || echo \"no input, ${x-unset}\"; printf 'no newline'"),
                (Verb::Eval, "echo \"${__ce_p:+set}\"; false"),
                (Verb::Run, "echo \"${SHLVL-unset} $$ $PPID\"; sleep 60 & kill $!"),
                (Verb::Run, "sleep 1 &"),
                (Verb::Run, "kill -9 $$"),
                (Verb::Call, "exec sh -c 'trap; env | grep __ce; echo \"called $1\"; kill -TERM $$' sh \"it's\""),
            ];
            let (process, done) = drive(shell, &programs);
            let printed: Vec<&str> = done.iter().map(|(printed, ..)| printed.as_str()).collect();
            assert_eq!(printed[..3], ["out\n", "no input, unset\nno newline", "set\n"], "{shell:?}");
            assert_eq!((printed[4], printed[6]), ("", "called it's\n"), "{shell:?}");
            assert_eq!(done[0].1, "err\n");
            assert_eq!((done[5].1.as_str(), done[5].2.status), ("", 137), "{shell:?}");
            let statuses: Vec<i32> = done.iter().map(|(_, _, fed)| fed.status).collect();
            assert_eq!(statuses[..3], [3, 0, 1], "{shell:?}");
            // Whatever else runs on this machine.
            assert!(done[4].2.leaves_more, "{shell:?}");
            // A shell of its own is as deep as one that was started alone, and its parent is the one that is fed.
            let mut alone = Command::new(shell[0]);
            alone.args(&shell[1..]).args(["-c", "echo ${SHLVL-unset}"]).env_remove("SHLVL");
            let level = String::from_utf8(alone.output().unwrap().stdout).unwrap();
            let words: Vec<&str> = printed[3].split_whitespace().collect();
            assert_eq!((words[0], words[2]), (level.trim(), process.to_string().as_str()), "{shell:?}");
        }
    }

    #[test]
    fn what_is_fed_in_part_does_not_begin() {
        for (shell, verb) in
            SHELLS.iter().flat_map(|shell| [Verb::Run, Verb::Eval, Verb::Call].map(|verb| (shell, verb)))
        {
            let whole = fed(verb, &input(b"echo ran\necho ran\n", "ce1"), "ce1");
            let mut command = Command::new(shell[0]);
            command.args(&shell[1..]).args(driver_arguments("sh", "ce0"));
            let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
            child.stdin.take().unwrap().write_all(&whole[..whole.len() - 7]).unwrap();
            let printed = child.wait_with_output().unwrap().stdout;
            assert!(!String::from_utf8_lossy(&printed).contains("ran"), "{shell:?} {verb:?}");
        }
    }

    #[test]
    fn the_end_of_a_programs_output_is_found_wherever_it_is_cut() {
        let text = b"a\nce\nce01\nb\nce0 3 all\n";
        for at in 0..text.len() {
            let mut divider = Divider::new("ce0");
            let printed = [divider.take(&text[..at]), divider.take(&text[at..])].concat();
            assert_eq!(printed, b"a\nce\nce01\nb");
            assert!(divider.is_over());
            assert_eq!(divider.fed(), Some(Fed { status: 3, leaves_more: false }));
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
            found.extend_from_slice(greeting.held());
            assert_eq!(String::from_utf8(found).unwrap(), passed);
        }
    }
}
