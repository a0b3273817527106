//! An [`Engine`](super::Engine) over a Docker daemon's Unix socket; the only folder that names bollard and tokio.
//!
//! Every call drives a small event loop of its own on the calling thread. So a caller whose output is stuck (a full
//! pipe) holds up nobody: another thread can send a signal through the same [`Docker`] meanwhile.

mod connect;
mod container;
mod convert;
mod exec;
mod help;
mod image;
mod pull;
mod stdin;
mod talk;
mod terminal;

use std::path::PathBuf;

pub use help::{DOCKER, PODMAN, help};

/// A Docker daemon.
pub struct Docker {
    socket: PathBuf,
    client: bollard::Docker,
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        ops::ControlFlow,
        path::Path,
        time::{Duration, Instant},
    };

    use compeval_machine_image::{Kind, docker_for_tests, ensure};

    use super::{connect::connection_error, *};
    use crate::engine::{
        containers::{BindMount, ContainerSpec, ContainerState, Containers},
        error::EngineError,
        event_loop::block_on,
        exec::{Exec, Execs, Stream},
        images::Images,
    };

    const A_MOMENT: Duration = Duration::from_millis(2);

    /// A running container that goes when the test ends, whatever way.
    struct Guarded {
        docker: Docker,
        id: String,
    }

    impl Drop for Guarded {
        fn drop(&mut self) {
            let _ = self.docker.remove(&self.id);
        }
    }

    impl Guarded {
        fn sh(&self, script: &str) -> (i32, String, String) {
            let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
            let status = self.docker.exec(&self.id, &Exec::new(["sh", "-c", script]), &mut |stream, piece| {
                match stream {
                    Stream::Stdout => stdout.extend_from_slice(piece),
                    Stream::Stderr => stderr.extend_from_slice(piece),
                }
                Ok(ControlFlow::Continue(()))
            });
            (status.unwrap(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
        }
    }

    fn spec(kind: Kind) -> ContainerSpec {
        ContainerSpec {
            image: kind.reference().into(),
            command: ["sleep", "1000"].map(String::from).to_vec(),
            network: Some("none".into()),
            init: true,
            labels: [("compeval.test".to_owned(), std::process::id().to_string())].into(),
            ..ContainerSpec::default()
        }
    }

    /// A running container named for this process and `name`; `None` without a daemon.
    fn container(name: &str, kind: Kind) -> Option<Guarded> {
        ensure(&docker_for_tests(&format!("engine::docker, {name}"))?, kind).unwrap();
        let docker = Docker::connect().unwrap();
        let id = docker.create(&format!("ce-test-{}-{name}", std::process::id()), &spec(kind)).unwrap();
        let guarded = Guarded { docker, id };
        guarded.docker.start(&guarded.id).unwrap();
        Some(guarded)
    }

    #[test]
    fn a_command_gives_its_output_and_its_exit_status() {
        for kind in [Kind::Dash, Kind::Bash, Kind::Busybox] {
            let Some(container) = container(&format!("output-{kind:?}"), kind) else {
                return;
            };
            assert_eq!(container.sh("echo out; echo err >&2; exit 3"), (3, "out\n".into(), "err\n".into()), "{kind:?}");
            assert_eq!(container.sh("kill -TERM $$").0, 143, "{kind:?}");
            assert_eq!(container.sh("cat /etc/hostname | wc -l && id -u").1.replace(' ', ""), "1\n0\n", "{kind:?}");
        }
    }

    #[test]
    fn a_container_that_is_gone_is_found_out_by_every_verb() {
        let Some(container) = container("gone", Kind::Busybox) else {
            return;
        };
        let (docker, id) = (&container.docker, container.id.as_str());
        docker.remove(id).unwrap();
        docker.remove(id).unwrap();
        assert_eq!(docker.container(id).unwrap(), None);
        let exec = docker.exec(id, &Exec::new(["true"]), &mut |_, _| Ok(ControlFlow::Continue(())));
        assert!(matches!(exec, Err(EngineError::NoSuchContainer { .. })), "{exec:?}");
        assert!(matches!(docker.start(id), Err(EngineError::NoSuchContainer { .. })));
        assert!(matches!(docker.unpause(id), Err(EngineError::NoSuchContainer { .. })));
    }

    #[test]
    fn a_stopped_or_paused_container_runs_nothing() {
        let Some(container) = container("stopped", Kind::Busybox) else {
            return;
        };
        let (docker, id) = (&container.docker, container.id.as_str());
        let exec = || docker.exec(id, &Exec::new(["true"]), &mut |_, _| Ok(ControlFlow::Continue(())));
        assert!(matches!(exec(), Ok(0)));
        docker.start(id).unwrap();
        docker.unpause(id).unwrap();
        block_on(docker.client.pause_container(id)).unwrap().unwrap();
        assert!(matches!(exec(), Err(EngineError::Paused { .. })));
        assert_eq!(docker.container(id).unwrap().unwrap().state, ContainerState::Paused);
        docker.unpause(id).unwrap();
        assert!(matches!(exec(), Ok(0)));
        block_on(docker.client.kill_container(id, None)).unwrap().unwrap();
        while docker.container(id).unwrap().unwrap().state != ContainerState::Exited {
            std::thread::sleep(A_MOMENT);
        }
        assert!(matches!(exec(), Err(EngineError::NotRunning { .. })));
        docker.start(id).unwrap();
        assert!(matches!(exec(), Ok(0)));
    }

    #[test]
    fn creation_tells_its_failures_apart() {
        let Some(container) = container("create", Kind::Busybox) else {
            return;
        };
        let docker = &container.docker;
        let name = docker.container(&container.id).unwrap().unwrap().name;
        assert!(matches!(docker.create(&name, &spec(Kind::Busybox)), Err(EngineError::NameTaken { .. })));
        let other = format!("{name}-other");
        let no_image = ContainerSpec { image: "compeval-test/none:1".into(), ..spec(Kind::Busybox) };
        assert!(matches!(docker.create(&other, &no_image), Err(EngineError::NoSuchImage { .. })));
        let mount = BindMount { source: "/no/such/source".into(), target: "/x".into(), read_only: true };
        let bad = ContainerSpec { mounts: vec![mount], ..spec(Kind::Busybox) };
        let error = docker.create(&other, &bad).unwrap_err();
        assert_eq!(error.to_string(), "cannot mount `/no/such/source`: it does not exist on the engine's machine");
        assert!(matches!(docker.image("compeval-test/none:1"), Err(EngineError::NoSuchImage { .. })));
        assert!(!Path::new("/no/such/source").exists());

        let source = tempfile::tempdir().unwrap();
        let mount = BindMount { source: source.path().into(), target: "/x".into(), read_only: true };
        let mounted = ContainerSpec { mounts: vec![mount], ..spec(Kind::Busybox) };
        let guarded = Guarded { docker: Docker::connect().unwrap(), id: docker.create(&other, &mounted).unwrap() };
        let path = source.path().to_owned();
        source.close().unwrap();
        let error = docker.start(&guarded.id).unwrap_err();
        assert!(matches!(&error, EngineError::BadMount { source_path } if *source_path == path), "{error:?}");
        assert!(!path.exists());
    }

    #[test]
    fn containers_and_images_say_what_they_are() {
        let Some(container) = container("facts", Kind::Busybox) else {
            return;
        };
        let docker = &container.docker;
        let image = docker.image(Kind::Busybox.reference()).unwrap();
        assert!(image.platform.starts_with("linux/"), "{image:?}");
        assert!(image.env.iter().any(|variable| variable.starts_with("PATH=")), "{image:?}");
        let process = std::process::id().to_string();
        let listed = docker.containers(&[("compeval.test", &process)]).unwrap();
        let found = listed.iter().find(|listed| listed.id == container.id).unwrap();
        let inspected = docker.container(&found.name).unwrap().unwrap();
        assert_eq!((&found.name, found.state, &found.labels), (&inspected.name, inspected.state, &inspected.labels));
        assert_eq!((&inspected.image_id, inspected.state), (&image.id, ContainerState::Running));
        assert_eq!(found.image_id, image.id);
        assert_eq!(inspected.created.as_second(), found.created.as_second());
        assert_eq!(docker.containers(&[("compeval.test", "none")]).unwrap(), []);
    }

    #[test]
    fn a_snapshot_is_an_image_with_labels_of_its_own() {
        let Some(container) = container("commit", Kind::Busybox) else {
            return;
        };
        let docker = &container.docker;
        container.sh("echo kept >/made; exec true");
        let reference = format!("compeval-test/commit:{}", std::process::id());
        let labels = [("compeval.test".to_owned(), "snapshot".to_owned())].into();
        let id = docker.commit(&container.id, &reference, &labels).unwrap();
        let process = std::process::id().to_string();
        let found = docker.images(&[("compeval.test", "snapshot")]).unwrap();
        assert!(found.iter().any(|image| image.id == id), "{found:?}");
        assert_eq!(docker.images(&[("compeval.test", &process)]).unwrap(), []);
        let name = format!("ce-test-{process}-commit-2");
        let from_it = ContainerSpec { image: id.clone(), ..spec(Kind::Busybox) };
        let second = Guarded { docker: Docker::connect().unwrap(), id: docker.create(&name, &from_it).unwrap() };
        docker.start(&second.id).unwrap();
        assert_eq!(second.sh("cat /made").1, "kept\n");
        assert_eq!(docker.processes(&second.id).unwrap(), 2);
        assert!(matches!(docker.remove_image(&id), Err(EngineError::ImageInUse { .. })));
        drop(second);
        docker.remove_image(&id).unwrap();
        docker.remove_image(&id).unwrap();
        assert!(matches!(docker.image(&id), Err(EngineError::NoSuchImage { .. })));
    }

    #[test]
    fn a_file_of_a_container_is_read_whatever_state_it_is_in() {
        let Some(container) = container("files", Kind::Busybox) else {
            return;
        };
        let (docker, id) = (&container.docker, container.id.as_str());
        container.sh(
            "echo one >/written; echo two >>/written; : >/empty; mkdir /d; ln -s /written /d/link; ln -s ../../../../etc/shadow /out; \
             cp /etc/passwd /removed; rm /removed",
        );
        for _ in 0..2 {
            let read = |path: &str| docker.read_file(id, path).unwrap().map(|bytes| String::from_utf8(bytes).unwrap());
            assert_eq!(read("/written").as_deref(), Some("one\ntwo\n"));
            assert_eq!(read("/empty").as_deref(), Some(""));
            assert!(read("/etc/passwd").is_some_and(|text| text.contains("root")), "of the image");
            assert_eq!([read("/none"), read("/removed"), read("/d"), read("/out")], [None, None, None, None]);
            docker.stop(id).unwrap();
        }
        docker.remove(id).unwrap();
        assert!(matches!(docker.read_file(id, "/written"), Err(EngineError::NoSuchContainer { .. })));
    }

    #[test]
    fn what_runs_in_a_container_is_told_until_it_is_stopped() {
        let Some(container) = container("commands", Kind::Busybox) else {
            return;
        };
        let (docker, id) = (&container.docker, container.id.as_str());
        assert_eq!(docker.commands(id).unwrap(), []);
        let (arrived, arrival) = std::sync::mpsc::channel();
        let script = ["sh", "-c", "echo up; sleep 60"];
        std::thread::scope(|scope| {
            let command = scope.spawn(|| {
                docker.exec(id, &Exec::new(script), &mut |_, _| {
                    arrived.send(()).map_err(io::Error::other)?;
                    Ok(ControlFlow::Continue(()))
                })
            });
            arrival.recv().unwrap();
            let commands = docker.commands(id).unwrap();
            assert_eq!(commands.iter().map(|program| &program.argv).collect::<Vec<_>>(), [&script]);
            assert!(commands[0].process.is_some_and(|process| process > 1), "{commands:?}");
            docker.stop(id).unwrap();
            docker.stop(id).unwrap();
            assert_eq!(command.join().unwrap().unwrap(), 137);
        });
    }

    #[test]
    fn a_megabyte_of_every_byte_arrives_as_it_was() {
        let Some(container) = container("bytes", Kind::Busybox) else {
            return;
        };
        let script = "i=0; while [ $i -lt 256 ]; do printf \"\\\\$(printf %o $i)\"; i=$((i+1)); done >/tmp/b; \
                      for i in 1 2 3 4; do cat /tmp/b /tmp/b /tmp/b /tmp/b >/tmp/c; mv /tmp/c /tmp/b; done; cat /tmp/b";
        let mut got = Vec::new();
        let status = container.docker.exec(&container.id, &Exec::new(["sh", "-c", script]), &mut |_, piece| {
            got.extend_from_slice(piece);
            Ok(ControlFlow::Continue(()))
        });
        assert_eq!(status.unwrap(), 0);
        assert_eq!(got, (0..=255).cycle().take(65536).collect::<Vec<u8>>());
    }

    #[test]
    fn a_reader_that_blocks_keeps_no_other_call_from_its_daemon() {
        let Some(container) = container("blocked", Kind::Busybox) else {
            return;
        };
        let (arrived, arrival) = std::sync::mpsc::channel();
        let (release, released) = std::sync::mpsc::channel();
        let (docker, id) = (&container.docker, &container.id);
        std::thread::scope(|scope| {
            let stuck = scope.spawn(move || {
                docker.exec(id, &Exec::new(["echo", "x"]), &mut |_, _| {
                    arrived.send(()).map_err(io::Error::other)?;
                    released.recv_timeout(Duration::from_secs(60)).map_err(io::Error::other)?;
                    Ok(ControlFlow::Continue(()))
                })
            });
            arrival.recv().unwrap();
            assert_eq!(container.sh("exit 5").0, 5);
            release.send(()).unwrap();
            assert_eq!(stuck.join().unwrap().unwrap(), 0);
        });
    }

    #[test]
    fn environment_user_and_directory_are_the_commands_own() {
        let Some(container) = container("as", Kind::Busybox) else {
            return;
        };
        let exec = Exec {
            env: vec![("A".into(), "b c".into())],
            user: Some("1000:1000".into()),
            working_dir: Some("/var".into()),
            ..Exec::new(["sh", "-c", "echo \"$A\" $(id -u) $PWD; cat"])
        };
        let mut got = Vec::new();
        let status = container.docker.exec(&container.id, &exec, &mut |_, piece| {
            got.extend_from_slice(piece);
            Ok(ControlFlow::Continue(()))
        });
        assert_eq!((status.unwrap(), got.as_slice()), (0, &b"b c 1000 /var\n"[..]));
    }

    /// What a process of its own gives whose standard input is a pipe holding `given`, and stays open if told to:
    /// this test program again, as [`passes_its_standard_input_on`] only.
    fn with_standard_input(container: &Guarded, script: &str, given: &[u8], stays_open: bool) -> String {
        use std::io::{Read, Write};
        use std::process::{Command, Stdio};
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "engine::docker::tests::passes_its_standard_input_on", "--nocapture"])
            .env("CE_TEST_STDIN", format!("{} {script}", container.id))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take();
        stdin.as_mut().unwrap().write_all(given).unwrap();
        if !stays_open {
            stdin = None;
        }
        let mut said = String::new();
        child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
        child.wait().unwrap();
        drop(stdin);
        said
    }

    #[test]
    fn passes_its_standard_input_on() {
        let Ok(order) = std::env::var("CE_TEST_STDIN") else {
            return;
        };
        let (id, script) = order.split_once(' ').unwrap();
        let docker = Docker::connect().unwrap();
        let mut talk = docker.converse(id, &Exec::new(["sh", "-c", script])).unwrap();
        talk.pass_input().unwrap();
        while let Some((_, piece)) = talk.receive().unwrap() {
            io::Write::write_all(&mut io::stdout(), &piece).unwrap();
        }
        println!("status {}", talk.status().unwrap());
    }

    #[test]
    fn who_has_enough_does_not_wait_for_what_a_command_left_behind() {
        let Some(container) = container("enough", Kind::Dash) else {
            return;
        };
        let script = "echo last; echo words >&2; sleep 3 & exit 4";
        for (enough, seconds) in [(true, 0..1), (false, 1..10)] {
            let (begin, mut said) = (Instant::now(), Vec::new());
            let status = container.docker.exec(&container.id, &Exec::new(["sh", "-c", script]), &mut |_, piece| {
                said.extend_from_slice(piece);
                Ok(if enough && piece == b"last\n" { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
            });
            assert_eq!((status.unwrap(), said.len()), (4, 11));
            assert!(seconds.contains(&begin.elapsed().as_secs()), "{:?}", begin.elapsed());
        }
    }

    #[test]
    fn enough_is_no_reason_to_end_before_the_command() {
        let Some(container) = container("not-ended", Kind::Busybox) else {
            return;
        };
        let mut said = Vec::new();
        let exec = Exec::new(["sh", "-c", "echo first; sleep 0.05; echo last; exit 5"]);
        let status = container.docker.exec(&container.id, &exec, &mut |_, piece| {
            said.extend_from_slice(piece);
            Ok(ControlFlow::Break(()))
        });
        assert_eq!((status.unwrap(), said.as_slice()), (5, &b"first\nlast\n"[..]));
    }

    #[test]
    fn standard_input_reaches_the_command_with_its_end() {
        let Some(container) = container("stdin", Kind::Busybox) else {
            return;
        };
        let said = with_standard_input(&container, "wc -c; sleep 0.1; echo after", &vec![b'x'; 1_000_000], false);
        assert!(said.contains("1000000\nafter\nstatus 0\n"), "{said}");
    }

    #[test]
    fn a_command_that_ends_first_does_not_wait_for_standard_input() {
        let Some(container) = container("stdin-open", Kind::Busybox) else {
            return;
        };
        let said = with_standard_input(&container, "read line; echo got $line; exit 7", b"one\ntwo\n", true);
        assert!(said.contains("got one\nstatus 7\n"), "{said}");
    }

    #[test]
    fn the_ways_to_find_no_daemon_are_told_apart() {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("docker.sock");
        let kind = || match Docker::connect_to(&socket) {
            Err(EngineError::Unreachable { source, .. }) => Some(source.kind()),
            _ => None,
        };
        assert_eq!(kind(), Some(io::ErrorKind::NotFound));
        drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
        assert_eq!(kind(), Some(io::ErrorKind::ConnectionRefused));
        let denied = connection_error(&socket, io::ErrorKind::PermissionDenied.into());
        assert!(matches!(denied, EngineError::PermissionDenied { .. }));
    }

    #[test]
    fn a_daemon_that_went_away_is_unreachable() {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("docker.sock");
        let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let docker = Docker::connect_to(&socket).unwrap();
        drop(listener);
        let error = docker.container("x").unwrap_err();
        assert!(matches!(error, EngineError::Unreachable { .. }), "{error:?}");
    }
}
