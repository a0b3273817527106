//! Plays cases of `testdata/conformance` with `ce-run` in real containers, whose `sh` is dash or busybox. Slow, so that
//! only `cargo test -- --ignored` runs it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[allow(dead_code, reason = "every test program uses its part of it")]
mod support;

use std::{fs, path::PathBuf};

use compeval_conformance::{Case, cases, copy, prepare, shown, tree};
use compeval_machine_image::{Kind, ensure};

use support::Computation;

/// How many cases are played; the quick tests play all of them without containers.
const PLAYED: usize = 60;

const DESCRIPTION: &str = r#"
workdir = "/conf/root"

[env]
PATH = "/conf/root.d/bin:/usr/bin:/bin"
HOME = "/conf/root.d/home"

[[mounts]]
source = "root"
target = "/conf/root"
read-only = false

[[mounts]]
source = "root.d"
target = "/conf/root.d"
read-only = false
"#;

/// Cases that mean the same here: their setup goes well, so that a container is kept from run to run; they do not look
/// at all of the computation's directory; and their stages do not depend on what earlier runs left.
fn fitting() -> Vec<(Case, usize)> {
    let fits = |case: &Case, runs: usize| {
        let script = fs::read(case.script(0)).unwrap();
        let mentions = |word: &str| String::from_utf8_lossy(&script).contains(word);
        let first = case.hits(0);
        !mentions("COMPDIR")
            && !mentions("hostname")
            && case.runs.iter().take(runs).all(|run| run.exit == 0)
            && (0..runs).all(|run| case.hits(run) == first)
    };
    let with_runs = |case: Case| {
        let runs = case.plan.iter().take_while(|version| **version == 0).count();
        (case, runs)
    };
    cases().unwrap().into_iter().map(with_runs).filter(|(case, runs)| fits(case, *runs)).collect()
}

/// Plays a case; gives what was not as expected.
fn play(case: &Case, runs: usize, kind: Kind) -> Vec<String> {
    let docker = support::engine_for_tests("conformance in containers").unwrap();
    let image = ensure(&docker, kind).unwrap();
    let computation = Computation::new(docker, &image, "");
    let (root, support) = (computation.path("root"), computation.path("root.d"));
    fs::create_dir(&root).unwrap();
    fs::create_dir(&support).unwrap();
    prepare(&support).unwrap();
    fs::remove_dir_all(computation.storage()).unwrap();
    copy(&support.join("gfs"), &computation.storage()).unwrap();
    computation.write("docker.conf", format!("image = \"{image}\"\n{DESCRIPTION}"));
    computation.write("docker-setup.sh", fs::read(case.script(0)).unwrap());
    computation.write(".gitignore", "root\nroot.d\n");
    computation.commit("a case");
    let places = [
        ("/compeval/computation", "@COMPDIR@"),
        ("/compeval/gfs", "@GFSDIR@"),
        ("/conf/root.d/home", "@HOME@"),
        ("/conf/root.d", "@SUPPORT@"),
        ("/conf/root", "@ROOT@"),
    ]
    .map(|(path, name)| (PathBuf::from(path), name));
    let trees = case.trees().unwrap();
    let mut differences = Vec::new();
    for (number, expected) in case.runs.iter().enumerate().take(runs) {
        let run = computation.call(&["--setup-only"]);
        let container = computation.container();
        let ledger = computation.engine().read_file(&container.id, "/var/lib/compeval/state.toml").unwrap().unwrap();
        let applied = String::from_utf8_lossy(&ledger).matches("state = \"applied\"").count() as u32;
        let tree = tree(&root, &places).unwrap();
        if run.status != Some(0) || applied != expected.stages || trees.get(number) != Some(&tree) {
            let name = &case.name;
            let stderr = shown(run.stderr.as_bytes(), &places);
            let expected = (expected.stages, trees.get(number));
            let number = number + 1;
            differences.push(format!("{name} run {number}:\n{stderr}\n  {expected:?}\n  {applied} {tree:?}"));
        }
    }
    differences
}

fn play_some(kind: Kind) {
    if support::engine_for_tests("conformance in containers").is_none() {
        return;
    }
    let fitting = fitting();
    assert!(fitting.len() >= PLAYED, "{}", fitting.len());
    // Some of all kinds: those in between are left out.
    let step = fitting.len() / PLAYED;
    let differences: Vec<String> =
        fitting.iter().step_by(step).take(PLAYED).flat_map(|(case, runs)| play(case, *runs, kind)).collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
#[ignore = "slow: sixty containers"]
fn scripts_do_in_containers_what_dash_does() {
    play_some(Kind::Dash);
}

#[test]
#[ignore = "slow: sixty containers"]
fn scripts_do_in_containers_what_busybox_does() {
    play_some(Kind::Busybox);
}
