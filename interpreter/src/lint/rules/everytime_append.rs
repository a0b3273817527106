//! A file that grows with every run.
//!
//! ## What it does
//! Looks for `>>` and `tee -a` in everytime chains, where nothing was asked before, and the file is not written anew in
//! the same chain.
//!
//! ## Why
//! Every call of the computation runs the chain, and adds the text once more.
//!
//! ## Example
//! ```sh
//! everytime && echo 'set -o vi' >> /etc/tool.conf
//! ```
//!
//! ## Use instead
//! ```sh
//! everytime && { grep -qxF 'set -o vi' /etc/tool.conf || echo 'set -o vi' >> /etc/tool.conf; }
//! ```

use crate::{
    Diagnostic, Severity, Span,
    analyze::calls,
    lint::again,
    lint::{analysis::Analysis, rule::Rule},
    syntax::RedirectionOperator,
};

pub(in crate::lint) const RULE: Rule =
    Rule::new("CE052", "everytime-append", Severity::Warning, include_str!("everytime_append.rs"), check);

fn check(rule: &Rule, analysis: &Analysis<'_>, findings: &mut Vec<Diagnostic>) {
    let simple = analysis.places.iter().map(|place| (&place.command.redirections, place.context));
    let compound = analysis.redirected.iter().map(|(command, context)| (&command.redirections, *context));
    for (redirections, context) in simple.chain(compound) {
        for redirection in redirections.iter().filter(|redirection| redirection.operator == RedirectionOperator::Append)
        {
            let file = analysis.variables.fold(&redirection.target);
            if calls::writes_file(redirection)
                && again::repeats_in(analysis, &context, std::slice::from_ref(&file))
                && !again::is_emptied_before(analysis, &context, redirection.span, &file)
            {
                findings.push(report(rule, redirection.span));
            }
        }
    }
    for tee in analysis
        .invocations
        .iter()
        .filter(|invocation| invocation.is(&["tee"]) && invocation.has(Some('a'), &["--append"]))
    {
        let file = tee.operands("", &[]).first().copied();
        let is_sink = file.is_some_and(|file| file.text.starts_with(b"/dev/"));
        let is_emptied = file
            .is_some_and(|file| again::is_emptied_before(analysis, &tee.place.context, tee.place.command.span, file));
        if again::repeats(analysis, tee) && !is_sink && !is_emptied {
            findings.push(report(rule, tee.name_span));
        }
    }
}

fn report(rule: &Rule, span: Span) -> Diagnostic {
    rule.finding(span, "the file grows with every run")
        .help("write the whole file with `>`, or ask first: `grep -qxF LINE FILE || ...`")
}
