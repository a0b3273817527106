//! The command `ce-run`, run as a program, with a real daemon.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[allow(dead_code, reason = "every test program uses its part of it")]
mod support;

use std::{
    collections::BTreeMap,
    fs,
    io::Write,
    process::{Child, Stdio},
    thread,
    time::Duration,
};

use compeval_machine_image::{Kind, ensure};
use compeval_runtime::engine::ContainerState;
use serde_json::Value;

use support::{Computation, Run, wait_until};

/// A computation with this setup script, unless there is no daemon.
fn computation(subject: &str, script: &str) -> Option<Computation> {
    let docker = support::engine_for_tests(subject)?;
    let image = ensure(&docker, Kind::Dash).unwrap();
    Some(Computation::new(docker, &image, script))
}

/// Starts `ce-run`, with nowhere to write to.
fn start(computation: &Computation, arguments: &[&str]) -> Child {
    let mut command = computation.command(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

#[test]
fn output_is_the_commands_own_byte_for_byte() {
    let Some(computation) = computation("output", "next_stage && echo from the setup") else { return };
    let run = computation.call(&["printf", r"a\0b\377\r\n\001c"]);
    assert_eq!((run.status, run.stdout.as_slice()), (Some(0), &b"a\0b\xff\r\n\x01c"[..]));
    let run = computation.call(&["sh", "-c", "echo out; echo err >&2"]);
    assert_eq!((run.stdout.as_slice(), run.stderr.as_str()), (&b"out\n"[..], "err\n"));
}

#[test]
fn input_reaches_the_command_to_its_end() {
    let Some(computation) = computation("input", "") else { return };
    let input: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
    let mut child = computation
        .command(&["-i", "cat"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let expected = input.clone();
    let writer = thread::spawn(move || stdin.write_all(&input).unwrap());
    let run: Run = child.wait_with_output().unwrap().into();
    writer.join().unwrap();
    assert_eq!(run.status, Some(0), "{}", run.stderr);
    assert!(run.stdout == expected);
}

#[test]
fn the_exit_status_is_the_commands_own_or_says_why_there_is_none() {
    let Some(computation) = computation("exit statuses", "") else { return };
    let killed = |status: i32, signal: &str| {
        let what = "it, or what it ran last, was killed by signal";
        format!("ce-run: the command ended with status {status}: {what} {signal}\n")
    };
    let cases: &[(&[&str], i32, &str)] = &[
        (&["true"], 0, ""),
        (&["sh", "-c", "exit 1"], 1, ""),
        (&["sh", "-c", "exit 125"], 125, ""),
        (&["sh", "-c", "exit 126"], 126, ""),
        (&["sh", "-c", "exit 127"], 127, ""),
        (&["sh", "-c", "exit 255"], 255, ""),
        (&["--entrypoint", "sh", "--", "-c", "kill -9 $$"], 137, &killed(137, "9 (KILL)")),
        (&["--entrypoint", "sh", "--", "-c", "kill -15 $$"], 143, &killed(143, "15 (TERM)")),
        (&["--entrypoint", "no-such-program"], 127, "ce-run: `no-such-program` is not there in the container\n"),
        (&["--entrypoint", "/no/such/program"], 127, "ce-run: `/no/such/program` is not there in the container\n"),
        (
            &["--entrypoint", "/etc/passwd"],
            126,
            "ce-run: `/etc/passwd` cannot be executed in the container: it is no program, or the container lacks what its `#!` line names\n",
        ),
        (
            &["--entrypoint", "/etc"],
            126,
            "ce-run: `/etc` cannot be executed in the container: it is no program, or the container lacks what its `#!` line names\n",
        ),
    ];
    computation.call(&["--setup-only"]);
    for (arguments, status, stderr) in cases {
        let run = computation.call(arguments);
        assert_eq!((run.status, run.stderr.as_str()), (Some(*status), *stderr), "{arguments:?}");
    }
}

#[test]
fn arguments_that_name_files_are_translated() {
    let Some(computation) = computation("arguments", "") else { return };
    fs::write(computation.storage().join("in"), "in the storage").unwrap();
    computation.write("data", "in the computation");
    computation.commit("data");
    let storage = computation.storage().display().to_string();
    for (argument, content) in [
        (format!("{storage}/in"), "in the storage"),
        ("../gfs/in".into(), "in the storage"),
        (format!("{storage}/../align/data"), "in the computation"),
        ("./data".into(), "in the computation"),
        ("/compeval/gfs/in".into(), "in the storage"),
    ] {
        assert_eq!(computation.call(&["cat", &argument]).text(), content, "{argument}");
    }
    let output = format!("of={storage}/new/out");
    computation.call(&["sh", "-c", "mkdir \"$GFSDIR\"/new && printf %s \"$0\" >\"${0#of=}\"", &output]).text();
    assert_eq!(computation.lines("new/out"), ["of=/compeval/gfs/new/out"]);
    let run = computation.call(&["sh", "-c", "echo >$COMPDIR/data"]);
    assert!(run.status != Some(0) && run.stderr.contains("Read-only"), "{}", run.stderr);
}

#[test]
fn the_setup_alone_and_another_program_need_no_exec() {
    let Some(computation) = computation("--setup-only", "next_stage && echo 1 >>$GFSDIR/log") else { return };
    fs::remove_file(computation.path("exec")).unwrap();
    computation.commit("no exec");
    let run = computation.call(&["--setup-only"]);
    assert_eq!((run.status, run.stdout.as_slice()), (Some(0), &b""[..]), "{}", run.stderr);
    assert_eq!(computation.call(&["--entrypoint=cat", "../gfs/log"]).text(), "1\n");
    // In another directory, with another way to name the storage.
    let mut command = computation.command(&["-C", "align", "--gfs", "gfs", "--entrypoint", "cat", "--", "gfs/log"]);
    let run: Run = command.current_dir(computation.top()).env_remove("GFSDIR").output().unwrap().into();
    assert_eq!(run.text(), "1\n");
    assert_eq!(computation.lines("log"), ["1"]);
}

#[test]
fn names_and_labels_tell_what_a_container_is() {
    let Some(computation) = computation("names and labels", "next_stage && true") else { return };
    computation.call(&["true"]).text();
    let container = computation.container();
    let chain = container.labels["compeval.chain"].clone();
    assert_eq!(container.name, format!("ce-align-{}-1", &chain[..12]));
    assert_eq!(chain.len(), 64);
    let commit = computation.git("git rev-parse HEAD");
    let expected = [
        ("compeval.computation", "align".to_owned()),
        ("compeval.directory", computation.directory().display().to_string()),
        ("compeval.commit", commit.clone()),
        ("compeval.chain", chain),
        ("compeval.image", "compeval-test/dash:1".to_owned()),
        ("compeval.image-id", container.image_id.clone()),
        ("compeval.gfs", computation.storage().display().to_string()),
        ("compeval.snapshot", String::new()),
        ("compeval.snapshot-chain", String::new()),
        ("compeval.role", "computation".to_owned()),
        ("compeval.schema", "2".to_owned()),
    ];
    let expected: BTreeMap<String, String> = expected.map(|(name, value)| (name.to_owned(), value)).into();
    let mut labels = container.labels.clone();
    for hashed in ["compeval.base", "compeval.spec"] {
        assert_eq!(labels.remove(hashed).map(|hash| hash.len()), Some(64), "{hashed}");
    }
    labels
        .retain(|name, value| !(["compeval.repeated", "compeval.script"].contains(&name.as_str()) && value.is_empty()));
    assert_eq!(labels, expected);
    let mapping: toml::Table = fs::read_to_string(computation.path("docker-container")).unwrap().parse().unwrap();
    assert_eq!(mapping["containers"][&commit].as_str(), Some(container.id.as_str()));
    assert_eq!(computation.git("git status --porcelain"), "");
}

#[test]
fn a_dry_run_touches_nothing() {
    let script = "next_stage && echo 1 >>$GFSDIR/log\neverytime && echo again >>$GFSDIR/log\n";
    let Some(computation) = computation("dry runs", script) else { return };
    let plan = |state: &str, stage: &str, totals: &str| {
        let commit: String = computation.git("git rev-parse HEAD").chars().take(7).collect();
        let (own, storage) = (computation.directory(), computation.storage());
        format!(
            "computation align at commit {commit}\n{state}\n\n  \
             {stage}\n  \
             *  everytime  line 2    echo again >>$GFSDIR/log  every call\n\n\
             image    compeval-test/dash:1 (ID)\n\
             mounts   {} at /compeval/computation, read-only\n         {} at /compeval/gfs\n\
             user     {}\n\
             in       /compeval/computation\n\
             command  /compeval/computation/exec\n\n\
             stages: {totals}, 1 on every call\n",
            own.display(),
            storage.display(),
            computation.git("echo $(id -u):$(id -g)")
        )
    };
    let planned = |option: &str| {
        let text = computation.call(&[option]).text();
        let (head, rest) = text.split_once("(sha256:").unwrap();
        let (before, taken) = head.split_once(" took ").unwrap_or((head, ""));
        let (_, after) = taken.split_once(" s\n").unwrap_or(("", ""));
        let time = if taken.is_empty() { "" } else { " took T s\n" };
        let id = rest.split_once(')').unwrap().1;
        format!("{before}{time}{after}(ID){id}").replace(" 1 s ago", " 0 s ago")
    };
    let new = "+  stage 1    line 1    echo 1 >>$GFSDIR/log      will run";
    let kept = "=  stage 1    line 1    echo 1 >>$GFSDIR/log      applied 0 s ago, took T s";
    let none = "build a container from image compeval-test/dash:1: there is none yet";
    assert_eq!(planned("--dry-run"), plan(none, new, "0 applied, 1 to apply"));
    assert!(computation.containers().is_empty());
    assert!(!computation.top().join("state").exists() && !computation.path("docker-container").exists());

    computation.call(&["true"]).text();
    let running = computation.container();
    let log = computation.lines("log");
    for (action, state) in [("", "running"), ("pause", "paused"), ("stop?t=0", "stopped")] {
        if action == "pause" && !computation.has_daemon() {
            continue;
        }
        if !action.is_empty() {
            let _ = computation.engine().unpause(&running.id);
            computation.ask(&running, action);
        }
        let before = computation.container();
        let expected = format!("use container {} ({state})", running.name);
        assert_eq!(planned("-n"), plan(&expected, kept, "1 applied, 0 to apply"));
        assert_eq!(computation.container(), before);
    }
    assert_eq!(computation.lines("log"), log);
}

#[test]
fn a_container_that_is_stopped_paused_or_removed_is_no_obstacle() {
    let Some(computation) = computation("containers in every state", "next_stage && echo 1 >>$GFSDIR/log") else {
        return;
    };
    computation.call(&["true"]).text();
    let container = computation.container();
    for action in ["stop?t=0", "pause"] {
        computation.ask(&container, action);
        assert_eq!(computation.call(&["echo", "hi"]).text(), "hi\n");
        let now = computation.container();
        assert_eq!((now.id.as_str(), now.state), (container.id.as_str(), ContainerState::Running));
    }
    assert_eq!(computation.lines("log"), ["1"]);
    computation.engine().remove(&container.id).unwrap();
    assert_eq!(computation.call(&["echo", "hi"]).text(), "hi\n");
    assert_ne!(computation.container().id, container.id);
    assert_eq!(computation.lines("log"), ["1", "1"]);
}

#[test]
fn a_mapping_that_is_lost_damaged_or_of_the_first_form_costs_nothing() {
    let Some(computation) = computation("mappings", "next_stage && echo 1 >>$GFSDIR/log") else { return };
    computation.call(&["true"]).text();
    let container = computation.container().id;
    let mapping = computation.path("docker-container");
    let whole = fs::read(&mapping).unwrap();
    fs::remove_file(&mapping).unwrap();
    let cases = [None, Some("<<<<<<< HEAD\n".to_owned()), Some(container.clone()), Some("ab".repeat(32))];
    for content in cases {
        if let Some(content) = &content {
            fs::write(&mapping, content).unwrap();
        }
        computation.call(&["--setup-only"]).text();
        assert_eq!(computation.container().id, container, "{content:?}");
        assert!(fs::read(&mapping).unwrap() == whole || content == Some(container.clone()), "{content:?}");
    }
    assert_eq!(computation.lines("log"), ["1"]);
}

#[test]
fn every_environment_has_its_own_container_whatever_commit_asks_for_it() {
    let Some(computation) = computation("commits", "next_stage && echo one >/version") else { return };
    let version = || computation.call(&["cat", "/version"]).text();
    assert_eq!(version(), "one\n");
    let first = computation.container().id;
    computation.write("docker-setup.sh", "next_stage && echo two >/version");
    assert_eq!(version(), "two\n");
    assert!(computation.call(&["-n"]).text().contains(" with uncommitted changes\n"));
    computation.commit("two");
    assert_eq!(version(), "two\n");
    assert_eq!(computation.containers().len(), 2);
    computation.git("git checkout -q HEAD~1");
    assert_eq!(version(), "one\n");
    assert_eq!(computation.containers().len(), 2);
    assert!(computation.containers().iter().any(|container| container.id == first));
}

/// A script's life: what each edit runs, as stages print it.
#[test]
fn only_what_an_edit_asks_for_runs() {
    let script = |stages: &[&str]| -> String {
        stages.iter().map(|name| format!("next_stage && echo {name} | tee -a /made >>$GFSDIR/log\n")).collect()
    };
    let Some(computation) = computation("edits", &script(&["a", "b", "c"])) else { return };
    let arguments = ["--snapshot-after", "0", "--entrypoint", "cat", "--", "/made"];
    let made = |runs: usize, stages: &str| {
        let before = computation.lines("log").len();
        let text: Vec<String> = computation.call(&arguments).text().lines().map(str::to_owned).collect();
        assert_eq!((text.join(" "), computation.lines("log").len() - before), (stages.to_owned(), runs));
    };
    made(3, "a b c");
    computation.write("README", "read me");
    made(0, "a b c");
    computation.commit("documented");
    made(0, "a b c");
    computation.write("docker-setup.sh", script(&["a", "b", "c", "d"]));
    made(1, "a b c d");
    computation.write("docker-setup.sh", script(&["a", "b", "x", "d"]));
    assert!(computation.call(&["-n"]).text().contains("fork from a snapshot of the first 2 stages, taken at commit "));
    made(2, "a b x d");
    computation.write("docker-setup.sh", script(&["a", "b", "c", "d"]));
    made(0, "a b c d");
    computation.write("docker-setup.sh", script(&["b", "c", "d"]));
    made(3, "b c d");
    computation.write("docker-setup.sh", script(&["a", "b", "x", "d"]));
    made(0, "a b x d");
}

#[test]
fn killed_anywhere_it_goes_on_where_it_was() {
    let script: String = (1..=6).map(|n| format!("next_stage && echo {n} >>$GFSDIR/log && sleep 0.05\n")).collect();
    let Some(computation) = computation("kills", &script) else { return };
    for delay in (0..).map(|round| 150 + 130 * round % 500) {
        let mut child = start(&computation, &["true"]);
        thread::sleep(Duration::from_millis(delay));
        child.kill().unwrap();
        child.wait().unwrap();
        if computation.lines("log").len() == 6 {
            break;
        }
    }
    computation.call(&["true"]).text();
    assert_eq!(computation.lines("log"), ["1", "2", "3", "4", "5", "6"]);
    computation.container();
}

#[test]
fn a_stage_that_outlives_its_ce_run_is_waited_for() {
    let script = "next_stage && echo 1 >>$GFSDIR/log\n\
                  next_stage && echo 2 >>$GFSDIR/log && sleep 1 && echo end >>$GFSDIR/log\n\
                  next_stage && echo 3 >>$GFSDIR/log\n";
    let Some(computation) = computation("stages that outlive ce-run", script) else { return };
    let mut child = start(&computation, &["true"]);
    wait_until("stage 2", || computation.lines("log").len() == 2);
    child.kill().unwrap();
    child.wait().unwrap();
    let run = computation.call(&["echo", "done"]);
    assert!(run.stderr.starts_with("ce-run: waiting for stage 2, which has been running for "), "{}", run.stderr);
    assert_eq!(run.text(), "done\n");
    assert_eq!(computation.lines("log"), ["1", "2", "end", "3"]);
}

/// Twenty calls at once, each with its own word.
fn twenty_at_once(computation: &Computation) {
    let calls: Vec<Child> = (0..20)
        .map(|number| {
            let mut command = computation.command(&["echo", &number.to_string()]);
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    for (number, call) in calls.into_iter().enumerate() {
        assert_eq!(Run::from(call.wait_with_output().unwrap()).text(), format!("{number}\n"));
    }
}

#[test]
fn started_together_they_do_each_stage_once() {
    let script = "next_stage && echo 1 >>$GFSDIR/log && sleep 0.3\nnext_stage && echo 2 >>$GFSDIR/log\n";
    let Some(computation) = computation("twenty at once", script) else { return };
    twenty_at_once(&computation);
    assert_eq!(computation.lines("log"), ["1", "2"]);
    computation.container();
}

#[test]
fn started_together_beside_calls_they_do_an_appended_stage_once() {
    let script = "next_stage && echo 1 >>$GFSDIR/log\neverytime && echo again >>$GFSDIR/again\n";
    let Some(computation) = computation("twenty at once, an appended stage", script) else { return };
    let busy = "echo >>$GFSDIR/busy; until [ -e $GFSDIR/edited ]; do sleep 0.1; done; sleep 1; echo end >>$GFSDIR/log";
    let calls: Vec<Child> = (0..3).map(|_| start(&computation, &["sh", "-c", busy])).collect();
    wait_until("calls", || computation.lines("busy").len() == 3);
    computation.write("docker-setup.sh", format!("{script}next_stage && echo 2 >>$GFSDIR/log && sleep 0.3\n"));
    fs::write(computation.storage().join("edited"), "").unwrap();
    twenty_at_once(&computation);
    for mut call in calls {
        // To its end, but the computation is not what it was when it began.
        assert_eq!(call.wait().unwrap().code(), Some(125));
    }
    // Nothing is changed where calls run.
    assert_eq!(computation.lines("log"), ["1", "end", "end", "end", "2"]);
    computation.container();
}

#[test]
fn signals_reach_the_command() {
    let Some(computation) = computation("signals", "") else { return };
    computation.call(&["--setup-only"]).text();
    for (signal, status) in [("TERM", 40), ("INT", 41), ("USR1", 42)] {
        let script = format!("trap 'exit {status}' {signal}; echo >$GFSDIR/{signal}; while :; do sleep 0.05; done");
        let mut child = start(&computation, &["--entrypoint", "sh", "--", "-c", &script]);
        wait_until(signal, || computation.storage().join(signal).exists());
        support::sh(&computation.top(), &format!("kill -{signal} {}", child.id()));
        assert_eq!(child.wait().unwrap().code(), Some(status), "{signal}");
    }
}

#[test]
fn a_report_tells_what_happened_as_its_schema_says() {
    let schema: Value = serde_json::from_str(include_str!("../../docs/schemas/ce.report.1.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let Some(computation) = computation("reports", "# First\nnext_stage && true\neverytime && true\n") else { return };
    let path = computation.top().join("report.json");
    let report = |arguments: &[&str]| -> Value {
        let run = computation.call(&[&["--report", path.to_str().unwrap()], arguments].concat());
        let report: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        let errors: Vec<String> = validator.iter_errors(&report).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{errors:?}\n{report:#}");
        assert_eq!(report["exit_status"].as_i64(), run.status.map(i64::from), "{report:#}");
        report
    };
    let first = report(&["sh", "-c", "exit 7"]);
    assert_eq!((&first["steps"][0]["title"], &first["steps"][0]["applied"][0]), (&"First".into(), &1.into()));
    assert_eq!((&first["exit_status"], &first["failure"]), (&7.into(), &Value::Null));
    assert_eq!(first["container"]["name"], computation.container().name);
    assert_eq!(first["command"]["arguments"][1], "sh");
    assert_eq!(report(&["true"])["kept_stages"], 1);
    computation.write("docker-setup.sh", "# First\nnext_stage && true\nnext_stage && exit 3\n");
    let failed = report(&["true"]);
    let last = failed["steps"].as_array().unwrap().last().unwrap();
    assert_eq!((&last["status"], &last["has_failed"]), (&3.into(), &true.into()));
    let kept = computation.containers().into_iter().find(|kept| failed["container"]["id"] == *kept.id).unwrap();
    assert_eq!(failed["container"]["name"], kept.name);
    assert!(failed["failure"].as_str().unwrap().contains("failed at stage 2"), "{failed:#}");
    computation.write("docker.conf", "image = 3");
    assert_eq!(report(&["true"])["computation"], Value::Null);
    let nowhere = computation.call(&["--report", "/no/such/directory/report", "true"]);
    let expected = "ce-run: cannot write the report to `/no/such/directory/report`: No such file or directory";
    assert!(nowhere.status == Some(125) && nowhere.stderr.starts_with(expected), "{nowhere:?}");
}
