//! What a stage depends on, and its hash.
//!
//! A fingerprint is `ce1:` and the SHA-256 of length-prefixed parts, so that no two different lists of parts look
//! alike: the fingerprint of the stage before, the canonical text of the chain (comments and layout do not count;
//! quotes and here-documents do), the text of the functions it calls, the values of the variables it mentions, what is
//! exported, the working directory, the options, and the content of the files below `$COMPDIR` that it mentions.
//!
//! What a stage itself made of the shell does not count: on every later run that stage is skipped, and a fingerprint
//! must be the same then as it was on the first run.

use std::collections::{BTreeMap, BTreeSet};

use bstr::{BStr, BString, ByteSlice};
use sha2::{Digest, Sha256};

use super::ledger::Ledger;
use crate::{
    analyze::{
        definitions::Definitions,
        effects::{Effects, arithmetic_names},
    },
    language::names_in,
    state::{State, Value},
    syntax::{
        ListItem, Operation, Parameter, Part, PartKind, SimpleCommand, Word, print,
        visit::{self, Visit},
    },
};

/// The chain of fingerprints so far.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    root: String,
    last: Option<String>,
    /// A stage's fingerprint could not be told, so no later one can.
    broken: bool,
}

impl Link {
    pub(crate) fn new(root: String) -> Link {
        Link { root, last: None, broken: false }
    }

    pub(crate) fn push(&mut self, fingerprint: Option<String>) {
        match fingerprint {
            Some(fingerprint) => self.last = Some(fingerprint),
            None => self.broken = true,
        }
    }

    /// The last stage's fingerprint; the hash of the root when there is no stage yet.
    pub(crate) fn fingerprint(&self) -> Option<String> {
        let first = || hash([("root", self.root.as_bytes())]);
        (!self.broken).then(|| self.last.clone().unwrap_or_else(first))
    }
}

/// Which parts of the shell were touched, told from the text of what was run or skipped.
#[derive(Clone, Debug, Default)]
struct Touched {
    variables: BTreeSet<String>,
    everything: bool,
    directory: bool,
    options: bool,
}

impl Touched {
    fn add(&mut self, effects: &Effects) {
        match &effects.assigns {
            Some(names) => self.variables.extend(names.iter().cloned()),
            None => self.everything = true,
        }
        self.directory |= effects.changes_directory;
        self.options |= effects.changes_options;
    }

    fn variable(&self, name: &str) -> bool {
        self.everything || self.variables.contains(name)
    }
}

/// Where the state of the shell comes from. What it is by itself is part of the image's identity; what stages made of
/// it is gone on the next run; so only what the script does to it outside of stages counts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Origin {
    stages: Touched,
    outside: Touched,
}

impl Origin {
    /// A stage with these effects was run, or skipped.
    pub(crate) fn stage(&mut self, effects: &Effects) {
        self.stages.add(effects);
    }

    /// Something with these effects was run that runs on every call.
    pub(crate) fn outside(&mut self, effects: &Effects) {
        self.outside.add(effects);
    }

    /// The variable was surely assigned outside of any stage: what stages did to it before is gone.
    pub(crate) fn assigned(&mut self, name: &str) {
        self.stages.variables.remove(name);
        self.outside.variables.insert(name.to_owned());
    }

    fn counts(&self, name: &str) -> bool {
        self.outside.variable(name) && !self.stages.variable(name)
    }
}

/// What of the shell and the script goes into a stage's fingerprint.
pub(crate) struct Surroundings<'s> {
    pub(crate) state: &'s State,
    pub(crate) origin: &'s Origin,
    pub(crate) definitions: &'s Definitions,
}

/// The fingerprint of a chain behind `link`; `None` when a value it depends on is not known.
pub(crate) fn of_chain(
    link: &Link,
    items: &[ListItem],
    surroundings: &Surroundings<'_>,
    ledger: &mut dyn Ledger,
) -> Option<String> {
    let Surroundings { state, origin, definitions } = surroundings;
    let mut mentions = Mentions::new(definitions);
    items.iter().for_each(|item| mentions.visit_and_or(&item.and_or));
    let mut parts: Vec<(&str, BString)> = vec![("previous", link.fingerprint()?.into())];
    for item in items {
        parts.push(("text", print::canonical_and_or(&item.and_or)));
        parts.push(("background", i32::from(item.background).to_string().into()));
    }
    for (name, text) in &mentions.functions {
        parts.push(("function", name.as_str().into()));
        parts.push(("text", text.clone()));
    }
    for name in mentions.variables.iter().filter(|name| origin.counts(name)) {
        parts.push(("variable", name.as_str().into()));
        match state.variable(name) {
            Value::Set(value) => parts.push(("value", value.clone())),
            Value::Unset => parts.push(("unset", BString::default())),
            Value::Unknown => return None,
        }
    }
    for name in state.exported_names().filter(|name| origin.counts(name)) {
        parts.push(("exported", name.into()));
        if let Value::Set(value) = state.variable(name) {
            parts.push(("value", value.clone()));
        }
    }
    let is_made = |part: fn(&Touched) -> bool| part(&origin.outside) && !part(&origin.stages);
    if is_made(|touched| touched.directory || touched.everything) {
        parts.push(("directory", state.directory.clone()?));
    }
    if is_made(|touched| touched.options || touched.everything) {
        parts.push(("options", state.option_letters().into()));
        if mentions.positional {
            parts.extend(state.positional.iter().map(|value| ("positional", value.clone())));
        }
    }
    for path in &mentions.files {
        parts.push(("file", path.clone()));
        parts.push(("content", ledger.content(path.as_bstr()).unwrap_or_default().into()));
    }
    Some(hash(parts.iter().map(|(name, part)| (*name, part.as_slice()))))
}

/// `ce1:` and the SHA-256 of the parts, each with its name and length before it.
fn hash<'p>(parts: impl IntoIterator<Item = (&'p str, &'p [u8])>) -> String {
    let mut hasher = Sha256::new();
    for (name, part) in parts {
        hasher.update(format!("{name} {}\n", part.len()));
        hasher.update(part);
    }
    let digest: String = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("ce1:{digest}")
}

/// What a chain mentions, functions it calls included.
struct Mentions<'d> {
    definitions: &'d Definitions,
    functions: BTreeMap<String, BString>,
    variables: BTreeSet<String>,
    positional: bool,
    /// Paths below `$COMPDIR`; the empty one is all of it.
    files: BTreeSet<BString>,
}

impl<'d> Mentions<'d> {
    fn new(definitions: &'d Definitions) -> Self {
        Mentions {
            definitions,
            functions: BTreeMap::new(),
            variables: BTreeSet::new(),
            positional: false,
            files: BTreeSet::new(),
        }
    }

    /// A path such as `"$COMPDIR/src/main.c"`, when all behind `$COMPDIR` is literal.
    fn file(&mut self, parts: &[Part]) {
        let mut flat = Vec::new();
        flatten(parts, &mut flat);
        let Some(at) = flat.iter().position(|part| is_computation_directory(part)) else { return };
        let mut path = BString::default();
        for part in flat.iter().skip(at + 1) {
            match &part.kind {
                PartKind::Literal(text) if !text.iter().any(|byte| b"*?[".contains(byte)) => {
                    path.extend_from_slice(text)
                }
                PartKind::Escaped(text) | PartKind::SingleQuoted(text) => path.extend_from_slice(text),
                _ => {
                    path.clear();
                    break;
                }
            }
        }
        let whole = !path.is_empty() && !path.starts_with(b"/") || path.contains_str("..");
        let path = if whole { BString::default() } else { BStr::new(path.trim_start_with(|c| c == '/')).to_owned() };
        self.files.insert(path);
    }
}

fn flatten<'p>(parts: &'p [Part], flat: &mut Vec<&'p Part>) {
    for part in parts {
        match &part.kind {
            PartKind::DoubleQuoted(parts) => flatten(parts, flat),
            _ => flat.push(part),
        }
    }
}

fn is_computation_directory(part: &Part) -> bool {
    matches!(&part.kind, PartKind::Parameter(expansion)
        if expansion.parameter == Parameter::Variable("COMPDIR".into()) && expansion.operation == Operation::Value)
}

impl<'t> Visit<'t> for Mentions<'_> {
    fn visit_simple_command(&mut self, command: &'t SimpleCommand) {
        let name = command.literal_name().map(|name| name.to_string());
        if let Some(name) = name.filter(|name| !self.functions.contains_key(name)) {
            let definitions = self.definitions;
            for function in definitions.named(&name) {
                let text = print::canonical_function(&function.definition);
                self.functions.entry(name.clone()).or_default().extend_from_slice(&text);
            }
            for function in definitions.named(&name) {
                let mut inner = Mentions::new(self.definitions);
                std::mem::swap(&mut inner.functions, &mut self.functions);
                inner.visit_compound_command(&function.definition.body);
                self.functions = inner.functions;
                self.variables.extend(inner.variables);
                self.files.extend(inner.files);
            }
        }
        visit::walk_simple_command(self, command);
    }

    fn visit_word(&mut self, word: &'t Word) {
        self.file(&word.parts);
        word.parts.iter().for_each(|part| self.visit_part(part));
    }

    fn visit_part(&mut self, part: &'t Part) {
        match &part.kind {
            PartKind::Parameter(expansion) => match &expansion.parameter {
                Parameter::Variable(name) => {
                    self.variables.insert(name.clone());
                    if name == "COMPDIR" && !is_computation_directory(part) {
                        self.files.insert(BString::default());
                    }
                }
                Parameter::Positional(_) | Parameter::Special(b'@' | b'*' | b'#') => self.positional = true,
                Parameter::Special(_) => {}
            },
            PartKind::Arithmetic(parts) => self.variables.extend(arithmetic_names(parts)),
            PartKind::Foreign(foreign) => self.variables.extend(names_in(&foreign.text).map(str::to_owned)),
            _ => {}
        }
        visit::walk_part(self, part);
    }
}
