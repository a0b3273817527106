//! Values of `env`, in which `${NAME}` stands for the image's own variable and `$$` for a `$`.

use std::{iter, ops::Range};

/// A part of a value.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fragment<'v> {
    Text(&'v str),
    Variable(&'v str),
}

/// What is wrong at a `$`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    /// Where, in bytes of the value.
    pub(super) at: Range<usize>,
    pub(super) message: String,
    pub(super) help: String,
}

/// Takes a value apart.
pub(super) fn parts(value: &str) -> Result<Vec<Fragment<'_>>, Wrong> {
    let mut parts = Vec::new();
    let mut rest = value;
    while let Some((text, behind)) = rest.split_once('$') {
        parts.push(Fragment::Text(text));
        let begin = value.len() - behind.len() - 1;
        let wrong = |length: usize, message: &str, help: String| {
            Err(Wrong { at: begin..begin + length, message: message.to_owned(), help })
        };
        let length = name_length(behind);
        rest = match (behind.strip_prefix('$'), behind.strip_prefix('{')) {
            (Some(behind), _) => {
                parts.push(Fragment::Text("$"));
                behind
            }
            (_, Some(behind)) => match behind.split_once('}') {
                Some((name, behind)) if !name.is_empty() && name_length(name) == name.len() => {
                    parts.push(Fragment::Variable(name));
                    behind
                }
                Some((name, _)) => {
                    return wrong(name.len() + 3, "no name of a variable stands in `${...}`", escaped());
                }
                None => return wrong(2, "a `${` without `}`", escaped()),
            },
            _ if length > 0 => {
                let name = behind.get(..length).unwrap_or_default();
                let help = format!("write `${{{name}}}` for the image's variable, or `$$` for a `$`");
                return wrong(length + 1, &format!("`${name}` is not replaced"), help);
            }
            _ => {
                parts.push(Fragment::Text("$"));
                behind
            }
        };
    }
    parts.push(Fragment::Text(rest));
    Ok(parts)
}

fn escaped() -> String {
    "write `${NAME}` for one of the image's variables, or `$$` for a `$`".to_owned()
}

fn name_length(text: &str) -> usize {
    let is_name =
        |(at, byte): &(usize, u8)| byte.is_ascii_alphabetic() || *byte == b'_' || *at > 0 && byte.is_ascii_digit();
    iter::zip(0.., text.bytes()).take_while(is_name).count()
}

/// What the engine gives a container whose image has no `PATH`, unless it has one of its own.
const USUAL_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A value that was found to be right, in an image with this environment (`NAME=value` each); what that has not is empty.
pub(crate) fn fill(value: &str, image: &[String]) -> String {
    let of_image = |name: &str| {
        let otherwise = if name == "PATH" { USUAL_PATH } else { "" };
        image.iter().find_map(|variable| variable.strip_prefix(name)?.strip_prefix('=')).unwrap_or(otherwise)
    };
    let parts = parts(value).unwrap_or_else(|_| vec![Fragment::Text(value)]);
    parts
        .into_iter()
        .map(|part| match part {
            Fragment::Text(text) => text,
            Fragment::Variable(name) => of_image(name),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_of_the_image_are_put_in() {
        let image = ["PATH=/usr/bin:/bin", "P=x", "EMPTY="].map(str::to_owned);
        for (value, expected) in [
            ("", ""),
            ("plain", "plain"),
            ("/opt/bin:${PATH}", "/opt/bin:/usr/bin:/bin"),
            ("${P}${P}${EMPTY}${NONE}.", "xx."),
            ("$$P costs 5$, $5", "$P costs 5$, $5"),
            ("$${PATH}", "${PATH}"),
        ] {
            assert_eq!(fill(value, &image), expected, "{value}");
        }
    }

    #[test]
    fn an_image_without_path_has_the_usual_one() {
        assert_eq!(fill("/x:${PATH}", &[]), format!("/x:{USUAL_PATH}"));
    }

    #[test]
    fn what_was_meant_for_one_is_shown() {
        for (value, at, message) in [
            ("/opt/bin:$PATH", 9..14, "`$PATH` is not replaced"),
            ("a${b", 1..3, "a `${` without `}`"),
            ("${}", 0..3, "no name of a variable stands in `${...}`"),
            ("${A:-b}", 0..7, "no name of a variable stands in `${...}`"),
            ("$é $_1", 4..7, "`$_1` is not replaced"),
        ] {
            let wrong = parts(value).unwrap_err();
            assert_eq!((wrong.at, wrong.message.as_str()), (at, message), "{value}");
        }
    }
}
