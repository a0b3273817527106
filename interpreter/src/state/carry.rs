//! A state and a stretch of script as one program for a fresh shell, which ends by printing the state it leaves.
//!
//! The program has three parts: a prelude that brings the shell into the state, the stretch itself, and an epilogue
//! in the EXIT trap, which prints the new state between lines that carry a nonce ([`super::frame`] reads them).
//! Only built-ins are used. A leading `\` keeps aliases away; options are set last and reset first.

use bstr::BString;

use super::{State, Value, is_own, quote};
use crate::{
    dispatch::{Hooks, Kind, Request},
    execute::edits,
    marker,
};

/// The file descriptor that keeps the frame's way out open when the stretch itself redirects standard output.
const SAVED_STDOUT: u8 = 9;

/// What a program prints around the stretch's own output.
#[derive(Clone, Debug)]
pub(crate) struct Framing {
    /// Begins the lines that separate sections; new for each program.
    pub(crate) nonce: String,
    /// Whether the program first prints what a fresh shell is like.
    pub(crate) with_baseline: bool,
}

/// The program for `request`, how to read what it prints, and the line that the stretch begins on, from 1.
pub(crate) fn compose(request: &Request<'_>, hooks: &Hooks<'_>) -> (Vec<u8>, Framing, usize) {
    let nonce = nonce();
    let framing = Framing { with_baseline: !request.state.has_baseline(), nonce };
    let mut program = Program { text: Vec::with_capacity(1024 + request.chunk.len()), state: request.state };
    program.line("\\unset BASH_EXECUTION_STRING 2>/dev/null");
    program.line(&format!("__ce_k={}", framing.nonce));
    if framing.with_baseline {
        program.line("\\echo \"$__ce_k b\"; \\set; \\echo \"$__ce_k x\"; \\export -p; \\echo \"$__ce_k u\"; \\umask");
        program
            .line("\\echo \"$__ce_k d\"; \\command pwd -L; \\echo \"$__ce_k o\"; \\echo \"$-\"; \\echo \"$__ce_k w\"");
    }
    program.variables();
    program.surroundings();
    for function in request.state.functions.values() {
        program.bytes(&edits::function_text(function, request.markers.is_some(), request.state));
    }
    for (name, value) in &request.state.aliases {
        program.bytes(&[b"\\alias ", quote(name).as_slice(), b"=", &quote(value)].concat());
    }
    program.positional();
    program.line(HELPERS);
    program.stage(request, hooks);
    program.readonly();
    program.bytes(
        &[b"__ce_arm() { \\trap -- ".as_slice(), &quote(epilogue(request).as_bytes()), b" 0; }; __ce_arm"].concat(),
    );
    if request.saves_stdout {
        program.line(&format!("\\exec {SAVED_STDOUT}>&1"));
    }
    if let Kind::Stage(number) = request.kind {
        program.line(&format!("__ce_record {number} started 0 0"));
    }
    program.options();
    let first_line = program.text.iter().filter(|byte| **byte == b'\n').count() + 1;
    program.chunk(request);
    (program.text, framing, first_line)
}

/// Functions that edits of the stretch call. `__ce_r N` sets `$?`, behind `&& :` even under `set -e`.
/// `__ce_flow` leaves the shell where the script leaves a loop or function that is walked outside.
/// `__ce_exec` runs a program in a process of its own, so that the state is still told. `__ce_trap` keeps the script's
/// own EXIT trap from replacing ours, and ours from being listed; `__ce_traps` does that in a subshell.
const HELPERS: &str = r#"__ce_r() { return "$1"; }
__ce_flow() { \set -- "$?" "$@"; __ce_w="$2 ${3-}"; case $2 in return) \exit "${3-$1}";; esac; \exit "$1"; }
__ce_exec() { \unset __ce_t; "$@"; \exit; }
__ce_traps() { \trap - 0; \trap; case ${__ce_t+t} in t) \echo "trap -- '$__ce_t' EXIT";; esac; }
__ce_trap() { case ${1-} in --) \shift;; esac; case $# in
0) __ce_traps; __ce_arm; return;; 1) \set -- - "$1";; esac
case $1 in [0-9]*) \set -- - "$@";; esac; __ce_a=$1; \shift; for __ce_q do case $__ce_q in
0|EXIT) case $__ce_a in -) \unset __ce_t;; *) __ce_t=$__ce_a;; esac;; *) \trap -- "$__ce_a" "$__ce_q";; esac; done; }"#;

struct Program<'r> {
    text: Vec<u8>,
    state: &'r State,
}

impl Program<'_> {
    fn bytes(&mut self, text: &[u8]) {
        self.text.extend_from_slice(text);
        self.text.push(b'\n');
    }

    fn line(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// Assigns and exports what differs from a fresh shell, and unsets what is gone.
    fn variables(&mut self) {
        let state = self.state;
        let fresh = |name: &str| state.fresh(name);
        let told = state.has_baseline().then_some(&state.baseline.variables);
        for (name, old) in told.into_iter().flatten() {
            let gone = state.variables.get(name).is_none_or(|new| old.exported && !new.exported);
            if gone && !is_own(name) && !state.all_unknown {
                self.line(&format!("\\unset {name} 2>/dev/null"));
            }
        }
        for (name, variable) in &state.variables {
            if is_own(name) || name == "OPTIND" || name == "OLDPWD" || fresh(name) == Some(variable) {
                continue;
            }
            if let Some(value) = &variable.value {
                self.bytes(&[name.as_bytes(), b"=", &quote(value)].concat());
            }
            if variable.exported {
                self.line(&format!("\\export {name}"));
            }
        }
    }

    /// The working directory and what goes with it, `umask`, `getopts` and traps.
    fn surroundings(&mut self) {
        let state = self.state;
        let fresh = state.has_baseline().then_some(&state.baseline);
        let not_fresh = |directory: &&BString| fresh.is_none_or(|fresh| fresh.directory != **directory);
        if let Some(directory) = state.directory.as_ref().filter(not_fresh) {
            self.bytes(&[b"\\cd -L -- ".as_slice(), &quote(directory), b" 2>/dev/null"].concat());
        }
        if let Value::Set(value) = state.variable("OLDPWD") {
            self.bytes(&[b"OLDPWD=".as_slice(), &quote(value)].concat());
        }
        if let Value::Set(value) = state.variable("OPTIND")
            && value != "1"
            && value.iter().all(u8::is_ascii_digit)
        {
            self.bytes(&[b"OPTIND=".as_slice(), value].concat());
        }
        if let Some(umask) = state.umask.as_ref().filter(|umask| fresh.is_none_or(|fresh| fresh.umask != **umask)) {
            self.bytes(&[b"\\umask ".as_slice(), umask].concat());
        }
        for (signal, action) in &state.traps {
            self.bytes(&[b"\\trap -- ".as_slice(), &quote(action), b" ", signal.as_bytes()].concat());
        }
        if let Some(action) = &state.exit_trap {
            self.bytes(&[b"__ce_t=".as_slice(), &quote(action)].concat());
        }
    }

    fn positional(&mut self) {
        if !self.state.positional.is_empty() {
            let words: Vec<Vec<u8>> = self.state.positional.iter().map(|value| quote(value)).collect();
            self.bytes(&[b"\\set -- ".as_slice(), &words.join(&b' ')].concat());
        }
    }

    /// The dispatcher's record function, and the two markers where the stretch has some.
    fn stage(&mut self, request: &Request<'_>, hooks: &Hooks<'_>) {
        if request.markers.is_some() || matches!(request.kind, Kind::Stage(_)) {
            self.bytes(&[b"__ce_record() {\n".as_slice(), hooks.record, b"\n}"].concat());
        }
        if let Some(markers) = &request.markers {
            let holds_stage = matches!(request.kind, Kind::Stage(_));
            self.bytes(&marker::functions(hooks.scratch, markers, holds_stage));
        }
    }

    fn readonly(&mut self) {
        for (name, variable) in &self.state.variables {
            if variable.readonly && !is_own(name) && self.state.fresh(name) != Some(variable) {
                self.line(&format!("\\readonly {name}"));
            }
        }
    }

    fn options(&mut self) {
        let state = self.state;
        let letters = |on: bool| {
            let fresh = |letter: &char| state.baseline.options.contains(letter);
            let is_on = |letter: &char| state.has_option(*letter);
            let differs = |letter: &char| is_on(letter) == on && fresh(letter) != on;
            super::CARRIED_OPTIONS.chars().filter(differs).collect::<String>()
        };
        if state.pipefail {
            self.line("\\set -o pipefail");
        }
        let (on, off) = match state.options {
            Some(_) => (letters(true), letters(false)),
            None => Default::default(),
        };
        let mut set = String::new();
        for (sign, letters) in [('+', off), ('-', on)] {
            if !letters.is_empty() {
                set.push_str(&format!("\\set {sign}{letters}; "));
            }
        }
        self.line(&format!("{set}__ce_r {} && :", state.status));
    }

    fn chunk(&mut self, request: &Request<'_>) {
        if request.errexit_ignored {
            self.bytes(&[b"{ ".as_slice(), &request.chunk, b"\n} && :"].concat());
        } else {
            self.bytes(&request.chunk);
        }
        self.line("{ __ce_s=$? __ce_done=1; } 2>/dev/null");
    }
}

/// The action of the EXIT trap. `__ce_x` is the status, `__ce_j` the status a chain is judged by.
fn epilogue(request: &Request<'_>) -> String {
    let mut text = String::from(
        "{ __ce_x=$? __ce_o=$- __ce_y=$$; \\set +efuvxC; \\set +a; } 2>/dev/null\n\
         case ${__ce_done-} in 1) __ce_x=$__ce_s;; esac\n\
         __ce_j=$__ce_x; case ${__ce_w-} in break*|continue*) __ce_j=0;; esac\n",
    );
    if request.markers.is_some() {
        text.push_str("__ce_ended\n");
    }
    if let Kind::Stage(number) = request.kind {
        text.push_str(&format!(
            "case $__ce_j in 0) __ce_record {number} applied 0 0;; *) __ce_record {number} failed \"$__ce_j\" 0;; esac\n"
        ));
    }
    let out = if request.saves_stdout { format!(">&{SAVED_STDOUT}") } else { String::new() };
    text.push_str(&format!(
        "__ce_n=$# __ce_i=0\n\
         while \\[ \"$#\" -gt 0 ]; do __ce_i=$((__ce_i+1)); \\eval \"__ce_p$__ce_i=\\$1\"; \\shift; done\n\
         {{ \\echo \"$__ce_k v\"; \\set; \\echo \"$__ce_k x\"; \\export -p; \\echo \"$__ce_k r\"; \\readonly -p\n\
         \\echo \"$__ce_k p\"; \\set +o; \\echo \"$__ce_k t\"; \\trap; \\echo \"$__ce_k a\"; \\alias; \\echo \"$__ce_k u\"; \\umask\n\
         \\echo \"$__ce_k d\"; \\command pwd -L; \\echo \"$__ce_k e\"; }} {out} 2>/dev/null\n"
    ));
    text
}

/// A name nobody can guess, so that no output of a script is taken for a frame.
fn nonce() -> String {
    use std::hash::{BuildHasher, Hasher, RandomState};
    let random = || RandomState::new().build_hasher().finish();
    format!("ce{:016x}{:016x}", random(), random())
}
