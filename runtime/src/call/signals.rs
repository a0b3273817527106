//! Signals for a command that runs in a container.

use super::handshake::Running;
use crate::engine::{Engine, EngineError, Exec};

/// Sends a signal, by its name without `SIG`, to a command and all its children.
///
/// # Errors
/// As for [`Engine::exec`]. A command that has ended is no error.
pub fn signal(engine: &dyn Engine, container: &str, running: Running, signal: &str) -> Result<(), EngineError> {
    // The one spelling that dash, bash and busybox all understand.
    let kill = format!("kill -{signal} -{}", running.process);
    let exec = Exec { user: Some("0".to_owned()), ..Exec::new(["/bin/sh", "-c", &kill]) };
    engine.exec(container, &exec, &mut |_, _| Ok(())).map(drop)
}
