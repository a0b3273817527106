//! Standard error while a container is set up: lines, and on a terminal a spinner for what goes on.

use std::{
    io::{self, IsTerminal, Write},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{self, RecvTimeoutError, Sender},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anstream::adapter::StripBytes;
use console::Term;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};

use super::{
    json::{self, Happening},
    look::{LineParts, Look, TURN, seconds},
    tail::Tail,
};
use crate::report::printable;

/// What is quick is not told where nothing else is done.
const QUICK: Duration = Duration::from_secs(2);
/// How many lines of output stand below the spinner.
const OUTPUT_LINES: usize = 3;

/// How all is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    Lines,
    Spinner,
    Json,
    Silent,
}

/// Something that takes a while.
pub(super) struct Activity {
    /// What part of the script it is; empty for what is none.
    pub(super) name: String,
    pub(super) title: String,
    /// The line that says that it begins.
    pub(super) beginning: String,
    pub(super) began: Instant,
    /// Whether it was told of.
    is_told: bool,
}

impl Activity {
    pub(super) fn new(name: String, title: String, beginning: String) -> Activity {
        Activity { name, title, beginning, began: Instant::now(), is_told: false }
    }
}

/// How an activity ended.
pub(super) struct Ending {
    /// In words.
    pub(super) text: String,
    /// Whether a spinner's line has them: that it is done, its mark says.
    pub(super) is_news: bool,
    pub(super) has_failed: bool,
}

/// Standard error, and who draws there while something goes on.
pub(super) struct Teller {
    drawn: Arc<Mutex<Drawn>>,
    ticker: Option<Ticker>,
}

impl Teller {
    /// With `verbose`, output is passed on as it comes.
    pub(super) fn new(manner: Manner, is_colored: bool, verbose: bool) -> Teller {
        let drawn = Drawn {
            manner,
            look: Look::new(is_colored),
            activity: None,
            tail: Tail::new(),
            spinner: None,
            verbose: verbose.then(|| io::stderr().is_terminal().then(StripBytes::new)),
            is_in_line: false,
        };
        Teller { drawn: Arc::new(Mutex::new(drawn)), ticker: None }
    }

    fn drawn(&self) -> MutexGuard<'_, Drawn> {
        locked(&self.drawn)
    }

    /// Says a line; what is no step of the script has ended.
    pub(super) fn say(&mut self, text: &str) {
        self.end_untitled();
        self.drawn().say(text);
        self.happens(&Happening::Notice { text: text.to_owned() });
    }

    /// Says what should be known in any case.
    pub(super) fn warn(&mut self, text: &str) {
        match self.manner() {
            Manner::Json => self.happens(&Happening::Warning { text: text.to_owned() }),
            _ => self.drawn().line(&format!("warning: {text}")),
        }
    }

    /// Tells an event to a program.
    pub(super) fn happens(&mut self, happening: &Happening) {
        if self.manner() == Manner::Json {
            self.drawn().print(&json::line(happening));
        }
    }

    /// Something begins. What is not told is told all the same when it takes longer, or ends in a way that is news.
    pub(super) fn begin(&mut self, activity: Activity, is_told: bool) {
        self.end_untitled();
        if activity.name.is_empty() && self.drawn().activity.is_some() {
            // Within a step, which goes on behind it.
            self.drawn().say(&activity.beginning);
            return;
        }
        // Of a step whose container went away, no end is told.
        self.clear();
        self.drawn().begin(activity, is_told);
        // A line that is told stays as it is.
        if self.manner() == Manner::Spinner || self.manner() == Manner::Lines && !is_told {
            self.ticker = Some(Ticker::start(Arc::clone(&self.drawn)));
        }
    }

    /// What goes on is another thing now.
    pub(super) fn update(&mut self, text: &str) {
        if self.manner() == Manner::Lines {
            self.drawn().say(text);
        }
        if let Some(activity) = &mut self.drawn().activity {
            activity.title = text.to_owned();
        }
    }

    /// What goes on begins only now.
    pub(super) fn begins_now(&mut self) {
        if let Some(activity) = &mut self.drawn().activity {
            activity.began = Instant::now();
        }
    }

    /// How long it has been going on.
    pub(super) fn elapsed(&self) -> Duration {
        self.drawn().activity.as_ref().map(|activity| activity.began.elapsed()).unwrap_or_default()
    }

    /// It has ended.
    pub(super) fn end(&mut self, ending: &Ending) {
        self.ticker = None;
        self.drawn().end(ending);
    }

    /// What is no step of the script ends when something else begins: well, for otherwise nothing would.
    pub(super) fn end_untitled(&mut self) {
        if self.drawn().activity.as_ref().is_some_and(|activity| activity.name.is_empty()) {
            self.end(&Ending { text: String::new(), is_news: false, has_failed: false });
        }
    }

    /// Nothing goes on any more, and nothing of it stays.
    pub(super) fn clear(&mut self) {
        self.ticker = None;
        self.drawn().clear();
    }

    /// Takes output of the setup.
    pub(super) fn output(&mut self, bytes: &[u8]) {
        self.drawn().output(bytes);
    }

    /// The last lines of output.
    pub(super) fn tail(&self) -> Vec<String> {
        self.drawn().tail.all()
    }

    fn manner(&self) -> Manner {
        self.drawn().manner
    }
}

impl Drop for Teller {
    fn drop(&mut self) {
        self.clear();
    }
}

/// What is shown, and what that is made of.
struct Drawn {
    manner: Manner,
    look: Look,
    activity: Option<Activity>,
    tail: Tail,
    spinner: Option<ProgressBar>,
    /// When output is passed on; at a terminal, without control sequences.
    verbose: Option<Option<StripBytes>>,
    /// Whether output was passed on whose line has no end yet.
    is_in_line: bool,
}

impl Drawn {
    /// Writes above the spinner. Nobody to tell it to is no reason to stop.
    fn print(&mut self, text: &str) {
        let newline = if std::mem::take(&mut self.is_in_line) { "\n" } else { "" };
        let write = || drop(io::stderr().write_all(format!("{newline}{text}").as_bytes()));
        self.spinner.as_ref().map_or_else(write, |spinner| spinner.suspend(write));
    }

    fn line(&mut self, text: &str) {
        self.print(&format!("ce-run: {}\n", printable(text)));
    }

    fn say(&mut self, text: &str) {
        if self.is_for_people() {
            self.line(text);
        }
    }

    fn is_for_people(&self) -> bool {
        matches!(self.manner, Manner::Lines | Manner::Spinner)
    }

    fn begin(&mut self, activity: Activity, is_told: bool) {
        if !activity.name.is_empty() {
            self.tail = Tail::new();
        }
        self.activity = Some(activity);
        if is_told {
            self.tell();
        }
    }

    /// Tells of what goes on.
    fn tell(&mut self) {
        let Some(activity) = self.activity.as_mut().filter(|activity| !activity.is_told) else { return };
        activity.is_told = true;
        let beginning = activity.beginning.clone();
        match self.manner {
            Manner::Lines => self.line(&beginning),
            Manner::Spinner => self.spinner = Some(spinner()),
            Manner::Json | Manner::Silent => {}
        }
        self.draw();
    }

    fn tick(&mut self) {
        if self.activity.as_ref().is_some_and(|activity| activity.began.elapsed() >= QUICK) {
            self.tell();
        }
        self.draw();
    }

    fn draw(&self) {
        if let (Some(spinner), Some(Activity { name, title, began, .. })) = (&self.spinner, &self.activity) {
            let told = LineParts { name, title: &printable(title), ended: "", time: began.elapsed() };
            // That of a step: before it there is none.
            let output = if name.is_empty() { Vec::new() } else { self.tail.last(OUTPUT_LINES) };
            spinner.set_message(self.look.running(width(), told, &output));
        }
    }

    fn end(&mut self, ending: &Ending) {
        let Some(activity) = self.activity.take() else { return };
        self.clear();
        let Activity { name, title, beginning, began, is_told } = activity;
        if !is_told && !ending.is_news {
            return;
        }
        match self.manner {
            Manner::Lines => {
                if !is_told {
                    self.line(&beginning);
                }
                if !name.is_empty() {
                    self.line(&format!("{name}: {} in {}", ending.text, seconds(began.elapsed())));
                }
            }
            Manner::Spinner => {
                let ended = if ending.is_news { ending.text.as_str() } else { "" };
                let told = LineParts { name: &name, title: &printable(&title), ended, time: began.elapsed() };
                // What is no step tells more than one line may have room for.
                let width = if name.is_empty() { usize::MAX } else { width() };
                self.print(&(self.look.done(width, told, ending.has_failed) + "\n"));
            }
            Manner::Json | Manner::Silent => {}
        }
    }

    fn clear(&mut self) {
        self.activity = None;
        if self.spinner.take().is_some() {
            clear();
        }
    }

    fn output(&mut self, bytes: &[u8]) {
        self.tail.take(bytes);
        if let Some(strip) = &mut self.verbose {
            let mut stderr = io::stderr().lock();
            let _ = match strip {
                Some(strip) => strip.strip_next(bytes).try_for_each(|text| stderr.write_all(text)),
                None => stderr.write_all(bytes),
            };
            self.is_in_line = bytes.last().map_or(self.is_in_line, |byte| *byte != b'\n');
        }
    }
}

/// The spinner that is shown, for who ends this process.
static SPINNER: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// A new spinner, whose text is all ours. It is drawn when that changes.
fn spinner() -> ProgressBar {
    let target = match io::stderr().is_terminal() {
        true => ProgressDrawTarget::term_like_with_hz(Box::new(Terminal(Term::buffered_stderr())), 20),
        false => ProgressDrawTarget::hidden(),
    };
    let spinner = ProgressBar::with_draw_target(None, target);
    if let Ok(style) = ProgressStyle::with_template("{msg}") {
        spinner.set_style(style);
    }
    locked(&SPINNER).replace(spinner.clone());
    spinner
}

/// The terminal, with the cursor at the beginning of the last line once all is drawn: behind its end, what is typed and
/// echoed there, such as `^C`, would begin another line.
#[derive(Debug)]
struct Terminal(Term);

impl TermLike for Terminal {
    fn width(&self) -> u16 {
        TermLike::width(&self.0)
    }

    fn height(&self) -> u16 {
        TermLike::height(&self.0)
    }

    fn move_cursor_up(&self, lines: usize) -> io::Result<()> {
        self.0.move_cursor_up(lines)
    }

    fn move_cursor_down(&self, lines: usize) -> io::Result<()> {
        self.0.move_cursor_down(lines)
    }

    fn move_cursor_right(&self, columns: usize) -> io::Result<()> {
        self.0.move_cursor_right(columns)
    }

    fn move_cursor_left(&self, columns: usize) -> io::Result<()> {
        self.0.move_cursor_left(columns)
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.0.write_line(text)
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.0.write_str(text)
    }

    fn clear_line(&self) -> io::Result<()> {
        self.0.clear_line()
    }

    fn flush(&self) -> io::Result<()> {
        self.0.write_str("\r")?;
        self.0.flush()
    }
}

/// Does something while no spinner is on the terminal, such as stopping this process.
pub(super) fn aside(task: impl FnOnce()) {
    let spinner = locked(&SPINNER).clone();
    match spinner {
        Some(spinner) => spinner.suspend(task),
        None => task(),
    }
}

/// Leaves nothing of a spinner. For who ends this process; otherwise it comes about by itself.
pub(super) fn clear() {
    if let Some(spinner) = locked(&SPINNER).take() {
        spinner.finish_and_clear();
    }
}

/// The columns that a line may fill: in the last one, some terminals begin another line.
fn width() -> usize {
    usize::from(Term::stderr().size().1).saturating_sub(1)
}

/// Has what is shown look around while something goes on, until it is dropped: so output costs no drawing.
struct Ticker {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    fn start(drawn: Arc<Mutex<Drawn>>) -> Ticker {
        let (stop, stopped) = mpsc::channel();
        let tick = move || {
            while stopped.recv_timeout(TURN) == Err(RecvTimeoutError::Timeout) {
                locked(&drawn).tick();
            }
        };
        Ticker { stop: Some(stop), thread: Some(thread::spawn(tick)) }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
