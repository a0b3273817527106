//! One complete command: which lexeme may follow which, what is open, and how to go on where something is wrong.
//!
//! An error is mended rather than given up on: what is missing is taken for present, what is too much for absent. So
//! each error is told once, and the next one is told too.

use super::{
    Broken, ListEnd, Offsets, Reader, explain,
    lexeme::LexemeKind,
    open::{CompleteCommand, Expect, Opener, Opening, Section},
    token::{self, Control},
    word::Where,
};
use crate::{
    Span,
    language::{is_name, reserved::Reserved},
};

/// What further lines of a conflict begin with.
const CONFLICT_MARKERS: [&[u8]; 3] = [b"|||||||", b"=======", b">>>>>>> "];

impl Reader<'_> {
    /// Gathers the lexemes of one complete command: up to a separator outside all delimiters. True at `end`.
    pub(super) fn complete_command(&mut self, end: ListEnd, command: &mut CompleteCommand) -> Result<bool, Broken> {
        loop {
            self.conflict_marker();
            self.blanks_and_comment();
            let ended = match self.peek() {
                None => {
                    self.here_documents();
                    return Ok(self.text_ended(end, command));
                }
                Some(b'\n') => Ok(self.newline(command).then_some(false)),
                Some(b')') if end == ListEnd::Paren && !command.openers.iter().any(|opener| opener.owns(")")) => {
                    self.end_of_substitution(command)
                }
                Some(b';' | b'&' | b'|' | b'(' | b')') => self.operator(command),
                Some(_) => self.word_in_command(command).map(|()| None),
            };
            match ended {
                _ if self.problems.stopped => return Err(Broken(self.text.len())),
                Ok(None) => {}
                Ok(Some(ended)) => return Ok(ended),
                Err(Broken(resume)) => {
                    self.position = resume;
                    self.problems.muted = true;
                    command.expect = Expect::Operator;
                }
            }
        }
    }

    /// Skips a line that Git has put between two versions of the text. Of a conflict, the first one is reported; what is
    /// in both versions is read.
    fn conflict_marker(&mut self) {
        let is_line_start = self.position == 0 || self.text.get(self.position - 1) == Some(&b'\n');
        if !is_line_start || !matches!(self.peek(), Some(b'<' | b'|' | b'=' | b'>')) {
            return;
        }
        let end = self.line_end(self.position);
        let line = self.text.get(self.position..end).unwrap_or_default();
        if line.starts_with(b"<<<<<<< ") {
            self.report(explain::unfinished_merge(self.span(self.position, end)));
            self.problems.in_conflict = true;
            self.position = end;
        } else if self.problems.in_conflict && CONFLICT_MARKERS.iter().any(|marker| line.starts_with(marker)) {
            self.problems.count += 1;
            self.problems.in_conflict = line.first() != Some(&b'>');
            self.position = end;
        }
    }

    /// Reads a newline and the here-documents behind it. True when it completes the command.
    fn newline(&mut self, command: &mut CompleteCommand) -> bool {
        let span = self.span(self.position, self.position + 1);
        self.position += 1;
        self.here_documents();
        if command.is_complete() {
            return true;
        }
        match command.expect {
            Expect::Operator | Expect::AfterCompound => command.push(LexemeKind::Newline, span, Expect::CommandOrEnd),
            Expect::ForWords => command.push(LexemeKind::Newline, span, Expect::ForDo),
            Expect::Command if command.last_is(LexemeKind::Reserved(Reserved::Bang)) => {
                self.nothing_behind(command, Some(("a newline", span)));
                command.expect = Expect::CommandOrEnd;
            }
            Expect::ForName | Expect::CaseSubject | Expect::CasePattern | Expect::AfterPattern => {
                self.report(explain::head_broken(command, "a newline", span));
                command.expect = match command.expect {
                    Expect::ForName => Expect::ForIn,
                    Expect::CaseSubject => Expect::CaseIn,
                    _ if self.is_pattern(self.position) => Expect::AfterPattern,
                    _ => Expect::CommandOrEnd,
                };
            }
            _ => {}
        }
        false
    }

    /// At the `)` that ends the command substitution around the list.
    fn end_of_substitution(&mut self, command: &mut CompleteCommand) -> Result<Option<bool>, Broken> {
        if command.in_case() && matches!(command.expect, Expect::CaseItem | Expect::CasePattern | Expect::AfterPattern)
        {
            return self.operator(command);
        }
        let span = self.span(self.position, self.position + 1);
        if let Some(opener) = command.openers.last() {
            self.report(explain::missing_close(")", span, opener));
        } else if matches!(command.expect, Expect::Command | Expect::FunctionBody) {
            self.nothing_behind(command, Some((")", span)));
        }
        Ok(Some(true))
    }

    /// The text has ended: reports what is not finished. True, unless the rest is read again.
    fn text_ended(&mut self, end: ListEnd, command: &CompleteCommand) -> bool {
        let Some(opener) = command.openers.last() else {
            if matches!(command.expect, Expect::Command | Expect::FunctionBody) {
                self.nothing_behind(command, None);
            }
            return true;
        };
        if !opener.implied && self.problems.unclosed.is_none_or(|inner| opener.span.start >= inner) {
            self.report(explain::unclosed(opener, self.end_span()));
            self.problems.unclosed = Some(opener.span.start);
        }
        // What stands behind the line of the outermost opener may be commands too: read them, but once, and silently.
        let outermost = command.openers.first().map_or(0, |opener| opener.span.start as usize);
        let again = end == ListEnd::Text && matches!(self.offsets, Offsets::Same) && !self.problems.rereading;
        if again {
            self.problems.rereading = true;
            self.position = self.line_end(outermost);
        }
        !again
    }

    fn nothing_behind(&mut self, command: &CompleteCommand, found: Option<(&str, Span)>) {
        if let Some(error) = explain::nothing_behind(&command.lexemes, found) {
            self.report(error);
        }
    }

    /// Reads an operator. True when it completes the command.
    fn operator(&mut self, command: &mut CompleteCommand) -> Result<Option<bool>, Broken> {
        let start = self.position;
        let Ok((rest, control)) = token::control(self.rest()) else { return Err(Broken(start + 1)) };
        self.advance_to(rest);
        let span = self.span(start, self.position);
        match (control, command.expect) {
            (Control::ParenOpen, Expect::Command | Expect::CommandOrEnd | Expect::FunctionBody) => {
                self.open(command, Opening::Paren, span)?;
                command.push(LexemeKind::Control(control), span, Expect::Command);
            }
            (Control::ParenOpen, Expect::CaseItem) => {
                command.push(LexemeKind::Control(control), span, Expect::CasePattern);
            }
            (Control::ParenOpen, expect) => {
                self.report(explain::misplaced_parenthesis(command, span));
                self.skip_parentheses(start);
                command.expect = if expect == Expect::ForName { Expect::ForIn } else { expect };
            }
            (Control::ParenClose, Expect::CaseItem | Expect::CasePattern | Expect::AfterPattern) => {
                if command.expect != Expect::AfterPattern {
                    self.report(explain::no_pattern(control.text(), span));
                }
                command.push(LexemeKind::Control(control), span, Expect::CommandOrEnd);
            }
            (Control::ParenClose, _) => self.close(command, None, span),
            (Control::DoubleSemicolon, _) => self.double_semicolon(command, span),
            (Control::Pipe, Expect::AfterPattern) => {
                command.push(LexemeKind::Control(control), span, Expect::CasePattern);
            }
            (_, Expect::Operator | Expect::AfterCompound) => return Ok(self.separator(command, control, span)),
            (Control::Semicolon, Expect::ForIn | Expect::ForWords) => {
                command.push(LexemeKind::Control(control), span, Expect::ForDo);
            }
            (_, Expect::CommandOrEnd) => self.report(explain::no_command_before(control, span)),
            (_, Expect::Command | Expect::FunctionBody) => {
                self.nothing_behind(command, Some((control.text(), span)));
                command.expect = Expect::CommandOrEnd;
            }
            (_, expect) => {
                self.report(explain::head_broken(command, control.text(), span));
                command.expect = match expect {
                    Expect::ForName | Expect::ForIn => Expect::ForIn,
                    Expect::ForWords if control != Control::Ampersand => Expect::ForWords,
                    Expect::ForWords | Expect::ForDo => Expect::ForDo,
                    Expect::CaseSubject | Expect::CaseIn => Expect::CaseIn,
                    _ => Expect::CaseItem,
                };
            }
        }
        Ok(None)
    }

    /// Handles an operator behind a command. False when it completes the command around.
    fn separator(&mut self, command: &mut CompleteCommand, control: Control, span: Span) -> Option<bool> {
        if control == Control::Semicolon && self.peek() == Some(b'&') && command.in_case() {
            self.position += 1;
            self.report(explain::fall_through(";&", span));
            command.expect = Expect::CaseItem;
            return None;
        }
        if matches!(control, Control::Semicolon | Control::Ampersand) {
            command.push(LexemeKind::Control(control), span, Expect::CommandOrEnd);
            return command.openers.is_empty().then_some(false);
        }
        if control == Control::Pipe && self.peek() == Some(b'&') && self.peek_at(1) != Some(b'&') {
            self.position += 1;
            self.report(explain::pipe_both(span));
        }
        command.push(LexemeKind::Control(control), span, Expect::Command);
        None
    }

    /// `;;` ends an item of the innermost `case`.
    fn double_semicolon(&mut self, command: &mut CompleteCommand, span: Span) {
        let is_case = |opener: &Opener| opener.opening == Opening::Word(Reserved::Case);
        let Some(case) = command.openers.iter().rposition(is_case) else {
            self.report(explain::no_case(span));
            command.expect = Expect::CommandOrEnd;
            return;
        };
        if let Some(opener) = command.openers.last().filter(|opener| !is_case(opener)) {
            self.report(explain::missing_close(";;", span, opener));
            self.close_down_to(command, case + 1);
        } else if command.expect == Expect::Command {
            self.nothing_behind(command, Some((";;", span)));
        } else if !matches!(command.expect, Expect::Operator | Expect::AfterCompound | Expect::CommandOrEnd) {
            self.report(explain::head_broken(command, ";;", span));
        }
        if self.peek() == Some(b'&') {
            self.position += 1;
            self.report(explain::fall_through(";;&", span));
        }
        command.push(LexemeKind::Control(Control::DoubleSemicolon), span, Expect::CaseItem);
    }

    /// Reads a word, whatever it means here.
    pub(super) fn word_in_command(&mut self, command: &mut CompleteCommand) -> Result<(), Broken> {
        match command.expect {
            Expect::Command | Expect::CommandOrEnd => match self.reserved_word() {
                Some((word, end)) => self.reserved(command, word, end),
                None => self.simple_command(command),
            },
            Expect::FunctionBody => self.function_body(command),
            Expect::Operator => self.skip_words(),
            Expect::AfterCompound => self.after_compound(command),
            Expect::ForName | Expect::ForIn | Expect::ForWords | Expect::ForDo => self.word_of_for(command),
            _ => self.word_of_case(command),
        }
    }

    /// The reserved word that is the whole next word, if it is one, and the position behind it.
    pub(super) fn reserved_word(&self) -> Option<(Reserved, usize)> {
        let mut word = [0; 5];
        let (mut length, mut at) = (0, self.position);
        loop {
            match self.text.get(at) {
                Some(b'\\') if self.text.get(at + 1) == Some(&b'\n') => at += 2,
                Some(byte) if !token::ends_word(*byte) => {
                    *word.get_mut(length)? = *byte;
                    length += 1;
                    at += 1;
                }
                _ => return Some((Reserved::of(word.get(..length)?)?, at)),
            }
        }
    }

    /// Reads a reserved word, which ends at `end`.
    pub(super) fn reserved(&mut self, command: &mut CompleteCommand, word: Reserved, end: usize) -> Result<(), Broken> {
        let span = self.span(self.position, end);
        self.position = end;
        let next = match word {
            Reserved::If | Reserved::While | Reserved::Until | Reserved::BraceOpen => Expect::Command,
            Reserved::For => Expect::ForName,
            Reserved::Case => Expect::CaseSubject,
            Reserved::Bang => {
                let negates = !command.last_is(LexemeKind::Reserved(Reserved::Bang))
                    && !command.last_is(LexemeKind::Control(Control::Pipe));
                if !negates {
                    self.report(explain::misplaced_bang(&command.lexemes, span));
                }
                command.push(LexemeKind::Reserved(word), span, Expect::Command);
                return Ok(());
            }
            Reserved::Fi | Reserved::Done | Reserved::Esac | Reserved::BraceClose => {
                self.close(command, Some(word), span);
                return Ok(());
            }
            Reserved::Then | Reserved::Else | Reserved::Elif | Reserved::Do => {
                self.next_section(command, word, span);
                return Ok(());
            }
            Reserved::In => {
                self.report(explain::stray(word.text(), span));
                command.expect = Expect::Operator;
                return Ok(());
            }
        };
        self.open(command, Opening::Word(word), span)?;
        command.push(LexemeKind::Reserved(word), span, next);
        Ok(())
    }

    pub(super) fn open(&mut self, command: &mut CompleteCommand, opening: Opening, span: Span) -> Result<(), Broken> {
        self.deeper()?;
        let section = match opening {
            Opening::Word(Reserved::If | Reserved::While | Reserved::Until | Reserved::For) => Section::Head,
            _ => Section::Body,
        };
        command.openers.push(Opener { opening, span, section, section_span: span, swallowed: None, implied: false });
        Ok(())
    }

    /// Forgets what is open inside the first `count` openers.
    fn close_down_to(&mut self, command: &mut CompleteCommand, count: usize) {
        self.depth -= command.openers.len().saturating_sub(count);
        command.openers.truncate(count);
    }

    /// Finds what `word` belongs to and closes what is open inside that; reports what is missing before `word`.
    /// Gives whether it belongs to anything.
    fn belongs(&mut self, command: &mut CompleteCommand, word: &str, span: Span) -> bool {
        let innermost = command.openers.len().saturating_sub(1);
        let is_closer = !matches!(word, "then" | "else" | "elif" | "do");
        let owner =
            command.openers.iter().enumerate().rposition(|(index, opener)| {
                opener.owns(word) && (index == innermost || is_closer || opener.takes(word))
            });
        let Some(owner) = owner else {
            let mistaken = command.openers.last().filter(|opener| opener.is_closed_by_mistake(word));
            if let Some(opener) = mistaken {
                self.report(explain::missing_close(word, span, opener));
                return true;
            }
            self.report(explain::stray(word, span));
            command.expect = Expect::Operator;
            if !is_closer && self.deeper().is_ok() {
                let opening = Opening::Word(if word == "do" { Reserved::While } else { Reserved::If });
                let section = Section::Body;
                command.openers.push(Opener {
                    opening,
                    span,
                    section,
                    section_span: span,
                    swallowed: None,
                    implied: true,
                });
                command.expect = Expect::CommandOrEnd;
            }
            return false;
        };
        let mut told = matches!(command.expect, Expect::Command | Expect::FunctionBody);
        if told {
            self.nothing_behind(command, Some((word, span)));
        }
        if let Some(opener) = command.openers.last().filter(|_| owner < innermost) {
            if !std::mem::replace(&mut told, true) && !opener.implied {
                self.report(explain::missing_close(word, span, opener));
            }
            self.close_down_to(command, owner + 1);
        }
        if let Some(opener) = command.openers.last().filter(|opener| !told && !opener.implied && !opener.takes(word)) {
            self.report(explain::wrong_section(word, span, opener));
        }
        true
    }

    /// Handles a closing word, or `)` for `None`.
    fn close(&mut self, command: &mut CompleteCommand, word: Option<Reserved>, span: Span) {
        if !self.belongs(command, word.map_or(")", Reserved::text), span) {
            return;
        }
        let Some(opener) = command.openers.pop() else { return };
        self.depth -= 1;
        let kind = word.map_or(LexemeKind::Control(Control::ParenClose), LexemeKind::Reserved);
        command.push(kind, span, Expect::AfterCompound);
        let compound = command.items.compound(opener.span.to(span));
        command.push(compound, span, Expect::AfterCompound);
    }

    /// Handles `then`, `else`, `elif` or `do`.
    fn next_section(&mut self, command: &mut CompleteCommand, word: Reserved, span: Span) {
        if !self.belongs(command, word.text(), span) {
            return;
        }
        if let Some(opener) = command.openers.last_mut() {
            opener.section = match word {
                Reserved::Elif => Section::Head,
                Reserved::Else => Section::Else,
                _ => Section::Body,
            };
            opener.section_span = span;
            opener.swallowed = None;
        }
        command.push(LexemeKind::Reserved(word), span, Expect::Command);
    }

    /// Behind a compound command: its redirections, or a reserved word that goes on with the one around it.
    fn after_compound(&mut self, command: &mut CompleteCommand) -> Result<(), Broken> {
        if self.at_redirection() {
            let redirection = self.redirection()?;
            let span = redirection.span;
            let lexeme = command.items.redirection(redirection);
            command.push(lexeme, span, Expect::AfterCompound);
            return Ok(());
        }
        use Reserved::{BraceClose, Do, Done, Elif, Else, Esac, Fi, Then};
        let start = self.position;
        if let Some((word @ (BraceClose | Fi | Done | Esac | Then | Else | Elif | Do), end)) = self.reserved_word() {
            let behind_redirection = !command.lexemes.last().is_some_and(|last| last.kind == LexemeKind::Compound);
            if behind_redirection {
                self.report(explain::word_after_compound(&command.lexemes, self.span(start, end)));
            }
            return self.reserved(command, word, end);
        }
        let word = self.word(Where::Word)?;
        self.report(explain::word_after_compound(&command.lexemes, word.span));
        self.skip_words()
    }

    /// Skips words and redirections up to an operator.
    pub(super) fn skip_words(&mut self) -> Result<(), Broken> {
        loop {
            self.blanks_and_comment();
            match self.peek() {
                Some(b'<' | b'>') => drop(self.redirection()?),
                Some(byte) if !token::ends_word(byte) => drop(self.word(Where::Word)?),
                _ => return Ok(()),
            }
        }
    }

    /// Reads a word that belongs to `for` itself.
    fn word_of_for(&mut self, command: &mut CompleteCommand) -> Result<(), Broken> {
        let start = self.position;
        let reserved = self.reserved_word();
        if let (Expect::ForIn | Expect::ForDo, Some((Reserved::Do, end))) = (command.expect, reserved) {
            return self.reserved(command, Reserved::Do, end);
        }
        if let (Expect::ForDo, Some((word @ (Reserved::BraceOpen | Reserved::In | Reserved::Then), end)))
        | (Expect::ForIn, Some((word @ Reserved::BraceOpen, end))) = (command.expect, reserved)
        {
            self.position = end;
            self.not_do(command, word, self.span(start, end));
            return Ok(());
        }
        if command.expect == Expect::ForDo {
            let end =
                self.rest().iter().position(|byte| token::ends_word(*byte)).map_or(self.text.len(), |at| start + at);
            self.report(explain::no_do(command, self.span(start, end)));
            if let Some(opener) = command.openers.last_mut() {
                opener.section = Section::Body;
            }
            command.expect = Expect::CommandOrEnd;
            return Ok(());
        }
        if self.at_redirection() {
            let redirection = self.redirection()?;
            self.report(explain::head_broken(command, "a redirection", redirection.span));
            return Ok(());
        }
        let word = self.word(Where::Word)?;
        let span = word.span;
        match command.expect {
            Expect::ForName => {
                let name = word.unquoted().filter(|name| is_name(name.as_bytes()));
                if name.is_none() {
                    self.report(explain::for_name(span));
                }
                let name = command.items.name(name.unwrap_or_default().to_owned(), span);
                command.push(name, span, Expect::ForIn);
            }
            Expect::ForIn if word.unquoted() == Some("in") => {
                command.push(LexemeKind::Reserved(Reserved::In), span, Expect::ForWords);
            }
            Expect::ForIn => {
                self.report(explain::no_in(&command.lexemes, span));
                command.expect = Expect::ForWords;
            }
            _ => {
                command.note_swallowed(std::slice::from_ref(&word));
                let word = command.items.word(word);
                command.push(word, span, Expect::ForWords);
            }
        }
        Ok(())
    }

    /// Handles a reserved word that takes the place of the `do` of `for`.
    fn not_do(&mut self, command: &mut CompleteCommand, word: Reserved, span: Span) {
        let Some(opener) = command.openers.last_mut() else { return };
        if word == Reserved::In {
            command.expect = Expect::ForWords;
            return self.report(explain::late_in(span));
        }
        let error = match word {
            Reserved::BraceOpen => {
                explain::missing_close("{", span, opener).help("write `do` for `{`, and `done` for `}`")
            }
            _ => explain::missing_close(word.text(), span, opener),
        };
        opener.section = Section::Body;
        if word == Reserved::BraceOpen {
            opener.opening = Opening::Word(word);
        }
        command.expect = Expect::Command;
        self.report(error);
    }

    /// Reads a word that belongs to `case` itself.
    fn word_of_case(&mut self, command: &mut CompleteCommand) -> Result<(), Broken> {
        let start = self.position;
        if let (Expect::CaseItem, Some((word, end))) = (command.expect, self.reserved_word()) {
            use Reserved::{BraceClose, Done, Esac, Fi};
            let closes = word == Esac || matches!(word, BraceClose | Done | Fi) && !self.is_pattern(end);
            if closes {
                return self.reserved(command, word, end);
            }
        }
        if self.at_redirection() {
            let redirection = self.redirection()?;
            self.report(explain::head_broken(command, "a redirection", redirection.span));
            return Ok(());
        }
        let word = self.word(Where::Word)?;
        let span = word.span;
        let is_in = word.unquoted() == Some("in");
        match command.expect {
            Expect::CaseSubject => {
                self.blanks();
                let is_missing = is_in && self.reserved_word().is_none_or(|(word, _)| word != Reserved::In);
                if is_missing {
                    self.report(explain::head_broken(command, "in", span));
                }
                let word = command.items.word(word);
                command.push(word, span, if is_missing { Expect::CaseItem } else { Expect::CaseIn });
            }
            Expect::CaseIn if is_in => {
                command.push(LexemeKind::Reserved(Reserved::In), span, Expect::CaseItem);
            }
            Expect::CaseIn => {
                self.report(explain::no_in(&command.lexemes, span));
                self.blanks();
                let in_follows = self.reserved_word().is_some_and(|(word, _)| word == Reserved::In);
                if !in_follows {
                    // `in` was forgotten, and the word is the first pattern.
                    self.position = start;
                    command.expect = Expect::CaseItem;
                }
            }
            Expect::AfterPattern => {
                self.report(explain::head_broken(command, "a word", span));
                self.skip_words()?;
                if !self.is_pattern(self.position) {
                    command.expect = Expect::CommandOrEnd;
                }
            }
            _ => {
                command.note_swallowed(std::slice::from_ref(&word));
                let word = command.items.word(word);
                command.push(word, span, Expect::AfterPattern);
            }
        }
        Ok(())
    }

    /// Whether what stands behind `end` makes the word before it a pattern.
    fn is_pattern(&self, end: usize) -> bool {
        let rest = self.text.get(end..).unwrap_or_default();
        let rest = token::blanks(rest).map_or(rest, |(rest, _)| rest);
        matches!(rest.first(), Some(b')' | b'|'))
    }
}
