//! A copy that makes everything look new.
//!
//! ## What it does
//! Looks for `rsync -r` without `-t` or `-a`, and for `rsync --delete` without `--exclude` into a directory that is
//! built in, where they run on every run.
//!
//! ## Why
//! Without the times of the files, or with the products of the build deleted, `make` builds everything anew on every
//! call.
//!
//! ## Example
//! ```sh
//! everytime && rsync -r --delete "$COMPDIR/" /build/ && make -C /build
//! ```
//!
//! ## Use instead
//! ```sh
//! everytime && rsync -a --exclude=/out "$COMPDIR/" /build/ && make -C /build
//! ```

use crate::{
    Diagnostic, Severity,
    lint::{analysis::Analysis, rule::Rule},
};

pub(in crate::lint) const RULE: Rule =
    Rule::new("CE056", "rsync-forces-rebuild", Severity::Style, include_str!("rsync_forces_rebuild.rs"), check);

fn check(rule: &Rule, analysis: &Analysis<'_>, findings: &mut Vec<Diagnostic>) {
    for invocation in analysis.named(&["rsync"]) {
        if !analysis.runs(invocation.place).each_time() {
            continue;
        }
        let keeps_times = invocation.has(Some('a'), &["--archive"]) && !invocation.has(None, &["--no-times", "--no-t"])
            || invocation.has(Some('t'), &["--times"])
            || invocation.has(Some('c'), &["--checksum"]);
        let is_recursive = invocation.has(Some('r'), &["--recursive"]);
        let deletes = invocation.known().any(|word| word.starts_with("--del"));
        let spares = invocation.has(Some('F'), &["--exclude", "--filter", "--exclude-from", "--cvs-exclude"])
            || invocation.has(Some('C'), &[]);
        let is_built = analysis
            .after(invocation.place)
            .any(|other| other.is(&["make", "ninja", "cmake", "scons", "cargo", "meson"]));
        let message = if is_recursive && !keeps_times {
            "without their times, all files look new to `make`"
        } else if deletes && !spares && is_built {
            "what was built is deleted, and built anew on every call"
        } else {
            continue;
        };
        findings.push(
            rule.finding(invocation.name_span, message)
                .help("write `rsync -a --exclude=/DIRECTORY-OF-PRODUCTS SOURCE/ TARGET/`"),
        );
    }
}
