//! What runs inside tries to get out, or at what it may not have.

#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::{fs, os::unix::fs::symlink, path::Path, process::Command};

use compeval_sandbox::{Bind, ContainerSetup, SandboxError};
use support::{IMAGE, Scratch, is_there, saved};
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
    let bind = |source: &Path| Bind { source: source.to_owned(), target: "/host".into(), read_only: false };
    let setup = |source: &Path| ContainerSetup { binds: vec![bind(source)], ..ContainerSetup::default() };
    let id = scratch.container("above", &setup(&top));
    assert_eq!(scratch.sh(&id, "cat /host/beside; ls -A /host/store; echo x >/host/store/x").1, "seen");
    assert!(!is_there(store.join("x")));
    for (name, source) in [("at", &store), ("below", &store.join("c")), ("by-link", &top.join("link"))] {
        scratch.store.create(name, IMAGE, &setup(source)).unwrap();
        let error = scratch.store.start(name).unwrap_err().to_string();
        assert!(error.ends_with("is a part of the store of containers"), "{error}");
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
