//! Which commands are markers, what a chain is, when a stage counts.
//!
//! A marker is a simple command named `next_stage` or `everytime`; its chain is the rest of the and-or list it
//! stands in. Where a marker cannot be split from what is around it (a pipeline, a redirected group, a loop that
//! reads a file) the whole construct goes to the shell, and the shell functions below do there what
//! [`crate::execute`] does here: count, skip, judge each chain where its list ends, and end everything when one fails.

use std::{collections::BTreeSet, sync::Arc};

use bstr::ByteSlice;

use crate::{
    definitions::Collected,
    state::quote,
    syntax::{
        AndOrList, Command, CompoundCommand, CompoundKind, FunctionDefinition, List, Pipeline, Script, SimpleCommand,
        Word,
        visit::{self, Visit},
    },
    ties,
};

/// A marker's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marker {
    /// `next_stage`: once in a container's life.
    NextStage,
    /// `everytime`: on every run.
    Everytime,
}

impl Marker {
    /// Both, in the order they are explained in.
    pub const ALL: [Marker; 2] = [Marker::NextStage, Marker::Everytime];

    /// The name as scripts write it.
    pub fn name(self) -> &'static str {
        match self {
            Marker::NextStage => "next_stage",
            Marker::Everytime => "everytime",
        }
    }

    /// The marker that a simple command is: its name must stand there unquoted.
    pub fn of(command: &SimpleCommand) -> Option<Marker> {
        let name = command.unquoted_name()?;
        Marker::ALL.into_iter().find(|marker| marker.name() == name)
    }

    /// The marker that a pipeline is, when it is nothing else: no `!`, no `|`.
    pub fn of_pipeline(pipeline: &Pipeline) -> Option<Marker> {
        match pipeline.single()? {
            // Redirections of a marker are the shell's to do.
            Command::Simple(command) if command.redirections.is_empty() => Marker::of(command),
            _ => None,
        }
    }
}

/// The marker that is all of a condition: the whole compound command is then its chain.
pub(crate) fn alone(condition: &List) -> Option<Marker> {
    match condition.items.as_slice() {
        [item] if item.and_or.rest.is_empty() && !item.background => Marker::of_pipeline(&item.and_or.first),
        _ => None,
    }
}

/// Where the markers of a script can be hit: in its text, in functions, and perhaps in text that it makes at run time.
#[derive(Clone, Debug, Default)]
pub struct Markers {
    /// Functions whose bodies hold a marker or call such a function.
    functions: BTreeSet<String>,
    /// Whether a marker's name stands somewhere in the script other than as a command, so that `eval` may meet it.
    in_other_text: bool,
}

impl Markers {
    /// The markers of a script.
    pub fn of(script: &Script) -> Markers {
        let mut markers = Markers::default();
        markers.add(script);
        markers
    }

    /// Adds those of another text: looks through it once, and through its functions until nothing new is found.
    /// Gives its function definitions.
    pub(crate) fn add(&mut self, script: &Script) -> Vec<Arc<FunctionDefinition>> {
        let all = Collected::of(&script.list);
        let mentions = |marker: &Marker| script.source.text().find_iter(marker.name()).count();
        self.in_other_text |= Marker::ALL.iter().map(mentions).sum::<usize>() > all.markers;
        loop {
            let found = all
                .functions
                .iter()
                .filter(|definition| !self.functions.contains(&definition.name) && self.in_compound(&definition.body));
            let found: Vec<String> = found.map(|definition| definition.name.clone()).collect();
            if found.is_empty() {
                return all.functions;
            }
            self.functions.extend(found);
        }
    }

    /// For a function's text on its own: every command that could hit a marker is taken to.
    pub(crate) fn everywhere() -> Markers {
        Markers { functions: BTreeSet::new(), in_other_text: true }
    }

    /// Whether the function `name` may hit a marker.
    pub fn in_function(&self, name: &str) -> bool {
        self.functions.contains(name)
    }

    /// Whether running the and-or list may hit a marker.
    pub fn in_and_or(&self, and_or: &AndOrList) -> bool {
        self.finder().in_and_or(and_or)
    }

    /// Whether running the pipeline may hit a marker.
    pub fn in_pipeline(&self, pipeline: &Pipeline) -> bool {
        self.finder().in_pipeline(pipeline)
    }

    /// Whether expanding the word may hit a marker.
    pub(crate) fn in_word(&self, word: &Word) -> bool {
        self.finder().search(|finder| finder.visit_word(word))
    }

    /// Whether running the command may hit a marker.
    pub fn in_command(&self, command: &Command) -> bool {
        self.finder().search(|finder| match command {
            Command::Simple(command) => finder.visit_simple_command(command),
            Command::Compound(command) => finder.visit_compound_command(command),
            Command::Function(_) => {}
        })
    }

    /// Whether running the compound command may hit a marker.
    pub fn in_compound(&self, command: &CompoundCommand) -> bool {
        self.finder().search(|finder| finder.visit_compound_command(command))
    }

    fn finder(&self) -> Finder<'_> {
        Finder { markers: self, evals: false, in_loop: false, found: false }
    }

    /// Finds what may hit a marker, and any `eval` too: it may leave a loop or function that is walked, or define
    /// functions. `in_loop` tells whether a loop or function around is walked anyway: for an `eval`, none is.
    pub(crate) fn or_eval(&self, in_loop: bool) -> Finder<'_> {
        Finder { evals: true, in_loop, ..self.finder() }
    }

    /// Whether a marker may be hit by the simple command itself, its words' substitutions left aside.
    pub(crate) fn in_name_of(&self, command: &SimpleCommand) -> bool {
        if Marker::of(command).is_some() {
            return true;
        }
        let Some(name) = command.literal_name() else { return self.in_other_text };
        match name.as_slice() {
            b"." => true,
            b"eval" => self.in_other_text || ties::defines_functions(command),
            name => name.to_str().is_ok_and(|name| self.functions.contains(name)),
        }
    }
}

/// Looks for commands that may hit a marker.
pub(crate) struct Finder<'m> {
    markers: &'m Markers,
    evals: bool,
    in_loop: bool,
    found: bool,
}

impl Finder<'_> {
    pub(crate) fn in_list(self, list: &List) -> bool {
        self.search(|finder| finder.visit_list(list))
    }

    pub(crate) fn in_and_or(self, and_or: &AndOrList) -> bool {
        self.search(|finder| finder.visit_and_or(and_or))
    }

    pub(crate) fn in_pipeline(self, pipeline: &Pipeline) -> bool {
        self.search(|finder| finder.visit_pipeline(pipeline))
    }

    fn search(mut self, look: impl FnOnce(&mut Self)) -> bool {
        look(&mut self);
        self.found
    }
}

impl<'t> Visit<'t> for Finder<'_> {
    fn visit_simple_command(&mut self, command: &'t SimpleCommand) {
        let is_eval = || self.evals && command.unquoted_name() == Some("eval");
        if self.found || self.markers.in_name_of(command) || is_eval() {
            self.found = true;
        } else {
            visit::walk_simple_command(self, command);
        }
    }

    fn visit_compound_command(&mut self, command: &'t CompoundCommand) {
        let evals = self.evals;
        if matches!(command.kind, CompoundKind::For(_) | CompoundKind::While(_) | CompoundKind::Until(_)) {
            self.evals &= self.in_loop;
        }
        visit::walk_compound_command(self, command);
        self.evals = evals;
    }

    // A definition runs nothing.
    fn visit_function(&mut self, _: &'t FunctionDefinition) {}
}

/// Whether an and-or list must be judged where it ends: a chain may begin in it, directly or in a substitution,
/// or in the condition of an `if` or loop that is nothing but a marker.
pub(crate) fn begins_chain(markers: &Markers, and_or: &AndOrList) -> bool {
    struct Direct<'m>(Finder<'m>);
    impl<'t> Visit<'t> for Direct<'_> {
        fn visit_simple_command(&mut self, command: &'t SimpleCommand) {
            self.0.visit_simple_command(command);
        }
        fn visit_compound_command(&mut self, command: &'t CompoundCommand) {
            let condition = match &command.kind {
                CompoundKind::If(command) => command.branches.first().map(|(condition, _)| condition),
                CompoundKind::While(command) | CompoundKind::Until(command) => Some(&command.condition),
                _ => None,
            };
            self.0.found |= condition.is_some_and(|condition| alone(condition).is_some());
            for redirection in &command.redirections {
                self.0.visit_redirection(redirection);
            }
            if let CompoundKind::For(command) = &command.kind {
                for word in command.words.iter().flatten() {
                    self.0.visit_word(word);
                }
            }
            if let CompoundKind::Case(command) = &command.kind {
                self.0.visit_word(&command.subject);
            }
        }
        fn visit_function(&mut self, _: &'t FunctionDefinition) {}
    }
    let mut direct = Direct(markers.finder());
    direct.visit_and_or(and_or);
    direct.0.found
}

/// What a construct with markers starts from.
#[derive(Clone, Copy, Debug)]
pub struct Count {
    /// How often `next_stage` was hit before.
    pub hits: u32,
    /// How many stages are applied.
    pub applied: u32,
}

/// The shell functions that carry out markers there.
///
/// `__ce_c` is the stack of open chains of this shell, newest first: `|` where a judged list begins, `N:I` for stage N
/// of chain I, `e:I` for an everytime chain. The files in `scratch` are what subshells share: `hits`, `done` (how many
/// stages are applied), `open` (the stack of whoever ran last) and `failed` (status, chain and stage).
pub(crate) fn functions(scratch: &str, count: &Count, inside_stage: bool) -> Vec<u8> {
    let directory = String::from_utf8_lossy(&quote(scratch.as_bytes())).into_owned();
    let Count { hits, applied } = count;
    let outer = u8::from(inside_stage);
    FUNCTIONS
        .replace("@D@", &directory)
        .replace("@HITS@", &hits.to_string())
        .replace("@APPLIED@", &applied.to_string())
        .replace("@OUTER@", &outer.to_string())
        .into_bytes()
}

const FUNCTIONS: &str = r#"\command echo @HITS@ >|@D@/hits; \command echo @APPLIED@ >|@D@/done; __ce_open=@D@/open; : >|@D@/open; : >|@D@/failed; __ce_c=
__ce_m() {
case $1 in s)
IFS= \command read -r __ce_n <@D@/hits; __ce_n=$((__ce_n+1)); \command echo "$__ce_n" >|@D@/hits; IFS= \command read -r __ce_q <@D@/done
if \command [ "$__ce_n" -le @APPLIED@ ]; then return 1; fi
__ce_c="$__ce_n:$2 $__ce_c"; __ce_record "$__ce_n" started 0 "$2";;
*) __ce_c="e:$2 $__ce_c";; esac
\command echo "$__ce_c" >|"$__ce_open"
}
__ce_judge() {
__ce_e=${__ce_c%%" "*}; __ce_c=${__ce_c#*" "}
case $__ce_e:$1 in e:*:0) ;;
*:0) if __ce_record "${__ce_e%%:*}" applied 0 "${__ce_e#*:}"; then :; else \command echo "1 ${__ce_e#*:} ${__ce_e%%:*}" >|@D@/failed; \exit 1; fi
case @OUTER@$__ce_c in 1*|*[0-9]:*) ;; *) IFS= \command read -r __ce_q <@D@/hits; \command echo "$__ce_q" >|@D@/done;; esac;;
*) case $__ce_e in e:*) ;; *) __ce_record "${__ce_e%%:*}" failed "$1" "${__ce_e#*:}";; esac
\command echo "$1 ${__ce_e#*:} ${__ce_e%%:*}" >|@D@/failed
if \command [ -z "${__ce_g-}" ]; then \exit "$1"; fi;; esac
}
__ce_pop() {
while :; do case $__ce_c in "| "*) __ce_c=${__ce_c#"| "}; return;; "") return;; esac; __ce_judge "$1"; done
}
__ce_enter() { \set -- "$?"; __ce_c="| $__ce_c"; return "$1"; }
__ce_leave() { \set -- "$?"; __ce_look "$1"; __ce_pop "$1"; \command echo "$__ce_c" >|"$__ce_open"; return "$1"; }
__ce_check() { \set -- "$?"; __ce_look "$1"; return "$1"; }
__ce_apart() { __ce_open=@D@/open$1; \command echo "$__ce_c" >|"$__ce_open"; }
__ce_after() { __ce_check && :; "$@"; }
__ce_look() {
__ce_q=; if IFS= \command read -r __ce_q <@D@/failed; then \exit "${__ce_q%%" "*}"; fi
IFS= \command read -r __ce_q <"$__ce_open" || :
case $__ce_q in "$__ce_c") return;; esac
case $__ce_q in *[!" "]*"$__ce_c") ;; *) return;; esac
__ce_h=$__ce_c; __ce_c=$__ce_q
while \command [ "$__ce_c" != "$__ce_h" ]; do case $__ce_c in "| "*) __ce_c=${__ce_c#"| "};; "") break;; *) __ce_judge "$1";; esac; done
__ce_c=$__ce_h; \command echo "$__ce_c" >|"$__ce_open"
}
__ce_closing() {
__ce_z=$?; __ce_z=${2-$__ce_z}; __ce_i=$1
while \command [ "$__ce_i" -gt 0 ]; do __ce_pop "$__ce_z"; __ce_i=$((__ce_i-1)); done
\command echo "$__ce_c" >|"$__ce_open"
}
__ce_ended() {
__ce_g=1; __ce_q=; IFS= \command read -r __ce_q <@D@/failed || :
if \command [ -z "$__ce_q" ]; then
while \command [ -n "$__ce_c" ]; do case $__ce_c in "| "*) __ce_c=${__ce_c#"| "};; *) __ce_judge "$__ce_j";; esac; done
IFS= \command read -r __ce_q <@D@/failed || :; fi
__ce_failed=$__ce_q; IFS= \command read -r __ce_hits <@D@/hits; IFS= \command read -r __ce_applied <@D@/done
if \command [ -n "$__ce_q" ]; then __ce_j=${__ce_q%%" "*}; fi
}
next_stage() { \set -- "$?"; case $__ce_c in "| "*|"") ;; *) __ce_judge "$1";; esac; __ce_m s 0; }
everytime() { \set -- "$?"; case $__ce_c in "| "*|"") ;; *) __ce_judge "$1";; esac; __ce_m e 0; }"#;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Source, parse};

    fn markers_in(text: &str) -> (Markers, Script) {
        let script = parse(Source::new("s", text)).script;
        (Markers::of(&script), script)
    }

    #[test]
    fn only_an_unquoted_name_is_a_marker() {
        for (text, expected) in [
            ("next_stage", Some(Marker::NextStage)),
            ("A=1 everytime x", Some(Marker::Everytime)),
            ("'next_stage'", None),
            ("next_stag\\e", None),
            ("echo next_stage", None),
        ] {
            let (_, script) = markers_in(text);
            let command = &script.list.items[0].and_or.first.commands[0];
            let Command::Simple(command) = command else { panic!("{text}") };
            assert_eq!(Marker::of(command), expected, "{text}");
        }
    }

    #[test]
    fn markers_are_found_through_functions() {
        let (markers, script) =
            markers_in("f() { next_stage && x; }\ng() { a; f; }\nh() { b; }\ng\nh\n(x | g)\necho $(f)\n");
        let found: Vec<bool> = script.list.items.iter().map(|item| markers.in_and_or(&item.and_or)).collect();
        assert_eq!(found, [false, false, false, true, false, true, true]);
    }

    #[test]
    fn eval_may_hit_a_marker_only_when_other_text_names_one() {
        assert!(!markers_in("eval \"$x\"; next_stage && a").0.in_other_text);
        assert!(markers_in("x='next_stage && a'; eval \"$x\"").0.in_other_text);
    }
}
