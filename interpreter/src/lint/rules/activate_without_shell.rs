//! An environment activated in a shell that was not prepared for it.
//!
//! ## What it does
//! Looks for `conda activate`, `mamba activate` and `source activate` where neither `conda.sh` was read nor the hook of
//! conda run before.
//!
//! ## Why
//! `conda activate` is a function that conda puts into a shell at a terminal. In a setup it is not there, and the
//! command fails, or says that the shell has not been configured.
//!
//! ## Example
//! ```sh
//! next_stage && conda activate tools && pip install ape==1.0
//! ```
//!
//! ## Use instead
//! ```sh
//! next_stage && . /opt/conda/etc/profile.d/conda.sh && conda activate tools && pip install ape==1.0
//! ```

use bstr::ByteSlice;

use crate::{
    Diagnostic, Severity,
    analyze::invocation::Invocation,
    lint::{analysis::Analysis, rule::Rule},
};

pub(in crate::lint) const RULE: Rule =
    Rule::new("CE086", "activate-without-shell", Severity::Warning, include_str!("activate_without_shell.rs"), check);

fn check(rule: &Rule, analysis: &Analysis<'_>, findings: &mut Vec<Diagnostic>) {
    for invocation in &analysis.invocations {
        let activates = match invocation.name.as_str() {
            "conda" | "mamba" | "micromamba" | "pyenv" => matches!(invocation.argument(0), Some("activate")),
            // `.` of a file that is found by PATH.
            "source" | "." => matches!(invocation.argument(0), Some("activate")),
            _ => false,
        };
        if activates && !is_prepared(analysis, invocation) {
            findings.push(
                rule.finding(invocation.span_to(0), "the shell of a setup is not prepared for this")
                    .help("read `. /opt/conda/etc/profile.d/conda.sh` first, use `conda run -n ENVIRONMENT`, or put its `bin` into `path` in docker.conf"),
            );
        }
    }
}

/// Whether a file or hook of conda was read before, in this chain or on every run.
fn is_prepared(analysis: &Analysis<'_>, activation: &Invocation<'_>) -> bool {
    let start = activation.place.command.span.start;
    analysis.sourcing().any(|source| {
        let text: Vec<u8> =
            source.place.command.words.iter().flat_map(|word| analysis.source.slice(word.span).to_vec()).collect();
        let is_hook = ["conda.sh", "mamba.sh", "hook", "/activate", "bashrc", "profile"]
            .iter()
            .any(|name| text.contains_str(name));
        let same = source.place.context.chain.map(|chain| chain.span)
            == activation.place.context.chain.map(|chain| chain.span);
        is_hook && source.place.command.span.start < start && (same || analysis.runs(source.place).each_time())
    })
}
