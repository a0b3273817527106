//! What a `git` command is asked to do.

use super::analysis::Analysis;
use crate::analyze::{folding::Folded, invocation::Invocation};

/// The arguments of a subcommand of git.
pub(super) struct Git<'i, 't> {
    invocation: &'i Invocation<'t>,
    /// The index of the subcommand among the invocation's arguments.
    pub(super) index: usize,
    /// The directory that `-C` names.
    pub(super) directory: Option<Folded>,
}

/// The subcommand of a command that runs git.
pub(super) fn subcommand<'i, 't>(invocation: &'i Invocation<'t>) -> Option<(&'i str, Git<'i, 't>)> {
    if invocation.name != "git" {
        return None;
    }
    let long = ["-C", "-c", "--git-dir", "--work-tree", "--namespace", "--exec-path"];
    let (index, subcommand) = invocation.subcommand("Cc", &long)?;
    let before = invocation.arguments.get(..index).unwrap_or_default();
    let at = before.iter().position(|argument| argument.text == "-C");
    let directory = at.and_then(|at| before.get(at + 1)).cloned();
    Some((subcommand, Git { invocation, index, directory }))
}

impl<'i> Git<'i, '_> {
    /// What stands behind the subcommand.
    pub(super) fn arguments(&self) -> &'i [Folded] {
        self.invocation.arguments.get(self.index + 1..).unwrap_or_default()
    }

    /// Those that are no options, nor values of them.
    pub(super) fn operands(&self) -> Vec<&'i Folded> {
        const VALUED: [&str; 14] = [
            "-b",
            "-B",
            "-o",
            "--branch",
            "--origin",
            "--depth",
            "--reference",
            "--config",
            "-j",
            "--jobs",
            "--filter",
            "-m",
            "--shallow-since",
            "--template",
        ];
        let names_branch = |text: &str| match self.subcommand_name() {
            "switch" => matches!(text, "-c" | "-C" | "--create" | "--force-create" | "--orphan"),
            "checkout" => text == "--orphan",
            _ => false,
        };
        let mut operands = Vec::new();
        let mut arguments = self.arguments().iter();
        while let Some(argument) = arguments.next() {
            match argument.known() {
                Some("--") => {}
                Some(text) if VALUED.contains(&text) || names_branch(text) => drop(arguments.next()),
                Some(text) if text.starts_with('-') && text.len() > 1 => {}
                _ => operands.push(argument),
            }
        }
        operands
    }

    fn subcommand_name(&self) -> &str {
        self.invocation.argument(self.index).unwrap_or_default()
    }

    /// Whether one of these options is given.
    pub(super) fn has(&self, options: &[&str]) -> bool {
        self.arguments().iter().any(|argument| argument.known().is_some_and(|text| options.contains(&text)))
    }
}

/// Whether this is a full commit id.
pub(super) fn is_commit_id(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Whether this is a commit id, perhaps abbreviated.
pub(super) fn is_abbreviated_id(text: &str) -> bool {
    let has_digit = text.bytes().any(|byte| byte.is_ascii_digit());
    (7..=64).contains(&text.len()) && has_digit && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Whether a revision is a branch of a remote.
pub(super) fn is_remote(text: &str) -> bool {
    ["origin/", "upstream/", "refs/remotes/", "remotes/"].iter().any(|remote| text.starts_with(remote))
        || text == "@{u}"
}

/// Whether a command before this one in its chain has fetched a full commit id.
pub(super) fn fetches_commit(analysis: &Analysis<'_>, git: &Invocation<'_>) -> bool {
    analysis.before(git.place).any(|other| match subcommand(other) {
        Some(("fetch", fetch)) => fetch.operands().iter().any(|operand| {
            analysis.values_of(operand, other.place).iter().all(|value| value.known().is_some_and(is_commit_id))
        }),
        _ => false,
    })
}
