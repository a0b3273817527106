//! What a shell says on its standard error: put into the places of the script, and kept for the report of a failure.

use std::sync::Arc;

use bstr::{BStr, ByteSlice};

use crate::dispatch::request::{Line, Message};

/// From which line of a program on, counted from 1, its lines are those of a text of the script; `None` for our own.
pub(crate) type Origins = Vec<(usize, Option<Line>)>;

/// Puts the places of the script into what a shell says on its standard error: there, lines are counted from the
/// beginning of the program, and the script has no name.
#[derive(Debug)]
pub(crate) struct Messages {
    shell: String,
    origins: Origins,
    held: Vec<u8>,
    last: Option<Message>,
    /// What the shell says when it has put the frame into a file, and whether it did.
    in_file: Vec<u8>,
    is_at_end: bool,
    /// Whether the whole program is in an `eval`.
    fed: bool,
}

impl Messages {
    /// For a program with that nonce whose shell begins its messages with the name `shell`.
    pub(crate) fn new(shell: &str, nonce: &str, origins: Origins) -> Messages {
        let in_file = format!("{nonce} f\n").into_bytes();
        Messages {
            shell: shell.to_owned(),
            origins,
            held: Vec::new(),
            last: None,
            in_file,
            is_at_end: false,
            fed: false,
        }
    }

    /// The same where the shell is fed the program.
    pub(crate) fn fed(self) -> Messages {
        Messages { fed: true, ..self }
    }

    /// Whether the shell has put what it tells into a file.
    pub(crate) fn is_at_end(&self) -> bool {
        self.is_at_end
    }

    /// Takes the next bytes of standard error; gives those to be shown. The end of a line may be waited for.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut shown = Vec::with_capacity(bytes.len());
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.held.extend_from_slice(line);
            if line.ends_with(b"\n") || self.held.len() > LONGEST_LINE || !self.may_be_message() {
                self.show(&mut shown);
            }
        }
        shown
    }

    /// What was still held back, and the last complaint.
    pub(crate) fn finish(mut self) -> (Vec<u8>, Option<Message>) {
        let mut shown = Vec::new();
        self.show(&mut shown);
        (shown, self.last)
    }

    fn may_be_message(&self) -> bool {
        let begins = |name: &[u8]| self.held.iter().zip(name).all(|(a, b)| a == b);
        begins(self.shell.as_bytes()) || begins(IN_FUNCTION.as_bytes()) || begins(&self.in_file)
    }

    /// Shows the line that was held: `SHELL: 7: text` or `SHELL: line 7: text` with the script's name and line.
    fn show(&mut self, shown: &mut Vec<u8>) {
        let mut held = std::mem::take(&mut self.held);
        if held.ends_with(&self.in_file) {
            self.is_at_end = true;
            held.truncate(held.len() - self.in_file.len());
        }
        match self.complaint(&held) {
            Some((line, text)) => {
                if let Some(line) = &line {
                    shown.extend_from_slice(format!("{}: {}: ", line.source.name(), line.number).as_bytes());
                    shown.extend_from_slice(text);
                } else {
                    shown.extend_from_slice(&held);
                }
                self.last = Some(Message { line, text: text.trim_ascii_end().into() });
            }
            None => {
                // What somebody else said behind it has another cause.
                self.last = self.last.take().filter(|_| held.is_empty());
                shown.extend_from_slice(&held);
            }
        }
    }

    fn complaint<'t>(&self, line: &'t [u8]) -> Option<(Option<Line>, &'t BStr)> {
        let name = [self.shell.as_str(), IN_FUNCTION].into_iter().find(|name| line.starts_with(name.as_bytes()))?;
        let text = line.get(name.len()..)?.strip_prefix(b": ")?.as_bstr();
        let numbered = || {
            let rest = self.without_eval(text);
            let rest = rest.strip_prefix(b"line ").unwrap_or(rest);
            let (number, rest) = rest.split_at(rest.iter().position(|byte| !byte.is_ascii_digit())?);
            let number: usize = number.to_str().ok()?.parse().ok()?;
            Some((number, self.without_eval(rest.strip_prefix(b": ")?).as_bstr()))
        };
        let placed = || numbered().and_then(|(number, text)| Some((Some(self.line(number, text)?), text)));
        // Busybox does not know the line of an arithmetic expression, and tells another one.
        let unplaced = || numbered().filter(|_| self.fed).map_or(self.without_eval(text).as_bstr(), |(_, text)| text);
        Some(placed().unwrap_or_else(|| (None, unplaced())))
    }

    /// Some shells tell of the `eval` that a program is fed through, before the line or behind it.
    fn without_eval<'t>(&self, text: &'t [u8]) -> &'t [u8] {
        text.strip_prefix(b"eval: ").filter(|_| self.fed).unwrap_or(text)
    }

    /// The line of the script that a line of the program is.
    fn line(&self, number: usize, text: &BStr) -> Option<Line> {
        // There, lines are counted from the beginning of what it was given. Behind a feeder, dash says that of all: but
        // the first lines of a program are ours, and few texts for `eval` are longer than these.
        if text.starts_with(b"eval: ") {
            return None;
        }
        let (first, line) = self.origins.iter().rev().find(|(first, _)| *first <= number)?;
        let Line { source, number: in_source } = line.as_ref()?;
        Some(Line { source: Arc::clone(source), number: in_source + number - first })
    }
}

/// How much of a line is held back at most: what is longer is no complaint of a shell.
const LONGEST_LINE: usize = 64 * 1024;

/// What bash calls the text of a function that it was given by `-c`.
const IN_FUNCTION: &str = "environment";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Source;

    fn messages() -> Messages {
        let line = |number| Some(Line { source: Arc::new(Source::new("s", "\n\n\n\n\n\n\n")), number });
        Messages::new("sh", "ce0", vec![(1, None), (4, line(2)), (6, None), (10, line(5))])
    }

    #[test]
    fn lines_of_the_program_become_lines_of_the_script() {
        for (told, shown) in [
            ("sh: 10: x: not found\n", "s: 5: x: not found\n"),
            ("sh: line 11: x: command not found\n", "s: 6: x: command not found\n"),
            ("environment: line 5: y: bad\n", "s: 3: y: bad\n"),
            ("sh: 7: ours\n", "sh: 7: ours\n"),
            ("sh: 1: eval: x\n", "sh: 1: eval: x\n"),
            ("sh: y: is needed\n", "sh: y: is needed\n"),
            ("shell: 10: x\n", "shell: 10: x\n"),
            ("s", "s"),
            ("sh: 10", "sh: 10"),
            ("no newline", "no newline"),
            ("ce0 f\nce0 f", "ce0 f"),
            ("no newlince0 f\nx", "no newlinx"),
        ] {
            for length in [1, 3, 100] {
                let mut messages = messages();
                let mut found = Vec::new();
                told.as_bytes().chunks(length).for_each(|piece| found.extend(messages.push(piece)));
                found.extend(messages.finish().0);
                assert_eq!(found.as_bstr(), shown, "in pieces of {length}");
            }
        }
    }

    #[test]
    fn the_feeders_eval_is_not_told() {
        for (told, shown) in [
            ("sh: 10: eval: x: not found\n", "s: 5: x: not found\n"),
            ("sh: eval: line 11: x: not found\n", "s: 6: x: not found\n"),
            ("sh: line 11: x: not found\n", "s: 6: x: not found\n"),
            ("sh: 1: eval: x\n", "sh: 1: eval: x\n"),
        ] {
            let mut messages = messages().fed();
            assert_eq!(messages.push(told.as_bytes()).as_bstr(), shown);
        }
    }

    #[test]
    fn a_line_without_an_end_is_passed_on() {
        let mut messages = messages();
        let mut shown = messages.push(b"sh: ").len();
        for _ in 0..100 {
            shown += messages.push(&[b'x'; 10_000]).len();
        }
        assert!(shown > 900_000, "{shown}");
        shown += messages.finish().0.len();
        assert_eq!(shown, 1_000_004);
    }

    #[test]
    fn a_complaint_is_kept_when_nothing_is_said_behind_it() {
        let last = |text: &[u8]| {
            let mut messages = messages();
            messages.push(text);
            messages.finish().1
        };
        let needed = Message { line: None, text: "y: is needed".into() };
        assert_eq!(last(b"other output\nsh: 4: first\nsh: y: is needed\n"), Some(needed));
        assert_eq!(last(b"sh: y: is needed\nls: no such file\n"), None);
    }
}
