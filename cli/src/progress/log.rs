//! The log file of one setup: all that is said and put out, up to a bound; of more, the beginning and the end.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use crate::state_directory;

/// How long a log may become, in bytes.
const LONGEST: u64 = 10 << 20;
const LEFT_OUT: &[u8] = b"\n# some of the output is left out here\n";

/// A log file, made when there is something to write.
pub(super) struct Log {
    path: PathBuf,
    file: Option<File>,
    longest: u64,
    length: u64,
    failed: bool,
}

impl Log {
    pub(super) fn new(path: PathBuf) -> Log {
        Log { path, file: None, longest: LONGEST, length: 0, failed: false }
    }

    /// Where the file is, if there is one.
    pub(super) fn path(&self) -> Option<&Path> {
        self.file.as_ref().map(|_| self.path.as_path())
    }

    /// Appends. A failure stops no setup: it is given once, to be told.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Option<String> {
        if self.failed {
            return None;
        }
        let error = self.append(bytes).err()?;
        self.failed = true;
        Some(format!("cannot write `{}`: {error}", self.path.display()))
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.open()?.write_all(bytes)?;
        self.length += bytes.len() as u64;
        if self.length > self.longest { self.cut() } else { Ok(()) }
    }

    /// Leaves out what is between the first half and the last quarter.
    fn cut(&mut self) -> io::Result<()> {
        let (half, quarter) = (self.longest / 2, self.longest / 4);
        let file = self.open()?;
        let mut end = Vec::new();
        file.seek(SeekFrom::End(-i64::try_from(quarter).unwrap_or_default()))?;
        file.read_to_end(&mut end)?;
        file.set_len(half)?;
        file.seek(SeekFrom::End(0))?;
        file.write_all(LEFT_OUT)?;
        file.write_all(&end)?;
        self.length = half + (LEFT_OUT.len() + end.len()) as u64;
        Ok(())
    }

    fn open(&mut self) -> io::Result<&mut File> {
        if self.file.is_none() {
            let directory = self.path.parent().unwrap_or(Path::new("."));
            fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
            let mut options = OpenOptions::new();
            self.file = Some(options.read(true).write(true).create_new(true).mode(0o600).open(&self.path)?);
            state_directory::prune(&self.path);
        }
        self.file.as_mut().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_log_keeps_its_beginning_and_its_end() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("logs/log");
        let mut log = Log { longest: 400, ..Log::new(path.clone()) };
        for number in 0..1000 {
            log.write(format!("line {number}\n").as_bytes());
            assert!(fs::metadata(&path).unwrap().len() <= 400);
        }
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("line 0\nline 1\n") && text.ends_with("line 998\nline 999\n"), "{text}");
        assert_eq!(text.matches("left out").count(), 1, "{text}");
    }

    #[test]
    fn nothing_is_written_through_a_link() {
        let directory = tempfile::tempdir().unwrap();
        let (path, other) = (directory.path().join("log"), directory.path().join("other"));
        fs::write(&other, "theirs").unwrap();
        std::os::unix::fs::symlink(&other, &path).unwrap();
        Log::new(path).write(b"ours");
        assert_eq!(fs::read_to_string(other).unwrap(), "theirs");
    }
}
