//! What ce-run may cost, against programs that do the like on the same engine: `cargo bench -p compeval-cli --bench budgets`.
//!
//! Both of a row take turns, and the ratio of their medians counts. Fails when a budget is missed by more than a tenth.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a program for a person to look at")]

#[allow(dead_code, reason = "every program uses its part of it")]
#[path = "../tests/support/mod.rs"]
mod support;

use std::{
    process::{Command, ExitCode, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use compeval_machine_image::{Kind, docker_for_tests, ensure};

use compeval_runtime::engine::{Connected, embedded::Embedded};
use support::{Computation, program};

/// By how much a budget may be missed.
const TOLERANCE: f64 = 1.1;

/// What is measured: what it is, how often, and how many times the other one's time it may take.
struct Row {
    what: &'static str,
    against: &'static str,
    runs: u32,
    most: f64,
}

fn main() -> ExitCode {
    let Some(docker) = docker_for_tests("budgets") else { return ExitCode::FAILURE };
    let image = ensure(&docker, Kind::Busybox).unwrap();
    drop(docker);
    let computation = |script: &str| Computation::new(docker_for_tests("budgets"), &image, script);
    let rows = [
        calls(&computation),
        everytime(&computation),
        commits(&computation),
        plans(&computation),
        stages(&computation),
        appended(&computation, &image),
        from_nothing(&computation, &image),
    ];
    let store = tempfile::tempdir().unwrap();
    let open = || Embedded::open_at(store.path(), &program("ce-run")).map(Connected::Embedded).unwrap();
    ensure(&open(), Kind::Busybox).unwrap();
    let embedded = |script: &str| {
        Computation::new(open(), &image, script).with("CE_ENGINE", "embedded").with("CE_STORE", store.path())
    };
    let of_embedded = [
        embedded_calls(&embedded, &computation),
        embedded_from_nothing(&embedded, &computation),
        embedded_appended(&embedded, &computation),
        embedded_forks(&embedded, &computation),
    ];
    for number in 0..BUILDS.load(Ordering::Relaxed) {
        run(Command::new("docker").args(["rmi", &format!("{BUILT}:{number}")]));
    }
    if rows.iter().chain(&of_embedded).all(|is_kept| *is_kept) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

const TRUE: [&str; 2] = ["--entrypoint", "true"];

/// Stages that do next to nothing.
fn trivial(numbers: std::ops::Range<u32>) -> String {
    numbers.map(|number| format!("next_stage && touch /s{number}\n")).collect()
}

fn calls(computation: &impl Fn(&str) -> Computation) -> bool {
    let row = Row { what: "a call", against: "docker exec C true", runs: 30, most: 0.85 };
    let computation = computation(&trivial(0..3));
    computation.call(&TRUE).text();
    let id = computation.container().id;
    row.measure(|_| run(&mut computation.command(&TRUE)), |_| exec(&id))
}

fn everytime(computation: &impl Fn(&str) -> Computation) -> bool {
    let row = Row { what: "a call with two everytime chains", against: "docker exec C true", runs: 30, most: 1.0 };
    let computation = computation(&(trivial(0..3) + "everytime && touch /e\neverytime && touch /f\n"));
    computation.call(&TRUE).text();
    let id = computation.container().id;
    row.measure(|_| run(&mut computation.command(&TRUE)), |_| exec(&id))
}

fn commits(computation: &impl Fn(&str) -> Computation) -> bool {
    let what = "a call of a commit that changes nothing the setup reads";
    let row = Row { what, against: "docker exec C true", runs: 20, most: 1.0 };
    let computation = computation(&trivial(0..3));
    computation.call(&TRUE).text();
    let id = computation.container().id;
    let commit = |run: u32| {
        computation.write("README", run.to_string());
        computation.commit("documented");
    };
    row.measure_after(commit, |_| run(&mut computation.command(&TRUE)), |_| exec(&id))
}

fn plans(computation: &impl Fn(&str) -> Computation) -> bool {
    let row = Row { what: "a dry run of 100 stages", against: "docker inspect C", runs: 30, most: 1.5 };
    let computation = computation(&trivial(0..100));
    computation.call(&TRUE).text();
    let id = computation.container().id;
    let inspect = || run(Command::new("docker").args(["inspect", &id]));
    row.measure(|_| run(&mut computation.command(&["--dry-run"])), |_| inspect())
}

fn stages(computation: &impl Fn(&str) -> Computation) -> bool {
    let row = Row { what: "ten stages in a container at hand", against: "10 x docker exec C true", runs: 8, most: 0.7 };
    let computation = computation("");
    computation.call(&["--setup-only"]).text();
    let id = computation.container().id;
    row.measure_after(
        |run| {
            computation.write("docker-setup.sh", trivial(0..10 * (run + 1)));
            computation.commit("more");
        },
        |_| run(&mut computation.command(&["--setup-only"])),
        |_| (0..10).for_each(|_| exec(&id)),
    )
}

fn appended(computation: &impl Fn(&str) -> Computation, image: &str) -> bool {
    let what = "a stage that is appended to ten";
    let row = Row { what, against: "docker build with the others cached", runs: 6, most: 0.15 };
    let computation = computation(&trivial(0..10));
    computation.call(&["--setup-only"]).text();
    build(&computation, image, 0..10, true);
    row.measure_after(
        |run| {
            computation.write("docker-setup.sh", trivial(0..11 + run));
            computation.commit("more");
        },
        |_| run(&mut computation.command(&["--setup-only"])),
        |run| build(&computation, image, 0..11 + run, true),
    )
}

fn from_nothing(computation: &impl Fn(&str) -> Computation, image: &str) -> bool {
    let row = Row { what: "ten stages from nothing", against: "docker build, cold", runs: 4, most: 0.08 };
    let computation = computation(&trivial(0..10));
    let remove = |_| {
        for container in computation.containers() {
            run(Command::new("docker").args(["rm", "-f", &container.id]));
        }
    };
    row.measure_after(
        remove,
        |_| run(&mut computation.command(&["--setup-only"])),
        |_| build(&computation, image, 0..10, false),
    )
}

type Make<'m> = &'m dyn Fn(&str) -> Computation;

fn embedded_calls(embedded: Make<'_>, docker: Make<'_>) -> bool {
    let row = Row { what: "a call, embedded", against: "docker exec C true", runs: 30, most: 0.15 };
    let (embedded, docker) = (embedded(&trivial(0..3)), docker(&trivial(0..3)));
    embedded.call(&TRUE).text();
    docker.call(&TRUE).text();
    let id = docker.container().id;
    row.measure(|_| run(&mut embedded.command(&TRUE)), |_| exec(&id))
}

fn embedded_from_nothing(embedded: Make<'_>, docker: Make<'_>) -> bool {
    let row = Row { what: "ten stages from nothing, embedded", against: "the same on Docker", runs: 8, most: 0.05 };
    let both = [embedded(&trivial(0..10)), docker(&trivial(0..10))];
    let remove = |_| {
        for computation in &both {
            for container in computation.containers() {
                computation.engine().remove(&container.id).unwrap();
            }
        }
    };
    row.measure_both(&both, remove, &["--setup-only"])
}

fn embedded_appended(embedded: Make<'_>, docker: Make<'_>) -> bool {
    let row = Row { what: "an appended stage, embedded", against: "the same on Docker", runs: 10, most: 0.1 };
    let both = [embedded(&trivial(0..10)), docker(&trivial(0..10))];
    both.iter().for_each(|computation| drop(computation.call(&["--setup-only"]).text()));
    row.measure_both(&both, |run| scripts(&both, &trivial(0..11 + run)), &["--setup-only"])
}

fn embedded_forks(embedded: Make<'_>, docker: Make<'_>) -> bool {
    let row = Row { what: "an edited stage, embedded", against: "the same on Docker", runs: 10, most: 0.1 };
    let both = [embedded(&trivial(0..3)), docker(&trivial(0..3))];
    both.iter().for_each(|computation| drop(computation.call(&["--setup-only", "--snapshot-after", "0"]).text()));
    let edit = |run| scripts(&both, &(trivial(0..2) + &format!("next_stage && touch /edited{run}\n")));
    row.measure_both(&both, edit, &["--setup-only", "--snapshot-after", "3600"])
}

/// Another script for each.
fn scripts(all: &[Computation], script: &str) {
    for computation in all {
        computation.write("docker-setup.sh", script);
        computation.commit("more");
    }
}

/// The name of what is built, and how many there are.
const BUILT: &str = "compeval-test/built";
static BUILDS: AtomicU32 = AtomicU32::new(0);

/// The same stages as a Dockerfile.
fn build(computation: &Computation, image: &str, numbers: std::ops::Range<u32>, cached: bool) {
    let steps: String = numbers.map(|number| format!("RUN touch /s{number}\n")).collect();
    std::fs::write(computation.storage().join("Dockerfile"), format!("FROM {image}\n{steps}")).unwrap();
    let mut build = Command::new("docker");
    // Without BuildKit, which may not be there.
    let tag = format!("{BUILT}:{}", BUILDS.fetch_add(1, Ordering::Relaxed));
    build.args(["build", "-q", "-t", &tag, if cached { "--rm" } else { "--no-cache" }]).arg(computation.storage());
    run(build.env("DOCKER_BUILDKIT", "0"));
}

/// Runs a program that does nothing in the container at hand.
fn exec(id: &str) {
    run(Command::new("docker").args(["exec", id, "true"]));
}

fn run(command: &mut Command) {
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
    assert!(status.success(), "{command:?}");
}

impl Row {
    fn measure(&self, ours: impl Fn(u32), theirs: impl Fn(u32)) -> bool {
        self.measure_after(|_| {}, ours, theirs)
    }

    /// The same arguments for two computations, with something to do for both before.
    fn measure_both(&self, [ours, theirs]: &[Computation; 2], before: impl Fn(u32), arguments: &[&str]) -> bool {
        self.measure_after(before, |_| run(&mut ours.command(arguments)), |_| run(&mut theirs.command(arguments)))
    }

    /// The same, with something to do before each of our runs that takes no time of ours.
    fn measure_after(&self, before: impl Fn(u32), ours: impl Fn(u32), theirs: impl Fn(u32)) -> bool {
        let turn = |number| {
            before(number);
            (time(|| ours(number)), time(|| theirs(number)))
        };
        let (mut mine, mut others): (Vec<Duration>, Vec<Duration>) = (0..self.runs).map(turn).unzip();
        let (mine, others) = (median(&mut mine), median(&mut others));
        let ratio = mine.as_secs_f64() / others.as_secs_f64();
        let is_kept = ratio <= self.most * TOLERANCE;
        let verdict = if is_kept { "" } else { "  MISSED" };
        let Row { what, against, most, .. } = self;
        println!("{what:<56} {mine:>8.0?}  {against:<36} {others:>8.0?}  {ratio:.2} x of {most:.2}{verdict}");
        is_kept
    }
}

fn time(work: impl FnOnce()) -> Duration {
    let begin = Instant::now();
    work();
    begin.elapsed()
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
