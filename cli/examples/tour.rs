//! The tour: the life of a computation and its container, shown with the real `ce-run`.
//!
//! `cargo run --example tour` needs nothing else: no network, no image, no prepared directory. The
//! image is made of this machine's own programs; whatever else is made is removed at the end.

#![expect(clippy::print_stdout, reason = "it talks to a person")]

use std::{
    env,
    error::Error,
    fs,
    io::{self, Write},
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use clap::Parser;
use compeval_cli::{engines, report, run_command};
use compeval_machine_image::{Kind, ensure};
use compeval_runtime::engine::{Connected, EngineKind};
use gix::{
    actor::SignatureRef,
    objs::{Tree, tree},
};
use signal_hook::{consts, flag};
use tempfile::TempDir;

/// The computation's files, the image's name aside.
const FILES: &[(&str, &str)] = &[
    ("inputs", "text\ntext\n"),
    ("outputs", "counts\n"),
    (
        "exec",
        "#!/bin/sh\n\
         # exec TEXT TEXT COUNTS: the three words that occur most often\n\
         cat \"$1\" \"$2\" | /opt/words/count >\"$3\"\n",
    ),
    (
        "count.sh.in",
        "#!/bin/sh\n\
         tr -cs '[:alpha:]' '\\n' | tr '[:upper:]' '[:lower:]' | grep -vxFf @COMMON@ |\n\
         \tsort | uniq -c | sort -rn | head -n 3\n",
    ),
    (
        "docker-setup.sh",
        "next_stage && mkdir -p /opt/words\n\
         next_stage && {\n\
         \tfor word in a and in is it of; do\n\
         \t\techo $word\n\
         \tdone >/opt/words/common\n\
         }\n\
         everytime && sed 's|@COMMON@|/opt/words/common|' $COMPDIR/count.sh.in >/opt/words/count\n\
         everytime && chmod +x /opt/words/count\n",
    ),
];

const POEM: &str = "The sea is calm and the moon is up.\nIt is the tide that takes a boat to the sea.\n";
const SONG: &str = "The moon, the moon, and in the sea a boat.\n";

/// Whether somebody has pressed the interrupt key.
type Interrupted = Arc<AtomicBool>;

fn main() -> ExitCode {
    compeval_cli::help_if_asked();
    // The commands that the tour shows find this program under the name `ce-run`.
    let called_as = env::args_os().next().map(PathBuf::from).unwrap_or_default();
    if called_as.file_name().is_some_and(|name| name == "ce-run") {
        return run_command::run(&run_command::RunArguments::parse());
    }
    // ce-run gets the signals too and ends; the tour then ends because it did, and cleans up.
    let interrupted = Interrupted::default();
    for signal in [consts::SIGINT, consts::SIGTERM, consts::SIGHUP] {
        let _ = flag::register(signal, Arc::clone(&interrupted));
    }
    let (error, help) = match engines::of_environment() {
        Err(error) => {
            let help = error.help();
            (error.into(), help)
        }
        Ok(connected) => match Tour::new(&connected, &interrupted).and_then(|tour| tour.show()) {
            Ok(()) => return ExitCode::SUCCESS,
            Err(error) => (error, None),
        },
    };
    let text = report::failure("tour", error.as_ref(), help.as_deref());
    let _ = io::stderr().write_all(text.as_bytes());
    ExitCode::FAILURE
}

/// A computation to look at. Dropping it removes it, with its containers.
struct Tour<'t> {
    connected: &'t Connected,
    interrupted: &'t Interrupted,
    image: String,
    top: TempDir,
}

impl<'t> Tour<'t> {
    fn new(connected: &'t Connected, interrupted: &'t Interrupted) -> Result<Self, Box<dyn Error>> {
        say(
            "This tour takes a computation through its life: set up in a container of its\nown, run, run again, changed.",
        );
        let image = machine_image(connected)?;
        say(&format!("Its image, `{image}`, holds a few programs of this machine."));
        let tour = Tour { connected, interrupted, image, top: tempfile::tempdir()? };
        tour.write_files()?;
        Ok(tour)
    }

    fn computation(&self) -> PathBuf {
        self.top.path().join("words")
    }

    /// The global file storage.
    fn storage(&self) -> PathBuf {
        self.top.path().join("gfs")
    }

    fn write_files(&self) -> Result<(), Box<dyn Error>> {
        let (computation, bin) = (self.computation(), self.top.path().join("bin"));
        for directory in [&computation, &self.storage(), &bin] {
            fs::create_dir(directory)?;
        }
        for (name, text) in FILES {
            fs::write(computation.join(name), text)?;
        }
        fs::write(computation.join("docker.conf"), format!("image = \"{}\"\n", self.image))?;
        fs::set_permissions(computation.join("exec"), fs::Permissions::from_mode(0o755))?;
        fs::write(self.storage().join("poem"), POEM)?;
        fs::write(self.storage().join("song"), SONG)?;
        symlink(env::current_exe()?, bin.join("ce-run"))?;
        Ok(())
    }

    fn show(&self) -> Result<(), Box<dyn Error>> {
        let call = "ce-run $GFSDIR/poem $GFSDIR/song $GFSDIR/counts";
        say("A computation is a directory in Git with a program `exec`. docker.conf names an\n\
             image, and docker-setup.sh tells how to get from there to a container that\n\
             `exec` can run in: here, one with a program made from count.sh.in.");
        self.run("head -n 20 exec count.sh.in docker.conf docker-setup.sh")?;
        self.commit("count words")?;
        say("What would a call do? Asking touches nothing.");
        self.run("ce-run --dry-run")?;
        say("The first call creates the container, runs the stages, and then `exec` with two\n\
             inputs and an output. They lie in the global file storage, which the container\n\
             sees as well.");
        self.run(call)?;
        self.run("cat $GFSDIR/counts")?;
        say("The second call finds the container. No stage is repeated; `everytime` means\n\
             every time.");
        self.run(call)?;
        say("The word `the` was forgotten. A setup script grows by stages at its end.");
        self.run("echo 'next_stage && echo the >>/opt/words/common' >>docker-setup.sh")?;
        self.commit("leave `the` out")?;
        say("Another commit, another container: the old one still computes what the old\n\
             commit says.");
        self.run("ce-run --dry-run")?;
        self.run(call)?;
        self.run("cat $GFSDIR/counts")?;
        self.run("cat docker-container")?;
        say(&format!(
            "That was all. The tour's containers and files are removed now; its image stays, as\n\
             the tests use it too{}.\n\n\
             Next: README.md tells more of the commands, ARCHITECTURE.md is the map.\n\
             `cargo install --path cli` installs ce-run, ce-env and ce-lint, which finds what will go\n\
             wrong in a setup script.",
            match self.connected.kind() {
                EngineKind::Docker => format!(" (`docker rmi {}`)", self.image),
                EngineKind::Podman => format!(" (`podman rmi {}`)", self.image),
                EngineKind::Embedded => String::new(),
            }
        ));
        Ok(())
    }

    /// Shows a command line as one types it, then runs it in the computation's directory.
    fn run(&self, line: &str) -> Result<(), Box<dyn Error>> {
        let (bold, plain) = if colored() { ("\x1b[1m", "\x1b[0m") } else { ("", "") };
        println!("{bold}$ {line}{plain}");
        io::stdout().flush()?;
        let path = env::var_os("PATH").unwrap_or_default();
        let path = env::join_paths([self.top.path().join("bin")].into_iter().chain(env::split_paths(&path)))?;
        let mut command = Command::new("sh");
        command.args(["-c", line]).current_dir(self.computation()).env("PATH", path);
        command.env("GFSDIR", self.storage()).env("XDG_STATE_HOME", self.top.path().join("state"));
        // The storage is ours, whoever called sudo.
        command.env_remove("SUDO_UID").env_remove("SUDO_GID");
        let status = command.status()?;
        println!();
        match status.success() && !self.interrupted.load(Ordering::Relaxed) {
            true => Ok(()),
            false if self.interrupted.load(Ordering::Relaxed) => Err("interrupted".into()),
            false => Err(format!("`{line}` failed: {status}").into()),
        }
    }

    /// Commits all files of the computation. Git itself need not be there.
    fn commit(&self, message: &str) -> Result<(), Box<dyn Error>> {
        let directory = self.computation();
        let repository = if directory.join(".git").exists() { gix::open(&directory)? } else { gix::init(&directory)? };
        let tree = repository.write_object(tree_of(&repository, &directory)?)?.detach();
        repository.index_from_tree(&tree)?.write(gix::index::write::Options::default())?;
        let tour = SignatureRef { name: "Tour".into(), email: "tour@example.org".into(), time: "1700000000 +0000" };
        let parent = repository.head()?.into_peeled_id().ok().map(|id| id.detach());
        let commit = repository.commit_as(tour, tour, "HEAD", message, tree, parent)?;
        say(&format!("[committed as {}: {message}]", commit.to_hex_with_len(7)));
        Ok(())
    }
}

impl Drop for Tour<'_> {
    fn drop(&mut self) {
        let directory = self.computation().canonicalize().unwrap_or_default().display().to_string();
        let ours = self.connected.engine().containers(&[("compeval.directory", &directory)]);
        let removed =
            ours.and_then(|ours| ours.iter().try_for_each(|container| self.connected.engine().remove(&container.id)));
        if let Err(error) = removed {
            let _ = io::stderr().write_all(report::failure("tour", &error, None).as_bytes());
        }
    }
}

/// The first image that this machine has the programs for.
fn machine_image(connected: &Connected) -> Result<String, Box<dyn Error>> {
    let dash = ensure(connected, Kind::Dash);
    let image = dash.or_else(|error| {
        ensure(connected, Kind::Bash).or_else(|_| ensure(connected, Kind::Busybox)).map_err(|_| error)
    });
    Ok(image?)
}

/// The tree of the files in a directory without directories. The mapping is none of them.
fn tree_of(repository: &gix::Repository, directory: &Path) -> Result<Tree, Box<dyn Error>> {
    let mut entries = Vec::new();
    for file in fs::read_dir(directory)? {
        let (path, metadata) = file.and_then(|file| Ok((file.path(), file.metadata()?)))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if metadata.is_file() && name != compeval_runtime::computation::layout::MAPPING {
            let is_program = metadata.permissions().mode() & 0o111 != 0;
            let kind = if is_program { tree::EntryKind::BlobExecutable } else { tree::EntryKind::Blob };
            let oid = repository.write_blob(fs::read(&path)?)?.detach();
            entries.push(tree::Entry { mode: kind.into(), filename: name.into(), oid });
        }
    }
    entries.sort();
    Ok(Tree { entries })
}

fn say(text: &str) {
    println!("{text}\n");
}

fn colored() -> bool {
    report::Color::Auto.is_on(&io::stdout())
}
