//! Starting a command from the first process of a container.

use std::{
    collections::BTreeMap,
    ffi::CString,
    fs::File,
    io,
    os::{fd::OwnedFd, unix::fs::OpenOptionsExt},
    process::{Command, Stdio},
};

use rustix::{
    process::{Gid, Pid},
    pty::OpenptFlags,
    thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid},
};

use crate::{
    caller::Caller,
    passwd::{self, User},
    protocol::Launch,
    record::StoredContainer,
    sys,
};

/// Where programs are looked for, unless the image says otherwise.
const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The exit status of what cannot be run, and of what is not there (POSIX 2.8.2, Exit Status for Commands).
const CANNOT_RUN: i32 = 126;
const NOT_FOUND: i32 = 127;

/// Added to the number of an error that came before the program was tried: which step it was is lost otherwise.
const IN_DIRECTORY: i32 = 10_000;
const IN_USER: i32 = 20_000;

/// What a command has around it.
pub(crate) struct LaunchSurroundings<'c> {
    pub(crate) container: &'c StoredContainer,
    /// Whether root is all there is.
    pub(crate) is_single: bool,
    /// Whether the groups of who started the container are out of reach.
    pub(crate) is_rootless: bool,
}

/// Why a command is not run.
pub(crate) struct Refusal {
    /// The exit status that a shell would give; `None` when there is nobody to run it as.
    pub(crate) status: Option<i32>,
    pub(crate) words: String,
}

impl Refusal {
    fn new(status: i32, words: String) -> Refusal {
        Refusal { status: Some(status), words }
    }
}

/// Starts a command in a session of its own, and gives its process and the other end of its terminal.
///
/// # Errors
/// Why it cannot be run.
pub(crate) fn launch(
    launch: Launch,
    streams: Vec<OwnedFd>,
    caller: Caller,
    around: &LaunchSurroundings<'_>,
) -> Result<(Pid, Option<OwnedFd>), Refusal> {
    let cannot = |error: io::Error| Refusal::new(CANNOT_RUN, error.to_string());
    let setup = &around.container.setup;
    let name = launch.user.as_deref().unwrap_or(&setup.user);
    let user = passwd::find(name).map_err(|error| Refusal { status: None, words: error.to_string() })?;
    if around.is_single && !user.uid.is_root() {
        let words = format!("user `{name}`: root is all there is, as this account has no row in /etc/subuid");
        return Err(Refusal { status: None, words });
    }
    let (streams, terminal) = match launch.has_terminal {
        true => terminal().map(|(streams, terminal)| (streams, Some(terminal))).map_err(cannot)?,
        false => (streams, None),
    };
    let [stdin, stdout, stderr] = <[OwnedFd; 3]>::try_from(streams)
        .map_err(|_| Refusal::new(CANNOT_RUN, "the three streams did not come along".to_owned()))?;
    let program = launch.argv.first().ok_or_else(|| Refusal::new(CANNOT_RUN, "there is no command".to_owned()))?;
    let directory = [launch.working_dir.as_deref().unwrap_or_default(), &setup.working_dir, "/"];
    let directory = directory.into_iter().find(|directory| !directory.is_empty()).unwrap_or("/").to_owned();
    let mut command = Command::new(program);
    command.stdin(Stdio::from(stdin)).stdout(Stdio::from(stdout)).stderr(Stdio::from(stderr));
    let home = format!("HOME={}", user.home);
    let terminals = launch.has_terminal.then_some("TERM=xterm");
    let defaults = [PATH, home.as_str()].into_iter().chain(terminals);
    let env = defaults.chain(setup.env.iter().chain(&launch.env).map(String::as_str));
    let variables: BTreeMap<&str, &str> = env.filter_map(|pair| pair.split_once('=')).collect();
    let path = variables.get("PATH").copied().unwrap_or_default();
    let text = |text: String| CString::new(text).map_err(|_| Refusal::new(CANNOT_RUN, "a NUL in an argument".into()));
    let child = Child {
        programs: places(program, path).into_iter().map(text).collect::<Result<_, _>>()?,
        arguments: launch.argv.iter().cloned().map(text).collect::<Result<_, _>>()?,
        variables: variables.iter().map(|(name, value)| text(format!("{name}={value}"))).collect::<Result<_, _>>()?,
        has_terminal: launch.has_terminal,
        caller,
        groups: groups(&user, around),
        user,
        directory: directory.clone(),
    };
    sys::before_exec(&mut command, move || child.prepare());
    let started = command.spawn().map_err(|error| refusal(&error, program, &directory, name))?;
    let pid = i32::try_from(started.id()).ok().and_then(Pid::from_raw);
    Ok((pid.ok_or_else(|| Refusal::new(CANNOT_RUN, "a process without a number".to_owned()))?, terminal))
}

/// Where a program may be (POSIX 2.9.1.4, Command Search and Execution).
fn places(program: &str, path: &str) -> Vec<String> {
    if program.contains('/') {
        return vec![program.to_owned()];
    }
    let place = |directory: &str| format!("{}/{program}", if directory.is_empty() { "." } else { directory });
    path.split(':').map(place).collect()
}

/// The further groups of a command; `None` leaves those of the container's first process.
fn groups(user: &User, around: &LaunchSurroundings<'_>) -> Option<Vec<Gid>> {
    if around.is_rootless {
        // Those that the caller has on the host cannot be chosen, but kept.
        return (!user.uid.is_root()).then(|| user.groups.clone());
    }
    let further = around.container.setup.groups.iter().copied().map(Gid::from_raw);
    Some(user.groups.iter().copied().chain(further).collect())
}

/// A new terminal inside: three times the end for a command, and the other one.
fn terminal() -> io::Result<(Vec<OwnedFd>, OwnedFd)> {
    let ours = File::options().read(true).write(true).custom_flags(libc::O_NOCTTY).open("/dev/pts/ptmx")?;
    rustix::pty::unlockpt(&ours)?;
    let theirs = rustix::pty::ioctl_tiocgptpeer(&ours, OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    Ok((vec![theirs.try_clone()?, theirs.try_clone()?, theirs], ours.into()))
}

fn refusal(error: &io::Error, program: &str, directory: &str, user: &str) -> Refusal {
    let system = |number: i32| io::Error::from_raw_os_error(number);
    match error.raw_os_error() {
        Some(number) if number >= IN_USER => {
            Refusal::new(CANNOT_RUN, format!("user `{user}`: {}", system(number - IN_USER)))
        }
        Some(number) if number >= IN_DIRECTORY => {
            Refusal::new(CANNOT_RUN, format!("directory `{directory}`: {}", system(number - IN_DIRECTORY)))
        }
        Some(libc::ENOENT) => Refusal::new(NOT_FOUND, format!("`{program}`: {error}")),
        _ => Refusal::new(CANNOT_RUN, format!("`{program}`: {error}")),
    }
}

/// What the child does before it is the program.
struct Child {
    programs: Vec<CString>,
    arguments: Vec<CString>,
    variables: Vec<CString>,
    has_terminal: bool,
    caller: Caller,
    user: User,
    groups: Option<Vec<Gid>>,
    directory: String,
}

impl Child {
    fn prepare(&self) -> io::Result<()> {
        sys::default_signals()?;
        rustix::process::setsid()?;
        if self.has_terminal {
            rustix::process::ioctl_tiocsctty(rustix::stdio::stdin())?;
        }
        self.caller.apply();
        self.become_user().map_err(|error| in_step(&error, IN_USER))?;
        std::env::set_current_dir(&self.directory).map_err(|error| in_step(&error, IN_DIRECTORY))?;
        Err(sys::become_program(&self.programs, &self.arguments, &self.variables))
    }

    fn become_user(&self) -> io::Result<()> {
        let User { uid, gid, .. } = self.user;
        if let Some(groups) = &self.groups {
            set_thread_groups(groups)?;
        }
        if !uid.is_root() || !gid.is_root() {
            set_thread_res_gid(gid, gid, gid)?;
            set_thread_res_uid(uid, uid, uid)?;
        }
        Ok(())
    }
}

fn in_step(error: &io::Error, step: i32) -> io::Error {
    io::Error::from_raw_os_error(step + error.raw_os_error().unwrap_or(0))
}
