//! Bringing an image here from its registry (Docker API, ImageCreate), with the credentials that the user's docker
//! configuration has for that: written there, or known to a helper program.

use std::{collections::BTreeMap, env, ops::ControlFlow, path::PathBuf, time::Duration};

use bollard::{auth::DockerCredentials, models::CreateImageInfo, query_parameters as query};
use docker_credential::{CredentialRetrievalError, DockerCredential};
use futures_util::StreamExt;

use super::{Docker, connect::block_on};
use crate::engine::{error::EngineError, images::Pulling};

/// How often at least to ask whether to go on.
const LOOK: Duration = Duration::from_millis(100);

/// What a name without a registry's belongs to.
const HUB: &str = "https://index.docker.io/v1/";

impl Docker {
    pub(super) fn pull_image(
        &self,
        reference: &str,
        platform: Option<&str>,
        progress: &mut dyn FnMut(Pulling) -> ControlFlow<()>,
    ) -> Result<(), EngineError> {
        let failed = |message: String| EngineError::NotPulled { reference: reference.to_owned(), message };
        let (name, version) = split(reference);
        let mut options = query::CreateImageOptionsBuilder::default().from_image(name).tag(version);
        if let Some(platform) = platform {
            options = options.platform(platform);
        }
        let credentials = credentials(name).map_err(failed)?;
        let mut layers = Layers::default();
        let mut steps = Box::pin(self.client.create_image(Some(options.build()), None, credentials));
        block_on(async {
            loop {
                match tokio::time::timeout(LOOK, steps.next()).await {
                    Ok(None) => return Ok(()),
                    Ok(Some(step)) => layers.take(step.map_err(|error| self.not_pulled(error, reference))?),
                    Err(_) => {}
                }
                if progress(layers.all()).is_break() {
                    return Err(failed("interrupted".to_owned()));
                }
            }
        })?
    }

    /// What keeps the daemon from answering is told as always, all else in its words.
    fn not_pulled(&self, error: bollard::errors::Error, reference: &str) -> EngineError {
        match self.refusal(error, String::new()) {
            EngineError::Refused { message, .. } => {
                EngineError::NotPulled { reference: reference.to_owned(), message: message.trim().to_owned() }
            }
            other => other,
        }
    }
}

/// A reference's name, and its tag or digest.
fn split(reference: &str) -> (&str, &str) {
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
fn registry(name: &str) -> &str {
    match name.split_once('/') {
        Some(("docker.io" | "index.docker.io", _)) => HUB,
        Some((first, _)) if first.contains(['.', ':']) || first == "localhost" => first,
        _ => HUB,
    }
}

fn credentials(name: &str) -> Result<Option<DockerCredentials>, String> {
    let registry = registry(name);
    let serveraddress = Some(registry.to_owned());
    match docker_credential::get_credential(registry) {
        Ok(DockerCredential::UsernamePassword(username, password)) => Ok(Some(DockerCredentials {
            username: Some(username),
            password: Some(password),
            serveraddress,
            ..DockerCredentials::default()
        })),
        Ok(DockerCredential::IdentityToken(token)) => {
            Ok(Some(DockerCredentials { identitytoken: Some(token), serveraddress, ..DockerCredentials::default() }))
        }
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

/// What of each layer is here, and how large it is.
#[derive(Default)]
struct Layers(BTreeMap<String, Pulling>);

impl Layers {
    fn take(&mut self, step: CreateImageInfo) {
        let Some(layer) = step.id else { return };
        let known = self.0.entry(layer).or_default();
        let number = |number: Option<i64>| number.and_then(|number| u64::try_from(number).ok());
        match (step.status.as_deref(), step.progress_detail) {
            (Some("Downloading"), Some(detail)) => {
                known.done = number(detail.current).unwrap_or(known.done);
                known.total = number(detail.total).unwrap_or(known.total);
            }
            (Some("Download complete" | "Pull complete"), _) => known.done = known.total,
            _ => {}
        }
    }

    fn all(&self) -> Pulling {
        let sum = |part: fn(&Pulling) -> u64| self.0.values().map(part).sum();
        Pulling { done: sum(|layer| layer.done), total: sum(|layer| layer.total) }
    }
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
