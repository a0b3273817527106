//! The table of rules, and the check that applies them.

use super::{
    analysis::{Analysis, Setting},
    inner, repair,
    rule::{self, Rule},
    rules, suppress,
};
use crate::{Diagnostic, Parsed, analyze::places};

/// Every rule, in the order of the codes.
pub static RULES: [Rule; 76] = [
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
    rules::marker_in_trap::RULE,
    rules::or_after_everytime::RULE,
    rules::output_hidden::RULE,
    rules::variable_lost::RULE,
    rules::environment_lost::RULE,
    rules::cd_lost::RULE,
    rules::exit_in_chain::RULE,
    rules::top_level_exit::RULE,
    rules::compdir_write::RULE,
    rules::gfsdir_write::RULE,
    rules::background_process::RULE,
    rules::directory_removed::RULE,
    rules::unpinned_git_clone::RULE,
    rules::unpinned_git_checkout::RULE,
    rules::unpinned_git_update::RULE,
    rules::unpinned_install::RULE,
    rules::unpinned_download::RULE,
    rules::insecure_url::RULE,
    rules::apt_install_without_update::RULE,
    rules::unquoted_version::RULE,
    rules::moving_address::RULE,
    rules::system_upgrade::RULE,
    rules::missing_assume_yes::RULE,
    rules::interactive_command::RULE,
    rules::apt_frontend::RULE,
    rules::use_apt_get::RULE,
    rules::deprecated_command::RULE,
    rules::everytime_git_state::RULE,
    rules::everytime_create::RULE,
    rules::everytime_append::RULE,
    rules::everytime_patch::RULE,
    rules::everytime_copy_nests::RULE,
    rules::everytime_install::RULE,
    rules::rsync_forces_rebuild::RULE,
    rules::everytime_download_kept::RULE,
    rules::everytime_edit::RULE,
    rules::fixed_temporary_name::RULE,
    rules::unchecked_failure::RULE,
    rules::failure_swallowed::RULE,
    rules::errexit_suppressed::RULE,
    rules::pipeline_hides_failure::RULE,
    rules::curl_without_fail::RULE,
    rules::unchecked_cd::RULE,
    rules::silent_installer::RULE,
    rules::assignment_hides_failure::RULE,
    rules::pipe_to_shell::RULE,
    rules::hardcoded_secret::RULE,
    rules::sudo::RULE,
    rules::dangerous_rm::RULE,
    rules::verification_disabled::RULE,
    rules::bashism::RULE,
    rules::unquoted_expansion::RULE,
    rules::invisible_character::RULE,
    rules::undefined_variable::RULE,
    rules::heredoc_expansion::RULE,
    rules::startup_file::RULE,
    rules::activate_without_shell::RULE,
    rules::prefix_assignment_unused::RULE,
    rules::broken_continuation::RULE,
    rules::stage_edited::RULE,
    rules::stage_inserted::RULE,
    rules::stage_removed::RULE,
    rules::bad_suppression::RULE,
    rules::description::RULE,
];

impl Rule {
    /// The rule of that code or name, whatever the case of the letters.
    pub fn find(code_or_name: &str) -> Option<&'static Rule> {
        rule::find(&RULES, code_or_name)
    }

    /// The code or name that is nearest to what was written; `None` where nothing is near.
    pub fn nearest(written: &str) -> Option<&'static str> {
        rule::nearest(&RULES, written)
    }
}

/// Everything that can be said about a script, in the order of the places: its syntax errors, and the findings of all
/// rules in the commands around them. Time and memory are linear in the length of the script.
pub fn check(parsed: &Parsed) -> Vec<Diagnostic> {
    check_for(parsed, &Setting::default())
}

/// The same for a container of which more is known: what its shell knows is not reported, nor the use of a variable that
/// its environment has.
pub fn check_for(parsed: &Parsed, container: &Setting) -> Vec<Diagnostic> {
    let mut findings = findings(parsed, container, true);
    findings.sort_by_key(|finding| (finding.primary.span, finding.code));
    findings
}

/// The findings of a script that stands in another one.
fn check_inner(parsed: &Parsed, container: &Setting) -> Vec<Diagnostic> {
    findings(parsed, container, false)
}

fn findings(parsed: &Parsed, container: &Setting, is_outer: bool) -> Vec<Diagnostic> {
    let repaired = repair::repaired(parsed);
    let (script, mut findings) = match &repaired {
        Some((repaired, errors)) => (&repaired.script, errors.clone()),
        None => (&parsed.script, parsed.errors.clone()),
    };
    let walked = places::walk(&script.list);
    let analysis = Analysis::of(script, &parsed.script.source, container, &walked);
    for finding in findings.iter_mut().filter(|_| analysis.is_bash()) {
        // What bash knows is no bashism there; that it cannot be interpreted is still so.
        (finding.code, finding.name) = (RULES[0].code, RULES[0].name);
    }
    for rule in &RULES {
        (rule.check)(rule, &analysis, &mut findings);
    }
    for finding in &mut findings {
        analysis.tell_stage(finding);
    }
    if is_outer {
        findings.extend(inner::findings(&analysis, check_inner));
    }
    suppress::apply(&RULES, script, &mut findings);
    findings
}
