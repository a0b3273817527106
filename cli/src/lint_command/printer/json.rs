//! Findings as JSON: ours, and the code quality report of GitLab.

use std::io::{self, Write};

use compeval_interpreter::{Applicability, Diagnostic, Position, Severity, Source, Span};
use serde::Serialize;
use serde_json::{Value, json};

use super::{Form, ends, url};
use crate::report::Positions;

/// What one finding becomes.
type Convert = fn(&mut Positions<'_>, &Source, &Diagnostic) -> Value;

/// A list of objects.
pub(super) struct JsonList {
    convert: Convert,
    printed: usize,
}

impl JsonList {
    pub(super) fn of(convert: Convert) -> JsonList {
        JsonList { convert, printed: 0 }
    }
}

impl Form for JsonList {
    fn source(&mut self, output: &mut dyn Write, source: &Source, findings: &[Diagnostic]) -> io::Result<()> {
        let mut positions = Positions::new(source);
        for finding in findings {
            output.write_all(if self.printed == 0 { b"[\n" } else { b",\n" })?;
            serde_json::to_writer(&mut *output, &(self.convert)(&mut positions, source, finding))?;
            self.printed += 1;
        }
        Ok(())
    }

    fn end(&mut self, output: &mut dyn Write) -> io::Result<()> {
        output.write_all(if self.printed == 0 { b"[]\n" } else { b"\n]\n" })
    }
}

/// An object a line.
pub(super) struct JsonLines;

impl Form for JsonLines {
    fn source(&mut self, output: &mut dyn Write, source: &Source, findings: &[Diagnostic]) -> io::Result<()> {
        let mut positions = Positions::new(source);
        for one in findings {
            serde_json::to_writer(&mut *output, &finding(&mut positions, source, one))?;
            output.write_all(b"\n")?;
        }
        Ok(())
    }
}

/// A place as programs read it. Lines and columns count from 1, offsets in bytes from 0.
#[derive(Clone, Copy, Serialize)]
struct JsonPlace {
    line: usize,
    column: usize,
    offset: u32,
}

/// The beginning and the end of a span.
fn places(positions: &mut Positions<'_>, span: Span) -> (JsonPlace, JsonPlace) {
    let (start, end) = ends(positions, span);
    let place = |position: Position, offset| JsonPlace { line: position.line, column: position.column, offset };
    (place(start, span.start), place(end, span.end))
}

/// A finding with all that is known of it (docs/lint.md).
pub(super) fn finding(positions: &mut Positions<'_>, source: &Source, finding: &Diagnostic) -> Value {
    let Diagnostic { code, name, severity, message, primary, related, help, fix } = finding;
    let (start, end) = places(positions, primary.span);
    // Copies, so that `positions` stays where the next finding begins.
    let mut elsewhere = positions.clone();
    let mut labels = vec![json!({ "text": primary.text, "start": start, "end": end })];
    labels.extend(related.iter().map(|label| {
        let (start, end) = places(&mut elsewhere, label.span);
        json!({ "text": label.text, "start": start, "end": end })
    }));
    let fix = fix.as_ref().map(|fix| {
        let edits = fix.edits.iter().map(|edit| {
            let (start, end) = places(&mut elsewhere, edit.span);
            json!({ "start": start, "end": end, "content": edit.text })
        });
        let applicability = match fix.applicability {
            Applicability::Safe => "safe",
            Applicability::Unsafe => "unsafe",
        };
        json!({ "applicability": applicability, "edits": edits.collect::<Vec<_>>() })
    });
    json!({
        "code": code, "name": name, "severity": severity, "message": message, "path": source.name(),
        "start": start, "end": end, "labels": labels, "help": help, "fix": fix, "url": url(code),
    })
}

/// An entry of a code quality report: its fingerprint is the same while the text that it is about is.
pub(super) fn quality(positions: &mut Positions<'_>, source: &Source, finding: &Diagnostic) -> Value {
    let (start, end) = ends(positions, finding.primary.span);
    let severity = match finding.severity {
        Severity::Error => "major",
        Severity::Warning => "minor",
        Severity::Style => "info",
    };
    let line = source.slice(source.line(start.line));
    let parts = [source.name().as_bytes(), finding.code.as_bytes(), line, &start.column.to_le_bytes()];
    json!({
        "description": finding.message,
        "check_name": format!("{} {}", finding.code, finding.name),
        "fingerprint": format!("{:016x}", fnv(&parts)),
        "severity": severity,
        "location": { "path": source.name(), "lines": { "begin": start.line, "end": end.line } },
    })
}

/// The FNV-1a hash of some parts: it tells entries apart, and keeps nothing secret.
fn fnv(parts: &[&[u8]]) -> u64 {
    let bytes = parts.iter().flat_map(|part| part.iter().copied().chain([0]));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
