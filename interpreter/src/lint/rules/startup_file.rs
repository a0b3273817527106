//! Text for the startup file of a shell that nothing starts.
//!
//! ## What it does
//! Looks for what is written to `.bashrc`, `.profile`, `/etc/profile.d`, `/etc/environment` and the like, and for `conda
//! init`.
//!
//! ## Why
//! These files are read by a login or by a shell at a terminal. A setup and a call start neither: no later chain and no
//! command sees what stands there.
//!
//! ## Example
//! ```sh
//! next_stage && echo 'export PATH=/opt/tool/bin:$PATH' >> /root/.bashrc
//! ```
//!
//! ## Use instead
//! ```sh
//! export PATH="/opt/tool/bin:$PATH"
//! ```

use crate::{
    Diagnostic, Severity, Span,
    analyze::{calls, folding::Folded},
    lint::{analysis::Analysis, rule::Rule},
};

pub(in crate::lint) const RULE: Rule =
    Rule::new("CE085", "startup-file", Severity::Warning, include_str!("startup_file.rs"), check);

fn check(rule: &Rule, analysis: &Analysis<'_>, findings: &mut Vec<Diagnostic>) {
    let mut spans: Vec<Span> = Vec::new();
    let redirections = analysis.places.iter().flat_map(|place| &place.command.redirections);
    let redirections = redirections.chain(analysis.redirected.iter().flat_map(|(command, _)| &command.redirections));
    for redirection in redirections.filter(|redirection| calls::writes_file(redirection)) {
        let file = analysis.variables.fold(&redirection.target);
        spans.extend(is_startup(&file.text).then_some(redirection.span));
    }
    for invocation in &analysis.invocations {
        let files: Vec<&Folded> = match invocation.name.as_str() {
            "tee" => invocation.operands("", &[]),
            "sed" if invocation.has(Some('i'), &["--in-place"]) => invocation.operands("e", &["--expression"]),
            "cp" | "mv" | "install" | "ln" => invocation.operands("mog", &[]).last().copied().into_iter().collect(),
            "conda" | "mamba" | "micromamba" => {
                let is_init = invocation.argument(0) == Some("init")
                    || invocation.argument(0) == Some("shell") && invocation.argument(1) == Some("init");
                spans.extend(is_init.then_some(invocation.span_to(0)));
                Vec::new()
            }
            _ => Vec::new(),
        };
        spans.extend(files.into_iter().filter(|file| is_startup(&file.text)).map(|file| file.span));
    }
    spans.sort();
    spans.dedup();
    for span in spans {
        findings.push(
            rule.finding(span, "nothing that a setup or a call starts reads this file")
                .help("write `export NAME=VALUE` outside of stages, or use `path` and `env` in docker.conf"),
        );
    }
}

fn is_startup(path: &[u8]) -> bool {
    const NAMES: [&[u8]; 13] = [
        b".bashrc",
        b".bash_profile",
        b".bash_login",
        b".profile",
        b".zshrc",
        b".zprofile",
        b".cshrc",
        b".tcshrc",
        b".kshrc",
        b".login",
        b".zshenv",
        b".bash_aliases",
        b".shrc",
    ];
    const FILES: [&[u8]; 7] = [
        b"/etc/profile",
        b"/etc/environment",
        b"/etc/bash.bashrc",
        b"/etc/bashrc",
        b"/etc/zsh/zshrc",
        b"/etc/zsh/zshenv",
        b"/etc/csh.cshrc",
    ];
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    let is_skeleton = path.starts_with(b"/etc/skel");
    NAMES.contains(&name) && !is_skeleton || FILES.contains(&path) || path.starts_with(b"/etc/profile.d")
}
