//! The form of the state file: where it is, and how it begins. Records are appended by the shells that run stages
//! (`compeval_interpreter::program::RecordHook`).

/// The directory in the container that is ours.
pub const DIRECTORY: &str = "/var/lib/compeval";
/// The ledger.
pub const FILE: &str = "/var/lib/compeval/state.toml";
/// Says what a setup that has ended well has set up, as a hash of all that a call relies on.
pub const READY: &str = "/var/lib/compeval/ready";

/// Holds what the setup exported outside of stages, as commands for the shell that starts a call's command.
pub const EXPORTS: &str = "/var/lib/compeval/exports";

/// The version of the ledger's form that this program writes.
pub(super) const SCHEMA: u32 = 2;

/// What the shell appends to, before any record.
pub fn header() -> String {
    format!("schema = {SCHEMA}\n")
}
