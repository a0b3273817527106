//! The directory that the script stands in, removed.
//!
//! ## What it does
//! Looks for `rm -r` and `rmdir` of the directory that `cd` went to before in the same shell.
//!
//! ## Why
//! Everything behind it runs in a directory that is no more: programs that ask where they are fail.
//!
//! ## Example
//! ```sh
//! next_stage && cd /tmp/build && make install && rm -rf /tmp/build
//! everytime && make -C /opt/tool
//! ```
//!
//! ## Use instead
//! ```sh
//! next_stage && (cd /tmp/build && make install) && rm -rf /tmp/build
//! ```

use crate::{
    Diagnostic, Severity,
    analyze::{folding::Folded, invocation::Invocation},
    lint::{analysis::Analysis, rule::Rule},
};

pub(in crate::lint) const RULE: Rule =
    Rule::new("CE028", "directory-removed", Severity::Error, include_str!("directory_removed.rs"), check);

fn check(rule: &Rule, analysis: &Analysis<'_>, findings: &mut Vec<Diagnostic>) {
    for invocation in &analysis.invocations {
        let removes = invocation.is(&["rmdir"])
            || invocation.is(&["rm"]) && invocation.has(Some('r'), &["--recursive"])
            || invocation.is(&["rm"]) && invocation.has(Some('R'), &[]);
        let Some(directory) = invocation.directory.as_ref().filter(|_| removes) else { continue };
        // In a process of its own, nothing behind it need stand there.
        let is_last = invocation.place.context.apart.is_some()
            && analysis
                .after(invocation.place)
                .all(|other| other.place.context.apart != invocation.place.context.apart);
        let stays = !leaves_next(analysis, invocation);
        let here = trimmed(&directory.text);
        let is_known = here.starts_with(b"/") && here.len() > 1;
        let is_gone = |operand: &&Folded| {
            let operand = trimmed(&operand.text);
            operand == here
                || here.strip_prefix(operand).is_some_and(|rest| rest.starts_with(b"/") && operand.starts_with(b"/"))
        };
        if let Some(operand) =
            invocation.operands("", &[]).into_iter().find(is_gone).filter(|_| is_known && !is_last && stays)
        {
            findings.push(
                rule.finding(operand.span, "the directory that the script stands in is removed")
                    .related(directory.span, "it went there")
                    .help("put the commands that run there in parentheses: `(cd DIRECTORY && ...)`"),
            );
        }
    }
}

fn trimmed(path: &[u8]) -> &[u8] {
    path.strip_suffix(b"/").unwrap_or(path)
}

/// Whether the next command goes to another directory by its full path, or there is none.
fn leaves_next(analysis: &Analysis<'_>, removal: &Invocation<'_>) -> bool {
    let start = removal.place.command.span.start;
    let at = analysis.invocations.partition_point(|other| other.place.command.span.start <= start);
    let mut behind =
        analysis.invocations.get(at..).unwrap_or_default().iter().filter(|other| other.place.marker.is_none());
    behind.next().is_none_or(|next| {
        next.is(&["cd"])
            && next.operands("", &[]).first().is_none_or(|to| !to.text.is_empty() && !to.text.starts_with(b"."))
    })
}
