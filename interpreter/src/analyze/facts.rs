//! What can be said of a script's commands without running them: their arguments, the files they name, where they
//! stand, and whether they may do more than that.

use std::{collections::BTreeSet, sync::Arc};

use super::{
    files::{Argument, Files},
    flow::{Flow, Known},
    functions::Functions,
    mentions::Mentions,
    places::{self, Placed, Repetition},
    values::Values,
};
use crate::{
    Span,
    language::{
        builtins::{self, Effect},
        marker::Marker,
    },
    state::Function,
    syntax::{Script, SimpleCommand, visit::definitions_in},
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
    /// Whether it may do more than is said here: it is no built-in and no program whose operands are known, or it runs
    /// text that is not in the script. Of a function, the commands in it have facts of their own.
    pub is_opaque: bool,
    /// What it does to the shell that runs it, if it is a built-in.
    pub effect: Effect,
    /// Where it stands.
    pub context: CommandContext<'t>,
}

/// What a command is inside of. A function begins anew: what surrounds its definition says nothing of its calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CommandContext<'t> {
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
    /// The condition that decides whether it runs: that of the innermost `if`, `case` or loop, or what stands before it in
    /// its and-or list.
    pub guard: Option<Span>,
}

/// The facts of every simple command of a script, those inside functions and substitutions too, in the order of their
/// places. Variables have the values that assignments of literal text surely gave them, where a command runs; in a
/// function, nothing is known of what its callers did. Time is linear in the script's length.
pub fn analyze(script: &Script) -> Vec<Facts<'_>> {
    let mut functions = Functions::<Mentions>::default();
    let definitions = definitions_in(&script.list);
    for definition in &definitions {
        let (number, source) = (definition.span.start, Arc::clone(&script.source));
        functions.insert(Function { definition: Arc::clone(definition), source, number, aliases: Arc::default() });
    }
    let mut walked = places::walk(&script.list).places;
    walked.sort_by_key(|place| place.command.span);
    let mut known = known(script, &walked, &functions).into_iter().peekable();
    let mut about = |span: Span| {
        let mut about = None;
        while let Some((told, known)) = known.next_if(|(told, _)| *told <= span) {
            about = (told == span).then_some(known);
        }
        about
    };
    walked.iter().map(|place| facts(place, about(place.command.span))).collect()
}

/// What is known of commands, in the order of their places.
fn known(script: &Script, walked: &[Placed<'_>], functions: &Functions<Mentions>) -> Vec<(Span, Known)> {
    let mut known = Vec::with_capacity(walked.len());
    let calls = |name: &str| functions.called(name);
    let mut told = |command: &SimpleCommand, about: Known| known.push((command.span, about));
    let mut values = Values::unknown();
    let mut flow = Flow::new(&mut values, &calls, &mut told);
    script.list.items.iter().for_each(|item| flow.item(item));
    let bodies = walked.iter().filter_map(|place| place.context.function);
    let mut seen = BTreeSet::new();
    for definition in bodies.filter(|definition| seen.insert(definition.span)) {
        let mut values = Values::unknown();
        let mut flow = Flow::new(&mut values, &calls, &mut told);
        flow.body(&definition.body);
    }
    known.sort_by_key(|(span, _)| *span);
    known
}

fn facts<'t>(place: &Placed<'t>, known: Option<Known>) -> Facts<'t> {
    let command = place.command;
    let unknown = || Known { arguments: Vec::new(), files: Files::default(), is_opaque: true };
    let Known { arguments, files, is_opaque } = known.unwrap_or_else(unknown);
    let effect = match arguments.first() {
        Some(Argument::Literal(name)) => builtins::effect_of(name),
        _ => Effect::None,
    };
    let context = &place.context;
    let context = CommandContext {
        chain: context.outer_marker(),
        function: context.function.map(|definition| definition.name.as_str()),
        in_subshell: context.apart.is_some() || place.pipeline.commands.len() > 1,
        is_condition: context.asked || context.judged.is_some(),
        is_repeated: matches!(context.repeated, Some((Repetition::Loop | Repetition::Function, _))),
        guard: context.guard,
    };
    Facts {
        command,
        marker: place.marker,
        arguments,
        reads: files.reads,
        writes: files.writes,
        is_opaque,
        effect,
        context,
    }
}
