//! Which nodes of a script may reach a marker when they run.
//!
//! A marker is reached where it stands, in functions that hold one, and perhaps in texts that the script makes.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, btree_map::Entry},
    sync::Arc,
};

use bstr::ByteSlice;

use super::ties;
use crate::{
    language::marker::Marker,
    state::Function,
    syntax::{
        AndOrList, Command, CompoundCommand, CompoundKind, FunctionDefinition, List, ListItem, Part, Pipeline,
        Redirection, Script, SimpleCommand, Word,
        visit::{self, Visit, definitions_in},
    },
};

/// Where the markers of a script can be hit: in its text, in functions, and perhaps in text that it makes at run time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Markers {
    /// Functions whose bodies hold a marker or call such a function.
    functions: BTreeSet<String>,
    /// For each name that functions call, those functions.
    callers: HashMap<String, Vec<String>>,
    /// Whether a marker's name stands somewhere in the script other than as a command, so that `eval` may meet it.
    in_other_text: bool,
}

impl Markers {
    /// Adds those of another text. Gives its function definitions.
    pub(crate) fn add(&mut self, script: &Script) -> Vec<Arc<FunctionDefinition>> {
        let all = definitions_in(&script.list);
        let mentions = |marker: &Marker| script.source.text().find_iter(marker.name()).count();
        self.in_other_text |= Marker::ALL.iter().map(mentions).sum::<usize>() > markers_in(&script.list);
        let mut found: Vec<String> = Vec::new();
        for definition in &all {
            let calls = self.calls_in(&definition.body);
            if self.in_compound(&definition.body) {
                found.push(definition.name.clone());
            }
            for called in calls {
                self.callers.entry(called).or_default().push(definition.name.clone());
            }
        }
        // A caller of one that holds a marker holds it too.
        while let Some(name) = found.pop() {
            if self.functions.insert(name.clone()) {
                found.extend(self.callers.get(&name).into_iter().flatten().cloned());
            }
        }
        all
    }

    /// The names of commands in a body, where they are literal.
    fn calls_in(&self, body: &CompoundCommand) -> BTreeSet<String> {
        let mut names = LiteralNames::default();
        names.visit_compound_command(body);
        names.found
    }

    /// For a function's text on its own: every command that could hit a marker is taken to.
    pub(crate) fn everywhere() -> Markers {
        Markers { in_other_text: true, ..Markers::default() }
    }

    /// Whether the function `name` may hit a marker.
    pub(crate) fn in_function(&self, name: &str) -> bool {
        self.functions.contains(name)
    }

    /// Whether running the and-or list may hit a marker.
    pub(crate) fn in_and_or(&self, and_or: &AndOrList) -> bool {
        self.finder().in_and_or(and_or)
    }

    /// Whether running the pipeline may hit a marker.
    pub(crate) fn in_pipeline(&self, pipeline: &Pipeline) -> bool {
        self.finder().in_pipeline(pipeline)
    }

    /// Whether expanding the word may hit a marker.
    pub(crate) fn in_word(&self, word: &Word) -> bool {
        self.finder().search(|finder| finder.visit_word(word))
    }

    /// Whether expanding a part of a word may hit a marker.
    pub(crate) fn in_part(&self, part: &Part) -> bool {
        self.finder().search(|finder| finder.visit_part(part))
    }

    /// Whether expanding what belongs to a redirection may hit a marker.
    pub(crate) fn in_redirection(&self, redirection: &Redirection) -> bool {
        self.finder().search(|finder| finder.visit_redirection(redirection))
    }

    /// The functions that and-or lists may call, directly or by one another, and in which a marker may be hit; with each,
    /// the last of the lists that may call it.
    pub(crate) fn functions_in<'f, 'i>(
        &self,
        items: &'i [ListItem],
        functions: &'f BTreeMap<String, Function>,
    ) -> BTreeMap<&'f str, (&'f Function, &'i ListItem)> {
        let mut found = BTreeMap::new();
        let holding = |name: &String| self.functions.contains(name);
        for item in items.iter().rev() {
            let mut names = LiteralNames::default();
            names.visit_and_or(&item.and_or);
            let mut open: Vec<String> = names.found.into_iter().filter(holding).collect();
            if names.others && self.in_other_text {
                open.extend(self.functions.iter().cloned());
            }
            while let Some(name) = open.pop() {
                let Some((name, function)) = functions.get_key_value(&name) else { continue };
                if let Entry::Vacant(entry) = found.entry(name.as_str()) {
                    entry.insert((function, item));
                    open.extend(self.calls_in(&function.definition.body).into_iter().filter(holding));
                }
            }
        }
        found
    }

    /// Whether running the command may hit a marker.
    pub(crate) fn in_command(&self, command: &Command) -> bool {
        self.finder().search(|finder| match command {
            Command::Simple(command) => finder.visit_simple_command(command),
            Command::Compound(command) => finder.visit_compound_command(command),
            Command::Function(_) => {}
        })
    }

    /// Whether running the compound command may hit a marker.
    pub(crate) fn in_compound(&self, command: &CompoundCommand) -> bool {
        self.finder().search(|finder| finder.visit_compound_command(command))
    }

    fn finder(&self) -> MarkerFinder<'_> {
        MarkerFinder { markers: self, evals: false, in_loop: false, found: false }
    }

    /// Finds what may hit a marker, and any `eval` too: it may leave a loop or function that is walked, or define
    /// functions. `in_loop` tells whether a loop or function around is walked anyway: for an `eval`, none is.
    pub(crate) fn or_eval(&self, in_loop: bool) -> MarkerFinder<'_> {
        MarkerFinder { evals: true, in_loop, ..self.finder() }
    }

    /// Whether a marker may be hit by the simple command itself, its words' substitutions left aside.
    pub(crate) fn in_name_of(&self, command: &SimpleCommand) -> bool {
        if command.marker().is_some() {
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

/// Finds the names of commands.
#[derive(Default)]
struct LiteralNames {
    found: BTreeSet<String>,
    /// Whether there are commands that may run others, whose names are not known.
    others: bool,
}

impl<'t> Visit<'t> for LiteralNames {
    fn visit_simple_command(&mut self, command: &'t SimpleCommand) {
        let name = command.literal_name().and_then(|name| name.to_str().ok().map(str::to_owned));
        self.others |= !command.words.is_empty() && name.as_deref().is_none_or(|name| matches!(name, "." | "eval"));
        self.found.extend(name);
        visit::walk_simple_command(self, command);
    }

    fn visit_function(&mut self, _: &'t FunctionDefinition) {}
}

/// Looks for commands that may hit a marker.
pub(crate) struct MarkerFinder<'m> {
    markers: &'m Markers,
    evals: bool,
    in_loop: bool,
    found: bool,
}

impl MarkerFinder<'_> {
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

impl<'t> Visit<'t> for MarkerFinder<'_> {
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

/// How many commands are markers, however deep.
fn markers_in(list: &List) -> usize {
    struct MarkerCount(usize);
    impl<'t> Visit<'t> for MarkerCount {
        fn visit_simple_command(&mut self, command: &'t SimpleCommand) {
            self.0 += usize::from(command.marker().is_some());
            visit::walk_simple_command(self, command);
        }
    }
    let mut markers = MarkerCount(0);
    markers.visit_list(list);
    markers.0
}

/// Whether an and-or list must be judged where it ends: a chain may begin in it, directly or in a substitution,
/// or in the condition of an `if` or loop that is nothing but a marker.
pub(crate) fn begins_chain(markers: &Markers, and_or: &AndOrList) -> bool {
    struct Beginnings<'m>(MarkerFinder<'m>);
    impl<'t> Visit<'t> for Beginnings<'_> {
        fn visit_simple_command(&mut self, command: &'t SimpleCommand) {
            self.0.visit_simple_command(command);
        }
        fn visit_compound_command(&mut self, command: &'t CompoundCommand) {
            let condition = match &command.kind {
                CompoundKind::If(command) => command.branches.first().map(|(condition, _)| condition),
                CompoundKind::While(command) | CompoundKind::Until(command) => Some(&command.condition),
                _ => None,
            };
            self.0.found |= condition.is_some_and(|condition| condition.marker_alone().is_some());
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
    let mut direct = Beginnings(markers.finder());
    direct.visit_and_or(and_or);
    direct.0.found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Source, parse};

    fn markers_in(text: &str) -> (Markers, Script) {
        let script = parse(Source::new("s", text)).script;
        let mut markers = Markers::default();
        markers.add(&script);
        (markers, script)
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
            assert_eq!(command.marker(), expected, "{text}");
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
