//! `curl` that takes an error page for the file.
//!
//! ## What it does
//! Looks for downloads by `curl` without `-f`.
//!
//! ## Why
//! Without it, the page that says "404 Not Found" is saved, with the status 0: the stage is recorded as applied, and
//! fails much later.
//!
//! ## Example
//! ```sh
//! next_stage && curl -LO https://example.org/tool-1.2.tgz
//! ```
//!
//! ## Use instead
//! ```sh
//! next_stage && curl -fLO https://example.org/tool-1.2.tgz
//! ```
//!
//! ## Fix safety
//! Safe: only a download that has failed is treated otherwise.

use bstr::ByteSlice;

use crate::{
    Applicability, Diagnostic, Edit, Severity,
    analyze::{folding::Folded, invocation::Invocation},
    lint::{analysis::Analysis, rule::Rule},
};

pub(in crate::lint) const RULE: Rule =
    Rule::new("CE064", "curl-without-fail", Severity::Warning, include_str!("curl_without_fail.rs"), check);

fn check(rule: &Rule, analysis: &Analysis<'_>, findings: &mut Vec<Diagnostic>) {
    let by_configuration = analysis.source.text().contains_str(".curlrc");
    for invocation in analysis.named(&["curl"]).filter(|_| !by_configuration) {
        let fails =
            has_letter(invocation, 'f') || invocation.has(None, &["--fail", "--fail-with-body", "--fail-early"]);
        let looks = has_letter(invocation, 'I')
            || has_letter(invocation, 'w')
            || has_letter(invocation, 'V')
            || invocation.has(Some('h'), &["--head", "--write-out", "--version", "--help", "--config"]);
        let has_address = invocation
            .arguments
            .iter()
            .any(|argument| argument.text.contains_str("://") || !argument.text.starts_with(b"-"));
        // An unquoted variable may hold options.
        let may_hold =
            |argument: &&Folded| argument.is_unknown() && analysis.source.slice(argument.span).starts_with(b"$");
        if fails
            || looks
            || !(has_address || invocation.has_more)
            || invocation.arguments.iter().filter(may_hold).count() > 1
        {
            continue;
        }
        let is_cluster = |argument: &&Folded| {
            let text = argument.known().unwrap_or_default();
            text.len() > 1
                && text.starts_with('-')
                && !text.starts_with("--")
                && analysis.source.slice(argument.span).starts_with(b"-")
        };
        let edit = match invocation.arguments.iter().find(is_cluster) {
            Some(cluster) => Edit::insert(cluster.span.start + 1, "f"),
            None => Edit::insert(invocation.name_span.end, " -f"),
        };
        findings.push(
            rule.finding(invocation.name_span, "a page that says \"not found\" is saved as if it were the file")
                .help("add `-f`: `curl -fLO ADDRESS`")
                .fix(Applicability::Safe, vec![edit]),
        );
    }
}

/// Whether a letter is among the options that stand together; what stands behind one that takes a value is that value.
fn has_letter(invocation: &Invocation<'_>, letter: char) -> bool {
    invocation.known().any(|word| {
        let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.starts_with('-')) else { return false };
        let end =
            letters.find(|letter| "oAbcCdDeEFHKmPQrtTuUxXyYz".contains(letter)).map_or(letters.len(), |at| at + 1);
        letters.get(..end).unwrap_or(letters).contains(letter)
    })
}
