//! Scripts on every construct of POSIX 2.1 to 2.14: the tables of `testdata/posix`, each row run by us and by a shell.
//!
//! A row begins with a line `=== NAME` and is a script up to the next such line. It is sourced by dash, `bash --posix`
//! and `busybox sh`, and runs through us in several ways, each with the shell it is compared to: *whole*, by stretches
//! as large as possible; *split*, with every complete command sent by itself; *walked*, with a marker at the beginning
//! of every list, so that all of it is walked. What becomes of stages is recorded, as in use. Standard output, exit status and files must be the same. A row may begin
//! with lines `known: WAY, WAY: REASON` that name the ways to run it that differ, such as `dash split`, or `dash` for
//! all of them: it fails the day one of them does not.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::{
    collections::BTreeMap,
    fs,
    os::unix::{fs::MetadataExt, process::ExitStatusExt},
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    sync::Mutex,
};

use bstr::BString;
use compeval_interpreter::{
    Settings, Source,
    dispatch::local::Local,
    execute::Unobserved,
    parse,
    program::{Hooks, RecordHook},
    run,
    stage::Counted,
    syntax::{
        List, Part, Script,
        visit::{Visit, walk_list, walk_part},
    },
};

const SHELLS: [&[&str]; 3] = [&["dash"], &["bash", "--posix"], &["busybox", "sh"]];

/// The ways to run a row, and the shell of each as an index of [`SHELLS`].
const WAYS: [(&str, usize); 5] =
    [("dash whole", 0), ("dash split", 0), ("dash walked", 0), ("bash split", 1), ("busybox split", 2)];

struct Row {
    table: String,
    name: String,
    script: String,
    /// Where it is known to differ, and why.
    known: BTreeMap<String, String>,
}

#[derive(PartialEq, Eq)]
struct Outcome {
    status: i32,
    stdout: BString,
    /// Path to mode, and text or target.
    files: BTreeMap<PathBuf, BString>,
}

impl std::fmt::Debug for Outcome {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "status {} stdout {:?} files {:?}", self.status, self.stdout, self.files)
    }
}

fn read_tables() -> Vec<Row> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/posix");
    let mut paths: Vec<PathBuf> = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().flat_map(|path| read_table(path)).collect()
}

fn read_table(path: &Path) -> Vec<Row> {
    let text = fs::read_to_string(path).unwrap();
    let table = path.file_stem().unwrap().to_str().unwrap();
    let rows = text.split("\n=== ").skip(1);
    let rows = rows.map(|row| {
        let (name, mut script) = row.split_once('\n').unwrap();
        let mut known = BTreeMap::new();
        while let Some(line) = script.strip_prefix("known: ") {
            let (line, rest) = line.split_once('\n').unwrap();
            let (places, reason) = line.split_once(": ").unwrap();
            for place in places.split(", ") {
                let ways = WAYS.iter().filter(|(way, _)| way.starts_with(place));
                known.extend(ways.map(|(way, _)| ((*way).to_owned(), reason.to_owned())));
            }
            script = rest;
        }
        Row { table: table.to_owned(), name: name.to_owned(), script: format!("{}\n", script.trim_end()), known }
    });
    rows.collect()
}

/// A directory to run in, emptied for each run so that all see the same paths.
struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    fn new() -> Place {
        Place { directory: tempfile::tempdir().unwrap() }
    }

    fn below(&self, name: &str) -> PathBuf {
        self.directory.path().canonicalize().unwrap().join(name)
    }

    fn prepare(&self, command: &mut Command) {
        command.current_dir(self.below("work")).env_clear().stderr(Stdio::null()).stdin(Stdio::null());
        command.env("PATH", "/usr/bin:/bin").env("HOME", self.below("work"));
    }

    fn outcome(&self, run: impl FnOnce() -> (i32, Vec<u8>)) -> Outcome {
        let work = self.below("work");
        fs::create_dir(&work).unwrap();
        let (status, stdout) = run();
        let mut files = BTreeMap::new();
        collect(&work, &work, &mut files);
        fs::remove_dir_all(&work).unwrap();
        Outcome { status, stdout: stdout.into(), files }
    }

    /// What the shell does that sources the script. Its end is success, whatever its last command gave.
    fn by_shell(&self, shell: &[&str], text: &str) -> Outcome {
        let script = self.below("row.sh");
        fs::write(&script, format!("{text}\nrow_ended=1\n")).unwrap();
        let text = format!(
            "everytime() {{ return 0; }}; next_stage() {{ return 0; }}\n. {}; row_status=$?; [ \"${{row_ended-}}\" ] && exit 0; exit $row_status",
            script.display()
        );
        // With `-c`, bash has another status for some errors. The name is what `$0` is.
        let caller = self.below("sh");
        fs::write(&caller, text).unwrap();
        self.outcome(|| {
            let mut command = Command::new(shell[0]);
            command.args(&shell[1..]).arg(&caller);
            self.prepare(&mut command);
            let output = command.stdout(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap();
            (status(output.status), output.stdout)
        })
    }

    fn by_us(&self, shell: &[&str], text: &str, split: bool) -> Outcome {
        self.outcome(|| {
            let parsed = parse(Source::new("row.sh", text));
            if let Some(error) = parsed.errors.first() {
                return (-2, format!("refused: {}", error.message).into());
            }
            let mut stdout = Vec::new();
            let scratch = self.below("state");
            fs::create_dir_all(&scratch).unwrap();
            let file = scratch.join("records");
            let record = Some(RecordHook { file: file.to_str().unwrap(), started: &[("commit", "it's \"x\"\n")] });
            let mut dispatcher = Local::new(shell, Hooks { scratch: scratch.to_str().unwrap(), record })
                .output(&mut stdout)
                .prepare(|command| self.prepare(command));
            // A program comes as an argument or, as in a container, on standard input.
            if !split {
                dispatcher = dispatcher.fed();
            }
            let settings = Settings { split, ..Settings::default() };
            let outcome = run(&parsed.script, &settings, &mut Counted(0), &mut dispatcher, &mut Unobserved).unwrap();
            drop(dispatcher);
            (outcome.status & 255, stdout)
        })
    }
}

/// As a shell gives it: 128+N for signal N.
fn status(status: ExitStatus) -> i32 {
    status.code().or(status.signal().map(|signal| 128 + signal)).unwrap()
}

fn collect(root: &Path, directory: &Path, files: &mut BTreeMap<PathBuf, BString>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let metadata = fs::symlink_metadata(&path).unwrap();
        let text = if metadata.is_symlink() {
            fs::read_link(&path).unwrap().display().to_string().into()
        } else if metadata.is_dir() {
            collect(root, &path, files);
            Vec::new()
        } else if metadata.is_file() {
            fs::read(&path).unwrap_or_default()
        } else {
            Vec::new()
        };
        let shown = [format!("{:o} ", metadata.mode()).as_bytes(), &text].concat();
        files.insert(path.strip_prefix(root).unwrap().to_owned(), shown.into());
    }
}

/// A script with a marker at the beginning of each list, so that all is walked and not delegated. `None` where that is one
/// list alone, which is walked without a marker.
fn with_markers(text: &str) -> Option<String> {
    struct Places<'s>(Vec<usize>, &'s Script);
    impl<'t> Visit<'t> for Places<'_> {
        fn visit_list(&mut self, list: &'t List) {
            self.0.extend(list.items.first().map(|item| item.and_or.span.start as usize));
            walk_list(self, list);
        }
        fn visit_part(&mut self, part: &'t Part) {
            if !self.1.source.slice(part.span).starts_with(b"`") {
                walk_part(self, part);
            }
        }
    }
    let script = parse(Source::new("row.sh", text)).script;
    let mut places = Places(Vec::new(), &script);
    places.visit_list(&script.list);
    places.0.sort_unstable();
    let mut text = text.to_owned();
    let markers = ["everytime; ", "next_stage; "].into_iter().cycle();
    let marked: Vec<_> = places.0.iter().zip(markers).collect();
    marked.into_iter().rev().for_each(|(place, marker)| text.insert_str(*place, marker));
    (places.0.len() > 1).then_some(text)
}

/// Runs a row in every way; gives what is not as it must be.
fn differences(place: &Place, row: &Row) -> Vec<String> {
    let mut found = Vec::new();
    let sourced = SHELLS.map(|shell| place.by_shell(shell, &row.script));
    let marked = with_markers(&row.script);
    for (way, shell) in WAYS {
        let (text, expected) = match (way.ends_with("walked"), &marked) {
            (true, Some(marked)) => (marked, &place.by_shell(SHELLS[shell], marked)),
            (true, None) => continue,
            (false, _) => (&row.script, &sourced[shell]),
        };
        let ours = place.by_us(SHELLS[shell], text, way.ends_with("split"));
        let name = format!("{}: {}: {way}", row.table, row.name);
        match (ours == *expected, row.known.contains_key(way)) {
            (true, true) => found.push(format!("{name}: no longer differs")),
            (false, false) => {
                let lines: String = text.lines().map(|line| format!("  | {line}\n")).collect();
                found.push(format!("{name}\n{lines}  shell {expected:?}\n  ours  {ours:?}"));
            }
            _ => {}
        }
    }
    found
}

#[test]
fn rows_do_what_their_shell_does() {
    let mut rows = read_tables();
    if let Some(wanted) = std::env::var_os("CE_TEST_ROW") {
        let wanted = wanted.into_string().unwrap();
        rows.retain(|row| format!("{}: {}", row.table, row.name).contains(&wanted));
    }
    let rows = Mutex::new(rows);
    let found = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                let place = Place::new();
                while let Some(row) = { rows.lock().unwrap().pop() } {
                    found.lock().unwrap().extend(differences(&place, &row));
                }
            });
        }
    });
    let mut found = found.into_inner().unwrap();
    found.sort();
    assert!(found.is_empty(), "{} differences\n{}", found.len(), found.join("\n"));
}
