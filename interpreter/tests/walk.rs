//! What a walk does with markers in every place, what a dry run is sure of, and how a run is cancelled.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::{Duration, Instant};

use compeval_interpreter::{
    Outcome, Request, Settings, Source,
    dispatch::{
        Kind,
        answers::{Answers, Noting},
        dry_run::DryRun,
        local::Local,
    },
    execute::{End, Event, Observer, Unobserved},
    parse,
    program::Hooks,
    run,
    stage::Counted,
};

/// Runs a script in a fresh directory; gives its outcome, what it printed, and what was sent to shells.
fn walk(text: &str, applied: u32, split: bool) -> (Outcome, String, Vec<(Kind, String)>) {
    let directory = tempfile::tempdir().unwrap();
    let parsed = parse(Source::new("script", text));
    assert!(parsed.errors.is_empty(), "{text}: {:?}", parsed.errors);
    let mut printed = Vec::new();
    let mut local = Local::new(&["sh"], Hooks { scratch: directory.path().to_str().unwrap(), record: None })
        .output(&mut printed)
        .prepare(|command| {
            command.current_dir(directory.path());
        });
    let mut noting = Noting::new(&mut local);
    let settings = Settings { split, ..Settings::default() };
    let outcome = run(&parsed.script, &settings, &mut Counted(applied), &mut noting, &mut Unobserved).unwrap();
    let notes = noting.notes.iter().map(|(kind, text)| (*kind, text.to_string())).collect();
    drop(local);
    (outcome, String::from_utf8(printed).unwrap(), notes)
}

/// A script, how many stages are applied before; the exit status, how many are applied behind, and what it prints.
type Case = (&'static str, u32, i32, u32, &'static str);

/// Chains that fail end the setup wherever they stand; others are counted wherever they stand.
const CASES: [Case; 57] = [
    // A process left behind that prints later, a function named as what we use, a marker with a redirection.
    ("everytime && { (sleep 0.05; echo late) & } && sleep 0.1; next_stage && echo two", 0, 0, 1, "late\ntwo\n"),
    ("echo() { command echo \"[$*]\"; }; next_stage && echo a; next_stage && echo b", 0, 0, 2, "[a]\n[b]\n"),
    (
        "read() { :; }; printf() { :; }; alias umask=false; next_stage && echo a; (next_stage && echo b)",
        0,
        0,
        2,
        "a\nb\n",
    ),
    ("next_stage >m && echo r; ls m", 0, 0, 1, "r\nm\n"),
    ("run() { \"$@\"; }; next_stage && run exec true; echo no", 0, 1, 0, ""),
    ("(next_stage && false); echo after", 0, 1, 0, ""),
    ("(next_stage && false; echo in); echo after", 0, 1, 0, ""),
    ("{ next_stage && false; } | cat; echo after", 0, 1, 0, ""),
    ("(next_stage && (exit 3)) || echo saved", 0, 3, 0, ""),
    ("x=$(next_stage && echo a); echo \"x=$x\"; next_stage && echo b", 0, 0, 2, "x=a\nb\n"),
    ("x=`next_stage && echo a`; echo $x", 0, 0, 1, "a\n"),
    ("x=`next_stage && echo a`; echo \"<$x>\"", 1, 0, 1, "<>\n"),
    ("next_stage && (exit 3); echo no", 0, 3, 0, ""),
    ("(next_stage && exit 3; echo no); echo no", 0, 3, 0, ""),
    ("(next_stage && exit 0; echo no); echo yes; next_stage && echo two", 0, 0, 2, "yes\ntwo\n"),
    ("next_stage | cat; echo a", 0, 0, 1, "a\n"),
    ("next_stage & wait; echo a", 0, 0, 1, "a\n"),
    ("next_stage && { sleep 0.1; echo a; x=2; } &\necho ${x-unset}; next_stage && echo b", 0, 0, 2, "a\nunset\nb\n"),
    ("next_stage && (exit 3) &\necho no", 0, 3, 0, ""),
    ("x=1; eval 'x=2' &\nsleep 0.1; echo $x", 0, 0, 0, "1\n"),
    ("echo 'x=2' >f; x=1; . ./f &\nsleep 0.1; echo $x", 0, 0, 0, "1\n"),
    ("! next_stage && echo x; echo no", 0, 1, 0, ""),
    ("! next_stage && echo x; echo a", 1, 0, 1, "x\na\n"),
    ("next_stage && { next_stage && echo in; echo out; }; next_stage && echo 3", 0, 0, 3, "in\nout\n3\n"),
    ("next_stage && { next_stage && echo in; false; }; echo no", 0, 1, 0, "in\n"),
    ("next_stage && { next_stage && false; echo no; }; echo no", 0, 1, 0, ""),
    ("everytime && { next_stage && echo in; false; }; echo no", 0, 1, 1, "in\n"),
    ("for i in 1 2 3; do next_stage && { echo $i; break; }; done; echo end", 0, 0, 1, "1\nend\n"),
    ("for i in 1 2; do echo $i; next_stage && continue; echo s$i; done | cat", 0, 0, 2, "1\n2\n"),
    ("for i in 1 2; do for j in 1 2; do next_stage && break 2; done; done; echo $i $j", 0, 0, 1, "1 1\n"),
    ("for i in 1 2; do for j in 1 2; do next_stage && break 2; done; done | cat; echo x", 0, 0, 1, "x\n"),
    ("f() { next_stage && return 4; echo no; }; f; echo no", 0, 4, 0, ""),
    ("f() { next_stage && return 0; echo no; }; f; echo yes", 0, 0, 1, "yes\n"),
    ("f() { next_stage && return 0; echo no; }; (f); echo yes; f | cat; next_stage && echo x", 0, 0, 3, "yes\nx\n"),
    ("f() { next_stage && echo $1; }; for i in 1 2; do f $i; done; f 3; echo \"$#\"", 0, 0, 3, "1\n2\n3\n0\n"),
    ("f() { local v=1; next_stage && echo $v; }; v=2; f; echo $v", 0, 0, 1, "1\n2\n"),
    ("while read l; do next_stage && echo $l; done <<E\na\nb\nE\nnext_stage && echo c", 1, 0, 3, "b\nc\n"),
    ("{ next_stage && echo a; } >f; cat f", 0, 0, 1, "a\n"),
    ("if next_stage; then echo a; else echo b; fi; echo c", 0, 0, 1, "a\nc\n"),
    ("if next_stage; then echo a; else echo b; fi; echo c", 1, 0, 1, "b\nc\n"),
    ("if next_stage; then false; fi; echo no", 0, 1, 0, ""),
    ("if next_stage && true; then false; fi; echo yes", 0, 0, 1, "yes\n"),
    ("eval 'next_stage && false\necho in'; echo after", 0, 1, 0, ""),
    ("c='next_stage && echo in eval'; eval \"$c\"; eval $c; next_stage && echo b", 0, 0, 3, "in eval\nin eval\nb\n"),
    ("eval 'f() { next_stage && echo f $1; }'; f 1; next_stage && f 2; f 3", 0, 0, 4, "f 1\nf 2\nf 3\n"),
    ("echo 'next_stage && echo in file' >f; . ./f; next_stage && echo b", 0, 0, 2, "in file\nb\n"),
    ("set -e; f() { next_stage && echo a; }; f; echo no", 1, 1, 1, ""),
    ("cat <<E && next_stage && cat <<F\nx $(next_stage && echo in)\nE\ny\nF\necho end", 0, 0, 2, "x in\ny\nend\n"),
    ("next_stage && exec echo hi; echo no", 0, 0, 1, "hi\n"),
    // A failing chain in a substitution: the command around it does not run.
    ("echo no $(next_stage && false)", 0, 1, 0, ""),
    ("echo no \"$(next_stage && (exit 3))\" | cat; echo no", 0, 3, 0, ""),
    ("X=1 printf '%s\\n' $(next_stage && echo a) <<E >f\nx\nE\ncat f", 0, 0, 1, "a\n"),
    ("x=$(next_stage && false) || echo no", 0, 1, 0, ""),
    (
        "case $(next_stage && echo a) in a) echo m;; esac; for i in $(next_stage && echo b c); do echo $i; done",
        0,
        0,
        2,
        "m\nb\nc\n",
    ),
    ("alias l='echo L'\nl $(next_stage && echo a)", 0, 0, 1, "L a\n"),
    ("command -v next_stage >/dev/null && echo yes", 0, 0, 0, "yes\n"),
    ("set -- -ab; while getopts ab o; do next_stage && echo $o; done", 0, 0, 2, "a\nb\n"),
];

#[test]
fn a_chain_is_judged_where_it_ends() {
    for split in [false, true] {
        for (script, before, status, applied, printed) in CASES {
            let (outcome, found, _) = walk(script, before, split);
            let found = (outcome.status, outcome.applied, found.as_str());
            assert_eq!(found, (status, applied, printed), "split {split}: {script}");
        }
    }
}

#[test]
fn a_failed_chain_is_named_with_its_place() {
    let (outcome, _, _) = walk("echo a\n{ next_stage && echo b &&\n  (exit 7); } | cat\n", 0, false);
    let End::ChainFailed { number: Some(1), chain, lost: false } = outcome.end else { panic!("{:?}", outcome.end) };
    assert_eq!((chain.place.line(), chain.text.to_string().as_str()), (2, "next_stage && echo b &&\n  (exit 7)"));
    assert_eq!(outcome.status, 7);
}

#[test]
fn stretches_are_as_large_as_possible() {
    let script = "a=1\nf() { echo $a; }\nf; echo b\nnext_stage && f\n# comment\nf\ncat <<E\nx\nE\nfor i in 1 2; do f; done\n\
        if [ $a = 1 ]; then everytime && f; fi\n";
    let (_, printed, notes) = walk(script, 0, false);
    assert_eq!(printed, "1\nb\n1\n1\nx\n1\n1\n1\n");
    let texts: Vec<(Kind, &str)> = notes.iter().map(|(kind, text)| (*kind, text.as_str())).collect();
    let expected = [
        (Kind::Undecorated, "f; echo b"),
        (Kind::Stage(1), "next_stage && f"),
        (Kind::Undecorated, "f\ncat <<E\nx\nE\nfor i in 1 2; do f; done"),
        (Kind::Everytime, "everytime && f"),
    ];
    assert_eq!(texts, expected);
}

#[test]
fn a_script_whose_stages_are_applied_needs_no_shell() {
    let script =
        "v=$HOME/x\nv=1\nfor i in a b; do next_stage && echo $i; done\ncase $v in 1) next_stage && echo;; esac\n";
    let (outcome, printed, notes) = walk(script.split_once('\n').unwrap().1, 3, false);
    assert_eq!((outcome.status, printed.as_str(), notes.len()), (0, "", 0));
}

/// What a dry run tells: the kind, and whether it is sure.
#[derive(Default)]
struct Told(Vec<(Kind, bool)>);

impl Observer for Told {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Skipped { number, depends_on, .. } => self.0.push((Kind::Stage(number), depends_on.is_none())),
            Event::Started { request, depends_on } => self.0.push((request.kind, depends_on.is_none())),
            Event::Inside { kind, depends_on, .. } => self.0.push((kind, depends_on.is_none())),
            Event::Ended { .. } => {}
        }
    }
}

#[test]
fn a_dry_run_is_sure_of_what_no_answer_can_change() {
    let cases: [(&str, &[(Kind, bool)]); 14] = [
        ("a || exit 1; next_stage && b", &[(Kind::Undecorated, true), (Kind::Stage(1), false)]),
        (
            "everytime && { a || exit 0; }; (exit 0); next_stage && b; everytime && c",
            &[(Kind::Everytime, true), (Kind::Undecorated, false), (Kind::Stage(1), false), (Kind::Everytime, false)],
        ),
        (
            "while :; do a || break; next_stage && b; done; next_stage && c",
            &[(Kind::Undecorated, true), (Kind::Stage(1), false), (Kind::Stage(2), false)],
        ),
        (
            "v=b; if [ $v = a ]; then next_stage && a; fi; [ $v = b ] && next_stage && b; [ $v = a ] || everytime && c",
            &[(Kind::Stage(1), true), (Kind::Everytime, true)],
        ),
        (
            "v=a; if [ -e x ]; then v=b; fi; case $v in a) next_stage && a;; esac",
            &[(Kind::Undecorated, true), (Kind::Expansion, true), (Kind::Stage(1), false)],
        ),
        ("set -- a b; for i; do next_stage && $i; done", &[(Kind::Undecorated, true), (Kind::Stage(1), false)]),
        ("f() { for i; do next_stage && $i; done; }; f a b", &[(Kind::Stage(1), true), (Kind::Stage(2), true)]),
        ("next_stage && a; everytime && b", &[(Kind::Stage(1), true), (Kind::Everytime, true)]),
        ("[ -e x ] && next_stage && a", &[(Kind::Undecorated, true), (Kind::Stage(1), false)]),
        (
            "if [ -e x ]; then next_stage && a; fi; next_stage && b; everytime && c",
            &[(Kind::Condition, true), (Kind::Stage(1), false), (Kind::Stage(2), false), (Kind::Everytime, true)],
        ),
        ("for i in a b; do next_stage && $i; done", &[(Kind::Stage(1), true), (Kind::Stage(2), true)]),
        ("for i in $(ls); do next_stage && $i; done", &[(Kind::Expansion, true), (Kind::Stage(1), false)]),
        ("v=x; case $v in x) next_stage && a;; *) next_stage && b;; esac", &[(Kind::Stage(1), true)]),
        ("a; next_stage && b", &[(Kind::Undecorated, true), (Kind::Stage(1), true)]),
    ];
    for (script, expected) in cases {
        let parsed = parse(Source::new("script", script));
        let mut told = Told::default();
        let settings = Settings::default();
        run(&parsed.script, &settings, &mut Counted(0), &mut DryRun, &mut told).unwrap();
        assert_eq!(told.0, expected, "{script}");
    }
}

#[test]
fn cancelling_stops_at_once_and_leaves_no_process() {
    let directory = tempfile::tempdir().unwrap();
    let script = "next_stage && { sleep 61 & echo $! >pid; trap '' TERM; sleep 60; }";
    let parsed = parse(Source::new("script", script));
    let settings = Settings::default();
    let mut local = Local::new(&["sh"], Hooks { scratch: "/tmp", record: None }).prepare(|command| {
        command.current_dir(directory.path());
    });
    let pid_file = directory.path().join("pid");
    let read_pid = || std::fs::read_to_string(&pid_file).ok().filter(|text| text.ends_with('\n'));
    let cancel = settings.cancel.clone();
    let (outcome, took) = std::thread::scope(|scope| {
        let asked = scope.spawn(|| {
            while read_pid().is_none() {
                std::thread::sleep(Duration::from_millis(5));
            }
            cancel.cancel();
            Instant::now()
        });
        let outcome = run(&parsed.script, &settings, &mut Counted(0), &mut local, &mut Unobserved).unwrap();
        (outcome, asked.join().unwrap().elapsed())
    });
    assert_eq!((outcome.end, outcome.applied), (End::Cancelled, 0));
    assert!(outcome.status > 128, "{}", outcome.status);
    assert!(took < Duration::from_millis(300), "{took:?}");
    let left = std::path::Path::new("/proc").join(read_pid().unwrap().trim()).join("exe");
    assert!(std::fs::read_link(left).is_err(), "the background process is still there");
}

#[test]
fn a_here_document_that_the_text_ends_is_whole() {
    for (script, printed) in [
        ("cat <<E\na\n\tE", "a\n\tE\n"),
        ("cat <<-E\n\ta\n\tE", "a\n"),
        ("cat <<E\na\nE", "a\n"),
        ("cat <<E\na", "a\n"),
        ("cat <<E\nE", ""),
        ("cat <<E\n", ""),
        ("cat <<E", ""),
        ("cat <<'E'\n$x\n E", "$x\n E\n"),
        ("cat <<E; cat <<F\na\nE\nb\n\tF", "a\nb\n\tF\n"),
    ] {
        let (outcome, found, _) = walk(script, 0, false);
        assert_eq!((outcome.status, found.as_str()), (0, printed), "{script:?}");
    }
}

#[test]
fn answers_from_memory_lead_as_those_of_a_shell() {
    let script =
        "v=1\nif probe; then next_stage && a $v; else next_stage && b; fi\neverytime && c || d\nnext_stage && e\n";
    let parsed = parse(Source::new("script", script));
    let answers = |failing: &'static str| {
        let mut asked = Vec::new();
        let mut answers = Answers(|request: &Request<'_>| {
            asked.push(request.text.to_string());
            Some(i32::from(request.text.ends_with(failing.as_bytes())))
        });
        let settings = Settings::default();
        let outcome = run(&parsed.script, &settings, &mut Counted(0), &mut answers, &mut Unobserved).unwrap();
        (outcome.end == End::Finished, outcome.applied, asked)
    };
    let all = ["probe", "next_stage && a $v", "everytime && c || d", "next_stage && e"];
    assert_eq!(answers("none"), (true, 2, all.map(String::from).to_vec()));
    assert_eq!(answers("probe").2.get(1), Some(&"next_stage && b".to_owned()));
    assert_eq!(answers("d"), (false, 1, all.iter().take(3).map(|text| (*text).to_owned()).collect()));
}
