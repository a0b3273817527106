//! What was once done wrong with real containers, with the right value.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[allow(dead_code, reason = "every test program uses its part of it")]
mod support;

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use compeval_machine_image::{Kind, ensure};

use support::{Computation, Run};

/// A computation with this setup script, unless there is no daemon.
fn computation(subject: &str, script: &str) -> Option<Computation> {
    let docker = support::engine_for_tests(subject)?;
    let image = ensure(&docker, Kind::Dash).unwrap();
    Some(Computation::new(docker, &image, script))
}

/// The last line of a dry run: how many stages are applied, and how many are not.
fn totals(computation: &Computation) -> String {
    let plan = computation.call(&["--dry-run"]).text();
    plan.lines().last().unwrap_or_default().to_owned()
}

#[test]
fn what_a_script_does_before_its_stages_does_not_make_them_others() {
    for (script, always) in [
        ("export X=1\nnext_stage && echo a >>$GFSDIR/ran\n", 0),
        ("set -eu\nnext_stage && echo a >>$GFSDIR/ran\n", 0),
        ("cd /tmp\nnext_stage && echo a >>$GFSDIR/ran\n", 1),
        ("PATH=/opt/bin:$PATH\nnext_stage && echo a >>$GFSDIR/ran\n", 1),
        ("X=$(date +%N)\nnext_stage && echo a >>$GFSDIR/ran\n", 1),
    ] {
        let Some(computation) = computation("plans", script) else { return };
        computation.call(&["--setup-only"]).text();
        let always = if always > 0 { format!(", {always} on every call") } else { String::new() };
        assert_eq!(totals(&computation), format!("stages: 1 applied, 0 to apply{always}"), "{script}");
        let container = computation.container().id;
        computation.call(&["true"]).text();
        assert_eq!((computation.container().id, computation.lines("ran").len()), (container, 1), "{script}");
    }
}

#[test]
fn a_container_is_not_made_anew_where_nothing_changed() {
    let script = "cd /\nnext_stage && echo 1 >>$GFSDIR/ran\nnext_stage && echo 2 >>$GFSDIR/ran\n";
    let Some(computation) = computation("a directory", script) else { return };
    for _ in 0..3 {
        computation.call(&["true"]).text();
    }
    assert_eq!(computation.lines("ran"), ["1", "2"]);
}

#[test]
fn stages_behind_a_redirection_of_the_shell_are_planned() {
    let script = "exec >/setup.log 2>&1\nnext_stage && touch /a\nnext_stage && touch /b\n";
    let Some(computation) = computation("exec", script) else { return };
    assert_eq!(
        totals(&computation),
        "stages: 0 applied, 2 to apply, perhaps, for each depends on an answer, 1 on every call"
    );
    computation.call(&["--setup-only"]).text();
    assert_eq!(totals(&computation), "stages: 2 applied, 0 to apply, 1 on every call");
}

#[test]
fn totals_say_what_is_not_sure() {
    let script = "if [ -e /etc/debian_version ]; then next_stage && touch /a; fi\nnext_stage && touch /b\n";
    let Some(first) = computation("totals", script) else { return };
    first.call(&["--setup-only"]).text();
    let perhaps = "stages: 0 applied, 2 to apply, perhaps, for each depends on an answer, 1 on every call";
    assert_eq!(totals(&first), perhaps);
    let script = "next_stage && . /etc/profile\nnext_stage && touch /a\nnext_stage && touch /b\n";
    let Some(second) = computation("totals", script) else { return };
    assert_eq!(totals(&second), "stages: 0 applied, 3 to apply, 2 of them perhaps");
}

#[test]
fn stages_that_their_own_loop_counts_are_no_endless_call() {
    let script = "i=0; while [ $i -lt 3 ]; do next_stage && i=$((i+1)) && echo $i >>$GFSDIR/ran; done\n";
    let Some(computation) = computation("a loop", script) else { return };
    computation.call(&["true"]).text();
    // As in sh: skipped stages count nothing, and three more are reached.
    computation.call(&["true"]).text();
    assert_eq!(computation.lines("ran"), ["1", "2", "3", "1", "2", "3"]);
}

#[test]
fn a_file_that_git_ignores_counts() {
    let script = "R=$COMPDIR/req\nnext_stage && cat \"$R\" >>$GFSDIR/ran\ncd \"$COMPDIR\"\nnext_stage && cat other >>$GFSDIR/ran\n";
    let Some(computation) = computation("ignored files", script) else { return };
    computation.write(".gitignore", "req\nother\n");
    computation.commit("ignore");
    computation.write("req", "one\n");
    computation.write("other", "1\n");
    computation.call(&["true"]).text();
    computation.write("other", "2\n");
    let plan = computation.call(&["--dry-run"]).text();
    assert!(plan.contains("the file `other` changed"), "{plan}");
    computation.call(&["true"]).text();
    assert_eq!(computation.lines("ran"), ["one", "1", "one", "2"]);
}

#[test]
fn what_a_script_starts_in_the_background_is_not_waited_for() {
    let Some(computation) = computation("a server", "everytime && { sleep 30 & }\n") else {
        return;
    };
    computation.call(&["--setup-only"]).text();
    let began = Instant::now();
    computation.call(&["true"]).text();
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

#[test]
fn no_value_of_the_environment_reaches_a_file_of_the_script() {
    let Some(computation) = computation("descriptors", "exec 9>/run/l\neverytime && true\n") else { return };
    let image = fs::read_to_string(computation.path("docker.conf")).unwrap();
    computation.write("docker.conf", format!("{image}[env]\nTOKEN = \"s3cret\"\n"));
    computation.commit("token");
    computation.call(&["--setup-only"]).text();
    assert_eq!(computation.call(&["cat", "/run/l"]).text(), "");
}

#[test]
fn signals_are_sent_through_the_shell_of_the_container() {
    let Some(computation) = computation("a shell elsewhere", "next_stage && rm /bin/sh\n") else { return };
    let image = computation.git("cat docker.conf");
    let more = "shell = \"/bb/sh\"\nmounts = [{ source = \"bb\", target = \"/bb\" }]\n";
    computation.write("docker.conf", format!("{image}\n{more}"));
    computation.git("mkdir bb && cp \"$(command -v busybox)\" bb/sh");
    computation.commit("a shell of its own");
    computation.call(&["--setup-only"]).text();
    let script = "trap 'exit 40' TERM; echo >$GFSDIR/ready; while :; do sleep 0.05; done";
    let mut child = computation.command(&["--entrypoint", "/bb/sh", "--", "-c", script]).spawn().unwrap();
    let began = Instant::now();
    while !computation.storage().join("ready").exists() {
        assert!(began.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(10));
    }
    computation.git(&format!("kill -TERM {}", child.id()));
    assert_eq!(child.wait().unwrap().code(), Some(40));
}

#[test]
fn of_a_list_of_paths_all_are_translated_or_none() {
    let Some(computation) = computation("lists", "") else { return };
    let gfs = computation.storage().display().to_string();
    let list = format!("{gfs}/a:{gfs}/b");
    assert_eq!(computation.call(&["echo", &list]).text(), format!("{list}\n"));
}

#[test]
fn the_linter_knows_the_shell_of_the_container() {
    let computation = Computation::new(None, "debian:13", "next_stage && [[ a == a ]]\n");
    let lint = || Command::new(env!("CARGO_BIN_EXE_ce-lint")).current_dir(computation.directory()).output().unwrap();
    assert_eq!(lint().status.code(), Some(1));
    computation.write("docker.conf", "image = \"debian:13\"\nshell = \"/bin/bash\"\n");
    assert_eq!(lint().status.code(), Some(0));
}

#[test]
fn no_value_of_the_script_is_in_an_argument_list() {
    let script = "TOKEN=$(cat \"$COMPDIR/secret\")\nnext_stage && : \"$TOKEN\" && cat /proc/[0-9]*/cmdline >$GFSDIR/seen\n\
                  everytime && : \"$TOKEN\" && cat /proc/[0-9]*/cmdline >>$GFSDIR/seen\n";
    for kind in [Kind::Dash, Kind::Bash] {
        let Some(docker) = support::engine_for_tests("argument lists") else { return };
        let image = ensure(&docker, kind).unwrap();
        let computation = Computation::new(docker, &image, script);
        computation.write("secret", "s3cret-value\n");
        computation.commit("secret");
        let from = computation.git("date +%s");
        computation.call(&["true"]).text();
        let seen = fs::read(computation.storage().join("seen")).unwrap();
        let has = |text: &str| seen.windows(text.len()).any(|window| window == text.as_bytes());
        assert!(has("compeval-program") && !has("s3cret-value"), "{}", String::from_utf8_lossy(&seen));
        if !computation.has_daemon() {
            continue;
        }
        let events = computation.git(&format!("docker events --since {from} --until $(($(date +%s) + 1))"));
        assert!(events.contains("exec_start") && !events.contains("s3cret-value"), "{events}");
    }
}

#[test]
fn programs_of_every_size_and_byte_reach_the_container() {
    let large = "a line of the script\n".repeat(250_000);
    let mut script = format!("next_stage && cat >$GFSDIR/large <<'E'\n{large}E\n").into_bytes();
    script.extend(b"X='\xff\xfe\xe9'\nnext_stage && printf %s \"$X\" >$GFSDIR/bytes\n");
    for kind in [Kind::Dash, Kind::Bash] {
        let Some(docker) = support::engine_for_tests("large programs") else { return };
        let image = ensure(&docker, kind).unwrap();
        let computation = Computation::new(docker, &image, "");
        computation.write("docker-setup.sh", &script);
        computation.commit("large");
        computation.call(&["--setup-only"]).text();
        let read = |name: &str| fs::read(computation.storage().join(name)).unwrap();
        assert!(read("large") == large.as_bytes() && read("bytes") == b"\xff\xfe\xe9", "{kind:?}");
    }
}

/// Starts `ce-run`.
fn start(computation: &Computation, arguments: &[&str]) -> Child {
    computation.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits for a file in the storage to have so many lines.
fn await_lines(computation: &Computation, name: &str, count: usize) {
    let began = Instant::now();
    while computation.lines(name).len() < count {
        assert!(began.elapsed() < Duration::from_secs(30), "waited for `{name}`");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Sends a signal, and waits for the end: how it ended, and how long that took.
fn end_by(child: Child, signal: &str) -> (Run, Duration) {
    Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).status().unwrap();
    let began = Instant::now();
    (child.wait_with_output().unwrap().into(), began.elapsed())
}

/// The command lines of what runs in the computation's container; nothing where that is stopped.
fn processes(computation: &Computation) -> String {
    computation.git(&format!("docker top {} -o pid,args 2>/dev/null || :", computation.container().id))
}

#[test]
fn a_signal_stops_a_stage_and_that_is_told() {
    let script = "next_stage && true\nnext_stage && echo on >>$GFSDIR/on && sleep 41 && echo late >>$GFSDIR/on\n";
    for (kind, signal, status) in [
        (Kind::Dash, "INT", 130),
        (Kind::Bash, "INT", 130),
        (Kind::Dash, "TERM", 143),
        (Kind::Bash, "TERM", 143),
        (Kind::Dash, "HUP", 129),
        (Kind::Dash, "QUIT", 131),
    ] {
        let Some(docker) = support::engine_for_tests("interrupted stages") else { return };
        let image = ensure(&docker, kind).unwrap();
        let computation = Computation::new(docker, &image, script);
        let child = start(&computation, &["true"]);
        await_lines(&computation, "on", 1);
        let (run, took) = end_by(child, signal);
        let said = "ce-run: interrupted: stage 2 was stopped\n  help: stage 2 is not applied: the next run begins from before it, ";
        assert!(run.stderr.contains(said) && run.stderr.contains("ce-run --retry true\n"), "{signal}: {}", run.stderr);
        assert_eq!(run.status, Some(status), "{signal}");
        assert!(took < Duration::from_secs(4), "{signal}: {took:?}");
        assert!(!processes(&computation).contains("sleep 41"), "{signal}: {}", processes(&computation));
        let plan = computation.call(&["--dry-run"]).text();
        assert!(plan.contains("stage 2 failed"), "{signal}: {plan}");
    }
}

#[test]
fn whatever_of_a_setup_runs_is_stopped_before_the_next_begins() {
    for (part, script) in [
        ("an everytime command", "everytime && { echo start >>$GFSDIR/log; sleep 4; echo end >>$GFSDIR/log; }\n"),
        ("a command of the setup script", "echo start >>$GFSDIR/log; sleep 4; echo end >>$GFSDIR/log\n"),
        (
            "a command of the setup script",
            "if echo start >>$GFSDIR/log; sleep 4; echo end >>$GFSDIR/log; then next_stage && true; fi\n",
        ),
        // In the background, INT is ignored.
        (
            "a command of the setup script",
            "everytime && { { echo start; sleep 4; echo end; } >>$GFSDIR/log & wait; }\n",
        ),
    ] {
        let Some(computation) = computation("interrupted setups", script) else { return };
        let child = start(&computation, &["true"]);
        await_lines(&computation, "log", 1);
        let (run, took) = end_by(child, "INT");
        assert!(
            run.stderr
                .contains(&format!("ce-run: interrupted: {part} was stopped\n  help: the stages applied so far ")),
            "{script}: {}",
            run.stderr
        );
        assert_eq!(run.status, Some(130), "{script}");
        assert!(took < Duration::from_secs(3), "{script}: {took:?}");
        computation.call(&["true"]).text();
        assert_eq!(computation.lines("log"), ["start", "start", "end"], "{script}");
    }
}

#[test]
fn a_second_interrupt_kills_what_ignores_the_first() {
    let script = "next_stage && { trap '' INT; echo on >>$GFSDIR/on; sleep 41; }\n";
    let Some(computation) = computation("a second interrupt", script) else { return };
    let mut child = start(&computation, &["true"]);
    await_lines(&computation, "on", 1);
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    std::thread::sleep(Duration::from_secs(1));
    assert!(child.try_wait().unwrap().is_none());
    let (run, took) = end_by(child, "INT");
    assert_eq!(run.status, Some(130), "{}", run.stderr);
    assert!(took < Duration::from_secs(10) && !processes(&computation).contains("sleep 41"), "{took:?}");
}

#[test]
fn a_signal_that_was_ignored_stays_so() {
    for signal in ["HUP", "INT", "QUIT", "TERM"] {
        let script = "next_stage && echo on >>$GFSDIR/on && sleep 1\n";
        let Some(computation) = computation("nohup", script) else { return };
        let mut command = Command::new("sh");
        let called = computation.command(&["echo", "done"]);
        let text = format!("trap '' {signal}; exec \"$@\"");
        command.args(["-c", &text, "sh"]).arg(called.get_program()).args(called.get_args());
        command
            .envs(called.get_envs().filter_map(|(name, value)| Some((name, value?))))
            .current_dir(computation.directory());
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        await_lines(&computation, "on", 1);
        assert_eq!(end_by(child, signal).0.text(), "done\n", "{signal}");
    }
}

#[test]
fn one_who_waits_is_ended_by_a_signal_or_the_time_and_leaves_nothing() {
    let Some(computation) = computation("waiting", "next_stage && echo on >>$GFSDIR/on && sleep 41\n") else { return };
    let mut first = start(&computation, &["true"]);
    await_lines(&computation, "on", 1);
    // For another ce-run.
    let second = start(&computation, &["true"]);
    std::thread::sleep(Duration::from_millis(500));
    let (run, took) = end_by(second, "INT");
    assert!(run.stderr.ends_with("ce-run: interrupted\n"), "{}", run.stderr);
    assert!(run.status == Some(130) && took < Duration::from_secs(2), "{:?} {took:?}", run.status);
    // For a stage that it has left running.
    first.kill().unwrap();
    first.wait().unwrap();
    for signal in ["INT", "KILL"] {
        let mut waiting = start(&computation, &["true"]);
        let mut said = String::new();
        BufReader::new(waiting.stderr.as_mut().unwrap()).read_line(&mut said).unwrap();
        assert!(said.starts_with("ce-run: waiting for stage 1, which has been running for "), "{said}");
        let (_, took) = end_by(waiting, signal);
        assert!(took < Duration::from_secs(2), "{signal}: {took:?}");
    }
    let run = computation.call(&["--lock-timeout", "1", "true"]);
    let container = computation.container();
    let said = format!("s ago, still runs in container `{}`\n", container.name);
    assert!(run.status == Some(125) && run.stderr.contains(&said), "{}", run.stderr);
    if !computation.has_daemon() {
        return;
    }
    let ours: Vec<String> =
        processes(&computation).lines().filter(|line| line.contains("/proc/")).map(str::to_owned).collect();
    assert_eq!(ours.len(), 1, "the shell that started the stage, and none that waits: {ours:#?}");
    let help = run.stderr.split('`').find(|text| text.starts_with("ce-env exec ")).unwrap();
    computation.git(&help.replacen("ce-env", &support::program("ce-env").display().to_string(), 1));
    let run = computation.call(&["--lock-timeout", "1", "--dry-run"]);
    assert!(run.status == Some(0) && !processes(&computation).contains("sleep 41"), "{}", run.stderr);
}

#[test]
fn a_computation_that_moves_meanwhile_is_a_failure_that_names_what_moved() {
    let Some(computation) = computation("moving", "next_stage && true\n") else { return };
    computation.call(&["--setup-only"]).text();
    computation.write("notes", "1");
    computation.commit("two");
    let during = |change: &str| {
        let child = start(&computation, &["--entrypoint", "sh", "--", "-c", "echo up >>$GFSDIR/up; sleep 1"]);
        await_lines(&computation, "up", 1);
        computation.git(change);
        fs::remove_file(computation.storage().join("up")).unwrap();
        let run: Run = child.wait_with_output().unwrap().into();
        run
    };
    let run = during("git checkout -q HEAD~1");
    let commit: String = computation.git("git rev-parse HEAD").chars().take(7).collect();
    assert_eq!(run.status, Some(125), "{}", run.stderr);
    assert!(
        run.stderr.contains(&format!("changed while its command ran: commit {commit} is checked out")),
        "{}",
        run.stderr
    );
    let run = during("echo x >>exec");
    assert!(run.status == Some(125) && run.stderr.contains("`exec` is another"), "{}", run.stderr);
    let run = during("git checkout -q exec; git checkout -q main");
    assert_eq!(run.status, Some(125));
    assert_eq!(during("echo x >.exec.swp").status, Some(0));
}

#[test]
fn what_is_not_committed_is_said_and_makes_no_container() {
    let Some(computation) = computation("uncommitted", "next_stage && echo a >>$GFSDIR/ran\n") else { return };
    computation.call(&["true"]).text();
    computation.write(".exec.swp", "x");
    computation.write("README", "x");
    let run = computation.call(&["true"]);
    assert_eq!(run.stderr, "ce-run: warning: uncommitted changes: .exec.swp, README\n");
    computation.container();
    assert_eq!(computation.lines("ran"), ["a"]);
}

#[test]
fn tools_that_every_call_makes_anew_are_there_for_each_of_many_at_once() {
    let script = "everytime && { rm -f /tool; sleep 0.2; printf '#!/bin/sh\\necho made\\n' >/tool; chmod +x /tool; }\n";
    let Some(computation) = computation("tools", script) else { return };
    computation.call(&["--setup-only"]).text();
    let begin = Instant::now();
    let children: Vec<Child> =
        (0..6).map(|_| start(&computation, &["--entrypoint", "sh", "--", "-c", "sleep 0.5; /tool"])).collect();
    for child in children {
        let run: Run = child.wait_with_output().unwrap().into();
        assert_eq!((run.status, run.stdout.as_slice()), (Some(0), b"made\n".as_slice()), "{}", run.stderr);
    }
    assert!(begin.elapsed() < Duration::from_secs(30), "{:?}", begin.elapsed());
}

#[test]
fn a_file_changed_with_its_size_and_time_as_they_were_is_seen() {
    let Some(computation) = computation("times", "next_stage && cp \"$COMPDIR/data\" /data\n") else { return };
    computation.write("data", "one");
    let data = || computation.call(&["--entrypoint", "cat", "--", "/data"]).text();
    assert_eq!(data(), "one");
    computation.git("cp -p data old; printf two >data; touch -r old data");
    assert_eq!(data(), "two");
}

#[test]
fn logs_have_a_bound() {
    let Some(computation) = computation("logs", "everytime && echo a\n") else { return };
    for _ in 0..22 {
        computation.call(&["--setup-only"]).text();
    }
    let logs = computation.logs().len();
    assert!((1..=20).contains(&logs), "{logs}");
}

#[test]
fn what_keeps_a_container_from_starting_is_told_and_leaves_none() {
    let Some(computation) = computation("networks", "next_stage && true\n") else { return };
    let conf = fs::read_to_string(computation.path("docker.conf")).unwrap();
    computation.write("docker.conf", conf + "network = \"nosuch\"\n");
    let run = computation.call(&["true"]);
    assert_eq!(run.status, Some(125));
    assert!(run.stderr.contains("network nosuch not found"), "{}", run.stderr);
    assert_eq!(computation.containers(), []);
}

#[test]
fn a_container_that_is_removed_under_its_command_is_told() {
    let Some(computation) = computation("removal", "next_stage && true\n") else { return };
    let child = start(&computation, &["--entrypoint", "sh", "--", "-c", "echo up >>$GFSDIR/up; sleep 30"]);
    await_lines(&computation, "up", 1);
    computation.engine().remove(&computation.container().id).unwrap();
    let run: Run = child.wait_with_output().unwrap().into();
    assert!(run.stderr.contains("was stopped or removed while its command ran"), "{}", run.stderr);
    assert_eq!(run.status, Some(125));
}

#[test]
fn an_edited_stage_is_told_refused_and_accepted() {
    let script = |stage: &str| format!("next_stage && {stage} && echo 1 >>$GFSDIR/ran\nnext_stage && touch /b\n");
    let Some(computation) = computation("edits", &script("true")) else { return };
    computation.call(&["--setup-only"]).text();
    computation.write("docker-setup.sh", script("test 1"));
    computation.commit("edit");
    let stderr = |arguments: &[&str], status: i32| {
        let Run { stderr, status: ended, .. } = computation.call(arguments);
        assert_eq!(ended, Some(status), "{stderr}");
        stderr
    };
    assert_eq!(
        stderr(&["--on-edit=fail", "true"], 125),
        "of the container at hand, stage 1 is not as it was when it was applied: its text changed\n\
         ce-run: the setup is not what has run\n  \
         help: without `--on-edit fail` it runs in another container; see `--dry-run`\n"
    );
    assert_eq!(
        stderr(&["--accept=2", "--reason=x", "true"], 125),
        "of the container at hand, stage 1 is not as it was when it was applied: its text changed\n\
         ce-run: stage 2 was not edited in any container of computation `align`\n  \
         help: `--dry-run` shows what was; its number is that of the stage there\n"
    );
    let name = computation.container().name;
    assert_eq!(
        stderr(&["--accept=1", "--reason=it is the same", "true"], 0),
        format!("ce-run: stage 1 is taken for applied in container {name}, with a stage behind it\n")
    );
    assert_eq!((totals(&computation).as_str(), computation.lines("ran").len()), ("stages: 2 applied, 0 to apply", 1));
}

#[test]
fn a_stage_that_takes_too_long_is_told() {
    let Some(computation) = computation("time limits", "next_stage && { sleep 60 & sleep 60; }\n") else { return };
    let description = fs::read_to_string(computation.path("docker.conf")).unwrap() + "stage-timeout = \"1s\"\n";
    computation.write("docker.conf", description);
    let Run { stderr, status, .. } = computation.call(&["true"]);
    assert_eq!(status, Some(125), "{stderr}");
    for said in ["stage 1 failed\n", "^ was stopped after 1 s\n", "help: give it more time: `stage-timeout`"] {
        assert!(stderr.contains(said), "{stderr}");
    }
}

#[test]
fn the_environment_of_the_command_is_the_containers_whatever_ran_before_it() {
    for kind in [Kind::Dash, Kind::Bash, Kind::Busybox] {
        let Some(docker) = support::engine_for_tests("environments") else { return };
        let image = ensure(&docker, kind).unwrap();
        let computation = Computation::new(docker, &image, "next_stage && true\n");
        let names: Vec<String> = ('a'..='z').map(|name| format!("{name} = \"of docker.conf\"")).collect();
        computation.write("docker.conf", format!("image = \"{image}\"\n[env]\n{}\n", names.join("\n")));
        let environment = || {
            let printed = computation.call(&["--entrypoint", "env"]).text();
            let is_own = |line: &&str| ["_=", "TMPDIR="].iter().any(|own| line.starts_with(own));
            printed.lines().filter(|line| !is_own(line)).map(str::to_owned).collect::<BTreeSet<_>>()
        };
        computation.call(&["--setup-only"]).text();
        let at_once = environment();
        computation.write(
            "docker-setup.sh",
            "next_stage && true\neverytime && cd /tmp && export w=1 && unset w && export w=\"of docker.conf\"\n",
        );
        let fed = environment();
        assert_eq!(fed, at_once, "{kind:?}");
        assert_eq!(fed.iter().filter(|line| line.ends_with("=of docker.conf")).count(), 26, "{kind:?}");
    }
}

#[test]
fn what_an_everytime_chain_leaves_running_prints_into_no_other_output() {
    let script =
        "everytime && { while :; do echo noise; echo noise >&2; sleep 0.05; done & }\neverytime && sleep 0.2\n";
    let Some(computation) = computation("noise", script) else { return };
    let run = computation.call(&["--progress=quiet", "--entrypoint", "sh", "--", "-c", "sleep 0.3; echo out"]);
    assert_eq!((run.stdout.as_slice(), run.stderr.as_str(), run.status), (&b"out\n"[..], "", Some(0)));
}

#[test]
fn a_computation_is_found_from_inside_it_and_wrong_usage_is_a_failure_of_ours() {
    let Some(computation) = computation("subdirectories", "next_stage && echo 1 >>$GFSDIR/ran\n") else { return };
    fs::create_dir_all(computation.path("data/deep")).unwrap();
    let inside = |arguments: &[&str]| -> Run {
        computation.command(arguments).current_dir(computation.path("data/deep")).output().unwrap().into()
    };
    assert_eq!(inside(&["echo", "found"]).text(), "found\n");
    assert_eq!(computation.call(&["echo", "found"]).text(), "found\n");
    assert_eq!(computation.lines("ran").len(), 1);
    assert_eq!(inside(&["--no-such-option"]).status, Some(125));
    assert_eq!(inside(&["--help"]).status, Some(0));
}

#[test]
fn a_stage_whose_shell_is_ended_by_whatever_signal_is_not_applied() {
    for kind in [Kind::Dash, Kind::Bash, Kind::Busybox] {
        for signal in ["TERM", "HUP", "USR1"] {
            let Some(docker) = support::engine_for_tests("foreign signals") else { return };
            let image = ensure(&docker, kind).unwrap();
            let killer = format!("(sleep 0.2; kill -{signal} $1) >/dev/null 2>&1 &");
            let killed = format!("sh -c '[ -e \"$GFSDIR/mended\" ] || {{ {killer} }}' sh $$ && sleep 1");
            let script = format!("next_stage && true && {killed}\nnext_stage && echo 2 >>$GFSDIR/ran\n");
            let computation = Computation::new(docker, &image, &script);
            let run = computation.call(&["true"]);
            assert!(run.status == Some(125) && run.stderr.contains("by signal"), "{kind:?} {signal}: {run:?}");
            assert_eq!(totals(&computation), "stages: 0 applied, 2 to apply", "{kind:?} {signal}");
            fs::write(computation.storage().join("mended"), "").unwrap();
            computation.call(&["true"]).text();
            assert_eq!(computation.lines("ran"), ["2"], "{kind:?} {signal}");
        }
    }
}
