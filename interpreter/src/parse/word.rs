//! Words and their parts: quotes, parameter expansions, command substitutions, arithmetic, here-document bodies.

use bstr::BString;

use super::{Broken, ListEnd, Reader, explain, token};
use crate::{
    Span,
    syntax::{
        CommandSubstitution, ForeignExpansion, Operation, Parameter, ParameterExpansion, Part, PartKind, PatternEnd,
        Substitution, Word,
    },
};

/// Where the parts being read stand, which decides what is special and where they end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Where {
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

impl Where {
    /// Whether quotes lose their meaning and `\` keeps most of its own (POSIX 2.2.3).
    fn is_quoted(self) -> bool {
        matches!(self, Where::QuotedBraces | Where::DoubleQuotes | Where::HereDocument | Where::Arithmetic)
    }

    fn escapes(self, byte: u8) -> bool {
        match byte {
            b'$' | b'`' | b'\\' => true,
            b'"' => self != Where::HereDocument,
            b'}' => self == Where::QuotedBraces || !self.is_quoted(),
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

impl Parts {
    fn push_part(&mut self, part: Part) {
        // Most words have one part: do not take room for four.
        if self.done.is_empty() {
            self.done.reserve_exact(1);
        }
        self.done.push(part);
    }
}

/// Whether `byte` is literal in every [`Where`].
fn is_plain(byte: u8) -> bool {
    !matches!(byte, b'\\' | b'\'' | b'"' | b'$' | b'`' | b':' | b'}') && !token::ends_word(byte)
}

impl Reader<'_> {
    /// Reads a word up to the end that `place` asks for; it may be empty.
    pub(super) fn word(&mut self, place: Where) -> Result<Word, Broken> {
        let start = self.position;
        let parts = self.nested(|reader| reader.parts(place))?;
        Ok(Word { parts, span: self.span(start, self.position) })
    }

    fn parts(&mut self, place: Where) -> Result<Vec<Part>, Broken> {
        let mut parts = Parts { done: Vec::new(), literal: Vec::new(), literal_start: self.position };
        let mut parentheses = 0_usize;
        if self.peek() == Some(b'~') && matches!(place, Where::Word | Where::Value | Where::Braces) {
            self.tilde(&mut parts, place);
        }
        while let Some(byte) = self.peek() {
            if is_plain(byte) {
                self.plain_bytes(&mut parts);
                continue;
            }
            if self.ends(place, byte, parentheses) {
                break;
            }
            match byte {
                b'\\' => self.backslash(&mut parts, place)?,
                b'\'' if !place.is_quoted() => {
                    let part = self.single_quotes()?;
                    self.push(&mut parts, part);
                }
                b'"' if !matches!(place, Where::DoubleQuotes | Where::HereDocument | Where::Arithmetic) => {
                    let part = self.double_quotes()?;
                    self.push(&mut parts, part);
                }
                b'$' | b'`' if self.in_delimiter => self.delimiter_byte(&mut parts, place, byte),
                b'$' => self.dollar(&mut parts, place)?,
                b'`' => {
                    let part = self.backquotes(place)?;
                    self.push(&mut parts, part);
                }
                _ => {
                    if place == Where::Arithmetic {
                        match byte {
                            b'(' => parentheses += 1,
                            b')' => parentheses = parentheses.saturating_sub(1),
                            _ => {}
                        }
                    }
                    self.literal_byte(&mut parts, byte);
                    if byte == b':' && place == Where::Value {
                        self.tilde(&mut parts, place);
                    }
                }
            }
        }
        self.flush(&mut parts, self.position);
        parts.done.shrink_to_fit();
        Ok(parts.done)
    }

    /// Takes a byte that would begin an expansion, but not in the delimiter of a here-document. Refuses what shells do
    /// not agree on.
    fn delimiter_byte(&mut self, parts: &mut Parts, place: Where, byte: u8) {
        let start = self.position;
        self.literal_byte(parts, byte);
        match (byte, self.peek()) {
            (b'`', _) => {
                let line = self.text.get(self.position..self.line_end(self.position)).unwrap_or_default();
                self.position += line.iter().position(|byte| *byte == b'`').map_or(0, |closing| closing + 1);
            }
            (_, Some(b'(')) if place == Where::Word => self.skip_parentheses(start + 1),
            _ => return,
        }
        self.report(explain::expanded_delimiter(self.span(start, self.position)));
    }

    /// Takes the bytes from here that are literal everywhere; there is at least one.
    fn plain_bytes(&mut self, parts: &mut Parts) {
        if parts.literal.is_empty() {
            parts.literal_start = self.position;
        }
        let rest = self.rest();
        let length = rest.iter().position(|byte| !is_plain(*byte)).unwrap_or(rest.len());
        parts.literal.extend_from_slice(rest.get(..length).unwrap_or_default());
        self.position += length;
    }

    fn ends(&self, place: Where, byte: u8, parentheses: usize) -> bool {
        match place {
            Where::Word | Where::Value => token::ends_word(byte),
            Where::Braces | Where::QuotedBraces => byte == b'}',
            Where::DoubleQuotes => byte == b'"',
            Where::HereDocument => false,
            Where::Arithmetic => byte == b')' && parentheses == 0,
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
            parts.push_part(Part { kind: PartKind::Literal(text.into()), span });
        }
    }

    fn push(&mut self, parts: &mut Parts, part: Part) {
        if !parts.literal.is_empty() {
            let text = std::mem::take(&mut parts.literal);
            let start = self.span(parts.literal_start, parts.literal_start).start;
            parts.push_part(Part { kind: PartKind::Literal(text.into()), span: Span { start, end: part.span.start } });
        }
        parts.push_part(part);
    }

    fn tilde(&mut self, parts: &mut Parts, place: Where) {
        let start = self.position;
        if !self.in_delimiter
            && let Ok((rest, login)) = token::tilde(self.rest(), place == Where::Value)
        {
            let login = BString::from(login);
            self.advance_to(rest);
            let part = Part { kind: PartKind::Tilde(login), span: self.span(start, self.position) };
            self.push(parts, part);
        }
    }

    fn backslash(&mut self, parts: &mut Parts, place: Where) -> Result<(), Broken> {
        match self.peek_at(1) {
            Some(b'\n') => {
                if parts.literal.is_empty() {
                    parts.literal_start = self.position;
                }
                self.position += 2;
                if place == Where::Value && parts.literal.last() == Some(&b':') {
                    self.tilde(parts, place);
                }
            }
            Some(byte) if place.escapes(byte) => {
                let start = self.position;
                self.position += 2;
                let span = self.span(start, self.position);
                self.push(parts, Part { kind: PartKind::Escaped(BString::from([byte])), span });
            }
            // It counts for nothing.
            Some(byte @ (b'(' | b')')) if place == Where::Arithmetic => {
                self.literal_byte(parts, b'\\');
                self.literal_byte(parts, byte);
            }
            _ => self.literal_byte(parts, b'\\'),
        }
        Ok(())
    }

    fn single_quotes(&mut self) -> Result<Part, Broken> {
        let start = self.position;
        let body = self.rest().get(1..).unwrap_or_default();
        let Some(length) = body.iter().position(|byte| *byte == b'\'') else {
            return Err(self.unclosed(start, 1, "single-quote `'`", "close it with `'`".into()));
        };
        let text = BString::from(body.get(..length).unwrap_or_default());
        self.position += length + 2;
        Ok(Part { kind: PartKind::SingleQuoted(text), span: self.span(start, self.position) })
    }

    fn double_quotes(&mut self) -> Result<Part, Broken> {
        let start = self.position;
        self.position += 1;
        let parts = self.nested(|reader| reader.parts(Where::DoubleQuotes))?;
        if self.peek() != Some(b'"') {
            return Err(self.unclosed(start, 1, "double-quote `\"`", "close it with `\"`".into()));
        }
        self.position += 1;
        Ok(Part { kind: PartKind::DoubleQuoted(parts), span: self.span(start, self.position) })
    }

    /// Reads what `$` begins; a `$` that begins nothing is itself.
    fn dollar(&mut self, parts: &mut Parts, place: Where) -> Result<(), Broken> {
        let start = self.position;
        self.position += 1;
        self.continuations();
        let kind = match self.peek() {
            Some(b'{') => self.braced_parameter(start, place)?,
            Some(b'(') => {
                self.position += 1;
                self.continuations();
                if self.peek() == Some(b'(') { self.arithmetic(start)? } else { self.command_substitution(start)? }
            }
            _ => match self.parameter(false) {
                Some(parameter) => {
                    let expansion = ParameterExpansion { parameter, operation: Operation::Value, braced: false };
                    PartKind::Parameter(Box::new(expansion))
                }
                None => {
                    self.position = start;
                    self.literal_byte(parts, b'$');
                    return Ok(());
                }
            },
        };
        let part = Part { kind, span: self.span(start, self.position) };
        self.push(parts, part);
        Ok(())
    }

    /// The name here, if there is one; line continuations in it and behind it are left out.
    pub(super) fn name(&mut self) -> Option<String> {
        let (rest, name) = token::name(self.rest()).ok()?;
        let mut name = String::from_utf8_lossy(name).into_owned();
        self.advance_to(rest);
        while self.peek() == Some(b'\\') && self.peek_at(1) == Some(b'\n') {
            self.continuations();
            if let Ok((rest, more)) = token::name_bytes(self.rest()) {
                name.push_str(&String::from_utf8_lossy(more));
                self.advance_to(rest);
            }
        }
        Some(name)
    }

    /// The parameter here, if there is one; outside braces a positional parameter has one digit.
    fn parameter(&mut self, braced: bool) -> Option<Parameter> {
        if let Some(name) = self.name() {
            return Some(Parameter::Variable(name));
        }
        let rest = self.rest();
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

    /// Reads `${...}`; `start` is where its `$` stands.
    fn braced_parameter(&mut self, start: usize, place: Where) -> Result<PartKind, Broken> {
        self.position += 1;
        self.continuations();
        let length_of = self.is_length();
        if length_of {
            self.position += 1;
            self.continuations();
        }
        let Some(parameter) = self.parameter(true) else {
            return self.foreign_expansion(start, place);
        };
        self.continuations();
        let operation = if length_of { Some(Operation::Length) } else { self.operation(place)? };
        self.continuations();
        let Some(operation) = operation.filter(|_| matches!(self.peek(), Some(b'}') | None)) else {
            return self.foreign_expansion(start, place);
        };
        if self.peek().is_none() {
            return Err(self.unclosed(start, 2, "parameter expansion `${`", "close it with `}`".into()));
        }
        self.position += 1;
        Ok(PartKind::Parameter(Box::new(ParameterExpansion { parameter, operation, braced: true })))
    }

    /// Whether the next byte is a `#` that asks for a length: a parameter and `}` follow it.
    fn is_length(&mut self) -> bool {
        let start = self.position;
        if self.peek() != Some(b'#') {
            return false;
        }
        self.position += 1;
        self.continuations();
        let has_parameter = self.peek() != Some(b'}') && self.parameter(true).is_some();
        self.continuations();
        let is_length = has_parameter && self.peek() == Some(b'}');
        self.position = start;
        is_length
    }

    /// Reads what is done with the parameter, up to the `}`; `None` for what POSIX does not know.
    fn operation(&mut self, place: Where) -> Result<Option<Operation>, Broken> {
        let start = self.position;
        let or_empty = self.peek() == Some(b':');
        if or_empty {
            self.position += 1;
            self.continuations();
        }
        let when = match self.peek() {
            Some(b'-') => Substitution::Default,
            Some(b'=') => Substitution::Assign,
            Some(b'?') => Substitution::Error,
            Some(b'+') => Substitution::Alternative,
            Some(byte @ (b'%' | b'#')) if !or_empty => {
                self.position += 1;
                self.continuations();
                let largest = self.peek() == Some(byte);
                self.position += usize::from(largest);
                // Quotes in the pattern count whatever stands around the expansion (POSIX 2.6.2).
                let pattern = self.word(Where::Braces)?;
                let end = if byte == b'%' { PatternEnd::Suffix } else { PatternEnd::Prefix };
                return Ok(Some(Operation::Remove { end, largest, pattern }));
            }
            Some(b'}') | None if !or_empty => return Ok(Some(Operation::Value)),
            _ => {
                self.position = start;
                return Ok(None);
            }
        };
        self.position += 1;
        let word = self.word(if place.is_quoted() { Where::QuotedBraces } else { Where::Braces })?;
        Ok(Some(Operation::Substitute { when, or_empty, word }))
    }

    /// Reads the rest of a `${...}` that POSIX does not know, up to its `}`.
    fn foreign_expansion(&mut self, start: usize, place: Where) -> Result<PartKind, Broken> {
        // Shells take a byte for the operator, whatever it is, also behind `:`.
        self.position += match self.rest() {
            [b':', _, ..] => 2,
            [b'}', ..] | [] => 0,
            _ => 1,
        };
        let word = self.word(if place.is_quoted() { Where::QuotedBraces } else { Where::Braces })?;
        if self.peek() != Some(b'}') {
            return Err(self.unclosed(start, 2, "parameter expansion `${`", "close it with `}`".into()));
        }
        self.position += 1;
        let text = self.text.get(start..self.position).unwrap_or_default().into();
        Ok(PartKind::Foreign(Box::new(ForeignExpansion { text, word })))
    }

    /// Reads `$((...))` from its second `(`.
    fn arithmetic(&mut self, start: usize) -> Result<PartKind, Broken> {
        self.position += 1;
        let parts = self.nested(|reader| reader.parts(Where::Arithmetic))?;
        let Ok((rest, _)) = token::arithmetic_end(self.rest()) else {
            let help = match self.peek() {
                Some(_) => "close it with `))`; for a subshell in a command substitution, put a space: `$( (`",
                None => "close it with `))`",
            };
            return Err(self.unclosed(start, 3, "arithmetic expansion `$((`", help.into()));
        };
        self.advance_to(rest);
        Ok(PartKind::Arithmetic(parts))
    }

    /// Reads `$(...)` from behind its `(`.
    fn command_substitution(&mut self, start: usize) -> Result<PartKind, Broken> {
        // A newline inside does not begin the here-documents of the line around, nor one outside those inside.
        let outer = std::mem::take(&mut self.pending);
        let list = self.nested(|reader| reader.list(ListEnd::Paren));
        self.no_more_here_documents();
        self.pending = outer;
        let list = list?;
        if self.peek() != Some(b')') {
            return Err(self.unclosed(start, 2, "command substitution `$(`", "close it with `)`".into()));
        }
        self.position += 1;
        Ok(PartKind::CommandSubstitution(Box::new(CommandSubstitution { list, backquoted: false })))
    }

    /// Reads `` `...` ``: the text between is unescaped first (POSIX 2.6.3), then read by a reader of its own.
    fn backquotes(&mut self, place: Where) -> Result<Part, Broken> {
        let start = self.position;
        let mut text = Vec::new();
        let mut offsets = Vec::new();
        let mut at = start + 1;
        loop {
            let escaped = match self.text.get(at) {
                None => {
                    let help = "close it with `` ` ``, or write `$(...)`".to_owned();
                    return Err(self.unclosed(start, 1, "backquote `` ` ``", help));
                }
                Some(b'`') => break,
                Some(b'\\') => match self.text.get(at + 1) {
                    Some(b'$' | b'`' | b'\\') => true,
                    Some(b'"') => place.is_quoted(),
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
}
