//! What a script's stages are to those that were applied before: which are new, edited, moved or gone.

use std::time::Duration;

use bstr::BString;
use compeval_interpreter::{
    Source, parse,
    stage::fingerprint::{Difference, Fingerprint},
    syntax::print,
};
use similar::{Algorithm, DiffOp, capture_diff_slices};

use crate::ledger::{Record, Records, StageState};

/// A stage as it was in a container, by its ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Past {
    /// The number it had, from 1.
    pub number: u32,
    /// Its text, as the script had it; empty where that was not recorded.
    pub text: String,
    /// The line of its marker then, from 1.
    pub line: Option<usize>,
    /// When it began, as RFC 3339 says.
    pub began: Option<String>,
    /// How long it took.
    pub took: Option<Duration>,
    /// What the version of the computation is filed under that it ran for.
    pub commit: Option<String>,
    /// The status it failed with; `None` where it did not fail.
    pub failed: Option<i32>,
}

/// What a stage of the script is to those of before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum StageChange {
    /// None of them was it.
    #[default]
    New,
    /// It has the text that it had.
    Same {
        /// What it was.
        past: Past,
        /// What else of the things that it depends on is different.
        differences: Vec<Difference>,
    },
    /// It has the text that it had at another place among the stages.
    Moved {
        /// What it was.
        past: Past,
    },
    /// It stands where another text stood.
    Edited {
        /// What it was.
        past: Past,
        /// What of the things that it depends on is different.
        differences: Vec<Difference>,
    },
}

impl StageChange {
    /// What the stage was before.
    pub fn past(&self) -> Option<&Past> {
        match self {
            StageChange::New => None,
            StageChange::Same { past, .. } | StageChange::Moved { past } | StageChange::Edited { past, .. } => {
                Some(past)
            }
        }
    }

    /// How long it will take, by the last time that the same was run.
    pub fn estimate(&self) -> Option<Duration> {
        match self {
            StageChange::Same { past, .. } | StageChange::Moved { past } if past.failed.is_none() => past.took,
            _ => None,
        }
    }
}

/// A stage of now.
pub(super) struct Present<'p> {
    pub(super) text: &'p BString,
    pub(super) fingerprint: &'p Fingerprint,
}

/// What became of the stages of before.
pub(super) struct Comparison {
    /// Of each stage of now, in order.
    pub(super) changes: Vec<StageChange>,
    /// The stages that are gone, each with how many stages of now stand before it.
    pub(super) removed: Vec<(usize, Past)>,
}

/// Holds the stages of now against a ledger's.
pub(super) fn compare(now: &[Present<'_>], ledger: &Records) -> Comparison {
    let records: Vec<(u32, &Record)> = ledger.stages().collect();
    let before: Vec<BString> = records.iter().map(|(_, record)| canonical(text_of(record).as_bytes())).collect();
    let after: Vec<BString> = now.iter().map(|stage| canonical(stage.text)).collect();
    let mut changes = vec![StageChange::New; now.len()];
    let mut gone = Vec::new();
    let past = |at: usize| records.get(at).map(|(number, record)| past(ledger, *number, record));
    let differences = |old: usize, new: usize| match (records.get(old), now.get(new)) {
        (Some((_, record)), Some(stage)) => record.differences(stage.fingerprint),
        _ => Vec::new(),
    };
    let mut set = |new: usize, change: Option<StageChange>| {
        if let (Some(place), Some(change)) = (changes.get_mut(new), change) {
            *place = change;
        }
    };
    for operation in capture_diff_slices(Algorithm::Myers, &before, &after) {
        let (old, new) = (operation.old_range(), operation.new_range());
        let pairs = old.clone().zip(new.clone());
        match operation {
            DiffOp::Equal { .. } => pairs.for_each(|(old, new)| {
                set(new, past(old).map(|past| StageChange::Same { past, differences: differences(old, new) }));
            }),
            _ => {
                pairs.for_each(|(old, new)| {
                    set(new, past(old).map(|past| StageChange::Edited { past, differences: differences(old, new) }));
                });
                gone.extend(old.skip(new.len()).map(|old| (new.end, old)));
            }
        }
    }
    find_moved(&mut changes, &mut gone, &before, &after, &past);
    let removed = gone.into_iter().filter_map(|(at, old)| Some((at, past(old)?))).collect();
    Comparison { changes, removed }
}

/// Finds stages among the new ones, and those for which others stand now, that have only moved.
fn find_moved(
    changes: &mut [StageChange],
    gone: &mut Vec<(usize, usize)>,
    before: &[BString],
    after: &[BString],
    past: &dyn Fn(usize) -> Option<Past>,
) {
    for (change, text) in changes.iter_mut().zip(after) {
        let was_there = |(_, old): &(usize, usize)| before.get(*old) == Some(text);
        if *change == StageChange::New
            && let Some(at) = gone.iter().position(was_there)
            && let Some(past) = past(gone.remove(at).1)
        {
            *change = StageChange::Moved { past };
        }
    }
    // Of two that changed places, each stands where the other stood.
    let edited = |change: &StageChange| match change {
        StageChange::Edited { past, .. } => Some(canonical(past.text.as_bytes())),
        _ => None,
    };
    let replaced: Vec<(usize, BString)> =
        changes.iter().enumerate().filter_map(|(at, change)| Some((at, edited(change)?))).collect();
    let swapped: Vec<(usize, Past)> = replaced
        .iter()
        .filter_map(|(at, _)| {
            let text = after.get(*at)?;
            let (from, _) = replaced.iter().find(|(other, was)| other != at && was == text)?;
            Some((*at, changes.get(*from)?.past()?.clone()))
        })
        .collect();
    for (at, past) in swapped {
        if let Some(change) = changes.get_mut(at) {
            *change = StageChange::Moved { past };
        }
    }
}

/// All stages that a ledger tells of, in order.
pub(crate) fn all(ledger: &Records) -> Vec<Past> {
    ledger.stages().map(|(number, record)| past(ledger, number, record)).collect()
}

/// What stage `number` was, by a ledger.
pub(super) fn past_of(ledger: &Records, number: u32) -> Option<Past> {
    Some(past(ledger, number, ledger.stage(number)?))
}

fn past(ledger: &Records, number: u32, record: &Record) -> Past {
    let last = ledger.last(number);
    let failed = last.filter(|last| last.state == StageState::Failed).and_then(|last| last.status);
    Past {
        number,
        text: text_of(record).to_owned(),
        line: record.line,
        began: record.start.clone(),
        took: ledger.took(number),
        commit: record.commit.clone(),
        failed,
    }
}

fn text_of(record: &Record) -> &str {
    record.text.as_deref().unwrap_or_default()
}

/// A text as it is compared: blanks, comments and the like do not count.
fn canonical(text: &[u8]) -> BString {
    print::canonical(&parse(Source::new("", text)).script.list)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What becomes of stages with the texts of `before` when they are those of `after`, each a word.
    fn compared(before: &str, after: &str) -> String {
        let record = |(number, text): (usize, &str)| {
            format!(
                "\n[[record]]\nstage = {0}\nstate = \"started\"\ntext = \"{text}\"\n\n[[record]]\nstage = {0}\nstate = \
                 \"applied\"\n",
                number + 1
            )
        };
        let records: String = before.split_whitespace().enumerate().map(record).collect();
        let ledger = Records::parse(format!("schema = 1\n{records}").as_bytes()).unwrap();
        let texts: Vec<BString> = after.split_whitespace().map(BString::from).collect();
        let fingerprint = Fingerprint { hash: String::new(), parts: Vec::new() };
        let now: Vec<_> = texts.iter().map(|text| Present { text, fingerprint: &fingerprint }).collect();
        let Comparison { changes, removed } = compare(&now, &ledger);
        let mut words: Vec<String> = changes
            .iter()
            .zip(&texts)
            .map(|(change, text)| match change {
                StageChange::New => format!("+{text}"),
                StageChange::Same { .. } => format!("={text}"),
                StageChange::Moved { past } => format!("{text}<{}", past.number),
                StageChange::Edited { past, .. } => format!("{}~{text}", past.text),
            })
            .collect();
        for (at, past) in removed.into_iter().rev() {
            words.insert(at, format!("-{}", past.text));
        }
        words.join(" ")
    }

    #[test]
    fn insertions_removals_and_swaps_are_told_as_such() {
        for (before, after, expected) in [
            ("", "a b", "+a +b"),
            ("a b", "a b", "=a =b"),
            ("a b", "a b c", "=a =b +c"),
            ("a b c", "a x b c", "=a +x =b =c"),
            ("a b c", "a c", "=a -b =c"),
            ("a b c", "a x c", "=a b~x =c"),
            ("a b c", "a x y c", "=a b~x +y =c"),
            ("a b c", "a x", "=a b~x -c"),
            ("a b c", "", "-a -b -c"),
        ] {
            assert_eq!(compared(before, after), expected, "{before:?} to {after:?}");
        }
        let swapped = compared("a b c d", "a c b d");
        assert!(["=a c<3 =b =d", "=a =c b<2 =d"].contains(&swapped.as_str()), "{swapped}");
        let moved = compared("a b c d e", "e b c d a");
        assert!(moved.contains("e<5") && moved.contains("a<1") && !moved.contains(['+', '-', '~']), "{moved}");
    }
}
