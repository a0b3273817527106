//! What POSIX and our own two words fix, whatever a script says.

pub mod builtins;
pub mod marker;
pub(crate) mod packages;
pub mod quoting;
pub(crate) mod reserved;
pub(crate) mod set;

/// Variables that programs find in their environment nearly everywhere, whatever a script exports (POSIX 8.3, Other
/// Environment Variables, and the dynamic linker's).
pub(crate) const ENVIRONMENT: [&str; 19] = [
    "HOME",
    "LANG",
    "LANGUAGE",
    "LC_ALL",
    "LC_COLLATE",
    "LC_CTYPE",
    "LC_MESSAGES",
    "LC_MONETARY",
    "LC_NUMERIC",
    "LC_TIME",
    "LD_LIBRARY_PATH",
    "LOGNAME",
    "PATH",
    "SHELL",
    "TERM",
    "TMPDIR",
    "TZ",
    "USER",
    "HOSTNAME",
];

/// Whether every shell of a setup has a variable of this name: it sets it itself, or is given it.
pub(crate) fn is_given(name: &str) -> bool {
    const GIVEN: [&str; 13] =
        ["COMPDIR", "GFSDIR", "IFS", "LINENO", "OLDPWD", "OPTARG", "OPTIND", "PPID", "PS1", "PS2", "PS4", "PWD", "_"];
    GIVEN.contains(&name) || ENVIRONMENT.contains(&name)
}

/// What stands for a path that is not known begins and ends with this byte.
pub(crate) const STAND_IN: u8 = 1;

/// Whether `text` is a name (POSIX 3.235): a letter or `_`, then letters, digits and `_`.
pub fn is_name(text: &[u8]) -> bool {
    leading_name(text).is_some_and(|(_, rest)| rest.is_empty())
}

/// The name that `text` begins with, and what follows it.
pub(crate) fn leading_name(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let length = text.iter().take_while(|byte| is_part(byte)).count();
    text.first().filter(|first| is_part(first) && !first.is_ascii_digit())?;
    Some(text.split_at(length))
}

/// Everything in a text that may be a name, in order.
pub(crate) fn names_in(text: &[u8]) -> impl Iterator<Item = &str> {
    let words = text.split(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_');
    words.filter(|word| is_name(word)).filter_map(|word| std::str::from_utf8(word).ok())
}
