//! A dispatcher for tests: notes what it is asked.

use bstr::BString;

use super::{DispatchError, Dispatcher, Kind, Request, Response};

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
