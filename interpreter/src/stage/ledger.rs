//! What is known of the stages that were applied before.

use bstr::BStr;

use super::chain::Chain;

/// What was recorded of a container's stages, and what fingerprints need to know of the computation.
pub trait Ledger {
    /// How many stages are applied: the first ones, without a gap.
    fn applied(&self) -> u32;

    /// The fingerprint recorded for stage `number`, from 1; `None` where none is kept, so that nothing is compared.
    fn fingerprint(&self, _number: u32) -> Option<String> {
        None
    }

    /// Whether `chain` is what was recorded as stage `number`, so that it may be skipped.
    fn agrees(&self, number: u32, chain: &Chain) -> bool {
        self.fingerprint(number).is_none_or(|recorded| recorded == chain.fingerprint.hash)
    }

    /// Whether commands that run on every call are recorded as well; telling them apart costs time.
    fn keeps_repeated(&self) -> bool {
        false
    }

    /// Whether a command with this fingerprint, which runs on every call, is recorded already.
    fn has_repeated(&self, _fingerprint: &str) -> bool {
        false
    }

    /// What the chain of fingerprints begins with: all of a container that is there before its script.
    fn base(&self) -> String {
        String::new()
    }

    /// A hash of the content of a file or directory below the computation's directory, all of it for an empty path;
    /// `None` when it is not there.
    fn content(&mut self, _path: &BStr) -> Option<String> {
        None
    }
}

/// A ledger that only counts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counted(pub u32);

impl Ledger for Counted {
    fn applied(&self) -> u32 {
        self.0
    }
}
