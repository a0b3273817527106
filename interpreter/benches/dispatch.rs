//! What it costs to send a stretch of script to a shell of its own, beyond that shell: the state is carried there and
//! back. `sh -c :` is the reference, in turns with it.
//!
//! Run with `cargo bench -p compeval-interpreter --bench dispatch`.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench fails by panicking, and prints what it measured"
)]

use std::{
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use compeval_interpreter::{
    Settings, Source, dispatch::local::Local, execute::Unobserved, parse, program::Hooks, run, stage::Counted,
};

const TURNS: u32 = 400;

/// A script whose every line but those of `setting` is a dispatch.
fn script(setting: &str) -> String {
    format!("{setting}\n: $()\n{}", ": $()\n".repeat(TURNS as usize))
}

fn states() -> [(&'static str, String); 4] {
    let variables = |count: usize, length: usize| {
        (0..count).map(|number| format!("v{number}='{}'\n", "it is ".repeat(length / 6))).collect::<String>()
    };
    let functions: String = (0..20).map(|number| format!("f{number}() {{ echo {number}; return $#; }}\n")).collect();
    [
        ("nothing", String::new()),
        ("20 variables", variables(20, 24)),
        ("100 variables, 20 functions", variables(100, 24) + &functions),
        ("20 variables of 3 KB", variables(20, 3000)),
    ]
}

fn main() {
    println!("{:32} {:>10} {:>10} {:>10}", "state", "dispatch", "sh -c :", "beyond");
    for (name, setting) in states() {
        let text = script(&setting);
        let script = parse(Source::new("bench", text)).script;
        let mut best = (Duration::MAX, Duration::MAX);
        for _ in 0..3 {
            best.1 = best.1.min(plain_shells());
            best.0 = best.0.min(dispatches(&script));
        }
        let each = |all: Duration| all.as_secs_f64() * 1000.0 / f64::from(TURNS);
        let (ours, plain) = (each(best.0), each(best.1));
        println!("{name:32} {ours:>7.3} ms {plain:>7.3} ms {:>7.3} ms", ours - plain);
    }
}

fn plain_shells() -> Duration {
    let start = Instant::now();
    for _ in 0..TURNS {
        let mut command = Command::new("sh");
        command.args(["-c", ":"]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.output().unwrap();
    }
    start.elapsed()
}

fn dispatches(script: &compeval_interpreter::syntax::Script) -> Duration {
    let hooks = Hooks { scratch: "/tmp", record: None };
    let mut local = Local::new(&["sh"], hooks).output(std::io::sink()).errors(std::io::sink());
    let settings = Settings { split: true, ..Settings::default() };
    let start = Instant::now();
    run(script, &settings, &mut Counted(0), &mut local, &mut Unobserved).unwrap();
    start.elapsed()
}
