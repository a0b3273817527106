//! What can be said of a script's commands without running them: their arguments, the files they name, where they
//! stand, and whether they may do more than that.

use std::sync::Arc;

use bstr::BString;

use super::{
    definitions::Definitions,
    effects::Effects,
    files,
    places::{self, Placed, Repetition},
};
use crate::{
    Span, expand,
    language::marker::Marker,
    state::{Function, State},
    syntax::{AndOrList, Command, ListItem, Script, SimpleCommand, Word, visit::definitions_in},
};

/// What is known of a simple command.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts<'t> {
    /// The command.
    pub command: &'t SimpleCommand,
    /// The marker that it is.
    pub marker: Option<Marker>,
    /// The fields that its words expand to, the command's name first; empty when only assignments or redirections stand
    /// there.
    pub arguments: Vec<Argument>,
    /// The files that it reads, as it names them: targets of redirections, and operands of the usual utilities.
    pub reads: Vec<Argument>,
    /// The same for those that it makes, changes or removes.
    pub writes: Vec<Argument>,
    /// Whether it may do more than is said here: it is no built-in and no utility whose operands are known, or it runs
    /// text that is not in the script. Of a function, the commands in it have facts of their own.
    pub is_opaque: bool,
    /// Where it stands.
    pub context: Context<'t>,
}

/// A field, or all that is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Argument {
    /// Exactly this.
    Literal(BString),
    /// Any number of fields: only a shell could tell what the word at this place expands to.
    Unknown(Span),
}

/// What a command is inside of. A function begins anew: what surrounds its definition says nothing of its calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Context<'t> {
    /// The marker whose chain it is in, and the marker's place.
    pub chain: Option<(Marker, Span)>,
    /// The name of the function in whose body it stands.
    pub function: Option<&'t str>,
    /// Whether it runs in a process of its own: in a subshell, pipeline, substitution, or behind `&`.
    pub in_subshell: bool,
    /// Whether its status is asked for: in a condition, behind `!`, or before a marker.
    pub is_condition: bool,
    /// Whether it may run any number of times: in a loop or function.
    pub is_repeated: bool,
}

/// The facts of every simple command of a script, those inside functions and substitutions too, in the order of their
/// places. Variables have the values that assignments of literal text surely gave them. Time is linear in the script's length.
pub fn analyze(script: &Script) -> Vec<Facts<'_>> {
    let walked = places::walk(&script.list);
    let mut definitions = Definitions::default();
    for definition in definitions_in(&script.list) {
        let (number, source) = (definition.span.start, Arc::clone(&script.source));
        definitions.insert(Function { definition, source, number, aliases: Arc::default() });
    }
    let mut places = walked.places;
    places.sort_by_key(|place| place.command.span);
    let mut places = places.into_iter().peekable();
    let mut state = State::default();
    state.forget_status();
    let mut unknown = state.clone();
    unknown.forget_all();
    unknown.forget_positional();
    let mut all = Vec::new();
    for item in &script.list.items {
        if !assigns(item, &mut state) {
            forget(&Effects::of(std::slice::from_ref(item), &definitions), &mut state);
        }
        let is_inside = |place: &Placed<'_>| item.and_or.span.contains(place.command.span);
        while let Some(place) = places.next_if(is_inside) {
            let known = if place.context.function.is_some() { &unknown } else { &state };
            all.push(facts(&place, known, &definitions));
        }
    }
    // Here-documents stand outside of the commands they belong to, and so do substitutions in them.
    all.extend(places.map(|place| facts(&place, &unknown, &definitions)));
    all.sort_by_key(|facts| facts.command.span);
    all
}

/// Makes the assignments of an and-or list that is nothing else, where their values are known.
fn assigns(item: &ListItem, state: &mut State) -> bool {
    let AndOrList { first, rest, .. } = &item.and_or;
    let Some(Command::Simple(command)) = first.single().filter(|_| rest.is_empty() && !item.background) else {
        return false;
    };
    let is_plain = command.words.is_empty() && command.redirections.is_empty();
    is_plain
        && command.assignments.iter().all(|assignment| {
            let value = expand::expand_value(&assignment.value, state);
            value.is_ok_and(|value| state.assign(&assignment.name, value))
        })
}

/// What may be changed by a command is not known in it, nor behind it.
fn forget(effects: &Effects, state: &mut State) {
    match &effects.assigns {
        Some(names) => names.iter().for_each(|name| state.forget(name)),
        None => state.forget_all(),
    }
    if effects.changes_options {
        state.forget_positional();
    }
}

fn facts<'t>(place: &Placed<'t>, state: &State, definitions: &Definitions) -> Facts<'t> {
    let command = place.command;
    let arguments: Vec<Argument> = command.words.iter().flat_map(|word| expanded(word, state)).collect();
    let is_function = |name: &BString| definitions.named(&name.to_string()).next().is_some();
    let known = match arguments.first() {
        // A marker's arguments never reach a command.
        _ if place.marker.is_some() => Some(files::Files::default()),
        None => Some(files::Files::default()),
        Some(Argument::Literal(name)) if is_function(name) => Some(files::Files::default()),
        Some(_) => files::of_operands(&arguments),
    };
    let is_opaque = known.is_none();
    let files::Files { mut reads, mut writes } = known.unwrap_or_default();
    for redirection in &command.redirections {
        files::of_redirection(redirection, state, &mut reads, &mut writes);
    }
    let context = &place.context;
    let context = Context {
        chain: context.outer_marker(),
        function: context.function.map(|definition| definition.name.as_str()),
        in_subshell: context.apart.is_some() || place.pipeline.commands.len() > 1,
        is_condition: context.asked || context.judged.is_some(),
        is_repeated: matches!(context.repeated, Some((Repetition::Loop | Repetition::Function, _))),
    };
    Facts { command, marker: place.marker, arguments, reads, writes, is_opaque, context }
}

/// The fields of a word; one that stands for all of them where they are not known.
fn expanded(word: &Word, state: &State) -> Vec<Argument> {
    match expand::expand_fields([word], state) {
        Ok(fields) => fields.into_iter().map(Argument::Literal).collect(),
        Err(expand::NeedsShell) => vec![Argument::Unknown(word.span)],
    }
}
