//! Plays the cases of `testdata/conformance` with this machine's `sh`: by stretches as large as possible, and again with
//! every complete command sent by itself.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::BTreeMap,
    fs::{self, File},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use bstr::BStr;
use compeval_conformance::{Case, cases, prepare, shown, tree};
use compeval_interpreter::{
    Settings, Source,
    dispatch::{Kind, local::Local},
    execute::{End, Event, Observer},
    parse,
    program::{Hooks, RecordHook},
    run,
    stage::Ledger,
};

/// A fresh root with what lies beside it: one container's life.
struct Place {
    _directory: tempfile::TempDir,
    root: PathBuf,
    support: PathBuf,
}

/// A ledger that knows the fingerprints of the stages it has seen applied: they must be the same on each run.
#[derive(Default)]
struct Remembering {
    applied: u32,
    fingerprints: BTreeMap<u32, String>,
}

impl Ledger for Remembering {
    fn applied(&self) -> u32 {
        self.applied
    }

    fn fingerprint(&self, number: u32) -> Option<String> {
        self.fingerprints.get(&number).cloned()
    }

    fn content(&mut self, path: &BStr) -> Option<String> {
        Some(path.to_string())
    }
}

/// The fingerprints of stages that were sent.
#[derive(Default)]
struct Chains(BTreeMap<u32, String>);

impl Observer for Chains {
    fn event(&mut self, event: Event<'_>) {
        if let Event::Started { request, .. } = event
            && let (Kind::Stage(number), Some(chain)) = (request.kind, request.chains.first())
        {
            self.0.insert(number, chain.fingerprint.hash.clone());
        }
    }
}

/// What a run did.
struct Ran {
    exit: i32,
    stdout: String,
    stderr: String,
    end: End,
}

impl Place {
    fn new() -> Place {
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let base = directory.path().canonicalize().unwrap();
        let (root, support) = (base.join("root"), base.join("root.d"));
        fs::create_dir(&root).unwrap();
        fs::create_dir(&support).unwrap();
        prepare(&support).unwrap();
        fs::create_dir(support.join("state")).unwrap();
        Place { _directory: directory, root, support }
    }

    fn below(&self, name: &str) -> PathBuf {
        self.support.join(name)
    }

    /// Runs a script. The ledger learns what was applied.
    fn run(&self, script: &Path, split: bool, ledger: &mut Remembering) -> Ran {
        let parsed = parse(Source::new(script.display().to_string(), fs::read(script).unwrap()));
        assert!(parsed.errors.is_empty(), "{}: {:?}", script.display(), parsed.errors);
        let stderr = Arc::new(File::create(self.below("stderr")).unwrap());
        let mut stdout = Vec::new();
        let state = self.below("state");
        let file = state.join("records");
        let record = Some(RecordHook { file: file.to_str().unwrap(), started: &[("commit", "a")] });
        let mut dispatcher = Local::new(&["sh"], Hooks { scratch: state.to_str().unwrap(), record })
            .output(&mut stdout)
            .prepare(|command| {
                command.current_dir(&self.root).env_clear().stderr(stderr.try_clone().unwrap());
                command.env("PATH", format!("{}:/usr/bin:/bin", self.below("bin").display()));
                command.env("HOME", self.below("home"));
                command.env("COMPDIR", self.below("comp")).env("GFSDIR", self.below("gfs"));
            });
        let settings = Settings { split, ..Settings::default() };
        let mut chains = Chains::default();
        let outcome = run(&parsed.script, &settings, ledger, &mut dispatcher, &mut chains).unwrap();
        drop(dispatcher);
        ledger.applied = outcome.applied;
        ledger.fingerprints.extend(chains.0);
        let stderr = fs::read(self.below("stderr")).unwrap();
        let places = self.places();
        Ran {
            exit: outcome.status & 255,
            stdout: shown(&stdout, &places),
            stderr: shown(&stderr, &places),
            end: outcome.end,
        }
    }

    fn places(&self) -> [(PathBuf, &'static str); 5] {
        [
            (self.below("comp"), "@COMPDIR@"),
            (self.below("gfs"), "@GFSDIR@"),
            (self.below("home"), "@HOME@"),
            (self.support.clone(), "@SUPPORT@"),
            (self.root.clone(), "@ROOT@"),
        ]
    }
}

/// Plays a case; gives what was not as expected.
fn play(case: &Case, split: bool) -> Vec<String> {
    let place = Place::new();
    let mut differences = Vec::new();
    let mut ledger = Remembering::default();
    let mut last = None;
    let trees = case.trees().unwrap();
    for (number, (version, expected)) in case.plan.iter().zip(&case.runs).enumerate() {
        // Another version has other stages; so has one whose stages depend on what earlier runs left.
        let stages = (*version, case.hits(number));
        if last.replace(stages).is_some_and(|last| last != stages) {
            ledger.fingerprints.clear();
        }
        let ran = place.run(&case.script(*version), split, &mut ledger);
        let tree = tree(&place.root, &place.places()).unwrap();
        let mut check = |what: &str, agrees: bool, expected: &dyn std::fmt::Debug, found: &dyn std::fmt::Debug| {
            if !agrees {
                let number = number + 1;
                let name = &case.name;
                differences.push(format!("{name} run {number}: {what}\n  expected {expected:?}\n  found    {found:?}"));
            }
        };
        check("stages that stay as they are", !matches!(ran.end, End::Diverged { .. }), &"", &ran.end);
        check("exit status", ran.exit == expected.exit, &expected.exit, &ran.exit);
        check("applied stages", ledger.applied == expected.stages, &expected.stages, &ledger.applied);
        check("stdout", ran.stdout == expected.stdout, &expected.stdout, &ran.stdout);
        let same_errors = case.stderr_varies || ran.stderr == expected.stderr;
        check("stderr", same_errors, &expected.stderr, &ran.stderr);
        check("files", trees.get(number) == Some(&tree), &trees.get(number), &tree);
    }
    differences
}

fn play_all(split: bool) {
    let cases = cases().unwrap();
    assert_eq!(cases.len(), 183);
    let cases = Mutex::new(cases);
    let differences = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(case) = { cases.lock().unwrap().pop() } {
                    differences.lock().unwrap().extend(play(&case, split));
                }
            });
        }
    });
    let differences = differences.into_inner().unwrap();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn scripts_do_what_sh_does() {
    play_all(false);
}

#[test]
fn state_is_carried_between_all_complete_commands() {
    play_all(true);
}
