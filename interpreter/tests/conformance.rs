//! Setup scripts with what they must do, run after run: the cases of `testdata/conformance`, on which dash, bash and
//! busybox agree. Each runs by stretches as large as possible, and again with every complete command sent by itself.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::{
    collections::BTreeMap,
    fs::{self, File},
    os::unix::{
        ffi::OsStrExt,
        fs::{MetadataExt, PermissionsExt, symlink},
    },
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use bstr::{BStr, ByteSlice};
use compeval_interpreter::{
    Settings, Source,
    dispatch::{Hooks, Kind, local::Local},
    execute::{End, Event, Ledger, Observer},
    parse, run,
};
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Programs that scripts call, all played by `fixture/stand-in`.
const STAND_INS: [&str; 11] =
    ["apt-get", "curl", "git", "ldconfig", "mail", "make", "npm", "pip", "rsync", "systemctl", "useradd"];

/// Files up to this size are in the expected tree with their text.
const SHOWN: usize = 120;

#[derive(Deserialize)]
struct Case {
    name: String,
    /// For each run, which version of the script.
    plan: Vec<usize>,
    runs: Vec<Expected>,
    #[serde(default)]
    stderr_varies: bool,
}

#[derive(Deserialize)]
struct Expected {
    /// What the markers did, such as `next_stage 2 skip`.
    events: Vec<String>,
    exit: i32,
    stdout: String,
    stderr: String,
    stages: u32,
    /// Path to type, mode, hash and text; or `"same"` as after the run before.
    tree: Value,
}

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
            let fingerprint = chain.fingerprint.clone();
            self.0.insert(number, fingerprint.unwrap_or_else(|| panic!("no fingerprint for {}", chain.text)));
        }
    }
}

fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/conformance")
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

impl Place {
    fn new() -> Place {
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let base = directory.path().canonicalize().unwrap();
        let (root, support) = (base.join("root"), base.join("root.d"));
        fs::create_dir(&root).unwrap();
        fs::create_dir(&support).unwrap();
        let fixture = testdata().join("fixture");
        for name in ["comp", "gfs", "home"] {
            copy(&fixture.join(name), &support.join(name));
        }
        let programs = support.join("bin");
        fs::create_dir(&programs).unwrap();
        fs::copy(fixture.join("stand-in"), programs.join("_stub")).unwrap();
        STAND_INS.iter().for_each(|name| symlink("_stub", programs.join(name)).unwrap());
        fs::create_dir(support.join("state")).unwrap();
        Place { _directory: directory, root, support }
    }

    /// Runs a script; gives the exit status and what it printed. The ledger learns what was applied.
    fn run(&self, script: &Path, split: bool, ledger: &mut Remembering) -> (i32, String, String, String) {
        let state = self.support.join("state");
        let source = Source::new(script.display().to_string(), fs::read(script).unwrap());
        let parsed = parse(source);
        assert!(parsed.errors.is_empty(), "{}: {:?}", script.display(), parsed.errors);
        let errors = self.support.join("stderr");
        let stderr = Arc::new(File::create(&errors).unwrap());
        let mut stdout = Vec::new();
        let mut dispatcher = Local::new(&["sh"], Hooks { scratch: state.to_str().unwrap(), record: b":" })
            .output(&mut stdout)
            .prepare(|command| {
                command.current_dir(&self.root).env_clear().stderr(stderr.try_clone().unwrap());
                command.env("PATH", format!("{}/bin:/usr/bin:/bin", self.support.display()));
                command.env("HOME", self.support.join("home"));
                command.env("COMPDIR", self.support.join("comp")).env("GFSDIR", self.support.join("gfs"));
            });
        let settings = Settings { split, ..Settings::default() };
        let mut chains = Chains::default();
        let outcome = run(&parsed.script, &settings, ledger, &mut dispatcher, &mut chains).unwrap();
        drop(dispatcher);
        let diverged = match &outcome.end {
            End::Diverged { number, chain } => format!("stage {number} is said to have changed: {}", chain.text),
            _ => String::new(),
        };
        ledger.applied = outcome.applied;
        ledger.fingerprints.extend(chains.0);
        let stderr = fs::read(&errors).unwrap();
        (outcome.status & 255, text(&self.shown(&stdout)), text(&self.shown(&stderr)), diverged)
    }

    /// Paths of this place replaced by what the expected results call them.
    fn shown(&self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        let below = |name: &str| self.support.join(name);
        for (path, name) in [
            (below("comp"), "@COMPDIR@"),
            (below("gfs"), "@GFSDIR@"),
            (below("home"), "@HOME@"),
            (self.support.clone(), "@SUPPORT@"),
            (self.root.clone(), "@ROOT@"),
        ] {
            bytes = bytes.replace(path.as_os_str().as_bytes(), name);
        }
        bytes
    }

    fn tree(&self) -> BTreeMap<String, Value> {
        let mut tree = BTreeMap::new();
        self.add(&self.root, &mut tree);
        tree
    }

    fn add(&self, directory: &Path, tree: &mut BTreeMap<String, Value>) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let name = text(path.strip_prefix(&self.root).unwrap().as_os_str().as_bytes());
            let metadata = fs::symlink_metadata(&path).unwrap();
            let mode = format!("{:o}", metadata.mode() & 0o7777);
            let value = if metadata.is_symlink() {
                let target = fs::read_link(&path).unwrap();
                serde_json::json!({"t": "l", "to": text(&self.shown(target.as_os_str().as_bytes()))})
            } else if metadata.is_dir() {
                self.add(&path, tree);
                serde_json::json!({"t": "d", "m": mode})
            } else if metadata.is_file() {
                let content = self.shown(&fs::read(&path).unwrap());
                let digest: String = Sha256::digest(&content).iter().map(|byte| format!("{byte:02x}")).collect();
                let mut value = serde_json::json!({"t": "f", "m": mode, "h": digest[..24]});
                if content.len() <= SHOWN {
                    value.as_object_mut().unwrap().insert("c".into(), text(&content).into());
                }
                value
            } else {
                serde_json::json!({"t": "other"})
            };
            tree.insert(name, value);
        }
    }
}

/// Bytes as the expected results write them: what is not UTF-8 as `\xNN`.
fn text(bytes: &[u8]) -> String {
    let mut out = String::new();
    for chunk in bytes.utf8_chunks() {
        out.push_str(chunk.valid());
        chunk.invalid().iter().for_each(|byte| out.push_str(&format!("\\x{byte:02x}")));
    }
    out
}

/// Plays a case; gives what was not as expected.
fn play(directory: &Path, case: &Case, split: bool) -> Vec<String> {
    let place = Place::new();
    let mut differences = Vec::new();
    let (mut ledger, mut expected_tree) = (Remembering::default(), BTreeMap::new());
    let mut last = None;
    for (number, (version, expected)) in case.plan.iter().zip(&case.runs).enumerate() {
        let file = format!("{}{}.sh", case.name, if *version == 0 { "" } else { ".v2" });
        // Another version has other stages; so has one whose stages depend on what earlier runs left.
        let hits = expected.events.iter().filter(|event| event.starts_with("next_stage")).count();
        if last.replace((*version, hits)).is_some_and(|last| last != (*version, hits)) {
            ledger.fingerprints.clear();
        }
        let (exit, stdout, stderr, diverged) = place.run(&directory.join(file), split, &mut ledger);
        let stages = ledger.applied;
        let mut differs = |what: &str, expected: &dyn std::fmt::Debug, found: &dyn std::fmt::Debug| {
            let number = number + 1;
            differences
                .push(format!("{} run {number}: {what}\n  expected {expected:?}\n  found    {found:?}", case.name));
        };
        if !diverged.is_empty() {
            differs(&diverged, &"", &"");
        }
        if exit != expected.exit {
            differs("exit status", &expected.exit, &exit);
        }
        if stages != expected.stages {
            differs("applied stages", &expected.stages, &stages);
        }
        if stdout != expected.stdout {
            differs("stdout", &expected.stdout, &stdout);
        }
        if stderr != expected.stderr && !case.stderr_varies {
            differs("stderr", &expected.stderr, &stderr);
        }
        if expected.tree != "same" {
            expected_tree = serde_json::from_value(expected.tree.clone()).unwrap();
        }
        let tree = place.tree();
        if tree != expected_tree {
            let changed = |(path, value): &(&String, &Value)| expected_tree.get(*path) != Some(value);
            let found: Vec<_> = tree.iter().filter(changed).collect();
            differs("files", &expected_tree.keys().collect::<Vec<_>>(), &found);
        }
    }
    differences
}

fn play_all(split: bool) {
    let mut cases = Vec::new();
    for directory in ["handmade", "generated"] {
        let directory = testdata().join(directory);
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "json") {
                let case: Case = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
                cases.push((directory.clone(), case));
            }
        }
    }
    assert_eq!(cases.len(), 183);
    let cases = Mutex::new(cases);
    let differences = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some((directory, case)) = { cases.lock().unwrap().pop() } {
                    differences.lock().unwrap().extend(play(&directory, &case, split));
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
