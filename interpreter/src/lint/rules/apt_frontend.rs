//! A package that opens a dialog while it is installed.
//!
//! ## What it does
//! Looks for packages that ask by debconf (`tzdata`, `postfix`, `keyboard-configuration`, and what brings them along)
//! where `DEBIAN_FRONTEND` is not `noninteractive`.
//!
//! ## Why
//! Without a terminal, debconf tries one kind of dialog after the other and says so at length; some packages wait for an
//! answer.
//!
//! ## Example
//! ```sh
//! next_stage && apt-get update && apt-get install -y tzdata
//! ```
//!
//! ## Use instead
//! ```sh
//! next_stage && apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y tzdata
//! ```
//!
//! ## Fix safety
//! Safe: the packages take their defaults, as without a terminal.

use crate::{
    Applicability, Diagnostic, Edit, Severity,
    analyze::{folding::Folded, invocation::Invocation},
    lint::{analysis::Analysis, rule::Rule},
};

pub(in crate::lint) const RULE: Rule =
    Rule::new("CE042", "apt-frontend", Severity::Style, include_str!("apt_frontend.rs"), check);

/// Packages that ask, or bring along what does.
const ASKING: [&str; 34] = [
    "apache2",
    "ca-certificates-java",
    "console-setup",
    "cups",
    "davfs2",
    "dictionaries-common",
    "exim4",
    "gdm3",
    "grub-pc",
    "iptables-persistent",
    "jackd2",
    "keyboard-configuration",
    "krb5-config",
    "krb5-user",
    "ldap-auth-config",
    "libnss-ldap",
    "libpam-ldap",
    "lightdm",
    "locales",
    "mailutils",
    "msttcorefonts",
    "mysql-server",
    "nullmailer",
    "php",
    "postfix",
    "proftpd",
    "r-base",
    "r-base-dev",
    "slapd",
    "sssd",
    "texlive-full",
    "ttf-mscorefonts-installer",
    "tzdata",
    "wireshark",
];

fn check(rule: &Rule, analysis: &Analysis<'_>, findings: &mut Vec<Diagnostic>) {
    if analysis.has_variable("DEBIAN_FRONTEND") {
        return;
    }
    for invocation in &analysis.invocations {
        let Some((manager, index)) = invocation.installs() else { continue };
        let is_told = analysis.is_given_for(invocation, "DEBIAN_FRONTEND");
        if !manager.names.contains(&"apt-get") || is_told {
            continue;
        }
        let packages = invocation.from(index + 1);
        let asks = |package: &&&Folded| {
            package.known().is_some_and(|text| ASKING.contains(&text.split(['=', '/', ':']).next().unwrap_or(text)))
        };
        if let Some(package) = packages.operands(manager.valued, manager.long).iter().find(asks) {
            let at = invocation.name_span.start;
            findings.push(
                rule.finding(package.span, format!("`{}` opens a dialog", analysis.quote(package.span)))
                    .help("write `DEBIAN_FRONTEND=noninteractive apt-get ...`")
                    .fix(Applicability::Safe, vec![Edit::insert(at, frontend(invocation))]),
            );
        }
    }
}

fn frontend(invocation: &Invocation<'_>) -> String {
    // Only the first word of a command may be an assignment.
    let is_first = invocation.place.command.words.first().is_some_and(|word| word.span == invocation.name_span);
    format!("{}DEBIAN_FRONTEND=noninteractive ", if is_first { "" } else { "env " })
}
