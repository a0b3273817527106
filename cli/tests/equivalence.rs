//! Whatever a script was before, and whatever was done with it, its container is like one built from nothing: random edits
//! of random scripts, each followed by a call, whose dry run before it was right.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stdout, reason = "a test fails by panicking")]

#[path = "equivalence/claims.rs"]
mod claims;
#[path = "equivalence/model.rs"]
mod model;
#[allow(dead_code, reason = "every test program uses its part of it")]
mod support;

use compeval_machine_image::{Kind, ensure};
use compeval_runtime::engine::ContainerState;

use claims::Claims;
use model::{Random, Version};
use support::Computation;

/// Prints modes, names and contents of all files that scripts make.
const TREE: &str = "cd /data && find . -type f -printf '%m %f\\n' | sort -k 2 | \
                    while read -r mode file; do echo \"== $mode $file\"; cat \"$file\"; done";

/// How often the model's word is not enough.
const BUILD_EVERY: u32 = 5;

/// A computation of this version, committed.
fn computation(version: &Version) -> Option<Computation> {
    let docker = support::engine_for_tests("equivalence")?;
    let image = ensure(&docker, Kind::Dash).unwrap();
    let computation = Computation::new(docker, &image, "");
    write(&computation, version);
    computation.commit("random");
    Some(computation)
}

fn write(computation: &Computation, version: &Version) {
    computation.write("docker-setup.sh", version.script());
    for (name, content) in version.inputs() {
        computation.write(name, content);
    }
}

/// The files that a call sees, `None` when the setup fails, and what was said.
fn call(computation: &Computation, snapshot_after: &str) -> (Option<String>, String) {
    let run = computation.call(&["--snapshot-after", snapshot_after, "--entrypoint", "sh", "--", "-c", TREE]);
    match run.status {
        Some(0) => (Some(String::from_utf8_lossy(&run.stdout).into_owned()), run.stderr),
        status => {
            assert!(status == Some(125) && run.stderr.contains("failed"), "{status:?} {}", run.stderr);
            (None, run.stderr)
        }
    }
}

fn random_edits(seed: u64, steps: u32) {
    let mut random = Random::new(seed);
    let mut version = Version::new(&mut random);
    let Some(computation) = computation(&version) else { return };
    let mut versions = vec![version.clone()];
    let mut perhaps = 0;
    for step in 1..=steps {
        let before = version.clone();
        let edit = version.edit(&mut random, &versions);
        write(&computation, &version);
        if random.below(3) > 0 {
            computation.commit("edited");
        }
        let story = |said: &str| {
            format!("seed {seed}, step {step}: {edit}\n--- before\n{before}\n--- now\n{version}\n--- said\n{said}")
        };
        disturb(&computation, &mut random);
        let claims = Claims::of(&computation);
        perhaps += claims.perhaps;
        let (files, said) = call(&computation, if random.below(2) == 0 { "0" } else { "10" });
        assert_eq!(files, version.files(), "{}", story(&said));
        assert_eq!(claims.wrong(&said), None, "{}\n--- claimed\n{}", story(&said), claims.text());
        if step % BUILD_EVERY == 0 {
            let fresh = self::computation(&version).unwrap();
            let (built, said) = call(&fresh, "10");
            assert_eq!(files, built, "{}", story(&said));
        }
        versions.push(version.clone());
    }
    println!("seed {seed}: {steps} dry runs, {perhaps} steps that may run");
}

/// Now and then a container is not as the last call left it.
fn disturb(computation: &Computation, random: &mut Random) {
    let containers = computation.containers();
    let Some(container) = containers.get(random.below(4)) else { return };
    match (random.below(2), container.state) {
        (0, ContainerState::Running) => computation.ask(container, "stop?t=0"),
        (0, _) => computation.ask(container, "start"),
        _ => computation.engine().remove(&container.id).unwrap(),
    }
}

/// A number that somebody who tests by hand gives.
fn given(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|number| number.parse().ok()).unwrap_or(otherwise)
}

#[test]
fn a_few_edits_end_in_what_is_built_from_nothing() {
    random_edits(1, 12);
}

/// `CE_TEST_SEED` and `CE_TEST_STEPS` go other ways, and further.
#[test]
#[ignore = "takes minutes"]
fn many_edits_end_in_what_is_built_from_nothing() {
    let seed = given("CE_TEST_SEED", 2);
    random_edits(seed, u32::try_from(given("CE_TEST_STEPS", 100)).unwrap());
}
