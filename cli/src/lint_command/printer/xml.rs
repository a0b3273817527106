//! Findings as XML: that of Checkstyle, and that of JUnit.

use std::{
    fmt::Write as _,
    io::{self, Write},
};

use compeval_interpreter::{Diagnostic, Severity, Source};

use super::{Form, ends};
use crate::report::Positions;

/// A text inside an attribute or element. What no XML may hold is left out.
fn escaped(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => result.push_str("&amp;"),
            '<' => result.push_str("&lt;"),
            '>' => result.push_str("&gt;"),
            '"' => result.push_str("&quot;"),
            '\n' | '\t' => {
                let _ = write!(result, "&#{};", u32::from(letter));
            }
            letter if letter.is_control() || matches!(letter, '\u{fffe}' | '\u{ffff}') => result.push('\u{fffd}'),
            letter => result.push(letter),
        }
    }
    result
}

/// A file element for each source, an error element for each finding.
pub(super) struct Checkstyle;

impl Form for Checkstyle {
    fn begin(&mut self, output: &mut dyn Write) -> io::Result<()> {
        writeln!(output, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<checkstyle version=\"4.3\">")
    }

    fn source(&mut self, output: &mut dyn Write, source: &Source, findings: &[Diagnostic]) -> io::Result<()> {
        let mut positions = Positions::new(source);
        writeln!(output, "  <file name=\"{}\">", escaped(source.name()))?;
        for finding in findings {
            let (start, _) = ends(&mut positions, finding.primary.span);
            let severity = match finding.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
                Severity::Style => "info",
            };
            writeln!(
                output,
                "    <error line=\"{}\" column=\"{}\" severity=\"{severity}\" message=\"{}\" source=\"ce-lint.{}\"/>",
                start.line,
                start.column,
                escaped(&finding.message),
                finding.code,
            )?;
        }
        writeln!(output, "  </file>")
    }

    fn end(&mut self, output: &mut dyn Write) -> io::Result<()> {
        writeln!(output, "</checkstyle>")
    }
}

/// A suite for each source, a case that failed for each finding; one that passed, where there is none.
#[derive(Default)]
pub(super) struct Junit {
    suites: String,
    tests: usize,
    failures: usize,
}

impl Form for Junit {
    fn source(&mut self, _: &mut dyn Write, source: &Source, findings: &[Diagnostic]) -> io::Result<()> {
        let mut positions = Positions::new(source);
        let name = escaped(source.name());
        let count = findings.len();
        self.tests += count.max(1);
        self.failures += count;
        let _ = writeln!(self.suites, "  <testsuite name=\"{name}\" tests=\"{}\" failures=\"{count}\">", count.max(1));
        if findings.is_empty() {
            let _ = writeln!(self.suites, "    <testcase name=\"ce-lint\" classname=\"{name}\"/>");
        }
        for finding in findings {
            let (start, _) = ends(&mut positions, finding.primary.span);
            let message = escaped(&finding.message);
            let help = finding.help.as_deref().map(escaped).unwrap_or_default();
            let _ = writeln!(
                self.suites,
                "    <testcase name=\"{} {}:{}\" classname=\"{name}\">\n      <failure type=\"{}\" \
                 message=\"{message}\">{help}</failure>\n    </testcase>",
                finding.code, start.line, start.column, finding.name,
            );
        }
        let _ = writeln!(self.suites, "  </testsuite>");
        Ok(())
    }

    fn end(&mut self, output: &mut dyn Write) -> io::Result<()> {
        writeln!(
            output,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"ce-lint\" tests=\"{}\" \
             failures=\"{}\">\n{}</testsuites>",
            self.tests, self.failures, self.suites,
        )
    }
}
