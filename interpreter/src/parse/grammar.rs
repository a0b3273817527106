//! Lexemes to syntax tree, by the grammar of `conch-parser`.
//!
//! conch reads shell text well but keeps no places, and reads some words wrongly. So it never sees a word: each
//! lexeme becomes a token that stands for itself (`if`, `&&`) or a numbered name (`c7`, the 7th simple command),
//! and the [`Builder`] below turns the numbers back into parts of our tree. The end of a compound command is
//! followed by a made-up redirection, `> k3`, which tells where that command began.

use conch_parser::{
    ast::{self, RedirectOrCmdWord, RedirectOrEnvVar, builder::*},
    parse::{ParseError, Parser, SourcePos},
    token::Token,
};

use super::{
    explain,
    lexeme::{Items, Lexeme, LexemeKind},
};
use crate::{
    Diagnostic, Span,
    syntax::{
        AndOr, AndOrList, AndOrPart, CaseCommand, CaseItem, Command, CompoundCommand, CompoundKind, ForLoop,
        FunctionDefinition, IfCommand, List, ListItem, Loop, Pipeline, Redirection, SimpleCommand, Word,
    },
    token::Control,
};

/// The and-or lists of one complete command, or every error in it, in order.
pub(super) fn parse(lexemes: &[Lexeme], items: Items) -> Result<Vec<ListItem>, Vec<Diagnostic>> {
    match attempt(lexemes, items) {
        Ok(list) => Ok(list),
        Err(failure) => Err(all_errors(lexemes.to_vec(), failure)),
    }
}

/// Replaces the command around each failure by a placeholder and tries again, to find the errors behind it.
fn all_errors(mut lexemes: Vec<Lexeme>, mut failure: Failure) -> Vec<Diagnostic> {
    let mut errors = Vec::new();
    let mut last_place = None;
    loop {
        let place = lexemes.get(failure.index).map_or(u32::MAX, |lexeme| lexeme.span.start);
        if last_place.is_some_and(|last| place <= last) || errors.len() >= super::ERROR_LIMIT {
            return errors;
        }
        last_place = Some(place);
        errors.push(failure.diagnostic(&lexemes));
        if failure.index >= lexemes.len() {
            return errors;
        }
        let range = command_around(&lexemes, failure.index);
        let span = Span { start: place, end: place };
        lexemes.splice(range, [Lexeme { kind: LexemeKind::SimpleCommand(usize::MAX), span }]);
        match attempt(&lexemes, Items::default()) {
            Ok(_) => return errors,
            Err(next) => failure = next,
        }
    }
}

/// The lexemes between the separators before and behind `index`; empty when it is a separator itself.
fn command_around(lexemes: &[Lexeme], index: usize) -> std::ops::Range<usize> {
    let separates = |lexeme: &Lexeme| match lexeme.kind {
        LexemeKind::Newline => true,
        LexemeKind::Control(control) => !matches!(control, Control::AndIf | Control::OrIf | Control::Pipe),
        LexemeKind::Reserved(word) => word != "!",
        _ => false,
    };
    let before = lexemes.get(..index).unwrap_or_default();
    let start = before.iter().rposition(separates).map_or(0, |at| at + 1);
    let behind = lexemes.get(index..).unwrap_or_default();
    let end = behind.iter().position(separates).map_or(lexemes.len(), |at| index + at);
    start..end.max(start)
}

/// Where the grammar stopped.
struct Failure {
    index: usize,
    missing: Option<(&'static str, &'static str)>,
}

impl Failure {
    fn diagnostic(&self, lexemes: &[Lexeme]) -> Diagnostic {
        let error = explain::unexpected(lexemes, self.index);
        match self.missing {
            // A lexeme of another kind than the missing word says more than the missing word.
            Some((command, word)) if error.help.is_none() || error.message.starts_with("unexpected") => {
                Diagnostic { message: format!("`{word}` is missing in `{command}`"), ..error }
                    .help(format!("put `{word}` before this, behind `;` or a newline"))
            }
            _ => error,
        }
    }
}

fn attempt(lexemes: &[Lexeme], items: Items) -> Result<Vec<ListItem>, Failure> {
    let mut tokens = Vec::with_capacity(lexemes.len() * 2);
    let mut starts = Vec::with_capacity(lexemes.len());
    let mut length = 0;
    for (index, lexeme) in lexemes.iter().enumerate() {
        starts.push(length);
        let first = tokens.len();
        let previous = index.checked_sub(1).and_then(|index| lexemes.get(index));
        lexeme_tokens(*lexeme, previous, &mut tokens);
        length += tokens.iter().skip(first).map(Token::len).sum::<usize>();
    }
    let index_of = |position: SourcePos| starts.partition_point(|start| *start <= position.byte).saturating_sub(1);

    let mut parser = Parser::with_builder(tokens.into_iter(), TreeBuilder { items, lexemes });
    let mut list = Vec::new();
    loop {
        let error = match parser.complete_command() {
            Ok(Some(item)) => {
                list.push(item);
                continue;
            }
            Ok(None) => return Ok(list),
            Err(error) => error,
        };
        return Err(match error {
            ParseError::IncompleteCmd(command, _, word, position) => {
                let at_end = position.byte >= length;
                let index = if at_end { lexemes.len() } else { index_of(position) };
                Failure { index, missing: Some((command, word)) }
            }
            ParseError::Unexpected(_, position)
            | ParseError::BadFd(position, _)
            | ParseError::BadIdent(_, position)
            | ParseError::BadSubst(_, position)
            | ParseError::Unmatched(_, position) => Failure { index: index_of(position), missing: None },
            ParseError::UnexpectedEOF => Failure { index: lexemes.len(), missing: None },
            // The word was read already: it is the lexeme before the parser's place.
            ParseError::Custom(NotOurs) => {
                let position = parser.pos();
                let index = starts.partition_point(|start| *start < position.byte).saturating_sub(1);
                Failure { index, missing: None }
            }
        });
    }
}

fn lexeme_tokens(lexeme: Lexeme, previous: Option<&Lexeme>, tokens: &mut Vec<Token>) {
    tokens.push(Token::Whitespace(" ".into()));
    let token = match lexeme.kind {
        LexemeKind::Newline => Token::Newline,
        LexemeKind::Control(control) => match control {
            Control::AndIf => Token::AndIf,
            Control::OrIf => Token::OrIf,
            Control::DoubleSemicolon => Token::DSemi,
            Control::Semicolon => Token::Semi,
            Control::Ampersand => Token::Amp,
            Control::Pipe => Token::Pipe,
            Control::ParenOpen => Token::ParenOpen,
            Control::ParenClose => Token::ParenClose,
        },
        LexemeKind::Reserved(word) => {
            // conch asks for a separator where POSIX does not: `(a) }`, `done fi`.
            if matches!(previous, Some(Lexeme { kind: LexemeKind::Compound(_) | LexemeKind::Redirection(_), .. })) {
                tokens.push(Token::Semi);
            }
            match word {
                "{" => Token::CurlyOpen,
                "}" => Token::CurlyClose,
                "!" => Token::Bang,
                _ => Token::Name(word.to_owned()),
            }
        }
        LexemeKind::SimpleCommand(number) => Token::Name(format!("c{number}")),
        LexemeKind::Word(number) => Token::Name(format!("w{number}")),
        LexemeKind::Name(number) => Token::Name(format!("n{number}")),
        LexemeKind::Compound(number) => {
            tokens.push(Token::Great);
            Token::Name(format!("k{number}"))
        }
        LexemeKind::Redirection(number) => {
            tokens.push(Token::Great);
            Token::Name(format!("r{number}"))
        }
        LexemeKind::Misplaced => Token::Literal("misplaced".into()),
    };
    tokens.push(token);
}

/// conch took a reserved word or a misplaced one for a word.
struct NotOurs;

/// A redirection behind a compound command: a real one, or the made-up one.
enum Behind {
    Redirection(Redirection),
    Compound(Span),
    /// In a further attempt, when the items are gone and only errors count.
    Nothing,
}

struct TreeBuilder<'l> {
    items: Items,
    lexemes: &'l [Lexeme],
}

fn take<T>(items: &mut [Option<T>], number: usize) -> Option<T> {
    items.get_mut(number)?.take()
}

fn number(text: &str, prefix: char) -> Option<usize> {
    text.strip_prefix(prefix)?.parse().ok()
}

fn list(group: CommandGroup<ListItem>) -> List {
    List { items: group.commands }
}

impl TreeBuilder<'_> {
    /// The last lexeme of `kind` that ends at or before `offset`.
    fn last_before(&self, offset: u32, kind: LexemeKind) -> Option<Span> {
        let before = self.lexemes.partition_point(|lexeme| lexeme.span.end <= offset);
        let mut before = self.lexemes.get(..before).unwrap_or_default().iter().rev();
        before.find(|lexeme| lexeme.kind == kind).map(|lexeme| lexeme.span)
    }

    fn name(&mut self, text: &str) -> Result<(String, Span), NotOurs> {
        let number = number(text, 'n').ok_or(NotOurs)?;
        Ok(take(&mut self.items.names, number).unwrap_or_default())
    }

    fn word_item(&mut self, item: LexemeKind) -> Result<Word, NotOurs> {
        match item {
            LexemeKind::Word(number) => Ok(take(&mut self.items.words, number).unwrap_or_default()),
            _ => Err(NotOurs),
        }
    }

    fn compound(&self, kind: CompoundKind, behind: Vec<Behind>) -> CompoundCommand {
        let mut redirections = Vec::new();
        let mut body_span = Span::default();
        for item in behind {
            match item {
                Behind::Compound(span) => body_span = span,
                Behind::Redirection(redirection) => redirections.push(redirection),
                Behind::Nothing => {}
            }
        }
        let span = redirections.last().map_or(body_span, |last: &Redirection| body_span.to(last.span));
        CompoundCommand { kind, redirections, span, body_span }
    }
}

impl Builder for TreeBuilder<'_> {
    type Command = ListItem;
    type CommandList = AndOrList;
    type ListableCommand = Pipeline;
    type PipeableCommand = Command;
    type CompoundCommand = CompoundCommand;
    type Word = LexemeKind;
    type Redirect = Behind;
    type Error = NotOurs;

    fn complete_command(
        &mut self,
        _: Vec<Newline>,
        and_or: AndOrList,
        separator: SeparatorKind,
        _: Option<Newline>,
    ) -> Result<ListItem, NotOurs> {
        Ok(ListItem { and_or, background: separator == SeparatorKind::Amp })
    }

    fn and_or_list(
        &mut self,
        first: Pipeline,
        rest: Vec<(Vec<Newline>, ast::AndOr<Pipeline>)>,
    ) -> Result<AndOrList, NotOurs> {
        let mut span = first.span;
        let rest = rest
            .into_iter()
            .map(|(_, part)| {
                let (operator, control, pipeline) = match part {
                    ast::AndOr::And(pipeline) => (AndOr::And, Control::AndIf, pipeline),
                    ast::AndOr::Or(pipeline) => (AndOr::Or, Control::OrIf, pipeline),
                };
                let operator_span = self.last_before(pipeline.span.start, LexemeKind::Control(control));
                span = span.to(pipeline.span);
                AndOrPart { operator, operator_span: operator_span.unwrap_or_default(), pipeline }
            })
            .collect();
        Ok(AndOrList { first, rest, span })
    }

    fn pipeline(&mut self, bang: bool, commands: Vec<(Vec<Newline>, Command)>) -> Result<Pipeline, NotOurs> {
        let commands: Vec<Command> = commands.into_iter().map(|(_, command)| command).collect();
        let (Some(first), Some(last)) = (commands.first(), commands.last()) else { return Err(NotOurs) };
        let span = first.span().to(last.span());
        let negation = bang.then(|| self.last_before(span.start, LexemeKind::Reserved("!"))).flatten();
        Ok(Pipeline { negation, span: negation.map_or(span, |bang| bang.to(span)), commands })
    }

    fn simple_command(
        &mut self,
        before: Vec<RedirectOrEnvVar<Behind, String, LexemeKind>>,
        words: Vec<RedirectOrCmdWord<Behind, LexemeKind>>,
    ) -> Result<Command, NotOurs> {
        let mut words = words.into_iter();
        match (before.is_empty(), words.next(), words.next()) {
            (true, Some(RedirectOrCmdWord::CmdWord(LexemeKind::SimpleCommand(number))), None) => {
                let command = take(&mut self.items.simple_commands, number);
                Ok(Command::Simple(command.unwrap_or_else(placeholder)))
            }
            _ => Err(NotOurs),
        }
    }

    fn brace_group(&mut self, group: CommandGroup<ListItem>, behind: Vec<Behind>) -> Result<CompoundCommand, NotOurs> {
        Ok(self.compound(CompoundKind::BraceGroup(list(group)), behind))
    }

    fn subshell(&mut self, group: CommandGroup<ListItem>, behind: Vec<Behind>) -> Result<CompoundCommand, NotOurs> {
        Ok(self.compound(CompoundKind::Subshell(list(group)), behind))
    }

    fn loop_command(
        &mut self,
        kind: LoopKind,
        pair: GuardBodyPairGroup<ListItem>,
        behind: Vec<Behind>,
    ) -> Result<CompoundCommand, NotOurs> {
        let body = Loop { condition: list(pair.guard), body: list(pair.body) };
        let kind = match kind {
            LoopKind::While => CompoundKind::While(body),
            LoopKind::Until => CompoundKind::Until(body),
        };
        Ok(self.compound(kind, behind))
    }

    fn if_command(
        &mut self,
        fragments: IfFragments<ListItem>,
        behind: Vec<Behind>,
    ) -> Result<CompoundCommand, NotOurs> {
        let branches = fragments.conditionals.into_iter().map(|pair| (list(pair.guard), list(pair.body))).collect();
        let kind = CompoundKind::If(IfCommand { branches, otherwise: fragments.else_branch.map(list) });
        Ok(self.compound(kind, behind))
    }

    fn for_command(
        &mut self,
        fragments: ForFragments<LexemeKind, ListItem>,
        behind: Vec<Behind>,
    ) -> Result<CompoundCommand, NotOurs> {
        let (variable, _) = self.name(&fragments.var)?;
        let words = match fragments.words {
            Some((_, words, _)) => Some(words.into_iter().map(|word| self.word_item(word)).collect::<Result<_, _>>()?),
            None => None,
        };
        let kind = CompoundKind::For(ForLoop { variable, words, body: list(fragments.body) });
        Ok(self.compound(kind, behind))
    }

    fn case_command(
        &mut self,
        fragments: CaseFragments<LexemeKind, ListItem>,
        behind: Vec<Behind>,
    ) -> Result<CompoundCommand, NotOurs> {
        let mut item = |arm: CaseArm<LexemeKind, ListItem>| {
            let patterns = arm
                .patterns
                .pattern_alternatives
                .into_iter()
                .map(|word| self.word_item(word))
                .collect::<Result<_, _>>()?;
            Ok(CaseItem { patterns, body: list(arm.body) })
        };
        let items = fragments.arms.into_iter().map(&mut item).collect::<Result<_, _>>()?;
        let kind = CompoundKind::Case(CaseCommand { subject: self.word_item(fragments.word)?, items });
        Ok(self.compound(kind, behind))
    }

    fn compound_command_into_pipeable(&mut self, command: CompoundCommand) -> Result<Command, NotOurs> {
        Ok(Command::Compound(Box::new(command)))
    }

    fn function_declaration(
        &mut self,
        name: String,
        _: Vec<Newline>,
        body: CompoundCommand,
    ) -> Result<Command, NotOurs> {
        let (name, name_span) = self.name(&name)?;
        let span = name_span.to(body.span);
        Ok(Command::Function(FunctionDefinition { name, name_span, body, span }.into()))
    }

    fn comments(&mut self, _: Vec<Newline>) -> Result<(), NotOurs> {
        Ok(())
    }

    fn word(&mut self, kind: ComplexWordKind<ListItem>) -> Result<LexemeKind, NotOurs> {
        let ComplexWordKind::Single(WordKind::Simple(SimpleWordKind::Literal(text))) = kind else {
            return Err(NotOurs);
        };
        let numbered = |prefix| number(&text, prefix);
        let kinds = [
            numbered('c').map(LexemeKind::SimpleCommand),
            numbered('w').map(LexemeKind::Word),
            numbered('r').map(LexemeKind::Redirection),
            numbered('k').map(LexemeKind::Compound),
        ];
        kinds.into_iter().flatten().next().ok_or(NotOurs)
    }

    fn redirect(&mut self, kind: RedirectKind<LexemeKind>) -> Result<Behind, NotOurs> {
        Ok(match kind {
            RedirectKind::Write(None, LexemeKind::Redirection(number)) => {
                take(&mut self.items.redirections, number).map_or(Behind::Nothing, Behind::Redirection)
            }
            RedirectKind::Write(None, LexemeKind::Compound(number)) => {
                take(&mut self.items.compounds, number).map_or(Behind::Nothing, Behind::Compound)
            }
            _ => return Err(NotOurs),
        })
    }
}

fn placeholder() -> SimpleCommand {
    SimpleCommand { assignments: Vec::new(), words: Vec::new(), redirections: Vec::new(), span: Span::default() }
}
