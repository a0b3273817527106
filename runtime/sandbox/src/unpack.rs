//! A layer of an image as a directory that an overlay understands (OCI image specification, Image Layer Filesystem Changeset).

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::{self, BufRead, BufReader, Read},
    os::unix::ffi::OsStrExt,
    path::{Component, Path, PathBuf},
};

use rustix::{
    fs::{AtFlags, CWD, FileType, Mode, Timespec, Timestamps, XattrFlags, lsetxattr, mknodat, utimensat},
    io::Errno,
};
use sha2::{Digest, Sha256};
use tar::{Archive, Entry, EntryType};

use crate::{
    error::{Doing, Result, named, unreadable},
    ids::Ids,
};

const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
/// Before the name of what is removed.
const WHITEOUT: &str = ".wh.";
/// Nothing of the layers below is seen in the directory that this is in.
const OPAQUE: &str = ".wh..wh..opq";

/// What is read, and the digest of it so far.
struct Summed<R> {
    reader: R,
    digest: Sha256,
}

impl<R: Read> Read for Summed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.digest.update(buffer.get(..count).unwrap_or_default());
        Ok(count)
    }
}

/// Unpacks a layer to the root directory, which it is enclosed in, and gives the digest of the archive as it is when it is
/// not compressed, 64 hexadecimal digits.
///
/// # Errors
/// The system's refusals; an archive that is none.
pub(crate) fn unpack(input: File, ids: &Ids) -> Result<String> {
    let plain = decompressed(input).doing(|| "read the layer".into())?;
    let mut archive = Archive::new(Summed { reader: plain, digest: Sha256::new() });
    archive.set_preserve_permissions(true);
    archive.set_preserve_ownerships(!ids.is_single());
    let (mut directories, mut whiteouts) = (Vec::new(), Whiteouts::default());
    for entry in archive.entries().doing(|| "read the layer".into())? {
        let mut entry = entry.doing(|| "read the layer".into())?;
        let path = inside(&entry)?;
        unpack_one(&mut entry, &path, &mut whiteouts).doing(|| named("unpack", &path))?;
        if entry.header().entry_type().is_dir() {
            directories.push((path, entry.header().mtime().unwrap_or_default()));
        }
    }
    whiteouts.make(ids).doing(|| "remove what the layer removes".into())?;
    for (path, time) in directories.iter().rev() {
        // It may have been replaced meanwhile.
        let time = Timespec { tv_sec: i64::try_from(*time).unwrap_or_default(), tv_nsec: 0 };
        let times = Timestamps { last_access: time, last_modification: time };
        let _ = utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW);
    }
    let mut rest = archive.into_inner();
    // The digest is that of all, what stands behind the archive's end included.
    io::copy(&mut rest, &mut io::sink()).doing(|| "read the layer".into())?;
    Ok(hexadecimal(&rest.digest.finalize()))
}

/// Bytes as hexadecimal digits, two each.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What is read, decompressed if it is compressed.
///
/// # Errors
/// What cannot be read.
pub(crate) fn decompressed<'r>(input: impl Read + 'r) -> io::Result<Box<dyn Read + 'r>> {
    let mut reader = BufReader::with_capacity(1 << 20, input);
    let start = reader.fill_buf()?;
    Ok(if start.starts_with(GZIP) {
        Box::new(flate2::bufread::MultiGzDecoder::new(reader))
    } else if start.starts_with(ZSTD) {
        Box::new(ruzstd::decoding::StreamingDecoder::new(reader).map_err(unreadable)?)
    } else {
        Box::new(reader)
    })
}

/// Where an entry goes; what leads up or away is left out of its path.
fn inside<R: Read>(entry: &Entry<'_, R>) -> Result<PathBuf> {
    let path = entry.path().doing(|| "read the layer".into())?;
    let plain = path.components().filter(|part| matches!(part, Component::Normal(_)));
    Ok(Path::new("/").join(plain.collect::<PathBuf>()))
}

fn unpack_one<R: Read>(entry: &mut Entry<'_, R>, path: &Path, whiteouts: &mut Whiteouts) -> io::Result<()> {
    let parent = path.parent().unwrap_or(Path::new("/"));
    let name = path.file_name().unwrap_or_default();
    if name == OPAQUE {
        whiteouts.opaque.push(parent.to_owned());
        return fs::create_dir_all(parent);
    }
    if let Some(removed) = name.as_bytes().strip_prefix(WHITEOUT.as_bytes()) {
        whiteouts.removed.push(parent.join(OsStr::from_bytes(removed)));
        return fs::create_dir_all(parent);
    }
    let attributes = attributes_of(entry)?;
    match entry.header().entry_type() {
        // Nobody inside could open them.
        EntryType::Block | EntryType::Char => return Ok(()),
        EntryType::Fifo => mknodat(CWD, path, FileType::Fifo, Mode::from(entry.header().mode()?), 0)?,
        _ => drop(entry.unpack_in("/")?),
    }
    for (name, value) in attributes {
        match lsetxattr(path, name.as_str(), &value, XattrFlags::empty()) {
            // What this file system, or this user, cannot keep.
            Ok(()) | Err(Errno::NOTSUP | Errno::PERM) => {}
            refused => refused?,
        }
    }
    Ok(())
}

/// The extended attributes of an entry, but for those that say something to an overlay.
fn attributes_of<R: Read>(entry: &mut Entry<'_, R>) -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut attributes = Vec::new();
    for extension in entry.pax_extensions()?.into_iter().flatten() {
        let extension = extension?;
        let Some(name) = extension.key().ok().and_then(|key| key.strip_prefix("SCHILY.xattr.")) else { continue };
        if !name.starts_with("trusted.") && !name.starts_with("user.overlay.") {
            attributes.push((name.to_owned(), extension.value_bytes().to_vec()));
        }
    }
    Ok(attributes)
}

/// What a layer says of those below it; what it brings along itself is there all the same.
#[derive(Default)]
struct Whiteouts {
    removed: Vec<PathBuf>,
    opaque: Vec<PathBuf>,
}

impl Whiteouts {
    fn make(&self, ids: &Ids) -> io::Result<()> {
        let attribute = if ids.is_rootless() { "user.overlay.opaque" } else { "trusted.overlay.opaque" };
        let mut opaque = self.opaque.clone();
        for path in &self.removed {
            match fs::symlink_metadata(path) {
                Ok(found) if found.is_dir() => opaque.push(path.clone()),
                Ok(_) => {}
                Err(_) => mknodat(CWD, path, FileType::CharacterDevice, Mode::empty(), 0)?,
            }
        }
        opaque.iter().try_for_each(|path| Ok(lsetxattr(path, attribute, b"y", XattrFlags::empty())?))
    }
}
