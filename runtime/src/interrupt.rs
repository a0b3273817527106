//! A signal that ends a setup or a call, and what of ours runs in the container meanwhile: that gets it.

use std::{
    ops::ControlFlow,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{self, RecvTimeoutError},
    },
    time::{Duration, Instant},
};

use compeval_interpreter::dispatch::{Cancel, Kind};

use crate::engine::{Engine, EngineError, Exec, Orders, Resize};

/// How long a stretch of the setup may take to end by itself before it is killed.
pub(crate) const GRACE: Duration = Duration::from_secs(5);
/// How long to wait for something to signal, when nothing runs in the container.
const NOTHING_RUNS: Duration = Duration::from_secs(5);
/// How often to look around.
pub(crate) const LOOK_AROUND: Duration = Duration::from_millis(20);
/// How often to look whether the shell of a stretch has left processes behind.
const SWEEP: Duration = Duration::from_millis(200);

/// A signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signal {
    /// Its number on this machine.
    pub number: i32,
    /// Its name without `SIG`.
    pub name: &'static str,
}

/// Something of ours that runs in a container, and leads a process group there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    /// The container's id.
    pub container: String,
    /// The process id there.
    pub process: u32,
    /// The stretch of the setup that it is; `None` for the command that was called.
    pub stretch: Option<Kind>,
    /// Who passes signals on to it, by their names; without, that takes a shell of its own.
    pub orders: Option<Orders>,
    /// Its terminal, if it has one.
    pub terminal: Option<Resize>,
}

/// What a thread that takes signals shares with the one that sets up and calls.
#[derive(Clone, Debug, Default)]
pub struct Interrupt {
    cancel: Cancel,
    state: Arc<Mutex<Interruption>>,
}

#[derive(Debug, Default)]
struct Interruption {
    signal: Option<Signal>,
    running: Option<Running>,
    stopped: Option<Kind>,
    has_passed_on: bool,
    /// Signals for a command that had not begun yet, as far as is known here: it may run already.
    early: Vec<&'static str>,
}

impl Interrupt {
    /// Sends what runs a signal that came; see [`send`].
    ///
    /// # Errors
    /// As [`send`].
    pub fn pass_on(
        &self,
        engine: &dyn Engine,
        shell: &str,
        running: &Running,
        signal: &str,
    ) -> Result<(), EngineError> {
        self.state().has_passed_on = true;
        send(engine, shell, running, signal)
    }

    /// Whether what runs was sent a signal that came.
    pub fn has_passed_on(&self) -> bool {
        self.state().has_passed_on
    }

    /// The signal that ends the setup, if one came.
    pub fn signal(&self) -> Option<Signal> {
        self.state().signal
    }

    /// What runs in a container now.
    pub fn running(&self) -> Option<Running> {
        self.state().running.clone()
    }

    /// The command that runs; where none does, yet, it gets `signal` when it begins.
    pub fn command_for(&self, signal: &'static str) -> Option<Running> {
        let mut state = self.state();
        let command = state.running.clone().filter(|running| running.stretch.is_none());
        if command.is_none() && !state.early.contains(&signal) {
            state.early.push(signal);
        }
        command
    }

    /// The stretch that was running when the signal came.
    pub(crate) fn stopped(&self) -> Option<Kind> {
        self.state().stopped
    }

    /// Stops a walk through the script.
    pub(crate) fn cancel(&self) -> Cancel {
        self.cancel.clone()
    }

    pub(crate) fn begins(&self, running: Running) {
        let mut state = self.state();
        if let (None, Some(orders)) = (running.stretch, &running.orders) {
            std::mem::take(&mut state.early)
                .into_iter()
                .for_each(|signal| orders.send(format!("{signal}\n").as_bytes()));
        }
        state.running = Some(running);
    }

    pub(crate) fn ends(&self) {
        let mut state = self.state();
        let ended = state.running.take();
        if state.signal.is_some() {
            state.stopped = ended.and_then(|running| running.stretch).or(state.stopped);
        }
    }

    /// Waits for so long, or for a signal: then gives that.
    pub(crate) fn sleep(&self, time: Duration) -> Option<Signal> {
        let end = Instant::now() + time;
        while self.signal().is_none() && Instant::now() < end {
            std::thread::sleep(LOOK_AROUND.min(time));
        }
        self.signal()
    }

    /// Ends the setup for a signal, for as long as this process lives: a stretch that runs gets the signal, and what it
    /// leaves behind is killed; so is the stretch when it does not end in time, unless it was interrupted from a
    /// keyboard (INT), for then another interrupt may come. Returns true when the command was started meanwhile and so
    /// got the signal; false when nothing of ours runs in a container and yet this process does not end.
    pub fn stop(&self, engine: &dyn Engine, shell: &str, signal: Signal) -> bool {
        self.state().signal.get_or_insert(signal);
        self.cancel.cancel();
        let (mut seen, mut known, mut begun) = (Instant::now(), None, Instant::now());
        while seen.elapsed() < NOTHING_RUNS {
            if let Some(running) = self.running() {
                if known.as_ref() != Some(&running) {
                    let _ = send(engine, shell, &running, signal.name);
                    if running.stretch.is_none() {
                        return true;
                    }
                    (known, begun) = (Some(running), Instant::now());
                } else if begun.elapsed() > GRACE && signal.name != "INT" {
                    let _ = send(engine, shell, &running, "KILL");
                } else {
                    let _ = sweep(engine, shell, &running);
                }
                seen = Instant::now();
                std::thread::sleep(SWEEP);
            }
            std::thread::sleep(LOOK_AROUND);
        }
        false
    }

    /// Does a task; what it runs in a container for longer than `limit` is stopped as by TERM, with all that it leaves
    /// behind. Tells whether that was so.
    pub(crate) fn limited<T>(
        &self,
        engine: &dyn Engine,
        shell: &str,
        limit: Option<Duration>,
        task: impl FnOnce() -> T,
    ) -> (T, bool) {
        let Some(limit) = limit else { return (task(), false) };
        let (ended, end) = mpsc::channel::<()>();
        std::thread::scope(|scope| {
            let watch = scope.spawn(move || self.overruns(engine, shell, limit, &end));
            let done = task();
            drop(ended);
            (done, watch.join().unwrap_or(false))
        })
    }

    fn overruns(&self, engine: &dyn Engine, shell: &str, limit: Duration, end: &mpsc::Receiver<()>) -> bool {
        let goes_on = |time| end.recv_timeout(time) == Err(RecvTimeoutError::Timeout);
        if !goes_on(limit) || self.signal().is_some() {
            return false;
        }
        let begun = Instant::now();
        let mut name = "TERM";
        loop {
            if let Some(running) = self.running() {
                let _ =
                    if name.is_empty() { sweep(engine, shell, &running) } else { send(engine, shell, &running, name) };
                name = if begun.elapsed() > GRACE { "KILL" } else { "" };
            }
            if !goes_on(SWEEP) {
                return true;
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, Interruption> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sends a signal, by its name without `SIG`, to what runs and all its children: through its watchdog, if it has one, else
/// through the container's own `shell`.
///
/// # Errors
/// As for [`Execs::exec`](crate::engine::Execs::exec). Something that has ended is no error.
pub fn send(engine: &dyn Engine, shell: &str, running: &Running, signal: &str) -> Result<(), EngineError> {
    if let Some(orders) = &running.orders {
        orders.send(format!("{signal}\n").as_bytes());
        return Ok(());
    }
    // The one spelling that dash, bash and busybox all understand.
    in_shell(engine, shell, running, &format!("kill -{signal} -{}", running.process))
}

/// Kills what is left of a process group whose leader has ended: in a shell that cannot be asked, what runs in the
/// background ignores INT and QUIT (POSIX 2.11), and keeps the output open.
fn sweep(engine: &dyn Engine, shell: &str, running: &Running) -> Result<(), EngineError> {
    let process = running.process;
    in_shell(engine, shell, running, &format!("kill -0 {process} 2>/dev/null || kill -KILL -{process} 2>/dev/null"))
}

fn in_shell(engine: &dyn Engine, shell: &str, running: &Running, text: &str) -> Result<(), EngineError> {
    let exec = Exec::new([shell, "-c", text]).as_root();
    engine.exec(&running.container, &exec, &mut |_, _| Ok(ControlFlow::Continue(()))).map(drop)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::engine::{ContainerSpec, Containers, Execs, memory::Memory};

    const TERM: Signal = Signal { number: 15, name: "TERM" };
    const INT: Signal = Signal { number: 2, name: "INT" };

    fn container() -> (Memory, String) {
        let memory = Memory::new().unwrap();
        memory.add_image("base");
        let id = memory.create("one", &ContainerSpec { image: "base".into(), ..ContainerSpec::default() }).unwrap();
        memory.start(&id).unwrap();
        (memory, id)
    }

    /// Runs a script that first prints its process id, and does something to it; gives its status.
    fn while_running(script: &str, stretch: Option<Kind>, task: impl FnOnce(&Memory, &Running)) -> i32 {
        let (memory, container) = container();
        let (tell, told) = mpsc::channel();
        std::thread::scope(|scope| {
            let command = scope.spawn(|| {
                memory.exec(&container, &Exec::new(["sh", "-c", script]), &mut |_, bytes| {
                    // A shell may say more, of what it was sent.
                    if let Ok(process) = String::from_utf8_lossy(bytes).trim().parse() {
                        let _ = tell.send(process);
                    }
                    Ok(ControlFlow::Continue(()))
                })
            });
            let running = Running {
                container: container.clone(),
                process: told.recv().unwrap(),
                stretch,
                orders: None,
                terminal: None,
            };
            task(&memory, &running);
            command.join().unwrap().unwrap()
        })
    }

    #[test]
    fn a_signal_goes_through_the_shell_that_the_container_has() {
        let elsewhere = tempfile::tempdir().unwrap();
        let shell = elsewhere.path().join("sh");
        std::os::unix::fs::symlink("/bin/sh", &shell).unwrap();
        let status = while_running("echo $$; exec sleep 1", None, |memory, running| {
            send(memory, "/no/such/shell", running, "KILL").unwrap();
            send(memory, &shell.to_string_lossy(), running, "TERM").unwrap();
        });
        assert_eq!(status, 143);
    }

    #[test]
    fn a_stretch_is_stopped_with_what_it_leaves_behind() {
        let begun = Instant::now();
        // In the background, INT is ignored.
        let script = "sleep 60 & echo $$; wait; echo not reached";
        let status = while_running(script, Some(Kind::Stage(1)), |memory, running| {
            let interrupt = Interrupt::default();
            interrupt.begins(running.clone());
            std::thread::scope(|scope| {
                scope.spawn(|| interrupt.stop(memory, "sh", INT));
                std::thread::sleep(Duration::from_millis(800));
                interrupt.ends();
            });
            assert_eq!((interrupt.signal(), interrupt.stopped()), (Some(INT), Some(Kind::Stage(1))));
        });
        assert_eq!(status, 130);
        assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
    }

    #[test]
    fn what_does_not_end_is_killed() {
        let script = "trap '' TERM; echo $$; while :; do sleep 0.1; done";
        let status = while_running(script, Some(Kind::Everytime), |memory, running| {
            let interrupt = Interrupt::default();
            interrupt.begins(running.clone());
            let of_another = interrupt.clone();
            std::thread::scope(|scope| {
                scope.spawn(|| interrupt.stop(memory, "sh", TERM));
                std::thread::sleep(GRACE + Duration::from_secs(1));
                of_another.ends();
            });
        });
        assert_eq!(status, 137);
    }

    #[test]
    fn what_takes_too_long_is_stopped_with_what_it_leaves_behind() {
        for (script, limit, status, is_over) in [
            ("echo $$; sleep 0.2", 60_000, 0, false),
            ("sleep 60 & echo $$; wait", 200, 143, true),
            ("trap '' TERM; echo $$; sleep 60", 200, 137, true),
        ] {
            let interrupt = Interrupt::default();
            let (memory, container) = container();
            let (ended, overran) = interrupt.limited(&memory, "sh", Some(Duration::from_millis(limit)), || {
                memory.exec(&container, &Exec::new(["sh", "-c", script]), &mut |_, bytes| {
                    if let Ok(process) = String::from_utf8_lossy(bytes).trim().parse() {
                        let stretch = Some(Kind::Stage(1));
                        interrupt.begins(Running {
                            container: container.clone(),
                            process,
                            stretch,
                            orders: None,
                            terminal: None,
                        });
                    }
                    Ok(ControlFlow::Continue(()))
                })
            });
            assert_eq!((ended.unwrap(), overran), (status, is_over), "{script}");
        }
    }

    #[test]
    fn a_command_that_has_begun_meanwhile_gets_the_signal_once() {
        let script = "trap 'exit 40' TERM; echo $$; while :; do sleep 0.02; done";
        let status = while_running(script, None, |memory, running| {
            let interrupt = Interrupt::default();
            std::thread::scope(|scope| {
                let stopping = scope.spawn(|| interrupt.stop(memory, "sh", TERM));
                std::thread::sleep(Duration::from_millis(100));
                interrupt.begins(running.clone());
                assert!(stopping.join().unwrap());
            });
        });
        assert_eq!(status, 40);
    }
}
