//! The names of the files that make a computation what it is for ce-run.

/// The docker description.
pub const DESCRIPTION: &str = "docker.conf";
/// The setup script.
pub const SETUP_SCRIPT: &str = "docker-setup.sh";
/// The program that a call runs.
pub const EXEC: &str = "exec";
/// Which container belongs to which version.
pub const MAPPING: &str = "docker-container";

/// Directories of containers that are ours: nothing else may be mounted on them, above or below.
pub const OUR_PLACES: [&str; 2] = ["/compeval", "/var/lib/compeval"];

/// Whether a file of this name in a computation's directory is the mapping, or one on its way to become it.
pub fn is_mapping(name: &[u8]) -> bool {
    let is_nonce = |rest: &[u8]| rest.strip_prefix(b".ce").is_some_and(|digits| digits.len() == 32);
    name.strip_prefix(MAPPING.as_bytes()).is_some_and(|rest| rest.is_empty() || is_nonce(rest))
}
