//! Syntax errors in words: what was found, what it belongs to, what to write instead.

use super::lexeme::{Lexeme, LexemeKind};
use crate::{
    Diagnostic, Span,
    syntax::{RedirectionOperator, SimpleCommand, Word},
    token::Control,
};

/// A closing word or bracket that nothing opened.
pub(super) fn stray(word: &str, span: Span) -> Diagnostic {
    let opened = match word {
        "}" => "{",
        ")" => "(",
        "fi" => "if",
        "esac" => "case",
        _ => "do",
    };
    Diagnostic::syntax_error(span, format!("`{word}` closes nothing"))
        .help(format!("remove it, or open with `{opened}` before it"))
}

/// `(` in the middle of a simple command.
pub(super) fn parenthesis(simple: &SimpleCommand, span: Span) -> Diagnostic {
    let array = simple.words.is_empty() && !simple.assignments.is_empty();
    if array {
        return Diagnostic::syntax_error(span, "arrays are not part of POSIX sh")
            .help("use the positional parameters: `set -- a b c`, then `\"$@\"`");
    }
    match simple.words.first().and_then(Word::unquoted) {
        Some("function") => {
            Diagnostic::syntax_error(span, "`function` is not part of POSIX sh").help("write `name() { command; }`")
        }
        _ => Diagnostic::syntax_error(span, "unexpected `(` in a command")
            .help("quote it if it is meant literally; a subshell needs `;`, `&&` or `|` before it"),
    }
}

/// A redirection's operator with no word behind it.
pub(super) fn no_target(operator: RedirectionOperator, span: Span, rest: &[u8]) -> Diagnostic {
    use RedirectionOperator as Operator;
    match (operator, rest.first()) {
        (Operator::HereDocument, Some(b'<')) => {
            Diagnostic::syntax_error(span, "here-strings (`<<<`) are not part of POSIX sh")
                .help("use a here-document, or `printf '%s\\n' \"$text\" | command`")
        }
        (Operator::Input | Operator::Output, Some(b'(')) => {
            Diagnostic::syntax_error(span, "process substitution is not part of POSIX sh")
                .help("use a pipeline or a temporary file")
        }
        (Operator::HereDocument | Operator::HereDocumentStripTabs, _) => {
            Diagnostic::syntax_error(span, "a here-document needs a delimiter")
                .help("write `<<EOF`, and `EOF` on a line of its own behind the text")
        }
        _ => Diagnostic::syntax_error(span, "a redirection needs a word behind it")
            .help("name a file, or a descriptor after `>&`"),
    }
}

/// The grammar did not accept the lexeme at `index`, or the end when it is past the last.
pub(super) fn unexpected(lexemes: &[Lexeme], index: usize) -> Diagnostic {
    let found = lexemes.get(index);
    let before = lexemes.get(..index.min(lexemes.len())).unwrap_or_default();
    let previous = before.iter().rev().find(|lexeme| lexeme.kind != LexemeKind::Newline);
    if let Some(error) = previous.and_then(|previous| nothing_behind(previous, found)) {
        return error;
    }
    let Some(found) = found else {
        let end =
            lexemes.last().map_or_else(Span::default, |lexeme| Span { start: lexeme.span.end, end: lexeme.span.end });
        return Diagnostic::syntax_error(end, "the command is not finished");
    };
    match found.kind {
        LexemeKind::Control(control) => {
            let text = control.text();
            let error = Diagnostic::syntax_error(found.span, format!("unexpected `{text}`"));
            match control {
                Control::DoubleSemicolon => error.help("`;;` ends an item of `case`; elsewhere write `;`"),
                _ => error.help(format!("there is no command before `{text}`")),
            }
        }
        LexemeKind::Reserved(word) => missing_before(before, found.span, word).unwrap_or_else(|| {
            Diagnostic::syntax_error(found.span, format!("unexpected `{word}`")).help(reserved_help(word))
        }),
        LexemeKind::Newline => Diagnostic::syntax_error(found.span, "unexpected end of the line"),
        _ => in_compound(previous, found.span),
    }
}

/// `then` or `do` is missing between the reserved word that asks for it and the one that was found.
fn missing_before(before: &[Lexeme], span: Span, found: &str) -> Option<Diagnostic> {
    let mut closed = 0;
    for lexeme in before.iter().rev() {
        match lexeme.kind {
            LexemeKind::Compound(_) => closed += 1,
            LexemeKind::Reserved("if" | "while" | "until" | "for" | "case" | "{") if closed > 0 => closed -= 1,
            LexemeKind::Reserved(word @ ("if" | "elif" | "while" | "until" | "for")) if closed == 0 => {
                let missing = if matches!(word, "if" | "elif") { "then" } else { "do" };
                let error = Diagnostic::syntax_error(span, format!("`{found}` where `{missing}` is missing"));
                return Some(
                    error
                        .related(lexeme.span, format!("this `{word}` needs a `{missing}`"))
                        .help(format!("put `{missing}` and a command before this")),
                );
            }
            LexemeKind::Reserved("then" | "do" | "else") if closed == 0 => return None,
            _ => {}
        }
    }
    None
}

/// What must follow `previous` is missing.
fn nothing_behind(previous: &Lexeme, found: Option<&Lexeme>) -> Option<Diagnostic> {
    let found_text = match found.map(|lexeme| lexeme.kind) {
        Some(LexemeKind::Control(control)) => format!(", but `{}` follows", control.text()),
        Some(LexemeKind::Reserved(word)) => format!(", but `{word}` follows"),
        Some(LexemeKind::SimpleCommand(_) | LexemeKind::Word(_) | LexemeKind::Misplaced) => return None,
        _ => String::new(),
    };
    let missing = match previous.kind {
        LexemeKind::Control(Control::AndIf | Control::OrIf | Control::Pipe) => "a command",
        LexemeKind::Control(Control::ParenOpen) => "a command",
        LexemeKind::Reserved("if" | "elif" | "while" | "until") => "a condition",
        LexemeKind::Reserved("then" | "else" | "do" | "{" | "!") => "a command",
        LexemeKind::Reserved("for") => "the name of a variable",
        LexemeKind::Reserved("case") => "a word",
        _ => return None,
    };
    let text = match previous.kind {
        LexemeKind::Control(control) => control.text(),
        LexemeKind::Reserved(word) => word,
        _ => "",
    };
    let error = Diagnostic::syntax_error(previous.span, format!("`{text}` needs {missing} behind it{found_text}"))
        .help(if missing == "a command" { "add one; `:` does nothing".to_owned() } else { format!("add {missing}") });
    Some(match found {
        Some(found) if found.span.start > previous.span.end => error.related(found.span, "found this instead"),
        _ => error,
    })
}

fn reserved_help(word: &str) -> String {
    match word {
        "then" => "`then` belongs behind the condition of `if` or `elif`".to_owned(),
        "else" | "elif" => format!("`{word}` belongs between `then` and `fi`"),
        "do" => "`do` belongs behind `for NAME in WORDS;` or the condition of `while` or `until`".to_owned(),
        "!" => "`!` negates a whole pipeline: put it in front".to_owned(),
        _ => format!("put `;` or a newline before `{word}`, and check what it should close"),
    }
}

fn in_compound(previous: Option<&Lexeme>, span: Span) -> Diagnostic {
    match previous.map(|lexeme| lexeme.kind) {
        Some(LexemeKind::Reserved("for")) => Diagnostic::syntax_error(span, "not the name of a variable")
            .help("write `for NAME in WORDS; do`; a name has letters, digits and `_`"),
        Some(LexemeKind::Reserved("case") | LexemeKind::Word(_)) => {
            Diagnostic::syntax_error(span, "unexpected word in `case`")
                .help("write `case WORD in PATTERN) LIST;; esac`")
        }
        Some(LexemeKind::Name(_)) => {
            Diagnostic::syntax_error(span, "unexpected word in `for`").help("write `for NAME in WORDS; do LIST; done`")
        }
        _ => Diagnostic::syntax_error(span, "unexpected command")
            .help("put `;` or a newline between commands, and check the words around it"),
    }
}
