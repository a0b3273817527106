//! In what containers differ from one another and from the script: the stages that were applied, or their files.

use std::collections::BTreeSet;

use compeval_interpreter::dispatch::Kind;
use compeval_runtime::{
    SetupError,
    computation::layout::OUR_PLACES,
    engine::{FileChange, containers::FileChangeKind},
    inventory::{Inventory, KnownContainer},
    setup::plan::Plan,
};
use similar::TextDiff;

use super::EnvError;
use crate::{report::printable, words};

/// How many files are compared at most, and how long each may be, in bytes.
const MOST_FILES: usize = 50;
const LONGEST_FILE: usize = 32 * 1024;
/// What package managers and logs keep: what of it matters is told as packages.
const NOT_COMPARED: [&str; 4] = ["/var/lib/dpkg/", "/var/cache/", "/var/log/", "/var/lib/apt/"];

/// Stages, under the name of what they belong to.
pub(super) struct StageList {
    name: String,
    text: String,
}

impl StageList {
    /// Those that are applied in a container.
    pub(super) fn applied_in(known: &KnownContainer) -> StageList {
        let applied = known.ledger.as_ref().map_or(0, |ledger| ledger.applied());
        let stages = known.stages().into_iter().filter(|stage| stage.number <= applied);
        StageList {
            name: known.container.name.clone(),
            text: stages.map(|stage| format!("{}\n", stage.text)).collect(),
        }
    }

    /// Those that a script has, as far as that is known without running it.
    pub(super) fn of_script(name: &str, plan: &Plan) -> StageList {
        let stages = plan.steps.iter().filter(|step| matches!(step.kind, Kind::Stage(_)));
        StageList { name: name.to_owned(), text: stages.map(|step| format!("{}\n", step.text)).collect() }
    }

    /// As a unified diff; empty where they are the same.
    pub(super) fn diff(&self, other: &StageList) -> String {
        let diff = TextDiff::from_lines(&self.text, &other.text);
        in_lines(&diff.unified_diff().header(&self.name, &other.name).to_string())
    }
}

fn in_lines(text: &str) -> String {
    text.lines().map(|line| printable(line).into_owned() + "\n").collect()
}

/// In what the files of two containers of the same image differ, `-` in the first, `+` in the second: packages first, then
/// directories and files that only one has or has changed, then the text of small files that both have.
pub(super) fn files(
    inventory: &Inventory<'_>,
    one: &KnownContainer,
    other: &KnownContainer,
) -> Result<String, EnvError> {
    if one.container.image_id != other.container.image_id {
        let (one, other) = (one.container.name.clone(), other.container.name.clone());
        return Err(EnvError::OtherImages { one, other });
    }
    let changes = |known: &KnownContainer| -> Result<BTreeSet<FileChange>, EnvError> {
        let is_ours = |change: &FileChange| OUR_PLACES.iter().any(|place| change.path.starts_with(place));
        Ok(inventory.changes(known)?.into_iter().filter(|change| !is_ours(change)).collect())
    };
    let (before, after) = (changes(one)?, changes(other)?);
    let packages = (inventory.packages(one, &before)?, inventory.packages(other, &after)?);
    let lost = packages.0.difference(&packages.1).map(|package| ('-', package));
    let gained = packages.1.difference(&packages.0).map(|package| ('+', package));
    let mut packages: Vec<_> = lost.chain(gained).collect();
    packages.sort_by_key(|(sign, package)| (package.manager, &package.name, *sign == '+'));
    let packages = packages.into_iter().map(|(sign, package)| {
        printable(&format!("{sign} {} {} ({})", package.name, package.version, package.manager)).into_owned() + "\n"
    });
    let texts = texts(inventory, (one, &before), (other, &after))?;
    Ok(packages.chain(paths(&before, &after)).collect::<String>() + &texts)
}

/// The paths that differ from the image in only one of two containers, or differently. Of a directory that is new as a whole,
/// only itself.
fn paths(before: &BTreeSet<FileChange>, after: &BTreeSet<FileChange>) -> Vec<String> {
    let differing: BTreeSet<&FileChange> = before.symmetric_difference(after).collect();
    let mut lines = Vec::new();
    let mut whole: Option<(String, usize)> = None;
    let line = |change: &FileChange, inside: usize| {
        let sign = if before.contains(change) { '-' } else { '+' };
        let inside = if inside > 0 { format!(", with {}", words::count(inside, "path")) } else { String::new() };
        let text = words::change(change);
        let text = text.strip_suffix(')').map_or_else(|| text.clone(), |text| format!("{text}{inside})"));
        printable(&format!("{sign} {text}")).into_owned() + "\n"
    };
    for change in differing {
        if let Some((directory, inside)) = &mut whole
            && change.path.starts_with(directory.as_str())
        {
            *inside += 1;
            if let Some((_, last)) = lines.last_mut() {
                *last = *inside;
            }
            continue;
        }
        whole = (change.kind == FileChangeKind::Added).then(|| (format!("{}/", change.path), 0));
        lines.push((change, 0));
    }
    lines.into_iter().map(|(change, inside)| line(change, inside)).collect()
}

/// The differences of small text files that both have changed, or made.
fn texts(
    inventory: &Inventory<'_>,
    (one, before): (&KnownContainer, &BTreeSet<FileChange>),
    (other, after): (&KnownContainer, &BTreeSet<FileChange>),
) -> Result<String, EnvError> {
    let is_directory = |path: &str| {
        let inside = format!("{path}/");
        before.iter().any(|change| change.path.starts_with(&inside))
    };
    let is_compared = |change: &&FileChange| {
        change.kind != FileChangeKind::Deleted
            && !NOT_COMPARED.iter().any(|directory| change.path.starts_with(directory))
            && !is_directory(&change.path)
    };
    let mut text = String::new();
    for change in before.intersection(after).filter(is_compared).take(MOST_FILES) {
        let read = |known: &KnownContainer| -> Result<Option<String>, SetupError> {
            let content = inventory.read_file(known, &change.path)?.filter(|content| content.len() <= LONGEST_FILE);
            Ok(content.and_then(|content| String::from_utf8(content).ok()))
        };
        let (Some(old), Some(new)) = (read(one)?, read(other)?) else { continue };
        if old != new {
            let diff = TextDiff::from_lines(&old, &new);
            let name = |known: &KnownContainer| format!("{}:{}", known.container.name, change.path);
            text += &in_lines(&diff.unified_diff().header(&name(one), &name(other)).to_string());
        }
    }
    Ok(text)
}
