//! Reads and walks `docker-setup.sh`.

mod analysis;
mod diagnostic;
mod fingerprint;
mod source;
mod token;

pub mod dispatch;
pub mod execute;
pub mod expand;
pub mod lint;
pub mod marker;
pub mod parse;
pub mod state;
pub mod syntax;

pub use diagnostic::{Diagnostic, Label, Severity};
pub use dispatch::{Dispatcher, Request, Response};
pub use execute::{Outcome, Settings, run};
pub use parse::{Parsed, parse};
pub use source::{Position, Source, Span};
pub use state::State;
