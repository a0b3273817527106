//! The last lines of a setup's output, as a terminal would show them.

use std::collections::VecDeque;

use anstream::adapter::StripBytes;
use bstr::ByteSlice;

use crate::report::printable;

/// How many lines are kept.
const LINES: usize = 12;
/// How much of a line is kept, in bytes.
const WIDTH: usize = 200;

/// The last lines, without control sequences; of a line that was written over, what stands there now.
pub(super) struct Tail {
    lines: VecDeque<Vec<u8>>,
    strip: StripBytes,
    /// Whether the next text is written over the last line.
    has_returned: bool,
}

impl Tail {
    pub(super) fn new() -> Tail {
        Tail { lines: VecDeque::new(), strip: StripBytes::new(), has_returned: false }
    }

    /// Adds output.
    pub(super) fn take(&mut self, bytes: &[u8]) {
        let mut strip = std::mem::take(&mut self.strip);
        for text in strip.strip_next(bytes) {
            text.split_inclusive(|byte| matches!(byte, b'\n' | b'\r')).for_each(|piece| self.add(piece));
        }
        self.strip = strip;
    }

    /// The last lines that are not blank, at most so many, oldest first, fit for a terminal.
    pub(super) fn last(&self, number: usize) -> Vec<String> {
        let is_said = |line: &&Vec<u8>| !line.trim().is_empty();
        let mut lines: Vec<String> =
            self.lines.iter().rev().filter(is_said).take(number).map(|line| shown(line)).collect();
        lines.reverse();
        lines
    }

    /// All of them.
    pub(super) fn all(&self) -> Vec<String> {
        self.last(LINES)
    }

    /// Adds a part of a line, with its end if that is there.
    fn add(&mut self, piece: &[u8]) {
        let text = piece.trim_end_with(|letter| matches!(letter, '\n' | '\r'));
        if self.lines.is_empty() {
            self.lines.push_back(Vec::new());
        }
        if let Some(line) = self.lines.back_mut().filter(|_| !text.is_empty()) {
            if std::mem::take(&mut self.has_returned) {
                line.clear();
            }
            let room = WIDTH.saturating_sub(line.len()).min(text.len());
            line.extend_from_slice(text.get(..room).unwrap_or_default());
        }
        match piece.last() {
            Some(b'\n') => self.end_line(),
            Some(b'\r') => self.has_returned = true,
            _ => {}
        }
    }

    fn end_line(&mut self) {
        self.has_returned = false;
        self.lines.push_back(Vec::new());
        if self.lines.len() > LINES {
            self.lines.pop_front();
        }
    }
}

/// A line as text; tabs and the like are blanks.
fn shown(line: &[u8]) -> String {
    printable(&line.to_str_lossy().replace(|letter: char| letter.is_ascii_whitespace(), " ")).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tail(pieces: &[&str]) -> Vec<String> {
        let mut tail = Tail::new();
        for piece in pieces {
            tail.take(piece.as_bytes());
        }
        tail.all()
    }

    #[test]
    fn a_line_is_what_a_terminal_shows_of_it() {
        for (pieces, expected) in [
            (&["one\ntwo\n"][..], &["one", "two"][..]),
            (&["one\r\n", "two\r\n"], &["one", "two"]),
            (&["10 %\r20 %\r"], &["20 %"]),
            (&["10 %\r", "\r", "30", " %"], &["30 %"]),
            (&["10 %\r20 %\n\n40 %\r"], &["20 %", "40 %"]),
            (&["\x1b[1;31mred\x1b[0m and \x1b]0;title\x07plain\n"], &["red and plain"]),
            (&["a\x1b[3", "1mb\x1b", "[0mc"], &["abc"]),
            (&["a\tb\x08\x07"], &["a b"]),
            (&["\u{e4}\u{85}\u{202e}"], &["\u{e4}\\u{85}\\u{202e}"]),
        ] {
            assert_eq!(tail(pieces), expected, "{pieces:?}");
        }
    }

    #[test]
    fn a_line_that_is_written_over_for_long_shows_its_end() {
        let mut tail = Tail::new();
        for percent in 0..1000 {
            tail.take(format!("\r{percent} of 1000").as_bytes());
        }
        assert_eq!(tail.all(), ["999 of 1000"]);
    }

    #[test]
    fn the_last_lines_are_those_that_say_something() {
        let mut tail = Tail::new();
        for number in 0..50 {
            tail.take(format!("{number}\n \n").as_bytes());
        }
        assert_eq!(tail.last(3), ["47", "48", "49"]);
    }

    #[test]
    fn a_line_without_an_end_is_kept_in_part() {
        let mut tail = Tail::new();
        for _ in 0..20 {
            tail.take(&[b'x'; 65_536]);
        }
        assert_eq!(tail.all(), ["x".repeat(200)]);
        let kept: usize = tail.lines.iter().map(Vec::capacity).sum();
        assert!(kept < 1000, "{kept}");
    }
}
