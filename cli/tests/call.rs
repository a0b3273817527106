//! A call behaves as if the program ran on this machine: paths, whose files they are, what is read, how it ends.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[allow(dead_code, reason = "every test program uses its part of it")]
mod support;

use std::{
    ffi::{OsStr, OsString},
    fs,
    os::unix::{
        ffi::OsStringExt,
        fs::{MetadataExt, PermissionsExt, symlink},
        process::CommandExt,
    },
    path::Path,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use compeval_machine_image::{Kind, ensure};

use support::{Computation, Run, proxy::Proxy, wait_until};

/// A computation with this setup script, unless there is no daemon.
fn computation(subject: &str, kind: Kind, script: &str) -> Option<Computation> {
    let docker = support::engine_for_tests(subject)?;
    let image = ensure(&docker, kind).unwrap();
    Some(Computation::new(docker, &image, script))
}

/// What runs a call from a directory.
fn from(computation: &Computation, directory: &Path, arguments: &[impl AsRef<OsStr>]) -> Run {
    computation.command(&[]).args(arguments).current_dir(directory).output().unwrap().into()
}

#[test]
fn paths_mean_what_they_mean_on_this_machine() {
    let Some(computation) = computation("paths", Kind::Dash, "") else { return };
    let (top, storage, own) = (computation.top(), computation.storage(), computation.directory());
    let at = own.to_str().unwrap();
    fs::create_dir(storage.join("sub")).unwrap();
    fs::write(storage.join("a"), "a\n").unwrap();
    fs::write(storage.join("sub/b"), "b\n").unwrap();
    symlink(storage.join("a"), storage.join("sub/link")).unwrap();
    computation.write("data", "data\n");
    computation.commit("data");
    let script = "cd /; IFS=,; cat $1";
    let list = format!("{0}/a,{0}/sub/b", storage.display());
    let named = |name: &str| storage.join(name).display().to_string();
    for (directory, arguments, printed) in [
        (&storage, vec!["cat", "a"], "a\n"),
        (&storage.join("sub"), vec!["cat", "b", "../a", "link", "./../../align/data"], "b\na\na\ndata\n"),
        (&computation.directory(), vec!["cat", "data", "../gfs/a"], "data\na\n"),
        (&top, vec!["cat", "gfs/a", "align/data"], "a\ndata\n"),
        (&top, vec!["sh", "-c", script, "sh", &list], "a\nb\n"),
        (&top, vec!["readlink", &named("sub/link")], &(named("a") + "\n")),
        (&top, vec!["echo", &named("x"), "--out=gfs/x", "gfs/x"], "/compeval/gfs/x --out=gfs/x gfs/x\n"),
        (&storage, vec!["pwd"], "/compeval/gfs\n"),
        (&top, vec!["pwd"], "/compeval/computation\n"),
    ] {
        let arguments = [vec!["-C", at, "--"], arguments].concat();
        assert_eq!(from(&computation, directory, &arguments).text(), printed, "{} {arguments:?}", directory.display());
    }
    let untouched = [OsString::from("--no-translate"), "echo".into(), named("x").into()];
    assert_eq!(from(&computation, &computation.directory(), &untouched).text(), named("x") + "\n");
    let both_have_it = ["--entrypoint", "cat", "--", "/etc/passwd"];
    assert!(from(&computation, &computation.directory(), &both_have_it).text().starts_with("root:"));
}

#[test]
fn a_name_may_have_any_bytes() {
    for script in ["next_stage && true\n", "everytime && true\n"] {
        let Some(computation) = computation("bytes", Kind::Bash, script) else { return };
        let name = OsString::from_vec(b"\xff 'a\nb\"".to_vec());
        fs::write(computation.storage().join(&name), "found").unwrap();
        let argument = computation.storage().join(&name).into_os_string();
        for user in ["", "user = \"1234:1234\"\n"] {
            if !user.is_empty() && computation.has_only_root() {
                continue;
            }
            let image = fs::read_to_string(computation.path("docker.conf")).unwrap();
            computation.write("docker.conf", image + user);
            let run = from(&computation, &computation.directory(), &["cat".into(), argument.clone()]);
            assert_eq!(run.text(), "found", "{script} {user}");
        }
    }
}

#[test]
fn a_command_starts_where_it_is_told_or_says_why_not() {
    let Some(computation) = computation("a directory", Kind::Dash, "") else { return };
    let image = fs::read_to_string(computation.path("docker.conf")).unwrap();
    computation.write("docker.conf", format!("{image}workdir = \"/usr\"\n"));
    assert_eq!(computation.call(&["pwd"]).text(), "/usr\n");
    if computation.has_only_root() {
        return;
    }
    fs::create_dir(computation.storage().join("closed")).unwrap();
    fs::set_permissions(computation.storage().join("closed"), fs::Permissions::from_mode(0o700)).unwrap();
    computation.write("docker.conf", format!("{image}user = \"1234\"\n"));
    let own = computation.directory();
    let arguments = ["-C", own.to_str().unwrap(), "true"];
    let run = from(&computation, &computation.storage().join("closed"), &arguments);
    let said =
        "the command cannot start in `/compeval/gfs/closed`: it is not there in the container, or not for its user\n";
    assert!(run.status == Some(125) && run.stderr.ends_with(said), "{run:?}");
}

#[test]
fn a_loop_over_a_list_is_not_eaten() {
    for script in ["next_stage && true\n", "everytime && true\n"] {
        let Some(computation) = computation("a loop", Kind::Dash, script) else { return };
        let ce_run = env!("CARGO_BIN_EXE_ce-run");
        let mut command = Command::new("sh");
        let environment: Vec<_> =
            computation.command(&[]).get_envs().map(|(n, v)| (n.to_owned(), v.map(OsStr::to_owned))).collect();
        for (name, value) in environment {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let text = format!(
            "printf '1\\n2\\n3\\n' | while read -r f; do {ce_run} echo \"got $f\"; done; echo x | {ce_run} -i cat"
        );
        command.args(["-c", &text]).current_dir(computation.directory());
        let run: Run = command.output().unwrap().into();
        assert_eq!(run.text(), "got 1\ngot 2\ngot 3\nx\n", "{script}");
    }
}

#[test]
fn what_a_call_writes_belongs_to_its_caller() {
    let Some(computation) = computation("owners", Kind::Dash, "next_stage && true\n") else { return };
    if !computation.has_daemon() || support::sh(&computation.top(), "id -u") != "0" {
        return;
    }
    let owner = |name: &str| {
        let found = fs::metadata(computation.storage().join(name)).unwrap();
        (found.uid(), found.gid())
    };
    computation.call(&["sh", "-c", "echo >$GFSDIR/root"]).text();
    let mut under_sudo = computation.command(&["sh", "-c", "echo >$GFSDIR/sudo"]);
    fs::set_permissions(computation.storage(), fs::Permissions::from_mode(0o777)).unwrap();
    Run::from(under_sudo.env("SUDO_UID", "1234").env("SUDO_GID", "2345").output().unwrap()).text();
    // The socket is for all: as for members of the group `docker`.
    let proxy = Proxy::new(&computation.top());
    fs::set_permissions(proxy.socket(), fs::Permissions::from_mode(0o777)).unwrap();
    support::sh(&computation.top(), "chmod 755 . && chown -R 1234:2345 align");
    let program = computation.top().join("ce-run");
    fs::copy(env!("CARGO_BIN_EXE_ce-run"), &program).unwrap();
    let mut as_user = Command::new(program);
    as_user.args(["sh", "-c", "echo >$GFSDIR/user; echo $HOME; touch \"$HOME/x\" \"$TMPDIR/y\""]).uid(1234).gid(2345);
    as_user.current_dir(computation.directory()).stdin(Stdio::null()).env("GFSDIR", computation.storage());
    as_user
        .env("XDG_STATE_HOME", computation.directory().join(".state"))
        .env("DOCKER_HOST", format!("unix://{}", proxy.socket().display()));
    let home = Run::from(as_user.output().unwrap()).text();
    // What his group may write to, he may.
    support::sh(&computation.top(), "mkdir gfs/shared && chgrp 3456 gfs/shared && chmod 775 gfs/shared");
    let mut of_group = Command::new("setpriv");
    of_group.args([
        "--reuid=1234",
        "--regid=2345",
        "--groups=3456",
        "--",
        "./ce-run",
        "-C",
        "align",
        "--entrypoint",
        "touch",
    ]);
    of_group
        .args(["../gfs/shared/x"])
        .current_dir(computation.top())
        .stdin(Stdio::null())
        .env("GFSDIR", computation.storage());
    of_group.env("XDG_STATE_HOME", computation.directory().join(".state"));
    of_group.env("DOCKER_HOST", format!("unix://{}", proxy.socket().display()));
    // A container that is there keeps the groups it was made with.
    let image = fs::read_to_string(computation.path("docker.conf")).unwrap();
    computation.write("docker.conf", format!("{image}env = {{ A = \"1\" }}\n"));
    let run = Run::from(of_group.output().unwrap());
    assert_eq!(run.status, Some(0), "{}", run.stderr);
    assert_eq!(owner("shared/x"), (1234, 2345));
    assert_eq!([owner("root"), owner("sudo"), owner("user")], [(0, 0), (1234, 2345), (1234, 2345)]);
    assert!(home.starts_with("/compeval/scratch/ce-"), "{home}");
}

#[test]
fn a_call_has_a_directory_of_its_own_that_goes_with_it() {
    for kind in [Kind::Dash, Kind::Bash, Kind::Busybox] {
        let Some(computation) = computation("scratch", kind, "next_stage && true\n") else { return };
        let script = "cd \"$TMPDIR\" && mkdir -p a/b && echo x >a/b/c && pwd";
        for arguments in [vec!["sh", "-c", script], vec!["-i", "sh", "-c", script]] {
            let (first, second) = (computation.call(&arguments).text(), computation.call(&arguments).text());
            assert!(first.starts_with("/compeval/scratch/ce-") && first != second, "{first} {second}");
            let left = || computation.call(&["sh", "-c", "ls -d /compeval/scratch/ce-* | grep -vx \"$TMPDIR\""]).stdout;
            wait_until("scratch directories", || left().is_empty());
        }
    }
}

/// A call that says that it runs, once it has a trap.
fn started(computation: &Computation, options: &[&str], trap: &str, script: &str) -> Child {
    let _ = fs::remove_file(computation.storage().join("began"));
    let script = format!("{trap}; echo >$GFSDIR/began; {script}");
    let mut command = computation.command(&[options, &["--entrypoint", "sh", "--", "-c", &script]].concat());
    // Its input stays open.
    let child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_until("the command", || computation.storage().join("began").exists());
    child
}

/// The container's first process, and the shell that it waits in.
const IDLE: usize = 2;

#[test]
fn whatever_ends_ce_run_ends_its_command() {
    for kind in [Kind::Dash, Kind::Bash, Kind::Busybox] {
        let Some(computation) = computation("the end", kind, "next_stage && true\n") else { return };
        computation.call(&["true"]).text();
        let container = computation.container().id;
        let processes = || computation.engine().processes(&container).unwrap();
        for (options, trap, script, seconds) in [
            (vec![], ":", "sleep 4; echo late >$GFSDIR/late", 0..2),
            (vec!["-i"], ":", "(sleep 4; echo late >$GFSDIR/late) & wait", 0..2),
            (vec![], "trap '' TERM", "while :; do sleep 1; done", 4..8),
        ] {
            let mut beside = started(&computation, &[], ":", "sleep 3; echo beside >$GFSDIR/beside");
            // Until it sleeps.
            sleep(Duration::from_millis(200));
            let others = processes();
            let mut child = started(&computation, &options, trap, script);
            child.kill().unwrap();
            child.wait().unwrap();
            let began = Instant::now();
            wait_until("its end", || processes() <= others);
            if seconds.start == 0 {
                assert!(seconds.contains(&began.elapsed().as_secs()), "{kind:?} {script}: {:?}", began.elapsed());
            }
            assert!(beside.wait().unwrap().success());
            wait_until("all ends", || processes() == IDLE);
            assert!(seconds.start == 0 || seconds.contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
            assert!(!computation.storage().join("late").exists());
            assert_eq!(computation.lines("beside"), ["beside"]);
            let left = computation.call(&["sh", "-c", "ls -d /compeval/scratch/ce-* | grep -vx \"$TMPDIR\""]);
            assert!(left.stdout.is_empty(), "{left:?}");
        }
    }
}

#[test]
fn every_signal_reaches_the_commands_group() {
    for kind in [Kind::Dash, Kind::Bash, Kind::Busybox] {
        let Some(computation) = computation("signals", kind, "next_stage && true\n") else { return };
        for options in [&[][..], &["-i"]] {
            for (number, name) in ["TERM", "INT", "HUP", "QUIT", "USR1", "USR2", "WINCH"].into_iter().enumerate() {
                let trap = format!("trap 'exit {}' {name}", number + 40);
                let mut child = started(&computation, options, &trap, "while :; do sleep 0.02; done");
                support::sh(&computation.top(), &format!("kill -{name} {}", child.id()));
                let expected = i32::try_from(number + 40).unwrap();
                assert_eq!(child.wait().unwrap().code(), Some(expected), "{kind:?} {options:?} {name}");
            }
            // The second interrupt kills.
            let mut child = started(&computation, options, "trap '' INT", "while :; do sleep 0.02; done");
            support::sh(&computation.top(), &format!("kill -INT {}", child.id()));
            sleep(Duration::from_millis(200));
            support::sh(&computation.top(), &format!("kill -INT {}", child.id()));
            assert_eq!(child.wait().unwrap().code(), Some(137), "{kind:?} {options:?}");
        }
    }
}

#[test]
fn a_stopped_call_stops_its_command_until_it_goes_on() {
    let Some(computation) = computation("job control", Kind::Dash, "next_stage && true\n") else { return };
    let mut child = started(&computation, &[], ":", "while :; do echo >>$GFSDIR/ticks; sleep 0.02; done");
    let ticks = || computation.lines("ticks").len();
    let stands_still = || {
        let before = ticks();
        sleep(Duration::from_millis(200));
        ticks() == before
    };
    let signal = |name: &str| support::sh(&computation.top(), &format!("kill -{name} {}", child.id()));
    let state = || support::sh(&computation.top(), &format!("ps -o stat= -p {}", child.id()));
    signal("TSTP");
    wait_until("both to stop", || stands_still() && state().starts_with('T'));
    signal("CONT");
    wait_until("it to go on", || !stands_still());
    signal("TERM");
    assert_eq!(child.wait().unwrap().code(), Some(143));
}

#[test]
fn a_reader_that_has_enough_ends_the_command() {
    let Some(computation) = computation("a closed pipe", Kind::Dash, "next_stage && true\n") else { return };
    computation.call(&["true"]).text();
    let container = computation.container().id;
    for options in [&[][..], &["-i"]] {
        let endless = ["sh", "-c", "while :; do echo y; done"];
        let mut command = computation.command(&[options, &endless].concat());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        drop(child.stdout.take());
        assert_eq!(child.wait().unwrap().code(), Some(141));
        wait_until("its end", || computation.engine().processes(&container).unwrap() == IDLE);
    }
}

/// What the command of a call finds in its environment, of these.
fn environment(computation: &Computation, names: &[&str]) -> Vec<String> {
    let printed = computation.call(&["--entrypoint", "env"]).text();
    let is_asked = |line: &&str| line.split_once('=').is_some_and(|(name, _)| names.contains(&name));
    let mut lines: Vec<String> = printed.lines().filter(is_asked).map(str::to_owned).collect();
    lines.sort();
    lines
}

#[test]
fn what_the_script_exports_outside_of_stages_reaches_the_command() {
    let names = ["A", "B", "PATH", "HOME"];
    let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    for (script, expected) in [
        ("export A=1\nnext_stage && true\n", vec!["A=1"]),
        ("A=1\nnext_stage && true\nexport B='two\tb'\n", vec!["B=two\tb"]),
        ("export A=\"$(echo 1)\"\n", vec!["A=1"]),
        ("export PATH=/opt/bin:/usr/bin:/bin\nnext_stage && true\n", vec!["PATH=/opt/bin:/usr/bin:/bin"]),
        ("PATH=/opt/bin:$PATH\nnext_stage && true\n", vec!["PATH=/opt/bin:{}"]),
        (
            "next_stage && echo 'export A=venv PATH=/venv:$PATH' >/activate\neverytime && . /activate\n",
            vec!["A=venv", "PATH=/venv:{}"],
        ),
        ("next_stage && export A=1\nexport B=2\n", vec!["B=2"]),
        ("next_stage && export A=1\neverytime && export B=2\n", vec!["B=2"]),
        ("export A=1\nunset A\neverytime && unset HOME && true\n", vec![]),
    ] {
        for kind in [Kind::Dash, Kind::Bash, Kind::Busybox] {
            let Some(computation) = computation("exports", kind, script) else { return };
            let mut expected: Vec<String> = expected.iter().map(|line| line.replace("{}", path)).collect();
            if !expected.iter().any(|line| line.starts_with("PATH=")) {
                expected.push(format!("PATH={path}"));
            }
            for _ in 0..3 {
                let mut found = environment(&computation, &names);
                found.retain(|line| !line.starts_with("HOME="));
                assert_eq!(found, expected, "{kind:?} {script}");
            }
        }
    }
}

#[test]
fn an_edit_of_what_is_exported_is_seen() {
    let Some(computation) = computation("edits of exports", Kind::Dash, "next_stage && true\nexport A=first\n") else {
        return;
    };
    assert_eq!(environment(&computation, &["A"]), ["A=first"]);
    computation.write("docker-setup.sh", "next_stage && true\nexport A=s3cret\n");
    assert_eq!(environment(&computation, &["A"]), ["A=s3cret"]);
    computation.write("docker-setup.sh", "next_stage && true\n");
    assert_eq!(environment(&computation, &["A"]), Vec::<String>::new());
}

#[test]
fn calls_side_by_side_find_the_same_exports() {
    let script = "everytime && sleep 0.2 && export A=$(date +%s%N)\n";
    let Some(computation) = computation("shared exports", Kind::Dash, script) else { return };
    computation.call(&["--setup-only"]).text();
    let mut first = started(&computation, &[], ":", "echo $A >$GFSDIR/first; sleep 2");
    let second = environment(&computation, &["A"]);
    assert!(first.wait().unwrap().success());
    assert_eq!(second, [format!("A={}", computation.lines("first").concat())]);
}

#[test]
fn variables_of_the_image_stand_in_values_of_docker_conf() {
    let Some(computation) = computation("env", Kind::Dash, "next_stage && true\n") else { return };
    let image = fs::read_to_string(computation.path("docker.conf")).unwrap();
    let of_image = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    computation.write("docker.conf", format!("{image}path = [\"/opt/bin\"]\nenv = {{ A = \"$${{B}} ${{PATH}}\" }}\n"));
    let expected = [format!("A=${{B}} {of_image}"), format!("PATH=/opt/bin:{of_image}")];
    assert_eq!(environment(&computation, &["A", "PATH"]), expected);
    computation.write("docker.conf", format!("{image}env = {{ PATH = \"/opt/bin:$PATH\" }}\n"));
    let run = computation.call(&["true"]);
    let said = "docker.conf:2:26: `$PATH` is not replaced";
    assert!(run.status == Some(125) && run.stderr.contains(said), "{}", run.stderr);
    computation.write("docker.conf", format!("{image}platform = \"linux/s390x\"\n"));
    let run = computation.call(&["true"]);
    let said = "`platform` in docker.conf says linux/s390x\n  help: run `docker pull --platform linux/s390x compeval-test/dash:1`";
    assert!(run.status == Some(125) && run.stderr.contains(said), "{}", run.stderr);
}

#[test]
fn a_command_that_was_killed_is_told_so() {
    let Some(computation) = computation("deaths", Kind::Bash, "next_stage && true\n") else { return };
    if !computation.has_daemon() {
        return;
    }
    let image = fs::read_to_string(computation.path("docker.conf")).unwrap();
    computation.write("docker.conf", format!("{image}limits = {{ memory = \"20m\" }}\n"));
    let called = |script: &str| computation.call(&["--progress=quiet", "--entrypoint", "sh", "--", "-c", script]);
    for (script, status, said) in [
        (
            "x=; while :; do x=$x$x................; done",
            137,
            "was killed: the container had no more memory, of which docker.conf gives it 20m\n",
        ),
        ("kill -9 $$", 137, "ended with status 137: it, or what it ran last, was killed by signal 9 (KILL)\n"),
        ("kill -SEGV $$", 139, "was killed by signal 11 (SEGV)\n"),
        ("kill -PIPE $$", 141, "docker.conf\n"),
        ("exit 3", 3, "docker.conf\n"),
    ] {
        let run = called(script);
        assert!(run.status == Some(status) && run.stderr.ends_with(said), "{script}: {run:?}");
    }
}

#[test]
fn what_a_command_leaves_in_the_container_is_told() {
    let Some(computation) = computation("purity", Kind::Dash, "next_stage && mkdir /made\n") else { return };
    let called = |options: &[&str], script: &str| {
        computation.call(&[options, &["--progress=quiet", "--entrypoint", "sh", "--", "-c", script]].concat())
    };
    computation.call(&["--setup-only"]).text();
    let advice = "; results belong into $GFSDIR, all else into $TMPDIR: later calls find what is left elsewhere\n";
    let first = called(&[], "echo >/tmp/x; echo >/made/a; rm /etc/passwd; echo >$GFSDIR/out");
    let left = "ce-run: warning: the command left in the container: /etc/passwd (gone), /made/a (new)";
    assert_eq!(first.stderr, format!("{left}{advice}"));
    assert_eq!(called(&[], "echo >/made/b").stderr, "", "not again within the hour");
    let second = called(&["--pure=warn"], "echo >/made/c; echo >/made/a");
    assert_eq!(second.stderr, format!("ce-run: warning: the command left in the container: /made/c (new){advice}"));
    assert_eq!(called(&["--pure=off"], "echo >/made/d").stderr, "");
    let image = fs::read_to_string(computation.path("docker.conf")).unwrap();
    computation.write("docker.conf", format!("{image}pure = \"fail\"\n"));
    computation.commit("pure");
    let refused = called(&[], "echo >/made/e");
    let said = "the command left in the container: /made/e (new)\n\
                ce-run: the command of computation `align`, which ended with status 0, left something in its container\n  help: results belong";
    assert!(refused.status == Some(125) && refused.stderr.starts_with(said), "{}", refused.stderr);
    assert_eq!(called(&[], "echo >/tmp/y").status, Some(0));
}

#[test]
fn what_a_call_leaves_whose_container_is_restarted_goes_at_the_next_setup() {
    let Some(computation) = computation("restarted containers", Kind::Dash, "everytime && true\n") else { return };
    let mut child = started(&computation, &[], ":", "sleep 60");
    let container = computation.container();
    computation.ask(&container, "restart?t=0");
    assert_eq!(child.wait().unwrap().code(), Some(125));
    computation.call(&["true"]).text();
    let left = computation.call(&["sh", "-c", "ls -d /compeval/scratch/ce-* | grep -vx \"$TMPDIR\""]);
    assert!(left.stdout.is_empty(), "{left:?}");
}

#[test]
fn what_a_call_writes_has_the_mode_that_it_has_here() {
    let Some(computation) = computation("masks", Kind::Dash, "next_stage && true\numask 027\n") else { return };
    for script in ["next_stage && true\n", "next_stage && true\neverytime && umask 007\n"] {
        computation.write("docker-setup.sh", script);
        for (mask, mode) in [("077", "600"), ("002", "664"), ("0022", "644")] {
            let file = computation.storage().join(format!("mask{mask}"));
            let called = computation.command(&["--entrypoint", "touch", file.to_str().unwrap()]);
            let mut shell = std::process::Command::new("sh");
            shell.args(["-c", &format!("umask {mask}; exec \"$@\""), "sh"]).arg(called.get_program());
            shell.args(called.get_args()).current_dir(computation.directory());
            shell.envs(called.get_envs().filter_map(|(name, value)| Some((name, value?))));
            assert!(shell.status().unwrap().success());
            assert_eq!(format!("{:o}", fs::metadata(&file).unwrap().permissions().mode() & 0o777), mode, "{mask}");
            fs::remove_file(file).unwrap();
        }
    }
}

#[test]
fn what_is_only_built_into_the_shell_is_no_program() {
    for kind in [Kind::Dash, Kind::Bash, Kind::Busybox] {
        let Some(computation) = computation("built-ins", kind, "next_stage && true\n") else { return };
        for name in ["cd", "exec", ":", "exit", "export", "set", "no-such-program"] {
            let run = computation.call(&["--progress=quiet", "--entrypoint", name]);
            let said = format!("ce-run: `{name}` is not there in the container\n");
            assert_eq!((run.status, run.stderr), (Some(127), said), "{kind:?}");
        }
        computation.call(&["--entrypoint", "true"]).text();
    }
}

#[test]
fn an_exec_that_cannot_be_run_has_the_status_that_it_has_here() {
    let Some(computation) = computation("no exec", Kind::Dash, "next_stage && true\n") else { return };
    let exec = computation.path("exec");
    fs::set_permissions(&exec, fs::Permissions::from_mode(0o644)).unwrap();
    let run = computation.call(&[]);
    assert!(run.status == Some(126) && run.stderr.contains("is not executable"), "{run:?}");
    fs::remove_file(&exec).unwrap();
    let run = computation.call(&[]);
    assert!(run.status == Some(127) && run.stderr.contains("has no file"), "{run:?}");
}

#[test]
fn a_script_that_was_written_on_windows_is_told_so() {
    let Some(computation) = computation("line ends", Kind::Dash, "next_stage && true\n") else { return };
    computation.write("exec", "#!/bin/sh\r\ntrue\r\n");
    let run = computation.call(&["--progress=quiet"]);
    assert!(run.status == Some(126) && run.stderr.contains("its first line ends as on Windows"), "{run:?}");
}

#[test]
fn a_setup_script_that_was_written_on_windows_is_refused() {
    let Some(computation) = computation("line ends", Kind::Dash, "next_stage && echo a >/a\r\nnext_stage && true\n")
    else {
        return;
    };
    let run = computation.call(&["true"]);
    let said = "ce-run: line 1 of `docker-setup.sh` ends in CR LF, as on Windows";
    assert!(
        run.status == Some(125) && run.stderr.contains(said) && run.stderr.contains("sed -i 's/\\r$//'"),
        "{run:?}"
    );
}

#[test]
fn a_script_of_the_storage_whose_interpreter_is_missing_is_told_so() {
    let Some(computation) = computation("interpreters", Kind::Dash, "") else { return };
    let script = computation.storage().join("script");
    fs::write(&script, "#!/no/such/program\n").unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    for name in [script.to_str().unwrap(), "./script"] {
        let own = computation.directory();
        let options = ["-C", own.to_str().unwrap(), "--progress=quiet", "--entrypoint", name];
        let run = from(&computation, &computation.storage(), &options);
        assert!(run.status == Some(126) && run.stderr.contains("what its `#!` line names"), "{run:?}");
    }
}

#[test]
fn what_a_shell_complains_of_at_its_start_is_not_the_commands() {
    let Some(computation) = computation("noise", Kind::Bash, "next_stage && true\n") else { return };
    let image = fs::read_to_string(computation.path("docker.conf")).unwrap();
    let user = if computation.has_only_root() { "root" } else { "1234" };
    computation.write("docker.conf", format!("{image}user = \"{user}\"\nenv = {{ LD_PRELOAD = \"/nope.so\" }}\n"));
    let name = OsString::from_vec(b"\xff".to_vec());
    let words = ["sh", "-c", "printf '%s\\n' \"$1\"", "sh"].map(OsString::from);
    let run = from(&computation, &computation.directory(), &[&words[..], &[name]].concat());
    assert_eq!((run.status, run.stdout), (Some(0), b"\xff\n".to_vec()), "{}", run.stderr);
}
