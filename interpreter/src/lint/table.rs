//! The table of rules, and the check that applies them.

use super::{analysis::Analysis, rule::Rule, rules};
use crate::{Diagnostic, Parsed};

/// Every rule, in the order of the codes.
pub const RULES: [Rule; 15] = [
    rules::syntax_error::RULE,
    rules::or_after_next_stage::RULE,
    rules::marker_without_and::RULE,
    rules::marker_with_arguments::RULE,
    rules::misspelt_marker::RULE,
    rules::marker_in_subshell::RULE,
    rules::marker_as_condition::RULE,
    rules::stage_count_varies::RULE,
    rules::marker_in_loop::RULE,
    rules::mixed_markers::RULE,
    rules::marker_redefined::RULE,
    rules::undecorated_command::RULE,
    rules::or_after_everytime::RULE,
    rules::bashism::RULE,
    rules::invisible_character::RULE,
];

impl Rule {
    /// The rule of that code or name, whatever the case of the letters.
    pub fn find(code_or_name: &str) -> Option<&'static Rule> {
        const ALL: &[Rule] = &RULES;
        ALL.iter().find(|rule| code_or_name.eq_ignore_ascii_case(rule.code) || code_or_name == rule.name)
    }
}

/// Everything that can be said about a script, in the order of the places: its syntax errors, and the findings of all
/// rules in the commands around them. Time and memory are linear in the length of the script.
pub fn check(parsed: &Parsed) -> Vec<Diagnostic> {
    check_for(parsed, "/bin/sh")
}

/// The same for a container whose shell is the program `shell`: what that knows is not reported.
pub fn check_for(parsed: &Parsed, shell: &str) -> Vec<Diagnostic> {
    let analysis = Analysis::of(&parsed.script, shell);
    let mut findings = parsed.errors.clone();
    for rule in &RULES {
        (rule.check)(rule, &analysis, &mut findings);
    }
    findings.sort_by_key(|finding| (finding.primary.span, finding.code));
    findings
}
