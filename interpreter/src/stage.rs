//! What a stage is, and what it depends on.

pub mod chain;
pub(crate) mod fingerprint;
pub mod ledger;

pub use chain::Chain;
pub use ledger::{Counted, Ledger};
