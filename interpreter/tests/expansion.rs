//! Random words with random variables: what is expanded without a shell is what every shell makes of it.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::{
    io::Write as _,
    process::{Command, Stdio},
    sync::LazyLock,
};

use bstr::{BString, ByteSlice};
use compeval_interpreter::{
    Settings, Source, State,
    dispatch::local::Local,
    execute::Unobserved,
    expand::{expand_fields, expand_value, matches_pattern},
    parse,
    program::Hooks,
    run,
    stage::Counted,
    syntax::{self, CompoundKind, SimpleCommand},
};
use proptest::{
    collection::vec,
    option,
    prelude::*,
    sample::select,
    test_runner::{Config, RngSeed},
};

const SHELLS: [&[&str]; 3] = [&["dash"], &["bash", "--posix"], &["busybox", "sh"]];

/// Commands that a case may begin with, and the state they leave.
static BEGINNINGS: LazyLock<Vec<(&str, State)>> = LazyLock::new(|| {
    let texts = ["set -f", "set -f", ":", "set -fu", "unset IFS; set -f"];
    texts.into_iter().map(|text| (text, state_after(text))).collect()
});

fn state_after(text: &str) -> State {
    let script = parse(Source::new("beginning", text)).script;
    let mut local = Local::new(&["dash"], Hooks { scratch: "/nonexistent", record: None }).prepare(clean);
    run(&script, &Settings::default(), &mut Counted(0), &mut local, &mut Unobserved).unwrap().state
}

fn clean(command: &mut Command) {
    command.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", "/home/me");
}

/// What a word is expanded for.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// `command WORD`
    Argument,
    /// `name=WORD`
    Assignment,
    /// `case VALUE in WORD)`, where the value is that of `x`.
    Pattern,
}

#[derive(Clone, Debug)]
struct Case {
    place: Place,
    word: String,
    beginning: usize,
    separators: Option<BString>,
    variables: Vec<(&'static str, BString)>,
    positional: Vec<BString>,
    status: i32,
}

impl Case {
    fn state(&self) -> State {
        let mut state = BEGINNINGS[self.beginning].1.clone();
        for (name, value) in &self.variables {
            assert!(state.assign(name, value.clone()));
        }
        if let Some(separators) = &self.separators {
            assert!(state.assign("IFS", separators.clone()));
        }
        state.positional.clone_from(&self.positional);
        state.status = self.status;
        state
    }

    /// What comes out of the word; `None` when a shell is needed for it.
    fn by_us(&self) -> Option<Vec<BString>> {
        let state = self.state();
        let parsed = parse(Source::new("case", self.command()));
        assert!(parsed.errors.is_empty(), "{}: {:?}", self.command(), parsed.errors);
        match &parsed.script.list.items[0].and_or.first.commands[0] {
            syntax::Command::Simple(SimpleCommand { assignments, words, .. }) => match assignments.first() {
                Some(assignment) => Some(vec![expand_value(&assignment.value, &state).ok()?]),
                None => expand_fields(&words[1..], &state).ok(),
            },
            syntax::Command::Compound(command) => {
                let CompoundKind::Case(case) = &command.kind else { unreachable!("{}", self.word) };
                let subject = expand_value(&case.subject, &state).ok()?;
                let matches = matches_pattern(&case.items[0].patterns[0], &subject, &state).ok()?;
                Some(vec![if matches { "yes" } else { "no" }.into()])
            }
            syntax::Command::Function(_) => unreachable!("{}", self.word),
        }
    }

    fn command(&self) -> String {
        let word = &self.word;
        match self.place {
            Place::Argument => format!("show {word}"),
            Place::Assignment => format!("v={word}; show \"$v\""),
            Place::Pattern => format!("case $x in {word}) show yes;; *) show no;; esac"),
        }
    }

    /// The case as a script of its own, in a subshell: what it prints ends with a NUL per field.
    fn script(&self, number: usize) -> Vec<u8> {
        let mut text = format!("( {}; ", BEGINNINGS[self.beginning].0).into_bytes();
        let separators = self.separators.iter().map(|value| ("IFS", value));
        for (name, value) in self.variables.iter().map(|(name, value)| (*name, value)).chain(separators) {
            text.extend([name.as_bytes(), b"=", &quoted(value), b"; "].concat());
        }
        text.extend(b"set -- ");
        self.positional.iter().for_each(|value| text.extend([quoted(value), b" ".to_vec()].concat()));
        // Read by itself, so that a shell that reads it otherwise does not lose the next ones.
        text.extend(format!("; set_status {}; eval ", self.status).as_bytes());
        text.extend(quoted(self.command().as_bytes()));
        text.extend(format!("\n) 2>/dev/null\nprintf '%s\\0' end{number}\n").as_bytes());
        text
    }
}

fn quoted(value: &[u8]) -> Vec<u8> {
    [b"'".as_slice(), &value.replace("'", "'\\''"), b"'"].concat()
}

/// What a shell makes of each case.
fn by_shell(shell: &[&str], cases: &[&Case]) -> Vec<Vec<BString>> {
    let mut script = b"set_status() { return \"$1\"; }\nshow() { printf '%s\\0' begin \"$@\"; }\n".to_vec();
    cases.iter().enumerate().for_each(|(number, case)| script.extend(case.script(number)));
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&script).unwrap();
    let mut command = Command::new(shell[0]);
    clean(&mut command);
    command.args(&shell[1..]).arg(file.path()).stdin(Stdio::null()).stderr(Stdio::null());
    let output = command.output().unwrap().stdout;
    let mut fields = output.split(|byte| *byte == 0).map(BString::from);
    let mut answers = Vec::new();
    for number in 0..cases.len() {
        answers.push(fields.by_ref().take_while(|field| *field != format!("end{number}")).collect());
    }
    answers
}

/// Values of variables: mostly short, with all that words care for.
fn value() -> impl Strategy<Value = BString> {
    let pieces = select(vec![
        "", "a", "b", "ab", " ", "  ", "\t", "\n", ":", ",", "*", "?", "[a]", "\\", "'", "\"", "$x", "`", "~", "/",
        ".", "1", "0", "-", "7", "}",
    ]);
    let pieces = vec(pieces, 0..5).prop_map(|pieces| pieces.concat().into());
    let number = select(vec![
        "0",
        "1",
        "-3",
        "42",
        "010",
        "0x1F",
        "9223372036854775807",
        "-9223372036854775808",
        " 5",
        "+2",
        "08",
    ]);
    let bytes = vec(1u8..=255, 0..6).prop_map(BString::from);
    prop_oneof![6 => pieces, 2 => number.prop_map(BString::from), 1 => bytes]
}

fn parameter() -> impl Strategy<Value = &'static str> {
    select(vec!["x", "x", "y", "y", "n", "unset", "1", "2", "3", "#", "?", "@", "*"])
}

/// An arithmetic expression.
fn expression() -> impl Strategy<Value = String> {
    let leaf = select(vec![
        "0",
        "1",
        "2",
        "7",
        "010",
        "0x10",
        "n",
        "x",
        "unset",
        "$n",
        "${n}",
        "$#",
        "-1",
        "9223372036854775807",
        "$x",
        "$1",
    ]);
    leaf.prop_map(str::to_owned).prop_recursive(3, 12, 3, |inner| {
        let operator = select(vec![
            "+", "-", "*", "/", "%", "<<", ">>", "<", ">", "<=", ">=", "==", "!=", "&", "|", "^", "&&", "||",
        ]);
        prop_oneof![
            4 => (inner.clone(), operator, inner.clone(), any::<bool>()).prop_map(|(left, operator, right, blanks)| {
                let blank = if blanks { " " } else { "" };
                format!("{left}{blank}{operator} {right}")
            }),
            1 => inner.clone().prop_map(|inner| format!("({inner})")),
            1 => (select(vec!["-", "+", "!", "~", "- "]), inner.clone()).prop_map(|(sign, inner)| format!("{sign}({inner})")),
            1 => (inner.clone(), inner.clone(), inner).prop_map(|(a, b, c)| format!("{a}?{b}:{c}")),
        ]
    })
}

/// Parts of a word, unquoted, and the same inside double-quotes.
fn parts() -> impl Strategy<Value = (String, String)> {
    let literal = select(vec![
        "a", "b", "ab", "1", ":", "/", ".", ",", "-", "=", "*", "?", "[ab]", "[!a]", "[", "]", "!", "@", "%", "^",
        "a~", "c*",
    ])
    .prop_map(|text| (text.to_owned(), text.to_owned()));
    let escaped = select(vec!["\\a", "\\ ", "\\$", "\\*", "\\\\", "\\\"", "\\'", "\\?", "\\`", "\\[", "\\}", "\\\nb"]);
    let escaped = escaped.prop_map(|text| (text.to_owned(), text.to_owned()));
    let single = select(vec!["''", "'a'", "' '", "'a b'", "'*'", "'$x'", "'\\'", "'}'", "'a\nb'", "'[a]'"]);
    let single = single.prop_map(|text| (text.to_owned(), " b ".to_owned()));
    let arithmetic = expression().prop_map(|text| {
        let text = format!("$(({text}))");
        (text.clone(), text)
    });
    let simple = (parameter(), any::<bool>()).prop_map(|(name, braces)| {
        let text = if braces { format!("${{{name}}}") } else { format!("${name}") };
        // A name would go on with what follows.
        let text = if name.len() > 1 { format!("${{{name}}}") } else { text };
        (text.clone(), text)
    });
    let leaf = prop_oneof![4 => literal, 2 => escaped, 2 => single, 4 => simple, 2 => arithmetic];
    leaf.prop_recursive(3, 12, 3, |inner| {
        let operator = select(vec!["-", ":-", "+", ":+", "=", ":=", "?", ":?", "%", "%%", "#", "##"]);
        let word = vec(inner.clone(), 0..3).prop_map(join);
        let quoted = vec(inner, 0..3).prop_map(join).prop_map(|(_, quoted)| format!("\"{quoted}\""));
        let with_operator = (parameter(), operator, word).prop_map(|(name, operator, (plain, quoted))| {
            // In a pattern quotes count even inside double-quotes.
            let inside = if operator.contains(['%', '#']) { &plain } else { &quoted };
            (format!("${{{name}{operator}{plain}}}"), format!("${{{name}{operator}{inside}}}"))
        });
        let length = parameter().prop_map(|name| (format!("${{#{name}}}"), format!("${{#{name}}}")));
        prop_oneof![
            3 => with_operator,
            1 => length,
            2 => quoted.prop_map(|text| (text, "q".to_owned())),
        ]
    })
}

fn join(parts: Vec<(String, String)>) -> (String, String) {
    let (plain, quoted): (Vec<String>, Vec<String>) = parts.into_iter().unzip();
    (plain.concat(), quoted.concat())
}

fn case() -> impl Strategy<Value = Case> {
    let place = select(vec![Place::Argument, Place::Argument, Place::Argument, Place::Assignment, Place::Pattern]);
    let tilde = select(vec!["", "", "", "", "~", "~/"]);
    let word = (tilde, vec(parts(), 1..5).prop_map(join)).prop_map(|(tilde, (plain, _))| format!("{tilde}{plain}"));
    let separators =
        select(vec!["", ":", ": ", ",", "a", " \t\n", "\\", "b:", "\n", "0", "*", "é"]).prop_map(BString::from);
    let variables = (value(), value(), value()).prop_map(|(x, y, n)| vec![("x", x), ("y", y), ("n", n)]);
    (place, word, 0..BEGINNINGS.len(), option::of(separators), variables, vec(value(), 0..4), 0..3).prop_map(
        |(place, word, beginning, separators, variables, positional, status)| Case {
            place,
            word,
            beginning,
            separators,
            variables,
            positional,
            status,
        },
    )
}

/// A few hundred words, the same ones on each run; with `PROPTEST_CASES` as many batches of others.
fn config() -> Config {
    let mut config = Config { failure_persistence: None, max_shrink_iters: 400, ..Config::default() };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        (config.cases, config.rng_seed) = (12, RngSeed::Fixed(1));
    }
    config
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn what_is_expanded_here_is_what_shells_make_of_it(cases in vec(case(), 100)) {
        let answers: Vec<(&Case, Vec<BString>)> =
            cases.iter().filter_map(|case| Some((case, case.by_us()?))).collect();
        let answered: Vec<&Case> = answers.iter().map(|(case, _)| *case).collect();
        for shell in SHELLS {
            for ((case, ours), theirs) in answers.iter().zip(by_shell(shell, &answered)) {
                let theirs: Vec<BString> = theirs.into_iter().skip(1).collect();
                prop_assert_eq!(ours, &theirs, "{} of {:?} in {:?}", case.command(), case, shell);
            }
        }
    }
}
