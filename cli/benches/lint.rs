//! What ce-lint may cost, as whole processes against others that read the same: `cargo bench -p compeval-cli --bench lint`.
//!
//! Both of a row take turns, and the ratio of their medians counts. `dash` must be there; `shfmt` and `shellcheck` are
//! compared with where they are. Fails when a budget is missed by more than a tenth.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a program for a person to look at")]

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

/// By how much a budget may be missed.
const TOLERANCE: f64 = 1.1;
const RUNS: usize = 15;
/// The most memory that a long script may take, in kilobytes.
const MOST_MEMORY: u64 = 64 << 10;

fn main() -> ExitCode {
    let directory = tempfile::tempdir().unwrap();
    let script = |name: &str, length: usize| {
        let path = directory.path().join(name);
        fs::write(&path, text(length)).unwrap();
        path
    };
    let (tiny, short, long) = (script("1k.sh", 1_000), script("100k.sh", 100_000), script("1m.sh", 1_000_000));
    let real = real_scripts();
    let lint = |files: &[PathBuf]| command(env!("CARGO_BIN_EXE_ce-lint"), &["--isolated"], files);
    let tiny = std::slice::from_ref(&tiny);
    let mut rows = vec![
        row("1 KB", "dash -n", 2.0, || lint(tiny), || command("dash", &["-n"], tiny)),
        row("1 MB", "100 KB", 12.0, || lint(std::slice::from_ref(&long)), || lint(std::slice::from_ref(&short))),
    ];
    if is_there("shfmt") {
        rows.push(row("real scripts", "shfmt -l", 3.0, || lint(&real), || command("shfmt", &["-l"], &real)));
    }
    if is_there("shellcheck") {
        rows.push(row(
            "real scripts",
            "shellcheck",
            0.1,
            || lint(&real),
            || command("shellcheck", &["-s", "sh"], &real),
        ));
    }
    let memory = peak_memory(&long);
    println!("{:<14} {memory} KB of memory, at most {MOST_MEMORY}", "1 MB");
    rows.push(memory <= MOST_MEMORY);
    if rows.iter().all(|is_kept| *is_kept) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The scripts that packages of this machine bring along.
fn real_scripts() -> Vec<PathBuf> {
    let entries =
        fs::read_dir("/var/lib/dpkg/info").map(|entries| entries.filter_map(Result::ok).map(|entry| entry.path()));
    let is_script = |path: &PathBuf| {
        let kind = path
            .extension()
            .is_some_and(|kind| ["postinst", "preinst", "prerm", "postrm"].iter().any(|name| kind == *name));
        kind && fs::read(path).is_ok_and(|text| text.starts_with(b"#!/bin/sh"))
    };
    entries.into_iter().flatten().filter(is_script).collect()
}

/// Chains as people write them, under ever new names.
fn text(length: usize) -> String {
    let mut text = String::from("#!/bin/sh\n");
    for n in 0.. {
        if text.len() >= length {
            break;
        }
        write!(
            text,
            r#"
# Tool {n}
version_{n}=1.{n}.2
next_stage && apt-get update && apt-get install -y --no-install-recommends gcc lib{n}-dev
next_stage && git clone https://example.org/t{n}.git /opt/t{n} && (
    cd /opt/t{n} && git checkout 3f786850e387550fdab836ed7e6dc881de23001b && ./configure >/dev/null 2>&1 && make -j4
)
configure_{n}() {{
    for file in "$1"/*.conf; do
        sed -e "s|@v@|$version_{n}|g" "$file" >"$file.new" && mv "$file.new" "$file" || exit 1
    done
}}
next_stage && configure_{n} /etc/t{n}
everytime && {{ grep -qxF x{n} /etc/f || echo x{n} >> /etc/f; }}
"#
        )
        .unwrap();
    }
    text
}

fn command(program: &str, options: &[&str], files: &[PathBuf]) -> Command {
    let mut command = Command::new(program);
    command.args(options).args(files).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn is_there(program: &str) -> bool {
    let found = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    found.is_ok_and(|status| status.success())
}

fn time(mut command: Command) -> Duration {
    let start = Instant::now();
    command.status().unwrap();
    start.elapsed()
}

/// Measures two commands in turns, and tells whether the first keeps to its budget.
fn row(what: &str, against: &str, most: f64, ours: impl Fn() -> Command, other: impl Fn() -> Command) -> bool {
    let mut times: [Vec<Duration>; 2] = [Vec::new(), Vec::new()];
    for _ in 0..RUNS {
        let [first, second] = &mut times;
        first.push(time(ours()));
        second.push(time(other()));
    }
    let [ours, other] = times.map(|mut times| {
        times.sort();
        times.get(times.len() / 2).copied().unwrap_or_default()
    });
    let ratio = ours.as_secs_f64() / other.as_secs_f64();
    println!("{what:<14} {ours:>9.1?}, {against} {other:>9.1?}: {ratio:.2} times, at most {most}");
    ratio <= most * TOLERANCE
}

/// The peak memory of a run, in kilobytes.
fn peak_memory(script: &Path) -> u64 {
    let mut child = command(env!("CARGO_BIN_EXE_ce-lint"), &["--isolated"], &[script.to_owned()]).spawn().unwrap();
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
        peak = peak.max(line.trim().trim_end_matches(" kB").parse().unwrap_or(0));
    }
    peak
}
