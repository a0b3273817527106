//! A chain: what stands behind a marker, and what a ledger is told of it.

use std::sync::Arc;

use bstr::BString;

use crate::{Source, Span};

/// A chain that a stretch may run: what a ledger says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// The text it stands in: the script, or one that `eval` or `.` runs in it.
    pub source: Arc<Source>,
    /// From the marker to the end of the chain.
    pub span: Span,
    /// The chain's text, as written.
    pub text: BString,
    /// The line of the marker, from 1.
    pub line: usize,
    /// What it depends on, hashed; `None` when that cannot be told here.
    pub fingerprint: Option<String>,
}
