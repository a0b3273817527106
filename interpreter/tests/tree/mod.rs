//! What holds of every text that is read, whatever is in it: places are exact, and printed trees are read as they were.

use bstr::{BString, ByteSlice};
use compeval_interpreter::{
    Parsed, Source, Span, parse,
    syntax::{
        AndOrList, Command, CompoundCommand, FunctionDefinition, HereDocument, List, ListItem, Part, PartKind,
        Pipeline, Redirection, Script, SimpleCommand, Word,
        print::{canonical, canonical_and_or, canonical_word},
        visit::{Visit, walk_and_or, walk_compound_command, walk_part, walk_pipeline, walk_redirection},
    },
};

pub(crate) mod differences;
pub(crate) mod texts;

/// Reads `text` and checks all of it; gives what was read.
pub(crate) fn check(text: &[u8]) -> Parsed {
    let parsed = parse(Source::new("script", text));
    let end = u32::try_from(text.len()).unwrap();
    for span in parsed
        .errors
        .iter()
        .flat_map(|error| std::iter::once(error.primary.span).chain(error.related.iter().map(|label| label.span)))
    {
        assert!(span.start <= span.end && span.end <= end + 1, "{span:?} of {end} bytes");
    }
    check_places(&parsed.script);
    // A here-document of a command that was refused may stand inside another.
    if parsed.errors.is_empty() {
        check_slices(&parsed.script);
    }
    // A NUL byte is an error of the whole text, whose commands are read all the same.
    if !text.contains(&0) {
        check_canonical(&parsed.script);
    }
    parsed
}

/// Every node lies inside its parent and behind the node before it, and the parts of a word leave nothing out but line
/// continuations.
fn check_places(script: &Script) {
    let span = Span::new(0..script.source.text().len());
    let mut places = Places { source: &script.source, around: span, end: 0, spans: Vec::new(), exact: true };
    places.visit_list(&script.list);
}

struct Places<'t> {
    source: &'t Source,
    /// The node around.
    around: Span,
    /// Where the node before this one ends.
    end: u32,
    /// The spans of all nodes so far.
    spans: Vec<Span>,
    /// The text is as it is written: neither unescaped for backquotes nor without the tabs of `<<-`.
    exact: bool,
}

impl Places<'_> {
    fn inside(&mut self, span: Span, walk: impl FnOnce(&mut Self)) {
        let slice = self.source.slice(span);
        assert!(self.around.contains(span), "{span:?} {slice:?} is not inside {:?}", self.around);
        assert!(self.end <= span.start, "{span:?} {slice:?} is not behind {}", self.end);
        self.spans.push(span);
        let around = std::mem::replace(&mut self.around, span);
        self.end = span.start;
        walk(self);
        self.around = around;
        self.end = span.end;
    }

    /// What stands between the last node and `start` is left out of the tree.
    fn left_out(&self, start: u32, blanks: &[u8]) {
        let between = self.source.slice(Span { start: self.end, end: start });
        let rest: Vec<u8> = between.replace("\\\n", "").into_iter().filter(|byte| !blanks.contains(byte)).collect();
        assert!(!self.exact || rest.is_empty(), "{between:?} before {start} is in no part");
    }

    fn parts(&mut self, span: Span, parts: &[Part]) {
        self.inside(span, |places| {
            for part in parts {
                places.left_out(part.span.start, b"");
                places.visit_part(part);
            }
            places.left_out(span.end, b"");
        });
    }

    fn not_exact(&mut self, walk: impl FnOnce(&mut Self)) {
        let exact = std::mem::replace(&mut self.exact, false);
        walk(self);
        self.exact = exact;
    }
}

impl<'t> Visit<'t> for Places<'_> {
    fn visit_and_or(&mut self, and_or: &'t AndOrList) {
        self.inside(and_or.span, |places| {
            for part in &and_or.rest {
                let sign = places.source.slice(part.operator_span).replace("\\\n", "");
                assert!(!places.exact || sign == b"&&" || sign == b"||", "{sign:?}");
            }
            walk_and_or(places, and_or);
        });
    }

    fn visit_pipeline(&mut self, pipeline: &'t Pipeline) {
        self.inside(pipeline.span, |places| {
            if let Some(span) = pipeline.negation {
                places.inside(span, |_| {});
            }
            walk_pipeline(places, pipeline);
        });
    }

    fn visit_simple_command(&mut self, command: &'t SimpleCommand) {
        enum Node<'t> {
            Value(&'t Word),
            Word(&'t Word),
            Redirection(&'t Redirection),
        }
        let values = command.assignments.iter().map(|assignment| (assignment.span, Node::Value(&assignment.value)));
        let words = command.words.iter().map(|word| (word.span, Node::Word(word)));
        let redirections = command.redirections.iter().map(|one| (one.span, Node::Redirection(one)));
        assert!(command.words.is_sorted_by_key(|word| word.span));
        assert!(command.redirections.is_sorted_by_key(|redirection| redirection.span));
        let mut nodes: Vec<_> = values.chain(words).chain(redirections).collect();
        nodes.sort_by_key(|(span, _)| *span);
        self.inside(command.span, |places| {
            for (span, node) in nodes {
                places.left_out(span.start, b" \t");
                match node {
                    Node::Value(value) => places.inside(span, |places| places.visit_word(value)),
                    Node::Word(word) => places.visit_word(word),
                    Node::Redirection(redirection) => places.visit_redirection(redirection),
                }
            }
            places.left_out(command.span.end, b"");
        });
    }

    fn visit_compound_command(&mut self, command: &'t CompoundCommand) {
        assert!(command.span.contains(command.body_span) && command.span.start == command.body_span.start);
        self.inside(command.span, |places| walk_compound_command(places, command));
    }

    fn visit_function(&mut self, definition: &'t FunctionDefinition) {
        self.inside(definition.span, |places| {
            places.inside(definition.name_span, |_| {});
            places.visit_compound_command(&definition.body);
        });
    }

    fn visit_redirection(&mut self, redirection: &'t Redirection) {
        self.inside(redirection.span, |places| {
            places.visit_word(&redirection.target);
            if redirection.here_document().is_some() {
                walk_redirection(places, redirection);
            }
        });
    }

    fn visit_here_document(&mut self, document: &'t HereDocument) {
        // It stands behind the line that it is asked for on.
        let (around, end) = (self.around, self.end);
        self.around = Span::new(0..self.source.text().len());
        self.end = 0;
        self.not_exact(|places| places.inside(document.span, |places| places.visit_word(&document.body)));
        (self.around, self.end) = (around, end);
    }

    fn visit_word(&mut self, word: &'t Word) {
        self.parts(word.span, &word.parts);
    }

    fn visit_part(&mut self, part: &'t Part) {
        let slice = self.source.slice(part.span);
        let written: Option<BString> = match &part.kind {
            PartKind::Literal(text) => {
                assert!(!self.exact || slice.replace("\\\n", "") == *text, "{slice:?} is not {text:?}");
                None
            }
            PartKind::Escaped(text) => Some([b"\\", &text[..]].concat().into()),
            PartKind::SingleQuoted(text) => Some([b"'", &text[..], b"'"].concat().into()),
            PartKind::Tilde(login) => Some([b"~", &login[..]].concat().into()),
            _ => None,
        };
        assert!(!self.exact || written.is_none_or(|written| slice == written), "{slice:?}");
        self.inside(part.span, |places| match &part.kind {
            PartKind::CommandSubstitution(substitution) if substitution.backquoted => {
                places.not_exact(|places| walk_part(places, part));
            }
            _ => walk_part(places, part),
        });
    }
}

/// The slice of every command and of every word is read as it was.
fn check_slices(script: &Script) {
    let documents = here_documents(&script.list);
    Slices { source: &script.source, documents }.visit_list(&script.list);
}

struct Slices<'t> {
    source: &'t Source,
    /// The here-documents of the whole script.
    documents: Vec<Span>,
}

impl Slices<'_> {
    /// The slice of `span` is one and-or list, equal to `and_or`.
    fn and_or(&self, and_or: &AndOrList) {
        let item = ListItem { and_or: and_or.clone(), background: false };
        let own = here_documents(&List { items: vec![item] });
        let inside = self.documents.iter().filter(|document| and_or.span.contains(**document));
        if !own.iter().eq(inside) {
            return; // A here-document of this stands behind it, or one of another command in the middle of it.
        }
        let slice = self.source.slice(and_or.span);
        let again = parse(Source::new("slice", slice.to_vec()));
        assert!(again.errors.is_empty(), "{slice:?}: {:?}", again.errors);
        let [item] = &again.script.list.items[..] else { panic!("{slice:?}: not one and-or list") };
        assert_eq!(canonical_and_or(&item.and_or), canonical_and_or(and_or), "{slice:?}");
        assert_eq!(spans(&again.script.source, 0, &item.and_or), spans(self.source, and_or.span.start, and_or));
    }

    fn word(&self, word: &Word) {
        let slice = self.source.slice(word.span);
        let again = parse(Source::new("slice", [b": ", slice.as_bytes()].concat()));
        assert!(again.errors.is_empty(), "{slice:?}: {:?}", again.errors);
        match &again.script.list.items[0].and_or.first.commands[0] {
            Command::Simple(command) if command.words.len() == 2 => {
                assert_eq!(canonical_word(&command.words[1]), canonical_word(word), "{slice:?}");
            }
            command => panic!("{slice:?}: {command:?}"),
        }
    }
}

impl<'t> Visit<'t> for Slices<'_> {
    fn visit_and_or(&mut self, and_or: &'t AndOrList) {
        self.and_or(and_or);
        for pipeline in and_or.pipelines() {
            for command in &pipeline.commands {
                let span = command.span();
                if span != and_or.span {
                    let first = Pipeline { negation: None, commands: vec![command.clone()], span };
                    self.and_or(&AndOrList { first, rest: Vec::new(), span });
                }
            }
        }
        walk_and_or(self, and_or);
    }

    fn visit_simple_command(&mut self, command: &'t SimpleCommand) {
        for word in &command.words {
            self.word(word);
            self.visit_word(word);
        }
        for assignment in &command.assignments {
            self.visit_word(&assignment.value);
        }
        for redirection in &command.redirections {
            self.visit_redirection(redirection);
        }
    }

    fn visit_redirection(&mut self, redirection: &'t Redirection) {
        if redirection.here_document().is_none() {
            self.word(&redirection.target);
        }
        walk_redirection(self, redirection);
    }

    fn visit_part(&mut self, part: &'t Part) {
        // What is in backquotes is unescaped before it is read.
        if !matches!(&part.kind, PartKind::CommandSubstitution(substitution) if substitution.backquoted) {
            walk_part(self, part);
        }
    }
}

fn here_documents(list: &List) -> Vec<Span> {
    struct Found(Vec<Span>);
    impl<'t> Visit<'t> for Found {
        fn visit_here_document(&mut self, document: &'t HereDocument) {
            self.0.push(document.span);
            self.visit_word(&document.body);
        }
    }
    let mut found = Found(Vec::new());
    found.visit_list(list);
    found.0
}

/// The spans of all nodes, counted from `start`.
fn spans(source: &Source, start: u32, and_or: &AndOrList) -> Vec<Span> {
    let around = Span::new(0..source.text().len());
    let mut places = Places { source, around, end: 0, spans: Vec::new(), exact: false };
    places.visit_and_or(and_or);
    places.spans.iter().map(|span| Span { start: span.start - start, end: span.end - start }).collect()
}

/// The canonical text is read, and prints as it was printed.
fn check_canonical(script: &Script) {
    let printed = canonical(&script.list);
    let again = parse(Source::new("canonical", printed.to_vec()));
    assert!(again.errors.is_empty(), "{printed}\n{:?}", again.errors);
    assert_eq!(canonical(&again.script.list), printed);
}
