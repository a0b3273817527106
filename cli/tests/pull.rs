//! Images come from a registry that the tests start.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[allow(dead_code, reason = "every test program uses its part of it")]
mod support;

use std::{
    fs,
    io::{self, Write},
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use compeval_machine_image::{Kind, docker_for_tests, ensure};

use support::{Computation, sh};

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

    /// Puts an image of this machine there under a name, and takes the name from this machine; gives the name.
    fn offer(&self, image: &str, name: &str) -> String {
        let reference = format!("{}/{name}", self.address);
        let configuration =
            self.configuration("push", &format!("{{\"auths\":{{\"{}\":{{\"auth\":\"{AUTH}\"}}}}}}", self.address));
        let script = format!(
            "docker tag {image} {reference} && docker --config {configuration} push -q {reference} && docker rmi -f {reference}"
        );
        sh(Path::new("/"), &script);
        reference
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
        let of_it = format!(
            "docker images --digests --format '{{{{.Repository}}}}@{{{{.Digest}}}}' | grep '^{}/'",
            self.address
        );
        sh(Path::new("/"), &format!("{of_it} | xargs -r docker rmi -f >/dev/null 2>&1 || :"));
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// A computation whose image is here, and will be known by another name.
fn computation() -> Option<(Computation, String)> {
    let docker = docker_for_tests("pulling images")?;
    let image = ensure(&docker, Kind::Busybox).unwrap();
    Some((Computation::new(docker, &image, "next_stage && true\n"), image))
}

fn forget(reference: &str) {
    sh(Path::new("/"), &format!("docker rmi -f {reference} >/dev/null 2>&1 || :"));
}

#[test]
fn an_image_that_is_missing_is_pulled_by_name_and_by_digest() {
    let Some((computation, image)) = computation() else { return };
    let Some(registry) = Registry::start(true) else { return };
    let reference = registry.offer(&image, "tool");
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
    let digest = sh(Path::new("/"), &format!("docker image inspect -f '{{{{index .RepoDigests 0}}}}' {reference}"));
    forget(&reference);
    computation.write("docker.conf", format!("image = \"{digest}\"\n"));
    assert_eq!(computation.call(&["echo", "by digest"]).text(), "by digest\n");
    computation.write("docker.conf", format!("image = \"{}/none:1\"\n", registry.address));
    let missing = computation.call(&["true"]);
    let said = format!("cannot pull image `{}/none:1`: manifest for", registry.address);
    assert!(missing.status == Some(125) && missing.stderr.contains(&said), "{}", missing.stderr);
    forget(&digest);
}

#[test]
fn a_name_that_means_another_image_is_seen_where_it_is_always_pulled() {
    let Some((computation, image)) = computation() else { return };
    let other = ensure(computation.connected(), Kind::Dash).unwrap();
    let Some(registry) = Registry::start(true) else { return };
    let reference = registry.offer(&image, "moving:1");
    computation.write("docker.conf", format!("image = \"{reference}\"\npull = \"always\"\n"));
    computation.call(&["true"]).text();
    let first = computation.container().id;
    registry.offer(&other, "moving:1");
    let run = computation.call(&["true"]);
    assert!(run.stderr.contains("the name of its image means another image now"), "{}", run.stderr);
    assert_eq!(computation.containers().iter().filter(|container| container.id != first).count(), 1);
    forget(&reference);
}

#[test]
fn the_users_credentials_are_used() {
    let Some((computation, image)) = computation() else { return };
    let Some(registry) = Registry::start(false) else { return };
    let reference = registry.offer(&image, "private");
    computation.write("docker.conf", format!("image = \"{reference}\"\n"));
    let address = &registry.address;
    let call = |configuration: &str| {
        let mut command = computation.command(&["echo", "pulled"]);
        let path = format!("{}:{}", registry.directory.path().display(), std::env::var("PATH").unwrap());
        command.env("DOCKER_CONFIG", configuration).env("PATH", path);
        support::Run::from(command.output().unwrap())
    };
    let refused = call(&registry.configuration("none", "{}"));
    let is_told = refused.stderr.contains("cannot pull image") && refused.stderr.contains("docker login");
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
        sh(Path::new("/"), &format!("docker rm -f {} >/dev/null", computation.container().id));
        forget(&reference);
    }
    fs::write(&helper, "#!/bin/sh\ncat >/dev/null\necho the keyring is locked >&2\nexit 1\n").unwrap();
    let failed = call(&registry.configuration("helper", &format!("{{\"credHelpers\":{{\"{address}\":\"test\"}}}}")));
    let said = "the credential helper `docker-credential-test` failed: the keyring is locked";
    assert!(failed.stderr.contains(said), "{}", failed.stderr);
}

#[test]
fn pulling_is_ended_by_a_signal() {
    let Some((computation, _)) = computation() else { return };
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
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
}
