//! A here-document that is expanded while it is written.
//!
//! ## What it does
//! Looks for here-documents with an unquoted delimiter that are written to a file, and in which `$PATH`, `$HOME`, `$1`,
//! `$@` or a variable stands that nothing sets.
//!
//! ## Why
//! The file gets the value that the variable has during the setup, or nothing, where its reader was meant to expand it.
//!
//! ## Example
//! ```sh
//! next_stage && cat > /usr/local/bin/tool <<EOF
//! #!/bin/sh
//! exec /opt/tool/run "$@"
//! EOF
//! ```
//!
//! ## Use instead
//! ```sh
//! next_stage && cat > /usr/local/bin/tool <<'EOF'
//! #!/bin/sh
//! exec /opt/tool/run "$@"
//! EOF
//! ```
//!
//! ## Fix safety
//! Unsafe: nothing in the here-document is expanded any more.

use crate::{
    Applicability, Diagnostic, Edit, Severity, Span,
    analyze::calls,
    lint::{analysis::Analysis, rule::Rule},
    syntax::{
        Parameter, Part, PartKind,
        visit::{self, Visit},
    },
};

pub(in crate::lint) const RULE: Rule =
    Rule::new("CE084", "heredoc-expansion", Severity::Style, include_str!("heredoc_expansion.rs"), check);

fn check(rule: &Rule, analysis: &Analysis<'_>, findings: &mut Vec<Diagnostic>) {
    for place in analysis.places {
        let command = place.command;
        let is_written = command.redirections.iter().any(calls::writes_file) || command.unquoted_name() == Some("tee");
        for redirection in command.redirections.iter().filter(|_| is_written) {
            let Some(document) = redirection.here_document().filter(|document| !document.quoted) else { continue };
            let mut finder = LaterFinder { analysis, found: None, others: 0 };
            finder.visit_word(&document.body);
            let Some(span) = finder.found else { continue };
            let delimiter = redirection.target.span;
            let word = analysis.source.slice(delimiter);
            let finding = rule
                .finding(span, format!("`{}` is expanded now, while the file is written", analysis.quote(span)))
                .related(delimiter, "because this is not quoted")
                .help(format!("write `<<'{word}'`; where something else is to be expanded, put `\\` before this `$`"));
            findings.push(match finder.others {
                0 => finding.fix(Applicability::Unsafe, vec![Edit::replace(delimiter, format!("'{word}'"))]),
                _ => finding,
            });
        }
    }
}

/// Looks for a parameter that is probably meant for the reader of the file.
struct LaterFinder<'a, 't> {
    analysis: &'a Analysis<'t>,
    found: Option<Span>,
    /// How many expansions are meant for now, and how many letters are quoted.
    others: usize,
}

impl<'t> Visit<'t> for LaterFinder<'_, '_> {
    fn visit_part(&mut self, part: &'t Part) {
        if let PartKind::Parameter(expansion) = &part.kind {
            let is_later = match &expansion.parameter {
                Parameter::Variable(name) => match name.as_str() {
                    "COMPDIR" | "GFSDIR" => false,
                    "PATH" | "HOME" | "LD_LIBRARY_PATH" | "USER" | "PWD" | "SHELL" => {
                        self.analysis.variables.assigned(name).is_empty()
                    }
                    name => !self.analysis.has_variable(name),
                },
                Parameter::Positional(_) => !self.analysis.is_in_function(part.span),
                Parameter::Special(letter) => b"@*#?$!".contains(letter) && !self.analysis.is_in_function(part.span),
            };
            self.others += usize::from(!is_later);
            if is_later && self.found.is_none() {
                self.found = Some(part.span);
            }
        }
        let is_for_now =
            matches!(part.kind, PartKind::CommandSubstitution(_) | PartKind::Arithmetic(_) | PartKind::Escaped(_));
        self.others += usize::from(is_for_now);
        visit::walk_part(self, part);
    }
}
