//! Syntax errors in words: what was found, what it belongs to, what to write instead.

use super::{
    lexeme::{Lexeme, LexemeKind},
    open::{CompleteCommand, Expect, Opener, Section},
    token::Control,
};
use crate::{
    Diagnostic, Source, Span,
    language::{is_name, reserved::Reserved},
    syntax::{RedirectionOperator, SimpleCommand, Word},
};

/// A reserved word or bracket that belongs to nothing that is open.
pub(super) fn stray(word: &str, span: Span) -> Diagnostic {
    let opened = match word {
        "}" => "{",
        ")" => "(",
        "fi" => "if",
        "esac" => "case",
        "done" => "do",
        _ => {
            let help = match word {
                "then" => "`then` belongs behind the condition of `if` or `elif`",
                "do" => "`do` belongs behind `for NAME in WORDS;` or the condition of `while` or `until`",
                "in" => "`in` belongs behind `for NAME` or `case WORD`; quote it if a command is meant",
                "elif" => "`elif` belongs between `then` and `fi`",
                _ => "`else` belongs between `then` and `fi`",
            };
            return Diagnostic::syntax_error(span, format!("unexpected `{word}`")).help(help);
        }
    };
    Diagnostic::syntax_error(span, format!("`{word}` closes nothing"))
        .help(format!("remove it, or open with `{opened}` before it"))
}

/// `found` belongs to something around `opener`, or to nothing, and what closes `opener` is missing.
pub(super) fn missing_close(found: &str, span: Span, opener: &Opener) -> Diagnostic {
    let (missing, opening) = (opener.missing(), opener.opening.text());
    let error = Diagnostic::syntax_error(span, format!("`{found}` where `{missing}` is missing"));
    if matches!(found, "then" | "do") && opener.section == Section::Head {
        return error
            .related(opener.span, format!("this `{opening}` goes on with `{missing}`"))
            .help(format!("write `{missing}` for `{found}`"));
    }
    let error = error.related(opener.span, format!("this `{opening}` is still open"));
    help_or_swallowed(error, opener, format!("put `{missing}` before this"))
}

/// `found` belongs to `opener`, but may not come yet, or not again.
pub(super) fn wrong_section(found: &str, span: Span, opener: &Opener) -> Diagnostic {
    let opening = opener.opening.text();
    if opener.section == Section::Head {
        let (missing, head) = (opener.missing(), if opening == "for" { "words" } else { "condition" });
        let error = Diagnostic::syntax_error(span, format!("`{found}` where `{missing}` is missing"))
            .related(opener.section_span, format!("this needs `{missing}` behind its {head}"));
        return help_or_swallowed(error, opener, format!("put `{missing}` and a command before this"));
    }
    let help = match found {
        "else" | "elif" => "an `if` has one `else`, behind every `elif`".to_owned(),
        _ => format!("remove it, or close this `{opening}` with `{}` before it", opener.opening.closed_by()),
    };
    Diagnostic::syntax_error(span, format!("unexpected `{found}`"))
        .related(opener.section_span, "this has come already")
        .help(help)
}

/// The error with `help`; or if a word that was meant is an argument where it stands, with that word and what helps then.
fn help_or_swallowed(error: Diagnostic, opener: &Opener, help: String) -> Diagnostic {
    let Some((word, span)) = opener.swallowed else { return error.help(help) };
    let word = word.text();
    error
        .related(span, format!("this `{word}` is an argument of the command before it"))
        .help(format!("put `;` or a newline before that `{word}`"))
}

/// The text ends before `opener` is closed.
pub(super) fn unclosed(opener: &Opener, end: Span) -> Diagnostic {
    let (opening, close) = (opener.opening.text(), opener.opening.closed_by());
    let error = Diagnostic::syntax_error(opener.span, format!("unclosed `{opening}`"))
        .label("opened here")
        .related(end, "the text ends here");
    let help = match opener.section {
        Section::Head => format!("it goes on with `{}` and is closed with `{close}`", opener.missing()),
        _ => format!("close it with `{close}`"),
    };
    help_or_swallowed(error, opener, help)
}

/// What must follow the last of `lexemes` is missing. `None` where nothing must.
pub(super) fn nothing_behind(lexemes: &[Lexeme], found: Option<(&str, Span)>) -> Option<Diagnostic> {
    let follows = match found {
        Some((found, _)) if found.starts_with("a ") => format!(", but {found} follows"),
        Some((found, _)) => format!(", but `{found}` follows"),
        None => String::new(),
    };
    let last = lexemes.last()?;
    let text = last.kind.text();
    let (subject, place, missing) = match (last.kind, lexemes) {
        (LexemeKind::Control(Control::ParenClose), [.., name, _, _]) => {
            ("this function".to_owned(), name.span.to(last.span), "a body")
        }
        (LexemeKind::Reserved(Reserved::If | Reserved::Elif | Reserved::While | Reserved::Until), _) => {
            (format!("`{text}`"), last.span, "a condition")
        }
        _ => (format!("`{text}`"), last.span, "a command"),
    };
    let error = Diagnostic::syntax_error(place, format!("{subject} needs {missing} behind it{follows}"));
    let error = error.help(match missing {
        "a command" => "add one; `:` does nothing",
        "a body" => "write `name() { command; }`",
        _ => "add a command whose exit status decides",
    });
    Some(match found {
        Some((_, found)) if found.start > place.end => error.related(found, "found this instead"),
        _ => error,
    })
}

/// An operator where a command may begin.
pub(super) fn no_command_before(control: Control, span: Span) -> Diagnostic {
    let text = control.text();
    let error = Diagnostic::syntax_error(span, format!("unexpected `{text}`"));
    match control {
        Control::AndIf | Control::OrIf | Control::Pipe => {
            error.help(format!("put a command before it; to go on behind a line, put `{text}` at its end"))
        }
        _ => error.help(format!("there is no command before `{text}`")),
    }
}

/// `;;` outside `case`.
pub(super) fn no_case(span: Span) -> Diagnostic {
    Diagnostic::syntax_error(span, "unexpected `;;`").help("`;;` ends an item of `case`; elsewhere write `;`")
}

/// `|&`
pub(super) fn pipe_both(span: Span) -> Diagnostic {
    let span = Span { end: span.end + 1, ..span };
    Diagnostic::foreign_syntax(span, "`|&` is not part of POSIX sh").help("write `2>&1 |`")
}

/// `;&` or `;;&` behind an item of `case`.
pub(super) fn fall_through(text: &str, span: Span) -> Diagnostic {
    let span = Span { end: span.end + 1, ..span };
    Diagnostic::foreign_syntax(span, format!("`{text}` is not part of POSIX sh"))
        .help("end the item with `;;`, and repeat its commands where they are wanted")
}

/// `!` behind `|` or another `!`.
pub(super) fn misplaced_bang(lexemes: &[Lexeme], span: Span) -> Diagnostic {
    let error = Diagnostic::syntax_error(span, "unexpected `!`");
    match lexemes.last().map(|last| last.kind) {
        Some(LexemeKind::Reserved(Reserved::Bang)) => error.help("negate once"),
        _ => error.help("`!` negates a whole pipeline: put it in front of the first command"),
    }
}

/// `found` in the middle of the words of `for` or `case` before its list begins.
pub(super) fn head_broken(command: &CompleteCommand, found: &str, span: Span) -> Diagnostic {
    const FOR: &str = "write `for NAME in WORDS; do LIST; done`";
    const CASE: &str = "write `case WORD in PATTERN) LIST;; esac`";
    let (needs, help) = match command.expect {
        Expect::ForName => ("`for` needs the name of a variable", FOR),
        Expect::ForIn => ("`for NAME` needs `in` or `do` behind it", FOR),
        Expect::ForWords => ("the words of `for` end with `;` or a newline", FOR),
        Expect::ForDo => ("`for` needs `do` here", FOR),
        Expect::CaseSubject => ("`case` needs a word behind it", CASE),
        Expect::CaseIn => ("`case WORD` needs `in` behind it", CASE),
        Expect::AfterPattern => ("a pattern needs `)` behind it", CASE),
        _ => ("an item of `case` begins with a pattern", CASE),
    };
    let found = if found.starts_with("a ") { found.to_owned() } else { format!("`{found}`") };
    let error = Diagnostic::syntax_error(span, format!("{needs}, but {found} follows")).help(help);
    match command.openers.last() {
        Some(opener) => error.related(opener.span, format!("in this `{}`", opener.opening.text())),
        None => error,
    }
}

/// `)` or `|` where a pattern must stand.
pub(super) fn no_pattern(found: &str, span: Span) -> Diagnostic {
    Diagnostic::syntax_error(span, format!("there is no pattern before `{found}`"))
        .help("write `PATTERN) LIST;;`; the empty pattern is `''`")
}

/// A word that cannot be the variable of `for`.
pub(super) fn for_name(span: Span) -> Diagnostic {
    Diagnostic::syntax_error(span, "not the name of a variable")
        .help("write `for NAME in WORDS; do`; a name has letters, digits and `_`, and begins with no digit")
}

/// A word where `in` must stand.
pub(super) fn no_in(lexemes: &[Lexeme], span: Span) -> Diagnostic {
    let is_for = lexemes.last().is_some_and(|last| matches!(last.kind, LexemeKind::Name(_)));
    match lexemes.last() {
        Some(name) if is_for => Diagnostic::syntax_error(span, "`in` is missing in `for`")
            .related(name.span, "this is the name of the variable")
            .help("write `for NAME in WORDS; do LIST; done`"),
        subject => {
            let error = Diagnostic::syntax_error(span, "`in` is missing in `case`");
            let error =
                subject.map_or(error.clone(), |last| error.related(last.span, "this is the word that is matched"));
            error.help("write `case WORD in PATTERN) LIST;; esac`; quote the word if it has blanks")
        }
    }
}

/// Something else where `do` must stand.
pub(super) fn no_do(command: &CompleteCommand, span: Span) -> Diagnostic {
    let error = Diagnostic::syntax_error(span, "`do` is missing in `for`");
    let Some(opener) = command.openers.last() else { return error };
    let error = error.related(opener.span, "this `for` needs `do` before its list");
    help_or_swallowed(error, opener, "put `do` before this".to_owned())
}

/// `in` behind `for NAME;`.
pub(super) fn late_in(span: Span) -> Diagnostic {
    Diagnostic::syntax_error(span, "`in` must follow the name of the variable")
        .help("take the `;` before it away: `for NAME in WORDS; do LIST; done`")
}

/// A word directly behind a compound command.
pub(super) fn word_after_compound(lexemes: &[Lexeme], span: Span) -> Diagnostic {
    let before = match lexemes.last().map(|last| last.kind) {
        Some(LexemeKind::Redirection(_)) => "a redirection".to_owned(),
        _ => {
            let before = lexemes.iter().rev().map(|lexeme| lexeme.kind.text()).find(|text| !text.is_empty());
            format!("`{}`", before.unwrap_or_default())
        }
    };
    Diagnostic::syntax_error(span, format!("unexpected word after {before}"))
        .help("put `;`, a newline or `&&` before it")
}

/// `(` where neither a command nor a pattern may begin.
pub(super) fn misplaced_parenthesis(command: &CompleteCommand, span: Span) -> Diagnostic {
    if command.expect == Expect::ForName {
        return Diagnostic::foreign_syntax(span, "`for ((...))` is not part of POSIX sh")
            .help("write `i=0; while [ $i -lt 10 ]; do LIST; i=$((i + 1)); done`");
    }
    let error = Diagnostic::syntax_error(span, "unexpected `(`");
    match command.expect {
        Expect::Operator | Expect::AfterCompound => error.help("put `;`, a newline or `&&` between two commands"),
        _ => error.help("quote it if it is meant literally"),
    }
}

/// `(` in the middle of a simple command; what is in the parentheses has been skipped.
pub(super) fn parenthesis(simple: &SimpleCommand, span: Span, body_follows: bool, is_empty: bool) -> Diagnostic {
    let is_array = |word: &Word| {
        let name = word.unquoted().and_then(|text| text.strip_suffix('='));
        // `a+=(x)` adds to one.
        let name = name.map(|name| name.strip_suffix('+').unwrap_or(name));
        word.span.end == span.start && name.is_some_and(|name| is_name(name.as_bytes()))
    };
    let words = (simple.words.first().and_then(Word::unquoted), simple.words.last());
    match words {
        (Some("function"), _) => foreign_function(span),
        (None, None) if !simple.assignments.is_empty() => array(span),
        (_, Some(last)) if is_array(last) => array(span),
        _ if body_follows && !is_empty => {
            Diagnostic::syntax_error(span, "the parentheses of a function are empty in POSIX sh")
                .help("write `name() { command; }`; the arguments are `$1`, `$2` and so on")
        }
        (Some("[["), _) => Diagnostic::foreign_syntax(span, "`[[` is not part of POSIX sh")
            .help("use `[ ... ]` and `case`, or `{ ...; }` for grouping"),
        _ => Diagnostic::syntax_error(span, "unexpected `(` in a command")
            .help("quote it if it is meant literally; a subshell needs `;`, `&&` or `|` before it"),
    }
}

fn array(span: Span) -> Diagnostic {
    Diagnostic::foreign_syntax(span, "arrays are not part of POSIX sh")
        .help("use the positional parameters: `set -- a b c`, then `\"$@\"`")
}

fn foreign_function(span: Span) -> Diagnostic {
    Diagnostic::foreign_syntax(span, "`function` is not part of POSIX sh").help("write `name() { command; }`")
}

/// `function name {`
pub(super) fn function_word(name: &str, simple: &SimpleCommand) -> Diagnostic {
    let span = simple.words.first().map_or_else(Span::default, |word| word.span);
    foreign_function(span).help(format!("write `{name}() {{ command; }}`"))
}

/// A word that cannot be the name of a function.
pub(super) fn function_name(word: &Word) -> Diagnostic {
    match word.unquoted() {
        Some(name) if is_name(name.as_bytes()) => Diagnostic::syntax_error(
            word.span,
            format!("`{name}` is a special built-in and cannot be the name of a function"),
        )
        .help("give the function another name"),
        _ => Diagnostic::syntax_error(word.span, "not the name of a function")
            .help("a name has letters, digits and `_`, and begins with no digit"),
    }
}

/// A simple command or a redirection where the body of a function must stand.
pub(super) fn function_body(span: Span, is_redirection: bool) -> Diagnostic {
    Diagnostic::syntax_error(span, "the body of a function is a compound command").help(match is_redirection {
        true => "put redirections behind it: `name() { command; } >file`",
        false => "put it in braces: `name() { command; }`",
    })
}

/// The first line of a conflict that Git has marked.
pub(super) fn unfinished_merge(span: Span) -> Diagnostic {
    Diagnostic::syntax_error(span, "a merge was not finished: two versions of the text are here")
        .help("keep what is right of them, and remove the lines `<<<<<<<`, `=======` and `>>>>>>>`")
}

/// A redirection's operator with no word behind it.
pub(super) fn no_target(operator: RedirectionOperator, span: Span, rest: &[u8]) -> Diagnostic {
    use RedirectionOperator as Operator;
    let is_process_substitution = matches!(rest, [b'<' | b'>', b'(', ..]) || rest.first() == Some(&b'(');
    match (operator, rest.first()) {
        (Operator::Input | Operator::Output, _) if is_process_substitution => {
            Diagnostic::foreign_syntax(span, "process substitution is not part of POSIX sh")
                .help("use a pipeline or a temporary file")
        }
        (Operator::HereDocument, Some(b'<')) => {
            Diagnostic::foreign_syntax(span, "here-strings (`<<<`) are not part of POSIX sh")
                .help("use a here-document, or `printf '%s\\n' \"$text\" | command`")
        }
        (Operator::HereDocument | Operator::HereDocumentStripTabs, _) => {
            Diagnostic::syntax_error(span, "a here-document needs a delimiter")
                .help("write `<<EOF`, and `EOF` on a line of its own behind the text")
        }
        (_, Some(b'0'..=b'9')) => Diagnostic::syntax_error(span, "a redirection needs a word behind it")
            .help("the number belongs to the redirection behind it: put a blank between them"),
        _ => Diagnostic::syntax_error(span, "a redirection needs a word behind it")
            .help("name a file, or a descriptor after `>&`"),
    }
}

/// A command substitution in the delimiter of a here-document, which shells read in different ways.
pub(super) fn expanded_delimiter(span: Span) -> Diagnostic {
    Diagnostic::syntax_error(span, "the delimiter of a here-document is not expanded")
        .help("use a plain word, such as `EOF`")
}

/// A newline in the delimiter of a here-document.
pub(super) fn delimiter_of_lines(span: Span) -> Diagnostic {
    Diagnostic::syntax_error(span, "no line can be the delimiter of this here-document: it has a newline in it")
        .help("use a plain word, such as `EOF`")
}

/// The grammar did not accept the lexeme at `index`, or the end when it is past the last.
pub(super) fn unexpected(lexemes: &[Lexeme], index: usize) -> Diagnostic {
    let Some(found) = lexemes.get(index).or(lexemes.last()) else {
        return Diagnostic::syntax_error(Span::default(), "unexpected end of a command");
    };
    match found.kind.text() {
        "" => Diagnostic::syntax_error(found.span, "this does not belong here"),
        text => Diagnostic::syntax_error(found.span, format!("unexpected `{text}`")),
    }
}

/// Says so where the errors are likely to come from how the file is stored: its line ends or its first bytes.
/// The first error is enough then, since the others have the same cause.
pub(super) fn encoding(source: &Source, errors: &mut Vec<Diagnostic>) {
    let Some(first) = errors.first_mut() else { return };
    let first_line = source.slice(source.line(1));
    let help = if first_line.starts_with(b"\xef\xbb\xbf") && source.line_number(first.primary.span.start) == 1 {
        "the file begins with a byte order mark, which is part of the first word: remove it"
    } else if first_line.ends_with(b"\r") {
        "the lines end in CR LF, and `sh` takes the CR for text: convert the file with `sed -i 's/\\r$//'`"
    } else {
        return;
    };
    first.help = Some(help.to_owned());
    errors.truncate(1);
}
