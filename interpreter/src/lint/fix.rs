//! Fixes put into a script: as many as go together, until nothing changes.
//!
//! Edits are byte-exact. After each round the script is read again; a fix after which there is an error that was not there
//! before is taken back, and not tried again.

use std::collections::{BTreeMap, HashSet};

use super::{
    Setting,
    history::{self, History, Stage},
    table::check_for,
};
use crate::{Applicability, Diagnostic, Edit, Fix, Parsed, Severity, Source, Span, parse};

/// Which fixes are put in.
#[derive(Clone, Copy)]
pub struct Fixing<'f> {
    /// The findings that are asked for.
    pub selects: &'f dyn Fn(&Diagnostic) -> bool,
    /// Whether unsafe ones are put in, too.
    pub is_unsafe: bool,
    /// The stages that there were: what has become of them is told and fixed, too.
    pub history: Option<&'f History>,
    /// Whether stages that are applied are fixed: that does nothing to containers that have them.
    pub is_applied_too: bool,
}

/// A script with fixes in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fixed {
    /// Its text.
    pub text: Vec<u8>,
    /// How many findings of which rule were fixed, by its code.
    pub fixed: BTreeMap<&'static str, usize>,
    /// How many fixes were left out since their stages are applied.
    pub left_out: usize,
}

/// More rounds than any script needs: each ends at least one finding.
const MOST_ROUNDS: usize = 1000;

/// Puts fixes into a script until nothing changes.
pub fn fix(source: &Source, setting: &Setting, fixing: Fixing<'_>) -> Fixed {
    let mut fixer = Fixer { name: source.name(), setting, fixing, refused: HashSet::new() };
    let mut fixed = Fixed { text: source.text().to_vec(), fixed: BTreeMap::new(), left_out: 0 };
    let mut checked = fixer.check(&fixed.text);
    for _ in 0..MOST_ROUNDS {
        let (wanted, left_out) = fixer.wanted(&checked);
        fixed.left_out = left_out;
        let Some((text, next, count)) = fixer.round(&fixed.text, &checked, &wanted) else { break };
        for finding in wanted.iter().take(count) {
            *fixed.fixed.entry(finding.code).or_default() += 1;
        }
        (fixed.text, checked) = (text, next);
    }
    fixed
}

/// The text with the edits in it; `None` where they overlap or are no places of it.
pub fn apply<'e>(text: &[u8], edits: impl IntoIterator<Item = &'e Edit>) -> Option<Vec<u8>> {
    let mut edits: Vec<&Edit> = edits.into_iter().collect();
    edits.sort_by_key(|edit| edit.span);
    let mut result = Vec::with_capacity(text.len());
    let mut at = 0;
    for edit in edits {
        result.extend_from_slice(text.get(at..edit.span.start as usize)?);
        result.extend_from_slice(edit.text.as_bytes());
        at = edit.span.end as usize;
    }
    result.extend_from_slice(text.get(at..)?);
    Some(result)
}

/// A script that was read, and what was found in it.
struct Checked {
    parsed: Parsed,
    findings: Vec<Diagnostic>,
}

struct Fixer<'f> {
    name: &'f str,
    setting: &'f Setting,
    fixing: Fixing<'f>,
    /// Fixes that lead to an error: the code, and what would have been put there.
    refused: HashSet<(&'static str, Vec<u8>)>,
}

impl Fixer<'_> {
    fn check(&self, text: &[u8]) -> Checked {
        let parsed = parse(Source::new(self.name, text));
        let mut findings = check_for(&parsed, self.setting);
        // Who asks for applied stages to be fixed does not want to hear that they are edited then.
        let history = self.fixing.history.filter(|_| !self.fixing.is_applied_too);
        findings.extend(history.into_iter().flat_map(|history| history::compare(&parsed, history)));
        Checked { parsed, findings }
    }

    /// The findings whose fixes go together, in order, and how many are left out for their stages.
    fn wanted(&self, checked: &Checked) -> (Vec<Diagnostic>, usize) {
        let known = self.fixing.history.map_or(0, History::len);
        let stages =
            if known == 0 || self.fixing.is_applied_too { Vec::new() } else { history::stages(&checked.parsed) };
        let applied = stages.get(..known.min(stages.len())).unwrap_or_default();
        let is_applied = |finding: &Diagnostic, fix: &Fix| {
            // What puts the stages back where they were is meant for them.
            let is_history = finding.code.starts_with("CE09");
            let touches = |stage: &Stage| fix.edits.iter().any(|edit| stage.span.contains(edit.span));
            !is_history && applied.iter().any(touches)
        };
        let text = checked.parsed.script.source.text();
        let (mut wanted, mut left_out): (Vec<Diagnostic>, usize) = (Vec::new(), 0);
        let mut taken: Vec<Span> = Vec::new();
        for finding in checked.findings.iter().filter(|finding| (self.fixing.selects)(finding)) {
            let Some(fix) = &finding.fix else { continue };
            let is_allowed = fix.applicability == Applicability::Safe || self.fixing.is_unsafe;
            if !is_allowed || fix.edits.is_empty() || self.refused.contains(&key(text, finding, fix)) {
                continue;
            }
            if is_applied(finding, fix) {
                left_out += 1;
                continue;
            }
            // Two that touch are not put in at once: the second is looked at again when the first is there.
            let (start, end) = range(fix);
            let span = Span { start, end };
            let meets = |other: &Span| start <= other.end && other.start <= end;
            if !taken.iter().any(meets) {
                taken.push(span);
                wanted.push(finding.clone());
            }
        }
        (wanted, left_out)
    }

    /// Puts the fixes in, or as many of the first as lead to no new error; gives the text, what is found there, and how many
    /// they were. `None` when there are none.
    fn round(&mut self, text: &[u8], before: &Checked, wanted: &[Diagnostic]) -> Option<(Vec<u8>, Checked, usize)> {
        let mut count = wanted.len();
        while count > 0 {
            let some = wanted.get(..count)?;
            let edits = some.iter().filter_map(|finding| finding.fix.as_ref()).flat_map(|fix| &fix.edits);
            let checked = apply(text, edits).filter(|fixed| fixed != text).map(|fixed| {
                let checked = self.check(&fixed);
                (fixed, checked)
            });
            match checked {
                Some((fixed, checked)) if !has_new_error(before, &checked) => return Some((fixed, checked, count)),
                _ if count == 1 => {
                    let finding = some.first()?;
                    let fix = finding.fix.as_ref()?;
                    self.refused.insert(key(text, finding, fix));
                    // The others may do without it.
                    let (wanted, _) = self.wanted(before);
                    return self.round(text, before, &wanted);
                }
                _ => count /= 2,
            }
        }
        None
    }
}

/// What makes a fix the same one when the text around it has changed.
fn key(text: &[u8], finding: &Diagnostic, fix: &Fix) -> (&'static str, Vec<u8>) {
    let (start, end) = range(fix);
    let mut what = text.get(start as usize..end as usize).unwrap_or_default().to_vec();
    let place = text.get(..start as usize).unwrap_or_default();
    what.extend_from_slice(place.get(place.len().saturating_sub(40)..).unwrap_or_default());
    for edit in &fix.edits {
        what.push(0);
        what.extend_from_slice(edit.text.as_bytes());
    }
    (finding.code, what)
}

fn range(fix: &Fix) -> (u32, u32) {
    let start = fix.edits.iter().map(|edit| edit.span.start).min().unwrap_or_default();
    let end = fix.edits.iter().map(|edit| edit.span.end).max().unwrap_or_default();
    (start, end)
}

/// Whether there are more errors of some kind than before.
fn has_new_error(before: &Checked, after: &Checked) -> bool {
    let count = |checked: &Checked| {
        let mut counts: BTreeMap<&'static str, usize> = BTreeMap::new();
        for finding in checked.findings.iter().filter(|finding| finding.severity == Severity::Error) {
            *counts.entry(finding.code).or_default() += 1;
        }
        counts
    };
    let (before, after) = (count(before), count(after));
    after.iter().any(|(code, count)| before.get(code).is_none_or(|known| known < count))
}
