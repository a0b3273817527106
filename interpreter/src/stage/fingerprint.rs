//! The fingerprint of a stage: a hash of what it depends on, with the parts that make it up, so that a change can be
//! explained.
//!
//! A fingerprint is `ce2:` and the SHA-256 of its parts, each with its length, chained to that of the stage before.

use std::fmt;

use bstr::BString;
use sha2::{Digest, Sha256};

use crate::{analyze::mentions::Hash, text::hex};

/// What a stage depends on, as one hash and in its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// `ce2:` and 64 hexadecimal digits.
    pub hash: String,
    /// Its parts, in an order that is always the same.
    pub parts: Vec<Dependency>,
}

/// One of the things that a stage depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dependency {
    /// What it is.
    pub kind: DependencyKind,
    /// Its name, where there may be several.
    pub name: BString,
    /// The first digits of a hash of what it is: what it is may be a secret.
    pub digest: String,
}

/// The kinds of things that a stage depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DependencyKind {
    /// The stages before it, or what the container was made from.
    Previous,
    /// Its own commands: comments and layout do not count, quotes and here-documents do.
    Text,
    /// A function that it calls, with all that calls in turn.
    Function,
    /// An alias that it uses.
    Alias,
    /// A variable that it mentions, as the script sets it outside of stages.
    Variable,
    /// The positional parameters, which it mentions.
    Positional,
    /// A variable that programs find in their environment.
    Exported,
    /// The working directory.
    Directory,
    /// Options of `set`.
    Options,
    /// The mode of new files, limits, traps, open files: by the built-in that sets it.
    Settings,
    /// Commands outside of stages that may do anything to the shell.
    Anything,
    /// A file or directory of the computation.
    File,
    /// Everything in the computation's directory.
    Computation,
}

/// Its word in a ledger.
impl fmt::Display for DependencyKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.word())
    }
}

/// `KIND DIGEST NAME`, as a ledger keeps it.
impl fmt::Display for Dependency {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {} {}", self.kind, self.digest, self.name)
    }
}

impl Dependency {
    /// Reads what [`Display`](fmt::Display) writes; `None` for anything else, such as a kind that a later version knows.
    pub fn parse(text: &str) -> Option<Dependency> {
        let mut words = text.splitn(3, ' ');
        let kind = DependencyKind::named(words.next()?)?;
        let digest = words.next()?.to_owned();
        Some(Dependency { kind, name: words.next()?.into(), digest })
    }
}

impl DependencyKind {
    const ALL: [DependencyKind; 13] = [
        DependencyKind::Previous,
        DependencyKind::Text,
        DependencyKind::Function,
        DependencyKind::Alias,
        DependencyKind::Variable,
        DependencyKind::Positional,
        DependencyKind::Exported,
        DependencyKind::Directory,
        DependencyKind::Options,
        DependencyKind::Settings,
        DependencyKind::Anything,
        DependencyKind::File,
        DependencyKind::Computation,
    ];

    fn word(self) -> &'static str {
        match self {
            DependencyKind::Previous => "previous",
            DependencyKind::Text => "text",
            DependencyKind::Function => "function",
            DependencyKind::Alias => "alias",
            DependencyKind::Variable => "variable",
            DependencyKind::Positional => "positional",
            DependencyKind::Exported => "exported",
            DependencyKind::Directory => "directory",
            DependencyKind::Options => "options",
            DependencyKind::Settings => "settings",
            DependencyKind::Anything => "anything",
            DependencyKind::File => "file",
            DependencyKind::Computation => "computation",
        }
    }

    fn named(word: &str) -> Option<DependencyKind> {
        DependencyKind::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

/// Why a fingerprint is not what it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What differs.
    pub kind: DependencyKind,
    /// Its name, where there may be several.
    pub name: BString,
    /// How.
    pub change: Change,
}

/// How something that a stage depends on is different now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It was not there before.
    Added,
    /// It is not there any more.
    Removed,
    /// It is something else.
    Changed,
}

/// How many digits of a hash a part keeps.
const DIGITS: usize = 16;

/// Where the hash of a fingerprint begins.
const VERSION: &str = "ce2:";

impl Fingerprint {
    pub(crate) fn of(parts: Vec<(DependencyKind, BString, Hash)>) -> Fingerprint {
        let mut hasher = Sha256::new();
        for (kind, name, hash) in &parts {
            // By its word: an order may change, and no fingerprint with it.
            hasher.update(self::hash(&[kind.word().as_bytes(), name, hash]));
        }
        let part = |(kind, name, hash): (DependencyKind, BString, Hash)| {
            let digest = hex(&hash).chars().take(DIGITS).collect();
            Dependency { kind, name, digest }
        };
        Fingerprint {
            hash: format!("{VERSION}{}", hex(&hasher.finalize())),
            parts: parts.into_iter().map(part).collect(),
        }
    }

    /// That of the chain `index` in a construct that goes to the shell as a whole, and has this fingerprint.
    pub(crate) fn inside(&self, index: usize) -> Fingerprint {
        self.beside(&format!("chain {index}"))
    }

    /// That of the chain `index` in a function that such a construct calls.
    pub(crate) fn called(&self, function: &str, index: usize) -> Fingerprint {
        self.beside(&format!("chain {index} of {function}"))
    }

    /// That of what stands behind the construct when `hits` stages were counted.
    pub(crate) fn behind(&self, hits: u32) -> Fingerprint {
        self.beside(&format!("hits {hits}"))
    }

    fn beside(&self, what: &str) -> Fingerprint {
        let hash = hash(&[self.hash.as_bytes(), what.as_bytes()]);
        Fingerprint { hash: format!("{VERSION}{}", hex(&hash)), parts: self.parts.clone() }
    }

    /// What is different now from the parts that were recorded, in the order of what is: the stage itself first, what was
    /// before it last.
    pub fn differences(&self, recorded: &[Dependency]) -> Vec<Difference> {
        let same = |a: &&Dependency, b: &Dependency| a.kind == b.kind && a.name == b.name;
        let mut found = Vec::new();
        for part in &self.parts {
            let change = match recorded.iter().find(|old| same(old, part)) {
                None => Change::Added,
                Some(old) if old.digest != part.digest => Change::Changed,
                Some(_) => continue,
            };
            found.push(Difference { kind: part.kind, name: part.name.clone(), change });
        }
        for old in recorded.iter().filter(|old| !self.parts.iter().any(|part| same(old, part))) {
            found.push(Difference { kind: old.kind, name: old.name.clone(), change: Change::Removed });
        }
        found.sort_by_key(|difference| (difference.kind == DependencyKind::Previous, difference.kind));
        found
    }
}

/// The chain of fingerprints so far.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    base: String,
    last: Option<String>,
}

impl Link {
    pub(crate) fn new(base: String) -> Link {
        Link { base, last: None }
    }

    pub(crate) fn push(&mut self, hash: String) {
        self.last = Some(hash);
    }

    /// The last stage's fingerprint; a hash of the base when there is no stage yet.
    pub(crate) fn fingerprint(&self) -> String {
        let first = || format!("{VERSION}{}", hex(&hash(&[b"base", self.base.as_bytes()])));
        self.last.clone().unwrap_or_else(first)
    }
}

/// The SHA-256 of parts, each with its length before it, so that no two lists of parts look alike.
pub(crate) fn hash(parts: &[&[u8]]) -> Hash {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher.finalize().into()
}
