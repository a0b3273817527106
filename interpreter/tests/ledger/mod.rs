//! A ledger of what a shell has put down with the real hook.

use std::{collections::BTreeMap, fs, path::Path};

use compeval_interpreter::stage::Ledger;

/// The stages that are applied, by number, each with its fingerprint.
#[derive(Default)]
pub(crate) struct Applied {
    pub(crate) stages: BTreeMap<u32, String>,
}

impl Ledger for Applied {
    fn applied(&self) -> u32 {
        u32::try_from(self.stages.len()).unwrap()
    }

    fn fingerprint(&self, number: u32) -> Option<String> {
        self.stages.get(&number).cloned()
    }

    fn keeps_repeated(&self) -> bool {
        true
    }
}

/// The stages that a shell recorded in a file as begun, in order, each with its fingerprint; those that were not applied
/// included.
pub(crate) fn begun(file: &Path) -> Vec<(u32, String)> {
    let text = fs::read_to_string(file).unwrap_or_default();
    let value = |record: &str, key: &str| {
        record.lines().find_map(|line| Some(line.strip_prefix(key)?.strip_prefix(" = ")?.trim_matches('"').to_owned()))
    };
    let stage = |record| Some((value(record, "stage")?.parse().ok()?, value(record, "fingerprint")?));
    text.split("[[record]]").filter_map(stage).collect()
}
