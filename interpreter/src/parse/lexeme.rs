//! What the reader hands to the grammar: a row of lexemes, and the parts of the tree they stand for.

use crate::{
    Span,
    syntax::{Redirection, SimpleCommand, Word},
    token::Control,
};

/// One symbol of a complete command, with its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lexeme {
    pub(super) kind: LexemeKind,
    pub(super) span: Span,
}

/// The symbols. Numbers point into [`Items`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LexemeKind {
    Newline,
    Control(Control),
    /// A reserved word where it is one.
    Reserved(&'static str),
    /// A whole simple command.
    SimpleCommand(usize),
    /// A word of `for` or `case`.
    Word(usize),
    /// The variable of `for`, or the name of a function.
    Name(usize),
    /// A redirection behind a compound command.
    Redirection(usize),
    /// The end of a compound command, which knows where it began.
    Compound(usize),
    /// Something that fits nowhere: the grammar will refuse it.
    Misplaced,
}

/// What the numbers in lexemes stand for; each is taken once.
#[derive(Default)]
pub(super) struct Items {
    pub(super) simple_commands: Vec<Option<SimpleCommand>>,
    pub(super) words: Vec<Option<Word>>,
    pub(super) names: Vec<Option<(String, Span)>>,
    pub(super) redirections: Vec<Option<Redirection>>,
    pub(super) compounds: Vec<Option<Span>>,
}

fn push<T>(items: &mut Vec<Option<T>>, item: T) -> usize {
    items.push(Some(item));
    items.len() - 1
}

impl Items {
    pub(super) fn simple_command(&mut self, command: SimpleCommand) -> LexemeKind {
        LexemeKind::SimpleCommand(push(&mut self.simple_commands, command))
    }

    pub(super) fn word(&mut self, word: Word) -> LexemeKind {
        LexemeKind::Word(push(&mut self.words, word))
    }

    pub(super) fn name(&mut self, name: String, span: Span) -> LexemeKind {
        LexemeKind::Name(push(&mut self.names, (name, span)))
    }

    pub(super) fn redirection(&mut self, redirection: Redirection) -> LexemeKind {
        LexemeKind::Redirection(push(&mut self.redirections, redirection))
    }

    pub(super) fn compound(&mut self, span: Span) -> LexemeKind {
        LexemeKind::Compound(push(&mut self.compounds, span))
    }
}
