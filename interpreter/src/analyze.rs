//! What can be said of a script without running it.

pub(crate) mod calls;
pub(crate) mod decision;
pub(crate) mod definitions;
pub(crate) mod effects;
pub mod facts;
pub(crate) mod fatal;
pub mod files;
pub(crate) mod flow;
pub(crate) mod folding;
pub(crate) mod functions;
pub(crate) mod invocation;
pub mod letters;
pub(crate) mod mentions;
pub mod output;
pub(crate) mod outside;
pub(crate) mod places;
pub(crate) mod questions;
pub(crate) mod reach;
pub(crate) mod runs;
pub(crate) mod ties;
pub(crate) mod values;

pub use facts::{CommandContext, Facts, analyze};
pub use files::{Argument, Root};
