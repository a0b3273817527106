//! Values as shell text: written in single-quotes, read back in whatever quoting the shell's `set` uses.

use bstr::BString;

/// `value` as one shell word in single-quotes, safe in every shell and for every byte but NUL.
pub fn quote(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len() + 2);
    out.push(b'\'');
    for byte in value {
        match byte {
            b'\'' => out.extend_from_slice(b"'\\''"),
            byte => out.push(*byte),
        }
    }
    out.push(b'\'');
    out
}

/// Reads one word as `set`, `export -p`, `trap` and `alias` print it: single-quotes, double-quotes, backslashes and
/// `$'...'`. Gives the value and what follows: a newline, a blank or nothing.
pub(crate) fn read_word(text: &[u8]) -> (BString, &[u8]) {
    let mut value = Vec::new();
    let mut rest = text;
    loop {
        rest = match rest {
            [] | [b'\n' | b' ', ..] => return (value.into(), rest),
            [b'\'', after @ ..] => {
                let end = after.iter().position(|byte| *byte == b'\'').unwrap_or(after.len());
                value.extend_from_slice(after.get(..end).unwrap_or_default());
                after.get(end + 1..).unwrap_or_default()
            }
            [b'$', b'\'', after @ ..] => read_dollar_single(after, &mut value),
            [b'"', after @ ..] => read_double(after, &mut value),
            [b'\\', byte, after @ ..] | [byte, after @ ..] => {
                value.push(*byte);
                after
            }
        };
    }
}

fn read_double<'t>(mut rest: &'t [u8], value: &mut Vec<u8>) -> &'t [u8] {
    loop {
        rest = match rest {
            [] => return rest,
            [b'"', after @ ..] => return after,
            [b'\\', b'\n', after @ ..] => after,
            [b'\\', byte @ (b'"' | b'\\' | b'$' | b'`'), after @ ..] | [byte, after @ ..] => {
                value.push(*byte);
                after
            }
        };
    }
}

fn read_dollar_single<'t>(mut rest: &'t [u8], value: &mut Vec<u8>) -> &'t [u8] {
    loop {
        rest = match rest {
            [] => return rest,
            [b'\'', after @ ..] => return after,
            [b'\\', b'x', digits @ ..] => {
                let (code, after) = read_number(digits, 16, 2);
                value.push(code as u8);
                after
            }
            [b'\\', b'u', digits @ ..] => {
                let (code, after) = read_number(digits, 16, 4);
                let character = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
                value.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                after
            }
            [b'\\', digits @ ..] if matches!(digits.first(), Some(b'0'..=b'7')) => {
                let (code, after) = read_number(digits, 8, 3);
                value.push(code as u8);
                after
            }
            [b'\\', byte, after @ ..] => {
                value.push(match byte {
                    b'n' => b'\n',
                    b't' => b'\t',
                    b'r' => b'\r',
                    b'a' => 7,
                    b'b' => 8,
                    b'f' => 12,
                    b'v' => 11,
                    b'e' | b'E' => 27,
                    byte => *byte,
                });
                after
            }
            [byte, after @ ..] => {
                value.push(*byte);
                after
            }
        };
    }
}

fn read_number(text: &[u8], radix: u32, most: usize) -> (u32, &[u8]) {
    let length = text.iter().take(most).take_while(|byte| char::from(**byte).is_digit(radix)).count();
    let (digits, after) = text.split_at(length);
    let digits = std::str::from_utf8(digits).unwrap_or_default();
    (u32::from_str_radix(digits, radix).unwrap_or(0), after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_quoting_is_read_back() {
        let cases: [(&[u8], &[u8], &[u8]); 8] = [
            (b"'it'\"'\"'s'\nX=1", b"it's", b"\nX=1"),
            (b"'it'\\''s'", b"it's", b""),
            (b"$'l1\\nl2\\x41\\101\\u00e9'", "l1\nl2AA\u{e9}".as_bytes(), b""),
            (b"\"a\\\"b\\$c\" rest", b"a\"b$c", b" rest"),
            (b"it\\'s", b"it's", b""),
            (b"plain\n", b"plain", b"\n"),
            (b"''", b"", b""),
            (b"'a\nb'\n", b"a\nb", b"\n"),
        ];
        for (text, value, rest) in cases {
            assert_eq!(read_word(text), (BString::from(value), rest), "{}", BString::from(text));
        }
    }

    #[test]
    fn what_is_quoted_reads_back() {
        let value: Vec<u8> = (1..=255).collect();
        assert_eq!(read_word(&quote(&value)).0, value);
    }
}
