//! In what containers differ from one another and from the script: the stages that were applied, or their files.

use std::collections::BTreeSet;

use compeval_interpreter::dispatch::Kind;
use compeval_runtime::{
    SetupError,
    computation::layout::OUR_PLACES,
    engine::{FileChange, containers::FileChangeKind},
    inventory::{Inventory, KnownContainer, packages::Package},
    setup::plan::Plan,
};
use serde::Serialize;
use similar::{Algorithm, Change, ChangeTag, TextDiff, capture_diff_slices};

use super::EnvError;
use crate::{report::printable, words};

/// How many files are compared at most, and how long each may be, in bytes.
const MOST_FILES: usize = 50;
const LONGEST_FILE: usize = 32 * 1024;
/// What package managers and logs keep: what of it matters is told as packages.
const NOT_COMPARED: [&str; 4] = ["/var/lib/dpkg/", "/var/cache/", "/var/log/", "/var/lib/apt/"];

/// The name of the schema (`docs/schemas/ce.env.diff.1.json`), which is only ever extended.
const SCHEMA: &str = "ce.env.diff/1";

/// In what two things differ; a part is empty where it was not looked at.
#[derive(Debug, Serialize)]
pub(super) struct DiffDocument {
    schema: &'static str,
    /// The names of a container, and of another one or the script.
    one: String,
    other: String,
    stages: Vec<Differing>,
    packages: Vec<Differing>,
    paths: Vec<Differing>,
    /// Unified diffs.
    texts: Vec<TextPart>,
}

/// What only one of the two has.
#[derive(Debug, Serialize)]
struct Differing {
    /// Whether that is the second.
    is_new: bool,
    /// A stage's text, a package with its version and manager, or a path with what became of it.
    text: String,
}

#[derive(Debug, Serialize)]
struct TextPart {
    path: String,
    diff: String,
}

impl DiffDocument {
    fn new(one: &str, other: &str) -> DiffDocument {
        let (one, other) = (one.to_owned(), other.to_owned());
        let (stages, packages, paths, texts) = Default::default();
        DiffDocument { schema: SCHEMA, one, other, stages, packages, paths, texts }
    }

    /// As data.
    ///
    /// # Errors
    /// None that is known: all of it is text.
    pub(super) fn json(&self) -> Result<String, std::io::Error> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// What differs of the files, for a person; empty where nothing does.
    pub(super) fn text(&self) -> String {
        let line = |part: &Differing| {
            let sign = if part.is_new { '+' } else { '-' };
            printable(&format!("{sign} {}", part.text)).into_owned() + "\n"
        };
        let texts = self.texts.iter().map(|text| in_lines(&text.diff));
        self.packages.iter().chain(&self.paths).map(line).chain(texts).collect()
    }
}

/// Stages, under the name of what they belong to.
pub(super) struct StageList {
    name: String,
    stages: Vec<String>,
}

impl StageList {
    /// Those that are applied in a container.
    pub(super) fn applied_in(known: &KnownContainer) -> StageList {
        let applied = known.ledger.as_ref().map_or(0, |ledger| ledger.applied());
        let stages = known.stages().into_iter().filter(|stage| stage.number <= applied);
        StageList { name: known.container.name.clone(), stages: stages.map(|stage| stage.text).collect() }
    }

    /// Those that a script has, as far as that is known without running it.
    pub(super) fn of_script(name: &str, plan: &Plan) -> StageList {
        let stages = plan.steps.iter().filter(|step| matches!(step.kind, Kind::Stage(_)));
        StageList { name: name.to_owned(), stages: stages.map(|step| step.text.to_string()).collect() }
    }

    /// As a unified diff; empty where they are the same.
    pub(super) fn diff(&self, other: &StageList) -> String {
        let text = |list: &StageList| list.stages.iter().map(|stage| format!("{stage}\n")).collect::<String>();
        let (before, after) = (text(self), text(other));
        let diff = TextDiff::from_lines(&before, &after);
        in_lines(&diff.unified_diff().header(&self.name, &other.name).to_string())
    }

    /// The same as data.
    pub(super) fn document(&self, other: &StageList) -> DiffDocument {
        let changes = capture_diff_slices(Algorithm::Myers, &self.stages, &other.stages);
        let changes = changes.iter().flat_map(|change| change.iter_changes(&self.stages, &other.stages));
        let differing = changes.filter(|change| change.tag() != ChangeTag::Equal);
        let part =
            |change: Change<String>| Differing { is_new: change.tag() == ChangeTag::Insert, text: change.value() };
        DiffDocument { stages: differing.map(part).collect(), ..DiffDocument::new(&self.name, &other.name) }
    }
}

fn in_lines(text: &str) -> String {
    text.lines().map(|line| printable(line).into_owned() + "\n").collect()
}

/// In what the files of two containers of the same image differ: packages, directories and files that only one has or has
/// changed, and the text of small files that both have changed.
pub(super) fn files(
    inventory: &Inventory<'_>,
    one: &KnownContainer,
    other: &KnownContainer,
) -> Result<DiffDocument, EnvError> {
    if one.container.image_id != other.container.image_id {
        let (one, other) = (one.container.name.clone(), other.container.name.clone());
        return Err(EnvError::OtherImages { one, other });
    }
    let changes = |known: &KnownContainer| -> Result<BTreeSet<FileChange>, EnvError> {
        let is_ours = |change: &FileChange| OUR_PLACES.iter().any(|place| change.path.starts_with(place));
        Ok(inventory.changes(known)?.into_iter().filter(|change| !is_ours(change)).collect())
    };
    let (before, after) = (changes(one)?, changes(other)?);
    let (had, has) = (inventory.packages(one, &before, &after)?, inventory.packages(other, &after, &before)?);
    let mut packages: Vec<_> = had
        .difference(&has)
        .map(|package| (package, false))
        .chain(has.difference(&had).map(|package| (package, true)))
        .collect();
    packages.sort_by_key(|(package, is_new)| (package.manager, &package.name, *is_new));
    let package = |(package, is_new): (&Package, bool)| Differing {
        is_new,
        text: format!("{} {} ({})", package.name, package.version, package.manager),
    };
    Ok(DiffDocument {
        packages: packages.into_iter().map(package).collect(),
        paths: paths(&before, &after),
        texts: texts(inventory, (one, &before), (other, &after))?,
        ..DiffDocument::new(&one.container.name, &other.container.name)
    })
}

/// The paths that differ from the image in only one of two containers, or differently. Of a directory that is new as a whole,
/// only itself.
fn paths(before: &BTreeSet<FileChange>, after: &BTreeSet<FileChange>) -> Vec<Differing> {
    let mut whole: Vec<(&FileChange, usize)> = Vec::new();
    let mut differing: Vec<&FileChange> = before.symmetric_difference(after).collect();
    // What is in a directory comes directly behind it.
    differing.sort_by_cached_key(|change| (change.path.replace('/', "\0"), change.kind));
    for change in differing {
        match whole.last_mut() {
            Some((directory, inside))
                if directory.kind == FileChangeKind::Added && is_below(&change.path, &directory.path) =>
            {
                *inside += 1;
            }
            _ => whole.push((change, 0)),
        }
    }
    let part = |(change, inside): (&FileChange, usize)| {
        let inside = if inside > 0 { format!(", with {}", words::count(inside, "path")) } else { String::new() };
        let text = format!("{} ({}{inside})", change.path, words::change_kind(change.kind));
        Differing { is_new: after.contains(change), text }
    };
    whole.into_iter().map(part).collect()
}

fn is_below(path: &str, directory: &str) -> bool {
    path.strip_prefix(directory).is_some_and(|rest| rest.starts_with('/'))
}

/// The differences of small text files that both have changed, or made.
fn texts(
    inventory: &Inventory<'_>,
    (one, before): (&KnownContainer, &BTreeSet<FileChange>),
    (other, after): (&KnownContainer, &BTreeSet<FileChange>),
) -> Result<Vec<TextPart>, EnvError> {
    let is_directory = |path: &str| before.union(after).any(|change| is_below(&change.path, path));
    let is_compared = |change: &&FileChange| {
        change.kind != FileChangeKind::Deleted
            && !NOT_COMPARED.iter().any(|directory| change.path.starts_with(directory))
            && !is_directory(&change.path)
    };
    let mut texts = Vec::new();
    for change in before.intersection(after).filter(is_compared).take(MOST_FILES) {
        let read = |known: &KnownContainer| -> Result<Option<String>, SetupError> {
            let content = inventory.read_file(known, &change.path)?.filter(|content| content.len() <= LONGEST_FILE);
            Ok(content.and_then(|content| String::from_utf8(content).ok()))
        };
        let (Some(old), Some(new)) = (read(one)?, read(other)?) else { continue };
        if old != new {
            let diff = TextDiff::from_lines(&old, &new);
            let name = |known: &KnownContainer| format!("{}:{}", known.container.name, change.path);
            let diff = diff.unified_diff().header(&name(one), &name(other)).to_string();
            texts.push(TextPart { path: change.path.clone(), diff });
        }
    }
    Ok(texts)
}
