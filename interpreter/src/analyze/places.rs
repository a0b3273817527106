//! Every command of a script with what is around it: the one walk over the tree that notes where each stands, and what
//! its status and the variables it sets are made of.

use bstr::ByteSlice;

use super::{
    decision::{Decision, Decisions, FIXED, Gathered, Node, VARIES},
    questions::{Guarded, is_question, leaves_early, only_pipeline},
};
use crate::{
    Span,
    language::{
        builtins::{self, Effect, Status},
        marker::{DISTANCE, Marker},
        names_in,
    },
    syntax::{
        AndOr, AndOrList, AndOrPart, CaseCommand, Command, CompoundCommand, CompoundKind, ForLoop, FunctionDefinition,
        List, ListItem, Operation, Parameter, Part, PartKind, Pipeline, Redirection, SimpleCommand, Word,
    },
};

/// A simple command and where it stands.
#[derive(Clone, Copy)]
pub(crate) struct Placed<'t> {
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
    pub(crate) chain: Option<Behind>,
    /// What decides whether it is reached.
    pub(crate) decision: Decision,
    /// Its status decides something: it is in a condition, or stands before a marker.
    pub(crate) asked: bool,
    /// It is inside a command substitution.
    pub(crate) substituted: bool,
    /// The innermost condition that decides whether it runs.
    pub(crate) guard: Option<Span>,
    /// What was asked before, where the answer decides whether it runs.
    pub(crate) guarded: Guarded<'t>,
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
pub(crate) struct Behind {
    /// Which; `None` when its name is misspelt.
    pub(crate) marker: Option<Marker>,
    /// The marker's place.
    pub(crate) span: Span,
}

impl<'t> Placed<'t> {
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

    /// Whether it is the first of its and-or list, or `&&` stands before it.
    pub(crate) fn is_behind_and(&self) -> bool {
        let before = self.item.and_or.rest.len() - self.after.len();
        let part = before.checked_sub(1).and_then(|index| self.item.and_or.rest.get(index));
        part.is_none_or(|part| part.operator == AndOr::And)
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
    /// Whether something was asked before, and the answer decides whether it runs.
    pub(crate) fn is_guarded(&self) -> bool {
        !matches!(self.guarded, Guarded::No)
    }

    /// The marker whose chain it is in, when that is spelt right.
    pub(crate) fn outer_marker(&self) -> Option<(Marker, Span)> {
        let chain = self.chain?;
        Some((chain.marker?, chain.span))
    }
}

/// Walks over the commands of a script.
pub(crate) fn walk<'t>(list: &'t List) -> Walker<'t> {
    let mut walker = Walker {
        places: Vec::new(),
        definitions: Vec::new(),
        redirected: Vec::new(),
        alternatives: Vec::new(),
        decisions: Decisions::new(),
        last_marker: None,
    };
    walker.list(list, Context::default());
    walker
}

/// What was come by so far, in the order of the walk.
pub(crate) struct Walker<'t> {
    pub(crate) places: Vec<Placed<'t>>,
    pub(crate) definitions: Vec<&'t FunctionDefinition>,
    pub(crate) redirected: Vec<(&'t CompoundCommand, Context<'t>)>,
    pub(crate) alternatives: Vec<&'t AndOrList>,
    pub(crate) decisions: Decisions<'t>,
    /// The last marker that was passed, to learn whether a condition holds one.
    last_marker: Option<Behind>,
}

impl<'t> Walker<'t> {
    /// Looks at a list; gives what its status is made of.
    fn list(&mut self, list: &'t List, mut context: Context<'t>) -> Node {
        let mut outcomes = Gathered::default();
        for item in &list.items {
            outcomes.add(self.item(item, context));
            context.left_behind = ends_in_marker(item);
            if leaves_early(item) {
                context.guarded = context.guarded.and(None);
            }
        }
        self.decisions.gathered(&outcomes)
    }

    fn item(&mut self, item: &'t ListItem, mut context: Context<'t>) -> Node {
        let and_or = &item.and_or;
        if and_or.rest.iter().any(|part| part.operator == AndOr::Or) {
            self.alternatives.push(and_or);
        }
        if item.background {
            context.apart = Some((Apart::Background, and_or.span));
        }
        let marker = and_or.pipelines().position(|pipeline| chain_in(pipeline).is_some());
        let asked = context.asked;
        let (mut before, mut question) = (None, None);
        let mut outcomes = Gathered::default();
        for (index, pipeline) in and_or.pipelines().enumerate() {
            context.asked = asked || marker.is_some_and(|marker| index < marker);
            context.guard = before.or(context.guard);
            let operator = index.checked_sub(1).and_then(|index| and_or.rest.get(index)).map(|part| part.operator);
            if before.is_some() && (operator == Some(AndOr::Or) || question.is_some()) {
                context.guarded = context.guarded.and(question);
            }
            question = is_question(pipeline).then_some(pipeline);
            before = pipeline.marker().is_none().then_some(pipeline.span);
            let after = and_or.rest.get(index..).unwrap_or_default();
            let outer = self.last_marker.take();
            let outcome = self.pipeline(item, pipeline, after, context);
            // `{ next_stage && a; } || b`: what is wrong with `b` is said at the `||`.
            let is_or = after.first().is_some_and(|part| part.operator == AndOr::Or);
            context.left_behind |= is_or && self.last_marker.is_some();
            self.last_marker = self.last_marker.or(outer);
            if marker == Some(index) {
                context.chain = context.chain.or(chain_in(pipeline));
            }
            context.decision = self.decisions.then(context.decision, outcome, pipeline.span);
            outcomes.add(outcome);
        }
        self.decisions.gathered(&outcomes)
    }

    fn pipeline(
        &mut self,
        item: &'t ListItem,
        pipeline: &'t Pipeline,
        after: &'t [AndOrPart],
        mut context: Context<'t>,
    ) -> Node {
        if pipeline.negation.is_some() {
            context.judged = Some((Judge::Not, pipeline.span));
        }
        if pipeline.commands.len() > 1 {
            context.apart = Some((Apart::Pipeline, pipeline.span));
        }
        let mut outcome = FIXED;
        for (position, command) in pipeline.commands.iter().enumerate() {
            outcome = match command {
                Command::Simple(command) => self.simple_command(Placed {
                    command,
                    marker: marker_of(command),
                    item,
                    pipeline,
                    position,
                    after,
                    context,
                }),
                Command::Compound(command) => self.compound_command(command, context),
                Command::Function(definition) => self.function(definition),
            };
            context.left_behind |= chain_of(command).is_some();
        }
        outcome
    }

    fn function(&mut self, definition: &'t FunctionDefinition) -> Node {
        self.definitions.push(definition);
        let repeated = Some((Repetition::Function, definition.name_span));
        let context = Context { function: Some(definition), repeated, ..Context::default() };
        let outcome = self.compound_command(&definition.body, context);
        self.decisions.define_function(&definition.name, outcome);
        FIXED
    }

    fn simple_command(&mut self, place: Placed<'t>) -> Node {
        let Placed { command, context, .. } = place;
        if let Some(chain) = place.marker.map(|marker| Behind { marker: Some(marker), span: command.span }) {
            self.last_marker = Some(chain);
        }
        self.places.push(place);
        let mut substituted = false;
        for assignment in &command.assignments {
            let value = self.word(&assignment.value, context);
            substituted |= has_substitution(&assignment.value.parts);
            self.decisions.assign(&assignment.name, value, context.decision);
        }
        let arguments: Vec<Node> = command.words.iter().map(|word| self.word(word, context)).collect();
        for redirection in &command.redirections {
            self.redirection(redirection, context);
        }
        if command.words.is_empty() {
            return if substituted { VARIES } else { FIXED };
        }
        self.outcome(command, &arguments, context)
    }

    /// What the status of a simple command is made of, and the variables that it sets.
    fn outcome(&mut self, command: &'t SimpleCommand, arguments: &[Node], context: Context<'t>) -> Node {
        let Some(name) = command.unquoted_name() else { return VARIES };
        if let Some(marker) = command.marker() {
            return if marker == Marker::NextStage { VARIES } else { FIXED };
        }
        let Some(utility) = builtins::find(name.as_bytes()).filter(|utility| utility.is_built_in()) else {
            return self.decisions.function(name);
        };
        if matches!(utility.effect, Effect::Names | Effect::LocalNames | Effect::ReadsOptions) {
            for (word, value) in command.words.iter().zip(arguments).skip(1) {
                // What stands there alone is taken away, or is read.
                let named = assigned(word).map(|name| (name, *value)).or_else(|| {
                    let value = if utility.status == Status::Fixed { FIXED } else { VARIES };
                    let is_given = matches!(name, "export" | "readonly" | "local" | "declare" | "typeset");
                    Some((word.unquoted()?, value)).filter(|_| !is_given)
                });
                if let Some((name, value)) = named {
                    self.decisions.assign(name, value, context.decision);
                }
            }
        }
        match utility.status {
            Status::Fixed => FIXED,
            Status::Operands if command.words.iter().any(|word| asks_for_file(word) || has_pattern(word)) => VARIES,
            Status::Operands => self.decisions.all(arguments),
            // A function may have this name.
            Status::Varies => self.decisions.function(name),
        }
    }

    fn compound_command(&mut self, command: &'t CompoundCommand, context: Context<'t>) -> Node {
        if !command.redirections.is_empty() {
            self.redirected.push((command, context));
        }
        for redirection in &command.redirections {
            self.redirection(redirection, context);
        }
        let inner = Context { left_behind: false, ..context };
        match &command.kind {
            CompoundKind::BraceGroup(list) => self.list(list, inner),
            CompoundKind::Subshell(list) => {
                self.list(list, Context { apart: Some((Apart::Subshell, command.body_span)), ..inner })
            }
            CompoundKind::For(command) => self.for_loop(command, inner),
            CompoundKind::Case(command) => self.case(command, inner),
            CompoundKind::If(command) => {
                let mut context = inner;
                let mut outcomes = Vec::new();
                for (condition, body) in &command.branches {
                    let (outcome, chain) = self.condition(condition, Judge::If, context);
                    let span = condition.span().unwrap_or_default();
                    context.decision = self.decisions.then(context.decision, outcome, span);
                    context.guard = Some(span);
                    if !condition.items.iter().any(|item| item.and_or.first.marker().is_some()) {
                        context.guarded = context.guarded.and(only_pipeline(condition));
                    }
                    context.chain = context.chain.or(chain);
                    outcomes.push(outcome);
                    outcomes.push(self.list(body, context));
                }
                outcomes.extend(command.otherwise.as_ref().map(|body| self.list(body, context)));
                self.decisions.all(&outcomes)
            }
            CompoundKind::While(repeated) | CompoundKind::Until(repeated) => {
                let is_while = matches!(command.kind, CompoundKind::While(_));
                let judge = if is_while { Judge::While } else { Judge::Until };
                let (outcome, chain) = self.condition(&repeated.condition, judge, inner);
                let span = repeated.condition.span().unwrap_or_default();
                let decision = self.decisions.then(inner.decision, outcome, span);
                let repetition = Some((Repetition::Loop, keyword(command, judge)));
                let chain = inner.chain.or(chain);
                let guard = Some(span);
                let body = self.list(&repeated.body, Context { decision, repeated: repetition, chain, guard, ..inner });
                self.decisions.all(&[outcome, body])
            }
        }
    }

    fn case(&mut self, command: &'t CaseCommand, inner: Context<'t>) -> Node {
        let mut asked = self.word(&command.subject, inner);
        let mut outcomes = Vec::new();
        for item in &command.items {
            let patterns = item.patterns.iter().map(|pattern| self.word(pattern, inner));
            let asked_before = [asked].into_iter().chain(patterns).collect::<Vec<_>>();
            asked = self.decisions.all(&asked_before);
            let decision = self.decisions.then(inner.decision, asked, command.subject.span);
            let guard = Some(command.subject.span);
            // A word that is the same on every run asks nothing.
            let guarded = match command.subject.literal() {
                Some(_) => inner.guarded,
                None => inner.guarded.and(None),
            };
            outcomes.push(self.list(&item.body, Context { decision, guard, guarded, ..inner }));
        }
        outcomes.push(asked);
        self.decisions.all(&outcomes)
    }

    fn for_loop(&mut self, command: &'t ForLoop, context: Context<'t>) -> Node {
        let mut values = Vec::new();
        let mut span: Option<Span> = None;
        for word in command.words.iter().flatten() {
            values.push(self.word(word, context));
            values.extend(has_pattern(word).then_some(VARIES));
            span = Some(span.map_or(word.span, |span| span.to(word.span)));
        }
        let words = self.decisions.all(&values);
        self.decisions.assign(&command.variable, words, context.decision);
        let decision = self.decisions.then(context.decision, words, span.unwrap_or_default());
        let place = span.or(command.body.span()).unwrap_or_default();
        let repeated = Some((Repetition::Loop, place));
        let body = self.list(&command.body, Context { decision, repeated, ..context });
        self.decisions.all(&[words, body])
    }

    /// Looks at a condition; gives what its status is made of and the marker in it.
    fn condition(&mut self, condition: &'t List, judge: Judge, context: Context<'t>) -> (Node, Option<Behind>) {
        let outer = self.last_marker.take();
        let judged = Some((judge, condition.span().unwrap_or_default()));
        let outcome = self.list(condition, Context { judged, asked: true, ..context });
        let chain = std::mem::replace(&mut self.last_marker, outer);
        self.last_marker = chain.or(outer);
        (outcome, chain)
    }

    fn redirection(&mut self, redirection: &'t Redirection, context: Context<'t>) {
        match redirection.here_document() {
            Some(document) => self.word(&document.body, context),
            None => self.word(&redirection.target, context),
        };
    }

    fn word(&mut self, word: &'t Word, context: Context<'t>) -> Node {
        self.parts(&word.parts, context)
    }

    /// Looks at the parts of a word; gives what its value is made of.
    fn parts(&mut self, parts: &'t [Part], context: Context<'t>) -> Node {
        let mut values = Gathered::default();
        for part in parts {
            values.add(self.part(part, context));
        }
        self.decisions.gathered(&values)
    }

    fn part(&mut self, part: &'t Part, context: Context<'t>) -> Node {
        match &part.kind {
            PartKind::Literal(_) | PartKind::Escaped(_) | PartKind::SingleQuoted(_) | PartKind::Tilde(_) => FIXED,
            PartKind::Foreign(expansion) => {
                self.word(&expansion.word, context);
                VARIES
            }
            PartKind::DoubleQuoted(parts) => self.parts(parts, context),
            PartKind::Arithmetic(parts) => {
                let mut values = vec![self.parts(parts, context)];
                for part in parts {
                    let PartKind::Literal(text) = &part.kind else { continue };
                    values.extend(names_in(text).map(|name| self.decisions.variable(name)));
                }
                self.decisions.all(&values)
            }
            PartKind::Parameter(expansion) => {
                let value = match &expansion.parameter {
                    Parameter::Variable(name) => self.decisions.variable(name),
                    Parameter::Special(b'?' | b'$' | b'!') => VARIES,
                    Parameter::Positional(_) | Parameter::Special(_) => FIXED,
                };
                let operand = match &expansion.operation {
                    Operation::Value | Operation::Length => FIXED,
                    Operation::Substitute { word, .. } => self.word(word, context),
                    Operation::Remove { pattern, .. } => self.word(pattern, context),
                };
                self.decisions.all(&[value, operand])
            }
            PartKind::CommandSubstitution(substitution) => {
                let apart = Some((Apart::Substitution, part.span));
                let inner = Context { apart, judged: None, substituted: true, left_behind: false, ..context };
                self.list(&substitution.list, inner);
                VARIES
            }
        }
    }
}

/// Whether the and-or list ends in a marker that guards nothing.
fn ends_in_marker(item: &ListItem) -> bool {
    let last = item.and_or.rest.last().map_or(&item.and_or.first, |part| &part.pipeline);
    last.commands.len() == 1 && chain_in(last).is_some()
}

/// The chain that begins with the pipeline.
fn chain_in(pipeline: &Pipeline) -> Option<Behind> {
    pipeline.commands.iter().find_map(chain_of)
}

/// The chain that begins with the command, when it is a marker or was meant to be one.
fn chain_of(command: &Command) -> Option<Behind> {
    let Command::Simple(command) = command else { return None };
    let marker = marker_of(command);
    let is_marker = marker.is_some() || meant(command).is_some();
    is_marker.then_some(Behind { marker, span: command.span })
}

/// The marker that a command without arguments probably stands for.
pub(crate) fn meant(command: &SimpleCommand) -> Option<Marker> {
    let [word] = command.words.as_slice() else { return None };
    if !has_length(word) || command.marker().is_some() {
        return None;
    }
    Marker::nearly(word.literal()?.to_str().ok()?)
}

/// Whether a word is about as long as a marker: no other needs a closer look. A `\` before each letter doubles the
/// length.
fn has_length(word: &Word) -> bool {
    ("everytime".len() - DISTANCE..=2 * "next_stage".len() + DISTANCE).contains(&word.span.range().len())
}

/// The marker that the command is; quick to say no.
fn marker_of(command: &SimpleCommand) -> Option<Marker> {
    let is_long = command.words.first()?.span.range().len() >= "everytime".len();
    is_long.then(|| command.marker())?
}

/// The place of the word that opens a loop.
fn keyword(command: &CompoundCommand, judge: Judge) -> Span {
    let length = if judge == Judge::While { "while".len() } else { "until".len() };
    Span { start: command.span.start, end: command.span.start + length as u32 }
}

/// The variable that an argument of `export` and the like assigns.
fn assigned(word: &Word) -> Option<&str> {
    let PartKind::Literal(text) = &word.parts.first()?.kind else { return None };
    text.to_str().ok()?.split_once('=').map(|(name, _)| name)
}

fn has_substitution(parts: &[Part]) -> bool {
    parts.iter().any(|part| match &part.kind {
        PartKind::CommandSubstitution(_) => true,
        PartKind::DoubleQuoted(parts) => has_substitution(parts),
        _ => false,
    })
}

/// Whether pathname expansion may change the word.
fn has_pattern(word: &Word) -> bool {
    word.parts.iter().any(|part| match &part.kind {
        PartKind::Literal(text) => text.contains(&b'*') || text.contains(&b'?') || is_bracket_expression(text),
        _ => false,
    })
}

fn is_bracket_expression(text: &[u8]) -> bool {
    text.find_byte(b'[').is_some_and(|open| text.iter().skip(open + 2).any(|byte| *byte == b']'))
}

/// Whether a word of `test` asks about a file (POSIX, test).
fn asks_for_file(word: &Word) -> bool {
    match word.unquoted().map(str::as_bytes) {
        Some([b'-', operator]) => b"bcdefghkLpOrGsStuwxN".contains(operator),
        Some(operator) => [&b"-nt"[..], b"-ot", b"-ef"].contains(&operator),
        None => false,
    }
}
