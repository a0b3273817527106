//! Source text and places in it: bytes in, line and column out.

use std::{
    ops::Range,
    sync::{Arc, OnceLock},
};

use bstr::{BStr, BString, ByteSlice};
use serde::{Deserialize, Serialize};

/// A half-open range of bytes of one [`Source`], counted from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Span {
    /// The first byte.
    pub start: u32,
    /// The byte behind the last one.
    pub end: u32,
}

impl Span {
    /// The span of `range`. Offsets past 4 GiB are clamped; [`Source::new`] refuses texts that long.
    pub fn new(range: Range<usize>) -> Span {
        let clamp = |offset: usize| u32::try_from(offset).unwrap_or(u32::MAX);
        Span { start: clamp(range.start), end: clamp(range.end) }
    }

    /// The smallest span that covers both.
    #[must_use]
    pub fn to(self, other: Span) -> Span {
        Span { start: self.start.min(other.start), end: self.end.max(other.end) }
    }

    /// The same as a range, for slicing.
    pub fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    /// Whether `other` lies inside.
    pub fn contains(self, other: Span) -> bool {
        self.start <= other.start && other.end <= self.end
    }
}

/// A line and a column, both counted from 1; the column counts characters, as editors do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1, in characters of the line.
    pub column: usize,
}

/// A place in a text: what events, plans and causes carry, for a run may go through many texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The text.
    pub source: Arc<Source>,
    /// Where in it.
    pub span: Span,
}

impl Place {
    /// The line it begins on, from 1.
    pub fn line(&self) -> usize {
        self.source.line_number(self.span.start)
    }

    /// Its text, as written.
    pub fn text(&self) -> &BStr {
        self.source.slice(self.span)
    }

    /// What a person has written about it: the first line that says anything of the whole-line comments directly above
    /// the line on which it begins, without its `#` and blanks. A script's `#!` line is none of them.
    pub fn comment(&self) -> Option<&BStr> {
        let comment = |line: usize| {
            let text = self.source.slice(self.source.line(line)).trim_ascii().strip_prefix(b"#")?;
            (line > 1 || !text.starts_with(b"!")).then_some(text)
        };
        let block: Vec<&[u8]> = (1..self.line()).rev().map_while(comment).collect();
        let said = block.into_iter().rev().map(|text| text.trim_start_with(|letter| letter == '#').trim_ascii());
        // Orders to a linter are none of it.
        said.map(BStr::new).find(|text| !text.is_empty() && !text.starts_with(b"shellcheck "))
    }
}

/// A text and the name it is shown under. The bytes need not be UTF-8.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    name: String,
    text: BString,
    line_starts: Vec<u32>,
    /// The bodies of its here-documents, in order, once it was read.
    documents: OnceLock<Vec<Span>>,
}

impl Source {
    /// A source of the given name. Only the first 4 GiB of a longer text are kept.
    pub fn new(name: impl Into<String>, text: impl Into<Vec<u8>>) -> Source {
        let mut text: Vec<u8> = text.into();
        text.truncate(u32::MAX as usize);
        let ends = text.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
        let line_starts = std::iter::once(0).chain(ends.map(|(at, _)| at as u32 + 1)).collect();
        Source { name: name.into(), text: text.into(), line_starts, documents: OnceLock::new() }
    }

    /// The name it is shown under, usually a path.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The whole text.
    pub fn text(&self) -> &BStr {
        self.text.as_bstr()
    }

    /// Notes where the bodies of its here-documents stand, with the lines that end them.
    pub(crate) fn set_documents(&self, mut documents: Vec<Span>) {
        documents.sort_unstable();
        // One that was read twice says the same.
        let _ = self.documents.set(documents);
    }

    /// Where the bodies of its here-documents stand, with the lines that end them, in order.
    pub(crate) fn documents(&self) -> &[Span] {
        self.documents.get().map(Vec::as_slice).unwrap_or_default()
    }

    /// The bytes of `span`; empty where it lies outside the text.
    pub fn slice(&self, span: Span) -> &BStr {
        self.text.get(span.range()).unwrap_or_default().as_bstr()
    }

    /// Where `offset` is, for display. Offsets past the end are at the end.
    pub fn position(&self, offset: u32) -> Position {
        let line = self.line_number(offset);
        let start = self.line_starts.get(line - 1).copied().unwrap_or(0);
        let end = (offset as usize).min(self.text.len());
        let before = self.text.get(start as usize..end).unwrap_or_default();
        Position { line, column: before.chars().count() + 1 }
    }

    /// The line that `offset` is on, from 1; cheaper than [`Source::position`] on long lines.
    pub fn line_number(&self, offset: u32) -> usize {
        self.line_starts.partition_point(|start| *start <= offset).max(1)
    }

    /// The span of a line, counted from 1, without its newline; empty for a line that is not there.
    pub fn line(&self, line: usize) -> Span {
        let Some(start) = line.checked_sub(1).and_then(|index| self.line_starts.get(index)) else {
            return Span::default();
        };
        let end = self.line_starts.get(line).map_or(self.text.len() as u32, |next| next - 1);
        Span { start: *start, end }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_lines_and_characters_from_one() {
        let source = Source::new("s", "ab\nä=1\n\nx");
        let at = |offset| source.position(offset);
        assert_eq!(at(0), Position { line: 1, column: 1 });
        assert_eq!(at(3), Position { line: 2, column: 1 });
        assert_eq!(at(5), Position { line: 2, column: 2 }, "`ä` is two bytes, one column");
        assert_eq!(at(8), Position { line: 3, column: 1 });
        assert_eq!(at(99), Position { line: 4, column: 2 });
        assert_eq!(source.slice(source.line(2)), "ä=1");
        assert_eq!(source.slice(source.line(9)), "");
    }

    #[test]
    fn the_comment_above_a_place_is_its_own() {
        let comment = |text: &str| {
            let start = text.find("next_stage").unwrap();
            let place =
                Place { source: Arc::new(Source::new("s", text)), span: Span::new(start..start + "next_stage".len()) };
            place.comment().map(ToString::to_string)
        };
        for (text, expected) in [
            ("# The tools\nnext_stage", Some("The tools")),
            ("# The tools\n# that everything needs\nnext_stage", Some("The tools")),
            ("x=1\n\t## The tools ##\r\n if a; then next_stage; fi", Some("The tools ##")),
            ("#####\n#\n# The tools\n#####\nnext_stage", Some("The tools")),
            ("#!/bin/sh\nnext_stage", None),
            ("#!/bin/sh\n# The tools\nnext_stage", Some("The tools")),
            ("# of the file\n\nnext_stage", None),
            ("x=1 # of this line\nnext_stage", None),
            ("next_stage # of this line", None),
            ("#\nnext_stage", None),
        ] {
            assert_eq!(comment(text).as_deref(), expected, "{text:?}");
        }
    }
}
