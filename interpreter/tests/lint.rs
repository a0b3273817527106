//! Every rule against the scripts of `testdata/lint`, and the forms that rules tell apart in one line each.

use std::{collections::BTreeSet, fs, path::PathBuf};

use compeval_interpreter::{Diagnostic, Severity, Source, Span, lint, parse};

/// Rules about what is not in the script: what there was before, and docker.conf.
const BESIDE_SCRIPT: [&str; 4] = ["CE090", "CE091", "CE092", "CE096"];

fn lint(text: &[u8]) -> (Source, Vec<Diagnostic>) {
    let parsed = parse(Source::new("docker-setup.sh", text));
    ((*parsed.script.source).clone(), lint::check(&parsed))
}

fn codes(text: &str) -> Vec<&'static str> {
    let found: BTreeSet<&str> = lint(text.as_bytes()).1.into_iter().map(|finding| finding.code).collect();
    found.into_iter().collect()
}

fn render(source: &Source, findings: &[Diagnostic]) -> String {
    let mut text = String::new();
    let place = |span: Span| {
        let position = source.position(span.start);
        format!("{}:{} `{}`", position.line, position.column, source.slice(span))
    };
    for finding in findings {
        let Diagnostic { code, severity, message, primary, related, help, .. } = finding;
        text += &format!("{severity:?} {code}: {message}\n");
        text += &format!("  at {} {}\n", place(primary.span), primary.text);
        for label in related {
            text += &format!("  see {} {}\n", place(label.span), label.text);
        }
        if let Some(help) = help {
            text += &format!("  help: {help}\n");
        }
    }
    text
}

#[test]
fn bad_scripts_break_their_rule_alone_and_good_ones_none() {
    let mut wrong = Vec::new();
    for rule in lint::RULES.iter().filter(|rule| !BESIDE_SCRIPT.contains(&rule.code)) {
        let directory =
            PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../testdata/lint").join(rule.name.replace('-', "_"));
        let read = |name: &str| {
            let path = directory.join(name);
            fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        };
        let (source, findings) = lint(&read("bad.sh"));
        if findings.iter().any(|finding| finding.code != rule.code) {
            wrong.push(format!("{}: bad.sh\n{}", rule.name, render(&source, &findings)));
        }
        if !findings.iter().any(|finding| finding.severity == rule.severity) {
            wrong.push(format!("{}: nothing found", rule.name));
        }
        insta::assert_snapshot!(rule.name, render(&source, &findings));
        let (source, findings) = lint(&read("good.sh"));
        if !findings.is_empty() {
            wrong.push(format!("{}: good.sh\n{}", rule.name, render(&source, &findings)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_examples_in_the_documentation_hold() {
    let mut wrong = Vec::new();
    for rule in &lint::RULES {
        let is_of_script = !BESIDE_SCRIPT.contains(&rule.code);
        let documentation = rule.documentation();
        let headings: Vec<&str> = documentation.lines().filter_map(|line| line.strip_prefix("## ")).collect();
        let expected = ["What it does", "Why", "Example", "Use instead", "Fix safety"];
        assert_eq!(headings, expected[..headings.len().max(4)], "{}", rule.name);
        let blocks: Vec<&str> = documentation.split("```").skip(1).step_by(2).collect();
        let [bad, good] = blocks[..] else { panic!("{}: two examples expected", rule.name) };
        let script = |block: &str| codes(block.strip_prefix("sh").or(block.strip_prefix("toml")).unwrap());
        let (bad, good) = (script(bad), script(good));
        if is_of_script && (bad != [rule.code] || !good.is_empty()) {
            wrong.push(format!("{}: bad {bad:?}, good {good:?}", rule.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_the_shell_of_the_container_knows_is_not_reported() {
    for text in ["next_stage && [[ a == a ]]", "next_stage && make &> log", "everytime && echo ${x//a/b}"] {
        let parsed = parse(Source::new("docker-setup.sh", text));
        let in_shell = |shell: &str| lint::Setting { shell: shell.to_owned(), ..lint::Setting::default() };
        assert_eq!(lint::check_for(&parsed, &in_shell("/bin/bash")), [], "{text}");
        assert_eq!(lint::check_for(&parsed, &in_shell("/bin/dash")).len(), 1, "{text}");
    }
}

#[test]
fn codes_and_names_are_unique_and_in_order() {
    let codes: Vec<&str> = lint::RULES.iter().map(|rule| rule.code).collect();
    let names: BTreeSet<&str> = lint::RULES.iter().map(|rule| rule.name).collect();
    assert!(codes.is_sorted_by(|a, b| a < b), "{codes:?}");
    assert_eq!(names.len(), codes.len());
    for rule in &lint::RULES {
        let ways = [rule.code.to_ascii_lowercase(), rule.name.to_owned()];
        assert!(ways.iter().all(|way| lint::Rule::find(way).is_some_and(|found| found.code == rule.code)));
    }
    assert!(lint::Rule::find("CE999").is_none());
}

#[test]
fn each_form_has_its_code() {
    let mut wrong = Vec::new();
    for (text, expected) in [
        // or-after-next-stage, or-after-everytime
        ("next_stage && a || b", &["CE002"][..]),
        ("next_stage || b", &["CE002"]),
        ("next_stage && a &&\n  b ||\n  c", &["CE002"]),
        ("{ next_stage && a; } || b", &["CE002"]),
        ("true && { next_stage && a; } || b", &["CE002"]),
        ("next_stage && a || true", &["CE002", "CE061"]),
        ("next_stage && { a || b; }", &[]),
        ("next_stage && if a; then b || c; fi", &[]),
        ("true || next_stage && a", &[]),
        ("everytime && a || b", &["CE014"]),
        ("everytime || a", &["CE014"]),
        ("everytime && { a || b; }", &[]),
        // invisible-character
        ("\u{feff}# c\nnext_stage && a", &["CE082"]),
        ("next_stage && a \\\r\n", &["CE082"]),
        ("next_stage && cat <<E\r\nx\r\nE\r\n", &["CE082"]),
        ("next_stage && a '\r\n' \"\r\n\"", &[]),
        ("next_stage && a # \r\n", &[]),
        // marker-without-and
        ("next_stage ; make", &["CE003"]),
        ("next_stage\nmake", &["CE003"]),
        ("next_stage", &["CE003"]),
        ("next_stage & make", &["CE003"]),
        ("next_stage &", &["CE003"]),
        ("next_stage | make", &["CE003"]),
        ("next_stage|make", &["CE003"]),
        ("everytime;make", &["CE003"]),
        ("if true; then next_stage; fi", &["CE003"]),
        ("next_stage # && make", &["CE003"]),
        ("next_stage&&make", &[]),
        ("next_stage &&\n# then\nmake", &[]),
        ("next_stage \\\n&& make", &[]),
        // marker-with-arguments
        ("next_stage make", &["CE004"]),
        ("CC=x next_stage && make", &["CE004"]),
        ("A=1 next_stage", &["CE004"]),
        ("next_stage >f && x", &["CE004"]),
        ("everytime 2>&1 && x", &["CE004"]),
        ("next_stage && CC=x make", &[]),
        // misspelt-marker
        ("nextstage && make", &["CE005"]),
        ("next-stage && make", &["CE005"]),
        ("Next_Stage && make", &["CE005"]),
        ("next_satge && make", &["CE005"]),
        ("every_time && make", &["CE005"]),
        ("everytime_ || make", &["CE005"]),
        ("nextstage\n", &["CE005"]),
        ("nextstage; make", &["CE005"]),
        ("\"next_stage\" && make", &["CE005"]),
        ("\\next_stage && make", &["CE005"]),
        ("next_stage && echo nextstage && nextstages && a", &["CE005"]),
        ("next_stage && nextstage foo", &[]),
        ("next_stage && cat <<E\nnextstage && x\nE", &[]),
        ("nextstage() { :; }\nnextstage && :", &[]),
        // marker-in-subshell
        ("(next_stage && a)", &["CE006"]),
        ("{ next_stage && a; } | tee log", &["CE006"]),
        ("{ next_stage && a; } &", &["CE006"]),
        ("next_stage && a &", &["CE006", "CE027"]),
        ("x=$(next_stage && a)", &["CE006"]),
        ("echo \"`everytime && a`\"", &["CE006"]),
        ("a | next_stage && b", &["CE006"]),
        ("f() ( everytime && a )\nf", &["CE006"]),
        ("f() { everytime && a; }\n(f)", &["CE006"]),
        ("cat <<E\n$(everytime && a)\nE", &["CE006", "CE012"]),
        ("next_stage && (a)", &[]),
        ("next_stage && a | tar -x", &[]),
        ("{ next_stage && a; } 2>&1", &[]),
        ("{ { next_stage && a; }; everytime && b; }", &[]),
        // marker-as-condition
        ("if next_stage; then a; fi", &["CE007"]),
        ("if next_stage && a; then b; else c; fi", &["CE007"]),
        ("if true; then :; elif next_stage; then a; fi", &["CE007"]),
        ("while next_stage; do a; done", &["CE007"]),
        ("until everytime && a; do b; done", &["CE007"]),
        ("! next_stage && a", &["CE007"]),
        ("! next_stage", &["CE007"]),
        ("! { next_stage && a; }", &["CE007"]),
        ("next_stage && ! a", &[]),
        ("next_stage && if a; then b; fi", &[]),
        // stage-count-varies
        ("[ -d /x ] && next_stage && a", &["CE008"]),
        ("[ -e x ] || next_stage && y", &["CE008"]),
        ("if [ -d /x ]; then next_stage && a; fi", &["CE008"]),
        ("if [ -d /x ]; then :; else next_stage && a; fi", &["CE008"]),
        ("for f in *.deb; do next_stage && i \"$f\"; done", &["CE008"]),
        ("while read -r p; do next_stage && i \"$p\"; done < list", &["CE008"]),
        ("case $(uname -m) in x86_64) next_stage && a;; esac", &["CE008"]),
        ("grep -q x /etc/f && next_stage && a", &["CE008"]),
        ("V=1; [ \"$V\" = 1 ] && next_stage && a", &[]),
        ("V=1; if [ $V = 1 ]; then next_stage && a; else everytime && b; fi", &[]),
        ("[ -d /x ] && everytime && a", &[]),
        ("if [ -d /x ]; then everytime && a; fi", &[]),
        ("next_stage && { [ ! -d /x ] || a; }", &[]),
        // marker-in-loop
        ("for p in a b; do next_stage && i $p; done", &["CE009"]),
        ("f() { next_stage && i \"$1\"; }\nf a\nf b", &["CE009"]),
        ("for p in a b; do everytime && i $p; done", &[]),
        ("f() { everytime && a; }\nf", &[]),
        ("next_stage && for p in a b; do i $p || exit; done", &[]),
        // mixed-markers
        ("everytime && next_stage && a", &["CE010"]),
        ("next_stage && everytime && a", &["CE010"]),
        ("next_stage && { everytime && a; }", &["CE010"]),
        ("next_stage && a && next_stage && b", &["CE010"]),
        ("f() { everytime && a; }\nnext_stage && f", &["CE010"]),
        ("next_stage && a; next_stage && b", &[]),
        // marker-redefined
        ("next_stage() { :; }", &["CE011"]),
        ("everytime() { echo; }\neverytime && a", &["CE011"]),
        ("alias next_stage='echo'", &["CE011"]),
        ("unset -f next_stage", &["CE011"]),
        ("unset -v next_stage; next_stage=1; echo next_stage", &[]),
        // undecorated-command
        ("apt-get update", &["CE012"]),
        ("make && make install", &["CE012"]),
        ("if [ -d /x ]; then make; fi", &["CE012"]),
        ("for p in a b; do make $p; done", &["CE012"]),
        ("echo x > /etc/f", &["CE012"]),
        ("{ echo x; echo y; } >> f", &["CE012"]),
        ("echo x | tee f", &["CE012"]),
        ("{ next_stage && a; } > log 2> err", &[]),
        ("exec 3> log", &[]),
        ("exec make", &["CE012", "CE024"]),
        ("f() { make; }\nf", &["CE012"]),
        ("command make", &["CE012"]),
        ("${MAKE:-make} x", &["CE012"]),
        ("f() { next_stage && a; make; }\nf", &["CE009", "CE012"]),
        ("f() { make; }\nnext_stage && f", &[]),
        ("f() { [ -n \"$1\" ]; }\nf x", &[]),
        ("set -eu; cd /x; export A=1; umask 022; trap : EXIT; x=$(uname); echo \"$x\" >&2", &[]),
        ("if grep -q x f; then everytime && a; fi", &[]),
        ("id u >/dev/null || everytime && useradd u", &[]),
        ("# make\n: > /dev/null", &[]),
        ("", &[]),
    ] {
        let found = codes(text);
        if found != expected {
            wrong.push(format!("{text}\n  found {found:?}, expected {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The forms in `testdata/lint/forms.txt`: the codes that a script has, and the script, in which `\n` is a line break.
#[test]
fn the_forms_of_the_rules_have_their_codes() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../testdata/lint/forms.txt");
    let text = fs::read_to_string(path).unwrap();
    let mut wrong = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (expected, script) = line.split_once(" | ").unwrap_or_else(|| panic!("{line}"));
        let expected: Vec<&str> = expected.split_ascii_whitespace().filter(|code| *code != "-").collect();
        let found = codes(&script.replace("\\n", "\n"));
        if found != expected {
            wrong.push(format!("{script}\n  found {found:?}, expected {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn findings_and_syntax_errors_come_together_in_order() {
    let (_, findings) = lint(b"next_stage; a\nfi\nnext_stage && a || b\nnext_stage && echo \"x\n");
    let codes: Vec<&str> = findings.iter().map(|finding| finding.code).collect();
    assert_eq!(codes, ["CE003", "CE001", "CE002", "CE001"]);
    assert!(findings.iter().all(|finding| finding.severity == Severity::Error));
}

#[test]
fn any_bytes_get_a_result() {
    for text in [&b"\xff\xfe && next_stage \xff"[..], b"\0", b"next_stage && '\xc3", b"next_stage &&\r\nmake\r\n"] {
        lint(text);
    }
}
