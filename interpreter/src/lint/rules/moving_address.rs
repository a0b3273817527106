//! A download from an address whose content moves on.
//!
//! ## What it does
//! Looks for `-latest-`, `/current/` and `releases/latest` in addresses that are downloaded.
//!
//! ## Why
//! The setup of a commit must come out the same for ever. What such an address gives changes.
//!
//! ## Example
//! ```sh
//! next_stage && curl -fLO https://example.org/tool-latest-linux.sh
//! ```
//!
//! ## Use instead
//! ```sh
//! next_stage && curl -fLO https://example.org/tool-1.2-linux.sh
//! ```

use crate::{
    Diagnostic, Severity,
    lint::addresses,
    lint::{analysis::Analysis, rule::Rule},
};

pub(in crate::lint) const RULE: Rule =
    Rule::new("CE038", "moving-address", Severity::Warning, include_str!("moving_address.rs"), check);

fn check(rule: &Rule, analysis: &Analysis<'_>, findings: &mut Vec<Diagnostic>) {
    for (span, part) in addresses::moving(analysis, addresses::is_moving) {
        findings.push(
            rule.finding(span, format!("what is at `{part}` changes"))
                .help("name a version in the address, and hold what came against its checksum: `sha256sum -c`"),
        );
    }
}
