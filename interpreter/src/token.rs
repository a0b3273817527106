//! The tokens of the shell language (POSIX 2.3, Token Recognition; 2.10.1), read from bytes with `nom`.

use nom::{
    IResult, Parser,
    branch::alt,
    bytes::complete::{tag, take_while, take_while1},
    combinator::{not, opt, peek, recognize, value},
    multi::many0_count,
    sequence::{pair, terminated},
};

/// An operator that ends a word and is no redirection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Control {
    AndIf,
    OrIf,
    DoubleSemicolon,
    Semicolon,
    Ampersand,
    Pipe,
    ParenOpen,
    ParenClose,
}

impl Control {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Control::AndIf => "&&",
            Control::OrIf => "||",
            Control::DoubleSemicolon => ";;",
            Control::Semicolon => ";",
            Control::Ampersand => "&",
            Control::Pipe => "|",
            Control::ParenOpen => "(",
            Control::ParenClose => ")",
        }
    }
}

/// The words that are reserved where a command may begin (POSIX 2.4), and `in`.
pub(crate) const RESERVED: [&str; 16] =
    ["if", "then", "else", "elif", "fi", "do", "done", "case", "esac", "while", "until", "for", "{", "}", "!", "in"];

/// Whether `byte` ends an unquoted word.
pub(crate) fn ends_word(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b';' | b'&' | b'|' | b'<' | b'>' | b'(' | b')')
}

type Read<'t, O> = IResult<&'t [u8], O>;

/// Blanks and line continuations, as many as there are.
pub(crate) fn blanks(text: &[u8]) -> Read<'_, &[u8]> {
    recognize(many0_count(alt((take_while1(|byte| byte == b' ' || byte == b'\t'), tag(&b"\\\n"[..]))))).parse(text)
}

/// A comment, without its newline.
pub(crate) fn comment(text: &[u8]) -> Read<'_, &[u8]> {
    recognize(pair(tag(&b"#"[..]), take_while(|byte| byte != b'\n'))).parse(text)
}

/// An operator other than a redirection's, the longest that fits.
pub(crate) fn control(text: &[u8]) -> Read<'_, Control> {
    alt((
        value(Control::AndIf, tag(&b"&&"[..])),
        value(Control::OrIf, tag(&b"||"[..])),
        value(Control::DoubleSemicolon, tag(&b";;"[..])),
        value(Control::Semicolon, tag(&b";"[..])),
        value(Control::Ampersand, tag(&b"&"[..])),
        value(Control::Pipe, tag(&b"|"[..])),
        value(Control::ParenOpen, tag(&b"("[..])),
        value(Control::ParenClose, tag(&b")"[..])),
    ))
    .parse(text)
}

/// A redirection's operator, the longest that fits, with the descriptor number before it.
pub(crate) fn redirection(text: &[u8]) -> Read<'_, (Option<&[u8]>, crate::syntax::RedirectionOperator)> {
    use crate::syntax::RedirectionOperator as Operator;
    let operator = alt((
        value(Operator::HereDocumentStripTabs, tag(&b"<<-"[..])),
        value(Operator::HereDocument, tag(&b"<<"[..])),
        value(Operator::DuplicateInput, tag(&b"<&"[..])),
        value(Operator::ReadWrite, tag(&b"<>"[..])),
        value(Operator::Input, tag(&b"<"[..])),
        value(Operator::Append, tag(&b">>"[..])),
        value(Operator::DuplicateOutput, tag(&b">&"[..])),
        value(Operator::Clobber, tag(&b">|"[..])),
        value(Operator::Output, tag(&b">"[..])),
    ));
    pair(opt(digits), operator).parse(text)
}

/// A name (POSIX 3.235): a letter or `_`, then letters, digits and `_`.
pub(crate) fn name(text: &[u8]) -> Read<'_, &[u8]> {
    let head = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    recognize(pair(take_while1(head), take_while(|byte: u8| byte.is_ascii_alphanumeric() || byte == b'_'))).parse(text)
}

/// A name with the `=` of an assignment behind it.
pub(crate) fn assignment(text: &[u8]) -> Read<'_, &[u8]> {
    terminated(name, tag(&b"="[..])).parse(text)
}

/// One or more digits.
pub(crate) fn digits(text: &[u8]) -> Read<'_, &[u8]> {
    take_while1(|byte: u8| byte.is_ascii_digit()).parse(text)
}

/// The name of a tilde-prefix (POSIX 2.6.1): everything up to `/`, the end, or with `in_value` up to `:`.
pub(crate) fn tilde(text: &[u8], in_value: bool) -> Read<'_, &[u8]> {
    let login = take_while(|byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    let goes_on = move |byte: u8| !(byte == b'/' || byte == b'}' || ends_word(byte) || (in_value && byte == b':'));
    let ended = not(nom::character::complete::one_of::<_, &[u8], _>(&b"\\'\"$`"[..]));
    let (rest, login) = nom::sequence::preceded(tag(&b"~"[..]), terminated(login, ended)).parse(text)?;
    peek(not(take_while1(goes_on))).parse(rest)?;
    Ok((rest, login))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syntax::RedirectionOperator;

    #[test]
    fn the_longest_operator_is_taken() {
        assert_eq!(control(b"&&& x"), Ok((&b"& x"[..], Control::AndIf)));
        assert_eq!(control(b";;;"), Ok((&b";"[..], Control::DoubleSemicolon)));
        assert_eq!(redirection(b"2>&1"), Ok((&b"1"[..], (Some(&b"2"[..]), RedirectionOperator::DuplicateOutput))));
        assert_eq!(redirection(b"<<-E"), Ok((&b"E"[..], (None, RedirectionOperator::HereDocumentStripTabs))));
        assert!(redirection(b"2x>").is_err());
    }

    #[test]
    fn names_and_assignments() {
        assert_eq!(assignment(b"A_1=x"), Ok((&b"x"[..], &b"A_1"[..])));
        assert!(assignment(b"1A=x").is_err());
        assert!(assignment(b"A =x").is_err());
    }

    #[test]
    fn a_tilde_prefix_ends_at_a_slash_or_the_end_of_the_word() {
        assert_eq!(tilde(b"~/x", false), Ok((&b"/x"[..], &b""[..])));
        assert_eq!(tilde(b"~joe y", false), Ok((&b" y"[..], &b"joe"[..])));
        assert_eq!(tilde(b"~a:b", true), Ok((&b":b"[..], &b"a"[..])));
        assert!(tilde(b"~a:b", false).is_err());
        assert!(tilde(b"~$x", false).is_err());
    }
}
