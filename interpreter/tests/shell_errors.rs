//! Errors that end a shell: found again in the script, the same for every shell that complains of them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Write;

use compeval_interpreter::{
    Outcome, Settings, Source,
    dispatch::local::Local,
    execute::{Cause, Unobserved},
    parse,
    program::Hooks,
    run,
    stage::Counted,
};

const SHELLS: [&[&str]; 3] = [&["dash"], &["bash", "--posix"], &["busybox", "sh"]];

/// Scripts that end by an error of the shell, or otherwise too early. Where a stage sets `name`, it is applied.
const SCRIPTS: [&str; 24] = [
    "x=1\n: \"${name:?is needed}\"\n",
    "next_stage && name=1\nnext_stage &&\n  echo \"to ${name?}\"\n",
    "set -u\nname=1\nunset name\nfor i in a b; do\n  echo $name\ndone\n",
    "echo ${name-} ${name:-}\nset -eu\n: ${name%x} ${#name}\n",
    "set -u; everytime && echo $1\n",
    "f() {\n  local x=1\n  : ${1?no argument}\n}\nnext_stage && f\n",
    "x=$(:\n: ${y?in a substitution}\n) || exit\n",
    "echo() { command echo \"$@\"; }\nset -u\necho a\n\n\nnext_stage && { echo b; echo $c; }\n",
    "readonly name=1\necho\nname=2\n",
    "readonly name\nnext_stage && for name in a b; do :; done\n",
    "name=1\nreadonly other name\n: ; export name=2\n",
    "readonly r\neverytime && unset r\n",
    "n=0\necho $((n)) $((1 / n))\n",
    "n=0\nnext_stage && echo \"$((n = 7 % n))\"\n",
    "next_stage && : $((1 +))\n",
    "n=09\n: $((n + 1))\n",
    "text='echo ${x!}'\nnext_stage && eval \"$text\"\n",
    "for i in 1 2; do\n  next_stage && eval ': ${name?evaluated}'\ndone\n",
    "(: ${name?in a subshell})\n[ $? = 0 ] || exit\n",
    "echo a\nif true; then\n  exit 3\nfi\nnext_stage && echo\n",
    "next_stage && echo a\nset -e\nfalse\nnext_stage && echo b\n",
    "everytime && : <<E\n$((1/0))\nE\n",
    "next_stage && cd /nowhere\n",
    "alias ll=ls\nf() { (exit 4); }\nnext_stage && f\n",
];

fn outcome(shell: &[&str], script: &str, split: bool, fed: bool) -> Outcome {
    let directory = tempfile::tempdir().unwrap();
    let parsed = parse(Source::new("docker-setup.sh", script));
    assert!(parsed.errors.is_empty(), "{script}: {:?}", parsed.errors);
    let mut local = Local::new(shell, Hooks { scratch: directory.path().to_str().unwrap(), record: None })
        .output(std::io::sink())
        .errors(std::io::sink());
    if fed {
        local = local.fed();
    }
    let settings = Settings { split, ..Settings::default() };
    let applied = u32::from(script.starts_with("next_stage && name="));
    run(&parsed.script, &settings, &mut Counted(applied), &mut local, &mut Unobserved).unwrap()
}

/// The finding as text, with places as line and column.
fn shown(cause: Option<&Cause>) -> String {
    let Some(Cause { source, finding }) = cause else { return "nothing more is known\n".to_owned() };
    let mut text = format!("{}\n", finding.message);
    for (kind, label) in
        std::iter::once(("at", &finding.primary)).chain(finding.related.iter().map(|label| ("and", label)))
    {
        let position = source.position(label.span.start);
        let written = source.slice(label.span);
        let (name, line, column) = (source.name(), position.line, position.column);
        writeln!(text, "  {kind} {name}:{line}:{column}: {written:?}: {}", label.text).unwrap();
    }
    if let Some(help) = &finding.help {
        writeln!(text, "  help: {help}").unwrap();
    }
    text
}

#[test]
fn an_error_of_the_shell_has_its_place_in_the_script() {
    let mut text = String::new();
    for script in SCRIPTS {
        let lines: String = script.lines().map(|line| format!("| {line}\n")).collect();
        text.push_str(&lines);
        let mut told = Vec::new();
        for shell in SHELLS {
            for (split, fed) in [(false, false), (true, false), (false, true)] {
                let outcome = outcome(shell, script, split, fed);
                assert_ne!(outcome.status, 0, "{shell:?}: {script}");
                let cause = shown(outcome.cause.as_ref());
                if !told.contains(&cause) {
                    told.push(cause);
                }
            }
        }
        text.push_str(&told.join("or\n"));
        text.push('\n');
    }
    insta::assert_snapshot!(text);
}

#[test]
fn complaints_have_the_lines_of_the_script() {
    let script = "f() {\n  nosuch-in-function\n}\n\nnosuch-1\nnext_stage && { :\n  nosuch-2; f; }\n";
    let parsed = parse(Source::new("docker-setup.sh", script));
    for (shell, told) in [(SHELLS[0], "not found"), (SHELLS[1], "command not found")] {
        for (split, fed) in [(false, false), (true, false), (false, true)] {
            let mut errors = Vec::new();
            let mut local = Local::new(shell, Hooks { scratch: "/tmp", record: None }).errors(&mut errors);
            if fed {
                local = local.fed();
            }
            let settings = Settings { split, ..Settings::default() };
            run(&parsed.script, &settings, &mut Counted(0), &mut local, &mut Unobserved).unwrap();
            drop(local);
            let expected: String = [(5, "nosuch-1"), (7, "nosuch-2"), (2, "nosuch-in-function")]
                .map(|(line, name)| format!("docker-setup.sh: {line}: {name}: {told}\n"))
                .concat();
            assert_eq!(String::from_utf8(errors).unwrap(), expected, "{shell:?} split {split}");
        }
    }
}

#[test]
fn the_command_that_failed_in_a_chain_is_told_where_the_shell_knows() {
    for (script, failed) in [
        ("next_stage && true && false && echo on", Some("false")),
        ("next_stage && false && true", Some("false")),
        ("everytime && true &&\n  # why\n  (exit 3) && echo on", Some("(exit 3)")),
        ("f() { [ \"$1\" = a ]; }\nnext_stage && f a && f b && f a", Some("f b")),
        ("next_stage && true && exit 4 && true", Some("exit 4")),
        ("next_stage && cat <<E && false | false && true\nx\nE\n", Some("false | false")),
        ("next_stage && true && ! true", Some("! true")),
        ("set -e\nnext_stage && true && { false; } && true", Some("{ false; }")),
        ("set -a\nnext_stage && true && false", None),
        ("next_stage && set -x && false", None),
        ("next_stage && true && false || false", None),
        ("next_stage && false", None),
        ("next_stage && true && true\nfalse && true", None),
    ] {
        for shell in [&["dash"][..], &["bash", "--posix"], &["busybox", "sh"]] {
            let outcome = outcome(shell, script, false, false);
            let told = outcome.failed.map(|place| place.text().to_string());
            assert_eq!(told.as_deref(), failed, "{shell:?}: {script}");
        }
    }
    // Nothing of ours is seen.
    for shell in [&["dash"][..], &["bash", "--posix"], &["busybox", "sh"]] {
        let outcome = outcome(shell, "next_stage && true && [ -z \"$(set | grep __ce_step)\" ] && true", false, false);
        assert_eq!(outcome.status, 0, "{shell:?}");
    }
}
