//! What images are called.

/// What stands before the names of one registry, and is left out by who writes them.
const DEFAULTS: [&str; 4] = ["index.docker.io/library/", "docker.io/library/", "index.docker.io/", "docker.io/"];

/// An image's name in full: without the default registry, with a tag or a digest. `docker.io/library/debian` is
/// `debian:latest`.
#[must_use]
pub fn full_name(reference: &str) -> String {
    let name = DEFAULTS.iter().find_map(|prefix| reference.strip_prefix(prefix)).unwrap_or(reference);
    let last = name.rsplit('/').next().unwrap_or(name);
    if last.contains(':') || last.contains('@') { name.to_owned() } else { format!("{name}:latest") }
}

/// Whether a word is the beginning of an id, long enough to mean one.
pub(super) fn is_id(word: &str, id: &str) -> bool {
    let digits = |word: &str| word.len() >= 12 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    match word.strip_prefix("sha256:") {
        Some(word) => digits(word) && id.strip_prefix("sha256:").is_some_and(|id| id.starts_with(word)),
        None => digits(word) && id.trim_start_matches("sha256:").starts_with(word),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_in_full() {
        for (reference, full) in [
            ("debian", "debian:latest"),
            ("docker.io/library/debian:13", "debian:13"),
            ("index.docker.io/ann/tool", "ann/tool:latest"),
            ("localhost:5000/tool", "localhost:5000/tool:latest"),
            ("tool@sha256:abc", "tool@sha256:abc"),
        ] {
            assert_eq!(full_name(reference), full);
        }
    }

    #[test]
    fn an_id_may_be_cut() {
        let id = format!("sha256:{}", "0123456789abcdef".repeat(4));
        assert!(is_id(&id, &id) && is_id("0123456789ab", &id) && is_id("sha256:0123456789ab", &id));
        assert!(!is_id("0123456789a", &id) && !is_id("1123456789ab", &id) && !is_id("debian:latest", &id));
    }
}
