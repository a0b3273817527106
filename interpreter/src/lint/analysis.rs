//! What the rules look at: a script as a flat row of its simple commands, each with where it stands.

use bstr::ByteSlice;

use super::{
    decision::{Decision, Verdicts},
    functions::Functions,
    walk,
};
use crate::{
    Source, Span,
    marker::Marker,
    syntax::{
        AndOr, AndOrList, AndOrPart, Command, CompoundCommand, CompoundKind, FunctionDefinition, List, ListItem,
        Pipeline, Script, SimpleCommand, print,
    },
};

/// A script, looked through once for all rules.
pub(crate) struct Analysis<'t> {
    /// The text.
    pub(crate) source: &'t Source,
    /// All of it.
    pub(crate) list: &'t List,
    /// Every simple command, in the order the shell comes by them.
    pub(crate) places: Vec<Place<'t>>,
    /// The commands that hit a marker: those that are one, and calls of functions that hold one.
    pub(crate) hits: Vec<Hit<'t>>,
    /// Every function definition.
    pub(crate) definitions: Vec<&'t FunctionDefinition>,
    /// What calls of them come to.
    pub(crate) functions: Functions<'t>,
    /// The compound commands with redirections.
    pub(crate) redirected: Vec<(&'t CompoundCommand, Context<'t>)>,
    /// The and-or lists with a `||` in them.
    pub(crate) alternatives: Vec<&'t AndOrList>,
    /// What may come out differently from run to run.
    pub(crate) verdicts: Verdicts,
}

/// A command that hits markers.
#[derive(Clone, Copy)]
pub(crate) struct Hit<'t> {
    /// The command.
    pub(crate) place: Place<'t>,
    /// Whether it can hit `next_stage`, and move the number of the stages behind it.
    pub(crate) counts: bool,
}

/// A simple command and where it stands.
#[derive(Clone, Copy)]
pub(crate) struct Place<'t> {
    /// The command.
    pub(crate) command: &'t SimpleCommand,
    /// The marker that it is.
    pub(crate) marker: Option<Marker>,
    /// The and-or list it is directly in.
    pub(crate) item: &'t ListItem,
    /// Its pipeline there.
    pub(crate) pipeline: &'t Pipeline,
    /// Its index in the pipeline.
    pub(crate) position: usize,
    /// What stands behind the pipeline in the and-or list.
    pub(crate) after: &'t [AndOrPart],
    /// What it is inside of.
    pub(crate) context: Context<'t>,
}

/// What stands directly behind a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Follower {
    /// `&&`
    And,
    /// `||`
    Or,
    /// `|`
    Pipe,
    /// `&`
    Background,
    /// `;`, a newline, a closing word, or the end of the text.
    Nothing,
}

/// What a command is inside of. Functions begin anew: what surrounds their definition says nothing of their calls.
#[derive(Clone, Copy, Default)]
pub(crate) struct Context<'t> {
    /// The function in whose body it stands.
    pub(crate) function: Option<&'t FunctionDefinition>,
    /// The innermost process of its own.
    pub(crate) apart: Option<(Apart, Span)>,
    /// The innermost condition or negation.
    pub(crate) judged: Option<(Judge, Span)>,
    /// The innermost loop or function.
    pub(crate) repeated: Option<(Repetition, Span)>,
    /// The outermost chain.
    pub(crate) chain: Option<Chain>,
    /// What decides whether it is reached.
    pub(crate) decision: Decision,
    /// Its status decides something: it is in a condition, or stands before a marker.
    pub(crate) asked: bool,
    /// It is inside a command substitution.
    pub(crate) substituted: bool,
    /// The and-or list before its own ends in a marker, which was probably meant to guard it.
    pub(crate) left_behind: bool,
}

/// Where commands get a process of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Apart {
    /// `( )`
    Subshell,
    /// `|`
    Pipeline,
    /// `$( )` or backquotes
    Substitution,
    /// `&`
    Background,
}

/// Who takes a status for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Judge {
    /// `!`
    Not,
    /// `if` or `elif`
    If,
    /// `while`
    While,
    /// `until`
    Until,
}

/// What may carry out a command any number of times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repetition {
    /// A loop.
    Loop,
    /// A function.
    Function,
}

/// A marker that a command stands behind.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chain {
    /// Which; `None` when its name is misspelt.
    pub(crate) marker: Option<Marker>,
    /// The marker's place.
    pub(crate) span: Span,
}

impl<'t> Place<'t> {
    /// What stands directly behind it.
    pub(crate) fn follower(&self) -> Follower {
        if self.position + 1 < self.pipeline.commands.len() {
            return Follower::Pipe;
        }
        match self.after.first() {
            Some(AndOrPart { operator: AndOr::And, .. }) => Follower::And,
            Some(AndOrPart { operator: AndOr::Or, .. }) => Follower::Or,
            None if self.item.background => Follower::Background,
            None => Follower::Nothing,
        }
    }

    /// The first `||` behind it in its and-or list.
    pub(crate) fn first_or(&self) -> Option<&'t AndOrPart> {
        self.after.iter().find(|part| part.operator == AndOr::Or)
    }

    /// The place of everything in its and-or list behind the operator that follows it.
    pub(crate) fn rest(&self) -> Option<Span> {
        let (first, last) = (self.after.first()?, self.after.last()?);
        Some(first.pipeline.span.to(last.pipeline.span))
    }

    /// Whether `!` stands before its pipeline.
    pub(crate) fn is_negated(&self) -> bool {
        self.pipeline.negation.is_some()
    }

    /// Whether the command has anything beside its name.
    pub(crate) fn has_more_than_name(&self) -> bool {
        let SimpleCommand { assignments, words, redirections, .. } = self.command;
        !assignments.is_empty() || words.len() > 1 || !redirections.is_empty()
    }

    /// The place of its name, without assignments and arguments.
    pub(crate) fn name_span(&self) -> Span {
        self.command.words.first().map_or(self.command.span, |word| word.span)
    }
}

impl Context<'_> {
    /// The marker whose chain it is in, when that is spelt right.
    pub(crate) fn outer_marker(&self) -> Option<(Marker, Span)> {
        let chain = self.chain?;
        Some((chain.marker?, chain.span))
    }
}

impl<'t> Analysis<'t> {
    /// Looks through the script.
    pub(crate) fn of(script: &'t Script) -> Analysis<'t> {
        let walked = walk::walk(&script.list);
        let functions = Functions::of(&walked.definitions, &walked.places);
        let hit = |place: &Place<'t>| {
            let effects = if place.marker.is_some() { None } else { functions.call(place.command) };
            let hits = place.marker.is_some() || effects.is_some_and(|effects| effects.marks());
            let counts = place.marker == Some(Marker::NextStage) || effects.is_some_and(|effects| effects.next_stage);
            hits.then_some(Hit { place: *place, counts })
        };
        let hits = walked.places.iter().filter_map(hit).collect();
        Analysis {
            source: &script.source,
            list: &script.list,
            places: walked.places,
            hits,
            definitions: walked.definitions,
            functions,
            redirected: walked.redirected,
            alternatives: walked.alternatives,
            verdicts: walked.decisions.finish(),
        }
    }

    /// The commands that are markers.
    pub(crate) fn markers(&self) -> impl Iterator<Item = (Marker, &Place<'t>)> {
        self.hits.iter().filter_map(|hit| Some((hit.place.marker?, &hit.place)))
    }

    /// The commands that hit `next_stage`, themselves or in a function.
    pub(crate) fn counted(&self) -> impl Iterator<Item = &Place<'t>> {
        self.hits.iter().filter(|hit| hit.counts).map(|hit| &hit.place)
    }

    /// The `next_stage` that the status of the pipeline comes from, when that is the last list in a compound command.
    pub(crate) fn last_stage(&self, pipeline: &Pipeline) -> Option<Span> {
        let Command::Compound(command) = pipeline.single()? else { return None };
        match &command.kind {
            CompoundKind::BraceGroup(list) | CompoundKind::Subshell(list) => self.last_stage_in(list),
            CompoundKind::For(command) => self.last_stage_in(&command.body),
            CompoundKind::Case(command) => command.items.iter().find_map(|item| self.last_stage_in(&item.body)),
            CompoundKind::If(command) => {
                let bodies = command.branches.iter().map(|(_, body)| body).chain(&command.otherwise);
                bodies.into_iter().find_map(|body| self.last_stage_in(body))
            }
            CompoundKind::While(command) | CompoundKind::Until(command) => self.last_stage_in(&command.body),
        }
    }

    fn last_stage_in(&self, list: &List) -> Option<Span> {
        let item = list.items.last().filter(|item| !item.background)?;
        let has_or = item.and_or.rest.iter().any(|part| part.operator == AndOr::Or);
        let stage = item.and_or.pipelines().find_map(|pipeline| match pipeline.single()? {
            Command::Simple(command) if Marker::of(command) == Some(Marker::NextStage) => Some(command.span),
            _ => None,
        });
        let last = item.and_or.rest.last().map_or(&item.and_or.first, |part| &part.pipeline);
        stage.filter(|_| !has_or).or_else(|| self.last_stage(last))
    }

    /// The source at `span` for a message: one line, not too long.
    pub(crate) fn quote(&self, span: Span) -> String {
        // A place can be most of the script, and be quoted for each of many findings.
        let text = self.source.slice(span);
        print::summary(text.get(..200).unwrap_or(text), 40)
    }

    /// The source at `span` for advice, where that is one line and short enough to repeat.
    pub(crate) fn repeat(&self, span: Span) -> Option<&'t str> {
        let text = self.source.slice(span);
        let is_short = text.len() <= 80 && !text.contains(&b'\n');
        text.to_str().ok().filter(|_| is_short)
    }
}
