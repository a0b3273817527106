//! A check of who has answered, turned off.
//!
//! ## What it does
//! Looks for `curl -k`, `wget --no-check-certificate`, `sslVerify=false`, `--allow-unauthenticated`, `--trusted-host`,
//! `StrictHostKeyChecking=no` and their like.
//!
//! ## Why
//! Whoever stands between can put another program in the place of the one that was meant, and it runs as root.
//!
//! ## Example
//! ```sh
//! next_stage && curl -fkLO https://example.org/tool-1.2.tgz
//! ```
//!
//! ## Use instead
//! ```sh
//! next_stage && curl -fLO https://example.org/tool-1.2.tgz
//! ```

use bstr::ByteSlice;

use crate::{
    Diagnostic, Severity, Span,
    analyze::invocation::Invocation,
    lint::{analysis::Analysis, rule::Rule},
};

pub(in crate::lint) const RULE: Rule =
    Rule::new("CE074", "verification-disabled", Severity::Warning, include_str!("verification_disabled.rs"), check);

/// Words that turn a check off, wherever they stand.
const OFF: [&str; 17] = [
    "--no-check-certificate",
    "--allow-unauthenticated",
    "--force-yes",
    "--nogpgcheck",
    "--no-gpg-checks",
    "--nosignature",
    "--allow-untrusted",
    "--trusted-host",
    "--no-verify-ssl",
    "--no-sslverify",
    "--insecure-registry",
    "--disable-gpg-check",
    "--no-strict-ssl",
    "--skip-verify",
    "--allow-insecure-repositories",
    "--no-check-sig",
    "--allow-downgrade-to-insecure",
];

/// Parts of words that do.
const OFF_INSIDE: [&str; 9] = [
    "sslverify=false",
    "sslverify=0",
    "stricthostkeychecking=no",
    "stricthostkeychecking no",
    "[trusted=yes]",
    "trusted=yes ",
    "allowunauthenticated=true",
    "verify-peer=false",
    "allowinsecurerepositories=true",
];

/// Variables that do.
const VARIABLES: [(&str, &[&str]); 5] = [
    ("GIT_SSL_NO_VERIFY", &["1", "true"]),
    ("NODE_TLS_REJECT_UNAUTHORIZED", &["0"]),
    ("PYTHONHTTPSVERIFY", &["0"]),
    ("CURL_INSECURE", &["1"]),
    ("CONDA_SSL_VERIFY", &["false", "0"]),
];

fn check(rule: &Rule, analysis: &Analysis<'_>, findings: &mut Vec<Diagnostic>) {
    let mut spans: Vec<Span> = analysis.invocations.iter().filter_map(turned_off).collect();
    for assignment in analysis.places.iter().flat_map(|place| &place.command.assignments) {
        spans.extend(
            is_off(&assignment.name, &analysis.variables.fold(&assignment.value).text).then_some(assignment.span),
        );
    }
    for word in analysis.places.iter().flat_map(|place| place.command.words.iter().skip(1)) {
        if !word.leading_text().contains(&b'=') {
            continue;
        }
        let folded = analysis.variables.fold(word);
        if let Some((name, value)) = folded.text.split_once_str("=") {
            spans.extend(is_off(&name.to_str_lossy(), value).then_some(word.span));
        }
    }
    spans.sort();
    spans.dedup();
    for span in spans {
        let written = analysis.quote(span);
        findings.push(
            rule.finding(span, format!("`{written}` turns off the check of where this comes from"))
                .help("remove it; where a certificate or key is missing, bring it along in the computation"),
        );
    }
}

fn is_off(name: &str, value: &[u8]) -> bool {
    VARIABLES.iter().any(|(variable, values)| *variable == name && values.iter().any(|off| off.as_bytes() == value))
}

fn turned_off(invocation: &Invocation<'_>) -> Option<Span> {
    if invocation.name == "curl" {
        let insecure = invocation.arguments.iter().find(|argument| {
            let text = argument.known().unwrap_or_default();
            let letters = text.strip_prefix('-').filter(|letters| !letters.starts_with('-')).unwrap_or_default();
            let end = letters.find(|letter| "oAbcCdDeEFHKmPQrtTuUwxXyYz".contains(letter)).unwrap_or(letters.len());
            text == "--insecure" || letters.get(..end).unwrap_or(letters).contains('k')
        });
        return insecure.map(|argument| argument.span);
    }
    let pairs = invocation.arguments.windows(2).find_map(|pair| {
        let [name, value] = pair else { return None };
        let (name, value) = (name.known()?.to_ascii_lowercase(), value.known()?);
        let turns_off = (name.contains("sslverify") || name.contains("strict-ssl") || name == "ssl_verify")
            && matches!(value, "false" | "0" | "no");
        turns_off.then_some(pair.first()?.span)
    });
    pairs.or_else(|| {
        let off = invocation.arguments.iter().find(|argument| {
            let text = argument.text.to_str_lossy();
            let option = text.split('=').next().unwrap_or(&text);
            let lower = text.to_ascii_lowercase();
            let is_nothing_else = !invocation.is(&["grep", "sed"]);
            !text.contains("file:") && OFF.contains(&option) && text.starts_with("--")
                || !text.contains("file:") && is_nothing_else && OFF_INSIDE.iter().any(|part| lower.contains(part))
        });
        off.map(|argument| argument.span)
    })
}
