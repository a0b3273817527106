//! The man pages and completions in `docs/` are what the programs' own help makes of them.
//!
//! With `CE_UPDATE_DOCS=1` they are written anew.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{env, fs, path::Path};

use clap::{Command, CommandFactory};
use clap_complete::{Shell, generate};
use clap_mangen::{
    Man,
    roff::{Roff, roman},
};
use compeval_cli::{env_command::EnvArguments, lint_command::LintArguments, run_command::RunArguments};
use compeval_interpreter::lint::RULES;

/// Compares a file of the documentation with what it should be, or makes it that.
fn check(path: &Path, made: &[u8]) {
    if env::var_os("CE_UPDATE_DOCS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        return fs::write(path, made).unwrap();
    }
    let is_current = fs::read(path).is_ok_and(|text| text == made);
    assert!(is_current, "{} is not current: run this test with CE_UPDATE_DOCS=1", path.display());
}

/// The man page of a program; each part of what stands below its options, as in "Files:", is a section.
fn man_page(program: &Command) -> Vec<u8> {
    let man = Man::new(program.clone());
    let mut page = Vec::new();
    man.render_title(&mut page).unwrap();
    man.render_name_section(&mut page).unwrap();
    man.render_synopsis_section(&mut page).unwrap();
    man.render_description_section(&mut page).unwrap();
    man.render_options_section(&mut page).unwrap();
    man.render_subcommands_section(&mut page).unwrap();
    let more = program.get_after_long_help().or(program.get_after_help()).map(ToString::to_string).unwrap_or_default();
    for part in more.split("\n\n").filter(|part| !part.is_empty()) {
        let (heading, lines) = part.split_once(":\n").unwrap();
        let mut section = Roff::new();
        section.control("SH", [heading.to_uppercase().as_str()]).control("nf", []);
        for line in lines.lines() {
            section.text([roman(line)]);
        }
        section.control("fi", []).to_writer(&mut page).unwrap();
    }
    page
}

/// The man page of a program, and its completions for each shell, under the names by which they are looked for.
fn check_all(program: Command) {
    // Of a commit, they would never be current.
    let mut program = program.version(env!("CARGO_PKG_VERSION"));
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let name = program.get_name().to_owned();
    program.build();
    check(&docs.join(format!("man/{name}.1")), &man_page(&program));
    for subcommand in program.get_subcommands().filter(|subcommand| subcommand.get_name() != "help") {
        let full = format!("{name}-{}", subcommand.get_name());
        check(&docs.join(format!("man/{full}.1")), &man_page(&subcommand.clone().display_name(full)));
    }
    for (shell, file) in
        [(Shell::Bash, name.clone()), (Shell::Zsh, format!("_{name}")), (Shell::Fish, format!("{name}.fish"))]
    {
        let mut script = Vec::new();
        generate(shell, &mut program, &name, &mut script);
        check(&docs.join("completions").join(shell.to_string()).join(file), &script);
    }
}

#[test]
fn man_pages_and_completions_are_current() {
    check_all(RunArguments::command());
    check_all(EnvArguments::command());
    check_all(LintArguments::command());
}

#[test]
fn the_man_page_has_the_exit_statuses() {
    let page = String::from_utf8(man_page(&RunArguments::command())).unwrap();
    for row in ["125    ce\\-run itself failed", "126    the command is there", "127    ", "128+N  "] {
        assert!(page.contains(row), "{row}: {page}");
    }
}

/// A page for each rule, and one that lists them by what they are about.
#[test]
fn the_pages_of_the_rules_are_current() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/rules");
    let mut index = String::from(
        "# The rules of ce-lint\n\nOne page for each; `ce-lint explain CODE` prints the same. How they are selected, fixed and \
         suppressed: [ce-lint](../lint.md).\n",
    );
    let mut family = "";
    for rule in &RULES {
        let documentation = rule.documentation();
        let severity = format!("{:?}", rule.severity).to_lowercase();
        let page = format!(
            "# {} {}\n\nLevel: {severity}. Family: {}.\n\n{documentation}",
            rule.code,
            rule.name,
            rule.family()
        );
        check(&docs.join(format!("{}.md", rule.code)), page.as_bytes());
        if rule.family() != family {
            family = rule.family();
            index += &format!("\n## {family}\n\n| rule | level | what it finds |\n|---|---|---|\n");
        }
        let summary = documentation.lines().next().unwrap_or_default().replace('|', "\\|");
        index += &format!("| [{0} {1}]({0}.md) | {severity} | {summary} |\n", rule.code, rule.name);
    }
    check(&docs.join("README.md"), index.as_bytes());
    let pages = fs::read_dir(&docs).unwrap().count();
    assert_eq!(pages, RULES.len() + 1, "no page is left of a rule that is gone");
}
