//! An address whose content anybody on the way can change.
//!
//! ## What it does
//! Looks for `http://` and `git://` in addresses that are downloaded or cloned. Addresses of this machine, proxies, and
//! downloads that a checksum or signature in the same chain is held against are left alone.
//!
//! ## Why
//! Neither says who has answered: whoever stands between can put another program in the place of the one that was meant.
//! GitHub has ended `git://` in 2022.
//!
//! ## Example
//! ```sh
//! next_stage && git clone -b v1 git://example.org/tool /opt/tool \
//!     && git -C /opt/tool checkout 3f786850e387550fdab836ed7e6dc881de23001b
//! ```
//!
//! ## Use instead
//! ```sh
//! next_stage && git clone -b v1 https://example.org/tool /opt/tool \
//!     && git -C /opt/tool checkout 3f786850e387550fdab836ed7e6dc881de23001b
//! ```
//!
//! ## Fix safety
//! Unsafe: the server may have no `https://`.

use std::collections::HashSet;

use bstr::ByteSlice;

use crate::{
    Applicability, Diagnostic, Edit, Severity, Span,
    lint::addresses,
    lint::{analysis::Analysis, rule::Rule},
};

pub(in crate::lint) const RULE: Rule =
    Rule::new("CE035", "insecure-url", Severity::Warning, include_str!("insecure_url.rs"), check);

fn check(rule: &Rule, analysis: &Analysis<'_>, findings: &mut Vec<Diagnostic>) {
    let mut seen = HashSet::new();
    for (invocation, address) in addresses::of(analysis) {
        let text = address.text.to_str_lossy();
        let Some(at) = text.find("http://").or_else(|| text.find("git://")) else { continue };
        let scheme = if text.get(at..).is_some_and(|rest| rest.starts_with("git")) { "git://" } else { "http://" };
        let host = text.get(at + scheme.len()..).unwrap_or_default();
        let is_own =
            ["localhost", "127.", "[::1]", "host.docker.internal", "0.0.0.0"].iter().any(|own| host.starts_with(own));
        if is_own || addresses::is_verified(analysis, invocation) {
            continue;
        }
        let source = analysis.source.slice(address.span);
        // Where a variable holds the address, that is what has to change.
        let span = match source.contains_str(scheme) {
            true => address.span,
            false => analysis.holder(address.span, scheme).unwrap_or(address.span),
        };
        if !seen.insert(span) {
            continue;
        }
        let source = analysis.source.slice(span);
        let finding = rule
            .finding(span, format!("nobody vouches for what comes from `{scheme}`"))
            .help("write `https://`, if the server has it");
        findings.push(match source.find(scheme) {
            Some(at) => {
                let start = span.start + at as u32;
                let span = Span { start, end: start + scheme.len() as u32 };
                finding.fix(Applicability::Unsafe, vec![Edit::replace(span, "https://")])
            }
            None => finding,
        });
    }
}
