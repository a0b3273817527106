//! Which files a command names, and what it does to them: its redirections, and its operands by the table of utilities.

use bstr::{BString, ByteSlice};

use crate::{
    Span, expand,
    language::builtins::{self, Operands, Utility},
    state::State,
    syntax::{Redirection, RedirectionOperator, SimpleCommand, Word},
};

/// A field, or all that is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Argument {
    /// Exactly this.
    Literal(BString),
    /// A path that begins with one of the directories that a setup is given, and what stands behind that.
    Below(Root, BString),
    /// Any number of fields: only a shell could tell what the word at this place expands to.
    Unknown(Span),
}

/// A directory that a setup is given, wherever it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Root {
    /// The computation's directory, `$COMPDIR`.
    Computation,
    /// The global file storage, `$GFSDIR`.
    Storage,
}

impl Root {
    /// Both.
    pub const ALL: [Root; 2] = [Root::Computation, Root::Storage];

    /// The variable that names it in the container.
    pub fn variable(self) -> &'static str {
        match self {
            Root::Computation => "COMPDIR",
            Root::Storage => "GFSDIR",
        }
    }

    /// What stands for it in values, wherever it may be: no script has these bytes.
    pub(crate) fn stand_in(self) -> &'static str {
        match self {
            Root::Computation => "\u{1}COMPDIR\u{1}",
            Root::Storage => "\u{1}GFSDIR\u{1}",
        }
    }
}

/// Files that a command names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Files {
    pub(crate) reads: Vec<Argument>,
    pub(crate) writes: Vec<Argument>,
}

/// The fields of a command's words; one that stands for all of a word's where they are not known.
pub(crate) fn arguments(command: &SimpleCommand, state: &State) -> Vec<Argument> {
    let mut arguments = Vec::with_capacity(command.words.len());
    command.words.iter().for_each(|word| arguments.append(&mut fields(word, state)));
    arguments
}

pub(crate) fn fields(word: &Word, state: &State) -> Vec<Argument> {
    match expand::expand_fields([word], state) {
        Ok(fields) => fields.into_iter().map(|field| argument(field, word.span)).collect(),
        Err(expand::NeedsShell) => vec![Argument::Unknown(word.span)],
    }
}

/// What a field is, of the word at `span`.
fn argument(field: BString, span: Span) -> Argument {
    for root in Root::ALL {
        if let Some(path) = field.strip_prefix(root.stand_in().as_bytes())
            && (path.is_empty() || path.starts_with(b"/"))
        {
            return Argument::Below(root, path.into());
        }
    }
    match Root::ALL.into_iter().any(|root| field.contains_str(root.stand_in())) {
        true => Argument::Unknown(span),
        false => Argument::Literal(field),
    }
}

/// The files among the operands of a command, its name first; `None` when it may touch others.
pub(crate) fn of_operands(arguments: &[Argument]) -> Option<Files> {
    let Some((Argument::Literal(name), arguments)) = arguments.split_first() else { return None };
    let utility = builtins::run_by(name)?;
    let mut files = Files::default();
    match utility.operands {
        Operands::Unknown => return None,
        Operands::None => return Some(files),
        Operands::Tested => return Some(Files { reads: tested(arguments), writes: Vec::new() }),
        Operands::Unpacked => return unpacked(arguments, utility),
        _ => {}
    }
    // An unknown argument may be an option that changes what the operands are.
    let is_unknown = |argument: &Argument| matches!(argument, Argument::Unknown(_));
    let by_place = !matches!(utility.operands, Operands::Read | Operands::Written);
    if by_place && arguments.first().is_some_and(is_unknown) {
        return None;
    }
    let Taken { mut operands, values, has_script, looks_around } = operands(arguments, utility)?;
    match utility.operands {
        Operands::Unknown | Operands::None | Operands::Values | Operands::Tested | Operands::Unpacked => {}
        Operands::Read => files.reads = operands,
        Operands::ReadBehindScript => files.reads = operands.into_iter().skip(usize::from(!has_script)).collect(),
        Operands::Written | Operands::Moved => files.writes = operands,
        Operands::WrittenBehindFirst => files.writes = operands.into_iter().skip(1).collect(),
        Operands::Copied | Operands::Linked => {
            files.writes.extend(operands.pop());
            files.reads = operands;
        }
    }
    if looks_around && files.reads.is_empty() {
        files.reads.push(Argument::Literal(".".into()));
    }
    files.reads.extend(values);
    Some(files)
}

/// The files that `test` looks at (POSIX 3, test).
fn tested(arguments: &[Argument]) -> Vec<Argument> {
    let is_unary = |text: &[u8]| matches!(text, [b'-', letter] if b"bcdefghkprsuwxLSGNO".contains(letter));
    let is_binary = |text: &[u8]| matches!(text, b"-nt" | b"-ot" | b"-ef");
    let text = |index: usize| match arguments.get(index) {
        Some(Argument::Literal(text)) => text.as_slice(),
        _ => b"",
    };
    let is_file = |index: usize| {
        let before = index.checked_sub(1).map_or(b"".as_slice(), text);
        is_unary(before) || is_binary(before) || is_binary(text(index + 1))
    };
    arguments.iter().enumerate().filter(|(index, _)| is_file(*index)).map(|(_, argument)| argument.clone()).collect()
}

/// The archive that `tar` takes apart; `None` where it does anything else.
fn unpacked(arguments: &[Argument], utility: &Utility) -> Option<Files> {
    let mut files = Files::default();
    let mut is_unpacked = false;
    let mut arguments = arguments.iter().enumerate();
    while let Some((index, argument)) = arguments.next() {
        let Argument::Literal(text) = argument else { continue };
        let letters = match text.as_slice() {
            b"--extract" | b"--list" | b"--get" => {
                is_unpacked = true;
                continue;
            }
            [b'-', b'-', name @ ..] if is_harmless(name, utility) => continue,
            [b'-', b'-', ..] => return None,
            [b'-', letters @ ..] => letters,
            // The first may do without its dash.
            letters if index == 0 => letters,
            _ => continue,
        };
        is_unpacked |= letters.iter().any(|letter| b"xt".contains(letter));
        for (at, letter) in letters.iter().enumerate() {
            let has_dash = text.starts_with(b"-");
            let rest = letters.get(at + 1..).filter(|rest| has_dash && !rest.is_empty());
            match letter {
                b'f' | b'C' => {
                    let value = match rest {
                        Some(rest) => Argument::Literal(rest.into()),
                        None => arguments.next()?.1.clone(),
                    };
                    if *letter == b'f' {
                        files.reads.push(value);
                    }
                    if has_dash {
                        break;
                    }
                }
                letter if b"xtvzjJpokmhOaPsSlUw".contains(letter) => {}
                _ => return None,
            }
        }
    }
    is_unpacked.then_some(files)
}

/// Whether a long option, without its dashes, is known to name no file and to leave operands what they are.
fn is_harmless(option: &[u8], utility: &Utility) -> bool {
    let (name, has_value) = option.split_once_str("=").map_or((option, false), |(name, _)| (name, true));
    utility.long.split_ascii_whitespace().any(|known| match known.strip_suffix('=') {
        Some(known) => has_value && known.as_bytes() == name,
        None => !has_value && known.as_bytes() == name,
    })
}

/// The arguments of a utility, taken apart.
struct Taken {
    operands: Vec<Argument>,
    /// Values of options that are files to read.
    values: Vec<Argument>,
    /// Whether an option gave what the first operand would have been.
    has_script: bool,
    /// Whether it looks at the working directory when there is no operand.
    looks_around: bool,
}

/// Takes arguments apart (POSIX 12.2, Utility Syntax Guidelines); `None` where an option is long, or changes what the
/// operands are.
fn operands(arguments: &[Argument], utility: &Utility) -> Option<Taken> {
    let looks_around = utility.here == Some("");
    let mut taken = Taken { operands: Vec::new(), values: Vec::new(), has_script: false, looks_around };
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let text: &[u8] = match argument {
            Argument::Literal(text) => text,
            Argument::Below(..) | Argument::Unknown(_) => b"",
        };
        match text {
            b"--" => {
                taken.operands.extend(arguments.cloned());
                break;
            }
            [b'-', b'-', option @ ..] if is_harmless(option, utility) => {
                taken.looks_around |= option == b"recursive";
            }
            [b'-', b'-', ..] => return None,
            [b'-', letters @ ..] if !letters.is_empty() => options(letters, utility, &mut arguments, &mut taken)?,
            _ => taken.operands.push(argument.clone()),
        }
    }
    Some(taken)
}

/// Reads letters of options; one that takes a value has what is left of them, or the next argument.
fn options<'a>(
    letters: &[u8],
    utility: &Utility,
    arguments: &mut impl Iterator<Item = &'a Argument>,
    taken: &mut Taken,
) -> Option<()> {
    let is_in = |set: &str, letter: u8| set.as_bytes().contains(&letter);
    for (index, letter) in letters.iter().enumerate() {
        if is_in(utility.changing, *letter) {
            return None;
        }
        taken.looks_around |= utility.here.is_some_and(|letters| is_in(letters, *letter));
        if is_in(utility.valued, *letter) {
            let rest = letters.get(index + 1..).unwrap_or_default();
            let value = match rest {
                [] => arguments.next()?.clone(),
                rest => Argument::Literal(rest.into()),
            };
            taken.has_script |= is_in("ef", *letter);
            if is_in(utility.reading, *letter) {
                taken.values.push(value);
            }
            return Some(());
        }
    }
    Some(())
}

/// The file of a redirection, which is one field.
pub(crate) fn of_redirection(redirection: &Redirection, state: &State, files: &mut Files) {
    use RedirectionOperator as Operator;
    let target = || -> Argument {
        let span = redirection.target.span;
        let value: Result<BString, _> = expand::expand_value(&redirection.target, state);
        value.map_or(Argument::Unknown(span), |value| argument(value, span))
    };
    match redirection.operator {
        Operator::Input => files.reads.push(target()),
        Operator::Output | Operator::Clobber | Operator::Append => files.writes.push(target()),
        Operator::ReadWrite => {
            files.reads.push(target());
            files.writes.push(target());
        }
        Operator::HereDocument | Operator::HereDocumentStripTabs => {}
        Operator::DuplicateInput | Operator::DuplicateOutput => {}
    }
}
