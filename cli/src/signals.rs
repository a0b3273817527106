//! Signals: what they do to a setup, and that the command gets them.

use std::{
    fs,
    io::{self, Write},
    process::ExitCode,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use compeval_runtime::{
    call::terminal,
    interrupt::{Interrupt, Running, Signal},
};
use signal_hook::{consts, iterator::Signals, low_level};

use crate::{engines, exit_status::FAILED, progress};

/// Lets signals end a setup, and passes them on to the command once that runs. An interrupt that is sent again kills; the
/// third one ends ce-run, whatever the engine does.
pub fn take(interrupt: Interrupt, shell: String) {
    // Under `nohup`, or in the background of a script, it stays ignored.
    let signals = SIGNALS.iter().filter(|signal| !is_ignored(signal.number)).chain(&PASSED_ON);
    let Ok(mut signals) = Signals::new(signals.map(|signal| signal.number)) else { return };
    std::thread::spawn(move || {
        let mut interrupts = 0;
        for number in signals.forever() {
            if let Some(signal) = PASSED_ON.iter().find(|signal| signal.number == number) {
                pass_on(&interrupt, &shell, *signal);
                continue;
            }
            let Some(signal) = SIGNALS.into_iter().find(|signal| signal.number == number) else { continue };
            if number == consts::SIGINT {
                interrupts += 1;
                INTERRUPTED.store(true, Ordering::Relaxed);
            }
            let running = interrupt.running();
            if interrupts > 2 && running.as_ref().is_none_or(|running| running.stretch.is_some()) {
                end(signal);
            }
            let name = if interrupts > 1 { "KILL" } else { signal.name };
            match running {
                Some(running) if running.stretch.is_none() || interrupts > 1 => {
                    if let Some(connected) = engines::again() {
                        let _ = interrupt.pass_on(connected.engine(), &shell, &running, name);
                    }
                }
                // Being stopped already.
                _ if interrupt.signal().is_some() => {}
                _ => stop(interrupt.clone(), shell.clone(), signal),
            }
        }
    });
}

/// Passes a signal on to the command that runs, if there is one. Who is to stop, stops himself behind that.
fn pass_on(interrupt: &Interrupt, shell: &str, signal: Signal) {
    match interrupt.command_for(signal.name) {
        // Its own terminal tells it.
        Some(Running { terminal: Some(resize), .. }) if signal.number == consts::SIGWINCH => {
            terminal::size().into_iter().for_each(|size| resize.to(size));
        }
        Some(running) => {
            if let Some(connected) = engines::again() {
                let _ = interrupt.pass_on(connected.engine(), shell, &running, signal.name);
            }
        }
        None => {}
    }
    if signal.number == consts::SIGCONT {
        terminal::resume();
    }
    if signal.number == consts::SIGTSTP {
        // The order is on its way before this thread stops.
        std::thread::sleep(Duration::from_millis(20));
        terminal::suspend();
        progress::aside(|| drop(low_level::emulate_default_handler(signal.number)));
    }
}

/// Ends the setup in a thread of its own.
fn stop(interrupt: Interrupt, shell: String, signal: Signal) {
    std::thread::spawn(move || {
        let reached = engines::again().is_some_and(|connected| interrupt.stop(connected.engine(), &shell, signal));
        if !reached {
            end(signal);
        }
    });
}

/// Ends ce-run while something else of it waits.
fn end(signal: Signal) -> ! {
    terminal::restore();
    progress::clear();
    let _ = writeln!(io::stderr(), "ce-run: interrupted");
    let status = u8::try_from(128 + signal.number).unwrap_or(FAILED);
    end_with(status);
    std::process::exit(i32::from(status))
}

/// Ends this process with an exit status: where `^C` has ended what it ran, by that, too. A shell that runs it in a loop
/// would go on otherwise.
pub fn end_with(status: u8) -> ExitCode {
    if INTERRUPTED.load(Ordering::Relaxed) && i32::from(status) == 128 + consts::SIGINT {
        let _ = low_level::emulate_default_handler(consts::SIGINT);
    }
    ExitCode::from(status)
}

/// Whether there was an interrupt.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// The signals that end a setup, and are passed on to the command.
const SIGNALS: [Signal; 6] = [
    Signal { number: consts::SIGTERM, name: "TERM" },
    Signal { number: consts::SIGINT, name: "INT" },
    Signal { number: consts::SIGHUP, name: "HUP" },
    Signal { number: consts::SIGQUIT, name: "QUIT" },
    Signal { number: consts::SIGUSR1, name: "USR1" },
    Signal { number: consts::SIGUSR2, name: "USR2" },
];

/// Those that end nothing, for the command alone. It is an orphan there, for which TSTP does nothing (POSIX 2.4.3 of the
/// System Interfaces): it is stopped as the job would be.
const PASSED_ON: [Signal; 3] = [
    Signal { number: consts::SIGWINCH, name: "WINCH" },
    Signal { number: consts::SIGTSTP, name: "STOP" },
    Signal { number: consts::SIGCONT, name: "CONT" },
];

/// Whether this process was started with a signal ignored (proc(5), `SigIgn`: bit 0 is signal 1).
fn is_ignored(signal: i32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default();
    mask >> (signal - 1) & 1 == 1
}
