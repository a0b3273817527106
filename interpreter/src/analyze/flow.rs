//! Commands in the order in which they run: what is known of their words there, and what of the computation they
//! depend on.
//!
//! What is known is never guessed. A variable has its last value only where nothing else can have been assigned since:
//! what a branch, a loop or the right side of `||` may have assigned is not known behind it. Of what is not known, it is
//! still known whether it was made from a path of the computation.

use std::{collections::BTreeSet, sync::Arc};

use bstr::{BString, ByteSlice};

use super::{
    calls,
    effects::{self, Effects},
    files::{self, Argument, Files, Root},
    values::{Standing, Values},
};
use crate::{
    expand,
    language::{
        builtins::{self, Effect, Operands, Others},
        set,
    },
    syntax::{
        AndOr, AndOrList, Assignment, Command, CompoundCommand, CompoundKind, List, ListItem, Parameter, Part,
        PartKind, Pipeline, Redirection, SimpleCommand, Word,
        visit::{self, Visit},
    },
};

/// What is known of a simple command where it runs.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    /// The fields of its words.
    pub(crate) arguments: Vec<Argument>,
    /// The files it names.
    pub(crate) files: Files,
    /// Whether it may do more than that.
    pub(crate) is_opaque: bool,
}

/// What of the computation's directory some commands depend on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Inputs {
    /// Paths below it, without a `/` before them.
    pub(crate) files: BTreeSet<BString>,
    /// Whether it may be anything in it.
    pub(crate) whole: bool,
}

/// How many files are told apart that functions read: beyond that, any file of the computation may be one.
const MOST_FILES: usize = 64;

impl Inputs {
    pub(crate) fn merge(&mut self, other: &Inputs) {
        self.whole |= other.whole || self.files.len().max(other.files.len()) > MOST_FILES;
        if !self.whole {
            self.files.extend(other.files.iter().cloned());
        }
    }
}

/// What a call of a function comes to.
#[derive(Clone, Debug)]
pub(crate) struct CalledFunction {
    pub(crate) effects: Effects,
    /// The variables it mentions; `None` when there are too many to tell apart.
    pub(crate) variables: Option<BTreeSet<String>>,
    /// What of the computation it depends on, whatever its variables are.
    pub(crate) inputs: Inputs,
}

/// What a call of a function of this name comes to; `None` when there is no such function.
pub(crate) type CalledByName<'c> = &'c dyn Fn(&str) -> Option<Arc<CalledFunction>>;

/// Goes through commands in the order in which they run.
pub(crate) struct Flow<'c, 't> {
    values: &'c mut Values,
    pub(crate) inputs: Inputs,
    /// Whether what a substitution printed may be a path of the computation.
    prints_taint: bool,
    calls: CalledByName<'c>,
    /// Told what is known of each command, inner ones before those around them.
    told: &'c mut dyn FnMut(&'t SimpleCommand, Known),
}

impl<'c, 't> Flow<'c, 't> {
    pub(crate) fn new(
        values: &'c mut Values,
        calls: CalledByName<'c>,
        told: &'c mut dyn FnMut(&'t SimpleCommand, Known),
    ) -> Self {
        Flow { values, inputs: Inputs::default(), prints_taint: false, calls, told }
    }

    pub(crate) fn item(&mut self, item: &'t ListItem) {
        match item.background {
            true => self.apart(|flow| flow.and_or(&item.and_or)),
            false => self.and_or(&item.and_or),
        }
    }

    /// The body of a function.
    pub(crate) fn body(&mut self, body: &'t CompoundCommand) {
        self.values.forget_positional();
        self.compound_command(body);
    }

    fn list(&mut self, list: &'t List) {
        list.items.iter().for_each(|item| self.item(item));
    }

    /// Commands with a process of their own.
    fn apart(&mut self, go: impl FnOnce(&mut Self)) {
        let before = self.values.clone();
        go(self);
        self.values.back_to(before);
    }

    fn and_or(&mut self, and_or: &'t AndOrList) {
        let has_or = and_or.rest.iter().any(|part| part.operator == AndOr::Or);
        if has_or {
            self.forget_pipelines(and_or.pipelines());
        }
        and_or.pipelines().for_each(|pipeline| self.pipeline(pipeline));
        // Behind the list nobody knows how far it came.
        self.forget_pipelines(and_or.pipelines().skip(usize::from(!has_or)));
    }

    fn forget_pipelines<'p>(&mut self, pipelines: impl Iterator<Item = &'p Pipeline>) {
        for pipeline in pipelines {
            self.forget(effects::of_pipeline(pipeline), self.standing_is_tainted());
        }
    }

    /// What commands may have done, functions that they call included, is not known any more.
    fn forget(&mut self, found: effects::Found, tainted: bool) {
        let effects::Found { mut effects, calls } = found;
        calls.iter().filter_map(|name| (self.calls)(name)).for_each(|called| effects.merge(&called.effects));
        self.values.forget_effects(&effects, tainted);
    }

    /// Whether what stands behind commands that were looked at may stand in the computation.
    fn standing_is_tainted(&self) -> bool {
        self.values.standing != Standing::Elsewhere
    }

    fn pipeline(&mut self, pipeline: &'t Pipeline) {
        match pipeline.commands.as_slice() {
            [command] => self.command(command),
            commands => commands.iter().for_each(|command| self.apart(|flow| flow.command(command))),
        }
    }

    fn command(&mut self, command: &'t Command) {
        match command {
            Command::Simple(command) => self.simple_command(command),
            Command::Compound(command) => self.compound_command(command),
            Command::Function(_) => {}
        }
    }

    /// A simple command that is known not to call a function.
    pub(crate) fn command_alone(&mut self, command: &'t SimpleCommand) {
        self.simple_command(command);
    }

    fn compound_command(&mut self, command: &'t CompoundCommand) {
        let mut files = Files::default();
        for redirection in &command.redirections {
            self.redirection(redirection, &mut files);
        }
        self.read(&files);
        match &command.kind {
            CompoundKind::BraceGroup(list) => self.list(list),
            CompoundKind::Subshell(list) => self.apart(|flow| flow.list(list)),
            CompoundKind::If(command) => {
                for (condition, body) in &command.branches {
                    self.list(condition);
                    self.perhaps(body);
                }
                command.otherwise.iter().for_each(|body| self.perhaps(body));
                let bodies = command.branches.iter().map(|(_, body)| body).chain(&command.otherwise);
                bodies.for_each(|body| self.forget_list(body));
            }
            CompoundKind::Case(case) => {
                self.word(&case.subject);
                for item in &case.items {
                    for pattern in &item.patterns {
                        self.word(pattern);
                    }
                    self.perhaps(&item.body);
                }
                case.items.iter().for_each(|item| self.forget_list(&item.body));
            }
            CompoundKind::For(body) => {
                let tainted = body.words.iter().flatten().fold(false, |tainted, word| self.word(word) | tainted);
                let stands_inside = self.values.standing != Standing::Elsewhere;
                self.inputs.whole |= stands_inside && body.words.iter().flatten().any(|word| self.may_be_pattern(word));
                self.forget_list(&body.body);
                self.values.assign(&body.variable, Err(tainted));
                self.list(&body.body);
                self.forget_list(&body.body);
            }
            CompoundKind::While(body) | CompoundKind::Until(body) => {
                self.forget_list(&body.condition);
                self.forget_list(&body.body);
                self.list(&body.condition);
                self.list(&body.body);
                self.forget_list(&body.condition);
                self.forget_list(&body.body);
            }
        }
    }

    /// A branch: what it does is not known behind it.
    fn perhaps(&mut self, body: &'t List) {
        self.apart(|flow| flow.list(body));
    }

    fn forget_list(&mut self, list: &'t List) {
        // A path of the computation may have been assigned in there.
        let taints = Taints::of(list, self.values);
        let tainted = taints.mentions.found;
        self.values.tainted.extend(taints.names.into_iter().filter(|_| tainted));
        self.forget(effects::of_items(&list.items), tainted);
    }

    fn simple_command(&mut self, command: &'t SimpleCommand) {
        let mentioned: Vec<bool> = command.words.iter().map(|word| self.word(word)).collect();
        let mut mentions = mentioned.contains(&true);
        for assignment in &command.assignments {
            mentions |= self.assignment(assignment, command.words.is_empty());
        }
        let arguments = files::arguments(command, &self.values.state);
        let name = match arguments.first() {
            Some(Argument::Literal(name)) => Some(name.clone()),
            _ => None,
        };
        let called = name.as_ref().and_then(|name| (self.calls)(&name.to_str_lossy()));
        let is_known = command.words.is_empty() || command.marker().is_some() || called.is_some();
        let operands = if is_known { Some(Files::default()) } else { files::of_operands(&arguments) };
        let utility = name.as_ref().and_then(|name| builtins::run_by(name));
        let is_opaque = operands.is_none() || utility.is_some_and(|utility| utility.others == Others::Anything);
        let reads_more = is_opaque || name.as_ref().is_some_and(|name| builtins::reads_more(name));
        let mut files = operands.unwrap_or_default();
        let named = files.clone();
        let mut gets_path = false;
        for redirection in &command.redirections {
            gets_path |= self.redirection(redirection, &mut files);
        }
        let writes = command.redirections.iter().any(calls::writes_file);
        self.values.linked |= writes && gets_path;
        self.read(&files);
        if !command.words.is_empty() && command.marker().is_none() {
            let effect = name.as_ref().map_or(Effect::None, |name| builtins::effect_of(name));
            let is_mentioned = |(word, mentioned): (&'t Word, bool)| mentioned.then_some(word);
            let words: Vec<&Word> = command.words.iter().zip(mentioned).filter_map(is_mentioned).collect();
            let for_it = command.assignments.iter().any(|assignment| self.mentions(&assignment.value));
            let takes_all = called.is_some() || for_it || !self.reads_just_operands(name.as_ref(), &named, &words);
            self.depends(takes_all, reads_more, mentions);
            let tells = is_opaque || name.as_ref().is_some_and(|name| name == "pwd");
            self.prints_taint |= tells && self.values.standing != Standing::Elsewhere;
            self.values.linked |= mentions && takes_all && (writes || Self::links(name.as_ref()));
            if self.values.standing != Standing::Elsewhere && command.words.iter().any(|word| self.may_be_pattern(word))
            {
                self.inputs.whole = true;
            }
            if let Some(called) = &called {
                self.call(called, mentions);
            }
            self.changes(command, effect, &arguments, mentions);
        }
        // An archive that is taken apart leaves its members.
        let is_opaque = is_opaque || utility.is_some_and(|utility| utility.operands == Operands::Unpacked);
        (self.told)(command, Known { arguments, files, is_opaque });
    }

    /// Whether the words of a command that mention the computation's directory do no more than name files that it reads,
    /// or set what is looked at where it is used.
    fn reads_just_operands(&self, name: Option<&BString>, named: &Files, words: &[&Word]) -> bool {
        let Some(utility) = name.and_then(|name| builtins::run_by(name)) else { return words.is_empty() };
        let keeps = matches!(utility.effect, Effect::Directory | Effect::Names | Effect::LocalNames | Effect::Options);
        let reads = matches!(
            utility.operands,
            Operands::Read
                | Operands::ReadBehindScript
                | Operands::Copied
                | Operands::Values
                | Operands::Tested
                | Operands::Unpacked
        );
        let is_operand = |word: &&Word| {
            let fields = files::fields(word, &self.values.state);
            fields.iter().all(|field| matches!(field, Argument::Below(..)) && named.reads.contains(field))
        };
        keeps || words.iter().all(|word| reads && is_operand(word))
    }

    /// Whether a command makes other names for files.
    fn links(name: Option<&BString>) -> bool {
        let utility = name.and_then(|name| builtins::run_by(name));
        utility.is_some_and(|utility| utility.operands == Operands::Linked)
    }

    /// Whether pathname expansion may look at what is in the working directory.
    fn may_be_pattern(&self, word: &Word) -> bool {
        let is_pattern = |text: &[u8]| text.find_byteset(b"*?").is_some() || text.contains(&b'[') && text.len() > 1;
        word.parts.iter().any(|part| match &part.kind {
            PartKind::Literal(text) => is_pattern(text),
            PartKind::Parameter(_) | PartKind::CommandSubstitution(_) => {
                let word = Word { parts: vec![part.clone()], ..word.clone() };
                expand::expand_fields([&word], &self.values.state).is_err()
            }
            _ => false,
        }) && !self.values.state.has_option('f')
    }

    /// A function was called.
    fn call(&mut self, called: &CalledFunction, mentions: bool) {
        let is_tainted = |name: &String| self.values.is_tainted(&Parameter::Variable(name.clone()));
        let root = Root::Computation.variable();
        let (names_root, uses_other) = match &called.variables {
            Some(names) => (names.contains(root), names.iter().filter(|name| *name != root).any(is_tainted)),
            None => (true, true),
        };
        let tainted = mentions || names_root || uses_other;
        self.inputs.whole |= self.values.standing != Standing::Elsewhere || uses_other || self.values.linked;
        self.inputs.merge(&called.inputs);
        self.values.tainted.extend(called.effects.assigns.iter().flatten().filter(|_| tainted).cloned());
        self.values.forget_effects(&called.effects, tainted);
    }

    /// Notes what a command depends on beside the files it names.
    fn depends(&mut self, takes_all: bool, reads_more: bool, mentions: bool) {
        let leads_inside = self.values.standing != Standing::Elsewhere || self.values.linked;
        let is_whole = mentions && takes_all || reads_more && (leads_inside || self.values.exports_taint());
        self.inputs.whole |= is_whole;
        self.prints_taint |= mentions && takes_all;
    }

    /// The files that a command reads count where they are known; any file of the computation, where they are not.
    fn read(&mut self, files: &Files) {
        for file in files.reads.iter().chain(&files.writes) {
            match (file, &self.values.standing) {
                (Argument::Below(Root::Computation, path), _) => self.file(b"", path),
                _ if self.values.linked => self.inputs.whole = true,
                (Argument::Below(Root::Storage, _), _) => {}
                (Argument::Literal(path), _) if path.starts_with(b"/") || path == "-" => {}
                (Argument::Literal(path), Standing::Inside(directory)) => self.file(&directory.clone(), path),
                (Argument::Literal(_) | Argument::Unknown(_), Standing::Elsewhere) => {}
                (Argument::Literal(_) | Argument::Unknown(_), _) => self.inputs.whole = true,
            }
        }
    }

    fn file(&mut self, directory: &[u8], path: &[u8]) {
        match below(directory, path) {
            Some(path) if !path.is_empty() => drop(self.inputs.files.insert(path)),
            _ => self.inputs.whole = true,
        }
    }

    /// What a built-in does to the shell.
    fn changes(&mut self, command: &'t SimpleCommand, effect: Effect, arguments: &[Argument], mentions: bool) {
        match effect {
            Effect::Names | Effect::LocalNames => {
                for word in command.words.iter().skip(1) {
                    self.named(word, command);
                }
            }
            Effect::Directory => self.stand(arguments, mentions),
            Effect::None | Effect::Jobs | Effect::Leaves => {}
            _ => {
                if mentions && effect == Effect::Options {
                    self.values.tainted_positional = true;
                }
                if !self.set(arguments) {
                    self.forget(effects::of_command(command), mentions);
                }
            }
        }
    }

    /// `set` and `shift` with operands that are known.
    fn set(&mut self, arguments: &[Argument]) -> bool {
        let text = |argument: &Argument| match argument {
            Argument::Literal(text) => Some(text.clone()),
            Argument::Below(root, path) => Some([root.stand_in().as_bytes(), path].concat().into()),
            Argument::Unknown(_) => None,
        };
        let Some(words) = arguments.iter().map(text).collect::<Option<Vec<BString>>>() else { return false };
        match words.split_first().map(|(name, operands)| (name.as_slice(), operands)) {
            Some((b"set", operands)) => match set::of_set(operands) {
                Some(set) => {
                    self.values.set(&set);
                    true
                }
                None => false,
            },
            Some((b"shift", [])) => self.values.shift(1),
            _ => false,
        }
    }

    /// An operand of `export`, `read` and the like.
    fn named(&mut self, word: &'t Word, command: &SimpleCommand) {
        let value = expand::expand_value(word, &self.values.state);
        let tainted = self.mentions(word);
        let exports = command.unquoted_name() == Some("export");
        match value {
            Ok(text) => match text.split_once_str("=") {
                Some((name, value)) => {
                    let name = name.to_str_lossy().into_owned();
                    self.values.assign(&name, Ok(value.into()));
                    if exports {
                        self.values.state.export(&name);
                    }
                }
                None if exports => self.values.state.export(&text.to_str_lossy()),
                None if command.unquoted_name() == Some("readonly") => {}
                None => self.values.assign(&text.to_str_lossy(), Err(false)),
            },
            Err(expand::NeedsShell) => {
                let name = word.leading_text();
                if let Some((name, _)) = name.split_once_str("=") {
                    let name = name.to_str_lossy().into_owned();
                    self.values.assign(&name, Err(tainted));
                    if exports {
                        self.values.state.export(&name);
                    }
                }
            }
        }
    }

    /// `cd`
    fn stand(&mut self, arguments: &[Argument], mentions: bool) {
        let options = |argument: &&Argument| matches!(argument, Argument::Literal(text) if text.starts_with(b"-") && text.len() > 1);
        let operand = arguments.iter().skip(1).find(|argument| !options(argument));
        let standing = match (operand, &self.values.standing) {
            (None, _) => Standing::Elsewhere,
            (Some(Argument::Below(Root::Computation, path)), _) => {
                below(b"", path).map_or(Standing::Perhaps, Standing::Inside)
            }
            (Some(Argument::Below(Root::Storage, _)), _) => Standing::Elsewhere,
            (Some(Argument::Literal(path)), _) if path.starts_with(b"/") => Standing::Elsewhere,
            (Some(Argument::Literal(path)), Standing::Inside(directory)) => {
                below(directory, path).map_or(Standing::Perhaps, Standing::Inside)
            }
            (Some(Argument::Literal(path)), Standing::Elsewhere) if path != "-" => Standing::Elsewhere,
            (Some(Argument::Literal(_)), Standing::Elsewhere) if !self.values.stood_inside => Standing::Elsewhere,
            (Some(Argument::Unknown(_)), Standing::Elsewhere) if !mentions => Standing::Elsewhere,
            _ => Standing::Perhaps,
        };
        self.values.stand(standing);
    }

    /// Whether it mentions a path of the computation.
    fn assignment(&mut self, assignment: &'t Assignment, stays: bool) -> bool {
        let tainted = self.word(&assignment.value);
        if stays {
            let value = expand::expand_value(&assignment.value, &self.values.state);
            self.values.assign(&assignment.name, value.map_err(|_| tainted));
        }
        tainted
    }

    /// Whether it is a here-document that mentions a path of the computation.
    fn redirection(&mut self, redirection: &'t Redirection, files: &mut Files) -> bool {
        match redirection.here_document() {
            Some(document) => {
                let mentions = self.word(&document.body);
                self.inputs.whole |= mentions;
                mentions
            }
            None => {
                let mentions = self.word(&redirection.target);
                let before = files.reads.len() + files.writes.len();
                files::of_redirection(redirection, &self.values.state, files);
                let is_unknown = |argument: Option<&Argument>| matches!(argument, Some(Argument::Unknown(_)));
                let added = files.reads.len() + files.writes.len() > before;
                let unknown = is_unknown(files.reads.last()) || is_unknown(files.writes.last());
                self.inputs.whole |= mentions && added && unknown;
                false
            }
        }
    }

    /// Goes through the substitutions in a word. Whether the word may be made from a path of the computation.
    fn word(&mut self, word: &'t Word) -> bool {
        let printed = self.substitutions(&word.parts);
        printed | self.mentions(word)
    }

    fn substitutions(&mut self, parts: &'t [Part]) -> bool {
        let mut found = Substitutions(Vec::new());
        parts.iter().for_each(|part| found.visit_part(part));
        let mut printed = false;
        for list in found.0 {
            let outer = std::mem::take(&mut self.prints_taint);
            self.apart(|flow| flow.list(list));
            printed |= std::mem::replace(&mut self.prints_taint, outer);
        }
        printed
    }

    /// Whether a parameter in a word may hold a path of the computation, or its text names the variable that does.
    fn mentions(&self, word: &Word) -> bool {
        let mut mentions = PathMentions { values: self.values, found: false };
        mentions.visit_word(word);
        mentions.found
    }
}

/// A path below the computation's directory, from a directory there; `None` when it may lead out of it, or is no name of
/// one file.
fn below(directory: &[u8], path: &[u8]) -> Option<BString> {
    let mut names: Vec<&[u8]> = Vec::new();
    for name in directory.split(|byte| *byte == b'/').chain(path.split(|byte| *byte == b'/')) {
        match name {
            b"" | b"." => {}
            b".." => return None,
            name => names.push(name),
        }
    }
    Some(bstr::join("/", names).into())
}

/// Collects the lists of command substitutions, outermost ones only.
struct Substitutions<'t>(Vec<&'t List>);

impl<'t> Visit<'t> for Substitutions<'t> {
    fn visit_part(&mut self, part: &'t Part) {
        match &part.kind {
            PartKind::CommandSubstitution(substitution) => self.0.push(&substitution.list),
            _ => visit::walk_part(self, part),
        }
    }
}

struct PathMentions<'v> {
    values: &'v Values,
    found: bool,
}

impl<'t> Visit<'t> for PathMentions<'_> {
    fn visit_part(&mut self, part: &'t Part) {
        self.found |= match &part.kind {
            PartKind::Parameter(expansion) => self.values.is_tainted(&expansion.parameter),
            PartKind::Literal(text) | PartKind::SingleQuoted(text) => text.contains_str(Root::Computation.variable()),
            PartKind::Foreign(foreign) => foreign.text.contains_str(Root::Computation.variable()),
            // What a substitution prints is looked at where its commands are.
            PartKind::CommandSubstitution(_) => return,
            _ => false,
        };
        visit::walk_part(self, part);
    }
}

/// The variables that commands in a list may assign a path of the computation to.
struct Taints<'v> {
    mentions: PathMentions<'v>,
    names: Vec<String>,
}

impl Taints<'_> {
    // One that was assigned from another of them is no different: all count when a path is mentioned anywhere.
    fn of<'v>(list: &List, values: &'v Values) -> Taints<'v> {
        let mut taints = Taints { mentions: PathMentions { values, found: false }, names: Vec::new() };
        taints.visit_list(list);
        taints
    }
}

impl<'t> Visit<'t> for Taints<'_> {
    fn visit_simple_command(&mut self, command: &'t SimpleCommand) {
        self.names.extend(command.assignments.iter().map(|assignment| assignment.name.clone()));
        if let Some(Effect::Names | Effect::LocalNames) =
            command.unquoted_name().map(|name| builtins::effect_of(name.as_bytes()))
        {
            let names = command.words.iter().skip(1).map(Word::leading_text);
            self.names
                .extend(names.map(|text| text.split_str("=").next().unwrap_or_default().to_str_lossy().into_owned()));
        }
        visit::walk_simple_command(self, command);
    }

    fn visit_part(&mut self, part: &'t Part) {
        self.mentions.visit_part(part);
        visit::walk_part(self, part);
    }
}
