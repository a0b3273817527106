//! In what two containers differ: the stages that were applied, or their files.

use std::collections::BTreeSet;

use compeval_runtime::{
    engine::FileChange,
    inventory::{Inventory, KnownContainer},
};
use similar::TextDiff;

use super::EnvError;
use crate::{report::printable, words};

/// The applied stages of two containers as a unified diff; empty where they are the same.
pub(super) fn stages(one: &KnownContainer, other: &KnownContainer) -> String {
    let (before, after) = (applied(one), applied(other));
    let diff = TextDiff::from_lines(&before, &after);
    let text = diff.unified_diff().header(&one.container.name, &other.container.name).to_string();
    text.lines().map(|line| printable(line).into_owned() + "\n").collect()
}

fn applied(container: &KnownContainer) -> String {
    let applied = container.ledger.as_ref().map_or(0, |ledger| ledger.applied());
    let stages = container.stages().into_iter().filter(|stage| stage.number <= applied);
    stages.map(|stage| format!("{}\n", stage.text)).collect()
}

/// The paths that differ from the image in only one of two containers, or differently: `-` in the first, `+` in the second.
/// The content of what both have changed is not compared.
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
        Ok(inventory.changes(known)?.into_iter().collect())
    };
    let (before, after) = (changes(one)?, changes(other)?);
    let differing = before.symmetric_difference(&after);
    let line = |change: &FileChange| {
        let sign = if before.contains(change) { '-' } else { '+' };
        printable(&format!("{sign} {}", words::change(change))).into_owned() + "\n"
    };
    Ok(differing.map(line).collect())
}
