//! Words to fields (POSIX 2.6, Word Expansions), as far as that needs nothing from where the script runs.
//!
//! A word is expanded here only when the result is sure to be the shell's own and changes nothing: known variables,
//! positional parameters, quotes, arithmetic without assignments, field splitting. Everything else (command
//! substitutions, pathnames, `${x:=y}`, errors, locale-dependent lengths) is left to the shell.

use bstr::{BString, ByteSlice};

use crate::{
    language::STAND_IN,
    state::{State, Value},
    syntax::{Operation, Parameter, ParameterExpansion, Part, PartKind, Substitution, Word},
};

mod arithmetic;
mod pattern;
mod split;

use split::Piece;

/// The word needs the shell it runs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NeedsShell;

/// Expands words to zero or more fields, as for the words of a simple command: `"$@"` with no positional parameters
/// gives none, `"$x"` gives exactly one, even when empty.
///
/// # Errors
/// [`NeedsShell`] when a word cannot be expanded here.
pub fn expand_fields<'w>(words: impl IntoIterator<Item = &'w Word>, state: &State) -> Result<Vec<BString>, NeedsShell> {
    let mut fields = Vec::new();
    for word in words {
        if has_list_beside_expansion(word) {
            return Err(NeedsShell);
        }
        let mut expansion = Expansion { state, pieces: Vec::new(), joins: false };
        expansion.parts(&word.parts, Quotation::Word)?;
        // What no expansion made is not split, whatever the separators are.
        let is_split = expansion.pieces.iter().any(|piece| matches!(piece, Piece::Expanded(_)));
        let separators = if is_split { separators(state)? } else { b"" };
        if split::varies(&expansion.pieces, separators) {
            return Err(NeedsShell);
        }
        for field in split::fields(&expansion.pieces, separators) {
            if field.is_pattern && !state.has_option('f') {
                return Err(NeedsShell);
            }
            fields.push(field.text);
        }
    }
    Ok(fields)
}

/// Expands a word to one value, as for an assignment or the subject of `case`: no field splitting, no pathnames.
///
/// # Errors
/// [`NeedsShell`] when the word cannot be expanded here.
pub fn expand_value(word: &Word, state: &State) -> Result<BString, NeedsShell> {
    let mut expansion = Expansion { state, pieces: Vec::new(), joins: true };
    expansion.parts(&word.parts, Quotation::Word)?;
    Ok(split::joined(&expansion.pieces))
}

/// Whether the value matches a pattern of `case` (POSIX 2.13, Pattern Matching Notation).
///
/// # Errors
/// [`NeedsShell`] when the pattern cannot be expanded here, or matching may depend on the locale.
pub fn matches_pattern(pattern: &Word, value: &BString, state: &State) -> Result<bool, NeedsShell> {
    let mut expansion = Expansion { state, pieces: Vec::new(), joins: true };
    expansion.parts(&pattern.parts, Quotation::Word)?;
    pattern::matches(&expansion.pieces, value)
}

/// The characters that separate fields: the value of `IFS`, or blank, tab and newline (POSIX 2.6.5).
fn separators(state: &State) -> Result<&[u8], NeedsShell> {
    match state.variable("IFS") {
        Value::Set(value) => Ok(value.as_slice()),
        // A fresh shell sets IFS to this itself.
        Value::Unset => Ok(b" \t\n"),
        Value::Unknown if state.has_baseline() || state.is_unknown("IFS") => Err(NeedsShell),
        Value::Unknown => Ok(b" \t\n"),
    }
}

/// Whether a value is made from what stands for a directory, of which nobody knows more than that.
fn is_stand_in(value: &[u8]) -> bool {
    value.contains(&STAND_IN)
}

/// How the parts of a word stand.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Quotation {
    /// Unquoted, as written.
    Word,
    /// Unquoted, in the word of a parameter expansion: what it gives is split.
    Substituted,
    /// Inside double-quotes.
    Quoted,
}

struct Expansion<'s> {
    state: &'s State,
    pieces: Vec<Piece>,
    /// Whether the result is one value, so that `$*` is joined even without quotes.
    joins: bool,
}

impl<'s> Expansion<'s> {
    fn positional(&self) -> Result<&'s [BString], NeedsShell> {
        self.state.known_positional().ok_or(NeedsShell)
    }

    fn parts(&mut self, parts: &[Part], context: Quotation) -> Result<(), NeedsShell> {
        parts.iter().try_for_each(|part| self.part(part, context))
    }

    fn part(&mut self, part: &Part, context: Quotation) -> Result<(), NeedsShell> {
        match &part.kind {
            // A `~` that the parser took for no tilde-prefix is one to some shells: `~$x`.
            PartKind::Literal(text) if context != Quotation::Quoted && begins_with_tilde(text) => {
                return Err(NeedsShell);
            }
            PartKind::Literal(text) => self.bytes(text, context),
            PartKind::Escaped(text) => self.bytes(text, Quotation::Quoted),
            PartKind::SingleQuoted(text) => {
                self.pieces.push(Piece::Quotes);
                self.bytes(text, Quotation::Quoted);
            }
            PartKind::DoubleQuoted(parts) => {
                if self.is_field(parts)? {
                    self.pieces.push(Piece::Quotes);
                }
                self.parts(parts, Quotation::Quoted)?;
            }
            PartKind::Tilde(login) => match self.state.variable("HOME") {
                Value::Set(home) if login.is_empty() => self.bytes(&home.clone(), Quotation::Quoted),
                _ => return Err(NeedsShell),
            },
            PartKind::Parameter(expansion) => self.parameter(expansion, context)?,
            PartKind::CommandSubstitution(_) | PartKind::Foreign(_) => return Err(NeedsShell),
            PartKind::Arithmetic(parts) => {
                let value = arithmetic::evaluate(&self.inner(parts)?, self.state)?;
                self.value(value.to_string().as_bytes(), context);
            }
        }
        Ok(())
    }

    /// Whether double-quotes make a field even when nothing is in them: not when `"$@"` has no parameters to give.
    fn is_field(&self, parts: &[Part]) -> Result<bool, NeedsShell> {
        let is_list = |part: &Part| is_list(part, b"@");
        let is_literal = |part: &Part| matches!(part.kind, PartKind::Literal(_));
        if !parts.iter().any(is_list) || parts.iter().any(is_literal) || !self.positional()?.is_empty() {
            return Ok(true);
        }
        // Shells differ in `"$@$x"` with an empty `$x`.
        if parts.iter().all(is_list) { Ok(false) } else { Err(NeedsShell) }
    }

    /// Parts that stand inside something else, as one value.
    fn inner(&self, parts: &[Part]) -> Result<BString, NeedsShell> {
        let mut expansion = Expansion { state: self.state, pieces: Vec::new(), joins: true };
        expansion.parts(parts, Quotation::Quoted)?;
        Ok(split::joined(&expansion.pieces))
    }

    /// Text as it stands in the script.
    fn bytes(&mut self, text: &[u8], context: Quotation) {
        self.pieces.extend(text.iter().map(|byte| match context {
            Quotation::Word => Piece::Literal(*byte),
            Quotation::Substituted => Piece::Expanded(*byte),
            Quotation::Quoted => Piece::Quoted(*byte),
        }));
    }

    /// Text that an expansion gave.
    fn value(&mut self, text: &[u8], context: Quotation) {
        self.pieces.extend(text.iter().map(|byte| match context {
            Quotation::Word | Quotation::Substituted => Piece::Expanded(*byte),
            Quotation::Quoted => Piece::Quoted(*byte),
        }));
    }

    fn parameter(&mut self, expansion: &ParameterExpansion, context: Quotation) -> Result<(), NeedsShell> {
        if expansion.parameter == Parameter::Special(b'#') && expansion.operation != Operation::Value {
            // `${#-x}` and the like begin as the length of something.
            return Err(NeedsShell);
        }
        if let Parameter::Special(list @ (b'@' | b'*')) = expansion.parameter {
            return match expansion.operation {
                Operation::Value => self.all_parameters(list, context),
                _ => Err(NeedsShell),
            };
        }
        let value = self.lookup(&expansion.parameter)?;
        match &expansion.operation {
            Operation::Value => {
                let value = self.checked(value)?;
                self.value(&value, context);
            }
            Operation::Length | Operation::Remove { .. } if value.as_ref().is_some_and(|value| is_stand_in(value)) => {
                return Err(NeedsShell);
            }
            Operation::Length => {
                // The length is counted in characters of a locale that is not known here.
                let value = self.checked(value)?;
                if !value.is_ascii() {
                    return Err(NeedsShell);
                }
                self.value(value.len().to_string().as_bytes(), context);
            }
            Operation::Substitute { when, or_empty, word } => {
                let missing = value.as_ref().is_none_or(|value| *or_empty && value.is_empty());
                match (when, missing) {
                    (Substitution::Alternative, true) => {}
                    (Substitution::Alternative, false) | (Substitution::Default, true) => {
                        if varies(word) {
                            return Err(NeedsShell);
                        }
                        let inner = if context == Quotation::Quoted { context } else { Quotation::Substituted };
                        self.parts(&word.parts, inner)?;
                    }
                    (Substitution::Assign | Substitution::Error, true) => return Err(NeedsShell),
                    (_, false) => self.value(&value.unwrap_or_default(), context),
                }
            }
            Operation::Remove { end, largest, pattern } => {
                let value = self.checked(value)?;
                let mut expansion = Expansion { state: self.state, pieces: Vec::new(), joins: true };
                expansion.parts(&pattern.parts, Quotation::Word)?;
                let rest = pattern::remove(&expansion.pieces, &value, *end, *largest)?;
                self.value(&rest, context);
            }
        }
        Ok(())
    }

    /// The value of a parameter other than `$@` and `$*`; `None` when it is unset.
    fn lookup(&self, parameter: &Parameter) -> Result<Option<BString>, NeedsShell> {
        match parameter {
            Parameter::Variable(name) => match self.state.variable(name) {
                Value::Set(value) => Ok(Some(value.clone())),
                Value::Unset => Ok(None),
                Value::Unknown => Err(NeedsShell),
            },
            Parameter::Positional(number) => {
                let positional = self.positional()?;
                Ok((*number as usize).checked_sub(1).and_then(|index| positional.get(index)).cloned())
            }
            Parameter::Special(b'#') => Ok(Some(self.positional()?.len().to_string().into())),
            Parameter::Special(b'$') => self.state.process.clone().map(Some).ok_or(NeedsShell),
            Parameter::Special(b'?') if !self.state.status_unknown => Ok(Some(self.state.status.to_string().into())),
            Parameter::Special(_) => Err(NeedsShell),
        }
    }

    /// An unset parameter is empty, unless `set -u` makes it an error.
    fn checked(&self, value: Option<BString>) -> Result<BString, NeedsShell> {
        match value {
            None if self.state.has_option('u') => Err(NeedsShell),
            value => Ok(value.unwrap_or_default()),
        }
    }

    /// `$@` and `$*` (POSIX 2.5.2).
    fn all_parameters(&mut self, list: u8, context: Quotation) -> Result<(), NeedsShell> {
        let (state, positional) = (self.state, self.positional()?);
        if list == b'*' && (context == Quotation::Quoted || self.joins) {
            let separators = separators(state)?;
            let separator = separators.get(..1).unwrap_or_default();
            let joined = bstr::join(separator, positional);
            self.value(&joined, context);
            return Ok(());
        }
        if self.joins && positional.len() > 1 {
            return Err(NeedsShell);
        }
        if context != Quotation::Quoted {
            // How an empty one is split off differs between shells, unless blanks separate.
            let separators = separators(state)?;
            let separates = |byte: &u8| !split::is_blank(*byte) && separators.contains(byte);
            let doubtful = |value: &BString| value.is_empty() || value.iter().any(separates);
            if !separators.iter().all(|byte| split::is_blank(*byte)) && positional.iter().any(doubtful) {
                return Err(NeedsShell);
            }
        }
        for (index, value) in positional.iter().enumerate() {
            if index > 0 {
                self.pieces.push(Piece::Break);
            }
            if context == Quotation::Quoted {
                self.pieces.push(Piece::Quotes);
            }
            self.value(value, context);
        }
        Ok(())
    }
}

/// Whether text begins with `~`, or has one where a value could have a tilde-prefix.
fn begins_with_tilde(text: &[u8]) -> bool {
    text.starts_with(b"~") || text.contains_str(":~") || text.contains_str("=~")
}

/// Whether a quoted `$@` stands beside an unquoted expansion. With an empty last parameter and an empty value, dash gives
/// one field less than others.
fn has_list_beside_expansion(word: &Word) -> bool {
    let is_quoted_list = |part: &Part| matches!(&part.kind, PartKind::DoubleQuoted(parts) if parts.iter().any(|part| is_list(part, b"@")));
    let is_expansion = |part: &Part| matches!(part.kind, PartKind::Parameter(_) | PartKind::Arithmetic(_));
    word.parts.iter().any(is_quoted_list) && word.parts.iter().any(is_expansion)
}

/// Whether shells differ in the word of `${x-word}`: with `$@` in it, unless it is `"$@"` and nothing else; with empty
/// quotes beside something else; with `\` that does not quote, as in double-quotes.
fn varies(word: &Word) -> bool {
    fn holds(parts: &[Part]) -> bool {
        parts.iter().any(|part| match &part.kind {
            PartKind::Literal(text) => text.contains(&b'\\'),
            PartKind::SingleQuoted(text) => text.is_empty(),
            PartKind::DoubleQuoted(parts) => parts.is_empty() || holds(parts),
            _ => is_list(part, b"@*"),
        })
    }
    match word.parts.as_slice() {
        [Part { kind: PartKind::DoubleQuoted(parts), .. }] if matches!(parts.as_slice(), [part] if is_list(part, b"@")) => {
            false
        }
        [Part { kind: PartKind::SingleQuoted(_), .. }] => false,
        [Part { kind: PartKind::DoubleQuoted(parts), .. }] if parts.is_empty() => false,
        parts => holds(parts),
    }
}

/// Whether the part is one of these special parameters, and nothing but its value.
fn is_list(part: &Part, lists: &[u8]) -> bool {
    matches!(&part.kind, PartKind::Parameter(expansion)
        if matches!(expansion.parameter, Parameter::Special(list) if lists.contains(&list))
            && expansion.operation == Operation::Value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Source, parse, syntax::Command};

    fn state() -> State {
        let mut state = State { positional: vec!["a b".into(), "".into(), "c".into()], ..State::default() };
        for (name, value) in [("x", "1 2"), ("e", ""), ("p", "*"), ("f", "dir/file.tar.gz"), ("n", "7"), ("HOME", "/h")]
        {
            assert!(state.assign(name, value.into()));
        }
        state
    }

    fn fields(words: &str) -> Result<Vec<String>, NeedsShell> {
        let script = parse(Source::new("s", format!("c {words}"))).script;
        let Command::Simple(command) = &script.list.items[0].and_or.first.commands[0] else { panic!("{words}") };
        let fields = expand_fields(command.words.iter().skip(1), &state())?;
        Ok(fields.into_iter().map(|field| field.to_string()).collect())
    }

    #[test]
    fn words_become_fields() {
        let cases: [(&str, &[&str]); 20] = [
            ("$x", &["1", "2"]),
            ("\"$x\"", &["1 2"]),
            ("a$x'b c'", &["a1", "2b c"]),
            ("$e", &[]),
            ("\"$e\" ''", &["", ""]),
            ("$@", &["a", "b", "c"]),
            ("\"$@\"", &["a b", "", "c"]),
            ("x\"$@\"y", &["xa b", "", "cy"]),
            ("\"$*\"", &["a b  c"]),
            ("$#", &["3"]),
            ("${e:-a b}", &["a", "b"]),
            ("\"${e:-a b}\"", &["a b"]),
            ("${x+\"$x\"}", &["1 2"]),
            ("${f##*/} ${f%.*} ${f%%.*}", &["file.tar.gz", "dir/file.tar", "dir/file"]),
            ("${#f}", &["15"]),
            ("$((n * 2 + 0x10 % 3))", &["15"]),
            ("~/x '~'", &["/h/x", "~"]),
            ("a\\ b \\$x", &["a b", "$x"]),
            ("\"*\" \\*", &["*", "*"]),
            ("${2-unset} ${4-unset}", &["unset"]),
        ];
        for (words, expected) in cases {
            assert_eq!(fields(words).as_deref(), Ok(expected.map_strings().as_slice()), "{words}");
        }
    }

    #[test]
    fn what_only_the_shell_can_do_is_left_to_it() {
        for words in ["*", "$p", "$(a)", "$unknown", "${e:=x}", "${e:?}", "$$", "$((n = 1))", "$((1 / 0))", "~joe"] {
            assert_eq!(fields(words), Err(NeedsShell), "{words}");
        }
    }

    trait MapStrings {
        fn map_strings(&self) -> Vec<String>;
    }

    impl MapStrings for &[&str] {
        fn map_strings(&self) -> Vec<String> {
            self.iter().map(|text| (*text).to_owned()).collect()
        }
    }
}
