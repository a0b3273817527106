//! Two streams in one place: neither goes on in a line of the other.

use std::borrow::Cow;

use compeval_runtime::engine::Stream;

/// What was put out last.
pub(super) struct Streams {
    last: Stream,
    is_in_line: bool,
    /// The stream whose line was ended before its own end came: that ends nothing any more.
    cut: Option<Stream>,
}

impl Streams {
    pub(super) fn new() -> Streams {
        Streams { last: Stream::Stdout, is_in_line: false, cut: None }
    }

    /// Output as it follows on all before.
    pub(super) fn follow<'b>(&mut self, stream: Stream, bytes: &'b [u8]) -> Cow<'b, [u8]> {
        let is_cut = self.cut.take_if(|cut| *cut == stream).is_some();
        let bytes = bytes.strip_prefix(b"\n").filter(|_| is_cut).unwrap_or(bytes);
        let Some(end) = bytes.last() else { return Cow::Borrowed(bytes) };
        let breaks = self.last != stream && self.breaks();
        (self.last, self.is_in_line) = (stream, *end != b'\n');
        if breaks { Cow::Owned([b"\n", bytes].concat()) } else { Cow::Borrowed(bytes) }
    }

    /// Something else comes: whether a newline has to be put before it.
    pub(super) fn breaks(&mut self) -> bool {
        if self.is_in_line {
            self.cut = Some(self.last);
        }
        std::mem::take(&mut self.is_in_line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_streams_do_not_share_a_line() {
        use Stream::{Stderr, Stdout};
        for (pieces, expected) in [
            (&[(Stdout, "a\n"), (Stderr, "b\n")][..], "a\nb\n"),
            (&[(Stdout, "a"), (Stdout, "b\n")], "ab\n"),
            (&[(Stdout, "a"), (Stderr, "b\n"), (Stdout, "c\n")], "a\nb\nc\n"),
            // The end of a line may come late.
            (&[(Stdout, "a"), (Stderr, "b\n"), (Stdout, "\n")], "a\nb\n"),
            (&[(Stdout, "a"), (Stderr, "b"), (Stdout, "\n"), (Stderr, "\n")], "a\nb\n"),
            (&[(Stdout, "a"), (Stderr, "b\n"), (Stdout, "\n\n")], "a\nb\n\n"),
        ] {
            let mut streams = Streams::new();
            let bytes: Vec<u8> = pieces
                .iter()
                .flat_map(|(stream, text)| streams.follow(*stream, text.as_bytes()).into_owned())
                .collect();
            assert_eq!(String::from_utf8(bytes).unwrap(), expected, "{pieces:?}");
        }
    }

    #[test]
    fn what_comes_between_begins_a_line() {
        let mut streams = Streams::new();
        assert!(!streams.breaks());
        streams.follow(Stream::Stdout, b"a");
        assert!(streams.breaks() && !streams.breaks());
        assert_eq!(*streams.follow(Stream::Stdout, b"\nb\n"), b"b\n"[..]);
        assert!(!streams.breaks());
    }
}
