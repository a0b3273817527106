//! Bringing an image here from its registry (Docker API, ImageCreate).

use std::{collections::BTreeMap, ops::ControlFlow, time::Duration};

use bollard::{auth::DockerCredentials, models::CreateImageInfo, query_parameters as query};
use docker_credential::DockerCredential;
use futures_util::StreamExt;

use super::Docker;
use crate::engine::{
    error::EngineError,
    event_loop::block_on,
    images::Pulling,
    registry::{credentials, registry, split},
};

/// How often at least to ask whether to go on.
const LOOK: Duration = Duration::from_millis(100);

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
        let known = credentials(name).map_err(failed)?;
        let credentials = known.map(|credential| for_daemon(credential, registry(name)));
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

/// Credentials for a registry, as a daemon takes them.
fn for_daemon(credential: DockerCredential, registry: &str) -> DockerCredentials {
    let serveraddress = Some(registry.to_owned());
    match credential {
        DockerCredential::UsernamePassword(username, password) => DockerCredentials {
            username: Some(username),
            password: Some(password),
            serveraddress,
            ..DockerCredentials::default()
        },
        DockerCredential::IdentityToken(token) => {
            DockerCredentials { identitytoken: Some(token), serveraddress, ..DockerCredentials::default() }
        }
    }
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
