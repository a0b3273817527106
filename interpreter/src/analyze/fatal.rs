//! The errors of a command that end the shell it runs in (POSIX 2.8.1, Consequences of Shell Errors), or that some shell
//! ends for.

use bstr::{BString, ByteSlice};

use crate::{
    expand,
    language::{builtins, is_name, leading_name, set},
    state::State,
    syntax::{Parameter, Part, PartKind, Redirection, RedirectionOperator, SimpleCommand, Word},
};

/// Whether a simple command may end its shell by an error of its own. What its words expand to is
/// [`may_be_fatal_in_word`]'s to tell, what it assigns the caller's.
pub(super) fn may_be_fatal(command: &SimpleCommand) -> bool {
    let Some(name) = command.literal_name() else { return false };
    let operands = command.words.get(1..).unwrap_or_default();
    if name == "kill" {
        return operands.iter().any(may_name_shell);
    }
    builtins::is_special(&name) && (command.redirections.iter().any(may_fail) || is_error(&name, operands))
}

/// Whether expanding a part of a word may end the shell: a number may be none, or be divided by nothing; what only some
/// shells know is a bad substitution to others.
pub(super) fn may_be_fatal_in_word(part: &Part) -> bool {
    match &part.kind {
        PartKind::Arithmetic(_) => !is_constant(part),
        PartKind::Foreign(_) => true,
        _ => false,
    }
}

/// Whether arithmetic needs no variable, and has a value in every shell.
fn is_constant(arithmetic: &Part) -> bool {
    let word = Word { parts: vec![arithmetic.clone()], span: arithmetic.span };
    expand::expand_value(&word, &State::default()).is_ok()
}

/// Whether the file of a redirection may not be there, or its descriptor not open.
pub(crate) fn may_fail(redirection: &Redirection) -> bool {
    use RedirectionOperator::{DuplicateInput, DuplicateOutput, HereDocument, HereDocumentStripTabs};
    let target = redirection.target.literal();
    match redirection.operator {
        HereDocument | HereDocumentStripTabs => false,
        DuplicateInput | DuplicateOutput => {
            target.is_none_or(|target| !matches!(target.as_bytes(), b"0" | b"1" | b"2" | b"-"))
        }
        _ => target.is_none_or(|target| target != "/dev/null"),
    }
}

/// Whether the operands of a special built-in may be an error to it.
fn is_error(name: &[u8], operands: &[Word]) -> bool {
    match name {
        b"export" | b"readonly" => !operands.iter().all(|word| names_variable(&word.leading_text(), b"=")),
        b"unset" => !operands.iter().all(|word| word.literal().is_some_and(|text| names_variable(&text, b""))),
        b"set" => !sets_what_all_know(operands),
        // There may be fewer parameters.
        b"shift" => true,
        _ => false,
    }
}

/// Whether the operands of `set` are options that every shell has, up to the positional parameters.
fn sets_what_all_know(operands: &[Word]) -> bool {
    // From the first that is made at run time on, they are parameters, or may be anything.
    let known: Vec<BString> = operands.iter().map_while(Word::literal).collect();
    let is_all = known.len() == operands.len();
    let has_name = |(name, _): &(String, bool)| set::letter(name).is_some();
    set::of_set(&known).is_some_and(|set| (is_all || set.positional.is_some()) && set.options.iter().all(has_name))
}

/// Whether an operand is an option, or names a variable, behind which one of these bytes may stand.
fn names_variable(text: &[u8], behind: &[u8]) -> bool {
    let is_right = |rest: &[u8]| rest.first().is_none_or(|first| behind.contains(first));
    matches!(text, b"-p" | b"-v" | b"-f" | b"--")
        || leading_name(text).is_some_and(|(name, rest)| is_name(name) && is_right(rest))
}

/// Whether an operand of `kill` may name the shell itself, or the group it is in.
fn may_name_shell(word: &Word) -> bool {
    match word.literal() {
        Some(text) => text == "0",
        // The last process in the background is another one.
        None => !word.parts.iter().all(|part| is_background(part) || matches!(part.kind, PartKind::Literal(_))),
    }
}

fn is_background(part: &Part) -> bool {
    match &part.kind {
        PartKind::Parameter(expansion) => expansion.parameter == Parameter::Special(b'!'),
        PartKind::DoubleQuoted(parts) => parts.iter().all(is_background),
        _ => false,
    }
}
