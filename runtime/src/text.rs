//! Small helpers for text that several rooms need, one copy of each.

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A word that nobody prints or names a file by chance.
pub(crate) fn nonce() -> String {
    use std::hash::{BuildHasher, Hasher, RandomState};
    format!("ce{:016x}", RandomState::new().build_hasher().finish())
}
