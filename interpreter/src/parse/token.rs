//! The tokens of the shell language (POSIX 2.3, Token Recognition; 2.10.1), read from bytes with `nom`.

use nom::{
    IResult, Parser,
    branch::alt,
    bytes::complete::{tag, take_while, take_while1},
    combinator::{not, opt, peek, recognize, value},
    error::{Error, ErrorKind},
    multi::many0_count,
    sequence::{pair, preceded, terminated},
};

use crate::{language::leading_name, syntax::RedirectionOperator};

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

/// Whether `byte` ends an unquoted word.
pub(crate) fn ends_word(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b';' | b'&' | b'|' | b'<' | b'>' | b'(' | b')')
}

type Scan<'t, O> = IResult<&'t [u8], O>;

/// A `\` and the newline behind it, which are taken out wherever they stand outside quotes (POSIX 2.2.1).
const CONTINUATION: &[u8] = b"\\\n";

/// Blanks and line continuations, as many as there are.
pub(crate) fn blanks(text: &[u8]) -> Scan<'_, &[u8]> {
    recognize(many0_count(alt((take_while1(|byte| byte == b' ' || byte == b'\t'), tag(CONTINUATION))))).parse(text)
}

/// Line continuations, as many as there are.
pub(crate) fn continuations(text: &[u8]) -> Scan<'_, usize> {
    many0_count(tag(CONTINUATION)).parse(text)
}

/// An operator, perhaps with line continuations inside.
fn operator<'t>(spelling: &'static str) -> impl Parser<&'t [u8], Output = (), Error = Error<&'t [u8]>> {
    move |text: &'t [u8]| {
        let (mut rest, _) = tag(spelling.get(..1).unwrap_or_default())(text)?;
        for byte in spelling.bytes().skip(1) {
            rest = preceded(continuations, tag(&[byte][..])).parse(rest)?.0;
        }
        Ok((rest, ()))
    }
}

/// What closes an arithmetic expansion (POSIX 2.6.4).
pub(crate) fn arithmetic_end(text: &[u8]) -> Scan<'_, ()> {
    operator("))").parse(text)
}

/// An operator other than a redirection's, the longest that fits.
pub(crate) fn control(text: &[u8]) -> Scan<'_, Control> {
    alt((
        value(Control::AndIf, operator("&&")),
        value(Control::OrIf, operator("||")),
        value(Control::DoubleSemicolon, operator(";;")),
        value(Control::Semicolon, operator(";")),
        value(Control::Ampersand, operator("&")),
        value(Control::Pipe, operator("|")),
        value(Control::ParenOpen, operator("(")),
        value(Control::ParenClose, operator(")")),
    ))
    .parse(text)
}

/// A redirection's operator, the longest that fits, with the descriptor number before it.
pub(crate) fn redirection(text: &[u8]) -> Scan<'_, (Option<&[u8]>, RedirectionOperator)> {
    use RedirectionOperator as Operator;
    let operator = alt((
        value(Operator::HereDocumentStripTabs, operator("<<-")),
        value(Operator::HereDocument, operator("<<")),
        value(Operator::DuplicateInput, operator("<&")),
        value(Operator::ReadWrite, operator("<>")),
        value(Operator::Input, operator("<")),
        value(Operator::Append, operator(">>")),
        value(Operator::DuplicateOutput, operator(">&")),
        value(Operator::Clobber, operator(">|")),
        value(Operator::Output, operator(">")),
    ));
    pair(opt(terminated(digits, continuations)), operator).parse(text)
}

/// A name (POSIX 3.235).
pub(crate) fn name(text: &[u8]) -> Scan<'_, &[u8]> {
    let (name, rest) = leading_name(text).ok_or(nom::Err::Error(Error::new(text, ErrorKind::Alpha)))?;
    Ok((rest, name))
}

/// What a name may go on with: letters, digits and `_`, perhaps none.
pub(crate) fn name_bytes(text: &[u8]) -> Scan<'_, &[u8]> {
    take_while(|byte: u8| byte.is_ascii_alphanumeric() || byte == b'_').parse(text)
}

/// One or more digits.
pub(crate) fn digits(text: &[u8]) -> Scan<'_, &[u8]> {
    take_while1(|byte: u8| byte.is_ascii_digit()).parse(text)
}

/// The name of a tilde-prefix (POSIX 2.6.1): everything up to `/`, the end, or with `in_value` up to `:`.
pub(crate) fn tilde(text: &[u8], in_value: bool) -> Scan<'_, &[u8]> {
    let login = take_while(|byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    let goes_on = move |byte: u8| !(byte == b'/' || byte == b'}' || ends_word(byte) || (in_value && byte == b':'));
    let ended = not(nom::character::complete::one_of::<_, &[u8], _>(&b"\\'\"$`"[..]));
    let (rest, login) = preceded(tag(&b"~"[..]), terminated(login, ended)).parse(text)?;
    peek(not(take_while1(goes_on))).parse(rest)?;
    Ok((rest, login))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_operator_is_taken() {
        assert_eq!(control(b"&&& x"), Ok((&b"& x"[..], Control::AndIf)));
        assert_eq!(control(b";;;"), Ok((&b";"[..], Control::DoubleSemicolon)));
        assert_eq!(redirection(b"2>&1"), Ok((&b"1"[..], (Some(&b"2"[..]), RedirectionOperator::DuplicateOutput))));
        assert_eq!(redirection(b"<<-E"), Ok((&b"E"[..], (None, RedirectionOperator::HereDocumentStripTabs))));
        assert!(redirection(b"2x>").is_err());
        assert_eq!(control(b"&\\\n&x"), Ok((&b"x"[..], Control::AndIf)), "a line continuation inside");
        assert_eq!(control(b"&\\\nx"), Ok((&b"\\\nx"[..], Control::Ampersand)));
    }

    #[test]
    fn a_name_begins_with_no_digit() {
        assert_eq!(name(b"A_1=x"), Ok((&b"=x"[..], &b"A_1"[..])));
        assert!(name(b"1A=x").is_err());
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
