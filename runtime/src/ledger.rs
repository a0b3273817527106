//! The ledger: a state file inside the container that tells which stages were applied, with which text.
//!
//! The file is TOML and only ever appended to: `[[record]]` tables, written by the very shell that runs a stage, with
//! built-ins only. A record that was cut off (the machine lost power) is read as absent. What the file says is the
//! truth; everything on the host is a cache of it.

pub mod format;
pub mod records;

pub use format::{DIRECTORY, EXPORTS, FILE, READY};
pub use records::{LedgerError, Record, Records, RepeatedRecord, StageState};
