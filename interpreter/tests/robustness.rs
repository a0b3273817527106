//! Mutated scripts: whatever bytes come, reading ends, its tree holds together, and the verdict is dash's.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

use std::{fs, sync::LazyLock};

use bstr::ByteSlice;
use proptest::{
    collection::vec,
    prelude::*,
    sample::{Index, select},
    test_runner::{Config, RngSeed},
};
use tree::{
    differences::reason_to_differ,
    texts::{dash_accepts, kept_texts},
};

mod tree;

/// What scripts are changed with.
const PIECES: &[&str] = &[
    "if ", "then ", "else ", "elif ", "fi ", "do ", "done ", "case ", "esac ", "in ", "while ", "until ", "for ", "{ ",
    "} ", "! ", "(", ")", "$(", "$((", "))", "`", "\"", "'", "\\", "\n", "\\\n", ";", ";;", "&", "&&", "|", "||", "<",
    "<<", "<<-", "<<E", "<<'E'\n", "<&", "<>", ">", ">>", ">&", ">|", "2>", "\nE\n", "${", "}", "${x", "${x:-", "${#",
    "$", " #", "~", "=", "x=", "*", "[", " ", "\t", "f() ", "()", "a", "1", "\r", "\0", "@", "-", "%", ":", "\\\"",
    "\\$", "\\`", "\\\\", "$'", "\u{e9}", "\u{feff}",
];

/// How long the part of a script is that is changed.
const LENGTH: usize = 600;

static TEXTS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| kept_texts().into_iter().map(|(_, text)| text).collect());

#[derive(Clone, Debug)]
enum Mutation {
    Insert(Index, &'static str),
    Remove(Index, usize),
    Replace(Index, u8),
    /// Puts in a part of another text.
    Splice(Index, Index, Index, usize),
    /// Repeats what stands before.
    Repeat(Index, usize),
    End(Index),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let place = any::<Index>;
    prop_oneof![
        4 => (place(), select(PIECES)).prop_map(|(at, piece)| Mutation::Insert(at, piece)),
        2 => (place(), 1_usize..12).prop_map(|(at, length)| Mutation::Remove(at, length)),
        2 => (place(), any::<u8>()).prop_map(|(at, byte)| Mutation::Replace(at, byte)),
        1 => (place(), place(), place(), 1_usize..40).prop_map(|(at, text, from, length)| Mutation::Splice(at, text, from, length)),
        1 => (place(), 1_usize..40).prop_map(|(at, length)| Mutation::Repeat(at, length)),
        1 => place().prop_map(Mutation::End),
    ]
}

impl Mutation {
    fn apply(&self, text: &mut Vec<u8>) {
        let place = |at: &Index| at.index(text.len() + 1);
        match self {
            Mutation::Insert(at, piece) => {
                let at = place(at);
                text.splice(at..at, piece.bytes());
            }
            Mutation::Remove(at, length) => {
                let at = place(at);
                text.drain(at..(at + length).min(text.len()));
            }
            Mutation::Replace(at, byte) => {
                let at = place(at);
                text.splice(at..(at + 1).min(text.len()), [*byte]);
            }
            Mutation::Splice(at, other, from, length) => {
                let other = &TEXTS[other.index(TEXTS.len())];
                let (at, from) = (place(at), from.index(other.len() + 1));
                text.splice(at..at, other[from..(from + length).min(other.len())].iter().copied());
            }
            Mutation::Repeat(at, length) => {
                let at = place(at);
                text.splice(at..at, text[at.saturating_sub(*length)..at].to_vec());
            }
            Mutation::End(at) => text.truncate(place(at)),
        }
    }
}

/// Whole lines of a kept text, mutated a few times.
fn text() -> impl Strategy<Value = Vec<u8>> {
    (any::<Index>(), any::<Index>(), vec(mutation(), 1..6)).prop_map(|(index, from, mutations)| {
        let whole = &TEXTS[index.index(TEXTS.len())];
        let from = from.index(whole.len().saturating_sub(LENGTH) + 1);
        let from = whole[..from].rfind_byte(b'\n').map_or(0, |newline| newline + 1);
        let mut text = whole[from..(from + LENGTH).min(whole.len())].to_vec();
        mutations.iter().for_each(|mutation| mutation.apply(&mut text));
        text
    })
}

/// A few seconds' worth, the same on each run; with `PROPTEST_CASES` as many others.
fn config(cases: u32) -> Config {
    let mut config = Config { failure_persistence: None, ..Config::default() };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        (config.cases, config.rng_seed) = (cases, RngSeed::Fixed(1));
    }
    config
}

proptest! {
    #![proptest_config(config(5000))]

    #[test]
    fn a_mutated_script_is_valid_where_dash_says_so(text in text()) {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("text");
        fs::write(&file, &text).unwrap();
        let parsed = tree::check(&text);
        let accepted = dash_accepts(&file);
        prop_assert!(
            parsed.errors.is_empty() == accepted || reason_to_differ(&text, &parsed).is_some(),
            "{}\ndash accepts it: {accepted}; our errors: {:#?}", text.as_bstr(), parsed.errors
        );
    }
}

proptest! {
    #![proptest_config(config(10000))]

    #[test]
    fn any_pieces_are_read(pieces in vec(select(PIECES), 0..40)) {
        tree::check(pieces.concat().as_bytes());
    }

    #[test]
    fn any_bytes_are_read(text in vec(any::<u8>(), 0..200)) {
        tree::check(&text);
    }
}
