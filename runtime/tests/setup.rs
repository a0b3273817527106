//! The life of a container on the in-memory engine, whose containers are directories and whose programs are this
//! machine's: what is run, what is repeated, what is replaced.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    path::PathBuf,
    process::Command as Process,
    time::{Duration, Instant},
};

use compeval_interpreter::dispatch::Kind;
use compeval_runtime::{
    Environment, Setup, SetupError,
    call::{Call, Called},
    container::mounts::Mounts,
    engine::{ContainerState, Containers, Images, Stdin, Stream, memory::Memory},
    interrupt::Interrupt,
    ledger::LedgerError,
    setup::{
        notice::{Notice, Unwatched, Watcher},
        plan::{Action, Fate, Plan},
        snapshot::Worth,
    },
};

const IMAGE: &str = "test:1";

/// A computation in a repository of its own, a storage, and an engine.
struct World {
    directory: tempfile::TempDir,
    engine: Memory,
    worth: Worth,
}

impl World {
    fn new(script: &str) -> World {
        let world =
            World { directory: tempfile::tempdir().unwrap(), engine: Memory::new().unwrap(), worth: Worth::default() };
        world.engine.add_image(IMAGE);
        fs::create_dir_all(world.computation()).unwrap();
        fs::create_dir(world.path("gfs")).unwrap();
        fs::write(world.computation().join("docker.conf"), format!("image = \"{IMAGE}\"\n")).unwrap();
        world.git("init -q");
        world.commit(script);
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn computation(&self) -> PathBuf {
        self.path("align")
    }

    fn git(&self, arguments: &str) {
        let mut git = Process::new("git");
        git.args(["-c", "user.name=x", "-c", "user.email=x"])
            .args(arguments.split(' '))
            .current_dir(self.computation());
        git.envs([("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_SYSTEM", "/dev/null")]);
        assert!(git.status().unwrap().success(), "git {arguments}");
    }

    fn commit(&self, script: &str) {
        fs::write(self.computation().join("docker-setup.sh"), script).unwrap();
        self.git("add -A");
        self.git("commit -q -m change");
    }

    fn environment(&self) -> Environment {
        Environment::read(&self.computation()).unwrap()
    }

    fn with<T>(&self, task: impl FnOnce(&Setup<'_>) -> T) -> T {
        let environment = self.environment();
        let mounts = Mounts::new(&self.computation(), Some(&self.path("gfs"))).unwrap();
        task(&Setup {
            engine: &self.engine,
            environment: &environment,
            mounts: &mounts,
            lock_timeout: None,
            worth: self.worth,
            interrupt: Interrupt::default(),
        })
    }

    fn set_up(&self, watcher: &mut dyn Watcher) -> Result<String, SetupError> {
        self.with(|setup| setup.set_up(watcher)).map(|ready| ready.container)
    }

    /// Calls a shell command; gives what became of it and its standard output.
    fn call(&self, script: &str) -> (Called, String) {
        let argv = ["sh", "-c", script].map(str::to_owned).to_vec();
        let command = Call { argv, interpreter: None, user: None, stdin: Stdin::Null };
        let mut stdout = Vec::new();
        let mut output = |stream, bytes: &[u8]| {
            if stream == Stream::Stdout {
                stdout.extend_from_slice(bytes);
            }
            Ok(())
        };
        let called = self.with(|setup| setup.call(&command, &mut Unwatched, &mut output)).unwrap();
        (called, String::from_utf8(stdout).unwrap())
    }

    fn plan(&self) -> Plan {
        self.with(|setup| setup.plan()).unwrap()
    }

    /// A file in a container, which scripts reach by its bare name.
    fn file(&self, container: &str, name: &str) -> String {
        let path = self.engine.directory(container).unwrap().join("root").join(name);
        fs::read_to_string(path).unwrap_or_default()
    }

    fn ledger(&self, container: &str) -> PathBuf {
        self.engine.directory(container).unwrap().join("var/lib/compeval/state.toml")
    }
}

/// Keeps what was told.
#[derive(Default)]
struct Told(Vec<String>);

impl Watcher for Told {
    fn notice(&mut self, notice: Notice<'_>) {
        match notice {
            Notice::Creating { because: None, .. } => self.0.push("creating".to_owned()),
            Notice::Creating { because: Some(reason), .. } => self.0.push(format!("creating: {reason:?}")),
            Notice::WaitingForStretch { stretch, .. } => self.0.push(format!("waiting for {stretch:?}")),
            Notice::Warning(warning) => self.0.push(format!("{warning:?}")),
            Notice::Joining { .. } => self.0.push("joining".to_owned()),
            Notice::WaitingForCalls { .. } => self.0.push("waiting for calls".to_owned()),
            Notice::Kept { .. } => self.0.push("kept".to_owned()),
            Notice::Snapshot => self.0.push("snapshot".to_owned()),
            Notice::WaitingForSetup | Notice::Removing { .. } | Notice::Setup(_) => {}
        }
    }

    fn output(&mut self, _: Stream, _: &[u8]) {}
}

#[test]
fn a_stage_runs_once_and_an_everytime_chain_on_every_call() {
    let world = World::new("next_stage && echo s >>log\neverytime && echo e >>log\n");
    let container = world.set_up(&mut Unwatched).unwrap();
    assert_eq!(world.set_up(&mut Unwatched).unwrap(), container);
    assert_eq!(world.file(&container, "log"), "s\ne\ne\n");
}

#[test]
fn a_call_with_nothing_to_do_is_one_exec() {
    let world = World::new("next_stage && echo s >>log\nv=1\nnext_stage && echo \"$v\" >>log\n");
    assert_eq!(world.call("cat log; exit 3"), (Called::Ended(3), "s\n1\n".to_owned()));
    let before = world.engine.calls().len();
    assert_eq!(world.call("cat log"), (Called::Ended(0), "s\n1\n".to_owned()));
    assert_eq!(world.engine.calls().split_off(before), ["image", "containers", "exec"]);
}

#[test]
fn programs_that_cannot_run_are_told_apart() {
    let world = World::new("");
    let called = |program: &str| {
        let command = Call { argv: vec![program.to_owned()], interpreter: None, user: None, stdin: Stdin::Null };
        world.with(|setup| setup.call(&command, &mut Unwatched, &mut |_, _| Ok(()))).unwrap()
    };
    assert_eq!(called("no-such-program"), Called::NotFound);
    assert_eq!(called("/no/such/program"), Called::NotFound);
    assert_eq!(called("/etc"), Called::NotExecutable);
    assert_eq!(world.call("kill -9 $$").0, Called::Ended(137));
    assert_eq!(world.call("exit 127").0, Called::Ended(127));
}

#[test]
fn a_container_belongs_to_an_environment_whatever_commit_asks_for_it() {
    let world = World::new("next_stage && echo one >>log\n");
    let one = world.set_up(&mut Unwatched).unwrap();
    for (name, text) in [("README", "read"), ("exec", "#!/bin/sh\n"), (".exec.swp", "x")] {
        fs::write(world.computation().join(name), text).unwrap();
        assert_eq!(world.set_up(&mut Unwatched).unwrap(), one, "{name}, not committed");
    }
    world.commit("# a comment\nnext_stage  &&  echo one >>log\n");
    assert_eq!(world.set_up(&mut Unwatched).unwrap(), one, "committed, and the script laid out otherwise");
    world.commit("next_stage && echo one >>log\nnext_stage && echo two >>log\n");
    assert_eq!(world.set_up(&mut Unwatched).unwrap(), one, "a stage appended");
    assert_eq!(world.file(&one, "log"), "one\ntwo\n");
    // What is applied there is more than this commit says.
    world.git("checkout -q HEAD~1");
    let mut told = Told::default();
    let alone = world.set_up(&mut told).unwrap();
    assert_eq!((told.0, world.file(&alone, "log")), (vec!["creating: StageRemoved(2)".to_owned()], "one\n".to_owned()));
    for (commit, container) in [("-", &one), ("HEAD~1", &alone), ("-", &one)] {
        world.git(&format!("checkout -q {commit}"));
        let before = world.engine.calls().iter().filter(|call| *call == "create").count();
        assert_eq!(world.set_up(&mut Unwatched).unwrap(), *container, "{commit}");
        assert_eq!(world.engine.calls().iter().filter(|call| *call == "create").count(), before);
    }
    assert_eq!((world.file(&one, "log"), world.file(&alone, "log")), ("one\ntwo\n".into(), "one\n".into()));
}

#[test]
fn an_edited_stage_has_another_container_and_its_revert_the_old_one() {
    let script = |last: &str| format!("next_stage && echo one >>log\nnext_stage && echo {last} >>log\n");
    let world = World::new(&script("two"));
    let old = world.set_up(&mut Unwatched).unwrap();
    world.commit(&script("zwei"));
    let new = world.set_up(&mut Unwatched).unwrap();
    assert_eq!((world.file(&old, "log"), world.file(&new, "log")), ("one\ntwo\n".into(), "one\nzwei\n".into()));
    assert_eq!(world.engine.container(&old).unwrap().unwrap().state, ContainerState::Exited);
    world.commit(&script("two"));
    assert_eq!(world.set_up(&mut Unwatched).unwrap(), old);
    assert_eq!(world.file(&old, "log"), "one\ntwo\n");
}

#[test]
fn a_command_of_every_call_that_is_not_in_the_script_any_more_makes_another_container() {
    let world = World::new("next_stage && echo one >>log\neverytime && echo old >>log\n");
    let old = world.set_up(&mut Unwatched).unwrap();
    world.commit("next_stage && echo one >>log\neverytime && echo old >>log\necho more >>log\n");
    assert_eq!(world.set_up(&mut Unwatched).unwrap(), old, "one more is none the less");
    world.commit("next_stage && echo one >>log\neverytime && echo new >>log\necho more >>log\n");
    let mut told = Told::default();
    let new = world.set_up(&mut told).unwrap();
    assert_eq!(told.0, ["creating: RepeatedGone { text: \"everytime && echo old >>log\" }"]);
    assert_eq!(world.file(&new, "log"), "one\nnew\nmore\n");
}

#[test]
fn only_the_containers_that_were_used_last_are_kept() {
    let world = World::new("next_stage && echo 0 >>log\n");
    for number in 1..7 {
        world.set_up(&mut Unwatched).unwrap();
        world.commit(&format!("next_stage && echo {number} >>log\n"));
    }
    let last = world.set_up(&mut Unwatched).unwrap();
    let left = world.engine.containers(&[]).unwrap();
    assert_eq!(left.len(), 4);
    let runs = |container: &&compeval_runtime::engine::Container| container.state == ContainerState::Running;
    assert_eq!(left.iter().filter(runs).map(|container| &container.id).collect::<Vec<_>>(), [&last]);
    let mapping = fs::read_to_string(world.computation().join("docker-container")).unwrap();
    assert_eq!(mapping.matches(" = \"0").count(), 4, "{mapping}");
}

#[test]
fn uncommitted_changes_are_never_filed_under_the_commit() {
    let world = World::new("next_stage && echo one >>log\n");
    let clean = world.set_up(&mut Unwatched).unwrap();
    fs::write(world.computation().join("docker-setup.sh"), "next_stage && echo other >>log\n").unwrap();
    let changed = world.set_up(&mut Unwatched).unwrap();
    assert_eq!((world.file(&clean, "log"), world.file(&changed, "log")), ("one\n".into(), "other\n".into()));
    let commit = world.environment().computation.commit;
    let label = world.engine.container(&changed).unwrap().unwrap().labels.remove("compeval.commit").unwrap();
    assert!(label.starts_with(&commit) && label.len() > commit.len(), "{label}");
}

#[test]
fn another_storage_has_another_container() {
    let world = World::new("");
    let first = world.set_up(&mut Unwatched).unwrap();
    fs::rename(world.path("gfs"), world.path("old")).unwrap();
    fs::create_dir(world.path("new")).unwrap();
    std::os::unix::fs::symlink("new", world.path("gfs")).unwrap();
    assert_ne!(world.set_up(&mut Unwatched).unwrap(), first);
}

#[test]
fn a_container_whose_stage_failed_is_kept_for_a_look_until_a_setup_succeeds() {
    let world = World::new("next_stage && echo one >>log\nnext_stage && echo two >>log && [ -e \"$GFSDIR/ok\" ]\n");
    let error = world.set_up(&mut Unwatched).unwrap_err();
    let SetupError::ChainFailed { number: Some(2), status: 1, lost: false, .. } = error else {
        panic!("{error:?}");
    };
    assert_eq!(world.plan().steps.iter().filter(|step| step.fate == Fate::Pending).count(), 2);
    world.set_up(&mut Unwatched).unwrap_err();
    let kept = world.engine.containers(&[]).unwrap();
    let states: Vec<_> = kept.iter().map(|container| (container.state, world.file(&container.id, "log"))).collect();
    assert_eq!(states, [(ContainerState::Exited, "one\ntwo\n".to_owned())], "the last one that failed");
    fs::write(world.path("gfs/ok"), "").unwrap();
    let mut told = Told::default();
    let container = world.set_up(&mut told).unwrap();
    assert_eq!(told.0, ["creating: StageFailed(2)"]);
    assert_eq!(world.file(&container, "log"), "one\ntwo\n");
    assert_eq!(world.engine.containers(&[]).unwrap().len(), 1);
}

#[test]
fn an_everytime_chain_that_failed_leaves_the_container_as_it_is() {
    let world = World::new("next_stage && echo one >>log\neverytime && [ -e \"$GFSDIR/ok\" ]\n");
    let error = world.set_up(&mut Unwatched).unwrap_err();
    assert!(matches!(error, SetupError::ChainFailed { number: None, status: 1, .. }), "{error:?}");
    fs::write(world.path("gfs/ok"), "").unwrap();
    let mut told = Told::default();
    let container = world.set_up(&mut told).unwrap();
    assert!(told.0.is_empty(), "{:?}", told.0);
    assert_eq!(world.file(&container, "log"), "one\n");
}

#[test]
fn a_stage_whose_shell_is_killed_has_failed() {
    let world = World::new("next_stage && echo x >>log && kill -9 $$\n");
    let error = world.set_up(&mut Unwatched).unwrap_err();
    assert!(matches!(error, SetupError::ChainFailed { status: 137, lost: true, .. }), "{error:?}");
    let mut told = Told::default();
    world.set_up(&mut told).unwrap_err();
    assert_eq!(told.0[told.0.len() - 2..], ["creating: StageUnfinished(1)", "kept"]);
}

#[test]
fn a_stage_left_running_is_waited_for() {
    let world = World::new("next_stage && echo one >>log\n");
    let container = world.set_up(&mut Unwatched).unwrap();
    let ledger = world.ledger(&container);
    // As a killed ce-run leaves it: begun, and its shell still at work.
    let program = format!(
        ": compeval-program\nsleep 0.7\nprintf '\\n[[record]]\\nstage = 1\\nstate = \"applied\"\\n' >>{}",
        ledger.display()
    );
    let mut shell = Process::new("sh").args(["-c", &program]).spawn().unwrap();
    let text = fs::read_to_string(&ledger).unwrap();
    let begun = text.split("\n[[record]]").take(2).collect::<Vec<_>>().join("\n[[record]]");
    let begun = begun.lines().map(|line| match line.starts_with("pid") {
        true => format!("pid = {}\n", shell.id()),
        false => format!("{line}\n"),
    });
    fs::write(&ledger, begun.collect::<String>()).unwrap();
    let mut told = Told::default();
    let found = std::thread::scope(|scope| {
        // Its end has to be taken notice of, or it stays in the process table.
        scope.spawn(|| shell.wait().unwrap());
        world.set_up(&mut told).unwrap()
    });
    assert_eq!(found, container);
    assert_eq!(told.0, ["waiting for Stage(1)"]);
    assert_eq!(world.file(&container, "log"), "one\n");
}

#[test]
fn a_stage_that_died_is_not_built_upon() {
    let world = World::new("next_stage && echo one >>log\n");
    let container = world.set_up(&mut Unwatched).unwrap();
    let ledger = world.ledger(&container);
    fs::write(&ledger, "schema = 1\n\n[[record]]\nstage = 1\nstate = \"started\"\npid = 999999999\n").unwrap();
    let mut told = Told::default();
    let replaced = world.set_up(&mut told).unwrap();
    assert_eq!(told.0, ["creating: StageUnfinished(1)"]);
    assert_eq!(world.file(&replaced, "log"), "one\n");
}

#[test]
fn a_damaged_ledger_makes_a_new_container_and_a_newer_one_is_left_alone() {
    let world = World::new("next_stage && echo one >>log\n");
    let container = world.set_up(&mut Unwatched).unwrap();
    fs::write(world.ledger(&container), "schema = 99\n").unwrap();
    let error = world.set_up(&mut Unwatched).unwrap_err();
    assert!(matches!(error, SetupError::Ledger { source: LedgerError::Newer { found: 99 }, .. }), "{error:?}");
    assert_eq!(world.file(&container, "log"), "one\n");
    fs::write(world.ledger(&container), "nonsense\n").unwrap();
    let mut told = Told::default();
    world.set_up(&mut told).unwrap();
    assert_eq!(told.0, ["creating: LedgerDamaged"]);
}

#[test]
fn a_container_that_is_gone_stopped_or_paused_is_no_error() {
    let world = World::new("next_stage && echo one >>log\n");
    let first = world.set_up(&mut Unwatched).unwrap();
    for state in [ContainerState::Exited, ContainerState::Paused] {
        world.engine.set_state(&first, state).unwrap();
        assert_eq!(world.call("cat log"), (Called::Ended(0), "one\n".to_owned()), "{state:?}");
    }
    world.engine.remove(&first).unwrap();
    assert_eq!(world.call("cat log"), (Called::Ended(0), "one\n".to_owned()));
}

#[test]
fn the_mapping_is_only_a_cache() {
    let world = World::new("next_stage && echo one >>log\n");
    let container = world.set_up(&mut Unwatched).unwrap();
    let mapping = world.computation().join("docker-container");
    assert!(fs::read_to_string(&mapping).unwrap().contains(&container));
    fs::remove_file(&mapping).unwrap();
    assert_eq!(world.set_up(&mut Unwatched).unwrap(), container);
    fs::write(&mapping, "\0 nonsense").unwrap();
    let mut told = Told::default();
    assert_eq!(world.set_up(&mut told).unwrap(), container);
    assert_eq!(told.0.len(), 1, "one warning: {:?}", told.0);
    assert!(fs::read_to_string(&mapping).unwrap().contains(&container));
}

#[test]
fn a_setup_that_ended_early_is_not_taken_for_a_whole_one() {
    let world = World::new("next_stage && echo one >>log && exit 0\nnext_stage && echo two >>log\n");
    assert_eq!(world.call("cat log").1, "one\n");
    // The first stage is skipped now, and the second one is reached.
    assert_eq!(world.call("cat log").1, "one\ntwo\n");
}

#[test]
fn a_script_may_hold_lines_like_the_ledgers() {
    let world = World::new("next_stage && cat <<E >>log\n[[record]]\nstage = 7\nE\nnext_stage && echo two >>log\n");
    let container = world.set_up(&mut Unwatched).unwrap();
    assert_eq!(world.set_up(&mut Unwatched).unwrap(), container);
    assert_eq!(world.file(&container, "log"), "[[record]]\nstage = 7\ntwo\n");
}

#[test]
fn stages_that_are_counted_differently_are_skipped_by_number_as_in_sh() {
    let script = "next_stage && echo one >>log\n[ -e flag ] && next_stage && echo flag >>log\n\
        next_stage && : >flag && echo two >>log\nnext_stage && echo last >>log\n";
    let world = World::new(script);
    let container = world.set_up(&mut Unwatched).unwrap();
    let again = world.set_up(&mut Unwatched).unwrap();
    assert_eq!(again, container);
    assert_eq!(world.set_up(&mut Unwatched).unwrap(), container);
    // `sh` does the same: the third hit is now the second chain, and the fourth one is new.
    assert_eq!(world.file(&container, "log"), "one\ntwo\nlast\nlast\n");
}

#[test]
fn many_at_once_do_each_stage_once() {
    let world = World::new("next_stage && echo one >>log && sleep 0.1\nnext_stage && echo two >>log\n");
    let outputs: Vec<(Called, String)> = std::thread::scope(|scope| {
        let calls: Vec<_> = (0..10).map(|_| scope.spawn(|| world.call("cat log"))).collect();
        calls.into_iter().map(|call| call.join().unwrap()).collect()
    });
    assert!(outputs.iter().all(|output| *output == (Called::Ended(0), "one\ntwo\n".to_owned())), "{outputs:?}");
    assert_eq!(world.engine.containers(&[]).unwrap().len(), 1);
}

#[test]
fn a_plan_touches_nothing_and_tells_what_is_sure() {
    let script = "next_stage && echo one >>log\neverytime && echo e >>log\n[ -e x ] && next_stage && echo two\n";
    let world = World::new(script);
    let fates = |plan: &Plan| plan.steps.iter().map(|step| (step.kind, step.fate.clone())).collect::<Vec<_>>();
    let guard = |plan: &Plan| plan.steps.iter().find(|step| step.kind == Kind::Undecorated).unwrap().place.clone();
    let plan = world.plan();
    let last = (Kind::Stage(2), Fate::Perhaps(guard(&plan)));
    let rest = [(Kind::Everytime, Fate::Always), (Kind::Undecorated, Fate::Always), last];
    assert_eq!(fates(&plan), [&[(Kind::Stage(1), Fate::Pending)][..], &rest].concat());
    assert_eq!(world.engine.calls(), ["image", "containers", "images"]);
    world.set_up(&mut Unwatched).unwrap();
    assert_eq!(fates(&world.plan()), [&[(Kind::Stage(1), Fate::Applied)][..], &rest].concat());
}

#[test]
fn the_computation_is_seen_where_its_variable_points() {
    let world = World::new("next_stage && cp \"$COMPDIR/docker.conf\" copy && echo \"$COMPDIR $GFSDIR\" >places\n");
    let container = world.set_up(&mut Unwatched).unwrap();
    assert!(world.file(&container, "copy").contains(IMAGE));
    // The in-memory engine has its mounts where they are on this machine.
    let directory = |name: &str| fs::canonicalize(world.path(name)).unwrap();
    let expected = format!("{} {}\n", directory("align").display(), directory("gfs").display());
    assert_eq!(world.file(&container, "places"), expected);
}

#[test]
fn a_process_that_a_setup_leaves_running_is_not_waited_for() {
    let world = World::new("everytime && { sleep 3 & }\nnext_stage && echo one >>log\n");
    let begin = Instant::now();
    let container = world.set_up(&mut Unwatched).unwrap();
    assert!(begin.elapsed() < Duration::from_secs(1), "{:?}", begin.elapsed());
    assert_eq!(world.file(&container, "log"), "one\n");
}

#[test]
fn a_ledger_longer_than_any_is_a_damaged_one() {
    let world = World::new("next_stage && echo one >>log\n");
    let container = world.set_up(&mut Unwatched).unwrap();
    fs::File::create(world.ledger(&container)).unwrap().set_len(1 << 40).unwrap();
    let mut told = Told::default();
    world.set_up(&mut told).unwrap();
    assert_eq!(told.0, ["creating: LedgerDamaged"]);
}

#[test]
fn everytime_chains_never_run_beside_a_call_and_calls_share_them() {
    let world = World::new("everytime && { rm -f tool; sleep 0.2; echo tool >tool; echo e >>log; }\n");
    let begin = Instant::now();
    let outputs: Vec<(Called, String)> = std::thread::scope(|scope| {
        let calls: Vec<_> = (0..8).map(|_| scope.spawn(|| world.call("sleep 0.5; cat tool"))).collect();
        calls.into_iter().map(|call| call.join().unwrap()).collect()
    });
    assert!(outputs.iter().all(|output| *output == (Called::Ended(0), "tool\n".to_owned())), "{outputs:?}");
    let runs = world.call("cat log").1.lines().count();
    assert!(runs < 9, "{runs} runs");
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
}

#[test]
fn a_call_beside_others_waits_when_files_changed_or_a_stage_is_missing() {
    for (name, text) in
        [("README", "read me"), ("docker-setup.sh", "everytime && echo e >>log\nnext_stage && echo s >>log\n")]
    {
        let world = World::new("everytime && echo e >>log\n");
        fs::write(world.computation().join("README"), "").unwrap();
        let (first, told) = std::thread::scope(|scope| {
            let first = scope.spawn(|| world.call(": >\"$GFSDIR/runs\"; sleep 1; cat log"));
            while !world.path("gfs/runs").exists() {
                std::thread::sleep(Duration::from_millis(5));
            }
            fs::write(world.computation().join(name), text).unwrap();
            let mut told = Told::default();
            world.set_up(&mut told).unwrap();
            (first.join().unwrap(), told.0)
        });
        assert_eq!(
            (first, told),
            ((Called::Ended(0), "e\n".to_owned()), vec!["waiting for calls".to_owned()]),
            "{name}"
        );
    }
}

#[test]
fn a_later_stage_that_is_edited_runs_on_a_snapshot_of_the_stages_before_it() {
    let script = |third: &str, fourth: &str| {
        format!(
            "next_stage && echo one >>log\nnext_stage && echo two >>log && sleep 0.3\n\
                 next_stage && echo {third} >>log\nnext_stage && echo {fourth} >>log\n"
        )
    };
    let mut world = World::new(&script("three", "four"));
    world.worth = Worth { least: Duration::from_millis(250), times: 0 };
    let mut told = Told::default();
    let first = world.set_up(&mut told).unwrap();
    assert_eq!(told.0, ["creating", "snapshot", "creating"]);
    assert_eq!(world.engine.containers(&[]).unwrap().len(), 1);
    world.commit(&script("drei", "four"));
    assert_eq!(world.plan().action, Action::Fork(2));
    let mut told = Told::default();
    let second = world.set_up(&mut told).unwrap();
    assert_eq!(told.0.len(), 1, "{:?}", told.0);
    assert_eq!(world.file(&second, "log"), "one\ntwo\ndrei\nfour\n");
    assert_eq!(world.file(&first, "log"), "one\ntwo\nthree\nfour\n");
    world.commit("next_stage && echo other >>log\n");
    world.set_up(&mut Unwatched).unwrap();
    // The snapshot stays for as long as a container does that came from it.
    assert_eq!(world.engine.images(&[("compeval.role", "snapshot")]).unwrap().len(), 1);
    for container in [&first, &second] {
        world.engine.remove(container).unwrap();
    }
    world.commit("next_stage && echo another >>log\n");
    world.set_up(&mut Unwatched).unwrap();
    assert_eq!(world.engine.images(&[("compeval.role", "snapshot")]).unwrap(), []);
}
