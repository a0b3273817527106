//! The cases beside this crate: setup scripts with the exit status, output, applied stages and files that dash, bash
//! and busybox agree on when the scripts are sourced with the markers defined as functions.
//!
//! `handmade` has a case for each subject, `generated` mixes features at random. A case runs its plan in one place:
//! version 1 of the script some times, then perhaps version 2.

use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::{
        ffi::OsStrExt,
        fs::{MetadataExt, symlink},
    },
    path::{Path, PathBuf},
};

use bstr::ByteSlice;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Programs that scripts call, all played by `fixture/stand-in`.
const STAND_INS: [&str; 11] =
    ["apt-get", "curl", "git", "ldconfig", "mail", "make", "npm", "pip", "rsync", "systemctl", "useradd"];

/// Files up to this size are in an expected tree with their text.
const SHOWN: usize = 120;

/// A case.
#[derive(Debug, Deserialize)]
pub struct Case {
    /// The name of its files.
    pub name: String,
    /// For each run, which version of the script: 0 or 1.
    pub plan: Vec<usize>,
    /// What each run must do.
    pub runs: Vec<Expected>,
    /// Whether shells word their complaints differently.
    #[serde(default)]
    pub stderr_varies: bool,
    #[serde(skip)]
    directory: PathBuf,
}

/// What a run must do.
#[derive(Debug, Deserialize)]
pub struct Expected {
    /// What the markers do, such as `next_stage 2 skip`.
    pub events: Vec<String>,
    /// The exit status.
    pub exit: i32,
    /// Standard output, with places named as by [`shown`].
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// How many stages are applied at its end.
    pub stages: u32,
    tree: Value,
}

/// The files below a directory: each path with its type, mode, hash and text.
pub type Tree = BTreeMap<String, Value>;

fn here() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// All cases, in the order of their names.
///
/// # Errors
/// When a file of a case cannot be read.
pub fn cases() -> io::Result<Vec<Case>> {
    let mut cases = Vec::new();
    for directory in ["generated", "handmade"].map(|name| here().join(name)) {
        for entry in fs::read_dir(&directory)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "json") {
                let case: Case = serde_json::from_slice(&fs::read(&path)?)?;
                cases.push(Case { directory: directory.clone(), ..case });
            }
        }
    }
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(cases)
}

impl Case {
    /// The file of a version of its script.
    pub fn script(&self, version: usize) -> PathBuf {
        self.directory.join(format!("{}{}.sh", self.name, if version == 0 { "" } else { ".v2" }))
    }

    /// The files that must be there after each run.
    ///
    /// # Errors
    /// When the case is not as it should be.
    pub fn trees(&self) -> io::Result<Vec<Tree>> {
        let mut trees: Vec<Tree> = Vec::new();
        for run in &self.runs {
            let same = trees.last().filter(|_| run.tree == "same").cloned();
            trees.push(same.map_or_else(|| serde_json::from_value(run.tree.clone()), Ok)?);
        }
        Ok(trees)
    }

    /// How often `next_stage` is reached in a run.
    pub fn hits(&self, run: usize) -> usize {
        let events = self.runs.get(run).map(|run| run.events.as_slice()).unwrap_or_default();
        events.iter().filter(|event| event.starts_with("next_stage")).count()
    }
}

/// Puts what scripts find around them below `support`: `comp`, `gfs`, `home`, and `bin` with the stand-ins.
///
/// # Errors
/// When a file cannot be copied.
pub fn prepare(support: &Path) -> io::Result<()> {
    let fixture = here().join("fixture");
    for name in ["comp", "gfs", "home"] {
        copy(&fixture.join(name), &support.join(name))?;
    }
    let programs = support.join("bin");
    fs::create_dir(&programs)?;
    fs::copy(fixture.join("stand-in"), programs.join("_stub"))?;
    STAND_INS.iter().try_for_each(|name| symlink("_stub", programs.join(name)))
}

/// Copies a directory with all that is in it.
///
/// # Errors
/// When a file cannot be copied, or `to` exists.
pub fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &to)?;
        } else {
            fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}

/// The bytes with each place replaced by the name that expected results have for it, as text; what is not UTF-8 is
/// written as `\xNN`. Longer paths come before those they begin with.
pub fn shown(bytes: &[u8], places: &[(PathBuf, &str)]) -> String {
    let mut bytes = bytes.to_vec();
    for (path, name) in places {
        bytes = bytes.replace(path.as_os_str().as_bytes(), name);
    }
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        chunk.invalid().iter().for_each(|byte| text.push_str(&format!("\\x{byte:02x}")));
    }
    text
}

/// The files below `root`, in the form of expected results.
///
/// # Errors
/// When one cannot be read.
pub fn tree(root: &Path, places: &[(PathBuf, &str)]) -> io::Result<Tree> {
    let mut tree = Tree::new();
    add(root, root, places, &mut tree)?;
    Ok(tree)
}

fn add(root: &Path, directory: &Path, places: &[(PathBuf, &str)], tree: &mut Tree) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let name = shown(path.strip_prefix(root).unwrap_or(&path).as_os_str().as_bytes(), &[]);
        let metadata = fs::symlink_metadata(&path)?;
        let mode = format!("{:o}", metadata.mode() & 0o7777);
        let value = if metadata.is_symlink() {
            json!({"t": "l", "to": shown(fs::read_link(&path)?.as_os_str().as_bytes(), places)})
        } else if metadata.is_dir() {
            add(root, &path, places, tree)?;
            json!({"t": "d", "m": mode})
        } else if metadata.is_file() {
            let mut content = fs::read(&path)?;
            for (path, name) in places {
                content = content.replace(path.as_os_str().as_bytes(), name);
            }
            let digest: String = Sha256::digest(&content).iter().map(|byte| format!("{byte:02x}")).collect();
            let digest: String = digest.chars().take(24).collect();
            let text = (content.len() <= SHOWN).then(|| shown(&content, &[]));
            match text {
                Some(text) => json!({"t": "f", "m": mode, "h": digest, "c": text}),
                None => json!({"t": "f", "m": mode, "h": digest}),
            }
        } else {
            json!({"t": "other"})
        };
        tree.insert(name, value);
    }
    Ok(())
}
