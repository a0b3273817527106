//! Calls at a terminal, which the tests have the other end of.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

#[allow(dead_code, reason = "every test program uses its part of it")]
mod support;

use std::{
    fs::File,
    io::{Read, Write},
    os::fd::OwnedFd,
    process::{Child, Command},
    sync::{Arc, Mutex},
    thread::{self, sleep},
    time::{Duration, Instant},
};

use compeval_machine_image::{Kind, docker_for_tests, ensure};
use rustix::{
    fs::{Mode, OFlags},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize},
};

use support::Computation;

/// A terminal, and what it shows.
struct Terminal {
    master: File,
    slave: OwnedFd,
    shown: Arc<Mutex<Vec<u8>>>,
}

impl Terminal {
    fn new(columns: u16, rows: u16) -> Terminal {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let slave = rustix::fs::open(name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
        let terminal = Terminal { master: File::from(master), slave, shown: Arc::default() };
        terminal.resize(columns, rows);
        let (mut reader, shown) = (terminal.master.try_clone().unwrap(), Arc::clone(&terminal.shown));
        // It ends with the test program.
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(length @ 1..) = reader.read(&mut bytes) {
                shown.lock().unwrap().extend_from_slice(&bytes[..length]);
            }
        });
        terminal
    }

    fn resize(&self, columns: u16, rows: u16) {
        let size = Winsize { ws_col: columns, ws_row: rows, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&self.master, size).unwrap();
    }

    /// Runs a program in a session of its own at this terminal.
    fn run(&self, command: &Command) -> Child {
        let mut session = Command::new("setsid");
        session.args(["--ctty", "--wait"]).arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => session.env(name, value),
                None => session.env_remove(name),
            };
        }
        session.current_dir(command.get_current_dir().unwrap());
        let slave = || self.slave.try_clone().unwrap();
        session.stdin(slave()).stdout(slave()).stderr(slave()).spawn().unwrap()
    }

    fn types(&self, text: &str) {
        (&self.master).write_all(text.as_bytes()).unwrap();
    }

    fn shown(&self) -> String {
        String::from_utf8_lossy(&self.shown.lock().unwrap()).into_owned()
    }

    fn awaits(&self, text: &str) {
        let began = Instant::now();
        while !self.shown().contains(text) {
            assert!(began.elapsed() < Duration::from_secs(20), "{text:?} in {:?}", self.shown());
            sleep(Duration::from_millis(10));
        }
    }

    /// Whether what is typed is shown, line by line, as at the beginning.
    fn is_as_it_was(&self) -> bool {
        tcgetattr(&self.slave).unwrap().local_modes.contains(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG)
    }
}

fn computation(subject: &str) -> Option<Computation> {
    let docker = docker_for_tests(subject)?;
    let image = ensure(&docker, Kind::Dash).unwrap();
    let computation = Computation::new(docker, &image, "next_stage && true\n");
    computation.call(&["true"]).text();
    Some(computation)
}

#[test]
fn a_shell_at_a_terminal_is_typed_into() {
    let Some(computation) = computation("a shell at a terminal") else { return };
    let terminal = Terminal::new(91, 33);
    let mut child = terminal.run(&computation.command(&["-it", "--entrypoint", "sh"]));
    terminal.awaits("# ");
    assert!(!terminal.is_as_it_was());
    terminal.types("stty size; tty\r");
    terminal.awaits("33 91");
    terminal.awaits("/dev/pts/");
    terminal.resize(77, 22);
    sleep(Duration::from_millis(300));
    terminal.types("stty size\r");
    terminal.awaits("22 77");
    // An interrupt ends what runs, not the shell.
    terminal.types("sleep 60\r");
    sleep(Duration::from_millis(200));
    terminal.types("\x03");
    terminal.types("echo st''ill there\r");
    terminal.awaits("still there");
    terminal.types("exit 7\r");
    assert_eq!(child.wait().unwrap().code(), Some(7));
    assert!(terminal.is_as_it_was());
}

#[test]
fn without_input_the_keyboard_interrupts_the_call() {
    let Some(computation) = computation("a terminal to look at") else { return };
    let terminal = Terminal::new(80, 24);
    let mut child = terminal.run(&computation.command(&["-t", "sh", "-c", "echo ready; exec sleep 60"]));
    terminal.awaits("ready");
    terminal.types("\x03");
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(terminal.is_as_it_was());
}

#[test]
fn bytes_reach_a_terminal_as_they_are() {
    let Some(computation) = computation("bytes at a terminal") else { return };
    let terminal = Terminal::new(80, 24);
    // What looks like the head of a frame is none.
    let script =
        r"stty raw -echo; printf '\001abc\n'; sleep 0.2; printf '\002\000\000rest of it, long enough\n'; echo end";
    let mut child = terminal.run(&computation.command(&["-it", "--entrypoint", "sh", "--", "-c", script]));
    assert_eq!(child.wait().unwrap().code(), Some(0));
    terminal.awaits("\u{1}abc\n\u{2}\0\0rest of it, long enough\nend\n");
    assert!(terminal.is_as_it_was());
}

#[test]
fn whatever_ends_ce_run_the_terminal_is_as_it_was() {
    let Some(computation) = computation("ends at a terminal") else { return };
    for (signal, status) in [("TERM", 143), ("HUP", 129), ("INT", 130)] {
        let terminal = Terminal::new(80, 24);
        let mut child = terminal.run(&computation.command(&["-it", "sh", "-c", "echo ready; exec sleep 60"]));
        terminal.awaits("ready");
        // Where nothing is in its way, `setsid` becomes the program.
        support::sh(&computation.top(), &format!("kill -{signal} {}", child.id()));
        assert_eq!(child.wait().unwrap().code(), Some(status), "{signal}");
        assert!(terminal.is_as_it_was(), "{signal}");
    }
}

#[test]
fn without_a_terminal_there_is_none_for_the_command() {
    let Some(computation) = computation("no terminal") else { return };
    assert_eq!(computation.call(&["-it", "--entrypoint", "sh", "--", "-c", "[ -t 1 ] || cat; echo no"]).text(), "no\n");
}

#[test]
fn a_call_in_the_background_of_a_terminal_is_not_stopped() {
    let Some(computation) = computation("the background") else { return };
    let terminal = Terminal::new(80, 24);
    let mut shell = Command::new("bash");
    let call = computation.command(&["cat"]);
    let words = format!("{} cat && echo ended & wait", call.get_program().display());
    shell.args(["-mc", &words]).current_dir(computation.directory());
    for (name, value) in call.get_envs() {
        value.map(|value| shell.env(name, value));
    }
    let mut child = terminal.run(&shell);
    terminal.awaits("ended");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
