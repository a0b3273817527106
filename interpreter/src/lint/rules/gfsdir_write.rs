//! A command that writes into the global file storage.
//!
//! ## What it does
//! Looks for redirections, for operands that are written, and for builds, downloads and checkouts below `$GFSDIR` or in
//! it after `cd`.
//!
//! ## Why
//! All computations share the storage. A setup runs at any time, once for each container, and must leave it as it is.
//!
//! ## Example
//! ```sh
//! next_stage && rm -rf "$GFSDIR/cache"
//! ```
//!
//! ## Use instead
//! ```sh
//! next_stage && cp "$GFSDIR/model.bin" /opt/model.bin
//! ```

use crate::{
    Diagnostic, Severity,
    analyze::Root,
    lint::written,
    lint::{analysis::Analysis, rule::Rule},
};

pub(in crate::lint) const RULE: Rule =
    Rule::new("CE026", "gfsdir-write", Severity::Warning, include_str!("gfsdir_write.rs"), check);

fn check(rule: &Rule, analysis: &Analysis<'_>, findings: &mut Vec<Diagnostic>) {
    for (span, what) in written::below(analysis, Root::Storage) {
        findings.push(
            rule.finding(span, format!("{what} below `$GFSDIR`, which all computations share"))
                .help("do it in the computation itself, or keep the files in the container"),
        );
    }
}
