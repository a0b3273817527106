//! `set -e` where the shell ignores it.
//!
//! ## What it does
//! Looks for groups, subshells and functions with `set -e` in them on the left of `&&` or `||`, behind `!`, and in
//! conditions.
//!
//! ## Why
//! Somebody asks for the status there, and so the shell ignores `-e` in all of it: what fails in the middle does not end
//! it. dash, bash and busybox agree.
//!
//! ## Example
//! ```sh
//! next_stage && { set -e; ./configure; make; } && make install
//! ```
//!
//! ## Use instead
//! ```sh
//! next_stage && { set -e; ./configure; make; make install; }
//! ```

use crate::{
    Diagnostic, Severity,
    lint::{analysis::Analysis, rule::Rule},
};

pub(in crate::lint) const RULE: Rule =
    Rule::new("CE062", "errexit-suppressed", Severity::Warning, include_str!("errexit_suppressed.rs"), check);

fn check(rule: &Rule, analysis: &Analysis<'_>, findings: &mut Vec<Diagnostic>) {
    for (set, asked) in &analysis.status.ignored {
        findings.push(
            rule.finding(*set, "`set -e` is ignored here")
                .related(*asked, "because this asks for the status")
                .help("join the commands with `&&`, or take the status afterwards: `( set -e; ... ); status=$?`"),
        );
    }
}
