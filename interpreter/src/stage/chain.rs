//! A chain: what stands behind a marker, and what a ledger is told of it.

use bstr::BString;

use super::fingerprint::Fingerprint;
use crate::{Place, language::marker::Marker};

/// A chain that a stretch may run: what a ledger says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// The marker that it begins with.
    pub marker: Marker,
    /// From the marker to the end of the chain.
    pub place: Place,
    /// The chain's text, as written.
    pub text: BString,
    /// What it depends on.
    pub fingerprint: Fingerprint,
}
