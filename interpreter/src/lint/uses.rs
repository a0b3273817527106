//! The variables that a script expands.

use crate::{
    Span,
    language::names_in,
    syntax::{
        List, Operation, Parameter, Part, PartKind, Substitution,
        visit::{self, Visit},
    },
};

/// A variable that is expanded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Use<'t> {
    /// The variable.
    pub(crate) name: &'t str,
    /// Whether the expansion says what to do where the variable is not set.
    pub(crate) has_default: bool,
    /// Whether it says that this is an error.
    pub(crate) demands: bool,
    /// The expansion's place.
    pub(crate) span: Span,
}

/// All of them, in the order of the text.
pub(super) fn of(list: &List) -> Vec<Use<'_>> {
    let mut finder = UseFinder(Vec::new());
    finder.visit_list(list);
    finder.0.sort_by_key(|used| used.span);
    finder.0
}

struct UseFinder<'t>(Vec<Use<'t>>);

impl<'t> Visit<'t> for UseFinder<'t> {
    fn visit_part(&mut self, part: &'t Part) {
        if let PartKind::Parameter(expansion) = &part.kind
            && let Parameter::Variable(name) = &expansion.parameter
        {
            let (has_default, demands) = match &expansion.operation {
                Operation::Substitute { when, .. } => (true, *when == Substitution::Error),
                _ => (false, false),
            };
            self.0.push(Use { name, has_default, demands, span: part.span });
        }
        if let PartKind::Arithmetic(parts) = &part.kind {
            for part in parts {
                let PartKind::Literal(text) = &part.kind else { continue };
                let names =
                    names_in(text).map(|name| Use { name, has_default: false, demands: false, span: part.span });
                self.0.extend(names);
            }
        }
        visit::walk_part(self, part);
    }
}
