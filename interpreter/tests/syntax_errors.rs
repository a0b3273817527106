//! Every kind of syntax error, as a person sees it: `testdata/syntax` holds a script for each, all of whose errors are
//! reported in one go.

use std::{fs, path::Path};

use compeval_interpreter::{Diagnostic, Source, Span, parse};

/// The line of `span`, with what the span covers of it underlined.
fn excerpt(source: &Source, span: Span, sign: &str, text: &str) -> String {
    let start = source.position(span.start);
    let line = source.line(start.line);
    let underlined = source.slice(Span { start: span.start, end: span.end.min(line.end) });
    let width = underlined.to_string().chars().count().max(1);
    let number = start.line.to_string();
    let margin = " ".repeat(number.len());
    let indent = " ".repeat(start.column - 1);
    format!("{number} | {}\n{margin} | {indent}{} {text}", source.slice(line), sign.repeat(width)).trim_end().to_owned()
}

fn render(source: &Source, errors: &[Diagnostic]) -> String {
    let mut text = String::new();
    for error in errors {
        assert!(matches!(error.code, "CE001" | "CE080"), "{}", error.code);
        text +=
            &format!("error: {}\n{}\n", error.message, excerpt(source, error.primary.span, "^", &error.primary.text));
        for label in &error.related {
            text += &format!("{}\n", excerpt(source, label.span, "-", &label.text));
        }
        if let Some(help) = &error.help {
            text += &format!("help: {help}\n");
        }
        text += "\n";
    }
    text.replace('\0', "␀").replace('\r', "␍").replace('\u{feff}', "·")
}

fn errors(text: impl Into<Vec<u8>>) -> (Source, Vec<Diagnostic>) {
    let parsed = parse(Source::new("docker-setup.sh", text));
    ((*parsed.script.source).clone(), parsed.errors)
}

#[test]
fn each_kind_of_error_is_explained() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/syntax");
    let mut files: Vec<_> = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() > 30, "{}", directory.display());
    for file in files {
        let (source, errors) = errors(fs::read(&file).unwrap());
        assert!(!errors.is_empty(), "{}: no error", file.display());
        insta::assert_snapshot!(file.file_stem().unwrap().to_str().unwrap(), render(&source, &errors));
    }
}

#[test]
fn one_mistake_is_one_error() {
    for text in [
        "if a; fi",
        "if a; then b; done\nc",
        "if a; then; b; fi",
        "while a; do b; fi",
        "for 1 in a; do b; done",
        "for x; in a; do b; done",
        "for x in a & do b; done",
        "for x in a | b; do c; done",
        "for x in a; { b; }",
        "for ((i=0;i<1;i++)); do b; done",
        "case x a) b;; esac",
        "case x y in a) b;; esac",
        "case x in a b) c;; esac",
        "case x in a) b;;& c) d;; esac",
        "case x in a) b;; ; c) d;; esac",
        "function f {\n a\n}\nb",
        "function f() {\n a\n}\nb",
        "f(x) {\n a\n}\nb",
        "1f() {\n a\n}",
        "f() <x { a; }",
        "f() ls\ng",
        "a=(1\n 2 'x'\n 3)\nb",
        "a <(b | c) d\ne",
        "cat <<< 'x'\ny",
        "a |& b\nc",
        "[[ a == (b|c) && d ]]",
        "{ a; )",
        "(a; }",
        "f() {\n if a; then\n  b 'c\n fi\n}\nd",
        "x=\"$(a 'b)\"\nc",
        "a `b `\"c\nd",
        "${x/$(y &&)/\"${z}\"}\nb",
        "a && || b",
        "a | | b",
        "! ! a",
        "a; then b; fi",
        "a; do b; done",
        "{ a; } b c; d",
        "a >; b",
        "export() { a; }",
        "in x",
    ] {
        let (source, errors) = errors(text);
        assert_eq!(errors.len(), 1, "{text}\n{}", render(&source, &errors));
    }
}

#[test]
fn two_mistakes_are_two_errors_in_the_order_of_their_places() {
    for text in [
        "if a; fi\nwhile b; done",
        "f() {\n a &&\n}\nb |",
        "{ if a; fi; while b; done; }",
        "x=$((1 + $(a &&))) z=`|`",
        "a=(1) b=(2)",
        "echo $(a &&) `b |`",
        "fi; done",
        "case x in a) b; esac && && c; }",
        "cat <<E\n$(|)\n$(a;;)\nE",
        "f() {\n a 'b\n}\ng() {\n h &&\n}",
    ] {
        let (source, errors) = errors(text);
        assert_eq!(errors.len(), 2, "{text}\n{}", render(&source, &errors));
        assert!(errors.is_sorted_by_key(|error| error.primary.span));
    }
}

#[test]
fn commands_around_errors_are_read() {
    for (text, expected) in [
        ("a\nfi\nb", &["a", "b"][..]),
        ("a; ;b\nc", &["a", "c"]),
        ("a\nif b; then\nc", &["a", "c"]),
        ("a\nb \"c\nd\n", &["a", "d"]),
        ("a\nb `c\nd", &["a", "d"]),
        ("a; x=(1 2); b", &["a", "b"]),
        ("a\n{ b; fi; }\nc", &["a", "c"]),
    ] {
        let parsed = parse(Source::new("docker-setup.sh", text));
        assert_ne!(parsed.errors, [], "{text}");
        let source = &parsed.script.source;
        let commands: Vec<_> = parsed.script.list.items.iter().map(|item| source.slice(item.and_or.span)).collect();
        assert_eq!(commands, expected, "{text}");
    }
}

#[test]
fn a_file_stored_in_a_foreign_way_gets_one_error_that_says_so() {
    for (text, help) in [
        (&b"if a; then\r\n b\r\nfi\r\n"[..], "CR LF"),
        (b"#!/bin/sh\r\nf()\r\n{ a; }\r\n", "CR LF"),
        (b"case x in\r\na) b;;\r\nesac\r\n", "CR LF"),
        (b"\xef\xbb\xbfif a; then b; fi\n", "byte order mark"),
        (b"a\0b\n", "NUL"),
    ] {
        let (source, errors) = errors(text);
        let [error] = &errors[..] else { panic!("{}", render(&source, &errors)) };
        let said = format!("{} {:?}", error.message, error.help);
        assert!(said.contains(help), "{said}");
    }
}
