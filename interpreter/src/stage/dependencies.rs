//! What a chain depends on, put together to its fingerprint.

use std::collections::BTreeSet;

use bstr::{BString, ByteSlice};

use super::{
    content::{files, text_of},
    fingerprint::{DependencyKind, Fingerprint, Link, hash},
    ledger::Ledger,
    made::Made,
    origin::Origin,
};
use crate::{
    analyze::{
        flow::{Flow, Inputs},
        functions::Functions,
        mentions::{self, Hash, Mentions},
    },
    language::names_in,
    syntax::ListItem,
};

/// The fingerprint of a chain behind `link`. The content of files counts for `with_files` only.
pub(crate) fn of_chain(
    link: &Link,
    items: &[ListItem],
    origin: &Origin,
    ledger: &mut dyn Ledger,
    with_files: bool,
) -> Fingerprint {
    let functions = origin.functions_with(items);
    let mentioned = Mentioned::by(items, origin, &functions);
    let mut parts = vec![(DependencyKind::Previous, BString::default(), hash(&[link.fingerprint().as_bytes()]))];
    parts.push((DependencyKind::Text, BString::default(), hash(&[text_of(items).as_slice()])));
    parts
        .extend(mentioned.functions.iter().map(|(name, hash)| (DependencyKind::Function, name.as_str().into(), *hash)));
    let of = |made: Made| if with_files { made.with_files } else { made.without };
    let part = |kind: DependencyKind, name: &[u8], made: Made| (kind, BString::from(name), of(made));
    let aliases = mentioned.aliases(origin);
    parts.extend(aliases.into_iter().map(|(name, made)| part(DependencyKind::Alias, &name, made)));
    let variables = origin.mentioned(&mentioned.mentions);
    parts.extend(variables.into_iter().map(|(name, made)| part(DependencyKind::Variable, name.as_bytes(), made)));
    if mentioned.mentions.positional {
        parts.extend(origin.positional().map(|made| part(DependencyKind::Positional, b"", made)));
    }
    let exported = origin.exported().into_iter();
    parts.extend(exported.map(|(name, made)| part(DependencyKind::Exported, name.as_bytes(), made)));
    parts.extend(origin.settings().map(|(kind, name, made)| part(kind, name.as_bytes(), made)));
    if with_files {
        parts.extend(files(&inputs_of(items, origin, &functions), ledger));
    }
    Fingerprint::of(parts)
}

/// What of the computation commands depend on where they run.
fn inputs_of(items: &[ListItem], origin: &Origin, functions: &Functions<Mentions>) -> Inputs {
    let calls = |name: &str| functions.called(name);
    let (mut values, mut told) = (origin.values().clone(), |_: &_, _| {});
    let mut flow = Flow::new(&mut values, &calls, &mut told);
    items.iter().for_each(|item| flow.item(item));
    flow.inputs
}

/// What commands mention, with the functions that they call.
struct Mentioned {
    mentions: Mentions,
    /// Names of commands in the commands themselves, and those in texts that they run.
    calls: BTreeSet<String>,
    /// Functions that are called, each with a hash of all its text.
    functions: Vec<(String, Hash)>,
}

impl Mentioned {
    fn by(items: &[ListItem], origin: &Origin, functions: &Functions<Mentions>) -> Mentioned {
        let (mentions, calls) = mentions::of_items(items);
        let mut mentioned = Mentioned { mentions, calls, functions: Vec::new() };
        let mut open: Vec<String> = mentioned.calls.iter().cloned().collect();
        loop {
            open.drain(..).for_each(|name| mentioned.call(&name, functions));
            // What is called may run what its caller names.
            if mentioned.mentions.runs_made {
                open = mentioned.made(origin, functions);
            }
            if open.is_empty() {
                break;
            }
            mentioned.calls.extend(open.iter().cloned());
        }
        mentioned.functions.sort();
        mentioned
    }

    fn call(&mut self, name: &str, functions: &Functions<Mentions>) {
        let Some(summary) = functions.summary(name) else { return };
        let texts: Vec<&[u8]> = summary.told.texts.iter().map(|text| text.as_slice()).collect();
        self.functions.push((name.to_owned(), hash(&texts)));
        self.mentions.merge(&Mentions { texts: Vec::new(), ..summary.told.clone() });
    }

    /// Names of commands that may be made, and were not thought of before; variables in what they are made from count too.
    fn made(&mut self, origin: &Origin, functions: &Functions<Mentions>) -> Vec<String> {
        let is_made = |names: &BTreeSet<String>| names.iter().any(|name| origin.is_made(name));
        let is_any = self.mentions.made_from.as_ref().is_none_or(is_made) || self.mentions.words.is_none();
        let mut names = self.mentions.words.clone().unwrap_or_default();
        let values = self.mentions.variables.iter().flatten().filter_map(|name| origin.known(name));
        let positional = origin.values().state.known_positional().unwrap_or_default().iter();
        let texts: Vec<&BString> = values.chain(positional.filter(|_| self.mentions.positional)).collect();
        let in_texts: BTreeSet<String> = texts.into_iter().flat_map(|text| names_in(text)).map(str::to_owned).collect();
        names.extend(in_texts.iter().cloned());
        mentions::merge_names(&mut self.mentions.variables, &Some(in_texts));
        if is_any {
            names.extend(functions.names().map(str::to_owned));
        }
        let is_new = |name: &String| functions.is_defined(name) && !self.calls.contains(name);
        names.into_iter().filter(is_new).collect()
    }

    /// The aliases that commands may use, by name.
    fn aliases<'o>(&'o self, origin: &'o Origin) -> Vec<(BString, Made)> {
        let words = self.mentions.words.iter().flatten().filter(|_| origin.alias_looks_further());
        let names = self.calls.iter().chain(words).map(String::as_str);
        // Which ones a function uses is not looked at.
        let found = match self.functions.is_empty() {
            true => origin.aliases(&mut names.into_iter()),
            false => origin.all_aliases(),
        };
        found.into_iter().map(|(name, made)| (name.as_bstr().to_owned(), made)).collect()
    }
}
