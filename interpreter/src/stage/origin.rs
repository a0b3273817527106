//! What a script does to its shell outside of stages: the same on every run, and so a part of what stages depend on.
//!
//! What a stage makes of the shell is gone on the next run, when it is skipped; what the shell is by itself comes from
//! the container's base. Between the two, only what runs every time counts. Where that is known from the text alone, its
//! value counts; where a command gave it, the command's text counts, with all that it depends on itself. So what a stage
//! depends on can be told without running anything, and is the same in a dry run.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bstr::{BStr, BString, ByteSlice};

use super::{
    content::{files, text_of},
    fingerprint::DependencyKind,
    ledger::Ledger,
    made::Made,
};
use crate::{
    Source,
    analyze::{
        effects::Effects,
        files::Root,
        flow::{Flow, Inputs},
        functions::Functions,
        mentions::{self, Mentions},
        outside,
        values::Values,
    },
    expand,
    language::{ENVIRONMENT, is_name, set},
    state::{Function, State, Value},
    syntax::{
        Command, FunctionDefinition, ListItem, PartKind, SimpleCommand, Word,
        print::canonical_word,
        visit::{definitions_in_and_or, definitions_in_body},
    },
};

/// How many exported variables are told apart.
const MOST_EXPORTS: usize = 32;

/// Positional parameters while a function has others.
#[derive(Debug)]
pub(crate) struct Positional {
    known: Option<Vec<BString>>,
    made: Option<Made>,
}

/// What was done to the shell outside of stages so far.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    /// What is known from the text.
    values: Values,
    /// What commands gave.
    made: Arc<BTreeMap<String, Made>>,
    made_positional: Option<Made>,
    directory: Option<Made>,
    /// Options by their long names, and whether they are on; under no name, what is not known of them.
    options: Arc<BTreeMap<String, Made>>,
    /// The mode of new files and the like, by the built-in that sets it.
    settings: Arc<BTreeMap<&'static str, Made>>,
    /// Aliases by name, with their text where it is known.
    aliases: Arc<BTreeMap<BString, (Made, Option<BString>)>>,
    /// All exported variables as one, where that was told since the last change.
    exports: RefCell<Option<Made>>,
    /// What became of exported variables since there were too many to tell apart.
    exports_since: Option<Made>,
    /// Commands that may do anything to the shell.
    anything: Option<Made>,
    /// What runs now is part of such a command: what it does counts already.
    inside: usize,
    /// Functions as they are defined by now.
    functions: Arc<Functions<Mentions>>,
    /// The same without their stages.
    outside: Arc<Functions<Mentions>>,
    definitions: u32,
    /// The source of them all: their places are of no interest.
    nowhere: Arc<Source>,
    /// Variables that programs find in their environment without the script's doing.
    inherited: Arc<BTreeSet<String>>,
}

impl Origin {
    /// A shell that finds the exported variables of `state`.
    pub(crate) fn new(state: &State) -> Origin {
        Origin {
            values: Values::unknown(),
            made: Arc::default(),
            made_positional: None,
            directory: None,
            options: Arc::default(),
            settings: Arc::default(),
            aliases: Arc::default(),
            exports: RefCell::default(),
            exports_since: None,
            anything: None,
            inside: 0,
            functions: Arc::default(),
            outside: Arc::default(),
            definitions: 0,
            nowhere: Arc::new(Source::new("", "")),
            inherited: Arc::new(state.inherited().map(str::to_owned).collect()),
        }
    }

    /// What is known from the text.
    pub(crate) fn values(&self) -> &Values {
        &self.values
    }

    /// What is known of a variable; `None` for one that was not set.
    pub(crate) fn variable(&self, name: &str) -> Option<Made> {
        if let Some(made) = self.made.get(name) {
            return Some(*made);
        }
        match self.values.state.variable(name) {
            // Where a root is says nothing; what is in it counts where it is used.
            Value::Set(value) if is_root(name, value) => None,
            Value::Set(value) => Some(Made::known(&[b"value", value])),
            Value::Unset | Value::Unknown => None,
        }
    }

    /// The value of a variable that is known from the text.
    pub(crate) fn known(&self, name: &str) -> Option<&BString> {
        match self.values.state.variable(name) {
            Value::Set(value) if !self.made.contains_key(name) => Some(value),
            _ => None,
        }
    }

    /// Whether commands gave the value of a variable.
    pub(crate) fn is_made(&self, name: &str) -> bool {
        self.made.contains_key(name)
    }

    /// What is known of variables, by name; of all of them for `None`.
    pub(crate) fn variables<'n>(&'n self, names: Option<&'n BTreeSet<String>>) -> Vec<(&'n str, Made)> {
        let known = |name: &'n String| Some((name.as_str(), self.variable(name)?));
        match names {
            Some(names) => names.iter().filter_map(known).collect(),
            None => {
                let all: BTreeSet<&String> = self.made.keys().chain(self.values.state.variables.keys()).collect();
                all.into_iter().filter_map(known).collect()
            }
        }
    }

    /// The variables that commands mention, by name, and those that the shell looks at for what they do.
    pub(crate) fn mentioned<'n>(&'n self, mentions: &'n Mentions) -> Vec<(&'n str, Made)> {
        let mut variables = self.variables(mentions.variables.as_ref());
        let is_new = |name: &&&str| mentions.variables.as_ref().is_some_and(|names| !names.contains(**name));
        let implied = mentions.implied.iter().filter(is_new);
        variables.extend(implied.filter_map(|name| Some((*name, self.variable(name)?))));
        variables
    }

    pub(crate) fn positional(&self) -> Option<Made> {
        match (self.made_positional, self.values.state.positional.as_slice()) {
            (None, []) => None,
            (None, values) => Some(Made::known(&values.iter().map(|value| value.as_slice()).collect::<Vec<_>>())),
            (made, _) => made,
        }
    }

    /// The variables that programs find in their environment by the script's doing, by name; with many, all as one without
    /// a name.
    pub(crate) fn exported(&self) -> Vec<(&str, Made)> {
        let explicit = &self.values.state.exported;
        let is_set = |name: &&str| self.variable(name).is_some();
        let inherited = ENVIRONMENT.into_iter().chain(self.inherited.iter().map(String::as_str)).filter(is_set);
        let others: BTreeSet<&str> = inherited.filter(|name| !explicit.contains(*name)).collect();
        let is_root = |name: &&str| self.known(name).is_some_and(|value| is_root(name, value));
        let names = explicit.iter().map(String::as_str).chain(others).filter(|name| !is_root(name));
        let value = |name: &str| self.variable(name).unwrap_or_else(|| Made::known(&[b"exported"]));
        if explicit.len() <= MOST_EXPORTS {
            return names.map(|name| (name, value(name))).collect();
        }
        let all = *self
            .exports
            .borrow_mut()
            .get_or_insert_with(|| Made::of(&names.map(|name| value(name).named(name.as_bytes())).collect::<Vec<_>>()));
        vec![("", all)]
    }

    /// The working directory and the rest, where something was done to it.
    pub(crate) fn settings(&self) -> impl Iterator<Item = (DependencyKind, &'static str, Made)> {
        let options = self.options.iter().map(|(name, made)| made.named(name.as_bytes())).collect::<Vec<_>>();
        let options = (!options.is_empty()).then(|| Made::of(&options));
        let directory = self.directory.map(|made| (DependencyKind::Directory, "", made));
        let options = options.map(|made| (DependencyKind::Options, "", made));
        let settings = self.settings.iter().map(|(name, made)| (DependencyKind::Settings, *name, *made));
        let anything = self.anything.map(|made| (DependencyKind::Anything, "", made));
        directory.into_iter().chain(options).chain(settings).chain(anything)
    }

    /// The aliases that commands use which have these names and words, and those that they use in turn.
    pub(crate) fn aliases<'s>(&'s self, names: &mut dyn Iterator<Item = &'s str>) -> Vec<(&'s BStr, Made)> {
        let mut found: BTreeMap<&BStr, Made> = BTreeMap::new();
        if self.aliases.is_empty() {
            return Vec::new();
        }
        let mut open: Vec<BString> = names.map(BString::from).collect();
        while let Some(name) = open.pop() {
            let Some((name, (made, text))) = self.aliases.get_key_value(&name) else { continue };
            if found.insert(name.as_bstr(), *made).is_none() {
                match text {
                    Some(text) => open.extend(text.split_str(" ").map(BString::from)),
                    None => open.extend(self.aliases.keys().cloned()),
                }
            }
        }
        found.into_iter().collect()
    }

    pub(crate) fn all_aliases(&self) -> Vec<(&BStr, Made)> {
        self.aliases.iter().map(|(name, (made, _))| (name.as_bstr(), *made)).collect()
    }

    /// Whether an alias ends with a blank, so that the next word is looked up too (POSIX 2.3.1).
    pub(crate) fn alias_looks_further(&self) -> bool {
        self.aliases.values().any(|(_, text)| text.as_ref().is_none_or(|text| text.ends_with(b" ")))
    }

    /// A function is defined now.
    pub(crate) fn define(&mut self, definition: &Arc<FunctionDefinition>) {
        self.add_function(definition, Functions::replace);
        let inner = definitions_in_body(&definition.body);
        inner.iter().for_each(|definition| self.add_function(definition, Functions::insert));
    }

    fn add_function(&mut self, definition: &Arc<FunctionDefinition>, add: fn(&mut Functions<Mentions>, Function)) {
        self.definitions = self.definitions.saturating_add(1);
        let function = |definition| Function {
            definition,
            source: Arc::clone(&self.nowhere),
            number: self.definitions,
            aliases: Arc::default(),
        };
        let (whole, outside) = (function(Arc::clone(definition)), function(outside::of_function(definition)));
        add(Arc::make_mut(&mut self.functions), whole);
        add(Arc::make_mut(&mut self.outside), outside);
    }

    /// The functions, with those that commands define themselves.
    pub(crate) fn functions_with(&self, items: &[ListItem]) -> Arc<Functions<Mentions>> {
        let definitions: Vec<_> = items.iter().flat_map(|item| definitions_in_and_or(&item.and_or)).collect();
        if definitions.is_empty() {
            return Arc::clone(&self.functions);
        }
        let mut with = Origin { functions: Arc::clone(&self.functions), ..Origin::new(&State::default()) };
        with.definitions = self.definitions;
        definitions.iter().for_each(|definition| with.add_function(definition, Functions::insert));
        with.functions
    }

    /// An and-or list runs outside of stages.
    pub(crate) fn run(&mut self, item: &ListItem, ledger: &mut dyn Ledger) {
        if self.inside > 0 {
            return;
        }
        *self.exports.get_mut() = None;
        if let Some(definition) = item.plain_definition() {
            return self.define(definition);
        }
        let Some(item) = outside::of_item(item) else { return };
        for definition in definitions_in_and_or(&item.and_or) {
            self.add_function(&definition, Functions::insert);
        }
        let item = self.with_known_name(item);
        if self.assign_known(&item) || item.plain_command().is_some_and(|command| self.built_in(command)) {
            return;
        }
        let items = std::slice::from_ref(&item);
        let outside = Arc::clone(&self.outside);
        let effects = outside.effects_of(items);
        let Effects { leaves, stops_reading, may_err, .. } = effects;
        if effects == (Effects { leaves, stops_reading, may_err, ..Effects::none() }) {
            // A link to the computation may have been made.
            drop(self.follow(items, &outside));
            return;
        }
        // What it depends on is what was there before it.
        let mut parts = self.depended_on(items, &outside);
        let before = self.known_variables(&effects);
        let positional = self.positional();
        let keeps_options = item.plain_command().is_some_and(sets_positional);
        let inputs = self.follow(items, &outside);
        parts.extend(files(&inputs, ledger).into_iter().map(|(_, name, with_files)| Made {
            with_files: Made::known(&[&name, &with_files]).with_files,
            without: Made::known(&[&name]).without,
        }));
        let made = Made::of(&parts);
        if keeps_options {
            self.made_positional = Some(made.after(self.made_positional.or(positional)));
            return;
        }
        self.is_done(&effects, made, before, mentions::alias_names(&item));
    }

    /// Commands with these effects were run. `before` holds the variables that were known before, `aliases` the names of
    /// those that may be other ones now.
    fn is_done(&mut self, effects: &Effects, made: Made, before: BTreeMap<String, Made>, aliases: Vec<BString>) {
        match &effects.assigns {
            Some(names) => names.iter().for_each(|name| self.assigned(name, made, before.get(name).copied())),
            None => {
                // What was there before may be there still.
                let known = before.into_iter().filter(|(name, _)| self.known(name).is_none());
                let known: Vec<(String, Made)> = known.collect();
                Arc::make_mut(&mut self.made).extend(known);
                self.anything = Some(made.after(self.anything));
                return;
            }
        }
        if effects.changes_directory {
            self.directory = Some(made.after(self.directory));
        }
        if effects.changes_options {
            if self.values.state.known_positional().is_none() {
                self.made_positional = Some(made.after(self.made_positional));
            }
            let options = Arc::make_mut(&mut self.options);
            let before = options.get("").copied();
            options.insert(String::new(), made.after(before));
        }
        let has_names = !aliases.is_empty();
        let rest = effects.changes_rest.iter().copied().filter(|name| *name != "alias" || !has_names);
        let names = rest.chain(effects.redirects_shell.then_some("exec"));
        for name in aliases {
            let before = self.aliases.get(&name).map(|(made, _)| *made);
            self.alias(&name, None, made.after(before));
        }
        for name in names {
            let settings = Arc::make_mut(&mut self.settings);
            let before = settings.get(name).copied();
            settings.insert(name, made.after(before));
        }
    }

    /// The variables that are known and that something with these effects may assign.
    fn known_variables(&self, effects: &Effects) -> BTreeMap<String, Made> {
        let known = |name: &String| Some((name.clone(), self.known(name).and_then(|_| self.variable(name))?));
        match &effects.assigns {
            Some(names) => names.iter().filter_map(known).collect(),
            None => self.values.state.variables.keys().filter_map(known).collect(),
        }
    }

    /// Makes an assignment that is all of an and-or list, where its value is known.
    fn assign_known(&mut self, item: &ListItem) -> bool {
        let Some([assignment]) = item.plain_assignments() else { return false };
        let value = expand::expand_value(&assignment.value, &self.values.state);
        let is_known = value.is_ok_and(|value| self.values.assign_known(&assignment.name, value));
        if is_known {
            self.forget_made(&[&assignment.name]);
            self.exports_changed(&assignment.name);
        }
        is_known
    }

    /// Does what a built-in does whose operands are known; false where it is for others to do.
    fn built_in(&mut self, command: &SimpleCommand) -> bool {
        let Ok(fields) = expand::expand_fields(&command.words, &self.values.state) else { return false };
        let Some((name, operands)) = fields.split_first() else { return false };
        if self.functions.is_defined(&name.to_str_lossy()) {
            return false;
        }
        match (name.as_slice(), operands) {
            (b"set", operands) => return self.set(operands),
            (b"shift", []) => return self.shift(1),
            (b"shift", [count]) => {
                return count.to_str().ok().and_then(|count| count.parse().ok()).is_some_and(|count| self.shift(count));
            }
            (b"umask", [mask]) if mask.iter().all(u8::is_ascii_digit) => {
                let mask = mask.trim_start_with(|digit| digit == '0');
                Arc::make_mut(&mut self.settings).insert("umask", Made::known(&[b"umask", mask]));
            }
            (b"cd", [path]) if !path.starts_with(b"-") && self.variable("CDPATH").is_none() => {
                self.follow_command(command);
                let left = self.directory.unwrap_or_else(|| Made::known(&[b"start"]));
                Arc::make_mut(&mut self.made).insert("OLDPWD".to_owned(), left);
                let before = self.directory.filter(|_| !path.starts_with(b"/"));
                self.directory = Some(Made::known(&[b"path", path]).after(before));
                self.forget_made(&["PWD"]);
            }
            (b"trap", operands) => self.setting("trap", operands),
            (b"ulimit", operands) => self.setting("ulimit", operands),
            (b"unset", names) if names.iter().all(|name| is_name(name)) => {
                for name in names.iter().map(|name| name.to_str_lossy()) {
                    self.values.unset(&name);
                    Arc::make_mut(&mut self.made).insert(name.into_owned(), Made::known(&[b"unset"]));
                }
            }
            (b"unset", [option, names @ ..]) if option == "-f" => {
                for name in names {
                    Arc::make_mut(&mut self.functions).remove(&name.to_str_lossy());
                    Arc::make_mut(&mut self.outside).remove(&name.to_str_lossy());
                }
            }
            (b"alias", operands) if operands.iter().all(|operand| operand.contains(&b'=')) => {
                for (name, text) in operands.iter().filter_map(|operand| operand.split_once_str("=")) {
                    self.alias(name, Some(text.into()), Made::known(&[text]));
                }
            }
            (b"unalias", names) if names.iter().all(|name| !name.starts_with(b"-")) => {
                names.iter().for_each(|name| drop(Arc::make_mut(&mut self.aliases).remove(name)));
            }
            _ => return false,
        }
        true
    }

    fn setting(&mut self, name: &'static str, operands: &[BString]) {
        let settings = Arc::make_mut(&mut self.settings);
        let made = Made::known(&operands.iter().map(|operand| operand.as_slice()).collect::<Vec<_>>());
        let before = settings.get(name).copied();
        settings.insert(name, made.after(before));
    }

    fn alias(&mut self, name: &[u8], text: Option<BString>, made: Made) {
        Arc::make_mut(&mut self.aliases).insert(name.into(), (made, text));
    }

    fn set(&mut self, operands: &[BString]) -> bool {
        let Some(set) = set::of_set(operands).filter(|_| !operands.is_empty()) else { return false };
        for (name, on) in &set.options {
            let options = Arc::make_mut(&mut self.options);
            match (on, options.contains_key("")) {
                // A fresh shell has it off.
                (false, false) => drop(options.remove(name)),
                _ => drop(options.insert(name.clone(), Made::known(&[&[u8::from(*on)]]))),
            }
        }
        self.values.set(&set);
        if set.positional.is_some() {
            self.made_positional = None;
        }
        true
    }

    fn shift(&mut self, count: usize) -> bool {
        self.values.shift(count)
    }

    fn follow_command(&mut self, command: &SimpleCommand) {
        let calls = |_: &str| None;
        let mut told = |_: &_, _| {};
        Flow::new(&mut self.values, &calls, &mut told).command_alone(command);
    }

    fn forget_made(&mut self, names: &[&str]) {
        for name in names {
            if self.made.contains_key(*name) {
                Arc::make_mut(&mut self.made).remove(*name);
            }
        }
    }

    /// The same command under its name, where a variable holds that.
    fn with_known_name(&self, mut item: ListItem) -> ListItem {
        let Some(Command::Simple(command)) = item.and_or.first.commands.first_mut() else { return item };
        let Some(name) = command.words.first_mut().filter(|name| name.literal().is_none()) else { return item };
        if let Ok(fields) = expand::expand_fields([&*name], &self.values.state)
            && let [field] = fields.as_slice()
        {
            let part = crate::syntax::Part { kind: PartKind::SingleQuoted(field.clone()), span: name.span };
            *name = Word { parts: vec![part], ..name.clone() };
        }
        item
    }

    /// The variable of a `for` that is walked has the next field; `turn` counts from 0.
    pub(crate) fn turn(&mut self, variable: &str, words: &[Word], turn: usize, field: Option<&BStr>) {
        if self.inside > 0 {
            return;
        }
        *self.exports.get_mut() = None;
        self.values.forget(variable);
        match field {
            Some(field) if self.values.state.assign(variable, field.to_owned()) => self.forget_made(&[variable]),
            _ => {
                let made = self.words(words).named(&turn.to_le_bytes());
                Arc::make_mut(&mut self.made).insert(variable.to_owned(), made);
            }
        }
    }

    /// A function is called with these words; gives what the positional parameters were.
    pub(crate) fn call(&mut self, words: &[Word]) -> Positional {
        let given = expand::expand_fields(words, &self.values.state).ok();
        let made = given.is_none().then(|| self.words(words));
        let known = self.values.state.swap_positional(given);
        Positional { known, made: std::mem::replace(&mut self.made_positional, made) }
    }

    /// The function has returned.
    pub(crate) fn returned(&mut self, positional: Positional) {
        self.values.state.swap_positional(positional.known);
        self.made_positional = positional.made;
    }

    /// Words with all that they depend on.
    fn words(&self, words: &[Word]) -> Made {
        let mut parts: Vec<Made> = Vec::new();
        for word in words {
            let (mentioned, _) = mentions::of_word(word);
            parts.push(Made::known(&[&canonical_word(word)]));
            parts.extend(self.mentioned(&mentioned).into_iter().map(|(name, value)| value.named(name.as_bytes())));
            parts.extend(self.positional().filter(|_| mentioned.positional));
        }
        Made::of(&parts)
    }

    /// Goes through a text that only a run knows: that of a file, or one that a command gave. What it does to the shell is
    /// what the command does that runs it.
    pub(crate) fn enter(&mut self) {
        self.inside += 1;
    }

    pub(crate) fn leave(&mut self) {
        self.inside = self.inside.saturating_sub(1);
    }

    /// Goes on behind the items; gives what of the computation they depend on.
    fn follow(&mut self, items: &[ListItem], functions: &Functions<Mentions>) -> Inputs {
        let calls = |name: &str| functions.called(name);
        let mut told = |_: &_, _| {};
        let mut flow = Flow::new(&mut self.values, &calls, &mut told);
        items.iter().for_each(|item| flow.item(item));
        flow.inputs
    }

    /// A variable may have been assigned by commands with this hash.
    fn assigned(&mut self, name: &str, made: Made, known_before: Option<Made>) {
        match self.values.state.variable(name) {
            Value::Set(_) => self.forget_made(&[name]),
            Value::Unset | Value::Unknown => {
                // What was there before may be there still.
                let before = self.made.get(name).copied().or(known_before);
                Arc::make_mut(&mut self.made).insert(name.to_owned(), made.after(before));
            }
        }
        self.exports_changed(name);
    }

    /// What programs find in their environment.
    fn environment(&mut self) -> Vec<Made> {
        if self.values.state.exported.len() > MOST_EXPORTS {
            if self.exports_since.is_none() {
                self.exports_since = self.exported().first().map(|(_, all)| *all);
            }
            return self.exports_since.into_iter().collect();
        }
        let exported = self.exported().into_iter();
        exported.map(|(name, value)| value.named(name.as_bytes()).named(b"exported")).collect()
    }

    fn exports_changed(&mut self, name: &str) {
        if self.exports_since.is_some() {
            let value = self.variable(name).unwrap_or_else(|| Made::known(&[b"exported"]));
            self.exports_since = Some(value.named(name.as_bytes()).after(self.exports_since));
        }
    }

    /// Commands, and all that they depend on but for files.
    fn depended_on(&mut self, items: &[ListItem], functions: &Functions<Mentions>) -> Vec<Made> {
        let (mentioned, calls) = mentions::of_items(items);
        let mut parts = vec![Made::known(&[text_of(items).as_slice()])];
        let mut whole = mentioned;
        for summary in calls.iter().filter_map(|name| functions.summary(name)) {
            parts.extend(summary.told.texts.iter().map(|text| Made::known(&[text])));
            whole.merge(&summary.told);
        }
        parts.extend(self.mentioned(&whole).into_iter().map(|(name, value)| value.named(name.as_bytes())));
        parts.extend(self.positional().filter(|_| whole.positional));
        parts.extend(self.environment());
        parts.extend(
            self.settings().map(|(kind, name, made)| made.named(name.as_bytes()).named(kind.to_string().as_bytes())),
        );
        parts
    }
}

fn is_root(name: &str, value: &BString) -> bool {
    Root::ALL.iter().any(|root| root.variable() == name && value == root.stand_in())
}

/// Whether a command sets positional parameters, and nothing else whatever its operands are.
fn sets_positional(command: &SimpleCommand) -> bool {
    let name = command.unquoted_name();
    name == Some("shift") || name == Some("set") && command.words.get(1).and_then(Word::unquoted) == Some("--")
}
