//! The command `ce-lint`: reads scripts, prints what the rules find in them, and tells by its exit status.

use std::{
    fmt, fs,
    io::{self, Read, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Parser, ValueEnum};
use compeval_interpreter::{
    Diagnostic, Severity, Source, Span,
    lint::{self, Rule},
    parse,
};
use compeval_runtime::{
    computation::{
        description::Description,
        environment::LONGEST_SCRIPT,
        layout::{DESCRIPTION, SETUP_SCRIPT},
    },
    file,
};
use serde::Serialize;

use crate::{
    VERSION,
    report::{self, Color, Positions},
};

const EXIT_STATUSES: &str = "\
Exit status:
  0  nothing was found
  1  something was found
  2  a failure, wrong usage included";

/// Find what will go wrong in the docker-setup.sh of a computation.
#[derive(Clone, Debug, Parser)]
#[command(name = "ce-lint", version = VERSION, after_help = EXIT_STATUSES)]
pub struct LintArguments {
    /// Scripts, or directories with a docker-setup.sh; `-` is the standard input [default: docker-setup.sh]
    files: Vec<PathBuf>,
    /// How to print findings
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Apply only these rules, by code or name
    #[arg(long, value_name = "RULES", value_delimiter = ',')]
    select: Vec<String>,
    /// Leave these rules out, by code or name
    #[arg(long, value_name = "RULES", value_delimiter = ',')]
    ignore: Vec<String>,
    /// The name to show for the standard input
    #[arg(long, value_name = "NAME", default_value = "-")]
    stdin_filename: String,
    /// When to use colors
    #[arg(long, value_enum, default_value_t)]
    color: Color,
}

/// How findings are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// With the lines they are about
    #[default]
    Full,
    /// As a list of objects
    Json,
}

/// How the command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LintStatus {
    /// Nothing was found.
    Clean,
    /// Something was found that is more than a matter of style.
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
    let rules = match Rules::of(arguments) {
        Ok(rules) => rules,
        Err(error) => {
            tell(&report::failure("ce-lint", &error, error.help().as_deref()));
            return LintStatus::Failure;
        }
    };
    let mut totals = Totals::default();
    let mut output = Stdout::new(arguments);
    let default = [PathBuf::from(SETUP_SCRIPT)];
    for path in if arguments.files.is_empty() { &default[..] } else { &arguments.files } {
        match read(path, &arguments.stdin_filename) {
            Ok(source) => {
                let parsed = parse(source);
                let shell = Description::shell_of(&description_beside(path));
                let shell = shell.unwrap_or_else(|| "/bin/sh".to_owned());
                let container = lint::Setting { shell, environment: Vec::new() };
                let mut findings = lint::check_for(&parsed, &container);
                findings.retain(|finding| rules.apply(finding));
                totals.add(&findings);
                output.print(&parsed.script.source, &findings);
            }
            Err(failure) => {
                totals.failed = true;
                tell(&report::failure("ce-lint", &failure, failure.help()));
            }
        }
    }
    if let Err(error) = output.finish() {
        totals.failed = true;
        tell(&report::failure("ce-lint", &error, None));
    }
    tell(&totals.to_string());
    totals.status()
}

/// The docker description that belongs to a script, or to the computation in a directory.
fn description_beside(path: &Path) -> PathBuf {
    if path.is_dir() { path.join(DESCRIPTION) } else { path.with_file_name(DESCRIPTION) }
}

/// Nothing can be done about a standard error that takes no text.
fn tell(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}

/// A file that could not be read.
#[derive(Debug)]
struct Unreadable {
    path: PathBuf,
    error: io::Error,
}

impl Unreadable {
    fn help(&self) -> Option<&'static str> {
        let is_default = self.path == Path::new(SETUP_SCRIPT) && self.error.kind() == io::ErrorKind::NotFound;
        is_default.then_some("run it in the directory of a computation, or name the scripts")
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "cannot read `{}`", self.path.display())
    }
}

impl std::error::Error for Unreadable {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

fn read(path: &Path, stdin_name: &str) -> Result<Source, Unreadable> {
    if path == Path::new("-") {
        let text = read_bounded(io::stdin().lock());
        let named = |error| Unreadable { path: "the standard input".into(), error };
        return text.map(|text| Source::new(stdin_name, text)).map_err(named);
    }
    let is_computation = path.is_dir();
    let path = if is_computation { path.join(SETUP_SCRIPT) } else { path.to_owned() };
    // Who names a pipe means to wait for its writer.
    let text =
        if is_computation { file::read(&path, LONGEST_SCRIPT) } else { fs::File::open(&path).and_then(read_bounded) };
    match text {
        Ok(text) => Ok(Source::new(path.to_string_lossy(), text)),
        Err(error) => Err(Unreadable { path, error }),
    }
}

/// All that a stream gives, unless it is more than any script has.
fn read_bounded(stream: impl Read) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    stream.take(LONGEST_SCRIPT + 1).read_to_end(&mut text)?;
    match text.len() as u64 {
        ..=LONGEST_SCRIPT => Ok(text),
        _ => Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it has more than {LONGEST_SCRIPT} bytes"))),
    }
}

/// A rule that is not there.
#[derive(Debug)]
struct UnknownRule(String);

impl UnknownRule {
    /// The rule whose code or name is nearest, or where to look.
    fn help(&self) -> Option<String> {
        Some(match Rule::nearest(&self.0) {
            Some(nearest) => format!("did you mean `{nearest}`?"),
            None => {
                let codes: Vec<&str> = lint::RULES.iter().map(|rule| rule.code).collect();
                format!("there are {}", codes.join(", "))
            }
        })
    }
}

impl fmt::Display for UnknownRule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "there is no rule `{}`", self.0)
    }
}

impl std::error::Error for UnknownRule {}

/// The rules that are asked for.
struct Rules {
    /// All, when empty.
    selected: Vec<&'static str>,
    ignored: Vec<&'static str>,
}

impl Rules {
    fn of(arguments: &LintArguments) -> Result<Rules, UnknownRule> {
        let find = |name: &String| {
            let rule = Rule::find(name.trim()).ok_or_else(|| UnknownRule(name.clone()))?;
            Ok(rule.code)
        };
        let selected = arguments.select.iter().map(find).collect::<Result<_, _>>()?;
        let ignored = arguments.ignore.iter().map(find).collect::<Result<_, _>>()?;
        Ok(Rules { selected, ignored })
    }

    fn apply(&self, finding: &Diagnostic) -> bool {
        let is_selected = self.selected.is_empty() || self.selected.contains(&finding.code);
        is_selected && !self.ignored.contains(&finding.code)
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
    failed: bool,
}

impl Totals {
    fn add(&mut self, findings: &[Diagnostic]) {
        self.files += usize::from(!findings.is_empty());
        for finding in findings {
            *match finding.severity {
                Severity::Error => &mut self.errors,
                Severity::Warning => &mut self.warnings,
                Severity::Style => &mut self.matters_of_style,
            } += 1;
        }
    }

    fn status(&self) -> LintStatus {
        match self.errors + self.warnings {
            _ if self.failed => LintStatus::Failure,
            0 => LintStatus::Clean,
            _ => LintStatus::Findings,
        }
    }
}

/// `Found 2 errors and 1 warning in 1 file`, or nothing.
impl fmt::Display for Totals {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |number: usize, one: &str, many: &str| match number {
            0 => None,
            1 => Some(format!("1 {one}")),
            _ => Some(format!("{number} {many}")),
        };
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
        writeln!(formatter, "Found {kinds} in {files}")
    }
}

/// The standard output. Once its reader has gone, the rest is dropped: the exit status still tells what was found.
struct Stdout {
    stream: io::BufWriter<io::StdoutLock<'static>>,
    format: Format,
    colored: bool,
    /// How many findings were printed.
    printed: usize,
    result: io::Result<()>,
}

impl Stdout {
    fn new(arguments: &LintArguments) -> Stdout {
        let stdout = io::stdout().lock();
        Stdout {
            colored: arguments.color.is_on(&stdout),
            stream: io::BufWriter::with_capacity(1 << 16, stdout),
            format: arguments.format,
            printed: 0,
            result: Ok(()),
        }
    }

    fn print(&mut self, source: &Source, findings: &[Diagnostic]) {
        let mut positions = Positions::new(source);
        for finding in findings {
            if self.result.is_ok() {
                self.result = self.print_one(&mut positions, source, finding);
            }
        }
    }

    fn print_one(&mut self, positions: &mut Positions<'_>, source: &Source, finding: &Diagnostic) -> io::Result<()> {
        let is_first = self.printed == 0;
        self.printed += 1;
        match self.format {
            Format::Full => {
                let text = report::diagnostic(positions, finding, self.colored);
                self.stream.write_all(if is_first { b"" } else { b"\n" })?;
                self.stream.write_all(text.as_bytes())
            }
            Format::Json => {
                self.stream.write_all(if is_first { b"[\n" } else { b",\n" })?;
                serde_json::to_writer(&mut self.stream, &Finding::new(positions, source, finding))
                    .map_err(io::Error::from)
            }
        }
    }

    fn finish(mut self) -> io::Result<()> {
        let end = match (self.format, self.printed) {
            (Format::Full, _) => "",
            (Format::Json, 0) => "[]\n",
            (Format::Json, _) => "\n]\n",
        };
        let written =
            self.result.and_then(|()| self.stream.write_all(end.as_bytes())).and_then(|()| self.stream.flush());
        // What is left in the buffer must not be tried again.
        let _ = self.stream.into_parts();
        written.or_else(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => Ok(()),
            _ => Err(error),
        })
    }
}

/// A finding as programs read it. Lines and columns count from 1, offsets in bytes from 0.
#[derive(Serialize)]
struct Finding<'d> {
    code: &'d str,
    name: &'d str,
    severity: Severity,
    message: &'d str,
    path: &'d str,
    start: JsonPlace,
    end: JsonPlace,
    /// The place itself, then further ones.
    labels: Vec<FindingLabel<'d>>,
    help: Option<&'d str>,
    fix: Option<()>,
    url: Option<&'d str>,
}

#[derive(Serialize)]
struct FindingLabel<'d> {
    text: &'d str,
    start: JsonPlace,
    end: JsonPlace,
}

#[derive(Clone, Copy, Serialize)]
struct JsonPlace {
    line: usize,
    column: usize,
    offset: u32,
}

impl<'d> Finding<'d> {
    fn new(positions: &mut Positions<'_>, source: &'d Source, finding: &'d Diagnostic) -> Finding<'d> {
        let Diagnostic { code, name, severity, message, primary, related, help, fix: _ } = finding;
        let (start, end) = place(positions, primary.span);
        // Copies, so that `positions` stays where the next finding begins.
        let mut elsewhere = positions.clone();
        let mut labels = vec![FindingLabel { text: &primary.text, start, end }];
        labels.extend(related.iter().map(|label| {
            let (start, end) = place(&mut elsewhere, label.span);
            FindingLabel { text: &label.text, start, end }
        }));
        let (severity, help) = (*severity, help.as_deref());
        Finding { code, name, severity, message, path: source.name(), start, end, labels, help, fix: None, url: None }
    }
}

fn place(positions: &mut Positions<'_>, span: Span) -> (JsonPlace, JsonPlace) {
    let start = positions.at(span.start);
    let end = positions.clone().at(span.end);
    let place = |position: compeval_interpreter::Position, offset| JsonPlace {
        line: position.line,
        column: position.column,
        offset,
    };
    (place(start, span.start), place(end, span.end))
}
