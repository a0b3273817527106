//! The command `ce-lint`, run as a program.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    io::{Read, Write},
    path::Path,
    process::{Command, Output, Stdio},
};

use tempfile::TempDir;

struct Run {
    stdout: String,
    stderr: String,
    status: i32,
}

fn command(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ce-lint"));
    command.current_dir(directory).env_remove("NO_COLOR").stdin(Stdio::null());
    command
}

fn text(output: Output) -> Run {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Run { stdout: text(output.stdout), stderr: text(output.stderr), status: output.status.code().unwrap() }
}

fn lint(directory: &Path, arguments: &[&str]) -> Run {
    text(command(directory).args(arguments).output().unwrap())
}

fn lint_stdin(arguments: &[&str], script: &[u8]) -> Run {
    let mut child = command(Path::new("/"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A usage error ends it before it reads.
    let _ = child.stdin.take().unwrap().write_all(script);
    text(child.wait_with_output().unwrap())
}

fn directory_with(script: &str) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("docker-setup.sh"), script).unwrap();
    directory
}

#[test]
fn findings_are_shown_in_the_script_and_counted() {
    let directory = directory_with("next_stage\n\neverytime && make || true\n");
    let run = lint(directory.path(), &[]);
    insta::assert_snapshot!(run.stdout);
    assert_eq!(run.stderr, "Found 1 error and 1 warning in 1 file\n");
    assert_eq!(run.status, 1);
}

#[test]
fn a_clean_script_gives_no_output() {
    let directory = directory_with("next_stage && make\n");
    for arguments in [&[][..], &["docker-setup.sh"], &["."], &["--color=always", "."]] {
        let run = lint(directory.path(), arguments);
        assert_eq!((run.stdout.as_str(), run.stderr.as_str(), run.status), ("", "", 0), "{arguments:?}");
    }
    assert_eq!(lint(directory.path(), &["--format=json"]).stdout, "[]\n");
}

#[test]
fn json_is_one_list_for_all_files() {
    let directory = directory_with("nextstage && a\n");
    fs::write(directory.path().join("b.sh"), "echo 'ä'; next_stage\n").unwrap();
    let run = lint(directory.path(), &["--format", "json", ".", "b.sh"]);
    assert_eq!(run.status, 1);
    let findings: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    insta::assert_snapshot!(serde_json::to_string_pretty(&findings[1]).unwrap());
    assert_eq!(findings[0]["path"], "./docker-setup.sh");
    assert_eq!(findings[0]["code"], "CE005");
    assert_eq!(findings.as_array().unwrap().len(), 2);
}

#[test]
fn rules_are_selected_and_ignored_by_code_or_name() {
    let script = b"next_stage\neverytime || a\nmake\n";
    for (arguments, codes) in [
        (&["-"][..], &["CE003", "CE014", "CE012"][..]),
        (&["--select", "CE003,or-after-everytime", "-"], &["CE003", "CE014"]),
        (&["--select", "ce003", "--select", "CE012", "-"], &["CE003", "CE012"]),
        (&["--ignore", "CE003", "--ignore=CE012", "-"], &["CE014"]),
        (&["--select", "CE003", "--ignore", "marker-without-and", "-"], &[]),
    ] {
        let run = lint_stdin(&[&["--format=json"], arguments].concat(), script);
        let findings: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
        let found: Vec<&str> =
            findings.as_array().unwrap().iter().map(|finding| finding["code"].as_str().unwrap()).collect();
        assert_eq!(found, codes, "{arguments:?}");
        assert_eq!(run.status, i32::from(!codes.is_empty()));
    }
}

#[test]
fn an_unknown_rule_is_a_usage_error_with_the_nearest_one() {
    for (name, help) in [
        ("CE03", "did you mean `CE003`?"),
        ("marker-without-end", "did you mean `marker-without-and`?"),
        ("xyz", "there are CE001, CE002"),
    ] {
        for option in ["--select", "--ignore"] {
            let run = lint_stdin(&[option, name, "-"], b"make");
            assert_eq!((run.stdout.as_str(), run.status), ("", 2));
            assert!(
                run.stderr.starts_with(&format!("ce-lint: there is no rule `{name}`\n  help: {help}")),
                "{}",
                run.stderr
            );
        }
    }
    assert_eq!(lint_stdin(&["--format=xml", "-"], b"").status, 2);
}

#[test]
fn a_missing_file_is_reported_and_the_others_are_linted() {
    let directory = directory_with("next_stage\n");
    let run = lint(directory.path(), &["gone.sh", "docker-setup.sh"]);
    assert!(run.stdout.contains("docker-setup.sh:1:1"));
    assert_eq!(
        run.stderr,
        "ce-lint: cannot read `gone.sh`\n  caused by: No such file or directory (os error 2)\nFound 1 error in 1 file\n"
    );
    assert_eq!(run.status, 2);
    let empty = tempfile::tempdir().unwrap();
    let run = lint(empty.path(), &[]);
    assert!(run.stderr.contains("cannot read `docker-setup.sh`") && run.stderr.contains("help: "), "{}", run.stderr);
    assert_eq!(run.status, 2);
}

#[test]
fn standard_input_has_the_name_it_is_given() {
    assert!(lint_stdin(&["-"], b"next_stage").stdout.contains("--> -:1:1"));
    assert!(
        lint_stdin(&["-", "--stdin-filename", "x/docker-setup.sh"], b"next_stage")
            .stdout
            .contains("--> x/docker-setup.sh:1:1")
    );
}

#[test]
fn colors_are_only_written_when_asked_for() {
    let script = b"next_stage";
    for (arguments, colored) in
        [(&["-"][..], false), (&["--color=always", "-"], true), (&["--color=never", "-"], false)]
    {
        assert_eq!(lint_stdin(arguments, script).stdout.contains('\x1b'), colored, "{arguments:?}");
    }
}

#[test]
fn a_reader_that_leaves_early_is_no_failure() {
    let script = "next_stage\n\n".repeat(20_000);
    let directory = directory_with(&script);
    for format in ["--format=full", "--format=json"] {
        let mut child =
            command(directory.path()).arg(format).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut first = [0; 10];
        let mut stdout = child.stdout.take().unwrap();
        stdout.read_exact(&mut first).unwrap();
        drop(stdout);
        let run = text(child.wait_with_output().unwrap());
        assert_eq!((run.stderr.as_str(), run.status), ("Found 20000 errors in 1 file\n", 1));
    }
}

#[cfg(unix)]
#[test]
fn names_and_scripts_need_not_be_utf8() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt};
    let directory = tempfile::tempdir().unwrap();
    let name = OsStr::from_bytes(b"a\xff\x1b.sh");
    fs::write(directory.path().join(name), b"\xff\xfe; next_stage\n").unwrap();
    let run = text(command(directory.path()).arg(name).arg("--select=CE003").output().unwrap());
    assert_eq!(run.status, 1);
    assert!(run.stdout.contains("--> a\u{fffd}\\u{1b}.sh:1:5"), "{}", run.stdout);
}

#[test]
fn what_never_ends_is_a_failure() {
    let directory = directory_with("");
    let status = Command::new("sh")
        .args(["-c", "rm docker-setup.sh; mkfifo docker-setup.sh"])
        .current_dir(directory.path())
        .status();
    assert!(status.unwrap().success());
    for (name, complaint) in [
        ("/dev/zero", "ce-lint: cannot read `/dev/zero`\n  caused by: it has more than 16777216 bytes\n"),
        (".", "ce-lint: cannot read `./docker-setup.sh`\n  caused by: it is a pipe, not a file\n"),
    ] {
        let run = lint(directory.path(), &[name]);
        assert_eq!((run.stdout.as_str(), run.stderr.as_str(), run.status), ("", complaint, 2));
    }
}
