//! Simple commands, function names, redirections and the bodies of here-documents.

use std::sync::{Arc, OnceLock};

use super::{
    Broken, Pending, Reader, explain,
    lexeme::LexemeKind,
    open::{CompleteCommand, Expect},
    token::{self, Control},
    word::Where,
};
use crate::{
    Span,
    language::{builtins, is_name, reserved::Reserved},
    syntax::{
        Assignment, CompoundCommand, HereDocument, Part, PartKind, Redirection, RedirectionOperator, SimpleCommand,
        Word,
    },
};

/// Whether a function can have this name: it is none of the special built-ins (POSIX 2.14), nor `local`, which dash takes
/// for one.
fn can_name_function(name: &str) -> bool {
    is_name(name.as_bytes()) && !builtins::is_special(name.as_bytes()) && name != "local"
}

impl Reader<'_> {
    /// Whether a redirection begins here.
    pub(super) fn at_redirection(&self) -> bool {
        match self.peek() {
            Some(b'<' | b'>') => true,
            Some(byte) if byte.is_ascii_digit() => token::redirection(self.rest()).is_ok(),
            _ => false,
        }
    }

    pub(super) fn simple_command(&mut self, command: &mut CompleteCommand) -> Result<(), Broken> {
        let start = self.position;
        let mut end = start;
        let mut simple = SimpleCommand {
            assignments: Vec::new(),
            words: Vec::new(),
            redirections: Vec::new(),
            span: Span::default(),
        };
        loop {
            self.blanks_and_comment();
            let at = self.position;
            let Some(byte) = self.peek() else { break };
            if self.at_redirection() {
                simple.redirections.push(self.redirection()?);
            } else if byte == b'(' {
                if self.parenthesis(command, &simple) {
                    return Ok(());
                }
            } else if token::ends_word(byte) {
                break;
            } else if simple.words.is_empty()
                && let Some(name) = self.assignment_name()
            {
                let value = self.word(Where::Value)?;
                simple.assignments.push(Assignment { name, value, span: self.span(at, self.position) });
            } else {
                simple.words.push(self.word(Where::Word)?);
                if byte == b'{' && self.is_foreign_function(&simple) {
                    self.position = at;
                    command.expect = Expect::FunctionBody;
                    return Ok(());
                }
            }
            end = self.position;
        }
        simple.span = self.span(start, end);
        simple.words.shrink_to_fit();
        command.note_swallowed(simple.words.get(1..).unwrap_or_default());
        let span = simple.span;
        let lexeme = command.items.simple_command(simple);
        command.push(lexeme, span, Expect::Operator);
        Ok(())
    }

    /// Whether these are the words `function name {`, which is reported.
    fn is_foreign_function(&mut self, simple: &SimpleCommand) -> bool {
        let words: Vec<_> = simple.words.iter().map(Word::unquoted).collect();
        let [Some("function"), Some(name), Some("{")] = words[..] else { return false };
        self.report(explain::function_word(name, simple));
        true
    }

    /// `(` behind the words of a simple command: a function definition, or something that sh does not have.
    /// Gives whether the body of a function must follow.
    fn parenthesis(&mut self, command: &mut CompleteCommand, simple: &SimpleCommand) -> bool {
        let start = self.position;
        let only_words = simple.assignments.is_empty() && simple.redirections.is_empty();
        let only_word = simple.words.first().filter(|_| only_words && simple.words.len() == 1);
        self.position += 1;
        self.blanks();
        if let Some(word) = only_word.filter(|_| self.peek() == Some(b')')) {
            self.position += 1;
            let parentheses = self.span(start, self.position);
            let name = word.unquoted().filter(|name| can_name_function(name));
            if name.is_none() {
                self.report(explain::function_name(word));
            }
            let name = command.items.name(name.unwrap_or_default().to_owned(), word.span);
            command.push(name, word.span, Expect::FunctionBody);
            command.push(LexemeKind::Control(Control::ParenOpen), parentheses, Expect::FunctionBody);
            command.push(LexemeKind::Control(Control::ParenClose), parentheses, Expect::FunctionBody);
            return true;
        }
        let is_empty = self.peek() == Some(b')');
        self.skip_parentheses(start);
        self.blanks();
        let body_follows = only_words && self.peek() == Some(b'{');
        self.report(explain::parenthesis(simple, self.span(start, start + 1), body_follows, is_empty));
        if body_follows {
            command.expect = Expect::FunctionBody;
        }
        body_follows
    }

    /// Goes behind the `)` that belongs to the `(` at `start`, or behind the line if there is none.
    pub(super) fn skip_parentheses(&mut self, start: usize) {
        self.position = start + 1;
        if self.silently(Self::up_to_closing_parenthesis).is_err() {
            self.position = self.behind_unclosed(start);
        }
    }

    fn up_to_closing_parenthesis(&mut self) -> Result<(), Broken> {
        let mut open = 1_usize;
        while open > 0 {
            self.blanks_and_comment();
            match self.peek() {
                None => return Err(Broken(self.text.len())),
                Some(byte) if token::ends_word(byte) => {
                    open = open + usize::from(byte == b'(') - usize::from(byte == b')');
                    self.position += 1;
                }
                Some(_) => drop(self.word(Where::Word)?),
            }
        }
        Ok(())
    }

    /// Reads what is neither a compound command nor a newline where a function's body must stand.
    pub(super) fn function_body(&mut self, command: &mut CompleteCommand) -> Result<(), Broken> {
        use Reserved::{BraceOpen, Case, For, If, Until, While};
        match self.reserved_word() {
            Some((BraceOpen | If | While | Until | For | Case, _)) => {
                command.expect = Expect::Command;
                self.word_in_command(command)
            }
            Some((Reserved::Bang, _)) | None => {
                let start = self.position;
                if self.at_redirection() {
                    let redirection = self.redirection()?;
                    self.report(explain::function_body(redirection.span, true));
                    return Ok(());
                }
                self.skip_words()?;
                self.report(explain::function_body(self.span(start, self.position), false));
                command.expect = Expect::Operator;
                if self.peek() == Some(b'(') {
                    self.skip_parentheses(self.position);
                    command.expect = Expect::FunctionBody;
                }
                Ok(())
            }
            Some((word, end)) => self.reserved(command, word, end),
        }
    }

    /// The name and the `=` of an assignment, if one begins here.
    fn assignment_name(&mut self) -> Option<String> {
        let start = self.position;
        let (rest, name) = token::name(self.rest()).ok()?;
        match rest.first() {
            Some(b'=') => {
                self.advance_to(rest);
                self.position += 1;
                Some(String::from_utf8_lossy(name).into_owned())
            }
            Some(b'\\') => {
                let name = self.name();
                if self.peek() == Some(b'=') {
                    self.position += 1;
                    return name;
                }
                self.position = start;
                None
            }
            _ => None,
        }
    }

    pub(super) fn redirection(&mut self) -> Result<Redirection, Broken> {
        let start = self.position;
        let Ok((rest, (descriptor, operator))) = token::redirection(self.rest()) else {
            return Err(Broken(start + 1));
        };
        let descriptor = descriptor.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
        self.advance_to(rest);
        let operator_span = self.span(start, self.position);
        self.blanks();
        let is_word = self.peek().is_some_and(|byte| byte != b'#') && !self.at_redirection();
        let strip_tabs = operator == RedirectionOperator::HereDocumentStripTabs;
        let is_here_document = strip_tabs || operator == RedirectionOperator::HereDocument;
        let outer = std::mem::replace(&mut self.in_delimiter, is_here_document);
        let target = if is_word { self.word(Where::Word) } else { Ok(Word::default()) };
        self.in_delimiter = outer;
        let target = target?;
        if target.parts.is_empty() {
            self.no_target(operator, operator_span);
        }
        let has_body = is_here_document && !target.parts.is_empty();
        let here_document = has_body.then(|| self.here_document(&target, strip_tabs)).flatten();
        Ok(Redirection { descriptor, operator, target, here_document, span: self.span(start, self.position) })
    }

    /// Begins a here-document: where its body will be, when the line ends.
    fn here_document(&mut self, target: &Word, strip_tabs: bool) -> Option<Arc<OnceLock<HereDocument>>> {
        let delimiter = target.literal()?;
        if delimiter.contains(&b'\n') {
            self.report(explain::delimiter_of_lines(target.span));
            return None;
        }
        let body = Arc::new(OnceLock::new());
        self.pending.push(Pending { body: Arc::clone(&body), delimiter, quoted: target.is_quoted(), strip_tabs });
        Some(body)
    }

    /// Reports a redirection with no word behind its operator, and goes behind what stands there instead.
    fn no_target(&mut self, operator: RedirectionOperator, span: Span) {
        self.report(explain::no_target(operator, span, self.rest()));
        if matches!(self.peek(), Some(b'<' | b'>')) && self.peek_at(1) == Some(b'(') {
            self.position += 1;
        }
        match self.peek() {
            Some(b'(') => self.skip_parentheses(self.position),
            Some(b'<') if operator == RedirectionOperator::HereDocument => {
                self.position += 1;
                self.blanks();
                // It is skipped: its errors do not count.
                let _ = self.silently(|reader| reader.word(Where::Word));
            }
            _ => {}
        }
    }

    /// Reads the bodies of the here-documents whose operators stood before this newline.
    pub(super) fn here_documents(&mut self) {
        for pending in std::mem::take(&mut self.pending) {
            let start = self.position;
            let (body_end, text) = self.here_document_lines(&pending);
            let end = self.position;
            let body = if pending.quoted {
                let span = self.span(start, body_end);
                let part = (!text.is_empty()).then(|| Part { kind: PartKind::Literal(text.into()), span });
                Word { parts: part.into_iter().collect(), span }
            } else {
                // What is wrong inside was reported, and cannot reach further than the body.
                let word = self.here_document_word(start, body_end, pending.strip_tabs);
                word.unwrap_or_else(|_| Word { parts: Vec::new(), span: self.span(start, start) })
            };
            self.position = end;
            let span = self.span(start, end);
            self.documents.push(span);
            let document = HereDocument { body, quoted: pending.quoted, delimiter: pending.delimiter, span };
            // The cell is new and only this reader fills it.
            let _ = pending.body.set(document);
        }
    }

    /// Ends a command substitution: here-documents whose newline did not come are empty.
    pub(super) fn no_more_here_documents(&mut self) {
        let span = self.span(self.position, self.position);
        for Pending { body, delimiter, quoted, .. } in self.pending.drain(..) {
            let document = HereDocument { body: Word { parts: Vec::new(), span }, quoted, delimiter, span };
            // The cell is new and only this reader fills it.
            let _ = body.set(document);
        }
    }

    /// Goes behind the line that holds the delimiter, or to the end of the text; gives where the body ends, and its
    /// text if nothing in it is expanded.
    fn here_document_lines(&mut self, pending: &Pending) -> (usize, Vec<u8>) {
        let mut text = Vec::new();
        let mut continued = false;
        while self.position < self.text.len() {
            let start = self.position;
            let end = self.line_end(start);
            let mut line = self.text.get(start..end).unwrap_or_default();
            if pending.strip_tabs {
                line = line.get(line.iter().take_while(|byte| **byte == b'\t').count()..).unwrap_or_default();
            }
            self.position = (end + 1).min(self.text.len());
            if !continued && line == pending.delimiter.as_slice() {
                return (start, text);
            }
            // Without quotes, `\` joins a line to the next one, which then cannot be the delimiter, unless nothing but
            // that `\` stands before it.
            let backslashes = line.iter().rev().take_while(|byte| **byte == b'\\').count();
            continued = !pending.quoted && backslashes % 2 == 1 && (continued || line != b"\\");
            if pending.quoted {
                text.extend_from_slice(line);
                text.extend((end < self.text.len()).then_some(b'\n'));
            }
        }
        (self.text.len(), text)
    }

    /// Reads the body between `start` and `end` as parts.
    fn here_document_word(&mut self, start: usize, end: usize, strip_tabs: bool) -> Result<Word, Broken> {
        let whole = self.text;
        self.text = whole.get(..end).unwrap_or(whole);
        self.position = start;
        let word = self.word(Where::HereDocument);
        self.text = whole;
        let mut word = word?;
        if strip_tabs {
            strip_leading_tabs(&mut word.parts);
        }
        Ok(word)
    }
}

/// Takes the tabs at the beginning of each line out of a here-document's literal parts (POSIX 2.7.4, `<<-`).
fn strip_leading_tabs(parts: &mut [Part]) {
    let mut at_line_start = true;
    for part in parts {
        let PartKind::Literal(text) = &mut part.kind else {
            at_line_start = false;
            continue;
        };
        let mut kept = Vec::with_capacity(text.len());
        for byte in text.iter().copied() {
            if !(at_line_start && byte == b'\t') {
                kept.push(byte);
                at_line_start = byte == b'\n';
            }
        }
        *text = kept.into();
    }
}

impl Redirection {
    /// The here-document of `<<` and `<<-`.
    pub fn here_document(&self) -> Option<&HereDocument> {
        self.here_document.as_ref()?.get()
    }
}

impl CompoundCommand {
    /// The here-documents of its own redirections.
    pub fn here_documents(&self) -> impl Iterator<Item = &HereDocument> {
        self.redirections.iter().filter_map(Redirection::here_document)
    }
}
