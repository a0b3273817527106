//! Whatever a script is, what a dry run claims of a stage without "may" is what the run does that follows: random scripts,
//! edited between runs, with `sh`.
//!
//! `PROPTEST_CASES` goes further: a case is five dry runs, each with its run.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod ledger;

use std::{cell::Cell, collections::BTreeSet, fs, io::sink, process::Stdio};

use compeval_interpreter::{
    Place, Settings, Source,
    dispatch::{Dispatcher, Kind, dry_run::DryRun, local::Local},
    execute::{End, Event, Observer, Outcome},
    parse,
    program::{Hooks, RecordHook},
    run,
    syntax::Script,
};
use ledger::{Applied, begun};
use proptest::{
    collection::vec,
    prelude::*,
    sample::select,
    test_runner::{Config, RngSeed, TestRunner},
};
use tempfile::TempDir;

/// Chains, and calls of functions that hold one.
const CHAINS: [&str; 26] = [
    "next_stage && touch f1",
    "next_stage && touch f2",
    "next_stage && touch f3",
    "next_stage && touch f4",
    "next_stage && rm -f f1",
    "next_stage && x=1",
    "next_stage && [ -e f1 ]",
    "next_stage && { touch f5; everytime && touch f1; }",
    "next_stage && touch f6 || touch f7",
    "next_stage && false || touch f8",
    "next_stage && export PATH",
    "next_stage && exit 0",
    "next_stage && . ./lib",
    "everytime && touch f1",
    "everytime && rm -f f2",
    "everytime && x=2",
    "everytime && [ -e f2 ]",
    "everytime && next_stage && touch f9",
    "false || next_stage && touch f10",
    "true && next_stage && touch f11",
    "! next_stage && touch f13",
    "f",
    "g a",
    "next_stage && f",
    "everytime && f",
    "next_stage && f && f",
];

/// Others, most of which make something doubtful.
const OTHERS: [&str; 77] = [
    "[ -e f1 ] && next_stage && touch f12",
    "f() { next_stage && touch f31; }",
    "f() { :; }",
    "for i in 1; do f() { next_stage && touch f32; }; done",
    "[ -e f2 ] || f() { next_stage && touch f33; }",
    "k() { readonly Q=1; }; k",
    "Q=2",
    "Q=2 true",
    "y=$((08 + 1))",
    ":",
    "false",
    "[ -e f2 ]",
    "touch f1",
    "rm -f f1 f2",
    "x=1",
    "x=$(cat f1)",
    "x=$(echo a; [ -e f2 ])",
    "x=$((x + 1))",
    "y=$((8 / x))",
    "readonly R=1",
    "R=2",
    "unset R x",
    "export x=3",
    "set -e",
    "set +e",
    "set -u",
    "set -x",
    "set -- a b",
    "set -o pipefail",
    "shift",
    ": >/no/such",
    "exec 3>out",
    "exec 4<f1",
    "echo $U $x",
    ": ${x:?}",
    "g a | cat",
    "unset -f f",
    "alias t=touch",
    "alias f=true",
    "eval 'x=1'",
    "eval \"$e\"",
    "e='next_stage && touch f14'",
    "[ -e f1 ] || exit 3",
    "[ -e f1 ] && return",
    "trap 'touch f1' EXIT",
    ". ./lib",
    "[ -e f2 ] && f() { :; }",
    "[ -e f2 ] && unset -f f",
    "[ -e f2 ] && alias f=true",
    "[ -e f1 ] && set -e",
    "[ -e f1 ] && readonly x",
    "eval 'f() { :; }'",
    "h=$(cat f1); eval \"f() { :; }$h\"",
    "( f; set -e; false; f )",
    "x=$(f)",
    "f & wait",
    "f && f",
    "f || g b",
    "trap 'exit 0' USR1; kill -USR1 $$",
    "exec true",
    "return 1",
    "command eval 'x=2'",
    "for i in 1 2; do [ -e f2 ] && break; next_stage && touch f15; done",
    "while :; do next_stage && touch f16; break; done",
    "for i in 1 2 3; do next_stage && touch f17 && continue; next_stage && touch f18; done",
    "while read -r l; do next_stage && touch f19; done <out",
    "while read -r l; do f; done </dev/null",
    "for x in 1 2; do f; [ -e f2 ] && return; done",
    "cd /no/such",
    "cd / && cd -",
    "set -- $(ls)",
    "[ $# -gt 1 ] && next_stage && touch f24",
    "[ \"$x\" = 1 ] && next_stage && touch f25",
    "until [ -e f1 ]; do touch f1; next_stage && touch f26; done",
    "echo \"${y:=$x}\"",
    "x=$y y=$x",
    "kill -0 $$",
];

/// What commands stand in; none of it calls itself.
const AROUND: [&str; 26] = [
    "if [ -e f1 ]; then @; fi",
    "if [ -e f2 ]; then @; else @; fi",
    "if true; then @; fi",
    "if next_stage && touch f20; then @; fi",
    "if @; then :; fi",
    "for i in 1 2; do @; done",
    "for i in $x; do @; done",
    "i=0; while [ $i -lt 2 ]; do @; i=$((i + 1)); done",
    "while [ ! -e f3 ]; do @; touch f3; done",
    "case $x in 1) @;; a*) @;; *) :;; esac",
    "{ @; @; }",
    "( @; @ )",
    "{ @; } >/dev/null",
    "{ @; } >out",
    "( @ ) </no/such",
    "if [ -e f2 ]; then f() { :; }; else @; fi",
    "@ && next_stage && touch f22",
    "@ || next_stage && touch f23",
    "if ! @; then @; fi",
    "while next_stage && touch f21; do @; break; done",
    "case $x in 1) @; ;; *) @ ;; esac",
    "[ -e f1 ] && { @; @; }",
    "x=$(@)",
    "@ | cat",
    "h() { @; }; h",
    "eval '@'",
];

/// Scripts are short: most constructs stand near others.
const MOST_COMMANDS: usize = 7;
const EDITS: usize = 5;

fn command() -> impl Strategy<Value = String> {
    let chain = || select(CHAINS.to_vec());
    let plain = move || prop_oneof![3 => chain(), 1 => select(OTHERS.to_vec())].prop_map(str::to_owned);
    plain().prop_recursive(2, 8, 2, move |inner| {
        let around = (select(AROUND.to_vec()), inner.clone(), inner)
            .prop_map(|(around, one, other)| around.replacen('@', &one, 1).replace('@', &other));
        prop_oneof![5 => plain(), 1 => around]
    })
}

/// How a script is edited: where, whether what stands there goes, and what is put there.
type Edit = (usize, bool, Option<String>);

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    vec((any::<usize>(), any::<bool>(), proptest::option::of(command())), EDITS)
}

fn edited(mut commands: Vec<String>, (at, goes, new): &Edit) -> Vec<String> {
    let at = at % (commands.len() + 1);
    if *goes && at < commands.len() {
        commands.remove(at);
    }
    if let Some(new) = new {
        commands.insert(at, new.clone());
    }
    commands
}

fn text(commands: &[String]) -> String {
    let beginning = "f() { next_stage && touch f30; }\ng() { x=$1; f; }\n";
    beginning.to_owned() + &commands.iter().map(|command| format!("{command}\n")).collect::<String>()
}

/// A place that scripts run in, and what was recorded there.
struct Container {
    directory: TempDir,
    state: TempDir,
    applied: Applied,
}

/// What a dry run says of each stage.
#[derive(Debug, Default)]
struct Claims {
    kept: BTreeSet<u32>,
    will: BTreeSet<u32>,
    may: BTreeSet<u32>,
    /// Whether it is known which stages there are.
    is_counted: bool,
}

impl Claims {
    fn is_sure(&self) -> bool {
        self.is_counted && self.may.is_empty()
    }

    fn stage(&mut self, kind: Kind, is_applied: bool, depends_on: Option<&Place>) {
        let Kind::Stage(number) = kind else { return };
        let stages = match (depends_on, is_applied) {
            (Some(_), _) => &mut self.may,
            (None, true) => &mut self.kept,
            (None, false) => &mut self.will,
        };
        stages.insert(number);
    }
}

impl Observer for Claims {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Skipped { number, depends_on, .. } => self.stage(Kind::Stage(number), true, depends_on),
            Event::Started { request, depends_on } => self.stage(request.kind, false, depends_on),
            Event::Inside { kind, is_applied, depends_on, .. } => self.stage(kind, is_applied, depends_on),
            Event::Ended { .. } => {}
        }
    }
}

impl Container {
    fn new() -> Container {
        let container = Container {
            directory: tempfile::tempdir().unwrap(),
            state: tempfile::tempdir().unwrap(),
            applied: Applied::default(),
        };
        fs::write(container.directory.path().join("lib"), "next_stage && touch f40\nx=5\n").unwrap();
        container
    }

    fn walk(&mut self, script: &Script, dispatcher: &mut dyn Dispatcher, observer: &mut dyn Observer) -> Outcome {
        run(script, &Settings::default(), &mut self.applied, dispatcher, observer).unwrap()
    }

    /// What is claimed; and whether another container is needed.
    fn claims(&mut self, script: &Script) -> (Claims, bool) {
        let mut claims = Claims::default();
        let outcome = self.walk(script, &mut DryRun, &mut claims);
        claims.is_counted = outcome.hits_depend_on.is_none();
        (claims, matches!(outcome.end, End::Diverged { .. }))
    }

    /// Runs a script; gives the stages that were begun.
    fn run(&mut self, script: &Script) -> (Outcome, BTreeSet<u32>) {
        let records = self.state.path().join("records");
        drop(fs::remove_file(&records));
        let (directory, scratch) = (self.directory.path().to_owned(), self.state.path().to_owned());
        let record = RecordHook { file: records.to_str().unwrap(), started: &[] };
        let hooks = Hooks { scratch: scratch.to_str().unwrap(), record: Some(record) };
        let mut shell = Local::new(&["sh"], hooks).output(sink()).errors(sink()).prepare(|command| {
            command.current_dir(&directory).stdin(Stdio::null());
        });
        let outcome = self.walk(script, &mut shell, &mut Claims::default());
        let begun = begun(&records);
        self.applied.stages.extend(begun.iter().filter(|(number, _)| *number <= outcome.applied).cloned());
        (outcome, begun.into_iter().map(|(number, _)| number).collect())
    }

    /// Holds what is claimed of a script against a run of it.
    fn check(&mut self, script: &Script, counts: &Counts) -> Result<(), String> {
        let (claims, is_left) = self.claims(script);
        counts.sure.set(counts.sure.get() + claims.kept.len() + claims.will.len());
        counts.perhaps.set(counts.perhaps.get() + claims.may.len());
        let (outcome, begun) = self.run(script);
        let diverged = matches!(outcome.end, End::Diverged { .. });
        // Behind a chain that fails nothing is reached, and nothing is claimed of that.
        let has_failed = matches!(outcome.end, End::ChainFailed { .. });
        let wrong = |what: &str, stages: &dyn std::fmt::Debug| {
            let Outcome { end, hits, applied, .. } = &outcome;
            Err(format!("{what} {stages:?}: {claims:?}, {hits} hits, {applied} applied, {end:?}"))
        };
        if is_left != diverged && !has_failed && (is_left || claims.is_sure()) {
            return wrong("another container is needed", &diverged);
        }
        if diverged {
            *self = Container::new();
            return if is_left { self.check(script, counts) } else { Ok(()) };
        }
        let reached = |number: &&u32| !has_failed || **number <= outcome.hits;
        let missing: Vec<&u32> = claims.will.iter().filter(reached).filter(|number| !begun.contains(number)).collect();
        if !missing.is_empty() {
            return wrong("to run, and did not", &missing);
        }
        let run: Vec<&u32> = claims.kept.intersection(&begun).collect();
        if !run.is_empty() {
            return wrong("to stay, and ran", &run);
        }
        let untold: Vec<&u32> = begun.iter().filter(|number| !claims.will.contains(number)).collect();
        if !untold.is_empty() && claims.is_sure() {
            return wrong("not told of, and ran", &untold);
        }
        Ok(())
    }
}

/// The same scripts on each run; with `PROPTEST_CASES` as many others.
fn config() -> Config {
    let mut config = Config { failure_persistence: None, max_shrink_iters: 500, ..Config::default() };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        (config.cases, config.rng_seed) = (60, RngSeed::Fixed(1));
    }
    config
}

/// How many claims were made, and of how many stages it was said that they may run.
#[derive(Default)]
struct Counts {
    sure: Cell<usize>,
    perhaps: Cell<usize>,
}

#[test]
fn a_claim_without_may_is_never_wrong() {
    let counts = Counts::default();
    let scripts = (vec(command(), 1..MOST_COMMANDS), edits());
    let tried = TestRunner::new(config()).run(&scripts, |(mut commands, edits)| {
        let mut container = Container::new();
        let mut told = String::new();
        for edit in edits {
            let text = text(&commands);
            told += &format!("---\n{text}");
            let parsed = parse(Source::new("docker-setup.sh", text));
            prop_assume!(parsed.errors.is_empty());
            let checked = container.check(&parsed.script, &counts);
            prop_assert!(checked.is_ok(), "{}\n{}", told, checked.unwrap_err());
            commands = edited(commands, &edit);
        }
        Ok(())
    });
    println!("{} claims, and {} stages that may run", counts.sure.get(), counts.perhaps.get());
    if let Err(error) = tried {
        panic!("{error}");
    }
}
