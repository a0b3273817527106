//! What is told of a script's commands without running them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Write;

use compeval_interpreter::{Facts, Source, analyze, analyze::Argument, parse, syntax::Script};

const SCRIPT: &str = r#"VERSION=1.2 NAME=tool-$VERSION
fetch() { curl -fO "$1/$NAME.tgz" >"$2"; }
next_stage && tar -xf "$NAME.tgz" && mkdir -p /opt/"$NAME" b\ c 'd'
next_stage && { cp -r "$COMPDIR/src" /build; chmod +x /build/*.sh; }
if [ -e /etc/x ]; then VERSION=$(cat /etc/version); fi
everytime && echo $VERSION $NAME | tee -a log.txt >/dev/null
for file in a b; do install -m 755 $file /usr/bin; done
(rm -rf "/tmp/$NAME") & eval "$COMMAND"
next_stage && fetch "http://host" $(date +%s) <in 2>&1
set -- x y; cat "$@" - <<E
$NAME $(head -n 3 /etc/passwd)
E
umask 022; NAME=other make -C src >>make.log
! mv -t "$NAME" b || $RUN it; cp -- -a "$NAME" ~/b
chmod -x f; cp $OPTIONS a b; install -d e f; sort -t, -k 2 g; [ --x = y ]; touch -d now "$@"
"#;

fn read(text: &str) -> Script {
    let parsed = parse(Source::new("script", text));
    assert!(parsed.errors.is_empty(), "{text}: {:?}", parsed.errors);
    parsed.script
}

fn shown(script: &Script, argument: &Argument) -> String {
    match argument {
        Argument::Literal(text) => format!("{text:?}"),
        Argument::Below(root, path) => format!("${}:{path:?}", root.variable()),
        Argument::Unknown(span) => format!("?{}", script.source.slice(*span)),
    }
}

fn row(script: &Script, facts: &Facts<'_>) -> String {
    let list = |arguments: &[Argument]| -> String {
        arguments.iter().map(|argument| shown(script, argument)).collect::<Vec<_>>().join(" ")
    };
    let mut row = format!("{}: {}", script.source.line_number(facts.command.span.start), list(&facts.arguments));
    for (what, files) in [("reads", &facts.reads), ("writes", &facts.writes)] {
        if !files.is_empty() {
            write!(row, "; {what} {}", list(files)).unwrap();
        }
    }
    let context = &facts.context;
    for (word, holds) in [
        ("opaque", facts.is_opaque),
        ("subshell", context.in_subshell),
        ("condition", context.is_condition),
        ("repeated", context.is_repeated),
    ] {
        if holds {
            write!(row, "; {word}").unwrap();
        }
    }
    if let Some((marker, span)) = context.chain {
        write!(row, "; chain of {} in line {}", marker.name(), script.source.line_number(span.start)).unwrap();
    }
    if let Some(function) = context.function {
        write!(row, "; in {function}").unwrap();
    }
    row
}

#[test]
fn each_command_has_its_facts() {
    let script = read(SCRIPT);
    let rows: Vec<String> = analyze(&script).iter().map(|facts| row(&script, facts)).collect();
    insta::assert_snapshot!(rows.join("\n"));
}

#[test]
fn a_value_is_known_only_where_nothing_else_can_be_meant() {
    for (text, last) in [
        ("x=a\nuse $x", Some("a")),
        ("x='a b'\nuse \"$x\"", Some("a b")),
        ("x=a; x=b; use $x", Some("b")),
        ("x=a\nif c; then x=b; fi\nuse $x", None),
        ("x=a\nc && x=b\nuse $x", None),
        ("x=a\nread x\nuse $x", None),
        ("x=a\n: ${y:=b}\nuse $y", None),
        ("x=a\nf() { x=b; }\nuse $x", Some("a")),
        ("x=a\nf() { x=b; }\nf\nuse $x", None),
        ("x=a\n(x=b)\nuse $x", Some("a")),
        ("x=a\neval \"$y\"\nuse $x", None),
        ("x=a\n. ./lib\nuse $x", None),
        ("x=a\nf() { use $x; }", None),
        ("x=*\nuse $x", None),
        ("x=*\nuse \"$x\"", Some("*")),
        ("IFS=$y\nx=a\nuse $x", None),
        ("x=a\nfor x in b; do :; done; use $x", None),
        ("x=$(a)\nuse $x", None),
        ("x=a\nx=b use $x", Some("a")),
        ("x=a\nx=b exec\nuse $x", None),
    ] {
        let script = read(text);
        let facts = analyze(&script);
        let is_use = |facts: &&Facts<'_>| facts.arguments.first() == Some(&Argument::Literal("use".into()));
        let found = facts.iter().find(is_use).unwrap().arguments.get(1).unwrap();
        let known = match found {
            Argument::Literal(value) => Some(value.to_string()),
            Argument::Below(..) | Argument::Unknown(_) => None,
        };
        assert_eq!(known.as_deref(), last, "{text}");
    }
}
