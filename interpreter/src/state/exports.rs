//! What stages export: it is there in the run that applies them, and in no other.

use std::{collections::BTreeMap, sync::Arc};

use super::{State, Variable};

/// The exported variables that stages changed.
#[derive(Clone, Debug, Default)]
pub struct StageExports(BTreeMap<String, StageExport>);

#[derive(Clone, Debug)]
struct StageExport {
    /// What the variable was before the first of them; `None` if it was unset.
    before: Option<Variable>,
    /// What the last of them made it.
    made: Option<Variable>,
}

impl StageExports {
    /// Takes note of a stage that found the state `before`, and left `after`, which a shell has told.
    pub(crate) fn note(&mut self, before: &State, after: &State) {
        let fresh = &after.baseline.variables;
        let exported = |variable: Option<&Variable>| {
            variable.filter(|variable| variable.exported).and_then(|variable| variable.value.clone())
        };
        let names = after.variables.keys().chain(before.variables.keys()).chain(fresh.keys());
        // The last one is another where the stage ran in another place than those before.
        let is_own = |name: &str| after.baseline.owns(name) || matches!(name, "OLDPWD" | "OPTIND" | "HOSTNAME");
        for name in names.filter(|name| !is_own(name)) {
            let then = match (before.variables.get(name), before.baseline.complete) {
                (None, true) => None,
                (None, false) => fresh.get(name).cloned(),
                // What is assigned stays exported, whether that was known or not.
                (Some(variable), told) => {
                    let is_exported = !told && fresh.get(name).is_some_and(|fresh| fresh.exported);
                    Some(Variable { exported: variable.exported || is_exported, ..variable.clone() })
                }
            };
            let now = after.variables.get(name);
            if exported(then.as_ref()) != exported(now) {
                let change = StageExport { before: then, made: None };
                self.0.entry(name.clone()).or_insert(change).made = now.cloned();
            }
        }
    }

    /// A later state as it would be without those stages: what was changed again since then stays.
    #[must_use]
    pub fn without(&self, state: &State) -> State {
        let mut state = state.clone();
        for (name, change) in &self.0 {
            if state.variables.get(name) != change.made.as_ref() {
                continue;
            }
            let variables = Arc::make_mut(&mut state.variables);
            match &change.before {
                Some(variable) => drop(variables.insert(name.clone(), variable.clone())),
                None => drop(variables.remove(name)),
            }
        }
        state
    }
}
