//! Tar archives of this machine's programs with what they need to run: libraries, loader, a few directories and files.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};

use crate::ImageError;

const DIRECTORIES: &[(&str, u32)] = &[
    ("dev", 0o755),
    ("etc", 0o755),
    ("home", 0o755),
    ("proc", 0o555),
    ("root", 0o700),
    ("run", 0o755),
    ("sys", 0o555),
    ("tmp", 0o1777),
    ("usr", 0o755),
    ("usr/bin", 0o755),
    ("usr/lib", 0o755),
    ("usr/sbin", 0o755),
    ("var", 0o755),
    ("var/lib", 0o755),
    ("var/tmp", 0o1777),
];
const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:user:/home:/bin/sh\n\
                      nobody:x:65534:65534:nobody:/nonexistent:/bin/sh\n";
const GROUP: &str = "root:x:0:\nuser:x:1000:\nnogroup:x:65534:\n";
/// Directories at the top that are symbolic links where `/usr` is merged.
const MERGED: &[&str] = &["bin", "sbin", "lib", "lib32", "lib64", "libx32"];

/// A tar archive of `programs` and of `shell`, which is also its `sh`, with all shared libraries they are linked to.
/// Every program stands where this machine has it, under the name asked for.
///
/// # Errors
/// [`ImageError::NoProgram`] for one that is not in `$PATH`, [`ImageError::Read`] for a file that cannot be read.
pub fn tar_of_programs(shell: &str, programs: &[&str]) -> Result<Vec<u8>, ImageError> {
    let mut archive = Archive::with_directories()?;
    let mut libraries = BTreeSet::new();
    for name in programs.iter().chain([&shell]) {
        let path = find_program(name)?;
        libraries.extend(libraries_of(&path)?);
        archive.copy(&path, &path)?;
    }
    let shell = find_program(shell)?;
    archive.copy(&shell, &shell.with_file_name("sh"))?;
    for library in libraries {
        archive.copy(&library, &library)?;
    }
    archive.finish()
}

/// The configuration of an image of layers for this machine, with one variable in its environment (OCI image specification).
pub(crate) fn configuration(layers: &[&[u8]], variable: &str) -> String {
    let digest = |layer: &&[u8]| -> String { Sha256::digest(layer).iter().map(|byte| format!("{byte:02x}")).collect() };
    let digests: Vec<String> = layers.iter().map(|layer| format!("sha256:{}", digest(layer))).collect();
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let configuration = serde_json::json!({
        "architecture": architecture,
        "os": "linux",
        "config": { "Env": [variable], "Cmd": ["sh"] },
        "rootfs": { "type": "layers", "diff_ids": digests },
    });
    configuration.to_string()
}

/// What `docker save` writes of an image of one layer with one variable in its environment.
///
/// # Errors
/// An archive that cannot be written.
pub(crate) fn saved(reference: &str, layer: &[u8], variable: &str) -> io::Result<Vec<u8>> {
    let manifest = serde_json::json!([{ "Config": "config.json", "RepoTags": [reference], "Layers": ["layer.tar"] }]);
    let mut builder = Builder::new(Vec::new());
    for (name, content) in [
        ("layer.tar", layer),
        ("config.json", configuration(&[layer], variable).as_bytes()),
        ("manifest.json", manifest.to_string().as_bytes()),
    ] {
        let mut header = Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, content)?;
    }
    builder.into_inner()
}

/// A tar archive of this machine's static `busybox`, with a symbolic link in `/bin` for each of its applets.
///
/// # Errors
/// [`ImageError::NoProgram`] without a `busybox`, [`ImageError::NotStatic`] for one that needs libraries.
pub fn busybox_tar() -> Result<Vec<u8>, ImageError> {
    let path = find_program("busybox")?;
    if !libraries_of(&path)?.is_empty() {
        return Err(ImageError::NotStatic { path });
    }
    let mut archive = Archive::with_directories()?;
    archive.copy(&path, Path::new("/bin/busybox"))?;
    for applet in output_of(Command::new(&path).arg("--list"))?.lines().filter(|&applet| applet != "busybox") {
        archive.link(&archive_path(Path::new("/bin").join(applet).as_path()), "busybox")?;
    }
    archive.finish()
}

/// Where `$PATH` has this program.
pub(crate) fn find_program(name: &str) -> Result<PathBuf, ImageError> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|directory| directory.join(name))
        .find(|candidate| candidate.is_file())
        .ok_or_else(|| ImageError::NoProgram { name: name.to_owned() })
}

/// The shared libraries a program is linked to, its loader included; none for a static one or a script.
fn libraries_of(program: &Path) -> Result<Vec<PathBuf>, ImageError> {
    let listing = output_of(Command::new("ldd").arg(program))?;
    let path = |line: &str| line.split_whitespace().find(|word| word.starts_with('/')).map(PathBuf::from);
    Ok(listing.lines().filter_map(path).collect())
}

fn output_of(command: &mut Command) -> Result<String, ImageError> {
    let path = PathBuf::from(command.get_program());
    let output = command.output().map_err(|source| ImageError::Read { path, source })?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The path inside an archive for an absolute path: without symbolic links on the way, as `/lib` often is one.
fn archive_path(path: &Path) -> PathBuf {
    let resolved = path.parent().and_then(|parent| fs::canonicalize(parent).ok());
    let path = match (resolved, path.file_name()) {
        (Some(parent), Some(name)) => parent.join(name),
        _ => path.to_owned(),
    };
    path.strip_prefix("/").map(Path::to_owned).unwrap_or(path)
}

/// An archive being written; each path goes in once.
struct Archive {
    builder: Builder<Vec<u8>>,
    written: BTreeSet<PathBuf>,
}

impl Archive {
    fn with_directories() -> Result<Self, ImageError> {
        let mut archive = Self { builder: Builder::new(Vec::new()), written: BTreeSet::new() };
        for (path, mode) in DIRECTORIES {
            archive.entry(Path::new(path), EntryType::Directory, *mode, &[])?;
        }
        for name in MERGED {
            if let Ok(target) = fs::read_link(Path::new("/").join(name)) {
                archive.link(Path::new(name), &target.to_string_lossy())?;
            }
        }
        archive.entry(Path::new("etc/passwd"), EntryType::Regular, 0o644, PASSWD.as_bytes())?;
        archive.entry(Path::new("etc/group"), EntryType::Regular, 0o644, GROUP.as_bytes())?;
        Ok(archive)
    }

    /// Adds the file at `source` as an executable one at `target`, an absolute path inside.
    fn copy(&mut self, source: &Path, target: &Path) -> Result<(), ImageError> {
        let content = fs::read(source).map_err(|error| ImageError::Read { path: source.to_owned(), source: error })?;
        self.entry(&archive_path(target), EntryType::Regular, 0o755, &content)?;
        Ok(())
    }

    fn link(&mut self, path: &Path, target: &str) -> io::Result<()> {
        if !self.written.insert(path.to_owned()) {
            return Ok(());
        }
        let mut header = header(EntryType::Symlink, 0o777, 0);
        self.builder.append_link(&mut header, path, target)
    }

    fn entry(&mut self, path: &Path, kind: EntryType, mode: u32, content: &[u8]) -> io::Result<()> {
        if !self.written.insert(path.to_owned()) {
            return Ok(());
        }
        let mut header = header(kind, mode, content.len() as u64);
        self.builder.append_data(&mut header, path, content)
    }

    fn finish(self) -> Result<Vec<u8>, ImageError> {
        Ok(self.builder.into_inner()?)
    }
}

fn header(kind: EntryType, mode: u32, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_uid(0);
    header.set_gid(0);
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(archive: &[u8]) -> Vec<(String, EntryType)> {
        let mut archive = tar::Archive::new(archive);
        let entries = archive.entries().unwrap().map(Result::unwrap);
        entries.map(|entry| (entry.path().unwrap().display().to_string(), entry.header().entry_type())).collect()
    }

    #[test]
    fn a_program_comes_with_its_shell_and_its_loader() {
        let entries = listed(&tar_of_programs("dash", &["cat"]).unwrap());
        for name in ["/cat", "/dash", "/sh", "/libc.so.6"] {
            assert!(entries.iter().any(|(path, kind)| path.ends_with(name) && kind.is_file()), "{name}: {entries:?}");
        }
        assert!(entries.iter().any(|(path, _)| path.contains("/ld-")), "{entries:?}");
        let distinct: BTreeSet<_> = entries.iter().map(|(path, _)| path).collect();
        assert_eq!(distinct.len(), entries.len());
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = tar_of_programs("dash", &["no-such-program"]).unwrap_err();
        assert_eq!(error.to_string(), "this machine has no program `no-such-program` in $PATH");
    }

    #[test]
    fn libraries_are_taken_from_every_form_of_line() {
        let libraries = libraries_of(&find_program("dash").unwrap()).unwrap();
        assert!(libraries.len() >= 2, "{libraries:?}");
    }
}
