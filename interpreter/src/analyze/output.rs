//! Where the output of commands goes, as the text around them and before them says it.

use crate::{
    Span,
    syntax::{
        CompoundCommand, Redirection, RedirectionOperator, Script, SimpleCommand,
        visit::{self, Visit},
    },
};

/// The command that sends the standard output or error of what stands at `span` to a file: an `exec` before it, or a
/// compound command around it, whichever begins last. Whether an `exec` is reached is not looked at.
pub fn redirection_of(script: &Script, span: Span) -> Option<Span> {
    let mut finder = RedirectionFinder { span, found: None };
    finder.visit_list(&script.list);
    finder.found
}

struct RedirectionFinder {
    span: Span,
    found: Option<Span>,
}

fn writes_file(redirection: &Redirection) -> bool {
    use RedirectionOperator::{Append, Clobber, Output};
    matches!(redirection.operator, Output | Clobber | Append) && matches!(redirection.descriptor.unwrap_or(1), 1 | 2)
}

impl<'t> Visit<'t> for RedirectionFinder {
    fn visit_simple_command(&mut self, command: &'t SimpleCommand) {
        let is_exec = command.unquoted_name() == Some("exec") && command.words.len() == 1;
        if is_exec && command.span.end <= self.span.start && command.redirections.iter().any(writes_file) {
            self.found = Some(command.span);
        }
        visit::walk_simple_command(self, command);
    }

    fn visit_compound_command(&mut self, command: &'t CompoundCommand) {
        let is_around = command.span.contains(self.span);
        if let Some(redirection) = command.redirections.iter().find(|one| is_around && writes_file(one)) {
            self.found = Some(redirection.span);
        }
        visit::walk_compound_command(self, command);
    }
}
