//! What a program of [`super::carry`] prints, taken apart: the stretch's own output, and the state at its end.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bstr::{BString, ByteSlice};

use super::{Baseline, CARRIED_OPTIONS, State, Variable, carry::Framing, is_own, quoted::read_word};

/// Separates a stream of bytes into output and frames as it comes.
#[derive(Debug)]
pub(crate) struct Splitter {
    framing: Framing,
    /// Bytes that may belong to a frame.
    held: Vec<u8>,
    baseline: Option<Vec<u8>>,
    in_frame: bool,
    complete: bool,
}

/// The state that a program printed, and the shell's own variables for us (`__ce_...`).
#[derive(Clone, Debug)]
pub(crate) struct Dump {
    state: State,
    own: BTreeMap<String, BString>,
}

impl Splitter {
    pub(crate) fn new(framing: Framing) -> Splitter {
        Splitter { framing, held: Vec::new(), baseline: None, in_frame: false, complete: false }
    }

    /// Whether the last frame is complete: what follows is only output of processes left behind.
    pub(crate) fn is_complete(&self) -> bool {
        self.complete
    }

    /// Takes the next bytes; gives those that are the stretch's own output.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Vec<u8> {
        if self.complete {
            return bytes.to_vec();
        }
        let searched = self.held.len();
        self.held.extend_from_slice(bytes);
        if self.in_frame {
            return self.end_frame(searched);
        }
        if self.framing.with_baseline && self.baseline.is_none() {
            let end = format!("{} w\n", self.framing.nonce);
            let Some(at) = self.held.find(&end) else { return Vec::new() };
            let rest = self.held.split_off(at + end.len());
            self.baseline = Some(std::mem::replace(&mut self.held, rest));
        }
        let begin = format!("{} v\n", self.framing.nonce);
        if let Some(at) = self.held.find(&begin) {
            let frame = self.held.split_off(at);
            self.in_frame = true;
            let mut output = std::mem::replace(&mut self.held, frame);
            output.append(&mut self.end_frame(0));
            return output;
        }
        // The end may be the beginning of the frame's first line.
        let kept = (1..begin.len().min(self.held.len() + 1)).rev().find(|length| {
            let tail = self.held.len() - length;
            self.held.get(tail..).is_some_and(|tail| begin.as_bytes().starts_with(tail))
        });
        let tail = self.held.split_off(self.held.len() - kept.unwrap_or(0));
        std::mem::replace(&mut self.held, tail)
    }

    /// Looks for the frame's last line, of which nothing ends before `searched`; gives what follows it: output of
    /// processes left behind.
    fn end_frame(&mut self, searched: usize) -> Vec<u8> {
        let end = format!("\n{} e\n", self.framing.nonce);
        let from = searched.saturating_sub(end.len());
        let found = self.held.get(from..).and_then(|rest| rest.find(&end));
        let Some(at) = found else { return Vec::new() };
        self.complete = true;
        self.held.split_off(from + at + end.len())
    }

    /// The stream has ended: output that was held back for nothing, and the state if it was printed whole.
    pub(crate) fn finish(self, before: &State) -> (Vec<u8>, Option<Dump>) {
        let fresh = match &self.baseline {
            Some(text) => Arc::new(read_baseline(text, &self.framing.nonce)),
            None => before.baseline.clone(),
        };
        if !self.in_frame {
            return (self.held, None);
        }
        if !self.is_complete() {
            return (Vec::new(), None);
        }
        (Vec::new(), read_dump(&self.held, &self.framing.nonce, before, fresh))
    }
}

/// The text between the line `NONCE letter` and the next line of that kind.
fn section<'t>(text: &'t [u8], nonce: &str, letter: char) -> &'t [u8] {
    let begin = format!("{nonce} {letter}\n");
    let Some(start) = text.find(&begin) else { return &[] };
    let rest = text.get(start + begin.len()..).unwrap_or_default();
    let end = if rest.starts_with(nonce.as_bytes()) {
        0
    } else {
        rest.find(format!("\n{nonce} ")).map_or(rest.len(), |at| at + 1)
    };
    rest.get(..end).unwrap_or_default()
}

/// The entries `PREFIX NAME[=WORD]` of a section; entries of another form are passed over.
fn entries<'t>(mut text: &'t [u8], prefix: &'static str) -> impl Iterator<Item = (&'t [u8], Option<BString>)> {
    std::iter::from_fn(move || {
        while !text.is_empty() {
            let entry = text.strip_prefix(prefix.as_bytes()).unwrap_or(text);
            let name_end = entry.iter().position(|byte| matches!(byte, b'=' | b'\n')).unwrap_or(entry.len());
            let (name, rest) = entry.split_at(name_end);
            let (value, rest) = match rest {
                [b'=', word @ ..] => {
                    let (value, rest) = read_word(word);
                    (Some(value), rest)
                }
                rest => (None, rest),
            };
            let line_end = rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |at| at + 1);
            text = rest.get(line_end..).unwrap_or_default();
            if !name.is_empty() {
                return Some((name, value));
            }
        }
        None
    })
}

fn name(bytes: &[u8]) -> Option<String> {
    matches!(crate::token::name(bytes), Ok(([], _))).then(|| String::from_utf8_lossy(bytes).into_owned())
}

fn read_variables(text: &[u8], nonce: &str, first: char) -> BTreeMap<String, Variable> {
    let mut variables = BTreeMap::new();
    for (bytes, value) in entries(section(text, nonce, first), "") {
        if let (Some(name), Some(value)) = (name(bytes), value) {
            variables.insert(name, Variable { value: Some(value), ..Variable::default() });
        }
    }
    for (bytes, _) in entries(section(text, nonce, 'x'), "export ") {
        if let Some(name) = name(bytes) {
            variables.entry(name).or_default().exported = true;
        }
    }
    for (bytes, _) in entries(section(text, nonce, 'r'), "readonly ") {
        if let Some(name) = name(bytes) {
            variables.entry(name).or_default().readonly = true;
        }
    }
    variables
}

fn line(text: &[u8]) -> BString {
    text.strip_suffix(b"\n").unwrap_or(text).into()
}

fn letters(text: &[u8]) -> BTreeSet<char> {
    text.iter().map(|byte| char::from(*byte)).filter(|letter| CARRIED_OPTIONS.contains(*letter)).collect()
}

fn read_baseline(text: &[u8], nonce: &str) -> Baseline {
    let mut variables = read_variables(text, nonce, 'b');
    variables.retain(|name, _| !name.starts_with("__ce_"));
    Baseline {
        complete: true,
        variables,
        options: letters(section(text, nonce, 'o')),
        directory: line(section(text, nonce, 'd')),
        umask: line(section(text, nonce, 'u')),
    }
}

fn read_dump(text: &[u8], nonce: &str, before: &State, fresh: Arc<Baseline>) -> Option<Dump> {
    let mut variables = read_variables(text, nonce, 'v');
    let pwd = variables.get("PWD").and_then(|variable| variable.value.clone());
    let directory = match line(section(text, nonce, 'd')) {
        // One that was removed: bash has lost its name but in `PWD`.
        none if none.is_empty() => pwd.clone()?,
        directory => directory,
    };
    let mut own = BTreeMap::new();
    variables.retain(|name, variable| {
        if let Some(name) = name.strip_prefix("__ce_") {
            own.extend(variable.value.take().map(|value| (name.to_owned(), value)));
            return false;
        }
        !is_own(name)
    });
    let count: usize = std::str::from_utf8(own.get("n")?).ok()?.parse().ok()?;
    let positional = (1..=count).map(|index| own.remove(&format!("p{index}"))).collect::<Option<Vec<_>>>()?;
    let mut traps = read_traps(section(text, nonce, 't'));
    traps.remove("EXIT");
    let aliases = entries(section(text, nonce, 'a'), "alias ")
        .filter_map(|(name, value)| Some((BString::from(name), value?)))
        .collect();
    let state = State {
        variables,
        baseline: fresh,
        functions: before.functions.clone(),
        positional,
        other_pwd: Some(pwd).filter(|pwd| pwd.as_ref() != Some(&directory)),
        directory: Some(directory),
        umask: Some(line(section(text, nonce, 'u'))),
        options: Some(letters(own.get("o")?)),
        pipefail: section(text, nonce, 'p').lines().any(|line| line == b"set -o pipefail"),
        traps,
        exit_trap: own.get("t").cloned(),
        limits: own.get("u").filter(|limits| limits.iter().all(is_of_limit)).cloned(),
        aliases,
        process: before.process.clone().or_else(|| own.get("y").cloned()),
        status: std::str::from_utf8(own.get("x")?).ok()?.parse().ok()?,
        unknown: BTreeSet::new(),
        all_unknown: false,
        positional_unknown: false,
        status_unknown: false,
    };
    Some(Dump { state, own })
}

/// Whether a byte may stand in the operands of `ulimit`: they are put into a program as they are.
fn is_of_limit(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b" -;".contains(byte)
}

/// Reads lines such as `trap -- 'action' TERM`; some shells write `SIGTERM`.
fn read_traps(mut text: &[u8]) -> BTreeMap<String, BString> {
    let mut traps = BTreeMap::new();
    while let Some(rest) = text.strip_prefix(b"trap -- ") {
        let (action, rest) = read_word(rest);
        let (signal, rest) = read_word(rest.strip_prefix(b" ").unwrap_or(rest));
        let signal = signal.to_string();
        traps.insert(signal.strip_prefix("SIG").unwrap_or(&signal).to_owned(), action);
        text = rest.strip_prefix(b"\n").unwrap_or(rest);
    }
    traps
}

impl Dump {
    /// The state it tells of; functions are those of the state before.
    pub(crate) fn into_state(self) -> State {
        self.state
    }

    /// One of our own variables, by its name without `__ce_`.
    pub(crate) fn own(&self, name: &str) -> Option<&BString> {
        self.own.get(name)
    }

    pub(crate) fn status(&self) -> i32 {
        self.state.status
    }

    /// Whether the shell came to the end of its program, rather than to an `exit`.
    pub(crate) fn is_completed(&self) -> bool {
        self.own.get("done").is_some_and(|value| value == "1")
    }
}
