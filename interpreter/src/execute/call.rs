//! Calls that are walked without a shell of their own: of functions that hold markers (POSIX 2.9.5), of `eval` and of `.`.

use std::sync::Arc;

use bstr::BString;

use super::{
    compound::Expanded,
    outcome::End,
    walk::{Course, Errexit, Walk, Walked},
};
use crate::{
    Source,
    analyze::ties,
    dispatch::DispatchError,
    expand,
    language::quoting::quote,
    parse,
    state::Function,
    syntax::{SimpleCommand, Word},
};

/// How deep calls may nest here; deeper recursion goes to the shell, which has its own limit.
const DEEPEST: usize = 50;

impl Walk<'_> {
    /// Walks a call, unless the command is none that can be walked.
    pub(super) fn call(&mut self, command: &SimpleCommand, errexit: Errexit) -> Result<Walked, DispatchError> {
        let arguments = command.words.get(1..).unwrap_or_default();
        let plain = command.assignments.is_empty()
            && command.redirections.is_empty()
            && !arguments.iter().any(|word| self.markers.in_word(word));
        match command.unquoted_name().filter(|_| plain) {
            Some("eval") => self.eval(command, arguments, errexit),
            Some(".") if arguments.len() == 1 => self.dot(command, arguments, errexit),
            Some(name)
                if self.markers.in_function(name)
                    && self.calls < DEEPEST
                    && !self.state.aliases.contains_key(name.as_bytes()) =>
            {
                let Some(function) = self.state.functions.get(name).cloned() else { return Ok(Walked::NeedsShell) };
                if *function.aliases != self.state.aliases || !ties::call_can_be_walked(&function.definition) {
                    return Ok(Walked::NeedsShell);
                }
                match self.words(arguments)? {
                    Ok(fields) => self.function_call(&function, arguments, fields, errexit),
                    Err(flow) => Ok(Walked::Done(flow)),
                }
            }
            _ => Ok(Walked::NeedsShell),
        }
    }

    fn eval(&mut self, command: &SimpleCommand, arguments: &[Word], errexit: Errexit) -> Result<Walked, DispatchError> {
        let text = match self.words(arguments)? {
            Ok(Some(words)) => BString::from(bstr::join(" ", words)),
            Ok(None) => return Ok(Walked::NeedsShell),
            Err(flow) => return Ok(Walked::Done(flow)),
        };
        let known = expand::expand_fields(arguments, &self.origin.values().state);
        let is_known = known.is_ok_and(|words| bstr::join(" ", words) == text.as_slice());
        let line = self.source.line_number(command.span.start);
        let source = Source::new(format!("{}:{line} (eval)", self.source.name()), text);
        let text = source.text().to_owned();
        let walked = self.run_text(source, is_known, errexit)?;
        let walked = self.not_again(walked, command, &text);
        Ok(self.behind(walked, errexit))
    }

    fn dot(&mut self, command: &SimpleCommand, arguments: &[Word], errexit: Errexit) -> Result<Walked, DispatchError> {
        let path = match self.words(arguments)? {
            Ok(Some(words)) => words.into_iter().next(),
            Ok(None) => None,
            Err(flow) => return Ok(Walked::Done(flow)),
        };
        let Some(path) = path else { return Ok(Walked::NeedsShell) };
        let text = match self.read_file(command.span, &path)? {
            Expanded::To(Some(text)) => text,
            // What is wrong with it is the shell's to say.
            Expanded::To(None) => return Ok(self.not_again(Walked::NeedsShellWithRest, command, &path)),
            Expanded::Unknown => return Ok(Walked::NeedsShell),
            Expanded::Stop(flow) => return Ok(Walked::Done(flow)),
        };
        self.calls += 1;
        // In dash and busybox `set -e` counts in there, wherever the command stands.
        let walked = self.run_text(Source::new(path.to_string(), text), false, Errexit::Counts);
        self.calls -= 1;
        let failed = self.state.status != 0 && self.state.has_option('e');
        Ok(match walked? {
            Walked::Done(Course::Return) if failed => Walked::Done(Course::Stop(End::Exited)),
            Walked::Done(Course::Return) => self.behind(Walked::Done(Course::Next), errexit),
            walked => {
                let walked = self.not_again(walked, command, &path);
                self.behind(walked, errexit)
            }
        })
    }

    /// The operands of a command have come to `operand`: when it goes to the shell after all, they are not expanded again.
    fn not_again(&mut self, walked: Walked, command: &SimpleCommand, operand: &BString) -> Walked {
        if matches!(walked, Walked::NeedsShell | Walked::NeedsShellWithRest) {
            self.expanded = String::from_utf8(quote(operand)).ok().map(|word| (command.span, word));
        }
        walked
    }

    /// Walks a text that is run in place, unless it needs one shell with what follows. `is_known` tells whether the text is
    /// known without running anything.
    fn run_text(&mut self, source: Source, is_known: bool, errexit: Errexit) -> Result<Walked, DispatchError> {
        let parsed = parse(source);
        let list = &parsed.script.list;
        let is_tied = list.items.iter().any(|item| self.functions.ties_of(item).any());
        if !parsed.errors.is_empty() || self.calls >= DEEPEST || is_tied {
            return Ok(Walked::NeedsShellWithRest);
        }
        if list.items.is_empty() {
            self.set_status(0);
        }
        if !is_known {
            self.origin.enter();
        }
        let flow = self.text(&parsed.script, errexit);
        if !is_known {
            self.origin.leave();
        }
        flow.map(Walked::Done)
    }

    fn function_call(
        &mut self,
        function: &Function,
        words: &[Word],
        arguments: Option<Vec<BString>>,
        errexit: Errexit,
    ) -> Result<Walked, DispatchError> {
        let first_number = function.number.saturating_sub(function.definition.span.start);
        let outer_text = std::mem::replace(&mut self.source, Arc::clone(&function.source));
        let outer_number = std::mem::replace(&mut self.first_number, first_number);
        let positional = self.state.swap_positional(arguments);
        let origin = self.origin.call(words);
        let loops = std::mem::take(&mut self.loops);
        self.calls += 1;
        let walked = self.compound(&function.definition.body, errexit);
        self.calls -= 1;
        (self.source, self.first_number) = (outer_text, outer_number);
        self.state.swap_positional(positional);
        self.origin.returned(origin);
        self.loops = loops;
        Ok(match walked? {
            Walked::Done(Course::Return | Course::Break(_) | Course::Continue(_)) => {
                self.behind(Walked::Done(Course::Next), errexit)
            }
            Walked::Done(flow) => self.behind(Walked::Done(flow), errexit),
            needs_shell => needs_shell,
        })
    }

    /// Where the walk goes behind a call: that is a simple command, whose failing ends the shell under `set -e`.
    fn behind(&self, walked: Walked, errexit: Errexit) -> Walked {
        let failed = walked == Walked::Done(Course::Next) && self.state.status != 0 && self.doubt.of_status().is_none();
        match failed && errexit == Errexit::Counts && self.state.has_option('e') {
            true => Walked::Done(Course::Stop(End::Exited)),
            false => walked,
        }
    }
}
