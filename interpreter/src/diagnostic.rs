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

/// How much a fix can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Applicability {
    /// It may change what the script does: a person has to say whether that is what was meant.
    Unsafe,
    /// The script does what it was meant to do, and nothing else changes.
    Safe,
}

/// Bytes of a source, and what is put in their place; an empty span is a place to insert at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edit {
    /// What is taken away.
    pub span: Span,
    /// What is put there.
    pub text: String,
}

/// A change that ends a finding: all of its edits, or none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fix {
    /// How much it can be trusted.
    pub applicability: Applicability,
    /// What changes; the spans do not overlap.
    pub edits: Vec<Edit>,
}

impl Edit {
    /// Puts `text` in the place of what is at `span`.
    pub fn replace(span: Span, text: impl Into<String>) -> Edit {
        Edit { span, text: text.into() }
    }

    /// Puts `text` before what begins at `at`, a number of bytes.
    pub fn insert(at: u32, text: impl Into<String>) -> Edit {
        Edit { span: Span { start: at, end: at }, text: text.into() }
    }
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
    /// The change that does it, where one is known.
    pub fix: Option<Fix>,
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
            fix: None,
        }
    }

    /// A form that POSIX sh does not have (`CE080`), and that cannot be interpreted, at `span`.
    pub fn foreign_syntax(span: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic { code: "CE080", name: "bashism", ..Diagnostic::error(span, message) }
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

    /// The same with a change that ends it.
    #[must_use]
    pub fn fix(mut self, applicability: Applicability, edits: Vec<Edit>) -> Diagnostic {
        self.fix = Some(Fix { applicability, edits });
        self
    }
}
