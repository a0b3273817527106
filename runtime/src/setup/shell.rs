//! The interpreter's `Dispatcher` in a container: each stretch is one exec of the container's shell.

use std::{
    cell::RefCell,
    io,
    ops::ControlFlow,
    time::{Duration, Instant},
};

use bstr::ByteSlice;
use compeval_interpreter::{
    Dispatcher, Request, Response,
    dispatch::{DispatchError, Kind},
    program::{Ended, Hooks, Program, RecordHook},
};

use super::{
    error::{SetupError, doing},
    find,
    notice::{Notice, Watcher},
    site::Site,
    snapshot::{self, Worth},
};
use crate::{
    computation::environment::Environment,
    engine::{Container, EngineError, Exec, Stream},
    ledger::{DIRECTORY, FILE},
};

/// One argument may have 128 KiB on Linux, its end included.
const LONGEST_PART: usize = 120 * 1024;

/// The shell of a container that is being set up.
pub(super) struct ContainerShell<'a, 'w> {
    pub(super) site: &'a Site<'a>,
    /// The container, in whose place another one may come that is made from a snapshot of it.
    pub(super) container: &'a RefCell<Container>,
    /// When a snapshot is taken.
    pub(super) worth: Worth,
    /// How long what was done took that is in no snapshot.
    pub(super) work: Duration,
    /// How long a snapshot takes.
    pub(super) cost: Duration,
    /// Whether a stage has run.
    pub(super) has_run: bool,
    /// The computation's commit, for the records.
    pub(super) commit: &'a str,
    /// Who sees the output.
    pub(super) watcher: &'a RefCell<&'w mut dyn Watcher>,
}

impl ContainerShell<'_, '_> {
    /// Takes a snapshot before a chain begins, if that is worth it, and goes on in a container made from it: what is done
    /// next is a layer of its own then.
    fn put_aside(&mut self, kind: Kind) -> Result<(), SetupError> {
        let is_before_chain = matches!(kind, Kind::Stage(_)) || self.has_run && kind == Kind::Everytime;
        if !is_before_chain || self.work < self.worth.least.max(self.cost * self.worth.times) {
            return Ok(());
        }
        let begin = Instant::now();
        let former = self.container.borrow().clone();
        self.watcher.borrow_mut().notice(Notice::Snapshot);
        let Some(start) = snapshot::take(self.site, &former)? else {
            // Not again before as much has been done once more.
            self.work = Duration::ZERO;
            return Ok(());
        };
        (self.work, self.cost) = (Duration::ZERO, begin.elapsed());
        if let Some(container) = find::create(self.site, Some(&start), self.watcher, None)?
            && find::start(self.site, &container)?
        {
            self.container.replace(container);
            let task = doing(format!("remove container `{}`", former.name));
            self.site.engine.remove(&former.id).map_err(task)?;
        }
        Ok(())
    }
}

impl Dispatcher for ContainerShell<'_, '_> {
    fn dispatch(&mut self, request: &Request<'_>) -> Result<Response, DispatchError> {
        let unsaved =
            |error: SetupError| DispatchError { doing: "cannot take a snapshot".to_owned(), source: error.into() };
        self.put_aside(request.kind).map_err(unsaved)?;
        let Environment { description, script_hash, .. } = self.site.environment;
        let (engine, container) = (self.site.engine, self.container.borrow().id.clone());
        let begin = Instant::now();
        let start = jiff::Timestamp::now().to_string();
        let started = [("commit", self.commit), ("script", script_hash), ("start", &start)];
        let record = Some(RecordHook { file: FILE, started: &started });
        let program = Program::of(request, &Hooks { scratch: DIRECTORY, record });
        let mut output = program.output(&description.shell);
        let argv = shell_arguments(&description.shell, program.text());
        let exec = Exec { user: Some("0".to_owned()), ..Exec::new(argv) };
        let mut show = |stream: Stream, bytes: &[u8]| -> io::Result<ControlFlow<()>> {
            let shown = match stream {
                Stream::Stdout => output.stdout(bytes),
                Stream::Stderr => output.stderr(bytes),
            };
            self.watcher.borrow_mut().output(stream, &shown);
            // What the script leaves running may keep the output open for as long as it likes.
            Ok(if output.is_at_end() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        };
        let failed = |error: EngineError| DispatchError {
            doing: format!("cannot run line {} of `{}` in the container", request.line(), request.place.source.name()),
            source: error.into(),
        };
        let status = engine.exec(&container, &exec, &mut show).map_err(failed)?;
        if !output.is_complete() {
            let argv = shell_arguments(&description.shell, program.rest());
            let exec = Exec { user: Some("0".to_owned()), ..Exec::new(argv) };
            let mut tell = |stream: Stream, bytes: &[u8]| -> io::Result<ControlFlow<()>> {
                if stream == Stream::Stdout {
                    let shown = output.stdout(bytes);
                    self.watcher.borrow_mut().output(stream, &shown);
                }
                Ok(ControlFlow::Continue(()))
            };
            engine.exec(&container, &exec, &mut tell).map_err(failed)?;
        }
        let Ended { stdout, stderr, response } = output.finish(request, status);
        self.watcher.borrow_mut().output(Stream::Stdout, &stdout);
        self.watcher.borrow_mut().output(Stream::Stderr, &stderr);
        if matches!(request.kind, Kind::Stage(_)) {
            self.work += begin.elapsed();
            self.has_run = true;
        }
        Ok(response)
    }
}

/// The arguments that run a program's text. A long text goes in parts; what is not UTF-8 cannot travel as an argument
/// through the engine's JSON, and goes as octal numbers for `printf %b`.
fn shell_arguments(shell: &str, text: &[u8]) -> Vec<String> {
    let mut argv = vec![shell.to_owned(), "-c".to_owned()];
    match text.to_str() {
        Ok(text) if text.len() <= LONGEST_PART => argv.push(text.to_owned()),
        Ok(text) => argv.extend(in_parts(text, "\\unset BASH_EXECUTION_STRING; \\eval '\\set --\n'\"@\"")),
        Err(_) => {
            let octal: String = text.iter().map(octal).collect();
            argv.extend(in_parts(&octal, "\\unset BASH_EXECUTION_STRING; \\eval \"\\set --\n$(\\printf %b \"@\")\""));
        }
    }
    argv
}

fn octal(byte: &u8) -> String {
    match byte {
        b'\n' | b' '..=b'[' | b']'..=b'~' => char::from(*byte).to_string(),
        _ => format!("\\0{byte:03o}"),
    }
}

/// `wrapper` with `@` replaced by all parts of the text side by side, and those parts.
fn in_parts(text: &str, wrapper: &str) -> Vec<String> {
    let mut parts = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let mut end = rest.len().min(LONGEST_PART);
        while !rest.is_char_boundary(end) {
            end -= 1;
        }
        let (part, behind) = rest.split_at(end);
        parts.push(part.to_owned());
        rest = behind;
    }
    let all: String = (1..=parts.len()).map(|number| format!("${{{number}}}")).collect();
    std::iter::once(wrapper.replace('@', &all)).chain(std::iter::once("sh".to_owned())).chain(parts).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(text: &[u8]) -> Vec<u8> {
        let argv = shell_arguments("sh", text);
        let output = std::process::Command::new(&argv[0]).args(&argv[1..]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        output.stdout
    }

    #[test]
    fn programs_of_every_size_and_byte_arrive_whole() {
        assert_eq!(run(b"echo a; echo $#"), b"a\n0\n");
        let long = format!("x='{}'\nprintf %s \"${{#x}} $#\"", "é".repeat(100_000));
        let bytes = String::from_utf8(run(long.as_bytes())).unwrap();
        assert!(["200000 0", "100000 0"].contains(&bytes.as_str()), "{bytes}");
        assert_eq!(run(b"printf '%s' '\xff\xfe%s\\n\\\\' \"$#\""), b"\xff\xfe%s\\n\\\\0");
        let mut large = b"printf %s '".to_vec();
        large.extend(std::iter::repeat_n(0xe9, 130_000));
        large.extend(b"'");
        assert_eq!(run(&large).len(), 130_000);
    }
}
