//! Text to syntax tree: the reader finds tokens, words and matching delimiters; the grammar puts commands together.
//!
//! The work is shared. The reader below walks the bytes once. It knows where a command may begin, so it can
//! tell reserved words from arguments, it reads whole simple commands, and it keeps the stack of open delimiters.
//! What it found in one complete command goes as a row of [`Lexeme`]s to `grammar`, which builds the tree.

use std::sync::{Arc, OnceLock};

use bstr::BString;

use crate::{
    Diagnostic, Source, Span,
    syntax::{
        Assignment, CompoundCommand, HereDocument, List, Part, PartKind, Redirection, RedirectionOperator, Script,
        SimpleCommand, Word,
    },
    token::{self, Control},
};

mod explain;
mod grammar;
mod lexeme;
mod word;

use lexeme::{Items, Lexeme, LexemeKind};
use word::Place;

/// How deeply commands, words and substitutions may nest; deeper input is refused.
pub const NESTING_LIMIT: usize = 200;

/// How many errors are collected before reading stops.
const ERROR_LIMIT: usize = 50;

/// What became of a text: the commands that could be read, and every syntax error in it.
#[derive(Clone, Debug)]
pub struct Parsed {
    /// The script; where there are errors, only the complete commands without any.
    pub script: Script,
    /// The syntax errors, in the order of their places; empty for a valid script.
    pub errors: Vec<Diagnostic>,
}

/// Reads a script (POSIX 2.10, Shell Grammar). Reading goes on after an error at the next complete command,
/// so that one call finds the errors of the whole text. Time and memory are linear in the text's length.
pub fn parse(source: impl Into<Arc<Source>>) -> Parsed {
    let source = source.into();
    let mut reader = Reader::new(source.text(), Offsets::Same);
    let list = reader.script();
    let mut errors = reader.errors;
    errors.sort_by_key(|error| error.primary.span);
    errors.dedup_by(|a, b| a.primary.span == b.primary.span && a.message == b.message);
    Parsed { script: Script { source, list }, errors }
}

/// An error was recorded; reading goes on at [`Reader::resume`].
struct Broken;

/// Where a list ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// At the end of the text.
    Text,
    /// At the `)` of the command substitution it stands in.
    Paren,
}

/// How offsets in the text being read become offsets in the source.
#[derive(Clone, Copy)]
enum Offsets<'t> {
    Same,
    /// One for each byte and one for the end: the text of backquotes had some `\` taken out.
    Table(&'t [u32]),
}

/// What may come next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expect {
    /// A command; reserved words count.
    Command,
    /// The compound command that is a function's body.
    FunctionBody,
    /// What may follow a simple command: an operator.
    Operator,
    /// The same, or a redirection, or a reserved word: a compound command has just ended.
    AfterCompound,
    ForName,
    /// `in`, `do`, `;` or a newline.
    ForIn,
    ForWords,
    CaseSubject,
    CaseIn,
    /// A pattern, `(` before it, or `esac`.
    CasePattern,
    /// `|` or `)` behind a pattern.
    AfterPattern,
}

/// Something that must be closed.
struct Opener {
    /// What opened it: `if`, `while`, `until`, `for`, `case`, `{` or `(`.
    word: &'static str,
    span: Span,
}

impl Opener {
    fn closed_by(&self) -> &'static str {
        match self.word {
            "{" => "}",
            "(" => ")",
            "if" => "fi",
            "case" => "esac",
            _ => "done",
        }
    }
}

/// A here-document whose body has not been reached yet.
struct Pending {
    body: Arc<OnceLock<HereDocument>>,
    delimiter: BString,
    quoted: bool,
    strip_tabs: bool,
}

struct Reader<'t> {
    text: &'t [u8],
    offsets: Offsets<'t>,
    position: usize,
    depth: usize,
    pending: Vec<Pending>,
    errors: Vec<Diagnostic>,
    /// Where to go on after the last error.
    resume: usize,
    /// Nesting was too deep, or there were too many errors: nothing more is read.
    stopped: bool,
}

impl<'t> Reader<'t> {
    fn new(text: &'t [u8], offsets: Offsets<'t>) -> Reader<'t> {
        Reader {
            text,
            offsets,
            position: 0,
            depth: 0,
            pending: Vec::new(),
            errors: Vec::new(),
            resume: 0,
            stopped: false,
        }
    }

    fn rest(&self) -> &'t [u8] {
        self.text.get(self.position..).unwrap_or_default()
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.position).copied()
    }

    fn peek_at(&self, ahead: usize) -> Option<u8> {
        self.text.get(self.position + ahead).copied()
    }

    fn advance_to(&mut self, rest: &[u8]) {
        self.position = self.text.len() - rest.len();
    }

    fn offset(&self, position: usize) -> u32 {
        match self.offsets {
            Offsets::Same => u32::try_from(position).unwrap_or(u32::MAX),
            Offsets::Table(table) => table.get(position).or(table.last()).copied().unwrap_or(0),
        }
    }

    fn span(&self, start: usize, end: usize) -> Span {
        let (start, mut end) = (self.offset(start), self.offset(end));
        end = end.max(start);
        Span { start, end }
    }

    fn line_end(&self, from: usize) -> usize {
        let rest = self.text.get(from..).unwrap_or_default();
        rest.iter().position(|byte| *byte == b'\n').map_or(self.text.len(), |at| from + at)
    }

    /// Runs `read` one level deeper, unless that is too deep.
    fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, Broken>) -> Result<T, Broken> {
        self.deeper()?;
        let result = read(self);
        self.depth -= 1;
        result
    }

    fn deeper(&mut self) -> Result<(), Broken> {
        if self.depth < NESTING_LIMIT {
            self.depth += 1;
            return Ok(());
        }
        let here = self.span(self.position, (self.position + 1).min(self.text.len()));
        let message = format!("nested more than {NESTING_LIMIT} levels deep");
        self.errors.push(Diagnostic::syntax_error(here, message).help("move the inner commands into a function"));
        self.stopped = true;
        self.resume = self.text.len();
        Err(Broken)
    }

    /// Reads `text`, the unescaped inside of backquotes, as a list.
    fn inside(&mut self, text: &[u8], offsets: &[u32]) -> Result<List, Broken> {
        let mut inner = Reader::new(text, Offsets::Table(offsets));
        inner.depth = self.depth;
        inner.errors = std::mem::take(&mut self.errors);
        let list = inner.list(End::Text);
        self.errors = inner.errors;
        self.stopped = inner.stopped;
        if list.is_err() {
            self.resume = self.line_end(self.position);
        }
        list
    }

    /// Reads the whole text, going on after errors.
    fn script(&mut self) -> List {
        let mut items = Vec::new();
        if let Some(at) = self.text.iter().position(|byte| *byte == 0) {
            let error = Diagnostic::syntax_error(self.span(at, at + 1), "the script contains a NUL byte")
                .help("a shell script is text: remove the byte, or check that this is the right file");
            self.errors.push(error);
        }
        loop {
            match self.list_onto(End::Text, &mut items) {
                Ok(()) => return List { items },
                Err(Broken) if self.stopped || self.errors.len() >= ERROR_LIMIT => return List { items },
                Err(Broken) => {
                    self.depth = 0;
                    self.pending.clear();
                    self.position = self.resume.min(self.text.len());
                }
            }
        }
    }

    /// Reads and-or lists up to `end`, which is not consumed.
    fn list(&mut self, end: End) -> Result<List, Broken> {
        let mut items = Vec::new();
        self.list_onto(end, &mut items)?;
        Ok(List { items })
    }

    fn list_onto(&mut self, end: End, items: &mut Vec<crate::syntax::ListItem>) -> Result<(), Broken> {
        let depth = self.depth;
        loop {
            let mut command = CompleteCommand::default();
            let ended = self.complete_command(end, &mut command);
            self.depth = depth;
            let ended = ended?;
            if !command.lexemes.is_empty() {
                match grammar::parse(&command.lexemes, command.items) {
                    Ok(list) => items.extend(list),
                    Err(errors) => self.errors.extend(errors),
                }
            }
            if ended {
                return Ok(());
            }
        }
    }

    /// Gathers the lexemes of one complete command: up to a newline outside all delimiters. True at `end`.
    fn complete_command(&mut self, end: End, command: &mut CompleteCommand) -> Result<bool, Broken> {
        loop {
            self.blanks();
            let start = self.position;
            let Some(byte) = self.peek() else {
                self.here_documents()?;
                return self.text_ended(command).map(|()| true);
            };
            if byte == b'\n' {
                self.position += 1;
                self.here_documents()?;
                if command.is_complete() {
                    return Ok(false);
                }
                command.newline(self.span(start, start + 1));
                continue;
            }
            if let Ok((rest, control)) = token::control(self.rest()) {
                if control == Control::ParenClose && end == End::Paren && command.closes_substitution() {
                    return Ok(true);
                }
                self.advance_to(rest);
                self.control(control, self.span(start, self.position), command)?;
                continue;
            }
            match command.expect {
                Expect::Command | Expect::FunctionBody => self.command(command)?,
                Expect::AfterCompound => self.after_compound(command)?,
                _ => self.word_in_compound(command)?,
            }
        }
    }

    /// Skips blanks, line continuations and a comment.
    fn blanks(&mut self) {
        if let Ok((rest, _)) = token::blanks(self.rest()) {
            self.advance_to(rest);
        }
        if let Ok((rest, _)) = token::comment(self.rest()) {
            self.advance_to(rest);
        }
    }

    fn text_ended(&mut self, command: &mut CompleteCommand) -> Result<(), Broken> {
        let Some(opener) = command.openers.last() else { return Ok(()) };
        let end = self.span(self.text.len(), self.text.len());
        let close = opener.closed_by();
        let error = Diagnostic::syntax_error(opener.span, format!("unclosed `{}`", opener.word))
            .label("opened here")
            .related(end, "the text ends here")
            .help(format!("close it with `{close}`"));
        self.errors.push(error);
        // Go on behind the line of the outermost opener: its contents are commands too.
        let outermost = command.openers.first().map_or(0, |opener| opener.span.start as usize);
        self.resume = match self.offsets {
            Offsets::Same => self.line_end(outermost),
            Offsets::Table(_) => self.text.len(),
        };
        Err(Broken)
    }

    fn control(&mut self, control: Control, span: Span, command: &mut CompleteCommand) -> Result<(), Broken> {
        use Control::*;
        let (kind, next) = match (control, command.expect) {
            (ParenOpen, Expect::CasePattern) => (LexemeKind::Control(ParenOpen), Expect::CasePattern),
            (ParenOpen, Expect::Command | Expect::FunctionBody) => {
                self.open(command, "(", span)?;
                (LexemeKind::Control(ParenOpen), Expect::Command)
            }
            (ParenClose, Expect::AfterPattern | Expect::CasePattern) => {
                (LexemeKind::Control(ParenClose), Expect::Command)
            }
            (ParenClose, _) => return self.close(command, ")", span),
            (Pipe, Expect::AfterPattern) => (LexemeKind::Control(Pipe), Expect::CasePattern),
            (DoubleSemicolon, _) if command.openers.last().is_some_and(|opener| opener.word == "case") => {
                (LexemeKind::Control(DoubleSemicolon), Expect::CasePattern)
            }
            _ => (LexemeKind::Control(control), Expect::Command),
        };
        command.push(kind, span, next);
        Ok(())
    }

    /// Reads what may begin where a command may: a reserved word, a function definition or a simple command.
    fn command(&mut self, command: &mut CompleteCommand) -> Result<(), Broken> {
        let start = self.position;
        if let Some(word) = self.reserved_word() {
            self.position += word.len();
            return self.reserved(command, word, self.span(start, self.position));
        }
        if command.expect == Expect::FunctionBody {
            let span = self.span(start, start + 1);
            self.errors.push(
                Diagnostic::syntax_error(span, "the body of a function is a compound command")
                    .help("put it in braces: `name() { command; }`"),
            );
            self.resume = self.line_end(start);
            return Err(Broken);
        }
        self.simple_command(command)
    }

    /// The reserved word that is the whole next word, if it is one.
    fn reserved_word(&self) -> Option<&'static str> {
        let rest = self.rest();
        let length = rest.iter().position(|byte| token::ends_word(*byte)).unwrap_or(rest.len());
        let word = rest.get(..length)?;
        let reserved = token::RESERVED.into_iter().find(|reserved| reserved.as_bytes() == word);
        reserved.filter(|word| *word != "in")
    }

    fn reserved(&mut self, command: &mut CompleteCommand, word: &'static str, span: Span) -> Result<(), Broken> {
        let next = match word {
            "{" | "if" | "while" | "until" => {
                self.open(command, word, span)?;
                Expect::Command
            }
            "for" => {
                self.open(command, word, span)?;
                Expect::ForName
            }
            "case" => {
                self.open(command, word, span)?;
                Expect::CaseSubject
            }
            "}" | "fi" | "done" | "esac" => return self.close(command, word, span),
            _ => Expect::Command,
        };
        command.push(LexemeKind::Reserved(word), span, next);
        Ok(())
    }

    fn open(&mut self, command: &mut CompleteCommand, word: &'static str, span: Span) -> Result<(), Broken> {
        self.deeper()?;
        command.openers.push(Opener { word, span });
        Ok(())
    }

    fn close(&mut self, command: &mut CompleteCommand, word: &'static str, span: Span) -> Result<(), Broken> {
        let Some(opener) = command.openers.last() else {
            self.errors.push(explain::stray(word, span));
            self.resume = self.position;
            return Err(Broken);
        };
        if opener.closed_by() != word {
            let missing = opener.closed_by();
            let error = Diagnostic::syntax_error(span, format!("`{word}` where `{missing}` is missing"))
                .related(opener.span, format!("this `{}` is still open", opener.word))
                .help(format!("close it with `{missing}` before this"));
            self.errors.push(error);
            self.resume = self.position;
            return Err(Broken);
        }
        let start = opener.span;
        command.openers.pop();
        self.depth -= 1;
        let kind = if word == ")" { LexemeKind::Control(Control::ParenClose) } else { LexemeKind::Reserved(word) };
        command.push(kind, span, Expect::AfterCompound);
        let compound = command.items.compound(start.to(span));
        command.push(compound, span, Expect::AfterCompound);
        Ok(())
    }

    /// Behind a compound command: its redirections, or a reserved word that goes on with the one around it.
    fn after_compound(&mut self, command: &mut CompleteCommand) -> Result<(), Broken> {
        let start = self.position;
        if token::redirection(self.rest()).is_ok() {
            let redirection = self.redirection()?;
            let span = redirection.span;
            let lexeme = command.items.redirection(redirection);
            command.push(lexeme, span, Expect::AfterCompound);
            return Ok(());
        }
        match self.reserved_word() {
            Some(word @ ("}" | "fi" | "done" | "esac" | "then" | "else" | "elif" | "do")) => {
                self.position += word.len();
                self.reserved(command, word, self.span(start, self.position))
            }
            _ => {
                let word = self.word(Place::Word)?;
                let after = self.text_before(start);
                let error = Diagnostic::syntax_error(word.span, format!("unexpected word after {after}"))
                    .help("put `;`, a newline or `&&` between two commands");
                self.errors.push(error);
                self.resume = self.line_end(start);
                Err(Broken)
            }
        }
    }

    /// The last word before `position`, in backticks, for a message.
    fn text_before(&self, position: usize) -> String {
        let before = self.text.get(..position).unwrap_or_default();
        let trimmed = before.trim_ascii_end();
        let start = trimmed.iter().rposition(|byte| token::ends_word(*byte) && *byte != b')').map_or(0, |at| at + 1);
        format!("`{}`", String::from_utf8_lossy(trimmed.get(start..).unwrap_or_default()))
    }

    /// Reads a word that belongs to `for` or `case` itself.
    fn word_in_compound(&mut self, command: &mut CompleteCommand) -> Result<(), Broken> {
        let start = self.position;
        if token::redirection(self.rest()).is_ok() {
            let redirection = self.redirection()?;
            command.push(LexemeKind::Misplaced, redirection.span, command.expect);
            return Ok(());
        }
        let at_item = command.lexemes.last().is_none_or(|last| last.kind != LexemeKind::Control(Control::ParenOpen));
        if command.expect == Expect::CasePattern && at_item && self.reserved_word() == Some("esac") {
            self.position += "esac".len();
            return self.close(command, "esac", self.span(start, self.position));
        }
        if command.expect == Expect::ForIn && self.reserved_word() == Some("do") {
            self.position += "do".len();
            return self.reserved(command, "do", self.span(start, self.position));
        }
        let word = self.word(Place::Word)?;
        let span = word.span;
        let is_in = word.unquoted() == Some("in");
        let (kind, next) = match command.expect {
            Expect::ForIn if is_in => (LexemeKind::Reserved("in"), Expect::ForWords),
            Expect::CaseIn if is_in => (LexemeKind::Reserved("in"), Expect::CasePattern),
            Expect::ForName => match word.unquoted().filter(|name| is_name(name)) {
                Some(name) => (command.items.name(name.to_owned(), span), Expect::ForIn),
                None => (LexemeKind::Misplaced, Expect::ForIn),
            },
            Expect::CaseSubject => (command.items.word(word), Expect::CaseIn),
            Expect::CasePattern => (command.items.word(word), Expect::AfterPattern),
            Expect::ForWords => (command.items.word(word), Expect::ForWords),
            other => (LexemeKind::Misplaced, other),
        };
        command.push(kind, span, next);
        Ok(())
    }

    fn simple_command(&mut self, command: &mut CompleteCommand) -> Result<(), Broken> {
        let start = self.position;
        let mut simple = SimpleCommand {
            assignments: Vec::new(),
            words: Vec::new(),
            redirections: Vec::new(),
            span: Span::default(),
        };
        let mut end = start;
        loop {
            self.blanks();
            let Some(byte) = self.peek() else { break };
            if token::redirection(self.rest()).is_ok() {
                simple.redirections.push(self.redirection()?);
            } else if byte == b'(' {
                return self.parenthesis_in_command(command, &simple);
            } else if token::ends_word(byte) {
                break;
            } else if simple.words.is_empty() && token::assignment(self.rest()).is_ok() {
                simple.assignments.push(self.assignment()?);
            } else {
                simple.words.push(self.word(Place::Word)?);
            }
            end = self.position;
        }
        simple.span = self.span(start, end);
        let span = simple.span;
        let lexeme = command.items.simple_command(simple);
        command.push(lexeme, span, Expect::Operator);
        Ok(())
    }

    /// `(` behind the words of a simple command: a function definition, or something that sh does not have.
    fn parenthesis_in_command(&mut self, command: &mut CompleteCommand, simple: &SimpleCommand) -> Result<(), Broken> {
        let start = self.position;
        let alone = simple.assignments.is_empty() && simple.redirections.is_empty() && simple.words.len() == 1;
        let name = simple.words.first().filter(|_| alone).and_then(Word::unquoted).filter(|name| is_name(name));
        let after = self.rest().get(1..).unwrap_or_default();
        let after = token::blanks(after).map_or(after, |(rest, _)| rest);
        if let (Some(name), Some(b')')) = (name, after.first()) {
            let span = simple.words.first().map_or_else(Span::default, |word| word.span);
            let name = command.items.name(name.to_owned(), span);
            command.push(name, span, Expect::FunctionBody);
            self.advance_to(after);
            self.position += 1;
            let parentheses = self.span(start, self.position);
            command.push(LexemeKind::Control(Control::ParenOpen), parentheses, Expect::FunctionBody);
            command.push(LexemeKind::Control(Control::ParenClose), parentheses, Expect::FunctionBody);
            return Ok(());
        }
        self.errors.push(explain::parenthesis(simple, self.span(start, start + 1)));
        self.resume = self.line_end(start);
        Err(Broken)
    }

    fn assignment(&mut self) -> Result<Assignment, Broken> {
        let start = self.position;
        let (rest, name) = token::assignment(self.rest()).map_err(|_| Broken)?;
        self.advance_to(rest);
        let value = self.word(Place::Value)?;
        let name = String::from_utf8_lossy(name).into_owned();
        Ok(Assignment { name, value, span: self.span(start, self.position) })
    }

    fn redirection(&mut self) -> Result<Redirection, Broken> {
        let start = self.position;
        let (rest, (descriptor, operator)) = token::redirection(self.rest()).map_err(|_| Broken)?;
        let descriptor = descriptor.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
        self.advance_to(rest);
        let operator_span = self.span(start, self.position);
        self.blanks_only();
        let target = self.word(Place::Word)?;
        if target.parts.is_empty() {
            self.errors.push(explain::no_target(operator, operator_span, self.rest()));
            self.resume = self.line_end(start);
            return Err(Broken);
        }
        let here_document = match operator {
            RedirectionOperator::HereDocument | RedirectionOperator::HereDocumentStripTabs => {
                let body = Arc::new(OnceLock::new());
                self.pending.push(Pending {
                    body: Arc::clone(&body),
                    delimiter: self.delimiter(&target),
                    quoted: target.is_quoted(),
                    strip_tabs: operator == RedirectionOperator::HereDocumentStripTabs,
                });
                Some(body)
            }
            _ => None,
        };
        Ok(Redirection { descriptor, operator, target, here_document, span: self.span(start, self.position) })
    }

    fn blanks_only(&mut self) {
        if let Ok((rest, _)) = token::blanks(self.rest()) {
            self.advance_to(rest);
        }
    }

    /// The delimiter of a here-document: quote removal is all that is done to its word (POSIX 2.7.4).
    fn delimiter(&self, target: &Word) -> BString {
        target.literal().unwrap_or_else(|| {
            let mut text = BString::default();
            for part in &target.parts {
                match &part.kind {
                    PartKind::Literal(bytes) | PartKind::Escaped(bytes) | PartKind::SingleQuoted(bytes) => {
                        text.extend_from_slice(bytes);
                    }
                    _ => text.extend_from_slice(self.text.get(part.span.range()).unwrap_or_default()),
                }
            }
            text
        })
    }

    /// Reads the bodies of the here-documents whose operators stood before this newline.
    fn here_documents(&mut self) -> Result<(), Broken> {
        for pending in std::mem::take(&mut self.pending) {
            let start = self.position;
            let (body_end, text) = self.here_document_lines(&pending);
            let end = self.position;
            let body = if pending.quoted {
                let span = self.span(start, body_end);
                let part = Part { kind: PartKind::Literal(text.into()), span };
                Word { parts: vec![part], span }
            } else {
                self.here_document_word(start, body_end, pending.strip_tabs)?
            };
            self.position = end;
            let span = self.span(start, end);
            let document = HereDocument { body, quoted: pending.quoted, delimiter: pending.delimiter, span };
            // The cell is new and only this reader fills it.
            let _ = pending.body.set(document);
        }
        Ok(())
    }

    /// Goes behind the line that holds the delimiter, or to the end of the text; gives where the body ends, and its text.
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
            // Without quotes, `\` joins a line to the next one, which then cannot be the delimiter.
            let backslashes = line.iter().rev().take_while(|byte| **byte == b'\\').count();
            continued = !pending.quoted && backslashes % 2 == 1;
            text.extend_from_slice(line);
            text.extend((end < self.text.len()).then_some(b'\n'));
        }
        (self.text.len(), text)
    }

    /// Reads the body between `start` and `end` as parts.
    fn here_document_word(&mut self, start: usize, end: usize, strip_tabs: bool) -> Result<Word, Broken> {
        let whole = self.text;
        self.text = whole.get(..end).unwrap_or(whole);
        self.position = start;
        let word = self.word(Place::HereDocument);
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

fn is_name(text: &str) -> bool {
    matches!(token::name(text.as_bytes()), Ok(([], _)))
}

/// The lexemes of a complete command as they are gathered, with what they stand for.
struct CompleteCommand {
    lexemes: Vec<Lexeme>,
    items: Items,
    openers: Vec<Opener>,
    expect: Expect,
}

impl Default for CompleteCommand {
    fn default() -> Self {
        CompleteCommand { lexemes: Vec::new(), items: Items::default(), openers: Vec::new(), expect: Expect::Command }
    }
}

impl CompleteCommand {
    fn push(&mut self, kind: LexemeKind, span: Span, next: Expect) {
        self.lexemes.push(Lexeme { kind, span });
        self.expect = next;
    }

    fn newline(&mut self, span: Span) {
        let next = match self.expect {
            Expect::Operator | Expect::AfterCompound | Expect::ForWords => Expect::Command,
            other => other,
        };
        self.push(LexemeKind::Newline, span, next);
    }

    /// Whether a newline here ends it: nothing is open, and nothing must follow the last lexeme.
    fn is_complete(&self) -> bool {
        let last = self.lexemes.iter().rev().find(|lexeme| lexeme.kind != LexemeKind::Newline);
        let waits = last.is_some_and(|lexeme| match lexeme.kind {
            LexemeKind::Control(control) => matches!(control, Control::AndIf | Control::OrIf | Control::Pipe),
            _ => false,
        });
        self.openers.is_empty() && !waits && self.expect != Expect::FunctionBody
    }

    /// Whether a `)` here belongs to the command substitution around it.
    fn closes_substitution(&self) -> bool {
        self.openers.is_empty()
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
