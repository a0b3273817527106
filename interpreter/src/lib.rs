//! Reads and walks `docker-setup.sh`.

mod diagnostic;
mod source;
mod token;

pub mod parse;
pub mod syntax;

pub use diagnostic::{Diagnostic, Label, Severity};
pub use parse::{Parsed, parse};
pub use source::{Position, Source, Span};
