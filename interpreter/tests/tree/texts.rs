//! Texts to read: those of `testdata`, and what dash says of a text.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// The files in a directory, sorted; none where there is no such directory.
pub(crate) fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()).collect();
    files.sort();
    files
}

/// The texts of `testdata`, by name: scripts, valid and not, and what mutations should begin with.
pub(crate) fn kept_texts() -> Vec<(String, Vec<u8>)> {
    let directories = ["conformance/generated", "conformance/handmade", "syntax", "fuzz"];
    let files = directories.iter().flat_map(|directory| testdata(directory, "sh"));
    files.chain(posix_rows().into_iter().map(|(name, script)| (name, script.into_bytes()))).collect()
}

/// The files of a directory of `testdata` whose names end in `ending`, as name and text.
fn testdata(directory: &str, ending: &str) -> Vec<(String, Vec<u8>)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata").join(directory);
    let mut found = files(&directory);
    found.retain(|path| path.extension().is_some_and(|extension| extension == ending));
    assert!(!found.is_empty(), "{}: nothing there", directory.display());
    found.iter().map(|path| (path.display().to_string(), fs::read(path).unwrap())).collect()
}

/// The scripts in the tables of `testdata/posix`, by name.
pub(crate) fn posix_rows() -> Vec<(String, String)> {
    let rows = testdata("posix", "txt").into_iter().flat_map(|(_, table)| {
        let table = String::from_utf8(table).unwrap();
        let rows = table.split("\n=== ").skip(1).map(|row| {
            let (name, script) = row.split_once('\n').unwrap();
            let script: Vec<_> = script.lines().skip_while(|line| line.starts_with("known: ")).collect();
            (name.to_owned(), script.join("\n") + "\n")
        });
        rows.collect::<Vec<_>>()
    });
    rows.collect()
}

/// Whether dash finds no syntax error in a file.
pub(crate) fn dash_accepts(file: &Path) -> bool {
    let status = Command::new("dash").arg("-n").arg(file).stdin(Stdio::null()).stderr(Stdio::null()).status();
    status.unwrap_or_else(|error| panic!("dash: {error}")).success()
}
