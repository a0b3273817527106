//! Findings as SARIF 2.1.0 (OASIS, Static Analysis Results Interchange Format).

use std::io::{self, Write};

use bstr::ByteSlice;
use compeval_interpreter::{
    Diagnostic, Severity, Source, Span,
    lint::{RULES, Rule},
};
use serde_json::{Value, json};

use super::{Form, ends, url};
use crate::{VERSION, report::Positions};

/// A log of one run.
#[derive(Default)]
pub(super) struct Sarif {
    results: Vec<Value>,
}

impl Form for Sarif {
    fn source(&mut self, _: &mut dyn Write, source: &Source, findings: &[Diagnostic]) -> io::Result<()> {
        let mut positions = Positions::new(source);
        self.results.extend(findings.iter().map(|finding| result(&mut positions, source, finding)));
        Ok(())
    }

    fn end(&mut self, output: &mut dyn Write) -> io::Result<()> {
        let log = json!({
            "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
            "version": "2.1.0",
            "runs": [{
                "tool": { "driver": {
                    "name": "ce-lint",
                    "version": VERSION,
                    "informationUri": env!("CARGO_PKG_REPOSITORY"),
                    "rules": RULES.iter().map(rule).collect::<Vec<_>>(),
                } },
                "columnKind": "unicodeCodePoints",
                "results": self.results,
            }],
        });
        serde_json::to_writer(&mut *output, &log)?;
        output.write_all(b"\n")
    }
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Style => "note",
    }
}

fn rule(rule: &Rule) -> Value {
    let documentation = rule.documentation();
    let summary = documentation.lines().next().unwrap_or_default();
    json!({
        "id": rule.code,
        "name": rule.name,
        "shortDescription": { "text": summary },
        "help": { "text": documentation, "markdown": documentation },
        "helpUri": url(rule.code),
        "defaultConfiguration": { "level": level(rule.severity) },
    })
}

fn region(positions: &mut Positions<'_>, span: Span) -> Value {
    let (start, end) = ends(positions, span);
    json!({
        "startLine": start.line, "startColumn": start.column, "endLine": end.line, "endColumn": end.column,
        "byteOffset": span.start, "byteLength": span.end.saturating_sub(span.start),
    })
}

fn result(positions: &mut Positions<'_>, source: &Source, finding: &Diagnostic) -> Value {
    // Spaces and the like are no part of a URI.
    let uri: String = source.name().bytes().map(escaped).collect();
    let artifact = json!({ "uri": uri });
    let help = finding.help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default();
    let index = RULES.iter().position(|rule| rule.code == finding.code);
    let primary = region(positions, finding.primary.span);
    let mut elsewhere = positions.clone();
    let related: Vec<Value> = finding
        .related
        .iter()
        .enumerate()
        .map(|(id, label)| {
            let region = region(&mut elsewhere, label.span);
            json!({
                "id": id,
                "message": { "text": label.text },
                "physicalLocation": { "artifactLocation": artifact, "region": region },
            })
        })
        .collect();
    let mut result = json!({
        "ruleId": finding.code,
        "level": level(finding.severity),
        "message": { "text": format!("{}{help}", finding.message) },
        "locations": [{ "physicalLocation": { "artifactLocation": artifact, "region": primary } }],
        "partialFingerprints": { "text/v1": source.slice(finding.primary.span).to_str_lossy() },
    });
    if let Value::Object(result) = &mut result {
        result.extend(index.map(|index| ("ruleIndex".to_owned(), json!(index))));
        if !related.is_empty() {
            result.insert("relatedLocations".to_owned(), json!(related));
        }
        if let Some(fix) = &finding.fix {
            let replacements = fix.edits.iter().map(|edit| {
                json!({ "deletedRegion": region(&mut elsewhere, edit.span), "insertedContent": { "text": edit.text } })
            });
            let change = json!({ "artifactLocation": artifact, "replacements": replacements.collect::<Vec<_>>() });
            let text = finding.help.clone().unwrap_or_else(|| finding.message.clone());
            result
                .insert("fixes".to_owned(), json!([{ "description": { "text": text }, "artifactChanges": [change] }]));
        }
    }
    result
}

fn escaped(byte: u8) -> String {
    match byte.is_ascii_alphanumeric() || b"-._~/+@:,".contains(&byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    }
}
