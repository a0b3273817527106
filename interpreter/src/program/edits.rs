//! A stretch of script as it is sent: verbatim, but for the few commands that reach outside the stretch.
//!
//! `break`, `continue` and `return` may leave a loop or function that is walked outside; `trap ... EXIT` must not
//! replace our own; `exec` must not lose the state; a definition is reported, for a shell cannot print its functions. Where markers may be hit,
//! they and the lists they stand in are edited too (see [`super::markers`]).

mod apply;

use bstr::{BString, ByteSlice};

use super::called;
use crate::{
    Source, Span,
    analyze::reach::{self, Markers},
    language::{
        builtins::{self, Effect},
        marker::Marker,
    },
    state::{Aliases, Function, State},
    syntax::{
        AndOrList, Assignment, Command, CompoundCommand, CompoundKind, FunctionDefinition, HereDocument, List,
        ListItem, Operation, Parameter, Part, PartKind, Pipeline, Redirection, SimpleCommand,
        visit::{self, Visit},
    },
};

/// Stands before a command of ours: what is traced (`set -x`) is the script's alone, wherever its standard error goes. The
/// function that is called puts the options back, or [`HARK`] does.
const HUSH: &str = "{ __ce_hush && \\unset __ce_; } 2>/dev/null; ";
const HARK: &str = "{ __ce_hark && \\unset __ce_; } 2>/dev/null; ";

/// A command of ours whose status counts, but ends nothing under `set -e`.
fn ours(command: &str) -> String {
    format!("{HUSH}{command} && for __ce_ in; do :; done")
}

/// What a stretch is part of, where that is walked outside the shell.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Surroundings<'a> {
    /// How many loops are around it, up to the next function.
    pub(crate) loops: usize,
    /// The number of a definition at the beginning of its text.
    pub(crate) first_number: u32,
    /// What `$$` is, once that is known: each stretch has a process of its own.
    pub(crate) process: Option<&'a BString>,
    pub(crate) aliases: Option<&'a Aliases>,
    /// A command whose operands were expanded before, and the word that stands for them.
    pub(crate) expanded: Option<(Span, &'a str)>,
    /// Whether the shell keeps in mind how far it came in an and-or list of `&&` alone.
    pub(crate) counts_steps: bool,
}

/// The stretch as it is written, here-documents included.
pub(crate) fn verbatim<'t>(source: &Source, span: Span, nodes: impl IntoIterator<Item = &'t AndOrList>) -> BString {
    let mut editor = Editor::new(source, None, Surroundings::default());
    editor.only_documents = true;
    for node in nodes {
        editor.visit_and_or(node);
        editor.cuts = true;
    }
    editor.apply(span).into()
}

/// A text as it is sent.
pub(crate) struct Edited {
    pub(crate) text: Vec<u8>,
    /// The markers in it and the chains that they begin, in order.
    pub(crate) chains: Vec<(Marker, Span)>,
    /// Whether it may run text that it makes or reads, where no edits are made.
    pub(crate) runs_text: bool,
}

/// The stretch as it is sent. With `markers`, they may be hit in it; their chains are numbered from `first_chain`.
pub(crate) fn edited<'t>(
    source: &Source,
    span: Span,
    nodes: impl IntoIterator<Item = &'t ListItem>,
    markers: Option<&Markers>,
    surroundings: Surroundings<'_>,
    first_chain: usize,
) -> Edited {
    let mut editor = Editor::new(source, markers, surroundings);
    editor.first_chain = first_chain;
    for node in nodes {
        if surroundings.counts_steps {
            editor.count_steps(&node.and_or);
        }
        editor.item(node);
    }
    editor.cuts = true;
    editor.finish(span)
}

/// A function's definition as a prelude defines it; with `first_chain`, markers may be hit in it, and their chains are
/// numbered from there.
pub(crate) fn function(function: &Function, first_chain: Option<usize>, state: &State) -> Edited {
    let everywhere = Markers::everywhere();
    let first_number = function.number.wrapping_sub(function.definition.span.start);
    let surroundings = Surroundings {
        first_number,
        process: state.process.as_ref(),
        aliases: Some(&function.aliases),
        ..Surroundings::default()
    };
    let mut editor = Editor::new(&function.source, first_chain.map(|_| &everywhere), surroundings);
    editor.first_chain = first_chain.unwrap_or_default();
    editor.body(&function.definition);
    editor.cuts = true;
    editor.finish(function.definition.span)
}

/// Collects edits in source order; text is put in at `span.start` in place of what `span` covers.
struct Editor<'t, 'a> {
    source: &'a Source,
    markers: Option<&'a Markers>,
    surroundings: Surroundings<'a>,
    edits: Vec<(Span, String)>,
    documents: Vec<&'t HereDocument>,
    only_documents: bool,
    /// Whether the bodies of here-documents are taken out that belong to other commands of a line.
    cuts: bool,
    chains: Vec<(Marker, Span)>,
    runs_text: bool,
    first_chain: usize,
    /// For each loop around the current place, inside the stretch: how many judged lists were open at its beginning.
    loops: Vec<usize>,
    /// Judged lists around the current place, since the function's beginning.
    judged: usize,
    in_function: bool,
    /// In a subshell, pipeline or substitution: what is set there is lost.
    in_subshell: bool,
    /// In the words of a command that is not traced itself.
    hushed: bool,
    /// In the arguments of `kill`, `$$` must be a process that is there.
    in_kill: bool,
    and_or: Span,
}

impl<'t, 'a> Editor<'t, 'a> {
    fn new(source: &'a Source, markers: Option<&'a Markers>, surroundings: Surroundings<'a>) -> Self {
        Editor {
            source,
            markers,
            surroundings,
            edits: Vec::new(),
            documents: Vec::new(),
            only_documents: false,
            cuts: false,
            chains: Vec::new(),
            runs_text: false,
            first_chain: 0,
            loops: Vec::new(),
            judged: 0,
            in_function: false,
            in_subshell: false,
            hushed: false,
            in_kill: false,
            and_or: Span::default(),
        }
    }

    fn insert(&mut self, at: u32, text: impl Into<String>) {
        self.replace(Span { start: at, end: at }, text);
    }

    fn replace(&mut self, span: Span, text: impl Into<String>) {
        if !self.only_documents {
            self.edits.push((span, text.into()));
        }
    }

    fn finish(mut self, span: Span) -> Edited {
        Edited { text: self.apply(span), chains: self.chains, runs_text: self.runs_text }
    }

    /// An assignment between commands that are run only after success changes nothing but the variable.
    fn count_steps(&mut self, and_or: &AndOrList) {
        for (index, part) in and_or.rest.iter().enumerate() {
            self.insert(part.operator_span.end, format!(" __ce_step={} &&", index + 1));
        }
    }

    fn item(&mut self, item: &'t ListItem) {
        let outer = self.in_subshell;
        self.in_subshell |= item.background;
        let apart = item.background && self.markers.is_some_and(|markers| markers.in_and_or(&item.and_or));
        let span = item.and_or.span;
        if apart {
            self.insert(span.start, format!("{{ {}; ", ours(&format!("__ce_apart {}", span.start))));
        }
        self.visit_and_or(&item.and_or);
        if apart {
            self.insert(span.end, "; }");
        }
        self.in_subshell = outer;
    }

    /// Visits a function's body, where loops and lists begin anew.
    fn body(&mut self, definition: &'t FunctionDefinition) {
        let loops = std::mem::take(&mut self.loops);
        let judged = std::mem::take(&mut self.judged);
        let in_function = std::mem::replace(&mut self.in_function, true);
        self.visit_compound_command(&definition.body);
        (self.loops, self.judged, self.in_function) = (loops, judged, in_function);
    }

    fn in_subshell(&mut self, visit: impl FnOnce(&mut Self)) {
        let outer = std::mem::replace(&mut self.in_subshell, true);
        visit(self);
        self.in_subshell = outer;
    }

    /// The function of the marker's name is told which chain begins.
    fn marker(&mut self, marker: Marker, name: Span, command: Span) {
        let number = self.first_chain + self.chains.len();
        self.chains.push((marker, Span { start: name.start, end: self.and_or.end.max(name.end) }));
        self.insert(command.start, format!("{{ {{ __ce_at {number}; }} 2>/dev/null; "));
        self.insert(command.end, "; }");
    }

    /// Puts a function in place of a special built-in. Only a special built-in ends the shell when a redirection fails,
    /// and keeps the assignments before it (POSIX 2.14): `:` does that first.
    fn replace_special(&mut self, command: &SimpleCommand, function: &str) {
        let Some(name) = command.words.first() else { return };
        let first = self.assignments_and_redirections(command);
        self.insert(command.span.start, format!("{{ {HUSH}{first}"));
        self.replace(name.span, function);
        self.insert(command.span.end, "; }");
    }

    /// What does the assignments and redirections of a special built-in; empty where it has none.
    fn assignments_and_redirections(&self, command: &SimpleCommand) -> String {
        let has_document = command.redirections.iter().any(|redirection| redirection.here_document.is_some());
        if command.assignments.is_empty() && command.redirections.is_empty() || has_document {
            return String::new();
        }
        let text = |span: Span| format!("{} ", self.source.slice(span));
        let assignments: String = command.assignments.iter().map(|assignment| text(assignment.span)).collect();
        let redirections: String = command.redirections.iter().map(|redirection| text(redirection.span)).collect();
        format!("{assignments}: {redirections}; ")
    }

    /// `break` and `continue`: to a loop outside the stretch they end the shell.
    fn leave_loop(&mut self, command: &SimpleCommand, name: &str) {
        let inside = self.loops.len();
        let leaves_more = self.surroundings.loops > 0 && !self.in_function;
        let operand = command.words.get(1);
        let shown = operand.map(|word| self.source.slice(word.span)).unwrap_or_default();
        match operand.map_or(Some(1), |word| word.unquoted()?.parse().ok()) {
            Some(0) => {}
            Some(count) if count > inside && leaves_more => {
                let first = self.assignments_and_redirections(command);
                self.replace(command.span, format!("{{ {HUSH}{first}__ce_flow {name} {} {shown}; }}", count - inside));
            }
            Some(count) if count <= inside || self.in_function => {
                if let Some(closing) = self.closing(count) {
                    let first = self.assignments_and_redirections(command);
                    self.replace(command.span, format!("{{ {HUSH}{first}{closing}{name} {shown}; }}"));
                }
            }
            // How many loops are left shows when the operand is expanded.
            None if leaves_more || self.judged > 0 => {
                let Some(operand) = operand.map(|word| word.span) else { return };
                let arm =
                    |count| format!("{count}) {}{HARK}{name} {count};; ", self.closing(count).unwrap_or_default());
                let arms: String = (1..=inside).map(arm).collect();
                let more = match leaves_more {
                    true => format!("[1-9]*) __ce_flow {name} $((__ce_v-{inside})) $__ce_v;; "),
                    false => String::new(),
                };
                let cases = format!("case $__ce_v in {arms}{more}*) {HARK}{name} $__ce_v;; esac");
                let first = self.assignments_and_redirections(command);
                self.replace(Span { end: operand.start, ..command.span }, format!("{{ {HUSH}{first}__ce_v="));
                self.replace(
                    Span { start: operand.end, ..command.span },
                    format!("; __ce_v=${{__ce_v:-1}}; {cases}; }}"),
                );
            }
            _ => {}
        }
    }

    /// What closes the judged lists that are left with `count` loops; `None` where there is none.
    fn closing(&self, count: usize) -> Option<String> {
        let at_target = self.loops.len().checked_sub(count).and_then(|index| self.loops.get(index));
        let judged = self.judged - at_target.copied().unwrap_or(0);
        (judged > 0).then(|| format!("__ce_closing {judged} 0; "))
    }

    fn leave_function(&mut self, command: &SimpleCommand) {
        let Some(word) = command.words.first().map(|word| word.span) else { return };
        if !self.in_function {
            self.replace_special(command, "__ce_flow return");
        } else if self.judged > 0 && command.redirections.is_empty() {
            let judged = self.judged;
            self.replace(Span { end: word.end, ..command.span }, format!("{{ {HUSH}__ce_closing {judged}"));
            self.insert(command.span.end, "; return \"$__ce_z\"; }");
        }
    }

    /// `kill` of a process in a variable: that may be the first shell.
    fn kill(&mut self, command: &SimpleCommand) {
        let is_known = |part: &Part| match &part.kind {
            PartKind::Parameter(expansion) => matches!(expansion.parameter, Parameter::Special(b'$' | b'!')),
            PartKind::Literal(_) => true,
            _ => false,
        };
        let mut words = command.words.iter().skip_while(|word| word.unquoted() != Some("kill")).skip(1);
        let (Some(first), Some(last)) = (words.clone().next(), command.words.last()) else { return };
        if self.surroundings.process.is_some() && !words.all(|word| word.parts.iter().all(is_known)) {
            self.insert(first.span.start, format!("$({HUSH}__ce_living "));
            self.insert(last.span.end, ")");
        }
    }

    /// Whether a chain in a substitution may fail, so that the command around it must not run. Built-ins that are
    /// not the same when a function calls them are left out: they print nothing.
    fn waits_for_chains(&self, command: &SimpleCommand, called: &SimpleCommand) -> bool {
        let in_arguments =
            || command.words.iter().skip(1).any(|word| self.markers.is_some_and(|markers| markers.in_word(word)));
        let is_alias = |name: &str| {
            self.surroundings.aliases.is_some_and(|aliases| aliases.contains_key(name.as_bytes().as_bstr()))
        };
        let is_plain = |name: &str| {
            !builtins::is_special(name.as_bytes())
                && !matches!(builtins::effect_of(name.as_bytes()), Effect::LocalNames | Effect::ReadsOptions)
        };
        command.marker().is_none()
            && [command, called]
                .iter()
                .all(|one| one.unquoted_name().is_some_and(|name| is_plain(name) && !is_alias(name)))
            && in_arguments()
    }

    /// A text is run that may define functions: it is reported, for no edits are made in it. Its words are expanded once,
    /// by the function that reports it. That reads the file where the command itself would: what is redirected for the one
    /// is for the other, too.
    fn note_text(&mut self, command: &SimpleCommand, function: &str) {
        let [name, .., last] = command.words.as_slice() else { return };
        let is_behind = |redirection: &Redirection| redirection.span.start >= last.span.end;
        let is_before = |redirection: &Redirection| redirection.span.end <= name.span.start;
        let all_before = !command.redirections.is_empty() && command.redirections.iter().all(is_before);
        let can_be_noted = command.redirections.iter().all(is_behind) || all_before && function == "__ce_text";
        if !can_be_noted {
            return;
        }
        let assignments = Span { start: command.span.start, end: name.span.start };
        let before = self.source.slice(assignments).to_string();
        let (begin, end) = match command.redirections.is_empty() || all_before {
            true => Default::default(),
            false => (format!("{{ {}; ", ours("__ce_opening")), format!("; {}; }}", ours("__ce_opened"))),
        };
        self.replace(Span { end: name.span.end, ..assignments }, format!("{begin}{{ {HUSH}{function}"));
        let own = self.source.slice(name.span);
        self.insert(last.span.end, format!(" && for __ce_ in; do :; done; {before}{own} \"$__ce_v\"; }}"));
        self.insert(command.span.end, end);
    }

    /// A command whose name is made at run time may be `eval` or `.`: where its words can be expanded twice, they are
    /// looked at before.
    fn note_dynamic(&mut self, command: &SimpleCommand) {
        let (Some(first), Some(last)) = (command.words.first(), command.words.last()) else { return };
        let is_path = self.source.slice(first.span).contains(&b'/');
        if !is_path && command.words.iter().all(called::is_repeatable) && command.redirections.is_empty() {
            let words = self.source.slice(first.span.to(last.span)).to_string();
            self.insert(command.span.start, format!("{{ {}; ", ours(&format!("__ce_dynamic {words}"))));
            self.insert(command.span.end, "; }");
        }
    }

    /// Puts what is ours in place of a built-in that reaches out of the stretch, or around it.
    fn built_in(&mut self, command: &'t SimpleCommand, called: &SimpleCommand) {
        match called.literal_name().map(|name| name.to_string()).as_deref() {
            Some(name @ ("break" | "continue")) => self.leave_loop(called, name),
            Some("return") => self.leave_function(called),
            // In a subshell only the list of traps is not its own.
            Some("trap") if !self.in_subshell || called.words.len() == 1 => {
                self.replace_special(called, if self.in_subshell { "__ce_traps" } else { "__ce_trap" });
            }
            // What it lists is the script's alone. A second parenthesis behind `$(` would begin an arithmetic expansion.
            Some("set") if called.words.len() == 1 => {
                self.insert(command.span.start, " ( { __ce_bare; :; } 2>/dev/null; ");
                self.insert(command.span.end, " )");
            }
            Some("unset") if !self.in_subshell => self.unset(called),
            Some("eval") if !self.in_subshell => self.note_text(called, "__ce_text"),
            Some(".") if !self.in_subshell && called.words.len() == 2 => self.note_text(called, "__ce_file"),
            None if !self.in_subshell => self.note_dynamic(called),
            // Behind `command` it would not be ours.
            Some("ulimit") if called.words.len() < command.words.len() => {
                if let Some(name) = called.words.first() {
                    self.replace(name.span, "ulimit");
                }
            }
            Some("exec") if !self.in_subshell && called.words.len() > 1 => {
                if let Some(word) = called.words.first() {
                    // It comes back only when a redirection failed.
                    self.insert(command.span.start, format!("{{ {HUSH}"));
                    self.replace(word.span, "__ce_exec");
                    self.insert(command.span.end, "; \\exit; }");
                }
            }
            _ => {}
        }
    }

    /// Functions that are gone are reported: their names may be made by expansions.
    fn unset(&mut self, command: &SimpleCommand) {
        let [name, option, names @ ..] = command.words.as_slice() else { return };
        if option.unquoted() == Some("-f") {
            let names = names.iter().filter(|word| word.span != name.span);
            let names: String = names.map(|name| format!(" {}", self.source.slice(name.span))).collect();
            self.insert(command.span.start, "{ ");
            self.insert(command.span.end, format!(" && {{ {HUSH}__ce_gone{names}; }}; }}"));
        }
    }
}

impl<'t> Visit<'t> for Editor<'t, '_> {
    fn visit_list(&mut self, list: &'t List) {
        list.items.iter().for_each(|item| self.item(item));
    }

    fn visit_and_or(&mut self, and_or: &'t AndOrList) {
        let judged = self.markers.is_some_and(|markers| reach::begins_chain(markers, and_or));
        let outer = std::mem::replace(&mut self.and_or, and_or.span);
        if judged {
            self.insert(and_or.span.start, format!("{{ {}; ", ours("__ce_enter")));
            self.judged += 1;
        }
        visit::walk_and_or(self, and_or);
        if judged {
            self.insert(and_or.span.end, format!("; {}; }}", ours("__ce_leave")));
            self.judged -= 1;
        }
        self.and_or = outer;
    }

    fn visit_pipeline(&mut self, pipeline: &'t Pipeline) {
        let (Some(first), true) = (pipeline.commands.first(), pipeline.commands.len() > 1) else {
            return visit::walk_pipeline(self, pipeline);
        };
        let holds = self.markers.filter(|markers| markers.in_pipeline(pipeline));
        if holds.is_some() {
            self.insert(first.span().start, "{ ");
        }
        for command in &pipeline.commands {
            // A shell of its own for each: where a chain leaves it by `exit`, the check behind it sees that.
            let checked = holds.is_some_and(|markers| markers.in_command(command));
            if checked {
                self.insert(command.span().start, "{ ( ");
            }
            self.in_subshell(|editor| match command {
                Command::Simple(command) => editor.visit_simple_command(command),
                Command::Compound(command) => editor.visit_compound_command(command),
                Command::Function(definition) => editor.visit_function(definition),
            });
            if checked {
                self.insert(command.span().end, format!("; ); {}; }}", ours("__ce_check")));
            }
        }
        if holds.is_some() {
            self.insert(pipeline.span.end, format!("; {}; }}", ours("__ce_check")));
        }
    }

    fn visit_simple_command(&mut self, command: &'t SimpleCommand) {
        if let (Some(marker), Some(name), true) = (command.marker(), command.words.first(), self.markers.is_some()) {
            self.marker(marker, name.span, command.span);
        }
        let called = called::called(command, self.surroundings.aliases);
        self.runs_text |= match called.literal_name() {
            Some(name) => builtins::effect_of(&name) == Effect::Text,
            None => !called.words.is_empty(),
        };
        let before = self.edits.len();
        if self.waits_for_chains(command, &called) {
            self.insert(command.span.start, format!("{{ {HUSH}"));
            self.insert(command.words.first().map_or(command.span.start, |word| word.span.start), "__ce_after ");
            self.insert(command.span.end, format!("; {HARK}}}"));
        }
        self.built_in(command, &called);
        let in_value = |assignment: &Assignment| self.markers.is_some_and(|markers| markers.in_word(&assignment.value));
        if command.words.is_empty() && command.assignments.iter().any(in_value) {
            self.insert(command.span.start, "{ ");
            self.insert(command.span.end, format!("; {}; }}", ours("__ce_check")));
        }
        if let (Some((span, word)), [_, first, ..], Some(last)) =
            (self.surroundings.expanded, command.words.as_slice(), command.words.last())
            && span == command.span
        {
            return self.replace(first.span.to(last.span), word);
        }
        let in_kill = std::mem::replace(&mut self.in_kill, called::is_kill(command));
        if self.in_kill {
            self.kill(command);
        }
        let is_hushed = self.edits.iter().skip(before).any(|(_, text)| text.contains(HUSH));
        let hushed = std::mem::replace(&mut self.hushed, is_hushed);
        visit::walk_simple_command(self, command);
        (self.in_kill, self.hushed) = (in_kill, hushed);
    }

    fn visit_compound_command(&mut self, command: &'t CompoundCommand) {
        match &command.kind {
            CompoundKind::Subshell(_) => {
                let checked = self.markers.is_some_and(|markers| markers.in_compound(command));
                if checked {
                    self.insert(command.span.start, "{ ");
                }
                self.in_subshell(|editor| visit::walk_compound_command(editor, command));
                if checked {
                    self.insert(command.span.end, format!("; {}; }}", ours("__ce_check")));
                }
            }
            CompoundKind::For(_) | CompoundKind::While(_) | CompoundKind::Until(_) => {
                self.loops.push(self.judged);
                visit::walk_compound_command(self, command);
                self.loops.pop();
            }
            _ => visit::walk_compound_command(self, command),
        }
    }

    fn visit_function(&mut self, definition: &'t FunctionDefinition) {
        if !self.in_subshell {
            let number = self.surroundings.first_number.wrapping_add(definition.span.start);
            self.insert(definition.span.start, "{ ");
            self.body(definition);
            self.insert(definition.span.end, format!("; {{ __ce_defined {number}; }} 2>/dev/null; }}"));
        } else {
            self.body(definition);
        }
    }

    fn visit_here_document(&mut self, document: &'t HereDocument) {
        self.documents.push(document);
        self.visit_word(&document.body);
    }

    fn visit_part(&mut self, part: &'t Part) {
        match &part.kind {
            PartKind::Parameter(expansion) if expansion.parameter == Parameter::Special(b'$') && !self.in_kill => {
                match (self.surroundings.process, &expansion.operation) {
                    (Some(process), Operation::Value) => self.replace(part.span, process.to_string()),
                    _ => visit::walk_part(self, part),
                }
            }
            PartKind::CommandSubstitution(_) => {
                let hushed = std::mem::take(&mut self.hushed);
                let text = self.source.slice(part.span);
                // Not before the redirection of `$(<file)`, which has a meaning of its own in some shells.
                if hushed && text.strip_prefix(b"$(").is_some_and(|text| !text.trim_ascii_start().starts_with(b"<")) {
                    self.insert(part.span.start + 2, HARK);
                }
                self.in_subshell(|editor| visit::walk_part(editor, part));
                self.hushed = hushed;
            }
            _ => visit::walk_part(self, part),
        }
    }
}
