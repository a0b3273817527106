//! The walk over a script: where it stands, what it knows, and where it goes next.

use std::{collections::BTreeSet, sync::Arc};

use super::{
    cause::{self, Cause},
    doubt::Doubt,
    outcome::{End, Observer, Outcome},
};
use crate::{
    Diagnostic, Place, Source, Span,
    analyze::{functions::Functions, reach::Markers, ties::Ties},
    dispatch::{
        DispatchError, Dispatcher,
        request::{Cancel, Defined, Kind, Message, Request, Response},
    },
    parse,
    stage::{Fingerprint, Ledger, dependencies, fingerprint::Link, origin::Origin},
    state::{Function, State},
    syntax::{
        FunctionDefinition, ListItem, Script,
        visit::{definitions_and_texts, definitions_in},
    },
};

/// How a run is done.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Send every complete command separately.
    pub split: bool,
    /// Stops the run.
    pub cancel: Cancel,
    /// What is known of the state before the script begins, such as variables set for it, or the state that another
    /// run ended with.
    pub state: State,
}

/// The exit statuses of shells that end by an error of their own.
const GIVING_UP: [i32; 3] = [1, 2, 127];

/// Runs a script from its beginning.
///
/// # Errors
/// When the dispatcher cannot run anything any more.
pub fn run(
    script: &Script,
    settings: &Settings,
    ledger: &mut dyn Ledger,
    dispatcher: &mut dyn Dispatcher,
    observer: &mut dyn Observer,
) -> Result<Outcome, DispatchError> {
    let mut walk = Walk {
        source: Arc::clone(&script.source),
        first_number: 0,
        next_number: 0,
        markers: Markers::default(),
        functions: Functions::default(),
        state: settings.state.clone(),
        hits: 0,
        applied: ledger.applied(),
        link: Link::new(ledger.base()),
        origin: Origin::new(&settings.state),
        repeated: BTreeSet::new(),
        loops: 0,
        calls: 0,
        doubt: Doubt::default(),
        expanded: None,
        lists: 0,
        is_last: false,
        trap_status: None,
        last_sent: None,
        steps: 0,
        failed: None,
        settings,
        ledger,
        dispatcher,
        observer,
    };
    walk.adopt_functions();
    let flow = walk.text(script, Errexit::Counts)?;
    let (end, status) = match flow {
        Course::Stop(end) => (end, walk.state.status),
        Course::Return => (End::Exited, walk.state.status),
        Course::Next | Course::Break(_) | Course::Continue(_) | Course::Together(_) => (End::Finished, 0),
    };
    walk.exit_trap(end, status)
}

/// Whether a failing command ends the shell under `set -e` here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Errexit {
    Counts,
    /// In a condition, before `&&` or `||`, or behind `!` (POSIX 2.8.1, Consequences of Shell Errors; `set -e`).
    Ignored,
}

/// Where the walk goes after a node. The exit status is in the state.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Course {
    Next,
    /// Out of so many loops.
    Break(usize),
    /// On with the so-manyeth loop around.
    Continue(usize),
    Return,
    Stop(End),
    /// The pipeline of that number in an and-or list needs one shell with all that follows in the list around.
    Together(usize),
}

/// What became of a node that was to be walked.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Walked {
    /// It was; the walk goes there.
    Done(Course),
    /// It cannot be split from what is around it, and goes to the shell as a whole.
    NeedsShell,
    /// The same, and what follows in its list must have the same shell: it may open files or start processes.
    NeedsShellWithRest,
}

/// Returns early unless the walk goes on to the next node.
macro_rules! next {
    ($flow:expr) => {
        match $flow? {
            Course::Next => {}
            flow => return Ok(flow),
        }
    };
}
pub(super) use next;

/// A script being walked.
pub(super) struct Walk<'a> {
    /// The text being walked: the script, or one that `eval` or `.` runs in it.
    pub(super) source: Arc<Source>,
    /// The number of a definition at that text's beginning, and the first one no text has yet.
    pub(super) first_number: u32,
    pub(super) next_number: u32,
    pub(super) markers: Markers,
    /// The function definitions of all texts so far.
    pub(super) functions: Functions<Ties>,
    pub(super) state: State,
    pub(super) hits: u32,
    pub(super) applied: u32,
    pub(super) link: Link,
    pub(super) origin: Origin,
    /// The fingerprints of what runs on every call, as far as this run had it recorded.
    pub(super) repeated: BTreeSet<String>,
    /// Loops around the current place, up to the next function.
    pub(super) loops: usize,
    /// Function calls around the current place.
    pub(super) calls: usize,
    pub(super) doubt: Doubt,
    /// The command whose operands were expanded for nothing, for it needs a shell after all, and what they came to.
    pub(super) expanded: Option<(Span, String)>,
    /// Lists around the current place.
    pub(super) lists: usize,
    /// Whether nothing comes behind the stretch that is sent next.
    pub(super) is_last: bool,
    /// The exit status of a shell that ran the action of the EXIT trap.
    pub(super) trap_status: Option<i32>,
    /// The last stretch that was run, and what its shell complained of.
    pub(super) last_sent: Option<(Place, Option<Message>)>,
    /// How many commands of the last chain went well, where that was counted.
    pub(super) steps: usize,
    /// The command of a chain that failed.
    pub(super) failed: Option<Place>,
    pub(super) settings: &'a Settings,
    pub(super) ledger: &'a mut dyn Ledger,
    pub(super) dispatcher: &'a mut dyn Dispatcher,
    pub(super) observer: &'a mut dyn Observer,
}

impl Walk<'_> {
    /// Walks a text: the script, or one inside another.
    pub(super) fn text(&mut self, script: &Script, errexit: Errexit) -> Result<Course, DispatchError> {
        let outer = self.enter(script);
        let flow = self.list(&script.list, errexit);
        (self.source, self.first_number) = outer;
        flow
    }

    /// Takes the functions of the state before the script as ones of this run.
    fn adopt_functions(&mut self) {
        let functions = std::mem::take(&mut self.state.functions);
        let mut sources: Vec<&Arc<Source>> = Vec::new();
        for function in functions.values() {
            if !sources.contains(&&function.source) {
                sources.push(&function.source);
            }
        }
        for source in sources {
            let script = parse(Arc::clone(source)).script;
            let outer = self.enter(&script);
            for definition in definitions_in(&script.list) {
                let is_it = |old: &&Function| old.source == *source && old.definition.span == definition.span;
                if let Some(old) = functions.get(&definition.name).filter(is_it) {
                    let function = Function { aliases: Arc::clone(&old.aliases), ..self.function(&definition) };
                    Arc::make_mut(&mut self.state.functions).insert(definition.name.clone(), function);
                    self.origin.define(&definition);
                }
            }
            (self.source, self.first_number) = outer;
        }
    }

    /// Makes a text the one that is walked, and its functions and markers known; gives what was walked before.
    fn enter(&mut self, script: &Script) -> (Arc<Source>, u32) {
        let source = std::mem::replace(&mut self.source, Arc::clone(&script.source));
        let first_number = std::mem::replace(&mut self.first_number, self.next_number);
        let length = u32::try_from(script.source.text().len()).unwrap_or(u32::MAX);
        self.next_number = self.next_number.saturating_add(length).saturating_add(1);
        for definition in self.markers.add(script) {
            let function = self.function(&definition);
            self.functions.insert(function);
        }
        (source, first_number)
    }

    /// A definition in the text being walked, as a function.
    pub(super) fn function(&self, definition: &Arc<FunctionDefinition>) -> Function {
        let number = self.first_number.saturating_add(definition.span.start);
        let aliases = Arc::new(self.state.aliases.clone());
        Function { definition: Arc::clone(definition), source: Arc::clone(&self.source), number, aliases }
    }

    /// A place in the text being walked.
    pub(super) fn place(&self, span: Span) -> Place {
        Place { source: Arc::clone(&self.source), span }
    }

    /// The fingerprint of the chain that is about to run or be skipped.
    pub(super) fn fingerprint(&mut self, items: &[ListItem], with_files: bool) -> Fingerprint {
        dependencies::of_chain(&self.link, items, &self.origin, self.ledger, with_files)
    }

    /// An and-or list has run outside of stages.
    pub(super) fn ran(&mut self, item: &ListItem) {
        self.origin.run(item, self.ledger);
    }

    /// Why a run failed that ended with the last stretch that was sent.
    fn cause(&self, end: &End, status: i32) -> Option<Cause> {
        let (place, message) = self.last_sent.as_ref()?;
        let gave_up = GIVING_UP.contains(&status);
        let error = message.as_ref().filter(|_| gave_up).and_then(|message| cause::find(message, place));
        match end {
            End::ChainFailed { .. } => error,
            End::Exited if status != 0 => error.or_else(|| {
                let exit = cause::exit_with(status, place).map(|span| Place { span, ..place.clone() });
                let complaint = message.as_ref().filter(|_| gave_up);
                let complaint = || complaint.and_then(|message| cause::complained_at(message, place));
                let Place { source, span } = exit.or_else(complaint).unwrap_or_else(|| place.clone());
                let finding = Diagnostic::error(span, "the setup script ended here");
                let finding = finding.label(format!("ended with status {status}"));
                Some(Cause { source, finding })
            }),
            _ => None,
        }
    }

    /// Runs the action of `trap ... EXIT`, and tells what became of the run.
    fn exit_trap(mut self, end: End, status: i32) -> Result<Outcome, DispatchError> {
        let mut status = status;
        let cause = self.cause(&end, status);
        let is_over = matches!(
            end,
            End::Cancelled | End::Diverged { .. } | End::Lost { .. } | End::ChainFailed { lost: true, .. }
        );
        if let Some(ended) = self.trap_status.filter(|ended| !is_over && *ended != 0) {
            status = ended;
        }
        if let Some(action) = self.state.exit_trap.take().filter(|_| !is_over) {
            self.state.status = status;
            let source = Arc::new(Source::new("trap EXIT", action));
            let (text, span) = (source.text().to_owned(), Span::new(0..source.text().len()));
            let state = self.state.clone();
            let request = Request::new(Kind::ExitTrap, Place { source, span }, text, &state, &self.settings.cancel);
            if let Response::Ran { status: ended, told } = self.dispatcher.dispatch(&request)?
                && let Some(after) = told.after.filter(|after| !after.is_completed)
            {
                status = after.state.status.max(ended);
                self.state = after.state;
            }
        }
        let (hits, applied, fingerprint) = (self.hits, self.applied, self.link.fingerprint());
        let hits_depend_on = self.doubt.of_counts().cloned();
        let failed = self.failed.filter(|_| matches!(end, End::ChainFailed { .. }));
        Ok(Outcome { status, end, failed, cause, hits, hits_depend_on, applied, fingerprint, state: self.state })
    }

    /// Notes the functions that a shell reports to have defined or removed, oldest first.
    pub(super) fn define(&mut self, reported: Vec<Defined>) {
        for defined in reported {
            match defined {
                Defined::Gone(name) => drop(Arc::make_mut(&mut self.state.functions).remove(&name)),
                Defined::Numbered(number) => {
                    if let Some(function) = self.functions.numbered(number) {
                        let aliases = Arc::new(self.state.aliases.clone());
                        let function = Function { aliases, ..function.clone() };
                        Arc::make_mut(&mut self.state.functions).insert(function.definition.name.clone(), function);
                    }
                }
                Defined::InText { name, text, is_action } => self.define_text(Source::new(name, text), is_action),
            }
        }
    }

    /// A text was run that defines functions, or may have been: then those that are known already are kept.
    fn define_text(&mut self, source: Source, only_new: bool) {
        let script = parse(source).script;
        let outer = self.enter(&script);
        let (definitions, texts) = definitions_and_texts(&script.list);
        for definition in definitions {
            if !(only_new && self.state.functions.contains_key(&definition.name)) {
                let function = self.function(&definition);
                Arc::make_mut(&mut self.state.functions).insert(definition.name.clone(), function);
            }
        }
        (self.source, self.first_number) = outer;
        texts.into_iter().for_each(|text| self.define_text(Source::new("eval", text), only_new));
    }

    pub(super) fn set_status(&mut self, status: i32) {
        self.state.set_status(status);
        self.doubt.answered();
    }
}
