//! A package installed from a branch, or whatever is latest.
//!
//! ## What it does
//! Looks for `@latest`, `git+URL` without a full commit id, `cargo install --git` without `--rev`, and `install_github`
//! without a commit.
//!
//! ## Why
//! The setup of a commit must come out the same for ever. What is latest, and what a branch points at, changes.
//!
//! ## Example
//! ```sh
//! next_stage && pip install git+https://example.org/tool.git
//! ```
//!
//! ## Use instead
//! ```sh
//! next_stage && pip install git+https://example.org/tool.git@3f786850e387550fdab836ed7e6dc881de23001b
//! ```

use bstr::ByteSlice;

use crate::{
    Diagnostic, Severity, Span,
    analyze::{folding::Folded, invocation::Invocation},
    lint::git,
    lint::{analysis::Analysis, rule::Rule},
};

pub(in crate::lint) const RULE: Rule =
    Rule::new("CE033", "unpinned-install", Severity::Warning, include_str!("unpinned_install.rs"), check);

fn check(rule: &Rule, analysis: &Analysis<'_>, findings: &mut Vec<Diagnostic>) {
    for invocation in &analysis.invocations {
        if let Some(span) = unpinned(invocation) {
            findings.push(
                rule.finding(span, format!("what `{}` brings is another version next year", analysis.quote(span)))
                    .help("name a version, or the full commit id: `git+URL@ID`, `--rev ID`, `user/repository@ID`"),
            );
        }
    }
}

fn unpinned(invocation: &Invocation<'_>) -> Option<Span> {
    let is_installer =
        invocation.package_manager().is_some() || invocation.is(&["npx", "uvx", "bunx", "go", "bun", "corepack"]);
    if invocation.name == "go" && invocation.argument(0) == Some("get") && invocation.has(Some('u'), &[]) {
        return Some(invocation.name_span);
    }
    let is_r = invocation.is(&["R", "Rscript", "r", "installGithub.r"]);
    if invocation.name == "cargo" && invocation.has(None, &["--git"]) {
        let revision = invocation.known().skip_while(|word| *word != "--rev").nth(1);
        let is_fixed =
            revision.is_some_and(git::is_abbreviated_id) || invocation.known().any(|word| word.starts_with("--rev="));
        return (!is_fixed).then_some(invocation.name_span);
    }
    let is_unpinned = |argument: &&Folded| {
        let text = argument.text.to_str_lossy();
        if is_r {
            return r_source(&text)
                || invocation.name == "installGithub.r" && text.contains('/') && !text.contains('@');
        }
        let name = text.rsplit('/').next().unwrap_or(&text);
        let is_moving = name.rsplit_once('@').is_some_and(|(before, version)| {
            !before.is_empty() && matches!(version, "latest" | "master" | "main" | "next" | "HEAD" | "upgrade")
        });
        is_moving || from_git(&text).is_some_and(|revision| !revision.is_some_and(git::is_commit_id))
    };
    let found = invocation.arguments.iter().find(is_unpinned).filter(|_| is_installer || is_r)?;
    Some(found.span)
}

/// Of an address of a Git repository, the revision that is named behind it.
fn from_git(text: &str) -> Option<Option<&str>> {
    let at = text.find("git+").or_else(|| text.starts_with("github:").then_some(0))?;
    let address = text.get(at..)?;
    let path = address.split_once("://").map_or(address, |(_, path)| path);
    // Of what stands before the host, `@` is no part of the revision.
    let path = path.split_once('/').map_or(path, |(_, path)| path);
    let path = path.split_once("#egg=").or_else(|| path.split_once("#subdirectory=")).map_or(path, |(path, _)| path);
    Some(path.rsplit_once('@').or_else(|| path.rsplit_once('#')).map(|(_, revision)| revision))
}

/// Whether a text for R installs from a repository without a commit.
fn r_source(text: &str) -> bool {
    let Some((_, behind)) = text.split_once("install_git") else { return false };
    let behind = behind.split(')').next().unwrap_or(behind);
    let is_word = |letter: char| letter.is_ascii_alphanumeric() || "._-/".contains(letter);
    let by_at = behind.rsplit_once('@').map(|(_, revision)| revision);
    let by_name = behind.split_once("ref").map(|(_, value)| value.trim_start_matches([' ', '=', '"', '\'', '\\']));
    match by_name.or(by_at) {
        Some(revision) => {
            let end = revision.find(|letter| !is_word(letter)).unwrap_or(revision.len());
            let revision = revision.get(..end).unwrap_or(revision);
            // What a variable holds is not seen.
            !revision.is_empty() && !git::is_abbreviated_id(revision)
        }
        None => true,
    }
}
