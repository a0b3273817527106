//! What a person sees while a container is set up: a line a step on standard error, everything in a log file.

mod log;

use std::{
    collections::VecDeque,
    io::{self, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use bstr::ByteSlice;
use clap::ValueEnum;
use compeval_interpreter::{dispatch::Kind, execute::Event, syntax::print};
use compeval_runtime::{
    engine::{Pulling, Stream},
    setup::{
        error::{LEAVE_NOTHING, age, stretch_name},
        notice::{Notice, Watcher},
    },
};

use self::log::Log;
use crate::{report::printable, words};

/// How much to say while the container is set up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Progress {
    /// As `plain`.
    #[default]
    Auto,
    /// A line when a step begins and one when it has ended.
    Plain,
    /// Only warnings and failures.
    Quiet,
}

/// How many of the last lines of output are kept for a failure's report.
const TAIL: usize = 12;
/// How much of a line is kept there, in bytes.
const TAIL_WIDTH: usize = 200;

/// Reports to standard error, and keeps a log.
pub struct Reporter {
    progress: Progress,
    log: Log,
    tail: VecDeque<Vec<u8>>,
    /// Where the last output came from.
    stream: Stream,
    began: Instant,
}

impl Reporter {
    /// A reporter whose log, if there is anything to log, will be at `log`.
    pub fn new(progress: Progress, log: PathBuf) -> Reporter {
        let log = Log::new(log);
        Reporter { progress, log, tail: VecDeque::new(), stream: Stream::Stdout, began: Instant::now() }
    }

    /// The last lines of output, oldest first, fit for a terminal.
    pub fn tail(&self) -> Vec<String> {
        let shown = |line: &Vec<u8>| printable(&line.to_str_lossy()).into_owned();
        self.tail.iter().filter(|line| !line.trim().is_empty()).map(shown).collect()
    }

    /// The log file, if there is one.
    pub fn log(&self) -> Option<&Path> {
        self.log.path()
    }

    fn say(&mut self, text: &str) {
        self.log.write(format!("# {text}\n").as_bytes());
        if self.progress != Progress::Quiet {
            // Nobody to tell it to is no reason to stop.
            let _ = writeln!(io::stderr(), "ce-run: {}", printable(text));
        }
    }

    fn setup(&mut self, event: Event<'_>) {
        match event {
            Event::Skipped { number, chain, .. } => {
                self.log.write(format!("# stage {number} (line {}): applied already\n", chain.place.line()).as_bytes());
            }
            Event::Started { request, .. } if request.kind == Kind::Expansion => {}
            Event::Started { request, .. } => {
                (self.began, self.tail) = (Instant::now(), VecDeque::new());
                let name = words::kind(request.kind);
                self.say(&format!("{name} (line {}): {}", request.line(), print::summary(&request.text, 60)));
            }
            Event::Inside { .. } => {}
            Event::Ended { kind, status, has_failed, applied, .. } => {
                let took = seconds(self.began.elapsed());
                let ended = words::ended(kind, status, has_failed, &applied);
                self.say(&format!("{}: {ended} in {took}", words::kind(kind)));
            }
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        for (index, piece) in bytes.split(|byte| *byte == b'\n').enumerate() {
            if index > 0 || self.tail.is_empty() {
                self.tail.push_back(Vec::new());
            }
            if let Some(line) = self.tail.back_mut() {
                let room = TAIL_WIDTH.saturating_sub(line.len()).min(piece.len());
                line.extend_from_slice(piece.get(..room).unwrap_or_default());
            }
            if self.tail.len() > TAIL {
                self.tail.pop_front();
            }
        }
    }
}

impl Watcher for Reporter {
    fn notice(&mut self, notice: Notice<'_>) {
        match notice {
            Notice::WaitingForSetup => self.say("waiting for another ce-run that sets up this computation"),
            Notice::WaitingForCache { name } => {
                self.say(&format!("waiting for another setup that uses the cache {name}"));
            }
            Notice::WaitingForStretch { stretch, running } => {
                let (name, age) = (stretch_name(stretch), age(running));
                self.say(&format!("waiting for {name}, which has been running for {age}"));
            }
            Notice::Pulling { image, so_far: None } => self.say(&format!("pulling image {image}")),
            Notice::Pulling { image, so_far: Some(Pulling { done, total }) } => {
                const MEGABYTE: u64 = 1_000_000;
                self.say(&format!("pulling image {image}: {} of {} MB", done / MEGABYTE, total.div_ceil(MEGABYTE)));
            }
            Notice::Creating { name, image, stages, because } => {
                let from = words::origin(image, stages);
                let reason = because.map(|reason| format!(": of the last one, {}", words::reason(reason)));
                self.say(&format!("creating container {name} from {from}{}", reason.unwrap_or_default()));
                // What a stage takes begins where it runs.
                self.began = Instant::now();
            }
            Notice::Snapshot => self.say("taking a snapshot, for later setups to go on from"),
            Notice::WaitingForCalls { calls, container } => {
                let calls = words::calls(calls);
                self.say(&format!("waiting for {calls} in container {container}: the setup must not run beside that"));
            }
            Notice::Joining { calls } => {
                self.log.write(format!("# beside {}, for which the setup has run\n", words::calls(calls)).as_bytes());
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
            Notice::Kept { name } => self.say(&format!(
                "container {name} is kept, stopped, for a look: docker start {name} && docker exec -it {name} sh"
            )),
            Notice::Removing { name } => self.say(&format!("removing container {name}, which is not needed any more")),
            Notice::Called { .. } => {}
            Notice::Left { left, others } => {
                let text = format!("{}; {LEAVE_NOTHING}", words::left(left, others));
                let _ = writeln!(io::stderr(), "ce-run: warning: {}", printable(&text));
            }
            Notice::Warning(warning) => {
                let _ = writeln!(io::stderr(), "ce-run: warning: {}", printable(&words::warning(warning)));
            }
            Notice::Setup(event) => self.setup(event),
        }
    }

    fn output(&mut self, stream: Stream, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        // The end of a line may come late, after lines of the other stream.
        let is_in_line = self.tail.back().is_some_and(|line| !line.is_empty());
        let bytes = if is_in_line && self.stream != stream { &[b"\n", bytes].concat() } else { bytes };
        self.stream = stream;
        self.log.write(bytes);
        self.keep(bytes);
    }
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_streams_do_not_share_a_line() {
        let directory = tempfile::tempdir().unwrap();
        let mut reporter = Reporter::new(Progress::Quiet, directory.path().join("log"));
        for (stream, text) in [(Stream::Stdout, "making x"), (Stream::Stderr, "no space\n"), (Stream::Stdout, "\n")] {
            reporter.output(stream, text.as_bytes());
        }
        assert_eq!(reporter.tail(), ["making x", "no space"]);
    }

    #[test]
    fn a_line_without_an_end_is_kept_in_part() {
        let directory = tempfile::tempdir().unwrap();
        let mut reporter = Reporter::new(Progress::Quiet, directory.path().join("log"));
        for _ in 0..1000 {
            reporter.output(Stream::Stdout, &[b'x'; 65_536]);
        }
        assert_eq!(reporter.tail(), ["x".repeat(200)]);
        let kept: usize = reporter.tail.iter().map(Vec::capacity).sum();
        assert!(kept < 1000, "{kept}");
        assert!(std::fs::metadata(directory.path().join("log")).unwrap().len() <= 10 << 20);
    }
}
