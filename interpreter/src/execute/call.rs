//! Calls that are walked without a shell of their own: of functions that hold markers (POSIX 2.9.5), of `eval` and of `.`.

use std::sync::Arc;

use bstr::BString;

use super::{
    compound::Expanded,
    outcome::End,
    walk::{Errexit, Flow, Walk},
};
use crate::{Source, analyze::ties, dispatch::DispatchError, parse, state::Function, syntax::SimpleCommand};

/// How deep calls may nest here; deeper recursion goes to the shell, which has its own limit.
const DEEPEST: usize = 50;

impl Walk<'_> {
    /// Walks a call. None when the command is no call that can be walked.
    pub(super) fn call(&mut self, command: &SimpleCommand, errexit: Errexit) -> Result<Option<Flow>, DispatchError> {
        let arguments = command.words.get(1..).unwrap_or_default();
        let plain = command.assignments.is_empty()
            && command.redirections.is_empty()
            && !arguments.iter().any(|word| self.markers.in_word(word));
        match command.unquoted_name().filter(|_| plain) {
            Some("eval") => {
                let text = match self.words(arguments)? {
                    Ok(Some(words)) => bstr::join(" ", words),
                    Ok(None) => return Ok(None),
                    Err(flow) => return Ok(Some(flow)),
                };
                let line = self.source.line_number(command.span.start);
                let source = Source::new(format!("{}:{line} (eval)", self.source.name()), text);
                let flow = self.run_text(source, errexit)?;
                Ok(flow.map(|flow| self.called(flow, errexit)))
            }
            Some(".") if arguments.len() == 1 => {
                let path = match self.words(arguments)? {
                    Ok(Some(words)) => words.into_iter().next(),
                    Ok(None) => None,
                    Err(flow) => return Ok(Some(flow)),
                };
                let Some(path) = path else { return Ok(None) };
                let text = match self.read_file(command.span, &path)? {
                    Expanded::To(Some(text)) => text,
                    // What is wrong with it is the shell's to say.
                    Expanded::To(None) => return Ok(self.give_up()),
                    Expanded::Unknown => return Ok(None),
                    Expanded::Stop(flow) => return Ok(Some(flow)),
                };
                self.calls += 1;
                // In dash and busybox `set -e` counts in there, wherever the command stands.
                let flow = self.run_text(Source::new(path.to_string(), text), Errexit::Counts);
                self.calls -= 1;
                let failed = self.state.status != 0 && self.state.has_option('e');
                Ok(flow?.map(|flow| match flow {
                    Flow::Return if failed => Flow::Stop(End::Exited),
                    Flow::Return => self.called(Flow::Next, errexit),
                    flow => self.called(flow, errexit),
                }))
            }
            Some(name)
                if self.markers.in_function(name)
                    && self.calls < DEEPEST
                    && !self.state.aliases.contains_key(name.as_bytes()) =>
            {
                let Some(function) = self.state.functions.get(name).cloned() else { return Ok(None) };
                if *function.aliases != self.state.aliases || !ties::call_can_be_walked(&function.definition) {
                    return Ok(None);
                }
                match self.words(arguments)? {
                    Ok(arguments) => self.function_call(&function, arguments, errexit),
                    Err(flow) => Ok(Some(flow)),
                }
            }
            _ => Ok(None),
        }
    }

    /// Walks a text that is run in place; `None` when it needs one shell with what follows.
    fn run_text(&mut self, source: Source, errexit: Errexit) -> Result<Option<Flow>, DispatchError> {
        let parsed = parse(source);
        let list = &parsed.script.list;
        if !parsed.errors.is_empty() || self.calls >= DEEPEST || ties::needs_one_shell(list, &self.definitions) {
            return Ok(self.give_up());
        }
        if list.items.is_empty() {
            self.set_status(0);
        }
        self.text(&parsed.script, errexit).map(Some)
    }

    /// The command cannot be walked after all, and may define functions or open files: what follows in its list must
    /// have the same shell.
    fn give_up(&mut self) -> Option<Flow> {
        self.gave_up = true;
        None
    }

    fn function_call(
        &mut self,
        function: &Function,
        arguments: Option<Vec<BString>>,
        errexit: Errexit,
    ) -> Result<Option<Flow>, DispatchError> {
        let first_number = function.number.saturating_sub(function.definition.span.start);
        let outer_text = std::mem::replace(&mut self.source, Arc::clone(&function.source));
        let outer_number = std::mem::replace(&mut self.first_number, first_number);
        let positional = self.state.swap_positional(arguments);
        let loops = std::mem::take(&mut self.loops);
        self.calls += 1;
        let flow = self.compound(&function.definition.body, errexit);
        self.calls -= 1;
        (self.source, self.first_number) = (outer_text, outer_number);
        self.state.swap_positional(positional);
        self.loops = loops;
        let flow = match flow? {
            Some(Flow::Return | Flow::Break(_) | Flow::Continue(_)) => Flow::Next,
            Some(flow) => flow,
            None => return Ok(None),
        };
        Ok(Some(self.called(flow, errexit)))
    }

    /// Where the walk goes behind a call: that is a simple command, whose failing ends the shell under `set -e`.
    fn called(&self, flow: Flow, errexit: Errexit) -> Flow {
        let failed = flow == Flow::Next && self.state.status != 0 && self.unknown_status.is_none();
        match failed && errexit == Errexit::Counts && self.state.has_option('e') {
            true => Flow::Stop(End::Exited),
            false => flow,
        }
    }
}
