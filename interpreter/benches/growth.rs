//! Planning and linting scripts of shapes that are hard on a planner: `cargo bench -p compeval-interpreter --bench growth`.
//!
//! Ten times the text may take twelve times as long, whatever its shape. Fails when one takes longer. The long texts have
//! some thousand lines, more than setup scripts have; much longer ones measure the caches of the processor as well.

#![expect(clippy::print_stdout, clippy::expect_used, reason = "a program for a person to look at")]

use std::{fs, process::ExitCode, thread, time::Duration};

use compeval_interpreter::{
    Settings, Source, analyze, dispatch::dry_run::DryRun, execute::Unobserved, lint, parse, run, stage::Counted,
    syntax::Script,
};

const MOST_TIMES_AS_LONG: f64 = 12.0;
/// Less than this is noise.
const SHORTEST: Duration = Duration::from_millis(2);
const RUNS: u32 = 15;
const TRIES: u32 = 3;

/// Shapes: what they are, how many times the pattern stands there in the short text, and the text.
type Shape = (&'static str, usize, fn(usize) -> String);

const SHAPES: [Shape; 14] = [
    ("functions that call the next", 200, |n| {
        let calls: String = (0..n).map(|i| format!("f{i}() {{ f{}; }}\n", i + 1)).collect();
        format!("{calls}f{n}() {{ next_stage && x; }}\nf0\n")
    }),
    ("functions that call the one before", 200, |n| {
        let calls: String = (1..=n).map(|i| format!("f{i}() {{ v{i}=1; f{}; }}\n", i - 1)).collect();
        format!("f0() {{ :; }}\n{calls}next_stage && f{n}\n")
    }),
    ("stages that call one long function", 300, |n| {
        let body: String = (0..n).map(|i| format!("  run {i} \"$a\"\n")).collect();
        format!("f() {{\n{body}}}\n{}", "next_stage && f\n".repeat(n))
    }),
    ("processes in the background", 300, |n| "a &\n".repeat(n)),
    ("processes in the background, waited for", 300, |n| format!("{}wait\n", "a & b\n".repeat(n))),
    ("an assignment and a stage", 150, |n| {
        (0..n).map(|i| format!("v{i}=x{i}\nnext_stage && echo \"$v{i}\"\n")).collect()
    }),
    ("an export and a stage", 40, |n| {
        (0..n).map(|i| format!("export v{i}=$(x {i})\n")).collect::<String>() + "next_stage && y\n"
    }),
    ("texts of eval", 300, |n| (0..n).map(|i| format!("eval 'v{i}=1'\neverytime && a\n")).collect()),
    ("here-documents", 150, |n| (0..n).map(|i| format!("next_stage && cat >f{i} <<E\n$x {i}\nE\n")).collect()),
    ("here-documents in one line", 300, |n| {
        let commands: String = (0..n).map(|i| format!("cat <<E{i}; ")).collect();
        let bodies: String = (0..n).map(|i| format!("body {i}\nE{i}\n")).collect();
        format!("{commands}:\n{bodies}")
    }),
    ("a chain of many commands", 300, |n| format!("next_stage{}\n", " && a b \"$c\"".repeat(n))),
    ("a list of many guards", 300, |n| format!("{}next_stage && a\n", "a && ".repeat(n))),
    ("a case of many stages", 300, |n| {
        let items: String = (0..n).map(|i| format!("  p{i}) next_stage && a {i};;\n")).collect();
        format!("case $(x) in\n{items}esac\n")
    }),
    ("a loop of many turns", 300, |n| {
        format!("i=0; while [ $i -lt {n} ]; do next_stage && a $i; i=$((i + 1)); done\n")
    }),
];

fn main() -> ExitCode {
    let mut is_kept = true;
    for (name, count, text) in SHAPES {
        let (short, long) = (read(&text(count)), read(&text(10 * count)));
        for (what, work) in [("plan", plan as fn(&Script)), ("facts", facts), ("lint", check)] {
            let measured = || fastest(|| work(&short), || work(&long));
            let is_right = |(short, long): &(Duration, Duration)| ratio(*short, *long) <= MOST_TIMES_AS_LONG;
            let first = measured();
            // What is disturbed for long is measured again.
            let again = (1..TRIES).map(|_| measured());
            let (short, long) = std::iter::once(first).chain(again).find(is_right).unwrap_or(first);
            let (ratio, is_right) = (ratio(short, long), is_right(&(short, long)));
            let verdict = if is_right { "" } else { "  TOO LONG" };
            println!("{name:<42} {what:<6} {short:>10.1?} {long:>10.1?} {ratio:>6.1} times{verdict}");
            is_kept &= is_right;
        }
    }
    if is_kept { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// How many times as long as the short text the long one takes, as far as that is not noise.
fn ratio(short: Duration, long: Duration) -> f64 {
    long.max(SHORTEST).as_secs_f64() / short.max(SHORTEST / 10).as_secs_f64()
}

fn read(text: &str) -> Script {
    let parsed = parse(Source::new("docker-setup.sh", text));
    assert!(parsed.errors.is_empty(), "{:?}", parsed.errors);
    parsed.script
}

fn plan(script: &Script) {
    run(script, &Settings::default(), &mut Counted(0), &mut DryRun, &mut Unobserved).expect("nothing is run");
}

fn facts(script: &Script) {
    analyze(script);
}

fn check(script: &Script) {
    lint::check(&parse(std::sync::Arc::clone(&script.source)));
}

/// The fastest of several runs of each: the others were disturbed. They take turns, and the short one runs ten times in
/// its turn: what else this machine does disturbs both alike.
fn fastest(short: impl Fn(), long: impl Fn()) -> (Duration, Duration) {
    let turn = |_| (time(|| (0..10).for_each(|_| short())) / 10, time(&long));
    let least = |(short, long): (Duration, Duration), (other, another)| (short.min(other), long.min(another));
    (0..RUNS).map(turn).reduce(least).unwrap_or_default()
}

fn time(work: impl Fn()) -> Duration {
    let start = on_processor();
    work();
    on_processor() - start
}

/// How long this thread has been on a processor: the time of others does not count.
fn on_processor() -> Duration {
    // Only who gives way has all of its time counted.
    thread::yield_now();
    let text = fs::read_to_string("/proc/thread-self/schedstat").expect("Linux counts it");
    let nanoseconds = text.split(' ').next().and_then(|count| count.parse().ok());
    Duration::from_nanos(nanoseconds.expect("the first number is it"))
}
