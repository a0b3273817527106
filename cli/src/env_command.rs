//! `ce-env`: the containers of a computation, or of all, as a person lives with them. What does not compare with the
//! script, or build from it, needs neither a script nor a configuration that can be read.

pub mod accept;
pub mod diff;
pub mod enter;
pub mod export;
pub mod list;
pub mod logs;
pub mod prune;
pub mod script;

use std::{
    env,
    error::Error,
    ffi::OsString,
    fs,
    io::{self, Write},
    path::{self, Path, PathBuf},
    process::ExitCode,
};

use clap::{Parser, Subcommand, ValueEnum};
use compeval_runtime::{
    SetupError, computation,
    computation::{environment::EnvironmentError, layout::SETUP_SCRIPT},
    container::mounts::MountError,
    engine::{Connected, Engine, EngineError},
    inventory::{Inventory, KnownContainer},
};
use thiserror::Error;

use self::{diff::StageList, script::with_setup};
use crate::{
    VERSION,
    engines::{self, EngineArguments, NoEngine},
    exit_status::{BROKEN_PIPE, FAILED},
    report, signals, words,
};

/// Show and tend the containers of computations.
///
/// Of the computation in the directory, unless `--all` says of all on this engine. A container is named by its name, the
/// beginning of its id, or that of the commit that it was made for.
#[derive(Debug, Parser)]
#[command(name = "ce-env", version = VERSION, after_help = ENV_HELP)]
pub struct EnvArguments {
    /// The computation's directory, or one inside it.
    #[arg(short = 'C', long, value_name = "DIR", default_value = ".", global = true)]
    directory: PathBuf,

    #[command(flatten)]
    engine: EngineArguments,

    #[command(subcommand)]
    command: EnvCommand,
}

const ENV_HELP: &str = "\
Exit status:
  0    it was done
  1    it was refused, or there is no such container
  125  ce-env itself failed, wrong usage included
  N    of `exec` and `shell`, the command's own, as with ce-run

Environment:
  CE_ENGINE        the engine, where `--engine` names none: `docker`, `podman` or `embedded`
  CE_STORE         the directory of the embedded engine's images and containers [default: below $XDG_DATA_HOME or
                   ~/.local/share, root's below /var/lib: compeval/containers]
  DOCKER_HOST      Docker's socket, as `unix:///path/to/docker.sock` [default: /var/run/docker.sock]
  CONTAINER_HOST   Podman's socket [default: $XDG_RUNTIME_DIR/podman/podman.sock, /run/podman/podman.sock]
  XDG_STATE_HOME   the directory below which the setups' logs are [default: ~/.local/state]

Examples:
  ce-env ls --all                       all containers of all computations
  ce-env shell --failed                 look around where a stage failed
  ce-env log 3                          what stage 3 put out when it ran last
  ce-env prune --all --unreachable      remove those whose directory is gone";

#[derive(Debug, Subcommand)]
enum EnvCommand {
    /// List the containers.
    Ls {
        /// Of all computations on this engine, also those whose directory is gone.
        #[arg(short, long)]
        all: bool,
        /// How to list them; `json` is the schema `ce.env/1` (docs/schemas).
        #[arg(long, value_enum, default_value_t)]
        format: ListFormat,
    },
    /// Show a container with its stages: the last one, unless it is named.
    Status {
        /// The container.
        container: Option<String>,
        /// How to show it; `json` is the schema `ce.env/1` (docs/schemas).
        #[arg(long, value_enum, default_value_t)]
        format: ListFormat,
    },
    /// Show what the last setup has put out, all of it or that of one stage.
    Log {
        /// The stage.
        stage: Option<u32>,
        /// Show what comes, too, until `^C`.
        #[arg(short, long, conflicts_with = "stage")]
        follow: bool,
    },
    /// Show in what the stages applied in a container differ from those of another one, or of the script; or their files.
    Diff {
        /// The container; the last one, unless it is named.
        one: Option<String>,
        /// Another one, rather than the script.
        other: Option<String>,
        /// Of their files: packages, paths that are not as the image has them in one of the two alone, and the text of small
        /// files that both have changed. The other container is the last one, unless it is named.
        #[arg(long, requires = "one")]
        files: bool,
        /// How to show it; `json` is the schema `ce.env.diff/1` (docs/schemas).
        #[arg(long, value_enum, default_value_t)]
        format: ListFormat,
    },
    /// Take images out of an archive of `docker save` or an OCI layout, for the embedded engine.
    Import {
        /// The archive; `-` is the standard input.
        archive: PathBuf,
        /// What the image is called.
        #[arg(long)]
        name: Option<String>,
    },
    /// Look around in a container: the last one, unless another one is named.
    Shell {
        /// The container.
        container: Option<String>,
        /// The last one in which a stage failed.
        #[arg(long, conflicts_with = "container")]
        failed: bool,
        /// As this user, by name or number, rather than as calls are run.
        #[arg(short, long, value_name = "USER")]
        user: Option<String>,
    },
    /// Run a program in the last container, with nothing set up.
    Exec {
        /// In this container.
        #[arg(long, value_name = "NAME")]
        container: Option<String>,
        /// As this user, by name or number, rather than as calls are run.
        #[arg(short, long, value_name = "USER")]
        user: Option<String>,
        /// Let it read what ce-env reads.
        #[arg(short, long)]
        interactive: bool,
        /// Give it a terminal, where ce-env has one.
        #[arg(short, long)]
        tty: bool,
        /// The program and its arguments.
        #[arg(required = true, trailing_var_arg = true)]
        program: Vec<OsString>,
    },
    /// End the calls that run in the last container, or in those that are named, and what sets them up: with TERM, and with
    /// KILL after five seconds.
    Kill {
        /// The containers.
        containers: Vec<String>,
    },
    /// Stop containers; the next call starts one again.
    Stop {
        /// The containers; without any, all that run.
        containers: Vec<String>,
        /// Also where calls run, which are killed.
        #[arg(short, long)]
        force: bool,
    },
    /// Remove containers; the next call makes one again.
    Rm {
        /// The containers.
        #[arg(required = true)]
        containers: Vec<String>,
        /// Also where calls run, which are killed.
        #[arg(short, long)]
        force: bool,
    },
    /// Put a container into an image, or print what builds the same without ce-run.
    #[command(subcommand)]
    Export(export::ExportTarget),
    /// Take a stage that was edited since it was applied for applied as it is now: what it did is what it would do.
    Accept {
        /// The stage.
        stage: u32,
        /// Why, for those who ask the container's ledger.
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// The global file storage's directory; otherwise `$GFSDIR`.
        #[arg(long, value_name = "DIR")]
        gfs: Option<PathBuf>,
    },
    /// Remove containers that are not needed any more, and snapshots that nothing is made from.
    Prune(prune::PruneArguments),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum ListFormat {
    #[default]
    Text,
    Json,
}

/// What was asked for was not done, for a reason that is told.
const REFUSED: u8 = 1;

/// Why something was not done.
#[derive(Debug, Error)]
enum EnvError {
    #[error("the computation in `{directory}` has no container")]
    None { directory: String },
    #[error("the computation in `{directory}` has no container in which a stage failed")]
    NoneFailed { directory: String },
    #[error("no container of the computation in `{directory}` is called `{name}`")]
    NoSuch { name: String, directory: String },
    #[error("`{name}` may be any of {among}")]
    Several { name: String, among: String },
    #[error("container `{container}` is in use by {}", words::calls(*calls))]
    Busy { container: String, calls: usize },
    #[error("containers `{one}` and `{other}` are not made from the same image or snapshot")]
    OtherImages { one: String, other: String },
    #[error("there is no log of a setup of the computation in `{directory}`")]
    NoLog { directory: String },
    #[error("no log has what stage {0} put out")]
    NoStage(u32),
    #[error("nothing was removed: nobody can be asked")]
    NotAsked,
    #[error("the setup script says something else than what is applied in container `{container}`")]
    OtherScript { container: String },
    #[error("a marker in line {line} stands in a process of its own: nobody else could count stages there")]
    NotAlone { line: usize },
    #[error("the setup script is not UTF-8 text")]
    NotText,
    #[error("the value of `{name}` in docker.conf has several lines, which neither file can hold")]
    Lines { name: String },
    #[error(transparent)]
    Environment(#[from] Box<EnvironmentError>),
    #[error(transparent)]
    Mounts(#[from] MountError),
    #[error(transparent)]
    NoEngine(#[from] NoEngine),
    #[error(transparent)]
    Engine(EngineError),
    #[error(transparent)]
    Setup(#[from] SetupError),
    #[error("cannot read the log `{}`", path.display())]
    Log { path: PathBuf, source: io::Error },
    #[error("cannot read the archive `{}`", path.display())]
    Archive { path: PathBuf, source: io::Error },
    #[error("cannot write to the standard output")]
    Output(#[from] io::Error),
}

impl EnvError {
    fn help(&self) -> Option<String> {
        Some(match self {
            EnvError::None { .. } => {
                "a call of ce-run makes one; `ce-env ls --all` lists those of other computations".into()
            }
            EnvError::NoneFailed { .. } | EnvError::NoSuch { .. } => "`ce-env ls` lists what there is".into(),
            EnvError::Several { .. } => "name it in full".into(),
            EnvError::Busy { .. } => "wait for their end, or kill them: --force".into(),
            EnvError::OtherImages { .. } => {
                "only what such containers changed can be compared; leave out --files".into()
            }
            EnvError::NoLog { .. } => "logs are written by setups that run something".into(),
            EnvError::NoStage(_) => "only the logs of the last setups are kept; `ce-env log` shows the last one".into(),
            EnvError::OtherScript { .. } => {
                "check out the commit that it is for, or bring it up to date: `ce-run --setup-only`".into()
            }
            EnvError::NotAlone { .. } => {
                "move it out of the subshell, pipeline or background; or export an image".into()
            }
            EnvError::NotText | EnvError::Lines { .. } => "export an image".into(),
            EnvError::Environment(error) => return error.help(),
            EnvError::Mounts(error) => return error.help(),
            EnvError::NotAsked => "say --yes, or --dry-run to see what would go".into(),
            EnvError::NoEngine(error) => return error.help(),
            EnvError::Engine(error) => return engines::help(error),
            EnvError::Setup(error) => return error.help(),
            EnvError::Log { .. } | EnvError::Archive { .. } | EnvError::Output(_) => return None,
        })
    }

    fn status(&self) -> u8 {
        match self {
            EnvError::Environment(_)
            | EnvError::Mounts(_)
            | EnvError::NoEngine(_)
            | EnvError::Engine(_)
            | EnvError::Setup(_)
            | EnvError::Archive { .. }
            | EnvError::Log { .. }
            | EnvError::Output(_) => FAILED,
            _ => REFUSED,
        }
    }
}

/// Takes images out of an archive, and gives their ids, a line each.
fn import(connected: &Connected, archive: &Path, name: Option<&str>) -> Result<String, EnvError> {
    let unreadable = |source| EnvError::Archive { path: archive.to_owned(), source };
    let images = match archive == Path::new("-") {
        true => connected.import(io::stdin().lock(), name),
        false => connected.import(fs::File::open(archive).map_err(unreadable)?, name),
    };
    let images = images.map_err(EnvError::Engine)?;
    Ok(images.iter().map(|image| format!("{}\n", image.id)).collect())
}

impl EnvArguments {
    /// Those of this process.
    ///
    /// # Errors
    /// The exit status, when they ask for help, or are no use: then that is said.
    pub fn of_process() -> Result<EnvArguments, ExitCode> {
        EnvArguments::try_parse().map_err(|error| {
            // Where there is nobody to tell, the exit status has to do.
            let _ = error.print();
            if error.use_stderr() { ExitCode::from(FAILED) } else { ExitCode::SUCCESS }
        })
    }
}

/// Does what the arguments say, and tells of failures on standard error.
pub fn run(arguments: &EnvArguments) -> ExitCode {
    match attempt(arguments) {
        Ok(status) => signals::end_with(status),
        // Nobody reads on.
        Err(EnvError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::from(BROKEN_PIPE),
        Err(EnvError::Setup(error)) => {
            tell(&report::setup_failure("ce-env", &error));
            ExitCode::from(FAILED)
        }
        Err(error) => {
            tell(&report::failure("ce-env", &error as &dyn Error, error.help().as_deref()));
            ExitCode::from(error.status())
        }
    }
}

/// The engine that is wanted, as far as docker.conf can be read.
fn connect(arguments: &EnvArguments, directory: &Path) -> Result<Connected, EnvError> {
    let connected = arguments.engine.connect_for(directory)?;
    if let Some(words) = connected.first_words() {
        tell(&format!("ce-env: {words}\n"));
    }
    Ok(connected)
}

fn attempt(arguments: &EnvArguments) -> Result<u8, EnvError> {
    let directory = computation::found_upwards(&arguments.directory);
    // One that is gone is still named.
    let absolute = || path::absolute(&directory).unwrap_or_else(|_| directory.clone());
    let directory = directory.canonicalize().unwrap_or_else(|_| absolute());
    if let EnvCommand::Log { stage, follow } = &arguments.command {
        return logs::show(&directory, *stage, *follow).map(|()| 0);
    }
    let connected = connect(arguments, &directory)?;
    let engine = connected.engine();
    let tended = Tended { inventory: Inventory { engine }, directory: &directory };
    match &arguments.command {
        EnvCommand::Ls { all, format } => tended.list(*all, *format)?,
        EnvCommand::Status { container, format } => {
            let entry = tended.one(container.as_deref())?;
            print(&match format {
                ListFormat::Text => list::status(&entry),
                ListFormat::Json => list::json(std::slice::from_ref(&entry))?,
            })?;
        }
        EnvCommand::Diff { one, other, files, format } => {
            print(&tended.diff(engine, one.as_deref(), other.as_deref(), *files, *format)?)?;
        }
        EnvCommand::Import { archive, name } => print(&import(&connected, archive, name.as_deref())?)?,
        EnvCommand::Shell { container, failed, user } => {
            let entry = if *failed { tended.failed()? } else { tended.one(container.as_deref())? };
            return enter::shell(&tended.inventory, &entry, user.as_deref());
        }
        EnvCommand::Exec { container, user, interactive, tty, program } => {
            let entry = tended.one(container.as_deref())?;
            let program =
                enter::ProgramCall { words: program, user: user.as_deref(), reads: *interactive, has_terminal: *tty };
            return enter::run(&tended.inventory, &entry, &program);
        }
        EnvCommand::Kill { containers } => tended.kill(containers)?,
        EnvCommand::Stop { containers, force } => {
            let up = tended.named(containers)?.into_iter().filter(KnownContainer::is_up).collect();
            end_all(up, "stopped", |known| tended.inventory.stop(known, *force))?;
        }
        EnvCommand::Rm { containers, force } => {
            end_all(tended.named(containers)?, "removed", |known| tended.inventory.remove(known, *force))?;
        }
        EnvCommand::Export(target) => {
            let known = tended.one(target.container())?;
            print(&export::export(engine, &directory, &known, target)?)?;
        }
        EnvCommand::Accept { stage, reason, gfs } => {
            let gfs = gfs.clone().or_else(|| env::var_os("GFSDIR").map(PathBuf::from));
            with_setup(engine, &directory, gfs.as_deref(), |setup| accept::accept(setup, *stage, reason))?;
        }
        EnvCommand::Prune(arguments) => {
            prune::prune(&tended, arguments)?;
            if !arguments.is_dry() {
                connected.tidy().map_err(EnvError::Engine)?;
            }
        }
        EnvCommand::Log { .. } => {}
    }
    Ok(0)
}

/// The containers of the computation in a directory.
struct Tended<'t> {
    inventory: Inventory<'t>,
    directory: &'t Path,
}

impl Tended<'_> {
    fn entries(&self) -> Result<Vec<KnownContainer>, EnvError> {
        Ok(self.inventory.entries(Some(self.directory))?)
    }

    fn list(&self, all: bool, format: ListFormat) -> Result<(), EnvError> {
        let entries = self.inventory.entries(if all { None } else { Some(self.directory) })?;
        if entries.is_empty() {
            tell("ce-env: there is no container\n");
        }
        print(&match format {
            ListFormat::Text => list::table(&entries, all),
            ListFormat::Json => list::json(&entries)?,
        })
    }

    /// In what a container differs from another one, or from the script.
    fn diff(
        &self,
        engine: &dyn Engine,
        one: Option<&str>,
        other: Option<&str>,
        files: bool,
        format: ListFormat,
    ) -> Result<String, EnvError> {
        let one = self.one(one)?;
        let is_data = format == ListFormat::Json;
        if files {
            let document = diff::files(&self.inventory, &one, &self.one(other)?)?;
            return Ok(if is_data { document.json()? } else { document.text() });
        }
        let other = match other {
            Some(other) => StageList::applied_in(&self.one(Some(other))?),
            None => with_setup(engine, self.directory, Some(&one.storage), |setup| {
                Ok(StageList::of_script(SETUP_SCRIPT, &setup.plan()?))
            })?,
        };
        let one = StageList::applied_in(&one);
        Ok(if is_data { one.document(&other).json()? } else { one.diff(&other) })
    }

    fn kill(&self, containers: &[String]) -> Result<(), EnvError> {
        let named = if containers.is_empty() { vec![self.one(None)?] } else { self.named(containers)? };
        for known in &named {
            let ended = words::count(self.inventory.kill(known, &enter::shell_of(known))?, "call");
            tell(&format!("ce-env: ended {ended} in container {}\n", known.container.name));
        }
        Ok(())
    }

    fn directory(&self) -> String {
        self.directory.display().to_string()
    }

    /// The container of this name; the last one for none.
    fn one(&self, name: Option<&str>) -> Result<KnownContainer, EnvError> {
        let mut entries = self.entries()?;
        let Some(name) = name else {
            // What calls use rather than what is kept for a look.
            entries.sort_by_key(|entry| (entry.has_failed(), !entry.is_up()));
            return entries.into_iter().next().ok_or(EnvError::None { directory: self.directory() });
        };
        let is_it = |entry: &KnownContainer| {
            let container = &entry.container;
            container.name == name
                || name.len() >= 4 && (container.id.starts_with(name) || entry.version.starts_with(name))
        };
        let mut found: Vec<KnownContainer> = entries.into_iter().filter(is_it).collect();
        match (found.pop(), found.as_slice()) {
            (None, _) => Err(EnvError::NoSuch { name: name.to_owned(), directory: self.directory() }),
            (Some(entry), []) => Ok(entry),
            (Some(last), others) => {
                let names = others.iter().chain([&last]).map(|entry| format!("`{}`", entry.container.name));
                Err(EnvError::Several { name: name.to_owned(), among: names.collect::<Vec<_>>().join(", ") })
            }
        }
    }

    /// The last one in which a stage failed.
    fn failed(&self) -> Result<KnownContainer, EnvError> {
        let failed = self.entries()?.into_iter().find(KnownContainer::has_failed);
        failed.ok_or(EnvError::NoneFailed { directory: self.directory() })
    }

    /// The containers of these names; all for none.
    fn named(&self, names: &[String]) -> Result<Vec<KnownContainer>, EnvError> {
        match names {
            [] => self.entries(),
            names => names.iter().map(|name| self.one(Some(name))).collect(),
        }
    }
}

/// Does to each container what gives how many calls keep it from that; one that is in use does not keep the others.
fn end_all(
    containers: Vec<KnownContainer>,
    done: &str,
    end: impl Fn(&KnownContainer) -> Result<usize, SetupError>,
) -> Result<(), EnvError> {
    let mut refused = Ok(());
    for known in containers {
        let container = known.container.name.clone();
        match end(&known)? {
            0 => tell(&format!("ce-env: {done} container {container}\n")),
            calls => refused = Err(EnvError::Busy { container, calls }),
        }
    }
    refused
}

fn print(text: &str) -> Result<(), EnvError> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    Ok(stdout.flush()?)
}

/// Nothing can be done about a standard error that takes no text.
fn tell(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}
