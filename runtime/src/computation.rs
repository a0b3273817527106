//! A computation on this machine: its directory, its name, and the exact version it is at, read from Git.

mod checkout;
mod content;
pub mod description;
pub mod environment;
pub mod error;
pub mod layout;

use std::{
    fs,
    io::{self, Read},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

pub use self::checkout::Changes;
use self::{checkout::Checkout, content::Contents, error::ComputationError};
use crate::file;

/// What has become of a computation meanwhile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// The commit that is checked out now, if it is another one.
    pub commit: Option<String>,
    /// The files that are others now, below the computation's directory.
    pub files: Vec<PathBuf>,
}

/// A computation, as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Computation {
    /// Its absolute directory, without symbolic links.
    pub directory: PathBuf,
    /// That directory's own name.
    pub name: String,
    /// The id of the commit that is checked out, in full.
    pub commit: String,
    /// When files of the computation are not as that commit has them: a hash of what they are instead. `None` means
    /// clean. Files that Git ignores, and the mapping, do not count.
    pub dirty: Option<String>,
    /// Which files these are.
    pub changes: Changes,
    /// The top of the working tree.
    pub repository: PathBuf,
    /// The repository's own directory, where its list of ignored files is; `None` when it belongs to another working
    /// tree.
    pub git_directory: Option<PathBuf>,
}

/// The nearest directory from `directory` upwards that has a docker description; `directory` itself where there is none up to
/// the top of its working tree.
#[must_use]
pub fn found_upwards(directory: &Path) -> PathBuf {
    let Some(real) = directory.canonicalize().ok().filter(|real| real.is_dir()) else { return directory.to_owned() };
    let top = real.ancestors().find(|ancestor| ancestor.join(".git").exists());
    let within = real.ancestors().filter(|ancestor| top.is_some_and(|top| ancestor.starts_with(top)));
    let found = within.into_iter().find(|ancestor| ancestor.join(layout::DESCRIPTION).symlink_metadata().is_ok());
    found.map_or_else(|| directory.to_owned(), Path::to_owned)
}

/// The bytes of a file in a working tree of Git as a version has it, named as `git rev-parse` knows it; `None` where the
/// version does not have it.
///
/// # Errors
/// When the file's directory is in no repository, or there is no such version.
pub fn text_at(file: &Path, version: &str) -> Result<Option<Vec<u8>>, ComputationError> {
    let directory = file.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
    let read = |source| ComputationError::Read { path: directory.to_owned(), source };
    let directory = directory.canonicalize().map_err(read)?;
    let name = file.file_name().unwrap_or_default();
    Checkout::discover(&directory)?.text_at(&directory.join(name), version)
}

impl Computation {
    /// The computation in `directory`, with the state of its files at this moment.
    ///
    /// # Errors
    /// When there is no such directory, or it is in no Git repository with a working tree and a commit, or a file of
    /// either cannot be read.
    pub fn open(directory: &Path) -> Result<Self, ComputationError> {
        let named = || directory.to_owned();
        let real = directory.canonicalize().map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => ComputationError::NoDirectory { directory: named() },
            io::ErrorKind::NotADirectory => ComputationError::NotADirectory { directory: named() },
            _ => ComputationError::Read { path: named(), source },
        })?;
        if !real.is_dir() {
            return Err(ComputationError::NotADirectory { directory: named() });
        }
        let checkout = Checkout::discover(&real)?;
        let changes = checkout.changes(&Contents::default())?;
        Ok(Self {
            name: real.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            commit: checkout.commit.to_string(),
            dirty: changes.hash(),
            changes,
            git_directory: checkout.git_directory(),
            repository: checkout.top,
            directory: real,
        })
    }

    /// What is not as it was when the computation was opened: another commit is checked out, or files that Git tracks are
    /// others. `None` when all is as it was. A file that is new to Git does not count: an editor may have made it.
    ///
    /// # Errors
    /// As for [`Computation::open`].
    pub fn moved(&self) -> Result<Option<Moved>, ComputationError> {
        let now = Self::open(&self.directory)?;
        let (commit, files) = (now.commit, self.changes.moved(&now.changes));
        let is_other = commit != self.commit;
        Ok((is_other || !files.is_empty()).then(|| Moved { commit: is_other.then_some(commit), files }))
    }

    /// Whether what was filed under `key` is of the commit that is checked out, or of one that came before it. Nothing
    /// uncommitted is.
    #[must_use]
    pub fn descends_from(&self, key: &str) -> bool {
        Checkout::discover(&self.directory).is_ok_and(|checkout| checkout.descends_from(key))
    }

    /// What a container of this version is filed under: the commit, and after a `+` the hash of what differs from it.
    #[must_use]
    pub fn key(&self) -> String {
        match &self.dirty {
            None => self.commit.clone(),
            Some(dirty) => format!("{}+{dirty}", self.commit),
        }
    }

    /// The docker description.
    #[must_use]
    pub fn docker_conf(&self) -> PathBuf {
        self.directory.join(layout::DESCRIPTION)
    }

    /// The setup script.
    #[must_use]
    pub fn setup_script(&self) -> PathBuf {
        self.directory.join(layout::SETUP_SCRIPT)
    }

    /// The program that a call runs.
    #[must_use]
    pub fn exec(&self) -> PathBuf {
        self.directory.join(layout::EXEC)
    }

    /// The mapping from versions to containers.
    #[must_use]
    pub fn mapping(&self) -> PathBuf {
        self.directory.join(layout::MAPPING)
    }

    /// Finds out before anything is set up whether `exec` is there and can be run.
    ///
    /// # Errors
    /// [`ComputationError::NoExec`], [`ComputationError::ExecNotAFile`], [`ComputationError::ExecNotExecutable`].
    pub fn check_exec(&self) -> Result<(), ComputationError> {
        let path = self.exec();
        match fs::metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(ComputationError::NoExec { path }),
            Err(source) => Err(ComputationError::Read { path, source }),
            Ok(metadata) if !metadata.is_file() => Err(ComputationError::ExecNotAFile { path }),
            Ok(metadata) if metadata.permissions().mode() & 0o111 != 0 => Ok(()),
            Ok(_) => Err(ComputationError::ExecNotExecutable { path }),
        }
    }
}

/// The program that runs a file of this machine, if that is a script and names one (`#!`, as execve(2) reads it).
#[must_use]
pub fn interpreter(script: &Path) -> Option<String> {
    const LONGEST_LINE: u64 = 256;
    let mut line = Vec::new();
    file::open(script).ok()?.take(LONGEST_LINE).read_to_end(&mut line).ok()?;
    let line = line.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?.trim_ascii_start();
    let name = line.split(|byte| matches!(byte, b' ' | b'\t')).next()?;
    String::from_utf8(name.to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, process::Command};

    use super::*;

    /// Runs `script` in a new directory with a Git that knows nothing of this machine, and gives the directory.
    fn repository(script: &str) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        sh(directory.path(), "git init -q -b main .");
        sh(directory.path(), script);
        directory
    }

    fn sh(directory: &Path, script: &str) -> String {
        let author = ["GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"]
            .map(|name| (name, "x"));
        let output = Command::new("sh")
            .args(["-ec", script])
            .current_dir(directory)
            .envs(author)
            .envs([("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_SYSTEM", "/dev/null")])
            .env("GIT_ALLOW_PROTOCOL", "file")
            .output()
            .unwrap();
        assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    const ONE_COMMIT: &str = "mkdir align other; echo a >align/exec; echo b >other/file; git add .; git commit -qm one";

    fn dirty(directory: &Path) -> Option<String> {
        Computation::open(directory).unwrap().dirty
    }

    #[test]
    fn a_clean_computation_is_filed_under_its_commit() {
        let repository = repository(ONE_COMMIT);
        let top = repository.path().canonicalize().unwrap();
        let computation = Computation::open(&repository.path().join("align")).unwrap();
        let expected = Computation {
            directory: top.join("align"),
            name: "align".into(),
            commit: sh(&top, "git rev-parse HEAD"),
            dirty: None,
            changes: Changes::default(),
            git_directory: Some(top.join(".git")),
            repository: top,
        };
        assert_eq!(computation, expected);
        assert_eq!(computation.key(), computation.commit);
    }

    #[test]
    fn a_computation_is_found_from_inside_it() {
        let repository = repository("mkdir -p align/data/deep other; touch align/docker.conf other/file");
        let top = repository.path().canonicalize().unwrap();
        for (from, found) in [
            ("align", "align"),
            ("align/data/deep", "align"),
            ("other", "other"),
            ("none", "none"),
            ("align/docker.conf", "align/docker.conf"),
        ] {
            assert_eq!(found_upwards(&top.join(from)), top.join(found), "{from}");
        }
        sh(&top, "git init -q align/data");
        assert_eq!(
            found_upwards(&top.join("align/data/deep")),
            top.join("align/data/deep"),
            "not beyond the repository"
        );
    }

    #[test]
    fn a_computation_moves_with_its_commit_and_its_tracked_files() {
        let repository = repository(&format!("{ONE_COMMIT}; echo c >align/new"));
        let align = repository.path().join("align");
        let computation = Computation::open(&align).unwrap();
        let moved = |change: &str| {
            sh(repository.path(), change);
            computation.moved().unwrap()
        };
        assert_eq!(moved("echo x >align/.exec.swp; echo d >align/new; echo b >other/file"), None);
        let files = |names: &[&str]| names.iter().map(PathBuf::from).collect();
        assert_eq!(moved("echo b >align/exec"), Some(Moved { commit: None, files: files(&["exec"]) }));
        let commit = |moved: Option<Moved>| moved.and_then(|moved| moved.commit);
        let now = commit(moved("git commit -qam two")).unwrap();
        assert_eq!(now, sh(repository.path(), "git rev-parse HEAD"));
        assert_eq!(moved("git checkout -q HEAD~1"), None);
    }

    #[test]
    fn what_makes_a_computation_dirty_and_what_does_not() {
        let cases = [
            ("true", false),
            ("touch -d yesterday align/exec", false),
            ("echo c >other/file; echo d >other/new", false),
            (
                "echo x >align/docker-container; echo x >align/docker-container.ce0123456789abcdef0123456789abcdef",
                false,
            ),
            ("echo ignored >.git/info/exclude; echo x >align/ignored", false),
            ("echo b >align/exec", true),
            ("chmod +x align/exec", true),
            ("rm align/exec", true),
            ("ln -sf /etc/passwd align/exec", true),
            ("echo b >align/exec; git add align/exec", true),
            ("echo x >align/docker-container.yml", true),
            ("mkdir align/deep; echo new >align/deep/new", true),
            ("echo new >align/new; git add -N align/new", true),
        ];
        for (change, expected) in cases {
            let repository = repository(&format!("{ONE_COMMIT}; {change}"));
            assert_eq!(dirty(&repository.path().join("align")).is_some(), expected, "{change}");
        }
    }

    #[test]
    fn the_hash_depends_on_content_alone() {
        let hash = |change: &str| {
            let repository = repository(&format!("{ONE_COMMIT}; {change}"));
            dirty(&repository.path().join("align")).unwrap()
        };
        let edited = hash("echo b >align/exec");
        assert_eq!(edited, hash("echo b >align/exec; touch -d yesterday align/exec"));
        assert_eq!(edited, hash("echo b >align/exec; git add align/exec; echo c >other/file"));
        assert_ne!(edited, hash("echo c >align/exec"));
        assert_ne!(edited, hash("echo b >align/exec; chmod +x align/exec"));
        assert_ne!(hash("echo b >align/b"), hash("echo b >align/c"));
        assert_eq!(edited, "6603c3688c1ce55f11c124908821950118bd9b298af0b1da8af3d26ec36c0b23");
    }

    /// The changed file is as long as before, so that it has to be read, through a filter if there were one.
    #[test]
    fn nothing_of_the_repositorys_configuration_is_run() {
        let evil = "git config core.fsmonitor \"touch $PWD/ran; false\"; git config filter.x.clean \"touch $PWD/ran; cat\"; \
                    git config filter.x.process \"touch $PWD/ran\"; git config core.hooksPath $PWD/hooks; \
                    echo '* filter=x' >align/.gitattributes; echo b >align/exec";
        let repository = repository(&format!("{ONE_COMMIT}; {evil}"));
        assert!(dirty(&repository.path().join("align")).is_some());
        assert!(!repository.path().join("ran").exists());
    }

    #[test]
    fn a_repository_of_another_owner_is_read_all_the_same() {
        let repository = repository(ONE_COMMIT);
        if rustix::process::geteuid().is_root() {
            sh(repository.path(), "chown -R 12345:12345 .");
        }
        assert_eq!(dirty(&repository.path().join("align")), None);
    }

    #[test]
    fn a_submodule_is_a_repository_of_its_own() {
        let inner = repository("echo a >exec; git add .; git commit -qm inner");
        let script = format!(
            "git -c protocol.file.allow=always submodule --quiet add {} sub; git commit -qm outer",
            inner.path().display()
        );
        let outer = repository(&script);
        let sub = outer.path().join("sub");
        let computation = Computation::open(&sub).unwrap();
        assert_eq!(computation.commit, sh(inner.path(), "git rev-parse HEAD"));
        let modules = outer.path().canonicalize().unwrap().join(".git/modules/sub");
        assert_eq!(computation.git_directory, Some(modules));
        assert_eq!((computation.dirty, dirty(outer.path())), (None, None));

        sh(
            &sub,
            "git config filter.x.clean \"touch $PWD/../ran; cat\"; echo '* filter=x' >.gitattributes; echo b >exec",
        );
        assert!(dirty(&sub).is_some());
        let edited = dirty(outer.path()).unwrap();
        assert!(!outer.path().join("ran").exists());
        // Git itself, asked to add a file, does run the filter.
        sh(&sub, "git add .; git commit -qm edited");
        assert!(outer.path().join("ran").exists());
        assert_eq!(dirty(&sub), None);
        sh(outer.path(), "rm ran");
        assert_ne!(dirty(outer.path()).unwrap(), edited);
    }

    #[test]
    fn a_linked_worktree_has_the_exclude_file_of_its_repository() {
        let repository = repository(ONE_COMMIT);
        sh(repository.path(), "git worktree add -q --detach ../$(basename $PWD)-linked");
        let linked =
            repository.path().with_file_name(format!("{}-linked", repository.path().file_name().unwrap().display()));
        let computation = Computation::open(&linked.join("align"));
        sh(repository.path(), "git worktree remove --force ../$(basename $PWD)-linked");
        let computation = computation.unwrap();
        assert_eq!(computation.dirty, None);
        assert_eq!(computation.git_directory, Some(repository.path().canonicalize().unwrap().join(".git")));
    }

    #[test]
    fn a_git_directory_that_belongs_to_another_working_tree_is_not_ours() {
        let (theirs, ours) = (repository(ONE_COMMIT), tempfile::tempdir().unwrap());
        let git = theirs.path().join(".git").display().to_string();
        for trick in [
            format!("echo 'gitdir: {git}' >.git"),
            format!("ln -s {git} .git"),
            format!("cp -r {git} .git; echo {git} >.git/commondir; echo $PWD/.git >.git/gitdir"),
        ] {
            sh(ours.path(), &format!("rm -rf .git; {trick}; mkdir -p align"));
            let computation = Computation::open(&ours.path().join("align")).unwrap();
            assert_eq!(computation.git_directory, None, "{trick}");
        }
    }

    #[test]
    fn a_repository_inside_that_is_not_a_submodule_counts_by_its_commit_and_its_files() {
        let outer = repository(&format!("{ONE_COMMIT}; git init -q align/inner; echo a >align/inner/file"));
        let unborn = dirty(&outer.path().join("align")).unwrap();
        sh(&outer.path().join("align/inner"), "git add .; git commit -qm one");
        let clean = dirty(&outer.path().join("align")).unwrap();
        sh(&outer.path().join("align/inner"), "echo b >file");
        let edited = dirty(&outer.path().join("align")).unwrap();
        assert_eq!(BTreeSet::from([unborn, clean, edited]).len(), 3);
    }

    #[test]
    fn what_is_no_computation_is_told_apart() {
        let empty = tempfile::tempdir().unwrap();
        let open = |path: &Path| Computation::open(path).unwrap_err();
        assert!(matches!(open(empty.path()), ComputationError::NotInRepository { .. }));
        assert!(matches!(open(&empty.path().join("none")), ComputationError::NoDirectory { .. }));
        sh(empty.path(), "echo x >file; git init -q --bare bare.git; git init -q unborn");
        assert!(matches!(open(&empty.path().join("file")), ComputationError::NotADirectory { .. }));
        assert!(matches!(open(&empty.path().join("bare.git")), ComputationError::NoWorkingTree { .. }));
        assert!(matches!(open(&empty.path().join("unborn")), ComputationError::NoCommit { .. }));
        assert!(matches!(open(&empty.path().join("unborn/.git")), ComputationError::NoWorkingTree { .. }));
    }

    #[test]
    fn exec_must_be_there_and_executable() {
        let repository = repository(ONE_COMMIT);
        let align = Computation::open(&repository.path().join("align")).unwrap();
        let error = align.check_exec().unwrap_err();
        assert!(error.to_string().ends_with("align/exec` is not executable"), "{error}");
        assert!(error.help().unwrap().starts_with("run `chmod +x "), "{error:?}");
        sh(repository.path(), "chmod +x align/exec");
        align.check_exec().unwrap();
        let other = Computation::open(&repository.path().join("other")).unwrap();
        assert!(matches!(other.check_exec(), Err(ComputationError::NoExec { .. })));
    }

    #[test]
    fn the_interpreter_is_what_the_first_line_names() {
        let repository = repository(ONE_COMMIT);
        let align = Computation::open(&repository.path().join("align")).unwrap();
        let long = format!("#!/bin/{} x\n", "x".repeat(300));
        for (text, named) in [
            ("#!/bin/sh\n", Some("/bin/sh")),
            ("#! /usr/bin/env python3", Some("/usr/bin/env")),
            ("#!\t/bin/awk\t-f\n#!/x", Some("/bin/awk")),
            ("#!\n", Some("")),
            ("echo #!/bin/sh\n", None),
            ("\u{7f}ELF", None),
            (long.as_str(), long.get(2..256)),
        ] {
            fs::write(align.exec(), text).unwrap();
            assert_eq!(interpreter(&align.exec()).as_deref(), named, "{text}");
        }
        sh(repository.path(), "ln -sf /dev/zero align/exec");
        assert_eq!(interpreter(&align.exec()), None);
    }
}
