//! What the reader hands to the grammar: a row of lexemes, and the parts of the tree they stand for.

use super::token::Control;
use crate::{
    Span,
    language::reserved::Reserved,
    syntax::{ListItem, Redirection, SimpleCommand, Word},
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
    /// Newlines and comments between commands.
    Newline,
    Control(Control),
    /// A reserved word where it is one.
    Reserved(Reserved),
    /// A whole simple command.
    SimpleCommand(u32),
    /// And-or lists of simple commands side by side, folded by the grammar.
    Stretch(u32),
    /// A word of `for` or `case`.
    Word(u32),
    /// The variable of `for`, or the name of a function.
    Name(u32),
    /// A redirection behind a compound command.
    Redirection(u32),
    /// The end of a compound command.
    Compound,
}

impl LexemeKind {
    /// The symbol as it is written; empty for one with a text of its own.
    pub(super) fn text(self) -> &'static str {
        match self {
            LexemeKind::Control(control) => control.text(),
            LexemeKind::Reserved(word) => word.text(),
            _ => "",
        }
    }
}

/// What the numbers in lexemes stand for; each is taken once.
#[derive(Default)]
pub(super) struct Items {
    pub(super) simple_commands: Vec<Option<SimpleCommand>>,
    pub(super) stretches: Vec<Option<Vec<ListItem>>>,
    pub(super) words: Vec<Option<Word>>,
    pub(super) names: Vec<Option<(String, Span)>>,
    pub(super) redirections: Vec<Option<Redirection>>,
    /// Where each compound command stands without its redirections, in the order in which they end.
    pub(super) compounds: Vec<Span>,
}

fn push<T>(items: &mut Vec<Option<T>>, item: T) -> u32 {
    items.push(Some(item));
    // Each item is at least a byte of a source of at most 4 GiB.
    items.len() as u32 - 1
}

impl Items {
    pub(super) fn simple_command(&mut self, command: SimpleCommand) -> LexemeKind {
        LexemeKind::SimpleCommand(push(&mut self.simple_commands, command))
    }

    pub(super) fn stretch(&mut self, commands: Vec<ListItem>) -> LexemeKind {
        LexemeKind::Stretch(push(&mut self.stretches, commands))
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
        self.compounds.push(span);
        LexemeKind::Compound
    }

    pub(super) fn clear(&mut self) {
        self.simple_commands.clear();
        self.stretches.clear();
        self.words.clear();
        self.names.clear();
        self.redirections.clear();
        self.compounds.clear();
    }
}
