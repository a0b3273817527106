//! Where our verdict is not dash's, and why: a table.

use bstr::ByteSlice;
use compeval_interpreter::{Diagnostic, Parsed};

struct Difference {
    /// Where dash finds nothing wrong and a message of ours begins like this,
    message: &'static str,
    /// and this holds of the text and the error,
    only: fn(&[u8], &Diagnostic) -> bool,
    /// there is a reason.
    reason: &'static str,
}

const DIFFERENCES: &[Difference] = &[
    always("the script contains a NUL byte", "dash leaves the byte out and joins what stands around it"),
    always("nested more than", "deep nesting is refused before it can exhaust the stack, here or in the container"),
    always("`function` is not part of POSIX sh", "dash runs a command named `function`"),
    always("the body of a function is a compound command", "dash also takes a simple command (POSIX 2.9.5)"),
    always("this function needs a body behind it", "dash also takes a redirection (POSIX 2.9.5)"),
    always("unclosed arithmetic expansion", "dash tells only when the expansion is reached that a `)` is too much"),
    always("the delimiter of a here-document is not expanded", "shells differ in which delimiter is meant"),
    always("no line can be the delimiter", "dash compares several lines with the delimiter, other shells do not"),
    always("there is no pattern before", "dash takes any operator for a pattern"),
    always("an item of `case` begins with a pattern, but", "dash takes any operator for a pattern"),
    Difference {
        message: "unclosed parameter expansion",
        only: |text, error| !begins_well(text.get(error.primary.span.end as usize..).unwrap_or_default()),
        reason: "dash tells only when the expansion is reached, and quotes are others where the parameter is none",
    },
    Difference {
        message: "unclosed ",
        only: |text, error| text.find(b"<<").is_some_and(|at| at < error.primary.span.start as usize),
        reason: "in dash what is expanded in a here-document may go on behind the delimiter",
    },
    in_backquotes("`"),
    in_backquotes("unexpected "),
];

const fn always(message: &'static str, reason: &'static str) -> Difference {
    Difference { message, only: |_, _| true, reason }
}

const fn in_backquotes(message: &'static str) -> Difference {
    Difference {
        message,
        only: |text, error| text.find_byte(b'`').is_some_and(|at| at < error.primary.span.start as usize),
        reason: "dash reads nothing behind a closing word or operator that is too much in backquotes",
    }
}

/// Whether what stands behind `${` may be the beginning of an expansion of POSIX.
fn begins_well(text: &[u8]) -> bool {
    let name = text.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
    let behind = text.get(name.max(1)..).unwrap_or_default();
    let behind = behind.strip_prefix(b":").unwrap_or(behind);
    (name > 0 || text.first().is_some_and(|byte| b"@*#?-$!".contains(byte)))
        && behind.first().is_none_or(|byte| b"-=?+%#}".contains(byte))
}

/// Why one of dash and us finds nothing wrong in `text`, but the other does; `None` where they should agree.
pub(crate) fn reason_to_differ(text: &[u8], parsed: &Parsed) -> Option<&'static str> {
    let explains =
        |known: &&Difference, error: &Diagnostic| error.message.starts_with(known.message) && (known.only)(text, error);
    let has_two_digits = text.windows(3).any(
        |bytes| matches!(bytes, [first, second, b'<' | b'>'] if first.is_ascii_digit() && second.is_ascii_digit()),
    );
    if has_two_digits {
        return Some("in dash a descriptor is one digit, and `10<` a word and an operator");
    }
    let mut known = DIFFERENCES.iter().filter(|known| parsed.errors.iter().any(|error| explains(known, error)));
    known.next().map(|known| known.reason)
}
