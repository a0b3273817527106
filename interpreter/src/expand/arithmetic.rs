//! Arithmetic expansion (POSIX 2.6.4): signed 64-bit integers with the operators of C, read with `nom`.
//!
//! Assignments, overflow and errors are left to the shell: they change state, or shells differ in them.

use bstr::BString;
use nom::{
    IResult, Parser,
    branch::alt,
    bytes::complete::{tag, take_while},
    character::complete::{char, multispace0},
    combinator::{all_consuming, map_opt},
    sequence::{delimited, preceded},
};

use super::NeedsShell;
use crate::{
    parse::token,
    state::{State, Value},
};

/// How deeply an expression may nest before the shell gets it.
const DEEPEST: usize = 50;

/// The value of an expression.
pub(super) fn evaluate(expression: &BString, state: &State) -> Result<i64, NeedsShell> {
    let parse = |text| Expression { state, depth: 0 }.conditional(text);
    let spaced = delimited(multispace0, parse, multispace0);
    all_consuming(spaced).parse(expression.as_slice()).map_or(Err(NeedsShell), |(_, value)| Ok(value))
}

type Read<'t, O> = IResult<&'t [u8], O>;

fn fail<T>(text: &[u8]) -> Read<'_, T> {
    Err(nom::Err::Failure(nom::error::Error::new(text, nom::error::ErrorKind::Verify)))
}

/// The binary operators, loosest first; the longest spelling of a level first.
const LEVELS: [&[&str]; 10] = [
    &["||"],
    &["&&"],
    &["|"],
    &["^"],
    &["&"],
    &["==", "!="],
    &["<=", ">=", "<", ">"],
    &["<<", ">>"],
    &["+", "-"],
    &["*", "/", "%"],
];

/// Evaluates while it reads. Every operand is evaluated: nothing here has side effects, and what could fail
/// (a division, an unset variable under `set -u`) hands the whole expression to the shell.
#[derive(Clone, Copy)]
struct Expression<'s> {
    state: &'s State,
    depth: usize,
}

impl Expression<'_> {
    fn deeper(self) -> Self {
        Expression { depth: self.depth + 1, ..self }
    }

    fn conditional(self, text: &[u8]) -> Read<'_, i64> {
        if self.depth > DEEPEST {
            return fail(text);
        }
        let (rest, condition) = self.binary(text, 0)?;
        let question: Read<'_, char> = preceded(multispace0, char('?')).parse(rest);
        let Ok((rest, _)) = question else { return Ok((rest, condition)) };
        // `a ? b ? c : d : e` is an error to busybox.
        let (rest, yes) = self.deeper().binary(rest, 0)?;
        let (rest, _) = preceded(multispace0, char(':')).parse(rest)?;
        let (rest, no) = self.deeper().conditional(rest)?;
        Ok((rest, if condition != 0 { yes } else { no }))
    }

    fn binary(self, text: &[u8], level: usize) -> Read<'_, i64> {
        let Some(operators) = LEVELS.get(level) else { return self.unary(text) };
        let (mut rest, mut left) = self.binary(text, level + 1)?;
        while let Some((operator, behind)) = operator(operators, rest) {
            let (after, right) = self.binary(behind, level + 1)?;
            match apply(operator, left, right) {
                Some(value) => left = value,
                None => return fail(text),
            }
            rest = after;
        }
        Ok((rest, left))
    }

    fn unary(self, text: &[u8]) -> Read<'_, i64> {
        let (text, _) = multispace0(text)?;
        if self.depth > DEEPEST {
            return fail(text);
        }
        let prefix: Read<'_, char> = alt((char('-'), char('+'), char('!'), char('~'))).parse(text);
        if let Ok((rest, sign)) = prefix {
            if rest.first() == Some(&(sign as u8)) && matches!(sign, '-' | '+') {
                return fail(text); // `++x` and `--x` assign.
            }
            let (rest, value) = self.deeper().unary(rest)?;
            let value = match sign {
                '-' => value.checked_neg(),
                '!' => Some(i64::from(value == 0)),
                '~' => Some(!value),
                _ => Some(value),
            };
            return value.map_or_else(|| fail(text), |value| Ok((rest, value)));
        }
        let inside = |text| self.deeper().conditional(text);
        let parenthesized = delimited(char('('), inside, preceded(multispace0, char(')')));
        let variable = map_opt(token::name, |name| self.variable(name));
        alt((parenthesized, map_opt(take_while(|byte: u8| byte.is_ascii_alphanumeric()), constant), variable))
            .parse(text)
    }

    /// The value of a variable that holds a number; an unset or empty one is 0.
    fn variable(self, name: &[u8]) -> Option<i64> {
        match self.state.variable(std::str::from_utf8(name).ok()?) {
            Value::Set(value) if value.is_empty() => Some(0),
            Value::Set(value) => match value.strip_prefix(b"-") {
                Some(digits) => constant(digits)?.checked_neg(),
                None => constant(value),
            },
            Value::Unset if self.state.has_option('u') => None,
            Value::Unset => Some(0),
            Value::Unknown => None,
        }
    }
}

/// The operator of a level that comes next, unless it is the beginning of a longer one or an assignment.
fn operator<'t>(operators: &[&'static str], text: &'t [u8]) -> Option<(&'static str, &'t [u8])> {
    let text = text.trim_ascii_start();
    operators.iter().find_map(|operator| {
        let rest: Read<'_, &[u8]> = tag(operator.as_bytes()).parse(text);
        let (rest, _) = rest.ok()?;
        let next = rest.first().copied();
        let longer = match *operator {
            "|" | "&" => next == operator.bytes().next() || next == Some(b'='),
            "<" | ">" => next == operator.bytes().next() || next == Some(b'='),
            "^" | "<<" | ">>" | "+" | "-" | "*" | "/" | "%" => next == Some(b'='),
            _ => false,
        };
        (!longer).then_some((*operator, rest))
    })
}

fn apply(operator: &str, left: i64, right: i64) -> Option<i64> {
    let shift = || u32::try_from(right).ok().filter(|count| *count < 64);
    Some(match operator {
        "||" => i64::from(left != 0 || right != 0),
        "&&" => i64::from(left != 0 && right != 0),
        "|" => left | right,
        "^" => left ^ right,
        "&" => left & right,
        "==" => i64::from(left == right),
        "!=" => i64::from(left != right),
        "<=" => i64::from(left <= right),
        ">=" => i64::from(left >= right),
        "<" => i64::from(left < right),
        ">" => i64::from(left > right),
        "<<" => left << shift()?,
        ">>" => left >> shift()?,
        "+" => left.checked_add(right)?,
        "-" => left.checked_sub(right)?,
        "*" => left.checked_mul(right)?,
        "/" => left.checked_div(right)?,
        "%" => left.checked_rem(right)?,
        _ => return None,
    })
}

/// A decimal, octal (`0...`) or hexadecimal (`0x...`) constant.
fn constant(text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?;
    if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        return i64::from_str_radix(digits, 16).ok().filter(|_| !digits.starts_with(['+', '-']));
    }
    if !text.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    match text.strip_prefix('0') {
        Some("") => Some(0),
        Some(digits) => i64::from_str_radix(digits, 8).ok(),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_have_their_value_in_c() {
        for (text, value) in [
            ("1 + 2 * 3", 7),
            ("(1 + 2) * 3", 9),
            ("10 - 4 - 3", 3),
            ("-7 / 2", -3),
            ("1 << 4 | 1", 17),
            ("010 + 0x1F", 39),
            ("!0 && 2", 1),
            ("1 ? 2 : 0 ? 3 : 4", 2),
            ("5 & 3 == 3", 1),
            ("~0", -1),
            ("3 != 3 || 2 >= 2", 1),
            ("- -1", 1),
        ] {
            assert_eq!(evaluate(&text.into(), &State::default()), Ok(value), "{text}");
        }
    }

    #[test]
    fn doubtful_expressions_go_to_the_shell() {
        for text in ["", "x = 1", "1 / 0", "++x", "1 +", "08", "9223372036854775807 + 1", "1 << 64", "x", "a b"] {
            assert_eq!(evaluate(&text.into(), &State::default()), Err(NeedsShell), "{text}");
        }
    }
}
