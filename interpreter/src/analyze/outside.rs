//! What is left of commands when the chains of `next_stage` are taken out: what runs every time.

use std::sync::Arc;

use crate::{
    language::marker::Marker,
    syntax::{
        AndOrList, AndOrPart, CaseCommand, CaseItem, Command, CompoundCommand, CompoundKind, ForLoop,
        FunctionDefinition, IfCommand, List, ListItem, Loop, Pipeline,
    },
};

/// An and-or list without chains of stages; `None` when nothing is left.
pub(crate) fn of_item(item: &ListItem) -> Option<ListItem> {
    let and_or = &item.and_or;
    let is_stage = |pipeline: &&Pipeline| pipeline.marker() == Some(Marker::NextStage);
    let length = and_or.pipelines().take_while(|pipeline| !is_stage(pipeline)).count();
    if length == 0 {
        return None;
    }
    let rest = and_or.rest.iter().take(length - 1);
    let rest = rest.map(|part| AndOrPart { pipeline: of_pipeline(&part.pipeline), ..part.clone() }).collect();
    let and_or = AndOrList { first: of_pipeline(&and_or.first), rest, span: and_or.span };
    Some(ListItem { and_or, background: item.background })
}

/// A function without chains of stages.
pub(crate) fn of_function(definition: &Arc<FunctionDefinition>) -> Arc<FunctionDefinition> {
    let body = of_compound(&definition.body);
    match body == definition.body {
        true => Arc::clone(definition),
        false => Arc::new(FunctionDefinition { body, ..FunctionDefinition::clone(definition) }),
    }
}

fn of_pipeline(pipeline: &Pipeline) -> Pipeline {
    let commands = pipeline.commands.iter().map(|command| match command {
        Command::Simple(_) => command.clone(),
        Command::Compound(compound) => Command::Compound(Box::new(of_compound(compound))),
        Command::Function(definition) => Command::Function(of_function(definition)),
    });
    Pipeline { commands: commands.collect(), ..pipeline.clone() }
}

fn of_list(list: &List) -> List {
    List { items: list.items.iter().filter_map(of_item).collect() }
}

fn of_compound(command: &CompoundCommand) -> CompoundCommand {
    let kind = match &command.kind {
        CompoundKind::BraceGroup(list) => CompoundKind::BraceGroup(of_list(list)),
        CompoundKind::Subshell(list) => CompoundKind::Subshell(of_list(list)),
        CompoundKind::For(body) => CompoundKind::For(ForLoop { body: of_list(&body.body), ..body.clone() }),
        CompoundKind::Case(case) => {
            let items = case.items.iter().map(|item| CaseItem { body: of_list(&item.body), ..item.clone() });
            CompoundKind::Case(CaseCommand { items: items.collect(), ..case.clone() })
        }
        CompoundKind::If(branches) => CompoundKind::If(of_if(branches)),
        CompoundKind::While(body) => CompoundKind::While(of_loop(body)),
        CompoundKind::Until(body) => CompoundKind::Until(of_loop(body)),
    };
    CompoundCommand { kind, ..command.clone() }
}

/// A marker that is all of the condition has the first list for its chain.
fn of_if(command: &IfCommand) -> IfCommand {
    let is_chain = |index: usize, condition: &List| index == 0 && condition.marker_alone() == Some(Marker::NextStage);
    let branches = command.branches.iter().enumerate().map(|(index, (condition, body))| {
        let body = if is_chain(index, condition) { List::default() } else { of_list(body) };
        (of_list(condition), body)
    });
    IfCommand { branches: branches.collect(), otherwise: command.otherwise.as_ref().map(of_list) }
}

fn of_loop(command: &Loop) -> Loop {
    Loop { condition: of_list(&command.condition), body: of_list(&command.body) }
}
