//! The two markers, and what is nearly one.

/// A marker's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marker {
    /// `next_stage`: once in a container's life.
    NextStage,
    /// `everytime`: on every run.
    Everytime,
}

/// How many letters may be wrong in what was probably meant to be a marker.
pub(crate) const DISTANCE: usize = 2;

impl Marker {
    /// Both, in the order they are explained in.
    pub const ALL: [Marker; 2] = [Marker::NextStage, Marker::Everytime];

    /// The name as scripts write it.
    pub fn name(self) -> &'static str {
        match self {
            Marker::NextStage => "next_stage",
            Marker::Everytime => "everytime",
        }
    }

    /// The marker of this name.
    pub fn named(name: &[u8]) -> Option<Marker> {
        Marker::ALL.into_iter().find(|marker| marker.name().as_bytes() == name)
    }

    /// The marker that a name is up to two letters away from, in any case and with `-` for `_`.
    pub(crate) fn nearly(name: &str) -> Option<Marker> {
        let name = name.to_ascii_lowercase().replace('-', "_");
        Marker::ALL.into_iter().find(|marker| strsim::levenshtein(&name, marker.name()) <= DISTANCE)
    }
}
