//! Bringing an image from its registry to the store (OCI distribution specification).

use std::{
    cell::Cell,
    error::Error,
    fs::{self, File},
    future::Future,
    io::Write,
    ops::ControlFlow,
    path::{Path, PathBuf},
    pin::pin,
    time::Duration,
};

use compeval_sandbox::{Incoming, Store};
use docker_credential::DockerCredential;
use futures_util::{StreamExt, TryStreamExt, stream};
use oci_client::{
    Client, Reference,
    client::{BlobResponse, ClientConfig, ClientProtocol},
    errors::{OciDistributionError, OciErrorCode},
    manifest::{ImageIndexEntry, OciDescriptor, OciImageManifest},
    secrets::RegistryAuth,
};

use crate::engine::{
    error::EngineError,
    event_loop::event_loop,
    images::Pulling,
    registry::{credentials, split},
};

/// How often at least to ask whether to go on.
const LOOK: Duration = Duration::from_millis(100);
/// How long a registry may take to answer, and to send some more.
const PATIENCE: Duration = Duration::from_secs(30);
/// How many layers come at a time.
const AT_A_TIME: usize = 3;
/// How often in a row a connection may break off before anything came over it, and how long to wait then.
const TRIES: u32 = 4;
const PAUSE: Duration = Duration::from_millis(500);
/// The longest configuration of an image, in bytes.
const LONGEST_CONFIGURATION: i64 = 16 << 20;

/// Brings an image to the store, under the name that it is asked for by and under its digest.
///
/// # Errors
/// [`EngineError::NotPulled`] with what the registry said, or what keeps us from it, and when `progress` said no; the
/// refusals of the store.
pub(super) fn pull(
    store: &Store,
    reference: &str,
    platform: Option<&str>,
    progress: &mut dyn FnMut(Pulling) -> ControlFlow<()>,
) -> Result<(), EngineError> {
    let not_pulled = |message: String| EngineError::NotPulled { reference: reference.to_owned(), message };
    let registry = Registry::of(reference, platform).map_err(not_pulled)?;
    let events = event_loop()?;
    let found = events.block_on(registry.attended(registry.manifest(), progress)).map_err(not_pulled)?;
    let (manifest, digest) = found;
    let configuration = events.block_on(registry.attended(registry.configuration(&manifest), progress));
    let incoming = store.receive(&configuration.map_err(not_pulled)?)?;
    if incoming.layers().len() != manifest.layers.len() {
        return Err(not_pulled("its manifest and its configuration name different layers".into()));
    }
    incoming.in_directory(|directory| {
        let missing = missing(&incoming, &manifest, directory)?;
        let total = missing.iter().map(Layer::bytes).sum();
        registry.so_far.set(Pulling { done: 0, total });
        events.block_on(registry.attended(registry.download(&missing), progress)).map_err(not_pulled)?;
        for layer in &missing {
            if progress(registry.so_far.get()).is_break() {
                return Err(not_pulled(INTERRUPTED.into()));
            }
            incoming.unpack(layer.digest, &layer.file)?;
            fs::remove_file(&layer.file).map_err(EngineError::Client)?;
        }
        Ok::<(), EngineError>(())
    })?;
    let by_digest = format!("{}@{digest}", split(reference).0);
    incoming.finish(&[reference.to_owned(), by_digest])?;
    Ok(())
}

const INTERRUPTED: &str = "interrupted";

/// A layer that is to come.
struct Layer<'l> {
    descriptor: &'l OciDescriptor,
    /// Of what is in it.
    digest: &'l str,
    /// Where it comes to.
    file: PathBuf,
}

impl Layer<'_> {
    fn bytes(&self) -> u64 {
        u64::try_from(self.descriptor.size).unwrap_or_default()
    }
}

/// The layers that a store has not got, each once.
fn missing<'l>(
    incoming: &'l Incoming<'_>,
    manifest: &'l OciImageManifest,
    directory: &Path,
) -> compeval_sandbox::Result<Vec<Layer<'l>>> {
    let mut missing: Vec<Layer<'l>> = Vec::new();
    for (digest, descriptor) in incoming.layers().iter().zip(&manifest.layers) {
        if !incoming.has(digest)? && missing.iter().all(|other| other.digest != digest) {
            let file = directory.join(missing.len().to_string());
            missing.push(Layer { descriptor, digest, file });
        }
    }
    Ok(missing)
}

/// One image of a registry.
struct Registry {
    client: Client,
    image: Reference,
    credentials: RegistryAuth,
    so_far: Cell<Pulling>,
}

impl Registry {
    fn of(reference: &str, platform: Option<&str>) -> Result<Registry, String> {
        let image: Reference = reference.parse().map_err(|error| format!("it is no name of an image: {error}"))?;
        let credentials = match credentials(split(reference).0)? {
            None => RegistryAuth::Anonymous,
            Some(DockerCredential::UsernamePassword(user, password)) => RegistryAuth::Basic(user, password),
            Some(DockerCredential::IdentityToken(_)) => {
                return Err("the docker configuration has an identity token for its registry, which only a Docker \
                            daemon can use: log in with a password or an access token"
                    .into());
            }
        };
        let registry = image.resolve_registry().to_owned();
        let wanted = platform.map(str::to_owned);
        let configuration = ClientConfig {
            // As a Docker daemon does: such registries have no certificates.
            protocol: ClientProtocol::HttpsExcept(if is_loopback(&registry) { vec![registry] } else { Vec::new() }),
            platform_resolver: Some(Box::new(move |all: &[ImageIndexEntry]| of_platform(all, wanted.as_deref()))),
            connect_timeout: Some(PATIENCE),
            read_timeout: Some(PATIENCE),
            user_agent: concat!("compeval/", env!("CARGO_PKG_VERSION")),
            ..ClientConfig::default()
        };
        // Another one may have been chosen for the whole program.
        let _ = rustls::crypto::ring::default_provider().install_default();
        // The certificates of this machine are read.
        let client = Client::try_from(configuration).map_err(|error| {
            format!("no registry can be known to be the right one: {} (Debian's `ca-certificates`)", deepest(&error))
        })?;
        Ok(Registry { client, image, credentials, so_far: Cell::default() })
    }

    /// What `work` gives; `progress` is told meanwhile, and asked.
    async fn attended<T>(
        &self,
        work: impl Future<Output = Result<T, String>>,
        progress: &mut dyn FnMut(Pulling) -> ControlFlow<()>,
    ) -> Result<T, String> {
        let mut work = pin!(work);
        loop {
            if let Ok(done) = tokio::time::timeout(LOOK, &mut work).await {
                return done;
            }
            if progress(self.so_far.get()).is_break() {
                return Err(INTERRUPTED.into());
            }
        }
    }

    /// What the image is made of, for this machine, and the digest that means it for ever: of an index, the index's.
    async fn manifest(&self) -> Result<(OciImageManifest, String), String> {
        let found = self.client.pull_image_manifest_and_list_digest(&self.image, &self.credentials).await;
        let (manifest, digest, of_all) = found.map_err(|error| self.words(&error))?;
        Ok((manifest, of_all.unwrap_or(digest)))
    }

    async fn configuration(&self, manifest: &OciImageManifest) -> Result<Vec<u8>, String> {
        if manifest.config.size > LONGEST_CONFIGURATION {
            return Err(format!("its configuration is longer than {LONGEST_CONFIGURATION} bytes"));
        }
        let mut configuration = Vec::new();
        let pulled = self.client.pull_blob(&self.image, &manifest.config, &mut configuration).await;
        pulled.map(|()| configuration).map_err(|error| self.words(&error))
    }

    async fn download(&self, layers: &[Layer<'_>]) -> Result<(), String> {
        stream::iter(layers).map(|layer| self.fetch(layer)).buffer_unordered(AT_A_TIME).try_collect().await
    }

    /// Brings one layer, and goes on where a connection broke off. What came is looked at when it is unpacked.
    async fn fetch(&self, layer: &Layer<'_>) -> Result<(), String> {
        let mut file = File::create_new(&layer.file).map_err(|error| format!("cannot write a layer: {error}"))?;
        let (mut done, mut tries) = (0, 0);
        loop {
            let before = done;
            let Err(failed) = self.fetch_rest(layer, &mut file, &mut done).await else { return Ok(()) };
            tries = if done > before { 1 } else { tries + 1 };
            if tries == TRIES || matches!(failed, FetchFailure::Final(_)) {
                let (FetchFailure::Final(words) | FetchFailure::Passing(words)) = failed;
                return Err(words);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn fetch_rest(&self, layer: &Layer<'_>, file: &mut File, done: &mut u64) -> Result<(), FetchFailure> {
        let asked = self.client.pull_blob_stream_partial(&self.image, layer.descriptor, *done, None).await;
        let mut pieces = match asked.map_err(|error| self.broken(&error))? {
            BlobResponse::Partial(pieces) => pieces,
            // It has no parts: all of it comes again.
            BlobResponse::Full(pieces) => {
                let empty = file.set_len(0).and_then(|()| std::io::Seek::rewind(file));
                empty.map_err(|error| FetchFailure::Final(format!("cannot write a layer: {error}")))?;
                self.count(0u64.wrapping_sub(*done));
                *done = 0;
                pieces
            }
        };
        while let Some(piece) = pieces.stream.next().await {
            let piece =
                piece.map_err(|error| FetchFailure::Passing(format!("a layer broke off: {}", deepest(&error))))?;
            *done += piece.len() as u64;
            if *done > layer.bytes() {
                return Err(FetchFailure::Final("a layer is longer than its manifest says".into()));
            }
            file.write_all(&piece).map_err(|error| FetchFailure::Final(format!("cannot write a layer: {error}")))?;
            self.count(piece.len() as u64);
        }
        if *done < layer.bytes() {
            return Err(FetchFailure::Passing("a layer broke off before its end".into()));
        }
        Ok(())
    }

    fn count(&self, bytes: u64) {
        let Pulling { done, total } = self.so_far.get();
        self.so_far.set(Pulling { done: done.wrapping_add(bytes), total });
    }

    fn broken(&self, error: &OciDistributionError) -> FetchFailure {
        let words = self.words(error);
        match error {
            OciDistributionError::RequestError(_) => FetchFailure::Passing(words),
            OciDistributionError::ServerError { code, .. } if *code >= 500 => FetchFailure::Passing(words),
            _ => FetchFailure::Final(words),
        }
    }

    fn words(&self, error: &OciDistributionError) -> String {
        let registry = self.image.resolve_registry();
        let refused = || match self.credentials {
            RegistryAuth::Anonymous => format!("`{registry}` gives it to those alone that log in, or has not got it"),
            _ => format!("`{registry}` does not give it to the user of the docker configuration"),
        };
        match error {
            OciDistributionError::ImageManifestNotFoundError(_) => {
                format!("`{registry}` has it for other platforms than this one")
            }
            OciDistributionError::RegistryError { envelope, .. } => {
                let is = |codes: &[OciErrorCode]| envelope.errors.iter().any(|error| codes.contains(&error.code));
                if is(&[OciErrorCode::ManifestUnknown, OciErrorCode::NameUnknown, OciErrorCode::NotFound]) {
                    format!("`{registry}` has not got it")
                } else if is(&[OciErrorCode::Unauthorized, OciErrorCode::Denied]) {
                    refused()
                } else {
                    format!("`{registry}` says: {envelope}")
                }
            }
            OciDistributionError::UnauthorizedError { .. } | OciDistributionError::AuthenticationFailure(_) => {
                refused()
            }
            OciDistributionError::ServerError { code: 404, .. } => format!("`{registry}` has not got it"),
            OciDistributionError::ServerError { code, .. } => format!("`{registry}` answers with status {code}"),
            OciDistributionError::RequestError(error) => {
                let why = deepest(error);
                let also =
                    if why.contains("certificate") { " (those that SSL_CERT_FILE names are trusted)" } else { "" };
                format!("cannot reach `{registry}`: {why}{also}")
            }
            other => other.to_string(),
        }
    }
}

/// Why a layer is not here.
enum FetchFailure {
    /// The next time it may be.
    Passing(String),
    Final(String),
}

/// The digest of the image for a platform (`os/architecture/variant`), else for this machine.
fn of_platform(all: &[ImageIndexEntry], wanted: Option<&str>) -> Option<String> {
    let wanted = wanted.map_or_else(|| format!("linux/{}", compeval_sandbox::architecture()), str::to_owned);
    let fits = |entry: &&ImageIndexEntry| {
        let Some(platform) = &entry.platform else { return false };
        let whole = format!("{}/{}", platform.os, platform.architecture);
        let with_variant = platform.variant.as_ref().map(|variant| format!("{whole}/{variant}"));
        whole == wanted || with_variant.is_some_and(|name| name == wanted)
    };
    all.iter().find(fits).map(|entry| entry.digest.clone())
}

fn is_loopback(registry: &str) -> bool {
    let host = match registry.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => registry,
    };
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// What an error comes from.
fn deepest(error: &dyn Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registries_of_this_machine_are_asked_without_certificates() {
        for (registry, is) in [
            ("127.0.0.1:5000", true),
            ("127.1.2.3", true),
            ("[::1]:5000", true),
            ("localhost:80", true),
            ("localhost.example.org", false),
            ("127.0.0.1.example.org:5000", false),
            ("index.docker.io", false),
        ] {
            assert_eq!(is_loopback(registry), is, "{registry}");
        }
    }
}
