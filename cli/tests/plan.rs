//! What `--dry-run` shows: each kind of change to a script, as text, as a diff and as data.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

#[allow(dead_code, reason = "every test program uses its part of it")]
mod support;

use compeval_machine_image::{Kind, ensure};
use serde_json::Value;

use support::{Computation, wait_until};

/// A computation with this setup script, set up, unless there is no daemon.
fn computation(subject: &str, script: &str) -> Option<Computation> {
    let docker = support::engine_for_tests(subject)?;
    let image = ensure(&docker, Kind::Dash).unwrap();
    let computation = Computation::new(docker, &image, script);
    computation.call(&["--setup-only"]).text();
    Some(computation)
}

fn write(computation: &Computation, script: &str) {
    computation.write("docker-setup.sh", script);
    computation.commit("edited");
}

/// The rows of a plan, with what differs below them; ages and times are left out.
fn rows(computation: &Computation, options: &[&str]) -> String {
    let plan = computation.call(&[&["-n"], options].concat()).text();
    let rows = plan.split("\n\n").nth(1).unwrap();
    let without_times =
        |line: &str| line.split(", about ").next().unwrap().split(" 0 s ago").next().unwrap().to_owned();
    rows.lines().map(|line| without_times(line) + "\n").collect()
}

const SCRIPT: &str = "# First\nnext_stage && echo a\n\nnext_stage && echo b\n\nnext_stage && echo c\n";

#[test]
fn what_became_of_a_script_is_told_as_what_it_is() {
    let Some(computation) = computation("plans", SCRIPT) else { return };
    for (script, expected) in [
        (
            SCRIPT.to_owned() + "# More\nnext_stage && echo d\n",
            "  =  stage 1    line 2    First   applied\n  =  stage 2    line 4    echo b  applied\n  \
             =  stage 3    line 6    echo c  applied\n  +  stage 4    line 8    More    will run\n",
        ),
        (
            SCRIPT.replace("echo b", "echo b &&\n    echo B"),
            "  ~  stage 1    line 2    First          will run again\n  \
             ~  stage 2    line 4    echo b && ...  will run, edited\n       \
             - next_stage && echo b\n       + next_stage && echo b &&\n       +     echo B\n  \
             ~  stage 3    line 7    echo c         will run again\n       the stages before it changed\n",
        ),
        (
            "next_stage && echo c\nnext_stage && echo a\nnext_stage && echo b\n".to_owned(),
            "  ~  stage 1    line 1    echo c  will run, moved\n       it was stage 3\n  \
             ~  stage 2    line 2    echo a  will run again\n       the stages before it changed\n  \
             ~  stage 3    line 3    echo b  will run again\n       the stages before it changed\n",
        ),
        (
            "next_stage && echo a\nnext_stage && echo c\n".to_owned(),
            "  ~  stage 1    line 1    echo a  will run again\n  \
             -  stage 2    line 4    echo b  removed; applied\n  \
             ~  stage 2    line 2    echo c  will run again\n       the stages before it changed\n",
        ),
        (
            "if [ -e /nothing ]; then next_stage && echo x; fi\n".to_owned() + SCRIPT,
            "  *  condition  line 1    [ -e /nothing ]  every call\n  \
             ?  stage 1    line 1    echo x           may run   (depends on line 1: [ -e /nothing ])\n  \
             ?  stage 2    line 3    First            may run   (depends on line 1: [ -e /nothing ])\n",
        ),
    ] {
        write(&computation, &script);
        let rows = rows(&computation, &[]);
        assert!(rows.starts_with(expected), "{script}\n{rows}\n{expected}");
    }
}

#[test]
fn a_diff_has_what_surrounds_it() {
    let Some(computation) = computation("diffs", "next_stage && echo a &&\n  echo b &&\n  echo c\n") else { return };
    write(&computation, "next_stage && echo a &&\n  echo B &&\n  echo c\nnext_stage && echo d\n");
    let rows = rows(&computation, &["--diff"]);
    let expected = "  ~  stage 1    line 1    echo a && ...  will run, edited\n         next_stage && echo a &&\n       \
                    -   echo b &&\n       +   echo B &&\n           echo c\n  \
                    +  stage 2    line 4    echo d         will run\n       + next_stage && echo d\n";
    assert_eq!(rows, expected);
}

#[test]
fn the_exit_status_tells_of_pending_stages_and_of_edits() {
    let Some(computation) = computation("detailed exit codes", SCRIPT) else { return };
    let status = || computation.call(&["-n", "--detailed-exitcode"]).status;
    assert_eq!(status(), Some(0));
    write(&computation, &(SCRIPT.to_owned() + "next_stage && echo d\n"));
    assert_eq!((status(), computation.call(&["-n"]).status), (Some(2), Some(0)));
    write(&computation, &SCRIPT.replace("echo b", "echo B"));
    assert_eq!(status(), Some(3));
}

#[test]
fn where_nothing_is_built_upon_a_plan_builds() {
    let Some(computation) = computation("update = build", SCRIPT) else { return };
    let description = std::fs::read_to_string(computation.path("docker.conf")).unwrap();
    computation.write("docker.conf", description + "update = \"build\"\n");
    write(&computation, &(SCRIPT.to_owned() + "next_stage && echo d\n"));
    let plan = computation.call(&["-n"]).text();
    assert!(
        plan.contains("\nbuild a container from image") && plan.ends_with("stages: 0 applied, 4 to apply\n"),
        "{plan}"
    );
}

#[test]
fn what_a_plan_cannot_count_is_not_told_as_gone() {
    let script = "next_stage && echo a b >/list\nfor i in $(cat /list); do next_stage && echo $i; done\n\
                  eval \"$(echo 'next_stage && echo d')\"\n";
    let Some(computation) = computation("uncounted", script) else { return };
    let plan = computation.call(&["-n", "--detailed-exitcode"]);
    assert!(plan.status != Some(3) && !String::from_utf8(plan.stdout).unwrap().contains("removed"));
}

#[test]
fn where_another_container_would_be_needed_and_is_not_wanted_a_plan_says_so() {
    let Some(computation) = computation("edits refused", SCRIPT) else { return };
    write(&computation, &SCRIPT.replace("echo b", "echo B"));
    let plan = computation.call(&["-n", "--on-edit", "fail"]);
    assert!(plan.status == Some(125) && plan.stderr.contains("stage 2 is not as it was"), "{plan:?}");
}

#[test]
fn a_call_that_runs_where_stages_are_missing_is_told() {
    let Some(computation) = computation("calls in the way", SCRIPT) else { return };
    let mut call = computation.command(&["--entrypoint", "sleep", "--", "60"]).spawn().unwrap();
    wait_until("the call runs", || {
        let status = computation.environment_command(&["status"]).output().unwrap();
        String::from_utf8(status.stdout).unwrap().contains("a call that runs")
    });
    write(&computation, &(SCRIPT.to_owned() + "next_stage && echo d\n"));
    let plan = computation.call(&["-n"]).text();
    assert!(
        plan.contains("\na call that runs there: waited for") && plan.contains("unless what is said below"),
        "{plan}"
    );
    call.kill().unwrap();
    call.wait().unwrap();
}

#[test]
fn a_failed_stage_is_told_as_such() {
    let Some(computation) = computation("failed stages", SCRIPT) else { return };
    write(&computation, &(SCRIPT.to_owned() + "next_stage && exit 3\n"));
    assert_eq!(computation.call(&["true"]).status, Some(125));
    let rows = rows(&computation, &[]);
    assert_eq!(computation.call(&["-n", "--detailed-exitcode"]).status, Some(2), "it was never applied");
    let expected = "  !  stage 4    line 7    exit 3  will run, failed before\n       it failed with status 3";
    assert!(rows.contains(expected), "{rows}");
}

#[test]
fn colours_say_nothing_that_the_text_does_not() {
    let Some(computation) = computation("colours", SCRIPT) else { return };
    write(&computation, &SCRIPT.replace("echo b", "echo B"));
    let plan = |color: &str| computation.call(&["-n", "--color", color]).text();
    let (colored, plain) = (plan("always"), plan("never"));
    assert!(colored.contains("\u{1b}[33m  ~  stage 2") && !plain.contains('\u{1b}'), "{colored}");
    let mut stripped = String::new();
    for (index, piece) in colored.split('\u{1b}').enumerate() {
        stripped += if index == 0 { piece } else { piece.split_once('m').unwrap().1 };
    }
    assert_eq!(stripped, plain);
}

#[test]
fn as_data_a_plan_is_what_its_schema_says() {
    let schema: Value = serde_json::from_str(include_str!("../../docs/schemas/ce.plan.1.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let Some(computation) = computation("data", SCRIPT) else { return };
    for script in [
        SCRIPT.to_owned(),
        SCRIPT.replace("echo b", "echo B"),
        "next_stage && echo a\n".to_owned(),
        "if [ -e /x ]; then next_stage && echo x; fi\nX=$(date)\neverytime && true\n".to_owned() + SCRIPT,
    ] {
        write(&computation, &script);
        let plan: Value = serde_json::from_str(&computation.call(&["-n", "--format=json", "a b"]).text()).unwrap();
        let errors: Vec<String> = validator.iter_errors(&plan).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{errors:?}\n{plan:#}");
        assert_eq!(plan["command"]["arguments"][1], "a b");
        check_known(&plan, &schema);
    }
}

/// Every property of the data is one that the schema tells of.
fn check_known(data: &Value, part: &Value) {
    match data {
        Value::Object(members) => {
            for (name, member) in members {
                let known = &part["properties"][name];
                assert!(known.is_object(), "`{name}` is not in the schema: {part:#}");
                check_known(member, known);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| check_known(item, &part["items"])),
        _ => {}
    }
}
