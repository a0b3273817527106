//! `setup-sh SCRIPT --state DIR [--split] [--trace-dispatch]`: runs a setup script with this machine's `sh`.
//!
//! The number of applied stages is kept in `DIR/done`. `--trace-dispatch` shows on standard error what goes to a shell of
//! its own, and why. The exit status is the setup's; 2 for a script with syntax errors, of which nothing is run; 125 when
//! it cannot be run at all. This is also the example for those who embed the interpreter.

#![expect(clippy::print_stderr, reason = "a program tells of its failure")]

use std::{fs, path::PathBuf, process::ExitCode};

use compeval_interpreter::{
    Settings, Source,
    dispatch::{Delegation, local::Local},
    execute::{Event, Observer},
    parse,
    program::Hooks,
    run,
    stage::Counted,
    syntax::print,
};

/// The exit status of `sh` for a script with syntax errors. Nothing of it is run.
const SYNTAX_ERROR: u8 = 2;

fn main() -> ExitCode {
    match setup() {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            eprintln!("setup-sh: {error}");
            ExitCode::from(125)
        }
    }
}

fn setup() -> Result<u8, Box<dyn std::error::Error>> {
    let Arguments { script, state, split, trace, shell } = arguments()?;
    let (state, done) = (std::path::absolute(&state)?, state.join("done"));
    let scratch = state.to_str().ok_or("the state directory's name is not UTF-8")?;
    let applied = fs::read_to_string(&done).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0);

    let text = fs::read(&script).map_err(|error| format!("cannot read `{}`: {error}", script.display()))?;
    let parsed = parse(Source::new(script.display().to_string(), text));
    for error in &parsed.errors {
        let place = parsed.script.source.position(error.primary.span.start);
        eprintln!("setup-sh: {}:{}:{}: {}", script.display(), place.line, place.column, error.message);
    }
    if !parsed.errors.is_empty() {
        eprintln!("setup-sh: nothing was run");
        return Ok(SYNTAX_ERROR);
    }
    fs::create_dir_all(&state).map_err(|error| format!("cannot make `{}`: {error}", state.display()))?;
    let shell: Vec<&str> = shell.split(' ').collect();
    let mut dispatcher = Local::new(&shell, Hooks { scratch, record: None });
    let settings = Settings { split, ..Settings::default() };
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, settings.cancel.flag())?;
    }
    let mut counter = Counter { file: done, trace, failed: None };
    let outcome = run(&parsed.script, &settings, &mut Counted(applied), &mut dispatcher, &mut counter)?;
    counter.failed.map_or(Ok(()), Err)?;
    Ok(u8::try_from(outcome.status & 255)?)
}

/// Writes the number of applied stages down after each that was applied, and tells what is sent.
struct Counter {
    file: PathBuf,
    trace: bool,
    failed: Option<std::io::Error>,
}

impl Observer for Counter {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Ended { applied, .. } if !applied.is_empty() => {
                let written = fs::write(&self.file, format!("{}\n", applied.end()));
                self.failed = self.failed.take().or(written.err());
            }
            Event::Started { request, .. } if self.trace => {
                let text = print::summary(&request.text, 60);
                eprintln!(
                    "dispatch: line {}, {:?}, {}: {text}",
                    request.line(),
                    request.kind,
                    words(request.delegation())
                );
            }
            _ => {}
        }
    }
}

fn words(delegation: Delegation) -> &'static str {
    match delegation {
        Delegation::Words => "words that only the shell can expand",
        Delegation::Markers => "markers that cannot be split from what is around them",
        Delegation::Chain => "the commands of a chain",
        Delegation::Undecorated => "commands outside of chains",
        Delegation::Condition => "commands that decide what comes next",
        Delegation::ExitTrap => "the action of an EXIT trap",
    }
}

struct Arguments {
    script: PathBuf,
    state: PathBuf,
    split: bool,
    trace: bool,
    shell: String,
}

fn arguments() -> Result<Arguments, &'static str> {
    const USAGE: &str = "usage: setup-sh SCRIPT --state DIR [--split] [--trace-dispatch] [--shell COMMAND]";
    let (mut script, mut state, mut shell) = (None, None, "sh".to_owned());
    let (mut split, mut trace) = (false, false);
    let mut words = std::env::args_os().skip(1);
    while let Some(word) = words.next() {
        match word.to_str() {
            Some("--state") => state = words.next().map(PathBuf::from),
            Some("--shell") => shell = words.next().and_then(|word| word.into_string().ok()).ok_or(USAGE)?,
            Some("--split") => split = true,
            Some("--trace-dispatch") => trace = true,
            _ if script.is_none() => script = Some(PathBuf::from(word)),
            _ => return Err(USAGE),
        }
    }
    Ok(Arguments { script: script.ok_or(USAGE)?, state: state.ok_or(USAGE)?, split, trace, shell })
}
