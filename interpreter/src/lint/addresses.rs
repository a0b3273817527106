//! Addresses that commands download from.

use bstr::ByteSlice;

use super::{analysis::Analysis, git};
use crate::{
    Span,
    analyze::{
        folding::{Folded, UNKNOWN},
        invocation::Invocation,
    },
    language::STAND_IN,
};

/// Options whose value is an address that nothing is downloaded from.
const OTHER: [&str; 12] = [
    "-x",
    "--proxy",
    "--preproxy",
    "-e",
    "--referer",
    "-H",
    "--header",
    "-A",
    "--user-agent",
    "-d",
    "--data",
    "--proxy1.0",
];

/// The addresses among the arguments of commands that download.
pub(super) fn of<'a, 't>(analysis: &'a Analysis<'t>) -> Vec<(&'a Invocation<'t>, &'a Folded)> {
    let mut found = Vec::new();
    for invocation in &analysis.invocations {
        let downloads = is_download(invocation)
            || invocation.package_manager().is_some()
            || matches!(
                git::subcommand(invocation),
                Some(("clone" | "fetch" | "pull" | "remote" | "submodule" | "ls-remote", _))
            );
        if !downloads {
            continue;
        }
        let mut before: Option<&str> = None;
        for argument in &invocation.arguments {
            let is_other = invocation.is(&["curl", "wget"]) && before.is_some_and(|option| OTHER.contains(&option));
            before = argument.known();
            if argument.text.contains_str("://") && !is_other {
                found.push((invocation, argument));
            }
        }
    }
    found
}

fn is_download(invocation: &Invocation<'_>) -> bool {
    invocation.is(&["curl", "wget", "aria2c", "axel", "http", "fetch", "ftp", "R", "Rscript"])
}

/// Whether what comes is held against a checksum or signature in the same chain.
pub(super) fn is_verified(analysis: &Analysis<'_>, download: &Invocation<'_>) -> bool {
    let verifies = |other: &Invocation<'_>| {
        let sums = other.name.ends_with("sum") && other.has(Some('c'), &["--check"]);
        sums || other.is(&["gpg", "gpg2", "gpgv", "cosign", "minisign"])
            && other.known().any(|word| word.contains("verify"))
            || other.name == "gpgv"
    };
    analysis.after(download.place).any(verifies) || download.has(None, &["--checksum"])
}

/// The addresses of which a part says that what is there moves on.
pub(super) fn moving(analysis: &Analysis<'_>, says: fn(&str) -> Option<String>) -> Vec<(Span, String)> {
    let addresses = of(analysis).into_iter().filter(|(invocation, _)| invocation.name != "git");
    let mut found: Vec<(Span, String)> = Vec::new();
    for (_, address) in addresses {
        // What is not known has a `?` in its stand-in, which would begin a query.
        let text = address.text.replace(UNKNOWN, [STAND_IN]);
        if let Some(part) = says(&text.to_str_lossy()) {
            found.push((address.span, part.replace(char::from(STAND_IN), "...")));
        }
    }
    found
}

/// The part of a path that names a branch, or whatever is latest.
pub(super) fn is_branch(address: &str) -> Option<String> {
    let path = path(address);
    let parts: Vec<&str> = path.split('/').collect();
    let at = parts.iter().enumerate().position(|(index, part)| {
        let stem = ARCHIVES.iter().find_map(|suffix| part.strip_suffix(suffix)).unwrap_or(part);
        let is_last = index + 1 == parts.len();
        // A host's own directory is no branch; nor is a file of that name.
        let is_directory = !is_last || stem.len() < part.len();
        // The archives of Debian call their sections so.
        let is_archive = parts.contains(&"pool") || parts.contains(&"dists");
        let is_release = index.checked_sub(1).and_then(|before| parts.get(before)) == Some(&"releases");
        match stem {
            "latest" => (is_directory || is_last) && !is_release,
            "master" | "main" | "HEAD" | "develop" | "trunk" | "devel" => is_directory && !is_archive,
            _ => false,
        }
    })?;
    parts.get(at).map(|part| format!("/{part}"))
}

/// The part of a path that says that the newest is meant.
pub(super) fn is_moving(address: &str) -> Option<String> {
    let path = path(address);
    let parts: Vec<&str> = path.split('/').collect();
    for (index, part) in parts.iter().enumerate() {
        let before = index.checked_sub(1).and_then(|before| parts.get(before));
        if *part == "latest" && before == Some(&"releases") {
            return Some("releases/latest".to_owned());
        }
        let is_last = index + 1 == parts.len();
        if matches!(*part, "current" | "nightly") && !is_last {
            return Some(format!("/{part}/"));
        }
        let has_word = |word: &str| {
            part.split(['-', '_', '.', '+']).any(|piece| piece.eq_ignore_ascii_case(word)) && part.len() > word.len()
        };
        if has_word("latest") || has_word("current") {
            return Some((*part).to_owned());
        }
    }
    None
}

const ARCHIVES: [&str; 6] = [".tar.gz", ".zip", ".tgz", ".tar.xz", ".tar.bz2", ".tar"];

/// What stands behind the host, without a query.
fn path(address: &str) -> &str {
    let behind = address.split_once("://").map_or(address, |(_, behind)| behind);
    let path = behind.split_once('/').map_or("", |(_, path)| path);
    path.split(['?', '#']).next().unwrap_or(path)
}
