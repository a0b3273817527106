//! Lexemes to syntax tree, by the grammar of `conch-parser`.
//!
//! conch reads shell text well but keeps no places, and reads some words wrongly. So it never sees a word: each
//! lexeme becomes a token that stands for itself (`if`, `&&`) or a numbered name (`c7`, the 7th simple command),
//! and the [`Builder`] below turns the numbers back into parts of our tree. Compound commands are built in the order in
//! which they end, as the reader noted where each began and ended.

use conch_parser::{
    ast::{self, RedirectOrCmdWord, RedirectOrEnvVar, builder::*},
    parse::{ParseError, Parser, SourcePos},
    token::Token,
};

use super::{
    explain,
    lexeme::{Items, Lexeme, LexemeKind},
    token::Control,
};
use crate::{
    Diagnostic, Span,
    language::reserved::Reserved,
    syntax::{
        AndOr, AndOrList, AndOrPart, CaseCommand, CaseItem, Command, CompoundCommand, CompoundKind, ForLoop,
        FunctionDefinition, IfCommand, List, ListItem, Loop, Pipeline, Redirection, SimpleCommand, Word,
    },
};

/// The and-or lists of one complete command. The reader has found what is wrong in it, so an error here is what it
/// overlooked.
pub(super) fn parse(lexemes: &[Lexeme], items: &mut Items) -> Result<Vec<ListItem>, Box<Diagnostic>> {
    let lexemes = &fold(lexemes, items)[..];
    if let [Lexeme { kind: LexemeKind::Stretch(number), .. }] = *lexemes
        && let Some(list) = take(&mut items.stretches, number)
    {
        return Ok(list);
    }
    let tokens = (0..lexemes.len()).flat_map(|index| tokens(lexemes, index));
    let mut parser = Parser::with_builder(tokens, TreeBuilder { items, lexemes, stretch: None, compounds: 0 });
    let mut list = Vec::new();
    loop {
        match parser.complete_command() {
            Ok(Some(items)) => list.extend(items),
            Ok(None) => return Ok(list),
            Err(error) => {
                let position = place(&error).unwrap_or_else(|| parser.pos());
                return Err(explain::unexpected(lexemes, index_of(lexemes, position)).into());
            }
        }
    }
}

/// Makes one lexeme of and-or lists that stand side by side and hold simple commands only. They are most of a script,
/// their grammar is short, and each command would cost conch some fifty looks ahead.
fn fold(lexemes: &[Lexeme], items: &mut Items) -> Vec<Lexeme> {
    let mut row = Vec::with_capacity(lexemes.len().min(16));
    let mut rest = lexemes;
    let mut may_begin = true;
    while let [first, behind @ ..] = rest {
        let (commands, length) = if may_begin { stretch(rest, items) } else { (Vec::new(), 0) };
        if length > 0 {
            row.push(Lexeme { kind: items.stretch(commands), span: first.span });
            rest = rest.get(length..).unwrap_or_default();
        } else {
            row.push(*first);
            rest = behind;
        }
        may_begin = length == 0 && list_begins_behind(first.kind);
    }
    row
}

/// Whether an and-or list begins behind `kind`, if it is a command that stands there.
fn list_begins_behind(kind: LexemeKind) -> bool {
    use Reserved::{BraceOpen, Do, Elif, Else, If, Then, Until, While};
    match kind {
        LexemeKind::Newline => true,
        LexemeKind::Control(control) => !matches!(control, Control::AndIf | Control::OrIf | Control::Pipe),
        LexemeKind::Reserved(word) => matches!(word, If | Then | Elif | Else | While | Until | Do | BraceOpen),
        _ => false,
    }
}

/// The and-or lists of simple commands at the beginning of `rest` with a separator or the end of a list behind each,
/// and how many lexemes they are.
fn stretch(rest: &[Lexeme], items: &mut Items) -> (Vec<ListItem>, usize) {
    let mut list = Vec::new();
    let mut length = 0;
    loop {
        let rest = rest.get(length..).unwrap_or_default();
        let row = rest.split(|lexeme| !joins_simple_commands(lexeme.kind)).next().unwrap_or_default();
        let (is_separated, background) = match rest.get(row.len()).map(|lexeme| lexeme.kind) {
            Some(LexemeKind::Newline | LexemeKind::Control(Control::Semicolon)) => (true, false),
            Some(LexemeKind::Control(Control::Ampersand)) => (true, true),
            None | Some(LexemeKind::Control(Control::ParenClose | Control::DoubleSemicolon)) => (false, false),
            _ => break,
        };
        let Some(and_or) = and_or_list(row, items) else { break };
        list.push(ListItem { and_or, background });
        length += row.len() + usize::from(is_separated);
    }
    list.shrink_to_fit();
    (list, length)
}

/// Whether `kind` may stand in an and-or list of simple commands.
fn joins_simple_commands(kind: LexemeKind) -> bool {
    use LexemeKind::{Control as Operator, Reserved as Word, SimpleCommand};
    match kind {
        Operator(control) => matches!(control, Control::AndIf | Control::OrIf | Control::Pipe),
        kind => matches!(kind, SimpleCommand(_) | Word(Reserved::Bang)),
    }
}

/// The and-or list that `row` is; the reader has seen that it is one, or that it is empty.
fn and_or_list(row: &[Lexeme], items: &mut Items) -> Option<AndOrList> {
    let operator = |lexeme: &Lexeme| match lexeme.kind {
        LexemeKind::Control(Control::AndIf) => Some(AndOr::And),
        LexemeKind::Control(Control::OrIf) => Some(AndOr::Or),
        _ => None,
    };
    let mut operators = row.iter().filter_map(|lexeme| Some((operator(lexeme)?, lexeme.span)));
    let mut pipelines = row.split(|lexeme| operator(lexeme).is_some());
    let first = pipeline(pipelines.next()?, items)?;
    let mut rest = Vec::new();
    for row in pipelines {
        let (operator, operator_span) = operators.next()?;
        rest.push(AndOrPart { operator, operator_span, pipeline: pipeline(row, items)? });
    }
    rest.shrink_to_fit();
    let span = rest.last().map_or(first.span, |last: &AndOrPart| first.span.to(last.pipeline.span));
    Some(AndOrList { first, rest, span })
}

fn pipeline(row: &[Lexeme], items: &mut Items) -> Option<Pipeline> {
    let (first, last) = (row.first()?, row.last()?);
    let negation = (first.kind == LexemeKind::Reserved(Reserved::Bang)).then_some(first.span);
    let mut commands = Vec::with_capacity(row.len().div_ceil(2));
    for lexeme in row {
        if let LexemeKind::SimpleCommand(number) = lexeme.kind {
            commands.push(Command::Simple(take(&mut items.simple_commands, number)?));
        }
    }
    Some(Pipeline { negation, commands, span: first.span.to(last.span) })
}

/// Where the parser was when it failed; `None` for where it is now.
fn place(error: &ParseError<NotOurs>) -> Option<SourcePos> {
    match error {
        ParseError::IncompleteCmd(_, _, _, position)
        | ParseError::Unexpected(_, position)
        | ParseError::BadFd(position, _)
        | ParseError::BadIdent(_, position)
        | ParseError::BadSubst(_, position)
        | ParseError::Unmatched(_, position) => Some(*position),
        ParseError::UnexpectedEOF | ParseError::Custom(NotOurs) => None,
    }
}

/// The lexeme whose tokens cover the parser's position, or the number of lexemes at the end.
fn index_of(lexemes: &[Lexeme], position: SourcePos) -> usize {
    let mut end = 0;
    let behind = |index: &usize| {
        end += tokens(lexemes, *index).map(|token| token.len()).sum::<usize>();
        end > position.byte
    };
    (0..lexemes.len()).find(behind).unwrap_or(lexemes.len())
}

/// What conch gets for a lexeme: perhaps something that keeps it apart from the one before it, and the token itself.
fn tokens(lexemes: &[Lexeme], index: usize) -> impl Iterator<Item = Token> {
    let kind = lexemes.get(index).map(|lexeme| lexeme.kind);
    let previous = index.checked_sub(1).and_then(|index| lexemes.get(index)).map(|lexeme| lexeme.kind);
    let apart = match (previous, kind) {
        // conch asks for a separator where POSIX does not: `(a) }`, `done fi`.
        (Some(LexemeKind::Compound | LexemeKind::Redirection(_)), Some(LexemeKind::Reserved(_))) => Some(Token::Semi),
        // A stretch has taken the separator behind it with it.
        (Some(LexemeKind::Stretch(_)), Some(kind)) if !ends_list(kind) => Some(Token::Semi),
        (_, Some(LexemeKind::Redirection(_))) => Some(Token::Great),
        // An empty blank: only that it stands there counts.
        (Some(previous), Some(kind)) if is_word(previous) && is_word(kind) => Some(Token::Whitespace(String::new())),
        _ => None,
    };
    apart.into_iter().chain(kind.and_then(token))
}

/// Whether a list may end before `kind` without a separator.
fn ends_list(kind: LexemeKind) -> bool {
    matches!(kind, LexemeKind::Control(Control::ParenClose | Control::DoubleSemicolon))
}

/// Whether two of these side by side would be read as one word.
fn is_word(kind: LexemeKind) -> bool {
    !matches!(kind, LexemeKind::Newline | LexemeKind::Control(_))
}

/// The token that stands for a lexeme; none for the end of a compound command, which its last word tells.
fn token(kind: LexemeKind) -> Option<Token> {
    Some(match kind {
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
        LexemeKind::Reserved(Reserved::BraceOpen) => Token::CurlyOpen,
        LexemeKind::Reserved(Reserved::BraceClose) => Token::CurlyClose,
        LexemeKind::Reserved(Reserved::Bang) => Token::Bang,
        LexemeKind::Reserved(word) => Token::Name(word.text().to_owned()),
        LexemeKind::SimpleCommand(number) => numbered('c', number),
        LexemeKind::Stretch(number) => numbered('s', number),
        LexemeKind::Word(number) => numbered('w', number),
        LexemeKind::Name(number) => numbered('n', number),
        LexemeKind::Compound => return None,
        LexemeKind::Redirection(number) => numbered('r', number),
    })
}

/// The name that stands for an item: a letter for its kind, and its number.
fn numbered(kind: char, number: u32) -> Token {
    let mut name = String::with_capacity(8);
    name.push(kind);
    name.push_str(&number.to_string());
    Token::Name(name)
}

/// The number in a name made by [`numbered`].
fn number(text: &str, kind: char) -> Option<u32> {
    text.strip_prefix(kind)?.parse().ok()
}

/// conch took something for a word, a name or a redirection that is none.
struct NotOurs;

struct TreeBuilder<'l> {
    items: &'l mut Items,
    /// The stretch that was read last, until the separator behind it.
    stretch: Option<Vec<ListItem>>,
    /// How many compound commands have ended.
    compounds: usize,
    lexemes: &'l [Lexeme],
}

fn take<T>(items: &mut [Option<T>], number: u32) -> Option<T> {
    items.get_mut(number as usize)?.take()
}

fn list(group: CommandGroup<Vec<ListItem>>) -> List {
    let mut commands = group.commands.into_iter();
    let mut items = commands.next().unwrap_or_default();
    items.extend(commands.flatten());
    items.shrink_to_fit();
    List { items }
}

impl TreeBuilder<'_> {
    /// The last lexeme of `kind` that ends at or before `offset`.
    fn last_before(&self, offset: u32, kind: LexemeKind) -> Option<Span> {
        let before = self.lexemes.partition_point(|lexeme| lexeme.span.end <= offset);
        let mut before = self.lexemes.get(..before).unwrap_or_default().iter().rev();
        before.find(|lexeme| lexeme.kind == kind).map(|lexeme| lexeme.span)
    }

    fn name(&mut self, text: &str) -> Result<(String, Span), NotOurs> {
        number(text, 'n').and_then(|number| take(&mut self.items.names, number)).ok_or(NotOurs)
    }

    fn word_item(&mut self, item: LexemeKind) -> Result<Word, NotOurs> {
        match item {
            LexemeKind::Word(number) => take(&mut self.items.words, number).ok_or(NotOurs),
            _ => Err(NotOurs),
        }
    }

    fn compound(&mut self, kind: CompoundKind, redirections: Vec<Redirection>) -> Result<CompoundCommand, NotOurs> {
        let body_span = *self.items.compounds.get(self.compounds).ok_or(NotOurs)?;
        self.compounds += 1;
        let span = redirections.last().map_or(body_span, |last| body_span.to(last.span));
        Ok(CompoundCommand { kind, redirections, span, body_span })
    }
}

impl Builder for TreeBuilder<'_> {
    type Command = Vec<ListItem>;
    type CommandList = AndOrList;
    type ListableCommand = Pipeline;
    type PipeableCommand = Command;
    type CompoundCommand = CompoundCommand;
    type Word = LexemeKind;
    type Redirect = Redirection;
    type Error = NotOurs;

    fn complete_command(
        &mut self,
        _: Vec<Newline>,
        and_or: AndOrList,
        separator: SeparatorKind,
        _: Option<Newline>,
    ) -> Result<Vec<ListItem>, NotOurs> {
        let one = || vec![ListItem { and_or, background: separator == SeparatorKind::Amp }];
        Ok(self.stretch.take().unwrap_or_else(one))
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
        // Not collected in place, which would keep the room of what conch has with them.
        let mut only_commands = Vec::with_capacity(commands.len());
        only_commands.extend(commands.into_iter().map(|(_, command)| command));
        let commands: Vec<Command> = only_commands;
        let (Some(first), Some(last)) = (commands.first(), commands.last()) else { return Err(NotOurs) };
        let span = first.span().to(last.span());
        let negation = bang.then(|| self.last_before(span.start, LexemeKind::Reserved(Reserved::Bang))).flatten();
        Ok(Pipeline { negation, span: negation.map_or(span, |bang| bang.to(span)), commands })
    }

    fn simple_command(
        &mut self,
        before: Vec<RedirectOrEnvVar<Redirection, String, LexemeKind>>,
        words: Vec<RedirectOrCmdWord<Redirection, LexemeKind>>,
    ) -> Result<Command, NotOurs> {
        let mut words = words.into_iter();
        match (before.is_empty(), words.next(), words.next()) {
            (true, Some(RedirectOrCmdWord::CmdWord(LexemeKind::SimpleCommand(number))), None) => {
                take(&mut self.items.simple_commands, number).map(Command::Simple).ok_or(NotOurs)
            }
            (true, Some(RedirectOrCmdWord::CmdWord(LexemeKind::Stretch(number))), None) => {
                self.stretch = take(&mut self.items.stretches, number);
                Ok(stands_for_stretch())
            }
            _ => Err(NotOurs),
        }
    }

    fn brace_group(
        &mut self,
        group: CommandGroup<Vec<ListItem>>,
        redirections: Vec<Redirection>,
    ) -> Result<CompoundCommand, NotOurs> {
        self.compound(CompoundKind::BraceGroup(list(group)), redirections)
    }

    fn subshell(
        &mut self,
        group: CommandGroup<Vec<ListItem>>,
        redirections: Vec<Redirection>,
    ) -> Result<CompoundCommand, NotOurs> {
        self.compound(CompoundKind::Subshell(list(group)), redirections)
    }

    fn loop_command(
        &mut self,
        kind: LoopKind,
        pair: GuardBodyPairGroup<Vec<ListItem>>,
        redirections: Vec<Redirection>,
    ) -> Result<CompoundCommand, NotOurs> {
        let body = Loop { condition: list(pair.guard), body: list(pair.body) };
        let kind = match kind {
            LoopKind::While => CompoundKind::While(body),
            LoopKind::Until => CompoundKind::Until(body),
        };
        self.compound(kind, redirections)
    }

    fn if_command(
        &mut self,
        fragments: IfFragments<Vec<ListItem>>,
        redirections: Vec<Redirection>,
    ) -> Result<CompoundCommand, NotOurs> {
        let branches = fragments.conditionals.into_iter().map(|pair| (list(pair.guard), list(pair.body))).collect();
        let kind = CompoundKind::If(IfCommand { branches, otherwise: fragments.else_branch.map(list) });
        self.compound(kind, redirections)
    }

    fn for_command(
        &mut self,
        fragments: ForFragments<LexemeKind, Vec<ListItem>>,
        redirections: Vec<Redirection>,
    ) -> Result<CompoundCommand, NotOurs> {
        let (variable, _) = self.name(&fragments.var)?;
        let words = match fragments.words {
            Some((_, words, _)) => Some(words.into_iter().map(|word| self.word_item(word)).collect::<Result<_, _>>()?),
            None => None,
        };
        let kind = CompoundKind::For(ForLoop { variable, words, body: list(fragments.body) });
        self.compound(kind, redirections)
    }

    fn case_command(
        &mut self,
        fragments: CaseFragments<LexemeKind, Vec<ListItem>>,
        redirections: Vec<Redirection>,
    ) -> Result<CompoundCommand, NotOurs> {
        let mut item = |arm: CaseArm<LexemeKind, Vec<ListItem>>| {
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
        self.compound(kind, redirections)
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

    fn word(&mut self, kind: ComplexWordKind<Vec<ListItem>>) -> Result<LexemeKind, NotOurs> {
        let ComplexWordKind::Single(WordKind::Simple(SimpleWordKind::Literal(text))) = kind else {
            return Err(NotOurs);
        };
        let numbered = |prefix| number(&text, prefix);
        let kinds = [
            numbered('c').map(LexemeKind::SimpleCommand),
            numbered('s').map(LexemeKind::Stretch),
            numbered('w').map(LexemeKind::Word),
            numbered('r').map(LexemeKind::Redirection),
        ];
        kinds.into_iter().flatten().next().ok_or(NotOurs)
    }

    fn redirect(&mut self, kind: RedirectKind<LexemeKind>) -> Result<Redirection, NotOurs> {
        match kind {
            RedirectKind::Write(None, LexemeKind::Redirection(number)) => take(&mut self.items.redirections, number),
            _ => None,
        }
        .ok_or(NotOurs)
    }
}

/// What conch carries to the separator behind a stretch, where the commands of the stretch take its place.
fn stands_for_stretch() -> Command {
    let span = Span::default();
    Command::Simple(SimpleCommand { assignments: Vec::new(), words: Vec::new(), redirections: Vec::new(), span })
}
