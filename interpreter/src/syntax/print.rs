//! A syntax tree as text: exactly as it was written, or in one canonical form.

use bstr::{BString, ByteSlice};

use super::{
    AndOr, AndOrList, Command, CompoundCommand, CompoundKind, FunctionDefinition, HereDocument, List, Operation,
    Parameter, ParameterExpansion, Part, PartKind, PatternEnd, Pipeline, Redirection, RedirectionOperator,
    SimpleCommand, Substitution, Word,
};
use crate::language::reserved::Reserved;

/// The canonical text of a list: one and-or list a line, one space between words, no comments and no line
/// continuations. Quotes, here-documents and everything inside words stay as they are. Reading it gives an equal
/// tree but for the spans, so two texts with the same canonical form mean the same, unless an alias is defined and used
/// in one line. A here-document that the end of the text ends gets its delimiter.
pub fn canonical(list: &List) -> BString {
    let mut printer = Printer::default();
    printer.list(list);
    printer.out.into()
}

/// The canonical text of an and-or list, as [`canonical`] gives it for a list.
pub fn canonical_and_or(and_or: &AndOrList) -> BString {
    let mut printer = Printer::default();
    printer.and_or(and_or);
    printer.newline();
    printer.out.into()
}

/// The canonical text of a function's definition.
pub fn canonical_function(definition: &FunctionDefinition) -> BString {
    let mut printer = Printer::default();
    printer.function(definition);
    printer.newline();
    printer.out.into()
}

/// The canonical text of one word.
pub fn canonical_word(word: &Word) -> BString {
    let mut printer = Printer::default();
    printer.word(word);
    printer.out.into()
}

#[derive(Default)]
struct Printer {
    out: Vec<u8>,
    /// The here-documents whose operators stand on the current line.
    here_documents: Vec<u8>,
}

impl Printer {
    fn text(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    fn newline(&mut self) {
        self.out.push(b'\n');
        self.out.append(&mut self.here_documents);
    }

    fn list(&mut self, list: &List) {
        for item in &list.items {
            self.and_or(&item.and_or);
            if item.background {
                self.text(" &");
            }
            self.newline();
        }
    }

    fn and_or(&mut self, and_or: &AndOrList) {
        self.pipeline(&and_or.first);
        for part in &and_or.rest {
            self.text(match part.operator {
                AndOr::And => " && ",
                AndOr::Or => " || ",
            });
            self.pipeline(&part.pipeline);
        }
    }

    fn pipeline(&mut self, pipeline: &Pipeline) {
        if pipeline.negation.is_some() {
            self.text("! ");
        }
        for (index, command) in pipeline.commands.iter().enumerate() {
            if index > 0 {
                self.text(" | ");
            }
            match command {
                Command::Simple(command) => self.simple_command(command),
                Command::Compound(command) => self.compound_command(command),
                Command::Function(definition) => self.function(definition),
            }
        }
    }

    fn function(&mut self, definition: &FunctionDefinition) {
        self.text(&definition.name);
        self.text("() ");
        self.compound_command(&definition.body);
    }

    fn simple_command(&mut self, command: &SimpleCommand) {
        let start = self.out.len();
        // Behind a redirection a reserved word is none: there it must stay.
        let redirections_first = command.assignments.is_empty()
            && command.unquoted_name().is_some_and(|name| Reserved::of(name.as_bytes()).is_some());
        if redirections_first {
            self.redirections(&command.redirections, start);
        }
        for assignment in &command.assignments {
            self.space_after(start);
            self.text(&assignment.name);
            self.text("=");
            self.word(&assignment.value);
        }
        for word in &command.words {
            self.space_after(start);
            self.word(word);
        }
        if !redirections_first {
            self.redirections(&command.redirections, start);
        }
    }

    fn redirections(&mut self, redirections: &[Redirection], start: usize) {
        for redirection in redirections {
            self.space_after(start);
            self.redirection(redirection);
        }
    }

    fn space_after(&mut self, start: usize) {
        if self.out.len() > start {
            self.out.push(b' ');
        }
    }

    fn compound_command(&mut self, command: &CompoundCommand) {
        match &command.kind {
            CompoundKind::BraceGroup(list) => self.block("{", list, "}"),
            CompoundKind::Subshell(list) => self.block("(", list, ")"),
            CompoundKind::For(command) => {
                self.text("for ");
                self.text(&command.variable);
                if let Some(words) = &command.words {
                    self.text(" in");
                    for word in words {
                        self.text(" ");
                        self.word(word);
                    }
                }
                self.newline();
                self.block("do", &command.body, "done");
            }
            CompoundKind::Case(command) => {
                self.text("case ");
                self.word(&command.subject);
                self.text(" in");
                self.newline();
                for item in &command.items {
                    self.text("(");
                    for (index, pattern) in item.patterns.iter().enumerate() {
                        if index > 0 {
                            self.text(" | ");
                        }
                        self.word(pattern);
                    }
                    self.block(")", &item.body, ";;");
                    self.newline();
                }
                self.text("esac");
            }
            CompoundKind::If(command) => {
                for (index, (condition, body)) in command.branches.iter().enumerate() {
                    self.block(if index == 0 { "if" } else { "elif" }, condition, "");
                    self.block("then", body, "");
                }
                if let Some(body) = &command.otherwise {
                    self.block("else", body, "");
                }
                self.text("fi");
            }
            CompoundKind::While(command) => {
                self.block("while", &command.condition, "");
                self.block("do", &command.body, "done");
            }
            CompoundKind::Until(command) => {
                self.block("until", &command.condition, "");
                self.block("do", &command.body, "done");
            }
        }
        self.redirections(&command.redirections, 0);
    }

    fn block(&mut self, open: &str, list: &List, close: &str) {
        self.text(open);
        self.newline();
        self.list(list);
        self.text(close);
    }

    fn redirection(&mut self, redirection: &Redirection) {
        if let Some(descriptor) = redirection.descriptor {
            self.text(&descriptor.to_string());
        }
        // The body is kept without its tabs, so `<<-` is printed as `<<`.
        self.text(match redirection.operator {
            RedirectionOperator::Input => "<",
            RedirectionOperator::Output => ">",
            RedirectionOperator::Clobber => ">|",
            RedirectionOperator::Append => ">>",
            RedirectionOperator::HereDocument | RedirectionOperator::HereDocumentStripTabs => "<<",
            RedirectionOperator::DuplicateInput => "<&",
            RedirectionOperator::DuplicateOutput => ">&",
            RedirectionOperator::ReadWrite => "<>",
        });
        // `<< -` is not `<<-`.
        if redirection.here_document().is_some_and(|document| document.delimiter.starts_with(b"-")) {
            self.text(" ");
        }
        self.word(&redirection.target);
        if let Some(document) = redirection.here_document() {
            self.here_document(document);
        }
    }

    /// Prints the body for later, and makes the delimiter, which has just been printed, longer until it is no line of the
    /// body: what is expanded there may have stood on a line with something else.
    fn here_document(&mut self, document: &HereDocument) {
        let mut body = Printer::default();
        if document.quoted {
            body.parts(&document.body.parts);
        } else {
            body.word(&document.body);
        }
        // The end of the text may have cut off the last line.
        if !body.out.is_empty() && !body.out.ends_with(b"\n") {
            body.newline();
        }
        let mut delimiter = document.delimiter.clone();
        while body.out.lines().any(|line| line == delimiter) {
            delimiter.push(b'_');
            self.text("_");
        }
        self.here_documents.extend([&body.out[..], &delimiter, b"\n"].concat());
    }

    fn word(&mut self, word: &Word) {
        self.parts(&word.parts);
        // Only at the end of the text is a `\` itself: elsewhere it would take what comes next with it.
        if let Some(Part { kind: PartKind::Literal(text), .. }) = word.parts.last()
            && text.ends_with(b"\\")
        {
            self.out.push(b'\\');
        }
    }

    fn parts(&mut self, parts: &[Part]) {
        for (index, part) in parts.iter().enumerate() {
            match &part.kind {
                PartKind::Literal(text) => {
                    self.out.extend_from_slice(text);
                    // Before backquotes a `$` is literal; before `$(` it would not be.
                    let next = parts.get(index + 1).map(|next| &next.kind);
                    if text.ends_with(b"$") && matches!(next, Some(PartKind::CommandSubstitution(_))) {
                        self.out.insert(self.out.len() - 1, b'\\');
                    }
                }
                PartKind::Escaped(text) => {
                    self.out.push(b'\\');
                    self.out.extend_from_slice(text);
                }
                PartKind::SingleQuoted(text) => {
                    self.out.push(b'\'');
                    self.out.extend_from_slice(text);
                    self.out.push(b'\'');
                }
                PartKind::DoubleQuoted(parts) => {
                    self.out.push(b'"');
                    self.parts(parts);
                    self.out.push(b'"');
                }
                PartKind::Tilde(login) => {
                    self.out.push(b'~');
                    self.out.extend_from_slice(login);
                }
                PartKind::Parameter(expansion) => self.parameter(expansion),
                PartKind::CommandSubstitution(substitution) => self.substitution(&substitution.list),
                PartKind::Foreign(expansion) => self.out.extend_from_slice(&expansion.text),
                PartKind::Arithmetic(parts) => {
                    self.text("$((");
                    self.parts(parts);
                    self.text("))");
                }
            }
        }
    }

    /// Prints `$(list)`. A here-document inside needs its own lines, so the list ends with a newline.
    fn substitution(&mut self, list: &List) {
        let outer = std::mem::take(&mut self.here_documents);
        // A space keeps `$( (list) )` from becoming an arithmetic expansion.
        self.text("$( ");
        self.list(list);
        self.text(")");
        self.here_documents = outer;
    }

    fn parameter(&mut self, expansion: &ParameterExpansion) {
        let name = match &expansion.parameter {
            Parameter::Variable(name) => name.clone(),
            Parameter::Positional(number) => number.to_string(),
            Parameter::Special(byte) => char::from(*byte).to_string(),
        };
        self.text("${");
        match &expansion.operation {
            Operation::Value => self.text(&name),
            Operation::Length => {
                self.text("#");
                self.text(&name);
            }
            Operation::Substitute { when, or_empty, word } => {
                self.text(&name);
                self.text(if *or_empty { ":" } else { "" });
                self.text(match when {
                    Substitution::Default => "-",
                    Substitution::Assign => "=",
                    Substitution::Error => "?",
                    Substitution::Alternative => "+",
                });
                self.parts(&word.parts);
            }
            Operation::Remove { end, largest, pattern } => {
                self.text(&name);
                let sign = match end {
                    PatternEnd::Prefix => "#",
                    PatternEnd::Suffix => "%",
                };
                self.text(&sign.repeat(if *largest { 2 } else { 1 }));
                self.parts(&pattern.parts);
            }
        }
        self.text("}");
    }
}

/// Text for people: the first line, shortened to `limit` characters, with `...` where something was left out.
pub fn summary(text: &[u8], limit: usize) -> String {
    let text = text.trim_ascii();
    let line = text.lines().next().unwrap_or_default().to_str_lossy();
    let mut short: String = line.chars().take(limit).collect();
    if short.len() < line.len() || line.len() < text.len() {
        short.push_str(" ...");
    }
    short
}
