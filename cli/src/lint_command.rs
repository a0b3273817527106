//! The command `ce-lint`: reads scripts, prints what the rules find in them, fixes what can be fixed, and tells by its
//! exit status.

mod arguments;
mod description;
mod language_server;
mod order;
mod past;
mod printer;
mod selection;
mod subject;

use std::{
    collections::{BTreeMap, HashSet},
    fmt,
    io::{self, Write},
    path::Path,
    process::ExitCode,
    sync::Arc,
};

use compeval_interpreter::{
    Applicability, Diagnostic, Parsed, Severity, Source,
    lint::{
        self, RULES, Setting,
        fix::{self, Fixing},
        history::{self, History},
    },
    parse,
};
use serde_json::json;
use similar::TextDiff;

pub use self::arguments::LintArguments;
use self::{
    arguments::LintCommand,
    order::in_order,
    printer::FindingPrinter,
    selection::{Selection, SelectionError},
    subject::Subject,
};
use crate::report;

/// How the command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LintStatus {
    /// Nothing was found.
    Clean,
    /// Something was found that counts.
    Findings,
    /// A rule or file could not be found or read.
    Failure,
}

impl From<LintStatus> for ExitCode {
    fn from(status: LintStatus) -> ExitCode {
        match status {
            LintStatus::Clean => ExitCode::SUCCESS,
            LintStatus::Findings => ExitCode::from(1),
            LintStatus::Failure => ExitCode::from(2),
        }
    }
}

/// Lints the files, with findings on the standard output and all else on the standard error.
pub fn run(arguments: &LintArguments) -> LintStatus {
    match &arguments.command {
        Some(LintCommand::Explain { rules }) => return explain(rules),
        Some(LintCommand::Rules { json }) => return list_rules(*json),
        None if arguments.lsp => return language_server::serve(arguments),
        None => {}
    }
    let colored = arguments.output_file.is_none() && arguments.color.is_on(&io::stdout());
    let printer = match FindingPrinter::new(arguments.format, colored, arguments.output_file.as_deref()) {
        Ok(printer) => printer,
        Err(error) => {
            let path = arguments.output_file.as_deref().unwrap_or(Path::new("")).display().to_string();
            return fail(&Unwritable { path, error }, None);
        }
    };
    let mut told = HashSet::new();
    let mut linter = Linter { arguments, printer, totals: Totals::default() };
    let subjects = Subject::all(&arguments.files, &arguments.stdin_filename);
    in_order(
        &subjects,
        |subject| examine(arguments, subject),
        |examined| match examined {
            Ok(examined) => linter.print(&examined),
            Err(failure) => {
                linter.totals.failed = true;
                // What is wrong with an option is wrong for all files.
                if told.insert(failure.clone()) {
                    tell(&failure);
                }
            }
        },
    );
    let Linter { mut printer, mut totals, .. } = linter;
    if arguments.statistics {
        printer.text(totals.statistics().as_bytes());
    }
    if let Err(error) = printer.finish() {
        totals.failed = true;
        tell(&report::failure("ce-lint", &error, None));
    }
    tell(&totals.to_string());
    totals.status()
}

/// Nothing can be done about a standard error that takes no text.
fn tell(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}

fn fail(error: &dyn std::error::Error, help: Option<&str>) -> LintStatus {
    tell(&report::failure("ce-lint", error, help));
    LintStatus::Failure
}

/// Prints the documentation of rules.
fn explain(rules: &[String]) -> LintStatus {
    for (index, name) in rules.iter().enumerate() {
        let rule = match selection::rule(name) {
            Ok(rule) => rule,
            Err(error) => return fail(&error, error.help()),
        };
        let rest = rule.documentation();
        let separator = if index == 0 { "" } else { "\n" };
        let text = format!("{separator}# {} {}\n\n{rest}", rule.code, rule.name);
        if io::stdout().write_all(text.as_bytes()).is_err() {
            break;
        }
    }
    LintStatus::Clean
}

/// Prints a line, or an object, for each rule.
fn list_rules(as_json: bool) -> LintStatus {
    let summary = |rule: &lint::Rule| rule.documentation().lines().next().unwrap_or_default().to_owned();
    let mut text = String::new();
    if as_json {
        let rules = RULES.iter().map(
            |rule| json!({ "code": rule.code, "name": rule.name, "severity": rule.severity, "summary": summary(rule) }),
        );
        text = format!("{:#}\n", json!(rules.collect::<Vec<_>>()));
    } else {
        for rule in &RULES {
            let severity = word(rule.severity);
            text += &format!("{}  {severity:<7}  {:<26}  {}\n", rule.code, rule.name, summary(rule));
        }
    }
    let _ = io::stdout().write_all(text.as_bytes());
    LintStatus::Clean
}

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Style => "style",
    }
}

/// Everything that is found in a script, of the rules that are asked for, in the order of the places.
fn check(parsed: &Parsed, setting: &Setting, history: Option<&History>, selection: &Selection) -> Vec<Diagnostic> {
    let mut findings = lint::check_for(parsed, setting);
    findings.extend(history.into_iter().flat_map(|history| history::compare(parsed, history)));
    selection.apply(&mut findings);
    findings.sort_by_key(|finding| (finding.primary.span, finding.code));
    findings
}

/// What was found in a script and in the description beside it.
struct Examined {
    selection: Selection,
    /// What is printed before the findings: a fixed script, or what fixes would change.
    text: Vec<u8>,
    /// Whether that is all that is asked for: findings would stand between.
    is_filter: bool,
    description: Option<(Arc<Source>, Vec<Diagnostic>)>,
    script: (Arc<Source>, Vec<Diagnostic>),
    fixes: Fixes,
}

/// How many findings were fixed, how many would be, and how many were left out since their stages are applied.
#[derive(Clone, Copy, Default)]
struct Fixes {
    fixed: usize,
    would_fix: usize,
    left_out: usize,
}

/// Lints a script and the description beside it.
///
/// # Errors
/// What to say of why it could not be.
fn examine(arguments: &LintArguments, subject: &Subject) -> Result<Examined, String> {
    let wrong = |error: SelectionError| report::failure("ce-lint", &error, error.help());
    let selection = Selection::of(arguments, &subject.directory()).map_err(wrong)?;
    let source = subject.read().map_err(|error| report::failure("ce-lint", &error, error.help()))?;
    let beside = description::beside(&subject.description(), source.slice(source.line(1)));
    let past = past::of(arguments, subject).map_err(|error| report::failure("ce-lint", &error, error.help()))?;
    let (source, text, fixes) = match arguments.fix || arguments.diff {
        true => fix(arguments, subject, source, &beside.setting, past.as_ref(), &selection)?,
        false => (source, Vec::new(), Fixes::default()),
    };
    let is_filter = matches!(subject, Subject::Stdin(_)) && arguments.fix || arguments.diff;
    let mut description = beside.findings.map(|(source, findings)| (Arc::new(source), findings));
    if let Some((_, findings)) = &mut description {
        selection.apply(findings);
    }
    let parsed = parse(source);
    let findings = check(&parsed, &beside.setting, past.as_ref(), &selection);
    Ok(Examined { selection, text, is_filter, description, script: (parsed.script.source, findings), fixes })
}

/// Puts fixes in, or gives the text of what they would change; gives what is to be linted then, too.
fn fix(
    arguments: &LintArguments,
    subject: &Subject,
    source: Source,
    setting: &Setting,
    past: Option<&History>,
    selection: &Selection,
) -> Result<(Source, Vec<u8>, Fixes), String> {
    let fixing = Fixing {
        selects: &|finding| selection.selects(finding),
        is_unsafe: arguments.unsafe_fixes,
        history: past,
        is_applied_too: arguments.fix_applied,
    };
    let fixed = fix::fix(&source, setting, fixing);
    let (count, left_out) = (fixed.fixed.values().sum(), fixed.left_out);
    if arguments.diff {
        let (before, after) = (source.text().to_vec(), &fixed.text);
        let diff = TextDiff::from_lines(before.as_slice(), after.as_slice());
        let mut text = Vec::new();
        // Writing to a vector does not fail.
        let _ = diff.unified_diff().header(source.name(), source.name()).to_writer(&mut text);
        return Ok((source, text, Fixes { would_fix: count, left_out, fixed: 0 }));
    }
    let fixes = Fixes { fixed: count, left_out, would_fix: 0 };
    let name = source.name().to_owned();
    if matches!(subject, Subject::Stdin(_)) {
        return Ok((Source::new(&name, fixed.text.clone()), fixed.text, fixes));
    }
    if let Some(path) = subject.path().filter(|_| !fixed.fixed.is_empty()) {
        write(path, &fixed.text).map_err(|error| {
            let error = Unwritable { path: path.display().to_string(), error };
            report::failure("ce-lint", &error, None)
        })?;
    }
    Ok((Source::new(&name, fixed.text), Vec::new(), fixes))
}

struct Linter<'a> {
    arguments: &'a LintArguments,
    printer: FindingPrinter,
    totals: Totals,
}

impl Linter<'_> {
    fn print(&mut self, examined: &Examined) {
        if !examined.text.is_empty() {
            self.printer.text(&examined.text);
        }
        self.totals.add_fixes(examined.fixes);
        for (source, findings) in examined.description.iter().chain([&examined.script]) {
            self.totals.add(findings, &examined.selection);
            // Of a description without findings, nothing need be said.
            let is_script = !source.name().ends_with(".conf");
            if !examined.is_filter && !self.arguments.statistics && (is_script || !findings.is_empty()) {
                self.printer.print(source, findings);
            }
        }
    }
}

/// Writes a file in one step, as it was but for its text: who reads it meanwhile has the old one or the new one.
fn write(path: &Path, text: &[u8]) -> io::Result<()> {
    // Through a link, the file that it names is written.
    let path = path.canonicalize()?;
    let directory = path.parent().unwrap_or(Path::new("/"));
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    file.write_all(text)?;
    file.as_file().set_permissions(path.metadata()?.permissions())?;
    file.persist(&path).map(drop).map_err(|error| error.error)
}

/// A file that fixes could not be put into.
#[derive(Debug)]
struct Unwritable {
    path: String,
    error: io::Error,
}

impl fmt::Display for Unwritable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "cannot write `{}`", self.path)
    }
}

impl std::error::Error for Unwritable {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

/// What was found in all files.
#[derive(Default)]
struct Totals {
    errors: usize,
    warnings: usize,
    matters_of_style: usize,
    /// How many files have findings.
    files: usize,
    /// How many findings count for the exit status.
    counting: usize,
    /// How many could be fixed, safely and otherwise.
    fixable: usize,
    unsafely: usize,
    fixes: Fixes,
    by_rule: BTreeMap<&'static str, (&'static str, usize)>,
    failed: bool,
}

impl Totals {
    fn add_fixes(&mut self, fixes: Fixes) {
        self.fixes.fixed += fixes.fixed;
        self.fixes.would_fix += fixes.would_fix;
        self.fixes.left_out += fixes.left_out;
    }

    fn add(&mut self, findings: &[Diagnostic], selection: &Selection) {
        self.files += usize::from(!findings.is_empty());
        for finding in findings {
            *match finding.severity {
                Severity::Error => &mut self.errors,
                Severity::Warning => &mut self.warnings,
                Severity::Style => &mut self.matters_of_style,
            } += 1;
            self.counting += usize::from(selection.fail_on.counts(finding.severity));
            match finding.fix.as_ref().map(|fix| fix.applicability) {
                Some(Applicability::Safe) => self.fixable += 1,
                Some(Applicability::Unsafe) => self.unsafely += 1,
                None => {}
            }
            self.by_rule.entry(finding.code).or_insert((finding.name, 0)).1 += 1;
        }
    }

    fn status(&self) -> LintStatus {
        match self.counting {
            _ if self.failed => LintStatus::Failure,
            0 if self.fixes.would_fix == 0 => LintStatus::Clean,
            _ => LintStatus::Findings,
        }
    }

    /// A line for each rule that found something, the most first.
    fn statistics(&self) -> String {
        let mut rules: Vec<_> = self.by_rule.iter().collect();
        rules.sort_by_key(|(code, (_, count))| (std::cmp::Reverse(*count), **code));
        rules.iter().fold(String::new(), |text, (code, (name, count))| text + &format!("{count:>5}  {code}  {name}\n"))
    }
}

/// `Found 2 errors and 1 warning in 1 file`, what was fixed and what could be, or nothing.
impl fmt::Display for Totals {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |number: usize, one: &str, many: &str| match number {
            0 => None,
            1 => Some(format!("1 {one}")),
            _ => Some(format!("{number} {many}")),
        };
        if let Some(fixed) = count(self.fixes.fixed, "finding", "findings") {
            writeln!(formatter, "Fixed {fixed}")?;
        }
        if let Some(fixed) = count(self.fixes.would_fix, "finding", "findings") {
            writeln!(formatter, "Would fix {fixed}")?;
        }
        if let Some(left_out) = count(self.fixes.left_out, "fix", "fixes") {
            writeln!(formatter, "Left out {left_out} in stages that are applied: `--fix-applied` puts them in")?;
        }
        let kinds = [
            count(self.errors, "error", "errors"),
            count(self.warnings, "warning", "warnings"),
            count(self.matters_of_style, "matter of style", "matters of style"),
        ];
        let kinds: Vec<String> = kinds.into_iter().flatten().collect();
        let Some(files) = count(self.files, "file", "files") else { return Ok(()) };
        let kinds = match kinds.as_slice() {
            [most @ .., last] if !most.is_empty() => format!("{} and {last}", most.join(", ")),
            kinds => kinds.concat(),
        };
        writeln!(formatter, "Found {kinds} in {files}")?;
        match (self.fixable, self.unsafely) {
            _ if self.fixes.fixed + self.fixes.would_fix > 0 => Ok(()),
            (0, 0) => Ok(()),
            (0, some) => writeln!(formatter, "[*] {some} fixable with `--fix --unsafe-fixes`"),
            (some, 0) => writeln!(formatter, "[*] {some} fixable with `--fix`"),
            (some, more) => writeln!(formatter, "[*] {some} fixable with `--fix`, {more} more with `--unsafe-fixes`"),
        }
    }
}
