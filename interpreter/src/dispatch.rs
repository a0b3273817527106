//! Somewhere to run stretches of script: the trait, and those that know no container.

pub mod answers;
pub mod dry_run;
pub mod local;
pub mod request;

pub use request::{Cancel, Delegation, Kind, Request, Response};

/// The place where stretches run is gone, or cannot be used: the run stops.
#[derive(Debug, thiserror::Error)]
#[error("{doing}")]
pub struct DispatchError {
    /// What could not be done.
    pub doing: String,
    /// Why.
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// Somewhere with a shell.
///
/// An implementation makes the program of a request, runs it as `sh -c PROGRAM` with an empty standard input, hands
/// standard output and standard error to the program's [`Output`](crate::program::Output), and answers with what that found.
pub trait Dispatcher {
    /// Runs a stretch. A status other than 0 is an answer, not an error.
    ///
    /// # Errors
    /// When nothing can be run there any more.
    fn dispatch(&mut self, request: &Request<'_>) -> Result<Response, DispatchError>;
}
