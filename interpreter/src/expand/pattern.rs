//! Pattern matching (POSIX 2.13), by `yash-fnmatch`, on text that is the same in every locale.

use bstr::{BString, ByteSlice};
use yash_fnmatch::{Config, Pattern, with_escape};

use super::{NeedsShell, split::Piece};
use crate::syntax::PatternEnd;

/// Longer values are left to the shell: removing a prefix or suffix tries each place in turn.
const LONGEST: usize = 4096;

/// Whether the pattern matches the whole value.
pub(super) fn matches(pieces: &[Piece], value: &BString) -> Result<bool, NeedsShell> {
    let pattern = compile(pieces)?;
    Ok(pattern.is_match(ascii(value)?))
}

/// The value without the smallest or largest match of the pattern at its beginning or end.
pub(super) fn remove(pieces: &[Piece], value: &BString, end: PatternEnd, largest: bool) -> Result<BString, NeedsShell> {
    let pattern = compile(pieces)?;
    let text = ascii(value)?;
    if text.len() > LONGEST {
        return Err(NeedsShell);
    }
    let (mut forward, mut backward) = (0..=text.len(), (0..=text.len()).rev());
    let places: &mut dyn Iterator<Item = usize> =
        if (end == PatternEnd::Prefix) == largest { &mut backward } else { &mut forward };
    for place in places {
        let (head, tail) = text.split_at(place);
        let (tried, rest) = if end == PatternEnd::Prefix { (head, tail) } else { (tail, head) };
        if pattern.is_match(tried) {
            return Ok(rest.into());
        }
    }
    Ok(value.clone())
}

fn ascii(value: &BString) -> Result<&str, NeedsShell> {
    value.to_str().ok().filter(|text| text.is_ascii()).ok_or(NeedsShell)
}

fn compile(pieces: &[Piece]) -> Result<Pattern, NeedsShell> {
    let mut text = String::new();
    for piece in pieces {
        match *piece {
            Piece::Quoted(byte) if byte.is_ascii() => text.extend(['\\', char::from(byte)]),
            // Whether `\` from an expansion quotes differs between shells.
            Piece::Expanded(b'\\') => return Err(NeedsShell),
            Piece::Literal(byte) | Piece::Expanded(byte) if byte.is_ascii() => text.push(char::from(byte)),
            Piece::Quotes | Piece::Break => {}
            _ => return Err(NeedsShell),
        }
    }
    let mut config = Config::default();
    config.anchor_begin = true;
    config.anchor_end = true;
    Pattern::parse_with_config(with_escape(&text), config).map_err(|_| NeedsShell)
}
