//! What is read of docker.conf, and what is refused.

use super::*;

fn parse(text: &str) -> Result<Description, DescriptionError> {
    Description::parse(Path::new("align/docker.conf"), text)
}

/// The whole complaint, with its help on a second line.
fn complaint(text: &str) -> String {
    let error = parse(text).unwrap_err();
    match &error.help {
        Some(help) => format!("{error}\nhelp: {help}"),
        None => error.to_string(),
    }
}

#[test]
fn an_image_is_enough() {
    let description = parse("image = \"debian:13\"\n").unwrap();
    assert_eq!(description.image, "debian:13");
    assert_eq!((description.shell.as_str(), description.init), ("/bin/sh", true));
}

#[test]
fn every_key_is_understood() {
    let description = parse(
        r#"
            image = "debian:13"
            platform = "linux/arm64/v8"
            pull = "never"
            user = "1000:1000"
            workdir = "/root"
            shell = "/bin/bash"
            network = "none"
            engine = "embedded"
            shm-size = "64m"
            gpus = "all"
            init = false
            retries = 2
            stage-timeout = "90m"
            update = "build"
            keep = 1
            everytime = "always"
            pure = "fail"
            mounts = [{ source = "data", target = "/data" }, { source = "out", target = "/out", read-only = false }]
            path = ["/opt/bin"]
            [env]
            LANG = "C"
            B = ""
            [limits]
            memory = "2g"
            cpus = 1.5
            pids = 100
            [caches]
            apt = "/var/cache/apt"
            pip = { target = "/root/.cache/pip", shared = true }
            "#,
    );
    let mount =
        |source: &str, target: &str, read_only| Mount { source: source.into(), target: target.into(), read_only };
    let cache = |name: &str, target: &str, is_shared| CacheMount {
        cache: Cache { name: format!("ce-cache-{name}"), target: target.into() },
        is_shared,
    };
    let expected = Description {
        engine: Some(EngineKind::Embedded),
        image: "debian:13".into(),
        platform: Some("linux/arm64/v8".into()),
        pull: Pull::Never,
        user: Some("1000:1000".into()),
        workdir: Some("/root".into()),
        shell: "/bin/bash".into(),
        env: vec![("B".into(), String::new()), ("LANG".into(), "C".into())],
        path: vec!["/opt/bin".into()],
        network: Some("none".into()),
        limits: Limits { memory: Some(2_147_483_648), nano_cpus: Some(1_500_000_000), pids: Some(100) },
        shm_size: Some(67_108_864),
        gpus: Some(Gpus::All),
        init: false,
        mounts: vec![mount("data", "/data", true), mount("out", "/out", false)],
        caches: vec![cache("apt", "/var/cache/apt", false), cache("pip", "/root/.cache/pip", true)],
        retries: 2,
        stage_timeout: Some(Duration::from_secs(5400)),
        update: Update::Build,
        keep: 1,
        everytime: Everytime::Always,
        pure: Some(Purity::Fail),
    };
    assert_eq!(description, Ok(expected));
}

#[test]
fn an_unknown_key_is_shown_with_the_nearest() {
    assert_eq!(
        complaint("# what we run in\n\nimgae = \"debian:13\"\n"),
        "align/docker.conf:3:1: unknown key `imgae`\nhelp: did you mean `image`?"
    );
    assert_eq!(
        complaint("image = \"x\"\nshm_size = 1\n"),
        "align/docker.conf:2:1: unknown key `shm_size`\nhelp: did you mean `shm-size`?"
    );
    assert_eq!(
        complaint("image = \"x\"\nlimits = { memroy = 1 }\n"),
        "align/docker.conf:2:12: unknown key `memroy`\nhelp: did you mean `memory`?"
    );
    assert!(complaint("volume = 1").ends_with("help: the keys are `image`, `engine`, `platform`, `pull`, `user`, `workdir`, `shell`, `env`, `path`, `network`, `limits`, `shm-size`, `gpus`, `init`, `mounts`, `caches`, `retries`, `stage-timeout`, `update`, `keep`, `everytime`, `pure`"));
}

#[test]
fn other_ways_to_write_a_line_are_answered_with_the_right_one() {
    let cases = [
        ("image: debian:13", "1:1: `:` after `image` where `=` must be"),
        ("image: \"debian:13\"  # base", "1:1: `:` after `image` where `=` must be"),
        ("image = debian:13", "1:1: the value of `image` is not quoted"),
        ("image=debian:13 # base", "1:1: the value of `image` is not quoted"),
        ("image debian:13", "1:1: no `=` after `image`"),
    ];
    assert_eq!(
        complaint("image = \"a\"\n<<<<<<< HEAD\nuser = \"b\"\n=======\n>>>>>>> other\n"),
        "align/docker.conf:2:1: a merge was not finished: two versions of the text are here\n\
             help: keep what is right of them, and remove the lines `<<<<<<<`, `=======` and `>>>>>>>`"
    );
    for (text, message) in cases {
        let expected = format!("align/docker.conf:{message}\nhelp: write `image = \"debian:13\"`");
        assert_eq!(complaint(text), expected, "{text}");
    }
    assert_eq!(
        complaint("image = \"x\"\n  user = 1000:1000\n"),
        "align/docker.conf:2:3: the value of `user` is not quoted\nhelp: write `user = \"1000:1000\"`"
    );
}

#[test]
fn directories_of_path_come_before_those_of_the_image_or_of_env() {
    let variables = |text: &str| parse(&format!("image = \"x\"\n{text}\n")).unwrap().variables();
    let path = |value: &str| vec![("PATH".to_owned(), value.to_owned())];
    assert_eq!(variables("path = [\"/opt/$a\", \"/b\"]"), path("/opt/$$a:/b:${PATH}"));
    assert_eq!(variables("path = [\"/a\"]\nenv = { PATH = \"/b\" }"), path("/a:/b"));
}

#[test]
fn a_place_counts_characters_and_quotes_its_line() {
    let error = parse("image = \"x\"\r\nenv = { \"é\" = 1 }\r\n").unwrap_err();
    let place = error.place.unwrap();
    assert_eq!((place.line, place.column, place.line_text.as_str()), (2, 9, "env = { \"é\" = 1 }"));
    assert_eq!(place.span, 21..25);
    assert_eq!(error.message, "`é` is not the name of a variable");
}

#[test]
fn wrong_values_are_named_with_their_place() {
    let cases = [
        ("image = 13", "1:9: `image` must be a string, not an integer\nhelp: write `image = \"13\"`"),
        ("image = \"\"", "1:9: `image` is empty"),
        ("image = \" x\"", "1:9: `image` must be an image's name, without white space"),
        ("image = [\"x\"]", "1:9: `image` must be a string, not an array"),
        ("init = \"yes\"", "1:8: `init` must be `true` or `false`, not a string"),
        ("platform = \"amd64\"", "1:12: `platform` must be an operating system and an architecture"),
        ("workdir = \"src\"", "1:11: `workdir` must be an absolute path in the container, without `..`"),
        ("shm-size = \"big\"", "1:12: `shm-size` must be a size such as `\"512m\"` or `\"2g\"`"),
        ("limits = { cpus = 0 }", "1:19: `cpus` must be a number of processors, as in `1.5`"),
        ("limits = { pids = -1 }", "1:19: `pids` must be how many processes at most, 16 or more"),
        ("limits = { pids = 3 }", "1:19: `pids` must be how many processes at most, 16 or more"),
        ("limits = { memory = \"0\" }", "1:21: `memory` must be a size such as `\"512m\"` or `\"2g\"`"),
        ("gpus = 0", "1:8: `gpus` must be `\"all\"` or how many, 1 or more"),
        ("image = \"Debian:13\"", "1:9: the name of an image has no capital letters\nhelp: write `debian:13`"),
        (
            "image = \"Host.example:5000/Lab/x:A\"",
            "1:9: the name of an image has no capital letters\nhelp: write `Host.example:5000/lab/x:A`",
        ),
        (
            "image = \"debian@sha256:12\"",
            "1:9: the digest of the image is not one\nhelp: a digest is `sha256:` and 64 hexadecimal digits: `docker images --digests` shows it",
        ),
        ("gpus = true", "1:8: `gpus` must be `\"all\"` or how many, not a boolean"),
        ("env = { A = 1 }", "1:13: `A` must be a string, not an integer\nhelp: write `A = \"1\"`"),
        ("env = { COMPDIR = \"/\" }", "1:9: `COMPDIR` is set by ce-run"),
        (
            "env = { P = \"/opt/bin:$PATH\" }",
            "1:23: `$PATH` is not replaced\nhelp: write `${PATH}` for the image's variable, or `$$` for a `$`",
        ),
        (
            "env = { PATH = \"bin\" }",
            "1:16: `PATH` names no absolute directory: the setup would find no program\nhelp: write it as in `PATH = \"/opt/bin:${PATH}\"`",
        ),
        ("path = \"/opt/bin\"", "1:8: `path` must be an array of directories, not a string"),
        ("path = [\"bin\"]", "1:9: `path` must be an absolute path in the container, without `..`"),
        ("path = [\"/a:/b\"]", "1:9: a directory of `path` cannot have a `:` in its name"),
        ("network = \"container:x\"", "1:11: a computation cannot use the network of another container"),
        ("stage-timeout = 0", "1:17: `stage-timeout` must be a time such as `\"90s\"`, `\"30m\"` or `\"2h\"`"),
        ("stage-timeout = \"2 h\"", "1:17: `stage-timeout` must be a time such as `\"90s\"`, `\"30m\"` or `\"2h\"`"),
        ("stage-timeout = \"30\"", "1:17: `stage-timeout` must be a time such as `\"90s\"`, `\"30m\"` or `\"2h\"`"),
        ("retries = -1", "1:11: `retries` must be a whole number, 0 or more"),
        ("update = \"newest\"", "1:10: `update` must be one of `\"nearest\"`, `\"in-place\"`, `\"build\"`"),
        ("everytime = true", "1:13: `everytime` must be one of `\"shared\"`, `\"always\"`, not a boolean"),
        ("pull = \"daily\"", "1:8: `pull` must be one of `\"missing\"`, `\"always\"`, `\"never\"`"),
    ];
    for (text, message) in cases {
        assert_eq!(own_complaint(text), format!("align/docker.conf:{message}"), "{text}");
    }
}

#[test]
fn whatever_names_an_image_is_one() {
    let digest = "a".repeat(64);
    let names = [
        "x",
        "a/b-c/d_e.f:1.2-x_Y",
        "Host.example:5000/lab/x",
        "localhost/x:1",
        "localhost:5000/x",
        "0123456789ab",
        &format!("sha256:{digest}"),
        &format!("x@sha256:{digest}"),
        &format!("h.example/x:1@sha256:{digest}"),
    ];
    for name in names {
        assert_eq!(parse(&format!("image = \"{name}\"")).unwrap().image, name);
    }
}

#[test]
fn where_nothing_else_helps_the_key_is_shown_as_it_may_be_written() {
    for (text, example) in [
        ("image = [\"x\"]", "image = \"debian:13\""),
        ("image = \"-x\"", "image = \"debian:13\""),
        ("image = \"x:\"", "image = \"debian:13\""),
        ("image = \"x:1:2\"", "image = \"debian:13\""),
        ("image = \"/x\"", "image = \"debian:13\""),
        ("image = \"a//b\"", "image = \"debian:13\""),
        ("platform = 1.5", "platform = \"1.5\""),
        ("platform = \"amd64\"", "platform = \"linux/amd64\""),
        ("workdir = \"src\"", "workdir = \"/data\""),
        ("env = [\"A=1\"]", "env = { LANG = \"C.UTF-8\" }"),
        ("path = \"/opt/bin\"", "path = [\"/opt/bin\"]"),
        ("limits = \"2g\"", "limits = { memory = \"2g\", cpus = 1.5, pids = 500 }"),
        ("limits = { cpus = 0 }", "limits = { memory = \"2g\", cpus = 1.5, pids = 500 }"),
        ("mounts = [\"a:/b\"]", "mounts = [{ source = \"data\", target = \"/data\" }]"),
        ("mounts = { a = \"/b\" }", "mounts = [{ source = \"data\", target = \"/data\" }]"),
        ("caches = [\"/x\"]", "caches = { apt = \"/var/cache/apt\" }"),
        ("retries = \"2\"", "retries = 2"),
        ("stage-timeout = \"30\"", "stage-timeout = \"30m\""),
        ("init = \"yes\"", "init = false"),
    ] {
        let said = complaint(text);
        assert!(said.ends_with(&format!("`{example}`")) && said.contains("\nhelp: write "), "{said}");
    }
}

/// Without the help that every key has.
fn own_complaint(text: &str) -> String {
    let said = complaint(text);
    let own = said.split_once("\nhelp: write it as in `").filter(|(_, help)| !help.starts_with("PATH ="));
    own.map_or(said.clone(), |(own, _)| own.to_owned())
}

#[test]
fn nothing_is_mounted_from_outside_or_over_our_places() {
    let source = "`source` must be a relative path below the computation's directory\n\
                      help: pass other data through the global file storage";
    let cases = [
        ("mounts = [{ source = \"/etc\", target = \"/x\" }]", "1:22", source),
        ("mounts = [{ source = \"a/../..\", target = \"/x\" }]", "1:22", source),
        ("mounts = [{ source = \"a\" }]", "1:11", "a mount needs `source` and `target`"),
        (
            "caches = { a = \"/usr/bin\" }",
            "1:16",
            "`/usr/bin` would hide what the image has there\nhelp: name a directory below it",
        ),
        ("caches = { a = \"/\" }", "1:16", "`/` would hide what the image has there\nhelp: name a directory below it"),
        (
            "caches = { a = \"/var/lib/compeval\" }",
            "1:16",
            "`/var/lib/compeval` would cover `/var/lib/compeval`, which ce-run uses",
        ),
        (
            "caches = { a = \"/x\", b = \"/x/\" }",
            "1:10",
            "`/x/` is the place of two mounts or caches\nhelp: give each a directory of its own",
        ),
        (
            "caches = { a = \"/x\" }\nmounts = [{ source = \"x\", target = \"/x\" }]",
            "2:10",
            "`/x` is the place of two mounts or caches\nhelp: give each a directory of its own",
        ),
        (
            "caches = { a = \"/compeval/gfs/x\" }",
            "1:16",
            "`/compeval/gfs/x` would cover `/compeval`, which ce-run uses",
        ),
        (
            "caches = { \"/etc\" = \"/x\" }",
            "1:12",
            "`/etc` is not a name for a cache: use letters, digits, `_`, `.` and `-`",
        ),
    ];
    for (text, place, message) in cases {
        assert_eq!(own_complaint(text), format!("align/docker.conf:{place}: {message}"), "{text}");
    }
}

#[test]
fn a_source_cannot_leave_the_computation_through_a_symbolic_link() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("data")).unwrap();
    std::os::unix::fs::symlink("/etc", directory.path().join("link")).unwrap();
    let mounts = |source: &str| {
        let text = format!("image = \"x\"\nmounts = [{{ source = \"{source}\", target = \"/x\" }}]");
        parse(&text).unwrap().bind_mounts(directory.path())
    };
    assert_eq!(mounts("data").unwrap()[0].source, directory.path().canonicalize().unwrap().join("data"));
    assert_eq!(mounts("link").unwrap_err(), directory.path().join("link"));
    assert_eq!(mounts("none").unwrap_err(), directory.path().join("none"));
}

#[test]
fn a_file_without_an_image_or_no_file_at_all_gets_an_example() {
    let help = "add a line such as `image = \"debian:13\"`";
    assert_eq!(complaint("user = \"root\"\n"), format!("align/docker.conf: no key `image`\nhelp: {help}"));
    let error = Description::read(Path::new("/no/such/docker.conf")).unwrap_err();
    assert_eq!(error.to_string(), "/no/such/docker.conf: no such file");
    assert_eq!(error.help.unwrap(), "create it with a line such as `image = \"debian:13\"`");
}

#[test]
fn other_syntax_errors_are_the_parsers() {
    let error = parse("image = \"debian\n").unwrap_err();
    assert_eq!((error.place.as_ref().unwrap().line, error.help), (1, None));
    let error = parse("image = \"a\"\nimage = \"b\"\n").unwrap_err();
    assert_eq!(error.to_string(), "align/docker.conf:2:1: duplicate key");
}
