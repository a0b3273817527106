//! A download from a branch, or of whatever is latest.
//!
//! ## What it does
//! Looks for `/latest/`, `/master/`, `/main/` and the like in addresses that are downloaded.
//!
//! ## Why
//! The setup of a commit must come out the same for ever. What such an address gives changes.
//!
//! ## Example
//! ```sh
//! next_stage && curl -fLO https://example.org/tool/latest/tool.tgz
//! ```
//!
//! ## Use instead
//! ```sh
//! next_stage && curl -fLO https://example.org/tool/1.2/tool.tgz && sha256sum -c "$COMPDIR/tool.sha256"
//! ```

use crate::{
    Diagnostic, Severity,
    lint::addresses,
    lint::{analysis::Analysis, rule::Rule},
};

pub(in crate::lint) const RULE: Rule =
    Rule::new("CE034", "unpinned-download", Severity::Warning, include_str!("unpinned_download.rs"), check);

fn check(rule: &Rule, analysis: &Analysis<'_>, findings: &mut Vec<Diagnostic>) {
    for (span, part) in addresses::moving(analysis, addresses::is_branch) {
        findings.push(
            rule.finding(span, format!("what is at `{part}` changes"))
                .help("name a version in the address, and hold what came against its checksum: `sha256sum -c`"),
        );
    }
}
