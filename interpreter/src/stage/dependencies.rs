//! What a chain depends on, put together to its fingerprint.

use bstr::BString;

use super::{
    content::{files, text_of},
    fingerprint::{Fingerprint, Link, PartKind, hash},
    ledger::Ledger,
    origin::Origin,
};
use crate::{
    analyze::{
        flow::{Flow, Inputs},
        functions::Functions,
        mentions::{self, Mentions},
    },
    syntax::ListItem,
};

/// The fingerprint of a chain behind `link`. The content of files counts for `with_files` only.
pub(crate) fn of_chain(
    link: &Link,
    items: &[ListItem],
    origin: &Origin,
    functions: &Functions,
    ledger: &mut dyn Ledger,
    with_files: bool,
) -> Fingerprint {
    let (mut mentioned, calls) = mentions::of_items(items);
    let mut parts = vec![(PartKind::Previous, BString::default(), hash(&[link.fingerprint().as_bytes()]))];
    parts.push((PartKind::Text, BString::default(), hash(&[text_of(items).as_slice()])));
    for name in calls {
        if let Some(summary) = functions.summary(&name) {
            let texts: Vec<&[u8]> = summary.mentions.texts.iter().map(|text| text.as_slice()).collect();
            parts.push((PartKind::Function, name.into(), hash(&texts)));
            mentioned.merge(&Mentions { texts: Default::default(), ..summary.mentions.clone() });
        }
    }
    let variables = origin.variables(mentioned.variables.as_ref());
    parts.extend(variables.into_iter().map(|(name, hash)| (PartKind::Variable, name.into(), hash)));
    if mentioned.positional {
        parts.extend(origin.positional().map(|hash| (PartKind::Positional, BString::default(), hash)));
    }
    parts.extend(origin.exported().into_iter().map(|(name, hash)| (PartKind::Exported, name.into(), hash)));
    parts.extend(origin.settings().map(|(kind, hash)| (kind, BString::default(), hash)));
    if with_files {
        parts.extend(files(&inputs_of(items, origin, functions), ledger));
    }
    Fingerprint::of(parts)
}

/// What of the computation commands depend on where they run.
fn inputs_of(items: &[ListItem], origin: &Origin, functions: &Functions) -> Inputs {
    let calls = |name: &str| functions.called(name);
    let (mut values, mut told) = (origin.values().clone(), |_: &_, _| {});
    let mut flow = Flow::new(&mut values, &calls, &mut told);
    items.iter().for_each(|item| flow.item(item));
    flow.inputs
}
