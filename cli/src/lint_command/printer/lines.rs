//! Findings as lines: for people in a hurry, for editors, for GitHub Actions.

use std::io::{self, Write};

use compeval_interpreter::{Diagnostic, Position, Severity, Source};

use super::{Form, ends};
use crate::report::{Positions, printable};

/// A line for each finding.
pub(super) struct Lines(pub(super) fn(&str, &Diagnostic, Position, Position) -> String);

impl Form for Lines {
    fn source(&mut self, output: &mut dyn Write, source: &Source, findings: &[Diagnostic]) -> io::Result<()> {
        let mut positions = Positions::new(source);
        let name = printable(source.name());
        for finding in findings {
            let (start, end) = ends(&mut positions, finding.primary.span);
            writeln!(output, "{}", (self.0)(&name, finding, start, end))?;
        }
        Ok(())
    }
}

fn severity(finding: &Diagnostic) -> &'static str {
    match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Style => "style",
    }
}

/// `docker-setup.sh:3:5: warning[CE060] unchecked-failure: ...`
pub(super) fn concise(name: &str, finding: &Diagnostic, start: Position, _: Position) -> String {
    let Diagnostic { code, name: rule, message, .. } = finding;
    let fixable = if finding.fix.is_some() { " [*]" } else { "" };
    let (level, message) = (severity(finding), printable(message));
    format!("{name}:{}:{}: {level}[{code}] {rule}: {message}{fixable}", start.line, start.column)
}

/// `docker-setup.sh:3:5: warning: ... [CE060]`
pub(super) fn gcc(name: &str, finding: &Diagnostic, start: Position, _: Position) -> String {
    let level = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Style => "note",
    };
    format!("{name}:{}:{}: {level}: {} [{}]", start.line, start.column, printable(&finding.message), finding.code)
}

/// A command of a workflow: properties have `,` and `:` escaped as well.
pub(super) fn github(name: &str, finding: &Diagnostic, start: Position, end: Position) -> String {
    let level = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Style => "notice",
    };
    let data = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let property = |text: &str| data(text).replace(':', "%3A").replace(',', "%2C");
    let help = finding.help.as_ref().map(|help| format!("\n{help}")).unwrap_or_default();
    format!(
        "::{level} file={},line={},col={},endLine={},endColumn={},title={} ({})::{}",
        property(name),
        start.line,
        start.column,
        end.line,
        end.column,
        finding.code,
        finding.name,
        data(&format!("{}{help}", finding.message)),
    )
}
