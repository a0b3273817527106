//! What `--dry-run` prints: a line for each part of the script and what would become of it.

use std::fmt::Write;

use compeval_interpreter::{dispatch::Kind, syntax::print};
use compeval_runtime::{
    Environment,
    engine::Container,
    setup::plan::{Action, Fate, Plan, Step},
};

use crate::{report::printable, words};

/// The plan as text, one line a step.
pub fn plan(environment: &Environment, plan: &Plan) -> String {
    let computation = &environment.computation;
    let mut text = String::new();
    // Writing to a string cannot fail.
    let mut line = |words: std::fmt::Arguments<'_>| {
        let _ = writeln!(text, "{}", printable(&words.to_string()));
    };
    line(format_args!("computation {} at commit {}", computation.name, words::version(&computation.key())));
    let image = &environment.description.image;
    match (&plan.action, &plan.because) {
        (Action::Use(container), _) => line(format_args!("use container {} {}", container.name, state_of(container))),
        (Action::Append(container), _) => {
            line(format_args!("append to container {} {}", container.name, state_of(container)))
        }
        (Action::Fork { stages, commit }, _) => line(format_args!(
            "fork from {}, taken at commit {}: of the last container, {}",
            words::origin(image, *stages),
            words::version(commit),
            plan.because.as_ref().map_or_else(|| "nothing is left".to_owned(), words::reason)
        )),
        (Action::Build, None) => line(format_args!("build a container from image {image}: there is none yet")),
        (Action::Build, Some(reason)) => {
            line(format_args!("build a container from image {image}: of the last one, {}", words::reason(reason)))
        }
    }
    if let Some(number) = plan.unfinished {
        line(format_args!(
            "stage {number} has not ended: if it still runs, it is waited for, else another container is used"
        ));
    }
    line(format_args!(""));
    for step in &plan.steps {
        line(format_args!("{}", self::line(environment, step)));
    }
    if !plan.steps.is_empty() {
        line(format_args!(""));
    }
    line(format_args!("{}", summary(plan)));
    text
}

fn state_of(container: &Container) -> String {
    format!("({})", words::state(container.state))
}

fn line(environment: &Environment, step: &Step) -> String {
    let fate = match &step.fate {
        Fate::Applied => "applied",
        Fate::Pending | Fate::Always => "will run",
        Fate::Perhaps(_) => "may run",
    };
    let line = format!("line {}", step.place.line());
    let text = print::summary(&step.text, 70);
    let reason = match &step.fate {
        Fate::Perhaps(place) => {
            let is_other = place.source.name() != environment.script.source.name();
            let text = if is_other { format!("{}, ", place.source.name()) } else { String::new() };
            format!("   (depends on {text}line {}: {})", place.line(), print::summary(place.text(), 40))
        }
        _ => String::new(),
    };
    format!("  {fate:<9} {:<10} {line:<9} {text}{reason}", words::kind(step.kind))
}

fn summary(plan: &Plan) -> String {
    let applied = plan.steps.iter().filter(|step| step.fate == Fate::Applied).count();
    let always = plan.steps.iter().filter(|step| !matches!(step.kind, Kind::Stage(_))).count();
    let perhaps =
        plan.steps.iter().filter(|step| matches!((step.kind, &step.fate), (Kind::Stage(_), Fate::Perhaps(_))));
    let mut parts = vec![format!("{applied} applied"), format!("{} to apply", plan.pending())];
    match perhaps.count() {
        0 => {}
        count if count == plan.pending() => parts.push("perhaps, for each depends on an answer".to_owned()),
        count => parts.push(format!("{count} of them perhaps")),
    }
    if always > 0 {
        parts.push(format!("{always} on every call"));
    }
    format!("stages: {}", parts.join(", "))
}
