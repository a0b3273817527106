//! A plan, drawn for a person: a line a step, what differs below it, then what would be run.

use std::{ffi::OsStr, fmt::Write, time::Duration};

use anstyle::{AnsiColor, Color, Style};
use compeval_interpreter::syntax::print;
use compeval_runtime::setup::error::age;
use jiff::Timestamp;
use similar::{ChangeTag, TextDiff};

use super::{ActionPart, PlanDocument, StepMark, StepPart, WasPart};
use crate::{
    report::{as_typed, printable},
    words,
};

/// How much is shown.
#[derive(Clone, Copy, Debug)]
pub struct PlanStyle {
    /// In colours.
    pub is_colored: bool,
    /// All of the text of edited stages with what surrounds it, rather than the differing lines.
    pub has_diff: bool,
    /// How wide the terminal is, in columns, where it is one.
    pub columns: Option<u16>,
}

/// How many differing lines of a stage are shown.
const MOST_LINES: usize = 8;
/// What takes less is not worth a word, in seconds.
const SHORTEST: f64 = 1.0;
/// The width of titles at most, in characters.
const TITLE: usize = 56;
/// What stands beside a title of what is said of most stages, in columns.
const BESIDE: usize = 60;

/// Draws a plan; `now` is what ages are counted from.
pub fn draw(document: &PlanDocument, look: PlanStyle, now: Timestamp) -> String {
    let mut canvas = Canvas { text: String::new(), is_colored: look.is_colored };
    heading(document, &mut canvas);
    canvas.line(PLAIN, "");
    let limit = look.columns.map_or(TITLE, |columns| usize::from(columns).saturating_sub(BESIDE)).clamp(12, TITLE);
    let width = document.steps.iter().map(|step| title(step, limit).chars().count()).max().unwrap_or_default();
    for step in &document.steps {
        canvas.line(style(step.mark), &line(step, limit, width, now));
        below(step, look, &mut canvas);
    }
    if !document.steps.is_empty() {
        canvas.line(PLAIN, "");
    }
    command(document, &mut canvas);
    canvas.line(PLAIN, &totals(document));
    canvas.text
}

/// What is drawn so far. What comes from elsewhere is escaped here, before it is coloured.
struct Canvas {
    text: String,
    is_colored: bool,
}

impl Canvas {
    fn line(&mut self, style: Style, line: &str) {
        let line = printable(line);
        // Writing to a string cannot fail.
        let _ = match self.is_colored && style != PLAIN {
            true => writeln!(self.text, "{style}{line}{style:#}"),
            false => writeln!(self.text, "{line}"),
        };
    }
}

const PLAIN: Style = Style::new();

fn style(mark: StepMark) -> Style {
    let color = |color| Style::new().fg_color(Some(Color::Ansi(color)));
    match mark {
        StepMark::Kept | StepMark::Always => PLAIN,
        StepMark::New => color(AnsiColor::Green),
        StepMark::Edited | StepMark::Moved | StepMark::Again => color(AnsiColor::Yellow),
        StepMark::Removed => color(AnsiColor::Red),
        StepMark::Failed => color(AnsiColor::Red).bold(),
        StepMark::May => color(AnsiColor::Cyan),
    }
}

/// The sign of a mark, and what it says.
fn sign(mark: StepMark) -> (char, &'static str) {
    match mark {
        StepMark::Kept => ('=', "applied"),
        StepMark::New => ('+', "will run"),
        StepMark::Edited => ('~', "will run, edited"),
        StepMark::Moved => ('~', "will run, moved"),
        StepMark::Again => ('~', "will run again"),
        StepMark::Removed => ('-', "removed"),
        StepMark::Failed => ('!', "will run, failed before"),
        StepMark::May => ('?', "may run"),
        StepMark::Always => ('*', "every call"),
    }
}

fn heading(document: &PlanDocument, canvas: &mut Canvas) {
    let PlanDocument { computation, container, image, .. } = document;
    let version = words::version(&computation.version);
    canvas.line(PLAIN, &format!("computation {} at commit {version}", computation.name));
    let name = container.name.as_deref().unwrap_or_default();
    let state = container.state.unwrap_or_default();
    let origin = words::origin(&image.name, container.snapshot_stages.unwrap_or_default());
    let because = container.because.as_deref();
    let unless = if container.is_sure { "" } else { ", unless what is said below has another one used" };
    canvas.line(
        PLAIN,
        &match container.action {
            ActionPart::Use => format!("use container {name} ({state}){unless}"),
            ActionPart::Append => format!("append to container {name} ({state}){unless}"),
            ActionPart::Fork => {
                let taken = words::version(container.snapshot_version.as_deref().unwrap_or_default());
                let because = because.unwrap_or("nothing is left");
                format!("fork from {origin}, taken at commit {taken}: of the last container, {because}")
            }
            ActionPart::Build => match because {
                None => format!("build a container from {origin}: there is none yet"),
                Some(because) => format!("build a container from {origin}: of the last one, {because}"),
            },
        },
    );
    if container.calls > 0 && document.totals.will_run + document.totals.may_run > 0 {
        let calls = words::calls(container.calls);
        canvas.line(PLAIN, &format!("{calls} there: waited for, unless another container is sooner as far"));
    }
    if let Some(number) = document.unfinished_stage {
        let what = "if it still runs, it is waited for, else another container is used";
        canvas.line(PLAIN, &format!("stage {number} has not ended: {what}"));
    }
}

fn line(step: &StepPart, limit: usize, width: usize, now: Timestamp) -> String {
    let (sign, what) = sign(step.mark);
    let name = step.stage.map_or_else(|| step.kind.replace('-', " "), |number| format!("stage {number}"));
    let source = if step.is_elsewhere { format!(" of {}", step.source) } else { String::new() };
    let line = format!("line {}{source}", step.line);
    let title = title(step, limit);
    let mut fate = what.to_owned();
    match (step.mark, &step.was, &step.depends_on) {
        (StepMark::Kept, Some(was), _) => fate += &past(was, now),
        (StepMark::Removed, Some(was), _) => fate += &format!("; applied{}", past(was, now)),
        (StepMark::May, _, Some(place)) => {
            let other = if place.source == step.source { String::new() } else { format!("{}, ", place.source) };
            let command = print::summary(place.text.as_bytes(), 40);
            fate += &format!("   (depends on {other}line {}: {command})", place.line);
        }
        _ => {}
    }
    if let Some(time) = step.estimate_seconds.filter(|time| *time >= SHORTEST) {
        fate += &format!(", about {}", length(time));
    }
    format!("  {sign}  {name:<10} {line:<9} {title:<width$}  {fate}")
}

fn title(step: &StepPart, limit: usize) -> String {
    print::summary(step.title.as_bytes(), limit)
}

/// When something was applied, and how long it took.
fn past(was: &WasPart, now: Timestamp) -> String {
    let began = was.began.as_deref().and_then(|began| began.parse::<Timestamp>().ok());
    let since = began.and_then(|began| Duration::try_from(now.duration_since(began)).ok());
    let when = since.map(|since| format!(" {} ago", age(since))).unwrap_or_default();
    let took = was.seconds.map(|seconds| format!(", took {}", length(seconds))).unwrap_or_default();
    format!("{when}{took}")
}

/// So many seconds, for a person.
fn length(seconds: f64) -> String {
    if seconds < 120.0 { format!("{seconds:.1} s") } else { age(Duration::from_secs_f64(seconds)) }
}

/// What stands below a step: why it runs, and what of its text is different.
fn below(step: &StepPart, look: PlanStyle, canvas: &mut Canvas) {
    const INDENT: &str = "       ";
    let is_text = |reason: &&String| step.mark == StepMark::Edited && reason.starts_with("its text");
    let reasons: Vec<&str> = step.reasons.iter().filter(|reason| !is_text(reason)).map(String::as_str).collect();
    if !reasons.is_empty() && step.mark != StepMark::Removed {
        canvas.line(PLAIN, &format!("{INDENT}{}", reasons.join(", ")));
    }
    let Some(was) = step.was.as_ref().filter(|was| was.text != step.text && step.mark != StepMark::Kept) else {
        if look.has_diff && matches!(step.mark, StepMark::New | StepMark::Removed) {
            let (sign, style) = (sign(step.mark).0, style(step.mark));
            step.text.lines().for_each(|line| canvas.line(style, &format!("{INDENT}{sign} {line}")));
        }
        return;
    };
    let diff = TextDiff::from_lines(was.text.as_str(), step.text.as_str());
    let changes = diff.iter_all_changes().filter(|change| look.has_diff || change.tag() != ChangeTag::Equal);
    let changes: Vec<_> = changes.collect();
    let shown = if look.has_diff { changes.len() } else { MOST_LINES };
    for change in changes.iter().take(shown) {
        let style = match change.tag() {
            ChangeTag::Equal => PLAIN,
            ChangeTag::Delete => style(StepMark::Removed),
            ChangeTag::Insert => style(StepMark::New),
        };
        canvas.line(style, &format!("{INDENT}{} {}", change.tag(), change.value().trim_end_matches('\n')));
    }
    if let more @ 1.. = changes.len().saturating_sub(shown) {
        canvas.line(PLAIN, &format!("{INDENT}... {more} lines more: --diff"));
    }
}

/// What would be run in the container.
fn command(document: &PlanDocument, canvas: &mut Canvas) {
    let PlanDocument { command, image, .. } = document;
    let id: String = image.id.chars().take("sha256:".len() + 12).collect();
    canvas.line(PLAIN, &format!("image    {} ({id})", image.name));
    for (index, mount) in command.mounts.iter().enumerate() {
        let name = if index == 0 { "mounts" } else { "" };
        let read_only = if mount.read_only { ", read-only" } else { "" };
        canvas.line(PLAIN, &format!("{name:<8} {} at {}{read_only}", mount.source, mount.target));
    }
    canvas.line(PLAIN, &format!("user     {}", command.user));
    canvas.line(PLAIN, &format!("in       {}", command.directory));
    let words: Vec<String> = command.arguments.iter().map(|word| as_typed(OsStr::new(word))).collect();
    canvas.line(PLAIN, &format!("command  {}", words.join(" ")));
    canvas.line(PLAIN, "");
}

fn totals(document: &PlanDocument) -> String {
    let totals = &document.totals;
    let pending = totals.will_run + totals.may_run;
    let mut parts = vec![format!("{} applied", totals.kept), format!("{pending} to apply")];
    match totals.may_run {
        0 => {}
        count if count == pending => parts.push("perhaps, for each depends on an answer".to_owned()),
        count => parts.push(format!("{count} of them perhaps")),
    }
    if let Some(place) = document.stages_depend_on.as_ref().filter(|_| totals.may_run == 0) {
        let command = print::summary(place.text.as_bytes(), 40);
        parts.push(format!("perhaps others by line {}: {command}", place.line));
    }
    if totals.estimate_seconds >= SHORTEST {
        let unknown = match totals.without_estimate {
            0 => String::new(),
            count => format!(", not counting {count} that never ran"),
        };
        parts.push(format!("about {}{unknown}", length(totals.estimate_seconds)));
    }
    if totals.removed > 0 {
        parts.push(format!("{} removed", totals.removed));
    }
    if totals.always > 0 {
        parts.push(format!("{} on every call", totals.always));
    }
    format!("stages: {}", parts.join(", "))
}
