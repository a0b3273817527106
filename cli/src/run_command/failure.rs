//! What keeps a command from being run, and how that is told.

use std::{error::Error, io, sync::Arc, time::Duration};

use compeval_interpreter::{
    Diagnostic, Place, Span, analyze::output, dispatch::Kind, execute::Cause, parse, stage::Chain, syntax::print,
};
use compeval_runtime::{
    SetupError, computation::environment::EnvironmentError, container::mounts::MountError, engine::EngineError,
    setup::error::age,
};

use crate::{
    progress::Reporter,
    report::{self, Positions},
    words,
};

/// Whatever keeps the command from being run.
pub(super) enum Failure {
    Environment(EnvironmentError),
    Setup(SetupError),
    Other { error: Box<dyn Error>, help: Option<String> },
}

impl From<EnvironmentError> for Failure {
    fn from(error: EnvironmentError) -> Failure {
        Failure::Environment(error)
    }
}

impl From<MountError> for Failure {
    fn from(error: MountError) -> Failure {
        let help = error.help();
        Failure::other(error, help)
    }
}

impl From<SetupError> for Failure {
    fn from(error: SetupError) -> Failure {
        Failure::Setup(error)
    }
}

impl Failure {
    pub(super) fn other(error: impl Error + 'static, help: Option<String>) -> Failure {
        Failure::Other { error: Box::new(error), help }
    }

    /// Whether nobody reads our output any more.
    pub(super) fn is_broken_pipe(&self) -> bool {
        let Failure::Setup(SetupError::Engine { source: EngineError::Output(error), .. }) = self else { return false };
        error.kind() == io::ErrorKind::BrokenPipe
    }

    /// On one line, without colours.
    pub(super) fn text(&self) -> String {
        words::with_causes(match self {
            Failure::Environment(error) => error,
            Failure::Setup(error) => error,
            Failure::Other { error, .. } => error.as_ref(),
        })
    }

    pub(super) fn report(&self, reporter: &Reporter, colored: bool) -> String {
        match self {
            Failure::Environment(error @ EnvironmentError::Syntax { source_text, errors }) => {
                let mut positions = Positions::new(source_text);
                let frames: String =
                    errors.iter().map(|error| report::diagnostic(&mut positions, error, colored) + "\n").collect();
                frames + &report::failure("ce-run", error, error.help().as_deref())
            }
            Failure::Environment(error) => report::failure("ce-run", error, error.help().as_deref()),
            Failure::Setup(
                error @ SetupError::ChainFailed { chain, number, status, lost, overran, failed, cause, .. },
            ) => {
                let ended = ended(*status, *lost, *overran);
                let chain = chain_failed(chain, *number, failed.as_deref(), &ended, colored);
                let cause = cause.as_deref().map(|cause| format!("\n{}", cause_of(cause, colored))).unwrap_or_default();
                chain + &cause + &output_of(reporter) + &report::failure("ce-run", error, error.help().as_deref())
            }
            Failure::Setup(error @ SetupError::SetupExited { cause, .. }) => {
                let cause = cause.as_deref().map(|cause| cause_of(cause, colored)).unwrap_or_default();
                cause + &output_of(reporter) + &report::failure("ce-run", error, error.help().as_deref())
            }
            Failure::Setup(error) => report::setup_failure("ce-run", error),
            Failure::Other { error, help } => report::failure("ce-run", error.as_ref(), help.as_deref()),
        }
    }
}

/// A failed chain in its script.
fn chain_failed(chain: &Chain, number: Option<u32>, failed: Option<&Place>, ended: &str, colored: bool) -> String {
    let name = words::kind(number.map_or(Kind::Everytime, Kind::Stage));
    let span = failed.map_or(chain.place.span, |failed| failed.span);
    let mut finding = Diagnostic::error(span, format!("{name} failed")).label(ended);
    if failed.is_some() {
        let marker = Span { end: chain.place.span.start + chain.marker.name().len() as u32, ..chain.place.span };
        finding = finding.related(marker, "it begins here");
    }
    let Place { source, span } = &chain.place;
    if let Some(redirection) = output::redirection_of(&parse(Arc::clone(source)).script, *span) {
        let (line, text) = (source.line_number(redirection.start), print::summary(source.slice(redirection), 60));
        finding = finding.help(format!("what it wrote may be in a file of the container: line {line} says `{text}`"));
    }
    report::diagnostic(&mut Positions::new(source), &finding, colored)
}

/// How a chain came to its end.
fn ended(status: i32, lost: bool, overran: Option<Duration>) -> String {
    match (overran, lost, status) {
        (Some(limit), ..) => format!("was stopped after {}", age(limit)),
        (None, true, 129..) => format!("its shell was killed by signal {}", status - 128),
        (None, true, _) => format!("its shell went away with status {status}"),
        (None, false, status) => format!("ended with status {status}"),
    }
}

/// What ended the setup, in its script.
fn cause_of(Cause { source, finding }: &Cause, colored: bool) -> String {
    report::diagnostic(&mut Positions::new(source), finding, colored)
}

/// The last lines of the setup's output, and where the rest is.
fn output_of(reporter: &Reporter) -> String {
    let lines: String = reporter.tail().iter().map(|line| format!("  | {line}\n")).collect();
    let heading = if lines.is_empty() { String::new() } else { format!("its last output:\n{lines}") };
    let log = reporter
        .log()
        .map(|log| format!("all of it: {}\n", report::printable(&log.display().to_string())))
        .unwrap_or_default();
    format!("{heading}{log}\n")
}
