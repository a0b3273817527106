//! A layer of an image as a directory that an overlay understands (OCI image specification, Image Layer Filesystem Changeset).

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::{self, BufRead, BufReader, Read},
    os::unix::ffi::OsStrExt,
    path::{Component, Path, PathBuf},
};

use rustix::fs::{AtFlags, CWD, FileType, Mode, Timespec, Timestamps, XattrFlags, mknodat, setxattr, utimensat};
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
    archive.set_unpack_xattrs(true);
    let mut directories = Vec::new();
    for entry in archive.entries().doing(|| "read the layer".into())? {
        let mut entry = entry.doing(|| "read the layer".into())?;
        let path = inside(&entry)?;
        unpack_one(&mut entry, &path, ids).doing(|| named("unpack", &path))?;
        if entry.header().entry_type().is_dir() {
            directories.push((path, entry.header().mtime().unwrap_or_default()));
        }
    }
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

/// 64 digits of a digest.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn decompressed(input: File) -> io::Result<Box<dyn Read>> {
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

fn unpack_one<R: Read>(entry: &mut Entry<'_, R>, path: &Path, ids: &Ids) -> io::Result<()> {
    let parent = path.parent().unwrap_or(Path::new("/"));
    let name = path.file_name().unwrap_or_default();
    if name == OPAQUE {
        fs::create_dir_all(parent)?;
        let attribute = if ids.is_rootless() { "user.overlay.opaque" } else { "trusted.overlay.opaque" };
        return Ok(setxattr(parent, attribute, b"y", XattrFlags::empty())?);
    }
    if let Some(removed) = name.as_bytes().strip_prefix(WHITEOUT.as_bytes()) {
        fs::create_dir_all(parent)?;
        let place = parent.join(OsStr::from_bytes(removed));
        return Ok(mknodat(CWD, place, FileType::CharacterDevice, Mode::empty(), 0)?);
    }
    match entry.header().entry_type() {
        // Nobody inside could open them.
        EntryType::Block | EntryType::Char => Ok(()),
        EntryType::Fifo => Ok(mknodat(CWD, path, FileType::Fifo, Mode::from(entry.header().mode()?), 0)?),
        _ => entry.unpack_in("/").map(drop),
    }
}
