//! What has become of the stages of an older script, or of those that a container has.

use bstr::{BString, ByteSlice};
use similar::{Algorithm, DiffOp, capture_diff_slices};

use super::{rule::Rule, rules};
use crate::{
    Applicability, Diagnostic, Edit, Parsed, Settings, Source, Span,
    dispatch::{DispatchError, Dispatcher, Request, Response, dry_run::DryRun, request::Kind},
    execute::{self, Event, Observer},
    parse,
    stage::{Counted, chain::Chain},
    syntax::print,
};

/// A stage of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    /// Its number, from 1, as far as that can be told without running anything.
    pub number: u32,
    /// From its marker to the end of its chain.
    pub span: Span,
    /// Its canonical text: layout and comments do not count, quotes and here-documents do.
    pub text: BString,
}

/// The stages that there were.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// Their canonical texts, in order.
    stages: Vec<BString>,
}

impl History {
    /// Those of an older script.
    pub fn of_script(text: &[u8]) -> History {
        let parsed = parse(Source::new("", text));
        History { stages: stages(&parsed).into_iter().map(|stage| stage.text).collect() }
    }

    /// Those with these texts, as a ledger has them.
    pub fn of_texts<'s>(texts: impl IntoIterator<Item = &'s str>) -> History {
        History { stages: texts.into_iter().map(|text| canonical(text.as_bytes())).collect() }
    }

    /// How many they are.
    pub fn len(&self) -> usize {
        self.stages.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.stages.is_empty()
    }
}

/// The stages of a script that is run from nothing, in the order in which they are reached: where that depends on what a
/// command answers, as if it were reached.
pub fn stages(parsed: &Parsed) -> Vec<Stage> {
    let mut collector = Collector(Vec::new());
    // Nothing is run, and so nothing fails but what has too many stages to be looked at.
    let _ = execute::run(
        &parsed.script,
        &Settings::default(),
        &mut Counted(0),
        &mut Bounded(MOST_STRETCHES),
        &mut collector,
    );
    collector.0
}

/// Holds a script against the stages that there were: those that are edited, inserted, or gone (CE090, CE091, CE092).
pub fn compare(parsed: &Parsed, history: &History) -> Vec<Diagnostic> {
    let now = stages(parsed);
    let after: Vec<BString> = now.iter().map(|stage| stage.text.clone()).collect();
    let mut findings = Vec::new();
    for operation in capture_diff_slices(Algorithm::Myers, &history.stages, &after) {
        let (old, new) = (operation.old_range(), operation.new_range());
        if matches!(operation, DiffOp::Equal { .. }) {
            continue;
        }
        let pairs = old.len().min(new.len());
        for index in 0..pairs {
            let stage = now.get(new.start + index).filter(|stage| !is_tombstone(stage));
            findings.extend(stage.map(|stage| edited(stage, old.start + index + 1)));
        }
        // Behind the last of those that there were, a stage is appended: that is how it is done.
        let is_appended = old.end >= history.len();
        for index in new.start + pairs..new.end {
            let was = history.stages.iter().position(|text| Some(text) == after.get(index));
            let stage = now.get(index).filter(|_| !is_appended);
            findings.extend(stage.map(|stage| inserted(parsed, stage, was)));
        }
        for index in old.start + pairs..old.end {
            let has_moved = history.stages.get(index).is_some_and(|text| after.contains(text));
            let before = new.end.checked_sub(1).and_then(|index| now.get(index));
            let text = history.stages.get(index);
            findings.extend(text.filter(|_| !has_moved).map(|text| removed(before, index + 1, text)));
        }
    }
    findings
}

/// Whether a stage does nothing: it stands where another one was.
fn is_tombstone(stage: &Stage) -> bool {
    matches!(stage.text.trim_ascii(), b"next_stage && :" | b"next_stage && true")
}

fn edited(stage: &Stage, number: usize) -> Diagnostic {
    let rule: &Rule = &rules::stage_edited::RULE;
    rule.finding(marker(stage), format!("stage {number} is applied, and not what it was"))
        .help("put it back, and append a stage that changes what has to change")
}

fn inserted(parsed: &Parsed, stage: &Stage, was: Option<usize>) -> Diagnostic {
    let rule: &Rule = &rules::stage_inserted::RULE;
    let message = match was {
        Some(was) => format!("stage {} has moved to here", was + 1),
        None => "this stage stands before stages that are applied".to_owned(),
    };
    let finding = rule.finding(marker(stage), message).help("move it to the end of the script");
    match move_to_end(parsed, stage.span) {
        Some(edits) => finding.fix(Applicability::Unsafe, edits),
        None => finding,
    }
}

fn removed(before: Option<&Stage>, number: usize, text: &BString) -> Diagnostic {
    let rule: &Rule = &rules::stage_removed::RULE;
    let place = before.map(|stage| stage.span).unwrap_or_default();
    let place = Span { start: place.end.saturating_sub(1).max(place.start), end: place.end };
    let summary = print::summary(text, 40);
    let finding = rule
        .finding(place, format!("stage {number} is gone: `{summary}`"))
        .help("leave a stage that does nothing in its place: `next_stage && :`");
    let (at, stage) = match before {
        Some(stage) => (stage.span.end, "\nnext_stage && :"),
        None => (0, "next_stage && :\n"),
    };
    finding.fix(Applicability::Unsafe, vec![Edit::insert(at, stage)])
}

/// The edits that move the lines of a stage to the end of the text, where nothing else stands on them.
fn move_to_end(parsed: &Parsed, span: Span) -> Option<Vec<Edit>> {
    let source = &parsed.script.source;
    let text = source.text();
    let start = text.get(..span.start as usize)?.rfind_byte(b'\n').map_or(0, |newline| newline + 1);
    let end = text.get(span.end as usize..)?.find_byte(b'\n').map(|length| span.end as usize + length + 1)?;
    let is_alone = text.get(start..span.start as usize)?.trim_ascii().is_empty()
        && text.get(span.end as usize..end)?.trim_ascii().is_empty();
    let has_document = source.documents().iter().any(|document| (start..end + 1).contains(&(document.start as usize)));
    let is_top = parsed.script.list.items.iter().any(|item| item.and_or.span == span);
    let lines = text.get(start..end)?.to_str().ok()?;
    let end_of_text = text.len() as u32;
    let newline = if text.ends_with(b"\n") { "" } else { "\n" };
    (is_alone && is_top && !has_document)
        .then(|| vec![Edit::replace(Span::new(start..end), ""), Edit::insert(end_of_text, format!("{newline}{lines}"))])
}

fn marker(stage: &Stage) -> Span {
    Span { start: stage.span.start, end: (stage.span.start + "next_stage".len() as u32).min(stage.span.end) }
}

/// A text as it is compared.
fn canonical(text: &[u8]) -> BString {
    print::canonical(&parse(Source::new("", text)).script.list)
}

/// More than a script can be meant to have: loops in loops may have any number of stages.
const MOST_STRETCHES: u32 = 50_000;

/// Runs nothing, and no more than some of it.
struct Bounded(u32);

impl Dispatcher for Bounded {
    fn dispatch(&mut self, request: &Request<'_>) -> Result<Response, DispatchError> {
        self.0 = self.0.checked_sub(1).ok_or_else(|| DispatchError {
            doing: "look through the stages".to_owned(),
            source: "there are too many".into(),
        })?;
        DryRun.dispatch(request)
    }
}

struct Collector(Vec<Stage>);

impl Collector {
    fn add(&mut self, chain: &Chain) {
        let number = self.0.len() as u32 + 1;
        self.0.push(Stage { number, span: chain.place.span, text: canonical(&chain.text) });
    }
}

impl Observer for Collector {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Started { request, .. } if matches!(request.kind, Kind::Stage(_)) => {
                request.chains.first().into_iter().for_each(|chain| self.add(chain));
            }
            Event::Inside { kind: Kind::Stage(_), chain, .. } => self.add(chain),
            _ => {}
        }
    }
}
