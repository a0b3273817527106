//! What `--dry-run` shows: what would become of each part of the script, why, and what would be run then.
//!
//! [`PlanDocument`] is all of it, as data: printed as JSON it is the schema `ce.plan/1`, which is only ever extended
//! (`docs/schemas/ce.plan.1.json`); [`text`] draws the same for a person.

pub mod text;

use bstr::ByteSlice;
use compeval_interpreter::{Place, dispatch::Kind};
use compeval_runtime::{
    Environment,
    call::Call,
    container::mounts::Mounts,
    engine::Container,
    setup::{
        compare::{Past, StageChange},
        plan::{Action, Fate, Plan, Step},
    },
};
use serde::Serialize;

use crate::words;

/// The name of the schema.
pub const SCHEMA: &str = "ce.plan/1";

/// A plan, with all that a person or a program is told of it.
#[derive(Debug, Serialize)]
pub struct PlanDocument {
    schema: &'static str,
    computation: ComputationPart,
    container: ContainerPart,
    image: ImagePart,
    /// The stage that an ended call left without an end.
    unfinished_stage: Option<u32>,
    /// The command whose answer decides how many stages there are.
    stages_depend_on: Option<PlacePart>,
    steps: Vec<StepPart>,
    command: CommandPart,
    totals: StageTotals,
}

#[derive(Debug, Serialize)]
struct ComputationPart {
    name: String,
    directory: String,
    /// What its version is filed under: the commit, and a hash of what differs from it.
    version: String,
    has_uncommitted_changes: bool,
}

#[derive(Debug, Serialize)]
struct ContainerPart {
    action: ActionPart,
    /// Whether that is sure: otherwise the answers that decide about stages may have another one used.
    is_sure: bool,
    /// Its name, where it is there already.
    name: Option<String>,
    state: Option<&'static str>,
    /// How many stages the snapshot has that it is made from, and the version that was taken for.
    snapshot_stages: Option<u32>,
    snapshot_version: Option<String>,
    /// How many calls run in it.
    calls: usize,
    /// Why the last one is not used as it is.
    because: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum ActionPart {
    Use,
    Append,
    Fork,
    Build,
}

#[derive(Debug, Serialize)]
struct ImagePart {
    name: String,
    id: String,
}

/// What a step is to what was there before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum StepMark {
    Kept,
    New,
    Edited,
    Moved,
    Again,
    Removed,
    Failed,
    May,
    Always,
}

impl StepMark {
    /// Whether it is that of a stage that will run.
    fn is_to_run(self) -> bool {
        use StepMark::{Again, Edited, Failed, Moved, New};
        matches!(self, New | Edited | Moved | Again | Failed)
    }
}

#[derive(Debug, Serialize)]
struct StepPart {
    mark: StepMark,
    /// `stage`, `everytime`, `command`, `condition` or `exit-trap`.
    kind: &'static str,
    stage: Option<u32>,
    /// The text that it stands in, and the line of it.
    source: String,
    /// Whether that is not the setup script itself.
    #[serde(skip)]
    is_elsewhere: bool,
    line: usize,
    title: String,
    text: String,
    /// Why it is as it is.
    reasons: Vec<String>,
    /// The command whose answer decides whether it runs.
    depends_on: Option<PlacePart>,
    /// What it was before.
    was: Option<WasPart>,
    /// How long it will take if it takes as long as the last time.
    estimate_seconds: Option<f64>,
}

#[derive(Debug, Serialize)]
struct PlacePart {
    source: String,
    line: usize,
    text: String,
}

/// What a stage was, by a container's ledger.
#[derive(Debug, Serialize)]
pub struct WasPart {
    stage: u32,
    line: Option<usize>,
    text: String,
    began: Option<String>,
    seconds: Option<f64>,
    version: Option<String>,
    failed_status: Option<i32>,
}

#[derive(Debug, Serialize)]
struct CommandPart {
    /// As the container sees it; what is no text is shown with replacements.
    arguments: Vec<String>,
    directory: String,
    user: String,
    mounts: Vec<MountPart>,
}

#[derive(Debug, Serialize)]
struct MountPart {
    source: String,
    target: String,
    read_only: bool,
}

#[derive(Debug, Default, Serialize)]
struct StageTotals {
    kept: usize,
    will_run: usize,
    may_run: usize,
    removed: usize,
    always: usize,
    /// Of the stages that will run, and how many of them nothing is known of.
    estimate_seconds: f64,
    without_estimate: usize,
}

/// How `--detailed-exitcode` tells of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToDo {
    /// No stage would be applied.
    Nothing,
    /// Stages would be applied, or might.
    Stages,
    /// Stages that were applied are edited, moved or gone.
    Edits,
}

impl ToDo {
    /// What a plan comes to.
    pub fn of(plan: &Plan) -> ToDo {
        match (plan.is_edited(), plan.pending()) {
            (true, _) => ToDo::Edits,
            (false, 0) => ToDo::Nothing,
            (false, _) => ToDo::Stages,
        }
    }

    /// The exit status.
    pub fn status(self) -> u8 {
        match self {
            ToDo::Nothing => 0,
            ToDo::Stages => 2,
            ToDo::Edits => 3,
        }
    }
}

impl PlanDocument {
    /// All there is to say of a plan, and of the command that would be run.
    pub fn new(environment: &Environment, mounts: &Mounts, call: &Call, plan: &Plan) -> PlanDocument {
        let computation = &environment.computation;
        let key = computation.key();
        let (estimate, without_estimate) = plan.estimate();
        let mut steps: Vec<StepPart> = plan.steps.iter().map(|step| StepPart::of(environment, step)).collect();
        // It may end well by itself.
        let is_open = |step: &&mut StepPart| step.stage.is_some() && step.stage == plan.unfinished;
        for step in steps.iter_mut().filter(is_open) {
            (step.mark, step.reasons) = (StepMark::May, vec!["it began, and has not ended".to_owned()]);
        }
        for (at, past) in plan.removed.iter().rev() {
            steps.insert((*at).min(steps.len()), StepPart::removed(environment, past));
        }
        let count = |is: fn(&StepPart) -> bool| steps.iter().filter(|step| is(step)).count();
        let totals = StageTotals {
            kept: count(|step| step.mark == StepMark::Kept),
            will_run: count(|step| step.stage.is_some() && step.mark.is_to_run()),
            may_run: count(|step| step.stage.is_some() && step.mark == StepMark::May),
            removed: plan.removed.len(),
            always: count(|step| step.mark == StepMark::Always),
            estimate_seconds: estimate.as_secs_f64(),
            without_estimate,
        };
        PlanDocument {
            schema: SCHEMA,
            computation: ComputationPart {
                name: computation.name.clone(),
                directory: computation.directory.display().to_string(),
                has_uncommitted_changes: key.contains('+'),
                version: key,
            },
            container: ContainerPart::of(plan),
            image: ImagePart { name: environment.description.image.clone(), id: plan.image_id.clone() },
            unfinished_stage: plan.unfinished,
            stages_depend_on: plan.hits_depend_on.as_ref().map(PlacePart::of),
            steps,
            command: CommandPart::of(mounts, call),
            totals,
        }
    }

    /// The schema `ce.plan/1`.
    ///
    /// # Errors
    /// None that is known: everything is text or a number.
    pub fn json(&self) -> Result<String, serde_json::Error> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }
}

impl ContainerPart {
    fn of(plan: &Plan) -> ContainerPart {
        let there = |action, container: &Container| ContainerPart {
            action,
            is_sure: true,
            name: Some(container.name.clone()),
            state: Some(words::state(container.state)),
            snapshot_stages: None,
            snapshot_version: None,
            calls: 0,
            because: None,
        };
        let made = |action, snapshot: Option<(u32, &String)>| ContainerPart {
            action,
            is_sure: true,
            name: None,
            state: None,
            snapshot_stages: snapshot.map(|(stages, _)| stages),
            snapshot_version: snapshot.map(|(_, version)| version.clone()),
            calls: 0,
            because: None,
        };
        let part = match &plan.action {
            Action::Use(container) => there(ActionPart::Use, container),
            Action::Append(container) => there(ActionPart::Append, container),
            Action::Fork { stages, commit } => made(ActionPart::Fork, Some((*stages, commit))),
            Action::Build => made(ActionPart::Build, None),
        };
        let because = plan.because.as_ref().map(words::reason);
        ContainerPart { because, is_sure: plan.is_sure(), calls: plan.calls, ..part }
    }
}

impl StepPart {
    fn of(environment: &Environment, step: &Step) -> StepPart {
        let stage = match step.kind {
            Kind::Stage(number) => Some(number),
            _ => None,
        };
        let was = step.change.past();
        let is_other = step.place.source.name() != environment.script.source.name();
        StepPart {
            mark: mark(step),
            kind: words::kind_name(step.kind),
            stage,
            source: if is_other { step.place.source.name().to_owned() } else { own_name(environment) },
            is_elsewhere: is_other,
            line: step.place.line(),
            title: words::title(&step.place, &step.text, usize::MAX),
            text: step.text.to_string(),
            reasons: reasons(step),
            depends_on: match &step.fate {
                Fate::Perhaps(place) => Some(PlacePart::of(place)),
                _ => None,
            },
            was: was.map(WasPart::of),
            estimate_seconds: step
                .change
                .estimate()
                .filter(|_| step.fate != Fate::Applied)
                .map(|time| time.as_secs_f64()),
        }
    }

    fn removed(environment: &Environment, past: &Past) -> StepPart {
        StepPart {
            mark: StepMark::Removed,
            kind: words::kind_name(Kind::Stage(past.number)),
            stage: Some(past.number),
            source: own_name(environment),
            is_elsewhere: false,
            line: past.line.unwrap_or_default(),
            title: words::without_marker(past.text.as_bytes()).to_str_lossy().into_owned(),
            text: past.text.clone(),
            reasons: vec!["it is not in the script any more".to_owned()],
            depends_on: None,
            was: Some(WasPart::of(past)),
            estimate_seconds: None,
        }
    }
}

fn own_name(environment: &Environment) -> String {
    environment.script.source.name().to_owned()
}

impl WasPart {
    /// The same as data.
    pub fn of(past: &Past) -> WasPart {
        WasPart {
            stage: past.number,
            line: past.line,
            text: past.text.clone(),
            began: past.began.clone(),
            seconds: past.took.map(|time| time.as_secs_f64()),
            version: past.commit.clone(),
            failed_status: past.failed,
        }
    }
}

impl PlacePart {
    fn of(place: &Place) -> PlacePart {
        PlacePart { source: place.source.name().to_owned(), line: place.line(), text: place.text().to_string() }
    }
}

impl CommandPart {
    fn of(mounts: &Mounts, call: &Call) -> CommandPart {
        let mount = |mount: compeval_runtime::engine::BindMount| MountPart {
            source: mount.source.display().to_string(),
            target: mount.target,
            read_only: mount.read_only,
        };
        CommandPart {
            arguments: call.argv.iter().map(|word| word.to_string_lossy().into_owned()).collect(),
            directory: call.directory.to_string_lossy().into_owned(),
            user: call.user.clone().unwrap_or_default(),
            mounts: mounts.bind_mounts().into_iter().map(mount).collect(),
        }
    }
}

fn mark(step: &Step) -> StepMark {
    match (&step.fate, &step.change) {
        (Fate::Applied, _) => StepMark::Kept,
        (Fate::Always, _) => StepMark::Always,
        (Fate::Perhaps(_), _) => StepMark::May,
        (Fate::Pending, StageChange::New) => StepMark::New,
        (Fate::Pending, change) if change.past().is_some_and(|past| past.failed.is_some()) => StepMark::Failed,
        (Fate::Pending, StageChange::Same { .. }) => StepMark::Again,
        (Fate::Pending, StageChange::Moved { .. }) => StepMark::Moved,
        (Fate::Pending, StageChange::Edited { .. }) => StepMark::Edited,
    }
}

/// Why a stage runs that was applied, or tried, before.
fn reasons(step: &Step) -> Vec<String> {
    if step.fate != Fate::Pending {
        return Vec::new();
    }
    let failed = step.change.past().and_then(|past| past.failed);
    let failed = failed.map(|status| format!("it {}", words::failed(status)));
    let others = match &step.change {
        StageChange::New => Vec::new(),
        StageChange::Moved { past } => vec![format!("it was stage {}", past.number)],
        StageChange::Same { differences, .. } | StageChange::Edited { differences, .. } => {
            differences.iter().map(words::difference).collect()
        }
    };
    failed.into_iter().chain(others).collect()
}
