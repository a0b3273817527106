//! Packages installed on every run.
//!
//! ## What it does
//! Looks for package managers that install in everytime chains, where nothing was asked before.
//!
//! ## Why
//! It is slow, needs the network on every call, and what is installed may change from one call to the next.
//!
//! ## Example
//! ```sh
//! everytime && pip install --requirement "$COMPDIR/requirements.txt"
//! ```
//!
//! ## Use instead
//! ```sh
//! next_stage && pip install --requirement "$COMPDIR/requirements.txt"
//! ```

use crate::{
    Diagnostic, Severity,
    lint::{again, analysis::Analysis, rule::Rule},
};

pub(in crate::lint) const RULE: Rule =
    Rule::new("CE055", "everytime-install", Severity::Style, include_str!("everytime_install.rs"), check);

fn check(rule: &Rule, analysis: &Analysis<'_>, findings: &mut Vec<Diagnostic>) {
    for invocation in &analysis.invocations {
        let Some((_, index)) = invocation.installs().filter(|_| again::repeats(analysis, invocation)) else { continue };
        findings.push(
            rule.finding(invocation.span_to(index), "this installs on every call")
                .help("make it a stage: `next_stage && ...`"),
        );
    }
}
