//! What setups have put out: the logs that ce-run keeps on this machine.

use std::{
    borrow::Cow,
    fs,
    io::{self, IsTerminal, Read, Write},
    path::Path,
    thread,
    time::Duration,
};

use bstr::ByteSlice;

use super::EnvError;
use crate::{report::printable, state_directory};

/// How often a log that is followed is looked at.
const PAUSE: Duration = Duration::from_millis(200);

/// Shows the last log of the computation in a directory, or what stage `stage` put out when it ran last; with `follows`,
/// also what comes, for ever.
pub(super) fn show(directory: &Path, stage: Option<u32>, follows: bool) -> Result<(), EnvError> {
    let no_log = || EnvError::NoLog { directory: directory.display().to_string() };
    let logs = state_directory::logs_of(directory);
    let mut path = logs.first().cloned().ok_or_else(no_log)?;
    if let Some(number) = stage {
        for path in &logs {
            if let Some(part) = part_of(&fs::read(path).map_err(unreadable(path))?, number) {
                return write(part);
            }
        }
        return Err(EnvError::NoStage(number));
    }
    let mut file = fs::File::open(&path).map_err(unreadable(&path))?;
    loop {
        let next = state_directory::logs_of(directory).into_iter().next().filter(|next| follows && *next != path);
        let mut text = Vec::new();
        file.read_to_end(&mut text).map_err(unreadable(&path))?;
        write(&text)?;
        match next {
            // Another setup has begun; what the one before wrote until then is read.
            Some(next) => {
                path = next;
                file = fs::File::open(&path).map_err(unreadable(&path))?;
            }
            None if follows => thread::sleep(PAUSE),
            None => return Ok(()),
        }
    }
}

fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> EnvError {
    |source| EnvError::Log { path: path.to_owned(), source }
}

/// What a log has of a stage that ran: from where it last begins to the line that tells how it ended.
fn part_of(text: &[u8], number: u32) -> Option<&[u8]> {
    let beginning = format!("# stage {number} (line ");
    let starts: Vec<usize> = text.find_iter(&beginning).collect();
    let runs = |start: &&usize| {
        let line = text.get(**start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
        !line.ends_with(b": applied already")
    };
    let rest = text.get(*starts.iter().rev().find(runs)?..)?;
    let end = rest.find(format!("\n# stage {number}: ").as_bytes());
    let line = |at: usize| rest.get(at + 1..).and_then(|rest| rest.find_byte(b'\n')).map(|length| at + length + 2);
    rest.get(..end.and_then(line).unwrap_or(rest.len()))
}

/// On a terminal, with nothing that would do something to it.
fn write(text: &[u8]) -> Result<(), EnvError> {
    let mut stdout = io::stdout().lock();
    let text = match stdout.is_terminal() {
        false => Cow::Borrowed(text),
        true => {
            let lines = text.split_inclusive(|byte| *byte == b'\n');
            let shown = lines.map(|line| {
                let end = if line.ends_with(b"\n") { "\n" } else { "" };
                printable(&line.trim_end().to_str_lossy()).into_owned() + end
            });
            Cow::Owned(shown.collect::<String>().into_bytes())
        }
    };
    stdout.write_all(&text)?;
    Ok(stdout.flush()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stages_part_is_from_its_last_beginning_to_its_end() {
        let log =
            b"# stage 1 (line 1): a\none\n# stage 1: applied in 0.1 s\n# stage 2 (line 2): b\ntwo\n# stage 2: failed\n";
        let text = |number| part_of(log, number).map(|part| part.to_str().unwrap());
        assert_eq!(text(1), Some("# stage 1 (line 1): a\none\n# stage 1: applied in 0.1 s\n"));
        assert_eq!(text(2), Some("# stage 2 (line 2): b\ntwo\n# stage 2: failed\n"));
        assert_eq!(text(3), None);
        assert_eq!(part_of(b"# stage 1 (line 2): applied already\n", 1), None);
        let cut = b"# stage 1 (line 1): a\none\n";
        assert_eq!(part_of(cut, 1), Some(&cut[..]));
    }
}
