//! A computation as people have them: a Debian image, packages from the archive, a program built from a Git repository
//! at a full commit id. Slow, and in need of the network, so that only `cargo test -- --ignored` runs it.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[allow(dead_code, reason = "every test program uses its part of it")]
mod support;

use std::{fs, path::Path, process::Command};

use compeval_runtime::engine::{Connected, EngineError};

use support::{Computation, sh};

const SUITE: &str = "bookworm";
const IMAGE: &str = "compeval-test/debian-minbase:bookworm";

/// Adds up, or averages, the numbers of two files line by line.
const PROGRAM: &str = r#"#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
	int mean = argc > 1 && !strcmp(argv[1], "--mean");
	FILE *a = fopen(argv[argc - 2], "r"), *b = fopen(argv[argc - 1], "r");
	double x, y;
	if (!a || !b)
		return 1;
	while (fscanf(a, "%lf", &x) == 1 && fscanf(b, "%lf", &y) == 1)
		printf("%.17g\n", mean ? (x + y) / 2 : x + y);
	return 0;
}
"#;
const MAKEFILE: &str = "pairs: pairs.c\n\t$(CC) -O2 -o $@ $<\n\tprintf x >>built\n";

const SETUP: &str = r#"next_stage && apt-get update && apt-get install -y --no-install-recommends gcc make libc6-dev
next_stage && apt-get install -y --no-install-recommends git
next_stage && {
	# The repository belongs to somebody else than to the container's root.
	git config --global --add safe.directory "$GFSDIR/pairs.git"
	git clone "$GFSDIR/pairs.git" /opt/pairs
}
everytime && (cd /opt/pairs && git fetch && git checkout @COMMIT@)
everytime && (cd /opt/pairs && make)
"#;

const EXEC: &str = "#!/bin/sh\n\
    # exec NUMBERS NUMBERS RESULT\n\
    read -r option 2>/dev/null </etc/pairs\n\
    /opt/pairs/pairs $option \"$1\" \"$2\" >\"$3\"\n";

#[test]
#[ignore = "slow: needs root, debootstrap and Debian's archive"]
fn a_program_is_built_from_git_on_debian_and_computes_what_it_does_here() {
    let Some(docker) = support::engine_for_tests("a real computation on Debian") else { return };
    debian(&docker);
    let computation = Computation::new(docker, IMAGE, "");
    let commit = repository(&computation);
    computation.write("docker-setup.sh", SETUP.replace("@COMMIT@", &commit));
    computation.write("exec", EXEC);
    computation.commit("two");
    let numbers = |step: f64| (1..=1000).map(|n| format!("{:e}\n", f64::from(n) * step)).collect::<String>();
    fs::write(computation.storage().join("a"), numbers(0.1)).unwrap();
    fs::write(computation.storage().join("b"), numbers(1e-7)).unwrap();

    call(&computation, "sum");
    let first = (applied(&computation), computation.container().id);
    assert_eq!(first.0, 3);
    assert_same_as_here(&computation, "sum", "");

    call(&computation, "sum-again");
    assert_eq!((applied(&computation), computation.container().id), first);
    assert_same_as_here(&computation, "sum-again", "");
    // What runs every time had nothing to do: the program was not built again.
    assert_eq!(computation.call(&["--entrypoint", "cat", "/opt/pairs/built"]).text(), "x");

    computation.git("echo 'next_stage && echo --mean >/etc/pairs' >>docker-setup.sh");
    computation.commit("three");
    call(&computation, "mean");
    assert_eq!(applied(&computation), 4);
    assert_same_as_here(&computation, "mean", "--mean");
    assert_ne!(result(&computation, "mean"), result(&computation, "sum"));
    // The container of the former commit is as it was.
    assert!(computation.containers().iter().any(|container| container.id == first.1));
}

/// Makes a minimal Debian with debootstrap, once for an engine.
fn debian(engine: &Connected) {
    match engine.engine().image(IMAGE) {
        Err(EngineError::NoSuchImage { .. }) => {}
        found => {
            found.unwrap();
            return;
        }
    }
    assert_eq!(sh(Path::new("/"), "id -u"), "0", "debootstrap needs root: run this test as root");
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root");
    let mut debootstrap = Command::new("debootstrap");
    let made = debootstrap.args(["--variant=minbase", SUITE]).arg(&root).arg("http://deb.debian.org/debian").output();
    let made = made.expect("this test needs `debootstrap` (Debian's package of that name)");
    assert!(made.status.success(), "debootstrap: {}", String::from_utf8_lossy(&made.stdout));
    let archive = Command::new("tar").arg("-C").arg(&root).args(["-c", "."]).output().unwrap();
    assert!(archive.status.success(), "tar: {}", String::from_utf8_lossy(&archive.stderr));
    compeval_machine_image::import(engine, IMAGE, archive.stdout).unwrap();
}

/// A bare repository in the storage, owned by nobody in particular; gives the id of the commit to build, which is not
/// its newest. The program is built on this machine too, beside the storage.
fn repository(computation: &Computation) -> String {
    let here = computation.top().join("here");
    fs::create_dir(&here).unwrap();
    fs::write(here.join("pairs.c"), PROGRAM).unwrap();
    fs::write(here.join("Makefile"), MAKEFILE).unwrap();
    let commit = sh(&here, "git init -q -b main . && git add . && git commit -q -m one && git rev-parse HEAD");
    sh(&here, "git rm -q --cached pairs.c && git commit -q -m 'must not be used'");
    sh(&here, "git clone -q --bare . ../gfs/pairs.git && chown -R 12345:12345 ../gfs/pairs.git");
    sh(&here, "make");
    commit
}

fn call(computation: &Computation, result: &str) {
    let in_storage = |name: &str| computation.storage().join(name).display().to_string();
    // However slow this machine is, the setup goes on in the container at hand.
    let options = ["--snapshot-after", "3600"].map(str::to_owned);
    let arguments = options.into_iter().chain(["a", "b", result].map(in_storage)).collect::<Vec<_>>();
    let run = computation.call(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!((run.status, run.stdout.as_slice()), (Some(0), &b""[..]), "{}", run.stderr);
}

fn result(computation: &Computation, name: &str) -> String {
    fs::read_to_string(computation.storage().join(name)).unwrap()
}

fn assert_same_as_here(computation: &Computation, name: &str, option: &str) {
    let expected = sh(&computation.top(), &format!("here/pairs {option} gfs/a gfs/b"));
    let result = result(computation, name);
    assert_eq!(result.lines().count(), 1000);
    assert_eq!(result.trim(), expected);
}

/// How many stages the newest container's ledger says were applied, each of them once.
fn applied(computation: &Computation) -> usize {
    let newest = computation.containers().remove(0);
    let ledger = computation.engine().read_file(&newest.id, "/var/lib/compeval/state.toml").unwrap().unwrap();
    String::from_utf8(ledger).unwrap().matches("state = \"applied\"").count()
}
