//! Words with the values in them that are the same wherever they stand: variables that a script gives one value.

use std::collections::HashMap;

use bstr::{BString, ByteSlice};

use super::files::Root;
use crate::{
    Span,
    language::{
        STAND_IN,
        builtins::{self, Effect},
        is_name,
    },
    syntax::{
        CompoundCommand, CompoundKind, List, Operation, Parameter, Part, PartKind, SimpleCommand, Substitution, Word,
        visit::{self, Visit},
    },
};

/// What stands for a part whose value is not known.
pub(crate) const UNKNOWN: &[u8] = b"\x01?\x01";

/// A word after the expansions that are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Folded {
    /// The text after quote removal. A part that is not known is a stand-in; the directories of a setup have theirs.
    pub(crate) text: BString,
    /// Where the word stands.
    pub(crate) span: Span,
}

impl Folded {
    /// The text, where all of it is known and UTF-8.
    pub(crate) fn known(&self) -> Option<&str> {
        self.text.to_str().ok().filter(|_| !self.text.contains(&STAND_IN))
    }

    /// Whether no part of it is known.
    pub(crate) fn is_unknown(&self) -> bool {
        self.text == UNKNOWN
    }

    /// The path below a directory that a setup is given.
    pub(crate) fn below(&self, root: Root) -> Option<&[u8]> {
        let path = self.text.strip_prefix(root.stand_in().as_bytes())?;
        let leads_out = path.ends_with(b"/..") && path.len() == 3 || path.starts_with(b"/../");
        (path.is_empty() || path.starts_with(b"/") && !leads_out).then_some(path)
    }
}

/// How a variable comes to its value.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Given<'t> {
    /// By this word.
    Word(&'t Word),
    /// By this argument of `export` and the like, behind its `=`.
    Argument(&'t Word),
    /// By one of these words, in a loop.
    Words(&'t [Word]),
    /// By something else: `read`, `getopts`, an expansion.
    Otherwise,
    /// By a command that makes it a variable of the environment, or of a function.
    Declared,
}

/// A place where a variable is given a value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Assigned<'t> {
    /// How.
    pub(crate) given: Given<'t>,
    /// Where.
    pub(crate) span: Span,
}

/// Every variable that a script sets, with the places where it does.
pub(crate) struct Variables<'t> {
    assigned: HashMap<&'t str, Vec<Assigned<'t>>>,
    /// The values of those that have just one.
    constants: HashMap<&'t str, BString>,
}

impl<'t> Variables<'t> {
    /// Reads all assignments of a script.
    pub(crate) fn of(list: &'t List) -> Variables<'t> {
        let mut finder = Assignments(HashMap::new());
        finder.visit_list(list);
        let mut variables = Variables { assigned: finder.0, constants: HashMap::new() };
        for root in Root::ALL {
            variables.constants.insert(root.variable(), root.stand_in().into());
        }
        let mut open: Vec<(&str, Assigned<'_>)> =
            variables.assigned.iter().filter_map(|(name, all)| Some((*name, single(all)?))).collect();
        open.sort_by_key(|(_, assigned)| assigned.span);
        for (name, assigned) in open {
            let value = variables.values(assigned.given).and_then(|mut values| values.pop());
            value.into_iter().for_each(|value| drop(variables.constants.insert(name, value.text)));
        }
        variables
    }

    /// The places where a variable is given a value, in the order of the text.
    pub(crate) fn assigned(&self, name: &str) -> &[Assigned<'t>] {
        self.assigned.get(name).map_or(&[], Vec::as_slice)
    }

    /// The names that are set somewhere.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'t str> {
        self.assigned.keys().copied()
    }

    /// The word after the expansions that are known.
    pub(crate) fn fold(&self, word: &Word) -> Folded {
        let mut text = BString::default();
        self.fold_parts(&word.parts, &mut text);
        Folded { text, span: word.span }
    }

    /// The fields of a word: more than one where an unquoted variable is a list of words.
    pub(crate) fn fields(&self, word: &Word) -> Vec<Folded> {
        let folded = self.fold(word);
        let splits = |part: &Part| matches!(part.kind, PartKind::Parameter(_));
        if !word.parts.iter().any(splits) || folded.text.find_byteset(b" \t\n").is_none() {
            return vec![folded];
        }
        let fields = folded.text.split(u8::is_ascii_whitespace).filter(|text| !text.is_empty());
        fields.map(|text| Folded { text: text.into(), span: word.span }).collect()
    }

    /// Whether every value that the script gives the variable is known, and holds none of `letters`.
    pub(crate) fn never_holds(&self, name: &str, letters: &[u8]) -> bool {
        let is_safe =
            |folded: &Folded| folded.known().is_some_and(|text| text.as_bytes().find_byteset(letters).is_none());
        let mut given = self.assigned(name).iter().filter(|assigned| !matches!(assigned.given, Given::Declared));
        let all =
            |assigned: &Assigned<'_>| self.values(assigned.given).is_some_and(|values| values.iter().all(is_safe));
        given.next().is_some_and(all) && given.all(all)
    }

    /// Whether the script gives the variable values that are known and never empty.
    pub(crate) fn never_empty(&self, name: &str) -> bool {
        let is_full = |folded: &Folded| !folded.text.replace(UNKNOWN, "").is_empty();
        let mut given = self.assigned(name).iter().filter(|assigned| !matches!(assigned.given, Given::Declared));
        let all = |assigned: &Assigned<'_>| {
            self.values(assigned.given).is_some_and(|values| !values.is_empty() && values.iter().all(is_full))
        };
        given.next().is_some_and(all) && given.all(all)
    }

    /// Whether the variable is one that loops go through words with.
    pub(crate) fn is_of_loop(&self, name: &str) -> bool {
        let assigned = self.assigned(name);
        !assigned.is_empty() && assigned.iter().all(|assigned| matches!(assigned.given, Given::Words(_)))
    }

    /// Whether every value that the script gives the variable comes from an arithmetic expansion or is a number.
    pub(crate) fn holds_number(&self, name: &str) -> bool {
        let is_number = |word: &Word| match word.parts.as_slice() {
            [Part { kind: PartKind::Arithmetic(_), .. }] => true,
            _ => word.literal().is_some_and(|text| text.iter().all(u8::is_ascii_digit)),
        };
        let assigned = self.assigned(name);
        let all = |assigned: &Assigned<'_>| match assigned.given {
            Given::Word(word) => is_number(word) || self.is_status(word),
            Given::Words(words) => words.iter().all(is_number),
            Given::Declared => true,
            Given::Argument(_) | Given::Otherwise => false,
        };
        !assigned.is_empty() && assigned.iter().all(all)
    }

    /// `$?`, `$!`, `$$`, `$#`
    fn is_status(&self, word: &Word) -> bool {
        match word.parts.as_slice() {
            [Part { kind: PartKind::Parameter(expansion), .. }] => {
                matches!(expansion.parameter, Parameter::Special(b'?' | b'!' | b'$' | b'#'))
            }
            _ => false,
        }
    }

    /// The values that a variable is given at one place; `None` where nobody knows.
    fn values(&self, given: Given<'_>) -> Option<Vec<Folded>> {
        match given {
            Given::Word(word) => Some(vec![self.fold(word)]),
            Given::Argument(word) => {
                let folded = self.fold(word);
                let (_, value) = folded.text.split_once_str("=")?;
                Some(vec![Folded { text: value.into(), span: word.span }])
            }
            Given::Words(words) => Some(words.iter().flat_map(|word| self.fields(word)).collect()),
            Given::Otherwise | Given::Declared => None,
        }
    }

    fn fold_parts(&self, parts: &[Part], text: &mut BString) {
        for part in parts {
            match &part.kind {
                PartKind::Literal(bytes) | PartKind::Escaped(bytes) | PartKind::SingleQuoted(bytes) => {
                    text.extend_from_slice(bytes);
                }
                PartKind::DoubleQuoted(parts) => self.fold_parts(parts, text),
                PartKind::Tilde(user) => {
                    text.push(b'~');
                    text.extend_from_slice(user);
                }
                PartKind::Parameter(expansion) => {
                    let Parameter::Variable(name) = &expansion.parameter else {
                        text.extend_from_slice(UNKNOWN);
                        continue;
                    };
                    let value = self.constants.get(name.as_str()).map_or(UNKNOWN, |value| value.as_slice());
                    match &expansion.operation {
                        Operation::Value => text.extend_from_slice(value),
                        Operation::Substitute {
                            when: Substitution::Default | Substitution::Assign | Substitution::Error,
                            ..
                        } if value != UNKNOWN => {
                            text.extend_from_slice(value);
                        }
                        _ => text.extend_from_slice(UNKNOWN),
                    }
                }
                PartKind::CommandSubstitution(_) | PartKind::Arithmetic(_) | PartKind::Foreign(_) => {
                    text.extend_from_slice(UNKNOWN);
                }
            }
        }
    }
}

/// The one place where a variable is given a value.
fn single<'t>(all: &[Assigned<'t>]) -> Option<Assigned<'t>> {
    let mut given = all.iter().filter(|assigned| !matches!(assigned.given, Given::Declared));
    let first = given.next().copied().filter(|assigned| !matches!(assigned.given, Given::Words(_)))?;
    given.next().is_none().then_some(first)
}

/// The name in an argument of `export` and the like, and whether a value stands behind it.
pub(crate) fn declared(word: &Word) -> Option<(&str, bool)> {
    let PartKind::Literal(text) = &word.parts.first()?.kind else { return None };
    let text = text.to_str().ok()?;
    Some(text.split_once('=').map_or((text, false), |(name, _)| (name, true)))
}

/// Collects assignments.
struct Assignments<'t>(HashMap<&'t str, Vec<Assigned<'t>>>);

impl<'t> Assignments<'t> {
    fn add(&mut self, name: &'t str, given: Given<'t>, span: Span) {
        self.0.entry(name).or_default().push(Assigned { given, span });
    }
}

impl<'t> Visit<'t> for Assignments<'t> {
    fn visit_simple_command(&mut self, command: &'t SimpleCommand) {
        // Before a command, they are the command's own.
        let stays = command.words.is_empty();
        for assignment in command.assignments.iter().filter(|_| stays) {
            self.add(&assignment.name, Given::Word(&assignment.value), assignment.span);
        }
        let effect = command.unquoted_name().map_or(Effect::None, |name| builtins::effect_of(name.as_bytes()));
        match (command.unquoted_name(), effect) {
            (Some("unset"), _) => {}
            (Some("read" | "getopts" | "mapfile" | "readarray"), _) => {
                for word in command.words.iter().skip(1) {
                    let name = word.unquoted().filter(|name| is_name(name.as_bytes()));
                    name.into_iter().for_each(|name| self.add(name, Given::Otherwise, word.span));
                }
            }
            (Some(_), Effect::Names | Effect::LocalNames) => {
                for word in command.words.iter().skip(1) {
                    match declared(word) {
                        Some((name, true)) => self.add(name, Given::Argument(word), word.span),
                        Some((name, false)) if word.unquoted().is_some() && !name.starts_with('-') => {
                            self.add(name, Given::Declared, word.span);
                        }
                        _ => {}
                    }
                }
            }
            _ => {}
        }
        visit::walk_simple_command(self, command);
    }

    fn visit_compound_command(&mut self, command: &'t CompoundCommand) {
        if let CompoundKind::For(command) = &command.kind {
            let words = command.words.as_deref();
            let span = words.and_then(<[_]>::first).map_or_else(Span::default, |word| word.span);
            self.add(&command.variable, words.map_or(Given::Otherwise, Given::Words), span);
        }
        visit::walk_compound_command(self, command);
    }

    fn visit_part(&mut self, part: &'t Part) {
        if let PartKind::Parameter(expansion) = &part.kind
            && let Operation::Substitute { when: Substitution::Assign, .. } = &expansion.operation
            && let Parameter::Variable(name) = &expansion.parameter
        {
            self.add(name, Given::Otherwise, part.span);
        }
        visit::walk_part(self, part);
    }
}
