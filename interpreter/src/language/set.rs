//! The operands of `set` (POSIX 2.14), where they are known.

use bstr::BString;

/// Letters of options, and their names behind `-o`.
const OPTIONS: [(u8, &str); 14] = [
    (b'a', "allexport"),
    (b'b', "notify"),
    (b'C', "noclobber"),
    (b'e', "errexit"),
    (b'f', "noglob"),
    (b'h', "hashall"),
    (b'm', "monitor"),
    (b'n', "noexec"),
    (b'u', "nounset"),
    (b'v', "verbose"),
    (b'x', "xtrace"),
    (b'E', "emacs"),
    (b'I', "ignoreeof"),
    (b'V', "vi"),
];

/// What a `set` does.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Set {
    /// Options by their long names, and whether they are turned on.
    pub(crate) options: Vec<(String, bool)>,
    /// The new positional parameters, where it sets them.
    pub(crate) positional: Option<Vec<BString>>,
}

/// Reads the operands; `None` for what is no usual form.
pub(crate) fn of_set(operands: &[BString]) -> Option<Set> {
    let mut set = Set::default();
    let mut operands = operands.iter();
    while let Some(operand) = operands.next() {
        let (on, letters) = match operand.as_slice() {
            b"--" => {
                set.positional = Some(operands.cloned().collect());
                return Some(set);
            }
            b"-" | b"+" => return None,
            [b'-', letters @ ..] => (true, letters),
            [b'+', letters @ ..] => (false, letters),
            _ => {
                set.positional = Some(std::iter::once(operand).chain(operands).cloned().collect());
                return Some(set);
            }
        };
        for letter in letters {
            let name = match letter {
                b'o' => String::from_utf8(operands.next()?.to_vec()).ok()?,
                letter => OPTIONS.iter().find(|(known, _)| known == letter)?.1.to_owned(),
            };
            set.options.push((name, on));
        }
    }
    Some(set)
}

/// The letter of an option, by its long name.
pub(crate) fn letter(name: &str) -> Option<char> {
    OPTIONS.iter().find(|(_, known)| *known == name).map(|(letter, _)| char::from(*letter))
}
