//! What runs inside tries to get out, or at what it may not have.

#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::{fs, os::unix::fs::symlink, path::Path, process::Command};

use compeval_sandbox::{Bind, ContainerSetup, SandboxError, Store};
use support::{IMAGE, Scratch, helper, is_there, saved};
use tar::{Builder, EntryType};

fn is_root() -> bool {
    Command::new("id").arg("-u").output().unwrap().stdout == b"0\n"
}

#[test]
fn processes_are_confined_as_docker_confines_them() {
    let scratch = Scratch::new();
    let id = scratch.container("one", &ContainerSetup::default());
    let status = scratch.sh(&id, "cat /proc/self/status").1;
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned();
    for name in ["CapEff:", "CapPrm:", "CapBnd:"] {
        assert_eq!(field(name), "00000000a80425fb", "{name}");
    }
    assert_eq!([field("CapInh:"), field("CapAmb:")], ["0000000000000000", "0000000000000000"]);
    assert_eq!([field("Seccomp:"), field("NoNewPrivs:"), field("SigBlk:")], ["2", "0", "0000000000000000"]);
    assert_eq!(scratch.sh(&id, "ls /proc/self/fd | wc -l").1.trim(), "4", "its streams, and the directory it lists");
    for refused in [
        "mount -t tmpfs x /mnt",
        "mount -o remount,rw /sys",
        "umount /proc",
        "hostname other",
        "unshare -m true",
        "echo 1 >/proc/sys/kernel/hostname",
        "echo b >/proc/sysrq-trigger",
        "mkdir /sys/x",
        "chroot / mount -t tmpfs x /mnt",
        "swapoff -a; swapon /etc/passwd",
        "test $(date -s 2000-01-01 +%Y >/dev/null; date +%Y) = 2000",
    ] {
        assert_ne!(scratch.sh(&id, &format!("mkdir -p /mnt; ( {refused} ) 2>/dev/null")).0, 0, "{refused}");
    }
    assert_eq!(scratch.sh(&id, "cat /proc/kcore /proc/keys /proc/timer_list 2>/dev/null | wc -c").1, "0\n");
    assert_eq!(scratch.sh(&id, "ls /sys/firmware | wc -l").1, "0\n");
}

#[test]
fn the_first_process_cannot_be_looked_into_or_ended() {
    let scratch = Scratch::new();
    let id = scratch.container("one", &ContainerSetup::default());
    for path in ["exe", "root", "cwd", "environ", "maps", "fd/0", "mem"] {
        assert_ne!(scratch.sh(&id, &format!("cat /proc/1/{path} || ls /proc/1/{path}/")).0, 0, "{path}");
    }
    scratch.sh(&id, "kill -9 1; kill -TERM 1; kill -9 -1");
    assert_eq!(scratch.sh(&id, "echo still").1, "still\n");
    // The way of CVE-2019-5736: a script that is run by whoever starts it.
    let script = "printf '#!/proc/self/exe\\n' >/x; chmod +x /x; /x; for p in /proc/[0-9]*/exe; do echo x >$p; done";
    scratch.sh(&id, script);
    assert_eq!(scratch.sh(&id, "echo still").1, "still\n");
}

#[test]
fn devices_are_the_harmless_ones() {
    let scratch = Scratch::new();
    let id = scratch.container("one", &ContainerSetup::default());
    assert_eq!(
        scratch.sh(&id, "ls /dev").1,
        "fd\nfull\nmqueue\nnull\nptmx\npts\nrandom\nshm\nstderr\nstdin\nstdout\ntty\nurandom\nzero\n"
    );
    // Nodes of the memory's zeroes and of the first disk.
    for node in ["c 1 5", "b 8 0", "b 259 0", "b 254 0"] {
        let script = format!("rm -f /n; mknod /n {node} && head -c 1 /n");
        assert_ne!(scratch.sh(&id, &script).0, 0, "{node}");
    }
}

#[test]
fn the_store_is_out_of_reach() {
    let scratch = Scratch::new();
    let top = scratch.directory.path().canonicalize().unwrap();
    let store = top.join("store");
    fs::write(top.join("beside"), "seen").unwrap();
    symlink(&store, top.join("link")).unwrap();
    let bind = |source: &Path, read_only| Bind { source: source.to_owned(), target: "/host".into(), read_only };
    let setup =
        |source: &Path, read_only| ContainerSetup { binds: vec![bind(source, read_only)], ..ContainerSetup::default() };
    let id = scratch.container("above", &setup(&top, true));
    assert_eq!(scratch.sh(&id, "cat /host/beside; ls -A /host/store").1, "seen");
    // Who may write there could rename what is above the store, and make another one in its place.
    scratch.store.create("written", IMAGE, &setup(&top, false)).unwrap();
    let error = scratch.store.start("written").unwrap_err().to_string();
    assert!(error.contains("has the store of containers in it"), "{error}");
    for (name, source) in [("at", &store), ("below", &store.join("c")), ("by-link", &top.join("link"))] {
        scratch.store.create(name, IMAGE, &setup(source, true)).unwrap();
        let error = scratch.store.start(name).unwrap_err().to_string();
        assert!(error.ends_with("is a part of the store of containers"), "{error}");
    }
}

#[test]
fn what_the_host_mounts_later_gives_nothing() {
    if !is_root() {
        return; // nobody else can mount there
    }
    let scratch = Scratch::new();
    let top = tempfile::tempdir().unwrap();
    let mount = |arguments: &[&str]| assert!(Command::new("mount").args(arguments).status().unwrap().success());
    let place = |name: &str| top.path().join(name).display().to_string();
    fs::create_dir_all(top.path().join("shared")).unwrap();
    mount(&["-t", "tmpfs", "none", &place("shared")]);
    mount(&["--make-shared", &place("shared")]);
    fs::create_dir_all(top.path().join("shared/bind/later")).unwrap();
    let source = top.path().join("shared/bind");
    let bind = |target: &str, read_only| Bind { source: source.clone(), target: target.into(), read_only };
    let setup = ContainerSetup { binds: vec![bind("/rw", false), bind("/ro", true)], ..ContainerSetup::default() };
    let id = scratch.container("one", &setup);
    mount(&["-t", "tmpfs", "none", &place("shared/bind/later")]);
    let script =
        "mknod /rw/later/n c 1 5 && head -c 1 /rw/later/n >/dev/null && echo opened; echo x >/ro/later/x; ls /ro/later";
    let printed = scratch.sh(&id, script).1;
    for name in ["shared/bind/later", "shared"] {
        assert!(Command::new("umount").arg(place(name)).status().unwrap().success());
    }
    assert!(!printed.contains("opened") && !printed.contains('x'), "{printed}");
}

#[test]
fn what_a_container_puts_into_the_way_of_its_own_users_hurts_nobody() {
    let scratch = Scratch::new();
    let id = scratch.container("one", &ContainerSetup::default());
    scratch.sh(&id, "rm /etc/passwd && mkfifo /etc/passwd && ln -sf /dev/zero /etc/group");
    assert_eq!(scratch.sh(&id, "echo still").1, "still\n");
    assert_eq!(scratch.store.commands(&id).unwrap(), []);
}

#[test]
fn a_start_makes_and_removes_nothing_on_the_host() {
    let scratch = Scratch::new();
    let host = tempfile::tempdir().unwrap();
    symlink("/none", host.path().join("link")).unwrap();
    let bind = |target: &str| Bind { source: host.path().to_owned(), target: target.into(), read_only: false };
    for (name, target) in [("link", "/a/link"), ("new", "/a/new/dir")] {
        let setup = ContainerSetup { binds: vec![bind("/a"), bind(target)], ..ContainerSetup::default() };
        scratch.store.create(name, IMAGE, &setup).unwrap();
        let error = scratch.store.start(name).unwrap_err().to_string();
        assert!(error.contains("which is the host's: make it there"), "{error}");
    }
    assert_eq!(fs::read_dir(host.path()).unwrap().count(), 1);
    assert!(is_there(host.path().join("link")));
}

#[test]
fn nobody_else_gets_into_a_store() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("store");
    fs::create_dir(&root).unwrap();
    fs::set_permissions(&root, fs::Permissions::from_mode(0o755)).unwrap();
    Store::open(&root, &helper()).unwrap();
    for part in ["layers", "images", "c", "volumes", "gone"] {
        assert_eq!(fs::metadata(root.join(part)).unwrap().permissions().mode() & 0o777, 0o700, "{part}");
    }
}

#[test]
fn links_of_an_image_lead_nowhere_else() {
    let scratch = Scratch::new();
    let outside = tempfile::tempdir().unwrap();
    let place = outside.path().canonicalize().unwrap();
    let host = tempfile::tempdir().unwrap();
    fs::write(host.path().join("file"), "host").unwrap();
    let deep = format!("/proc/self/fd/3/../../../../../..{}", place.display());
    for (number, (name, link)) in [
        ("target", place.display().to_string()),
        ("target", deep),
        ("target", "/proc/1/root/tmp".to_owned()),
        ("target", "/proc/self/fd/5".to_owned()),
        ("proc", "/tmp".to_owned()),
        ("dev", "/tmp".to_owned()),
        ("sys", place.display().to_string()),
        ("etc", place.display().to_string()),
    ]
    .into_iter()
    .enumerate()
    {
        let mut archive = Builder::new(Vec::new());
        add_without(&mut archive, name);
        support::add(&mut archive, name, EntryType::Symlink, 0o777, b"", &link);
        let reference = format!("hostile:{number}");
        scratch.store.import(&*saved(&reference, &[archive.into_inner().unwrap()]), None).unwrap();
        let bind = Bind { source: host.path().to_owned(), target: "/target/made".into(), read_only: false };
        let setup = ContainerSetup { binds: vec![bind], ..ContainerSetup::default() };
        let container = format!("one-{number}");
        scratch.store.create(&container, &reference, &setup).unwrap();
        // It may start, or not.
        let _ = scratch.store.start(&container);
        assert_eq!(fs::read_dir(&place).unwrap().count(), 0, "{name} -> {link}");
    }
}

/// The layer of busybox, without one of its directories.
fn add_without(archive: &mut Builder<Vec<u8>>, left_out: &str) {
    let layer = support::layer();
    let mut whole = tar::Archive::new(&*layer);
    for entry in whole.entries().unwrap() {
        let entry = entry.unwrap();
        let path = entry.path().unwrap().into_owned();
        if !path.starts_with(left_out) {
            let header = entry.header().clone();
            archive.append(&header, entry).unwrap();
        }
    }
}

#[test]
fn what_is_mounted_in_a_container_survives_its_removal() {
    if !is_root() {
        return; // nobody else can mount there
    }
    let scratch = Scratch::new();
    let precious = tempfile::tempdir().unwrap();
    fs::write(precious.path().join("file"), "kept").unwrap();
    scratch.store.create("one", IMAGE, &ContainerSetup::default()).unwrap();
    let home = scratch.directory.path().join("store/c/one");
    let mut mounts = Vec::new();
    for (source, target) in [(Path::new("/dev"), "root"), (precious.path(), "upper/x"), (precious.path(), "scratch")] {
        fs::create_dir_all(home.join(target)).unwrap();
        let mounted = Command::new("mount").arg("--bind").arg(source).arg(home.join(target)).status().unwrap();
        assert!(mounted.success());
        mounts.push(target);
    }
    let removed = scratch.store.remove("one");
    assert!(is_there("/dev/null") && is_there("/dev/zero"));
    assert_eq!(fs::read_to_string(precious.path().join("file")).unwrap(), "kept");
    // It says so, or it was not in the way.
    if let Err(error) = removed {
        assert!(matches!(error, SandboxError::Failed { .. } | SandboxError::Refused { .. }), "{error:?}");
    }
    let text = fs::read_to_string("/proc/self/mounts").unwrap();
    let top = scratch.directory.path().display().to_string();
    for place in text.lines().filter_map(|line| line.split(' ').nth(1)).filter(|place| place.starts_with(&top)) {
        assert!(Command::new("umount").arg(place).status().unwrap().success());
    }
    scratch.store.collect().unwrap();
    assert!(is_there("/dev/null"));
    assert_eq!(fs::read_to_string(precious.path().join("file")).unwrap(), "kept");
}

#[test]
fn deep_and_odd_trees_are_removed() {
    let scratch = Scratch::new();
    let id = scratch.container("one", &ContainerSetup::default());
    let script = "cd /; i=0; while [ $i -lt 1900 ]; do mkdir d && cd d || exit 1; i=$((i+1)); done; \
                  mkdir /locked; echo x >/locked/x; chmod 0 /locked /locked/x; ln -s /dev /locked/link; \
                  mkdir /.gone-1 /.gone-2; echo x >/.gone-1/x";
    assert_eq!(scratch.sh(&id, script).0, 0);
    scratch.store.remove(&id).unwrap();
    assert_eq!(fs::read_dir(scratch.directory.path().join("store/gone")).unwrap().count(), 0);
    assert!(is_there("/dev/null"));
}

#[test]
fn two_containers_do_not_see_each_other() {
    let scratch = Scratch::new();
    let one = scratch.container("one", &ContainerSetup::default());
    let two = scratch.container("two", &ContainerSetup::default());
    let running = scratch.begin(&one, "exec sleep 1000");
    assert_eq!(scratch.sh(&two, "ps | grep -c '[s]leep'").1, "0\n");
    let before = scratch.sh(&two, "echo /proc/[0-9]*").1;
    assert!(before.split_whitespace().count() < 6, "{before}");
    drop(running);
}
