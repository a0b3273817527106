//! The docker.conf beside a script: what cannot be used in it, and what does not do what it looks like (CE096).

use std::path::Path;

use compeval_interpreter::{
    Diagnostic, Severity, Source, Span,
    lint::{Rule, Setting},
};
use compeval_runtime::{computation::description::Description, file};

/// As long as a description may be that is looked at.
const LONGEST: u64 = 1 << 20;

/// A description, as far as it concerns a script.
pub(super) struct Beside {
    /// What the script finds in its container.
    pub(super) setting: Setting,
    /// Its text, and what was found in it; `None` where there is no description.
    pub(super) findings: Option<(Source, Vec<Diagnostic>)>,
}

/// Reads the description at `path`, which belongs to a script that begins with `first_line`.
pub(super) fn beside(path: &Path, first_line: &[u8]) -> Beside {
    let mut setting = Setting::default();
    let Some(text) = file::read(path, LONGEST).ok().and_then(|text| String::from_utf8(text).ok()) else {
        return Beside { setting, findings: None };
    };
    // Also where the rest of it cannot be used.
    if let Some(shell) = Description::shell_of(path) {
        setting.shell = shell;
    }
    if let Ok(description) = Description::parse(path, &text) {
        setting.environment = description.env.iter().map(|(name, _)| name.clone()).collect();
    }
    Beside { setting, findings: Some(read(path, &text, first_line)) }
}

/// Looks through the text of a description.
pub(super) fn read(path: &Path, text: &str, first_line: &[u8]) -> (Source, Vec<Diagnostic>) {
    let source = Source::new(path.to_string_lossy(), text);
    let mut findings = Vec::new();
    let Some(rule) = Rule::find("CE096") else { return (source, findings) };
    match Description::parse(path, text) {
        Err(error) => {
            let span = error.place.as_ref().map(|place| span(place.span.start, place.span.end));
            let finding = rule.finding(span.unwrap_or_default(), error.message);
            let finding = Diagnostic { severity: Severity::Error, ..finding };
            findings.push(match error.help {
                Some(help) => finding.help(help),
                None => finding,
            });
        }
        Ok(description) => {
            findings.extend(image(rule, text, &description.image));
            findings.extend(shell(rule, text, &description.shell, first_line));
        }
    }
    (source, findings)
}

/// An image that is another one next year.
fn image(rule: &Rule, text: &str, image: &str) -> Option<Diagnostic> {
    let name = image.rsplit('/').next().unwrap_or(image);
    let is_id = image.starts_with("sha256:");
    let tag = name.split_once(':').map(|(_, tag)| tag);
    let message = match tag {
        _ if image.contains('@') || is_id => return None,
        None => format!("`{image}` is whatever its newest version is"),
        Some(
            tag @ ("latest" | "stable" | "edge" | "rolling" | "testing" | "unstable" | "devel" | "sid" | "nightly"
            | "main"),
        ) => {
            format!("the tag `{tag}` moves")
        }
        Some(_) => return None,
    };
    let place = value_of(text, "image", image)?;
    let help =
        format!("name a version (`{}:13`), or a digest (`NAME@sha256:...`)", image.split(':').next().unwrap_or(image));
    Some(rule.finding(place, message).help(help))
}

/// A shell that the script was not written for.
fn shell(rule: &Rule, text: &str, shell: &str, first_line: &[u8]) -> Option<Diagnostic> {
    let first_line = String::from_utf8_lossy(first_line);
    let interpreter = first_line.strip_prefix("#!")?.trim();
    let wants_bash = interpreter.rsplit(['/', ' ']).next() == Some("bash");
    let is_bash = shell.rsplit('/').next() == Some("bash");
    (wants_bash && !is_bash).then(|| {
        let place = value_of(text, "shell", shell).or_else(|| value_of(text, "image", "")).unwrap_or_default();
        rule.finding(place, format!("the script begins with `#!{interpreter}`, and is run by `{shell}`"))
            .help("add `shell = \"/bin/bash\"`, if the image has it, or write the script for `sh`")
    })
}

/// The place of a value in the text: behind its key, or that of the key's line.
fn value_of(text: &str, key: &str, value: &str) -> Option<Span> {
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let is_key = line.trim_start().strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with('='));
        if is_key {
            let inside = line.find(value).filter(|_| !value.is_empty());
            let (start, length) = inside.map_or((0, line.trim_end().len()), |start| (start, value.len()));
            return Some(span(at + start, at + start + length));
        }
        at += line.len();
    }
    None
}

fn span(start: usize, end: usize) -> Span {
    Span { start: u32::try_from(start).unwrap_or_default(), end: u32::try_from(end).unwrap_or_default() }
}
