//! A copy or link that lands inside the one before.
//!
//! ## What it does
//! Looks for `cp -r DIRECTORY TARGET` and `ln -sf DIRECTORY LINK` in everytime chains, where nothing was asked before
//! and the target is not made anew.
//!
//! ## Why
//! On the second run the target is a directory: the copy goes into it, `TARGET/DIRECTORY`, and what is in `TARGET` stays
//! as old as it was. The exit status is 0.
//!
//! ## Example
//! ```sh
//! everytime && cp -r /src/config /opt/config
//! ```
//!
//! ## Use instead
//! ```sh
//! everytime && mkdir -p /opt/config && cp -a /src/config/. /opt/config/
//! ```
//!
//! ## Fix safety
//! Unsafe: a link that is to lie inside the directory would replace it.

use bstr::ByteSlice;

use crate::{
    Applicability, Diagnostic, Edit, Severity,
    analyze::invocation::Invocation,
    lint::again,
    lint::{analysis::Analysis, rule::Rule},
};

pub(in crate::lint) const RULE: Rule =
    Rule::new("CE054", "everytime-copy-nests", Severity::Warning, include_str!("everytime_copy_nests.rs"), check);

fn check(rule: &Rule, analysis: &Analysis<'_>, findings: &mut Vec<Diagnostic>) {
    for invocation in &analysis.invocations {
        if !again::repeats(analysis, invocation) {
            continue;
        }
        match invocation.name.as_str() {
            "cp" if copies_directory(analysis, invocation) => findings.push(
                rule.finding(invocation.name_span, "on the second run, the copy goes into the one before")
                    .help("copy what is in the directory: `cp -a DIRECTORY/. TARGET/`"),
            ),
            "ln" if links_directory(invocation) => findings.push(
                rule.finding(
                    invocation.name_span,
                    "on the second run, the link goes into the directory that it points at",
                )
                .help("add `-n`: `ln -sfn DIRECTORY LINK`")
                .fix(Applicability::Unsafe, vec![Edit::insert(invocation.name_span.end, " -n")]),
            ),
            _ => {}
        }
    }
}

/// Places that are there in every container.
const THERE: [&str; 22] = [
    "/",
    "/bin",
    "/etc",
    "/home",
    "/lib",
    "/mnt",
    "/opt",
    "/root",
    "/sbin",
    "/srv",
    "/tmp",
    "/usr",
    "/usr/bin",
    "/usr/lib",
    "/usr/local",
    "/usr/local/bin",
    "/usr/local/lib",
    "/usr/local/share",
    "/usr/share",
    "/usr/src",
    "/var",
    "/var/lib",
];

fn copies_directory(analysis: &Analysis<'_>, invocation: &Invocation<'_>) -> bool {
    let is_recursive =
        ['r', 'R', 'a'].into_iter().any(|letter| invocation.has(Some(letter), &["--recursive", "--archive"]));
    let is_plain =
        !invocation.has(Some('T'), &["--no-target-directory"]) && !invocation.has(Some('t'), &["--target-directory"]);
    let operands = invocation.operands("S", &["--suffix"]);
    let [source, target] = operands.as_slice() else { return false };
    let is_whole = !source.text.ends_with(b"/.") && !source.text.contains(&b'*') && source.text != ".";
    let target_text = target.text.to_str_lossy();
    let name = target_text.trim_end_matches('/');
    let is_there = THERE.contains(&name)
        || name.is_empty()
        || matches!(name, "." | ".." | "~")
        || again::is_there_before(analysis, invocation, name);
    let is_file = is_file_name(&source.text.to_str_lossy()) || is_place_of_file(name);
    is_recursive
        && is_plain
        && is_whole
        && !is_there
        && !is_file
        && !target.is_unknown()
        && !again::is_made_anew(analysis, invocation, target)
}

fn links_directory(invocation: &Invocation<'_>) -> bool {
    let is_forced = invocation.has(Some('f'), &["--force"]) && invocation.has(Some('s'), &["--symbolic"]);
    let is_plain = !invocation.has(Some('n'), &["--no-dereference"])
        && !invocation.has(Some('T'), &["--no-target-directory"])
        && !invocation.has(Some('t'), &[]);
    let operands = invocation.operands("S", &[]);
    let [source, target] = operands.as_slice() else { return false };
    let (source, target) = (source.text.to_str_lossy(), target.text.to_str_lossy());
    // Into a directory that is there, the link goes on every run, under the same name.
    let is_inside = target.ends_with('/') || THERE.contains(&&*target) || target == ".";
    is_forced && is_plain && !is_inside && !is_file_name(&source) && !source.is_empty()
}

/// Whether a target is probably a file: it stands among programs or settings, or its name begins with a dot.
fn is_place_of_file(path: &str) -> bool {
    let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
    let parent = directory.rsplit('/').next().unwrap_or(directory);
    matches!(parent, "bin" | "sbin")
        || directory == "/etc" && name.contains('.')
        || name.starts_with('.') && name.len() > 1
}

/// Whether a path is probably a file's: it stands among programs or libraries, or its name has an ending.
fn is_file_name(path: &str) -> bool {
    let path = path.trim_end_matches('/');
    let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
    let parent = directory.rsplit('/').next().unwrap_or(directory);
    let ending = name.rsplit_once('.').map(|(_, ending)| ending);
    let has_ending = ending.is_some_and(|ending| {
        ending.starts_with(|letter: char| letter.is_ascii_alphabetic()) && !name.starts_with('.')
    });
    matches!(parent, "bin" | "sbin" | "lib" | "lib64" | "dev" | "etc")
        || has_ending
        || path.starts_with("/proc/")
        || path.starts_with("/dev/")
        || path.contains("/zoneinfo/")
        || path.contains(".so.")
}
