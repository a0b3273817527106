//! Renders a diagnostic, or an error and its causes, for the terminal.

use std::{
    borrow::Cow,
    env,
    error::Error,
    ffi::{OsStr, OsString},
    io::IsTerminal,
    os::unix::ffi::OsStrExt,
    path::Path,
};

use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Patch, Renderer, Snippet};
use bstr::ByteSlice;
use clap::ValueEnum;
use compeval_interpreter::{
    Applicability, Diagnostic, Label, Position, Severity, Source, Span, language::quoting::quote,
};
use compeval_runtime::SetupError;

use crate::{engines, words};

/// Why a setup did not come to its end, in the name of a program; what is to be known of the container at hand stands before.
pub(crate) fn setup_failure(program: &str, error: &SetupError) -> String {
    let before = match error {
        SetupError::Edited { reason } | SetupError::NotEdited { because: Some(reason), .. } => {
            Some(format!("of the container at hand, {}", words::reason(reason)))
        }
        SetupError::Impure { left, others, .. } => Some(words::left(left, *others)),
        _ => None,
    };
    let help = match error {
        SetupError::Engine { source, .. } => engines::help(source),
        error => error.help(),
    };
    let before = before.map(|before| format!("{}\n", printable(&before))).unwrap_or_default();
    before + &failure(program, error, help.as_deref())
}

/// When to write in colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set or the terminal is a dumb one.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Color {
    /// Whether to write in colours to `stream`.
    pub fn is_on(self, stream: &impl IsTerminal) -> bool {
        let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
        match self {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => {
                stream.is_terminal() && !is_set("NO_COLOR") && env::var_os("TERM").is_none_or(|term| term != "dumb")
            }
        }
    }
}

/// Lines and columns of one source. Asked from front to back, all answers together take time linear in the text,
/// however long its lines are.
#[derive(Clone, Debug)]
pub struct Positions<'s> {
    source: &'s Source,
    /// The last answer, and the offset it was for.
    last: (u32, Position),
}

impl<'s> Positions<'s> {
    /// The positions in `source`.
    pub fn new(source: &'s Source) -> Positions<'s> {
        Positions { source, last: (0, Position { line: 1, column: 1 }) }
    }

    /// Where `offset` is, as [`Source::position`] gives it.
    pub fn at(&mut self, offset: u32) -> Position {
        let (before, position) = self.last;
        let line = self.source.line(position.line);
        // The text may lack a newline at its end, so that a line includes the offset behind it.
        let position = if before <= offset && offset <= line.end {
            let between = self.source.slice(Span { start: before, end: offset });
            Position { column: position.column + between.chars().count(), ..position }
        } else {
            self.source.position(offset)
        };
        // Counting goes on only from where a character begins.
        let next = self.source.text().get(offset as usize);
        if !next.is_some_and(|byte| is_continuation(*byte)) {
            self.last = (offset, position);
        }
        position
    }
}

/// How many lines of a span are shown; of a longer one only the first.
const SPAN_LINES: usize = 6;
/// How many lines may lie between two places that are shown in one frame.
const GAP_LINES: usize = 4;
/// How much of a line is shown, in bytes, and how much of that before the place.
const LINE_WIDTH: usize = 160;
const WIDTH_BEFORE: usize = 60;
/// What stands for the parts of a line that are left out.
const LEFT_OUT: &str = "...";

/// Renders a finding with the lines it is about, in at most a few dozen lines. Ends with a newline. Control characters
/// are shown, never sent; bytes that are not UTF-8 are shown as U+FFFD.
pub fn diagnostic(positions: &mut Positions<'_>, finding: &Diagnostic, colored: bool) -> String {
    let level = match finding.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Style => Level::NOTE.with_name("style"),
    };
    let source = positions.source;
    let path = printable(source.name()).into_owned();
    let position = positions.at(finding.primary.span.start);
    let title = level.primary_title(printable(&finding.message).into_owned());
    let mut group = Group::with_title(if finding.code.is_empty() { title } else { title.id(finding.code) });
    let mut columns = Vec::new();
    for frame in frames(source, finding, position.line) {
        let (snippet, column) = snippet(source, &frame);
        let Some(place) = anchor(&frame) else { continue };
        let in_source = if place.is_primary { position } else { source.position(place.label.span.start) };
        columns.push((
            format!("{path}:{}:{column}", in_source.line),
            format!("{path}:{}:{}", in_source.line, in_source.column),
        ));
        group = group.element(snippet.path(path.clone()));
    }
    let mut groups = Vec::new();
    match (&finding.help, corrected(source, finding)) {
        (help, Some(snippet)) => {
            let unsafely = match finding.fix.as_ref().map(|fix| fix.applicability) {
                Some(Applicability::Unsafe) => " (`--unsafe-fixes`: it may change what the script does)",
                _ => "",
            };
            let help = help.as_deref().map_or("it can be fixed so".into(), printable);
            groups.push(Level::HELP.secondary_title(format!("{help}{unsafely}")).element(snippet));
        }
        (Some(help), None) => group = group.element(Level::HELP.message(printable(help).into_owned())),
        (None, None) => {}
    }
    groups.insert(0, group);
    let renderer = if colored { Renderer::styled() } else { Renderer::plain() };
    let mut text = renderer.term_width(2 * LINE_WIDTH).render(&groups) + "\n";
    // The renderer counts columns in what is left of a cut line.
    for (in_text, in_source) in columns.into_iter().filter(|(in_text, in_source)| in_text != in_source) {
        text = text.replacen(&in_text, &in_source, 1);
    }
    text
}

/// The lines that a fix changes, with the change; `None` where they are too many or too long, or are not just text.
fn corrected<'a>(source: &Source, finding: &Diagnostic) -> Option<Snippet<'a, Patch<'a>>> {
    let edits = &finding.fix.as_ref()?.edits;
    let start = edits.iter().map(|edit| edit.span.start).min()?;
    let end = edits.iter().map(|edit| edit.span.end).max()?;
    let (first, last) = (source.line_number(start), source.line_number(end));
    let lines = Span { start: source.line(first).start, end: source.line(last).end };
    let is_short =
        last - first < SPAN_LINES && (first..=last).all(|line| source.line(line).range().len() <= LINE_WIDTH);
    let text = source.slice(lines).to_str().ok()?;
    let is_text = |text: &str| !text.contains(|letter: char| letter.is_control() && letter != '\n' && letter != '\t');
    let are_texts = is_text(text) && edits.iter().all(|edit| is_text(&edit.text));
    // Where lines come or go, a patch would show them joined.
    let keeps_lines = edits.iter().all(|edit| !source.slice(edit.span).contains(&b'\n'));
    if !is_short || !are_texts || !keeps_lines {
        return None;
    }
    let patches = edits.iter().map(|edit| {
        let place = |at: u32| (at - lines.start) as usize;
        Patch::new(place(edit.span.start)..place(edit.span.end), edit.text.clone())
    });
    Some(Snippet::source(text.to_owned()).line_start(first).patches(patches))
}

/// A label, the lines it is shown on, and whether it is the primary one.
#[derive(Clone, Copy)]
struct Shown<'d> {
    label: &'d Label,
    first_line: usize,
    last_line: usize,
    is_primary: bool,
}

/// The place that a frame is headed by: the primary one, else the first.
fn anchor<'s, 'd>(frame: &'s [Shown<'d>]) -> Option<&'s Shown<'d>> {
    frame.iter().find(|place| place.is_primary).or(frame.first())
}

/// The places of a finding, those close to each other together; the primary place's first.
fn frames<'d>(source: &Source, finding: &'d Diagnostic, primary_line: usize) -> Vec<Vec<Shown<'d>>> {
    let shown = |label: &'d Label, is_primary: bool| {
        let first_line = if is_primary { primary_line } else { source.line_number(label.span.start) };
        let end = label.span.end.saturating_sub(1).max(label.span.start);
        let last_line = source.line_number(end);
        let last_line = if last_line - first_line < SPAN_LINES { last_line } else { first_line };
        Shown { label, first_line, last_line, is_primary }
    };
    let mut places = vec![shown(&finding.primary, true)];
    places.extend(finding.related.iter().map(|label| shown(label, false)));
    places.sort_by_key(|place| (place.first_line, place.label.span));
    let mut frames: Vec<Vec<Shown<'d>>> = Vec::new();
    for place in places {
        let last =
            frames.last_mut().filter(|frame| frame.iter().any(|other| place.first_line <= other.last_line + GAP_LINES));
        match last {
            Some(frame) => frame.push(place),
            None => frames.push(vec![place]),
        }
    }
    frames.sort_by_key(|frame| !frame.iter().any(|place| place.is_primary));
    frames
}

/// The lines of a frame with its labels, and the column there of its primary or first place.
fn snippet<'a>(source: &Source, frame: &[Shown<'_>]) -> (Snippet<'a, Annotation<'a>>, usize) {
    let first_line = frame.iter().map(|place| place.first_line).min().unwrap_or(1);
    let last_line = frame.iter().map(|place| place.last_line).max().unwrap_or(1);
    let mut text = String::new();
    let mut starts = vec![0; frame.len()];
    let mut ends = vec![0; frame.len()];
    // A further place in a part of the line that is left out has nothing to point at.
    let mut visible = vec![true; frame.len()];
    let mut column = 1;
    let first = anchor(frame);
    for number in first_line..=last_line {
        let line = ShownLine::of(source, number, frame);
        for (((place, start), end), visible) in frame.iter().zip(&mut starts).zip(&mut ends).zip(&mut visible) {
            if place.first_line == number {
                *visible = place.is_primary || line.shows(place.label.span.start);
                *start = text.len() + line.offset(place.label.span.start);
            }
            if place.last_line == number {
                *end = text.len() + line.offset(place.label.span.end);
            }
        }
        if let Some(first) = first.filter(|first| first.first_line == number) {
            let before = line.text.get(..line.offset(first.label.span.start)).unwrap_or_default();
            column = before.chars().count() + 1;
        }
        text.push_str(&line.text);
        text.push('\n');
    }
    let mut annotations = Vec::new();
    for (((place, start), end), _) in frame.iter().zip(starts).zip(ends).zip(visible).filter(|(_, visible)| *visible) {
        let kind = if place.is_primary { AnnotationKind::Primary } else { AnnotationKind::Context };
        let label = Some(printable(&place.label.text).into_owned()).filter(|label| !label.is_empty());
        annotations.push(kind.span(start..end.max(start)).label(label));
    }
    (Snippet::source(text).line_start(first_line).annotations(annotations), column)
}

/// A line as it is shown: cut to a window, and made UTF-8.
struct ShownLine<'s> {
    window: &'s [u8],
    start: u32,
    lead: &'static str,
    text: String,
}

impl<'s> ShownLine<'s> {
    /// The line of that number, cut around the first place of the frame that begins on it.
    fn of(source: &'s Source, number: usize, frame: &[Shown<'_>]) -> ShownLine<'s> {
        let span = source.line(number);
        let line: &[u8] = source.slice(span);
        let on_line = |place: &&Shown<'_>| place.first_line == number;
        let place = frame.iter().filter(on_line).max_by_key(|place| place.is_primary);
        let center = place.map_or(0, |place| (place.label.span.start.saturating_sub(span.start)) as usize);
        let from = if line.len() <= LINE_WIDTH { 0 } else { boundary(line, center.saturating_sub(WIDTH_BEFORE)) };
        let to = boundary(line, (from + LINE_WIDTH).min(line.len()));
        let window = line.get(from..to).unwrap_or_default();
        let lead = if from > 0 { LEFT_OUT } else { "" };
        let trail = if to < line.len() { LEFT_OUT } else { "" };
        let text = format!("{lead}{}{trail}", shown(window));
        ShownLine { window, start: span.start + from as u32, lead, text }
    }

    /// Whether an offset of the source is in the part that is shown.
    fn shows(&self, offset: u32) -> bool {
        (self.start..=self.start + self.window.len() as u32).contains(&offset)
    }

    /// Where an offset of the source is in the text; offsets outside are at the nearest end.
    fn offset(&self, offset: u32) -> usize {
        let before = (offset.saturating_sub(self.start) as usize).min(self.window.len());
        let before = self.window.get(..before).unwrap_or_default();
        let mut at = (self.lead.len() + shown(before).len()).min(self.text.len());
        while !self.text.is_char_boundary(at) {
            at -= 1;
        }
        at
    }
}

/// Bytes of a script as text. The renderer takes care of control characters but for the second set (C1) of Unicode.
fn shown(bytes: &[u8]) -> String {
    let is_c1 = |character| ('\u{80}'..='\u{9f}').contains(&character);
    bytes.chars().map(|character| if is_c1(character) { char::REPLACEMENT_CHARACTER } else { character }).collect()
}

/// The nearest offset at or before `at` that is not inside a UTF-8 character.
fn boundary(line: &[u8], at: usize) -> usize {
    let is_inside = |at: &usize| line.get(*at).is_some_and(|byte| is_continuation(*byte));
    (at.saturating_sub(3)..=at).rev().find(|at| !is_inside(at)).unwrap_or(at)
}

/// Whether a byte is one of the further bytes of a UTF-8 character.
fn is_continuation(byte: u8) -> bool {
    (0x80..0xc0).contains(&byte)
}

/// Renders an error of `program` and what caused it, a line each, and what to do about it. Ends with a newline.
pub fn failure(program: &str, error: &dyn Error, help: Option<&str>) -> String {
    let mut last = error.to_string();
    let mut text = format!("{program}: {}\n", indented(&last));
    let mut source = error.source();
    while let Some(cause) = source {
        let message = cause.to_string();
        // Some errors repeat their cause.
        if !last.contains(&message) {
            text += &format!("  caused by: {}\n", indented(&message));
            last = message;
        }
        source = cause.source();
    }
    if let Some(help) = help {
        text += &format!("  help: {}\n", indented(help));
    }
    text
}

fn indented(text: &str) -> String {
    let lines: Vec<Cow<'_, str>> = text.trim_end().split('\n').map(printable).collect();
    lines.join("\n    ")
}

/// What to do with a container that is kept for a look since a stage failed: commands to paste. `call` is the command line
/// of this call, which has `--retry` if it `is_retry`; it named the computation's `directory`, if it is not made there.
pub fn kept(
    container: &str,
    directory: Option<&Path>,
    call: impl IntoIterator<Item = OsString>,
    is_retry: bool,
) -> String {
    let place = directory.map(|directory| format!("-C {} ", as_typed(directory.as_os_str()))).unwrap_or_default();
    let mut call: Vec<String> = call.into_iter().map(|word| as_typed(&word)).collect();
    if !is_retry {
        call.insert(call.len().min(1), "--retry".to_owned());
    }
    format!(
        "  look inside, for the container is kept, stopped:\n    \
           ce-env {place}shell {container}\n  \
           try the stage again there, on what it left:\n    {}\n",
        printable(&call.join(" ")),
        place = printable(&place),
    )
}

/// A word as one would type it for a shell.
pub fn as_typed(word: &OsStr) -> String {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"%+,-./:=@_".contains(byte);
    let (bytes, text) = (word.as_bytes(), word.to_string_lossy());
    let is_assignment = bytes.contains(&b'=') && !bytes.starts_with(b"-");
    match !bytes.is_empty() && !is_assignment && bytes.iter().all(is_plain) {
        true => text.into_owned(),
        false => quote(bytes).to_str_lossy().into_owned(),
    }
}

/// The same text with control characters, and those that break lines or turn the direction of writing, as escapes: the
/// one way of text that is not ours (from scripts, configuration, repositories, containers, engines) to a terminal.
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let escape = |character: char| match is_unsafe(character) {
        true => character.escape_default().to_string(),
        false => character.to_string(),
    };
    Cow::Owned(text.chars().map(escape).collect())
}

/// Whether a terminal would obey a character, rather than show it where it stands.
pub(crate) fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(primary: (u32, u32), related: &[(u32, u32)]) -> Diagnostic {
        let span = |(start, end)| Span { start, end };
        let mut finding = Diagnostic::syntax_error(span(primary), "what is wrong").label("here").help("do this");
        for place in related {
            finding = finding.related(span(*place), "see here");
        }
        finding
    }

    fn render(text: impl Into<Vec<u8>>, finding: &Diagnostic) -> String {
        let source = Source::new("docker-setup.sh", text);
        diagnostic(&mut Positions::new(&source), finding, false)
    }

    #[test]
    fn a_finding_has_frame_caret_labels_and_help() {
        insta::assert_snapshot!(render("a\nnext_stage ; make\n", &finding((13, 14), &[(2, 12)])));
    }

    #[test]
    fn tabs_and_invalid_bytes_keep_the_caret_in_place() {
        insta::assert_snapshot!(render(b"\t\xff\xc3 \xc3\xa4x y\n", &finding((6, 7), &[(8, 9)])));
    }

    #[test]
    fn control_characters_are_shown_not_sent() {
        let mut finding = finding((0, 6), &[]);
        finding.message = "`\x1b[31m` \u{202e}".to_owned();
        let text = render("a\x1b[31mb\n", &finding);
        assert!(!text.contains('\x1b') && !text.contains('\u{202e}'), "{text}");
        insta::assert_snapshot!(text);
    }

    #[test]
    fn long_lines_are_cut_around_the_place() {
        let line = format!("{}next_stage{}", "ä ".repeat(1000), " b".repeat(1000));
        insta::assert_snapshot!(render(line, &finding((3000, 3010), &[(0, 2)])));
    }

    #[test]
    fn spans_over_lines_and_far_places_are_shown_in_part() {
        let text = "first {\n  second\n}\n".to_owned() + &"x\n".repeat(20) + "last\n";
        insta::assert_snapshot!(render(text.clone(), &finding((6, 18), &[(59, 63)])));
        insta::assert_snapshot!(render(text, &finding((59, 63), &[(0, 50)])));
    }

    #[test]
    fn the_end_of_the_text_is_a_place() {
        insta::assert_snapshot!(render("{ a\n", &finding((4, 4), &[(0, 1)])));
        insta::assert_snapshot!(render("{ a", &finding((3, 3), &[])));
        insta::assert_snapshot!(render("", &finding((0, 0), &[])));
    }

    #[test]
    fn any_span_in_any_text_is_rendered() {
        let text = b"a\xe4\xb8\r\n\xff\0\x1b \xe2\x80\xae\n\t'\n\n";
        for start in 0..20 {
            for end in start..20 {
                assert!(render(text, &finding((start, end), &[(end, start.max(end) + 3)])).contains("what is wrong"));
            }
        }
    }

    #[test]
    fn positions_agree_with_the_source_in_any_order() {
        let source = Source::new("s", "ab\nä=1\n\nx");
        let mut positions = Positions::new(&source);
        for offset in [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 3, 99, 0, 7, 5] {
            assert_eq!(positions.at(offset), source.position(offset), "{offset}");
        }
    }

    #[test]
    fn failures_name_their_causes() {
        #[derive(Debug)]
        struct Failing(&'static str, Option<Box<Failing>>);
        impl std::fmt::Display for Failing {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(self.0)
            }
        }
        impl Error for Failing {
            fn source(&self) -> Option<&(dyn Error + 'static)> {
                self.1.as_deref().map(|cause| cause as &dyn Error)
            }
        }
        let root = Failing("no such\nfile\x1b", None);
        let error = Failing("cannot read `a`", Some(Box::new(Failing("opening failed", Some(Box::new(root))))));
        assert_eq!(
            failure("ce-run", &error, Some("look")),
            "ce-run: cannot read `a`\n  caused by: opening failed\n  caused by: no such\n    file\\u{1b}\n  help: look\n"
        );
        let repeating = Failing("cannot: gone", Some(Box::new(Failing("gone", None))));
        assert_eq!(failure("ce-run", &repeating, None), "ce-run: cannot: gone\n");
    }

    #[test]
    fn commands_to_paste_are_those_that_were_typed() {
        let call = ["ce-run", "-C", "my dir", "--gfs=/gfs", "sh", "-c", "echo 'a' $b", "", "x=1"].map(OsString::from);
        insta::assert_snapshot!(kept("ce-align-1", None, call, false));
        let again = ["ce-run", "--retry", "true"].map(OsString::from);
        let elsewhere = kept("ce-align-1", Some(Path::new("/a b")), again, true);
        let commands: Vec<&str> = elsewhere.lines().filter_map(|line| line.strip_prefix("    ")).collect();
        assert_eq!(commands, ["ce-env -C '/a b' shell ce-align-1", "ce-run --retry true"]);
    }
}
