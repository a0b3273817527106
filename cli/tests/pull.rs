//! Images come from a registry that the tests start.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[allow(dead_code, reason = "every test program uses its part of it")]
mod support;

use std::{
    fs,
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use compeval_machine_image::{Kind, configuration};
use oci_client::{
    Client, Reference,
    client::{ClientConfig, ClientProtocol, Config, ImageLayer},
    manifest::OciImageManifest,
    secrets::RegistryAuth,
};

use support::{Computation, engine_for_tests, sh};

/// `me` and `secret`, as a password file has them.
const PASSWORDS: &str = "me:$2b$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n";
/// The same, as docker's configuration has them.
const AUTH: &str = "bWU6c2VjcmV0";

/// A registry on this machine, with the passwords of one user, or for all.
struct Registry {
    server: Child,
    address: String,
    directory: tempfile::TempDir,
}

impl Registry {
    fn start(is_for_all: bool) -> Option<Registry> {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name).display().to_string();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let address = format!("127.0.0.1:{port}");
        fs::write(at("passwords"), PASSWORDS).unwrap();
        let auth = format!("auth:\n  htpasswd:\n    realm: test\n    path: {}\n", at("passwords"));
        let configuration = format!(
            "version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: {address}\n{}",
            at("images"),
            if is_for_all { "" } else { &auth }
        );
        fs::write(at("configuration.yml"), configuration).unwrap();
        let mut command = Command::new("docker-registry");
        command.args(["serve", &at("configuration.yml")]).stdout(Stdio::null()).stderr(Stdio::null());
        let server = match command.spawn() {
            Ok(server) => server,
            Err(error) => {
                let is_required = std::env::var("CE_TEST_DOCKER").is_ok_and(|value| value == "require");
                assert!(!is_required, "docker-registry, of Debian's package of that name: {error}");
                let _ = writeln!(io::stderr(), "left out: pulling images needs Debian's package docker-registry");
                return None;
            }
        };
        let registry = Registry { server, address, directory };
        let began = Instant::now();
        while TcpStream::connect(&registry.address).is_err() {
            assert!(began.elapsed() < Duration::from_secs(20));
            sleep(Duration::from_millis(20));
        }
        Some(registry)
    }

    /// Puts an image of this machine's programs there under a name, and gives its reference and its digest.
    fn offer(&self, kind: Kind, name: &str) -> (String, String) {
        self.offer_layers(&[&kind.archive().unwrap()], name)
    }

    fn offer_layers(&self, layers: &[&[u8]], name: &str) -> (String, String) {
        let reference = format!("{}/{name}", self.address);
        let configuration = Config::oci_v1(configuration(layers), None);
        let layers: Vec<_> = layers.iter().map(|layer| ImageLayer::oci_v1(layer.to_vec(), None)).collect();
        let manifest = OciImageManifest::build(&layers, &configuration, None);
        let image: Reference = reference.parse().unwrap();
        let digest = waited(async {
            let auth = RegistryAuth::Basic("me".into(), "secret".into());
            self.client().push(&image, &layers, configuration, &auth, Some(manifest)).await.unwrap();
            self.client().fetch_manifest_digest(&image, &auth).await.unwrap()
        });
        (reference, format!("{}/{}@{digest}", self.address, image.repository().rsplit('/').next().unwrap()))
    }

    fn client(&self) -> Client {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let protocol = ClientProtocol::HttpsExcept(vec![self.address.clone()]);
        Client::new(ClientConfig { protocol, ..ClientConfig::default() })
    }

    /// A directory with a docker configuration.
    fn configuration(&self, name: &str, text: &str) -> String {
        let directory = self.directory.path().join(name);
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("config.json"), text).unwrap();
        directory.display().to_string()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn waited<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

fn computation() -> Option<Computation> {
    Some(Computation::new(engine_for_tests("pulling images")?, "nothing:1", "next_stage && true\n"))
}

/// Takes an image and all that is made of it from the engine.
fn forget(computation: &Computation, references: &[&str]) {
    let engine = computation.engine();
    computation.containers().iter().for_each(|container| engine.remove(&container.id).unwrap());
    references.iter().for_each(|reference| engine.remove_image(reference).unwrap());
}

#[test]
fn an_image_that_is_missing_is_pulled_by_name_and_by_digest() {
    let Some(computation) = computation() else { return };
    let Some(registry) = Registry::start(true) else { return };
    let (reference, digest) = registry.offer(Kind::Busybox, "tool");
    computation.write("docker.conf", format!("image = \"{reference}\"\npull = \"never\"\n"));
    let refused = computation.call(&["true"]);
    assert!(refused.status == Some(125) && refused.stderr.contains("has no image"), "{}", refused.stderr);
    computation.write("docker.conf", format!("image = \"{reference}\"\n"));
    let planned = computation.call(&["-n"]);
    assert!(planned.stderr.contains("has no image"), "{}", planned.stderr);
    let run = computation.call(&["echo", "pulled"]);
    assert!(run.stderr.contains(&format!("ce-run: pulling image {reference}\n")), "{}", run.stderr);
    assert_eq!(run.text(), "pulled\n");
    let again = computation.call(&["true"]);
    assert!(!again.stderr.contains("pulling"), "{}", again.stderr);
    forget(&computation, &[&reference, &digest]);
    computation.write("docker.conf", format!("image = \"{digest}\"\n"));
    assert_eq!(computation.call(&["echo", "by digest"]).text(), "by digest\n");
    computation.write("docker.conf", format!("image = \"{}/none:1\"\n", registry.address));
    let missing = computation.call(&["true"]);
    let said = format!("cannot pull image `{}/none:1`: ", registry.address);
    let why = if computation.has_daemon() { "manifest for".to_owned() } else { format!("`{}` has", registry.address) };
    assert!(missing.status == Some(125) && missing.stderr.contains(&(said + &why)), "{}", missing.stderr);
    forget(&computation, &[&digest]);
}

#[test]
fn a_name_that_means_another_image_is_seen_where_it_is_always_pulled() {
    let Some(computation) = computation() else { return };
    let Some(registry) = Registry::start(true) else { return };
    let (reference, first_digest) = registry.offer(Kind::Busybox, "moving:1");
    computation.write("docker.conf", format!("image = \"{reference}\"\npull = \"always\"\n"));
    computation.call(&["true"]).text();
    let first = computation.container().id;
    let (_, digest) = registry.offer(Kind::Dash, "moving:1");
    let run = computation.call(&["true"]);
    assert!(run.stderr.contains("the name of its image means another image now"), "{}", run.stderr);
    assert_eq!(computation.containers().iter().filter(|container| container.id != first).count(), 1);
    forget(&computation, &[&reference, &first_digest, &digest]);
}

#[test]
fn the_users_credentials_are_used() {
    let Some(computation) = computation() else { return };
    let Some(registry) = Registry::start(false) else { return };
    let (reference, digest) = registry.offer(Kind::Busybox, "private");
    computation.write("docker.conf", format!("image = \"{reference}\"\n"));
    let address = &registry.address;
    let call = |configuration: &str| {
        let mut command = computation.command(&["echo", "pulled"]);
        let path = format!("{}:{}", registry.directory.path().display(), std::env::var("PATH").unwrap());
        command.env("DOCKER_CONFIG", configuration).env("PATH", path);
        support::Run::from(command.output().unwrap())
    };
    let refused = call(&registry.configuration("none", "{}"));
    let is_told = refused.stderr.contains("cannot pull image") && refused.stderr.contains(" login");
    assert!(refused.status == Some(125) && is_told, "{}", refused.stderr);
    let helper = registry.directory.path().join("docker-credential-test");
    let answer = format!("{{\"ServerURL\":\"{address}\",\"Username\":\"me\",\"Secret\":\"secret\"}}");
    for (name, text, script) in [
        ("plain", format!("{{\"auths\":{{\"{address}\":{{\"auth\":\"{AUTH}\"}}}}}}"), String::new()),
        ("helper", format!("{{\"credHelpers\":{{\"{address}\":\"test\"}}}}"), format!("echo '{answer}'")),
    ] {
        fs::write(&helper, format!("#!/bin/sh\ncat >/dev/null\n{script}\n")).unwrap();
        fs::set_permissions(&helper, fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(call(&registry.configuration(name, &text)).text(), "pulled\n", "{name}");
        forget(&computation, &[&reference, &digest]);
    }
    fs::write(&helper, "#!/bin/sh\ncat >/dev/null\necho the keyring is locked >&2\nexit 1\n").unwrap();
    let failed = call(&registry.configuration("helper", &format!("{{\"credHelpers\":{{\"{address}\":\"test\"}}}}")));
    let said = "the credential helper `docker-credential-test` failed: the keyring is locked";
    assert!(failed.stderr.contains(said), "{}", failed.stderr);
}

#[test]
fn pulling_is_ended_by_a_signal() {
    let Some(computation) = computation() else { return };
    // Nobody answers there.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let reference = format!("{}/tool:1", silent.local_addr().unwrap());
    computation.write("docker.conf", format!("image = \"{reference}\"\n"));
    let child = computation.command(&["true"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    sleep(Duration::from_millis(500));
    sh(Path::new("/"), &format!("kill -INT {}", child.id()));
    let began = Instant::now();
    let run = support::Run::from(child.wait_with_output().unwrap());
    assert!(run.status == Some(130) && run.stderr.contains("interrupted"), "{run:?}");
    // A registry is given half a minute.
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[test]
fn of_an_index_the_image_for_this_machine_is_pulled() {
    let Some(computation) = computation() else { return };
    let Some(registry) = Registry::start(true) else { return };
    let (_, other) = registry.offer(Kind::Dash, "many:other");
    let (_, this) = registry.offer(Kind::Busybox, "many:this");
    let reference = format!("{}/many:1", registry.address);
    let architecture = if std::env::consts::ARCH == "aarch64" { "arm64" } else { "amd64" };
    let entry = |of: &str, architecture: &str| {
        serde_json::json!({
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": of.split_once('@').unwrap().1,
            "size": 0,
            "platform": { "os": "linux", "architecture": architecture },
        })
    };
    let index = |entries: &[serde_json::Value]| {
        let text = serde_json::json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": entries,
        });
        let auth = RegistryAuth::Anonymous;
        let image: Reference = reference.parse().unwrap();
        let text = serde_json::from_value(text).unwrap();
        waited(registry.client().push_manifest_list(&image, &auth, text)).unwrap();
        waited(registry.client().fetch_manifest_digest(&image, &auth)).unwrap()
    };
    let digest = index(&[entry(&other, "s390x"), entry(&this, architecture)]);
    computation.write("docker.conf", format!("image = \"{reference}\"\n"));
    assert_eq!(computation.call(&["ls", "/bin/busybox"]).text(), "/bin/busybox\n");
    // By its digest it is here already.
    let by_digest = format!("{}/many@{digest}", registry.address);
    computation.write("docker.conf", format!("image = \"{by_digest}\"\npull = \"never\"\n"));
    assert_eq!(computation.call(&["echo", "here"]).text(), "here\n");
    forget(&computation, &[&reference, &by_digest]);
    index(&[entry(&other, "s390x")]);
    computation.write("docker.conf", format!("image = \"{reference}\"\n"));
    let refused = computation.call(&["true"]);
    let why = if computation.has_daemon() { "no matching manifest" } else { "for other platforms" };
    assert!(refused.status == Some(125) && refused.stderr.contains(why), "{}", refused.stderr);
}

/// Passes on what is said to and by `address`, and breaks off each connection after its number of bytes of answers; those that
/// come later are whole.
fn breaking_off(address: String, after: Vec<u64>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let own = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        let mut after = after.into_iter();
        for caller in listener.incoming() {
            let most = after.next().unwrap_or(u64::MAX);
            let (mut caller, server) = (caller.unwrap(), TcpStream::connect(&address).unwrap());
            let (mut from, mut to) = (caller.try_clone().unwrap(), server.try_clone().unwrap());
            std::thread::spawn(move || io::copy(&mut from, &mut to));
            std::thread::spawn(move || {
                let _ = io::copy(&mut server.take(most), &mut caller);
                let _ = caller.shutdown(std::net::Shutdown::Both);
            });
        }
    });
    own
}

#[test]
fn a_layer_goes_on_where_its_connection_broke_off() {
    let Some(computation) = computation() else { return };
    if computation.has_daemon() {
        return; // it is the daemon's then
    }
    let Some(registry) = Registry::start(true) else { return };
    // What others have got is not pulled.
    let own = |count: u8| {
        let mut content = vec![0; 1 << 20];
        fs::File::open("/dev/urandom").unwrap().read_exact(&mut content).unwrap();
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        let mut layer = tar::Builder::new(Vec::new());
        layer.append_data(&mut header, format!("own{count}"), content.as_slice()).unwrap();
        layer.into_inner().unwrap()
    };
    let busybox = Kind::Busybox.archive().unwrap();
    let (_, digest) = registry.offer_layers(&[&busybox, &own(1)], "large:1");
    let address = breaking_off(registry.address.clone(), vec![300_000; 3]);
    let reference = format!("{address}/large:1");
    computation.write("docker.conf", format!("image = \"{reference}\"\n"));
    assert_eq!(computation.call(&["ls", "/own1"]).text(), "/own1\n");
    let by_digest = digest.replace(&registry.address, &address);
    forget(&computation, &[&reference, &by_digest]);
    // Where nothing more comes, that is told after a while.
    registry.offer_layers(&[&busybox, &own(2)], "large:2");
    let reference =
        format!("{}/large:2", breaking_off(registry.address.clone(), [vec![6_000], vec![100; 20]].concat()));
    computation.write("docker.conf", format!("image = \"{reference}\"\n"));
    let failed = computation.call(&["true"]);
    assert!(failed.status == Some(125) && failed.stderr.contains("cannot reach"), "{}", failed.stderr);
}
