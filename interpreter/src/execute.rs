//! A script to effects: walks the tree, counts stages, and sends each stretch of real commands to a dispatcher.
//!
//! There are three ways to run a node. *Delegated*: a stretch without markers goes to the shell verbatim, as large as
//! possible ([`stretch`]). *Native*: lists, conditions, loops and functions that hold markers are walked here ([`list`],
//! [`compound`], [`call`]). *Delegated with its markers*: a construct that cannot be split from what is around it
//! goes to the shell as a whole, with the markers defined there as functions ([`crate::program`]).

mod call;
mod cause;
mod compound;
mod doubt;
mod inside;
mod list;
mod outcome;
mod pure;
mod stretch;
mod walk;

pub use cause::Cause;
pub use outcome::{End, Event, Observer, Outcome, Unobserved};
pub use walk::{Settings, run};
