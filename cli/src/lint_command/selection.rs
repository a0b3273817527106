//! Which rules apply, and how bad their findings are: by options, and by a `ce-lint.toml`.

use std::{
    collections::HashMap,
    fmt, io,
    path::{Path, PathBuf},
};

use clap::ValueEnum;
use compeval_interpreter::{Diagnostic, Severity, lint::Rule};
use compeval_runtime::file;
use serde::Deserialize;

use super::arguments::{FailOn, LintArguments};

/// The name of the configuration.
const CONFIGURATION: &str = "ce-lint.toml";
/// As long as a configuration may be.
const LONGEST: u64 = 1 << 20;

/// Which rules apply, and how bad their findings are.
#[derive(Clone, Debug)]
pub(super) struct Selection {
    /// The rules that apply; all, where that is `None`.
    selected: Option<Vec<&'static str>>,
    ignored: Vec<&'static str>,
    /// How bad findings are, where it is not as their rule says; `None` for rules that are off.
    levels: HashMap<&'static str, Option<Severity>>,
    /// From which level on findings count.
    pub(super) fail_on: FailOn,
}

/// What is wrong with an option or a configuration.
#[derive(Debug)]
pub(super) struct SelectionError {
    /// The configuration it is in; an option, where that is `None`.
    path: Option<PathBuf>,
    message: String,
    help: Option<String>,
}

impl SelectionError {
    /// What to do about it.
    pub(super) fn help(&self) -> Option<&str> {
        self.help.as_deref()
    }

    fn option(message: String, help: Option<String>) -> SelectionError {
        SelectionError { path: None, message, help }
    }
}

impl fmt::Display for SelectionError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.path {
            Some(path) => write!(formatter, "{}: {}", path.display(), self.message),
            None => formatter.write_str(&self.message),
        }
    }
}

impl std::error::Error for SelectionError {}

/// The keys of a configuration.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct Configuration {
    select: Vec<String>,
    ignore: Vec<String>,
    levels: HashMap<String, String>,
    fail_on: Option<String>,
}

impl Selection {
    /// What the options say, and the configuration that belongs to scripts in `directory`.
    ///
    /// # Errors
    /// When a rule or level is not there, or the configuration cannot be read.
    pub(super) fn of(arguments: &LintArguments, directory: &Path) -> Result<Selection, SelectionError> {
        let path = match &arguments.config {
            Some(path) => Some(path.clone()),
            None if arguments.isolated => None,
            None => found_upwards(directory),
        };
        let configuration = match &path {
            Some(path) => read(path).map_err(|error| SelectionError { path: Some(path.clone()), ..error })?,
            None => Configuration::default(),
        };
        let located = |error: SelectionError| SelectionError { path: path.clone(), ..error };
        let mut selection = Selection {
            selected: codes(&configuration.select).map_err(located)?,
            ignored: codes(&configuration.ignore).map_err(located)?.unwrap_or_default(),
            levels: HashMap::new(),
            fail_on: FailOn::Warning,
        };
        for (rule, level) in &configuration.levels {
            selection.level(rule, level).map_err(located)?;
        }
        if let Some(level) = &configuration.fail_on {
            selection.fail_on = fail_on(level).map_err(located)?;
        }
        // What is said on the command line is said last.
        selection.selected = codes(&arguments.select)?.or(selection.selected);
        selection.ignored.extend(codes(&arguments.ignore)?.unwrap_or_default());
        for setting in &arguments.levels {
            let wrong =
                || SelectionError::option(format!("`{setting}` is no level"), Some("write RULE=LEVEL".to_owned()));
            let (rule, level) = setting.split_once('=').ok_or_else(wrong)?;
            selection.level(rule, level)?;
        }
        selection.fail_on = arguments.fail_on.unwrap_or(selection.fail_on);
        Ok(selection)
    }

    fn level(&mut self, rule: &str, level: &str) -> Result<(), SelectionError> {
        let severity = match level.trim() {
            "error" => Some(Severity::Error),
            "warning" => Some(Severity::Warning),
            "style" => Some(Severity::Style),
            "off" => None,
            _ => {
                let help = "there are `error`, `warning`, `style` and `off`".to_owned();
                return Err(SelectionError::option(format!("there is no level `{level}`"), Some(help)));
            }
        };
        self.levels.insert(find(rule)?.code, severity);
        Ok(())
    }

    /// Whether a finding is asked for.
    pub(super) fn selects(&self, finding: &Diagnostic) -> bool {
        let is_selected = self.selected.as_ref().is_none_or(|selected| selected.contains(&finding.code));
        is_selected && !self.ignored.contains(&finding.code) && self.levels.get(finding.code) != Some(&None)
    }

    /// Leaves the findings that are asked for, as bad as they are said to be.
    pub(super) fn apply(&self, findings: &mut Vec<Diagnostic>) {
        findings.retain(|finding| self.selects(finding));
        for finding in findings {
            if let Some(Some(severity)) = self.levels.get(finding.code) {
                finding.severity = *severity;
            }
        }
    }
}

fn find(code_or_name: &str) -> Result<&'static Rule, SelectionError> {
    Rule::find(code_or_name.trim()).ok_or_else(|| {
        let help = match Rule::nearest(code_or_name) {
            Some(nearest) => format!("did you mean `{nearest}`?"),
            None => "`ce-lint rules` lists them".to_owned(),
        };
        SelectionError::option(format!("there is no rule `{code_or_name}`"), Some(help))
    })
}

/// The codes of some rules; `None` where none are named.
fn codes(names: &[String]) -> Result<Option<Vec<&'static str>>, SelectionError> {
    let codes: Vec<&str> = names.iter().map(|name| Ok(find(name)?.code)).collect::<Result<_, SelectionError>>()?;
    Ok((!codes.is_empty()).then_some(codes))
}

fn fail_on(level: &str) -> Result<FailOn, SelectionError> {
    FailOn::from_str(level, false).map_err(|_| {
        let help = "there are `error`, `warning`, `style` and `never`".to_owned();
        SelectionError::option(format!("`fail-on`: there is no level `{level}`"), Some(help))
    })
}

/// The rule that is explained, or what is wrong with its name.
pub(super) fn rule(code_or_name: &str) -> Result<&'static Rule, SelectionError> {
    find(code_or_name)
}

/// The configuration in a directory or the nearest one above it.
fn found_upwards(directory: &Path) -> Option<PathBuf> {
    let directory = std::path::absolute(directory).ok()?;
    directory.ancestors().map(|above| above.join(CONFIGURATION)).find(|path| path.exists())
}

fn read(path: &Path) -> Result<Configuration, SelectionError> {
    let failed = |error: io::Error| SelectionError::option(format!("cannot be read: {error}"), None);
    let text = file::read(path, LONGEST).map_err(failed)?;
    let text = String::from_utf8(text).map_err(|_| SelectionError::option("is not UTF-8 text".to_owned(), None))?;
    toml::from_str(&text).map_err(|error| {
        let line = error.span().map(|span| text.get(..span.start).unwrap_or_default().matches('\n').count() + 1);
        let place = line.map(|line| format!("line {line}: ")).unwrap_or_default();
        let help = "the keys are `select`, `ignore`, `fail-on` and the table `levels`".to_owned();
        SelectionError::option(format!("{place}{}", error.message()), Some(help))
    })
}
