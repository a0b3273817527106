//! What a script's stages are to those that were applied before: which are new, edited, moved or gone.

use std::time::Duration;

use bstr::BString;
use compeval_interpreter::{
    Source, parse,
    stage::fingerprint::{DependencyKind, Difference, Fingerprint},
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
    /// Whether it was applied.
    pub is_applied: bool,
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

    /// Whether it was applied and is not what it was, whatever the stages before it are.
    pub fn is_edit(&self) -> bool {
        let is_own = |difference: &Difference| difference.kind != DependencyKind::Previous;
        self.past().is_some_and(|past| past.is_applied)
            && match self {
                StageChange::New => false,
                StageChange::Moved { .. } | StageChange::Edited { .. } => true,
                StageChange::Same { differences, .. } => differences.iter().any(is_own),
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
    let mut pairs: Vec<Pair> = vec![Pair::None; after.len()];
    // Where each of those of before stood, among those of now.
    let mut places = vec![0; before.len()];
    for operation in capture_diff_slices(Algorithm::Myers, &before, &after) {
        let (old, new) = (operation.old_range(), operation.new_range());
        let is_same = matches!(operation, DiffOp::Equal { .. });
        old.clone().for_each(|at| set(&mut places, at, (new.start + at - old.start + 1).min(new.end)));
        for (old, new) in old.zip(new) {
            set(&mut pairs, new, if is_same { Pair::Same(old) } else { Pair::Edited(old) });
        }
    }
    find_moved(&mut pairs, &before, &after);
    let past = |at: usize| records.get(at).map(|(number, record)| past(ledger, *number, record));
    let differences = |old: usize, stage: &Present<'_>| match records.get(old) {
        Some((_, record)) => record.differences(stage.fingerprint),
        None => Vec::new(),
    };
    let change = |(pair, stage): (&Pair, &Present<'_>)| match *pair {
        Pair::None => None,
        Pair::Same(old) => Some(StageChange::Same { past: past(old)?, differences: differences(old, stage) }),
        Pair::Edited(old) => Some(StageChange::Edited { past: past(old)?, differences: differences(old, stage) }),
        Pair::Moved(old) => Some(StageChange::Moved { past: past(old)? }),
    };
    let changes = pairs.iter().zip(now).map(|pair| change(pair).unwrap_or_default()).collect();
    let is_gone = |old: &usize| !pairs.iter().any(|pair| pair.old() == Some(*old));
    let gone = (0..before.len()).filter(is_gone);
    let removed = gone.filter_map(|old| Some((places.get(old).copied()?, past(old)?))).collect();
    Comparison { changes, removed }
}

/// What a stage of now is to one of before, by its place among those.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pair {
    None,
    Same(usize),
    Edited(usize),
    Moved(usize),
}

impl Pair {
    fn old(self) -> Option<usize> {
        match self {
            Pair::None => None,
            Pair::Same(old) | Pair::Edited(old) | Pair::Moved(old) => Some(old),
        }
    }
}

fn set<T>(list: &mut [T], at: usize, value: T) {
    if let Some(place) = list.get_mut(at) {
        *place = value;
    }
}

/// Finds stages, among those that are new or stand where another one stood, that stood elsewhere: each of those of before
/// is one of now at most.
fn find_moved(pairs: &mut [Pair], before: &[BString], after: &[BString]) {
    for (new, text) in after.iter().enumerate() {
        if !matches!(pairs.get(new), Some(Pair::None | Pair::Edited(_))) {
            continue;
        }
        let is_taken = |old: usize| {
            pairs.iter().any(|pair| matches!(pair, Pair::Same(taken) | Pair::Moved(taken) if *taken == old))
        };
        let moved = before.iter().enumerate().find(|(old, was)| *was == text && !is_taken(*old));
        if let Some((old, _)) = moved {
            let stood = pairs.iter().position(|pair| *pair == Pair::Edited(old));
            stood.into_iter().for_each(|stood| set(pairs, stood, Pair::None));
            set(pairs, new, Pair::Moved(old));
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
    let is_applied = last.is_some_and(|last| last.state == StageState::Applied);
    Past {
        number,
        text: text_of(record).to_owned(),
        line: record.line,
        began: record.start.clone(),
        took: ledger.took(number),
        commit: record.commit.clone(),
        failed,
        is_applied,
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
            ("a k b", "b k c", "b<3 -a =k +c"),
        ] {
            assert_eq!(compared(before, after), expected, "{before:?} to {after:?}");
        }
        let swapped = compared("a b c d", "a c b d");
        assert!(["=a c<3 =b =d", "=a =c b<2 =d"].contains(&swapped.as_str()), "{swapped}");
        let moved = compared("a b c d e", "e b c d a");
        assert!(moved.contains("e<5") && moved.contains("a<1") && !moved.contains(['+', '-', '~']), "{moved}");
    }
}
