//! A form that bash has, and POSIX sh does not.
//!
//! ## What it does
//! Looks for what bash and its like know, and dash or busybox does not: commands (`[[`, `source`, `let`, `declare`,
//! `shopt`, `pushd`), options of built-ins (`read -a`, `printf -v`, `echo -e`, `set -o pipefail`), expansions (`${x//a/b}`,
//! `${x:1:2}`, `${x^^}`, `{a,b}`, `$'...'`, `$[...]`), `==` in `[`, `**` and `++` in arithmetic, redirections (`&>`, `>&file`,
//! `{fd}>`), assignments (`x+=`, `x[1]=`), variables (`$RANDOM`, `$UID`), and, as errors in the syntax, arrays, `<<<`, `<(...)`,
//! `|&`, `function` and `for ((...))`. `local` is left alone: all of them have it.
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
//!
//! ## Fix safety
//! Safe: `==`, `source` of a path and `SIG` before a signal are only spelt otherwise. Everything else is left to you.

use bstr::ByteSlice;

use crate::{
    Applicability, Diagnostic, Edit, Severity, Span,
    language::is_name,
    lint::{analysis::Analysis, rule::Rule},
    syntax::{
        CompoundCommand, CompoundKind, List, Parameter, Part, PartKind, Redirection, RedirectionOperator,
        SimpleCommand, Word,
        visit::{self, Visit},
    },
};

pub(in crate::lint) const RULE: Rule =
    Rule::new("CE080", "bashism", Severity::Error, include_str!("bashism.rs"), check);

fn check(rule: &Rule, analysis: &Analysis<'_>, findings: &mut Vec<Diagnostic>) {
    if analysis.is_bash() {
        return;
    }
    let mut finder = BashismFinder { analysis, found: Vec::new() };
    finder.visit_list(analysis.list);
    for Bashism { span, what, help, edits } in finder.found {
        let finding = rule.finding(span, format!("{what} is not part of POSIX sh")).help(help);
        findings.push(match edits.is_empty() {
            true => finding,
            false => finding.fix(Applicability::Safe, edits),
        });
    }
}

/// Something that only bash and its like know.
struct Bashism {
    span: Span,
    what: String,
    /// The POSIX form of what it is used for.
    help: &'static str,
    edits: Vec<Edit>,
}

struct BashismFinder<'a, 't> {
    analysis: &'a Analysis<'t>,
    found: Vec<Bashism>,
}

impl<'t> BashismFinder<'_, 't> {
    fn add(&mut self, span: Span, what: impl Into<String>, help: &'static str) {
        self.found.push(Bashism { span, what: what.into(), help, edits: Vec::new() });
    }

    fn add_fixed(&mut self, span: Span, what: impl Into<String>, help: &'static str, edits: Vec<Edit>) {
        self.found.push(Bashism { span, what: what.into(), help, edits });
    }

    fn command(&mut self, name: &str, span: Span, command: &'t SimpleCommand) {
        let defined = self.analysis.calls.effects(name).is_some();
        if let Some(help) = instead_of(name).filter(|_| !defined) {
            match name {
                "source"
                    if command
                        .words
                        .get(1)
                        .is_some_and(|file| file.leading_text().contains(&b'/') || file.literal().is_none()) =>
                {
                    self.add_fixed(span, "`source`", help, vec![Edit::replace(span, ".")]);
                }
                _ => self.add(span, format!("`{name}`"), help),
            }
        }
        if name.split_once("+=").is_some_and(|(name, _)| is_name(name.as_bytes())) {
            self.add(span, "`+=`", "write `x=\"${x}MORE\"`");
        }
        let element = name.split_once('[').filter(|(name, rest)| is_name(name.as_bytes()) && rest.contains("]="));
        if element.is_some() {
            self.add(span, "an array", "use the positional parameters: `set -- a b c`, then `\"$@\"`");
        }
    }

    fn words(&mut self, name: &str, command: &'t SimpleCommand) {
        let words = command.words.get(1..).unwrap_or_default();
        if matches!(name, "[" | "test") {
            return self.test(words);
        }
        if name == "set" {
            return self.set(words);
        }
        for (index, word) in words.iter().enumerate() {
            let Some(text) = word.literal().and_then(|text| String::from_utf8(text.into()).ok()) else { continue };
            let is_option = text.starts_with('-') && text.len() > 1;
            let before = words.get(..index).unwrap_or_default();
            let are_options = before.iter().all(|word| word.leading_text().starts_with(b"-"));
            let has = |letters: &str| {
                is_option && are_options && !text.starts_with("--") && text.contains(|letter| letters.contains(letter))
            };
            match name {
                "echo" if are_options && matches!(text.as_str(), "-e" | "-E" | "-ne" | "-en" | "-nE") => {
                    self.add(word.span, format!("`echo {text}`"), "use `printf '%b\\n'`, or `printf 'TEXT\\n'`");
                }
                "printf" if text == "-v" && index == 0 => self.add(word.span, "`printf -v`", "write `x=$(printf ...)`"),
                "printf" if index == 0 && (text.contains("%q") || text.contains("%(")) => {
                    self.add(word.span, "this conversion of `printf`", "use `date +FORMAT`, or quote what is printed");
                }
                "read" if has("adeinNtsu") => {
                    self.add(word.span, format!("`read {text}`"), "use `read -r`, with the names of variables")
                }
                "trap" if index > 0 && matches!(text.as_str(), "ERR" | "DEBUG" | "RETURN") => {
                    self.add(word.span, format!("`trap` on `{text}`"), "use `set -e`, and `trap ... EXIT`");
                }
                "trap" | "kill"
                    if text.trim_start_matches('-').starts_with("SIG")
                        && text.len() > 4
                        && (name == "kill" || index > 0) =>
                {
                    let at = word.span.start + u32::from(is_option);
                    let edits = vec![Edit::replace(Span { start: at, end: at + 3 }, "")];
                    self.add_fixed(word.span, format!("`{text}`"), "leave `SIG` out", edits);
                }
                "export" if has("fn") => {
                    self.add(word.span, format!("`export {text}`"), "put the function into a script of its own")
                }
                "unset" if has("n") => self.add(word.span, "`unset -n`", "use plain variables"),
                "wait" if has("nfp") => {
                    self.add(word.span, format!("`wait {text}`"), "write `wait \"$pid\"` for each process")
                }
                "type" if has("tpaPf") => self.add(word.span, format!("`type {text}`"), "use `command -v`"),
                "exec" if matches!(text.as_str(), "-a" | "-c" | "-l") && are_options => {
                    self.add(word.span, format!("`exec {text}`"), "use `env`");
                }
                "cd" if matches!(text.as_str(), "-e" | "-@") => {
                    self.add(word.span, format!("`cd {text}`"), "use `cd -P`")
                }
                "hash" if has("tldp") => self.add(word.span, format!("`hash {text}`"), "use `command -v`"),
                _ => {}
            }
        }
        if name == "read" && words.iter().all(|word| word.leading_text().starts_with(b"-")) {
            self.add(command.span, "`read` without a variable", "name one: `read -r line`");
        }
    }

    fn test(&mut self, words: &'t [Word]) {
        let text = |index: usize| words.get(index).and_then(Word::unquoted);
        for (index, word) in words.iter().enumerate() {
            match word.unquoted() {
                Some("==") => {
                    let edits = vec![Edit::replace(word.span, "=")];
                    self.add_fixed(word.span, "`==` in `[`", "write `=`", edits);
                }
                Some("=~") => self.add(word.span, "`=~`", "use `case`, or `grep -Eq`"),
                Some("-v" | "-R") if index == 0 || text(index - 1) == Some("!") => {
                    self.add(word.span, "`-v` in `[`", "write `[ -n \"${x+set}\" ]`");
                }
                Some("-a") if index == 0 || text(index - 1) == Some("!") => {
                    self.add(word.span, "`-a FILE` in `[`", "write `-e FILE`")
                }
                Some("-N") if index == 0 => self.add(word.span, "`-N` in `[`", "use `find FILE -newer OTHER`"),
                _ => {}
            }
        }
    }

    fn set(&mut self, words: &'t [Word]) {
        const POSIX: [&str; 16] = [
            "allexport",
            "errexit",
            "emacs",
            "hashall",
            "ignoreeof",
            "monitor",
            "noclobber",
            "noexec",
            "noglob",
            "nolog",
            "notify",
            "nounset",
            "verbose",
            "vi",
            "xtrace",
            "interactive",
        ];
        let mut takes_name = false;
        for word in words {
            let Some(text) = word.unquoted() else { break };
            if std::mem::take(&mut takes_name) {
                if !POSIX.contains(&text) {
                    let help = if text == "pipefail" {
                        "write to a file instead of a pipeline, or name a shell that has it in docker.conf"
                    } else {
                        "leave it out: it sets what only bash has"
                    };
                    self.add(word.span, format!("`set -o {text}`"), help);
                }
                continue;
            }
            let Some(letters) = text.strip_prefix(['-', '+']).filter(|letters| !letters.starts_with('-')) else {
                break;
            };
            takes_name = letters.ends_with('o');
            if let Some(letter) = letters.chars().find(|letter| "BEHPTkprt".contains(*letter)) {
                self.add(word.span, format!("`set -{letter}`"), "leave it out: it sets what only bash has");
            }
        }
    }

    /// Forms that show in the unquoted text of a word.
    fn text(&mut self, word: &'t Word) {
        let mut plain = Vec::new();
        for (index, part) in word.parts.iter().enumerate() {
            let PartKind::Literal(text) = &part.kind else {
                plain.push(b'_');
                continue;
            };
            plain.extend_from_slice(text);
            let next = word.parts.get(index + 1).map(|part| &part.kind);
            if text.ends_with(b"$") && matches!(next, Some(PartKind::SingleQuoted(_) | PartKind::DoubleQuoted(_))) {
                let span = Span {
                    start: part.span.end - 1,
                    end: word.parts.get(index + 1).map_or(part.span.end, |part| part.span.end),
                };
                let is_single = matches!(next, Some(PartKind::SingleQuoted(_)));
                let what = if is_single { "`$'...'`" } else { "`$\"...\"`" };
                self.add(span, what, "use `printf`: `x=$(printf '\\t')`");
            }
            if let Some(at) = text.find("$[") {
                let start = part.span.start + at as u32;
                self.add(Span { start, end: start + 2 }, "`$[...]`", "write `$((...))`");
            }
            if text.contains_str("[^") {
                self.add(part.span, "`[^...]`", "write `[!...]`");
            }
        }
        if has_braces(&plain) {
            self.add(word.span, "`{a,b}`", "write the words out, or use a loop");
        }
    }
}

impl<'t> Visit<'t> for BashismFinder<'_, 't> {
    fn visit_list(&mut self, list: &'t List) {
        for item in &list.items {
            if let Some(span) = self.analysis.redirects_both(item) {
                let what = "`&>` (here it puts the command before it in the background, and redirects nothing)";
                self.add(span, what, "write `>FILE 2>&1`");
            }
        }
        visit::walk_list(self, list);
    }

    fn visit_simple_command(&mut self, command: &'t SimpleCommand) {
        let name = command.words.first().and_then(|word| Some((word.unquoted()?, word.span)));
        if let Some((name, span)) = name {
            self.command(name, span, command);
            self.words(name, command);
        }
        for (index, word) in command.words.iter().enumerate() {
            let is_whole = name.is_some_and(|(name, _)| name == "[[");
            if !is_whole {
                self.text(word);
            }
            let next = command.redirections.iter().find(|redirection| redirection.span.start == word.span.end);
            let is_descriptor =
                word.unquoted().is_some_and(|text| text.starts_with('{') && text.ends_with('}') && text.len() > 2);
            if is_descriptor && next.is_some() && index > 0 {
                self.add(word.span, "`{NAME}>`", "write the number of a descriptor: `3>`");
            }
        }
        visit::walk_simple_command(self, command);
    }

    fn visit_compound_command(&mut self, command: &'t CompoundCommand) {
        // `((` is one word to bash; to others, a subshell in a subshell.
        if let CompoundKind::Subshell(_) = &command.kind
            && self.analysis.source.slice(command.span).starts_with(b"((")
        {
            let span = Span { start: command.span.start, end: command.span.start + 2 };
            self.add(span, "`((...))`", "write `x=$((...))`, or `[ $((...)) -ne 0 ]`");
        }
        if let CompoundKind::Case(command) = &command.kind {
            let patterns = command.items.iter().flat_map(|item| &item.patterns);
            let inverted = |part: &&Part| matches!(&part.kind, PartKind::Literal(text) if text.contains_str("[^"));
            for part in patterns.flat_map(|pattern| &pattern.parts).filter(inverted) {
                self.add(part.span, "`[^...]`", "write `[!...]`");
            }
        }
        if let CompoundKind::For(command) = &command.kind {
            command.words.iter().flatten().for_each(|word| self.text(word));
        }
        visit::walk_compound_command(self, command);
    }

    fn visit_redirection(&mut self, redirection: &'t Redirection) {
        let target = redirection.target.literal();
        let is_number = |text: &[u8]| {
            text == b"-"
                || text.iter().all(u8::is_ascii_digit)
                || text.strip_suffix(b"-").is_some_and(|number| number.iter().all(u8::is_ascii_digit))
        };
        if redirection.operator == RedirectionOperator::DuplicateOutput
            && target.as_ref().is_some_and(|text| !is_number(text))
        {
            self.add(redirection.span, "`>&FILE`", "write `>FILE 2>&1`");
        }
        if target.is_some_and(|text| text.starts_with(b"/dev/tcp/") || text.starts_with(b"/dev/udp/")) {
            self.add(redirection.span, "`/dev/tcp`", "use `nc` or `curl`");
        }
        visit::walk_redirection(self, redirection);
    }

    fn visit_part(&mut self, part: &'t Part) {
        match &part.kind {
            PartKind::Foreign(foreign) => {
                let (what, help) = expansion(&foreign.text);
                self.add(part.span, what, help);
            }
            PartKind::Arithmetic(parts) => {
                for part in parts {
                    let PartKind::Literal(text) = &part.kind else { continue };
                    let operator = ["**", "++", "--"].into_iter().find(|operator| text.contains_str(operator));
                    if let Some(operator) = operator {
                        self.add(part.span, format!("`{operator}` in arithmetic"), "write `x * x`, and `$((x + 1))`");
                    }
                }
            }
            PartKind::Parameter(expansion) => {
                if let Parameter::Variable(name) = &expansion.parameter
                    && is_bash_variable(name)
                    && !self.analysis.has_variable(name)
                {
                    self.add(
                        part.span,
                        format!("`${name}`"),
                        "use `id -u`, `date +%s`, or `awk 'BEGIN { srand(); print rand() }'`",
                    );
                }
            }
            _ => {}
        }
        visit::walk_part(self, part);
    }
}

/// Whether bash would make several words of a text: `{a,b}`, `{1..3}`.
fn has_braces(text: &[u8]) -> bool {
    let mut open: Option<usize> = None;
    for (at, byte) in text.iter().enumerate() {
        match byte {
            b'{' => open = Some(at),
            b'}' => {
                let inside = open.take().and_then(|open| text.get(open + 1..at)).unwrap_or_default();
                if inside.contains(&b',')
                    || inside.split_once_str("..").is_some_and(|(from, to)| is_end(from) && is_end(to))
                {
                    return true;
                }
            }
            _ => {}
        }
    }
    false
}

/// Whether a text may be an end of `{1..3}`.
fn is_end(text: &[u8]) -> bool {
    let number = text.strip_prefix(b"-").unwrap_or(text);
    !number.is_empty()
        && (number.iter().all(u8::is_ascii_digit) || matches!(text, [letter] if letter.is_ascii_alphabetic()))
}

fn instead_of(command: &str) -> Option<&'static str> {
    Some(match command {
        "[[" => "use `[`, with quotes around expansions and `=` for `==`; for patterns use `case`",
        "source" => "use `.`, with a `/` in the file's name",
        "let" => "use `x=$((expression))`, or `[ $((expression)) -ne 0 ]`",
        "declare" | "typeset" => "use `export` or `readonly`; a plain assignment needs no word before it",
        "shopt" => "leave it out: it sets what only bash has",
        "pushd" | "popd" | "dirs" => "use `(cd directory && command)`",
        "mapfile" | "readarray" => "use `while read -r line; do ...; done < FILE`",
        "select" => "nobody can choose: write what is meant into the script",
        "coproc" => "use a pipeline, or `mkfifo`",
        "builtin" => "use `command`",
        "disown" | "suspend" | "logout" | "bind" | "complete" | "compgen" | "compopt" | "enable" | "caller"
        | "history" => "leave it out: it is for a shell at a terminal",
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

/// Whether this is a variable that bash sets by itself, and other shells do not.
pub(super) fn is_bash_variable(name: &str) -> bool {
    const VARIABLES: [&str; 14] = [
        "DIRSTACK",
        "EPOCHSECONDS",
        "EUID",
        "FUNCNAME",
        "GROUPS",
        "HOSTTYPE",
        "MACHTYPE",
        "OSTYPE",
        "PIPESTATUS",
        "RANDOM",
        "REPLY",
        "SECONDS",
        "SHLVL",
        "UID",
    ];
    VARIABLES.contains(&name) || name.starts_with("BASH")
}
