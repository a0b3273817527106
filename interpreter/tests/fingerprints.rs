//! What a stage depends on: the tables of `testdata/fingerprints`, and random scripts.
//!
//! A row of a table begins with a line `=== NAME`. What follows is a script, up to a line with `---`. Then may come
//! - `--- file PATH`: a file of the computation, its text below;
//! - `--- then`: the script as it is afterwards; without it, it stays;
//! - `--- then file PATH`: a file that is another one afterwards, or a new one;
//! - `--- then without PATH`: a file that is gone afterwards;
//! - `--- unplanned`: a dry run cannot know of stages in it;
//! - `--- stage N`, `--- everytime N`: what is compared, the last stage unless told;
//! - and at the end `--- same`, or `--- other: KIND NAME, KIND NAME`: what the fingerprints differ in.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::{fs, path::Path, sync::Mutex};

use compeval_interpreter::stage::{Fingerprint, fingerprint::Difference};

#[path = "fingerprints/random.rs"]
mod random;
#[path = "fingerprints/three_ways.rs"]
mod three_ways;

use three_ways::{Case, Told};

/// How many rows run at once.
const THREADS: usize = 4;

#[derive(Clone, Copy, Debug)]
enum Compared {
    LastStage,
    Stage(u32),
    Everytime(usize),
}

#[derive(Debug)]
struct Row {
    name: String,
    before: Case,
    after: Case,
    compared: Compared,
    verdict: String,
}

fn read_tables() -> Vec<Row> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/fingerprints");
    let mut paths: Vec<_> = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let rows = |path: &std::path::PathBuf| -> Vec<Row> {
        let text = fs::read_to_string(path).unwrap();
        let table = path.file_stem().unwrap().to_str().unwrap();
        text.split("\n=== ").skip(1).map(|row| read_row(table, row)).collect()
    };
    paths.iter().flat_map(rows).collect()
}

fn read_row(table: &str, text: &str) -> Row {
    let (name, text) = text.split_once('\n').unwrap();
    let mut sections = text.split("--- ");
    let before = Case::new(sections.next().unwrap());
    let name = format!("{table}: {name}");
    let mut row = Row { name, after: before.clone(), before, compared: Compared::LastStage, verdict: String::new() };
    for section in sections {
        let (head, text) = section.split_once('\n').unwrap_or((section, ""));
        let words: Vec<&str> = head.split(' ').collect();
        match words.as_slice() {
            ["file", path] => {
                for case in [&mut row.before, &mut row.after] {
                    case.files.insert((*path).to_owned(), text.to_owned());
                }
            }
            ["then"] => text.clone_into(&mut row.after.script),
            ["then", "file", path] => drop(row.after.files.insert((*path).to_owned(), text.to_owned())),
            ["then", "without", path] => drop(row.after.files.remove(*path).unwrap()),
            ["stage", number] => row.compared = Compared::Stage(number.parse().unwrap()),
            ["everytime", number] => row.compared = Compared::Everytime(number.parse().unwrap()),
            ["unplanned"] => (row.before.is_unplanned, row.after.is_unplanned) = (true, true),
            ["same"] | ["other:", ..] => head.clone_into(&mut row.verdict),
            _ => unreachable!("{}: {head}", row.name),
        }
    }
    assert!(!row.verdict.is_empty() && row.before != row.after, "{}: says nothing", row.name);
    row
}

impl Row {
    fn check(&self) -> Result<(), String> {
        let told = |what: &str, case: &Case| -> Result<Fingerprint, String> {
            let told = case.told().map_err(|error| format!("{what}: {error}"))?;
            let fingerprint = self.compared_of(&told);
            fingerprint.cloned().ok_or_else(|| format!("{what}: no {:?}", self.compared))
        };
        let (before, after) = (told("before", &self.before)?, told("after", &self.after)?);
        let verdict = verdict(&before, &after);
        if verdict == self.verdict { Ok(()) } else { Err(format!("is `{verdict}`, not `{}`", self.verdict)) }
    }

    fn compared_of<'t>(&self, told: &'t Told) -> Option<&'t Fingerprint> {
        match self.compared {
            Compared::LastStage => told.stages.last_key_value().map(|(_, fingerprint)| fingerprint),
            Compared::Stage(number) => told.stages.get(&number),
            Compared::Everytime(number) => told.everytime.get(number - 1),
        }
    }
}

fn verdict(before: &Fingerprint, after: &Fingerprint) -> String {
    let differences: Vec<String> = after.differences(&before.parts).iter().map(shown).collect();
    assert_eq!(before.hash == after.hash, differences.is_empty(), "a hash differs, and no part: {before:?}, {after:?}");
    if differences.is_empty() { "same".to_owned() } else { format!("other: {}", differences.join(", ")) }
}

fn shown(difference: &Difference) -> String {
    format!("{} {}", difference.kind, difference.name).trim_end().to_owned()
}

#[test]
fn tables_say_what_a_stage_depends_on() {
    let rows = read_tables();
    assert!(rows.len() >= 120, "{} rows", rows.len());
    let next = Mutex::new(rows.iter());
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while let Some(row) = { next.lock().unwrap().next() } {
                    if let Err(error) = row.check() {
                        failures.lock().unwrap().push(format!("{}: {error}", row.name));
                    }
                }
            });
        }
    });
    let mut failures = failures.into_inner().unwrap();
    failures.sort();
    assert!(failures.is_empty(), "{} of {} rows:\n{}", failures.len(), rows.len(), failures.join("\n"));
}
