//! Aliases whose values are more than the beginning of a simple command (POSIX 2.3.1): with one in force, only the shell
//! that has it can tell where commands end.

use bstr::{BStr, BString, ByteSlice};

use super::parse;
use crate::{
    Diagnostic, Source, Span,
    syntax::{
        Command, List, SimpleCommand, Word,
        visit::{self, Visit},
    },
};

/// Whether the operand of `alias` gives a value that is not the beginning of one simple command.
pub(crate) fn changes_grammar(operand: &Word) -> bool {
    let text = operand.literal().unwrap_or_default();
    let Some((_, value)) = text.split_once_str("=") else { return false };
    let parsed = parse(Source::new("alias", [value, b" word"].concat()));
    let last = parsed.script.list.items.last().and_then(|item| item.and_or.pipelines().last()?.commands.last());
    let takes_word = match last {
        Some(Command::Simple(command)) => {
            command.words.len() > 1 && command.words.last().and_then(Word::unquoted) == Some("word")
        }
        _ => false,
    };
    !parsed.errors.is_empty() || !takes_word || value.ends_with(b"\\") || value.contains_str("<<")
}

/// Whether a value alone is not even a list: it opens something that it does not close, or the other way round.
fn is_open(value: &[u8]) -> bool {
    !parse(Source::new("alias", value)).errors.is_empty()
}

/// Puts an error that comes from such an alias in terms of it, at the place where it is used. What follows from it is
/// left out.
pub(super) fn explain(source: &Source, list: &List, errors: &mut Vec<Diagnostic>) {
    let mut aliases = AliasFinder(Vec::new());
    aliases.visit_list(list);
    let may_follow = |error: &Diagnostic| {
        ["closes nothing", "unexpected `", "unclosed "].iter().any(|what| error.message.contains(what))
    };
    let found = errors.iter().enumerate().filter(|(_, error)| may_follow(error)).find_map(|(index, error)| {
        let used = |alias: &Alias| Some((index, alias.clone(), alias.last_use(source, error.primary.span.start)?));
        aliases.0.iter().filter_map(used).max_by_key(|(_, _, span)| span.start)
    });
    let Some((index, Alias { name, value, span: defined }, used)) = found else { return };
    errors.truncate(index);
    let message = format!("`{name}` is an alias for `{value}`, and an alias cannot hold part of a compound command");
    let error = Diagnostic::syntax_error(used, message).related(defined, "defined here");
    errors.push(error.help("write what it stands for in its place"));
}

/// An alias that changes the grammar.
#[derive(Clone)]
struct Alias {
    name: BString,
    value: BString,
    span: Span,
}

impl Alias {
    /// The last place before `end` where its name stands as a word, behind its definition.
    fn last_use(&self, source: &Source, end: u32) -> Option<Span> {
        let text = source.text().get(self.span.end as usize..end as usize)?;
        let is_part = |byte: Option<&u8>| byte.is_some_and(|byte| !b" \t\n;&|()".contains(byte));
        let is_word = |at: &usize| {
            let before = at.checked_sub(1).and_then(|before| text.get(before));
            !is_part(before) && !is_part(text.get(at + self.name.len()))
        };
        let at = text.rfind_iter(self.name.as_slice()).find(is_word)?;
        let start = self.span.end + u32::try_from(at).ok()?;
        Some(Span { start, end: start + u32::try_from(self.name.len()).ok()? })
    }
}

struct AliasFinder(Vec<Alias>);

impl<'t> Visit<'t> for AliasFinder {
    fn visit_simple_command(&mut self, command: &'t SimpleCommand) {
        if command.unquoted_name() == Some("alias") {
            for word in command.words.iter().skip(1) {
                let text = word.literal().unwrap_or_default();
                let (name, value): (&BStr, &BStr) = match text.split_once_str("=") {
                    Some((name, value)) if is_open(value) => (name.as_bstr(), value.as_bstr()),
                    _ => continue,
                };
                self.0.push(Alias { name: name.to_owned(), value: value.to_owned(), span: word.span });
            }
        }
        visit::walk_simple_command(self, command);
    }
}
