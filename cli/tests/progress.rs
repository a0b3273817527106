//! What `ce-run` tells of a setup, and how: in lines, in JSON, with its output, or not at all.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[allow(dead_code, reason = "every test program uses its part of it")]
mod support;

use compeval_machine_image::{Kind, ensure};
use serde_json::Value;

use support::Computation;

const SCRIPT: &str = "\
# The tools
next_stage && echo out && sleep 0.2 && echo err >&2
# Where they are
hostname >/dev/null
everytime && printf 'no end'
{
    next_stage && true
} >/dev/null
";

fn computation(subject: &str, script: &str) -> Option<Computation> {
    let docker = support::engine_for_tests(subject)?;
    let image = ensure(&docker, Kind::Dash).unwrap();
    Some(Computation::new(docker, &image, script))
}

/// What a call that goes well tells, without what differs from run to run.
fn told(computation: &Computation, arguments: &[&str]) -> String {
    let run = computation.call(arguments);
    assert_eq!((run.status, run.stdout.as_slice()), (Some(0), &b"done\n"[..]), "{}", run.stderr);
    let is_time = |word: &str| word.contains('.') && word.parse::<f64>().is_ok();
    let is_name = |word: &str| word.starts_with("ce-align-");
    let word = |word: &str| match () {
        () if is_time(word) => "N".to_owned(),
        () if is_name(word) => "NAME".to_owned(),
        () => word.to_owned(),
    };
    let line = |line: &str| line.split(' ').map(word).collect::<Vec<_>>().join(" ") + "\n";
    run.stderr.lines().map(line).collect()
}

#[test]
fn lines_tell_of_a_setup_and_nothing_of_a_steady_call() {
    let Some(computation) = computation("lines of a setup", SCRIPT) else { return };
    insta::assert_snapshot!(told(&computation, &["echo", "done"]));
    assert_eq!(told(&computation, &["echo", "done"]), "");
    assert_eq!(told(&computation, &["--progress=tty", "echo", "done"]), "");
    let log = std::fs::read_to_string(computation.logs().pop().unwrap()).unwrap();
    assert!(log.contains("# everytime (line 5): printf 'no end'\n"), "{log}");
}

#[test]
fn with_v_the_output_comes_too_and_all_that_runs_is_told() {
    let Some(computation) = computation("the output of a setup", SCRIPT) else { return };
    let first = told(&computation, &["-v", "echo", "done"]);
    insta::assert_snapshot!(format!("{first}## again\n{}", told(&computation, &["-v", "echo", "done"])));
}

#[test]
fn quiet_is_quiet() {
    let Some(computation) = computation("a quiet setup", SCRIPT) else { return };
    assert_eq!(told(&computation, &["-q", "echo", "done"]), "");
    let both = computation.call(&["-q", "-v"]);
    assert!(both.status == Some(125) && both.stderr.contains("cannot be used with"), "{}", both.stderr);
}

#[test]
fn programs_are_told_each_event() {
    let Some(computation) = computation("events of a setup", SCRIPT) else { return };
    let events = || {
        let told = told(&computation, &["--progress=json", "echo", "done"]);
        let event = |line: &str| {
            let mut event: Value = serde_json::from_str(line).unwrap();
            assert_eq!(event["schema"], "ce.progress/1", "{line}");
            event
                .as_object_mut()
                .unwrap()
                .retain(|name, _| name != "seconds" && name != "container" && name != "schema");
            event.to_string() + "\n"
        };
        told.lines().map(event).collect::<String>()
    };
    let first = events();
    insta::assert_snapshot!(format!("{first}## again\n{}", events()));
}

#[test]
fn what_takes_long_is_told_of_a_steady_call_too() {
    let Some(computation) = computation("a slow everytime chain", "everytime && sleep 3\neverytime && true\n") else {
        return;
    };
    computation.call(&["true"]).text();
    let told = told(&computation, &["echo", "done"]);
    assert_eq!(told, "ce-run: everytime (line 1): sleep 3\nce-run: everytime: done in N s\n");
}
