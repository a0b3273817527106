//! What is wrong with a docker description, and where.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;

/// What is wrong with a docker description, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescriptionError {
    /// The file.
    pub path: PathBuf,
    /// The place in it, `None` when it is about the file as a whole.
    pub place: Option<Box<Excerpt>>,
    /// What is wrong: lower case, no final period.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

/// A place in a file with the line around it, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt {
    /// Half-open range of bytes in the file.
    pub span: Range<usize>,
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// The whole line, without its end.
    pub line_text: String,
}

impl fmt::Display for DescriptionError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:", self.path.display())?;
        if let Some(place) = &self.place {
            write!(formatter, "{}:{}:", place.line, place.column)?;
        }
        write!(formatter, " {}", self.message)
    }
}

impl std::error::Error for DescriptionError {}
