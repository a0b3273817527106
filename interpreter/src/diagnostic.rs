//! A finding about a script, as plain data: severity, message, labelled spans, help.

use serde::{Deserialize, Serialize};

use crate::Span;

/// How bad a finding is, mildest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// A matter of style.
    Style,
    /// Likely to surprise.
    Warning,
    /// Does the wrong thing, or cannot be interpreted.
    Error,
}

/// A span that belongs to a finding, and what it has to do with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    /// Where.
    pub span: Span,
    /// What is there; may be empty.
    pub text: String,
}

/// One finding: what, where, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    /// The rule's code, such as `CE001`; empty for what is no rule's.
    pub code: &'static str,
    /// The rule's name, such as `syntax-error`.
    pub name: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong: one sentence, lower case, no final period, source text in backticks.
    pub message: String,
    /// The place it is about.
    pub primary: Label,
    /// Further places, such as where an unclosed quote was opened.
    pub related: Vec<Label>,
    /// What to do about it.
    pub help: Option<String>,
}

impl Diagnostic {
    /// An error at `span` that is no rule's finding: its code and name are empty.
    pub fn error(span: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic {
            code: "",
            name: "",
            severity: Severity::Error,
            message: message.into(),
            primary: Label { span, text: String::new() },
            related: Vec::new(),
            help: None,
        }
    }

    /// A syntax error (`CE001`) at `span`.
    pub fn syntax_error(span: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic { code: "CE001", name: "syntax-error", ..Diagnostic::error(span, message) }
    }

    /// The same with a text at the primary place.
    #[must_use]
    pub fn label(mut self, text: impl Into<String>) -> Diagnostic {
        self.primary.text = text.into();
        self
    }

    /// The same with a further place.
    #[must_use]
    pub fn related(mut self, span: Span, text: impl Into<String>) -> Diagnostic {
        self.related.push(Label { span, text: text.into() });
        self
    }

    /// The same with advice.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Diagnostic {
        self.help = Some(help.into());
        self
    }
}
