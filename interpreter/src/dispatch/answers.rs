//! Dispatchers for tests: one notes what is asked, one answers without a shell.

use bstr::BString;

use super::{
    DispatchError, Dispatcher,
    request::{Kind, Request, Response},
};

/// Notes every stretch, then has another dispatcher run it.
pub struct Noting<'d> {
    inner: &'d mut dyn Dispatcher,
    /// What was asked so far, in order.
    pub notes: Vec<(Kind, BString)>,
}

impl<'d> Noting<'d> {
    /// Notes what goes to `inner`.
    pub fn new(inner: &'d mut dyn Dispatcher) -> Noting<'d> {
        Noting { inner, notes: Vec::new() }
    }
}

impl Dispatcher for Noting<'_> {
    fn dispatch(&mut self, request: &Request<'_>) -> Result<Response, DispatchError> {
        self.notes.push((request.kind, request.text.clone()));
        self.inner.dispatch(request)
    }
}

/// Answers each stretch with an exit status, as if it had changed nothing; `None` where that cannot be told.
pub struct Answers<F>(pub F);

impl<F: FnMut(&Request<'_>) -> Option<i32>> Dispatcher for Answers<F> {
    fn dispatch(&mut self, request: &Request<'_>) -> Result<Response, DispatchError> {
        Ok((self.0)(request).map_or(Response::Unknown, |status| Response::unchanged(request, status)))
    }
}

impl<F> std::fmt::Debug for Answers<F> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Answers").finish_non_exhaustive()
    }
}
