//! What things are called when a person is told of them: one table for each kind of thing.

use std::{error::Error, ops::RangeInclusive};

use bstr::ByteSlice;
use compeval_interpreter::{
    Place, Span,
    dispatch::Kind,
    language::marker::Marker,
    stage::fingerprint::{Change, DependencyKind, Difference},
    syntax::print,
};
use compeval_runtime::{
    engine::{ContainerState, FileChange, FileChangeKind},
    setup::{notice::Warning, reason::Reason},
};

/// Why a container is not used.
pub fn reason(reason: &Reason) -> String {
    match reason {
        Reason::LedgerDamaged => "its ledger is damaged".to_owned(),
        Reason::StageFailed(number) => format!("stage {number} failed"),
        Reason::StageUnfinished(number) => format!("stage {number} did not end"),
        Reason::StageEdited { number, differences } => {
            // What was before a stage is told of the stage itself.
            let own = differences.iter().filter(|difference| difference.kind != DependencyKind::Previous);
            let what: Vec<String> = own.map(self::difference).collect();
            match what.as_slice() {
                [] => format!("what stage {number} depends on is not as it was when it was applied"),
                what => format!("stage {number} is not as it was when it was applied: {}", what.join(", ")),
            }
        }
        Reason::StageRemoved(number) => {
            format!("stage {number}, which is applied in it, is not in the script any more")
        }
        Reason::RepeatedGone { text } => {
            let text = print::summary(text.as_bytes(), 50);
            format!("a command that has run in it is not in the script any more, or not in that place: {text}")
        }
        Reason::ImageMoved => "the name of its image means another image now".to_owned(),
        Reason::DescriptionChanged => "docker.conf, or what is mounted, is not as it was when it was made".to_owned(),
        Reason::Failed => "a stage has just failed".to_owned(),
        Reason::StagesMissing => "stages are missing, and `update` says that nothing is built upon".to_owned(),
        Reason::OtherFits => "another one has all stages applied".to_owned(),
        Reason::InUse(calls) => format!("it has stages missing, and {} there would be disturbed", self::calls(*calls)),
        Reason::Gone => "the last one ended or was removed meanwhile".to_owned(),
    }
}

/// What of the things that a stage depends on is different, and how.
pub fn difference(Difference { kind, name, change }: &Difference) -> String {
    let what = match kind {
        DependencyKind::Previous => "the stages before it".to_owned(),
        DependencyKind::Text => "its text".to_owned(),
        DependencyKind::Function => format!("the function `{name}`"),
        DependencyKind::Alias => format!("the alias `{name}`"),
        DependencyKind::Variable => format!("the variable `{name}`"),
        DependencyKind::Positional => "the positional parameters".to_owned(),
        DependencyKind::Exported if name.is_empty() => "exported variables".to_owned(),
        DependencyKind::Exported => format!("the exported variable `{name}`"),
        DependencyKind::Directory => "the working directory".to_owned(),
        DependencyKind::Options => "options of `set`".to_owned(),
        DependencyKind::Settings => format!("what `{name}` sets"),
        DependencyKind::Anything => "commands outside of stages that may do anything".to_owned(),
        DependencyKind::File => format!("the file `{name}`"),
        DependencyKind::Computation => "a file of the computation".to_owned(),
    };
    let are = match kind {
        DependencyKind::Previous | DependencyKind::Positional | DependencyKind::Options | DependencyKind::Anything => {
            "are"
        }
        DependencyKind::Exported if name.is_empty() => "are",
        _ => "is",
    };
    match change {
        Change::Added => format!("{what} {are} new"),
        Change::Removed => format!("{what} {are} gone"),
        Change::Changed => format!("{what} changed"),
    }
}

/// What a container is made from: an image, or a snapshot with so many stages.
pub fn origin(image: &str, stages: u32) -> String {
    match stages {
        0 => format!("image {image}"),
        1 => "a snapshot of the first stage".to_owned(),
        stages => format!("a snapshot of the first {stages} stages"),
    }
}

/// A version of a computation, by what it is filed under.
pub fn version(key: &str) -> String {
    let (commit, changes) = key.split_once('+').map_or((key, ""), |(commit, _)| (commit, " with uncommitted changes"));
    format!("{}{changes}", commit.chars().take(7).collect::<String>())
}

/// So many calls.
pub fn calls(number: usize) -> String {
    if number == 1 { "a call that runs".to_owned() } else { format!("{number} calls that run") }
}

/// What does not stop a call, but should be known.
pub fn warning(warning: Warning<'_>) -> String {
    match warning {
        Warning::MappingDamaged(error) => format!("{}; it is written anew", with_causes(error)),
        Warning::NotTidied { name, error } => {
            format!("container `{name}` is not needed any more and stays: {}", with_causes(error))
        }
        Warning::MappingNotKept(error) => with_causes(error),
        Warning::NotAtOwnPath(path) => format!(
            "the container does not see `{}` at its own path, where it would hide something else: arguments that name what is \
             below it are translated, lists of them and links are not",
            path.display()
        ),
    }
}

/// What a stretch of a script is.
pub fn kind(kind: Kind) -> String {
    match kind {
        Kind::Stage(number) => format!("stage {number}"),
        Kind::Everytime => "everytime".to_owned(),
        Kind::Undecorated => "command".to_owned(),
        Kind::Condition => "condition".to_owned(),
        Kind::Expansion => "words".to_owned(),
        Kind::ExitTrap => "exit trap".to_owned(),
    }
}

/// What a stretch of a script is, in data.
pub fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Stage(_) => "stage",
        Kind::Everytime => "everytime",
        Kind::Undecorated => "command",
        Kind::Condition => "condition",
        Kind::Expansion => "words",
        Kind::ExitTrap => "exit-trap",
    }
}

/// What a stretch of a script is about, on one line: what the comment above it says, else its text without its marker.
/// Of what stands on one line, the comment is about the chains, or what comes first.
pub fn title(place: &Place, text: &[u8], limit: usize) -> String {
    let behind_marker = without_marker(text);
    let line = Span { start: place.source.line(place.line()).start, end: place.span.start };
    let has_comment = behind_marker.len() < text.len() || place.source.slice(line).trim().is_empty();
    let comment = place.comment().filter(|_| has_comment);
    print::summary(comment.map_or(behind_marker, |comment| comment.as_bytes()), limit)
}

/// A chain's text behind its marker; of any other text, all of it.
pub fn without_marker(text: &[u8]) -> &[u8] {
    let behind = |marker: Marker| text.strip_prefix(marker.name().as_bytes())?.trim_ascii_start().strip_prefix(b"&&");
    // The line may go on behind a backslash.
    let is_blank = |letter: char| letter.is_ascii_whitespace() || letter == '\\';
    let chain = Marker::ALL.into_iter().find_map(behind).map(|chain| chain.trim_start_with(is_blank));
    chain.filter(|chain| !chain.is_empty()).unwrap_or(text)
}

/// How a stretch of a script ended, and which stages were applied by it.
pub fn ended(kind: Kind, status: i32, has_failed: bool, applied: &RangeInclusive<u32>) -> String {
    let stages = match (kind, applied.end().saturating_sub(*applied.start())) {
        _ if applied.is_empty() => None,
        (Kind::Stage(_), _) => Some("applied".to_owned()),
        (_, 0) => Some(format!("stage {} applied", applied.end())),
        _ => Some(format!("stages {} to {} applied", applied.start(), applied.end())),
    };
    match (has_failed, stages, kind, status) {
        (true, None, ..) => format!("failed with status {status}"),
        (true, Some(stages), ..) => format!("{stages}, then failed with status {status}"),
        (false, Some(stages), ..) => stages,
        // Neither applied nor failed: a signal ended it.
        (false, None, Kind::Stage(_), _) => "stopped".to_owned(),
        (false, None, Kind::Condition, 1..) => format!("false (status {status})"),
        (false, None, _, 1..) => format!("done (status {status})"),
        (false, None, ..) => "done".to_owned(),
    }
}

/// What a container is doing.
pub fn state(state: ContainerState) -> &'static str {
    match state {
        ContainerState::Running => "running",
        ContainerState::Paused => "paused",
        _ => "stopped",
    }
}

/// A path of a container that is not as its image has it.
pub fn change(change: &FileChange) -> String {
    format!("{} ({})", change.path, change_kind(change.kind))
}

/// What became of a path.
pub fn change_kind(kind: FileChangeKind) -> &'static str {
    match kind {
        FileChangeKind::Added => "new",
        FileChangeKind::Modified => "changed",
        FileChangeKind::Deleted => "gone",
    }
}

/// What a command has left in its container, and who else may have.
pub fn left(left: &[FileChange], others: usize) -> String {
    let named: Vec<String> = left.iter().take(MOST_NAMED).map(change).collect();
    let more = match left.len().saturating_sub(MOST_NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let who = match others {
        0 => "the command".to_owned(),
        1 => "the command, or one beside it,".to_owned(),
        others => format!("the command, or one of {others} beside it,"),
    };
    format!("{who} left in the container: {}{more}", named.join(", "))
}

/// How many of a list of files are named.
pub const MOST_NAMED: usize = 8;

/// How a stage failed that is recorded with a status: an interrupt is a person's wish.
pub fn failed(status: i32) -> String {
    const INTERRUPTED: i32 = 130;
    match (status, death(status)) {
        (INTERRUPTED, _) => "was interrupted".to_owned(),
        (_, Some(signal)) => format!("was ended by {signal}"),
        (_, None) => format!("failed with status {status}"),
    }
}

/// The signal that a status of 128 and more stands for, where a person did not ask for it: neither an interrupt nor the end of
/// a pipe is told.
pub fn death(status: i32) -> Option<String> {
    let names = [
        (1, "HUP"),
        (3, "QUIT"),
        (4, "ILL"),
        (6, "ABRT"),
        (7, "BUS"),
        (8, "FPE"),
        (9, "KILL"),
        (11, "SEGV"),
        (14, "ALRM"),
        (15, "TERM"),
        (24, "XCPU"),
        (25, "XFSZ"),
        (31, "SYS"),
    ];
    let (number, name) = names.into_iter().find(|(number, _)| 128 + number == status)?;
    Some(format!("signal {number} ({name})"))
}

/// So many bytes, as docker.conf has them.
pub fn size(bytes: u64) -> String {
    let unit =
        [(30, "g"), (20, "m"), (10, "k")].into_iter().find(|(shift, _)| bytes > 0 && bytes.is_multiple_of(1 << shift));
    unit.map_or_else(|| bytes.to_string(), |(shift, unit)| format!("{}{unit}", bytes >> shift))
}

/// So many bytes, for a person.
pub fn amount(bytes: u64) -> String {
    let units = [(1_000_000_000, "GB"), (1_000_000, "MB"), (1000, "kB")];
    match units.into_iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, name)) => format!("{:.1} {name}", bytes as f64 / unit as f64),
        None => format!("{bytes} B"),
    }
}

/// So many of what the word stands for.
pub fn count(number: usize, word: &str) -> String {
    if number == 1 { format!("1 {word}") } else { format!("{number} {word}s") }
}

/// An error on one line.
pub fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use compeval_interpreter::Source;

    use super::*;

    #[test]
    fn a_title_is_the_comment_or_what_is_behind_the_marker() {
        for (text, expected) in [
            ("# The tools\nnext_stage && apt-get update", "The tools"),
            ("next_stage && apt-get update", "apt-get update"),
            ("next_stage && \\\n  apt-get update &&\n  more", "apt-get update && ..."),
            ("everytime&&hostname x", "hostname x"),
            ("next_stage", "next_stage"),
            ("next_stage || x", "next_stage || x"),
            ("echo next_stage && x", "echo next_stage && x"),
            ("# The tools\n  wget x", "The tools"),
            ("# The tools\nnext_stage && a; wget x", "wget x"),
            ("# The tools\nif a; then next_stage && b", "The tools"),
            ("next_stage && 0123456789012345678901", "01234567890123456789 ..."),
        ] {
            let starts = ["wget", "next_stage"].iter().filter_map(|name| text.rfind(name));
            let start = starts.max().filter(|_| text.starts_with('#')).unwrap_or_default();
            let place = Place { source: Arc::new(Source::new("s", text)), span: Span::new(start..text.len()) };
            assert_eq!(title(&place, place.text(), 20), expected, "{text:?}");
        }
    }

    #[test]
    fn only_what_failed_is_said_to_have_failed() {
        let none = RangeInclusive::new(1, 0);
        for (kind, status, has_failed, applied, expected) in [
            (Kind::Stage(2), 0, false, 2..=2, "applied"),
            (Kind::Stage(2), 3, true, none.clone(), "failed with status 3"),
            (Kind::Stage(2), 143, false, none.clone(), "stopped"),
            (Kind::Everytime, 3, true, none.clone(), "failed with status 3"),
            (Kind::Undecorated, 1, false, none.clone(), "done (status 1)"),
            (Kind::Undecorated, 0, false, none.clone(), "done"),
            (Kind::Condition, 1, false, none, "false (status 1)"),
            (Kind::Undecorated, 0, false, 2..=4, "stages 2 to 4 applied"),
            (Kind::Undecorated, 1, true, 2..=2, "stage 2 applied, then failed with status 1"),
        ] {
            assert_eq!(ended(kind, status, has_failed, &applied), expected, "{kind:?} {status}");
        }
    }
}
