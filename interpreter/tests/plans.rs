//! What a dry run claims, before and after a run that it is compared with: the table of `testdata/plans`.
//!
//! A row begins with `=== NAME` and is a script, then `--- before` and `--- after`, each with the steps that a dry run
//! tells: `kept`, `will`, `may` or `always`, what it is, and for `may` the command whose answer is missing.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod ledger;

use std::{collections::BTreeSet, fmt::Write, fs, path::PathBuf, process::Stdio};

use compeval_interpreter::{
    Place, Settings, Source,
    dispatch::{Dispatcher, Kind, dry_run::DryRun, local::Local},
    execute::{End, Event, Observer, Outcome},
    parse,
    program::{Hooks, RecordHook},
    run,
    syntax::{Script, print},
};
use ledger::{Applied, begun};

struct Row {
    name: String,
    script: String,
    before: String,
    after: String,
}

fn rows() -> Vec<Row> {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../testdata/plans");
    let mut paths: Vec<PathBuf> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let texts = paths.iter().map(|path| fs::read_to_string(path).unwrap());
    texts.flat_map(|text| text.split("\n=== ").skip(1).map(row).collect::<Vec<_>>()).collect()
}

fn row(text: &str) -> Row {
    let (name, rest) = text.split_once('\n').unwrap();
    let (script, rest) = rest.split_once("--- before\n").unwrap();
    let (before, after) = rest.split_once("--- after\n").unwrap();
    let own = |text: &str| text.trim().to_owned();
    Row { name: own(name), script: script.to_owned(), before: own(before), after: own(after) }
}

/// The fingerprints of what runs on every call.
#[derive(Default)]
struct Repeating(BTreeSet<String>);

impl Observer for Repeating {
    fn event(&mut self, event: Event<'_>) {
        if let Event::Started { request, .. } = event {
            self.0.extend(request.repeated.iter().map(|repeated| repeated.fingerprint.clone()));
        }
    }
}

/// The steps of a plan, a line each.
#[derive(Default)]
struct Steps(String);

impl Steps {
    fn step(&mut self, fate: &str, kind: Kind, text: &[u8], depends_on: Option<&Place>) {
        let kind = match kind {
            Kind::Stage(number) => format!("stage {number}"),
            kind => format!("{kind:?}").to_lowercase(),
        };
        let fate = depends_on.map_or(fate, |_| "may");
        let because = depends_on.map(|place| format!("  <- {}", print::summary(place.text(), 40)));
        writeln!(self.0, "{fate} {kind}: {}{}", print::summary(text, 60), because.unwrap_or_default()).unwrap();
    }
}

impl Observer for Steps {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Skipped { number, chain, depends_on } => {
                self.step("kept", Kind::Stage(number), &chain.text, depends_on);
            }
            Event::Started { request, .. } if request.kind == Kind::Expansion => {}
            Event::Started { request, depends_on } => {
                let fate = if matches!(request.kind, Kind::Stage(_)) { "will" } else { "always" };
                self.step(fate, request.kind, &request.text, depends_on);
            }
            Event::Inside { kind, chain, is_applied, depends_on } => {
                let fate = match (kind, is_applied) {
                    (Kind::Stage(_), true) => "kept",
                    (Kind::Stage(_), false) => "will",
                    _ => "always",
                };
                self.step(fate, kind, &chain.text, depends_on);
            }
            Event::Ended { .. } => {}
        }
    }
}

fn walk(
    script: &Script,
    ledger: &mut Applied,
    dispatcher: &mut dyn Dispatcher,
    observer: &mut dyn Observer,
) -> Outcome {
    run(script, &Settings::default(), ledger, dispatcher, observer).unwrap()
}

fn plan(script: &Script, ledger: &mut Applied) -> String {
    let mut steps = Steps::default();
    let outcome = walk(script, ledger, &mut DryRun, &mut steps);
    if let End::Diverged { number, .. } = outcome.end {
        writeln!(steps.0, "edited stage {number}").unwrap();
    }
    steps.0.trim().to_owned()
}

#[test]
fn a_dry_run_claims_what_a_run_does() {
    let mut wrong = String::new();
    for Row { name, script, before, after } in rows() {
        let script = parse(Source::new("docker-setup.sh", script)).script;
        let mut ledger = Applied::default();
        let found_before = plan(&script, &mut ledger);
        let place = tempfile::tempdir().unwrap();
        let state = tempfile::tempdir().unwrap();
        let mut printed = Vec::new();
        let records = state.path().join("records");
        let record = RecordHook { file: records.to_str().unwrap(), started: &[] };
        let hooks = Hooks { scratch: state.path().to_str().unwrap(), record: Some(record) };
        let mut shell = Local::new(&["sh"], hooks).output(&mut printed).errors(std::io::sink()).prepare(|command| {
            command.current_dir(place.path()).stdin(Stdio::null());
        });
        let (mut sent, mut told) = (Repeating::default(), Repeating::default());
        walk(&script, &mut ledger, &mut DryRun, &mut told);
        let outcome = walk(&script, &mut ledger, &mut shell, &mut sent);
        drop(shell);
        // What has run is told by a dry run as well, whatever went together in it.
        assert!(sent.0.is_subset(&told.0), "{name}: {:?}, {:?}", sent.0, told.0);
        ledger.stages = begun(&records).into_iter().filter(|(number, _)| *number <= outcome.applied).collect();
        let found_after = plan(&script, &mut ledger);
        for (when, expected, found) in [("before", before, found_before), ("after", after, found_after)] {
            if expected != found {
                writeln!(wrong, "{name}, {when}\n--- expected\n{expected}\n--- found\n{found}\n").unwrap();
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
