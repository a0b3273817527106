//! Field splitting and quote removal (POSIX 2.6.5, 2.6.7).

use bstr::BString;

/// A byte of a word on its way to fields, or what stands between bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// As written, unquoted: never split, may be part of a pattern.
    Literal(u8),
    /// From an unquoted expansion: split, may be part of a pattern.
    Expanded(u8),
    /// Quoted: itself.
    Quoted(u8),
    /// A pair of quotes: the field exists even when it is empty.
    Quotes,
    /// The boundary between two positional parameters of `$@`.
    Break,
}

/// A field, and whether pathname expansion would look at it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct SplitField {
    pub(super) text: BString,
    pub(super) is_pattern: bool,
    /// A `[` that is a pattern when a `]` follows.
    has_bracket: bool,
}

/// Whether a separator is one of those that separate as one, however many there are.
pub(super) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n')
}

/// Whether shells may split the word differently: dash, where quoted parameters of `$@` stand beside what is split.
pub(super) fn varies(pieces: &[Piece], separators: &[u8]) -> bool {
    let splits = |piece: &Piece| matches!(piece, Piece::Expanded(byte) if separators.contains(byte));
    pieces.contains(&Piece::Break) && pieces.contains(&Piece::Quotes) && pieces.iter().any(splits)
}

/// Splits what came from expansions at the characters in `separators`. Blanks among them separate as one, however
/// many there are; each other character ends a field of its own.
pub(super) fn fields(pieces: &[Piece], separators: &[u8]) -> Vec<SplitField> {
    let mut fields = Vec::new();
    let mut current: Option<SplitField> = None;
    // A blank ended the last field: a separator of the other kind right behind belongs to the same delimiter.
    let mut blank_ended = false;
    for piece in pieces {
        match *piece {
            Piece::Expanded(byte) if separators.contains(&byte) => {
                let is_blank = is_blank(byte);
                match current.take() {
                    Some(field) => {
                        fields.push(field);
                        blank_ended = is_blank;
                    }
                    None if is_blank => {}
                    None if blank_ended => blank_ended = false,
                    None => fields.push(SplitField::default()),
                }
            }
            Piece::Literal(byte) | Piece::Expanded(byte) => {
                let field = current.get_or_insert_with(SplitField::default);
                field.text.push(byte);
                field.is_pattern |= matches!(byte, b'*' | b'?') || (field.has_bracket && byte == b']');
                field.has_bracket |= byte == b'[';
                blank_ended = false;
            }
            Piece::Quoted(byte) => {
                current.get_or_insert_with(SplitField::default).text.push(byte);
                blank_ended = false;
            }
            Piece::Quotes => {
                current.get_or_insert_with(SplitField::default);
                blank_ended = false;
            }
            Piece::Break => {
                fields.extend(current.take());
                blank_ended = false;
            }
        }
    }
    fields.extend(current);
    fields
}

/// All bytes as one value.
pub(super) fn joined(pieces: &[Piece]) -> BString {
    let byte = |piece: &Piece| match *piece {
        Piece::Literal(byte) | Piece::Expanded(byte) | Piece::Quoted(byte) => Some(byte),
        Piece::Quotes | Piece::Break => None,
    };
    pieces.iter().filter_map(byte).collect::<Vec<u8>>().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_that_are_no_blanks_keep_empty_fields() {
        let split = |text: &str, separators: &str| -> Vec<String> {
            let pieces: Vec<Piece> = text.bytes().map(Piece::Expanded).collect();
            fields(&pieces, separators.as_bytes()).into_iter().map(|field| field.text.to_string()).collect()
        };
        assert_eq!(split(" a  b ", " \t\n"), ["a", "b"]);
        assert_eq!(split("a::b:", ":"), ["a", "", "b"]);
        assert_eq!(split(":a", ":"), ["", "a"]);
        assert_eq!(split("a : b", ": "), ["a", "b"]);
        assert_eq!(split("a : : b", ": "), ["a", "", "b"]);
        assert_eq!(split("a b", ""), ["a b"]);
    }
}
