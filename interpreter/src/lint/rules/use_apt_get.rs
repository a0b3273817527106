//! `apt`, which is made for people.
//!
//! ## What it does
//! Looks for `apt install`, `apt update` and the like.
//!
//! ## Why
//! Its options and output may change with every version; `apt` says so itself. `apt-get` stays what it is.
//!
//! ## Example
//! ```sh
//! next_stage && apt update && apt install -y gcc
//! ```
//!
//! ## Use instead
//! ```sh
//! next_stage && apt-get update && apt-get install -y gcc
//! ```
//!
//! ## Fix safety
//! Safe: `apt-get` has the same subcommands.

use crate::{
    Applicability, Diagnostic, Edit, Severity,
    lint::{analysis::Analysis, rule::Rule},
};

pub(in crate::lint) const RULE: Rule =
    Rule::new("CE043", "use-apt-get", Severity::Style, include_str!("use_apt_get.rs"), check);

fn check(rule: &Rule, analysis: &Analysis<'_>, findings: &mut Vec<Diagnostic>) {
    for invocation in analysis.named(&["apt"]) {
        let Some((_, _, subcommand)) = invocation.package_manager() else { continue };
        let instead = match subcommand {
            "list" | "show" | "search" | "policy" => "apt-cache",
            _ => "apt-get",
        };
        let finding = rule
            .finding(invocation.name_span, "`apt` is no stable interface for scripts")
            .help(format!("write `{instead}`"));
        findings.push(match subcommand {
            "install" | "update" | "remove" | "purge" | "upgrade" | "autoremove" | "clean" | "build-dep" => {
                finding.fix(Applicability::Safe, vec![Edit::replace(invocation.name_span, "apt-get")])
            }
            _ => finding,
        });
    }
}
