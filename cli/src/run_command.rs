//! `ce-run`, from its arguments to its exit status.

pub mod arguments;
mod failure;

use std::{
    env,
    ffi::OsString,
    io::{self, Write},
    path::{self, Path},
    process::ExitCode,
    time::Duration,
};

use compeval_runtime::{
    Environment, Setup, SetupError,
    call::{Call, Called, Input, arguments::Translator, caller, terminal},
    computation::{self, Computation, description::Purity, environment::EnvironmentError},
    container::mounts::{COMPUTATION, Mounts},
    engine::{EngineError, Stream},
    interrupt::Signal,
    setup::snapshot::Worth,
};
use console::Term;
use jiff::Timestamp;

pub use self::arguments::RunArguments;
use self::{arguments::PlanFormat, failure::Failure};
use crate::{
    exit_status::{self, BROKEN_PIPE, FAILED},
    output,
    plan_report::{
        PlanDocument, ToDo,
        text::{self, PlanStyle},
    },
    progress::Reporter,
    report,
    run_report::{self, Recorder},
    signals,
    state_directory::{self, Mark},
    words,
};

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

/// Does what the arguments say, and tells of failures on standard error.
pub fn run(arguments: &RunArguments) -> ExitCode {
    if env::current_dir().is_err() {
        // It was removed: whatever else is named can be found all the same.
        let _ = env::set_current_dir("/");
    }
    let directory = computation::found_upwards(&arguments.directory);
    let colored = arguments.color.is_on(&io::stderr());
    let mut reporter = Reporter::new(arguments.progress, colored, state_directory::log(&directory));
    let file = match arguments.report.as_deref().map(run_report::open).transpose() {
        Ok(file) => file,
        Err(error) => return no_report(arguments, &error),
    };
    let mut recorder = Recorder::new(&mut reporter);
    let ended = attempt(arguments, &directory, &mut recorder);
    let written = file.as_ref().map(|file| {
        let failure = ended.as_ref().err().map(Failure::text);
        recorder.write(file, exit_status_of(&ended), failure)
    });
    reporter.end(ended.is_ok());
    if let Some(Err(error)) = written {
        tell(&format!("warning: cannot write the report: {error}"));
    }
    let status = exit_status_of(&ended);
    let Err(failure) = ended else { return signals::end_with(status) };
    if failure.is_broken_pipe() {
        return ExitCode::from(status);
    }
    let place = (arguments.directory != Path::new(".")).then_some(directory.as_path());
    let kept = reporter.kept().map(|name| report::kept(name, place, env::args_os(), arguments.retry));
    let kept = kept.unwrap_or_default();
    // Where standard error is gone, the exit status has to do.
    let _ = io::stderr().write_all((failure.report(&reporter, colored) + &kept).as_bytes());
    signals::end_with(status)
}

/// Nothing is run whose report could not be written.
fn no_report(arguments: &RunArguments, error: &io::Error) -> ExitCode {
    let path = arguments.report.as_deref().unwrap_or(Path::new("")).display();
    tell(&format!("cannot write the report to `{path}`: {error}; nothing was run"));
    ExitCode::from(FAILED)
}

/// The exit status of ce-run.
fn exit_status_of(ended: &Result<u8, Failure>) -> u8 {
    match ended {
        Ok(status) => *status,
        Err(Failure::Setup(SetupError::Interrupted { signal, .. })) => killed_by(*signal),
        Err(failure) if failure.is_broken_pipe() => BROKEN_PIPE,
        Err(Failure::Environment(EnvironmentError::Computation(error))) => exit_status::of_exec(error),
        Err(_) => FAILED,
    }
}

/// As a shell gives it.
fn killed_by(signal: Signal) -> u8 {
    u8::try_from(128 + signal.number).unwrap_or(FAILED)
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
    let connected = arguments.engine.connect(environment.description.engine).map_err(|error| {
        let help = error.help();
        Failure::other(error, help)
    })?;
    if let Some(words) = connected.first_words() {
        recorder.reporter().warn(words);
    }
    let engine = connected.engine();
    let setup = Setup {
        lock_timeout: arguments.lock_timeout.map(Duration::from_secs),
        retry: arguments.retry,
        on_edit: arguments.on_edit.into(),
        worth: arguments.snapshot_after.map(Duration::from_secs).map(Worth::after).unwrap_or_default(),
        purity: if runs { purity(arguments, &environment) } else { Purity::Off },
        ..Setup::new(engine, &environment, &mounts)
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
        let ready = setup.set_up(recorder).map(drop);
        if arguments.report.is_some() {
            recorder.look_up(engine);
        }
        return Ok(ready.map(|()| 0)?);
    }
    let called = setup.call(&command, recorder, &mut output::pass_on);
    if arguments.report.is_some() {
        recorder.look_up(engine);
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
    let (complaint, status) = exit_status::of(called, &command);
    complaint.into_iter().for_each(|complaint| tell(&complaint));
    Ok(status)
}

/// What would be run, and why, on standard output; gives the exit status.
fn show_plan(arguments: &RunArguments, setup: &Setup<'_>, command: &Call) -> Result<u8, Failure> {
    let plan = setup.plan().map_err(|error| not_planned(error, setup.environment))?;
    let document = PlanDocument::new(setup.environment, setup.mounts, command, &plan);
    let text = match arguments.format {
        PlanFormat::Json => document.json().map_err(|error| Failure::other(error, None))?,
        PlanFormat::Text => {
            let look = PlanStyle {
                is_colored: arguments.color.is_on(&io::stdout()),
                has_diff: arguments.diff,
                columns: Term::stdout().size_checked().map(|(_, columns)| columns),
            };
            text::draw(&document, look, Timestamp::now())
        }
    };
    Ok(match output::pass_on(Stream::Stdout, text.as_bytes()) {
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
        user: description.user.clone().or_else(|| Some(caller::caller())),
        directory: translator.directory().to_owned(),
        umask: Some(caller::umask()),
        input: if arguments.interactive { Input::Inherited } else { Input::Nothing },
        terminal: if arguments.tty { terminal::size() } else { None },
    }
}
