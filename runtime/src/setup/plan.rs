//! What a setup would do, and why, without doing it.

use std::path::Path;

use bstr::{BStr, BString, ByteSlice};
use compeval_interpreter::{
    Place, Settings, State,
    dispatch::{Kind, dry_run::DryRun},
    execute::{End, Event, Observer},
    run,
    stage::{self, Chain},
};

use super::reason::Reason;
use crate::{computation::environment::Environment, container::mounts::Mounts, ledger::Records};

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
}

/// What a setup would do, in order.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The steps.
    pub steps: Vec<Step>,
    /// Why the container will be replaced by a new one, if it will: all runs anew, then.
    pub replaced: Option<Reason>,
    /// A stage that an ended call left without an end: it still runs, or the container will be replaced.
    pub unfinished: Option<u32>,
    /// When nothing but applied stages would be reached: the last one's fingerprint.
    pub ready: Option<String>,
}

impl Plan {
    /// How many stages are to be applied, those that perhaps run included.
    pub fn pending(&self) -> usize {
        let is_stage = |step: &&Step| matches!(step.kind, Kind::Stage(_)) && step.fate != Fate::Applied;
        self.steps.iter().filter(is_stage).count()
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

    /// Within one version of the computation the script is the same. Where another text stands at a stage's number, the
    /// stages were counted differently, because of what earlier ones did: `sh` goes by the number then, and so do we.
    fn agrees(&self, number: u32, chain: &Chain) -> bool {
        let Some(record) = self.ledger.stage(number) else { return true };
        let counted_differently = record.commit.as_deref() == Some(self.environment.computation.key().as_str())
            && record.text.as_deref().is_some_and(|text| chain.text != text);
        counted_differently
            || record.fingerprint.is_none()
            || record.fingerprint.as_ref() == Some(&chain.fingerprint.hash)
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

/// The fingerprint that a finished setup ends with, when the script has nothing but stages and it can be told without
/// running any of it.
pub(crate) fn ready_fingerprint(environment: &Environment, mounts: &Mounts, base: String) -> Option<String> {
    let none = Records::default();
    let mut ledger = AllApplied(Recorded { environment, base, ledger: &none });
    let mut steps = Steps::default();
    let outcome = run(&environment.script, &settings(mounts), &mut ledger, &mut DryRun, &mut steps).ok()?;
    let only_applied = steps.0.iter().all(|step| step.fate == Fate::Applied);
    let is_still = only_applied && outcome.end == End::Finished && outcome.state.exit_trap.is_none();
    is_still.then_some(outcome.fingerprint)
}

/// What a setup would do in a container with this ledger.
pub(crate) fn plan(environment: &Environment, mounts: &Mounts, base: &str, ledger: &Records) -> Plan {
    let mut steps = Steps::default();
    let mut recorded = Recorded { environment, base: base.to_owned(), ledger };
    let outcome = run(&environment.script, &settings(mounts), &mut recorded, &mut DryRun, &mut steps);
    if let Ok(outcome) = outcome
        && let End::Diverged { number, chain } = outcome.end
    {
        let anew = plan(environment, mounts, base, &Records::default());
        return Plan { replaced: Some(edited(ledger, number, &chain)), ready: None, ..anew };
    }
    let all_applied = steps.0.iter().all(|step| step.fate == Fate::Applied);
    let ready = all_applied.then(|| ready_fingerprint(environment, mounts, base.to_owned())).flatten();
    Plan { steps: steps.0, replaced: None, unfinished: None, ready }
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

#[derive(Default)]
struct Steps(Vec<Step>);

impl Observer for Steps {
    fn event(&mut self, event: Event<'_>) {
        let step = match event {
            Event::Skipped { number, chain, depends_on } => Step {
                kind: Kind::Stage(number),
                fate: depends_on.cloned().map_or(Fate::Applied, Fate::Perhaps),
                place: chain.place.clone(),
                text: chain.text.clone(),
            },
            // What words become is no step of its own.
            Event::Started { request, .. } if request.kind == Kind::Expansion => return,
            Event::Started { request, depends_on } => Step {
                kind: request.kind,
                fate: match (depends_on, request.kind) {
                    (Some(place), _) => Fate::Perhaps(place.clone()),
                    (None, Kind::Stage(_)) => Fate::Pending,
                    (None, _) => Fate::Always,
                },
                place: request.place.clone(),
                text: request.text.clone(),
            },
            Event::Inside { kind, chain, is_applied, depends_on } => Step {
                kind,
                fate: match (depends_on, kind) {
                    (Some(place), _) => Fate::Perhaps(place.clone()),
                    (None, Kind::Stage(_)) if is_applied => Fate::Applied,
                    (None, Kind::Stage(_)) => Fate::Pending,
                    (None, _) => Fate::Always,
                },
                place: chain.place.clone(),
                text: chain.text.clone(),
            },
            Event::Ended { .. } => return,
        };
        self.0.push(step);
    }
}
