//! What a person sees while a container is set up: a line a step on standard error, everything in a log file.

mod json;
mod log;
mod look;
mod streams;
mod tail;
mod teller;

use std::{
    env,
    io::{self, IsTerminal},
    ops::RangeInclusive,
    path::{Path, PathBuf},
};

use clap::{Args, ValueEnum};
use compeval_interpreter::{dispatch::Kind, execute::Event};
use compeval_runtime::{
    engine::{Pulling, Stream},
    setup::{
        error::{LEAVE_NOTHING, age, stretch_name},
        notice::{Notice, Watcher},
        reason::Reason,
    },
};

use self::{
    json::{Happening, StepOfScript},
    log::Log,
    look::seconds,
    streams::Streams,
    teller::{Activity, Ending, Manner, Teller},
};
use crate::words;

/// How to tell what happens while the container is set up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Progress {
    /// `tty` on a terminal, unless that is a dumb one or `CI` is set; else `plain`.
    #[default]
    Auto,
    /// A line for each step that has ended, and what goes on below them.
    Tty,
    /// A line when a step begins and one when it has ended.
    Plain,
    /// An object a line (`docs/schemas/ce.progress.1.json`).
    Json,
    /// Only warnings and failures.
    Quiet,
}

/// The options for it.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct ProgressArguments {
    /// How to tell on standard error what happens while the container is set up.
    #[arg(long, value_name = "HOW", value_enum, default_value_t)]
    progress: Progress,

    /// Tell only warnings and failures, as with `--progress quiet`.
    #[arg(short, long, conflicts_with_all = ["progress", "verbose"])]
    quiet: bool,

    /// Pass the setup's output on to standard error as it comes, with a line for whatever runs.
    #[arg(short, long)]
    verbose: bool,
}

impl ProgressArguments {
    fn manner(self) -> Manner {
        match self.progress {
            _ if self.quiet => Manner::Silent,
            Progress::Quiet => Manner::Silent,
            Progress::Json => Manner::Json,
            Progress::Plain => Manner::Lines,
            Progress::Tty | Progress::Auto if self.verbose => Manner::Lines,
            Progress::Tty => Manner::Spinner,
            Progress::Auto => {
                if can_spin() {
                    Manner::Spinner
                } else {
                    Manner::Lines
                }
            }
        }
    }
}

/// Whether standard error is a terminal where lines can be drawn anew, and somebody watches.
fn can_spin() -> bool {
    let is_ci = env::var_os("CI").is_some_and(|value| !value.is_empty());
    let is_dumb = env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
    io::stderr().is_terminal() && !is_ci && !is_dumb
}

/// Leaves nothing of a spinner on the terminal, for who ends this process.
pub fn clear() {
    teller::clear();
}

/// Does something while no spinner is on the terminal, such as stopping this process.
pub fn aside(task: impl FnOnce()) {
    teller::aside(task);
}

/// How much of what a step is about is told.
const TITLE: usize = 60;

/// Reports to standard error, and keeps a log.
pub struct Reporter {
    teller: Teller,
    log: Log,
    streams: Streams,
    /// Whether all is told, also of a call that sets nothing up.
    tells_all: bool,
    /// Whether nothing was set up so far.
    is_steady: bool,
    /// What runs now, for programs.
    step: Option<StepOfScript>,
    /// The container that is kept for a look.
    kept: Option<String>,
}

impl Reporter {
    /// A reporter whose log, if there is anything to log, will be at `log`.
    pub fn new(arguments: ProgressArguments, is_colored: bool, log: PathBuf) -> Reporter {
        let manner = arguments.manner();
        let is_passed_on = arguments.verbose && manner == Manner::Lines;
        Reporter {
            teller: Teller::new(manner, is_colored, is_passed_on),
            log: Log::new(log),
            streams: Streams::new(),
            tells_all: is_passed_on || manner == Manner::Json,
            is_steady: true,
            step: None,
            kept: None,
        }
    }

    /// The last lines of output, oldest first, fit for a terminal.
    pub fn tail(&self) -> Vec<String> {
        self.teller.tail()
    }

    /// The log file, if there is one.
    pub fn log(&self) -> Option<&Path> {
        self.log.path()
    }

    /// The name of the container that is kept for a look, if a stage has failed.
    pub fn kept(&self) -> Option<&str> {
        self.kept.as_deref()
    }

    /// Says something that stops nothing, but should be known.
    pub fn warn(&mut self, text: &str) {
        self.break_line();
        self.teller.warn(text);
    }

    /// The setup has ended: nothing of what is drawn anew stays.
    pub fn end(&mut self, is_well: bool) {
        if is_well {
            self.teller.end_untitled();
        }
        self.teller.clear();
    }

    fn note(&mut self, bytes: &[u8]) {
        if let Some(problem) = self.log.write(bytes) {
            self.teller.warn(&problem);
        }
    }

    /// What comes next is no output of the setup.
    fn break_line(&mut self) {
        if self.streams.breaks() {
            self.note(b"\n");
        }
    }

    /// Notes a line that is not the setup's.
    fn note_line(&mut self, text: &str) {
        self.break_line();
        self.note(format!("# {text}\n").as_bytes());
    }

    fn say(&mut self, text: &str) {
        self.note_line(text);
        self.teller.say(text);
    }

    /// Something begins that is no step of the script, and ends when something else is told.
    fn begin(&mut self, text: &str) {
        self.begin_as(text, &Happening::Notice { text: text.to_owned() });
    }

    /// The same, which programs are told in this way.
    fn begin_as(&mut self, text: &str, happening: &Happening) {
        self.note_line(text);
        self.teller.begin(Activity::new(String::new(), text.to_owned(), text.to_owned()), true);
        self.teller.happens(happening);
    }

    fn pulling(&mut self, image: &str, so_far: Option<Pulling>) {
        const MEGABYTE: u64 = 1_000_000;
        let (done, total) = (so_far.map(|so_far| so_far.done), so_far.map(|so_far| so_far.total));
        let happening = Happening::Pulling { image: image.to_owned(), done, total };
        let Some(Pulling { done, total }) = so_far else {
            return self.begin_as(&format!("pulling image {image}"), &happening);
        };
        let text = format!("pulling image {image}: {} of {} MB", done / MEGABYTE, total.div_ceil(MEGABYTE));
        self.note_line(&text);
        self.teller.update(&text);
        self.teller.happens(&happening);
    }

    fn creating(&mut self, name: &str, image: &str, stages: u32, because: Option<&Reason>) {
        let because = because.map(words::reason);
        let reason = because.iter().map(|reason| format!(": of the last one, {reason}")).collect::<String>();
        let text = format!("creating container {name} from {}{reason}", words::origin(image, stages));
        let (container, image) = (name.to_owned(), image.to_owned());
        self.begin_as(&text, &Happening::Creating { container, image, stages, because });
        self.is_steady = false;
        // What a stage takes begins where it runs.
        self.teller.begins_now();
    }

    fn setup(&mut self, event: Event<'_>) {
        match event {
            Event::Skipped { number, chain, .. } => {
                self.teller.end_untitled();
                self.note_line(&format!("stage {number} (line {}): applied already", chain.place.line()));
            }
            Event::Started { request, .. } if request.kind == Kind::Expansion => {}
            Event::Started { request, .. } => {
                self.started(request.kind, request.line(), words::title(&request.place, &request.text, TITLE));
            }
            Event::Inside { .. } | Event::Ended { kind: Kind::Expansion, .. } => {}
            Event::Ended { kind, status, has_failed, applied, .. } => self.ended(kind, status, has_failed, applied),
        }
    }

    fn started(&mut self, kind: Kind, line: usize, title: String) {
        self.is_steady &= !matches!(kind, Kind::Stage(_));
        let name = words::kind(kind);
        let beginning = format!("{name} (line {line}): {title}");
        self.note_line(&beginning);
        self.teller.begin(Activity::new(name, title.clone(), beginning), self.tells_all || !self.is_steady);
        let step = StepOfScript::new(kind, line, title);
        self.teller.happens(&Happening::StepStarted(step.clone()));
        self.step = Some(step);
    }

    fn ended(&mut self, kind: Kind, status: i32, has_failed: bool, applied: RangeInclusive<u32>) {
        let (text, took) = (words::ended(kind, status, has_failed, &applied), self.teller.elapsed());
        self.note_line(&format!("{}: {text} in {}", words::kind(kind), seconds(took)));
        let is_stage = matches!(kind, Kind::Stage(_));
        // Of a stage it is news that it is not applied, of anything else that one is.
        let is_news = has_failed || is_stage == applied.is_empty();
        self.teller.end(&Ending { text, is_news, has_failed: has_failed || is_stage && applied.is_empty() });
        if let Some(step) = self.step.take() {
            let (seconds, applied) = (took.as_secs_f64(), applied.collect());
            self.teller.happens(&Happening::StepEnded { step, status, failed: has_failed, seconds, applied });
        }
    }
}

impl Watcher for Reporter {
    fn notice(&mut self, notice: Notice<'_>) {
        match notice {
            Notice::WaitingForSetup => self.begin("waiting for another ce-run that sets up this computation"),
            Notice::WaitingForCache { name } => {
                self.begin(&format!("waiting for another setup that uses the cache {name}"));
            }
            Notice::WaitingForStretch { stretch, running } => {
                let (name, age) = (stretch_name(stretch), age(running));
                self.begin(&format!("waiting for {name}, which has been running for {age}"));
            }
            Notice::WaitingForCalls { calls, container } => {
                let calls = words::calls(calls);
                self.begin(&format!(
                    "waiting for {calls} in container {container}: the setup must not run beside that"
                ));
            }
            Notice::Pulling { image, so_far } => self.pulling(image, so_far),
            Notice::Creating { name, image, stages, because } => self.creating(name, image, stages, because),
            Notice::Snapshot => self.begin("taking a snapshot, for later setups to go on from"),
            Notice::Joining { calls } => {
                self.note_line(&format!("beside {}, for which the setup has run", words::calls(calls)));
            }
            Notice::Accepted { number, others, container } => {
                let others = match others {
                    0 => String::new(),
                    1 => ", with a stage behind it".to_owned(),
                    others => format!(", with {others} stages behind it"),
                };
                self.say(&format!("stage {number} is taken for applied in container {container}{others}"));
            }
            Notice::Retrying { left } => {
                self.say(&format!("trying again, from before that stage: `retries` allows {left} more"));
            }
            Notice::Kept { name } => {
                let text = format!("container {name} is kept, stopped, for a look");
                self.note_line(&text);
                // A person is told at the end, where that is not far away.
                self.teller.happens(&Happening::Notice { text });
                self.kept = Some(name.to_owned());
            }
            Notice::Removing { name } => self.say(&format!("removing container {name}, which is not needed any more")),
            Notice::Calling => self.end(true),
            Notice::Called { .. } => {}
            Notice::Left { left, others } => self.warn(&format!("{}; {LEAVE_NOTHING}", words::left(left, others))),
            Notice::Warning(warning) => self.warn(&words::warning(warning)),
            Notice::Setup(event) => self.setup(event),
        }
    }

    fn output(&mut self, stream: Stream, bytes: &[u8]) {
        let bytes = self.streams.follow(stream, bytes);
        if !bytes.is_empty() {
            self.teller.output(&bytes);
            self.note(&bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_kept_up_to_a_bound() {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("log");
        let arguments = ProgressArguments { progress: Progress::Quiet, quiet: false, verbose: false };
        let mut reporter = Reporter::new(arguments, false, log.clone());
        for (stream, text) in [(Stream::Stdout, "making x"), (Stream::Stderr, "no space\n")] {
            reporter.output(stream, text.as_bytes());
        }
        assert_eq!(std::fs::read_to_string(&log).unwrap(), "making x\nno space\n");
        assert_eq!(reporter.tail(), ["making x", "no space"]);
        for _ in 0..200 {
            reporter.output(Stream::Stdout, &[b'x'; 65_536]);
        }
        assert!(std::fs::metadata(log).unwrap().len() <= 10 << 20);
    }
}
