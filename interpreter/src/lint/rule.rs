//! A rule of the linter.

use super::analysis::Analysis;
use crate::{Diagnostic, Severity, Span, diagnostic::Label};

/// A rule: what it is called, how bad its findings are, and how they are found.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// The code, such as `CE002`. It never changes and is never given to another rule.
    pub code: &'static str,
    /// What the rule finds, such as `or-after-next-stage`.
    pub name: &'static str,
    /// How bad its findings are.
    pub severity: Severity,
    /// The text of the rule's own file.
    pub(super) file: &'static str,
    pub(super) check: fn(&Rule, &Analysis<'_>, &mut Vec<Diagnostic>),
}

impl Rule {
    /// The rule's documentation in Markdown: a sentence, then the sections `What it does`, `Why`, `Example` and
    /// `Use instead`. Ends with a newline.
    pub fn documentation(&self) -> String {
        let lines = self.file.lines().map_while(|line| line.strip_prefix("//!"));
        lines.fold(String::new(), |text, line| text + line.strip_prefix(' ').unwrap_or(line) + "\n")
    }

    pub(super) fn finding(&self, span: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic {
            code: self.code,
            name: self.name,
            severity: self.severity,
            message: message.into(),
            primary: Label { span, text: String::new() },
            related: Vec::new(),
            help: None,
        }
    }
}
