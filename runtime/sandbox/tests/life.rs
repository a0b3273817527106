//! The life of a container: created, started, used by many, stopped, committed, removed.

mod support;

use std::{
    fs,
    io::{Read, Write},
    time::{Duration, Instant},
};

use compeval_sandbox::{
    Bind, ContainerSetup, HostNetwork, Launch, LaunchStreams, Launched, SandboxError, StoredState, TreeChange,
    TreeChangeKind, Volume,
};
use support::{IMAGE, Scratch};

fn plain() -> ContainerSetup {
    ContainerSetup::default()
}

#[test]
fn a_command_gives_its_output_and_its_exit_status() {
    let scratch = Scratch::new();
    let id = scratch.container("one", &plain());
    assert_eq!(scratch.sh(&id, "echo out; echo err >&2; exit 3"), (3, "out\n".into(), "err\n".into()));
    assert_eq!(scratch.sh(&id, "kill -TERM $$").0, 143);
    assert_eq!(scratch.sh("one", "id -u; pwd; echo $OF $HOME").1, "0\n/\nimage /root\n");
    let launch =
        |argv: &[&str]| Launch { argv: argv.iter().map(|word| (*word).to_owned()).collect(), ..Launch::default() };
    assert_eq!(scratch.run(&id, &launch(&["/etc/passwd"]), b"").0, 126);
    let (status, _, words) = scratch.run(&id, &launch(&["nonesuch"]), b"");
    assert_eq!((status, words.as_str()), (127, "`nonesuch`: No such file or directory (os error 2)"));
    assert_eq!(scratch.run(&id, &launch(&["wc", "-c"]), &vec![b'x'; 5_000_000]).1, "5000000\n");
    let elsewhere = Launch { working_dir: Some("/none".into()), ..launch(&["true"]) };
    assert_eq!(scratch.run(&id, &elsewhere, b"").2, "directory `/none`: No such file or directory (os error 2)");
    let nobody = Launch { user: Some("nobody".into()), ..launch(&["true"]) };
    let error = scratch.store.launch(&id, &nobody, false).unwrap_err().to_string();
    assert!(error.starts_with("unable to find user nobody: "), "{error}");
}

#[test]
fn what_is_set_up_is_there() {
    let scratch = Scratch::new();
    let host = scratch.directory.path().join("host");
    fs::create_dir(&host).unwrap();
    fs::write(host.join("file"), "of the host").unwrap();
    let setup = ContainerSetup {
        env: vec!["OF=setup".into(), "A=b c".into()],
        working_dir: "/made/here".into(),
        network: HostNetwork::None,
        binds: vec![
            Bind { source: host.clone(), target: "/a/b/written".into(), read_only: false },
            Bind { source: host.clone(), target: "/a/b/read".into(), read_only: true },
            Bind { source: host.join("file"), target: "/a/file".into(), read_only: true },
        ],
        volumes: vec![Volume { name: "cache".into(), target: "/cache".into() }],
        scratch: Some("/scratch".into()),
        shm_size: Some(1 << 20),
        ..plain()
    };
    let id = scratch.container("one", &setup);
    assert_eq!(scratch.sh(&id, "pwd; echo $OF $A; cat /a/file").1, "/made/here\nsetup b c\nof the host");
    assert_eq!(scratch.sh(&id, "echo x >/a/b/written/new; echo x >/a/b/read/no").0, 1);
    assert_eq!(fs::read_to_string(host.join("new")).unwrap(), "x\n");
    assert_eq!(
        scratch
            .sh(
                &id,
                "echo kept >/cache/one; echo mine >/scratch/one; df -k /dev/shm | tail -n 1 | tr -s ' ' | cut -d' ' -f2"
            )
            .1,
        "1024\n"
    );
    let links = "ls /sys/class/net; cat /etc/hostname; hostname";
    let short = &id[..12];
    assert_eq!(scratch.sh(&id, links).1, format!("lo\n{short}\n{short}\n"));
    let other = scratch.container("two", &setup);
    assert_eq!(scratch.sh(&other, "cat /cache/one; ls /scratch").1, "kept\n");
}

#[test]
fn users_are_those_of_the_image() {
    let scratch = Scratch::new();
    let id = scratch.container("one", &plain());
    let launch = |user: &str| Launch {
        argv: ["sh", "-c", "echo $(id -u):$(id -g) $HOME; umask"].map(String::from).to_vec(),
        user: Some(user.into()),
        ..Launch::default()
    };
    assert_eq!(scratch.run(&id, &launch("0"), b"").1, "0:0 /root\n0022\n");
    match scratch.store.launch(&id, &launch("ann"), false) {
        Err(error) => assert!(error.to_string().contains("has no row in /etc/subuid"), "{error}"),
        Ok(_) => {
            assert_eq!(scratch.run(&id, &launch("ann"), b"").1, "1:2 /tmp\n0022\n");
            assert_eq!(scratch.run(&id, &launch("7:8"), b"").1, "7:8 /\n0022\n");
        }
    }
}

#[test]
fn a_container_stops_and_starts_with_what_it_wrote() {
    let scratch = Scratch::new();
    let id = scratch.store.create("one", IMAGE, &plain()).unwrap();
    let state = || scratch.store.state(&scratch.store.container(&id).unwrap().unwrap()).0;
    assert_eq!(state(), StoredState::Created);
    assert!(matches!(scratch.store.launch(&id, &Launch::default(), false), Err(SandboxError::NotRunning { .. })));
    scratch.store.start(&id).unwrap();
    scratch.store.start(&id).unwrap();
    assert_eq!(state(), StoredState::Running);
    let mut sleeper = scratch.begin(&id, "echo up; sleep 1000; :");
    let LaunchStreams::Pipes { output, .. } = &mut sleeper.streams else { unreachable!() };
    output.read_exact(&mut [0; 3]).unwrap();
    let commands = scratch.store.commands(&id).unwrap();
    assert_eq!(commands.iter().map(|command| &command.argv[2]).collect::<Vec<_>>(), ["echo up; sleep 1000; :"]);
    assert_eq!(scratch.store.processes(&id).unwrap(), 2);
    scratch.sh(&id, "echo kept >/kept; ln -s /kept /link");
    scratch.store.stop(&id).unwrap();
    scratch.store.stop(&id).unwrap();
    assert_eq!(state(), StoredState::Exited);
    assert_eq!(sleeper.wait().unwrap(), 137);
    assert!(matches!(scratch.store.launch(&id, &Launch::default(), false), Err(SandboxError::NotRunning { .. })));
    for is_running in [false, true] {
        if is_running {
            scratch.store.start(&id).unwrap();
        }
        let read = |path: &str| scratch.store.read_file(&id, path, 100).unwrap();
        assert_eq!(read("/kept").as_deref(), Some(&b"kept\n"[..]), "{is_running}");
        assert_eq!([read("/none"), read("/link"), read("/etc")], [None, None, None]);
        assert!(matches!(scratch.store.read_file(&id, "/kept", 4), Err(SandboxError::FileTooLong { .. })));
    }
    assert_eq!(scratch.store.commands(&id).unwrap(), []);
    assert_eq!(scratch.store.processes(&id).unwrap(), 0);
}

#[test]
fn one_that_has_nothing_to_do_rests_and_goes_on() {
    let scratch = Scratch::new();
    let id = scratch.container("one", &plain());
    scratch.sh(&id, "echo kept >/kept");
    let home = scratch.directory.path().join("store/c/one");
    let end = Instant::now() + Duration::from_secs(30);
    while fs::read(home.join("live")).unwrap().is_empty() {
        assert!(Instant::now() < end, "it does not end");
        std::thread::sleep(Duration::from_millis(100));
    }
    let state = || scratch.store.state(&scratch.store.container(&id).unwrap().unwrap()).0;
    assert_eq!(state(), StoredState::Running);
    assert_eq!(scratch.store.read_file(&id, "/kept", 100).unwrap().as_deref(), Some(&b"kept\n"[..]));
    assert_eq!(scratch.sh(&id, "cat /kept").1, "kept\n");
    scratch.store.stop(&id).unwrap();
    assert_eq!(state(), StoredState::Exited);
}

#[test]
fn names_are_taken_once_and_what_is_wrong_is_told() {
    let scratch = Scratch::new();
    std::thread::scope(|scope| {
        let make = || scratch.store.create("one", IMAGE, &plain());
        let made: Vec<_> =
            (0..8).map(|_| scope.spawn(make)).collect::<Vec<_>>().into_iter().map(|one| one.join()).collect();
        let won = made.iter().filter(|made| made.as_ref().unwrap().is_ok()).count();
        assert_eq!(won, 1);
    });
    assert!(matches!(scratch.store.create("one", IMAGE, &plain()), Err(SandboxError::NameTaken { .. })));
    assert!(matches!(scratch.store.create("two", "none:1", &plain()), Err(SandboxError::NoSuchImage { .. })));
    assert!(scratch.store.create("a/b", IMAGE, &plain()).is_err());
    let bind = Bind { source: "/no/such".into(), target: "/x".into(), read_only: true };
    let setup = ContainerSetup { binds: vec![bind], ..plain() };
    let error = scratch.store.create("two", IMAGE, &setup).unwrap_err();
    assert_eq!(error.to_string(), "cannot mount `/no/such`: it does not exist");
    assert!(matches!(scratch.store.start("two"), Err(SandboxError::NoSuchContainer { .. })));
    scratch.store.remove("two").unwrap();
}

#[test]
fn a_commit_is_an_image_with_labels_of_its_own() {
    let scratch = Scratch::new();
    let labels = [("a".to_owned(), "container".to_owned()), ("b".to_owned(), "container".to_owned())].into();
    let id = scratch.container("one", &ContainerSetup { labels, scratch: Some("/scratch".into()), ..plain() });
    let script = "echo kept >/made; ln /made /linked; ln -s made /pointed; rm /etc/group; rm -r /var; mkdir /var; \
                  echo x >/scratch/x; mkdir -m 750 /d; touch -d @1000000000 /d; mkfifo /fifo; chmod 4755 /bin/busybox";
    assert_eq!(scratch.sh(&id, script).0, 0);
    let changes = scratch.store.changes(&id).unwrap();
    let told = |path: &str| changes.iter().find(|change| change.path == path).map(|change| change.kind);
    assert_eq!(told("/made"), Some(TreeChangeKind::Added));
    assert_eq!(told("/etc"), Some(TreeChangeKind::Modified));
    assert_eq!(told("/etc/group"), Some(TreeChangeKind::Deleted));
    assert_eq!(told("/scratch/x"), None);
    assert!(changes.is_sorted(), "{changes:?}");
    assert!(scratch.store.size(&id).unwrap() >= 5);
    let own = [("b".to_owned(), "image".to_owned())].into();
    let image = scratch.store.commit(&id, "snapshot:1", &own).unwrap();
    assert_eq!(scratch.sh(&id, "cat /made").1, "kept\n", "it goes on");
    let found = scratch.store.image("snapshot:1").unwrap();
    assert_eq!(
        (found.id.as_str(), &found.labels["a"][..], &found.labels["b"][..]),
        (image.as_str(), "container", "image")
    );
    assert_eq!(found.labels["of"], "image");
    scratch.store.create("two", &image, &plain()).unwrap();
    scratch.store.start("two").unwrap();
    let script = "cat /made /pointed; ls /etc/group 2>&1; ls /var; stat -c '%a %Y' /d; stat -c %h /made; stat -c %F /fifo; \
                  ls /scratch 2>&1; stat -c %a /bin/busybox";
    let expected = "kept\nkept\nls: /etc/group: No such file or directory\n750 1000000000\n2\nfifo\n4755\n";
    assert_eq!(scratch.sh("two", script).1, expected);
    assert_eq!(scratch.store.changes("two").unwrap(), Vec::<TreeChange>::new());
    assert!(matches!(scratch.store.remove_image(&image), Err(SandboxError::ImageInUse { .. })));
    scratch.store.remove("two").unwrap();
    assert!(matches!(scratch.store.remove_image(IMAGE), Err(SandboxError::ImageInUse { .. })));
    scratch.store.remove_image("snapshot:1").unwrap();
    scratch.store.remove_image("snapshot:1").unwrap();
    assert_eq!(fs::read_dir(scratch.directory.path().join("store/layers")).unwrap().count(), 1);
}

#[test]
fn a_terminal_is_one() {
    let scratch = Scratch::new();
    let id = scratch.container("one", &plain());
    let argv = ["sh", "-c", "tty; stty size; read -r line; echo got $line $TERM"].map(String::from).to_vec();
    let launched = scratch.store.launch(&id, &Launch { argv, has_terminal: true, ..Launch::default() }, true).unwrap();
    let Launched::Running(running) = launched else { unreachable!("{launched:?}") };
    let LaunchStreams::Terminal(terminal) = &running.streams else { unreachable!("{running:?}") };
    let (mut writer, mut reader) = (terminal.try_clone().unwrap(), terminal.try_clone().unwrap());
    writer.write_all(b"hello\n").unwrap();
    let mut text = Vec::new();
    // The end of a terminal is an error.
    let _ = reader.read_to_end(&mut text);
    let text = String::from_utf8(text).unwrap();
    assert!(text.starts_with("/dev/pts/0\r\n") || text.starts_with("hello"), "{text:?}");
    assert!(text.ends_with("got hello xterm\r\n"), "{text:?}");
    assert_eq!(running.wait().unwrap(), 0);
}

#[test]
fn twenty_at_once_start_it_once_and_are_all_right() {
    let scratch = Scratch::new();
    let id = scratch.store.create("one", IMAGE, &plain()).unwrap();
    std::thread::scope(|scope| {
        for number in 0..20 {
            let (scratch, id) = (&scratch, &id);
            scope.spawn(move || {
                scratch.store.start(id).unwrap();
                assert_eq!(
                    scratch.sh(id, &format!("echo {number}; exit {number}")),
                    (number, format!("{number}\n"), String::new())
                );
            });
        }
    });
    assert_eq!(scratch.store.processes(&id).unwrap(), 0);
}
