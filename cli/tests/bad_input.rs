//! What `ce-run` says when something is missing or wrong, each message in full.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[allow(dead_code, reason = "every test program uses its part of it")]
mod support;

use std::{
    fs,
    ops::ControlFlow,
    os::unix::{fs::PermissionsExt, net::UnixListener, process::CommandExt},
    process::{Command, Stdio},
};

use compeval_machine_image::{Kind, ensure};
use compeval_runtime::engine::{ContainerSpec, Exec};

use support::{Computation, Run};

/// What is done to a good computation, and how it is called then.
type Case = (&'static str, fn(&Computation), &'static [&'static str]);

/// A case's name, exit status and messages, without what differs from run to run.
fn told(computation: &Computation, name: &str, run: &Run) -> String {
    assert!(run.stdout.is_empty(), "{name}");
    let mut text = run.stderr.replace(&computation.top().display().to_string(), "TOP");
    text = text.replace(env!("CARGO_BIN_EXE_ce-run"), "ce-run");
    text = hide(&text, "/logs/align-", ".log", "LOG");
    text = hide(&text, "/locks/align-", ".lock", "ID");
    for id in text.clone().split("ce-align-").skip(1).filter_map(|rest| rest.get(..12)) {
        text = text.replace(id, "ID");
    }
    format!("## {name}: {}\n{text}\n", run.status.map_or("killed".to_owned(), |status| status.to_string()))
}

/// The text with what is between `before` and `after` replaced.
fn hide(text: &str, before: &str, after: &str, replacement: &str) -> String {
    let mut pieces = text.split(before);
    let mut hidden = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        hidden += before;
        match piece.split_once(after) {
            Some((between, rest)) if !between.contains('\n') => hidden += &format!("{replacement}{after}{rest}"),
            _ => hidden += piece,
        }
    }
    hidden
}

/// Runs each case on a computation of its own.
fn tell(cases: &[Case], new: impl Fn() -> Computation) -> String {
    let tell = |(name, spoil, arguments): &Case| {
        let computation = new();
        spoil(&computation);
        let run = computation.command(arguments).output().unwrap().into();
        told(&computation, name, &run)
    };
    cases.iter().map(tell).collect()
}

fn remove(computation: &Computation, name: &str) {
    fs::remove_file(computation.path(name)).unwrap();
}

fn script(computation: &Computation, text: impl AsRef<[u8]>) {
    computation.write("docker-setup.sh", text);
}

/// Found out without a daemon.
const WITHOUT_A_DAEMON: &[Case] = &[
    ("no docker.conf", |c| remove(c, "docker.conf"), &[]),
    ("docker.conf is empty", |c| c.write("docker.conf", ""), &[]),
    ("docker.conf is no TOML", |c| c.write("docker.conf", "image: debian\n"), &[]),
    ("docker.conf misspells a key", |c| c.write("docker.conf", "imgae = \"debian\"\n"), &[]),
    ("docker.conf has a wrong type", |c| c.write("docker.conf", "image = 13\n"), &[]),
    ("no docker-setup.sh", |c| remove(c, "docker-setup.sh"), &[]),
    (
        "docker-setup.sh is a directory",
        |c| {
            remove(c, "docker-setup.sh");
            fs::create_dir(c.path("docker-setup.sh")).unwrap();
        },
        &[],
    ),
    ("docker.conf is a pipe", |c| drop(c.git("rm docker.conf; mkfifo docker.conf")), &[]),
    ("docker.conf is a device", |c| drop(c.git("ln -sf /dev/zero docker.conf")), &[]),
    ("docker.conf is huge", |c| drop(c.git("truncate -s 2M docker.conf")), &[]),
    ("docker-setup.sh is a pipe", |c| drop(c.git("rm docker-setup.sh; mkfifo docker-setup.sh")), &[]),
    ("docker-setup.sh is a device", |c| drop(c.git("ln -sf /dev/zero docker-setup.sh")), &[]),
    ("docker-setup.sh is huge", |c| drop(c.git("truncate -s 17M docker-setup.sh")), &[]),
    ("syntax errors in it", |c| script(c, "next_stage && {\n\techo 'a\n}\n"), &[]),
    ("two syntax errors", |c| script(c, "next_stage && && a\nnext_stage && fi\nnext_stage && ok\n"), &["-n"]),
    ("NUL in it", |c| script(c, b"next_stage && echo a\nnext_stage && echo \0b\n"), &[]),
    ("not in a Git repository", |c| fs::remove_dir_all(c.path(".git")).unwrap(), &[]),
    ("no commit yet", |c| drop(c.git("rm -rf .git; git init -q .")), &[]),
    ("the Git repository is damaged", |c| drop(c.git("echo x >.git/HEAD")), &[]),
    ("a pipe in the Git repository", |c| drop(c.git("rm .git/HEAD; mkfifo .git/HEAD")), &[]),
    ("a device in the Git repository", |c| drop(c.git("mkdir -p .git/info; ln -sf /dev/zero .git/info/exclude")), &[]),
    ("exec is a pipe", |c| drop(c.git("rm exec; mkfifo exec; chmod +x exec")), &[]),
    ("exec is a device", |c| drop(c.git("ln -sf /dev/zero exec")), &[]),
    ("no exec", |c| remove(c, "exec"), &[]),
    ("exec is not executable", |c| drop(c.git("chmod -x exec")), &[]),
    ("exec is a directory", |c| drop(c.git("rm exec; mkdir exec")), &[]),
    ("no directory", |_| {}, &["-C", "none"]),
    ("no directory but a file", |_| {}, &["-C", "exec"]),
    ("$GFSDIR is missing", |c| fs::remove_dir(c.storage()).unwrap(), &[]),
    ("$GFSDIR is a file", |c| drop(c.git("rmdir ../gfs; echo >../gfs")), &[]),
    ("an unknown option", |_| {}, &["--dry"]),
    ("options that exclude each other", |_| {}, &["-n", "--setup-only"]),
    ("no daemon", |_| {}, &[]),
];

#[test]
fn what_is_missing_is_named_before_the_daemon_is_asked() {
    let new = || Computation::new(None, "debian:13", "next_stage && true\n");
    insta::assert_snapshot!(tell(WITHOUT_A_DAEMON, new));
}

#[test]
fn the_storage_must_be_given() {
    let computation = Computation::new(None, "debian:13", "");
    let mut all = String::new();
    for (name, value) in [("$GFSDIR is not set", None), ("$GFSDIR is empty", Some(""))] {
        let mut command = computation.command(&[]);
        match value {
            Some(value) => command.env("GFSDIR", value),
            None => command.env_remove("GFSDIR"),
        };
        all += &told(&computation, name, &command.output().unwrap().into());
    }
    insta::assert_snapshot!(all);
}

#[test]
fn a_daemon_that_cannot_be_used_is_told_apart_from_none() {
    let computation = Computation::new(None, "debian:13", "");
    let socket = computation.top().join("docker.sock");
    let call = |name: &str, host: &str, command: &mut Command| {
        told(&computation, name, &command.env("DOCKER_HOST", host).output().unwrap().into())
    };
    let host = format!("unix://{}", socket.display());
    let mut all = call("over the network", "tcp://127.0.0.1:2375", &mut computation.command(&[]));
    let listener = UnixListener::bind(&socket).unwrap();
    drop(listener);
    all += &call("nobody listens", &host, &mut computation.command(&[]));
    fs::remove_file(&socket).unwrap();
    let _listener = UnixListener::bind(&socket).unwrap();
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o000)).unwrap();
    let mut command = as_nobody(&computation);
    all += &call("not allowed", &host, &mut command);
    insta::assert_snapshot!(all);
}

/// A call by somebody who is not root, where root runs the tests.
fn as_nobody(computation: &Computation) -> Command {
    if support::sh(&computation.top(), "id -u") != "0" {
        return computation.command(&[]);
    }
    // The program may be below a directory that only root can enter.
    let program = computation.top().join("ce-run");
    fs::copy(env!("CARGO_BIN_EXE_ce-run"), &program).unwrap();
    fs::set_permissions(computation.top(), fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = Command::new(program);
    command.current_dir(computation.directory()).stdin(Stdio::null()).uid(65534).gid(65534);
    command.env("GFSDIR", computation.storage()).env("XDG_STATE_HOME", computation.top().join("state"));
    command
}

const WITH_A_DAEMON: &[Case] = &[
    (
        "no such image",
        |c| c.write("docker.conf", "image = \"compeval-test/none:1\"\npull = \"never\"\n"),
        &["--progress=quiet"],
    ),
    ("no such image, dry run", |c| c.write("docker.conf", "image = \"compeval-test/none:1\"\n"), &["-n"]),
    (
        "docker.conf mounts what is not there",
        |c| {
            let text = fs::read_to_string(c.path("docker.conf")).unwrap();
            c.write("docker.conf", text + "[[mounts]]\nsource = \"none\"\ntarget = \"/none\"\n");
        },
        &["--progress=quiet"],
    ),
    (
        "the image has no such shell",
        |c| {
            let text = fs::read_to_string(c.path("docker.conf")).unwrap();
            c.write("docker.conf", text + "shell = \"/bin/zsh\"\n");
        },
        &["--progress=quiet"],
    ),
    (
        "a stage fails",
        |c| script(c, "next_stage && true\nnext_stage && {\n\techo making x >&2\n\techo no space >&2\n\t(exit 3)\n}\n"),
        &["--progress=quiet"],
    ),
    ("a stage fails without a word", |c| script(c, "next_stage && false\n"), &["--progress=quiet"]),
    ("an everytime command fails", |c| script(c, "everytime && (exit 4)\n"), &["--progress=quiet"]),
    ("a stage kills its shell", |c| script(c, "next_stage && kill -9 $$\n"), &["--progress=quiet"]),
    ("a stage exits", |c| script(c, "next_stage && exit 5\n"), &["--progress=quiet"]),
    ("the script exits", |c| script(c, "next_stage && true\necho that is it; exit 6\n"), &["--progress=quiet"]),
    (
        "a stage needs what only an applied one sets",
        |c| {
            script(
                c,
                "next_stage && version=1\nset -u\nprepare() {\n\techo \"$version\"\n}\nunset version\nnext_stage && prepare\n",
            )
        },
        &["--progress=quiet"],
    ),
    ("the script divides by zero", |c| script(c, "next_stage && true\necho $((1 / 0))\n"), &["--progress=quiet"]),
    ("a stage calls what is not there", |c| script(c, "next_stage && apt-gte update\n"), &["--progress=quiet"]),
    (
        "a stage fails where the shell's output goes to a file",
        |c| script(c, "exec 2>/setup.log\nnext_stage && {\n\techo no space >&2\n\tfalse\n}\n"),
        &["--progress=quiet"],
    ),
    (
        "a stage fails in a redirected group",
        |c| script(c, "{\n\tnext_stage && true\n\tnext_stage && false\n} >>/setup.log\n"),
        &["--progress=quiet"],
    ),
    (
        "the script reads a file that is not there",
        |c| script(c, "next_stage && true\n. /nope\nnext_stage && false\necho more\n"),
        &["--progress=quiet"],
    ),
    ("no exec", |c| remove(c, "exec"), &["--progress=quiet"]),
    ("an interpreter that is not there", |c| c.write("exec", "#!/usr/bin/python9\n"), &["--progress=quiet"]),
];

/// A good computation, unless there is no daemon.
fn computation() -> Option<Computation> {
    let docker = support::engine_for_tests("messages about containers")?;
    let image = ensure(&docker, Kind::Dash).unwrap();
    Some(Computation::new(docker, &image, "next_stage && true\n"))
}

#[test]
fn what_the_daemon_or_the_container_refuses_is_told() {
    if computation().is_some() {
        insta::assert_snapshot!(tell(WITH_A_DAEMON, || computation().unwrap()));
    }
}

/// Writes into the container's ledger.
fn write_ledger(computation: &Computation, text: &str) {
    let write = format!("printf '%b' '{text}' >/var/lib/compeval/state.toml; : >/var/lib/compeval/ready");
    let exec = Exec::new(["sh", "-c", &write]);
    let status =
        computation.engine().exec(&computation.container().id, &exec, &mut |_, _| Ok(ControlFlow::Continue(())));
    assert_eq!(status.unwrap(), 0);
}

#[test]
fn what_is_mended_on_the_way_is_told() {
    let Some(computation) = computation() else { return };
    let mut all = String::new();
    let mut call = |name: &str| {
        let run = computation.command(&["--setup-only"]).output().unwrap().into();
        let text = told(&computation, name, &run);
        all += &hide(&text, " in ", " s\n", "N");
    };
    call("all is well");
    computation.write("docker-container", "<<<<<<< HEAD\n");
    call("docker-container is damaged");
    computation.engine().remove(&computation.container().id).unwrap();
    call("the container was removed");
    write_ledger(&computation, "what is this\\n");
    call("its ledger is damaged");
    write_ledger(&computation, "schema = 99\\n");
    call("its ledger is a later version's");
    let name = computation.container().name.replace("-2", "-1");
    computation.engine().remove(&computation.container().id).unwrap();
    let image = ensure(computation.connected(), Kind::Dash).unwrap();
    let other = computation.engine().create(&name, &ContainerSpec { image, ..ContainerSpec::default() }).unwrap();
    call("its name is taken");
    computation.engine().remove(&other).unwrap();
    insta::assert_snapshot!(all);
}

#[test]
fn a_failed_stage_is_not_built_upon() {
    let Some(computation) = computation() else { return };
    let mut all = String::new();
    computation.write("docker-setup.sh", "next_stage && mkdir /debris && [ -e $GFSDIR/ok ]\n");
    for (name, before) in [("it fails", ":"), ("it could work now", "echo >../gfs/ok")] {
        computation.git(before);
        let run = computation.command(&["--setup-only"]).output().unwrap().into();
        all += &hide(&told(&computation, name, &run), " in ", " s\n", "N");
    }
    insta::assert_snapshot!(all);
}

#[test]
fn waiting_for_another_setup_has_an_end_if_asked_for() {
    let Some(computation) = computation() else { return };
    computation.write("docker-setup.sh", "next_stage && echo >$GFSDIR/begun && sleep 2\n");
    let mut other = computation.command(&["--setup-only", "--progress=quiet"]).spawn().unwrap();
    while !computation.storage().join("begun").exists() {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let run = computation.command(&["--lock-timeout=0", "true"]).output().unwrap().into();
    insta::assert_snapshot!(told(&computation, "another ce-run", &run));
    assert!(other.wait().unwrap().success());
}
