//! What a program of [`super::compose`] prints, taken apart: the stretch's own output, and the state at its end.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bstr::{BString, ByteSlice};

use super::compose::Framing;
use crate::{
    dispatch::request::{After, Defined, FailedChain, Left, Marks, Request},
    language::{is_name, quoting::read_word},
    state::{Aliases, Baseline, CARRIED_OPTIONS, State, Variable},
};

/// Separates a stream of bytes into output and frames as it comes.
#[derive(Debug)]
pub(crate) struct Splitter {
    framing: Framing,
    /// Bytes that may belong to a frame.
    held: Vec<u8>,
    baseline: Option<Vec<u8>>,
    in_frame: bool,
    complete: bool,
    /// What was to be held back was too much: no state will be told.
    gave_up: bool,
}

/// How much is held back at most. No program could carry a state as large.
const LONGEST_FRAME: usize = 64 << 20;

impl Splitter {
    pub(crate) fn new(framing: Framing) -> Splitter {
        Splitter { framing, held: Vec::new(), baseline: None, in_frame: false, complete: false, gave_up: false }
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
        if self.held.len() > LONGEST_FRAME {
            // What follows may be values of the script: it is for nobody.
            (self.gave_up, self.held) = (true, Vec::new());
        }
        if self.gave_up {
            self.held.clear();
            return Vec::new();
        }
        if self.in_frame {
            return self.end_frame(searched);
        }
        if self.framing.with_baseline && self.baseline.is_none() {
            let end = format!("{} w\n", self.framing.nonce);
            let Some(behind) = self.behind(&end, searched) else { return Vec::new() };
            let rest = self.held.split_off(behind);
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
        let end = format!("{} e\n", self.framing.nonce);
        let Some(behind) = self.behind(&end, searched) else { return Vec::new() };
        self.complete = true;
        self.held.split_off(behind)
    }

    /// Where `line` ends in what is held, if it does not before `searched`.
    fn behind(&self, line: &str, searched: usize) -> Option<usize> {
        let from = searched.saturating_sub(line.len());
        Some(from + self.held.get(from..)?.find(line)? + line.len())
    }

    /// The stream has ended: output that was held back for nothing, and the state if it was printed whole.
    pub(crate) fn finish(self, request: &Request<'_>, status: i32) -> (Vec<u8>, Option<After>) {
        let before = request.state;
        let fresh = match &self.baseline {
            Some(text) => Arc::new(read_baseline(text, &self.framing.nonce)),
            None => before.baseline.clone(),
        };
        if !self.in_frame {
            // What a fresh shell is like is for nobody, either.
            let told = self.held.find(format!("{} b\n", self.framing.nonce)).unwrap_or(self.held.len());
            return (self.held.get(..told).unwrap_or_default().to_vec(), None);
        }
        if !self.is_complete() {
            return (Vec::new(), None);
        }
        let mut foreign = Vec::new();
        let after = read_dump(&self.held, &self.framing, before, fresh, &mut foreign);
        (foreign, after.and_then(|(state, own)| read_own(state, &own, request, status)))
    }
}

/// The text between the line `NONCE letter` and the next line of that kind.
fn section<'t>(text: &'t [u8], nonce: &str, letter: char) -> &'t [u8] {
    let begin = format!("{nonce} {letter}\n");
    let Some(start) = text.find(&begin) else { return &[] };
    let rest = text.get(start + begin.len()..).unwrap_or_default();
    // Output without a newline may stand before the next line. In bash, `_` has the argument of the last `echo`.
    let next = format!("{nonce} ");
    let is_line = |at: &usize| rest.get(at + next.len() + 1) == Some(&b'\n');
    let end = rest.find_iter(&next).find(is_line).unwrap_or(rest.len());
    rest.get(..end).unwrap_or_default()
}

/// Takes a section apart into entries `PREFIX NAME[=WORD]`; without a prefix, each has a word. Where all words are
/// `quoted`, lines of another form are output of processes that the stretch has left behind, and go to `foreign`; else
/// they are passed over, for bash has forms of its own.
fn entries<'t>(
    mut text: &'t [u8],
    prefix: &'static str,
    quoted: bool,
    foreign: &mut Vec<u8>,
) -> Vec<(&'t [u8], Option<BString>)> {
    let mut found = Vec::new();
    while !text.is_empty() {
        text = match entry(text, prefix, quoted) {
            Some((name, value, rest)) => {
                found.push((name, value));
                take_line(rest, &mut Vec::new())
            }
            None if quoted => take_line(text, foreign),
            None => take_line(text, &mut Vec::new()),
        };
    }
    found
}

/// The entry at the beginning of `text`, and what follows its word.
fn entry<'t>(text: &'t [u8], prefix: &str, quoted: bool) -> Option<(&'t [u8], Option<BString>, &'t [u8])> {
    let entry = text.strip_prefix(prefix.as_bytes())?;
    let (name, rest) = entry.split_at(entry.iter().position(|byte| matches!(byte, b'=' | b'\n'))?);
    let (value, rest) = match rest {
        [b'=', word @ ..] if !quoted || word.starts_with(b"'") || word.starts_with(b"\"") => {
            let (value, rest) = read_word(word);
            (Some(value), rest)
        }
        [b'=', ..] => return None,
        _ if prefix.is_empty() => return None,
        rest => (None, rest),
    };
    let is_whole = !quoted || rest.starts_with(b"\n");
    (!name.is_empty() && is_whole).then_some((name, value, rest))
}

/// Puts the first line of `text` to `foreign`; gives what follows it.
fn take_line<'t>(text: &'t [u8], foreign: &mut Vec<u8>) -> &'t [u8] {
    let (line, rest) = text.split_at(text.iter().position(|byte| *byte == b'\n').map_or(text.len(), |at| at + 1));
    foreign.extend_from_slice(line);
    rest
}

/// The first line of a section that `is_ours`, without its newline; the others go to `foreign`.
fn own_line(mut text: &[u8], is_ours: impl Fn(&[u8]) -> bool, foreign: &mut Vec<u8>) -> BString {
    let mut found = BString::default();
    while !text.is_empty() {
        let line = text.lines().next().unwrap_or_default();
        if found.is_empty() && is_ours(line) {
            found = line.into();
            text = take_line(text, &mut Vec::new());
        } else {
            text = take_line(text, foreign);
        }
    }
    found
}

fn name(bytes: &[u8]) -> Option<String> {
    is_name(bytes).then(|| String::from_utf8_lossy(bytes).into_owned())
}

fn read_variables(text: &[u8], nonce: &str, first: char, foreign: &mut Vec<u8>) -> BTreeMap<String, Variable> {
    let mut variables = BTreeMap::new();
    let values = section(text, nonce, first);
    // dash and busybox quote every value, ours as well: a line without a quote is none of theirs.
    let quoted = values.contains_str(format!("__ce_k='{nonce}'\n"));
    for (bytes, value) in entries(values, "", quoted, foreign) {
        variables.extend(name(bytes).map(|name| (name, Variable { value, ..Variable::default() })));
    }
    for (bytes, _) in entries(section(text, nonce, 'x'), "export ", quoted, foreign) {
        if let Some(name) = name(bytes) {
            variables.entry(name).or_default().exported = true;
        }
    }
    for (bytes, _) in entries(section(text, nonce, 'r'), "readonly ", quoted, foreign) {
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
    // Nothing of the script runs yet.
    let mut variables = read_variables(text, nonce, 'b', &mut Vec::new());
    variables.retain(|name, _| !name.starts_with("__ce_"));
    Baseline {
        complete: true,
        variables,
        options: letters(section(text, nonce, 'o')),
        directory: line(section(text, nonce, 'd')),
        umask: line(section(text, nonce, 'u')),
    }
}

fn read_dump(
    text: &[u8],
    Framing { nonce, nowhere, .. }: &Framing,
    before: &State,
    fresh: Arc<Baseline>,
    foreign: &mut Vec<u8>,
) -> Option<(State, Own)> {
    let mut variables = read_variables(text, nonce, 'v', foreign);
    let pwd = variables.get("PWD").and_then(|variable| variable.value.clone());
    let directory = read_directory(section(text, nonce, 'd'), pwd.as_ref(), foreign)?;
    let physical = match section(text, nonce, 'l') {
        b"" | b"\n" => BString::default(),
        text => read_directory(text, Some(&directory), foreign)?,
    };
    // There, the script is still where it was.
    let directory = before.directory.clone().filter(|_| directory.starts_with(nowhere.as_bytes())).unwrap_or(directory);
    let mut own = take_own(&mut variables, &fresh);
    let count: usize = std::str::from_utf8(own.get("n")?).ok()?.parse().ok()?;
    let positional = (1..=count).map(|index| own.remove(&format!("p{index}"))).collect::<Option<Vec<_>>>()?;
    let mut traps = read_traps(section(text, nonce, 't'), foreign);
    traps.remove("EXIT");
    let aliases = read_aliases(section(text, nonce, 'a'), foreign);
    let options = entries(section(text, nonce, 'p'), "set ", true, foreign);
    let pipefail = options.iter().any(|(option, _)| *option == b"-o pipefail");
    let is_mask = |line: &[u8]| !line.is_empty() && line.iter().all(|byte| (b'0'..=b'7').contains(byte));
    let umask = own_line(section(text, nonce, 'u'), is_mask, foreign);
    let exported = variables.iter().filter(|(_, variable)| variable.exported).map(|(name, _)| name.clone()).collect();
    let state = State {
        exported: Arc::new(exported),
        variables: Arc::new(variables),
        baseline: fresh,
        functions: before.functions.clone(),
        positional,
        other_pwd: Some(pwd).filter(|pwd| pwd.as_ref() != Some(&directory)),
        physical: Some(physical).filter(|physical| *physical != directory),
        directory: Some(directory),
        umask: Some(umask),
        options: Some(letters(own.get("o")?)),
        pipefail,
        traps,
        exit_trap: own.get("t").cloned(),
        limits: own.get("u").filter(|limits| limits.iter().all(is_of_limit)).cloned(),
        aliases,
        process: before.process.clone().or_else(|| own.get("y").cloned()),
        status: std::str::from_utf8(own.get("x")?).ok()?.parse().ok()?,
        unknown: Arc::default(),
        all_unknown: false,
        positional_unknown: false,
        status_unknown: false,
    };
    Some((state, own))
}

/// Takes what is no variable of the script's out of all; gives those of ours, without their prefix.
fn take_own(variables: &mut BTreeMap<String, Variable>, fresh: &Baseline) -> Own {
    if variables.contains_key("__ce_posix") {
        // It came with the mode, which was turned on to list the variables alone.
        variables.remove("POSIXLY_CORRECT");
    }
    let mut own = BTreeMap::new();
    variables.retain(|name, variable| {
        if let Some(name) = name.strip_prefix("__ce_") {
            own.extend(variable.value.take().map(|value| (name.to_owned(), value)));
            return false;
        }
        !fresh.owns(name)
    });
    own
}

/// bash writes `alias name='value'`, others leave the first word out.
fn read_aliases(text: &[u8], foreign: &mut Vec<u8>) -> Aliases {
    let prefix = if text.starts_with(b"alias ") { "alias " } else { "" };
    let aliases = entries(text, prefix, true, foreign).into_iter();
    aliases.filter_map(|(name, value)| Some((BString::from(name), value?))).collect()
}

/// Whether a byte may stand in the operands of `ulimit`: they are put into a program as they are.
fn is_of_limit(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b" -;".contains(byte)
}

/// The working directory, of whose name newlines may be a part.
fn read_directory(text: &[u8], pwd: Option<&BString>, foreign: &mut Vec<u8>) -> Option<BString> {
    let line_of = |pwd: &BString| [pwd.as_slice(), b"\n"].concat();
    match (pwd.and_then(|pwd| text.split_once_str(&line_of(pwd))), pwd) {
        (Some((before, behind)), Some(pwd)) => {
            foreign.extend_from_slice(before);
            foreign.extend_from_slice(behind);
            Some(pwd.clone())
        }
        // One that was removed: bash has lost its name but in `PWD`.
        (_, pwd) if text.is_empty() => pwd.cloned(),
        _ => Some(line(text)),
    }
}

/// Reads lines such as `trap -- 'action' TERM`; some shells write `SIGTERM`.
fn read_traps(mut text: &[u8], foreign: &mut Vec<u8>) -> BTreeMap<String, BString> {
    let mut traps = BTreeMap::new();
    while !text.is_empty() {
        let Some(rest) = text.strip_prefix(b"trap -- ") else {
            text = take_line(text, foreign);
            continue;
        };
        let (action, rest) = read_word(rest);
        let (signal, rest) = read_word(rest.strip_prefix(b" ").unwrap_or(rest));
        let signal = signal.to_string();
        traps.insert(signal.strip_prefix("SIG").unwrap_or(&signal).to_owned(), action);
        text = rest.strip_prefix(b"\n").unwrap_or(rest);
    }
    traps
}

/// The shell's own variables for us, by their names without `__ce_`.
type Own = BTreeMap<String, BString>;

/// What our own variables tell of how the shell ended; `status` is that of its process.
fn read_own(mut state: State, own: &Own, request: &Request<'_>, status: i32) -> Option<After> {
    let text = |name: &str| own.get(name).and_then(|value| value.to_str().ok());
    let is_completed = text("done") == Some("1");
    let judged = text("j").and_then(|status| status.parse().ok()).unwrap_or(state.status);
    if !is_completed {
        state.status = state.status.max(status);
    }
    let marks = request.markers.and_then(|_| {
        Some(Marks {
            hits: text("hits")?.parse().ok()?,
            applied: text("applied")?.parse().ok()?,
            failed: text("failed").and_then(read_failed),
        })
    });
    let left = text("w").and_then(read_left).filter(|_| !is_completed);
    let defined = own.get("f").map(|words| read_defined(words, own)).unwrap_or_default();
    let steps = text("step").and_then(|steps| steps.parse().ok()).unwrap_or(0);
    let ran_exit_trap = text("ran") == Some("1");
    Some(After { state, is_completed, left, judged, steps, marks, defined, ran_exit_trap })
}

/// Reads `WORD COUNT`.
fn read_left(text: &str) -> Option<Left> {
    let mut words = text.split(' ');
    let word = words.next()?;
    let count = words.next().and_then(|count| count.parse().ok()).unwrap_or(1);
    match word {
        "break" => Some(Left::Break(count)),
        "continue" => Some(Left::Continue(count)),
        "return" => Some(Left::Return),
        _ => None,
    }
}

/// Reads `STATUS CHAIN NUMBER`; the number is `e` for an everytime chain.
fn read_failed(text: &str) -> Option<FailedChain> {
    let mut words = text.split(' ');
    let status = words.next()?.parse().ok()?;
    let chain = words.next()?.parse().ok()?;
    Some(FailedChain { status, chain, number: words.next()?.parse().ok() })
}

/// Reads the numbers of functions that were defined, `-NAME` for one that is gone, `tN` for all in the text N,
/// `aN` for those in the action N of a trap.
fn read_defined(words: &BString, own: &Own) -> Vec<Defined> {
    let read = |word: &[u8]| {
        let word = word.to_str().ok()?;
        if let Some(name) = word.strip_prefix('-') {
            return Some(Defined::Gone(name.to_owned()));
        }
        if let Some(number) = word.strip_prefix(['t', 'a']) {
            let name = own.get(&format!("tp{number}"))?.to_string();
            let text = own.get(&format!("tt{number}"))?.clone();
            return Some(Defined::InText { name, text, is_action: word.starts_with('a') });
        }
        word.parse().ok().map(Defined::Numbered)
    };
    words.split(|byte| *byte == b' ').filter(|word| !word.is_empty()).filter_map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn splitter(with_baseline: bool) -> Splitter {
        Splitter::new(Framing { nonce: "ce0".into(), with_baseline, nowhere: "/nowhere".into() })
    }

    #[test]
    fn output_without_a_frame_is_passed_on() {
        let mut splitter = splitter(false);
        let shown: usize = (0..100).map(|_| splitter.push(&[b'c'; 10_000]).len()).sum();
        assert_eq!((shown, splitter.held.len()), (999_999, 1));
    }

    #[test]
    fn a_frame_without_an_end_is_given_up() {
        for (with_baseline, begin, output) in [(true, "x", ""), (false, "x\nce0 v\n", "x\n")] {
            let mut splitter = splitter(with_baseline);
            let mut shown = splitter.push(begin.as_bytes());
            for _ in 0..70 {
                shown.extend(splitter.push(&[b'x'; 1 << 20]));
                assert!(splitter.held.len() <= LONGEST_FRAME);
            }
            assert_eq!((shown.as_bstr(), splitter.held.len()), (output.into(), 0));
        }
    }
}
