//! Expansions that a shell splits into fields, and takes for patterns.

use bstr::ByteSlice;

use super::analysis::Analysis;
use crate::{
    Span,
    analyze::folding::Given,
    language::builtins::{self, Effect},
    syntax::{
        AndOr, Command, Operation, Parameter, Part, PartKind, SimpleCommand, Substitution, Word,
        visit::{self, Visit},
    },
};

/// Commands that print one word without anything that a shell would take apart, and do not fail.
const PLAIN: [&str; 14] = [
    "arch",
    "basename",
    "date",
    "getconf",
    "hostname",
    "id",
    "lsb_release",
    "nproc",
    "pwd",
    "stat",
    "uname",
    "wc",
    "whoami",
    "logname",
];

/// What a shell takes apart: blanks, and the letters of patterns.
const SPECIAL: &[u8] = b" \t\n*?[";

/// An expansion that stands unquoted where a shell splits it.
pub(super) struct Unquoted {
    /// The expansion.
    pub(super) span: Span,
    /// The word that it stands in.
    pub(super) word: Span,
    /// Whether quotes may be put around the whole word: nothing in it is quoted or a pattern.
    pub(super) is_plain: bool,
    /// Whether it is known to be meant as one field: a directory of the setup, or what a loop goes through.
    pub(super) is_one: bool,
}

/// All of them, in order.
pub(super) fn unquoted(analysis: &Analysis<'_>) -> Vec<Unquoted> {
    let mut finder = UnquotedFinder { analysis, found: Vec::new() };
    finder.visit_list(analysis.list);
    finder.found.sort_by_key(|unquoted| unquoted.span);
    finder.found
}

struct UnquotedFinder<'a, 't> {
    analysis: &'a Analysis<'t>,
    found: Vec<Unquoted>,
}

impl UnquotedFinder<'_, '_> {
    fn word(&mut self, word: &Word) {
        let is_plain = word.parts.iter().all(|part| match &part.kind {
            PartKind::Literal(text) => text.find_byteset(b"*?[{\"\\$`").is_none(),
            PartKind::Parameter(expansion) => matches!(expansion.operation, Operation::Value),
            PartKind::CommandSubstitution(substitution) => !substitution.backquoted,
            _ => false,
        });
        // One finding is enough for a word.
        let Some(part) = word.parts.iter().find(|part| self.splits(part)) else { return };
        let is_one = word.parts.iter().filter(|part| self.splits(part)).all(|part| self.is_one(part));
        self.found.push(Unquoted { span: part.span, word: word.span, is_plain, is_one });
    }

    /// Whether what a part expands to may be more than one field.
    fn splits(&self, part: &Part) -> bool {
        match &part.kind {
            PartKind::Parameter(expansion) => {
                if matches!(expansion.operation, Operation::Length) {
                    return false;
                }
                match &expansion.parameter {
                    Parameter::Variable(name) => !self.is_safe(name, &expansion.operation),
                    Parameter::Positional(_) => true,
                    Parameter::Special(letter) => matches!(letter, b'@' | b'*'),
                }
            }
            PartKind::CommandSubstitution(substitution) => {
                let name = substitution.list.items.last().and_then(|item| last_name(&item.and_or.first.commands));
                !name.is_some_and(|name| {
                    PLAIN.contains(&name) || name == "dpkg" && is_asking(self.analysis.source.slice(part.span))
                })
            }
            _ => false,
        }
    }

    /// Whether a part is known to be meant as one field.
    fn is_one(&self, part: &Part) -> bool {
        let PartKind::Parameter(expansion) = &part.kind else { return false };
        match &expansion.parameter {
            Parameter::Variable(name) => {
                let is_place = matches!(name.as_str(), "COMPDIR" | "GFSDIR" | "HOME" | "PWD" | "OLDPWD" | "TMPDIR");
                is_place || self.analysis.variables.is_of_loop(name)
            }
            _ => false,
        }
    }

    fn is_safe(&self, name: &str, operation: &Operation) -> bool {
        // `${x:+word}` is unquoted on purpose: it is to be no field at all.
        if matches!(operation, Operation::Substitute { when: Substitution::Alternative, .. }) {
            return true;
        }
        if matches!(name, "UID" | "EUID" | "PPID" | "LINENO" | "OPTIND" | "RANDOM") {
            return true;
        }
        let variables = &self.analysis.variables;
        if variables.never_holds(name, SPECIAL) || variables.holds_number(name) {
            return true;
        }
        if is_list_by_name(name) || is_list_by_values(self.analysis, name) {
            return true;
        }
        // A list of words that the script itself has written is meant to be one.
        let is_list = variables.never_holds(name, b"*?[");
        is_list && !variables.assigned(name).is_empty()
    }
}

/// Whether a variable is called what lists of arguments are called.
fn is_list_by_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["flags", "opts", "options", "args", "arguments", "deps", "pkgs", "packages", "params"]
        .iter()
        .any(|ending| name.ends_with(ending))
}

/// Whether the script makes a list of a variable: it puts more behind it, or takes it from what prints a line each; or it is
/// one word that is known to be harmless.
fn is_list_by_values(analysis: &Analysis<'_>, name: &str) -> bool {
    let mut given = analysis.variables.assigned(name).iter().filter_map(|assigned| match assigned.given {
        Given::Word(word) => Some(word),
        _ => None,
    });
    let joins = |word: &Word| {
        let mut used = analysis.uses_from(word.span.start).take_while(|used| used.span.end <= word.span.end);
        used.any(|used| used.name == name) && analysis.source.slice(word.span).contains(&b' ')
    };
    given.any(|word| joins(word) || last_substituted(word).is_some_and(|name| LISTING.contains(&name)))
        || !analysis.variables.assigned(name).is_empty()
            && analysis.variables.assigned(name).iter().all(|assigned| match assigned.given {
                Given::Word(word) => last_substituted(word).is_some_and(|name| PLAIN.contains(&name)),
                _ => false,
            })
}

/// Commands that print any number of words.
const LISTING: [&str; 7] = ["apt-mark", "find", "ls", "sort", "tr", "uniq", "xargs"];

/// The name of the last command of the substitution that is all of a word.
fn last_substituted(word: &Word) -> Option<&str> {
    let part = match word.parts.as_slice() {
        [Part { kind: PartKind::DoubleQuoted(parts), .. }] => parts.first().filter(|_| parts.len() == 1)?,
        [part] => part,
        _ => return None,
    };
    let PartKind::CommandSubstitution(substitution) = &part.kind else { return None };
    let item = substitution.list.items.last()?;
    last_name(&item.and_or.rest.last().map_or(&item.and_or.first, |part| &part.pipeline).commands)
}

/// `dpkg --print-architecture`
fn is_asking(text: &[u8]) -> bool {
    text.contains_str("--print-")
}

fn last_name(commands: &[Command]) -> Option<&str> {
    match commands.last()? {
        Command::Simple(command) => command.words.first()?.unquoted(),
        _ => None,
    }
}

impl<'t> Visit<'t> for UnquotedFinder<'_, '_> {
    fn visit_simple_command(&mut self, command: &'t SimpleCommand) {
        let effect = command.unquoted_name().map_or(Effect::None, |name| builtins::effect_of(name.as_bytes()));
        let name = command.unquoted_name().unwrap_or_default();
        // What is given to `set --` is meant to be taken apart; `[[` takes nothing apart.
        let is_exempt =
            matches!(name, "[[" | "eval") || name == "set" || matches!(effect, Effect::Names | Effect::LocalNames);
        for (index, word) in command.words.iter().enumerate() {
            // The name of a command may be a list of words, as in `$SUDO make`.
            if !is_exempt && index > 0 {
                self.word(word);
            }
        }
        visit::walk_simple_command(self, command);
    }
}

/// The substitution in a word, outside of others, whose command may fail.
pub(super) fn failing_substitution(parts: &[Part]) -> Option<Span> {
    parts.iter().find_map(|part| match &part.kind {
        PartKind::CommandSubstitution(substitution) => {
            let item = substitution.list.items.last()?;
            let name = last_name(&item.and_or.first.commands);
            let is_safe = name.is_some_and(|name| {
                matches!(name, "echo" | "printf" | "true" | "pwd" | "dirname" | "basename" | "nproc" | "date")
            });
            let has_or = item.and_or.rest.iter().any(|part| part.operator == AndOr::Or);
            (!is_safe && !has_or).then_some(part.span)
        }
        PartKind::DoubleQuoted(parts) => failing_substitution(parts),
        _ => None,
    })
}
