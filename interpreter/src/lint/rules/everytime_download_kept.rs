//! A download that is saved beside the one before.
//!
//! ## What it does
//! Looks for `wget` without `-O` in everytime chains, where nothing was asked before.
//!
//! ## Why
//! On the second run `wget` finds the file, saves what comes as `FILE.1`, and what follows uses the old one.
//!
//! ## Example
//! ```sh
//! everytime && wget https://example.org/data-1.2.csv
//! ```
//!
//! ## Use instead
//! ```sh
//! everytime && wget -O data-1.2.csv https://example.org/data-1.2.csv
//! ```
//!
//! ## Fix safety
//! Safe: it is the name that `wget` gives the file on the first run.

use bstr::ByteSlice;

use crate::{
    Applicability, Diagnostic, Edit, Severity,
    analyze::folding::Folded,
    lint::{again, analysis::Analysis, rule::Rule},
};

pub(in crate::lint) const RULE: Rule =
    Rule::new("CE057", "everytime-download-kept", Severity::Warning, include_str!("everytime_download_kept.rs"), check);

fn check(rule: &Rule, analysis: &Analysis<'_>, findings: &mut Vec<Diagnostic>) {
    for invocation in analysis.named(&["wget"]) {
        let names_file = ['O', 'N', 'c'].into_iter().any(|letter| {
            invocation
                .has(Some(letter), &["--output-document", "--timestamping", "--continue", "--no-clobber", "--spider"])
        });
        let names_file = names_file || invocation.has(None, &["-nc", "-r", "--recursive", "-m", "--mirror"]);
        if !again::repeats(analysis, invocation) || names_file {
            continue;
        }
        let addresses: Vec<&Folded> =
            invocation.arguments.iter().filter(|argument| argument.text.contains_str("://")).collect();
        let reads_list = invocation.has_more || invocation.has(Some('i'), &["--input-file"]);
        if reads_list {
            findings.push(
                rule.finding(
                    invocation.name_span,
                    "the second run saves other files beside the first, and the first are used",
                )
                .help("add `-nc`, which keeps files that are there, or make it a stage: `next_stage && ...`"),
            );
            continue;
        }
        let [address] = addresses.as_slice() else { continue };
        let name = address
            .text
            .to_str_lossy()
            .split(['?', '#'])
            .next()
            .and_then(|path| path.rsplit('/').next())
            .unwrap_or_default()
            .to_owned();
        let is_removed = analysis
            .before(invocation.place)
            .any(|other| other.is(&["rm"]) && other.known().any(|word| word.ends_with(&name)) || other.is(&["mktemp"]));
        if is_removed {
            continue;
        }
        let finding = rule
            .finding(invocation.name_span, "the second run saves another file beside the first, and the first is used")
            .help("name the file: `wget -O FILE ADDRESS`");
        let is_plain =
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._+".contains(&byte));
        let is_here = !invocation.has(Some('P'), &["--directory-prefix"]);
        findings.push(match is_plain && is_here {
            true => {
                finding.fix(Applicability::Safe, vec![Edit::insert(invocation.name_span.end, format!(" -O {name}"))])
            }
            false => finding,
        });
    }
}
