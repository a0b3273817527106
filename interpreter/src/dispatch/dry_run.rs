//! Answers that it cannot tell: nothing is run, and what hangs on an answer is marked as such.

use super::{
    DispatchError, Dispatcher,
    request::{Request, Response},
};

/// Runs nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct DryRun;

impl Dispatcher for DryRun {
    fn dispatch(&mut self, _: &Request<'_>) -> Result<Response, DispatchError> {
        Ok(Response::Unknown)
    }
}
