//! The reserved words (POSIX 2.4).

/// A word that is reserved where a command may begin (POSIX 2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reserved {
    If,
    Then,
    Else,
    Elif,
    Fi,
    Do,
    Done,
    Case,
    Esac,
    While,
    Until,
    For,
    In,
    BraceOpen,
    BraceClose,
    Bang,
}

impl Reserved {
    /// The reserved word that `word` is, if it is one.
    pub(crate) fn of(word: &[u8]) -> Option<Reserved> {
        Some(match word {
            b"if" => Reserved::If,
            b"then" => Reserved::Then,
            b"else" => Reserved::Else,
            b"elif" => Reserved::Elif,
            b"fi" => Reserved::Fi,
            b"do" => Reserved::Do,
            b"done" => Reserved::Done,
            b"case" => Reserved::Case,
            b"esac" => Reserved::Esac,
            b"while" => Reserved::While,
            b"until" => Reserved::Until,
            b"for" => Reserved::For,
            b"in" => Reserved::In,
            b"{" => Reserved::BraceOpen,
            b"}" => Reserved::BraceClose,
            b"!" => Reserved::Bang,
            _ => return None,
        })
    }

    pub(crate) fn text(self) -> &'static str {
        match self {
            Reserved::If => "if",
            Reserved::Then => "then",
            Reserved::Else => "else",
            Reserved::Elif => "elif",
            Reserved::Fi => "fi",
            Reserved::Do => "do",
            Reserved::Done => "done",
            Reserved::Case => "case",
            Reserved::Esac => "esac",
            Reserved::While => "while",
            Reserved::Until => "until",
            Reserved::For => "for",
            Reserved::In => "in",
            Reserved::BraceOpen => "{",
            Reserved::BraceClose => "}",
            Reserved::Bang => "!",
        }
    }
}
