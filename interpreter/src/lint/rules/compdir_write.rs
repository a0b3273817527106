//! A command that writes into the computation.
//!
//! ## What it does
//! Looks for redirections, for operands that are written, and for builds, downloads and checkouts below `$COMPDIR` or in
//! it after `cd`.
//!
//! ## Why
//! The computation's directory is mounted read-only: the command fails. Where it can be written, it changes the commit
//! that results are stored under.
//!
//! ## Example
//! ```sh
//! next_stage && make -C "$COMPDIR"
//! ```
//!
//! ## Use instead
//! ```sh
//! next_stage && cp -a "$COMPDIR/." /build && make -C /build
//! ```

use crate::{
    Diagnostic, Severity,
    analyze::Root,
    lint::written,
    lint::{analysis::Analysis, rule::Rule},
};

pub(in crate::lint) const RULE: Rule =
    Rule::new("CE025", "compdir-write", Severity::Error, include_str!("compdir_write.rs"), check);

fn check(rule: &Rule, analysis: &Analysis<'_>, findings: &mut Vec<Diagnostic>) {
    for (span, what) in written::below(analysis, Root::Computation) {
        findings.push(
            rule.finding(span, format!("{what} below `$COMPDIR`, which is read-only"))
                .help("copy what is needed to another directory, and work there"),
        );
    }
}
