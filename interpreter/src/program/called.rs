//! What a simple command calls, as far as that is told before its words are expanded.

use std::borrow::Cow;

use bstr::ByteSlice;

use crate::{
    state::Aliases,
    syntax::{Operation, Part, PartKind, SimpleCommand, Word},
};

/// The command itself, or what `command` before it calls, with the place of both for its name. An alias for some plain
/// words is those, each with its place; where operands are among them, only `unset` is told.
pub(super) fn called<'c>(command: &'c SimpleCommand, aliases: Option<&Aliases>) -> Cow<'c, SimpleCommand> {
    let is_option = |word: &Word| word.literal().is_none_or(|text| text.starts_with(b"-"));
    let mut called = Cow::Borrowed(command);
    if let Some(words) = aliases.and_then(|aliases| aliased(command.words.first()?, aliases)) {
        called.to_mut().words.splice(..1, words);
    }
    if let [first, name, ..] = called.words.as_slice()
        && first.unquoted() == Some("command")
        && !is_option(name)
    {
        let span = first.span.to(name.span);
        let called = called.to_mut();
        called.words.remove(0);
        called.words.iter_mut().take(1).for_each(|name| name.span = span);
    }
    match called.words.as_slice() {
        [name, operand, ..] if name.span == operand.span && name.unquoted() != Some("unset") => Cow::Borrowed(command),
        _ => called,
    }
}

/// The words that an alias stands for, where it is for nothing else.
fn aliased(name: &Word, aliases: &Aliases) -> Option<Vec<Word>> {
    let value = aliases.get(name.unquoted()?.as_bytes().as_bstr())?;
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"_./- ".contains(byte);
    let word = |text: &[u8]| {
        let part = Part { kind: PartKind::Literal(text.into()), span: name.span };
        Word { parts: vec![part], span: name.span }
    };
    let words = || value.split(|byte| *byte == b' ').filter(|text| !text.is_empty()).map(word).collect();
    (value.iter().all(is_plain) && !value.ends_with(b" ")).then(words)
}

/// Whether expanding the word does nothing, so that it can be done twice.
pub(super) fn is_repeatable(word: &Word) -> bool {
    fn are_repeatable(parts: &[Part]) -> bool {
        parts.iter().all(|part| match &part.kind {
            PartKind::Parameter(expansion) => expansion.operation == Operation::Value,
            PartKind::DoubleQuoted(parts) => are_repeatable(parts),
            PartKind::CommandSubstitution(_) | PartKind::Arithmetic(_) | PartKind::Foreign(_) => false,
            PartKind::Literal(_) | PartKind::Escaped(_) | PartKind::SingleQuoted(_) | PartKind::Tilde(_) => true,
        })
    }
    are_repeatable(&word.parts)
}

/// Whether a command sends a signal: `kill` itself, as a program, or in the text of another shell.
pub(super) fn is_kill(command: &SimpleCommand) -> bool {
    const SHELLS: [&str; 5] = ["ash", "bash", "busybox", "dash", "sh"];
    let is_kill = |word: &Word| word.literal().is_some_and(|text| text == "kill" || text.ends_with(b"/kill"));
    let text = |part: &Part| {
        matches!(&part.kind, PartKind::DoubleQuoted(parts) if parts.iter().any(
        |part| matches!(&part.kind, PartKind::Literal(text) if text.contains_str("kill"))))
    };
    let runs_text = command.unquoted_name().is_some_and(|name| SHELLS.contains(&name));
    command.words.iter().take(2).any(is_kill)
        || (runs_text && command.words.iter().any(|word| word.parts.iter().any(text)))
}
