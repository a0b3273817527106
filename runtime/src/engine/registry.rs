//! Registries: what an image's name says of where it is, and the credentials that the user's docker configuration has for
//! that: written there, or known to a helper program.

use std::{env, path::PathBuf};

use docker_credential::{CredentialRetrievalError, DockerCredential};

/// What a name without a registry's belongs to.
const HUB: &str = "https://index.docker.io/v1/";

/// A reference's name, and its tag or digest.
pub(super) fn split(reference: &str) -> (&str, &str) {
    if let Some(parts) = reference.split_once('@') {
        return parts;
    }
    match reference.rsplit_once(':') {
        // A `:` before a `/` stands before a port.
        Some((name, tag)) if !tag.contains('/') => (name, tag),
        _ => (reference, "latest"),
    }
}

/// The registry in an image's name, as the configuration calls it.
pub(super) fn registry(name: &str) -> &str {
    match name.split_once('/') {
        Some(("docker.io" | "index.docker.io", _)) => HUB,
        Some((first, _)) if first.contains(['.', ':']) || first == "localhost" => first,
        _ => HUB,
    }
}

/// What the user has for the registry of an image's name; `None` where nothing is known.
///
/// # Errors
/// Why that cannot be told, in words.
pub(super) fn credentials(name: &str) -> Result<Option<DockerCredential>, String> {
    let registry = registry(name);
    match docker_credential::get_credential(registry) {
        Ok(credential) => Ok(Some(credential)),
        // Most registries are for all.
        Err(CredentialRetrievalError::NoCredentialConfigured | CredentialRetrievalError::ConfigNotFound) => Ok(None),
        Err(CredentialRetrievalError::ConfigReadError) if !has_configuration() => Ok(None),
        Err(CredentialRetrievalError::HelperFailure { helper, stdout, stderr }) => {
            // So it says that it knows none.
            if format!("{stdout}{stderr}").contains("credentials not found") {
                return Ok(None);
            }
            Err(format!("the credential helper `{helper}` failed: {}", stderr.trim()))
        }
        Err(error) => Err(format!("the credentials for {registry} cannot be read: {error}")),
    }
}

/// Whether the user has a docker configuration.
fn has_configuration() -> bool {
    let own = || Some(PathBuf::from(env::var_os("HOME")?).join(".docker"));
    let directory = env::var_os("DOCKER_CONFIG").map(PathBuf::from).or_else(own);
    directory.is_some_and(|directory| directory.join("config.json").exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_a_name_and_a_version_in_a_registry() {
        for (reference, name, version, of) in [
            ("debian", "debian", "latest", HUB),
            ("debian:13", "debian", "13", HUB),
            ("me/tool:1", "me/tool", "1", HUB),
            ("docker.io/me/tool:1", "docker.io/me/tool", "1", HUB),
            ("debian@sha256:ab", "debian", "sha256:ab", HUB),
            ("localhost:5000/a/b", "localhost:5000/a/b", "latest", "localhost:5000"),
            ("127.0.0.1:5000/a:2", "127.0.0.1:5000/a", "2", "127.0.0.1:5000"),
            ("ghcr.io/a/b@sha256:ab", "ghcr.io/a/b", "sha256:ab", "ghcr.io"),
        ] {
            assert_eq!((split(reference), registry(name)), ((name, version), of), "{reference}");
        }
    }
}
