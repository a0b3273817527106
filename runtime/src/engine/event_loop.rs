//! Waiting for what is asked over a connection: requests are futures, and all else in here is not.

use std::future::Future;

use super::error::EngineError;

pub(super) fn block_on<T>(future: impl Future<Output = T>) -> Result<T, EngineError> {
    Ok(event_loop()?.block_on(future))
}

pub(super) fn event_loop() -> Result<tokio::runtime::Runtime, EngineError> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(EngineError::Client)
}
