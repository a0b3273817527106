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

use compeval_machine_image::{Kind, ensure};
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
    let docker = support::engine_for_tests(subject)?;
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
    assert_eq!(support::status_of(child.wait().unwrap()), Some(7));
    assert!(terminal.is_as_it_was());
}

#[test]
fn without_input_the_keyboard_interrupts_the_call() {
    let Some(computation) = computation("a terminal to look at") else { return };
    let terminal = Terminal::new(80, 24);
    let mut child = terminal.run(&computation.command(&["-t", "sh", "-c", "echo ready; exec sleep 60"]));
    terminal.awaits("ready");
    terminal.types("\x03");
    assert_eq!(support::status_of(child.wait().unwrap()), Some(130));
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
    assert_eq!(support::status_of(child.wait().unwrap()), Some(0));
    terminal.awaits("\u{1}abc\n\u{2}\0\0rest of it, long enough\nend\n");
    assert!(terminal.is_as_it_was());
}

#[test]
fn every_byte_that_is_typed_arrives() {
    let Some(computation) = computation("bytes that are typed") else { return };
    let all: Vec<u8> = (0..=255).collect();
    // Byte by byte, and at once; what the engine's own client takes for its end is among it.
    for pieces in [all.chunks(1).collect::<Vec<_>>(), vec![&all], vec![b"\x10", b"\x11", &all[2..]]] {
        let terminal = Terminal::new(80, 24);
        let script = "stty raw -echo; echo ready; head -c 256 >\"$GFSDIR/typed\"";
        let mut child = terminal.run(&computation.command(&["-it", "--entrypoint", "sh", "--", "-c", script]));
        terminal.awaits("ready");
        let typed = pieces.concat();
        for piece in pieces {
            (&terminal.master).write_all(piece).unwrap();
            sleep(Duration::from_millis(3));
        }
        assert_eq!(support::status_of(child.wait().unwrap()), Some(0));
        assert_eq!(std::fs::read(computation.storage().join("typed")).unwrap(), typed);
    }
}

#[test]
fn an_interrupt_ends_a_loop_of_calls_too() {
    let Some(computation) = computation("loops") else { return };
    for script in ["next_stage && true\n", "next_stage && true\nnext_stage && echo ready && sleep 60\n"] {
        computation.write("docker-setup.sh", script);
        let terminal = Terminal::new(80, 24);
        let called = computation.command(&["-v", "sh", "-c", "echo ready; sleep 60"]);
        let mut shell = computation.command(&[]);
        let text = "for i in 1 2 3; do echo turn $i; \"$@\"; done";
        let mut bash = Command::new("bash");
        bash.args(["-c", text, "bash"]).arg(called.get_program()).args(called.get_args());
        bash.envs(shell.get_envs().filter_map(|(name, value)| Some((name, value?))));
        shell.current_dir(computation.directory());
        bash.current_dir(computation.directory());
        let mut child = terminal.run(&bash);
        terminal.awaits("ready");
        terminal.types("\x03");
        assert_eq!(support::status_of(child.wait().unwrap()), Some(130));
        assert!(!terminal.shown().contains("turn 2"), "{}", terminal.shown());
    }
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
        assert_eq!(support::status_of(child.wait().unwrap()), Some(status), "{signal}");
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
    assert_eq!(support::status_of(child.wait().unwrap()), Some(0));
}

/// What a terminal of so many columns shows at the end, line by line: text, `\r`, and the few sequences that a spinner is
/// drawn with.
fn screen(bytes: &str, columns: usize) -> Vec<String> {
    let (mut lines, mut row, mut column) = (vec![Vec::new()], 0_usize, 0_usize);
    let mut letters = bytes.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\n' => row += 1,
            '\r' => column = 0,
            '\x1b' => {
                let sequence: String = letters.by_ref().take_while(|letter| !letter.is_ascii_alphabetic()).collect();
                assert!(sequence.starts_with('['), "{sequence:?} in {bytes:?}");
                let sent = &bytes[..bytes.len() - letters.as_str().len()];
                let number = sequence[1..].parse().unwrap_or(1);
                match sent.chars().last().unwrap() {
                    'A' => row = row.saturating_sub(number),
                    'B' => row += number,
                    'K' if sequence == "[2" => lines[row] = Vec::new(),
                    'K' => lines[row].truncate(column),
                    'm' => {}
                    other => unreachable!("{sequence:?}{other} in {bytes:?}"),
                }
            }
            letter => {
                if column == columns {
                    (row, column) = (row + 1, 0);
                    lines.resize(lines.len().max(row + 1), Vec::new());
                }
                let line = &mut lines[row];
                line.resize(line.len().max(column + 1), ' ');
                line[column] = letter;
                column += 1;
            }
        }
        lines.resize(lines.len().max(row + 1), Vec::new());
    }
    let lines = lines.into_iter().map(|line| line.into_iter().collect::<String>());
    lines.map(|line| line.trim_end().to_owned()).filter(|line| !line.is_empty()).collect()
}

/// The same without what differs from run to run: times, and the name of the container.
fn without_times(lines: Vec<String>) -> Vec<String> {
    let is_time = |word: &str| word.contains('.') && word.parse::<f64>().is_ok();
    let told = |word: &str| match word {
        word if is_time(word) => "N".to_owned(),
        word if word.starts_with("ce-align-") => "NAME".to_owned(),
        word => word.to_owned(),
    };
    lines.iter().map(|line| line.split(' ').map(told).collect::<Vec<_>>().join(" ")).collect()
}

/// A call whose setup is shown on a terminal of so many columns.
fn setup_at(terminal: &Terminal, computation: &Computation, arguments: &[&str]) -> Child {
    let mut command = computation.command(arguments);
    command.env("TERM", "xterm").env("LC_ALL", "C.UTF-8").env_remove("CI");
    terminal.run(&command)
}

const SETUP: &str = "\
# The tools that everything needs, of which there are too many for a narrow terminal
next_stage && printf 'one\\ntwo\\n\\033[31mthree\\033[0m\\nfour\\n10 %%\\r20 %%\\r' && sleep 1.5
everytime && true
";

fn new_computation(subject: &str, script: &str) -> Option<Computation> {
    let docker = support::engine_for_tests(subject)?;
    let image = ensure(&docker, Kind::Dash).unwrap();
    Some(Computation::new(docker, &image, script))
}

#[test]
fn a_setup_is_shown_while_it_goes_on_and_leaves_a_line_a_step() {
    for columns in [40, 200] {
        let Some(computation) = new_computation("a setup at a terminal", SETUP) else { return };
        let terminal = Terminal::new(columns, 24);
        let mut child = setup_at(&terminal, &computation, &["echo", "done"]);
        terminal.awaits("20 %");
        let shown = screen(&terminal.shown(), columns.into()).join("\n");
        assert!(shown.ends_with("\n    three\n    four\n    20 %"), "{shown}");
        assert_eq!(support::status_of(child.wait().unwrap()), Some(0));
        terminal.awaits("done\r\n");
        let shown = terminal.shown();
        assert!(!shown.contains("\x1b[?25l"), "the cursor is never hidden: {shown:?}");
        let lines = without_times(screen(&shown, columns.into()));
        let title = match columns {
            40 => "The tools that every…",
            _ => "The tools that everything needs, of which there are too many ...",
        };
        let stage = format!("✓ stage 1  {title}  N s");
        assert!(lines[0].starts_with("✓ creating container NAME"), "{lines:?}");
        assert_eq!(lines[lines.len() - 3..], [stage.as_str(), "✓ everytime  true  N s", "done"]);
        // A steady call has nothing to tell.
        let terminal = Terminal::new(columns, 24);
        assert_eq!(setup_at(&terminal, &computation, &["echo", "done"]).wait().unwrap().code(), Some(0));
        terminal.awaits("done\r\n");
        assert_eq!(terminal.shown(), "done\r\n");
    }
}

#[test]
fn whatever_ends_a_setup_nothing_of_the_spinner_stays() {
    let script = "next_stage && echo begun && sleep 41\n";
    for (signal, status) in [("INT", 130), ("TERM", 143)] {
        let Some(computation) = new_computation("interrupted setups at a terminal", script) else { return };
        let terminal = Terminal::new(200, 24);
        let mut child = setup_at(&terminal, &computation, &["true"]);
        terminal.awaits("    begun");
        support::sh(&computation.top(), &format!("kill -{signal} {}", child.id()));
        assert_eq!(support::status_of(child.wait().unwrap()), Some(status), "{signal}");
        terminal.awaits("--retry true\r\n");
        let lines = screen(&terminal.shown(), 200);
        let told = without_times(lines.clone());
        assert_eq!(told[1], "✗ stage 1  echo begun && sleep 41  stopped  N s");
        assert_eq!(told[2], "ce-run: interrupted: stage 1 was stopped");
    }
}

#[test]
fn a_steady_call_that_takes_long_is_shown() {
    let Some(computation) = new_computation("a slow call at a terminal", "# The mirror\neverytime && sleep 3\n") else {
        return;
    };
    computation.call(&["true"]).text();
    let terminal = Terminal::new(80, 24);
    let mut child = setup_at(&terminal, &computation, &["echo", "done"]);
    terminal.awaits(" everytime  The mirror  ");
    assert_eq!(support::status_of(child.wait().unwrap()), Some(0));
    terminal.awaits("done\r\n");
    assert_eq!(without_times(screen(&terminal.shown(), 80)), ["✓ everytime  The mirror  N s", "done"]);
}
