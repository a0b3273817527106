//! Findings in the forms that people and programs read.

mod json;
mod lines;
mod sarif;
mod xml;

use std::{
    fs,
    io::{self, Write},
    path::Path,
};

use compeval_interpreter::{Diagnostic, Position, Source, Span};

use super::arguments::Format;
use crate::report::{self, Positions};

/// Where the page of a rule is.
pub(super) fn url(code: &str) -> String {
    format!("{}/blob/main/docs/rules/{code}.md", env!("CARGO_PKG_REPOSITORY"))
}

/// A form of output: what stands before all findings, between two, and behind them.
trait Form {
    /// Before the first finding.
    fn begin(&mut self, _output: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }

    /// The findings in a source.
    fn source(&mut self, output: &mut dyn Write, source: &Source, findings: &[Diagnostic]) -> io::Result<()>;

    /// Behind the last one.
    fn end(&mut self, _output: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }
}

/// The output. Once its reader has gone, the rest is dropped: the exit status still tells what was found.
pub(super) struct FindingPrinter {
    form: Box<dyn Form>,
    output: Box<dyn Write>,
    result: io::Result<()>,
}

impl FindingPrinter {
    /// A printer to the standard output, or to a file.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub(super) fn new(format: Format, colored: bool, file: Option<&Path>) -> io::Result<FindingPrinter> {
        let output: Box<dyn Write> = match file {
            Some(path) => Box::new(io::BufWriter::new(fs::File::create(path)?)),
            None => Box::new(io::BufWriter::with_capacity(1 << 16, io::stdout().lock())),
        };
        let form: Box<dyn Form> = match format {
            Format::Full => Box::new(Full { colored, printed: 0 }),
            Format::Concise => Box::new(lines::Lines(lines::concise)),
            Format::Gcc => Box::new(lines::Lines(lines::gcc)),
            Format::Github => Box::new(lines::Lines(lines::github)),
            Format::Json => Box::new(json::JsonList::of(json::finding)),
            Format::Jsonl => Box::new(json::JsonLines),
            Format::Gitlab => Box::new(json::JsonList::of(json::quality)),
            Format::Sarif => Box::new(sarif::Sarif::default()),
            Format::Checkstyle => Box::new(xml::Checkstyle),
            Format::Junit => Box::new(xml::Junit::default()),
        };
        let mut printer = FindingPrinter { form, output, result: Ok(()) };
        printer.result = printer.form.begin(&mut printer.output);
        Ok(printer)
    }

    /// Prints the findings of a source.
    pub(super) fn print(&mut self, source: &Source, findings: &[Diagnostic]) {
        if self.result.is_ok() {
            self.result = self.form.source(&mut self.output, source, findings);
        }
    }

    /// Prints a text as it is.
    pub(super) fn text(&mut self, text: &[u8]) {
        if self.result.is_ok() {
            self.result = self.output.write_all(text);
        }
    }

    /// Ends the output.
    ///
    /// # Errors
    /// What kept it from being written, a reader that has gone left out.
    pub(super) fn finish(mut self) -> io::Result<()> {
        let written = self.result.and_then(|()| self.form.end(&mut self.output)).and_then(|()| self.output.flush());
        // What is left in the buffer must not be tried again.
        std::mem::forget(self.output);
        written.or_else(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => Ok(()),
            _ => Err(error),
        })
    }
}

/// Findings with the lines they are about.
struct Full {
    colored: bool,
    printed: usize,
}

impl Form for Full {
    fn source(&mut self, output: &mut dyn Write, source: &Source, findings: &[Diagnostic]) -> io::Result<()> {
        let mut positions = Positions::new(source);
        for finding in findings {
            let text = report::diagnostic(&mut positions, finding, self.colored);
            output.write_all(if self.printed == 0 { b"" } else { b"\n" })?;
            output.write_all(text.as_bytes())?;
            self.printed += 1;
        }
        Ok(())
    }
}

/// Where a span begins and ends, asked from front to back.
fn ends(positions: &mut Positions<'_>, span: Span) -> (Position, Position) {
    let start = positions.at(span.start);
    (start, positions.clone().at(span.end))
}
