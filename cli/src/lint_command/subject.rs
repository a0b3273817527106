//! What is linted: scripts by their paths, those below directories, and the standard input.

use std::{
    collections::HashSet,
    fmt, fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

use compeval_interpreter::Source;
use compeval_runtime::{
    computation::{
        environment::LONGEST_SCRIPT,
        layout::{DESCRIPTION, SETUP_SCRIPT},
    },
    file,
};

/// A script that is linted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Subject {
    /// The standard input, under this name.
    Stdin(String),
    /// A file that was named.
    File(PathBuf),
    /// The one of a computation that was found in a directory.
    Found(PathBuf),
}

impl Subject {
    /// What is meant by the names on the command line, in their order.
    pub(super) fn all(files: &[PathBuf], stdin_name: &str) -> Vec<Subject> {
        let default = [PathBuf::from(SETUP_SCRIPT)];
        let files = if files.is_empty() { &default[..] } else { files };
        let mut seen = HashSet::new();
        let named = files.iter().flat_map(|path| Subject::named(path, stdin_name));
        named.filter(|subject| seen.insert(subject.clone())).collect()
    }

    fn named(path: &Path, stdin_name: &str) -> Vec<Subject> {
        if path == Path::new("-") {
            return vec![Subject::Stdin(stdin_name.to_owned())];
        }
        if !path.is_dir() {
            return vec![Subject::File(path.to_owned())];
        }
        let mut found = Vec::new();
        below(path, &mut found);
        match found.is_empty() {
            // Who reads it is told that it is not there.
            true => vec![Subject::Found(path.join(SETUP_SCRIPT))],
            false => found.into_iter().map(Subject::Found).collect(),
        }
    }

    /// The file; `None` for the standard input.
    pub(super) fn path(&self) -> Option<&Path> {
        match self {
            Subject::Stdin(_) => None,
            Subject::File(path) | Subject::Found(path) => Some(path),
        }
    }

    /// The directory it is in; for the standard input, that of the name it is given.
    pub(super) fn directory(&self) -> PathBuf {
        let path = match self {
            Subject::Stdin(name) => Path::new(name),
            Subject::File(path) | Subject::Found(path) => path,
        };
        match path.parent() {
            Some(parent) if parent != Path::new("") => parent.to_owned(),
            _ => PathBuf::from("."),
        }
    }

    /// The docker description that belongs to it.
    pub(super) fn description(&self) -> PathBuf {
        self.path().map_or_else(|| self.directory().join(DESCRIPTION), |path| path.with_file_name(DESCRIPTION))
    }

    /// Its text.
    ///
    /// # Errors
    /// When it cannot be read, or is longer than any script.
    pub(super) fn read(&self) -> Result<Source, Unreadable> {
        match self {
            Subject::Stdin(name) => {
                let named = |error| Unreadable { path: "the standard input".into(), error };
                read_bounded(io::stdin().lock()).map(|text| Source::new(name.as_str(), text)).map_err(named)
            }
            Subject::File(path) => {
                // Who names a pipe means to wait for its writer.
                let text = fs::File::open(path).and_then(read_bounded);
                text.map(|text| Source::new(path.to_string_lossy(), text)).map_err(|error| unreadable(path, error))
            }
            Subject::Found(path) => {
                let text = file::read(path, LONGEST_SCRIPT);
                text.map(|text| Source::new(path.to_string_lossy(), text)).map_err(|error| unreadable(path, error))
            }
        }
    }
}

/// The scripts of computations in a directory and below it, in order. Links are not followed, and what belongs to Git or
/// to a build is left out.
fn below(directory: &Path, found: &mut Vec<PathBuf>) {
    let script = directory.join(SETUP_SCRIPT);
    if script.symlink_metadata().is_ok() {
        found.push(script);
    }
    let Ok(entries) = fs::read_dir(directory) else { return };
    let mut directories: Vec<PathBuf> = entries
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .filter(|entry| {
            let name = entry.file_name();
            !name.as_encoded_bytes().starts_with(b".") && name != "target" && name != "node_modules"
        })
        .map(|entry| entry.path())
        .collect();
    directories.sort();
    directories.iter().for_each(|directory| below(directory, found));
}

/// A file that could not be read.
#[derive(Debug)]
pub(super) struct Unreadable {
    path: PathBuf,
    error: io::Error,
}

fn unreadable(path: &Path, error: io::Error) -> Unreadable {
    Unreadable { path: path.to_owned(), error }
}

impl Unreadable {
    /// What to do about it.
    pub(super) fn help(&self) -> Option<&'static str> {
        let is_default = self.path == Path::new(SETUP_SCRIPT) && self.error.kind() == io::ErrorKind::NotFound;
        is_default.then_some("run it in the directory of a computation, or name the scripts")
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "cannot read `{}`", self.path.display())
    }
}

impl std::error::Error for Unreadable {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

/// All that a stream gives, unless it is more than any script has.
pub(super) fn read_bounded(stream: impl Read) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    stream.take(LONGEST_SCRIPT + 1).read_to_end(&mut text)?;
    match text.len() as u64 {
        ..=LONGEST_SCRIPT => Ok(text),
        _ => Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it has more than {LONGEST_SCRIPT} bytes"))),
    }
}
