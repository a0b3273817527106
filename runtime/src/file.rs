//! Reading and writing files that somebody else may have made: never without a bound, never through a link.

use std::{
    ffi::OsStr,
    fs::{self, File, Metadata, Permissions},
    io::{self, Read, Write},
    os::{
        fd::OwnedFd,
        unix::fs::{FileTypeExt, MetadataExt, PermissionsExt},
    },
    path::Path,
};

use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags};

use compeval_interpreter::text::nonce;

/// The content of the file at `path`, which may be a symbolic link to one.
///
/// # Errors
/// When there is no such file, or it is a directory, a device or a pipe, which might never end, or has more than
/// `limit` bytes.
pub fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    read_all(open(path)?, limit)
}

/// Opens the file at `path` for reading.
///
/// # Errors
/// As for [`read`].
pub(crate) fn open(path: &Path) -> io::Result<File> {
    // Opening alone may do something to a device.
    check(&fs::metadata(path)?)?;
    let file = File::from(rustix::fs::open(path, READING, Mode::empty())?);
    check(&file.metadata()?)?;
    Ok(file)
}

/// Does not wait for a pipe that took the file's place.
const READING: OFlags = OFlags::RDONLY.union(OFlags::CLOEXEC).union(OFlags::NONBLOCK).union(OFlags::NOCTTY);

/// Refuses what is no file.
pub(crate) fn check(metadata: &Metadata) -> io::Result<()> {
    let kind = metadata.file_type();
    let (error, what) = match () {
        () if kind.is_file() => return Ok(()),
        () if kind.is_dir() => (io::ErrorKind::IsADirectory, "a directory"),
        () if kind.is_fifo() => (io::ErrorKind::InvalidInput, "a pipe"),
        () if kind.is_socket() => (io::ErrorKind::InvalidInput, "a socket"),
        () if kind.is_symlink() => (io::ErrorKind::InvalidInput, "a symbolic link"),
        () => (io::ErrorKind::InvalidInput, "a device"),
    };
    Err(io::Error::new(error, format!("it is {what}, not a file")))
}

fn read_all(file: File, limit: u64) -> io::Result<Vec<u8>> {
    let too_long = || io::Error::new(io::ErrorKind::FileTooLarge, format!("it has more than {limit} bytes"));
    if file.metadata()?.len() > limit {
        return Err(too_long());
    }
    let mut bytes = Vec::new();
    // It may grow meanwhile.
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit { Err(too_long()) } else { Ok(bytes) }
}

/// A directory that is held open: whatever becomes of its path, names are looked up in this one, and a symbolic link
/// there is never followed.
#[derive(Debug)]
pub(crate) struct Directory(OwnedFd);

impl Directory {
    /// The directory at `path`, which must be a real one.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(rustix::fs::open(path, DIRECTORY, Mode::empty())?))
    }

    /// The directory of that name, made if there is nothing of that name.
    pub(crate) fn directory(&self, name: &str) -> io::Result<Self> {
        match rustix::fs::mkdirat(&self.0, name, Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(Self(rustix::fs::openat(&self.0, name, DIRECTORY, Mode::empty())?))
    }

    /// The content of the file of that name; `None` when there is none.
    pub(crate) fn read(&self, name: &str, limit: u64) -> io::Result<Option<Vec<u8>>> {
        match rustix::fs::openat(&self.0, name, READING | OFlags::NOFOLLOW, Mode::empty()) {
            Err(rustix::io::Errno::NOENT) => Ok(None),
            opened => {
                let file = File::from(opened?);
                check(&file.metadata()?)?;
                read_all(file, limit).map(Some)
            }
        }
    }

    /// The content of the file at `path`, whose every link is followed as if this directory were the root of all files.
    pub(crate) fn read_as_root(&self, path: &str, limit: u64) -> io::Result<Vec<u8>> {
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        let file = File::from(rustix::fs::openat2(&self.0, path, READING, Mode::empty(), resolve)?);
        check(&file.metadata()?)?;
        read_all(file, limit)
    }

    /// Puts a file with this text, mode 0644 and the directory's owner in the place of `name`, at once.
    pub(crate) fn replace(&self, name: &str, text: &[u8]) -> io::Result<()> {
        let temporary = format!("{name}.{}", nonce());
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&self.0, &temporary, flags, Mode::RUSR | Mode::WUSR)?;
        let replaced = self
            .fill(File::from(file), text)
            .and_then(|()| Ok(rustix::fs::renameat(&self.0, OsStr::new(&temporary), &self.0, OsStr::new(name))?));
        if replaced.is_err() {
            let _ = rustix::fs::unlinkat(&self.0, &temporary, AtFlags::empty());
        }
        replaced
    }

    fn fill(&self, mut file: File, text: &[u8]) -> io::Result<()> {
        file.write_all(text)?;
        file.set_permissions(Permissions::from_mode(0o644))?;
        let owner = rustix::fs::fstat(&self.0)?;
        if file.metadata()?.uid() != owner.st_uid {
            std::os::unix::fs::fchown(&file, Some(owner.st_uid), Some(owner.st_gid))?;
        }
        file.sync_all()
    }
}

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_lead_nowhere_outside_of_the_root_that_is_meant() {
        let top = tempfile::tempdir().unwrap();
        let root = top.path().join("root");
        fs::create_dir_all(root.join("a")).unwrap();
        fs::write(root.join("a/file"), "inside").unwrap();
        fs::write(top.path().join("file"), "outside").unwrap();
        for (name, target) in
            [("one", "/a/file"), ("two", "../../a/file"), ("three", "../file"), ("four", "/proc/self/root")]
        {
            symlink(target, root.join(name)).unwrap();
        }
        let directory = Directory::open(&root).unwrap();
        let read = |path: &str| directory.read_as_root(path, 100).ok();
        for path in ["a/file", "/a/file", "one", "two", "/../a/file"] {
            assert_eq!(read(path).as_deref(), Some(&b"inside"[..]), "{path}");
        }
        for path in ["three", "../file", "four/etc/passwd", "a", "none"] {
            assert_eq!(read(path), None, "{path}");
        }
    }

    #[test]
    fn what_is_no_file_or_too_long_is_refused_at_once() {
        let top = tempfile::tempdir().unwrap();
        let at = |name: &str| top.path().join(name);
        rustix::fs::mknodat(rustix::fs::CWD, at("pipe"), rustix::fs::FileType::Fifo, Mode::RUSR, 0).unwrap();
        let _listener = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
        fs::write(at("long"), vec![b'x'; 11]).unwrap();
        File::create(at("sparse")).unwrap().set_len(1 << 40).unwrap();
        symlink("/dev/zero", at("zero")).unwrap();
        symlink("loop", at("loop")).unwrap();
        for (name, complaint) in [
            ("pipe", "it is a pipe, not a file"),
            ("socket", "it is a socket, not a file"),
            ("zero", "it is a device, not a file"),
            (".", "it is a directory, not a file"),
            ("long", "it has more than 10 bytes"),
            ("sparse", "it has more than 10 bytes"),
            ("loop", "Too many levels of symbolic links (os error 40)"),
        ] {
            assert_eq!(read(&at(name), 10).unwrap_err().to_string(), complaint, "{name}");
        }
        assert_eq!(read(&at("none"), 10).unwrap_err().kind(), io::ErrorKind::NotFound);
        fs::write(at("file"), "0123456789").unwrap();
        symlink("file", at("link")).unwrap();
        assert_eq!(read(&at("link"), 10).unwrap(), b"0123456789");
    }

    #[test]
    fn a_link_in_a_directory_is_neither_read_nor_written_through() {
        let (top, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(outside.path().join("secret"), "theirs").unwrap();
        symlink(outside.path(), top.path().join("info")).unwrap();
        symlink(outside.path().join("secret"), top.path().join("file")).unwrap();
        let directory = Directory::open(top.path()).unwrap();
        assert!(directory.directory("info").is_err());
        assert!(directory.read("file", 10).is_err());
        directory.replace("file", b"ours").unwrap();
        assert_eq!(fs::read_to_string(outside.path().join("secret")).unwrap(), "theirs");
        assert_eq!(fs::read_to_string(top.path().join("file")).unwrap(), "ours");
        assert_eq!(directory.read("none", 10).unwrap(), None);
        assert!(Directory::open(&top.path().join("info")).is_err());
    }

    #[test]
    fn what_cannot_be_put_in_place_leaves_nothing_behind() {
        let top = tempfile::tempdir().unwrap();
        fs::create_dir_all(top.path().join("file/full")).unwrap();
        assert!(Directory::open(top.path()).unwrap().replace("file", b"ours").is_err());
        assert_eq!(fs::read_dir(top.path()).unwrap().count(), 1);
    }
}
