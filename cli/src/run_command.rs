//! `ce-run`, from its arguments to its exit status.

use std::{
    env,
    error::Error,
    ffi::OsString,
    io::{self, Write},
    path::{self, Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use clap::{Parser, ValueEnum};
use compeval_interpreter::{
    Diagnostic, Place, analyze::output, dispatch::Kind, execute::Cause, parse, stage::Chain, syntax::print,
};
use compeval_runtime::{
    Environment, Setup, SetupError,
    call::{Call, Called, Input, KILLED, arguments::Translator, caller::caller, terminal},
    computation::{self, Computation, description::Purity, environment::EnvironmentError},
    container::mounts::{COMPUTATION, MountError, Mounts},
    engine::{
        EngineError, Stream,
        docker::{self, Docker},
    },
    interrupt::{Interrupt, Signal},
    setup::{OnEdit, error::age, snapshot::Worth},
};
use jiff::Timestamp;

use crate::{
    VERSION,
    plan_report::{
        PlanDocument, ToDo,
        text::{self, PlanStyle},
    },
    progress::{ProgressArguments, Reporter},
    report::{self, Color, Positions},
    run_report::Recorder,
    signals,
    state_directory::{self, Mark},
    words,
};

/// Run a computation in a container of its own.
///
/// The container is the one of the computation's commit. It is made from the image that docker.conf names, and set up
/// as docker-setup.sh says: stages (`next_stage && ...`) once, `everytime && ...` on every call. Then `exec ARG...`
/// runs in it. Arguments that name files below the global file storage or the computation are translated.
#[derive(Debug, Parser)]
#[command(name = "ce-run", version = VERSION, after_help = EXIT_STATUSES, after_long_help = ALL_HELP)]
pub struct RunArguments {
    /// The computation's directory, or one inside it.
    #[arg(short = 'C', long, value_name = "DIR", default_value = ".")]
    directory: PathBuf,

    /// The global file storage [default: $GFSDIR].
    #[arg(long, value_name = "DIR")]
    gfs: Option<PathBuf>,

    /// Set the container up and run nothing in it.
    #[arg(long, conflicts_with_all = ["entrypoint", "dry_run"])]
    setup_only: bool,

    /// Run this program of the container instead of the computation's `exec`.
    #[arg(long, value_name = "PROGRAM")]
    entrypoint: Option<OsString>,

    /// Let the command read what ce-run reads on its standard input; without, it reads nothing.
    #[arg(short, long)]
    interactive: bool,

    /// Give the command a terminal, where ce-run has one. `-it` is for programs that one types into.
    #[arg(short, long)]
    tty: bool,

    /// Look what the command leaves in the container, where later calls would find it: `warn` of it, `fail`, or be `off`
    /// [default: what `pure` in docker.conf says, else `warn`, but not more often than once an hour].
    #[arg(long, value_name = "WHAT", value_enum)]
    pure: Option<PurePolicy>,

    /// Pass the arguments on as they are.
    #[arg(long)]
    no_translate: bool,

    /// Show what would be run to set the container up, and touch nothing.
    #[arg(short = 'n', long)]
    dry_run: bool,

    /// With `--dry-run`: show all of the text of edited stages, with what is different.
    #[arg(long, requires = "dry_run")]
    diff: bool,

    /// With `--dry-run`: how to show it; `json` is the schema `ce.plan/1` (docs/schemas).
    #[arg(long, value_enum, default_value_t, requires = "dry_run")]
    format: PlanFormat,

    /// With `--dry-run`: exit with 2 where stages would be applied, or might, and with 3 where stages that were applied are
    /// edited, moved or gone.
    #[arg(long, requires = "dry_run")]
    detailed_exitcode: bool,

    #[command(flatten)]
    progress: ProgressArguments,

    /// Write what happened to this file, as data: the schema `ce.report/1` (docs/schemas).
    #[arg(long, value_name = "FILE", conflicts_with = "dry_run")]
    report: Option<PathBuf>,

    /// When to use colours.
    #[arg(long, value_enum, default_value_t)]
    color: Color,

    /// Wait at most so many seconds for another ce-run that sets up the same computation.
    #[arg(long, value_name = "SECONDS")]
    lock_timeout: Option<u64>,

    /// Put aside what the setup has done once that took so many seconds, for later setups to go on from; 0: after every
    /// stage.
    #[arg(long, value_name = "SECONDS")]
    snapshot_after: Option<u64>,

    /// Try the last stage that failed again in its own container, on what it left there.
    #[arg(long)]
    retry: bool,

    /// What becomes of stages that are not as they were when they were applied: `run` them in another container, or `fail`.
    #[arg(long, value_name = "WHAT", value_enum, default_value_t)]
    on_edit: EditPolicy,

    /// Take this stage, which was edited since it was applied, for applied as it is now.
    #[arg(long, value_name = "STAGE", requires = "reason", conflicts_with = "dry_run")]
    accept: Option<u32>,

    /// Why that is right, for the container's ledger.
    #[arg(long, value_name = "TEXT", requires = "accept")]
    reason: Option<String>,

    /// Arguments of the command.
    #[arg(trailing_var_arg = true)]
    arguments: Vec<OsString>,
}

/// How a plan is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum PlanFormat {
    #[default]
    Text,
    Json,
}

/// [`OnEdit`], as it is said.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum EditPolicy {
    #[default]
    Run,
    Fail,
}

impl From<EditPolicy> for OnEdit {
    fn from(policy: EditPolicy) -> OnEdit {
        match policy {
            EditPolicy::Run => OnEdit::Run,
            EditPolicy::Fail => OnEdit::Fail,
        }
    }
}

/// What the exit status says; each row is a test.
macro_rules! exit_statuses {
    () => {
        "\
Exit status:
  N      the command's own
  125    ce-run itself failed, wrong usage included
  126    the command is there, and cannot be executed
  127    the command is not there
  128+N  the command died of signal N; so did ce-run, if that was interrupted before the command ran"
    };
}
const EXIT_STATUSES: &str = exit_statuses!();

/// The same with the rest of what there is to know; the man page has a section for each part.
const ALL_HELP: &str = concat!(
    exit_statuses!(),
    "

Environment:
  GFSDIR           the global file storage, where `--gfs` names none
  DOCKER_HOST      the engine's socket, as `unix:///path/to/docker.sock` [default: /var/run/docker.sock]
  DOCKER_CONFIG    the directory of the credentials that images are pulled with [default: ~/.docker]
  XDG_STATE_HOME   the directory below which the setups' logs are [default: ~/.local/state]
  SUDO_UID and its brothers  under sudo, whose the outputs are
  NO_COLOR, TERM   no colours where the one is set, or the other is `dumb`
  CI, TERM         plain lines in place of a spinner where the one is set, or the other is `dumb`

Files:
  docker.conf       the container: its image, variables, limits
  docker-setup.sh   its setup, in stages
  exec              the program that a call runs
  docker-container  which container belongs to which commit; written by ce-run, may be deleted

Examples:
  ce-run \"$GFSDIR/in/reads.fa\" \"$GFSDIR/out/aligned.txt\"   run the computation
  ce-run -n                                  tell what would run, and why
  ce-run -it --entrypoint sh                 look around in its container
  ce-run -i --entrypoint sort <names         run another program on standard input"
);

/// [`Purity`], as it is said.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum PurePolicy {
    Warn,
    Fail,
    Off,
}

impl From<PurePolicy> for Purity {
    fn from(policy: PurePolicy) -> Purity {
        match policy {
            PurePolicy::Warn => Purity::Warn,
            PurePolicy::Fail => Purity::Fail,
            PurePolicy::Off => Purity::Off,
        }
    }
}

/// What becomes of a call that leaves something behind. Looking costs as much as a call: where nobody asked for it, it is
/// done now and then.
fn purity(arguments: &RunArguments, environment: &Environment) -> Purity {
    let said = arguments.pure.map(Purity::from).or(environment.description.pure);
    let now_and_then = || match looked(environment).is_due(BETWEEN_LOOKS) {
        true => Purity::Warn,
        false => Purity::Off,
    };
    said.unwrap_or_else(now_and_then)
}

/// When it was looked what a call left.
fn looked(environment: &Environment) -> Mark {
    Mark::new(&environment.computation.directory, "purity")
}

/// How often to look what a call leaves, where nobody asked for it.
const BETWEEN_LOOKS: Duration = Duration::from_secs(3600);

/// Our own failures, as with `docker run`.
const FAILED: u8 = 125;
const NOT_EXECUTABLE: u8 = 126;
const NOT_FOUND: u8 = 127;
/// Nobody reads our output any more: 128 and the number of SIGPIPE.
const BROKEN_PIPE: u8 = 141;

impl RunArguments {
    /// Those of this process.
    ///
    /// # Errors
    /// The exit status, when they ask for help, or are no use: then that is said.
    pub fn of_process() -> Result<RunArguments, ExitCode> {
        RunArguments::try_parse().map_err(|error| {
            // Where there is nobody to tell, the exit status has to do.
            let _ = error.print();
            if error.use_stderr() { ExitCode::from(FAILED) } else { ExitCode::SUCCESS }
        })
    }
}

/// Does what the arguments say, and tells of failures on standard error.
pub fn run(arguments: &RunArguments) -> ExitCode {
    if env::current_dir().is_err() {
        // It was removed: whatever else is named can be found all the same.
        let _ = env::set_current_dir("/");
    }
    let directory = computation::found_upwards(&arguments.directory);
    let colored = arguments.color.is_on(&io::stderr());
    let mut reporter = Reporter::new(arguments.progress, colored, state_directory::log(&directory));
    let mut recorder = Recorder::new(&mut reporter);
    let ended = attempt(arguments, &directory, &mut recorder);
    let written = arguments.report.as_deref().map(|path| {
        let failure = ended.as_ref().err().map(Failure::text);
        recorder.write(path, exit_status_of(&ended), failure)
    });
    reporter.end(ended.is_ok());
    if let Some(Err(error)) = written {
        tell(&format!("warning: cannot write the report: {error}"));
    }
    let status = exit_status_of(&ended);
    let Err(failure) = ended else { return ExitCode::from(status) };
    if failure.is_broken_pipe() {
        return ExitCode::from(status);
    }
    let kept = reporter.kept().map(|name| report::kept(name, env::args_os(), arguments.retry)).unwrap_or_default();
    // Where standard error is gone, the exit status has to do.
    let _ = io::stderr().write_all((failure.report(&reporter, colored) + &kept).as_bytes());
    ExitCode::from(status)
}

/// The exit status of ce-run.
fn exit_status_of(ended: &Result<u8, Failure>) -> u8 {
    match ended {
        Ok(status) => *status,
        Err(Failure::Setup(SetupError::Interrupted { signal, .. })) => killed_by(*signal),
        Err(failure) if failure.is_broken_pipe() => BROKEN_PIPE,
        Err(_) => FAILED,
    }
}

/// As a shell gives it.
fn killed_by(signal: Signal) -> u8 {
    u8::try_from(128 + signal.number).unwrap_or(FAILED)
}

/// Whatever keeps the command from being run.
enum Failure {
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
    fn other(error: impl Error + 'static, help: Option<String>) -> Failure {
        Failure::Other { error: Box::new(error), help }
    }

    /// Whether nobody reads our output any more.
    fn is_broken_pipe(&self) -> bool {
        let Failure::Setup(SetupError::Engine { source: EngineError::Output(error), .. }) = self else { return false };
        error.kind() == io::ErrorKind::BrokenPipe
    }

    /// On one line, without colours.
    fn text(&self) -> String {
        words::with_causes(match self {
            Failure::Environment(error) => error,
            Failure::Setup(error) => error,
            Failure::Other { error, .. } => error.as_ref(),
        })
    }

    fn report(&self, reporter: &Reporter, colored: bool) -> String {
        match self {
            Failure::Environment(error @ EnvironmentError::Syntax { source_text, errors }) => {
                let mut positions = Positions::new(source_text);
                let frames: String =
                    errors.iter().map(|error| report::diagnostic(&mut positions, error, colored) + "\n").collect();
                frames + &report::failure("ce-run", error, error.help().as_deref())
            }
            Failure::Environment(error) => report::failure("ce-run", error, error.help().as_deref()),
            Failure::Setup(error @ SetupError::ChainFailed { chain, number, status, lost, overran, cause, .. }) => {
                let chain = chain_failed(chain, *number, &ended(*status, *lost, *overran), colored);
                let cause = cause.as_deref().map(|cause| format!("\n{}", cause_of(cause, colored))).unwrap_or_default();
                chain + &cause + &output_of(reporter) + &report::failure("ce-run", error, error.help().as_deref())
            }
            Failure::Setup(error @ SetupError::SetupExited { cause, .. }) => {
                let cause = cause.as_deref().map(|cause| cause_of(cause, colored)).unwrap_or_default();
                cause + &output_of(reporter) + &report::failure("ce-run", error, error.help().as_deref())
            }
            Failure::Setup(
                error @ (SetupError::Edited { reason } | SetupError::NotEdited { because: Some(reason), .. }),
            ) => {
                let reason = format!("of the container at hand, {}", words::reason(reason));
                format!("{}\n", report::printable(&reason)) + &report::failure("ce-run", error, error.help().as_deref())
            }
            Failure::Setup(error @ SetupError::Impure { left, others, .. }) => {
                let left = words::left(left, *others);
                format!("{}\n", report::printable(&left)) + &report::failure("ce-run", error, error.help().as_deref())
            }
            Failure::Setup(error @ SetupError::Engine { source, .. }) => {
                report::failure("ce-run", error, docker::help(source).as_deref())
            }
            Failure::Setup(error) => report::failure("ce-run", error, error.help().as_deref()),
            Failure::Other { error, help } => report::failure("ce-run", error.as_ref(), help.as_deref()),
        }
    }
}

/// A failed chain in its script.
fn chain_failed(chain: &Chain, number: Option<u32>, ended: &str, colored: bool) -> String {
    let name = words::kind(number.map_or(Kind::Everytime, Kind::Stage));
    let mut finding = Diagnostic::error(chain.place.span, format!("{name} failed")).label(ended);
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

/// Says once that what is run is none of the commits.
fn tell_uncommitted(computation: &Computation, reporter: &mut Reporter) {
    let paths = computation.changes.paths();
    let more = match paths.len().saturating_sub(words::MOST_NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let names: Vec<String> = paths.take(words::MOST_NAMED).map(|path| path.display().to_string()).collect();
    if !names.is_empty() {
        reporter.warn(&format!("uncommitted changes: {}{more}", names.join(", ")));
    }
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

fn attempt(arguments: &RunArguments, directory: &Path, recorder: &mut Recorder<'_>) -> Result<u8, Failure> {
    let gfs = arguments.gfs.clone().or_else(|| env::var_os("GFSDIR").filter(|value| !value.is_empty()).map(Into::into));
    let environment = Environment::read(directory)?;
    let mounts = Mounts::new(&environment.computation.directory, gfs.as_deref())?;
    let runs = !arguments.setup_only && !arguments.dry_run;
    if runs && arguments.entrypoint.is_none() {
        environment.computation.check_exec().map_err(EnvironmentError::from)?;
    }
    let command = command(arguments, &environment, &mounts);
    recorder.is_about(&environment, &command);
    let docker = Docker::connect().map_err(|error| {
        let help = docker::help(&error);
        Failure::other(error, help)
    })?;
    let setup = Setup {
        engine: &docker,
        environment: &environment,
        mounts: &mounts,
        lock_timeout: arguments.lock_timeout.map(Duration::from_secs),
        retry: arguments.retry,
        on_edit: arguments.on_edit.into(),
        worth: arguments.snapshot_after.map(Duration::from_secs).map(Worth::after).unwrap_or_default(),
        purity: if runs { purity(arguments, &environment) } else { Purity::Off },
        interrupt: Interrupt::default(),
    };
    if arguments.dry_run {
        return show_plan(arguments, &setup, &command);
    }
    tell_uncommitted(&environment.computation, recorder.reporter());
    let shell = &environment.description.shell;
    signals::take(setup.interrupt.clone(), shell.clone());
    if let Some(stage) = arguments.accept {
        setup.accept(stage, arguments.reason.as_deref().unwrap_or_default(), recorder)?;
    }
    if arguments.setup_only {
        setup.set_up(recorder)?;
        return Ok(0);
    }
    let called = setup.call(&command, recorder, &mut write_out);
    if arguments.report.is_some() {
        recorder.look_up(&docker);
    }
    let called = called?;
    if setup.purity != Purity::Off && matches!(called, Called::Ended(_)) {
        looked(&environment).set();
    }
    if let Called::Ended(status) = called
        && let Some(signal) = words::death(status)
        && !setup.interrupt.has_passed_on()
        && command.terminal.is_none()
    {
        tell(&format!("the command ended with status {status}: it, or what it ran last, was killed by {signal}"));
    }
    Ok(exit_status(called, &command))
}

/// What would be run, and why, on standard output; gives the exit status.
fn show_plan(arguments: &RunArguments, setup: &Setup<'_>, command: &Call) -> Result<u8, Failure> {
    let plan = setup.plan().map_err(|error| not_planned(error, setup.environment))?;
    let document = PlanDocument::new(setup.environment, setup.mounts, command, &plan);
    let text = match arguments.format {
        PlanFormat::Json => document.json().map_err(|error| Failure::other(error, None))?,
        PlanFormat::Text => {
            let look = PlanStyle { is_colored: arguments.color.is_on(&io::stdout()), has_diff: arguments.diff };
            text::draw(&document, look, Timestamp::now())
        }
    };
    Ok(match write_out(Stream::Stdout, text.as_bytes()) {
        Ok(()) if arguments.detailed_exitcode => ToDo::of(&plan).status(),
        Ok(()) => 0,
        Err(_) => BROKEN_PIPE,
    })
}

/// Without its image, nothing can be told of a container that is not there yet: nothing was to be created, either.
fn not_planned(error: SetupError, environment: &Environment) -> SetupError {
    match error {
        SetupError::Engine { source: source @ EngineError::NoSuchImage { .. }, .. } => {
            let doing = format!("tell what would run for computation `{}`", environment.computation.name);
            SetupError::Engine { doing, source }
        }
        error => error,
    }
}

fn exit_status(called: Called, command: &Call) -> u8 {
    let program = command.argv.first().map(|program| program.display().to_string()).unwrap_or_default();
    let (complaint, status) = match called {
        Called::Ended(status) => return u8::try_from(status).unwrap_or(FAILED),
        Called::NoDirectory => {
            let directory = command.directory.display();
            (
                format!(
                    "the command cannot start in `{directory}`: it is not there in the container, or not for its user"
                ),
                FAILED,
            )
        }
        Called::NotFound => (format!("`{program}` is not there in the container"), NOT_FOUND),
        Called::NotExecutable => {
            let why = match command.interpreter.as_deref().is_some_and(|name| name.ends_with('\r')) {
                true => "its first line ends as on Windows: `sed -i 's/\\r$//' exec` makes it one for Unix",
                false => "it is no program, or the container lacks what its `#!` line names",
            };
            (format!("`{program}` cannot be executed in the container: {why}"), NOT_EXECUTABLE)
        }
        Called::NoShell { said } => (format!("the container's shell cannot be started: {said}"), FAILED),
        Called::OutOfMemory { limit } => {
            let limit = limit.map(|bytes| format!(", of which docker.conf gives it {}", words::size(bytes)));
            let limit = limit.unwrap_or_default();
            (format!("the command was killed: the container had no more memory{limit}"), KILLED)
        }
        Called::Stale => ("the container was changed by somebody else meanwhile; run again".to_owned(), FAILED),
    };
    tell(&complaint);
    status
}

/// Says something about the command.
fn tell(text: &str) {
    // Where standard error is gone, the exit status has to do.
    let _ = writeln!(io::stderr(), "ce-run: {}", report::printable(text));
}

/// What to run, as the container sees it.
fn command(arguments: &RunArguments, environment: &Environment, mounts: &Mounts) -> Call {
    let description = &environment.description;
    let translator = Translator::new(mounts, description.workdir.as_deref());
    let program = arguments.entrypoint.clone().unwrap_or_else(|| format!("{COMPUTATION}/exec").into());
    let translate = |argument: &OsString| {
        if arguments.no_translate { argument.clone() } else { translator.translate(argument) }
    };
    // A program below the mounts is the same file on this machine.
    let script = match &arguments.entrypoint {
        None => Some(environment.computation.exec()),
        Some(program) => path::absolute(program).ok().filter(|path| mounts.inside(path.as_os_str()).is_some()),
    };
    Call {
        argv: [program].into_iter().chain(arguments.arguments.iter().map(translate)).collect(),
        interpreter: script.as_deref().and_then(computation::interpreter),
        user: description.user.clone().or_else(|| Some(caller())),
        directory: translator.directory().to_owned(),
        input: if arguments.interactive { Input::Inherited } else { Input::Nothing },
        terminal: if arguments.tty { terminal::size() } else { None },
    }
}

fn write_out(stream: Stream, bytes: &[u8]) -> io::Result<()> {
    match stream {
        Stream::Stdout => {
            let mut stdout = io::stdout().lock();
            stdout.write_all(bytes)?;
            stdout.flush()
        }
        Stream::Stderr => io::stderr().write_all(bytes),
    }
}
