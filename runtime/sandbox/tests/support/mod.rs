//! A store for one test, and an image of this machine's busybox.

#![allow(dead_code, reason = "each test program uses a part of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

use std::{
    env, fs,
    io::{Read, Write},
    path::{Path, PathBuf},
    process::Command,
};

use compeval_sandbox::{ContainerSetup, Launch, LaunchStreams, Launched, RunningLaunch, Store};
use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};
use tempfile::TempDir;

pub(crate) const IMAGE: &str = "busybox:1";

/// The program that helps: the test program may have been copied to where another user can read it.
pub(crate) fn helper() -> PathBuf {
    env::var_os("CE_TEST_HELPER").map_or_else(|| env!("CARGO_BIN_EXE_ce-sandbox").into(), PathBuf::from)
}

/// A store that goes when the test ends, with its containers.
pub(crate) struct Scratch {
    pub(crate) store: Store,
    pub(crate) directory: TempDir,
}

impl Scratch {
    /// One with an image of busybox.
    pub(crate) fn new() -> Scratch {
        let directory = tempfile::Builder::new().prefix("ce-sandbox-").tempdir().unwrap();
        let store = Store::open(&directory.path().join("store"), &helper()).unwrap();
        store.import(&*saved(IMAGE, &[layer()]), None).unwrap();
        Scratch { store, directory }
    }

    /// A running container.
    pub(crate) fn container(&self, name: &str, setup: &ContainerSetup) -> String {
        let id = self.store.create(name, IMAGE, setup).unwrap();
        self.store.start(&id).unwrap();
        id
    }

    /// What a script prints in a container, and its exit status.
    pub(crate) fn sh(&self, id: &str, script: &str) -> (i32, String, String) {
        self.run(id, &Launch { argv: ["sh", "-c", script].map(String::from).to_vec(), ..Launch::default() }, b"")
    }

    /// The same for any command, which reads `input`.
    pub(crate) fn run(&self, id: &str, launch: &Launch, input: &[u8]) -> (i32, String, String) {
        match self.store.launch(id, launch, !input.is_empty()).unwrap() {
            Launched::Refused { status, words } => (status, String::new(), words),
            Launched::Running(mut running) => {
                let (output, errors) = read(&mut running, input);
                (running.wait().unwrap(), output, errors)
            }
        }
    }

    /// Starts a script that goes on, without waiting for it.
    pub(crate) fn begin(&self, id: &str, script: &str) -> RunningLaunch {
        let argv = ["sh", "-c", script].map(String::from).to_vec();
        match self.store.launch(id, &Launch { argv, ..Launch::default() }, true).unwrap() {
            Launched::Running(running) => running,
            Launched::Refused { words, .. } => unreachable!("{words}"),
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        for container in self.store.containers().unwrap() {
            self.store.remove(&container.name).unwrap();
        }
        for image in self.store.images().unwrap() {
            self.store.remove_image(&image.id).unwrap();
        }
        self.store.collect().unwrap();
    }
}

fn read(running: &mut RunningLaunch, input: &[u8]) -> (String, String) {
    let LaunchStreams::Pipes { input: ours, output, errors } = &mut running.streams else {
        unreachable!("no terminal")
    };
    let mut ours = ours.take();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            if let Some(ours) = &mut ours {
                ours.write_all(input).unwrap();
            }
        });
        let errors = scope.spawn(|| {
            let mut text = Vec::new();
            errors.read_to_end(&mut text).unwrap();
            String::from_utf8_lossy(&text).into_owned()
        });
        let mut text = Vec::new();
        output.read_to_end(&mut text).unwrap();
        (String::from_utf8_lossy(&text).into_owned(), errors.join().unwrap())
    })
}

/// Adds an entry to an archive.
pub(crate) fn add(archive: &mut Builder<Vec<u8>>, path: &str, kind: EntryType, mode: u32, content: &[u8], link: &str) {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(1_700_000_000);
    header.set_size(content.len() as u64);
    // As an archive may have it, not as the library would let us.
    header.as_gnu_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
    if !link.is_empty() {
        header.as_gnu_mut().unwrap().linkname[..link.len()].copy_from_slice(link.as_bytes());
    }
    header.set_cksum();
    archive.append(&header, content).unwrap();
}

/// The files of an image: busybox under all its names.
pub(crate) fn layer() -> Vec<u8> {
    let mut archive = Builder::new(Vec::new());
    for directory in ["bin", "etc", "root", "proc", "sys", "dev", "var"] {
        add(&mut archive, directory, EntryType::Directory, 0o755, b"", "");
    }
    add(&mut archive, "tmp", EntryType::Directory, 0o1777, b"", "");
    let busybox = which("busybox");
    add(&mut archive, "bin/busybox", EntryType::Regular, 0o755, &fs::read(&busybox).unwrap(), "");
    let names = Command::new(&busybox).arg("--list").output().unwrap();
    for name in String::from_utf8(names.stdout).unwrap().lines().filter(|name| *name != "busybox") {
        add(&mut archive, &format!("bin/{name}"), EntryType::Symlink, 0o777, b"", "busybox");
    }
    add(
        &mut archive,
        "etc/passwd",
        EntryType::Regular,
        0o644,
        b"root:x:0:0::/root:/bin/sh\nann:x:1:2::/tmp:/bin/sh\n",
        "",
    );
    add(&mut archive, "etc/group", EntryType::Regular, 0o644, b"root:x:0:\nann:x:2:\nstaff:x:3:ann\n", "");
    archive.into_inner().unwrap()
}

fn which(program: &str) -> PathBuf {
    let path = env::var_os("PATH").unwrap();
    env::split_paths(&path).map(|place| place.join(program)).find(|path| path.exists()).expect("busybox")
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn configuration(layers: &[Vec<u8>]) -> String {
    let architecture = match env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let digests: Vec<String> = layers.iter().map(|layer| format!("sha256:{}", hex(layer))).collect();
    serde_json::json!({
        "architecture": architecture,
        "os": "linux",
        "config": { "Env": ["PATH=/bin", "OF=image"], "Labels": { "of": "image" } },
        "rootfs": { "type": "layers", "diff_ids": digests },
    })
    .to_string()
}

/// What `docker save` writes for an image of these layers.
pub(crate) fn saved(name: &str, layers: &[Vec<u8>]) -> Vec<u8> {
    let mut archive = Builder::new(Vec::new());
    let mut paths = Vec::new();
    for (index, layer) in layers.iter().enumerate() {
        paths.push(format!("{index}/layer.tar"));
        add(&mut archive, &paths[index], EntryType::Regular, 0o644, layer, "");
    }
    add(&mut archive, "config.json", EntryType::Regular, 0o644, configuration(layers).as_bytes(), "");
    let manifest = serde_json::json!([{ "Config": "config.json", "RepoTags": [name], "Layers": paths }]);
    add(&mut archive, "manifest.json", EntryType::Regular, 0o644, manifest.to_string().as_bytes(), "");
    archive.into_inner().unwrap()
}

/// An OCI layout of an image whose layers are stored as `stored` gives them.
pub(crate) fn layout(name: &str, layers: &[Vec<u8>], stored: impl Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let mut archive = Builder::new(Vec::new());
    let mut blob = |content: &[u8]| {
        let digest = hex(content);
        add(&mut archive, &format!("blobs/sha256/{digest}"), EntryType::Regular, 0o644, content, "");
        serde_json::json!({ "digest": format!("sha256:{digest}"), "size": content.len() })
    };
    let layers_of: Vec<_> = layers.iter().map(|layer| blob(&stored(layer))).collect();
    let config = blob(configuration(layers).as_bytes());
    let manifest = serde_json::json!({ "schemaVersion": 2, "config": config, "layers": layers_of });
    let mut manifest = blob(manifest.to_string().as_bytes());
    manifest["annotations"] = serde_json::json!({ "io.containerd.image.name": name });
    let index = serde_json::json!({ "schemaVersion": 2, "manifests": [manifest] });
    add(&mut archive, "index.json", EntryType::Regular, 0o644, index.to_string().as_bytes(), "");
    archive.into_inner().unwrap()
}

/// Whether a path is outside of what a test may touch, and there.
pub(crate) fn is_there(path: impl AsRef<Path>) -> bool {
    path.as_ref().symlink_metadata().is_ok()
}
