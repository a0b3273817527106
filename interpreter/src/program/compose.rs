//! A state and a stretch of script as one program for a fresh shell, which ends by printing the state it leaves.
//!
//! The program has three parts: a prelude that brings the shell into the state, the stretch itself, and an epilogue
//! in the EXIT trap, which prints the new state between lines that carry a nonce ([`super::frame`] reads them).
//! Only built-ins are used. A leading `\` keeps aliases away, `command` functions; options are set last and reset first.

use std::sync::Arc;

use bstr::{BString, ByteSlice};

use super::{
    edits, markers,
    messages::Origins,
    record::{self, Hooks},
};
use crate::{
    Source,
    dispatch::request::{Kind, Line, Request},
    language::quoting::quote,
    state::{Aliases, CARRIED_OPTIONS, Function, State, Value, Variable},
    text::nonce,
};

/// What a program prints around the stretch's own output.
#[derive(Clone, Debug)]
pub(crate) struct Framing {
    /// Begins the lines that separate sections; new for each program.
    pub(crate) nonce: String,
    /// Whether the program first prints what a fresh shell is like.
    pub(crate) with_baseline: bool,
    /// Begins the name of a directory of ours that takes the place of a working directory that nobody can enter any more.
    pub(crate) nowhere: String,
}

/// The program for a request, how to read what it prints, and where its lines come from.
pub(crate) struct Composed {
    pub(crate) text: Vec<u8>,
    /// The program that prints the frame which the first one could not print.
    pub(crate) rest: Vec<u8>,
    pub(crate) framing: Framing,
    pub(crate) origins: Origins,
}

pub(crate) fn compose(request: &Request<'_>, hooks: &Hooks<'_>) -> Composed {
    let nonce = nonce();
    let files = format!("{}/{nonce}", hooks.scratch);
    let frame_file = quote(format!("{files}.frame").as_bytes()).to_str_lossy().into_owned();
    let framing = Framing { with_baseline: !request.state.has_baseline(), nonce, nowhere: format!("{files}.d") };
    let text = Vec::with_capacity(4096 + request.chunk.text.len());
    let mut program = Composer { text, lines: 0, origins: Vec::new(), state: request.state };
    program.line("\\unset BASH_EXECUTION_STRING 2>/dev/null");
    program.line(&format!("__ce_k={}", framing.nonce));
    if framing.with_baseline {
        program.line("\\command echo \"$__ce_k b\"; \\set; \\command echo \"$__ce_k x\"; \\export -p; \\command echo \"$__ce_k u\"; \\command umask");
        program
            .line("\\command echo \"$__ce_k d\"; \\command pwd -L; \\command echo \"$__ce_k o\"; \\command echo \"$-\"; \\command echo \"$__ce_k w\"");
    }
    program.variables();
    program.surroundings(&framing.nowhere);
    program.line(HELPERS);
    program.hushed(&[
        "__ce_flow",
        "__ce_exec",
        "__ce_living",
        "__ce_text",
        "__ce_file",
        "__ce_dynamic",
        "__ce_opening",
        "__ce_opened",
        "__ce_defined",
        "__ce_gone",
        "ulimit",
        "__ce_traps",
        "__ce_trap",
        "next_stage",
        "everytime",
    ]);
    program.traps();
    program.line("__ce_out 1; __ce_1=$__ce_h; __ce_out 2; __ce_2=$__ce_h");
    program.stage(request, hooks, &files);
    if let Kind::Stage(number) = request.kind {
        program.line(&format!("__ce_record {number} started 0 0"));
    }
    if let Some(command) = record::repeated(hooks.record.as_ref(), &request.repeated) {
        program.line(&command);
    }
    // From here on the script's own functions may stand in for built-ins.
    let runs_text = program.functions(request) || request.chunk.runs_text;
    program.positional();
    program.readonly();
    program.line(&format!("__ce_end() {{\n{}}}\n{TELL}", epilogue(request, runs_text, &frame_file)));
    program.line("__ce_arm");
    if runs_text {
        program.line("\\command alias trap=__ce_trap");
        program.bytes(&[b"__ce_b=".as_slice(), &quote(format!("{files}.text").as_bytes())].concat());
    }
    program.options(request);
    program.from(&request.place.source, request.chunk.line);
    program.chunk(request);
    Composed { text: program.text, rest: rest(&frame_file).into_bytes(), framing, origins: program.origins }
}

/// Goes to the directory `__ce_d`. A shell stays in a directory that is removed: one of that name takes its place for a
/// moment, with its parents, or else one of ours. It stays in one that is renamed, too. Nothing is run elsewhere.
const ENTER: &str = r#"__ce_made() { \set --; __ce_q=$__ce_d; while ! \command [ -d "${__ce_q:-/}" ]; do \set -- "$__ce_q" "$@"; __ce_q=${__ce_q%/*}; done
__ce_i=0; for __ce_q do if \command -p mkdir -m 700 -- "$__ce_q"; then __ce_i=$((__ce_i+1)); fi; done; \command cd -L -- "$__ce_d"; __ce_l=$?
while \command [ "$__ce_i" -gt 0 ]; do __ce_n=0; for __ce_q do __ce_n=$((__ce_n+1)); if \command [ "$__ce_n" = "$__ce_i" ]; then \command -p rmdir -- "$__ce_q"; fi; done; __ce_i=$((__ce_i-1)); done
\return "$__ce_l"; }
__ce_nowhere() { \command -p mkdir -m 700 -- @D@ @D@/d && \command cd -L -- @D@/d && \command -p rmdir -- @D@/d @D@ && PWD=$__ce_d; }
@FIRST@\command cd -L -- "$__ce_d" 2>/dev/null || __ce_made 2>/dev/null || __ce_nowhere 2>/dev/null ||
{ \command echo "cannot enter the working directory $__ce_d any more" >&2; \exit 2; }"#;

/// What is tried before: where another directory may have the name of the one that was removed, or of the one that is
/// really `@P@` now.
const GONE: &str = r#"{ \command [ -e "$__ce_d" ] && __ce_nowhere; } 2>/dev/null || "#;
const MOVED: &str = r#"{ \command cd -L -- "$__ce_d" && \command [ . -ef @P@ ] || \command cd -P -- @P@ && PWD=$__ce_d; } 2>/dev/null || "#;

/// Functions that edits of the stretch call. `__ce_r N` sets `$?`, behind `&& :` even under `set -e`.
/// `__ce_hush` turns the trace off (`set -x`), `__ce_hark` turns it on again, `__ce_shown` has a built-in traced that is not
/// run; `__ce_still` does without a trace to the end. `__ce_last` and `__ce_halt` come behind the stretch and first in the
/// EXIT trap: both keep the status and the options, and export nothing of ours. `__ce_bare` forgets all variables of ours.
/// `__ce_flow` leaves the shell where the script leaves a loop or function that is walked outside.
/// `__ce_exec` runs a program in a process of its own, so that the state is still told. `__ce_trap` keeps the script's
/// own EXIT trap from replacing ours, and ours from being listed. A subshell that a function was called in has an
/// EXIT trap of its own, and may list those of its parent (`__ce_traps`): only the process id tells. `__ce_living` puts
/// this shell in place of the first one, which `$$` stands for, among the arguments of `kill`. `__ce_text`
/// and `__ce_file` put the text that `eval` runs, or the name of the file that `.` does, into `__ce_v`, and report what
/// may define functions; what is no file is put into one, for it can be read once only. `__ce_dynamic` does the same where
/// the name of the command is made at run time. `__ce_opening` and `__ce_opened` stand around what is redirected. What is
/// not there at the end is reported by `__ce_missing`. `__ce_out N` puts into `__ce_h` which open file a descriptor is, as
/// far as the kernel tells. `ulimit` keeps what limits were set, for the next shell to set them too, and refuses those with
/// which no shell could redirect anything.
const HELPERS: &str = r#"__ce_r() { return "$1"; }
__ce_hush() { \set -- "$?" "$-"; case $2 in *[vx]*) \set +avx; __ce_sx=$2;; esac; return "$1"; }
__ce_hark() { \set -- "$?" "${__ce_sx-}"; \unset __ce_sx; case $2 in *a*) \set -a;; esac; case $2 in *v*) \set -v;; esac; case $2 in *x*) \set -x;; esac; return "$1"; }
__ce_shown() { case ${__ce_sx-} in *x*) ( for __ce_q in 1; do \set -x; "$@"; done ) || :;; esac; }
__ce_in_flow() { \set -- "$?" "$@"; case $2,${3-0} in return,*[!0-9]*) \return "$3";; return,*) __ce_shown "$2" ${3+"$3"};; *) __ce_shown "$2" ${4+"$4"};; esac
__ce_w="$2 ${3-}"; case $2 in return) \exit "${3-$1}";; esac; \exit 0; }
__ce_in_exec() { \unset __ce_t; ( case $__ce_sx in *x*) \set -x;; esac; \exec "$@" ); \exit; }
__ce_in_living() { for __ce_q do case $__ce_q in "$__ce_first") \command echo "$$";; *) \command echo "$__ce_q";; esac; done; }
__ce_in_ulimit() { { __ce_h=$(\command ulimit "$@" >/dev/null || \command echo enough; { { { \command echo enough; } </dev/null; } 3</dev/null; } 2>/dev/null) || :; } 2>/dev/null
case $__ce_h in *enough*) ;; *) \command echo "ulimit: the shell needs more open files than that" >&2; return 1;; esac; \command ulimit "$@" || return; __ce_h=; for __ce_q do __ce_h="$__ce_h $__ce_q"; done
case ${__ce_q-} in [0-9]*|unlimited) __ce_u="${__ce_u-}$__ce_h;";; esac; }
__ce_in_text() { __ce_l=$? __ce_v=$1; \shift; for __ce_q do __ce_v="$__ce_v $__ce_q"; done; __ce_note "$__ce_v" eval; return "$__ce_l"; }
__ce_in_file() { __ce_l=$? __ce_v=$1 __ce_p=$1; case $1 in */*) ;; *) __ce_q=$PATH:; while \command [ -n "$__ce_q" ]; do
__ce_p=${__ce_q%%:*}; __ce_p=${__ce_p:-.}/$1; __ce_q=${__ce_q#*:}; if \command [ -f "$__ce_p" ] && \command [ -r "$__ce_p" ]; then __ce_q=; fi; done;; esac
if \command [ -f "$__ce_p" ]; then __ce_note "$(\command cat "$__ce_p" 2>/dev/null)" "$1"
elif \command [ -r "$__ce_p" ] && ! \command [ -d "$__ce_p" ]; then __ce_bn=$((${__ce_bn-0}+1)); __ce_v=$__ce_b$__ce_bn
( \command umask 077; \command cat "$__ce_p" >|"$__ce_v" ); __ce_note "$(\command cat "$__ce_v")" "$1"; fi; return "$__ce_l"; }
__ce_in_dynamic() { __ce_a=$?; while case ${1-} in command) ;; *) \false;; esac; do \shift; done
case ${1-}:$# in eval:*) \shift; __ce_in_text "$@";; .:2) if \command [ -f "$2" ]; then __ce_in_file "$2"; fi;; esac; return "$__ce_a"; }
__ce_in_opening() { \set -- "$?"; \unset __ce_v; return "$1"; }
__ce_in_opened() { \set -- "$?"; case ${__ce_v+v} in "") \exit "$1";; esac; return "$1"; }
__ce_in_defined() { __ce_f="${__ce_f-} $1"; }
__ce_in_gone() { for __ce_q do __ce_f="${__ce_f-} -$__ce_q"; done; }
__ce_note() { case $1 in *"("*")"*) __ce_tn=$((${__ce_tn-0}+1)); \eval "__ce_tt$__ce_tn=\$1 __ce_tp$__ce_tn=\$2"; __ce_f="${__ce_f-} ${3-t}$__ce_tn"
__ce_h=$1; while case $__ce_h in *"()"*) ;; *) \false;; esac; do __ce_q=${__ce_h%%"()"*}; __ce_h=${__ce_h#*"()"}; __ce_q=${__ce_q%"${__ce_q##*[! ]}"}
__ce_names="${__ce_names-} ${__ce_q##*[!A-Za-z0-9_]}"; done;; esac; }
__ce_missing() { for __ce_q do \command -v "$__ce_q" >/dev/null || __ce_f="${__ce_f-} -$__ce_q"; done; }
__ce_in_next_stage() { \command echo "next_stage: only a command of this name in the script itself is counted" >&2; \exit 1; }
__ce_in_everytime() { :; }
__ce_top() { __ce_h=; \command read -r __ce_h </proc/self/stat; case $__ce_h in "$$ "*|"") return 0;; esac; return 1; } 2>/dev/null
__ce_out() { __ce_h=; if ! \command [ -r "/proc/self/fdinfo/$1" ]; then \return; fi; while \command read -r __ce_q; do case $__ce_q in mnt_id:*) __ce_h=$__ce_q;; ino:*) __ce_h=$__ce_h$__ce_q; \return;; esac
done <"/proc/self/fdinfo/$1"; __ce_h=; }
__ce_arm() { \trap -- '{ __ce_halt; } 2>/dev/null; __ce_end "$@"; \eval "${__ce_act-}"' 0; }
__ce_halt() { \set -- "$?" "${PIPESTATUS-}" "${__ce_o-${__ce_sx-$-}}"; \set +axv; __ce_x=$1 __ce_ps=$2 __ce_o=$3; }
__ce_still() { \set -- "$-"; \set +ax; __ce_o=$1; case $1 in *a*) \set -a;; esac; }
__ce_last() { \set -- "$?" "${__ce_o-$-}"; \set +axv; __ce_s=$1 __ce_o=$2 __ce_done=1; }
__ce_bare() { while \command [ "${__ce_tn-0}" -gt 0 ]; do \unset "__ce_tt$__ce_tn" "__ce_tp$__ce_tn"; __ce_tn=$((__ce_tn-1)); done
for __ce_q in 1 2 a b bn c d e f first g h i k l m n names o open p rec_q rec_u sq step sx t tn u v w z; do \unset "__ce_$__ce_q"; done; \unset __ce_q; }
__ce_in_traps() { __ce_shown trap >/dev/null; __ce_l=$(\trap); case $__ce_l in *__ce_end*) case ${__ce_t+t} in t) \command echo "trap -- '$__ce_t' EXIT";; esac
__ce_l=${__ce_l#*__ce_end*EXIT}; case $__ce_l in ?*) \command echo "${__ce_l#?}";; esac;; *) \trap;; esac; }
__ce_in_trap() { case $#,${1-} in 0,*|1,--) if __ce_top; then __ce_shown trap >/dev/null; \trap - 0; case ${__ce_t+t} in t) \trap -- "$__ce_t" 0;; esac; \trap; \set -- "$?"; __ce_arm; return "$1"
else __ce_in_traps; fi; return;; *,--) ;; *,-?*) \trap "$@"; return;; esac
case $__ce_sx in *x*) \set -x;; esac; \trap "$@" && for __ce_ in; do :; done
{ __ce_l=$?; \set +x; } 2>/dev/null
if __ce_top; then case $1 in --) \shift;; esac; case $#,$1 in 1,*|*,[0-9]*) \set -- - "$@";; esac; __ce_a=$1; __ce_note "$1" trap a; \shift
for __ce_q do case $__ce_q in 0|[eE][xX][iI][tT]) case $__ce_a in -) \unset __ce_t;; *) __ce_t=$__ce_a;; esac; __ce_arm;; esac; done; fi; return "$__ce_l"; }"#;

struct Composer<'r> {
    text: Vec<u8>,
    /// How many lines that is.
    lines: usize,
    origins: Origins,
    state: &'r State,
}

impl Composer<'_> {
    fn bytes(&mut self, text: &[u8]) {
        self.text.extend_from_slice(text);
        self.text.push(b'\n');
        self.lines += text.iter().filter(|byte| **byte == b'\n').count() + 1;
    }

    /// What comes next is the text of the script from a line on, counted from 1.
    fn from(&mut self, source: &Arc<Source>, number: usize) {
        self.origins.push((self.lines + 1, Some(Line { source: Arc::clone(source), number })));
    }

    fn line(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// Puts a function before each whose name begins with `__ce_in_`, which runs that without a trace (`set -x`), and
    /// exports nothing of ours (`set -a`).
    fn hushed(&mut self, names: &[&str]) {
        for name in names {
            let inner = name.trim_start_matches("__ce_");
            self.line(&format!(
                "{name}() {{ {{ \\set -- \"$?\" \"${{__ce_sx-$-}}\" \"$@\"; \\set +avx; __ce_sq=$1 __ce_sx=$2; \\shift 2; __ce_r \"$__ce_sq\" && :; }} 2>/dev/null; __ce_in_{inner} \"$@\"\n\
                 {{ __ce_sq=$?; __ce_hark; return \"$__ce_sq\"; }} 2>/dev/null; }}"
            ));
        }
    }

    /// Assigns and exports what differs from a fresh shell, and unsets what is gone.
    fn variables(&mut self) {
        for line in variables(self.state, |_| true) {
            self.bytes(&line);
        }
    }

    /// The working directory and what goes with it, `umask`, traps and limits.
    fn surroundings(&mut self, nowhere: &str) {
        let state = self.state;
        let fresh = state.has_baseline().then_some(&state.baseline);
        let not_fresh = |directory: &&BString| fresh.is_none_or(|fresh| fresh.directory != **directory);
        let is_elsewhere = state.physical.is_some();
        if let Some(directory) = state.directory.as_ref().filter(|directory| is_elsewhere || not_fresh(directory)) {
            self.bytes(&[b"__ce_d=".as_slice(), &quote(directory)].concat());
            let first = match &state.physical {
                None => Vec::new(),
                Some(physical) if physical.is_empty() => GONE.into(),
                Some(physical) => MOVED.as_bytes().replace("@P@", quote(physical)),
            };
            let enter = ENTER.replace("@D@", &quote(nowhere.as_bytes()).to_str_lossy());
            self.bytes(&enter.as_bytes().replace("@FIRST@", first));
            if state.variable("OLDPWD") == Value::Unset {
                self.line("\\unset OLDPWD");
            }
        }
        match &state.other_pwd {
            Some(Some(value)) => self.bytes(&[b"PWD=".as_slice(), &quote(value)].concat()),
            Some(None) => self.line("\\unset PWD"),
            None => {}
        }
        if let Value::Set(value) = state.variable("OLDPWD") {
            self.bytes(&[b"OLDPWD=".as_slice(), &quote(value)].concat());
        }
        if let Some(umask) = state.umask.as_ref().filter(|umask| fresh.is_none_or(|fresh| fresh.umask != **umask)) {
            self.bytes(&[b"\\command umask ".as_slice(), umask].concat());
        }
        if let Some(action) = &state.exit_trap {
            self.bytes(&[b"__ce_t=".as_slice(), &quote(action)].concat());
        }
        if let Some(process) = &state.process {
            self.bytes(&[b"__ce_first=".as_slice(), &quote(process)].concat());
        }
        if let Some(limits) = &state.limits {
            self.bytes(&[b"__ce_u=".as_slice(), &quote(limits)].concat());
            for operands in limits.split(|byte| *byte == b';').filter(|operands| !operands.is_empty()) {
                self.bytes(&[b"\\command ulimit ".as_slice(), operands, b" >/dev/null 2>&1"].concat());
            }
        }
    }

    /// Sets the traps, and notes what their actions may define.
    fn traps(&mut self) {
        for (signal, action) in &self.state.traps {
            let action = quote(action);
            self.bytes(&[b"\\trap -- ".as_slice(), &action, b" ", signal.as_bytes()].concat());
            if action.contains_str("(") {
                self.bytes(&[b"__ce_note ".as_slice(), &action, b" trap a"].concat());
            }
        }
    }

    /// Defines functions, each with the aliases of its definition in force but for its own name, then the aliases.
    /// A function named `command` comes last, for all here need the built-in. Gives whether one of them may run text that
    /// it makes or reads.
    fn functions(&mut self, request: &Request<'_>) -> bool {
        let state = self.state;
        let (last, first): (Vec<_>, Vec<_>) = state.functions.iter().partition(|(name, _)| *name == "command");
        let (mut in_force, mut runs_text) = (Aliases::new(), false);
        for (name, function) in first {
            let mut aliases = Aliases::clone(&function.aliases);
            aliases.remove(name.as_bytes().as_bstr());
            self.aliases(&mut in_force, aliases);
            runs_text |= self.function(function, request);
        }
        self.aliases(&mut in_force, state.aliases.clone());
        last.into_iter().fold(runs_text, |runs_text, (_, function)| self.function(function, request) | runs_text)
    }

    fn function(&mut self, function: &Function, request: &Request<'_>) -> bool {
        self.from(&function.source, function.source.line_number(function.definition.span.start));
        // One that is not thought to be called has no chains that are known.
        let first_chain = request.called.get(&function.definition.name).copied().unwrap_or(request.chains.len());
        let first_chain = request.markers.map(|_| first_chain);
        let edits::Edited { text, runs_text, .. } = edits::function(function, first_chain, self.state);
        self.bytes(&text);
        self.origins.push((self.lines + 1, None));
        runs_text
    }

    fn aliases(&mut self, in_force: &mut Aliases, wanted: Aliases) {
        if *in_force == wanted {
            return;
        }
        if !in_force.is_empty() {
            self.line("\\command unalias -a");
        }
        for (name, value) in &wanted {
            self.bytes(&[b"\\command alias ", quote(name).as_slice(), b"=", &quote(value)].concat());
        }
        *in_force = wanted;
    }

    fn positional(&mut self) {
        if !self.state.positional.is_empty() {
            let words: Vec<Vec<u8>> = self.state.positional.iter().map(|value| quote(value)).collect();
            self.bytes(&[b"\\set -- ".as_slice(), &words.join(&b' ')].concat());
        }
        // Setting the parameters starts `getopts` anew.
        if let Value::Set(value) = self.state.variable("OPTIND")
            && value != "1"
            && value.iter().all(u8::is_ascii_digit)
        {
            self.bytes(&[b"OPTIND=".as_slice(), value].concat());
        }
    }

    /// The dispatcher's record function, and the two markers where the stretch has some.
    fn stage(&mut self, request: &Request<'_>, hooks: &Hooks<'_>, files: &str) {
        if request.markers.is_some() || matches!(request.kind, Kind::Stage(_)) {
            let body = record::body(hooks.record.as_ref(), &request.chains);
            self.line(&format!("__ce_record() {{\n{body}\n}}"));
        }
        if let Some(markers) = &request.markers {
            let sets_ifs = self.state.variables.get("IFS").is_none_or(|ifs| !ifs.readonly);
            let holds_stage = matches!(request.kind, Kind::Stage(_));
            self.bytes(&markers::functions(files, markers, holds_stage, sets_ifs));
            self.hushed(&["__ce_at", "__ce_enter", "__ce_leave", "__ce_check", "__ce_apart", "__ce_closing"]);
        }
    }

    fn readonly(&mut self) {
        for (name, variable) in self.state.variables.iter() {
            if variable.readonly && !self.state.baseline.owns(name) && self.state.fresh(name) != Some(variable) {
                self.line(&format!("\\readonly {name}"));
            }
        }
    }

    fn options(&mut self, request: &Request<'_>) {
        let state = self.state;
        let letters = |on: bool| {
            let fresh = |letter: &char| state.baseline.options.contains(letter);
            let is_on = |letter: &char| state.has_option(*letter);
            let differs = |letter: &char| is_on(letter) == on && fresh(letter) != on;
            CARRIED_OPTIONS.chars().filter(differs).collect::<String>()
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
        // What only expands words is none of the script's commands, and shows no trace.
        let hush = if request.kind == Kind::Expansion { "__ce_still; " } else { "" };
        self.line(&format!("{{ {set}{hush}__ce_r {} && :; }} 2>/dev/null", state.status));
    }

    fn chunk(&mut self, request: &Request<'_>) {
        // The end of the script is success, and so its EXIT trap sees it.
        let end =
            if request.chunk.is_last { "{ __ce_last; } 2>/dev/null; \\exit 0" } else { "{ __ce_last; } 2>/dev/null" };
        if request.kind == Kind::ExitTrap {
            // As the trap of a subshell: there `exit` alone keeps the status that the trap began with.
            let status = request.state.status;
            let shown: String = "xv".chars().filter(|letter| request.state.has_option(*letter)).collect();
            let (hush, trace) = match shown.is_empty() {
                true => ("", String::new()),
                false => (
                    "{ \\set +xv; } 2>/dev/null; ",
                    format!("{{ \\set -{shown}; __ce_r {status} && :; }} 2>/dev/null\n"),
                ),
            };
            let action = quote(&[trace.as_bytes(), &request.chunk.text].concat());
            let first = format!("{hush}( \\trap -- ");
            self.bytes(&[first.as_bytes(), &action, format!(" 0; \\exit {status} ); \\exit").as_bytes()].concat());
        } else {
            // A `\` at the end of the text is itself; before our newline it would be a line continuation.
            let slashes = request.chunk.text.iter().rev().take_while(|byte| **byte == b'\\').count();
            let last: &[u8] = if slashes % 2 == 1 { b"\\" } else { b"" };
            let chunk = [&request.chunk.text, last].concat();
            match (request.errexit_ignored, self.state.has_option('v') || sets_verbose(&chunk)) {
                (true, _) => self.bytes(&[b"{ ".as_slice(), &chunk, b"\n} && for __ce_ in; do :; done"].concat()),
                (false, true) => {
                    return self.bytes(&[b"{ ".as_slice(), &chunk, b"\n", end.as_bytes(), b"; }"].concat());
                }
                (false, false) => self.bytes(&chunk),
            }
        }
        self.line(end);
    }
}

/// Whether a text may turn `set -v` on. Then bash shows each line that it reads from there on: all must be read before.
fn sets_verbose(text: &[u8]) -> bool {
    let behind = |at: usize| text.get(at..).unwrap_or_default().iter();
    let in_word =
        |at: usize| behind(at + "set -".len()).take_while(|byte| byte.is_ascii_alphabetic()).any(|byte| *byte == b'v');
    text.contains_str("verbose") || text.find_iter("set -").any(in_word)
}

/// The action of the EXIT trap. `__ce_x` is the status, `__ce_j` the status a chain is judged by.
fn epilogue(request: &Request<'_>, runs_text: bool, frame_file: &str) -> String {
    // With `-c`, bash gives 127 for an error in an expansion, where it gives 1 for a script in a file.
    // A child that it starts may die of a signal before it has forgotten this trap: how it ends is not ours to say. Of a
    // signal that ends bash itself this trap knows nothing but the status of the command before: no `exit` led here then,
    // and bash goes on to die of it, as other shells do without a word.
    let mut text = String::from(
        "{ __ce_y=$$; \\set +efuvxC; \\set +a; \\unset -f command\n\
         case ${BASHPID-$$} in $$) ;; *) __ce_top || \\return 0;; esac\n\
         case ${BASH_VERSION:+${__ce_done-},$__ce_x,$BASH_COMMAND} in ,0,*exit*|,0,'$'*|,0,'\"$'*) ;; ,0,?*) \\return 0;; esac\n\
         case ${BASH_VERSION:+:$SHELLOPTS:} in *:posix:*|\"\") ;; *) __ce_posix=1; \\command set -o posix;; esac; } 2>/dev/null\n\
         case ${BASH_VERSION:+$__ce_x,$__ce_ps,$__ce_o,$BASH_COMMAND} in *,*e*,*|*,*,*exit*) ;; 127,1,*) __ce_x=1;; esac\n\
         case ${__ce_done-} in 1) __ce_x=$__ce_s;; esac\n\
         __ce_j=$__ce_x; case ${__ce_w-} in break*|continue*) __ce_j=0;; esac\n",
    );
    if request.markers.is_some() {
        text.push_str("__ce_ended\n");
    }
    if let Kind::Stage(number) = request.kind {
        text.push_str(&format!(
            "case $__ce_j in 0) __ce_record {number} applied 0 0 || __ce_j=1;; *) __ce_record {number} failed \"$__ce_j\" 0;; esac\n"
        ));
    }
    let functions: Vec<&str> = request.state.functions.keys().map(String::as_str).collect();
    text.push_str(&format!("\\eval \"__ce_missing {} ${{__ce_names-}}\"\n", functions.join(" ")));
    if runs_text {
        text.push_str(
            "\\command unalias trap 2>/dev/null; case ${__ce_bn-} in ?*) \\command -p rm -f \"$__ce_b\"*;; esac\n",
        );
    }
    if request.chunk.is_last {
        text.push_str("case ${__ce_t+t} in t) __ce_ran=1;; esac\n");
    }
    // Where no kernel tells what standard output is, it is taken for another when it may be.
    let may_be_other = if request.chunk.redirects_shell { ":" } else { "\\command [ -z \"${__ce_done-}\" ]" };
    text.push_str(&format!(
        "__ce_n=$# __ce_i=0\n\
         while \\command [ \"$#\" -gt 0 ]; do __ce_i=$((__ce_i+1)); \\eval \"__ce_p$__ce_i=\\$1\"; \\shift; done\n\
         __ce_out 1\n\
         case $__ce_h in \"\") if {may_be_other}; then __ce_1=other; fi;; esac\n\
         case $__ce_h in \"$__ce_1\") __ce_tell 2>/dev/null;; *)\n\
         {{ ( \\command umask 077; : >{frame_file} ); __ce_tell >>{frame_file}; }} 2>/dev/null\n\
         __ce_out 2; case $__ce_h in \"$__ce_2\") \\command echo \"$__ce_k f\" >&2;; esac;; esac\n\
         case $__ce_x,$__ce_ps,${{__ce_done-}} in 1,1,) __ce_act='{{ \\set +xv; }} 2>/dev/null; \\exit 1';; esac\n"
    ));
    if request.chunk.is_last {
        text.push_str(ACT);
    }
    text
}

/// Has the action of the script's EXIT trap run behind our own, in the shell as it was.
const ACT: &str = r#"case ${__ce_t+t} in t)
case ${__ce_done-} in 1) __ce_x=0;; esac; case ${__ce_failed-} in ?*) __ce_x=$__ce_j;; esac
__ce_q=; for __ce_i in a e f u v C x; do case $__ce_o in *$__ce_i*) __ce_q=$__ce_q$__ce_i;; esac; done
__ce_act="__ce_r $__ce_x
$__ce_t
${__ce_act-}"; case $__ce_q in ?*) __ce_act="{ \set -$__ce_q; __ce_r $__ce_x && :; } 2>/dev/null
${__ce_act#*
}";; esac;; esac
"#;

/// Prints the state.
const TELL: &str = r#"__ce_tell() { \command echo "$__ce_k v"; \set; \command echo "$__ce_k x"; \export -p; \command echo "$__ce_k r"; \readonly -p
\command echo "$__ce_k p"; \set +o; \command echo "$__ce_k t"; \trap; \command echo "$__ce_k a"; \command alias; \command echo "$__ce_k u"; \command umask
\command echo "$__ce_k d"; \command pwd -L; \command echo "$__ce_k l"; \command pwd -P; \command echo "$__ce_k e"; }"#;

/// Prints the file that a frame was put into, if it was, and removes it.
fn rest(frame_file: &str) -> String {
    format!(
        "if [ -f {frame_file} ]; then\n\
         if command -v cat >/dev/null 2>&1; then cat; else while IFS= read -r l; do printf '%s\\n' \"$l\"; done; fi <{frame_file}\n\
         command -p rm -f {frame_file} || : >{frame_file}; fi 2>/dev/null"
    )
}

/// Commands that leave in the environment of a fresh shell what `state` has there, each on a line of its own.
pub fn exports(state: &State) -> Vec<u8> {
    // Before a shell has told what it exports, any variable may be one of those.
    bstr::join("\n", variables(state, |variable| variable.exported || !state.has_baseline()))
}

/// Commands that assign and export what differs from a fresh shell, and unset what is gone, of the variables that are wanted.
fn variables(state: &State, is_wanted: impl Fn(&Variable) -> bool) -> Vec<Vec<u8>> {
    let mut lines = Vec::new();
    let told = state.has_baseline().then_some(&state.baseline.variables);
    for (name, old) in told.into_iter().flatten().filter(|(_, old)| is_wanted(old)) {
        let gone = state
            .variables
            .get(name)
            .is_none_or(|new| (old.value.is_some() && new.value.is_none()) || (old.exported && !new.exported));
        if gone && !state.baseline.owns(name) && !state.all_unknown {
            lines.push(format!("\\unset {name} 2>/dev/null").into_bytes());
        }
    }
    for (name, variable) in state.variables.iter().filter(|(_, variable)| is_wanted(variable)) {
        if state.baseline.owns(name) || state.fresh(name) == Some(variable) {
            continue;
        }
        // What follows sets these.
        let is_later = matches!(name.as_str(), "OPTIND" | "OLDPWD");
        if let Some(value) = variable.value.as_ref().filter(|_| !is_later) {
            lines.push([name.as_bytes(), b"=", &quote(value)].concat());
        }
        if variable.exported {
            lines.push(format!("\\export {name}").into_bytes());
        }
    }
    lines
}
