//! An upgrade of everything.
//!
//! ## What it does
//! Looks for `apt-get upgrade`, `apk upgrade`, `dnf update` without packages, and their like.
//!
//! ## Why
//! It resolves to another system on every day it is run: containers of the same commit differ.
//!
//! ## Example
//! ```sh
//! next_stage && apt-get update && apt-get upgrade -y
//! ```
//!
//! ## Use instead
//! ```sh
//! next_stage && apt-get update && apt-get install -y gcc
//! ```

use crate::{
    Diagnostic, Severity,
    lint::{analysis::Analysis, rule::Rule},
};

pub(in crate::lint) const RULE: Rule =
    Rule::new("CE039", "system-upgrade", Severity::Warning, include_str!("system_upgrade.rs"), check);

fn check(rule: &Rule, analysis: &Analysis<'_>, findings: &mut Vec<Diagnostic>) {
    for invocation in &analysis.invocations {
        let Some((manager, index, subcommand)) = invocation.package_manager() else { continue };
        let rest = invocation.from(index + 1);
        let names_packages = !rest.operands(manager.valued, manager.long).is_empty();
        let is_all = match invocation.name.as_str() {
            "pacman" => subcommand.starts_with("-S") && subcommand.contains('u'),
            "conda" | "mamba" | "micromamba" => subcommand == "update" && rest.has(None, &["--all"]),
            _ => manager.upgrading.contains(&subcommand) && !names_packages,
        };
        if is_all && !invocation.has(None, &["--dry-run", "--simulate", "--list-cves"]) {
            findings.push(
                rule.finding(invocation.span_to(index), "an upgrade of everything comes out differently every day")
                    .help("name a newer image in docker.conf, or the packages that are needed"),
            );
        }
    }
}
