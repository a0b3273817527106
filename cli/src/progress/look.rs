//! How what goes on looks on a terminal: pure text.

use std::{env, time::Duration};

use console::{measure_text_width, truncate_str};

/// What a line is told with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    /// Whether it is coloured.
    pub(super) is_colored: bool,
    /// Whether the terminal has more than ASCII.
    pub(super) is_unicode: bool,
}

/// What a line tells of.
#[derive(Clone, Copy, Debug)]
pub(super) struct LineParts<'t> {
    /// What it is, as `stage 2`; empty for what is no part of the script.
    pub(super) name: &'t str,
    /// What it is about.
    pub(super) title: &'t str,
    /// How it ended, where that needs saying.
    pub(super) ended: &'t str,
    /// Since when, or for how long.
    pub(super) time: Duration,
}

/// How often the spinner turns.
pub(super) const TURN: Duration = Duration::from_millis(100);

/// Of less than so much of a title, nothing can be told.
const LEAST_TITLE: usize = 6;

const GREEN: &str = "\x1b[32m";
const RED: &str = "\x1b[31m";
const CYAN: &str = "\x1b[36m";
const DIM: &str = "\x1b[2m";
const RESET: &str = "\x1b[0m";

impl Look {
    pub(super) fn new(is_colored: bool) -> Look {
        // The first that is set and not empty counts (POSIX 8.2, Internationalization Variables).
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
            .into_iter()
            .find_map(|name| env::var(name).ok().filter(|value| !value.is_empty()));
        let is_utf8 = |locale: String| locale.to_ascii_lowercase().replace('-', "").contains("utf8");
        Look { is_colored, is_unicode: locale.is_some_and(is_utf8) }
    }

    /// What has ended, on one line without its newline.
    pub(super) fn done(self, width: usize, told: LineParts<'_>, has_failed: bool) -> String {
        let (mark, color) = match (self.is_unicode, has_failed) {
            (true, false) => ("✓", GREEN),
            (true, true) => ("✗", RED),
            (false, false) => ("+", GREEN),
            (false, true) => ("!", RED),
        };
        self.line(width, (mark, color), told, &seconds(told.time))
    }

    /// What goes on, with the last lines of its output below it.
    pub(super) fn running(self, width: usize, told: LineParts<'_>, output: &[String]) -> String {
        let turns: &[&str] = match self.is_unicode {
            true => &["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"],
            false => &["|", "/", "-", "\\"],
        };
        let turn = (told.time.as_millis() / TURN.as_millis()) as usize % turns.len();
        let mark = turns.get(turn).copied().unwrap_or_default();
        let mut text = self.line(width, (mark, CYAN), told, &seconds(Duration::from_secs(told.time.as_secs())));
        for line in output {
            text += "\n";
            text += &self.colored(DIM, &self.cut(&format!("    {line}"), width));
        }
        text
    }

    /// Of what has no room, the title is cut first.
    fn line(self, width: usize, (mark, color): (&str, &str), told: LineParts<'_>, time: &str) -> String {
        let LineParts { name, title, ended, .. } = told;
        let parts = |title: &str| {
            [name, title, ended, time].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("  ")
        };
        let others = measure_text_width(mark) + 1 + measure_text_width(&parts(title)) - measure_text_width(title);
        let room = width.saturating_sub(others);
        let title = if room < LEAST_TITLE { String::new() } else { self.cut(title, room) };
        let rest = self.cut(&parts(&title), width.saturating_sub(2));
        match rest.strip_suffix(time) {
            Some(before) => format!("{} {before}{}", self.colored(color, mark), self.colored(DIM, time)),
            None => format!("{} {rest}", self.colored(color, mark)),
        }
    }

    fn cut(self, text: &str, width: usize) -> String {
        truncate_str(text, width, if self.is_unicode { "…" } else { "..." }).into_owned()
    }

    fn colored(self, color: &str, text: &str) -> String {
        if self.is_colored { format!("{color}{text}{RESET}") } else { text.to_owned() }
    }
}

/// A time as a person reads it.
pub(super) fn seconds(time: Duration) -> String {
    match time.as_secs() {
        ..60 if time.subsec_nanos() == 0 => format!("{} s", time.as_secs()),
        ..60 => format!("{:.1} s", time.as_secs_f64()),
        whole @ ..3600 => format!("{} min {} s", whole / 60, whole % 60),
        whole => format!("{} h {} min", whole / 3600, whole / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told<'t>(title: &'t str, ended: &'t str, time: u64) -> LineParts<'t> {
        LineParts { name: "stage 2", title, ended, time: Duration::from_millis(time) }
    }

    #[test]
    fn lines_fit_the_terminal() {
        let long = "a title that is too long for a narrow terminal, with 漢字 in it";
        let output = ["Get:1 http://deb.debian.org/debian trixie/main amd64 Packages".to_owned(), "漢字".repeat(20)];
        let mut text = String::new();
        for (is_unicode, width) in [(true, 40), (false, 40), (true, 200)] {
            let look = Look { is_colored: false, is_unicode };
            let lines = [
                look.done(width, told("The tools", "", 1_234), false),
                look.done(width, told(long, "", 61_234), false),
                look.done(width, told("The tools", "failed with status 3", 1_234), true),
                look.done(width, LineParts { name: "", ..told("pulling image debian:13", "", 1_234) }, false),
                look.running(width, told(long, "", 5_432_100), &output),
            ];
            let lines = lines.join("\n");
            assert!(lines.lines().all(|line| measure_text_width(line) <= width), "{lines}");
            text += &format!("{width}:\n{lines}\n");
        }
        insta::assert_snapshot!(text);
    }

    #[test]
    fn colours_end_where_they_should() {
        let look = Look { is_colored: true, is_unicode: true };
        let text = look.running(30, told("The tools", "", 300), &["output".to_owned()]);
        assert_eq!(text, "\x1b[36m⠸\x1b[0m stage 2  The tools  \x1b[2m0 s\x1b[0m\n\x1b[2m    output\x1b[0m");
        let text = look.done(30, told("The tools", "", 300), true);
        assert_eq!(text, "\x1b[31m✗\x1b[0m stage 2  The tools  \x1b[2m0.3 s\x1b[0m");
    }

    #[test]
    fn nothing_is_too_narrow() {
        let look = Look { is_colored: true, is_unicode: true };
        for width in 0..40 {
            look.running(width, told("The tools", "failed with status 3", 300), &["output".to_owned()]);
        }
    }

    #[test]
    fn times_are_read_at_a_glance() {
        for (time, expected) in
            [(49, "0.0 s"), (2_000, "2 s"), (59_900, "59.9 s"), (61_000, "1 min 1 s"), (7_380_000, "2 h 3 min")]
        {
            assert_eq!(seconds(Duration::from_millis(time)), expected);
        }
    }
}
