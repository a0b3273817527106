//! Setup scripts made from Dockerfiles: what is well kept there is no warning here.
//!
//! Those of `testdata/lint/dockerfiles` are held every time. A directory of others, which is named by `CE_DOCKERFILES`, is
//! looked through by hand: `CE_DOCKERFILES=DIR cargo test -p compeval-interpreter --test dockerfiles -- --ignored --nocapture`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
};

use compeval_interpreter::{Diagnostic, Severity, Source, lint, parse};

/// The setup script that does what the `RUN`, `ENV`, `ARG`, `WORKDIR` and `COPY` lines of a Dockerfile's first image do.
fn translated(dockerfile: &str) -> String {
    let mut script = String::from("#!/bin/sh\n");
    let mut images = 0;
    for (instruction, rest) in instructions(dockerfile) {
        match instruction.to_ascii_uppercase().as_str() {
            "FROM" => images += 1,
            _ if images > 1 => break,
            "RUN" if !rest.starts_with('[') && !rest.starts_with("<<") => script += &stage(&rest),
            "ENV" | "ARG" => script += &variables(&rest),
            "WORKDIR" => script += &format!("everytime && mkdir -p {rest} && cd {rest}\n"),
            "COPY" => {
                let words: Vec<&str> = rest.split_whitespace().filter(|word| !word.starts_with("--")).collect();
                if let [source, target] = words.as_slice() {
                    script += &format!("everytime && cp -a \"$COMPDIR/{source}\" {target}\n");
                }
            }
            _ => {}
        }
    }
    script
}

/// The instructions, each with the rest of its lines: comments between them are left out, as Docker does.
fn instructions(dockerfile: &str) -> Vec<(String, String)> {
    let mut instructions = Vec::new();
    let mut lines = dockerfile.lines().filter(|line| !line.trim_start().starts_with('#'));
    while let Some(line) = lines.next() {
        let Some((instruction, first)) = line.trim().split_once(char::is_whitespace) else { continue };
        let mut text = first.trim().to_owned();
        while text.ends_with('\\') {
            let Some(next) = lines.next() else { break };
            text = format!("{text}\n{}", next.trim_end());
        }
        instructions.push((instruction.to_owned(), text));
    }
    instructions
}

/// A stage of a `RUN`: in braces, where it is more than an and-or list of `&&`.
fn stage(command: &str) -> String {
    let mut rest = command;
    while let Some(flag) = rest.strip_prefix("--") {
        rest = flag.split_once(char::is_whitespace).map_or("", |(_, rest)| rest.trim_start_matches(['\\', '\n', ' ']));
    }
    let rest = rest.trim_end().trim_end_matches(';');
    let parsed = parse(Source::new("", rest));
    let is_chain = match parsed.script.list.items.as_slice() {
        [item] => item.and_or.rest.iter().all(|part| part.operator == compeval_interpreter::syntax::AndOr::And),
        _ => false,
    };
    if is_chain { format!("next_stage && {rest}\n") } else { format!("next_stage && {{ {rest}; }}\n") }
}

/// `export` for each variable; one without a value is left out.
fn variables(text: &str) -> String {
    let joined = text.replace("\\\n", " ");
    let parsed = parse(Source::new("", format!("export {joined}")));
    let source = &parsed.script.source;
    let Some(compeval_interpreter::syntax::Command::Simple(command)) =
        parsed.script.list.items.first().and_then(|item| item.and_or.first.single())
    else {
        return String::new();
    };
    let words = command.words.iter().skip(1).map(|word| source.slice(word.span).to_string());
    let words: Vec<String> = words.collect();
    match words.as_slice() {
        [name, value] if !name.contains('=') => format!("export {name}=\"{}\"\n", value.trim_matches('"')),
        words => words.iter().filter_map(|word| word.split_once('=')).fold(String::new(), |text, (name, value)| {
            text + &format!("export {name}=\"{}\"\n", value.trim_matches(['"', '\'']))
        }),
    }
}

/// What is found in the script that a Dockerfile becomes, from warnings on.
fn warnings(path: &Path) -> (Source, Vec<Diagnostic>) {
    let script = translated(&String::from_utf8_lossy(&fs::read(path).unwrap()));
    let parsed = parse(Source::new(path.display().to_string(), script));
    let mut findings = lint::check(&parsed);
    findings.retain(|finding| finding.severity >= Severity::Warning);
    ((*parsed.script.source).clone(), findings)
}

fn told(source: &Source, finding: &Diagnostic) -> String {
    let line = source.position(finding.primary.span.start).line;
    format!("{}:{line}: {} {}: {}", source.name(), finding.code, finding.message, source.slice(source.line(line)))
}

fn dockerfiles(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> = entries.filter(|path| path.to_string_lossy().ends_with("Dockerfile")).collect();
    paths.sort();
    paths
}

#[test]
fn well_kept_dockerfiles_become_scripts_without_a_warning() {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../testdata/lint/dockerfiles");
    let paths = dockerfiles(&directory);
    assert!(paths.len() >= 5);
    let found = paths.iter().map(|path| warnings(path));
    let told: Vec<String> = found
        .flat_map(|(source, findings)| findings.iter().map(|one| told(&source, one)).collect::<Vec<_>>())
        .collect();
    assert!(told.is_empty(), "{}", told.join("\n"));
}

#[test]
#[ignore = "asks for a directory of Dockerfiles"]
fn others_are_looked_through() {
    let directory = env::var_os("CE_DOCKERFILES").map(PathBuf::from).unwrap();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let paths = dockerfiles(&directory);
    let mut clean = 0;
    for path in &paths {
        let (source, findings) = warnings(path);
        clean += usize::from(findings.is_empty());
        for finding in &findings {
            *counts.entry(finding.code).or_default() += 1;
            println!("{}", told(&source, finding));
        }
    }
    println!("{clean} of {} without a warning: {counts:?}", paths.len());
}
