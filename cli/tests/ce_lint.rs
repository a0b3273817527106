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
    let footer = "Found 1 error and 1 warning in 1 file\n[*] 1 fixable with `--fix --unsafe-fixes`\n";
    assert_eq!(run.stderr, footer);
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
        ("xyz", "`ce-lint rules` lists them"),
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

const SCRIPT: &str = "next_stage && cp $COMPDIR/a /a\nnext_stage && {\n    a # <&>\n    b\n}\n";

#[test]
fn every_format_is_what_its_readers_expect() {
    let directory = directory_with(SCRIPT);
    for format in ["concise", "gcc", "github", "gitlab", "checkstyle", "junit", "jsonl"] {
        let run = lint(directory.path(), &["--format", format]);
        assert_eq!(run.status, 1, "{format}");
        insta::assert_snapshot!(format!("format_{format}"), run.stdout);
    }
    for format in ["concise", "json", "gitlab", "checkstyle", "junit", "sarif"] {
        let clean = directory_with("next_stage && a\n");
        let run = lint(clean.path(), &["--format", format]);
        assert_eq!((run.status, run.stderr.as_str()), (0, ""), "{format}");
        if matches!(format, "json" | "gitlab" | "sarif") {
            serde_json::from_str::<serde_json::Value>(&run.stdout).unwrap();
        }
    }
}

/// What SARIF 2.1.0 asks for in the parts of a log that are written here.
fn sarif_schema() -> serde_json::Value {
    let text = serde_json::json!({
        "type": "object", "required": ["text"],
        "properties": { "text": { "type": "string" }, "markdown": { "type": "string" } },
    });
    let region = serde_json::json!({
        "type": "object", "additionalProperties": false, "properties": {
            "startLine": { "type": "integer", "minimum": 1 }, "startColumn": { "type": "integer", "minimum": 1 },
            "endLine": { "type": "integer", "minimum": 1 }, "endColumn": { "type": "integer", "minimum": 1 },
            "byteOffset": { "type": "integer", "minimum": 0 }, "byteLength": { "type": "integer", "minimum": 0 },
        },
    });
    let artifact = serde_json::json!({ "type": "object", "properties": { "uri": { "type": "string", "format": "uri-reference" } } });
    let physical = serde_json::json!({
        "type": "object", "required": ["artifactLocation", "region"],
        "properties": { "artifactLocation": artifact, "region": region },
    });
    let level = serde_json::json!({ "enum": ["none", "note", "warning", "error"] });
    let location = serde_json::json!({
        "type": "object", "properties": {
            "id": { "type": "integer", "minimum": 0 }, "message": text, "physicalLocation": physical,
        },
    });
    let replacement = serde_json::json!({
        "type": "object", "required": ["deletedRegion"], "properties": { "deletedRegion": region, "insertedContent": text },
    });
    let fix = serde_json::json!({
        "type": "object", "required": ["artifactChanges"], "properties": {
            "description": text,
            "artifactChanges": { "type": "array", "minItems": 1, "items": {
                "type": "object", "required": ["artifactLocation", "replacements"],
                "properties": { "replacements": { "type": "array", "minItems": 1, "items": replacement } },
            } },
        },
    });
    let result = serde_json::json!({
        "type": "object", "required": ["message"], "additionalProperties": false, "properties": {
            "ruleId": { "type": "string" }, "ruleIndex": { "type": "integer", "minimum": 0 }, "level": level,
            "message": text, "locations": { "type": "array", "items": location },
            "relatedLocations": { "type": "array", "items": location }, "fixes": { "type": "array", "items": fix },
            "partialFingerprints": { "type": "object", "additionalProperties": { "type": "string" } },
        },
    });
    let rule = serde_json::json!({
        "type": "object", "required": ["id"], "additionalProperties": false, "properties": {
            "id": { "type": "string" }, "name": { "type": "string" }, "shortDescription": text, "help": text,
            "helpUri": { "type": "string", "format": "uri" },
            "defaultConfiguration": { "type": "object", "properties": { "level": level } },
        },
    });
    serde_json::json!({
        "type": "object", "required": ["version", "runs"], "additionalProperties": false, "properties": {
            "$schema": { "type": "string", "format": "uri" }, "version": { "const": "2.1.0" },
            "runs": { "type": "array", "items": {
                "type": "object", "required": ["tool"], "additionalProperties": false, "properties": {
                    "tool": { "type": "object", "required": ["driver"], "properties": { "driver": {
                        "type": "object", "required": ["name"], "properties": { "rules": { "type": "array", "items": rule } },
                    } } },
                    "columnKind": { "enum": ["utf16CodeUnits", "unicodeCodePoints"] },
                    "results": { "type": "array", "items": result },
                },
            } },
        },
    })
}

#[test]
fn sarif_is_what_its_schema_says() {
    let directory = directory_with(SCRIPT);
    let run = lint(directory.path(), &["--format", "sarif"]);
    let log: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    let errors: Vec<String> = jsonschema::validator_for(&sarif_schema())
        .unwrap()
        .iter_errors(&log)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{}", errors.join("\n"));
    let results = &log["runs"][0]["results"];
    let rules = &log["runs"][0]["tool"]["driver"]["rules"];
    let first = &results[0];
    assert_eq!(rules[first["ruleIndex"].as_u64().unwrap() as usize]["id"], first["ruleId"]);
    assert_eq!(first["locations"][0]["physicalLocation"]["region"]["startLine"], 1);
    assert!(first["fixes"][0]["artifactChanges"][0]["replacements"][0]["insertedContent"]["text"] == "\"");
}

#[test]
fn fixes_are_put_in_shown_or_filtered() {
    let directory = directory_with(SCRIPT);
    let script = || fs::read_to_string(directory.path().join("docker-setup.sh")).unwrap();
    let diff = lint(directory.path(), &["--diff"]);
    assert!(
        diff.stdout.contains("-next_stage && cp $COMPDIR/a /a\n+next_stage && cp \"$COMPDIR/a\" /a\n"),
        "{}",
        diff.stdout
    );
    assert_eq!((diff.status, script().as_str()), (1, SCRIPT), "nothing is written");
    let fixed = lint(directory.path(), &["--fix"]);
    assert_eq!(script(), SCRIPT.replace("$COMPDIR/a", "\"$COMPDIR/a\""));
    assert!(fixed.stderr.starts_with("Fixed 1 finding\nFound 1 warning in 1 file\n"), "{}", fixed.stderr);
    let again = lint(directory.path(), &["--fix", "--select", "CE081"]);
    assert_eq!((again.stdout.as_str(), again.stderr.as_str(), again.status), ("", "", 0));
    let filtered = lint_stdin(&["--fix", "-"], SCRIPT.as_bytes());
    assert_eq!(filtered.stdout, script(), "the standard input becomes the standard output");
    let selected = lint_stdin(&["--fix", "--ignore", "CE081", "-"], SCRIPT.as_bytes());
    assert_eq!(selected.stdout, SCRIPT);
    let left = lint_stdin(&["--fix", "-"], b"next_stage && make\n");
    assert_eq!((left.stdout.as_str(), left.status), ("next_stage && make\n", 0));
}

#[test]
fn a_fixed_file_keeps_its_mode_and_its_links() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let directory = directory_with(SCRIPT);
    let script = directory.path().join("docker-setup.sh");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o750)).unwrap();
    symlink("docker-setup.sh", directory.path().join("link.sh")).unwrap();
    lint(directory.path(), &["--fix", "link.sh"]);
    assert!(directory.path().join("link.sh").symlink_metadata().unwrap().is_symlink());
    assert_eq!(script.metadata().unwrap().permissions().mode() & 0o777, 0o750);
    assert!(fs::read_to_string(script).unwrap().contains("\"$COMPDIR/a\""));
}

#[test]
fn a_configuration_says_what_is_looked_for() {
    let directory = directory_with(SCRIPT);
    let below = directory.path().join("below");
    fs::create_dir(&below).unwrap();
    fs::write(below.join("docker-setup.sh"), SCRIPT).unwrap();
    let configure = |text: &str| fs::write(directory.path().join("ce-lint.toml"), text).unwrap();
    let found = |directory: &Path, arguments: &[&str]| {
        let run = lint(directory, &[&["--format", "json"], arguments].concat());
        let findings: Vec<serde_json::Value> = serde_json::from_str(&run.stdout).unwrap_or_default();
        let found = findings
            .iter()
            .map(|one| format!("{}={}", one["code"].as_str().unwrap(), one["severity"].as_str().unwrap()));
        (found.collect::<Vec<_>>().join(" "), run.status)
    };
    let both = ("CE081=warning CE060=warning".to_owned(), 1);
    assert_eq!(found(&below, &[]), both);
    configure("ignore = [\"CE081\"]\n[levels]\nunchecked-failure = \"style\"\n");
    assert_eq!(found(&below, &[]), ("CE060=style".to_owned(), 0), "one above counts");
    assert_eq!(found(&below, &["--level", "CE060=error"]), ("CE060=error".to_owned(), 1), "options count more");
    assert_eq!(found(&below, &["--isolated"]), both);
    configure("fail-on = \"never\"\n");
    assert_eq!(found(&below, &[]), (both.0.clone(), 0));
    assert_eq!(found(&below, &["--fail-on", "warning"]), both);
    configure("[levels]\nCE060 = \"off\"\n");
    assert_eq!(found(&below, &["--select", "CE060"]), (String::new(), 0));
    for (text, message) in [
        ("ignored = []\n", "ce-lint.toml: line 1: unknown field `ignored`"),
        ("ignore = [\"CE18\"]\n", "ce-lint.toml: there is no rule `CE18`\n  help: did you mean"),
        ("[levels]\nCE060 = \"bad\"\n", "ce-lint.toml: there is no level `bad`"),
        ("fail-on = \"sometimes\"\n", "ce-lint.toml: `fail-on`: there is no level `sometimes`"),
    ] {
        configure(text);
        let run = lint(&below, &[]);
        assert_eq!(run.status, 2);
        assert!(run.stderr.contains(message), "{}", run.stderr);
    }
}

#[test]
fn reading_is_bounded() {
    let directory = directory_with("next_stage && a\n");
    let run = lint(directory.path(), &["--against", "/dev/zero"]);
    assert_eq!(run.status, 2);
    assert!(run.stderr.contains("it has more than"), "{}", run.stderr);
    // A pipe that nobody writes to would keep it waiting.
    let made = Command::new("mkfifo").arg(directory.path().join("ce-lint.toml")).status().unwrap();
    assert!(made.success());
    let run = lint(directory.path(), &[]);
    assert_eq!(run.status, 2);
    assert!(run.stderr.contains("ce-lint.toml: cannot be read"), "{}", run.stderr);
}

#[test]
fn directories_are_searched_for_scripts() {
    let directory = tempfile::tempdir().unwrap();
    for name in ["b", "a/c", ".git", "a/target"] {
        fs::create_dir_all(directory.path().join(name)).unwrap();
        fs::write(directory.path().join(name).join("docker-setup.sh"), "make\n").unwrap();
    }
    let run = lint(directory.path(), &["--format", "concise", "."]);
    let paths: Vec<&str> = run.stdout.lines().filter_map(|line| line.split(':').next()).collect();
    assert_eq!(paths, ["./a/c/docker-setup.sh", "./b/docker-setup.sh"]);
}

#[test]
fn nothing_is_edited_where_the_engine_cannot_tell_what_is_applied() {
    let script = "next_stage && apt-get update && apt-get install gcc\n";
    let directory = directory_with(script);
    let run = |arguments: &[&str]| {
        let mut command = command(directory.path());
        text(command.env("DOCKER_HOST", "unix:///nonexistent/socket").args(arguments).output().unwrap())
    };
    fs::write(directory.path().join("docker-container"), "schema = 1\n").unwrap();
    // What there is to say of the script is said all the same.
    assert!(run(&["--format", "concise"]).stdout.contains("CE040"));
    let refused = run(&["--fix"]);
    assert!(refused.stderr.contains("cannot tell which stages are applied") && refused.stderr.contains("--isolated"));
    assert_eq!(refused.status, 2, "{}", refused.stderr);
    assert_eq!(fs::read_to_string(directory.path().join("docker-setup.sh")).unwrap(), script);
    // docker.conf says where to ask, whatever else is wrong with it.
    fs::write(directory.path().join("docker.conf"), "engine = \"docker\"\nunknown = 1\n").unwrap();
    assert!(run(&["--fix"]).stderr.contains("/nonexistent/socket"), "{}", run(&["--fix"]).stderr);
    run(&["--fix", "--isolated"]);
    let fixed = fs::read_to_string(directory.path().join("docker-setup.sh")).unwrap();
    assert!(fixed.contains("install -y gcc"), "{fixed}");
}

#[test]
fn an_older_version_tells_which_stages_are_applied() {
    let directory = directory_with("next_stage && apt-get update && apt-get install gcc\nnext_stage && make\n");
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        command.current_dir(directory.path()).args(["-c", "user.name=x", "-c", "user.email=x@example.org"]);
        assert!(command.args(arguments).output().unwrap().status.success(), "{arguments:?}");
    };
    git(&["init", "-q"]);
    git(&["add", "."]);
    git(&["commit", "-qm", "first"]);
    let script = directory.path().join("docker-setup.sh");
    let now = "next_stage && apt-get update && apt-get install gcc\nnext_stage && make all\nnext_stage && apt-get update && apt-get install g++\n";
    fs::write(&script, now).unwrap();
    let run = lint(directory.path(), &["--against", "HEAD", "--format", "concise"]);
    assert!(run.stdout.contains("docker-setup.sh:2:1: error[CE090] stage-edited"), "{}", run.stdout);
    let fixed = lint(directory.path(), &["--against", "HEAD", "--fix"]);
    assert!(fixed.stderr.contains("Left out 1 fix in stages that are applied"), "{}", fixed.stderr);
    assert_eq!(fs::read_to_string(&script).unwrap(), now.replace("install g++", "install -y g++"));
    lint(directory.path(), &["--against", "HEAD", "--fix", "--fix-applied"]);
    assert!(fs::read_to_string(&script).unwrap().contains("install -y gcc"));
    fs::write(directory.path().join("old.sh"), "next_stage && a\n").unwrap();
    fs::write(&script, "next_stage && b\nnext_stage && a\n").unwrap();
    let run = lint(directory.path(), &["--against", "old.sh", "--format", "concise"]);
    assert!(run.stdout.contains("docker-setup.sh:1:1: error[CE091] stage-inserted"), "{}", run.stdout);
    let run = lint(directory.path(), &["--against", "no-such-branch"]);
    assert_eq!(run.status, 2);
    assert!(
        run.stderr.starts_with("ce-lint: cannot read the version `no-such-branch`\n  caused by: "),
        "{}",
        run.stderr
    );
}

#[test]
fn a_description_is_looked_at_with_its_script() {
    let directory = directory_with("#!/bin/bash\nnext_stage && a\n");
    let describe = |text: &str| fs::write(directory.path().join("docker.conf"), text).unwrap();
    let found = || lint(directory.path(), &["--format", "concise"]).stdout;
    for (text, expected) in [
        ("image = \"debian:13\"\nshell = \"/bin/bash\"\n", ""),
        ("image = \"debian\"\nshell = \"/bin/bash\"\n", "docker.conf:1:10: warning[CE096]"),
        ("image = \"registry:5000/debian:latest\"\nshell = \"/bin/bash\"\n", "the tag `latest` moves"),
        (
            "image = \"debian@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\"\nshell = \"/bin/bash\"\n",
            "",
        ),
        ("image = \"debian:13\"\n", "the script begins with `#!/bin/bash`, and is run by `/bin/sh`"),
        ("imag = \"debian:13\"\n", "docker.conf:1:1: error[CE096]"),
        ("image = debian\n", "docker.conf:1:1: error[CE096]"),
    ] {
        describe(text);
        let found = found();
        assert!(found.contains(expected) && found.is_empty() == expected.is_empty(), "{text}: {found}");
    }
    fs::write(directory.path().join("docker-setup.sh"), "next_stage && echo \"$TOOL\"\n").unwrap();
    describe("image = \"debian:13\"\n");
    assert!(found().contains("CE083"));
    describe("image = \"debian:13\"\nenv = { TOOL = \"x\" }\n");
    assert_eq!(found(), "", "what docker.conf sets is set");
}

#[test]
fn rules_are_listed_and_explained_offline() {
    let run = lint(Path::new("/"), &["rules"]);
    assert!(run.stdout.contains("CE020  error    variable-lost"), "{}", run.stdout);
    let rules: serde_json::Value = serde_json::from_str(&lint(Path::new("/"), &["rules", "--json"]).stdout).unwrap();
    assert!(rules.as_array().unwrap().iter().any(|rule| rule["code"] == "CE096"));
    let run = lint(Path::new("/"), &["explain", "ce020", "unchecked-failure"]);
    assert!(
        run.stdout.starts_with("# CE020 variable-lost\n\n") && run.stdout.contains("\n# CE060 unchecked-failure\n")
    );
    let run = lint(Path::new("/"), &["explain", "CE06O"]);
    assert_eq!((run.status, run.stderr.contains("did you mean `CE060`?")), (2, true), "{}", run.stderr);
}

#[test]
fn statistics_and_files_take_the_place_of_the_findings() {
    let directory = directory_with(SCRIPT);
    let run = lint(directory.path(), &["--statistics"]);
    assert_eq!(run.stdout, "    1  CE060  unchecked-failure\n    1  CE081  unquoted-expansion\n");
    let run = lint(directory.path(), &["--output-file", "out.txt", "--format", "concise"]);
    assert_eq!((run.stdout.as_str(), run.status), ("", 1));
    assert_eq!(fs::read_to_string(directory.path().join("out.txt")).unwrap().lines().count(), 2);
}

/// The whole text that a person sees for the bad script of each rule.
#[test]
fn every_rule_shows_where_why_and_what_to_do() {
    let testdata = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/lint");
    for rule in &compeval_interpreter::lint::RULES {
        let script = testdata.join(rule.name.replace('-', "_")).join("bad.sh");
        // Those about what is not in the script have tests of their own.
        let Ok(script) = fs::read(script) else { continue };
        let run = lint_stdin(&["--stdin-filename", "docker-setup.sh", "--isolated", "-"], &script);
        insta::assert_snapshot!(format!("rule_{}", rule.name), format!("{}\n{}", run.stdout, run.stderr));
    }
}
