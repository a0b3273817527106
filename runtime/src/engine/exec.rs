//! The verb that runs a command in a container, and what a command is.

use std::{fmt, io, ops::ControlFlow, sync::Arc};

use super::error::EngineError;

/// The user id of root, as [`Exec::user`] takes it.
pub const ROOT: &str = "0";

/// The longest single argument or `NAME=value` that Linux passes to a program, in bytes, without the final NUL
/// (`MAX_ARG_STRLEN`, 32 pages).
pub const LONGEST_ARGUMENT: usize = 131_071;

/// The most that all arguments and variables of a command may come to together, in bytes: a quarter of the usual
/// 8 MiB stack, less what the daemon adds.
pub const LONGEST_COMMAND: usize = 2_060_000;

/// The verb that runs commands.
pub trait Execs {
    /// Runs a command in a running container, which reads nothing, and gives its exit status once its output has ended. Each piece of
    /// output goes to `output` as it comes, in order within a stream; a slow `output` slows the command down.
    ///
    /// Processes that the command leaves behind may keep its output open. Once `output` has answered
    /// [`ControlFlow::Break`], the end of the command itself is enough; what is on its way is still given to `output`. An
    /// engine that does not tell that end soon is not waited for: the answer is 0 then.
    ///
    /// A program that cannot be started is no error here: the daemon says 126 and writes its reason to stdout.
    ///
    /// # Errors
    /// [`EngineError::NoSuchContainer`], [`EngineError::NotRunning`] and [`EngineError::Paused`] before anything ran;
    /// [`EngineError::ArgumentTooLong`] likewise; [`EngineError::Lost`] when the connection broke, so that the command
    /// may run on and its exit status is unknown; [`EngineError::Output`] when `output` failed (the command may run on
    /// then too).
    fn exec(&self, id: &str, exec: &Exec, output: &mut Sink<'_>) -> Result<i32, EngineError>;

    /// Starts a command in a running container, whose standard input is sent piece by piece.
    /// When what this gives is dropped, the input has ended, and the command may run on.
    ///
    /// # Errors
    /// As for [`Execs::exec`], before anything ran.
    fn converse<'e>(&'e self, id: &str, exec: &Exec) -> Result<Box<dyn Conversation + 'e>, EngineError>;
}

/// A command that runs, and is talked to.
pub trait Conversation {
    /// Sends bytes to its standard input. What it writes meanwhile is kept.
    ///
    /// # Errors
    /// [`EngineError::Lost`] when the connection broke; a command that has ended takes what is sent to it.
    fn send(&mut self, bytes: &[u8]) -> Result<(), EngineError>;

    /// The next piece of its output, waited for; `None` once that has ended.
    ///
    /// # Errors
    /// [`EngineError::Lost`] when the connection broke.
    fn receive(&mut self) -> Result<Option<(Stream, Vec<u8>)>, EngineError>;

    /// From now on it reads what this process reads on its own standard input; no more is sent.
    ///
    /// # Errors
    /// [`EngineError::Client`] when no thread can be had for that.
    fn pass_input(&mut self) -> Result<(), EngineError>;

    /// Its input ends; no more is sent.
    fn end_input(&mut self);

    /// Sends to its standard input from another thread while this one receives.
    fn orders(&mut self) -> Orders;

    /// Gives its terminal a size, once it runs, from any thread.
    fn resize(&self) -> Resize;

    /// Its exit status, when its output has ended.
    ///
    /// # Errors
    /// [`EngineError::Lost`] when it is not known.
    fn status(&mut self) -> Result<i32, EngineError>;
}

/// A way to send bytes to a command's standard input from any thread, while its output is received.
#[derive(Clone)]
pub struct Orders(Arc<SendBytes>);

type SendBytes = dyn Fn(&[u8]) + Send + Sync;

impl Orders {
    /// What sends, as well as it can: a command that has ended takes what is sent to it.
    pub fn new(send: impl Fn(&[u8]) + Send + Sync + 'static) -> Orders {
        Orders(Arc::new(send))
    }

    /// Sends bytes.
    pub fn send(&self, bytes: &[u8]) {
        (self.0)(bytes);
    }
}

impl fmt::Debug for Orders {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Orders")
    }
}

impl PartialEq for Orders {
    fn eq(&self, other: &Orders) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Orders {}

/// A way to give a command's terminal another size, from any thread; for one that has none, it does nothing.
#[derive(Clone)]
pub struct Resize(Arc<ResizeTo>);

type ResizeTo = dyn Fn(TerminalSize) + Send + Sync;

impl Resize {
    /// What does it, as well as it can.
    pub fn new(resize: impl Fn(TerminalSize) + Send + Sync + 'static) -> Resize {
        Resize(Arc::new(resize))
    }

    /// Does it.
    pub fn to(&self, size: TerminalSize) {
        (self.0)(size);
    }
}

impl fmt::Debug for Resize {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Resize")
    }
}

impl PartialEq for Resize {
    fn eq(&self, other: &Resize) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Resize {}

/// Takes a command's output, piece by piece, and tells whether more is awaited; see [`Execs::exec`].
pub type Sink<'a> = dyn FnMut(Stream, &[u8]) -> io::Result<ControlFlow<()>> + 'a;

/// A command to run in a container (Docker API, ContainerExec).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exec {
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// Environment, on top of the container's.
    pub env: Vec<(String, String)>,
    /// The user it runs as; `None` means the container's.
    pub user: Option<String>,
    /// The directory it starts in; `None` means the container's.
    pub working_dir: Option<String>,
    /// Whether its streams are a terminal, so that all that it prints is standard output; for [`Execs::converse`] alone.
    pub has_terminal: bool,
}

/// How large a terminal is, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TerminalSize {
    /// Its width.
    pub columns: u16,
    /// Its height.
    pub rows: u16,
}

/// One of a command's two outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Exec {
    /// A command as the container's own user, in its own directory, reading nothing.
    pub fn new<S: Into<String>>(argv: impl IntoIterator<Item = S>) -> Self {
        Self { argv: argv.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    /// The same as root.
    #[must_use]
    pub fn as_root(self) -> Self {
        Self { user: Some(ROOT.to_owned()), ..self }
    }

    /// Counts what will be passed to the program.
    ///
    /// # Errors
    /// [`EngineError::ArgumentTooLong`] for one string past [`LONGEST_ARGUMENT`], or all past [`LONGEST_COMMAND`].
    pub fn check_length(&self) -> Result<(), EngineError> {
        const POINTER_AND_NUL: usize = 9;
        let variables = self.env.iter().map(|(name, value)| name.len() + 1 + value.len());
        let mut total = 0;
        for bytes in self.argv.iter().map(String::len).chain(variables) {
            if bytes > LONGEST_ARGUMENT {
                return Err(EngineError::ArgumentTooLong { bytes, limit: LONGEST_ARGUMENT });
            }
            total += bytes + POINTER_AND_NUL;
        }
        if total > LONGEST_COMMAND {
            return Err(EngineError::ArgumentTooLong { bytes: total, limit: LONGEST_COMMAND });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_may_be_as_long_as_linux_allows_and_no_longer() {
        assert!(Exec::new(["true".into(), "x".repeat(131_071)]).check_length().is_ok());
        let error = Exec::new(["true".into(), "x".repeat(131_072)]).check_length().unwrap_err();
        assert_eq!(
            error.to_string(),
            "a command of 131072 bytes is longer than the 131071 that can be passed to a program"
        );
    }

    #[test]
    fn a_variable_counts_with_its_name() {
        let with = |length: usize| Exec { env: vec![("A".into(), "x".repeat(length))], ..Exec::new(["true"]) };
        assert!(with(131_069).check_length().is_ok());
        assert!(with(131_070).check_length().is_err());
    }

    #[test]
    fn many_strings_are_too_long_together() {
        assert!(Exec::new(vec!["x".repeat(1000); 2000]).check_length().is_ok());
        assert!(Exec::new(vec!["x".repeat(1000); 2095]).check_length().is_err());
    }
}
