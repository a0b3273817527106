//! How the arguments of a call, and the directory that the caller is in, are named inside the container.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
};

use crate::container::mounts::{COMPUTATION, Mounts, lexical};

/// Names things of this machine as the container does.
#[derive(Debug)]
pub struct Translator<'m> {
    mounts: &'m Mounts,
    /// The directory that the command starts in.
    directory: OsString,
    /// Whether that is the caller's own, so that relative names mean the same.
    is_callers: bool,
}

impl Translator<'_> {
    /// For a command that starts in `workdir`; without that in the caller's own directory, where it is seen inside, else in
    /// the computation's.
    #[must_use]
    pub fn new<'m>(mounts: &'m Mounts, workdir: Option<&str>) -> Translator<'m> {
        let own = mounts.inside(mounts.current().as_os_str());
        let is_callers = workdir.is_none() && own.is_some();
        let directory = workdir.map(OsString::from).or(own).unwrap_or_else(|| COMPUTATION.into());
        Translator { mounts, directory, is_callers }
    }

    /// The directory that the command starts in.
    #[must_use]
    pub fn directory(&self) -> &OsStr {
        &self.directory
    }

    /// What an argument is inside. The path of a file below a mounted directory, there or yet to be made, is named by the
    /// fixed place of that: an absolute one as a whole argument or as the value of `NAME=` or `--NAME=`, and a relative one
    /// that would mean something else where the command starts: with a `/` in it, and there or beginning with `./` or `../`.
    /// Everything else stays as it is.
    #[must_use]
    pub fn translate(&self, argument: &OsStr) -> OsString {
        let (option, value) = split_option(argument.as_bytes());
        let value_text = OsStr::from_bytes(value);
        let inside = match value.first() {
            Some(b'/') if !is_list(value) => self.absolute(value_text),
            Some(b'/') | None => None,
            Some(_) if option.is_empty() && value.contains(&b'/') => self.relative(value_text),
            Some(_) => None,
        };
        inside.map_or_else(|| argument.to_owned(), |inside| OsString::from_vec([option, inside.as_bytes()].concat()))
    }

    fn absolute(&self, path: &OsStr) -> Option<OsString> {
        self.mounts.inside(path).or_else(|| self.mounts.inside(plain(Path::new(path))?.as_os_str()))
    }

    fn relative(&self, path: &OsStr) -> Option<OsString> {
        let named = self.mounts.current().join(path);
        let is_meant = || [&b"./"[..], b"../"].iter().any(|start| path.as_bytes().starts_with(start)) || named.exists();
        match self.is_callers {
            true => {
                let inside = self.mounts.inside(plain(&named)?.as_os_str())?;
                // What it means where the command starts, it may go on meaning.
                let is_same = lexical(&Path::new(&self.directory).join(path)) == lexical(Path::new(&inside));
                let stays = self.mounts.inside(named.as_os_str()).is_some();
                (!(is_same && stays)).then_some(inside)
            }
            false if is_meant() => self.absolute(named.as_os_str()),
            false => None,
        }
    }
}

/// A path without `.` and `..`; that it ends with a `/` is kept. `None` where it would lead elsewhere: behind a link, `..`
/// is not what stands before that.
fn plain(path: &Path) -> Option<PathBuf> {
    let plain = lexical(path);
    let leads = |path: &Path| path.canonicalize().or_else(|_| path.parent().unwrap_or(path).canonicalize()).ok();
    let ends_with_slash = path.as_os_str().as_bytes().ends_with(b"/");
    (leads(path) == leads(&plain)).then(|| if ends_with_slash { plain.join("") } else { plain })
}

/// An argument's `NAME=` or `--NAME=`, empty if there is none, and the rest.
fn split_option(argument: &[u8]) -> (&[u8], &[u8]) {
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    match argument.iter().position(|byte| *byte == b'=') {
        Some(sign) if sign > 0 && argument.iter().take(sign).all(is_name) => argument.split_at(sign + 1),
        _ => (&[], argument),
    }
}

/// Whether a value is more than one absolute path, with `:` or `,` between them: a list is for the command to take apart.
fn is_list(value: &[u8]) -> bool {
    value.split(|byte| matches!(byte, b':' | b',')).filter(|path| path.starts_with(b"/")).count() > 1
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    /// A computation, a storage, and other files, all in one directory: `comp`, `gfs`, `other`.
    struct Machine {
        top: tempfile::TempDir,
    }

    impl Machine {
        fn new() -> Self {
            let top = tempfile::tempdir().unwrap();
            for directory in ["comp/data", "gfs/c_align", "other"] {
                fs::create_dir_all(top.path().join(directory)).unwrap();
            }
            for file in ["comp/data/x", "comp/README", "gfs/c_align/out", "other/file"] {
                fs::write(top.path().join(file), "").unwrap();
            }
            symlink(top.path().join("gfs/c_align/out"), top.path().join("gfs/latest")).unwrap();
            Self { top }
        }

        /// Translates for a caller in `current`, with `TOP` standing for the directory of it all, in the answer too.
        fn translate(&self, current: &str, workdir: Option<&str>, argument: &str) -> String {
            let top = self.top.path().canonicalize().unwrap();
            let mounts =
                Mounts::new(&top.join("comp"), Some(&top.join("gfs"))).unwrap().with_current(top.join(current));
            let top = top.display().to_string();
            let translator = Translator::new(&mounts, workdir);
            let translated = translator.translate(OsStr::new(&argument.replace("TOP", &top)));
            translated.into_string().unwrap().replace(&top, "TOP")
        }
    }

    #[test]
    fn paths_below_a_mount_are_named_by_its_fixed_place() {
        let machine = Machine::new();
        for (argument, expected) in [
            ("TOP/gfs", "/compeval/gfs"),
            ("TOP/gfs/", "/compeval/gfs/"),
            ("TOP/gfs/c_align/out", "/compeval/gfs/c_align/out"),
            ("TOP/gfs/new/out", "/compeval/gfs/new/out"),
            ("TOP/gfs//c_align/./../new", "/compeval/gfs//c_align/./../new"),
            ("TOP/gfs/latest", "/compeval/gfs/latest"),
            ("TOP/other/../gfs/x/", "/compeval/gfs/x/"),
            ("TOP//gfs/x", "/compeval/gfs/x"),
            ("TOP/comp/data/x", "/compeval/computation/data/x"),
            ("--input=TOP/gfs/c_align/out", "--input=/compeval/gfs/c_align/out"),
            ("if=TOP/gfs/new", "if=/compeval/gfs/new"),
            ("../gfs/new", "/compeval/gfs/new"),
            ("../gfs/new/", "/compeval/gfs/new/"),
        ] {
            assert_eq!(machine.translate("comp", None, argument), expected, "{argument}");
        }
    }

    #[test]
    fn everything_else_stays_as_it_is() {
        let machine = Machine::new();
        for argument in [
            "",
            "-",
            "README",
            "data/x",
            "./new",
            "..",
            "../other/file",
            "TOP/none",
            "TOP/gfsx",
            "TOP/other/file",
            "TOP/gfs/../other/file",
            "/etc/passwd",
            "/no/such/path",
            "s/a/b/",
            "--x=data/x",
            "/",
            "=TOP/gfs",
            "/dev/null",
            "/compeval/gfs/x",
            "cat TOP/gfs/x",
            "TOP/gfs/a:TOP/gfs/b",
            "--path=TOP/gfs/a,TOP/comp/b",
            "http://example.org/x",
            "a b=TOP/gfs",
        ] {
            assert_eq!(machine.translate("comp", None, argument), argument);
        }
    }

    #[test]
    fn relative_paths_mean_what_they_mean_to_the_caller() {
        let machine = Machine::new();
        for (current, workdir, argument, expected) in [
            ("gfs/c_align", None, "out", "out"),
            ("gfs/c_align", None, "../new", "../new"),
            ("gfs/c_align", None, "../../comp/data/x", "/compeval/computation/data/x"),
            ("gfs/c_align", Some("/work"), "out", "out"),
            ("gfs/c_align", Some("/work"), "./out", "/compeval/gfs/c_align/./out"),
            ("gfs", Some("/work"), "c_align/out", "/compeval/gfs/c_align/out"),
            ("gfs", Some("/work"), "s/a/b/", "s/a/b/"),
            ("other", None, "file", "file"),
            ("other", None, "./file", "./file"),
            ("other", None, "../gfs/new", "/compeval/gfs/new"),
            ("", None, "comp/data/x", "/compeval/computation/data/x"),
            ("", None, "comp/data/none", "comp/data/none"),
        ] {
            assert_eq!(machine.translate(current, workdir, argument), expected, "{current} {workdir:?} {argument}");
        }
    }

    #[test]
    fn of_two_directories_one_in_the_other_the_inner_is_meant() {
        let machine = Machine::new();
        let top = machine.top.path().canonicalize().unwrap();
        fs::create_dir(top.join("comp/gfs")).unwrap();
        let mounts = Mounts::new(&top.join("comp"), Some(&top.join("comp/gfs"))).unwrap();
        for (current, argument, expected) in [
            ("comp", "gfs/f", "/compeval/gfs/f"),
            ("comp", "./gfs/f", "/compeval/gfs/f"),
            ("comp", "data/x", "data/x"),
            ("comp/gfs", "f/g", "f/g"),
            ("comp/gfs", "../data/x", "/compeval/computation/data/x"),
        ] {
            let mounts = mounts.clone().with_current(top.join(current));
            let translated = Translator::new(&mounts, None).translate(OsStr::new(argument));
            assert_eq!(translated.to_string_lossy().replace("/./", "/"), expected, "{current} {argument}");
        }
    }

    #[test]
    fn behind_a_link_two_dots_are_not_what_stands_before_them() {
        let machine = Machine::new();
        let top = machine.top.path().canonicalize().unwrap();
        fs::create_dir_all(top.join("real/sub")).unwrap();
        symlink(top.join("real/sub"), top.join("link")).unwrap();
        // On this machine, it is `real/gfs`.
        let argument = "TOP/link/../gfs/c_align/out";
        assert_eq!(machine.translate("comp", None, argument), argument);
        fs::create_dir(top.join("real/gfs")).unwrap();
        let mounts = Mounts::new(&top.join("comp"), Some(&top.join("link/../gfs"))).unwrap();
        let gfs = mounts.inside(top.join("gfs/x").as_os_str());
        assert_eq!((gfs, mounts.storage()), (None, top.join("real/gfs").as_path()));
    }

    #[test]
    fn names_may_be_of_any_bytes() {
        let machine = Machine::new();
        let top = machine.top.path().canonicalize().unwrap();
        let mounts = Mounts::new(&top.join("comp"), Some(&top.join("gfs"))).unwrap();
        let named = |root: &Path, name: &[u8]| OsString::from_vec([root.as_os_str().as_bytes(), b"/", name].concat());
        let translated = Translator::new(&mounts, None).translate(&named(&top.join("gfs"), b"\xff \n"));
        assert_eq!(translated, named(Path::new("/compeval/gfs"), b"\xff \n"));
    }

    #[test]
    fn a_command_starts_where_the_caller_is_or_in_the_computation() {
        let machine = Machine::new();
        let top = machine.top.path().canonicalize().unwrap();
        let mounts = Mounts::new(&top.join("comp"), Some(&top.join("gfs"))).unwrap();
        for (current, workdir, expected) in [
            ("gfs/c_align", None, "/compeval/gfs/c_align"),
            ("comp/data", None, "/compeval/computation/data"),
            ("other", None, "/compeval/computation"),
            ("gfs", Some("/work"), "/work"),
        ] {
            let mounts = mounts.clone().with_current(top.join(current));
            assert_eq!(Translator::new(&mounts, workdir).directory(), expected);
        }
    }
}
