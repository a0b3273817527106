//! The documentation is true: transcripts are what the commands print, scripts are what `ce-lint` accepts, links lead
//! somewhere.
//!
//! With `CE_UPDATE_DOCS=1` transcripts are written anew.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use compeval_machine_image::{Kind, docker_for_tests, ensure};
use compeval_runtime::engine::Connected;

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs")
}

/// The texts between lines of three backquotes, of one language.
fn blocks<'t>(text: &'t str, language: &str) -> Vec<&'t str> {
    let beginning = format!("\n```{language}\n");
    let parts: Vec<&str> = text.split(&beginning).skip(1).collect();
    parts.into_iter().map(|part| part.split("\n```\n").next().unwrap()).collect()
}

/// The commands of a transcript, each with what it printed: `$ ` begins one, `> ` goes on with it.
fn commands(transcript: &str) -> Vec<(String, String)> {
    let mut commands: Vec<(String, String)> = Vec::new();
    for line in transcript.lines() {
        if let Some(command) = line.strip_prefix("$ ") {
            commands.push((command.to_owned(), String::new()));
        } else if let Some(more) = line.strip_prefix("> ").or((line == ">").then_some("")) {
            let (command, _) = commands.last_mut().unwrap();
            *command += &format!("\n{more}");
        } else {
            commands.last_mut().unwrap().1 += &format!("{line}\n");
        }
    }
    commands
}

/// Whether a word is a time or the number of a process.
fn is_number(word: &str) -> bool {
    word.len() > 3 && word.bytes().all(|byte| byte.is_ascii_digit())
}

/// What differs from run to run is left out: times, hashes and the directory.
fn lasting(text: &str, top: &Path) -> String {
    let text = text.replace(&top.display().to_string(), "/home/you");
    let mut words = Vec::new();
    for piece in text.split_inclusive([' ', '\n', ')', ',', ':', '-', '/']) {
        let word = piece.trim_end_matches([' ', '\n', ')', ',', ':', '-', '/']);
        let rest = &piece[word.len()..];
        let is_hash = [7, 12].contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_hexdigit());
        let is_time = word.split_once('.').is_some_and(|(whole, part)| {
            part.len() == 1 && [whole, part].iter().all(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
        });
        let plain = match () {
            () if is_hash => "0123456789ab"[..word.len()].to_owned(),
            () if is_time => "0.1".to_owned(),
            () if is_number(word) => "1234".to_owned(),
            () if word.strip_suffix(".log").is_some_and(is_number) => "1234.log".to_owned(),
            () => word.to_owned(),
        };
        words.push(plain + rest);
    }
    let text = words.concat();
    let mut parts: Vec<&str> = text.split(" s ago").collect();
    let last = parts.pop().unwrap();
    let ages =
        parts.iter().map(|part| format!("{}1 s ago", part.trim_end_matches(|digit: char| digit.is_ascii_digit())));
    ages.collect::<String>() + last
}

#[test]
fn the_first_computation_goes_as_it_is_told() {
    let Some(connected) = docker_for_tests("the first computation") else { return };
    let image = ensure(&connected, Kind::Dash).unwrap();
    let top = tempfile::tempdir().unwrap();
    let top = top.path().canonicalize().unwrap();
    let _guard = Guard { connected, directory: top.join("wordcount").display().to_string() };
    let path = docs().join("first-computation.md");
    let text = fs::read_to_string(&path).unwrap();
    let mut written = text.clone();
    let programs = Path::new(env!("CARGO_BIN_EXE_ce-run")).parent().unwrap().display().to_string();
    let mut directory = top.clone();
    for transcript in blocks(&text, "console") {
        let mut now = String::new();
        for (command, expected) in commands(transcript) {
            // Where the next command begins is where this one ends.
            let script = format!("{}\npwd >&3", command.replace("~", "\"$HOME\"").replace("debian:13", &image));
            let place = top.join("pwd");
            let shell = Command::new("sh")
                .args(["-c", &format!("exec 2>&1 3>'{}'\n{script}", place.display())])
                .current_dir(&directory)
                .env("PATH", format!("{programs}:{}", env::var("PATH").unwrap()))
                .env("HOME", &top)
                .env("GFSDIR", top.join("data"))
                .env("XDG_STATE_HOME", top.join(".local/state"))
                .env("GIT_CONFIG_NOSYSTEM", "1")
                .envs([("GIT_AUTHOR_NAME", "you"), ("GIT_AUTHOR_EMAIL", "you@example.org")])
                .envs([("GIT_COMMITTER_NAME", "you"), ("GIT_COMMITTER_EMAIL", "you@example.org")])
                .stdin(Stdio::null())
                .output()
                .unwrap();
            directory = fs::read_to_string(place).unwrap().trim().into();
            let printed = String::from_utf8(shell.stdout).unwrap().replace(&image, "debian:13");
            let printed = lasting(&printed, &top);
            let shown = command.replace('\n', "\n> ").replace("\n> \n", "\n>\n");
            now += &format!("$ {shown}\n{printed}");
            if env::var_os("CE_UPDATE_DOCS").is_none() {
                assert_eq!(printed, expected, "{command}");
            }
        }
        written = written.replace(transcript, now.trim_end());
    }
    if env::var_os("CE_UPDATE_DOCS").is_some() {
        fs::write(path, written).unwrap();
    }
}

/// Removes the containers and snapshots of a directory's computation in the end.
struct Guard {
    connected: Connected,
    directory: String,
}

impl Drop for Guard {
    fn drop(&mut self) {
        let own = [("compeval.directory", self.directory.as_str())];
        for container in self.connected.engine().containers(&own).unwrap_or_default() {
            let _ = self.connected.engine().remove(&container.id);
        }
        for image in self.connected.engine().images(&own).unwrap_or_default() {
            let _ = self.connected.engine().remove_image(&image.id);
        }
    }
}

/// The README shows a part of it.
#[test]
fn the_readme_shows_what_the_first_computation_does() {
    let readme = fs::read_to_string(docs().join("../README.md")).unwrap();
    let told = fs::read_to_string(docs().join("first-computation.md")).unwrap();
    let transcript = blocks(&readme, "console").into_iter().find(|block| block.contains("ce-run -n")).unwrap();
    assert!(told.contains(transcript), "{transcript}");
}

#[test]
fn recipes_are_what_ce_lint_accepts() {
    let text = fs::read_to_string(docs().join("recipes.md")).unwrap();
    let (setup, _) = text.split_once("## Continuous integration").unwrap();
    let recipes = blocks(setup, "sh");
    assert!(recipes.len() > 5);
    for recipe in recipes {
        let directory = tempfile::tempdir().unwrap();
        let script = directory.path().join("docker-setup.sh");
        fs::write(&script, format!("{recipe}\n")).unwrap();
        let lint = Command::new(env!("CARGO_BIN_EXE_ce-lint")).arg(&script).output().unwrap();
        assert!(lint.status.success(), "{recipe}\n{}", String::from_utf8_lossy(&lint.stdout));
    }
    for description in blocks(&text, "toml") {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("docker.conf");
        fs::write(&path, description).unwrap();
        compeval_runtime::computation::description::Description::read(&path).unwrap();
    }
}

#[test]
fn links_lead_to_files() {
    for page in fs::read_dir(docs()).unwrap().map(|entry| entry.unwrap().path()) {
        if page.extension().is_none_or(|extension| extension != "md") {
            continue;
        }
        let text = fs::read_to_string(&page).unwrap();
        for link in text.split("](").skip(1).map(|rest| rest.split([')', '#']).next().unwrap()) {
            let is_file = link.is_empty() || link.contains("://") || docs().join(link).exists();
            assert!(is_file, "{}: {link}", page.display());
        }
    }
}
