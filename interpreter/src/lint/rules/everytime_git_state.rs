//! A Git command that fails when it is run again.
//!
//! ## What it does
//! Looks for `git clone`, `checkout -b`, `switch -c`, `branch NAME`, `tag NAME`, `remote add`, `worktree add`,
//! `submodule add` and `commit` in everytime chains, where nothing was asked before and no failure is expected.
//!
//! ## Why
//! The second run finds the clone, branch or remote of the first, and the command fails: with 128, a remote with 3.
//!
//! ## Example
//! ```sh
//! everytime && git clone -b v1 https://example.org/tool /opt/tool \
//!     && git -C /opt/tool checkout 3f786850e387550fdab836ed7e6dc881de23001b
//! ```
//!
//! ## Use instead
//! ```sh
//! next_stage && git clone -b v1 https://example.org/tool /opt/tool \
//!     && git -C /opt/tool checkout 3f786850e387550fdab836ed7e6dc881de23001b
//! ```

use crate::{
    Diagnostic, Severity,
    lint::{again, git},
    lint::{analysis::Analysis, rule::Rule},
};

pub(in crate::lint) const RULE: Rule =
    Rule::new("CE050", "everytime-git-state", Severity::Error, include_str!("everytime_git_state.rs"), check);

fn check(rule: &Rule, analysis: &Analysis<'_>, findings: &mut Vec<Diagnostic>) {
    for invocation in analysis.named(&["git"]) {
        let Some((subcommand, git)) = git::subcommand(invocation) else { continue };
        if !again::fails(analysis, invocation) {
            continue;
        }
        let operands = git.operands();
        let first = operands.first().and_then(|operand| operand.known()).unwrap_or_default();
        let what = match subcommand {
            "clone" => "the directory of the clone is there already",
            "checkout" if git.has(&["-b", "--orphan"]) => "the branch is there already",
            "switch" if git.has(&["-c", "--create", "--orphan"]) => "the branch is there already",
            "branch"
                if !operands.is_empty()
                    && !git.has(&[
                        "-f",
                        "--force",
                        "-d",
                        "-D",
                        "-M",
                        "-u",
                        "--list",
                        "-a",
                        "--set-upstream-to",
                        "--delete",
                    ]) =>
            {
                "the branch is there already"
            }
            "tag" if !operands.is_empty() && !git.has(&["-f", "--force", "-d", "--delete", "-l", "--list", "-v"]) => {
                "the tag is there already"
            }
            "remote" if first == "add" => "the remote is there already",
            "worktree" if first == "add" => "the work tree is there already",
            "submodule" if first == "add" => "the submodule is there already",
            "commit" if !git.has(&["--allow-empty", "--amend"]) => "there is nothing to commit",
            _ => continue,
        };
        let target = operands.get(1).or(operands.first());
        if subcommand == "clone" && target.is_some_and(|target| again::is_made_anew(analysis, invocation, target)) {
            continue;
        }
        findings.push(
            rule.finding(invocation.span_to(git.index), format!("`git {subcommand}` fails on the second run: {what}"))
                .help("make it a stage (`next_stage &&`), or ask first: `[ -d DIRECTORY ] || git clone ...`"),
        );
    }
}
