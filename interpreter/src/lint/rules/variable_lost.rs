//! A variable that only a stage sets, used outside of it.
//!
//! ## What it does
//! Looks for variables that are set in stages only, and are used in another chain or outside of chains. An expansion
//! that says what to do without a value (`${v:-x}`) is left alone.
//!
//! ## Why
//! A stage runs once. On every later run it is skipped, and so the variable is not set.
//!
//! ## Example
//! ```sh
//! next_stage && version=$(cat /etc/debian_version)
//! everytime && echo "$version"
//! ```
//!
//! ## Use instead
//! ```sh
//! everytime && version=$(cat /etc/debian_version)
//! everytime && echo "$version"
//! ```

use std::collections::{HashMap, HashSet};

use crate::{
    Diagnostic, Severity, Span,
    language::{is_given, marker::Marker},
    lint::{analysis::Analysis, rule::Rule},
};

pub(in crate::lint) const RULE: Rule =
    Rule::new("CE020", "variable-lost", Severity::Error, include_str!("variable_lost.rs"), check);

fn check(rule: &Rule, analysis: &Analysis<'_>, findings: &mut Vec<Diagnostic>) {
    let mut seen = HashSet::new();
    let mut stages_of: HashMap<&str, Option<HashSet<Span>>> = HashMap::new();
    for used in analysis.uses.iter().filter(|used| !used.has_default || used.demands) {
        let stages = stages_of.entry(used.name).or_insert_with(|| stages_that_set(analysis, used.name));
        let Some(stages) = stages else { continue };
        let home = home(analysis, used.span);
        if home.is_some_and(|home| stages.contains(&home)) || !seen.insert((used.name, home)) {
            continue;
        }
        let name = used.name;
        let set_at = analysis.variables.assigned(name).first().map(|assigned| assigned.span).unwrap_or_default();
        findings.push(
            rule.finding(used.span, format!("`{name}` is not set here once its stage is applied"))
                .related(set_at, "set in this stage only")
                .help(format!("set `{name}` outside of stages, or behind `everytime &&`")),
        );
    }
}

/// The stages and functions that set a variable; `None` where it is set in other places, too, or nowhere.
fn stages_that_set(analysis: &Analysis<'_>, name: &str) -> Option<HashSet<Span>> {
    if analysis.container.environment.iter().any(|known| known == name) || is_given(name) {
        return None;
    }
    let assigned = analysis.variables.assigned(name);
    let stages: Option<HashSet<Span>> = assigned
        .iter()
        .map(|assigned| {
            let chain = analysis.timetable.chain_at(assigned.span);
            let function = analysis.timetable.function_at(assigned.span);
            match (chain, function) {
                (Some(chain), _) => (chain.marker == Some(Marker::NextStage)).then_some(chain.at),
                (None, Some(function)) => {
                    let runs = analysis.timetable.of_function(&function.name);
                    (runs.once && !runs.each_time()).then_some(function.name_span)
                }
                (None, None) => None,
            }
        })
        .collect();
    stages.filter(|stages| !stages.is_empty())
}

/// The chain or function that a place is in.
fn home(analysis: &Analysis<'_>, span: Span) -> Option<Span> {
    let chain = analysis.timetable.chain_at(span).map(|chain| chain.at);
    chain.or_else(|| analysis.timetable.function_at(span).map(|function| function.name_span))
}
