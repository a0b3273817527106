//! A variable that nothing sets.
//!
//! ## What it does
//! Looks for variables that neither the script, docker.conf nor the setup sets. An expansion that says what to do
//! without a value (`${X:-word}`) is left alone, and so is what stands behind `.` and `eval`, which may set anything.
//!
//! ## Why
//! It expands to nothing: the path begins at `/`, the option has no value.
//!
//! ## Example
//! ```sh
//! next_stage && cp "$COMPDIRR/config" /etc/tool.conf
//! ```
//!
//! ## Use instead
//! ```sh
//! next_stage && cp "$COMPDIR/config" /etc/tool.conf
//! ```

use std::collections::HashSet;

use super::bashism;
use crate::{
    Diagnostic, Severity,
    language::is_given,
    lint::uses::Use,
    lint::{analysis::Analysis, rule::Rule},
};

pub(in crate::lint) const RULE: Rule =
    Rule::new("CE083", "undefined-variable", Severity::Warning, include_str!("undefined_variable.rs"), check);

/// With more variables than this, the nearest one is not looked for.
const MOST_NAMES: usize = 500;

fn check(rule: &Rule, analysis: &Analysis<'_>, findings: &mut Vec<Diagnostic>) {
    let mut seen = HashSet::new();
    let for_one = set_for_one(analysis);
    for used in analysis.uses.iter().filter(|used| !used.has_default) {
        let name = used.name;
        let is_known =
            is_given(name) || analysis.has_variable(name) || bashism::is_bash_variable(name) || for_one.contains(name);
        if is_known || may_be_sourced(analysis, used) || !seen.insert(name) {
            continue;
        }
        let finding = rule.finding(used.span, format!("nothing sets `{name}`"));
        let nearest = nearest(analysis, name);
        // Capitals are for the environment, and images bring one along: only a look at the image can tell.
        let may_be_the_images = nearest.is_none() && !name.contains(|letter: char| letter.is_ascii_lowercase());
        let severity = if may_be_the_images { Severity::Style } else { finding.severity };
        let finding = Diagnostic { severity, ..finding };
        findings.push(match nearest {
            Some(nearest) => finding.label(format!("did you mean `{nearest}`?")),
            None => finding
                .help(format!("set it in the script or in docker.conf; if the image has it, write `${{{name}:?}}`")),
        });
    }
}

/// The variables that are set for a command alone, which another rule looks at.
fn set_for_one<'t>(analysis: &Analysis<'t>) -> HashSet<&'t str> {
    let assignments = analysis.places.iter().flat_map(|place| &place.command.assignments);
    assignments.map(|assignment| assignment.name.as_str()).collect()
}

/// Whether a text that is not to be seen may have set it before.
fn may_be_sourced(analysis: &Analysis<'_>, used: &Use<'_>) -> bool {
    let chain = analysis.timetable.chain_at(used.span).map(|chain| chain.at);
    analysis.sourcing().any(|source| {
        let is_before = source.place.command.span.start < used.span.start;
        let same_chain = source.place.context.chain.map(|chain| chain.span) == chain;
        is_before && (same_chain || analysis.runs(source.place).each_time()) || source.place.context.function.is_some()
    })
}

/// The variable that was probably meant.
fn nearest<'a>(analysis: &'a Analysis<'_>, name: &str) -> Option<&'a str> {
    let known = ["COMPDIR", "GFSDIR", "HOME", "PATH", "TMPDIR", "USER"];
    let environment = analysis.container.environment.iter().map(String::as_str);
    if analysis.variables.names().count() > MOST_NAMES {
        return None;
    }
    let names = known.into_iter().chain(analysis.variables.names()).chain(environment);
    let distance = |other: &&str| strsim::damerau_levenshtein(&name.to_ascii_uppercase(), &other.to_ascii_uppercase());
    let nearest = names.filter(|other| other.len() > 2).min_by_key(|other| (distance(other), *other))?;
    (distance(&nearest) <= 1 + nearest.len() / 5 && distance(&nearest) < name.len()).then_some(nearest)
}
