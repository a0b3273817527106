//! Conditions that need no shell: `:`, `true`, `false` and `test` without files, joined by `&&`, `||` and `!`.

use bstr::{BString, ByteSlice};

use crate::{
    expand,
    state::State,
    syntax::{AndOr, AndOrList, Command, List, Pipeline, SimpleCommand},
};

/// The exit status of a list that is one such and-or list; `None` when a shell has to tell.
pub(super) fn status_of_list(list: &List, state: &State) -> Option<i32> {
    match list.items.as_slice() {
        [item] if !item.background => status_of_and_or(&item.and_or, state),
        _ => None,
    }
}

/// The exit status of such an and-or list; `None` when a shell has to tell.
pub(super) fn status_of_and_or(and_or: &AndOrList, state: &State) -> Option<i32> {
    // What is traced, or was defined anew, is the shell's.
    if state.has_option('x') || !state.aliases.is_empty() {
        return None;
    }
    let mut status = status_of_pipeline(&and_or.first, state)?;
    for part in &and_or.rest {
        if (part.operator == AndOr::And) == (status == 0) {
            // `$?` in a later command is the status so far: that is left to the shell.
            status = status_of_pipeline(&part.pipeline, state)?;
        }
    }
    Some(status)
}

fn status_of_pipeline(pipeline: &Pipeline, state: &State) -> Option<i32> {
    let [Command::Simple(command)] = pipeline.commands.as_slice() else { return None };
    let status = status_of_command(command, state)?;
    Some(if pipeline.negation.is_some() { i32::from(status == 0) } else { status })
}

fn status_of_command(command: &SimpleCommand, state: &State) -> Option<i32> {
    let name = command.unquoted_name()?;
    if !command.assignments.is_empty() || !command.redirections.is_empty() || state.functions.contains_key(name) {
        return None;
    }
    let arguments = command.words.get(1..)?;
    if arguments.iter().any(mentions_status) {
        return None;
    }
    let arguments = expand::expand_fields(arguments, state).ok()?;
    match (name, arguments.as_slice()) {
        (":" | "true", _) => Some(0),
        ("false", _) => Some(1),
        ("test", expression) => test(expression).map(|holds| i32::from(!holds)),
        ("[", [expression @ .., end]) if end == "]" => test(expression).map(|holds| i32::from(!holds)),
        _ => None,
    }
}

/// Whether a word may look at `$?`, which is not kept up to date here.
fn mentions_status(word: &crate::syntax::Word) -> bool {
    use crate::syntax::{Parameter, Part, PartKind, visit};
    struct FindsStatus(bool);
    impl<'t> visit::Visit<'t> for FindsStatus {
        fn visit_part(&mut self, part: &'t Part) {
            if let PartKind::Parameter(expansion) = &part.kind {
                self.0 |= expansion.parameter == Parameter::Special(b'?');
            }
            visit::walk_part(self, part);
        }
    }
    let mut finder = FindsStatus(false);
    visit::Visit::visit_word(&mut finder, word);
    finder.0
}

/// `test`, as POSIX defines it by the number of arguments; `None` where it would look at files, or is not defined.
fn test(arguments: &[BString]) -> Option<bool> {
    match arguments {
        [] => Some(false),
        [word] => Some(!word.is_empty()),
        [not, word] if not == "!" => Some(word.is_empty()),
        [operator, word] => match operator.as_slice() {
            b"-n" => Some(!word.is_empty()),
            b"-z" => Some(word.is_empty()),
            _ => None,
        },
        [left, operator, right] => match operator.as_slice() {
            b"=" => Some(left == right),
            b"!=" => Some(left != right),
            operator => compare(number(left)?, operator, number(right)?),
        },
        [not, rest @ ..] if not == "!" && rest.len() == 3 => test(rest).map(|holds| !holds),
        _ => None,
    }
}

fn compare(left: i64, operator: &[u8], right: i64) -> Option<bool> {
    Some(match operator {
        b"-eq" => left == right,
        b"-ne" => left != right,
        b"-gt" => left > right,
        b"-ge" => left >= right,
        b"-lt" => left < right,
        b"-le" => left <= right,
        _ => return None,
    })
}

/// A decimal number without blanks: what else is one differs between shells.
fn number(word: &BString) -> Option<i64> {
    word.to_str().ok()?.parse().ok().filter(|_| !word.starts_with(b"+"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Source, parse};

    #[test]
    fn conditions_without_files_have_their_status() {
        let mut state = State::default();
        assert!(state.assign("x", "a b".into()) && state.assign("n", "7".into()) && state.assign("e", "".into()));
        for (text, status) in [
            ("[ \"$x\" = 'a b' ]", Some(0)),
            ("test $n -gt 8", Some(1)),
            ("[ -n \"$e\" ] || [ $n -eq 7 ] && ! false", Some(0)),
            ("! [ -z $e ]", Some(1)),
            ("[ ! \"$x\" = b ]", Some(0)),
            ("[ ]", Some(1)),
            ("[ $x = a ]", None),
            ("[ -e /tmp ]", None),
            ("[ $n -eq x ]", None),
            ("[ a = a", None),
            ("true | false", None),
            ("x=1 true", None),
            ("[ $? = 0 ]", None),
            ("[ $unknown = 0 ]", None),
        ] {
            let script = parse(Source::new("s", text)).script;
            assert_eq!(status_of_list(&script.list, &state), status, "{text}");
        }
    }
}
