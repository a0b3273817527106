//! The syntax tree of a script: one type per term of the POSIX shell grammar (2.10), each with its span.

use std::sync::{Arc, OnceLock};

use bstr::BString;

use crate::{Source, Span, language::marker::Marker};

pub mod print;
pub mod visit;

/// A script that was read without errors: its commands and the text they point into.
#[derive(Clone, Debug)]
pub struct Script {
    /// The text.
    pub source: Arc<Source>,
    /// Its complete commands, in order.
    pub list: List,
}

/// A list (POSIX 2.9.3, Lists): and-or lists, in order; the body of every compound command is one too.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct List {
    /// The and-or lists, each with its separator.
    pub items: Vec<ListItem>,
}

/// An and-or list in a [`List`].
#[derive(Clone, Debug, PartialEq)]
pub struct ListItem {
    /// The and-or list.
    pub and_or: AndOrList,
    /// Whether `&` follows it: an asynchronous list.
    pub background: bool,
}

/// Pipelines joined by `&&` and `||`, evaluated from the left with equal precedence (POSIX 2.9.3).
#[derive(Clone, Debug, PartialEq)]
pub struct AndOrList {
    /// The first pipeline.
    pub first: Pipeline,
    /// The others, each with the operator before it.
    pub rest: Vec<AndOrPart>,
    /// From the first pipeline to the last.
    pub span: Span,
}

/// An operator of an and-or list and the pipeline behind it.
#[derive(Clone, Debug, PartialEq)]
pub struct AndOrPart {
    /// `&&` or `||`.
    pub operator: AndOr,
    /// The operator's place.
    pub operator_span: Span,
    /// What it guards.
    pub pipeline: Pipeline,
}

/// An operator of an and-or list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AndOr {
    /// `&&`: go on after status 0.
    And,
    /// `||`: go on after any other status.
    Or,
}

/// Commands joined by `|`, perhaps negated by `!` (POSIX 2.9.2, Pipelines); one command is the usual case.
#[derive(Clone, Debug, PartialEq)]
pub struct Pipeline {
    /// The place of `!`.
    pub negation: Option<Span>,
    /// At least one command.
    pub commands: Vec<Command>,
    /// From `!` or the first command to the last.
    pub span: Span,
}

/// A command (POSIX 2.9, Shell Commands).
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// `NAME=value word <file`.
    Simple(SimpleCommand),
    /// A group, loop or condition.
    Compound(Box<CompoundCommand>),
    /// `name() ...`.
    Function(Arc<FunctionDefinition>),
}

/// A simple command (POSIX 2.9.1). Assignments come before the words; redirections stand anywhere.
#[derive(Clone, Debug, PartialEq)]
pub struct SimpleCommand {
    /// The assignments before the command's name, in order.
    pub assignments: Vec<Assignment>,
    /// The command's name and its arguments; empty when only assignments or redirections stand here.
    pub words: Vec<Word>,
    /// The redirections, in order.
    pub redirections: Vec<Redirection>,
    /// From the first of them to the last.
    pub span: Span,
}

/// A variable assignment before a simple command.
#[derive(Clone, Debug, PartialEq)]
pub struct Assignment {
    /// The variable.
    pub name: String,
    /// The value, which is not split into fields.
    pub value: Word,
    /// From the name to the end of the value.
    pub span: Span,
}

/// A redirection (POSIX 2.7).
#[derive(Clone, Debug, PartialEq)]
pub struct Redirection {
    /// The number before the operator.
    pub descriptor: Option<u32>,
    /// The operator.
    pub operator: RedirectionOperator,
    /// The file, the descriptor, or the here-document's delimiter.
    pub target: Word,
    /// The text of a here-document, read when the newline behind the operator is reached.
    pub(crate) here_document: Option<Arc<OnceLock<HereDocument>>>,
    /// From the number or operator to the end of the target.
    pub span: Span,
}

/// The operator of a redirection (POSIX 2.7.1 to 2.7.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RedirectionOperator {
    /// `<`
    Input,
    /// `>`
    Output,
    /// `>|`
    Clobber,
    /// `>>`
    Append,
    /// `<<`
    HereDocument,
    /// `<<-`
    HereDocumentStripTabs,
    /// `<&`
    DuplicateInput,
    /// `>&`
    DuplicateOutput,
    /// `<>`
    ReadWrite,
}

/// The body of a here-document (POSIX 2.7.4).
#[derive(Clone, Debug, PartialEq)]
pub struct HereDocument {
    /// Its text; one literal part when the delimiter is quoted, else parts as inside double-quotes.
    pub body: Word,
    /// Whether any part of the delimiter is quoted, so that nothing in the body is expanded.
    pub quoted: bool,
    /// The delimiter after quote removal.
    pub delimiter: BString,
    /// From the first body line through the line with the delimiter and its newline.
    pub span: Span,
}

/// A compound command (POSIX 2.9.4) with its redirections.
#[derive(Clone, Debug, PartialEq)]
pub struct CompoundCommand {
    /// Which one.
    pub kind: CompoundKind,
    /// Redirections of the whole.
    pub redirections: Vec<Redirection>,
    /// From the first word or bracket to the last redirection.
    pub span: Span,
    /// From the first word or bracket to the last, redirections left out.
    pub body_span: Span,
}

/// The compound commands of POSIX 2.9.4.
#[derive(Clone, Debug, PartialEq)]
pub enum CompoundKind {
    /// `{ list; }`
    BraceGroup(List),
    /// `( list )`
    Subshell(List),
    /// `for name in words; do list; done`
    For(ForLoop),
    /// `case word in ... esac`
    Case(CaseCommand),
    /// `if list; then list; fi`
    If(IfCommand),
    /// `while list; do list; done`
    While(Loop),
    /// `until list; do list; done`
    Until(Loop),
}

/// A `for` loop.
#[derive(Clone, Debug, PartialEq)]
pub struct ForLoop {
    /// The variable.
    pub variable: String,
    /// The words behind `in`; without `in`, the positional parameters are meant.
    pub words: Option<Vec<Word>>,
    /// The body.
    pub body: List,
}

/// A `case` command.
#[derive(Clone, Debug, PartialEq)]
pub struct CaseCommand {
    /// The word that is matched.
    pub subject: Word,
    /// The items, in order.
    pub items: Vec<CaseItem>,
}

/// An item of a `case` command: its patterns and its list, which may be empty.
#[derive(Clone, Debug, PartialEq)]
pub struct CaseItem {
    /// At least one pattern.
    pub patterns: Vec<Word>,
    /// What runs when one of them matches.
    pub body: List,
}

/// An `if` command.
#[derive(Clone, Debug, PartialEq)]
pub struct IfCommand {
    /// The condition and list of `if` and of each `elif`.
    pub branches: Vec<(List, List)>,
    /// The list of `else`.
    pub otherwise: Option<List>,
}

/// A `while` or `until` loop.
#[derive(Clone, Debug, PartialEq)]
pub struct Loop {
    /// What decides.
    pub condition: List,
    /// What is repeated.
    pub body: List,
}

/// A function definition (POSIX 2.9.5).
#[derive(Clone, Debug, PartialEq)]
pub struct FunctionDefinition {
    /// Its name.
    pub name: String,
    /// The name's place.
    pub name_span: Span,
    /// Its body.
    pub body: CompoundCommand,
    /// From the name to the end of the body.
    pub span: Span,
}

/// A word (POSIX 2.3 and 2.6): parts side by side.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Word {
    /// The parts; none for an empty assignment value.
    pub parts: Vec<Part>,
    /// The whole word.
    pub span: Span,
}

/// A part of a word.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// What it is.
    pub kind: PartKind,
    /// Where.
    pub span: Span,
}

/// The kinds of parts a word is made of.
#[derive(Clone, Debug, PartialEq)]
pub enum PartKind {
    /// Unquoted text, or text inside double-quotes; line continuations are left out.
    Literal(BString),
    /// A character quoted by `\`.
    Escaped(BString),
    /// `'...'`
    SingleQuoted(BString),
    /// `"..."`
    DoubleQuoted(Vec<Part>),
    /// `~` or `~name` where it is expanded; holds the name.
    Tilde(BString),
    /// `$name`, `${name...}`
    Parameter(Box<ParameterExpansion>),
    /// `$(list)` or backquotes.
    CommandSubstitution(Box<CommandSubstitution>),
    /// `$((expression))`: the parts of the expression, as inside double-quotes.
    Arithmetic(Vec<Part>),
    /// A `${...}` that POSIX does not know. The shell may know it, or refuse it when it gets there.
    Foreign(Box<ForeignExpansion>),
}

/// A command substitution (POSIX 2.6.3).
#[derive(Clone, Debug, PartialEq)]
pub struct CommandSubstitution {
    /// What runs.
    pub list: List,
    /// Whether it was written with backquotes.
    pub backquoted: bool,
}

/// A parameter expansion (POSIX 2.6.2).
#[derive(Clone, Debug, PartialEq)]
pub struct ParameterExpansion {
    /// The parameter.
    pub parameter: Parameter,
    /// What is done with it.
    pub operation: Operation,
    /// Whether it was written with braces.
    pub braced: bool,
}

/// What looks like a parameter expansion, but is none of POSIX.
#[derive(Clone, Debug, PartialEq)]
pub struct ForeignExpansion {
    /// All of it, as written.
    pub text: BString,
    /// What stands in it from where it is foreign.
    pub word: Word,
}

/// A parameter (POSIX 2.5).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Parameter {
    /// A variable.
    Variable(String),
    /// `$1`, `${10}`: from 1.
    Positional(u32),
    /// One of `@ * # ? - $ ! 0`.
    Special(u8),
}

/// What a parameter expansion does with the value.
#[derive(Clone, Debug, PartialEq)]
pub enum Operation {
    /// `$x`
    Value,
    /// `${#x}`
    Length,
    /// `${x-w}` and its like: what to do when unset, or with `:` also when empty.
    Substitute {
        /// `-`, `=`, `?` or `+`.
        when: Substitution,
        /// Whether `:` stands before it.
        or_empty: bool,
        /// The word.
        word: Word,
    },
    /// `${x%w}` and its like.
    Remove {
        /// Which end.
        end: PatternEnd,
        /// Whether the largest match goes (`%%`, `##`).
        largest: bool,
        /// The pattern.
        pattern: Word,
    },
}

/// The four ways of [`Operation::Substitute`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Substitution {
    /// `-`: use the word.
    Default,
    /// `=`: assign the word.
    Assign,
    /// `?`: fail with the word as the message.
    Error,
    /// `+`: use the word when the parameter is set.
    Alternative,
}

/// The end of the value that [`Operation::Remove`] works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatternEnd {
    /// `#`
    Prefix,
    /// `%`
    Suffix,
}

impl List {
    /// From the first and-or list to the last; `None` for an empty list.
    pub fn span(&self) -> Option<Span> {
        let (first, last) = (self.items.first()?, self.items.last()?);
        Some(first.and_or.span.to(last.and_or.span))
    }
}

impl List {
    /// The marker that is all of a condition: the whole compound command is then its chain.
    pub(crate) fn marker_alone(&self) -> Option<Marker> {
        match self.items.as_slice() {
            [item] if item.and_or.rest.is_empty() && !item.background => item.and_or.first.marker(),
            _ => None,
        }
    }
}

impl ListItem {
    /// Its one command, when it is nothing else and runs in the foreground.
    pub(crate) fn single(&self) -> Option<&Command> {
        self.and_or.first.single().filter(|_| self.and_or.rest.is_empty() && !self.background)
    }

    /// The function that it defines, when that is all it does.
    pub(crate) fn plain_definition(&self) -> Option<&Arc<FunctionDefinition>> {
        match self.single()? {
            Command::Function(definition) => Some(definition),
            _ => None,
        }
    }

    /// The assignments of one that is nothing else.
    pub(crate) fn plain_assignments(&self) -> Option<&[Assignment]> {
        match self.single()? {
            Command::Simple(command) if command.words.is_empty() && command.redirections.is_empty() => {
                Some(&command.assignments)
            }
            _ => None,
        }
    }

    /// The simple command that it is, when that has nothing but words.
    pub(crate) fn plain_command(&self) -> Option<&SimpleCommand> {
        match self.single()? {
            Command::Simple(command) if command.assignments.is_empty() && command.redirections.is_empty() => {
                Some(command)
            }
            _ => None,
        }
    }
}

impl AndOrList {
    /// All pipelines, in order.
    pub fn pipelines(&self) -> impl Iterator<Item = &Pipeline> {
        std::iter::once(&self.first).chain(self.rest.iter().map(|part| &part.pipeline))
    }

    /// What runs behind a marker at `index` that returned 0; nothing for a marker alone.
    pub(crate) fn chain_behind(&self, index: usize) -> Option<ListItem> {
        let first = self.rest.iter().skip(index).position(|part| part.operator == AndOr::And)?;
        Some(self.part(index + 1 + first..self.rest.len() + 1))
    }

    /// Some of its pipelines as an and-or list of their own. What stands before the first decides whether it runs, so
    /// that its operator is left out.
    pub(crate) fn part(&self, range: std::ops::Range<usize>) -> ListItem {
        let mut pipelines = self.pipelines().skip(range.start).cloned();
        let first = pipelines.next().unwrap_or_else(|| self.first.clone());
        let rest: Vec<AndOrPart> =
            self.rest.iter().skip(range.start).take(range.len().saturating_sub(1)).cloned().collect();
        let span = rest.last().map_or(first.span, |part| first.span.to(part.pipeline.span));
        ListItem { and_or: AndOrList { first, rest, span }, background: false }
    }
}

impl Pipeline {
    /// The one command of a pipeline without `|` and `!`.
    pub fn single(&self) -> Option<&Command> {
        match self.commands.as_slice() {
            [command] if self.negation.is_none() => Some(command),
            _ => None,
        }
    }
}

impl Pipeline {
    /// The marker that it is, when it is nothing else: no `!`, no `|`.
    pub fn marker(&self) -> Option<Marker> {
        match self.single()? {
            // Redirections of a marker are the shell's to do.
            Command::Simple(command) if command.redirections.is_empty() => command.marker(),
            _ => None,
        }
    }
}

impl Command {
    /// Where it stands, redirections included.
    pub fn span(&self) -> Span {
        match self {
            Command::Simple(command) => command.span,
            Command::Compound(command) => command.span,
            Command::Function(definition) => definition.span,
        }
    }
}

impl SimpleCommand {
    /// The marker that it is: its name must stand there unquoted.
    pub fn marker(&self) -> Option<Marker> {
        Marker::named(self.unquoted_name()?.as_bytes())
    }

    /// The command's name where it is literal and unquoted, as markers and special built-ins are looked for.
    pub fn unquoted_name(&self) -> Option<&str> {
        self.words.first().and_then(Word::unquoted)
    }

    /// The command's name after quote removal, where no expansion takes part in it.
    pub fn literal_name(&self) -> Option<BString> {
        self.words.first().and_then(Word::literal)
    }
}

impl Word {
    /// What it begins with, as far as that is literal.
    pub(crate) fn leading_text(&self) -> BString {
        let mut text = BString::default();
        for part in &self.parts {
            match &part.kind {
                PartKind::Literal(bytes) | PartKind::SingleQuoted(bytes) | PartKind::Escaped(bytes) => {
                    text.extend_from_slice(bytes);
                }
                _ => break,
            }
        }
        text
    }

    /// The text of a word that is one unquoted literal, where that is UTF-8.
    pub fn unquoted(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [Part { kind: PartKind::Literal(text), .. }] => std::str::from_utf8(text).ok(),
            _ => None,
        }
    }

    /// The word after quote removal, when no part is expanded; pathname patterns are not looked at.
    pub fn literal(&self) -> Option<BString> {
        let mut text = BString::default();
        append_literal(&self.parts, &mut text).then_some(text)
    }

    /// Whether a part of it is quoted.
    pub fn is_quoted(&self) -> bool {
        self.parts.iter().any(|part| {
            matches!(part.kind, PartKind::Escaped(_) | PartKind::SingleQuoted(_) | PartKind::DoubleQuoted(_))
        })
    }
}

fn append_literal(parts: &[Part], text: &mut BString) -> bool {
    parts.iter().all(|part| match &part.kind {
        PartKind::Literal(bytes) | PartKind::Escaped(bytes) | PartKind::SingleQuoted(bytes) => {
            text.extend_from_slice(bytes);
            true
        }
        PartKind::DoubleQuoted(parts) => append_literal(parts, text),
        _ => false,
    })
}
