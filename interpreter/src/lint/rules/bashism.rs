//! A form that bash has, and POSIX sh does not.
//!
//! ## What it does
//! Looks for parameter expansions and commands that only bash and its like know: `${x//a/b}`, `${x:1:2}`, `${x^^}`,
//! `${x[1]}`, `${!x}`, `&>`, `[[`, `source`, `let`, `declare`, `shopt`, `pushd`.
//! Nothing is reported where `shell` in docker.conf is bash.
//!
//! ## Why
//! The shell of most containers is dash or busybox. It reads such a script without complaint, and ends the setup with
//! `Bad substitution`, or does not find the command, when it gets there.
//!
//! ## Example
//! ```sh
//! next_stage && [[ $(uname -m) == x86_64 ]]
//! ```
//!
//! ## Use instead
//! ```sh
//! next_stage && [ "$(uname -m)" = x86_64 ]
//! ```

use crate::{
    Diagnostic, Severity, Span,
    lint::{analysis::Analysis, rule::Rule},
    syntax::{
        List, Part, PartKind, SimpleCommand,
        visit::{self, Visit},
    },
};

pub(in crate::lint) const RULE: Rule =
    Rule { code: "CE080", name: "bashism", severity: Severity::Error, file: include_str!("bashism.rs"), check };

fn check(rule: &Rule, analysis: &Analysis<'_>, findings: &mut Vec<Diagnostic>) {
    if analysis.is_bash() {
        return;
    }
    let mut finder = BashismFinder { analysis, found: Vec::new() };
    finder.visit_list(analysis.list);
    let finding = |(span, what, help)| rule.finding(span, format!("{what} is not part of POSIX sh")).help(help);
    findings.extend(finder.found.into_iter().map(finding));
}

struct BashismFinder<'a, 't> {
    analysis: &'a Analysis<'t>,
    /// What was found: its place, what it is, and the POSIX form of what it is used for.
    found: Vec<(Span, String, &'static str)>,
}

impl<'t> Visit<'t> for BashismFinder<'_, '_> {
    fn visit_list(&mut self, list: &'t List) {
        for item in &list.items {
            if let Some(span) = self.analysis.redirects_both(item) {
                let what = "`&>` (here it puts the command before it in the background, and redirects nothing)";
                self.found.push((span, what.to_owned(), "write `>FILE 2>&1`"));
            }
        }
        visit::walk_list(self, list);
    }

    fn visit_simple_command(&mut self, command: &'t SimpleCommand) {
        let name = command.words.first().and_then(|word| Some((word.unquoted()?, word.span)));
        if let Some((name, span)) = name
            && let Some(help) = instead_of(name)
        {
            self.found.push((span, format!("`{name}`"), help));
        }
        visit::walk_simple_command(self, command);
    }

    fn visit_part(&mut self, part: &'t Part) {
        if let PartKind::Foreign(foreign) = &part.kind {
            let (what, help) = expansion(&foreign.text);
            self.found.push((part.span, what.to_owned(), help));
        }
        visit::walk_part(self, part);
    }
}

fn instead_of(command: &str) -> Option<&'static str> {
    Some(match command {
        "[[" => "use `[`, with quotes around expansions and `=` for `==`; for patterns use `case`",
        "source" => "use `.`, with a `/` in the file's name",
        "let" => "use `x=$((expression))`, or `[ $((expression)) -ne 0 ]`",
        "declare" | "typeset" => "use `export` or `readonly`; a plain assignment needs no word before it",
        "shopt" => "leave it out: it sets what only bash has",
        "pushd" | "popd" => "use `(cd directory && command)`",
        _ => return None,
    })
}

/// What a `${...}` is in other shells, and the POSIX form of what it is used for.
fn expansion(text: &[u8]) -> (&'static str, &'static str) {
    let inside = text.get(2..).unwrap_or_default();
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let behind_name = inside.iter().position(|byte| !is_name(byte)).and_then(|at| inside.get(at));
    match behind_name {
        Some(b'/') => ("pattern substitution", "use `sed`, or `${x%suffix}` and `${x#prefix}`"),
        Some(b':') => ("substring expansion", "use `cut -c`, or `${x%pattern}` and `${x#pattern}`"),
        Some(b'^' | b',') => ("case modification", "use `tr '[:lower:]' '[:upper:]'`"),
        Some(b'[') => ("an array element", "use the positional parameters: `set -- a b`, `\"$@\"`"),
        Some(b'!') => ("indirect expansion", "use `eval` with a name that you control"),
        Some(b'@') => ("transformation", "use `printf`, `sed` or `tr`"),
        _ => ("this parameter expansion", "write `${name}`, `${name-word}`, `${name%pattern}` or their like"),
    }
}
