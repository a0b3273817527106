//! A Git command that follows what others have pushed.
//!
//! ## What it does
//! Looks for `git pull`, `git merge`, `git rebase` and `git reset --hard` of a remote branch, and `git submodule update
//! --remote`.
//!
//! ## Why
//! The setup of a commit must come out the same for ever. What such a command brings depends on the day it is run.
//!
//! ## Example
//! ```sh
//! everytime && git -C /opt/tool pull
//! ```
//!
//! ## Use instead
//! ```sh
//! everytime && git -C /opt/tool fetch && git -C /opt/tool checkout 3f786850e387550fdab836ed7e6dc881de23001b
//! ```

use crate::{
    Diagnostic, Severity,
    analyze::folding::Folded,
    lint::git,
    lint::{analysis::Analysis, rule::Rule},
};

pub(in crate::lint) const RULE: Rule =
    Rule::new("CE032", "unpinned-git-update", Severity::Error, include_str!("unpinned_git_update.rs"), check);

fn check(rule: &Rule, analysis: &Analysis<'_>, findings: &mut Vec<Diagnostic>) {
    for invocation in analysis.named(&["git"]) {
        let Some((subcommand, git)) = git::subcommand(invocation) else { continue };
        let operands = git.operands();
        let is_moving = |operand: &&Folded| match operand.known() {
            Some(text) => {
                git::is_remote(text)
                    || matches!(text, "FETCH_HEAD" | "@{u}" | "@{upstream}")
                        && !git::fetches_commit(analysis, invocation)
            }
            None => false,
        };
        let follows = match subcommand {
            "pull" => !operands.iter().any(|operand| operand.known().is_some_and(git::is_commit_id)),
            "merge" | "rebase" => {
                operands.iter().any(is_moving) || operands.is_empty() && !git.has(&["--abort", "--continue", "--skip"])
            }
            "reset" => git.has(&["--hard", "--merge", "--keep"]) && operands.iter().any(is_moving),
            "submodule" => git.has(&["--remote"]),
            _ => false,
        };
        if follows {
            findings.push(
                rule.finding(
                    invocation.span_to(git.index),
                    format!("`git {subcommand}` follows what others have pushed"),
                )
                .help("write `git fetch && git checkout FULL-COMMIT-ID`"),
            );
        }
    }
}
