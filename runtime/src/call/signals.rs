//! Signals for a command that runs in a container.

use std::ops::ControlFlow;

use super::handshake::Running;
use crate::engine::{Engine, EngineError, Exec};

/// Sends a signal, by its name without `SIG`, to a command and all its children, through the container's own `shell`.
///
/// # Errors
/// As for [`Execs::exec`](crate::engine::Execs::exec). A command that has ended is no error.
pub fn signal(
    engine: &dyn Engine,
    container: &str,
    shell: &str,
    running: Running,
    signal: &str,
) -> Result<(), EngineError> {
    // The one spelling that dash, bash and busybox all understand.
    let kill = format!("kill -{signal} -{}", running.process);
    let exec = Exec { user: Some("0".to_owned()), ..Exec::new([shell, "-c", &kill]) };
    engine.exec(container, &exec, &mut |_, _| Ok(ControlFlow::Continue(()))).map(drop)
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, time::Duration};

    use super::*;
    use crate::engine::{ContainerSpec, Containers, Execs, memory::Memory};

    #[test]
    fn a_signal_goes_through_the_shell_that_the_container_has() {
        let memory = Memory::new().unwrap();
        memory.add_image("base");
        let id = memory.create("one", &ContainerSpec { image: "base".into(), ..ContainerSpec::default() }).unwrap();
        memory.start(&id).unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        let shell = elsewhere.path().join("sh");
        std::os::unix::fs::symlink("/bin/sh", &shell).unwrap();
        let (tell, told) = mpsc::channel();
        std::thread::scope(|scope| {
            let command = scope.spawn(|| {
                let exec = Exec::new(["sh", "-c", "echo $$; exec sleep 60"]);
                memory.exec(&id, &exec, &mut |_, bytes| {
                    tell.send(String::from_utf8_lossy(bytes).trim().parse().unwrap()).unwrap();
                    Ok(ControlFlow::Continue(()))
                })
            });
            let running = Running { process: told.recv().unwrap() };
            signal(&memory, &id, "/no/such/shell", running, "TERM").unwrap();
            std::thread::sleep(Duration::from_millis(50));
            assert!(!command.is_finished());
            signal(&memory, &id, &shell.to_string_lossy(), running, "TERM").unwrap();
            assert_eq!(command.join().unwrap().unwrap(), 143);
        });
    }
}
