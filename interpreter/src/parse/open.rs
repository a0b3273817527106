//! What is open in a complete command, and what may come next in it.

use super::lexeme::{Items, Lexeme, LexemeKind};
use crate::{Span, language::reserved::Reserved, syntax::Word};

/// What may come next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expect {
    /// A command, which must come: `&&`, `|`, `then` or the like stands before it.
    Command,
    /// A command, or what closes the list around it.
    CommandOrEnd,
    /// The compound command that is a function's body.
    FunctionBody,
    /// What may follow a simple command: an operator.
    Operator,
    /// The same, or a redirection, or a reserved word: a compound command has just ended.
    AfterCompound,
    ForName,
    /// `in`, `do`, `;` or a newline.
    ForIn,
    ForWords,
    /// `do`.
    ForDo,
    CaseSubject,
    CaseIn,
    /// A pattern, `(` before it, or `esac`.
    CaseItem,
    /// A pattern.
    CasePattern,
    /// `|` or `)` behind a pattern.
    AfterPattern,
}

/// What opens a compound command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opening {
    Paren,
    Word(Reserved),
}

impl Opening {
    pub(super) fn text(self) -> &'static str {
        match self {
            Opening::Paren => "(",
            Opening::Word(word) => word.text(),
        }
    }

    pub(super) fn closed_by(self) -> &'static str {
        match self {
            Opening::Paren => ")",
            Opening::Word(Reserved::BraceOpen) => "}",
            Opening::Word(Reserved::If) => "fi",
            Opening::Word(Reserved::Case) => "esac",
            Opening::Word(_) => "done",
        }
    }
}

/// How far a compound command has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Section {
    /// The condition of `if`, `while`, `until`; the words of `for`.
    Head,
    /// Behind `then` or `do`; all of the others.
    Body,
    /// Behind `else`.
    Else,
}

/// Something that must be closed.
pub(super) struct Opener {
    pub(super) opening: Opening,
    pub(super) span: Span,
    pub(super) section: Section,
    /// The word that began the section.
    pub(super) section_span: Span,
    /// A reserved word that would fit, but stands where it is an argument.
    pub(super) swallowed: Option<(Reserved, Span)>,
    /// Nothing opened it: a stray `then` or `do` is taken for the middle of one. What is missing in it is not told.
    pub(super) implied: bool,
}

impl Opener {
    /// Whether `word` belongs to this compound command, wherever in it.
    pub(super) fn owns(&self, word: &str) -> bool {
        match (self.opening, word) {
            (Opening::Word(Reserved::If), "then" | "elif" | "else") => true,
            (Opening::Word(Reserved::While | Reserved::Until | Reserved::For), "do") => true,
            (opening, word) => opening.closed_by() == word,
        }
    }

    /// Whether `word` may come now.
    pub(super) fn takes(&self, word: &str) -> bool {
        match word {
            "then" | "do" => self.section == Section::Head,
            "else" | "elif" => self.section == Section::Body,
            _ => self.section != Section::Head,
        }
    }

    /// Whether `word`, which closes nothing that is open, is likely to be meant for this.
    pub(super) fn is_closed_by_mistake(&self, word: &str) -> bool {
        match self.opening {
            Opening::Paren | Opening::Word(Reserved::BraceOpen) => matches!(word, "}" | ")"),
            _ if self.section == Section::Head => matches!(word, "then" | "do"),
            _ => matches!(word, "fi" | "done" | "esac"),
        }
    }

    /// The word that must come before the section that is being read can end.
    pub(super) fn missing(&self) -> &'static str {
        match (self.section, self.opening) {
            (Section::Head, Opening::Word(Reserved::If)) => "then",
            (Section::Head, _) => "do",
            (_, opening) => opening.closed_by(),
        }
    }
}

/// The lexemes of a complete command as they are gathered, with what they stand for.
pub(super) struct CompleteCommand {
    pub(super) lexemes: Vec<Lexeme>,
    pub(super) items: Items,
    pub(super) openers: Vec<Opener>,
    pub(super) expect: Expect,
}

impl Default for CompleteCommand {
    fn default() -> Self {
        let (lexemes, openers) = (Vec::new(), Vec::new());
        CompleteCommand { lexemes, items: Items::default(), openers, expect: Expect::CommandOrEnd }
    }
}

impl CompleteCommand {
    /// Makes it ready for the next command.
    pub(super) fn clear(&mut self) {
        self.lexemes.clear();
        self.items.clear();
        self.openers.clear();
        self.expect = Expect::CommandOrEnd;
    }

    pub(super) fn push(&mut self, kind: LexemeKind, span: Span, next: Expect) {
        self.lexemes.push(Lexeme { kind, span });
        self.expect = next;
    }

    /// The last lexeme, if it is `kind`.
    pub(super) fn last_is(&self, kind: LexemeKind) -> bool {
        self.lexemes.last().is_some_and(|last| last.kind == kind)
    }

    /// Whether all that was begun is closed and followed by what must follow.
    pub(super) fn is_complete(&self) -> bool {
        self.openers.is_empty()
            && matches!(self.expect, Expect::CommandOrEnd | Expect::Operator | Expect::AfterCompound)
    }

    /// Whether the innermost open compound command is a `case`.
    pub(super) fn in_case(&self) -> bool {
        self.openers.last().is_some_and(|opener| opener.opening == Opening::Word(Reserved::Case))
    }

    /// Notes that `words` hold a reserved word that the innermost compound command waits for.
    pub(super) fn note_swallowed(&mut self, words: &[Word]) {
        let Some(opener) = self.openers.last_mut() else { return };
        if opener.swallowed.is_some() {
            return;
        }
        let reserved = |word: &Word| {
            let found = Reserved::of(word.unquoted()?.as_bytes())?;
            let fits = opener.owns(found.text()) && opener.takes(found.text()) || found.text() == opener.missing();
            fits.then_some((found, word.span))
        };
        opener.swallowed = words.iter().rev().find_map(reserved);
    }
}
