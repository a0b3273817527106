//! Errors that end a shell (POSIX 2.8.1, Consequences of Shell Errors): what the shell complained of, found again in
//! the script, with what led to it and what to do.
//!
//! A shell names at best the line. The place itself is looked for in the script: the first expansion or assignment
//! from there on that the complaint can be about.

use std::sync::Arc;

use bstr::{BStr, BString, ByteSlice};

use crate::{
    Diagnostic, Place, Source, Span,
    dispatch::request::{Line, Message},
    language::{
        builtins::{self, Effect},
        marker::Marker,
    },
    parse,
    syntax::{
        AndOrList, CompoundCommand, CompoundKind, Operation, Parameter, ParameterExpansion, Part, PartKind,
        SimpleCommand, Substitution, Word,
        visit::{self, Visit},
    },
};

/// Why a run ended before the end of its script.
#[derive(Clone, Debug, PartialEq)]
pub struct Cause {
    /// The text it is in: the script, or one that `eval` or `.` runs in it.
    pub source: Arc<Source>,
    /// What happened, where, and what to do.
    pub finding: Diagnostic,
}

/// What shells say of a parameter without a value where the script does not say it itself.
const NOT_SET: [&[u8]; 4] =
    [b"parameter not set", b"parameter not set or null", b"parameter null or not set", b"unbound variable"];

/// What a shell gives up for.
#[derive(Clone, Debug, PartialEq)]
enum Complaint {
    /// A parameter without a value: under `set -u`, or in `${name:?word}`; with what the word says, if anything.
    Unset {
        name: String,
        says: Option<BString>,
    },
    /// An assignment to a readonly variable.
    Readonly {
        name: String,
    },
    DivisionByZero,
    Arithmetic,
    BadSubstitution,
}

/// The error that `message` tells of in a stretch that stands at `stretch`; `None` for a complaint
/// that ends no shell, or is not known.
pub(super) fn find(message: &Message, stretch: &Place) -> Option<Cause> {
    let span = stretch.span;
    let kind = kind(message.text.as_ref())?;
    let (source, region) = match &message.line {
        Some(line) => (&line.source, Span { end: u32::MAX, ..line.source.line(line.number) }),
        None => (&stretch.source, span),
    };
    let mut finder =
        CauseFinder { source, kind: &kind, places: Vec::new(), evals: Vec::new(), causes: Vec::new(), in_stage: false };
    finder.visit_list(&parse(Arc::clone(source)).script.list);
    let CauseFinder { mut places, evals, causes, .. } = finder;
    places.sort();
    let is_here = message.line.as_ref().is_none_or(|line| Arc::ptr_eq(&line.source, &stretch.source));
    let in_region = |places: &[Span]| {
        let inside = |region: Span| places.iter().find(|place| region.contains(**place)).copied();
        // The line that a shell tells may be the one where the command ends.
        inside(region).or_else(|| inside(span).filter(|_| is_here))
    };
    // A shell that tells no line may be in a function that stands elsewhere.
    let elsewhere = || places.first().copied().filter(|_| message.line.is_none());
    let place = in_region(&places).or_else(elsewhere);
    let place =
        place.or_else(|| in_region(&evals).filter(|_| !matches!(kind, Complaint::Unset { says: Some(_), .. })))?;
    let mut finding = describe(&kind, message.text.as_ref(), place);
    if let Some((cause, text)) = causes.iter().rev().find(|(cause, _)| cause.start < place.start) {
        finding = finding.related(*cause, *text);
    }
    Some(Cause { source: Arc::clone(source), finding })
}

/// Where a stretch leaves the script by an `exit` with this status, if there is one such place.
pub(super) fn exit_with(status: i32, stretch: &Place) -> Option<Span> {
    struct Exits(String, Span, Vec<Span>);
    impl<'t> Visit<'t> for Exits {
        fn visit_simple_command(&mut self, command: &'t SimpleCommand) {
            let operand = command.words.get(1).and_then(Word::unquoted);
            if command.unquoted_name() == Some("exit") && operand == Some(&self.0) && self.1.contains(command.span) {
                self.2.push(command.span);
            }
            visit::walk_simple_command(self, command);
        }
    }
    let mut exits = Exits(status.to_string(), stretch.span, Vec::new());
    exits.visit_list(&parse(Arc::clone(&stretch.source)).script.list);
    match exits.2.as_slice() {
        [place] => Some(*place),
        _ => None,
    }
}

/// The line that a shell complained of last, or as much of it as belongs to the stretch: what stands behind it was not
/// reached.
pub(super) fn complained_at(message: &Message, stretch: &Place) -> Option<Place> {
    let Line { source, number } = message.line.as_ref()?;
    let line = source.line(*number);
    let text = source.slice(line);
    let blank = text.len() - text.trim_ascii_start().len();
    let mut span = Span { start: line.start + blank as u32, end: line.start + text.trim_ascii_end().len() as u32 };
    if Arc::ptr_eq(source, &stretch.source) {
        span = Span { start: span.start.max(stretch.span.start), end: span.end.min(stretch.span.end) };
    }
    (span.start < span.end).then(|| Place { source: Arc::clone(source), span })
}

fn kind(text: &BStr) -> Option<Complaint> {
    let holds = |words: &[&str]| words.iter().any(|word| text.contains_str(word));
    if holds(&["division by zero", "division by 0", "divide by zero"]) {
        return Some(Complaint::DivisionByZero);
    }
    let arithmetic = ["arithmetic expression: ", "arithmetic syntax error", "(error token is "];
    if text.starts_with(b"Illegal number: ") || holds(&arithmetic) {
        return Some(Complaint::Arithmetic);
    }
    if holds(&["Bad substitution", "bad substitution"]) {
        return Some(Complaint::BadSubstitution);
    }
    // `name: what`, perhaps with a built-in before it, and a line behind that.
    let (mut name, mut what) = text.split_once_str(": ")?;
    while builtins::is_built_in(name) || name.starts_with(b"line ") {
        (name, what) = what.split_once_str(": ")?;
    }
    let name = name.strip_prefix(b"$").unwrap_or(name).to_str().ok()?.to_owned();
    Some(match what {
        b"is read only" | b"readonly variable" | b"cannot unset: readonly variable" => Complaint::Readonly { name },
        b"not found" | b"command not found" => return None,
        what => Complaint::Unset { name, says: Some(what.into()).filter(|_| !NOT_SET.contains(&what)) },
    })
}

fn describe(kind: &Complaint, said: &BStr, place: Span) -> Diagnostic {
    match kind {
        Complaint::Unset { name, says } => {
            let message = match says {
                None => format!("`{name}` is not set"),
                Some(says) => format!("`{name}` is not set: {says}"),
            };
            let set = match name.starts_with(|first: char| first.is_ascii_digit()) {
                true => "give it as an argument".to_owned(),
                false => format!("set `{name}` before, outside of stages"),
            };
            Diagnostic::error(place, message)
                .label("needs a value")
                .help(format!("{set}, or write a default: `${{{name}:-DEFAULT}}`"))
        }
        Complaint::Readonly { name } => Diagnostic::error(place, format!("`{name}` is readonly"))
            .label("cannot be changed")
            .help("use another variable, or make it readonly only when it has its last value"),
        Complaint::DivisionByZero => Diagnostic::error(place, "division by zero")
            .label("the divisor is 0")
            .help("look at the divisor first, such as `[ \"$n\" -ne 0 ] && ...`"),
        Complaint::Arithmetic => Diagnostic::error(place, "the arithmetic expression cannot be evaluated")
            .label(said.to_str_lossy())
            .help("it may hold whole numbers, variables and the operators of C; a number that begins with 0 is octal"),
        Complaint::BadSubstitution => Diagnostic::error(place, "bad substitution")
            .label("in the text that is run here")
            .help("behind the name, `${name}` takes `-`, `=`, `?` or `+`, perhaps with `:` before it, or `%` or `#`"),
    }
}

/// Looks for places that a complaint can be about, and for what led to it.
struct CauseFinder<'k> {
    source: &'k Source,
    kind: &'k Complaint,
    places: Vec<Span>,
    /// Commands that run text which is not in the tree.
    evals: Vec<Span>,
    causes: Vec<(Span, &'static str)>,
    in_stage: bool,
}

impl CauseFinder<'_> {
    fn is_named(&self, name: &str) -> bool {
        matches!(self.kind, Complaint::Unset { name: wanted, .. } | Complaint::Readonly { name: wanted } if wanted == name)
    }

    /// Whether an expansion of the parameter fails without a value, with these words.
    fn needs_value(&self, expansion: &ParameterExpansion, says: Option<&BString>) -> bool {
        let name = match &expansion.parameter {
            Parameter::Variable(name) => name.clone(),
            Parameter::Positional(number) => number.to_string(),
            Parameter::Special(letter) => char::from(*letter).to_string(),
        };
        let fails = match &expansion.operation {
            Operation::Substitute { when: Substitution::Error, word, .. } => {
                // Of what it says, a complaint has the first line.
                let written = word.literal().map(|text| BString::from(text.lines().next().unwrap_or_default()));
                written.is_none_or(|written| written == says.cloned().unwrap_or_default())
            }
            Operation::Substitute { .. } => false,
            Operation::Value | Operation::Length | Operation::Remove { .. } => says.is_none(),
        };
        fails && self.is_named(&name)
    }

    fn assigned(&mut self, name: &str, span: Span) {
        match self.kind {
            Complaint::Readonly { .. } if self.is_named(name) => self.places.push(span),
            Complaint::Unset { .. } if self.is_named(name) => {
                let text = if self.in_stage { "set here, but only when this stage runs" } else { "set here" };
                self.causes.push((span, text));
            }
            _ => {}
        }
    }

    /// Built-ins whose operands are names.
    fn named_operands(&mut self, command: &SimpleCommand) {
        let Some(name) = command.unquoted_name() else { return };
        if !matches!(builtins::effect_of(name.as_bytes()), Effect::Names | Effect::LocalNames) {
            return;
        }
        for word in command.words.iter().skip(1) {
            let text = word.literal().unwrap_or_default();
            let operand = text.split_str("=").next().unwrap_or_default().to_str().unwrap_or_default();
            match self.kind {
                Complaint::Readonly { .. }
                    if self.is_named(operand) && name == "readonly" && self.causes.is_empty() =>
                {
                    self.causes.push((word.span, "made readonly here"));
                }
                Complaint::Unset { .. } if self.is_named(operand) && name == "unset" => {
                    self.causes.push((word.span, "unset here"));
                }
                Complaint::Readonly { .. } | Complaint::Unset { .. } => self.assigned(operand, word.span),
                _ => {}
            }
        }
    }
}

impl<'t> Visit<'t> for CauseFinder<'_> {
    fn visit_and_or(&mut self, and_or: &'t AndOrList) {
        let outer = self.in_stage;
        self.in_stage |= and_or.first.marker() == Some(Marker::NextStage);
        visit::walk_and_or(self, and_or);
        self.in_stage = outer;
    }

    fn visit_simple_command(&mut self, command: &'t SimpleCommand) {
        for assignment in &command.assignments {
            self.assigned(&assignment.name, assignment.span);
        }
        self.named_operands(command);
        if command.unquoted_name().is_some_and(|name| builtins::effect_of(name.as_bytes()) == Effect::Text) {
            self.evals.push(command.span);
        }
        visit::walk_simple_command(self, command);
    }

    fn visit_compound_command(&mut self, command: &'t CompoundCommand) {
        if let CompoundKind::For(body) = &command.kind {
            self.assigned(&body.variable, command.span);
        }
        visit::walk_compound_command(self, command);
    }

    fn visit_part(&mut self, part: &'t Part) {
        match (&part.kind, self.kind) {
            (PartKind::Arithmetic(_), Complaint::Arithmetic) | (PartKind::Foreign(_), Complaint::BadSubstitution) => {
                self.places.push(part.span);
            }
            (PartKind::Arithmetic(_), Complaint::DivisionByZero)
                if self.source.slice(part.span).find_byteset(b"/%").is_some() =>
            {
                self.places.push(part.span);
            }
            (PartKind::Parameter(expansion), Complaint::Unset { says, .. })
                if self.needs_value(expansion, says.as_ref()) =>
            {
                self.places.push(part.span);
            }
            _ => {}
        }
        visit::walk_part(self, part);
    }
}
