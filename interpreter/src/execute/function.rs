//! Calls of functions that hold markers (POSIX 2.9.5), walked without a shell of their own.

use super::{End, Errexit, Flow, Walk};
use crate::{dispatch::DispatchError, syntax::SimpleCommand};

/// How deep calls may nest here; deeper recursion goes to the shell, which has its own limit.
const DEEPEST: usize = 50;

impl Walk<'_> {
    /// Walks a call. None when the command is no call of a known function that can be walked.
    pub(super) fn call(&mut self, command: &SimpleCommand, errexit: Errexit) -> Result<Option<Flow>, DispatchError> {
        let plain = command.assignments.is_empty() && command.redirections.is_empty();
        let name = command.unquoted_name().filter(|name| plain && self.markers.in_function(name));
        let Some(function) = name.and_then(|name| self.state.functions.get(name)).cloned() else { return Ok(None) };
        let body = &function.definition.body;
        let is_local = |body: &crate::syntax::CompoundCommand| crate::analysis::declares_local(body);
        let walkable = body.redirections.is_empty() && !is_local(body) && self.calls < DEEPEST;
        let own_text = std::sync::Arc::ptr_eq(&function.source, self.source);
        if !walkable || !own_text || matches!(body.kind, crate::syntax::CompoundKind::Subshell(_)) {
            return Ok(None);
        }
        let arguments = match self.words(command.words.get(1..).unwrap_or_default())? {
            Ok(arguments) => arguments,
            Err(flow) => return Ok(Some(flow)),
        };
        let positional = std::mem::replace(&mut self.state.positional, arguments);
        let loops = std::mem::take(&mut self.loops);
        self.calls += 1;
        let flow = self.compound(body, errexit)?;
        self.calls -= 1;
        self.loops = loops;
        self.state.positional = positional;
        let flow = match flow {
            Some(Flow::Return | Flow::Break(_) | Flow::Continue(_)) => Flow::Next,
            Some(flow) => flow,
            None => return Ok(None),
        };
        // The call is a simple command: under `set -e` its failing ends the shell.
        let failed = flow == Flow::Next && self.state.status != 0 && self.unknown_status.is_none();
        if failed && errexit == Errexit::Counts && self.state.has_option('e') {
            return Ok(Some(Flow::Stop(End::Exited)));
        }
        Ok(Some(flow))
    }
}
