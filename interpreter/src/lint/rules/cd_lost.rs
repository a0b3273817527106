//! A stage that ends with `cd`.
//!
//! ## What it does
//! Looks for stages whose last command is `cd`, and for stages with a `cd` in them behind which other chains name files by
//! relative paths, or build in the directory they stand in.
//!
//! ## Why
//! A stage runs once. Later commands start in the new directory on the first run, and in another one on every run after
//! it.
//!
//! ## Example
//! ```sh
//! next_stage && cd /opt/tool
//! next_stage && make
//! ```
//!
//! ## Use instead
//! ```sh
//! everytime && cd /opt/tool
//! next_stage && make
//! ```
//!
//! ## Fix safety
//! Unsafe: the stages behind it get other numbers.

use bstr::ByteSlice;

use crate::{
    Applicability, Diagnostic, Edit, Severity, Span,
    analyze::{calls, folding::Folded, invocation::Invocation},
    language::{
        builtins::{self, Operands},
        marker::Marker,
    },
    lint::{analysis::Analysis, rule::Rule},
};

pub(in crate::lint) const RULE: Rule =
    Rule::new("CE022", "cd-lost", Severity::Warning, include_str!("cd_lost.rs"), check);

fn check(rule: &Rule, analysis: &Analysis<'_>, findings: &mut Vec<Diagnostic>) {
    for invocation in &analysis.invocations {
        let place = invocation.place;
        let Some(chain) = place.context.chain.filter(|chain| chain.marker == Some(Marker::NextStage)) else { continue };
        let is_cd = invocation.is(&["cd", "chdir", "pushd"]) && place.context.apart.is_none();
        if !is_cd || place.context.function.is_some() || place.pipeline.commands.len() > 1 {
            continue;
        }
        let mut behind = analysis.after(place).filter(|other| other.place.context.apart.is_none());
        let goes_on = behind.any(|other| other.is(&["cd", "chdir", "popd"]));
        let is_last = place.after.is_empty() && analysis.after(place).next().is_none();
        // Back at the root, where a setup begins in most images.
        let goes_back = || analysis.before(place).any(|other| other.is(&["cd", "chdir"]));
        let is_back = is_way_back(analysis, invocation) && goes_back();
        if !goes_on && !is_back && (is_last || is_relied_on(analysis, chain.span)) {
            let finding = rule
                .finding(place.command.span, "later runs, which skip this stage, do not change the directory")
                .related(chain.span, "the stage begins here")
                .help("write `everytime && cd DIRECTORY`, or put the commands that belong there behind it with `&&`");
            let is_alone = analysis.before(place).all(|other| other.place.marker.is_some());
            findings.push(match is_alone {
                true => finding.fix(Applicability::Unsafe, vec![Edit::replace(chain.span, "everytime")]),
                false => finding,
            });
        }
    }
}

/// Whether what stands behind a stage, up to the next `cd`, depends on the directory.
fn is_relied_on(analysis: &Analysis<'_>, stage: Span) -> bool {
    let Some(end) = analysis.timetable.chain_at(stage).map(|chain| chain.span.end) else { return false };
    let first = analysis.invocations.partition_point(|other| other.place.command.span.start < end);
    let behind = analysis.invocations.get(first..).unwrap_or_default().iter();
    let here = behind.filter(|other| other.place.context.function.is_none());
    let until_cd = here.take_while(|other| {
        !other.is(&["cd", "chdir"]) || other.operands("", &[]).first().is_some_and(|to| is_relative(to))
    });
    until_cd.into_iter().any(depends_on_directory)
}

fn depends_on_directory(invocation: &Invocation<'_>) -> bool {
    let written = invocation.place.command.words.first().and_then(|word| word.unquoted()).unwrap_or_default();
    let builds = invocation.is(&["make", "ninja", "configure"]) && !invocation.has(Some('C'), &["--directory"]);
    let names_files = builtins::find(invocation.name.as_bytes()).is_some_and(|utility| {
        !matches!(
            utility.operands,
            Operands::None | Operands::Unknown | Operands::Tested | Operands::ReadBehindScript | Operands::Values
        ) && invocation.operands(utility.valued, &[]).iter().any(|operand| is_relative(operand))
    });
    let is_script = written.starts_with("./") || written.starts_with("../");
    let redirected = invocation.place.command.redirections.iter().any(|redirection| {
        calls::writes_file(redirection) && redirection.target.literal().is_some_and(|target| !target.starts_with(b"/"))
    });
    builds || names_files || is_script || redirected
}

fn is_relative(operand: &Folded) -> bool {
    operand.known().is_some_and(|text| !text.is_empty() && !text.starts_with(['/', '~', '-']) && !text.contains("://"))
}

/// Whether a `cd` leads back to where the stage began, or to the root.
fn is_way_back(analysis: &Analysis<'_>, cd: &Invocation<'_>) -> bool {
    let Some(to) = cd.arguments.first().map(|to| analysis.source.slice(to.span)) else { return true };
    match to.as_bytes() {
        b"/" | b"-" | b"\"$OLDPWD\"" | b"$OLDPWD" => true,
        // From `/opt/src` this leads to `/opt`.
        b".." | b"../.." => {
            let mut before = analysis.before(cd.place).filter(|other| other.is(&["cd", "chdir"]));
            before.all(|other| other.arguments.first().is_some_and(is_relative))
        }
        _ => false,
    }
}
