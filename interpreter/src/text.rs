//! Small helpers for text that every crate here needs, one of each.

/// Lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A word that nobody can guess: no output of a script is taken for one of ours, no file has this name by chance. `ce` and
/// 32 hexadecimal digits.
pub fn nonce() -> String {
    use std::hash::{BuildHasher, Hasher, RandomState};
    let random = || RandomState::new().build_hasher().finish();
    format!("ce{:016x}{:016x}", random(), random())
}
