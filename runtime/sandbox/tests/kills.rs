//! Whatever is killed whenever, the next one finds a store that is whole.

#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::{
    env, fs,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::Duration,
};

use compeval_sandbox::{ContainerSetup, Launch, Launched, SandboxError, Store};
use support::{IMAGE, Scratch, helper};

/// Says to the worker which store it works in.
const WORKS_IN: &str = "CE_TEST_WORKS_IN";
const ROUNDS: u64 = 60;

fn sh(script: &str) -> Launch {
    Launch { argv: ["sh", "-c", script].map(String::from).to_vec(), ..Launch::default() }
}

/// What a worker does over and over, as far as it comes.
fn work(store: &Store) -> Result<(), SandboxError> {
    loop {
        match store.create("one", IMAGE, &ContainerSetup::default()) {
            Ok(_) | Err(SandboxError::NameTaken { .. }) => {}
            Err(error) => return Err(error),
        }
        store.start("one")?;
        if let Launched::Running(running) = store.launch("one", &sh("echo x >>/written; mkdir -p /d/d/d"), false)? {
            running.wait()?;
        }
        store.commit("one", "snapshot:1", &[].into())?;
        store.create("two", "snapshot:1", &ContainerSetup::default())?;
        store.start("two")?;
        store.remove("two")?;
        store.remove_image("snapshot:1")?;
        store.remove("one")?;
        store.collect()?;
    }
}

#[test]
#[ignore = "the work of the test below, in a process of its own"]
fn worker() {
    let Some(root) = env::var_os(WORKS_IN) else { return };
    let store = Store::open(Path::new(&root), &helper()).unwrap();
    // What is in the way after a kill is what the test looks at.
    drop(work(&store));
}

/// A worker, and all that it starts but the first processes, in a group of their own.
fn worker_in(root: &Path) -> Child {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", "worker", "--ignored", "--nocapture"]).env(WORKS_IN, root).process_group(0);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn kill(what: &str) {
    // It may have ended before.
    let _ = Command::new("kill").args(["-9", "--", what]).stderr(Stdio::null()).status();
}

/// The first processes of the containers of a store.
fn first_processes(root: &Path) -> Vec<String> {
    let pid = |entry: fs::DirEntry| {
        let text = fs::read_to_string(entry.path().join("pid")).ok()?;
        text.split_whitespace().next().map(str::to_owned)
    };
    let homes = ["c", "gone"].map(|part| fs::read_dir(root.join(part)).into_iter().flatten().flatten());
    homes.into_iter().flatten().filter_map(pid).collect()
}

/// Whether a process has not ended; one that nobody has waited for has.
fn is_alive(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
}

#[test]
fn the_store_is_whole_after_each_kill() {
    let scratch = Scratch::new();
    let root: PathBuf = scratch.directory.path().join("store");
    let mut seed = 1u64;
    for round in 0..ROUNDS {
        let mut worker = worker_in(&root);
        // Times between 0 and 130 ms, which are not the same twice.
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        sleep(Duration::from_micros(seed >> 33 & 0x1_ffff));
        if round % 3 == 2 {
            let pids = first_processes(&root);
            pids.iter().for_each(|pid| kill(pid));
            // What is killed ends a little later.
            while pids.iter().any(|pid| is_alive(pid)) {
                sleep(Duration::from_millis(1));
            }
        }
        kill(&format!("-{}", worker.id()));
        worker.wait().unwrap();

        let store = &scratch.store;
        for container in store.containers().unwrap() {
            store.start(&container.name).unwrap();
            assert_eq!(scratch.sh(&container.name, "echo x >>/x && tail -n 1 /x").1, "x\n", "round {round}");
            store.remove(&container.name).unwrap();
        }
        for image in store.images().unwrap() {
            if image.names != [IMAGE] {
                store.remove_image(&image.id).unwrap();
            }
        }
        store.collect().unwrap();
        let left = |part: &str| fs::read_dir(root.join(part)).unwrap().count();
        assert_eq!((left("c"), left("gone"), left("layers"), left("images")), (0, 0, 1, 1), "round {round}");
    }
}
