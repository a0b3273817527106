//! A function, alias or `unset` under a marker's name.
//!
//! ## What it does
//! Looks for definitions of functions and aliases named `next_stage` or `everytime`, and for commands that remove them.
//!
//! ## Why
//! The two names belong to the setup: they count and record the stages. A script that brings its own stops that.
//!
//! ## Example
//! ```sh
//! next_stage() { :; }
//! next_stage && make
//! ```
//!
//! ## Use instead
//! ```sh
//! next_stage && make
//! ```

use bstr::ByteSlice;

use crate::{
    Diagnostic, Severity, Span,
    language::marker::Marker,
    lint::{analysis::Analysis, rule::Rule},
    syntax::{SimpleCommand, Word},
};

pub(in crate::lint) const RULE: Rule =
    Rule::new("CE011", "marker-redefined", Severity::Error, include_str!("marker_redefined.rs"), check);

fn check(rule: &Rule, analysis: &Analysis<'_>, findings: &mut Vec<Diagnostic>) {
    for definition in &analysis.definitions {
        if let Some(marker) = Marker::named(definition.name.as_bytes()) {
            let message = format!("a function takes the place of the marker `{}`", marker.name());
            findings.push(report(rule, definition.name_span, message));
        }
    }
    for place in analysis.places {
        findings.extend(redefinition(place.command, analysis).map(|(span, message)| report(rule, span, message)));
    }
}

fn report(rule: &Rule, span: Span, message: String) -> Diagnostic {
    rule.finding(span, message).help("give it another name, or remove it: the setup defines both markers itself")
}

fn redefinition(command: &SimpleCommand, analysis: &Analysis<'_>) -> Option<(Span, String)> {
    let name = command.unquoted_name()?;
    let arguments = command.words.get(1..)?;
    match name {
        "alias" => {
            let (word, marker) = arguments.iter().find_map(|word| {
                let (name, _) = analysis.source.slice(word.span).split_once_str("=")?;
                Some((word, Marker::named(name.trim_with(|c| matches!(c, '"' | '\'' | '\\')))?))
            })?;
            Some((word.span, format!("an alias takes the place of the marker `{}`", marker.name())))
        }
        "unset" | "unalias" if arguments.first().and_then(Word::unquoted) != Some("-v") => {
            let named = |word: &Word| Marker::named(&word.literal()?);
            let (word, marker) = arguments.iter().find_map(|word| Some((word, named(word)?)))?;
            Some((word.span, format!("`{name}` removes the marker `{}`", marker.name())))
        }
        _ => None,
    }
}
