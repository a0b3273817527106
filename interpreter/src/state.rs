//! Shell state as data: what one command leaves behind for the next (POSIX 2.12, Shell Execution Environment).

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bstr::BString;
use serde::{Deserialize, Serialize};

use crate::{Source, syntax::FunctionDefinition};

pub mod exports;
mod saved;

/// Options of `set` that are carried, as the letters of `$-`.
pub(crate) const CARRIED_OPTIONS: &str = "abCefuvxEIV";

/// Variables that belong to one process of every shell, and are never carried to the next.
const OWN_VARIABLES: [&str; 2] = ["_", "PWD"];

/// The same in some shells, and by what variable of a fresh one each of those is known: there, assigning them is wrong,
/// useless, or means something else than keeping a value.
const OWN_OF_SHELLS: [(&str, &[&str]); 5] = [
    (
        "BASH_VERSION",
        &[
            "BASHOPTS",
            "BASHPID",
            "BASH_ALIASES",
            "BASH_ARG*",
            "BASH_CMDS",
            "BASH_COMMAND",
            "BASH_LINENO",
            "BASH_MONOSECONDS",
            "BASH_REMATCH",
            "BASH_SOURCE",
            "BASH_SUBSHELL",
            "BASH_TRAPSIG",
            "BASH_VERS*",
            "BASH_XTRACEFD",
            "DIRSTACK",
            "EPOCHREALTIME",
            "EPOCHSECONDS",
            "EUID",
            "FUNCNAME",
            "GROUPS",
            "HISTCMD",
            "PIPESTATUS",
            "PPID",
            "RANDOM",
            "SECONDS",
            "SHELLOPTS",
            "SRANDOM",
            "UID",
        ],
    ),
    (
        "KSH_VERSION",
        &[
            "BASHPID",
            "COLUMNS",
            "EPOCHREALTIME",
            "KSH*",
            "LINES",
            "PGRP",
            "PIPESTATUS",
            "PPID",
            "RANDOM",
            "SECONDS",
            "USER_ID",
        ],
    ),
    ("YASH_VERSION", &["COLUMNS", "DIRSTACK", "LINES", "PPID", "RANDOM", "YASH*"]),
    // busybox.
    ("FUNCNAME", &["EPOCHREALTIME", "EPOCHSECONDS", "RANDOM"]),
    // Not every dash counts lines.
    ("LINENO", &["LINENO"]),
];

/// Whether `pattern` names the variable: itself, or with `*` all that begin so.
fn names(pattern: &str, name: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == name, |prefix| name.starts_with(prefix))
}

/// A variable (POSIX 2.5.3).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variable {
    /// Its value, any bytes but NUL; `None` for one that is exported or readonly but was never set.
    pub value: Option<BString>,
    /// Whether commands find it in their environment.
    pub exported: bool,
    /// Whether it can no longer be assigned or unset.
    pub readonly: bool,
}

/// The values of aliases by name (POSIX 2.3.1).
pub type Aliases = BTreeMap<BString, BString>;

/// A function as the script defined it.
#[derive(Clone, Debug)]
pub struct Function {
    /// The definition.
    pub definition: Arc<FunctionDefinition>,
    /// The text its spans point into.
    pub source: Arc<Source>,
    /// What stands for it in reports of the shell: unique among all texts of a run.
    pub(crate) number: u32,
    /// The aliases when it was defined: those its commands are looked up in.
    pub(crate) aliases: Arc<Aliases>,
}

impl Function {
    /// Its definition, as written.
    pub(crate) fn text(&self) -> &[u8] {
        self.source.slice(self.definition.span)
    }
}

impl PartialEq for Function {
    fn eq(&self, other: &Function) -> bool {
        self.text() == other.text()
    }
}

/// What a shell is like when it starts, before any of the script: the same for every dispatch to one place.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Baseline {
    /// Whether a shell has told it; before that, only some variables are known.
    pub(crate) complete: bool,
    pub(crate) variables: BTreeMap<String, Variable>,
    pub(crate) options: BTreeSet<char>,
    pub(crate) directory: BString,
    pub(crate) umask: BString,
}

/// The state of the shell between two commands.
///
/// What is large is shared between copies until one of them changes it: every dispatch has a copy.
///
/// Until something was dispatched, only what the script itself set is known: every other variable, the directory
/// and the rest are as a fresh shell has them, whatever that is.
///
/// It can be written and read with `serde`; then functions keep the texts that they stand in.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    pub(crate) variables: Arc<BTreeMap<String, Variable>>,
    /// The names of those that are exported.
    pub(crate) exported: Arc<BTreeSet<String>>,
    pub(crate) baseline: Arc<Baseline>,
    /// Functions by name.
    #[serde(with = "saved::functions")]
    pub functions: Arc<BTreeMap<String, Function>>,
    /// The positional parameters, from `$1`.
    pub positional: Vec<BString>,
    /// The logical working directory; `None` while it is that of a fresh shell.
    pub directory: Option<BString>,
    /// Where that really is, if elsewhere: by a symbolic link, or renamed. Empty for a directory that is removed.
    pub(crate) physical: Option<BString>,
    /// `$PWD` where the script made it something else than the working directory, or unset it.
    pub(crate) other_pwd: Option<Option<BString>>,
    pub(crate) umask: Option<BString>,
    pub(crate) options: Option<BTreeSet<char>>,
    pub(crate) pipefail: bool,
    /// Actions of `trap` by the signal's name without `SIG`; an empty action ignores the signal.
    pub traps: BTreeMap<String, BString>,
    /// The action of `trap ... EXIT`, which runs when the script ends.
    pub exit_trap: Option<BString>,
    /// The operands of each `ulimit` that set a limit, each followed by `;`.
    pub(crate) limits: Option<BString>,
    /// Aliases by name.
    #[serde(with = "saved::pairs")]
    pub aliases: Aliases,
    /// `$?`
    pub status: i32,
    /// `$$`: the process id of the first shell, which stands for all of them.
    pub(crate) process: Option<BString>,
    /// Variables whose value cannot be told: a dry run did not do what sets them.
    pub(crate) unknown: Arc<BTreeSet<String>>,
    pub(crate) all_unknown: bool,
    pub(crate) positional_unknown: bool,
    /// Whether only running the last command could tell `$?`.
    pub(crate) status_unknown: bool,
}

/// What can be said of a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'s> {
    /// It is set to this.
    Set(&'s BString),
    /// It is not set.
    Unset,
    /// Only a shell there could tell.
    Unknown,
}

impl Baseline {
    /// Whether the shell keeps `name` for itself, so that it is not carried; so may any shell before one has told which it
    /// is.
    pub(crate) fn owns(&self, name: &str) -> bool {
        let is_it = |known_by: &str| !self.complete || self.variables.contains_key(known_by);
        name.starts_with("__ce_")
            || OWN_VARIABLES.contains(&name)
            || OWN_OF_SHELLS.iter().any(|(known_by, own)| own.iter().any(|own| names(own, name)) && is_it(known_by))
    }
}

impl State {
    /// The state of a shell that finds these variables in its environment, and perhaps others.
    pub fn with_environment(environment: impl IntoIterator<Item = (String, BString)>) -> State {
        let exported = |(name, value)| (name, Variable { value: Some(value), exported: true, readonly: false });
        let variables = environment.into_iter().map(exported).collect();
        State { baseline: Arc::new(Baseline { variables, ..Baseline::default() }), ..State::default() }
    }

    /// What is known of the variable `name`.
    pub fn variable(&self, name: &str) -> Value<'_> {
        if self.is_unknown(name) || self.baseline.owns(name) {
            return Value::Unknown;
        }
        let variable = match self.variables.get(name) {
            None if !self.baseline.complete => self.baseline.variables.get(name),
            variable => variable,
        };
        match variable {
            Some(Variable { value: Some(value), .. }) => Value::Set(value),
            None if !self.baseline.complete => Value::Unknown,
            _ => Value::Unset,
        }
    }

    /// Whether what sets the variable was not done.
    pub(crate) fn is_unknown(&self, name: &str) -> bool {
        self.unknown.contains(name) || (self.all_unknown && !self.variables.contains_key(name))
    }

    /// Whether a variable can be assigned without a shell: it is not readonly, and does not belong to the shell.
    pub fn is_assignable(&self, name: &str) -> bool {
        !self.baseline.owns(name) && name != "OPTIND" && !self.is_readonly(name)
    }

    /// Assigns a variable, keeping its attributes. False when it is not assignable.
    #[must_use]
    pub fn assign(&mut self, name: &str, value: BString) -> bool {
        if !self.is_assignable(name) {
            return false;
        }
        if self.unknown.contains(name) {
            Arc::make_mut(&mut self.unknown).remove(name);
        }
        let all_exported = self.has_option('a');
        // One that a shell has told, and is not among those that are set, was unset.
        let exported = !self.has_baseline() && self.fresh(name).is_some_and(|variable| variable.exported);
        let new = Variable { exported, ..Variable::default() };
        let variable = Arc::make_mut(&mut self.variables).entry(name.to_owned()).or_insert(new);
        variable.value = Some(value);
        variable.exported |= all_exported;
        if variable.exported && !self.exported.contains(name) {
            Arc::make_mut(&mut self.exported).insert(name.to_owned());
        }
        true
    }

    /// Exports a variable, whatever its value is.
    pub(crate) fn export(&mut self, name: &str) {
        if self.baseline.owns(name) {
            return;
        }
        if let Some(variable) = Arc::make_mut(&mut self.variables).get_mut(name) {
            variable.exported = true;
        }
        Arc::make_mut(&mut self.exported).insert(name.to_owned());
    }

    /// Records that only running what sets `name` could tell its value.
    pub fn forget(&mut self, name: &str) {
        match self.variables.get(name) {
            Some(variable) if variable.readonly => {}
            Some(_) => drop(Arc::make_mut(&mut self.variables).remove(name)),
            None => {}
        }
        if !self.unknown.contains(name) {
            Arc::make_mut(&mut self.unknown).insert(name.to_owned());
        }
    }

    /// Records that the variable can no longer be assigned.
    pub(crate) fn make_readonly(&mut self, name: &str) {
        Arc::make_mut(&mut self.variables).entry(name.to_owned()).or_default().readonly = true;
    }

    /// Whether the variable can no longer be assigned.
    pub(crate) fn is_readonly(&self, name: &str) -> bool {
        self.variables.get(name).is_some_and(|variable| variable.readonly)
    }

    /// Records that only running what sets the positional parameters could tell them.
    pub fn forget_positional(&mut self) {
        self.positional.clear();
        self.positional_unknown = true;
    }

    /// Sets the positional parameters, `None` for unknown ones; gives what they were.
    pub(crate) fn swap_positional(&mut self, new: Option<Vec<BString>>) -> Option<Vec<BString>> {
        let was_unknown = std::mem::replace(&mut self.positional_unknown, new.is_none());
        let old = std::mem::replace(&mut self.positional, new.unwrap_or_default());
        (!was_unknown).then_some(old)
    }

    /// Records that it cannot be told whether what was changed since `before` was really changed.
    pub(crate) fn forget_changes_since(&mut self, before: &State) {
        if Arc::ptr_eq(&self.variables, &before.variables) && self.positional == before.positional {
            return;
        }
        let names = self.variables.keys().chain(before.variables.keys());
        let changed = |name: &&String| self.variables.get(*name) != before.variables.get(*name);
        let changed: BTreeSet<String> = names.filter(changed).cloned().collect();
        changed.iter().for_each(|name| self.forget(name));
        if self.positional != before.positional {
            self.forget_positional();
        }
    }

    /// Whether variables and positional parameters are known to be what they are in `other`, or as little is known of them.
    pub(crate) fn has_same_values(&self, other: &State) -> bool {
        let same = Arc::ptr_eq(&self.variables, &other.variables) || self.variables == other.variables;
        same && self.positional == other.positional
    }

    /// The positional parameters, from `$1`, where they are known.
    pub(crate) fn known_positional(&self) -> Option<&[BString]> {
        (!self.positional_unknown).then_some(&self.positional)
    }

    /// Sets `$?`.
    pub(crate) fn set_status(&mut self, status: i32) {
        (self.status, self.status_unknown) = (status, false);
    }

    /// Records that only running the last command could tell `$?`.
    pub fn forget_status(&mut self) {
        self.status_unknown = true;
    }

    /// Records that no variable's value can be told any more.
    pub fn forget_all(&mut self) {
        self.variables = Arc::default();
        self.all_unknown = true;
    }

    /// Turns an option of `set` on or off, by its letter.
    pub(crate) fn set_option(&mut self, letter: char, on: bool) {
        let options = self.options.get_or_insert_with(|| self.baseline.options.clone());
        match on {
            true => options.insert(letter),
            false => options.remove(&letter),
        };
    }

    /// Whether an option of `set` is on, by its letter.
    pub fn has_option(&self, letter: char) -> bool {
        self.options.as_ref().is_some_and(|options| options.contains(&letter))
    }

    pub(crate) fn fresh(&self, name: &str) -> Option<&Variable> {
        self.baseline.variables.get(name)
    }

    /// The names of variables that a fresh shell is known to find exported.
    pub(crate) fn inherited(&self) -> impl Iterator<Item = &str> {
        self.baseline.variables.iter().filter(|(_, variable)| variable.exported).map(|(name, _)| name.as_str())
    }

    /// Whether what a fresh shell is like is already known.
    pub(crate) fn has_baseline(&self) -> bool {
        self.baseline.complete
    }
}
