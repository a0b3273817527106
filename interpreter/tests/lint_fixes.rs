//! Fixes: byte-exact, composable, and never the reason of a new error.

#![expect(clippy::unwrap_used, reason = "a script that cannot be read is a failed test")]

use std::{collections::BTreeMap, fs, path::PathBuf};

use compeval_interpreter::{
    Applicability, Diagnostic, Severity, Source,
    lint::{
        self, Setting,
        fix::{self, Fixing},
        history::{self, History},
    },
    parse,
};
use proptest::prelude::*;

fn fixed(text: &[u8], is_unsafe: bool) -> fix::Fixed {
    let fixing = Fixing { selects: &|_| true, is_unsafe, history: None, is_applied_too: false };
    fix::fix(&Source::new("docker-setup.sh", text), &Setting::default(), fixing)
}

fn text(script: &str, is_unsafe: bool) -> String {
    String::from_utf8(fixed(script.as_bytes(), is_unsafe).text).unwrap()
}

fn findings(text: &[u8]) -> Vec<Diagnostic> {
    lint::check(&parse(Source::new("docker-setup.sh", text)))
}

/// How many errors of each kind there are.
fn errors(text: &[u8]) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    for finding in findings(text).iter().filter(|finding| finding.severity == Severity::Error) {
        *counts.entry(finding.code).or_default() += 1;
    }
    counts
}

#[test]
fn each_fix_gives_the_text_that_one_would_write() {
    let mut wrong = Vec::new();
    for (script, is_unsafe, expected) in [
        ("next_stage && apt-get install x", false, "next_stage && apt-get update && apt-get install -y x"),
        (
            "next_stage && { a || apt-get install -y x; }",
            false,
            "next_stage && { a || { apt-get update && apt-get install -y x; }; }",
        ),
        ("next_stage && apt install -y x", false, "next_stage && apt-get update && apt-get install -y x"),
        ("next_stage && cp $COMPDIR/a b", false, "next_stage && cp \"$COMPDIR/a\" b"),
        ("next_stage && cp $COMPDIR/*.a \"$(cat x)\"/", false, "next_stage && cp \"$COMPDIR\"/*.a \"$(cat x)\"/"),
        ("next_stage && pip install x>=1.2,<2 y", false, "next_stage && pip install 'x>=1.2,<2' y"),
        ("next_stage && curl -LO https://e.org/x", false, "next_stage && curl -fLO https://e.org/x"),
        ("next_stage && curl https://e.org/x -o x", false, "next_stage && curl https://e.org/x -fo x"),
        ("everytime && mkdir d", false, "everytime && mkdir -p d"),
        ("everytime && ln -s a b", false, "everytime && ln -fn -s a b"),
        ("everytime && rm a", false, "everytime && rm -f a"),
        ("everytime && wget -q https://e.org/x-1.csv", false, "everytime && wget -O x-1.csv -q https://e.org/x-1.csv"),
        ("V=$(cat f)\nnext_stage && rm -rf \"$V/\"*", false, "V=$(cat f)\nnext_stage && rm -rf \"${V:?}/\"*"),
        ("next_stage && [ a == b ]", false, "next_stage && [ a = b ]"),
        ("next_stage && make \\  \n", false, "next_stage && make \\\n"),
        ("next_stage && mkdir x\r\nnext_stage && a\r\n", false, "next_stage && mkdir x\nnext_stage && a\n"),
        ("next_stage && a # ce-lint: ignore[CE060] why\n", false, "next_stage && a \n"),
        (
            "next_stage && apt-get update && apt-get install -y tzdata",
            false,
            "next_stage && apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y tzdata",
        ),
        ("next_stage && sudo make", false, "next_stage && sudo make"),
        ("next_stage && sudo make", true, "next_stage && make"),
        ("next_stage && { a; b; c; }", true, "next_stage && { a && b && c; }"),
        ("next_stage && {\n  a\n  b\n}", true, "next_stage && {\n  a &&\n  b\n}"),
        ("next_stage && { cd x; rm -rf b; }", true, "next_stage && { cd x && rm -rf b; }"),
        ("export X=$(cmd)", true, "X=$(cmd) && export X"),
        ("next_stage && wget http://e.org/x", true, "next_stage && wget https://e.org/x"),
        ("next_stage && a || b", true, "next_stage && { a || b; }"),
        ("next_stage ; make", true, "next_stage && make"),
        ("next_stage make", true, "next_stage && make"),
        ("CC=x next_stage && make", true, "next_stage && CC=x make"),
        ("nextstage && make", true, "next_stage && make"),
        ("make check", true, "everytime && make check"),
        ("everytime || make", true, "everytime && make"),
        ("next_stage && pip install x>=$V", true, "next_stage && pip install x>=$V"),
        ("next_stage && rm -f $(cat list)", false, "next_stage && rm -f $(cat list)"),
        ("next_stage && { [ -f x ] && a; b; }", true, "next_stage && { [ -f x ] && a; b; }"),
        ("next_stage && { a; b & wait \"$!\"; }", true, "next_stage && { a; b & wait \"$!\"; }"),
        ("f() {\r\n  mkdir x\r\n}\r\nnext_stage && f\r\n", false, "f() {\n  mkdir x\n}\nnext_stage && f\n"),
        ("next_stage && make \\ \n  install\n", true, "next_stage && make \\\n  install\n"),
        ("if next_stage; then a; fi", true, "next_stage && { a; }"),
    ] {
        let found = text(script, is_unsafe);
        if found != expected {
            wrong.push(format!("{script}\n  fixed:    {found}\n  expected: {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Scripts of all kinds: those that rules are about, and those that have nothing to do with them.
fn scripts() -> Vec<(String, Vec<u8>)> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../testdata");
    let mut scripts = Vec::new();
    let mut open = vec![root.join("lint"), root.join("conformance"), root.join("syntax"), root.join("fuzz")];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => open.push(path),
                false if path.extension().is_some_and(|extension| extension == "txt" || extension == "json") => {}
                false => scripts.push((path.display().to_string(), fs::read(&path).unwrap())),
            }
        }
    }
    scripts.extend(forms().into_iter().map(|form| (form.clone(), form.into_bytes())));
    scripts
}

fn forms() -> Vec<String> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../testdata/lint/forms.txt");
    let text = fs::read_to_string(path).unwrap();
    let forms = text.lines().filter_map(|line| line.split_once(" | "));
    forms.map(|(_, script)| script.replace("\\n", "\n")).collect()
}

fn holds(name: &str, script: &[u8]) {
    for is_unsafe in [false, true] {
        let once = fixed(script, is_unsafe);
        let (before, after) = (errors(script), errors(&once.text));
        let is_new = |(code, count): (&&str, &usize)| before.get(*code).is_none_or(|known| known < count);
        let shown = String::from_utf8_lossy(&once.text).into_owned();
        assert!(!after.iter().any(is_new), "{name}: {before:?}, fixed {after:?}:\n{shown}");
        let twice = fixed(&once.text, is_unsafe);
        assert_eq!(String::from_utf8_lossy(&twice.text), shown, "{name}: nothing is left to fix");
        if once.fixed.is_empty() {
            assert_eq!(once.text, script, "{name}: without a fix, nothing changes");
        }
    }
}

#[test]
fn fixes_of_known_scripts_lead_to_no_new_error_and_leave_nothing() {
    for (name, script) in scripts() {
        holds(&name, &script);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn fixes_go_together(picked in proptest::collection::vec(any::<prop::sample::Index>(), 1..8)) {
        let forms = forms();
        let script: Vec<&str> = picked.iter().map(|index| index.get(&forms).as_str()).collect();
        let script = script.join("\n");
        holds(&script, script.as_bytes());
    }
}

#[test]
fn what_is_applied_is_left_alone() {
    let script =
        "next_stage && apt-get update && apt-get install a\nnext_stage && apt-get update && apt-get install b\n";
    let history = History::of_script(b"next_stage && apt-get update && apt-get install a\n");
    let fixing = Fixing { selects: &|_| true, is_unsafe: false, history: Some(&history), is_applied_too: false };
    let fixed = fix::fix(&Source::new("s", script), &Setting::default(), fixing);
    let expected = script.replace("install b", "install -y b");
    assert_eq!((String::from_utf8_lossy(&fixed.text).into_owned(), fixed.left_out), (expected, 1));
    assert_eq!(fixed.fixed, BTreeMap::from([("CE040", 1)]));
}

#[test]
fn every_fix_is_said_to_be_as_safe_as_its_rule_says() {
    for form in forms() {
        for finding in findings(form.as_bytes()) {
            let documentation = lint::Rule::find(finding.code).unwrap().documentation();
            let safety = documentation.split("## Fix safety\n").nth(1);
            let Some(fix) = &finding.fix else { continue };
            let safety = safety.unwrap_or_else(|| panic!("{}: nothing is said of its fixes", finding.code));
            let is_said = match fix.applicability {
                Applicability::Safe => safety.contains("Safe"),
                Applicability::Unsafe => safety.to_lowercase().contains("unsafe"),
            };
            assert!(is_said, "{}: {safety}", finding.code);
        }
    }
}

#[test]
fn stages_are_put_back_where_they_were() {
    let history = History::of_script(b"next_stage && a\nnext_stage && b\n");
    let fixing = Fixing { selects: &|_| true, is_unsafe: true, history: Some(&history), is_applied_too: false };
    let fixed = |script: &str| {
        let fixed = fix::fix(&Source::new("s", script), &Setting::default(), fixing);
        String::from_utf8(fixed.text).unwrap()
    };
    assert_eq!(
        fixed("next_stage && a\nnext_stage && x\nnext_stage && b\n"),
        "next_stage && a\nnext_stage && b\nnext_stage && x\n"
    );
    assert_eq!(fixed("next_stage && b\n"), "next_stage && :\nnext_stage && b\n");
}

fn against(before: &str, after: &str) -> Vec<(&'static str, usize)> {
    let parsed = parse(Source::new("docker-setup.sh", after));
    let findings = history::compare(&parsed, &History::of_script(before.as_bytes()));
    findings
        .iter()
        .map(|finding| (finding.code, parsed.script.source.position(finding.primary.span.start).line))
        .collect()
}

#[test]
fn stages_are_held_against_those_of_before() {
    let stages = |names: &str| names.chars().map(|name| format!("next_stage && {name}\n")).collect::<String>();
    for (before, after, expected) in [
        ("abc", "abc", vec![]),
        ("abc", "abcd", vec![]),
        ("", "ab", vec![]),
        ("abc", "axc", vec![("CE090", 2)]),
        ("abc", "abx", vec![("CE090", 3)]),
        ("abc", "axbc", vec![("CE091", 2)]),
        ("abc", "xabc", vec![("CE091", 1)]),
        ("abc", "ac", vec![("CE092", 1)]),
        ("abc", "ab", vec![("CE092", 2)]),
        ("abc", "bc", vec![("CE092", 1)]),
        ("abc", "axycd", vec![("CE090", 2), ("CE091", 3)]),
    ] {
        assert_eq!(against(&stages(before), &stages(after)), expected, "{before} to {after}");
    }
    assert_eq!(against("next_stage && a\n", "# title\nnext_stage &&\n  a # comment\n"), [], "layout does not count");
    let document = |text: &str| format!("next_stage && cat >f <<E\n{text}\nE\n");
    assert_eq!(against(&document("a"), &document("b")), [("CE090", 1)], "here-documents do");
    let in_loop = "for p in a b; do next_stage && i $p; done\n";
    assert_eq!(against(in_loop, &format!("{in_loop}next_stage && c\n")), []);
}

#[test]
fn a_stage_is_moved_and_a_gone_one_replaced() {
    let moved = |before: &str, after: &str| {
        let parsed = parse(Source::new("docker-setup.sh", after));
        let findings = history::compare(&parsed, &History::of_script(before.as_bytes()));
        let edits = findings.iter().filter_map(|finding| finding.fix.as_ref()).flat_map(|fix| &fix.edits);
        String::from_utf8(fix::apply(after.as_bytes(), edits).unwrap()).unwrap()
    };
    let (a, b, c) = ("next_stage && a\n", "next_stage && b\n", "next_stage && c\n");
    assert_eq!(moved(&[a, b].concat(), &[a, c, b].concat()), [a, b, c].concat());
    assert_eq!(moved(&[a, b, c].concat(), &[a, c].concat()), [a, "next_stage && :\n", c].concat());
    assert_eq!(moved(&[a, b].concat(), b), ["next_stage && :\n", b].concat());
}
