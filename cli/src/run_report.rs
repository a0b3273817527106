//! What `--report FILE` writes: what happened in a call, as data; the schema `ce.report/1`, which is only ever extended
//! (`docs/schemas/ce.report.1.json`).

use std::{
    fs::File,
    io::{self, Write},
    path::Path,
    time::Instant,
};

use compeval_interpreter::{dispatch::Kind, execute::Event};
use compeval_runtime::{
    Environment,
    call::Call,
    container::identity::{CHAIN, MadeOf},
    engine::{Containers, Stream},
    setup::notice::{Notice, Watcher},
};
use jiff::Timestamp;
use serde::Serialize;

use crate::{progress::Reporter, words};

/// The name of the schema.
const SCHEMA: &str = "ce.report/1";

/// Opens the file that a report will be written to, before anything is done. What is in it stays until then.
///
/// # Errors
/// Those of the file system.
pub fn open(path: &Path) -> io::Result<File> {
    File::options().write(true).create(true).truncate(false).open(path)
}

/// A watcher that keeps what it is told, and passes it on.
pub struct Recorder<'w> {
    reporter: &'w mut Reporter,
    report: RunReport,
    began: Instant,
    step_began: Instant,
    container_id: Option<String>,
}

#[derive(Debug, Serialize)]
struct RunReport {
    schema: &'static str,
    ce_run: &'static str,
    began: String,
    seconds: f64,
    computation: Option<ReportedComputation>,
    image: Option<ReportedImage>,
    container: Option<ReportedContainer>,
    /// Why a new container was made, where that was so.
    because: Option<String>,
    /// How many stages were applied already.
    kept_stages: usize,
    steps: Vec<ReportedStep>,
    command: Option<ReportedCommand>,
    /// What kept the command from being run.
    failure: Option<String>,
    /// That of ce-run.
    exit_status: u8,
}

#[derive(Debug, Serialize)]
struct ReportedComputation {
    name: String,
    directory: String,
    version: String,
    /// The files that are not as the commit has them.
    changes: Vec<String>,
}

#[derive(Debug, Serialize)]
struct ReportedImage {
    name: String,
    id: Option<String>,
}

#[derive(Debug, Serialize)]
struct ReportedContainer {
    id: String,
    name: Option<String>,
    /// A hash of the environment that the script asks for.
    environment: Option<String>,
}

#[derive(Debug, Serialize)]
struct ReportedStep {
    kind: &'static str,
    stage: Option<u32>,
    line: usize,
    title: String,
    text: String,
    seconds: Option<f64>,
    status: Option<i32>,
    has_failed: bool,
    applied: Vec<u32>,
}

#[derive(Debug, Serialize)]
struct ReportedCommand {
    arguments: Vec<String>,
    directory: String,
    user: String,
}

impl<'w> Recorder<'w> {
    /// Passes on to this reporter.
    pub fn new(reporter: &'w mut Reporter) -> Recorder<'w> {
        let report = RunReport {
            schema: SCHEMA,
            ce_run: crate::VERSION,
            began: Timestamp::now().to_string(),
            seconds: 0.0,
            computation: None,
            image: None,
            container: None,
            because: None,
            kept_stages: 0,
            steps: Vec::new(),
            command: None,
            failure: None,
            exit_status: 0,
        };
        Recorder { reporter, report, began: Instant::now(), step_began: Instant::now(), container_id: None }
    }

    /// Whom it passes on to.
    pub fn reporter(&mut self) -> &mut Reporter {
        self.reporter
    }

    /// What is to be run, of what.
    pub fn is_about(&mut self, environment: &Environment, command: &Call) {
        let computation = &environment.computation;
        self.report.computation = Some(ReportedComputation {
            name: computation.name.clone(),
            directory: computation.directory.display().to_string(),
            version: computation.key(),
            changes: computation.changes.paths().map(|path| path.display().to_string()).collect(),
        });
        self.report.image = Some(ReportedImage { name: environment.description.image.clone(), id: None });
        self.report.command = Some(ReportedCommand {
            arguments: command.argv.iter().map(|word| word.to_string_lossy().into_owned()).collect(),
            directory: command.directory.to_string_lossy().into_owned(),
            user: command.user.clone().unwrap_or_default(),
        });
    }

    /// What the engine knows of the container that the command runs in.
    pub fn look_up(&mut self, engine: &dyn Containers) {
        // Where a stage failed, the container that is kept for a look.
        let kept = || self.reporter.kept().map(str::to_owned);
        let Some(id) = self.container_id.take().or_else(kept) else { return };
        // One that is gone, or an engine that does not answer, leaves the bare id.
        let found = engine.container(&id).ok().flatten();
        if let Some(image) = &mut self.report.image {
            image.id = found.as_ref().map(|container| MadeOf::of(container).image_id);
        }
        let id = found.as_ref().map_or(id, |container| container.id.clone());
        let name = found.as_ref().map(|container| container.name.clone());
        let environment = found.as_ref().and_then(|container| container.labels.get(CHAIN).cloned());
        self.report.container = Some(ReportedContainer { id, name, environment });
    }

    /// Writes the report, when it is known how the call ended, in place of what is in the file.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn write(mut self, mut file: &File, exit_status: u8, failure: Option<String>) -> io::Result<()> {
        self.report.seconds = self.began.elapsed().as_secs_f64();
        (self.report.exit_status, self.report.failure) = (exit_status, failure);
        let text = serde_json::to_string_pretty(&self.report)? + "\n";
        if file.metadata()?.is_file() {
            file.set_len(0)?;
        }
        file.write_all(text.as_bytes())
    }

    fn setup(&mut self, event: &Event<'_>) {
        match event {
            Event::Skipped { .. } => self.report.kept_stages += 1,
            Event::Started { request, .. } if request.kind != Kind::Expansion => {
                self.step_began = Instant::now();
                self.report.steps.push(ReportedStep {
                    kind: words::kind_name(request.kind),
                    stage: match request.kind {
                        Kind::Stage(number) => Some(number),
                        _ => None,
                    },
                    line: request.line(),
                    title: words::title(&request.place, &request.text, usize::MAX),
                    text: request.text.to_string(),
                    seconds: None,
                    status: None,
                    has_failed: false,
                    applied: Vec::new(),
                });
            }
            Event::Ended { kind, status, has_failed, applied, .. } if *kind != Kind::Expansion => {
                if let Some(step) = self.report.steps.last_mut() {
                    step.seconds = Some(self.step_began.elapsed().as_secs_f64());
                    (step.status, step.has_failed) = (Some(*status), *has_failed);
                    step.applied = applied.clone().collect();
                }
            }
            _ => {}
        }
    }
}

impl Watcher for Recorder<'_> {
    fn notice(&mut self, notice: Notice<'_>) {
        match &notice {
            Notice::Setup(event) => self.setup(event),
            Notice::Creating { because: Some(because), .. } => {
                // What was tried in another container before came to nothing.
                self.report.because = Some(words::reason(because));
                (self.report.kept_stages, self.report.steps) = (0, Vec::new());
            }
            Notice::Called { container } => self.container_id = Some((*container).to_owned()),
            _ => {}
        }
        self.reporter.notice(notice);
    }

    fn output(&mut self, stream: Stream, bytes: &[u8]) {
        self.reporter.output(stream, bytes);
    }
}
