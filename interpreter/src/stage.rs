//! What a stage is, and what it depends on.

pub mod chain;
mod content;
pub(crate) mod dependencies;
pub mod fingerprint;
pub mod ledger;
mod made;
pub(crate) mod origin;

pub use chain::Chain;
pub use fingerprint::Fingerprint;
pub use ledger::{Counted, Ledger};
