//! What a dry run claims, held against the run that follows: a claim without "may" is never wrong.

use std::{collections::BTreeSet, ops::RangeInclusive};

use serde_json::Value;

use crate::support::Computation;

/// What a dry run says, and how often it was not sure.
pub(crate) struct Claims {
    plan: Value,
    pub(crate) perhaps: usize,
}

impl Claims {
    pub(crate) fn of(computation: &Computation) -> Claims {
        let plan: Value = serde_json::from_str(&computation.call(&["-n", "--format", "json"]).text()).unwrap();
        let perhaps = marked(&plan, &["may"]).len();
        for step in plan["steps"].as_array().unwrap() {
            assert_eq!(step["mark"] == "may", !step["depends_on"].is_null(), "each names its command: {plan:#}");
        }
        Claims { plan, perhaps }
    }

    /// What of it was wrong, by what the run said.
    pub(crate) fn wrong(&self, said: &str) -> Option<String> {
        let failed = said.contains("failed with status");
        let began: BTreeSet<u64> = said.lines().filter_map(ran).flatten().collect();
        let will = marked(&self.plan, &["new", "edited", "moved", "again", "failed"]);
        let kept = marked(&self.plan, &["kept"]);
        let action = self.plan["container"]["action"].as_str().unwrap();
        // Where a snapshot is taken, the setup goes on in a container made of that.
        let before_snapshots = said.split("ce-run: taking a snapshot").next().unwrap();
        let makes = before_snapshots.contains("ce-run: creating container");
        // Behind a stage that fails nothing is reached.
        let end = if failed { began.last().copied().unwrap_or_default() } else { u64::MAX };
        if let Some(number) = will.iter().find(|number| **number <= end && !began.contains(number)) {
            return Some(format!("stage {number} was to run, and did not"));
        }
        if let Some(number) = kept.intersection(&began).next() {
            return Some(format!("stage {number} was to stay, and ran"));
        }
        let is_sure = self.plan["container"]["is_sure"] == true;
        let promised = matches!(action, "fork" | "build");
        (is_sure && promised != makes).then(|| format!("`{action}` was to be done: a container was made: {makes}"))
    }

    pub(crate) fn text(&self) -> String {
        format!("{:#}", self.plan)
    }
}

/// The stages that a line tells of: one that begins, or those that were applied inside something else.
fn ran(line: &str) -> Option<RangeInclusive<u64>> {
    let number = |text: &str| text.parse::<u64>().ok();
    if let Some((stage, _)) = line.strip_prefix("ce-run: stage ").and_then(|rest| rest.split_once(" (line ")) {
        return number(stage).map(|stage| stage..=stage);
    }
    let (_, applied) = line.split_once(": stage")?;
    let (numbers, _) = applied.trim_start_matches('s').trim().split_once(" applied")?;
    let (first, last) = numbers.split_once(" to ").unwrap_or((numbers, numbers));
    Some(number(first)?..=number(last)?)
}

/// The stages with these marks.
fn marked(plan: &Value, marks: &[&str]) -> BTreeSet<u64> {
    let steps = plan["steps"].as_array().unwrap().iter();
    steps
        .filter(|step| marks.iter().any(|mark| step["mark"] == *mark))
        .filter_map(|step| step["stage"].as_u64())
        .collect()
}
