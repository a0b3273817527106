//! What the commands before one made of what it depends on: values as far as they are known, and which of the others may
//! be a path of the computation.

use std::collections::BTreeSet;

use bstr::{BString, ByteSlice};

use super::{effects::Effects, files::Root};
use crate::{
    language::{ENVIRONMENT, set},
    state::{State, Value},
    syntax::Parameter,
};

/// Where commands stand, as far as the computation is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Not in it.
    Elsewhere,
    /// In this directory of it.
    Inside(BString),
    /// Nobody knows, but it was made from a path of it.
    Perhaps,
}

/// What the commands before made of what commands depend on.
#[derive(Clone, Debug)]
pub(crate) struct Values {
    /// Variables and positional parameters, as far as they are known.
    pub(crate) state: State,
    /// Variables that are not known, or were made from a path of the computation at some time.
    pub(crate) tainted: BTreeSet<String>,
    /// The same for positional parameters.
    pub(crate) tainted_positional: bool,
    /// The same for all variables of which nothing is known.
    tainted_others: bool,
    pub(crate) standing: Standing,
    /// Whether it has stood in the computation: `$OLDPWD` may tell.
    pub(super) stood_inside: bool,
    /// Whether other names may lead into the computation: links to it were made.
    pub(super) linked: bool,
}

impl Values {
    /// Nothing is known but the directories that a setup is given.
    pub(crate) fn unknown() -> Values {
        let roots = Root::ALL.map(|root| (root.variable().to_owned(), root.stand_in().into()));
        let mut state = State::with_environment(roots);
        state.forget_status();
        Values {
            state,
            tainted: BTreeSet::new(),
            tainted_positional: false,
            tainted_others: false,
            standing: Standing::Elsewhere,
            stood_inside: false,
            linked: false,
        }
    }

    /// Whether the value of a parameter is, or may be made from, a path of the computation.
    pub(super) fn is_tainted(&self, parameter: &Parameter) -> bool {
        match parameter {
            Parameter::Variable(name) if name == "PWD" => self.standing != Standing::Elsewhere,
            Parameter::Variable(name) if name == "OLDPWD" => self.stood_inside,
            Parameter::Variable(name) => match self.state.variable(name) {
                Value::Set(value) => names_computation(value),
                Value::Unset => false,
                Value::Unknown => self.tainted_others || self.tainted.contains(name),
            },
            Parameter::Positional(_) | Parameter::Special(b'@' | b'*') => {
                self.tainted_positional || self.state.positional.iter().any(|value| names_computation(value))
            }
            Parameter::Special(_) => false,
        }
    }

    /// Whether programs find such a path in their environment, beside `COMPDIR` itself.
    pub(super) fn exports_taint(&self) -> bool {
        // One that was made from such a path is among these, known or not.
        let is_exported = |name: &String| self.state.exported.contains(name) || ENVIRONMENT.contains(&name.as_str());
        let is_other = |name: &&String| *name != Root::Computation.variable() && is_exported(name);
        self.tainted.iter().filter(is_other).any(|name| self.is_tainted(&Parameter::Variable(name.clone())))
    }

    pub(crate) fn forget(&mut self, name: &str) {
        if self.is_tainted(&Parameter::Variable(name.to_owned())) {
            self.tainted.insert(name.to_owned());
        }
        self.state.forget(name);
    }

    /// The variable is known not to be set by the script.
    pub(crate) fn unset(&mut self, name: &str) {
        self.state.forget(name);
        self.tainted.remove(name);
    }

    pub(super) fn forget_positional(&mut self) {
        self.tainted_positional |= self.is_tainted(&Parameter::Special(b'@'));
        self.state.forget_positional();
    }

    /// What may have been done is not known any more; `tainted` tells whether it may have to do with a path of the
    /// computation.
    pub(super) fn forget_effects(&mut self, effects: &Effects, tainted: bool) {
        match &effects.assigns {
            Some(names) => names.iter().for_each(|name| self.forget(name)),
            None => {
                let names: Vec<String> = self.state.variables.keys().cloned().collect();
                let roots = Root::ALL.map(|root| (root.variable(), self.is_still(root)));
                names.iter().for_each(|name| self.forget(name));
                self.state.forget_all();
                // Nobody sets these in a text that is not to be seen.
                for (name, value) in roots.into_iter().filter_map(|(name, value)| Some((name, value?))) {
                    self.assign(name, Ok(value));
                }
                self.tainted_others |= tainted;
            }
        }
        if effects.exports_all {
            self.state.set_option('a', true);
        }
        effects.exports.iter().for_each(|name| self.state.export(name));
        if effects.changes_options {
            self.forget_positional();
        }
        if effects.changes_directory {
            let stays = self.standing == Standing::Elsewhere && !tainted;
            self.stand(if stays { Standing::Elsewhere } else { Standing::Perhaps });
        }
    }

    pub(super) fn stand(&mut self, standing: Standing) {
        self.stood_inside |= self.standing != Standing::Elsewhere || standing == Standing::Perhaps;
        self.standing = standing;
    }

    /// A process of its own has ended, before which they were these: what it did to files stays.
    pub(super) fn back_to(&mut self, before: Values) {
        let linked = self.linked;
        *self = Values { linked, ..before };
    }

    /// The value of a root's variable, while it is that.
    fn is_still(&self, root: Root) -> Option<BString> {
        match self.state.variable(root.variable()) {
            Value::Set(value) if value == root.stand_in() => Some(value.clone()),
            _ => None,
        }
    }

    /// `set` with operands that are known.
    pub(crate) fn set(&mut self, set: &set::Set) {
        for (name, on) in &set.options {
            set::letter(name).into_iter().for_each(|letter| self.state.set_option(letter, *on));
        }
        if let Some(positional) = &set.positional {
            self.tainted_positional = false;
            self.state.swap_positional(Some(positional.clone()));
        }
    }

    /// `shift`; false where the positional parameters are not known, or too few.
    pub(crate) fn shift(&mut self, count: usize) -> bool {
        let rest = self.state.known_positional().and_then(|positional| positional.get(count..)).map(<[_]>::to_vec);
        rest.map(|rest| self.state.swap_positional(Some(rest))).is_some()
    }

    /// Assigns a value that is known; false where a variable cannot be assigned without a shell.
    pub(crate) fn assign_known(&mut self, name: &str, value: BString) -> bool {
        self.assign(name, Ok(value));
        matches!(self.state.variable(name), Value::Set(_))
    }

    pub(super) fn assign(&mut self, name: &str, value: Result<BString, bool>) {
        let (known, tainted) = match value {
            Ok(value) => {
                let tainted = names_computation(&value);
                (self.state.assign(name, value), tainted)
            }
            Err(tainted) => (false, tainted),
        };
        if tainted {
            self.tainted.insert(name.to_owned());
        }
        if !known {
            self.state.forget(name);
            if self.state.has_option('a') {
                self.state.export(name);
            }
        }
    }
}

pub(super) fn names_computation(value: &[u8]) -> bool {
    // Its variable's name is in what stands for it, and may be in a text that is run.
    value.contains_str(Root::Computation.variable())
}
