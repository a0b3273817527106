//! A checkout of something that can move.
//!
//! ## What it does
//! Looks for `git checkout`, `switch`, `worktree add` and `reset --hard` of a branch, a tag, `HEAD` or a variable whose
//! value the script does not fix. Files (`checkout -- FILE`), new branches from where one stands, and `FETCH_HEAD`
//! behind a fetch of a full commit id are left alone.
//!
//! ## Why
//! The setup of a commit must come out the same for ever. Branches and tags can be moved; a full commit id cannot.
//!
//! ## Example
//! ```sh
//! next_stage && git -C /opt/tool checkout master
//! ```
//!
//! ## Use instead
//! ```sh
//! next_stage && git -C /opt/tool checkout 3f786850e387550fdab836ed7e6dc881de23001b
//! ```

use crate::{
    Diagnostic, Severity,
    analyze::{folding::Folded, invocation::Invocation},
    lint::git,
    lint::{analysis::Analysis, rule::Rule},
};

pub(in crate::lint) const RULE: Rule =
    Rule::new("CE031", "unpinned-git-checkout", Severity::Error, include_str!("unpinned_git_checkout.rs"), check);

fn check(rule: &Rule, analysis: &Analysis<'_>, findings: &mut Vec<Diagnostic>) {
    for invocation in analysis.named(&["git"]) {
        let Some((subcommand, git)) = git::subcommand(invocation) else { continue };
        let Some(target) = moving_target(analysis, invocation, subcommand, &git) else { continue };
        let written = analysis.quote(target.span);
        findings.push(
            rule.finding(target.span, format!("`{written}` is no fixed commit"))
                .help("name the full commit id, which `git rev-parse` tells"),
        );
    }
}

/// The operand that names what is checked out, when that can move.
fn moving_target<'g>(
    analysis: &Analysis<'_>,
    invocation: &Invocation<'_>,
    subcommand: &str,
    git: &git::Git<'g, '_>,
) -> Option<&'g Folded> {
    let operands = git.operands();
    let has_paths = git.arguments().iter().any(|argument| argument.text == "--");
    let creates = git.has(&["-b", "-B", "-c", "-C", "--orphan"]);
    let target = match subcommand {
        // The name of the new branch is the value of an option.
        "checkout" | "switch" if creates => operands.first(),
        "checkout" | "switch" if operands.len() > 1 && !has_paths => operands.first(),
        "checkout" if has_paths => None,
        "checkout" | "switch" => operands.first(),
        "worktree" if operands.first().is_some_and(|operand| operand.text == "add") => operands.get(2),
        "reset" if git.has(&["--hard", "--merge", "--keep"]) => operands.first(),
        _ => None,
    }?;
    let is_fixed = |value: &Folded| match value.known() {
        Some(text) => {
            let is_other = matches!(text, "." | "-" | "");
            let is_fetched = text == "FETCH_HEAD" && git::fetches_commit(analysis, invocation);
            let stays = subcommand == "reset" && text == "HEAD";
            // What stands at a remote has a rule of its own.
            let is_remote = subcommand == "reset" && git::is_remote(text);
            git::is_abbreviated_id(text) || is_other || is_fetched || stays || is_remote
        }
        None => false,
    };
    (!analysis.values_of(target, invocation.place).iter().all(is_fixed)).then_some(*target)
}
