//! A proxy in front of the engine's socket, which counts requests and lets one of them go wrong.

use std::{
    fs::File,
    io::{self, Read, Write},
    net::Shutdown,
    os::unix::net::{UnixListener, UnixStream},
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, Sender, channel},
    },
    thread,
    time::Duration,
};

use super::Run;

/// What goes wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The program is killed before its request is passed on.
    KillBefore,
    /// It is killed when the engine begins to answer.
    KillAfter,
    /// The connection ends before the request is passed on.
    CutBefore,
    /// The connection ends when the engine begins to answer.
    CutAfter,
    /// The engine refuses the request, with status 500.
    Refuse,
    /// The request takes its time.
    Delay,
}

impl Fault {
    pub(crate) const ALL: [Fault; 6] =
        [Fault::KillBefore, Fault::KillAfter, Fault::CutBefore, Fault::CutAfter, Fault::Refuse, Fault::Delay];
}

/// Which request something goes wrong with.
#[derive(Clone, Copy, Debug)]
pub(crate) enum At {
    /// The one with this number, from 1.
    Number(usize),
    /// The first whose line has these words, in their order; the next ones for numbers above 1.
    Line(&'static [&'static str], usize),
}

impl At {
    fn is(self, lines: &[String]) -> bool {
        let has = |line: &str, words: &[&str]| {
            words.iter().try_fold(line, |rest, word| rest.split_once(word).map(|(_, rest)| rest)).is_some()
        };
        match self {
            At::Number(number) => lines.len() == number,
            At::Line(words, number) => {
                lines.last().is_some_and(|line| has(line, words))
                    && lines.iter().filter(|line| has(line, words)).count() == number
            }
        }
    }
}

/// How a program fared behind the proxy.
#[derive(Debug)]
pub(crate) struct Fared {
    pub(crate) run: Run,
    /// The lines of its requests, in order.
    pub(crate) requests: Vec<String>,
    /// The one that went wrong.
    pub(crate) struck: Option<String>,
}

/// A proxy that listens in a directory.
pub(crate) struct Proxy {
    socket: PathBuf,
    state: Arc<State>,
    kills: Receiver<()>,
}

struct State {
    engine: PathBuf,
    /// What shall go wrong, until it has.
    plan: Mutex<Option<(At, Fault)>>,
    requests: Mutex<Vec<String>>,
    struck: Mutex<Option<String>>,
}

impl Proxy {
    pub(crate) fn new(directory: &Path) -> Proxy {
        let socket = directory.join("proxy.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let host = std::env::var("DOCKER_HOST").unwrap_or_default();
        let engine = host.strip_prefix("unix://").unwrap_or("/var/run/docker.sock").into();
        let (plan, requests, struck) = Default::default();
        let state = Arc::new(State { engine, plan, requests, struck });
        let (kill, kills) = channel();
        let shared = Arc::clone(&state);
        // It ends with the test program.
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (state, kill) = (Arc::clone(&shared), kill.clone());
                // Either end may be gone at any time: that is what this is for.
                thread::spawn(move || drop(state.serve(client, &kill)));
            }
        });
        Proxy { socket, state, kills }
    }

    /// Where it listens.
    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    /// Runs a program whose engine this is, with a fault on the way if there is one.
    pub(crate) fn run(&self, command: &mut Command, plan: Option<(At, Fault)>) -> Fared {
        *self.state.plan.lock().unwrap() = plan;
        self.state.requests.lock().unwrap().clear();
        *self.state.struck.lock().unwrap() = None;
        while self.kills.try_recv().is_ok() {}
        let output = |name| self.socket.with_file_name(name);
        let (out, err) = (output("stdout"), output("stderr"));
        command.env("DOCKER_HOST", format!("unix://{}", self.socket.display()));
        command.stdout(File::create(&out).unwrap()).stderr(File::create(&err).unwrap());
        let mut child = command.spawn().unwrap();
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            if self.kills.recv_timeout(Duration::from_millis(2)).is_ok() {
                child.kill().unwrap();
            }
        };
        *self.state.plan.lock().unwrap() = None;
        let text = |path| String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned();
        Fared {
            run: Run { stdout: text(out).into_bytes(), stderr: text(err), status: status.code() },
            requests: self.state.requests.lock().unwrap().clone(),
            struck: self.state.struck.lock().unwrap().take(),
        }
    }
}

impl State {
    /// Passes one connection on: the client library has one for each request.
    fn serve(&self, mut client: UnixStream, kill: &Sender<()>) -> io::Result<()> {
        let head = read_head(&mut client)?;
        // A connection that asks nothing is the look whether somebody listens.
        let Some(line) = head.split(|byte| *byte == b'\r').next().filter(|line| !line.is_empty()) else {
            return Ok(());
        };
        let fault = self.fault(String::from_utf8_lossy(line).into_owned());
        match fault {
            Some(Fault::KillBefore) => return killed(client, kill),
            Some(Fault::CutBefore) => return client.shutdown(Shutdown::Both),
            Some(Fault::Refuse) => {
                let refusal = "{\"message\":\"injected\"}";
                let length = refusal.len();
                return write!(
                    client,
                    "HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\n\
                     Content-Length: {length}\r\nConnection: close\r\n\r\n{refusal}"
                );
            }
            Some(Fault::Delay) => thread::sleep(Duration::from_millis(300)),
            Some(Fault::KillAfter | Fault::CutAfter) | None => {}
        }
        let mut engine = UnixStream::connect(&self.engine)?;
        engine.write_all(&head)?;
        let (from, to) = (client.try_clone()?, engine.try_clone()?);
        let requests = thread::spawn(move || pass(from, to));
        if let Some(Fault::KillAfter | Fault::CutAfter) = fault {
            let begun = engine.read(&mut [0; 4096]);
            engine.shutdown(Shutdown::Both)?;
            begun?;
            return if fault == Some(Fault::KillAfter) {
                killed(client, kill)
            } else {
                client.shutdown(Shutdown::Both)
            };
        }
        pass(engine, client)?;
        drop(requests.join());
        Ok(())
    }

    /// Counts a request; what shall go wrong with it.
    fn fault(&self, line: String) -> Option<Fault> {
        let mut requests = self.requests.lock().unwrap();
        requests.push(line.clone());
        let mut plan = self.plan.lock().unwrap();
        let (_, fault) = plan.take_if(|(at, _)| at.is(&requests))?;
        *self.struck.lock().unwrap() = Some(line);
        Some(fault)
    }
}

/// Has the program killed, and keeps it from all news until that is done.
fn killed(mut client: UnixStream, kill: &Sender<()>) -> io::Result<()> {
    kill.send(()).map_err(io::Error::other)?;
    while client.read(&mut [0; 4096])? > 0 {}
    Ok(())
}

/// What comes up to the end of a request's head, and perhaps more.
fn read_head(client: &mut UnixStream) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    let mut piece = [0; 4096];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        match client.read(&mut piece)? {
            0 => break,
            length => head.extend(piece.iter().take(length)),
        }
    }
    Ok(head)
}

/// Passes all bytes on, and their end.
fn pass(mut from: UnixStream, mut to: UnixStream) -> io::Result<()> {
    let passed = io::copy(&mut from, &mut to);
    let ended = to.shutdown(Shutdown::Write);
    passed.and(ended)
}
