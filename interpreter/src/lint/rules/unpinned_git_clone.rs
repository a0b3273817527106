//! A clone of which no fixed commit is checked out.
//!
//! ## What it does
//! Looks for `git clone` without a checkout of a full commit id in the same chain, or of the same directory in a later
//! one. A tag or branch (`-b v1.2`) is no fixed commit: both can be moved.
//!
//! ## Why
//! The setup of a commit must come out the same for ever, on every machine. What a branch points at is another commit
//! next week.
//!
//! ## Example
//! ```sh
//! next_stage && git clone https://example.org/tool.git /opt/tool
//! ```
//!
//! ## Use instead
//! ```sh
//! next_stage && git clone https://example.org/tool.git /opt/tool \
//!     && git -C /opt/tool checkout 3f786850e387550fdab836ed7e6dc881de23001b
//! ```

use std::collections::HashSet;

use crate::{
    Diagnostic, Severity, Span,
    analyze::{files::Root, folding::Folded, invocation::Invocation},
    lint::git,
    lint::{analysis::Analysis, rule::Rule},
};

pub(in crate::lint) const RULE: Rule =
    Rule::new("CE030", "unpinned-git-clone", Severity::Warning, include_str!("unpinned_git_clone.rs"), check);

fn check(rule: &Rule, analysis: &Analysis<'_>, findings: &mut Vec<Diagnostic>) {
    let pins: Vec<Pin> = analysis.named(&["git"]).filter_map(|git| pin(analysis, git)).collect();
    let names: HashSet<&str> =
        pins.iter().filter_map(|pin| pin.directory.as_deref()).flat_map(|path| path.split('/')).collect();
    // Those that say nowhere what directory they mean: the one that their chain has cloned.
    let here: HashSet<Span> = pins.iter().filter(|pin| pin.directory.is_none()).map(|pin| pin.command).collect();
    let all: HashSet<Span> = pins.iter().map(|pin| pin.command).collect();
    for clone in analysis.named(&["git"]) {
        let Some(("clone", rest)) = git::subcommand(clone) else { continue };
        // The computation is at its commit.
        let is_own = rest.operands().first().is_some_and(|address| address.below(Root::Computation).is_some());
        if is_own || is_pinned_by_itself(&rest) {
            continue;
        }
        let target = target(&rest);
        let is_named = target.as_deref().is_some_and(|target| names.contains(target));
        let candidates = if target.is_some() { &here } else { &all };
        let is_pinned =
            is_named || analysis.after(clone.place).any(|behind| candidates.contains(&behind.place.command.span));
        if !is_pinned {
            findings.push(
                rule.finding(clone.span_to(rest.index), "no fixed commit of this clone is checked out")
                    .help("check one out in the same chain: `git -C DIRECTORY checkout FULL-COMMIT-ID`"),
            );
        }
    }
}

/// A command that checks a full commit id out.
struct Pin {
    command: Span,
    /// The directory where it does.
    directory: Option<String>,
}

fn pin<'t>(analysis: &Analysis<'t>, git: &Invocation<'t>) -> Option<Pin> {
    let (subcommand, rest) = git::subcommand(git)?;
    let is_checkout = matches!(subcommand, "checkout" | "switch" | "reset" | "merge" | "read-tree");
    let is_pin = |operand: &Folded| {
        let values = analysis.values_of(operand, git.place);
        values.iter().all(|value| value.known().is_some_and(git::is_commit_id))
            || operand.text == "FETCH_HEAD" && git::fetches_commit(analysis, git)
    };
    let pins = is_checkout && rest.operands().iter().any(|operand| is_pin(operand));
    let directory = rest.directory.as_ref().or(git.directory.as_ref()).map(|folded| folded.text.to_string());
    pins.then_some(Pin { command: git.place.command.span, directory })
}

fn is_pinned_by_itself(clone: &git::Git<'_, '_>) -> bool {
    clone.arguments().iter().any(|argument| {
        argument.known().and_then(|text| text.strip_prefix("--revision=")).is_some_and(git::is_commit_id)
    })
}

/// The directory that the clone goes to.
fn target(clone: &git::Git<'_, '_>) -> Option<String> {
    let operands = clone.operands();
    let (address, directory) = (operands.first()?, operands.get(1));
    let text = directory.unwrap_or(address).text.to_string();
    let name = text.trim_end_matches('/').rsplit('/').next()?;
    let name = if directory.is_some() { name } else { name.strip_suffix(".git").unwrap_or(name) };
    // Without a directory of its own, the clone goes where it is run.
    (name != ".").then(|| name.to_owned())
}
