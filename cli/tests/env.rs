//! `ce-env`: what it shows of containers, and what it does to them, whether their computation can be read or not.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

#[allow(dead_code, reason = "every test program uses its part of it")]
mod support;

use std::{fs, io::Write, process::Stdio};

use compeval_machine_image::{Kind, ensure};
use serde_json::Value;

use support::{Computation, Run, wait_until};

const SCRIPT: &str = "next_stage && echo first stage\nnext_stage && echo second stage\n";

/// A computation with this setup script, set up, unless there is no daemon.
fn computation(subject: &str, script: &str) -> Option<Computation> {
    let docker = support::engine_for_tests(subject)?;
    let image = ensure(&docker, Kind::Dash).unwrap();
    let computation = Computation::new(docker, &image, script);
    computation.call(&["--setup-only"]);
    Some(computation)
}

fn env(computation: &Computation, arguments: &[&str]) -> Run {
    computation.environment_command(arguments).output().unwrap().into()
}

/// The names and states that `ls` lists.
fn listed(computation: &Computation) -> Vec<(String, String)> {
    let table = env(computation, &["ls"]).text();
    let row = |line: &str| line.split_whitespace().take(2).map(str::to_owned).collect::<Vec<_>>();
    table.lines().skip(1).map(row).map(|row| (row[0].clone(), row[1].clone())).collect()
}

#[test]
fn containers_are_listed_and_shown_with_their_stages() {
    let Some(computation) = computation("lists", SCRIPT) else { return };
    let name = computation.container().name;
    assert_eq!(listed(&computation), [(name.clone(), "running".to_owned())]);
    let all = env(&computation, &["ls", "--all"]).text();
    assert!(all.contains(&format!("{}\n", computation.directory().display())), "{all}");
    let status = env(&computation, &["status"]).text();
    for part in [&name, "=  stage 2    echo second stage", "stages: 2 applied"] {
        assert!(status.contains(part), "{part}: {status}");
    }
    computation.write(
        "docker-setup.sh",
        SCRIPT.replace("next_stage && echo second", "# The second\nnext_stage && echo second"),
    );
    let status = env(&computation, &["status"]).text();
    assert!(status.contains("=  stage 2    The second "), "{status}");
}

#[test]
fn as_data_a_list_is_what_its_schema_says() {
    let schema: Value = serde_json::from_str(include_str!("../../docs/schemas/ce.env.1.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let Some(computation) = computation("lists as data", &(SCRIPT.to_owned() + "next_stage && exit 3\n")) else {
        return;
    };
    for command in ["ls", "status"] {
        let list: Value = serde_json::from_str(&env(&computation, &[command, "--format=json"]).text()).unwrap();
        let errors: Vec<String> = validator.iter_errors(&list).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{errors:?}\n{list:#}");
        let container = &list["containers"][0];
        assert_eq!((container["applied"].as_u64(), container["has_failed"].as_bool()), (Some(2), Some(true)));
        assert_eq!(container["stages"][2]["failed_status"].as_i64(), Some(3));
    }
}

#[test]
fn it_needs_nothing_that_can_be_read_nor_a_directory() {
    let Some(computation) = computation("unreadable", SCRIPT) else { return };
    computation.write("docker.conf", "image = [[[");
    computation.write("docker-setup.sh", "if then (");
    assert_eq!(listed(&computation).len(), 1);
    assert_eq!(env(&computation, &["exec", "sh", "-c", "echo here"]).text(), "here\n");
    let directory = computation.directory();
    let elsewhere = computation.top().join("elsewhere");
    fs::rename(&directory, &elsewhere).unwrap();
    let all = computation.environment_command(&["ls", "--all"]).current_dir("/").output().unwrap();
    let all = Run::from(all).text();
    fs::rename(&elsewhere, &directory).unwrap();
    assert!(all.contains(&format!("{} (gone)\n", directory.display())), "{all}");
}

#[test]
fn what_a_stage_put_out_is_found_again() {
    let Some(computation) = computation("logs", SCRIPT) else { return };
    computation.write("docker-setup.sh", SCRIPT.to_owned() + "next_stage && echo third stage\n");
    computation.call(&["true"]);
    for (stage, text) in [("1", "first stage"), ("3", "third stage")] {
        let log = env(&computation, &["log", stage]).text();
        assert!(log.contains(&format!("\n{text}\n")) && log.lines().count() == 3, "{log}");
    }
    let missing = env(&computation, &["log", "9"]);
    assert!(missing.status == Some(1) && missing.stderr.contains("no log has what stage 9 put out"), "{missing:?}");
}

#[test]
fn computations_of_one_name_have_logs_of_their_own() {
    let Some(one) = computation("logs of one name", SCRIPT) else { return };
    let Some(other) = computation("logs of one name", "next_stage && echo another stage\n") else { return };
    let log = one.environment_command(&["log", "1"]).env("XDG_STATE_HOME", other.top().join("state")).output().unwrap();
    assert_eq!(log.status.code(), Some(1), "{log:?}");
}

#[test]
fn programs_and_shells_run_in_a_container_as_it_is() {
    let Some(computation) = computation("programs", SCRIPT) else { return };
    assert_eq!(env(&computation, &["exec", "sh", "-c", "exit 7"]).status, Some(7));
    assert_eq!(env(&computation, &["exec", "no-such-program"]).status, Some(127));
    let mut shell =
        computation.environment_command(&["shell"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    shell.stdin.take().unwrap().write_all(b"echo $((40 + 2)); pwd; exit 5\n").unwrap();
    let run: Run = shell.wait_with_output().unwrap().into();
    assert_eq!((run.status, run.stdout), (Some(5), b"42\n/compeval/computation\n".to_vec()));
    computation.write("docker-setup.sh", SCRIPT.to_owned() + "next_stage && touch /left && exit 3\n");
    computation.call(&["true"]);
    let mut shell = computation
        .environment_command(&["shell", "--failed"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    shell.stdin.take().unwrap().write_all(b"ls /left\n").unwrap();
    assert_eq!(Run::from(shell.wait_with_output().unwrap()).stdout, b"/left\n");
    assert!(listed(&computation).iter().any(|(_, state)| state == "stopped"), "it is stopped again");
}

#[test]
fn two_containers_differ_in_stages_and_in_files() {
    let Some(computation) = computation("differences", "next_stage && touch /one\n") else { return };
    let first = computation.container().name;
    computation.write("docker-setup.sh", "next_stage && touch /two\n");
    computation.call(&["true"]);
    let differing = |options: &[&str]| env(&computation, &[&["diff", first.as_str()], options].concat()).text();
    let second = computation.containers()[0].name.clone();
    let expected =
        format!("--- {first}\n+++ {second}\n@@ -1 +1 @@\n-next_stage && touch /one\n+next_stage && touch /two\n");
    assert_eq!(differing(&[&second]), expected);
    assert_eq!(differing(&["--files"]), "- /one (new)\n+ /two (new)\n");
    assert_eq!(differing(&[&first]), "");
}

#[test]
fn a_container_differs_from_the_script() {
    let Some(computation) = computation("differences", "next_stage && touch /one\n") else { return };
    let name = computation.container().name;
    assert_eq!(env(&computation, &["diff"]).text(), "");
    computation.write("docker-setup.sh", "next_stage && touch /one\nfor i in 1 2; do next_stage && touch /$i; done\n");
    let text = format!(
        "--- {name}\n+++ docker-setup.sh\n@@ -1 +1,3 @@\n next_stage && touch /one\n+next_stage && touch /$i\n+next_stage && touch /$i\n"
    );
    for arguments in [&["diff"][..], &["diff", &name]] {
        assert_eq!(env(&computation, arguments).text(), text);
    }
    computation.write("docker-setup.sh", "if\n");
    let refused = env(&computation, &["diff"]);
    assert!(refused.status == Some(125) && refused.stderr.contains("a syntax error"), "{refused:?}");
}

#[test]
fn packages_directories_and_texts_are_compared() {
    let make = |version: &str, text: &str| {
        let dpkg = format!("Package: jq\nStatus: install ok installed\nVersion: {version}\n\n");
        format!(
            "next_stage && mkdir -p /var/lib/dpkg /opt/d{version}/in /opt/same && printf '%s' '{dpkg}' >/var/lib/dpkg/status && \
             touch /opt/d{version}/in/a /opt/d{version}/b && touch /opt/d{version}-x && printf '{text}' >/opt/same/text\n"
        )
    };
    let Some(computation) = computation("files that differ", &make("1.6", "a\\nb\\n")) else { return };
    let first = computation.container().name;
    computation.write("docker-setup.sh", make("1.7", "a\\nc\\n"));
    computation.call(&["true"]).text();
    let second = computation.containers()[0].name.clone();
    let expected = format!(
        "- jq 1.6 (dpkg)\n+ jq 1.7 (dpkg)\n- /opt/d1.6 (new, with 3 paths)\n- /opt/d1.6-x (new)\n+ /opt/d1.7 (new, with 3 paths)\n\
         + /opt/d1.7-x (new)\n\
         --- {first}:/opt/same/text\n+++ {second}:/opt/same/text\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n"
    );
    assert_eq!(env(&computation, &["diff", &first, "--files"]).text(), expected);

    let document = |schema: &str, arguments: &[&str]| -> Value {
        let schema: Value = serde_json::from_str(schema).unwrap();
        let document = env(&computation, &[arguments, &["--format=json"]].concat()).text();
        let document: Value = serde_json::from_str(&document).unwrap();
        let validator = jsonschema::validator_for(&schema).unwrap();
        let errors: Vec<String> = validator.iter_errors(&document).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{errors:?}\n{document:#}");
        document
    };
    let differing = include_str!("../../docs/schemas/ce.env.diff.1.json");
    let files = document(differing, &["diff", &first, "--files"]);
    assert_eq!(files["packages"][1], serde_json::json!({ "is_new": true, "text": "jq 1.7 (dpkg)" }));
    assert_eq!(
        (files["texts"][0]["path"].as_str(), files["stages"].as_array().map(Vec::len)),
        (Some("/opt/same/text"), Some(0))
    );
    let stages = document(differing, &["diff", &first]);
    assert_eq!(
        (stages["other"].as_str(), stages["stages"][1]["is_new"].as_bool()),
        (Some("docker-setup.sh"), Some(true))
    );
    env(&computation, &["stop"]);
    let prune = include_str!("../../docs/schemas/ce.env.prune.1.json");
    let going = document(prune, &["prune", "--keep=0", "--dry-run"]);
    assert_eq!(going["containers"].as_array().map(Vec::len), Some(2), "{going:#}");
}

#[test]
fn where_a_call_runs_nothing_is_stopped_or_removed_unless_that_is_forced() {
    let Some(computation) = computation("busy", SCRIPT) else { return };
    let name = computation.container().name;
    let mut call = computation.command(&["--entrypoint", "sleep", "--", "60"]).spawn().unwrap();
    wait_until("the call runs", || env(&computation, &["status"]).text().contains("a call that runs"));
    for command in ["stop", "rm"] {
        let refused = env(&computation, &[command, &name]);
        let expected = format!(
            "ce-env: container `{name}` is in use by a call that runs\n  help: wait for their end, or kill them: --force\n"
        );
        assert_eq!((refused.status, refused.stderr), (Some(1), expected));
    }
    assert_eq!(env(&computation, &["prune", "--keep=0", "--yes"]).stderr, "ce-env: there is nothing to remove\n");
    assert_eq!(env(&computation, &["rm", "--force", &name]).status, Some(0));
    assert!(call.wait().unwrap().code() == Some(125) && computation.containers().is_empty());
}

#[test]
fn a_call_is_ended_from_elsewhere() {
    let Some(computation) = computation("kill", SCRIPT) else { return };
    for (trap, status) in [("exit 9", 9), ("", 137)] {
        let script = format!("trap '{trap}' TERM; while :; do sleep 0.05; done");
        let mut call = computation.command(&["--entrypoint", "sh", "--", "-c", &script]).spawn().unwrap();
        wait_until("the call runs", || env(&computation, &["status"]).text().contains("a call that runs"));
        // Its trap is set by then.
        std::thread::sleep(std::time::Duration::from_millis(300));
        let killed = env(&computation, &["kill"]);
        assert!(killed.stderr.starts_with("ce-env: ended 1 call in container ce-align-"), "{killed:?}");
        assert_eq!(call.wait().unwrap().code(), Some(status), "{trap}");
    }
    assert!(env(&computation, &["kill"]).stderr.starts_with("ce-env: ended 0 calls"));
}

#[test]
fn what_is_not_needed_any_more_is_shown_and_then_removed() {
    let Some(computation) = computation("pruned", SCRIPT) else { return };
    assert_eq!(env(&computation, &["stop"]).status, Some(0));
    assert_eq!(listed(&computation)[0].1, "stopped");
    assert_eq!(env(&computation, &["prune", "--yes"]).stderr, "ce-env: there is nothing to remove\n");
    let name = computation.container().name;
    let shown = env(&computation, &["prune", "--keep", "0", "--dry-run"]);
    assert!(
        shown.stderr.contains("would remove 1 container and 0 snapshots") && !computation.containers().is_empty(),
        "{shown:?}"
    );
    let asked = env(&computation, &["prune", "--keep", "0"]);
    assert!(asked.status == Some(1) && asked.stderr.contains("nobody can be asked"), "{asked:?}");
    let removed = env(&computation, &["prune", "--keep", "0", "--yes"]);
    assert!(removed.status == Some(0) && String::from_utf8(removed.stdout).unwrap().contains(&name));
    assert!(computation.containers().is_empty());
}

/// The files of a container made from `image` that a setup makes, with what is in them.
fn tree(computation: &Computation, image: &str) -> String {
    let find = "find / -xdev -newer /bin/sh -type f -not -path '/proc/*' -not -path '/sys/*' -not -path '/compeval/*' \
                -not -path '/var/lib/compeval/*' -not -path '/etc/*' -not -path /usr/sbin/docker-init | sort | while read -r f; do echo \"== $f\"; cat \"$f\"; done";
    computation.git(&format!(
        "docker run --rm --entrypoint /bin/sh {image} -c \"{}\"",
        find.replace('"', "\\\"").replace('$', "\\$")
    ))
}

#[test]
fn a_dockerfile_builds_what_the_container_has() {
    let script = "set -e\n# Why: \"quotes\", back\\slashes and $dollars.\nV='a \"b\"'\nput() { next_stage && printf '%s\\n' \"$1 $V\" >/$1; :; }\n\
                  # The first\nput one\nfor i in 1 2; do put n$i; done\neverytime && echo e >/each\nnext_stage && cat >/doc <<E\n# no comment\n\n  $V \\\\ x\nE\n\
                  next_stage && cp \"$COMPDIR/data\" /data || echo no >/no\n";
    let Some(computation) = computation("exports", script) else { return };
    if !computation.has_daemon() {
        return;
    }
    computation.write("data", "x\n");
    computation.commit("data");
    computation.call(&["true"]).text();
    let image = format!("compeval-test/export:{}", std::process::id());
    let exported = env(&computation, &["export", "image", &image]).text();
    let dockerfile = env(&computation, &["export", "dockerfile"]).text();
    assert_eq!(dockerfile.matches("\"/compeval/setup.sh\", \"").count(), 5, "{dockerfile}");
    fs::write(computation.top().join("Dockerfile"), &dockerfile).unwrap();
    let built = format!("compeval-test/built:{}", std::process::id());
    computation.git(&format!("DOCKER_BUILDKIT=0 docker build -q -f ../Dockerfile -t {built} . >/dev/null"));
    let (ours, theirs) = (tree(&computation, &image), tree(&computation, &built));
    assert!(ours.contains("== /n2\nn2 a \"b\"\n") && ours.contains("# no comment\n\n  a \"b\" \\ x\n"), "{ours}");
    assert_eq!(ours, theirs);
    let labels = computation.git(&format!("docker inspect -f '{{{{json .Config.Labels}}}}' {exported}"));
    assert!(!labels.contains(computation.directory().to_str().unwrap()), "{labels}");
    computation.git(&format!("docker rmi {image} {built} >/dev/null"));

    let definition = env(&computation, &["export", "apptainer"]).text();
    assert!(
        definition.starts_with("Bootstrap: docker\nFrom: ") && definition.contains("    for stage in 1 2 3 4 5; do ")
    );
    computation.write("docker-setup.sh", format!("{script}next_stage && true\n(next_stage && true)\n"));
    let refused = env(&computation, &["export", "dockerfile"]);
    assert!(refused.status == Some(1) && refused.stderr.contains("a marker in line 16 "), "{refused:?}");
    computation.write("docker-setup.sh", "next_stage && false\n");
    let refused = env(&computation, &["export", "dockerfile"]);
    assert!(refused.status == Some(1) && refused.stderr.contains("says something else"), "{refused:?}");
}

#[test]
fn an_edited_stage_is_accepted_without_a_call() {
    let Some(computation) = computation("accepting", "next_stage && echo 1 >>$GFSDIR/ran\n") else { return };
    computation.call(&["true"]).text();
    computation.write("docker-setup.sh", "next_stage && echo 2 >>$GFSDIR/ran\n");
    let accepted = env(&computation, &["accept", "1", "--reason", "the same"]);
    assert_eq!(accepted.status, Some(0), "{accepted:?}");
    let status = env(&computation, &["status"]).text();
    assert!(status.contains(" ago, accepted\n"), "{status}");
    computation.call(&["true"]).text();
    assert_eq!(computation.lines("ran"), ["1"]);
    let refused = env(&computation, &["accept", "1", "--reason", "again"]);
    assert!(refused.status == Some(125) && refused.stderr.contains("stage 1"), "{refused:?}");
}

#[test]
fn a_log_that_is_followed_goes_on_with_the_next_setup() {
    let Some(computation) = computation("logs that go on", "next_stage && echo one\n") else { return };
    let mut follower = computation.environment_command(&["log", "-f"]);
    let file = computation.top().join("followed");
    let mut follower = follower.stdout(fs::File::create(&file).unwrap()).spawn().unwrap();
    let has = |text: &str| fs::read_to_string(&file).unwrap().contains(text);
    wait_until("the first", || has("one"));
    computation.write("docker-setup.sh", "next_stage && echo one\nnext_stage && echo two\n");
    computation.call(&["--setup-only"]).text();
    wait_until("the second", || has("two"));
    follower.kill().unwrap();
    follower.wait().unwrap();
}
