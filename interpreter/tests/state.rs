//! The state of a shell crosses from process to process whole: values of any bytes, attributes, directories, functions.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use bstr::{BString, ByteSlice};
use compeval_interpreter::{
    Settings, Source,
    dispatch::local::Local,
    execute::{End, Outcome, Unobserved},
    parse,
    program::Hooks,
    run,
    stage::Counted,
    state::Value,
};

/// The shells that setup scripts meet as `sh`, and bash as itself, which lists functions among variables.
const SHELLS: [&[&str]; 4] = [&["dash"], &["bash", "--posix"], &["busybox", "sh"], &["bash"]];

const LOCALES: [&str; 2] = ["C", "C.UTF-8"];

struct Ran {
    outcome: Outcome,
    stdout: BString,
    directory: tempfile::TempDir,
}

impl Ran {
    fn file(&self, name: &str) -> BString {
        fs::read(self.directory.path().join(name)).unwrap().into()
    }

    fn variable(&self, name: &str) -> Option<&BString> {
        match self.outcome.state.variable(name) {
            Value::Set(value) => Some(value),
            Value::Unset | Value::Unknown => None,
        }
    }
}

/// Runs a script with every complete command in a process of its own.
fn run_split(shell: &[&str], locale: &str, script: impl Into<Vec<u8>>) -> Ran {
    let directory = tempfile::tempdir().unwrap();
    let parsed = parse(Source::new("script", script.into()));
    assert!(parsed.errors.is_empty(), "{:?}", parsed.errors);
    let mut stdout = Vec::new();
    let mut dispatcher = Local::new(shell, Hooks { scratch: directory.path().to_str().unwrap(), record: None })
        .output(&mut stdout)
        .prepare(|command: &mut Command| {
            command.current_dir(directory.path()).env_clear();
            command.env("PATH", "/usr/bin:/bin").env("LC_ALL", locale);
        });
    let settings = Settings { split: true, ..Settings::default() };
    let outcome = run(&parsed.script, &settings, &mut Counted(0), &mut dispatcher, &mut Unobserved).unwrap();
    drop(dispatcher);
    Ran { outcome, stdout: stdout.into(), directory }
}

/// Runs a script in each shell and locale; gives what ran, and what it ran in.
fn everywhere(script: &[u8]) -> impl Iterator<Item = (String, Ran)> {
    let places = SHELLS.into_iter().flat_map(|shell| LOCALES.map(|locale| (shell, locale)));
    places.map(move |(shell, locale)| (format!("{shell:?} in {locale}"), run_split(shell, locale, script)))
}

fn quoted(value: &[u8]) -> Vec<u8> {
    [b"'".as_slice(), &value.replace("'", "'\\''"), b"'"].concat()
}

/// Values that some way to carry them gets wrong.
fn values() -> Vec<BString> {
    let mut values: Vec<BString> = [
        "",
        " ",
        "plain",
        " lead and trail ",
        "two\nlines",
        "\n",
        "\n\n",
        "ends with a newline\n",
        "it's",
        "'",
        "''",
        "\"",
        "say \"hi\"",
        "\\",
        "\\\\",
        "ends with \\",
        "\\n \\t \\c \\0101",
        "$x ${x} $(echo no) `echo no` $((1))",
        "*",
        "[a-z]* ?",
        "~ ~/x a:~",
        "#no comment",
        "!history",
        "-n",
        "--",
        "a=b",
        "x\nexport EVIL=1\nEVIL='1'\n",
        "x\nOPTIND='1'\n__ce_k='x'\nEVIL='1'\n",
        "'\nEVIL='1",
        "$'a\\nb'",
        "carriage\rreturn\r",
        "\u{1b}[31mred\u{1b}[0m",
        "\u{7f}\u{1}\u{2}\u{3}",
        "é ü € 😀",
        "e\u{301}",
        "\u{feff}mark",
        "__ce_done=1\n__ce_x='0'",
        "begin\nce0123456789abcdef0123456789abcdef e\nend",
        "{ (a; b) & } | c > d < e",
    ]
    .map(BString::from)
    .to_vec();
    values.push((1..=255).collect::<Vec<u8>>().into());
    values.push((1..=255).rev().collect::<Vec<u8>>().into());
    values.push(b"\xff\xfe invalid \xc3( \xe2\x82".into());
    values.push("it's 60 KB\n".repeat(5461).into());
    values
}

/// Each value is set without a shell, and passed on by three shells in turn: a substitution cannot be done without.
#[test]
fn values_of_any_bytes_cross_three_shells() {
    let mut script = Vec::new();
    for (number, value) in values().iter().enumerate() {
        script.extend([format!("v{number}=").as_bytes(), &quoted(value), b"\n"].concat());
    }
    for (to, from) in [("a", "v"), ("b", "a"), ("c", "b")] {
        (0..values().len()).for_each(|number| script.extend(format!("{to}{number}=$()${from}{number}; ").bytes()));
        script.push(b'\n');
    }
    script.extend(b"export c1\n");
    for number in 0..values().len() {
        script.extend(format!("printf %s \"$c{number}\" >{number}; ").bytes());
    }
    script.extend(b"\necho \"${EVIL-none}\"\n");
    for (place, ran) in everywhere(&script) {
        for (number, value) in values().iter().enumerate() {
            assert_eq!(ran.file(&number.to_string()), *value, "{place}");
            assert_eq!(ran.variable(&format!("c{number}")), Some(value), "{place}");
        }
        assert_eq!(ran.stdout, "none\n", "{place}");
    }
}

#[test]
fn positional_parameters_of_any_bytes_cross_three_shells() {
    let values: Vec<BString> = values().into_iter().filter(|value| value.len() < 1000).collect();
    let words: Vec<Vec<u8>> = values.iter().map(|value| quoted(value)).collect();
    let script = [
        b"set -- ".as_slice(),
        &words.join(&b' '),
        b"\nset -- \"$@\" $()\nset -- \"$@\" $()\nprintf '%s\\0' \"$@\" >all\necho $#\n",
    ];
    let script = script.concat();
    for (place, ran) in everywhere(&script) {
        let expected: Vec<u8> = values.iter().flat_map(|value| [value.as_slice(), b"\0"].concat()).collect();
        assert_eq!(ran.file("all"), expected, "{place}");
        assert_eq!(ran.outcome.state.positional, values, "{place}");
        assert_eq!(ran.stdout, format!("{}\n", values.len()), "{place}");
    }
}

#[test]
fn exported_values_reach_commands() {
    let values = values();
    let mut script = Vec::new();
    for (number, value) in values.iter().enumerate() {
        script.extend([format!("v{number}=").as_bytes(), &quoted(value), b"\n"].concat());
        script.extend(format!("export v{number}\n").bytes());
    }
    script.extend(b"true\nenv -0 >all\n");
    for shell in SHELLS {
        let ran = run_split(shell, "C.UTF-8", script.clone());
        let all = ran.file("all");
        let found: Vec<&[u8]> = all.split(|byte| *byte == 0).collect();
        for (number, value) in values.iter().enumerate() {
            let expected = [format!("v{number}=").as_bytes(), value].concat();
            assert!(found.contains(&expected.as_slice()), "{shell:?}: {value:?}");
        }
    }
}

#[test]
fn separators_of_any_kind_cross_shells() {
    for separators in [":, ", "", "'", "\\", "\n", "0", "1", "v", "=", "e ", "\u{1}", "é", "-", "_ce", "*"] {
        let script = [
            b"IFS=".as_slice(),
            &quoted(separators.as_bytes()),
            b"\nset -- a b $()\n: $()\nprintf %s \"$IFS\" >ifs\nprintf '%s\\0' \"$*\" >joined\n",
        ];
        for (place, ran) in everywhere(&script.concat()) {
            assert_eq!(ran.file("ifs"), separators, "{place}");
            let first = separators.chars().next().map(String::from).unwrap_or_default();
            // Bytes of a character are separators of their own where shells know no characters.
            if first.is_ascii() {
                assert_eq!(ran.file("joined"), format!("a{first}b\0"), "{place} {separators:?}");
            }
        }
    }
}

/// What else there is, in one script whose every line is a shell of its own, and what it prints.
const ATTRIBUTES: [(&str, &str); 12] = [
    ("export later\n:\n:\nlater=now\nsh -c 'echo $later'", "now\n"),
    ("export later\n: $()\necho ${later-unset}\nexport -p | grep -c later", "unset\n1\n"),
    (
        "r='a\nb'\nreadonly r\nreadonly s\n: $()\n(r=2) 2>/dev/null || echo refused\n(s=2) 2>/dev/null || echo too\necho \"$r\"",
        "refused\ntoo\na\nb\n",
    ),
    ("x=1\nexport x\nunset x\n: $()\nx=2\nsh -c 'echo ${x-unset}'", "unset\n"),
    ("export GONE=1\nunset GONE LC_ALL\n: $()\necho ${GONE-unset} ${LC_ALL-unset}", "unset unset\n"),
    ("alias q='echo \"it'\\''s\"' w='echo two; echo lines'\n: $()\n: $()\nq\nw", "it's\ntwo\nlines\n"),
    ("trap 'echo \"got it'\\''s\n$x\"' USR1\nx=1\n: $()\nkill -USR1 $$", "got it's\n1\n"),
    ("trap '' USR1\n: $()\nkill -USR1 $$\necho alive", "alive\n"),
    ("trap 'echo \"end '\\''$x'\\''\n\\\\\"' EXIT\n: $()\nx=it\\'s\n: $()", "end 'it's'\n\\\n"),
    ("umask 027\n: $()\n: $()\numask", "0027\n"),
    (
        "set -fC\nset -u\n: $()\n: $()\ncase $- in *f*) echo f;; esac; case $- in *C*) echo C;; esac; case $- in *u*) echo u;; esac; echo *",
        "f\nC\nu\n*\n",
    ),
    ("set -e\n: $()\nfalse || echo caught\n(exit 3)\necho no", "caught\n"),
];

#[test]
fn attributes_options_traps_and_aliases_cross_shells() {
    for (script, expected) in ATTRIBUTES {
        for shell in SHELLS {
            // bash as itself knows no aliases in scripts.
            if shell == ["bash"] && script.starts_with("alias") {
                continue;
            }
            let ran = run_split(shell, "C", script);
            assert_eq!(ran.stdout, expected, "{shell:?}: {script}");
        }
    }
}

#[test]
fn directories_of_any_name_stay_the_working_directory() {
    for name in ["a b", "it's", "\"", "a\nb", "ends with a newline\n", "-", "-P", "~", "$x", "\\", "é", "*", "a\\nb"] {
        let name = name.as_bytes();
        let script =
            [b"mkdir -- ./".as_slice(), &quoted(name), b"\ncd ./", &quoted(name), b"\n: $()\n: $()\n: >here\n"]
                .concat();
        for (place, ran) in everywhere(&script) {
            let inside = ran.directory.path().join(Path::new(std::ffi::OsStr::from_bytes(name))).join("here");
            assert!(inside.exists(), "{place}: {:?}", name.as_bstr());
        }
    }
    let invalid = b"mkdir \xff\ncd \xff\n: $()\n: $()\n: >here\n";
    for (place, ran) in everywhere(invalid) {
        assert!(
            ran.directory.path().join(PathBuf::from(std::ffi::OsStr::from_bytes(b"\xff"))).join("here").exists(),
            "{place}"
        );
    }
}

#[test]
fn functions_cross_shells_with_all_their_text() {
    let script = "f() {\ncat <<E\nEVIL=1\nexport EVIL\n$1 it's\nE\nEVIL2='2\n' true\ncase $1 in a) echo \"case ')'\";; esac # }\n}\n\
                  : $()\ng() (echo sub; exit 3)\nh() { f \"$@\"; } 2>/dev/null\n: $()\nf a\ng; echo $?\nh b\necho ${EVIL-none} ${EVIL2-none}\n";
    let expected = "EVIL=1\nexport EVIL\na it's\ncase ')'\nsub\n3\nEVIL=1\nexport EVIL\nb it's\nnone none\n";
    for (place, ran) in everywhere(script.as_bytes()) {
        assert_eq!(ran.stdout, expected, "{place}");
    }
}

/// The state that one run ends with is written, read, and what another run begins with.
#[test]
fn a_state_can_be_saved_and_gone_on_with() {
    let first = "x='it'\\''s\n2'; readonly r=1; export e=3\nset -u; umask 027; cd /\nalias a='echo aliased'\n\
                 f() { a \"$x\" $r; next_stage && echo staged; g() { echo inner; }; }\nset -- p 'q r'\ntrap 'echo end' EXIT\n\
                 unset HOME\neval 'h() { echo evaluated; }'\n: $()\n";
    let second = "f\ng\nh\n(unset r) 2>/dev/null || echo readonly\nsh -c 'echo $e'\necho $- | grep -c u\n\
                  umask; pwd; echo \"$2\" ${HOME-none}\n";
    for shell in SHELLS.into_iter().take(3) {
        let before = run_split(shell, "C", first).outcome.state;
        let saved = serde_json::to_string(&before).unwrap();
        let state: compeval_interpreter::State = serde_json::from_str(&saved).unwrap();
        assert_eq!(state, before, "{shell:?}");
        let mut stdout = Vec::new();
        let directory = tempfile::tempdir().unwrap();
        let hooks = Hooks { scratch: directory.path().to_str().unwrap(), record: None };
        let mut dispatcher = Local::new(shell, hooks).output(&mut stdout).prepare(|command: &mut Command| {
            command.env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C");
        });
        let script = parse(Source::new("second", second)).script;
        let settings = Settings { state, ..Settings::default() };
        let outcome = run(&script, &settings, &mut Counted(0), &mut dispatcher, &mut Unobserved).unwrap();
        drop(dispatcher);
        let expected = "aliased it's\n2 1\nstaged\ninner\nevaluated\nreadonly\n3\n1\n0027\n/\nq r none\n";
        assert_eq!((outcome.applied, BString::from(stdout)), (1, expected.into()), "{shell:?}");
    }
}

/// Linux takes at most 128 KiB in one argument of a program.
#[test]
fn a_state_larger_than_one_argument_crosses_shells() {
    let line = "it's a long line, with \\ and \" and $x\n";
    let value = line.repeat(1_000_000 / line.len());
    let script = [
        b"big=".as_slice(),
        &quoted(value.as_bytes()),
        b"\n: $()\ncopy=$()$big\n: $()\nprintf %s \"$copy\" >out\nunset big copy\n: $()\necho ${big-gone}\n",
    ];
    let script = script.concat();
    for shell in SHELLS {
        // Two of them do not fit into what Linux takes in all.
        let script = script.replace("copy=$()$big", "copy=$()$big; unset big");
        let ran = run_split(shell, "C", script);
        assert!(ran.file("out") == value, "{shell:?}: the value is not the same");
        assert_eq!(ran.stdout, "gone\n", "{shell:?}");
    }
}

#[test]
fn many_small_variables_cross_shells() {
    let mut script = String::new();
    (0..3000).for_each(|number| {
        script.push_str(&format!("name_of_a_variable_{number}='value {number} of it'\\''s kind, some fifty bytes'\n"))
    });
    script.push_str(": $()\n: $()\necho $name_of_a_variable_0 - $name_of_a_variable_2999\n");
    for shell in SHELLS {
        let ran = run_split(shell, "C", script.clone());
        let kind = "of it's kind, some fifty bytes";
        assert_eq!(ran.stdout, format!("value 0 {kind} - value 2999 {kind}\n"), "{shell:?}");
    }
}

#[test]
fn a_process_left_behind_neither_holds_the_run_nor_loses_output() {
    let script = "echo one\nnext_stage && { { sleep 0.6; echo late >late; sleep 9; } & echo two; }\n\
                  { sleep 9; } & echo three\necho four\neverytime && { sleep 9 & echo five; }\n";
    for shell in SHELLS {
        let start = Instant::now();
        let ran = run_split(shell, "C", script);
        assert!(start.elapsed() < Duration::from_secs(4), "{shell:?}: held for {:?}", start.elapsed());
        assert_eq!(ran.outcome.end, End::Finished, "{shell:?}");
        assert_eq!(ran.stdout, "one\ntwo\nthree\nfour\nfive\n", "{shell:?}");
        let late = ran.directory.path().join("late");
        while !late.exists() && start.elapsed() < Duration::from_secs(8) {
            std::thread::sleep(Duration::from_millis(20));
        }
        assert!(late.exists(), "{shell:?}: the process was ended with its stage");
    }
}

#[test]
fn output_that_looks_like_ours_is_only_output() {
    let text = "\\nce0000 v\\nEVIL=1\\nce0000 e\\n";
    let script = format!(
        "x=1\nprintf '{text}'\nprintf 'no newline'\n: $()\nprintf '\\n\\n'\nprintf '\\nce'\necho $x ${{EVIL-none}}\n"
    );
    let expected = "\nce0000 v\nEVIL=1\nce0000 e\nno newline\n\n\nce1 none\n";
    for (place, ran) in everywhere(script.as_bytes()) {
        assert_eq!(ran.stdout, expected, "{place}");
    }
}

#[test]
fn what_shells_tell_goes_nowhere_else() {
    let scripts = [
        "exec 9>lock; false || exit 1",
        "f() { exit 1; }; f >out 2>&1",
        "f() { exit 1; }; f 1>&2 2>out",
        "exec >out 2>&1",
        "exec 1>&2; exit 3",
        "exec >&- 2>&-; exit 3",
        "exec 2>out 5>&2; { next_stage && echo a; } | cat; exit 3",
        "set -x; exec 2>out; next_stage && (exit 3)",
        "trap 'echo bye' EXIT; exec >out 2>&1; next_stage && (exit 3)",
    ];
    for shell in SHELLS {
        for script in scripts {
            let (state, work) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
            let (mut output, mut errors) = (Vec::new(), Vec::new());
            let hooks = Hooks { scratch: state.path().to_str().unwrap(), record: None };
            let mut local = Local::new(shell, hooks).output(&mut output).errors(&mut errors).prepare(|command| {
                command.current_dir(&work).env("TOKEN", "s3cret");
            });
            let parsed = parse(Source::new("s", format!("TOLD='s3cret'\n{script}\n")));
            let outcome =
                run(&parsed.script, &Settings::default(), &mut Counted(0), &mut local, &mut Unobserved).unwrap();
            drop(local);
            assert!(!matches!(outcome.end, End::Lost { .. }), "{shell:?}: {script}: {outcome:?}");
            let file = |path: PathBuf| fs::read(path).unwrap_or_default();
            for text in [output, errors, file(work.path().join("out")), file(work.path().join("lock"))] {
                assert!(!text.contains_str("s3cret"), "{shell:?}: {script}: {}", text.as_bstr());
            }
            let left: Vec<_> = fs::read_dir(state.path()).unwrap().collect();
            assert!(left.is_empty(), "{shell:?}: {script}: {left:?}");
        }
    }
}

/// Runs a script in a directory of its own; what it prints, what it complains of, and its files `log` and `out`.
fn shown(shell: &[&str], split: bool, script: &str) -> [BString; 4] {
    let (state, work) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (mut output, mut errors) = (Vec::new(), Vec::new());
    let hooks = Hooks { scratch: state.path().to_str().unwrap(), record: None };
    let mut local = Local::new(shell, hooks).output(&mut output).errors(&mut errors).prepare(|command| {
        command.current_dir(&work);
    });
    let parsed = parse(Source::new("s", script));
    assert!(parsed.errors.is_empty(), "{script}: {:?}", parsed.errors);
    let settings = Settings { split, ..Settings::default() };
    run(&parsed.script, &settings, &mut Counted(0), &mut local, &mut Unobserved).unwrap();
    drop(local);
    let file = |name| fs::read(work.path().join(name)).unwrap_or_default().into();
    [output.into(), errors.into(), file("log"), file("out")]
}

#[test]
fn what_is_ours_is_traced_nowhere() {
    // All in one shell, which has its standard error elsewhere.
    let scripts = [
        "(next_stage && echo a)",
        "{ everytime && false || true; } >&1; (next_stage && (everytime && :) && echo b)",
        "trap 'echo bye; echo out >&2' EXIT; trap '' TERM; trap \"$(echo :)\" INT; trap - TERM",
        "trap 'echo bye >&2' EXIT; (exit 3); exit 4",
        "trap 'echo bye >&2' EXIT; trap - EXIT",
        "f() { return 3; }; f || (exit 4); unset -f f; A=1 eval \"x=$(echo 1)\"",
        "for i in 1 2; do if [ $i = 1 ]; then continue; fi; (everytime && echo $i); break 1; done",
        "one=1; for i in 1; do for j in 1; do next_stage; break $one; done; done >&1",
        "f() { next_stage && return 0; }; (f); g() { for i in 1; do everytime; return; done; }; (g)",
        "echo \"$(next_stage && echo a)\" b; x=$(everytime && echo c); command echo \"$(everytime; echo d)\" >out",
        "m=everytime; (everytime && :; $m && echo dynamic)",
        "ulimit -n 100; umask 022; export x=1; readonly r=1; cd /; set -- a b; shift; IFS= read -r l || :",
        "printf 'echo \"$1\"; y=2\\n' >out; set -- q; . ./out; echo $y >out",
        "exec echo \"$(echo a)\" b",
        "e=eval; $e 'g() { echo hi; }'; g; c=command; $c eval 'echo \"$?\"'; (exit 3); $e 'echo $?'; p=; $p echo q",
        "printf 'echo $?; h() { :; }; return 4\n' >out; (exit 3); . ./out </dev/null; echo $?; f() { >log2 eval \"$1\"; }; f 'k() { echo; }; k'",
        "eval \"read l; echo \\$l\" <<E\na $(echo b)\nE\n",
        "g() { :; }; unset -f g; trap 'echo \"(bye)\"' EXIT; trap 'i() { echo hi; }' USR1; sh -c 'kill -USR1 \"$PPID\"'; i; trap",
        "{ next_stage & wait; } >&1; (everytime && echo $(exit 3) && false) && echo no",
        "set +x; echo off; set -x; set -a; z=1; (next_stage && env >env; grep '_[c]e_' env)",
        "(next_stage && exit 3); echo no",
        "for i in 1; do (next_stage && false); done; echo no",
        "echo ${none?}",
        "set -e; (everytime && :); false; echo no",
    ];
    let mut differences = Vec::new();
    let marker = "() { for _ in; do :; done; }\n";
    for shell in SHELLS {
        for script in scripts {
            for first in ["exec 2>log; set -x; ", "exec 2>log; set -xv; ", "set -x; exec 2>log; PS4='# '; "] {
                // bash shows the action of the EXIT trap of a shell that exits under `set -v`.
                if first.contains('v') && ["exit ", "exec ", "echo no", "?}"].iter().any(|word| script.contains(word)) {
                    continue;
                }
                let script = format!("{first}{script}\n");
                let ours = shown(shell, false, &script);
                let with_ours = ours.iter().filter(|text| text.contains_str("__ce_"));
                differences.extend(with_ours.map(|text| format!("{shell:?}: {script}{text}")));
                if ["echo no", "?}"].iter().any(|word| script.contains(word)) || first.contains('v') {
                    continue;
                }
                let work = tempfile::tempdir().unwrap();
                let whole = format!("next_stage{marker}everytime{marker}{script}");
                let mut command = Command::new(shell[0]);
                let output = command.args(&shell[1..]).args(["-c", &whole]).current_dir(&work).output().unwrap();
                let lines = |text: &[u8]| {
                    let mut lines: Vec<_> =
                        text.lines().map(|line| line.replace("++ ", "+ ").replace("## ", "# ")).collect();
                    lines.sort();
                    lines.join(&b'\n')
                };
                let log = fs::read(work.path().join("log")).unwrap();
                let (ours, log) = ((lines(&ours[2]), ours[0].clone()), (lines(&log), BString::from(output.stdout)));
                if ours != log {
                    differences.push(format!("{shell:?}: {script}{:?}\n{:?}", ours.0.as_bstr(), log.0.as_bstr()));
                }
            }
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn a_limit_that_no_shell_can_live_with_is_refused() {
    for shell in SHELLS {
        for limit in 3..=20 {
            let script = format!("ulimit -n {limit}\necho one\nnext_stage && echo two\n");
            let [output, errors, ..] = shown(shell, false, &script);
            assert_eq!(output, "one\ntwo\n", "{shell:?}: {limit}: {errors}");
            let expected = if errors.is_empty() { "" } else { "ulimit: the shell needs more open files than that\n" };
            assert_eq!(errors, expected, "{shell:?}: {limit}");
        }
    }
}

#[test]
fn a_trace_is_that_of_the_script() {
    let scripts = [
        "set -x\na=1\necho \"$a\"\nf() { echo \"$1\"; return 3; }\nf 'x y' || (exit 4)\ng() { set +x; }\ng\necho off",
        "set -x\ntrap 'echo bye' EXIT\ntrap 'echo got' TERM\ntrap - TERM\ntrue",
        "set -x\ntrap 'false; echo \"bye $?\"' EXIT\n(exit 4)\nexit 3",
        "set -eux\nPS4='# '\nexport B=2\ncd /\nunset -f f\nreadonly r=1\numask 022\nfalse\necho no",
        "set -x\nexec 3>&1\ntrap 'echo bye >&3' EXIT\nx=1\necho $x >&3",
        "set -x\nf() { if [ $1 = 0 ]; then return; fi; shift; exec true; }\nf 0\nf 1 2",
        "set -x\nulimit -n 100 || :\nIFS= read -r l || :\nx=$(echo b)",
    ];
    for shell in SHELLS {
        for script in scripts {
            for split in [false, true] {
                let state = tempfile::tempdir().unwrap();
                let mut errors = Vec::new();
                let hooks = Hooks { scratch: state.path().to_str().unwrap(), record: None };
                let mut local = Local::new(shell, hooks).output(std::io::sink()).errors(&mut errors);
                let parsed = parse(Source::new("s", script));
                let settings = Settings { split, ..Settings::default() };
                run(&parsed.script, &settings, &mut Counted(0), &mut local, &mut Unobserved).unwrap();
                drop(local);
                let expected = Command::new(shell[0]).args(&shell[1..]).args(["-c", script]).output().unwrap().stderr;
                // How deep bash says that the action of a trap is depends on the shell that runs it.
                let (errors, expected) = (errors.replace("++ ", "+ "), expected.replace("++ ", "+ "));
                assert_eq!(errors.as_bstr(), expected.as_bstr(), "{shell:?}, split {split}: {script}");
            }
        }
    }
}
