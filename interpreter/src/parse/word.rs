//! Words and their parts: quotes, parameter expansions, command substitutions, arithmetic, here-document bodies.

use bstr::BString;

use super::{Broken, End, Reader};
use crate::{
    Diagnostic, Span,
    syntax::{
        CommandSubstitution, Operation, Parameter, ParameterExpansion, Part, PartKind, PatternEnd, Substitution, Word,
    },
    token,
};

/// Where the parts being read stand, which decides what is special and where they end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// An ordinary word: ends at an operator or blank.
    Word,
    /// The value of an assignment: the same, with a tilde-prefix after `=` and each `:`.
    Value,
    /// The word of `${x-word}`: ends at `}`.
    Braces,
    /// The same inside double-quotes.
    QuotedBraces,
    /// Inside double-quotes: ends at `"`.
    DoubleQuotes,
    /// The body of a here-document: ends with the text.
    HereDocument,
    /// `$((...))`: ends at `))`.
    Arithmetic,
}

impl Place {
    /// Whether quotes lose their meaning and `\` keeps most of its own (POSIX 2.2.3).
    fn is_quoted(self) -> bool {
        matches!(self, Place::QuotedBraces | Place::DoubleQuotes | Place::HereDocument | Place::Arithmetic)
    }

    fn escapes(self, byte: u8) -> bool {
        match byte {
            b'$' | b'`' | b'\\' => true,
            b'"' => self != Place::HereDocument,
            b'}' => self == Place::QuotedBraces,
            _ => !self.is_quoted(),
        }
    }
}

/// Parts in the making: literal bytes are gathered until something else comes.
struct Parts {
    done: Vec<Part>,
    literal: Vec<u8>,
    literal_start: usize,
}

impl Reader<'_> {
    /// Reads a word up to the end that `place` asks for; it may be empty.
    pub(super) fn word(&mut self, place: Place) -> Result<Word, Broken> {
        let start = self.position;
        let parts = self.nested(|reader| reader.parts(place))?;
        Ok(Word { parts, span: self.span(start, self.position) })
    }

    fn parts(&mut self, place: Place) -> Result<Vec<Part>, Broken> {
        let mut parts = Parts { done: Vec::new(), literal: Vec::new(), literal_start: self.position };
        let mut parentheses = 0_usize;
        if matches!(place, Place::Word | Place::Value | Place::Braces) {
            self.tilde(&mut parts, place);
        }
        while let Some(byte) = self.peek() {
            if self.ends(place, byte, parentheses) {
                break;
            }
            match byte {
                b'\\' => self.backslash(&mut parts, place)?,
                b'\'' if !place.is_quoted() => {
                    let part = self.single_quotes()?;
                    self.push(&mut parts, part);
                }
                b'"' if !matches!(place, Place::DoubleQuotes | Place::HereDocument | Place::Arithmetic) => {
                    let part = self.double_quotes()?;
                    self.push(&mut parts, part);
                }
                b'$' => self.dollar(&mut parts, place)?,
                b'`' => {
                    let part = self.backquotes(place)?;
                    self.push(&mut parts, part);
                }
                _ => {
                    if place == Place::Arithmetic {
                        match byte {
                            b'(' => parentheses += 1,
                            b')' => parentheses = parentheses.saturating_sub(1),
                            _ => {}
                        }
                    }
                    self.literal_byte(&mut parts, byte);
                    if byte == b':' && place == Place::Value {
                        self.tilde(&mut parts, place);
                    }
                }
            }
        }
        self.flush(&mut parts, self.position);
        Ok(parts.done)
    }

    fn ends(&self, place: Place, byte: u8, parentheses: usize) -> bool {
        match place {
            Place::Word | Place::Value => token::ends_word(byte),
            Place::Braces | Place::QuotedBraces => byte == b'}',
            Place::DoubleQuotes => byte == b'"',
            Place::HereDocument => false,
            Place::Arithmetic => byte == b')' && parentheses == 0,
        }
    }

    fn literal_byte(&mut self, parts: &mut Parts, byte: u8) {
        if parts.literal.is_empty() {
            parts.literal_start = self.position;
        }
        parts.literal.push(byte);
        self.position += 1;
    }

    /// Ends the literal being gathered, which reaches to `end`.
    fn flush(&mut self, parts: &mut Parts, end: usize) {
        if !parts.literal.is_empty() {
            let text = std::mem::take(&mut parts.literal);
            let span = self.span(parts.literal_start, end);
            parts.done.push(Part { kind: PartKind::Literal(text.into()), span });
        }
    }

    fn push(&mut self, parts: &mut Parts, part: Part) {
        if !parts.literal.is_empty() {
            let text = std::mem::take(&mut parts.literal);
            let start = self.span(parts.literal_start, parts.literal_start).start;
            parts.done.push(Part { kind: PartKind::Literal(text.into()), span: Span { start, end: part.span.start } });
        }
        parts.done.push(part);
    }

    fn tilde(&mut self, parts: &mut Parts, place: Place) {
        let start = self.position;
        if let Ok((rest, login)) = token::tilde(self.rest(), place == Place::Value) {
            let login = BString::from(login);
            self.advance_to(rest);
            let part = Part { kind: PartKind::Tilde(login), span: self.span(start, self.position) };
            self.push(parts, part);
        }
    }

    fn backslash(&mut self, parts: &mut Parts, place: Place) -> Result<(), Broken> {
        match self.peek_at(1) {
            Some(b'\n') => {
                if parts.literal.is_empty() {
                    parts.literal_start = self.position;
                }
                self.position += 2;
                if place == Place::Value && parts.literal.last() == Some(&b':') {
                    self.tilde(parts, place);
                }
            }
            Some(byte) if place.escapes(byte) => {
                let start = self.position;
                self.position += 2;
                let span = self.span(start, self.position);
                self.push(parts, Part { kind: PartKind::Escaped(BString::from([byte])), span });
            }
            _ => self.literal_byte(parts, b'\\'),
        }
        Ok(())
    }

    fn single_quotes(&mut self) -> Result<Part, Broken> {
        let start = self.position;
        let body = self.rest().get(1..).unwrap_or_default();
        let Some(length) = body.iter().position(|byte| *byte == b'\'') else {
            return Err(self.unclosed(start, 1, "single-quote `'`", "'"));
        };
        let text = BString::from(body.get(..length).unwrap_or_default());
        self.position += length + 2;
        Ok(Part { kind: PartKind::SingleQuoted(text), span: self.span(start, self.position) })
    }

    fn double_quotes(&mut self) -> Result<Part, Broken> {
        let start = self.position;
        self.position += 1;
        let parts = self.nested(|reader| reader.parts(Place::DoubleQuotes))?;
        if self.peek() != Some(b'"') {
            return Err(self.unclosed(start, 1, "double-quote `\"`", "\""));
        }
        self.position += 1;
        Ok(Part { kind: PartKind::DoubleQuoted(parts), span: self.span(start, self.position) })
    }

    /// Reads what `$` begins; a `$` that begins nothing is itself.
    fn dollar(&mut self, parts: &mut Parts, place: Place) -> Result<(), Broken> {
        let start = self.position;
        let kind = match self.peek_at(1) {
            Some(b'{') => self.braced_parameter(place)?,
            Some(b'(') if self.peek_at(2) == Some(b'(') => self.arithmetic()?,
            Some(b'(') => self.command_substitution()?,
            Some(_) => {
                self.position += 1;
                match self.parameter(false) {
                    Some(parameter) => {
                        let expansion = ParameterExpansion { parameter, operation: Operation::Value, braced: false };
                        PartKind::Parameter(Box::new(expansion))
                    }
                    None => {
                        self.position = start;
                        self.literal_byte(parts, b'$');
                        return Ok(());
                    }
                }
            }
            None => {
                self.literal_byte(parts, b'$');
                return Ok(());
            }
        };
        let part = Part { kind, span: self.span(start, self.position) };
        self.push(parts, part);
        Ok(())
    }

    /// A parameter's name here, if there is one; outside braces a positional parameter has one digit.
    fn parameter(&mut self, braced: bool) -> Option<Parameter> {
        let rest = self.rest();
        if let Ok((after, name)) = token::name(rest) {
            let name = String::from_utf8_lossy(name).into_owned();
            self.advance_to(after);
            return Some(Parameter::Variable(name));
        }
        let first = *rest.first()?;
        if first.is_ascii_digit() {
            let length = if braced { rest.iter().take_while(|byte| byte.is_ascii_digit()).count() } else { 1 };
            let digits = std::str::from_utf8(rest.get(..length)?).ok()?;
            let number = digits.parse().unwrap_or(u32::MAX);
            self.position += length;
            return Some(if number == 0 { Parameter::Special(b'0') } else { Parameter::Positional(number) });
        }
        b"@*#?-$!".contains(&first).then(|| {
            self.position += 1;
            Parameter::Special(first)
        })
    }

    fn braced_parameter(&mut self, place: Place) -> Result<PartKind, Broken> {
        let start = self.position;
        self.position += 2;
        let length_of = self.peek() == Some(b'#') && !matches!(self.peek_at(1), Some(b'}')) && self.is_length();
        if length_of {
            self.position += 1;
        }
        let Some(parameter) = self.parameter(true) else {
            return Err(self.bad_substitution(start));
        };
        let operation = if length_of { Operation::Length } else { self.operation(start, place)? };
        if self.peek() != Some(b'}') {
            if self.peek().is_none() {
                return Err(self.unclosed(start, 2, "parameter expansion `${`", "}"));
            }
            return Err(self.bad_substitution(start));
        }
        self.position += 1;
        Ok(PartKind::Parameter(Box::new(ParameterExpansion { parameter, operation, braced: true })))
    }

    /// Whether the `#` here asks for a length: a parameter and `}` follow it.
    fn is_length(&mut self) -> bool {
        let start = self.position;
        self.position += 1;
        let is_length = self.parameter(true).is_some() && self.peek() == Some(b'}');
        self.position = start;
        is_length
    }

    fn operation(&mut self, start: usize, place: Place) -> Result<Operation, Broken> {
        let or_empty = self.peek() == Some(b':') && matches!(self.peek_at(1), Some(b'-' | b'=' | b'?' | b'+'));
        if or_empty {
            self.position += 1;
        }
        let when = match self.peek() {
            Some(b'-') => Substitution::Default,
            Some(b'=') => Substitution::Assign,
            Some(b'?') => Substitution::Error,
            Some(b'+') => Substitution::Alternative,
            Some(byte @ (b'%' | b'#')) => {
                let largest = self.peek_at(1) == Some(byte);
                self.position += if largest { 2 } else { 1 };
                // Quotes in the pattern count whatever stands around the expansion (POSIX 2.6.2).
                let pattern = self.word(Place::Braces)?;
                let end = if byte == b'%' { PatternEnd::Suffix } else { PatternEnd::Prefix };
                return Ok(Operation::Remove { end, largest, pattern });
            }
            Some(b'}') | None => return Ok(Operation::Value),
            Some(_) => return Err(self.bad_substitution(start)),
        };
        self.position += 1;
        let word = self.word(if place.is_quoted() { Place::QuotedBraces } else { Place::Braces })?;
        Ok(Operation::Substitute { when, or_empty, word })
    }

    /// The error for `${...}` that POSIX does not know, with the POSIX form of what was probably meant.
    fn bad_substitution(&mut self, start: usize) -> Broken {
        let text = self.text.get(start..).unwrap_or_default();
        let length = text.iter().position(|byte| matches!(byte, b'}' | b'\n')).map_or(text.len(), |at| at + 1);
        let (what, help) = match self.peek() {
            Some(b'/') => ("pattern substitution", "use `sed`, or `${x%suffix}` and `${x#prefix}`"),
            Some(b':') => ("substring expansion", "use `cut -c`, or `${x%pattern}` and `${x#pattern}`"),
            Some(b'^' | b',') => ("case modification", "use `tr '[:lower:]' '[:upper:]'`"),
            Some(b'[') => ("an array element", "use the positional parameters: `set -- a b`, `\"$@\"`"),
            Some(b'!') => ("indirect expansion", "use `eval` with a name that you control"),
            _ => ("this parameter expansion", "write `${name}`, `${name-word}`, `${name%pattern}` or their like"),
        };
        let span = self.span(start, start + length);
        self.errors.push(
            Diagnostic::syntax_error(span, format!("bad substitution: {what} is not part of POSIX sh")).help(help),
        );
        self.resume = start + length;
        Broken
    }

    fn arithmetic(&mut self) -> Result<PartKind, Broken> {
        let start = self.position;
        self.position += 3;
        let parts = self.nested(|reader| reader.parts(Place::Arithmetic))?;
        if !self.rest().starts_with(b"))") {
            let broken = self.unclosed(start, 3, "arithmetic expansion `$((`", "))");
            let more_follows = self.peek().is_some();
            if let Some(error) = self.errors.last_mut().filter(|_| more_follows) {
                error.help = Some("for a subshell in a command substitution, put a space: `$( (`".into());
            }
            return Err(broken);
        }
        self.position += 2;
        Ok(PartKind::Arithmetic(parts))
    }

    fn command_substitution(&mut self) -> Result<PartKind, Broken> {
        let start = self.position;
        self.position += 2;
        let list = self.nested(|reader| reader.list(End::Paren))?;
        if self.peek() != Some(b')') {
            return Err(self.unclosed(start, 2, "command substitution `$(`", ")"));
        }
        self.position += 1;
        Ok(PartKind::CommandSubstitution(Box::new(CommandSubstitution { list, backquoted: false })))
    }

    /// Reads `` `...` ``: the text between is unescaped first (POSIX 2.6.3), then read by a reader of its own.
    fn backquotes(&mut self, place: Place) -> Result<Part, Broken> {
        let start = self.position;
        let mut text = Vec::new();
        let mut offsets = Vec::new();
        let mut at = start + 1;
        loop {
            let escaped = match self.text.get(at) {
                None => return Err(self.unclosed(start, 1, "backquote `` ` ``", "`")),
                Some(b'`') => break,
                Some(b'\\') => match self.text.get(at + 1) {
                    Some(b'$' | b'`' | b'\\') => true,
                    Some(b'"') => matches!(place, Place::DoubleQuotes | Place::QuotedBraces),
                    _ => false,
                },
                Some(_) => false,
            };
            if escaped {
                at += 1;
            }
            text.extend(self.text.get(at));
            offsets.push(self.offset(at));
            at += 1;
        }
        offsets.push(self.offset(at));
        let list = self.nested(|reader| reader.inside(&text, &offsets))?;
        self.position = at + 1;
        let kind = PartKind::CommandSubstitution(Box::new(CommandSubstitution { list, backquoted: true }));
        Ok(Part { kind, span: self.span(start, self.position) })
    }

    /// The error for something opened at `start`, `length` bytes long, that never ends.
    fn unclosed(&mut self, start: usize, length: usize, what: &str, close: &str) -> Broken {
        let end = self.span(self.text.len(), self.text.len());
        let error = Diagnostic::syntax_error(self.span(start, start + length), format!("unclosed {what}"))
            .label("opened here")
            .related(end, "the text ends here")
            .help(format!("close it with `{close}`"));
        self.errors.push(error);
        self.resume = self.line_end(start);
        Broken
    }
}
