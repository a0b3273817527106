//! What can be seen to go wrong before a setup script runs: a table of rules, and the check that applies them.
//!
//! A rule is one file below `lint/`: its documentation, its check and its message. The documentation is the text that
//! opens the file, under the headings `What it does`, `Why`, `Example` and `Use instead`, so that there is only one.
//! A new rule is a new file, its line in [`RULES`], and its cases in `testdata/lint/`.

use crate::{Diagnostic, Parsed, Severity, Span, diagnostic::Label};

mod analysis;
mod decision;
mod functions;
mod walk;

mod bashism;
mod marker_as_condition;
mod marker_in_loop;
mod marker_in_subshell;
mod marker_redefined;
mod marker_with_arguments;
mod marker_without_and;
mod misspelt_marker;
mod mixed_markers;
mod or_after_everytime;
mod or_after_next_stage;
mod stage_count_varies;
mod syntax_error;
mod undecorated_command;

use analysis::Analysis;
pub(crate) use analysis::{Place, Repetition};
pub(crate) use walk::walk;

/// Every rule, in the order of the codes.
pub const RULES: [Rule; 14] = [
    syntax_error::RULE,
    or_after_next_stage::RULE,
    marker_without_and::RULE,
    marker_with_arguments::RULE,
    misspelt_marker::RULE,
    marker_in_subshell::RULE,
    marker_as_condition::RULE,
    stage_count_varies::RULE,
    marker_in_loop::RULE,
    mixed_markers::RULE,
    marker_redefined::RULE,
    undecorated_command::RULE,
    or_after_everytime::RULE,
    bashism::RULE,
];

/// A rule: what it is called, how bad its findings are, and how they are found.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// The code, such as `CE002`. It never changes and is never given to another rule.
    pub code: &'static str,
    /// What the rule finds, such as `or-after-next-stage`.
    pub name: &'static str,
    /// How bad its findings are.
    pub severity: Severity,
    /// The text of the rule's own file.
    file: &'static str,
    check: fn(&Rule, &Analysis<'_>, &mut Vec<Diagnostic>),
}

impl Rule {
    /// The rule of that code or name, whatever the case of the letters.
    pub fn find(code_or_name: &str) -> Option<&'static Rule> {
        const ALL: &[Rule] = &RULES;
        ALL.iter().find(|rule| code_or_name.eq_ignore_ascii_case(rule.code) || code_or_name == rule.name)
    }

    /// The rule's documentation in Markdown: a sentence, then the sections `What it does`, `Why`, `Example` and
    /// `Use instead`. Ends with a newline.
    pub fn documentation(&self) -> String {
        let lines = self.file.lines().map_while(|line| line.strip_prefix("//!"));
        lines.fold(String::new(), |text, line| text + line.strip_prefix(' ').unwrap_or(line) + "\n")
    }

    fn finding(&self, span: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic {
            code: self.code,
            name: self.name,
            severity: self.severity,
            message: message.into(),
            primary: Label { span, text: String::new() },
            related: Vec::new(),
            help: None,
        }
    }
}

/// Everything that can be said about a script, in the order of the places: its syntax errors, and the findings of all
/// rules in the commands around them. Time and memory are linear in the length of the script.
pub fn check(parsed: &Parsed) -> Vec<Diagnostic> {
    let analysis = Analysis::of(&parsed.script);
    let mut findings = parsed.errors.clone();
    for rule in &RULES {
        (rule.check)(rule, &analysis, &mut findings);
    }
    findings.sort_by_key(|finding| (finding.primary.span, finding.code));
    findings
}
