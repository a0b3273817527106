//! Walks over the tree: implement the methods you care about, and call the `walk_` function to go on inside.

use std::sync::Arc;

use bstr::BString;

use super::{
    AndOrList, Command, CompoundCommand, CompoundKind, FunctionDefinition, HereDocument, List, Operation, Part,
    PartKind, Pipeline, Redirection, SimpleCommand, Word,
};

/// A visitor of a tree. Each method sees one kind of node and by default visits what is inside, in source order.
pub trait Visit<'t> {
    /// A list: a body, a condition, or the script itself.
    fn visit_list(&mut self, list: &'t List) {
        walk_list(self, list);
    }

    /// An and-or list.
    fn visit_and_or(&mut self, and_or: &'t AndOrList) {
        walk_and_or(self, and_or);
    }

    /// A pipeline.
    fn visit_pipeline(&mut self, pipeline: &'t Pipeline) {
        walk_pipeline(self, pipeline);
    }

    /// A simple command.
    fn visit_simple_command(&mut self, command: &'t SimpleCommand) {
        walk_simple_command(self, command);
    }

    /// A compound command.
    fn visit_compound_command(&mut self, command: &'t CompoundCommand) {
        walk_compound_command(self, command);
    }

    /// A function definition.
    fn visit_function(&mut self, definition: &'t FunctionDefinition) {
        self.visit_compound_command(&definition.body);
    }

    /// A redirection.
    fn visit_redirection(&mut self, redirection: &'t Redirection) {
        walk_redirection(self, redirection);
    }

    /// The body of a here-document.
    fn visit_here_document(&mut self, document: &'t HereDocument) {
        self.visit_word(&document.body);
    }

    /// A word, wherever it stands.
    fn visit_word(&mut self, word: &'t Word) {
        for part in &word.parts {
            self.visit_part(part);
        }
    }

    /// A part of a word.
    fn visit_part(&mut self, part: &'t Part) {
        walk_part(self, part);
    }
}

/// Visits the and-or lists of a list.
pub fn walk_list<'t, V: Visit<'t> + ?Sized>(visitor: &mut V, list: &'t List) {
    for item in &list.items {
        visitor.visit_and_or(&item.and_or);
    }
}

/// Visits the pipelines of an and-or list.
pub fn walk_and_or<'t, V: Visit<'t> + ?Sized>(visitor: &mut V, and_or: &'t AndOrList) {
    for pipeline in and_or.pipelines() {
        visitor.visit_pipeline(pipeline);
    }
}

/// Visits the commands of a pipeline.
pub fn walk_pipeline<'t, V: Visit<'t> + ?Sized>(visitor: &mut V, pipeline: &'t Pipeline) {
    for command in &pipeline.commands {
        match command {
            Command::Simple(command) => visitor.visit_simple_command(command),
            Command::Compound(command) => visitor.visit_compound_command(command),
            Command::Function(definition) => visitor.visit_function(definition),
        }
    }
}

/// Visits the values, words and redirections of a simple command.
pub fn walk_simple_command<'t, V: Visit<'t> + ?Sized>(visitor: &mut V, command: &'t SimpleCommand) {
    for assignment in &command.assignments {
        visitor.visit_word(&assignment.value);
    }
    for word in &command.words {
        visitor.visit_word(word);
    }
    for redirection in &command.redirections {
        visitor.visit_redirection(redirection);
    }
}

/// Visits the words, lists and redirections of a compound command.
pub fn walk_compound_command<'t, V: Visit<'t> + ?Sized>(visitor: &mut V, command: &'t CompoundCommand) {
    match &command.kind {
        CompoundKind::BraceGroup(list) | CompoundKind::Subshell(list) => visitor.visit_list(list),
        CompoundKind::For(command) => {
            for word in command.words.iter().flatten() {
                visitor.visit_word(word);
            }
            visitor.visit_list(&command.body);
        }
        CompoundKind::Case(command) => {
            visitor.visit_word(&command.subject);
            for item in &command.items {
                for pattern in &item.patterns {
                    visitor.visit_word(pattern);
                }
                visitor.visit_list(&item.body);
            }
        }
        CompoundKind::If(command) => {
            for (condition, body) in &command.branches {
                visitor.visit_list(condition);
                visitor.visit_list(body);
            }
            if let Some(body) = &command.otherwise {
                visitor.visit_list(body);
            }
        }
        CompoundKind::While(command) | CompoundKind::Until(command) => {
            visitor.visit_list(&command.condition);
            visitor.visit_list(&command.body);
        }
    }
    for redirection in &command.redirections {
        visitor.visit_redirection(redirection);
    }
}

/// Visits the target and the here-document of a redirection. The delimiter of a here-document is not expanded.
pub fn walk_redirection<'t, V: Visit<'t> + ?Sized>(visitor: &mut V, redirection: &'t Redirection) {
    match redirection.here_document() {
        Some(document) => visitor.visit_here_document(document),
        None => visitor.visit_word(&redirection.target),
    }
}

/// Visits what is inside a part: quoted parts, words of parameter expansions, command substitutions.
pub fn walk_part<'t, V: Visit<'t> + ?Sized>(visitor: &mut V, part: &'t Part) {
    match &part.kind {
        PartKind::DoubleQuoted(parts) | PartKind::Arithmetic(parts) => {
            for part in parts {
                visitor.visit_part(part);
            }
        }
        PartKind::Parameter(expansion) => match &expansion.operation {
            Operation::Value | Operation::Length => {}
            Operation::Substitute { word, .. } => visitor.visit_word(word),
            Operation::Remove { pattern, .. } => visitor.visit_word(pattern),
        },
        PartKind::CommandSubstitution(substitution) => visitor.visit_list(&substitution.list),
        PartKind::Foreign(expansion) => visitor.visit_word(&expansion.word),
        PartKind::Literal(_) | PartKind::Escaped(_) | PartKind::SingleQuoted(_) | PartKind::Tilde(_) => {}
    }
}

/// The function definitions in a list, however deep, in the order of their places.
pub(crate) fn definitions_in(list: &List) -> Vec<Arc<FunctionDefinition>> {
    let mut definitions = DefinitionsBelow::default();
    definitions.visit_list(list);
    definitions.0
}

/// The same, and the texts of `eval` in it as far as they are literal.
pub(crate) fn definitions_and_texts(list: &List) -> (Vec<Arc<FunctionDefinition>>, Vec<BString>) {
    let mut found = DefinitionsBelow::default();
    found.visit_list(list);
    (found.0, found.1)
}

/// The same for an and-or list.
pub(crate) fn definitions_in_and_or(and_or: &AndOrList) -> Vec<Arc<FunctionDefinition>> {
    let mut definitions = DefinitionsBelow::default();
    definitions.visit_and_or(and_or);
    definitions.0
}

/// The same for the body of a function.
pub(crate) fn definitions_in_body(body: &CompoundCommand) -> Vec<Arc<FunctionDefinition>> {
    let mut definitions = DefinitionsBelow::default();
    definitions.visit_compound_command(body);
    definitions.0
}

#[derive(Default)]
struct DefinitionsBelow(Vec<Arc<FunctionDefinition>>, Vec<BString>);

impl<'t> Visit<'t> for DefinitionsBelow {
    fn visit_pipeline(&mut self, pipeline: &'t Pipeline) {
        for command in &pipeline.commands {
            if let Command::Function(definition) = command {
                self.0.push(Arc::clone(definition));
            }
        }
        walk_pipeline(self, pipeline);
    }

    fn visit_simple_command(&mut self, command: &'t SimpleCommand) {
        if command.unquoted_name() == Some("eval") {
            let words = command.words.iter().skip(1).map(Word::literal).collect::<Option<Vec<_>>>();
            self.1.extend(words.map(|words| bstr::join(" ", words).into()));
        }
        walk_simple_command(self, command);
    }
}
