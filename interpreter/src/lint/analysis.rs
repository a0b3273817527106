//! What the rules look at: a script as a flat row of its simple commands, each with where it stands.

use std::{
    cell::OnceCell,
    collections::{HashMap, HashSet},
};

use bstr::{BString, ByteSlice};

use super::{
    checked::StatusFindings,
    uses::{self, Use},
};
use crate::{
    Diagnostic, Edit, Label, Source, Span,
    analyze::{
        calls::Calls,
        decision::Verdicts,
        folding::{Folded, Variables},
        invocation::Invocation,
        places::{Context, Placed, Walker},
        runs::{Runs, Timetable},
    },
    language::{STAND_IN, marker::Marker},
    syntax::{
        AndOr, AndOrList, Command, CompoundCommand, CompoundKind, FunctionDefinition, List, ListItem, Pipeline, Script,
        Word, print,
        visit::{self, Visit},
    },
};

/// A script, looked through once for all rules.
pub(crate) struct Analysis<'t> {
    /// The text.
    pub(crate) source: &'t Source,
    /// The container that it is for.
    pub(crate) container: &'t Setting,
    /// All of it.
    pub(crate) list: &'t List,
    /// Every simple command, in the order the shell comes by them.
    pub(crate) places: &'t [Placed<'t>],
    /// The commands that hit a marker: those that are one, and calls of functions that hold one.
    pub(crate) hits: Vec<Hit<'t>>,
    /// Every function definition.
    pub(crate) definitions: Vec<&'t FunctionDefinition>,
    /// What calls of them come to.
    pub(crate) calls: Calls<'t>,
    /// The compound commands with redirections.
    pub(crate) redirected: Vec<(&'t CompoundCommand, Context<'t>)>,
    /// The and-or lists with a `||` in them.
    pub(crate) alternatives: Vec<&'t AndOrList>,
    /// The and-or lists that begin with `next_stage`.
    pub(crate) stages: Vec<&'t AndOrList>,
    /// What may come out differently from run to run.
    pub(crate) verdicts: Verdicts,
    /// The variables that it sets.
    pub(crate) variables: Variables<'t>,
    /// On which runs its commands run.
    pub(crate) timetable: Timetable<'t>,
    /// What its commands run, in the order of `places`.
    pub(crate) invocations: Vec<Invocation<'t>>,
    /// The same by the names of the programs.
    by_name: HashMap<String, Vec<usize>>,
    /// Those that run a text which is not to be seen: `.`, `eval`.
    sourcing: Vec<usize>,
    /// Which of them share a chain or function.
    homes: HashMap<Option<Span>, Vec<usize>>,
    /// Whose status is looked at.
    pub(super) status: StatusFindings,
    /// The parameters that it expands.
    pub(crate) uses: Vec<Use<'t>>,
    /// The paths that its commands name, questions left out; looked for when somebody asks.
    paths: OnceCell<HashSet<BString>>,
}

/// What is known of the container that a script is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The program that runs the script.
    pub shell: String,
    /// The names of variables that docker.conf sets.
    pub environment: Vec<String>,
}

impl Default for Setting {
    fn default() -> Setting {
        Setting { shell: "/bin/sh".to_owned(), environment: Vec::new() }
    }
}

/// A command that hits markers.
#[derive(Clone, Copy)]
pub(crate) struct Hit<'t> {
    /// The command.
    pub(crate) place: &'t Placed<'t>,
    /// Whether it can hit `next_stage`, and move the number of the stages behind it.
    pub(crate) counts: bool,
}

impl<'t> Analysis<'t> {
    /// Looks through the script, whose text is `source`: not its own where that was repaired.
    pub(crate) fn of(
        script: &'t Script,
        source: &'t Source,
        container: &'t Setting,
        walked: &'t Walker<'t>,
    ) -> Analysis<'t> {
        let calls = Calls::of(&walked.definitions, &walked.places);
        let hit = |place: &'t Placed<'t>| {
            let effects = if place.marker.is_some() { None } else { calls.call(place.command) };
            let hits = place.marker.is_some() || effects.is_some_and(|effects| effects.marks());
            let counts = place.marker == Some(Marker::NextStage) || effects.is_some_and(|effects| effects.next_stage);
            hits.then_some(Hit { place, counts })
        };
        let hits = walked.places.iter().filter_map(hit).collect();
        let variables = Variables::of(&script.list);
        let invocations = invocations(&walked.places, &variables);
        let timetable = Timetable::of(&walked.definitions, &walked.places);
        let by_name = by_name(&invocations);
        Analysis {
            status: StatusFindings::of(script, &walked.definitions, &calls, &timetable),
            stages: script.list.items.iter().map(|item| &item.and_or).filter(|list| begins_stage(list)).collect(),
            timetable,
            paths: OnceCell::new(),
            uses: uses::of(&script.list),
            variables,
            sourcing: indices(&by_name, &[".", "source", "eval"]),
            by_name,
            homes: homes(&invocations),
            invocations,
            source,
            container,
            list: &script.list,
            places: &walked.places,
            hits,
            definitions: walked.definitions.clone(),
            calls,
            redirected: walked.redirected.clone(),
            alternatives: walked.alternatives.clone(),
            verdicts: walked.decisions.finish(),
        }
    }

    /// Whether a command of the script names a path, other than to ask about it.
    pub(crate) fn acts_on(&self, path: &Folded) -> bool {
        let paths = self.paths.get_or_init(|| {
            let acting = self.invocations.iter().filter(|invocation| !invocation.is(&["[", "[[", "test"]));
            let arguments = acting.flat_map(|invocation| invocation.arguments.iter().map(|one| one.text.clone()));
            let redirections = self.places.iter().flat_map(|place| &place.command.redirections);
            let files = redirections.map(|redirection| self.variables.fold(&redirection.target).text);
            arguments.chain(files).filter(|text| text.starts_with(b"/")).collect()
        });
        paths.contains(&path.text)
    }

    /// Whether the script's shell is bash.
    pub(crate) fn is_bash(&self) -> bool {
        self.container.shell.rsplit('/').next() == Some("bash")
    }

    /// On which runs the command at a place runs.
    pub(crate) fn runs(&self, place: &Placed<'t>) -> Runs {
        self.timetable.at(&place.context)
    }

    /// What runs one of these programs, in the order of the places.
    pub(crate) fn named<'a>(&'a self, names: &[&str]) -> impl Iterator<Item = &'a Invocation<'t>> + use<'a, 't> {
        indices(&self.by_name, names).into_iter().filter_map(|index| self.invocations.get(index))
    }

    /// What is run by the commands at a place, in order.
    pub(crate) fn inside(&self, span: Span) -> impl Iterator<Item = &Invocation<'t>> {
        let first = self.invocations.partition_point(|one| one.place.command.span.start < span.start);
        let behind = self.invocations.get(first..).unwrap_or_default().iter();
        behind.take_while(move |one| one.place.command.span.start < span.end)
    }

    /// What is run before a command in the same chain, or in the same function; all of a script's bare commands count as
    /// one. Nearest first, and not too many.
    pub(crate) fn before(&self, place: &Placed<'t>) -> impl Iterator<Item = &Invocation<'t>> {
        let beside = self.beside(place);
        let start = place.command.span.start;
        let end = beside.partition_point(|at| self.start_of(*at) < start);
        let before = beside.get(..end).unwrap_or_default();
        before.iter().rev().take(MOST_BESIDE).filter_map(|at| self.invocations.get(*at))
    }

    /// What is run behind it there.
    pub(crate) fn after(&self, place: &Placed<'t>) -> impl Iterator<Item = &Invocation<'t>> {
        let beside = self.beside(place);
        let start = place.command.span.start;
        let end = beside.partition_point(|at| self.start_of(*at) <= start);
        let after = beside.get(end..).unwrap_or_default();
        after.iter().take(MOST_BESIDE).filter_map(|at| self.invocations.get(*at))
    }

    fn beside(&self, place: &Placed<'t>) -> &[usize] {
        self.homes.get(&home(&place.context)).map_or(&[], Vec::as_slice)
    }

    fn start_of(&self, invocation: usize) -> u32 {
        self.invocations.get(invocation).map_or(0, |invocation| invocation.place.command.span.start)
    }

    /// Whether no command of the same chain stands behind this one.
    pub(crate) fn is_last_in_chain(&self, place: &Placed<'t>) -> bool {
        let home = home(&place.context);
        self.behind(place).next().is_none_or(|next| self::home(&next.context) != home)
    }

    /// Whether no command stands behind this one in what `around` is the place of.
    pub(crate) fn is_last_in(&self, place: &Placed<'t>, around: Option<Span>) -> bool {
        let is_around = |next: &Placed<'t>| around.is_some_and(|around| around.contains(next.command.span));
        !self.behind(place).next().is_some_and(is_around)
    }

    /// The commands behind one, those of functions that are defined there left out.
    fn behind(&self, place: &Placed<'t>) -> impl Iterator<Item = &'t Placed<'t>> {
        let behind = self.places.partition_point(|other| other.command.span.start < place.command.span.end);
        let function = place.context.function.map(|function| function.span);
        let is_here = move |next: &&Placed<'t>| next.context.function.map(|function| function.span) == function;
        self.places.get(behind..).unwrap_or_default().iter().filter(is_here)
    }

    /// Whether the line before a place ends in a `\` that does not make it go on: a blank stands behind that, or a comment
    /// between.
    pub(crate) fn is_rest_of_line(&self, start: u32) -> bool {
        let before = self.source.text().get(..start as usize).unwrap_or_default();
        let before = before.trim_end_with(|letter| matches!(letter, ' ' | '\t'));
        let Some(before) = before.strip_suffix(b"\n") else { return false };
        let mut lines =
            before.rsplit(|byte| *byte == b'\n').take(20).skip_while(|line| line.trim_ascii_start().starts_with(b"#"));
        lines.next().is_some_and(|line| line.trim_ascii_end().ends_with(b"\\"))
    }

    /// The values that a word may have: where it is a positional parameter of a function, those that the script's calls
    /// give it.
    pub(crate) fn values_of(&self, folded: &Folded, place: &Placed<'t>) -> Vec<Folded> {
        let position = positional(self.source.slice(folded.span));
        let (Some(function), Some(position)) = (place.context.function, position) else { return vec![folded.clone()] };
        let calls = self.invocations.iter().filter(|call| call.name == function.name);
        let values: Option<Vec<Folded>> = calls.map(|call| call.arguments.get(position - 1).cloned()).collect();
        values.filter(|values| !values.is_empty()).unwrap_or_else(|| vec![folded.clone()])
    }

    /// What separates a command from the next one: `;`, `&`, `|` or a newline, with the blanks around it; nothing where no
    /// command follows.
    pub(crate) fn separator_behind(&self, span: Span) -> Option<Span> {
        let rest = self.source.text().get(span.end as usize..)?;
        let is_part = |byte: &&u8| b" \t".contains(byte);
        let blanks = rest.iter().take_while(is_part).count();
        let separator = *rest.get(blanks)?;
        let behind = rest.get(blanks + 1..)?;
        let next = behind.iter().take_while(is_part).count();
        let first = *behind.get(next)?;
        let is_command = first.is_ascii_alphanumeric() || b"./\"'$_({".contains(&first);
        let length = (blanks + 1 + next) as u32;
        (b";&|\n".contains(&separator) && is_command).then_some(Span { start: span.end, end: span.end + length })
    }

    /// What makes `{ ...; }` of the `if` with this condition, where it has no other branch.
    pub(crate) fn only_branch(&self, condition: Span) -> Option<Vec<Edit>> {
        let mut finder = BranchFinder { condition, found: None };
        finder.visit_list(self.list);
        let (command, branch) = finder.found?;
        let body = branch.span()?;
        let marker = self.source.slice(condition);
        let (start, end) = (command.body_span.start, command.body_span.end);
        let marker = Marker::named(marker)?.name();
        let before = Span { start, end: body.start };
        let after = self.source.slice(Span { start: body.end, end });
        let is_plain = after.trim_ascii() == b"; fi" || after.trim_ascii() == b"fi" || after.trim_ascii() == b";fi";
        is_plain.then(|| {
            let opening = self.source.slice(before);
            let layout: Vec<u8> = opening.iter().rev().take_while(|byte| byte.is_ascii_whitespace()).copied().collect();
            let layout: String = layout.into_iter().rev().map(char::from).collect();
            let layout = if layout.contains('\n') { layout } else { " ".to_owned() };
            vec![
                Edit::replace(before, format!("{marker} && {{{layout}")),
                Edit::replace(Span { start: end - 2, end }, "}"),
            ]
        })
    }

    /// Adds where the chain begins that a finding is in, where that is on another line and not said yet.
    pub(crate) fn tell_stage(&self, finding: &mut Diagnostic) {
        let Some(chain) = self.timetable.chain_at(finding.primary.span) else { return };
        let between = Span { start: chain.at.end.min(finding.primary.span.start), end: finding.primary.span.start };
        let is_told = finding.related.iter().any(|label| label.span.start == chain.at.start);
        let text = match chain.marker {
            Some(Marker::NextStage) => "the stage begins here",
            Some(Marker::Everytime) => "the chain begins here",
            None => return,
        };
        if !is_told && self.source.slice(between).contains(&b'\n') {
            finding.related.push(Label { span: chain.at, text: text.to_owned() });
        }
    }

    /// Whether a marker is hit inside of a place.
    pub(crate) fn hits_in(&self, span: Span) -> bool {
        let first = self.hits.partition_point(|hit| hit.place.command.span.start < span.start);
        self.hits.get(first).is_some_and(|hit| hit.place.command.span.end <= span.end)
    }

    /// The stages that do nothing but define a function, by its name's place.
    pub(crate) fn chains_that_define(&self) -> impl Iterator<Item = Span> {
        self.stages.iter().filter_map(|list| match list.rest.last()?.pipeline.single()? {
            Command::Function(definition) => Some(definition.name_span),
            _ => None,
        })
    }

    /// Whether the script or docker.conf sets a variable for all that is run.
    pub(crate) fn has_variable(&self, name: &str) -> bool {
        !self.variables.assigned(name).is_empty() || self.container.environment.iter().any(|known| known == name)
    }

    /// The expansions that begin at an offset or behind it, in order.
    pub(crate) fn uses_from(&self, start: u32) -> impl Iterator<Item = &Use<'t>> {
        let first = self.uses.partition_point(|used| used.span.start < start);
        self.uses.get(first..).unwrap_or_default().iter()
    }

    /// The place where a variable of the word at `span` is given a value with `text` in it.
    pub(crate) fn holder(&self, span: Span, text: &str) -> Option<Span> {
        let inside = self.uses_from(span.start).take_while(|used| used.span.end <= span.end);
        let mut names = inside.map(|used| used.name);
        names.find_map(|name| {
            let assigned = self.variables.assigned(name).iter().map(|assigned| assigned.span);
            assigned.into_iter().find(|span| self.source.slice(*span).contains_str(text))
        })
    }

    /// What runs a text that is not to be seen here.
    pub(crate) fn sourcing(&self) -> impl Iterator<Item = &Invocation<'t>> {
        self.sourcing.iter().filter_map(|index| self.invocations.get(*index))
    }

    /// Whether a place is in the body of a function.
    pub(crate) fn is_in_function(&self, span: Span) -> bool {
        self.timetable.function_at(span).is_some()
    }

    /// Whether a variable is set for this command alone: `NAME=value COMMAND`, `env NAME=value COMMAND`.
    pub(crate) fn is_given_for(&self, invocation: &Invocation<'_>, name: &str) -> bool {
        let command = invocation.place.command;
        let by_env = |word: &Word| {
            let text = self.source.slice(word.span);
            text.strip_prefix(name.as_bytes()).is_some_and(|rest| rest.starts_with(b"="))
        };
        command.assignments.iter().any(|assignment| assignment.name == name)
            || command.words.iter().take_while(|word| word.span.start < invocation.name_span.start).any(by_env)
    }

    /// Whether somebody has said that a failure of the command does not matter: `|| true`, `|| echo none`.
    pub(crate) fn is_excused(&self, place: &Placed<'t>) -> bool {
        place.first_or().is_some() || place.context.judged.is_some()
    }

    /// The place of `&>` behind an and-or list: in sh, that is a `&` that puts it in the background, and a redirection of
    /// nothing.
    pub(crate) fn redirects_both(&self, item: &ListItem) -> Option<Span> {
        let behind = self.source.text().get(item.and_or.span.end as usize..).filter(|_| item.background)?;
        let at = behind.iter().position(|byte| *byte == b'&')?;
        let start = item.and_or.span.end + u32::try_from(at).ok()?;
        (behind.get(at + 1) == Some(&b'>')).then_some(Span { start, end: start + 2 })
    }

    /// The commands that are markers.
    pub(crate) fn markers(&self) -> impl Iterator<Item = (Marker, &'t Placed<'t>)> {
        self.hits.iter().filter_map(|hit| Some((hit.place.marker?, hit.place)))
    }

    /// The commands that hit `next_stage`, themselves or in a function.
    pub(crate) fn counted(&self) -> impl Iterator<Item = &'t Placed<'t>> {
        self.hits.iter().filter(|hit| hit.counts).map(|hit| hit.place)
    }

    /// The `next_stage` that the status of the pipeline comes from, when that is the last list in a compound command.
    pub(crate) fn last_stage(&self, pipeline: &Pipeline) -> Option<Span> {
        let Command::Compound(command) = pipeline.single()? else { return None };
        match &command.kind {
            CompoundKind::BraceGroup(list) | CompoundKind::Subshell(list) => self.last_stage_in(list),
            CompoundKind::For(command) => self.last_stage_in(&command.body),
            CompoundKind::Case(command) => command.items.iter().find_map(|item| self.last_stage_in(&item.body)),
            CompoundKind::If(command) => {
                let bodies = command.branches.iter().map(|(_, body)| body).chain(&command.otherwise);
                bodies.into_iter().find_map(|body| self.last_stage_in(body))
            }
            CompoundKind::While(command) | CompoundKind::Until(command) => self.last_stage_in(&command.body),
        }
    }

    fn last_stage_in(&self, list: &List) -> Option<Span> {
        let item = list.items.last().filter(|item| !item.background)?;
        let has_or = item.and_or.rest.iter().any(|part| part.operator == AndOr::Or);
        let stage = item.and_or.pipelines().find_map(|pipeline| match pipeline.single()? {
            Command::Simple(command) if command.marker() == Some(Marker::NextStage) => Some(command.span),
            _ => None,
        });
        let last = item.and_or.rest.last().map_or(&item.and_or.first, |part| &part.pipeline);
        stage.filter(|_| !has_or).or_else(|| self.last_stage(last))
    }

    /// The source at `span` for a message: one line, not too long.
    pub(crate) fn quote(&self, span: Span) -> String {
        // A place can be most of the script, and be quoted for each of many findings.
        let text = self.source.slice(span);
        print::summary(text.get(..200).unwrap_or(text), 40)
    }

    /// The source at `span` for advice, where that is one line and short enough to repeat.
    pub(crate) fn repeat(&self, span: Span) -> Option<&'t str> {
        let text = self.source.slice(span);
        let is_short = text.len() <= 80 && !text.contains(&b'\n');
        text.to_str().ok().filter(|_| is_short)
    }
}

fn begins_stage(list: &AndOrList) -> bool {
    list.first.marker() == Some(Marker::NextStage)
}

fn by_name(invocations: &[Invocation<'_>]) -> HashMap<String, Vec<usize>> {
    let mut by_name: HashMap<String, Vec<usize>> = HashMap::new();
    for (index, invocation) in invocations.iter().enumerate() {
        match by_name.get_mut(&invocation.name) {
            Some(indices) => indices.push(index),
            None => drop(by_name.insert(invocation.name.clone(), vec![index])),
        }
    }
    by_name
}

/// What has one of these names, in order.
fn indices(by_name: &HashMap<String, Vec<usize>>, names: &[&str]) -> Vec<usize> {
    let mut indices: Vec<usize> = names.iter().filter_map(|name| by_name.get(*name)).flatten().copied().collect();
    indices.sort_unstable();
    indices
}

/// How many neighbours of a command are looked at: a chain has fewer.
const MOST_BESIDE: usize = 300;

/// Which of the invocations share a chain or function, in the order of their places.
fn homes(invocations: &[Invocation<'_>]) -> HashMap<Option<Span>, Vec<usize>> {
    let mut homes: HashMap<Option<Span>, Vec<usize>> = HashMap::new();
    for (index, invocation) in invocations.iter().enumerate() {
        homes.entry(home(&invocation.place.context)).or_default().push(index);
    }
    let start = |index: &usize| invocations.get(*index).map(|invocation| invocation.place.command.span.start);
    homes.values_mut().for_each(|indices| indices.sort_by_key(start));
    homes
}

/// What a command shares its shell's state with on every run: its chain, or else its function.
fn home(context: &Context<'_>) -> Option<Span> {
    context.chain.map(|chain| chain.span).or(context.function.map(|function| function.name_span))
}

/// The number of a positional parameter that is all of a word.
fn positional(text: &[u8]) -> Option<usize> {
    let name = text.trim_with(|letter| matches!(letter, '"' | '{' | '}')).strip_prefix(b"$")?;
    let name = name.trim_with(|letter| matches!(letter, '{' | '}'));
    name.to_str().ok()?.parse().ok().filter(|position| *position > 0)
}

/// What the commands run, each with the directory that `cd` named last before it.
fn invocations<'t>(places: &'t [Placed<'t>], variables: &Variables<'t>) -> Vec<Invocation<'t>> {
    let mut invocations = Vec::with_capacity(places.len());
    // The directories that are gone back to: at the end of a process of its own, of a function, of a stage.
    let mut outer: Vec<(Span, Option<Folded>)> = Vec::new();
    let mut directory: Option<Folded> = None;
    let mut pushed: Vec<Option<Folded>> = Vec::new();
    for place in places {
        while let Some((span, before)) = outer.last()
            && !span.contains(place.command.span)
        {
            directory.clone_from(before);
            outer.pop();
        }
        let apart = place.context.apart.map(|(_, span)| span);
        let surrounding = [apart, place.context.function.map(|function| function.span)];
        for span in surrounding.into_iter().flatten() {
            if !outer.iter().any(|(known, _)| *known == span) {
                outer.push((span, directory.clone()));
            }
        }
        let Some(mut invocation) = Invocation::of(place, variables) else { continue };
        if invocation.name == "pushd" {
            pushed.push(directory.clone());
        }
        if invocation.name == "popd" {
            directory = pushed.pop().flatten();
        }
        if matches!(invocation.name.as_str(), "cd" | "chdir" | "pushd") {
            directory = invocation.operands("", &[]).first().map(|to| joined(directory.as_ref(), to));
        }
        invocation.directory.clone_from(&directory);
        invocations.push(invocation);
    }
    invocations
}

/// The directory that `to` names from another.
fn joined(from: Option<&Folded>, to: &Folded) -> Folded {
    let is_relative = !to.text.starts_with(b"/") && !to.text.starts_with(&[STAND_IN]) && !to.text.starts_with(b"~");
    match from.filter(|_| is_relative) {
        Some(from) => Folded { text: [from.text.as_slice(), b"/", &to.text].concat().into(), span: to.span },
        None => to.clone(),
    }
}

/// Looks for the `if` with one branch that has this condition.
struct BranchFinder<'t> {
    condition: Span,
    found: Option<(&'t CompoundCommand, &'t List)>,
}

impl<'t> Visit<'t> for BranchFinder<'t> {
    fn visit_compound_command(&mut self, command: &'t CompoundCommand) {
        if let CompoundKind::If(branches) = &command.kind
            && let [(condition, body)] = branches.branches.as_slice()
            && branches.otherwise.is_none()
            && condition.span() == Some(self.condition)
        {
            self.found = Some((command, body));
        }
        visit::walk_compound_command(self, command);
    }
}

#[cfg(test)]
mod tests {
    use super::Analysis;
    use crate::{
        Source,
        analyze::places::{self, Placed},
        parse,
    };

    fn culprits(text: &str) -> Vec<Option<String>> {
        let parsed = parse(Source::new("s", text));
        assert_eq!(parsed.errors, [], "{text}");
        let container = super::Setting::default();
        let walked = places::walk(&parsed.script.list);
        let analysis = Analysis::of(&parsed.script, &parsed.script.source, &container, &walked);
        let culprit = |place: &Placed<'_>| Some(analysis.quote(analysis.verdicts.culprit(place.context.decision)?));
        analysis.counted().map(culprit).collect()
    }

    #[test]
    fn conditions_over_constants_are_decided() {
        for text in [
            "V=1\n[ \"$V\" = 1 ] && next_stage && a",
            "V=1; W=$V-x; if test $W != y; then next_stage && a; fi",
            "readonly V=1; case $V in 1) next_stage && a;; *) next_stage && b;; esac",
            "for p in a b; do next_stage && i $p; done",
            "i=0; while [ $i -lt 3 ]; do next_stage && a; i=$((i + 1)); done",
            "gpu() { [ \"$V\" = 1 ]; }; V=0; gpu && next_stage && a",
            "true && { :; next_stage && a; }",
            "everytime && v=$(date); next_stage && a",
        ] {
            assert_eq!(culprits(text).iter().flatten().count(), 0, "{text}");
        }
    }

    #[test]
    fn everything_else_varies() {
        for (text, expected) in [
            ("[ -d /x ] && next_stage && a", "[ -d /x ]"),
            ("[ -n \"$HOME\" ] && next_stage && a", "[ -n \"$HOME\" ]"),
            ("V=$(uname)\nif [ $V = Linux ]; then next_stage && a; fi", "[ $V = Linux ]"),
            ("next_stage && V=1; [ \"$V\" ] && next_stage && a", "[ \"$V\" ]"),
            ("for f in *.deb; do next_stage && a; done", "*.deb"),
            ("while read -r x; do next_stage && a; done < f", "read -r x"),
            ("case $(arch) in x) next_stage && a;; esac", "$(arch)"),
            ("V=1; read V < f; [ $V ] && next_stage && a", "[ $V ]"),
            ("[ -d /x ] && V=1; [ \"$V\" ] && next_stage && a", "[ \"$V\" ]"),
            ("gpu() { test -e /dev/gpu; }; gpu && next_stage && a", "gpu"),
            ("if a; then :; elif true; then :; else next_stage && a; fi", "a"),
        ] {
            assert_eq!(culprits(text).last(), Some(&Some(expected.to_owned())), "{text}");
        }
    }
}
