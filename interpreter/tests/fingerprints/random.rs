//! Random scripts: layout changes nothing, what a stage depends on changes it, and a dry run tells what a run tells.

use std::collections::BTreeSet;

use proptest::{
    collection::vec,
    prelude::*,
    sample::{select, subsequence},
    test_runner::{Config, RngSeed},
};

use super::{shown, three_ways::Case};

/// What every script begins with. In these texts `·` is a blank between words, `¶` is `;` or the end of a line, and `⏎`
/// stands behind an operator.
const BEGINNING: [&str; 2] = ["g()·{·echo·\"$B\"·$#¶}", "f()·{·g·\"$1\"·>/dev/null¶echo·$A¶}"];

/// Commands that scripts are made of.
const COMMANDS: [&str; 46] = [
    ":",
    "A=1",
    "A=2·B=$A",
    "B=\"$A-3\"",
    "A=$(echo·x¶echo·$B)",
    "export·B=2",
    "export·A",
    "unset·C",
    "C=$(cat·\"$COMPDIR/a\")",
    "read·-r·C·<\"$COMPDIR/b\"",
    "D=\"$COMPDIR/a\"",
    "cd·/usr",
    "cd·\"$COMPDIR\"",
    "cd·-·>/dev/null",
    "umask·027",
    "set·-f",
    "set·-e¶set·+e",
    "set·--·p·q",
    "set·--·\"$A\"·$(echo·r)",
    "shift·$#",
    "trap·'echo bye'·EXIT",
    "alias·l='echo x'",
    "eval·'C=4'",
    "eval·\"h() { echo $A; }\"",
    ".·\"$COMPDIR/lib\"",
    "if·[·-d·/nonexistent·]¶then·C=1¶else·C=2¶fi",
    "[·-e·/usr·]·&&⏎C=5·||⏎C=6",
    "for·i·in·1·2¶do·C=$i¶done",
    "f·y",
    "everytime·&&⏎echo·$A",
    "everytime·&&⏎C=$(cat·\"$COMPDIR/b\")",
    "everytime·&&⏎{·f·z¶C=7¶}",
    "next_stage·&&⏎echo·\"$A\"·$B",
    "next_stage·&&⏎f·x·|⏎cat",
    "next_stage·&&⏎cat·\"$COMPDIR/a\"·\"${D:-/dev/null}\"",
    "next_stage·&&⏎C=8·&&⏎cd·/bin",
    "next_stage·&&⏎{·export·B=9¶g¶}",
    "next_stage·&&⏎eval·'echo $C'",
    "next_stage·&&⏎if·true¶then·echo·$C¶else·echo·n¶fi",
    "for·i·in·1·2¶do·next_stage·&&⏎echo·$i·$C¶done",
    "for·i·in·$A·x¶do·C=$i¶next_stage·&&⏎echo·$i¶done",
    "while·[·$#·-gt·0·]¶do·next_stage·&&⏎echo·\"$1\"¶shift¶done",
    "if·[·-d·/usr·]¶then·A=3¶next_stage·&&⏎echo·$A¶fi",
    "s()·{·next_stage·&&⏎echo·\"$1\"·$C¶A=$1¶}¶s·1¶s·\"$B\"",
    "{·next_stage·&&⏎echo·$B¶}·|⏎cat",
    "(·cd·/usr¶next_stage·&&⏎pwd·)",
];

/// Something that a script has before its last stage, and another one in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Choice {
    name: &'static str,
    before: &'static str,
    after: &'static str,
}

const fn choice(name: &'static str, before: &'static str, after: &'static str) -> Choice {
    Choice { name, before, after }
}

const CHOICES: [Choice; 13] = [
    choice("variable A", "A=1", "A=2"),
    choice("exported B", "export B=1", "export B=2"),
    choice("variable C", "C=$(cat \"$COMPDIR/c\")", "C=$(cat \"$COMPDIR/d\")"),
    choice("function g", "g() { echo 1; }", "g() { echo 2; }"),
    choice("positional", "set -- p", "set -- q"),
    choice("directory", "cd /usr", "cd /bin"),
    choice("options", "set -f", "set -C"),
    choice("settings umask", "umask 022", "umask 027"),
    choice("settings trap", "trap 'echo a' EXIT", "trap 'echo b' EXIT"),
    choice("previous", "next_stage && X=1", "next_stage && X=2"),
    choice("", "everytime && echo 1", "everytime && echo 2"),
    choice("", "mkdir -p one", "mkdir -p two"),
    choice("", "h() { echo 1; }", "h() { echo 2; }"),
];

/// What a command is, and what it depends on.
type Use = (&'static str, &'static [&'static str]);

/// What a last stage does, and what that depends on beside what all do.
const USES: [Use; 8] = [
    ("echo \"$A\"", &["variable A"]),
    ("echo \"${B#x}\"", &["variable B"]),
    ("cat <<E\n$C\nE", &["variable C"]),
    ("g x", &["function g"]),
    ("echo \"$1\"", &["positional"]),
    ("cat \"$COMPDIR/a\"", &[]),
    ("echo '$A $B $C'", &[]),
    ("X=3", &[]),
];

/// What depends on whatever a program may look at, beside its own text.
const SEEN_BY_PROGRAMS: [&str; 5] = ["exported B", "directory", "options", "settings umask", "settings trap"];

fn files() -> Case {
    let files = ["a", "b", "c", "d"].map(|name| (name.to_owned(), format!("{name}\n")));
    Case { files: files.into_iter().chain([("lib".to_owned(), "C=lib\n".to_owned())]).collect(), ..Case::default() }
}

/// A script in a layout that is told by numbers.
fn laid_out(commands: &[&str], layout: &[usize]) -> String {
    let mut numbers = layout.iter().cycle();
    let mut one_of = |texts: &[&str]| texts[numbers.next().unwrap() % texts.len()].to_owned();
    let mut text = String::new();
    for command in BEGINNING.iter().chain(commands) {
        text += &one_of(&["", "", "# A comment.\n", "\n\n", "  "]);
        for letter in command.chars() {
            text += &match letter {
                '·' => one_of(&[" ", " ", "  ", "\t", " \\\n  "]),
                '¶' => one_of(&["; ", "\n", "\n  ", " # Why.\n\n", " ;\n"]),
                '⏎' => one_of(&[" ", " ", "\n  ", " # And then.\n"]),
                letter => letter.to_string(),
            };
        }
        text += &one_of(&["\n", "\n", " # Done.\n", "\n\n", " \n"]);
    }
    text
}

fn commands() -> impl Strategy<Value = Vec<&'static str>> {
    vec(select(COMMANDS.to_vec()), 1..9)
}

/// A script of some choices in any order and a stage, with one of the choices changed.
fn changed() -> impl Strategy<Value = (Vec<Choice>, usize, Vec<Use>)> {
    let choices = subsequence(CHOICES.to_vec(), 1..=CHOICES.len()).prop_shuffle();
    let uses = subsequence(USES.to_vec(), 1..=3);
    (choices, any::<usize>(), uses).prop_map(|(choices, at, uses)| {
        let at = at % choices.len();
        (choices, at, uses)
    })
}

/// What the last stage must differ in.
fn expected(choices: &[Choice], at: usize, uses: &[Use]) -> BTreeSet<String> {
    let is_used = |name: &str| uses.iter().any(|(_, names)| names.contains(&name));
    let place = |name: &str| choices.iter().position(|choice| choice.name == name);
    let changed = choices[at].name;
    let mut found = BTreeSet::new();
    let by_all = SEEN_BY_PROGRAMS.contains(&changed) || changed == "previous";
    if by_all || is_used(changed) {
        found.insert(changed.to_owned());
    }
    if SEEN_BY_PROGRAMS.contains(&changed) && place("previous").is_some_and(|stage| stage > at) {
        found.insert("previous".to_owned());
    }
    if changed == "exported B" && is_used("variable B") {
        found.insert("variable B".to_owned());
    }
    // What a program printed follows what it could see.
    if SEEN_BY_PROGRAMS.contains(&changed) && is_used("variable C") && place("variable C").is_some_and(|c| c > at) {
        found.insert("variable C".to_owned());
    }
    found
}

fn script(choices: &[Choice], changed: Option<usize>, uses: &[Use]) -> String {
    let line = |(index, choice): (usize, &Choice)| if changed == Some(index) { choice.after } else { choice.before };
    let lines: Vec<&str> = choices.iter().enumerate().map(line).collect();
    let stage: String = uses.iter().map(|(text, _)| format!("{text}\n")).collect();
    format!("{}\nnext_stage && {{\n{stage}}}\n", lines.join("\n"))
}

/// The same scripts on each run; with `PROPTEST_CASES` as many others.
fn config(cases: u32) -> Config {
    let mut config = Config { failure_persistence: None, max_shrink_iters: 2000, ..Config::default() };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        (config.cases, config.rng_seed) = (cases, RngSeed::Fixed(1));
    }
    config
}

proptest! {
    #![proptest_config(config(300))]

    #[test]
    fn layout_changes_nothing(commands in commands(), one in vec(any::<usize>(), 40), other in vec(any::<usize>(), 40)) {
        let (one, other) = (laid_out(&commands, &one), laid_out(&commands, &other));
        let hashes = |script: &str| Case { script: script.to_owned(), ..files() }.planned();
        let (first, second) = (hashes(&one).map_err(TestCaseError::fail)?, hashes(&other).map_err(TestCaseError::fail)?);
        prop_assert_eq!(first.hashes(), second.hashes(), "{}\n---\n{}", one, other);
    }

    #[test]
    fn a_stage_changes_with_what_it_depends_on_and_with_nothing_else((choices, at, uses) in changed()) {
        let told = |changed: Option<usize>| {
            let case = Case { script: script(&choices, changed, &uses), ..files() };
            let (_, last) = case.planned().unwrap().stages.pop_last().unwrap();
            last
        };
        let (before, after) = (told(None), told(Some(at)));
        let found: BTreeSet<String> = after.differences(&before.parts).iter().map(shown).collect();
        prop_assert_eq!(&found, &expected(&choices, at, &uses), "{:?} in {}", choices[at], script(&choices, None, &uses));
        prop_assert_eq!(found.is_empty(), before.hash == after.hash);
    }
}

proptest! {
    #![proptest_config(config(40))]

    #[test]
    fn a_dry_run_tells_what_a_run_tells(commands in commands(), layout in vec(any::<usize>(), 40)) {
        let script = laid_out(&commands, &layout);
        let told = Case { script: script.clone(), ..files() }.told();
        prop_assert!(told.is_ok(), "{}: {}", script, told.unwrap_err());
    }
}
