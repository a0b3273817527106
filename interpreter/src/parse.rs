//! Text to syntax tree: the reader finds tokens, words and matching delimiters; the grammar puts commands together.
//!
//! The work is shared. The reader walks the bytes once. It knows where a command may begin, so it can tell reserved
//! words from arguments, it reads whole simple commands, it keeps the stack of open delimiters, and it explains what is
//! wrong. What it found in one complete command goes as a row of lexemes to `grammar`, which builds the tree.

use std::sync::{Arc, OnceLock};

use bstr::BString;

use crate::{
    Diagnostic, Source, Span,
    syntax::{HereDocument, List, ListItem, Script},
};

pub(crate) mod alias;
mod command;
mod explain;
mod grammar;
mod lexeme;
mod open;
mod simple;
pub(crate) mod token;
mod word;

use open::CompleteCommand;

/// How deeply commands, words and substitutions may nest; deeper input is refused.
pub const NESTING_LIMIT: usize = 200;

/// How many errors are collected before reading stops.
const ERROR_LIMIT: usize = 50;

/// After how many things without an end reading no longer goes back to the line where the last one began.
const UNCLOSED_LIMIT: usize = 8;

/// What became of a text: the commands that could be read, and every syntax error in it.
#[derive(Clone, Debug)]
pub struct Parsed {
    /// The script; where there are errors, only the complete commands without any.
    pub script: Script,
    /// The syntax errors, in the order of their places; empty for a valid script.
    pub errors: Vec<Diagnostic>,
}

/// Reads a script (POSIX 2.10, Shell Grammar). Reading goes on after an error as if the text were mended there, so that
/// one call finds the errors of the whole text. Time and memory are linear in the text's length.
pub fn parse(source: impl Into<Arc<Source>>) -> Parsed {
    let source = source.into();
    let mut reader = Reader::new(source.text(), Offsets::Same);
    let list = reader.script();
    source.set_documents(reader.documents);
    let mut errors = reader.problems.errors;
    errors.sort_by_key(|error| error.primary.span);
    errors.dedup_by(|a, b| a.primary.span == b.primary.span && a.message == b.message);
    alias::explain(&source, &list, &mut errors);
    explain::encoding(&source, &mut errors);
    Parsed { script: Script { source, list }, errors }
}

/// An error was reported from which the command around cannot be mended; reading goes on at this position.
struct Broken(usize);

/// Where a list ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ListEnd {
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

/// A here-document whose body has not been reached yet.
struct Pending {
    body: Arc<OnceLock<HereDocument>>,
    delimiter: BString,
    quoted: bool,
    strip_tabs: bool,
}

/// The syntax errors of a text as they are found.
#[derive(Default)]
struct Problems {
    errors: Vec<Diagnostic>,
    /// How many were found, those included that are not told.
    count: usize,
    /// The last place of something that never ends. What is open around it never ends either: a consequence.
    unclosed: Option<u32>,
    unclosed_count: usize,
    /// Nothing is told of the rest of this complete command, since it may be a consequence of what was told.
    muted: bool,
    /// Between the lines of a conflict that Git has marked.
    in_conflict: bool,
    /// Nothing is told of the rest of the text: it is read a second time, for the commands in it.
    rereading: bool,
    /// Nesting was too deep, or there were too many errors: nothing more is read.
    stopped: bool,
}

struct Reader<'t> {
    text: &'t [u8],
    offsets: Offsets<'t>,
    position: usize,
    depth: usize,
    pending: Vec<Pending>,
    /// Where the bodies of here-documents stand that were read, with the lines that end them.
    documents: Vec<Span>,
    /// The delimiter of a here-document is being read: nothing in it is expanded.
    in_delimiter: bool,
    problems: Problems,
}

impl<'t> Reader<'t> {
    fn new(text: &'t [u8], offsets: Offsets<'t>) -> Reader<'t> {
        let (pending, documents, problems) = (Vec::new(), Vec::new(), Problems::default());
        Reader { text, offsets, position: 0, depth: 0, pending, documents, in_delimiter: false, problems }
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
        let (start, end) = (self.offset(start), self.offset(end));
        Span { start, end: end.max(start) }
    }

    /// The place where the text ends.
    fn end_span(&self) -> Span {
        self.span(self.text.len(), self.text.len())
    }

    fn line_end(&self, from: usize) -> usize {
        let rest = self.text.get(from..).unwrap_or_default();
        rest.iter().position(|byte| *byte == b'\n').map_or(self.text.len(), |at| from + at)
    }

    /// Skips blanks and line continuations.
    fn blanks(&mut self) {
        if let Some(b' ' | b'\t' | b'\\') = self.peek()
            && let Ok((rest, _)) = token::blanks(self.rest())
        {
            self.advance_to(rest);
        }
    }

    /// Skips line continuations.
    fn continuations(&mut self) {
        if self.peek() == Some(b'\\')
            && let Ok((rest, _)) = token::continuations(self.rest())
        {
            self.advance_to(rest);
        }
    }

    /// Skips blanks, line continuations and a comment.
    fn blanks_and_comment(&mut self) {
        self.blanks();
        if self.peek() == Some(b'#') {
            self.position = self.line_end(self.position);
        }
    }

    fn report(&mut self, error: Diagnostic) {
        self.problems.count += 1;
        if !self.problems.muted && self.problems.errors.len() < ERROR_LIMIT {
            self.problems.errors.push(error);
        }
        self.problems.stopped |= self.problems.errors.len() >= ERROR_LIMIT;
    }

    /// Reads something that is skipped: what is wrong in it does not count.
    fn silently<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, Broken>) -> Result<T, Broken> {
        let Problems { count, unclosed, muted, .. } = self.problems;
        self.problems.muted = true;
        let result = read(self);
        self.problems = Problems { count, unclosed, muted, ..std::mem::take(&mut self.problems) };
        result
    }

    /// Reports that what was opened at `start`, `length` bytes long, never ends, unless that is a consequence.
    fn unclosed(&mut self, start: usize, length: usize, what: &str, help: String) -> Broken {
        let opener = self.span(start, start + length);
        if self.problems.unclosed.is_some_and(|inner| opener.start < inner) {
            self.problems.count += 1;
            return Broken(self.text.len());
        }
        let error = Diagnostic::syntax_error(opener, format!("unclosed {what}")).label("opened here");
        self.report(error.related(self.end_span(), "the text ends here").help(help));
        self.problems.unclosed = Some(opener.start);
        Broken(self.behind_unclosed(start))
    }

    /// Where reading goes on behind something that begins at `start` and never ends: only its line is lost. Going back
    /// is limited, since each time may read up to the end of the text again.
    fn behind_unclosed(&mut self, start: usize) -> usize {
        self.problems.unclosed_count += 1;
        if self.problems.unclosed_count <= UNCLOSED_LIMIT { self.line_end(start) } else { self.text.len() }
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
        // Nothing that was told has this as its consequence.
        self.problems.muted = false;
        self.report(Diagnostic::syntax_error(here, message).help("move the inner commands into a function"));
        self.problems.stopped = true;
        Err(Broken(self.text.len()))
    }

    /// Reads `text`, the unescaped inside of backquotes, as a list.
    fn inside(&mut self, text: &[u8], offsets: &[u32]) -> Result<List, Broken> {
        let mut inner = Reader::new(text, Offsets::Table(offsets));
        inner.depth = self.depth;
        inner.problems = std::mem::take(&mut self.problems);
        let list = inner.list(ListEnd::Text);
        self.problems = inner.problems;
        self.documents.append(&mut inner.documents);
        list.map_err(|_| Broken(self.text.len()))
    }

    /// Reads the whole text.
    fn script(&mut self) -> List {
        let mut items = Vec::new();
        if let Some(at) = self.text.iter().position(|byte| *byte == 0) {
            let error = Diagnostic::syntax_error(self.span(at, at + 1), "the script contains a NUL byte")
                .help("a shell script is text: remove the byte, or check that this is the right file");
            self.report(error);
        }
        // Where it fails, what is to be said was reported.
        let _ = self.list_onto(ListEnd::Text, &mut items);
        // Too many errors may have ended the reading before a body came.
        self.no_more_here_documents();
        List { items }
    }

    /// Reads and-or lists up to `end`, which is not consumed.
    fn list(&mut self, end: ListEnd) -> Result<List, Broken> {
        let mut items = Vec::new();
        self.list_onto(end, &mut items)?;
        Ok(List { items })
    }

    fn list_onto(&mut self, end: ListEnd, items: &mut Vec<ListItem>) -> Result<(), Broken> {
        let (depth, muted) = (self.depth, self.problems.muted);
        let mut command = CompleteCommand::default();
        loop {
            let found_before = self.problems.count;
            let ended = self.complete_command(end, &mut command);
            self.depth = depth;
            self.problems.muted = muted || self.problems.rereading;
            let ended = ended?;
            if self.problems.count == found_before && !command.lexemes.is_empty() {
                match grammar::parse(&command.lexemes, &mut command.items) {
                    Ok(list) => items.extend(list),
                    Err(error) => self.report(*error),
                }
            }
            if ended {
                return Ok(());
            }
            command.clear();
        }
    }
}
