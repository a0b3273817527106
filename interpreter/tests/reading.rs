//! Reading real and odd scripts: what is valid is what dash says is, trees print back, and any bytes get an answer.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use compeval_interpreter::{Diagnostic, Parsed, Source, parse, syntax::print::canonical};
use tree::{
    differences::reason_to_differ,
    texts::{dash_accepts, files, kept_texts, posix_rows},
};

mod tree;

/// The files of this machine that `sh` runs.
fn scripts_of_this_machine() -> Vec<PathBuf> {
    const MAINTAINER_SCRIPTS: [&str; 5] = ["preinst", "postinst", "prerm", "postrm", "config"];
    let mut found = files("/var/lib/dpkg/info".as_ref());
    found.retain(|path| path.extension().is_some_and(|ending| MAINTAINER_SCRIPTS.iter().any(|one| *one == ending)));
    found.extend(["/etc/init.d", "/usr/bin", "/usr/sbin"].iter().flat_map(|directory| files(directory.as_ref())));
    found.retain(|path| fs::read(path).is_ok_and(|text| is_for_sh(&text)));
    found
}

/// Whether the first line names `sh` or dash.
fn is_for_sh(text: &[u8]) -> bool {
    let line = text.strip_prefix(b"#!").and_then(|rest| rest.split(|byte| *byte == b'\n').next());
    let line = String::from_utf8_lossy(line.unwrap_or_default()).into_owned();
    line.split([' ', '/']).any(|program| program == "sh" || program == "dash")
}

/// Where our verdict on `text` or on its canonical form is not dash's, what differs.
fn difference(text: &[u8], directory: &Path) -> Option<String> {
    let file = directory.join("text");
    fs::write(&file, text).unwrap();
    let parsed = tree::check(text);
    let accepted = dash_accepts(&file);
    if parsed.errors.is_empty() != accepted && reason_to_differ(text, &parsed).is_none() {
        return Some(format!("dash accepts it: {accepted}; our errors: {:#?}", parsed.errors));
    }
    fs::write(&file, canonical(&parsed.script.list)).unwrap();
    let is_accepted = !accepted || !parsed.errors.is_empty() || dash_accepts(&file);
    (!is_accepted).then(|| "dash does not accept its canonical form".to_owned())
}

#[test]
fn scripts_of_this_machine_are_valid_where_dash_says_so() {
    let scripts = scripts_of_this_machine();
    assert!(scripts.len() > 50, "only {} scripts", scripts.len());
    let directory = tempfile::tempdir().unwrap();
    for script in &scripts {
        let found = difference(&fs::read(script).unwrap(), directory.path());
        assert_eq!(found, None, "{}", script.display());
    }
}

#[test]
fn kept_scripts_are_valid_where_dash_says_so() {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in kept_texts() {
        assert_eq!(difference(&text, directory.path()), None, "{name}");
    }
}

#[test]
fn a_canonical_text_does_what_the_script_does() {
    let run = |text: &[u8]| {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("script"), text).unwrap();
        let mut command = Command::new("dash");
        command.args(["-c", ". ./script"]).current_dir(directory.path()).stdin(Stdio::null()).stderr(Stdio::null());
        command.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", "/home/me").env("PWD", directory.path());
        let output = command.output().unwrap();
        let stdout = String::from_utf8_lossy(&output.stdout).replace(&*directory.path().to_string_lossy(), "/work");
        (output.status.code(), stdout)
    };
    let mut different = Vec::new();
    for (name, script) in posix_rows() {
        let parsed = parse(Source::new("row", script.clone()));
        if parsed.errors.is_empty() && run(&canonical(&parsed.script.list)) != run(script.as_bytes()) {
            different.push(name);
        }
    }
    // Each and-or list has a line of its own, and an alias counts from the next line.
    assert_eq!(different, ["an alias on the same line does not count yet"]);
}

#[test]
fn the_canonical_form_of_odd_texts() {
    for (text, expected) in [
        ("cat <<E\na", "cat <<E\na\nE\n"),
        ("cat <<E\n\\", "cat <<E\n\\\\\nE\n"),
        ("cat <<'E'\n\\", "cat <<'E'\n\\\nE\n"),
        ("cat <<$x <<\"$y\"\n$x\n$y\n", "cat <<$x <<\"$y\"\n$x\n$y\n"),
        ("cat <<~\n~\n", "cat <<~\n~\n"),
        ("cat <<E\n$(cat <<-E\n\tx\n\tE\n)\nE\n", "cat <<E_\n$( cat <<E\nx\nE\n)\nE_\n"),
        ("cat <<E\n$(:; E; E_)\nE\n", "cat <<E__\n$( :\nE\nE_\n)\nE__\n"),
        ("cat << -\n-\n", "cat << -\n-\n"),
        ("cat <<-E\n\ta\n\tE\n", "cat <<E\na\nE\n"),
        ("echo ${!$(} ${a!b}", "echo ${!$(} ${a!b}\n"),
        ("echo \\", "echo \\\\\n"),
        ("echo $`a`", "echo \\$$( a\n)\n"),
        (">f if x", ">f if x\n"),
        (">f a x", "a x >f\n"),
        ("x=1 >f if", "x=1 if >f\n"),
        ("cat <<E\n`a \\\"b c\\\"`\nE\n", "cat <<E\n$( a \"b c\"\n)\nE\n"),
        ("a $((`b \\\"c\\\"`))", "a $(($( b \"c\"\n)))\n"),
        ("$( (a) )", "$( (\na\n)\n)\n"),
    ] {
        tree::check(text.as_bytes());
        assert_eq!(canonical(&parse(Source::new("odd", text)).script.list), expected, "{text}");
    }
}

/// Reads a long text. It takes a fraction of a second, unless time is not linear.
fn read_in_time(text: impl Into<Vec<u8>>) -> Parsed {
    let text = text.into();
    let beginning = String::from_utf8_lossy(text.get(..20).unwrap_or(&text)).into_owned();
    let start = Instant::now();
    let parsed = parse(Source::new("long", text));
    canonical(&parsed.script.list);
    assert!(start.elapsed() < Duration::from_secs(30), "{beginning}: {:?}", start.elapsed());
    parsed
}

fn messages(errors: &[Diagnostic]) -> Vec<&str> {
    errors.iter().map(|error| error.message.as_str()).collect()
}

#[test]
fn a_line_of_ten_megabytes_is_read() {
    const LENGTH: usize = 10_000_000;
    for text in [
        format!("echo {}\n", "a".repeat(LENGTH)),
        format!("echo \"{}\"\n", "a b ".repeat(LENGTH / 4)),
        format!("echo '{}'\n", "a\n".repeat(LENGTH / 2)),
        format!("# {}\n", "comment ".repeat(LENGTH / 8)),
        format!("echo{}\n", " argument".repeat(LENGTH / 9)),
        format!("cat <<E\n{}\nE\n", "text ".repeat(LENGTH / 5)),
        format!("echo $(({}1))\n", "1 + ".repeat(LENGTH / 4)),
    ] {
        assert_eq!(messages(&read_in_time(text).errors), Vec::<&str>::new());
    }
}

#[test]
fn time_is_linear_whatever_is_repeated() {
    const LENGTH: usize = 200_000;
    let shapes = [
        ("a", ";a", "\n"),
        ("a", " && a", "\n"),
        ("a", " | a", "\n"),
        ("", "a &\n", ""),
        ("", "(a);", "\n"),
        ("", "f() { a; }\n", ""),
        ("", "if a; then b; fi\n", ""),
        ("if a; then b", "\nelif a; then b", "\nfi\n"),
        ("case x in", " a) b;;", " esac\n"),
        ("case x in a", "|a", ") b;; esac\n"),
        ("for x in", " a", "; do b; done\n"),
        ("echo", " $(a)", "\n"),
        ("echo", " `a`", "\n"),
        ("echo `", "\\\\", "`\n"),
        ("", "cat <<E\nx\nE\n", ""),
        ("cat", " <<E", "\n"),
        ("cat <<-E\n", "\t\\\n", "E\n"),
        ("x=", "a:~:", "\n"),
        ("a ", "\\\n", "b\n"),
        ("echo $", "a\\\n", "\n"),
        ("a", " ${b:-c}\"$d\"", "\n"),
        // And where something is wrong.
        ("", ";; ", ""),
        ("", ")", ""),
        ("", "fi;", ""),
        ("", "then\n", ""),
        ("", "! ", ""),
        ("", "a \"b\n", ""),
        ("", "a `b\n", ""),
        ("", "a $(b\n", ""),
        ("", "cat <<E\n", ""),
        ("", "x=(\n", ""),
        ("", "x=(1)\n", ""),
        ("", "${x/y}", ""),
        ("", "function f {\n", ""),
        ("", "a $(b (\n", ""),
        ("", "x=(`y=(\n", ""),
        ("", "\0", ""),
        ("case x in ", "esac; case x in ", ""),
    ];
    for (first, repeated, last) in shapes {
        read_in_time(format!("{first}{}{last}", repeated.repeat(LENGTH / repeated.len())));
    }
}

#[test]
fn nesting_is_limited() {
    for (opening, closing) in [
        ("(", ")"),
        ("{ ", "; }"),
        ("if a; then ", "; fi"),
        ("while ", "; do a; done"),
        ("for x in a; do ", "; done"),
        ("case x in a) ", ";; esac"),
        ("f() { ", "; }"),
        ("$(", ")"),
        ("\"$(", ")\""),
        ("${x:-", "}"),
        ("\"${x:-", "}\""),
        ("{ (", ") }"),
        ("echo $((1 + $((", "))))"),
    ] {
        let nested = |times: usize| format!("{}a{}\n", opening.repeat(times), closing.repeat(times));
        let parsed = tree::check(nested(30).as_bytes());
        assert_eq!(messages(&parsed.errors), Vec::<&str>::new(), "{opening}");
        for text in [nested(250), opening.repeat(100_000)] {
            let parsed = read_in_time(text);
            let found = messages(&parsed.errors);
            assert!(found.contains(&"nested more than 200 levels deep"), "{opening}: {found:?}");
        }
    }
}

#[test]
fn bytes_that_are_no_characters_are_kept() {
    let text = b"echo na\xefve \"\xff\x80\" '\xc3' \\\xfe # \xf0\x9f\n";
    let parsed = tree::check(text);
    assert_eq!(messages(&parsed.errors), Vec::<&str>::new());
    assert_eq!(canonical(&parsed.script.list), &b"echo na\xefve \"\xff\x80\" '\xc3' \\\xfe\n"[..]);
}

#[test]
fn a_carriage_return_is_a_character_as_any_other() {
    let directory = tempfile::tempdir().unwrap();
    for text in
        ["a\r\n", "a && b\r\nc\r\n", "if a\r\nthen b\r\nfi\r\n", "a \\\r\nb\r\n", "cat <<E\r\nx\r\nE\r\n", "{ a; }\r\n"]
    {
        assert_eq!(difference(text.as_bytes(), directory.path()), None, "{text:?}");
    }
    assert_eq!(messages(&parse(Source::new("dos", "a\r\nb c\r\n")).errors), Vec::<&str>::new());
}

#[test]
fn a_byte_order_mark_belongs_to_the_first_word() {
    let directory = tempfile::tempdir().unwrap();
    for text in
        ["\u{feff}a\n", "\u{feff}# comment\n", "\u{feff}if a; then b; fi\n", "\u{feff}x=1\n", "\u{feff}f() { a; }\n"]
    {
        assert_eq!(difference(text.as_bytes(), directory.path()), None, "{text:?}");
    }
    let parsed = parse(Source::new("marked", "\u{feff}a b\n"));
    assert_eq!(canonical(&parsed.script.list), "\u{feff}a b\n");
}

#[test]
fn a_nul_byte_is_an_error_wherever_it_is() {
    for text in ["\0", "a\0b\n", "a 'b\0'\n", "# \0\n", "cat <<E\n\0\nE\n", "a\n\0"] {
        let parsed = tree::check(text.as_bytes());
        assert_eq!(messages(&parsed.errors), ["the script contains a NUL byte"], "{text:?}");
    }
}

#[test]
fn a_here_document_has_a_body_however_many_errors_stand_behind_it() {
    let parsed = tree::check(format!("cat <<E; {}\nbody\nE\n", "fi;".repeat(60)).as_bytes());
    assert_eq!(canonical(&parsed.script.list), "cat <<E\nE\n");
}

#[test]
fn nothing_is_a_script() {
    for text in ["", "\n", " ", "#", "\\\n", " \t\n\n# a\n"] {
        let parsed = tree::check(text.as_bytes());
        assert_eq!(messages(&parsed.errors), Vec::<&str>::new(), "{text:?}");
        assert!(parsed.script.list.items.is_empty(), "{text:?}");
    }
}
