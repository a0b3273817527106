//! A hash of something that the script made outside of stages.

use super::fingerprint::hash;
use crate::analyze::mentions::Hash;

/// A hash of it, and one in which files of the computation do not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Made {
    pub(crate) with_files: Hash,
    pub(crate) without: Hash,
}

impl Made {
    /// Of what is known: no files have a part in it.
    pub(crate) fn known(parts: &[&[u8]]) -> Made {
        let hash = hash(parts);
        Made { with_files: hash, without: hash }
    }

    /// All of several, in this order.
    pub(crate) fn of(parts: &[Made]) -> Made {
        let all = |of: fn(&Made) -> &[u8]| hash(&parts.iter().map(of).collect::<Vec<_>>());
        Made { with_files: all(|made| &made.with_files), without: all(|made| &made.without) }
    }

    /// The same under a name.
    pub(crate) fn named(self, name: &[u8]) -> Made {
        Made::of(&[Made::known(&[name]), self])
    }

    /// Made by this, where `before` may be there still.
    pub(crate) fn after(self, before: Option<Made>) -> Made {
        before.map_or(self, |before| Made::of(&[before, self]))
    }
}
