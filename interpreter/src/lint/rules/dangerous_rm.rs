//! A removal that takes everything when a variable is empty.
//!
//! ## What it does
//! Looks for `rm -r` of `"$V/"*`, `"$V/"`, `$V/usr` and the like, where the script does not fix the value of `V`, and
//! for `rm -r /`.
//!
//! ## Why
//! When the variable is not set, the path begins at the root of the container, which holds the global file storage as
//! well.
//!
//! ## Example
//! ```sh
//! BUILD=$(cat /etc/build-directory)
//! next_stage && rm -rf "$BUILD/"*
//! ```
//!
//! ## Use instead
//! ```sh
//! BUILD=$(cat /etc/build-directory)
//! next_stage && rm -rf "${BUILD:?}/"*
//! ```
//!
//! ## Fix safety
//! Safe: nothing changes where the variable has a value.

use bstr::ByteSlice;

use crate::{
    Applicability, Diagnostic, Edit, Severity, Span,
    language::marker::Marker,
    lint::{analysis::Analysis, rule::Rule},
    syntax::{Operation, Parameter, Part, PartKind, Word},
};

pub(in crate::lint) const RULE: Rule =
    Rule::new("CE073", "dangerous-rm", Severity::Error, include_str!("dangerous_rm.rs"), check);

fn check(rule: &Rule, analysis: &Analysis<'_>, findings: &mut Vec<Diagnostic>) {
    for invocation in analysis.named(&["rm"]) {
        let is_recursive = ['r', 'R'].into_iter().any(|letter| invocation.has(Some(letter), &["--recursive"]));
        let Some(words) = invocation.place.command.words.get(1..).filter(|_| is_recursive) else { continue };
        for word in words {
            if let Some(part) = dangerous(analysis, word) {
                let text = analysis.source.slice(part.span);
                let name = text.trim_with(|letter| matches!(letter, '$' | '{' | '}')).to_str_lossy().into_owned();
                findings.push(
                    rule.finding(part.span, format!("when `{name}` is empty, this removes what is below `/`"))
                        .help(format!("write `${{{name}:?}}`, which fails then"))
                        .fix(Applicability::Safe, vec![Edit::replace(part.span, format!("${{{name}:?}}"))]),
                );
            } else if matches!(word.literal().as_ref().map(|text| text.as_slice()), Some(b"/" | b"/*" | b"/." | b"//"))
            {
                findings.push(
                    rule.finding(word.span, "this removes everything, the global file storage too")
                        .help("name the directory that is meant"),
                );
            }
        }
    }
}

/// Directories of every system.
const SYSTEM: [&[u8]; 16] = [
    b"", b"*", b"bin", b"boot", b"dev", b"etc", b"home", b"lib", b"lib64", b"opt", b"root", b"sbin", b"srv", b"sys",
    b"usr", b"var",
];

/// Whether the script gives it a value that is known on every run.
fn is_never_empty(analysis: &Analysis<'_>, name: &str) -> bool {
    let in_stage =
        |span: Span| analysis.timetable.chain_at(span).is_some_and(|chain| chain.marker == Some(Marker::NextStage));
    let is_kept = analysis.variables.assigned(name).iter().any(|assigned| !in_stage(assigned.span));
    is_kept && analysis.variables.never_empty(name)
}

/// The expansion at the beginning of a word without which it names the root, or a directory of the system.
fn dangerous<'w>(analysis: &Analysis<'_>, word: &'w Word) -> Option<&'w Part> {
    let mut parts = word.parts.iter().flat_map(|part| match &part.kind {
        PartKind::DoubleQuoted(parts) => parts.as_slice(),
        _ => std::slice::from_ref(part),
    });
    let mut first = parts.next()?;
    // `/"$V"`
    let is_below_root = matches!(&first.kind, PartKind::Literal(text) if text == "/");
    if is_below_root {
        first = parts.next()?;
    }
    let PartKind::Parameter(expansion) = &first.kind else { return None };
    let Parameter::Variable(name) = &expansion.parameter else { return None };
    let is_plain = matches!(expansion.operation, Operation::Value);
    // These are always set; what is wrong with them has other rules.
    let is_given = matches!(name.as_str(), "COMPDIR" | "GFSDIR");
    if !is_plain || is_given || is_never_empty(analysis, name) {
        return None;
    }
    let mut rest = Vec::new();
    for part in parts {
        match &part.kind {
            PartKind::Literal(text) | PartKind::Escaped(text) | PartKind::SingleQuoted(text) => {
                rest.extend_from_slice(text)
            }
            PartKind::Parameter(expansion) if rest == b"/" && matches!(expansion.operation, Operation::Value) => {
                // `"$A/$B"`: both may be empty.
                return Some(first);
            }
            _ => return None,
        }
    }
    if is_below_root && rest.is_empty() {
        return Some(first);
    }
    let rest = rest.strip_prefix(b"/")?;
    let directory = rest.strip_suffix(b"/*").or_else(|| rest.strip_suffix(b"/")).unwrap_or(rest);
    SYSTEM.contains(&directory).then_some(first)
}
