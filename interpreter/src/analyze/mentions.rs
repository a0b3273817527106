//! What commands mention that comes from outside of them: variables, functions, files of the computation.

use std::{collections::BTreeSet, sync::Arc};

use bstr::{BString, ByteSlice};
use sha2::{Digest, Sha256};

use super::{
    effects::{Effects, MOST_NAMES},
    flow::{CalledFunction, Flow, Inputs},
    values::Values,
};
use crate::{
    language::{
        builtins::{self, Effect},
        names_in,
    },
    syntax::{
        CompoundCommand, CompoundKind, FunctionDefinition, ListItem, Parameter, Part, PartKind, SimpleCommand, Word,
        print,
        visit::{self, Visit},
    },
};

/// A hash of a text.
pub(crate) type Hash = [u8; 32];

/// What commands mention, functions that they call included where that is so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mentions {
    /// The names of variables; `None` when there are too many to tell apart.
    pub(crate) variables: Option<BTreeSet<String>>,
    /// Variables that the shell itself looks at for what they do.
    pub(crate) implied: BTreeSet<&'static str>,
    /// Whether positional parameters are among it; those of a function are its own.
    pub(crate) positional: bool,
    /// Names in their words: of functions, where commands are run whose names are made; of aliases.
    pub(crate) words: Option<BTreeSet<String>>,
    /// Whether they run commands whose names or texts are made at run time.
    pub(crate) runs_made: bool,
    /// The variables that such names and texts may be made from.
    pub(crate) made_from: Option<BTreeSet<String>>,
    /// Of functions: their texts, and those of what they call.
    pub(crate) texts: Vec<Hash>,
    /// What of the computation functions depend on, wherever they are called.
    pub(crate) inputs: Inputs,
}

impl Mentions {
    pub(crate) fn none() -> Mentions {
        let names = || Some(BTreeSet::new());
        Mentions {
            variables: names(),
            implied: BTreeSet::new(),
            positional: false,
            words: names(),
            runs_made: false,
            made_from: names(),
            texts: Vec::new(),
            inputs: Inputs::default(),
        }
    }

    pub(crate) fn merge(&mut self, other: &Mentions) {
        merge_names(&mut self.variables, &other.variables);
        merge_names(&mut self.words, &other.words);
        merge_names(&mut self.made_from, &other.made_from);
        self.implied.extend(&other.implied);
        self.positional |= other.positional;
        self.runs_made |= other.runs_made;
        self.texts.extend(&other.texts);
        self.inputs.merge(&other.inputs);
    }

    /// The same with only some of the words.
    pub(crate) fn with_words(mut self, keeps: impl Fn(&str) -> bool) -> Mentions {
        self.words.iter_mut().for_each(|words| words.retain(|word| keeps(word)));
        self
    }

    /// The same with one text for all: that of functions of which nothing more will be learnt.
    pub(crate) fn sealed(mut self) -> Mentions {
        self.texts.sort_unstable();
        self.texts.dedup();
        let mut hasher = Sha256::new();
        self.texts.iter().for_each(|text| hasher.update(text));
        Mentions { texts: vec![hasher.finalize().into()], ..self }
    }
}

/// Adds names to others; `None` stands for more than are told apart.
pub(crate) fn merge_names(names: &mut Option<BTreeSet<String>>, more: &Option<BTreeSet<String>>) {
    match (names.as_mut(), more) {
        (Some(names), Some(more)) if names.len().max(more.len()) <= MOST_NAMES => names.extend(more.iter().cloned()),
        _ => *names = None,
    }
}

/// What and-or lists mention themselves, and the names of commands that may be functions.
pub(crate) fn of_items(items: &[ListItem]) -> (Mentions, BTreeSet<String>) {
    let mut finder = MentionFinder::new();
    items.iter().for_each(|item| finder.visit_and_or(&item.and_or));
    (finder.mentions, finder.calls)
}

/// What a word mentions itself, and the names of commands in it that may be functions.
pub(crate) fn of_word(word: &Word) -> (Mentions, BTreeSet<String>) {
    let mut finder = MentionFinder::new();
    finder.visit_word(word);
    (finder.mentions, finder.calls)
}

/// What a function mentions itself, and the names of commands that may be functions. `is_function` tells whether a
/// command of this name is one: what those do is not known here.
pub(crate) fn of_function(
    definition: &FunctionDefinition,
    is_function: &dyn Fn(&str) -> bool,
) -> (Mentions, BTreeSet<String>) {
    let mut finder = MentionFinder::new();
    finder.visit_compound_command(&definition.body);
    let MentionFinder { mut mentions, calls } = finder;
    mentions.positional = false;
    mentions.texts.push(Sha256::digest(print::canonical_function(definition).as_slice()).into());
    let anything = Arc::new(CalledFunction {
        effects: Effects { assigns: None, changes_directory: true, changes_options: true, ..Effects::none() },
        variables: Some(BTreeSet::new()),
        inputs: Inputs::default(),
    });
    let calls_of = |name: &str| is_function(name).then(|| Arc::clone(&anything));
    let (mut values, mut told) = (Values::unknown(), |_: &_, _| {});
    let mut flow = Flow::new(&mut values, &calls_of, &mut told);
    flow.body(&definition.body);
    mentions.inputs = flow.inputs;
    (mentions, calls)
}

/// The names that are operands of `alias` and `unalias`.
pub(crate) fn alias_names(item: &ListItem) -> Vec<BString> {
    struct AliasNames(Vec<BString>);
    impl<'t> Visit<'t> for AliasNames {
        fn visit_simple_command(&mut self, command: &'t SimpleCommand) {
            if let Some("alias" | "unalias") = command.unquoted_name() {
                let names = command.words.iter().skip(1).map(Word::leading_text);
                self.0.extend(names.map(|text| text.split_str("=").next().unwrap_or_default().into()));
            }
            visit::walk_simple_command(self, command);
        }
    }
    let mut names = AliasNames(Vec::new());
    names.visit_and_or(&item.and_or);
    names.0
}

struct MentionFinder {
    mentions: Mentions,
    calls: BTreeSet<String>,
}

impl MentionFinder {
    fn new() -> MentionFinder {
        MentionFinder { mentions: Mentions::none(), calls: BTreeSet::new() }
    }

    fn variable(&mut self, name: &str) {
        insert(&mut self.mentions.variables, name);
    }

    /// Commands whose names or texts are made from these words may be any.
    fn runs(&mut self, words: &[Word]) {
        self.mentions.runs_made = true;
        words.iter().for_each(|word| self.made_from(word));
    }

    fn made_from(&mut self, word: &Word) {
        let mut finder = MentionFinder::new();
        finder.visit_word(word);
        merge_names(&mut self.mentions.made_from, &finder.mentions.variables);
    }

    /// A text that the shell reads: what looks like a name in it may be one.
    fn text(&mut self, words: &[Word]) {
        self.runs(words);
        let mut text = Literals(BString::default());
        words.iter().for_each(|word| text.visit_word(word));
        names_in(&text.0).for_each(|name| self.variable(name));
        self.mentions.positional |= text.0.contains(&b'$');
    }

    /// What may be names of commands in a word.
    fn names(&mut self, word: &Word) {
        let mut text = Literals(BString::default());
        text.visit_word(word);
        names_in(&text.0).for_each(|name| insert(&mut self.mentions.words, name));
    }

    /// What a built-in looks at by itself, and what it runs.
    fn command(&mut self, command: &SimpleCommand) {
        let [name, arguments @ ..] = command.words.as_slice() else { return };
        let Some(name) = name.literal() else { return self.runs(std::slice::from_ref(name)) };
        let Some(utility) = builtins::find(&name) else {
            // A function may run its arguments.
            return arguments.first().into_iter().for_each(|word| self.made_from(word));
        };
        match utility.effect {
            Effect::Text | Effect::Traps | Effect::Aliases => self.text(arguments),
            Effect::Operands => self.runs(arguments.get(..1).unwrap_or_default()),
            Effect::Directory => {
                self.mentions.implied.insert("CDPATH");
            }
            Effect::ReadsOptions => {
                self.mentions.positional = true;
                self.mentions.implied.insert("OPTIND");
            }
            _ if name == "read" => {
                self.mentions.implied.insert("IFS");
            }
            Effect::Options => self.mentions.positional = true,
            _ => {}
        }
    }
}

fn insert(names: &mut Option<BTreeSet<String>>, name: &str) {
    if let Some(names) = names
        && !names.contains(name)
    {
        names.insert(name.to_owned());
    }
}

/// All that is literal in words.
struct Literals(BString);

impl<'t> Visit<'t> for Literals {
    fn visit_part(&mut self, part: &'t Part) {
        match &part.kind {
            PartKind::Literal(text) | PartKind::SingleQuoted(text) | PartKind::Escaped(text) => {
                self.0.extend_from_slice(text);
            }
            _ => self.0.push(b' '),
        }
        visit::walk_part(self, part);
    }
}

impl<'t> Visit<'t> for MentionFinder {
    fn visit_simple_command(&mut self, command: &'t SimpleCommand) {
        let name: Option<BString> = command.literal_name();
        self.calls.extend(name.and_then(|name| name.to_str().ok().map(str::to_owned)));
        self.command(command);
        // The name of a command that is literal is a call, if it is one.
        command.assignments.iter().for_each(|assignment| self.names(&assignment.value));
        command.words.iter().skip(1).for_each(|word| self.names(word));
        visit::walk_simple_command(self, command);
    }

    fn visit_compound_command(&mut self, command: &'t CompoundCommand) {
        if let CompoundKind::For(body) = &command.kind {
            body.words.iter().flatten().for_each(|word| self.names(word));
        }
        visit::walk_compound_command(self, command);
    }

    fn visit_part(&mut self, part: &'t Part) {
        match &part.kind {
            PartKind::Parameter(expansion) => match &expansion.parameter {
                Parameter::Variable(name) => self.variable(name),
                Parameter::Positional(_) | Parameter::Special(b'@' | b'*' | b'#') => self.mentions.positional = true,
                Parameter::Special(_) => {}
            },
            PartKind::Arithmetic(parts) => {
                for part in parts {
                    if let PartKind::Literal(text) = &part.kind {
                        names_in(text).for_each(|name| self.variable(name));
                    }
                }
            }
            PartKind::Foreign(foreign) => names_in(&foreign.text).for_each(|name| self.variable(name)),
            _ => {}
        }
        // What an expansion gives is split by it.
        if let PartKind::Parameter(_) | PartKind::Arithmetic(_) | PartKind::CommandSubstitution(_) = part.kind {
            self.mentions.implied.insert("IFS");
        }
        visit::walk_part(self, part);
    }
}
