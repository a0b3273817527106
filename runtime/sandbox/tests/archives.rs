//! Images come out of archives as they are, and nothing out of hostile ones.

#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::io::Write;

use compeval_sandbox::{ContainerSetup, SandboxError, Store};
use flate2::{Compression, write::GzEncoder};
use support::{Scratch, add, helper, is_there, layer, layout, saved};
use tar::{Builder, EntryType};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

/// A layer of these entries: path, kind, mode, content, link.
fn layer_of(entries: &[(&str, EntryType, u32, &str, &str)]) -> Vec<u8> {
    let mut archive = Builder::new(Vec::new());
    for (path, kind, mode, content, link) in entries {
        add(&mut archive, path, *kind, *mode, content.as_bytes(), link);
    }
    archive.into_inner().unwrap()
}

/// What a script prints in a container of an image of busybox and further layers.
fn printed(layers: &[Vec<u8>], script: &str) -> String {
    let scratch = Scratch::new();
    let all: Vec<Vec<u8>> = [vec![layer()], layers.to_vec()].concat();
    scratch.store.import(&*saved("made:1", &all), None).unwrap();
    scratch.store.create("one", "made:1", &ContainerSetup::default()).unwrap();
    scratch.store.start("one").unwrap();
    scratch.sh("one", script).1
}

#[test]
fn layouts_and_compressed_layers_are_the_same_image() {
    let scratch = Scratch::new();
    let first = scratch.store.image(support::IMAGE).unwrap();
    for archive in [
        layout("docker.io/library/other:2", &[layer()], <[u8]>::to_vec),
        layout("docker.io/library/other:2", &[layer()], gzip),
        layout("docker.io/library/other:2", &[layer()], zstd),
    ] {
        let images = scratch.store.import(&*archive, None).unwrap();
        assert_eq!(images.iter().map(|image| &image.id).collect::<Vec<_>>(), [&first.id]);
    }
    assert_eq!(scratch.store.image("other:2").unwrap().names, ["busybox:1", "other:2"]);
    let named = scratch.store.import(&*saved("x:1", &[layer()]), Some("mine")).unwrap();
    assert!(named[0].names.contains(&"mine:latest".to_owned()), "{named:?}");
    let layers = scratch.directory.path().join("store/layers");
    assert_eq!(std::fs::read_dir(layers).unwrap().count(), 1);
    scratch.store.remove_image("other:2").unwrap();
    assert_eq!(scratch.store.image(support::IMAGE).unwrap().names, ["busybox:1", "mine:latest"]);
}

#[test]
fn what_a_layer_removes_is_gone() {
    use EntryType::{Directory, Regular};
    let below = layer_of(&[
        ("d", Directory, 0o755, "", ""),
        ("d/old", Regular, 0o644, "old", ""),
        ("e", Directory, 0o750, "", ""),
        ("e/old", Regular, 0o644, "old", ""),
        ("gone", Regular, 0o644, "", ""),
    ]);
    let above = layer_of(&[
        (".wh.gone", Regular, 0o644, "", ""),
        ("d/.wh.old", Regular, 0o644, "", ""),
        ("d/new", Regular, 0o644, "new", ""),
        ("e", Directory, 0o750, "", ""),
        ("e/.wh..wh..opq", Regular, 0o644, "", ""),
        ("e/new", Regular, 0o644, "new", ""),
    ]);
    assert_eq!(
        printed(&[below, above], "ls -d /gone 2>/dev/null; ls /d /e; stat -c %a /e"),
        "/d:\nnew\n\n/e:\nnew\n750\n"
    );
}

#[test]
fn what_a_layer_brings_along_itself_is_there_whatever_it_removes() {
    use EntryType::{Directory, Regular};
    let below = layer_of(&[
        ("d", Directory, 0o755, "", ""),
        ("d/old", Regular, 0o644, "old", ""),
        ("f", Regular, 0o644, "", ""),
    ]);
    for first in [true, false] {
        let whiteouts = [(".wh.d", Regular, 0o644, "", ""), (".wh.f", Regular, 0o644, "", "")];
        let own =
            [("d", Directory, 0o755, "", ""), ("d/new", Regular, 0o644, "", ""), ("f", Regular, 0o644, "own", "")];
        let entries = if first { [&whiteouts[..], &own].concat() } else { [&own[..], &whiteouts].concat() };
        assert_eq!(printed(&[below.clone(), layer_of(&entries)], "ls /d; cat /f"), "new\nown");
    }
}

#[test]
fn an_image_may_have_a_layer_twice() {
    let empty = layer_of(&[]);
    let file = layer_of(&[("f", EntryType::Regular, 0o644, "x", "")]);
    assert_eq!(printed(&[empty.clone(), file.clone(), empty, file], "cat /f"), "x");
}

#[test]
fn a_whole_archive_may_be_compressed() {
    let scratch = Scratch::new();
    let archive = gzip(&saved("other:1", &[layer()]));
    assert_eq!(scratch.store.import(&*archive, None).unwrap().len(), 1);
}

#[test]
fn files_are_what_the_layer_says() {
    use EntryType::{Directory, Fifo, Link, Regular, Symlink};
    let kinds = layer_of(&[
        ("k", Directory, 0o700, "", ""),
        ("k/file", Regular, 0o4751, "text", ""),
        ("k/hard", Link, 0o644, "", "k/file"),
        ("k/soft", Symlink, 0o777, "", "file"),
        ("k/fifo", Fifo, 0o600, "", ""),
        ("k/disk", EntryType::Block, 0o666, "", ""),
    ]);
    let script = "stat -c '%a %h %Y %u' /k/file; cat /k/soft; stat -c %F /k/fifo; ls /k/disk 2>&1; stat -c '%a %Y' /k";
    let expected = "4751 2 1700000000 0\ntextfifo\nls: /k/disk: No such file or directory\n700 1700000000\n";
    assert_eq!(printed(&[kinds], script), expected);
}

#[test]
fn nothing_of_an_archive_gets_out() {
    use EntryType::{Link, Regular, Symlink};
    let outside = tempfile::tempdir().unwrap();
    let target = outside.path().display().to_string();
    let up = format!("../../../../../../../..{target}/up");
    let hostile = layer_of(&[
        (&up, Regular, 0o644, "x", ""),
        ("link", Symlink, 0o777, "", &target),
        ("link/through", Regular, 0o644, "x", ""),
        ("link/.wh.removed", Regular, 0o644, "x", ""),
    ]);
    std::fs::write(outside.path().join("removed"), "kept").unwrap();
    let scratch = Scratch::new();
    // Whatever becomes of the image.
    let _ = scratch.store.import(&*saved("hostile:1", &[layer(), hostile]), None);
    let hard = layer_of(&[("passwd", Link, 0o644, "", "/../../../../../../../../../etc/passwd")]);
    let _ = scratch.store.import(&*saved("hostile:2", &[hard]), None);
    assert!(!is_there(outside.path().join("up")) && !is_there(outside.path().join("through")));
    assert_eq!(std::fs::read_to_string(outside.path().join("removed")).unwrap(), "kept");
    // The archive itself, whose parts are files here for a while.
    for path in ["../../../../etc/passwd", "/etc/passwd", "layer"] {
        let mut archive = Builder::new(Vec::new());
        add(&mut archive, "layer", Symlink, 0o777, b"", "/etc/passwd");
        let manifest = format!(r#"[{{"Config":"{path}","RepoTags":null,"Layers":[]}}]"#);
        add(&mut archive, "manifest.json", Regular, 0o644, manifest.as_bytes(), "");
        let error = scratch.store.import(&*archive.into_inner().unwrap(), None).unwrap_err();
        assert!(error.to_string().starts_with("the archive has no `"), "{error}");
    }
}

#[test]
fn what_is_no_image_is_told_and_nothing_stays() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(&directory.path().join("store"), &helper()).unwrap();
    let refused = |archive: &[u8]| store.import(archive, None).unwrap_err().to_string();
    assert!(refused(b"").contains("it is no `docker save` and no OCI layout"), "{}", refused(b""));
    assert_eq!(refused(&[b'x'; 2000]), "cannot read the archive");
    let good = layout("a:1", &[layer()], <[u8]>::to_vec);
    assert!(!refused(&good[..good.len() / 2]).is_empty());
    let digest = support::hex(&layer());
    // The layer is another one than the image says.
    let tampered = String::from_utf8_lossy(&saved("a:1", &[b"x".to_vec()])).replace(&support::hex(b"x"), &digest);
    assert!(!refused(tampered.as_bytes()).is_empty());
    assert!(store.images().unwrap().is_empty());
    store.collect().unwrap();
    for part in ["layers", "gone", "images"] {
        assert_eq!(std::fs::read_dir(directory.path().join("store").join(part)).unwrap().count(), 0, "{part}");
    }
    assert!(matches!(store.image("a:1"), Err(SandboxError::NoSuchImage { .. })));
}
