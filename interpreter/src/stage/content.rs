//! The content that something depends on: files of the computation, and the text of commands.

use bstr::{BString, ByteSlice};

use super::{
    fingerprint::{DependencyKind, hash},
    ledger::Ledger,
};
use crate::{
    analyze::{flow::Inputs, mentions::Hash},
    syntax::{ListItem, print},
};

/// The content of each file that something depends on.
pub(crate) fn files(inputs: &Inputs, ledger: &mut dyn Ledger) -> Vec<(DependencyKind, BString, Hash)> {
    let mut content = |path: &BString| hash(&[ledger.content(path.as_bstr()).unwrap_or_default().as_bytes()]);
    if inputs.whole {
        let whole = BString::default();
        let hash = content(&whole);
        return vec![(DependencyKind::Computation, whole, hash)];
    }
    inputs.files.iter().map(|path| (DependencyKind::File, path.clone(), content(path))).collect()
}

/// The canonical text of a chain.
pub(crate) fn text_of(items: &[ListItem]) -> BString {
    let mut text = BString::default();
    for item in items {
        text.extend_from_slice(&print::canonical_and_or(&item.and_or));
        if item.background {
            text.extend_from_slice(b"&\n");
        }
    }
    text
}
