//! Which files a command names, and what it does to them: redirections, and a table of the usual utilities.

use bstr::BString;

use super::facts::Argument;
use crate::{
    expand,
    state::State,
    syntax::{Redirection, RedirectionOperator},
};

/// Files that a command names.
#[derive(Debug, Default)]
pub(crate) struct Files {
    pub(crate) reads: Vec<Argument>,
    pub(crate) writes: Vec<Argument>,
}

/// What a utility does to its operands.
#[derive(Clone, Copy)]
enum Operands {
    /// They are no files.
    None,
    Read,
    Written,
    /// All but the first are written: that is a mode or an owner.
    WrittenBehindFirst,
    /// The last is written, the others are read.
    Copied,
    /// All are written: the others are gone afterwards.
    Moved,
}

/// Utilities of POSIX and their like: name, options that take a value of their own, operands.
const UTILITIES: [(&str, &str, Operands); 61] = {
    use Operands::{Copied, Moved, None, Read, Written, WrittenBehindFirst};
    [
        (":", "", None),
        ("[", "", None),
        ("alias", "", None),
        ("basename", "s", None),
        ("bg", "", None),
        ("break", "", None),
        ("cat", "", Read),
        ("cd", "", None),
        ("chgrp", "", WrittenBehindFirst),
        ("chmod", "", WrittenBehindFirst),
        ("chown", "", WrittenBehindFirst),
        ("cksum", "", Read),
        ("cmp", "in", Read),
        ("continue", "", None),
        ("cp", "tS", Copied),
        ("date", "d", None),
        ("diff", "UC", Read),
        ("dirname", "", None),
        ("echo", "", None),
        ("exit", "", None),
        ("export", "", None),
        ("expr", "", None),
        ("false", "", None),
        ("getopts", "", None),
        ("hash", "", None),
        ("head", "nc", Read),
        ("id", "", None),
        ("install", "mogtS", Copied),
        ("jobs", "", None),
        ("kill", "s", None),
        ("ln", "tS", Copied),
        ("local", "", None),
        ("ls", "", Read),
        ("md5sum", "", Read),
        ("mkdir", "m", Written),
        ("mkfifo", "m", Written),
        ("mv", "tS", Moved),
        ("printf", "", None),
        ("pwd", "", None),
        ("read", "", None),
        ("readonly", "", None),
        ("return", "", None),
        ("rm", "", Written),
        ("rmdir", "", Written),
        ("set", "", None),
        ("sha256sum", "", Read),
        ("shift", "", None),
        ("sleep", "", None),
        ("sort", "kotST", Read),
        ("tail", "nc", Read),
        ("tee", "", Written),
        ("test", "", None),
        ("times", "", None),
        ("touch", "drt", Written),
        ("true", "", None),
        ("truncate", "sr", Written),
        ("ulimit", "", None),
        ("umask", "", None),
        ("unset", "", None),
        ("wait", "", None),
        ("wc", "", Read),
    ]
};

/// The files among the operands of a utility; `None` when it may touch others.
pub(crate) fn of_operands(arguments: &[Argument]) -> Option<Files> {
    let Some((Argument::Literal(name), arguments)) = arguments.split_first() else { return None };
    let index = UTILITIES.binary_search_by_key(&name.as_slice(), |(utility, ..)| utility.as_bytes()).ok()?;
    let (utility, valued, kind) = UTILITIES.get(index)?;
    let mut files = Files::default();
    if matches!(kind, Operands::None) {
        return Some(files);
    }
    // An unknown argument may be an option that changes what the operands are.
    let is_unknown = |argument: &Argument| matches!(argument, Argument::Unknown(_));
    let by_place = matches!(kind, Operands::Copied | Operands::Moved | Operands::WrittenBehindFirst);
    if by_place && arguments.first().is_some_and(is_unknown) {
        return None;
    }
    let operands = operands(arguments, valued, naming(utility))?;
    match kind {
        Operands::None => {}
        Operands::Read => files.reads = operands,
        Operands::Written | Operands::Moved => files.writes = operands,
        Operands::WrittenBehindFirst => files.writes = operands.into_iter().skip(1).collect(),
        Operands::Copied => {
            files.reads = operands;
            files.writes.extend(files.reads.pop());
        }
    }
    Some(files)
}

/// The letters of options that name files themselves, or change what the operands are.
fn naming(utility: &str) -> &'static str {
    match utility {
        "chmod" => "rwxXst",
        "cp" | "ln" | "mv" => "t",
        "install" => "dt",
        "sort" => "To",
        "touch" | "truncate" => "r",
        _ => "",
    }
}

/// The operands among arguments (POSIX 12.2, Utility Syntax Guidelines); `None` where an option is long, or one of
/// `naming`. The options `valued` take a value.
fn operands(arguments: &[Argument], valued: &str, naming: &str) -> Option<Vec<Argument>> {
    let mut operands = Vec::new();
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let text: &[u8] = match argument {
            Argument::Literal(text) => text,
            Argument::Unknown(_) => b"",
        };
        match text {
            b"--" => {
                operands.extend(arguments.cloned());
                break;
            }
            [b'-', b'-', ..] => return None,
            [b'-', letters @ .., last] => {
                if letters.iter().chain([last]).any(|letter| naming.as_bytes().contains(letter)) {
                    return None;
                }
                if valued.as_bytes().contains(last) {
                    arguments.next()?;
                }
            }
            _ => operands.push(argument.clone()),
        }
    }
    Some(operands)
}

/// The file of a redirection, which is one field.
pub(crate) fn of_redirection(
    redirection: &Redirection,
    state: &State,
    reads: &mut Vec<Argument>,
    writes: &mut Vec<Argument>,
) {
    use RedirectionOperator as Operator;
    let target = || -> Argument {
        let value: Result<BString, _> = expand::expand_value(&redirection.target, state);
        value.map_or(Argument::Unknown(redirection.target.span), Argument::Literal)
    };
    match redirection.operator {
        Operator::Input => reads.push(target()),
        Operator::Output | Operator::Clobber | Operator::Append => writes.push(target()),
        Operator::ReadWrite => {
            reads.push(target());
            writes.push(target());
        }
        Operator::HereDocument | Operator::HereDocumentStripTabs => {}
        Operator::DuplicateInput | Operator::DuplicateOutput => {}
    }
}
