//! Packages that are installed in a container, by what their managers keep of them.

use std::collections::BTreeSet;

use bstr::ByteSlice;

use crate::engine::FileChange;

/// A package that is installed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Who installed it: `dpkg`, `apk`, `pip` or `conda`.
    pub manager: &'static str,
}

/// What a package manager keeps in one file, and how that is read.
pub(super) type Database = (&'static str, fn(&[u8]) -> BTreeSet<Package>);

/// The files of those that keep one.
pub(super) const DATABASES: [Database; 2] = [("/var/lib/dpkg/status", of_dpkg), ("/lib/apk/db/installed", of_apk)];

/// Paragraphs of `Field: value`, as deb-control(5) says; of packages that were removed, some stay.
fn of_dpkg(text: &[u8]) -> BTreeSet<Package> {
    let package = |paragraph: &[u8]| {
        let field = |name: &str| paragraph.lines().find_map(|line| line.strip_prefix(name.as_bytes()));
        let is_installed = field("Status: ").is_some_and(|status| status.ends_with(b" installed"));
        let text = |name: &str| Some(field(name)?.to_str_lossy().into_owned());
        Some(Package { name: text("Package: ")?, version: text("Version: ")?, manager: "dpkg" })
            .filter(|_| is_installed)
    };
    text.split_str("\n\n").filter_map(package).collect()
}

/// Paragraphs of `L:value`, a letter for each field.
fn of_apk(text: &[u8]) -> BTreeSet<Package> {
    let package = |paragraph: &[u8]| {
        let field = |name: &str| paragraph.lines().find_map(|line| line.strip_prefix(name.as_bytes()));
        let text = |name: &str| Some(field(name)?.to_str_lossy().into_owned());
        Some(Package { name: text("P:")?, version: text("V:")?, manager: "apk" })
    };
    text.split_str("\n\n").filter_map(package).collect()
}

/// Those of pip and conda, which keep a directory or file named for each; only what differs from the image.
pub(super) fn in_changes<'c>(changes: impl IntoIterator<Item = &'c FileChange>) -> BTreeSet<Package> {
    let package = |change: &FileChange| {
        let (directory, file) = change.path.rsplit_once('/')?;
        if let Some(name) = file.strip_suffix(".dist-info") {
            let (name, version) = name.split_once('-')?;
            return Some(Package { name: name.to_owned(), version: version.to_owned(), manager: "pip" });
        }
        let name = file.strip_suffix(".json").filter(|_| directory.ends_with("/conda-meta"))?;
        let (name, _build) = name.rsplit_once('-')?;
        let (name, version) = name.rsplit_once('-')?;
        Some(Package { name: name.to_owned(), version: version.to_owned(), manager: "conda" })
    };
    changes.into_iter().filter_map(package).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::containers::FileChangeKind;

    fn shown(packages: &BTreeSet<Package>) -> Vec<String> {
        packages.iter().map(|Package { name, version, manager }| format!("{name} {version} {manager}")).collect()
    }

    #[test]
    fn databases_are_read() {
        let dpkg = b"Package: jq\nStatus: install ok installed\nVersion: 1.6-2\nDescription: x\n Version: no\n\n\
                     Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n\nPackage: a\nVersion: 2\n";
        assert_eq!(shown(&of_dpkg(dpkg)), ["jq 1.6-2 dpkg"]);
        assert_eq!(
            shown(&of_apk(b"C:Q1\nP:musl\nV:1.2.5-r0\nF:lib\n\nP:zlib\nV:1.3\n\n")),
            ["musl 1.2.5-r0 apk", "zlib 1.3 apk"]
        );
        assert!(of_dpkg(b"\xff\n\n\n").is_empty());
    }

    #[test]
    fn packages_are_seen_by_the_names_of_what_is_kept_of_them() {
        let change = |path: &str| FileChange { path: path.to_owned(), kind: FileChangeKind::Added };
        let changes = [
            "/opt/venv/lib/python3.11/site-packages/numpy-2.3.4.dist-info",
            "/opt/venv/lib/python3.11/site-packages/numpy-2.3.4.dist-info/METADATA",
            "/opt/env/conda-meta/blas-devel-3.9.0-37_h1.json",
            "/etc/x-1-2.json",
        ];
        let changes = changes.map(change);
        assert_eq!(shown(&in_changes(&changes)), ["blas-devel 3.9.0 conda", "numpy 2.3.4 pip"]);
    }
}
