//! What a setup would do, and why, without doing it.

use std::{collections::BTreeMap, path::Path, time::Duration};

use bstr::{BStr, BString, ByteSlice};
use compeval_interpreter::{
    Place, Settings, State,
    dispatch::{Kind, Request, dry_run::DryRun},
    execute::{End, Event, Observer, Outcome},
    program::exports,
    run,
    stage::{
        self, Chain,
        fingerprint::{DependencyKind, Fingerprint},
    },
};

use super::{
    compare::{self, Comparison, Past, Present, StageChange},
    reason::Reason,
};
use crate::{
    computation::{description::Update, environment::Environment},
    container::{identity, mounts::Mounts},
    engine::Container,
    ledger::{Record, Records, RepeatedRecord},
};

/// What would become of a part of the script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is applied and stays as it is.
    Applied,
    /// It is not applied, and will run.
    Pending,
    /// It will run, as on every call.
    Always,
    /// Whether it runs depends on what the command at this place answers.
    Perhaps(Place),
}

/// A part of the script: a chain, or commands outside chains.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// What it is.
    pub kind: Kind,
    /// What would become of it.
    pub fate: Fate,
    /// Where it stands.
    pub place: Place,
    /// Its text.
    pub text: BString,
    /// Of a stage: what it is to those that a container had.
    pub change: StageChange,
    /// Of a stage: what it depends on.
    pub(crate) fingerprint: Option<Fingerprint>,
}

impl Step {
    /// Whether it is a stage that an answer decides about: then nobody knows how many there are.
    fn is_stage_perhaps(&self) -> bool {
        matches!((self.kind, &self.fate), (Kind::Stage(_), Fate::Perhaps(_)))
    }
}

/// What a setup would do, in order.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The steps.
    pub steps: Vec<Step>,
    /// Stages of the container that is used, or else of the last one, that the script does not have any more, each with
    /// how many steps stand before it.
    pub removed: Vec<(usize, Past)>,
    /// The engine's id of the image that the container is or will be made from, `sha256:` and 64 digits.
    pub image_id: String,
    /// Which container is used.
    pub action: Action,
    /// Why no other one is used as it is, where there are others.
    pub because: Option<Reason>,
    /// How many calls run in the container: where stages are to be applied, these are waited for, or another one is used.
    pub calls: usize,
    /// A stage that an ended call left without an end: it still runs, or the container is not used.
    pub unfinished: Option<u32>,
    /// The command whose answer decides how many stages there are.
    pub hits_depend_on: Option<Place>,
}

/// Which container a setup uses (our design, section 6).
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// This one, in which all stages are applied.
    Use(Container),
    /// This one, in which the first stages are applied.
    Append(Container),
    /// A new one, made from a snapshot.
    Fork {
        /// Of the first so many stages.
        stages: u32,
        /// What the version of the computation is filed under that it was taken for; see [`Computation::key`].
        ///
        /// [`Computation::key`]: crate::computation::Computation::key
        commit: String,
    },
    /// A new one, made from the image.
    Build,
}

impl Plan {
    /// How many stages are to be applied, those that perhaps run included.
    pub fn pending(&self) -> usize {
        let is_stage = |step: &&Step| matches!(step.kind, Kind::Stage(_)) && step.fate != Fate::Applied;
        self.steps.iter().filter(is_stage).count()
    }

    /// The same, where nobody knows how many stages there are, without those that seem to be gone.
    pub(super) fn without_doubtful_removals(mut self) -> Plan {
        if !self.is_sure() {
            self.removed.clear();
        }
        self
    }

    /// Whether the container that is used is sure: no answer decides about stages, and nothing that runs in it.
    pub fn is_sure(&self) -> bool {
        let waits = self.unfinished.is_some() || self.calls > 0 && self.pending() > 0;
        !waits && self.hits_depend_on.is_none() && !self.steps.iter().any(Step::is_stage_perhaps)
    }

    /// Whether stages that were applied are not what the script says now.
    pub fn is_edited(&self) -> bool {
        let is_other = |step: &Step| step.fate == Fate::Pending && step.change.is_edit();
        !self.removed.is_empty() || self.steps.iter().any(is_other)
    }

    /// How long the stages that will run take by the last time that they did, and how many of them nothing is known of.
    pub fn estimate(&self) -> (Duration, usize) {
        let pending = self.steps.iter().filter(|step| step.fate == Fate::Pending);
        let times: Vec<Option<Duration>> = pending.map(|step| step.change.estimate()).collect();
        (times.iter().flatten().sum(), times.iter().filter(|time| time.is_none()).count())
    }
}

/// Tells of each stage what it is to those of a ledger; gives the stages that are gone, each with how many steps stand
/// before it.
pub(super) fn compare(steps: &mut [Step], ledger: &Records) -> Vec<(usize, Past)> {
    let stages: Vec<usize> =
        steps.iter().enumerate().filter_map(|(at, step)| step.fingerprint.is_some().then_some(at)).collect();
    let now: Vec<Present<'_>> = steps
        .iter()
        .filter_map(|step| Some(Present { text: &step.text, fingerprint: step.fingerprint.as_ref()? }))
        .collect();
    let Comparison { changes, removed } = compare::compare(&now, ledger);
    for (at, change) in stages.iter().zip(changes) {
        if let Some(step) = steps.get_mut(*at) {
            step.change = change;
        }
    }
    let end = steps.len();
    removed.into_iter().map(|(before, past)| (stages.get(before).copied().unwrap_or(end), past)).collect()
}

/// Tells of the stages that would run which of them failed in another container, by its ledger.
pub(super) fn tell_failed(steps: &mut [Step], ledger: &Records) {
    let failed = ledger.failed().map(|record| record.stage);
    let Some(past) = failed.and_then(|number| compare::past_of(ledger, number)) else { return };
    let was = ledger.stage(past.number).and_then(|record| record.fingerprint.as_ref());
    let is_it = |step: &&mut Step| {
        step.fate == Fate::Pending && step.fingerprint.as_ref().is_some_and(|now| Some(&now.hash) == was)
    };
    if let Some(step) = steps.iter_mut().find(is_it) {
        step.change = StageChange::Same { past, differences: Vec::new() };
    }
}

/// The ledger of a container, as the interpreter sees it.
pub(crate) struct Recorded<'a> {
    pub(crate) environment: &'a Environment,
    pub(crate) base: String,
    pub(crate) ledger: &'a Records,
}

impl stage::Ledger for Recorded<'_> {
    fn applied(&self) -> u32 {
        self.ledger.applied()
    }

    fn fingerprint(&self, number: u32) -> Option<String> {
        self.ledger.stage(number)?.fingerprint.clone()
    }

    /// Where another text of the very same script stands at a stage's number, the stages were counted differently, because
    /// of what earlier ones did: `sh` goes by the number then, and so do we.
    fn agrees(&self, number: u32, chain: &Chain) -> bool {
        let Some(record) = self.ledger.stage(number) else { return true };
        let stands_there = |text: &[u8]| self.environment.script.source.text().contains_str(text);
        let counted_differently = record.script.as_ref() == Some(&self.environment.script_hash)
            && record.text.as_deref().is_some_and(|text| chain.text != text && stands_there(text.as_bytes()))
            && stands_there(&chain.text);
        counted_differently
            || record.fingerprint.is_none()
            || record.fingerprint.as_ref() == Some(&chain.fingerprint.hash)
    }

    fn keeps_repeated(&self) -> bool {
        true
    }

    fn has_repeated(&self, fingerprint: &str) -> bool {
        self.ledger.has_repeated(fingerprint)
    }

    fn base(&self) -> String {
        self.base.clone()
    }

    fn content(&mut self, path: &BStr) -> Option<String> {
        self.environment.content(Path::new(&path.to_os_str_lossy()))
    }
}

/// How many stages a script may reach that is still called the fast way: a loop that only a stage could end would go on
/// for ever.
const MOST_STAGES: u32 = 2000;

/// The same with every stage of the script applied, whatever it is.
struct AllApplied<'a>(Recorded<'a>);

impl stage::Ledger for AllApplied<'_> {
    fn applied(&self) -> u32 {
        MOST_STAGES
    }

    fn base(&self) -> String {
        self.0.base()
    }

    fn content(&mut self, path: &BStr) -> Option<String> {
        self.0.content(path)
    }
}

/// The same, where one stage is taken for applied as it is now, and so are those behind it that are as they were.
struct Accepting<'a> {
    recorded: Recorded<'a>,
    number: u32,
}

impl stage::Ledger for Accepting<'_> {
    fn applied(&self) -> u32 {
        self.recorded.applied()
    }

    // From there on, stages are chained to what they are now.
    fn fingerprint(&self, number: u32) -> Option<String> {
        self.recorded.fingerprint(number).filter(|_| number < self.number)
    }

    fn agrees(&self, number: u32, chain: &Chain) -> bool {
        let is_as_it_was = |record: &Record| {
            let differences = record.differences(&chain.fingerprint);
            !differences.is_empty() && differences.iter().all(|difference| difference.kind == DependencyKind::Previous)
        };
        let follows = || number > self.number && self.recorded.ledger.stage(number).is_some_and(is_as_it_was);
        number == self.number || self.recorded.agrees(number, chain) || follows()
    }

    fn keeps_repeated(&self) -> bool {
        true
    }

    fn base(&self) -> String {
        self.recorded.base()
    }

    fn content(&mut self, path: &BStr) -> Option<String> {
        self.recorded.content(path)
    }
}

/// What the script says where an edited stage is taken for applied.
pub(super) struct Accepted {
    /// The applied stages from that one on, each with its number.
    pub(super) stages: Vec<(u32, Chain)>,
    /// The texts of what runs on every call, by fingerprint.
    pub(super) repeated: BTreeMap<String, BString>,
}

/// Takes stage `number` for applied as it is now.
///
/// # Errors
/// Why not all of what is applied is what the script says then.
pub(super) fn accept(
    environment: &Environment,
    mounts: &Mounts,
    base: &str,
    ledger: &Records,
    number: u32,
) -> Result<Accepted, Reason> {
    let recorded = Recorded { environment, base: base.to_owned(), ledger };
    let mut steps = Steps::default();
    let mut accepting = Accepting { recorded, number };
    let outcome = run(&environment.script, &settings(mounts), &mut accepting, &mut DryRun, &mut steps);
    match outcome {
        Ok(Outcome { end: End::Diverged { number, chain }, .. }) => Err(edited(ledger, number, &chain)),
        _ => {
            steps.applied.retain(|(applied, _)| *applied >= number);
            Ok(Accepted { stages: steps.applied, repeated: steps.repeated })
        }
    }
}

/// What can be told of a finished setup without running any of it, where the script has nothing but stages.
pub(crate) struct Settled {
    /// The fingerprint that it ends with.
    pub(crate) fingerprint: String,
    /// What it leaves for later calls: a hash of that, and of what the script exports.
    pub(crate) ready: String,
}

/// What a finished setup will be; `None` when that is not sure.
pub(crate) fn settled(environment: &Environment, mounts: &Mounts, base: String) -> Option<Settled> {
    let none = Records::default();
    let mut ledger = AllApplied(Recorded { environment, base, ledger: &none });
    let mut steps = Steps::default();
    let outcome = run(&environment.script, &settings(mounts), &mut ledger, &mut DryRun, &mut steps).ok()?;
    let only_applied = steps.steps.iter().all(|step| step.fate == Fate::Applied);
    let is_still = only_applied && outcome.end == End::Finished && outcome.state.exit_trap.is_none();
    let exports = String::from_utf8_lossy(&exports(&outcome.state)).into_owned();
    let fingerprint = outcome.fingerprint;
    let ready = identity::hash(&[vec![fingerprint.clone(), exports]]);
    is_still.then_some(Settled { fingerprint, ready })
}

/// What a setup that ends as is expected leaves for later calls; `None` when nothing can be told of it.
pub(crate) fn left_then(settled: Option<&Settled>, environment: &Environment, base: &str) -> Option<String> {
    settled.map(|settled| settled.ready.clone()).or_else(|| settled_key(environment, base))
}

/// What a setup leaves for later calls whose script runs commands on every call: a hash of all that the script says and
/// reads of the computation. `None` when that cannot be read.
fn settled_key(environment: &Environment, base: &str) -> Option<String> {
    let version = environment.version()?;
    Some(format!("settled {}", identity::hash(&[vec![base.to_owned(), environment.script_hash.clone(), version]])))
}

/// Whether a container with this ledger can be what the script says, and what would run there.
pub(crate) struct Fit {
    /// What would run.
    pub(crate) steps: Vec<Step>,
    /// How many stages would, or might; `Err` why the container cannot be used.
    pub(crate) pending: Result<usize, Reason>,
    /// The fingerprints of the stages that would run, in order.
    pub(crate) stages: Vec<String>,
    /// The texts of what runs on every call, by fingerprint.
    pub(crate) repeated: BTreeMap<String, BString>,
    /// The command whose answer decides how many stages there are.
    pub(crate) hits_depend_on: Option<Place>,
}

/// Holds the script against a container's ledger, without running anything.
pub(crate) fn fit(environment: &Environment, mounts: &Mounts, base: &str, ledger: &Records) -> Fit {
    let mut steps = Steps::default();
    let mut recorded = Recorded { environment, base: base.to_owned(), ledger };
    let outcome = run(&environment.script, &settings(mounts), &mut recorded, &mut DryRun, &mut steps);
    let is_ours = |script: &Option<String>| script.as_ref() == Some(&environment.script_hash);
    let is_past = |one: &RepeatedRecord| {
        let commit = one.commit.as_deref().filter(|_| environment.description.update == Update::InPlace);
        commit.is_some_and(|commit| environment.computation.descends_from(commit))
    };
    let is_said = |one: &RepeatedRecord| is_ours(&one.script) || steps.repeated.contains_key(&one.fingerprint);
    let gone = ledger.repeated().find(|one| !is_said(one) && !is_past(one));
    let hits_depend_on = outcome.as_ref().ok().and_then(|outcome| outcome.hits_depend_on.clone());
    let is_sure = hits_depend_on.is_none() && !steps.steps.iter().any(Step::is_stage_perhaps);
    let pending = match outcome {
        Ok(Outcome { end: End::Diverged { number, chain }, .. }) => Err(edited(ledger, number, &chain)),
        _ if gone.is_some() => Err(Reason::RepeatedGone { text: gone.map(|one| one.text.clone()).unwrap_or_default() }),
        Ok(Outcome { hits, .. }) if is_sure => removed(environment, ledger, hits).map_or(Ok(steps.pending), Err),
        _ => Ok(steps.pending),
    };
    Fit { steps: steps.steps, pending, stages: steps.stages, repeated: steps.repeated, hits_depend_on }
}

/// Why a container is not used in which more stages are applied than the script has, which hits so many. What the same
/// script did before tells nothing of that.
pub(super) fn removed(environment: &Environment, ledger: &Records, hits: u32) -> Option<Reason> {
    let last = ledger.stage(ledger.applied());
    let last_is_ours = last.is_some_and(|record| record.script.as_ref() == Some(&environment.script_hash));
    (hits < ledger.applied() && !last_is_ours).then_some(Reason::StageRemoved(hits + 1))
}

/// The same steps in a container where the first so many stages are applied.
pub(crate) fn apply_first(steps: &mut [Step], stages: u32) {
    let is_applied = |step: &&mut Step| matches!(step.kind, Kind::Stage(number) if number <= stages);
    steps.iter_mut().filter(is_applied).for_each(|step| step.fate = Fate::Applied);
}

/// Why a container is not used in which stage `number` is no longer what `chain` is now.
pub(super) fn edited(ledger: &Records, number: u32, chain: &Chain) -> Reason {
    let differences = ledger.stage(number).map(|record| record.differences(&chain.fingerprint)).unwrap_or_default();
    Reason::StageEdited { number, differences }
}

/// How the script is walked: what is known of the shell before it begins.
pub(crate) fn settings(mounts: &Mounts) -> Settings {
    let known = mounts.env().into_iter().map(|(name, value)| (name, value.into()));
    Settings { state: State::with_environment(known), ..Settings::default() }
}

/// What a walk comes by.
#[derive(Default)]
struct Steps {
    steps: Vec<Step>,
    /// How many stages would run, or might.
    pending: usize,
    /// The texts of what runs on every call, by fingerprint.
    repeated: BTreeMap<String, BString>,
    /// The stages that are applied, in order.
    applied: Vec<(u32, Chain)>,
    /// The fingerprints of stages that would run, in order.
    stages: Vec<String>,
}

impl Steps {
    /// A chain, or what goes to the shell without one.
    fn step(&mut self, kind: Kind, is_applied: bool, depends_on: Option<&Place>, part: StepText<'_>) {
        let (place, text, fingerprint) = match part {
            StepText::Chain(chain) => (&chain.place, &chain.text, Some(&chain.fingerprint)),
            StepText::Request(request) => (&request.place, &request.text, None),
        };
        let fingerprint = fingerprint.filter(|_| matches!(kind, Kind::Stage(_))).cloned();
        let fate = match (depends_on, kind) {
            (Some(place), _) => Fate::Perhaps(place.clone()),
            (None, Kind::Stage(_)) if is_applied => Fate::Applied,
            (None, Kind::Stage(_)) => Fate::Pending,
            (None, _) => Fate::Always,
        };
        self.pending += usize::from(matches!(kind, Kind::Stage(_)) && !is_applied);
        let (place, text, change) = (place.clone(), text.clone(), StageChange::New);
        self.steps.push(Step { kind, fate, place, text, change, fingerprint });
    }
}

/// What a step is made of.
enum StepText<'p> {
    Chain(&'p Chain),
    Request(&'p Request<'p>),
}

impl Observer for Steps {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Skipped { number, chain, depends_on } => {
                self.applied.push((number, chain.clone()));
                self.step(Kind::Stage(number), true, depends_on, StepText::Chain(chain));
            }
            // What words become is no step of its own.
            Event::Started { request, .. } if request.kind == Kind::Expansion => {}
            Event::Started { request, depends_on } => {
                let chain = request.chains.first().filter(|_| matches!(request.kind, Kind::Stage(_)));
                self.stages.extend(chain.map(|chain| chain.fingerprint.hash.clone()));
                let repeated = request.repeated.iter();
                self.repeated.extend(repeated.map(|one| (one.fingerprint.clone(), one.text.clone())));
                self.step(request.kind, false, depends_on, chain.map_or(StepText::Request(request), StepText::Chain));
            }
            Event::Inside { kind, chain, is_applied, depends_on } => {
                match (kind, is_applied) {
                    (Kind::Stage(number), true) => self.applied.push((number, chain.clone())),
                    (Kind::Stage(_), false) => self.stages.push(chain.fingerprint.hash.clone()),
                    _ => {}
                }
                self.step(kind, is_applied, depends_on, StepText::Chain(chain));
            }
            Event::Ended { .. } => {}
        }
    }
}
