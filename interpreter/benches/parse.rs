//! Reading and planning long setup scripts, as ratios: `cargo bench -p compeval-interpreter --bench parse`.
//!
//! Ten times the text may take twelve times as long and 64 MB of memory. Where `dash` and `shfmt` are installed, what
//! they need for the same text is told too. Fails when a budget is exceeded.

#![expect(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used, reason = "a program for a person to look at")]

use std::{
    fmt::Write as _,
    fs,
    io::Write as _,
    path::Path,
    process::{Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

use compeval_interpreter::{
    Parsed, Settings, Source, dispatch::dry_run::DryRun, execute::Unobserved, parse, run, stage::Counted,
};

const SHORT: usize = 100_000;
const LONG: usize = 1_000_000;
const RUNS: u32 = 7;
const MOST_TIMES_AS_LONG: f64 = 12.0;
const MOST_MEMORY: u64 = 64 << 20;

/// The argument on which this program only plans the long script and prints its peak memory.
const MEASURE_MEMORY: &str = "--measure-memory";

fn main() -> ExitCode {
    if std::env::args().any(|argument| argument == MEASURE_MEMORY) {
        plan(&script(LONG));
        println!("{}", peak_memory());
        return ExitCode::SUCCESS;
    }
    let (short, long) = (script(SHORT), script(LONG));
    let read = |text: &str| parse(Source::new("docker-setup.sh", text));
    let read_ratio = compare("read", || read(&short), || read(&long));
    let plan_ratio = compare("read and plan", || plan(&short), || plan(&long));
    let memory = memory_of_a_plan();
    println!("{:<16} {:>9.1} MB, at most {} MB", "peak memory", memory as f64 / 1e6, MOST_MEMORY >> 20);
    references(&short, &long);
    let is_kept = read_ratio.max(plan_ratio) <= MOST_TIMES_AS_LONG && memory <= MOST_MEMORY;
    if is_kept { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A setup script of at least `length` bytes: pieces as people write them, under ever new names.
fn script(length: usize) -> String {
    let mut text = String::from("#!/bin/sh\nset -eu\n");
    for n in 0.. {
        if text.len() >= length {
            break;
        }
        write!(
            text,
            r#"
# Tool {n} and what it needs.
version_{n}=1.{n}.2
prefix_{n}="${{PREFIX:-/opt}}/tool-{n}"
next_stage && apt-get update && apt-get install -y --no-install-recommends gcc make libtool{n}-dev
next_stage && git clone https://example.org/tool-{n}.git "$prefix_{n}" && (
    cd "$prefix_{n}" && git checkout "v$version_{n}" && ./configure --prefix=/usr/local >/dev/null 2>&1 && make -j4
)
configure_{n}() {{
    for file in "$1"/*.conf; do
        case $file in
        */local.conf | */site.conf) echo "keeping $file" >&2 ;;
        *) sed -e "s|@prefix@|$prefix_{n}|g" -e 's/#.*//' "$file" >"$file.new" && mv "$file.new" "$file" ;;
        esac
    done
    cat >"$1/tool-{n}.conf" <<EOF
name = tool-{n}
prefix = $prefix_{n}
threads = $((2 * {n} + 1))
host = $(hostname)
EOF
}}
next_stage && configure_{n} /etc/tool-{n}
if [ "${{WITH_TESTS_{n}:-no}}" = yes ] && [ -d "$prefix_{n}/tests" ]; then
    everytime && make -C "$prefix_{n}/tests" check | tee -a /var/log/tool-{n}.log | grep -c '^ok'
elif ! command -v tool-{n}; then
    echo "tool-{n} is not there" >&2
fi
"#
        )
        .expect("a string takes any text");
    }
    text
}

/// Reads `text` and walks it without a shell.
fn plan(text: &str) -> Parsed {
    let parsed = parse(Source::new("docker-setup.sh", text));
    assert!(parsed.errors.is_empty(), "{:?}", parsed.errors);
    run(&parsed.script, &Settings::default(), &mut Counted(0), &mut DryRun, &mut Unobserved).expect("nothing is run");
    parsed
}

/// The fastest of several runs: the others were disturbed. What comes out is dropped outside of that time.
fn fastest<T>(mut work: impl FnMut() -> T) -> Duration {
    let mut time = || {
        let start = Instant::now();
        let result = work();
        let time = start.elapsed();
        drop(result);
        time
    };
    (0..RUNS).map(|_| time()).min().unwrap_or_default()
}

/// Tells how long both take; gives how many times as long the second takes.
fn compare<T>(name: &str, short: impl FnMut() -> T, long: impl FnMut() -> T) -> f64 {
    let (short, long) = (fastest(short), fastest(long));
    let ratio = long.as_secs_f64() / short.as_secs_f64();
    println!(
        "{name:<16} {short:>9.1?} for 100 KB, {long:>9.1?} for 1 MB: {ratio:.1} times, at most {MOST_TIMES_AS_LONG}"
    );
    ratio
}

/// The peak memory of a process that plans the long script, in bytes.
fn memory_of_a_plan() -> u64 {
    let program = std::env::current_exe().expect("this program has a path");
    let output = Command::new(program).arg(MEASURE_MEMORY).output().expect("this program runs");
    String::from_utf8_lossy(&output.stdout).trim().parse().expect("a number of bytes")
}

/// The peak memory of this process, in bytes.
fn peak_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or(0) * 1024
}

/// Tells what other programs need to read the same texts.
fn references(short: &str, long: &str) {
    let mut files = [short, long].map(|text| {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file
    });
    let [short, long] = files.each_mut().map(|file| file.path().to_owned());
    for (program, option) in [("dash", "-n"), ("shfmt", "-l")] {
        let read = |file: &Path| {
            let mut command = Command::new(program);
            command.arg(option).arg(file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            command.status().is_ok()
        };
        if read(&short) {
            compare(&format!("{program} {option}"), || read(&short), || read(&long));
        }
    }
}
