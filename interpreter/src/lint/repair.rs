//! Scripts with words that no shell of POSIX reads: these are made harmless, at their length, so that all around them is
//! looked at as if they were not there.

use bstr::ByteSlice;

use crate::{Diagnostic, Parsed, Source, parse};

/// How often a script is read again: behind a repair, something else may be wrong.
const MOST_READINGS: usize = 8;

/// A script in which what could not be read is repaired, and all that was wrong with it; `None` where nothing is to be
/// repaired. Its offsets are those of the script as it is written.
pub(super) fn repaired(parsed: &Parsed) -> Option<(Parsed, Vec<Diagnostic>)> {
    let mut text = parsed.script.source.text().to_vec();
    let mut told = Vec::new();
    let mut reading: Option<Parsed> = None;
    for _ in 0..MOST_READINGS {
        let errors = reading.as_ref().map_or(&parsed.errors, |parsed| &parsed.errors);
        let before = told.len();
        told.extend(errors.iter().filter(|error| repair(&mut text, error).is_some()).cloned());
        if told.len() == before {
            break;
        }
        reading = Some(parse(Source::new(parsed.script.source.name(), text.clone())));
    }
    let parsed = reading?;
    told.extend(parsed.errors.iter().cloned());
    Some((parsed, told))
}

/// Makes what an error is about harmless, if that is known.
fn repair(text: &mut [u8], error: &Diagnostic) -> Option<()> {
    if error.code != "CE080" {
        return None;
    }
    let start = error.primary.span.start as usize;
    let behind = text.get(start..)?;
    if behind.starts_with(b"<(") || behind.starts_with(b">(") {
        let length = 1 + enclosed(behind.get(1..)?)?;
        text.get_mut(start..start + length)?.fill(b'x');
    } else if behind.starts_with(b"((") {
        // The rest of `for ((...))`.
        let length = enclosed(behind)?;
        text.get_mut(start..start + length)?.fill(b'x');
        text.get_mut(start..start + b"x in x".len())?.copy_from_slice(b"x in x");
    } else if behind.starts_with(b"(") && text.get(..start)?.ends_with(b"=") {
        let length = enclosed(behind)?;
        text.get_mut(start..start + length)?.fill(b'x');
    } else if behind.starts_with(b"<<<") {
        text.get_mut(start + 1..start + 3)?.fill(b' ');
    } else if behind.starts_with(b"|&") {
        *text.get_mut(start + 1)? = b' ';
    } else if behind.starts_with(b";;&") {
        *text.get_mut(start + 2)? = b' ';
    } else if behind.starts_with(b";&") {
        *text.get_mut(start + 1)? = b';';
    } else if let Some(name) = behind.strip_prefix(b"function ") {
        // `function f {` is `f() {`.
        let length = b"function ".len()
            + name.find_byte(b'{').filter(|end| !name.get(..*end).unwrap_or_default().contains(&b'\n'))?;
        let name = name.get(..length - b"function ".len())?.trim_ascii().to_vec();
        let written = text.get_mut(start..start + length)?;
        written.fill(b' ');
        written.get_mut(..name.len())?.copy_from_slice(&name);
        written.get_mut(name.len()..name.len() + 2)?.copy_from_slice(b"()");
    } else if behind.starts_with(b"(") {
        within_line(text, start)?;
    } else {
        return None;
    }
    Some(())
}

/// `function f()`, and `[[ ... ]]` with a parenthesis in it, which stands at `start`.
fn within_line(text: &mut [u8], start: usize) -> Option<()> {
    let line = text.get(..start)?.rfind_byte(b'\n').map_or(0, |at| at + 1);
    let before = text.get(line..start)?;
    if let Some(at) = before.rfind("function ") {
        text.get_mut(line + at..line + at + b"function".len())?.fill(b' ');
        return Some(());
    }
    let open = line + before.rfind("[[ ")? + 3;
    let close = start + text.get(start..)?.find(" ]]")?;
    text.get_mut(open..close)?.fill(b'x');
    Some(())
}

/// How long it is from a parenthesis to the one that closes it, quotes left out.
fn enclosed(text: &[u8]) -> Option<usize> {
    let mut depth = 0_usize;
    let mut quote = None;
    let mut bytes = text.iter().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match (quote, byte) {
            (Some(b'\''), b'\'') | (Some(b'"'), b'"') => quote = None,
            (Some(b'\''), _) => {}
            (_, b'\\') => drop(bytes.next()),
            (Some(_), _) => {}
            (None, b'\'' | b'"') => quote = Some(*byte),
            (None, b'(') => depth += 1,
            (None, b')') => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            (None, _) => {}
        }
    }
    None
}
