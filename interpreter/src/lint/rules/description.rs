//! A docker.conf that does not do what it looks like.
//!
//! ## What it does
//! Reads the docker.conf beside the script: a key that is not known or a value that cannot be used, an image without a
//! tag or digest, or with a tag that moves.
//!
//! ## Why
//! `image = "debian"` is another image next year, and so the setup of one commit comes out differently on another
//! machine.
//!
//! ## Example
//! ```toml
//! image = "debian"
//! ```
//!
//! ## Use instead
//! ```toml
//! image = "debian:13"
//! ```

use crate::{
    Diagnostic, Severity,
    lint::{analysis::Analysis, rule::Rule},
};

pub(in crate::lint) const RULE: Rule =
    Rule::new("CE096", "description", Severity::Warning, include_str!("description.rs"), check);

// The description is no part of the script: whoever reads it tells of it.
fn check(_: &Rule, _: &Analysis<'_>, _: &mut Vec<Diagnostic>) {}
