//! Which container a setup uses, on the in-memory engine: at hand, from a snapshot, from the image; and which ones stay.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[allow(dead_code, reason = "every test program uses its part of it")]
mod world;

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use compeval_runtime::{
    SetupError,
    call::Called,
    container::identity::Ancestor,
    engine::{ContainerState, Containers, Images},
    setup::{
        OnEdit,
        notice::Unwatched,
        plan::{Action, Fate},
        snapshot::Worth,
    },
};

use world::{IMAGE, Told, World};

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
            let first = scope.spawn(|| world.try_call(": >\"$GFSDIR/runs\"; sleep 1; cat log"));
            while !world.path("gfs/runs").exists() {
                std::thread::sleep(Duration::from_millis(5));
            }
            fs::write(world.computation().join(name), text).unwrap();
            let mut told = Told::default();
            world.set_up(&mut told).unwrap();
            (first.join().unwrap(), told.0)
        });
        assert_eq!(told, ["waiting for calls"], "{name}");
        // Git does not know the one file, and the other one made the computation another.
        match (name, first) {
            ("README", Ok(called)) => assert_eq!(called, (Called::Ended(0), "e\n".to_owned())),
            (_, Err(SetupError::Moved { moved, .. })) => assert_eq!(moved.files, [PathBuf::from(name)]),
            (_, first) => panic!("{name}: {first:?}"),
        }
    }
}

#[test]
fn a_stage_that_is_missing_where_calls_run_is_applied_elsewhere_when_that_is_sooner() {
    // With snapshots of everything, and without any, where that is as good as calls that take less time than this.
    for (least, has_snapshot) in [(0, true), (200, false)] {
        let mut world = World::new("next_stage && echo one >>log\nnext_stage && echo two >>log\n");
        world.worth = Worth::after(Duration::from_millis(least));
        let first = world.set_up(&mut Unwatched).unwrap();
        let (called, told, second) = std::thread::scope(|scope| {
            let call = scope.spawn(|| world.try_call(": >\"$GFSDIR/runs\"; sleep 2; cat log"));
            while !world.path("gfs/runs").exists() {
                std::thread::sleep(Duration::from_millis(5));
            }
            let begin = Instant::now();
            world
                .commit("next_stage && echo one >>log\nnext_stage && echo two >>log\nnext_stage && echo three >>log\n");
            let mut told = Told::default();
            let second = world.set_up(&mut told).unwrap();
            assert!(begin.elapsed() < Duration::from_millis(1500), "{:?}", begin.elapsed());
            (call.join().unwrap(), told.0, second)
        });
        assert!(matches!(called, Err(SetupError::Moved { .. })), "{called:?}");
        assert_ne!(first, second);
        let waiting = told.first().is_some_and(|first| first == "waiting for calls");
        assert!(told.contains(&"creating: InUse(1)".to_owned()), "{told:?}");
        // On a busy machine the last stage may have been too cheap for a snapshot: then there is something to wait for.
        assert!(waiting || has_snapshot, "{told:?}");
        let ancestor = Ancestor::of(&world.engine.container(&second).unwrap().unwrap().labels);
        assert_eq!(ancestor.snapshot.is_empty(), !has_snapshot);
        assert_eq!(world.file(&second, "log"), "one\ntwo\nthree\n");
        assert_eq!(world.file(&first, "log"), "one\ntwo\n");
    }
}

#[test]
fn a_stage_that_is_gone_behind_one_that_was_not_sure_is_seen() {
    let unsure = "next_stage && echo one >>log\nif [ -e flag ]; then next_stage && echo two >>log; fi\n";
    let world = World::new(&format!("{unsure}next_stage && echo three >>log\n"));
    let first = world.set_up(&mut Unwatched).unwrap();
    assert_eq!(world.file(&first, "log"), "one\nthree\n");
    world.commit(unsure);
    let second = world.set_up(&mut Unwatched).unwrap();
    assert_eq!(world.file(&second, "log"), "one\n");
    assert_eq!(world.file(&first, "log"), "one\nthree\n");
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
    let taken_at = world.environment().computation.commit;
    world.commit(&script("drei", "four"));
    assert_eq!(world.plan().action, Action::Fork { stages: 2, commit: taken_at });
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

#[test]
fn a_failed_stage_is_tried_again_in_place_only_where_that_is_asked_for() {
    let mut world = World::new("next_stage && echo one >>log\nnext_stage && echo two >>log && [ -e \"$GFSDIR/ok\" ]\n");
    world.set_up(&mut Unwatched).unwrap_err();
    let failed = world.engine.containers(&[]).unwrap().remove(0).id;
    fs::write(world.path("gfs/ok"), "").unwrap();
    world.retry = true;
    assert_eq!(world.set_up(&mut Unwatched).unwrap(), failed);
    assert_eq!(world.file(&failed, "log"), "one\ntwo\ntwo\n");
    world.retry = false;
    assert_eq!(world.set_up(&mut Unwatched).unwrap(), failed);
    assert_eq!(world.file(&failed, "log"), "one\ntwo\ntwo\n");
}

#[test]
fn retries_begin_from_before_the_stage_that_failed() {
    let mut world = World::new(
        "next_stage && echo one >>log && sleep 0.3\n\
         next_stage && echo two >>log && echo x >>\"$GFSDIR/tries\" && [ \"$(grep -c x \"$GFSDIR/tries\")\" = 3 ]\n",
    );
    world.worth = Worth { least: Duration::from_millis(250), times: 0 };
    fs::write(world.computation().join("docker.conf"), format!("image = \"{IMAGE}\"\nretries = 2\n")).unwrap();
    let mut told = Told::default();
    let container = world.set_up(&mut told).unwrap();
    assert_eq!(world.file(&container, "log"), "one\ntwo\n");
    let tries: Vec<&String> = told.0.iter().filter(|told| told.starts_with("retrying")).collect();
    assert_eq!(tries, ["retrying 2", "retrying 1"], "{:?}", told.0);
    assert_eq!(world.engine.containers(&[]).unwrap().len(), 1);
}

#[test]
fn a_stage_that_takes_too_long_has_failed() {
    let mut world = World::new("next_stage && echo one >>log && sleep 0.3\nnext_stage && echo two >>log && sleep 60\n");
    world.worth = Worth { least: Duration::from_millis(250), times: 0 };
    fs::write(
        world.computation().join("docker.conf"),
        format!("image = \"{IMAGE}\"\nstage-timeout = 1\nretries = 1\n"),
    )
    .unwrap();
    let mut told = Told::default();
    let error = world.set_up(&mut told).unwrap_err();
    let limit = Duration::from_secs(1);
    let SetupError::ChainFailed { number: Some(2), overran: Some(found), .. } = error else { panic!("{error:?}") };
    assert_eq!((found, told.0.iter().filter(|told| *told == "retrying 1").count()), (limit, 1));
    // Nothing is left running, and nothing is built upon: the next one begins from the snapshot.
    let kept = world.engine.containers(&[]).unwrap();
    assert_eq!(kept.iter().map(|container| world.file(&container.id, "log")).collect::<Vec<_>>(), ["one\ntwo\n"]);
    world.commit("next_stage && echo one >>log && sleep 0.3\nnext_stage && echo two >>log\n");
    let container = world.set_up(&mut Unwatched).unwrap();
    assert_eq!(world.file(&container, "log"), "one\ntwo\n");
}

#[test]
fn a_stage_that_takes_too_long_is_told_whatever_runs_behind_it() {
    let world = World::new("trap 'echo trap >>log' EXIT\nnext_stage && echo one >>log && sleep 60\n");
    let description = format!("image = \"{IMAGE}\"\nstage-timeout = 1\n");
    fs::write(world.computation().join("docker.conf"), description).unwrap();
    let error = world.set_up(&mut Unwatched).unwrap_err();
    assert!(matches!(error, SetupError::ChainFailed { overran: Some(_), .. }), "{error:?}");
    let failed = world.engine.containers(&[]).unwrap().remove(0).id;
    assert!(fs::read_to_string(world.ledger(&failed)).unwrap().contains("state = \"failed\"\nstatus = 143\n"));
}

#[test]
fn an_edit_is_an_error_where_that_is_asked_for() {
    let mut world = World::new("next_stage && echo one >>log\n");
    let container = world.set_up(&mut Unwatched).unwrap();
    world.on_edit = OnEdit::Fail;
    assert_eq!(world.set_up(&mut Unwatched).unwrap(), container);
    world.commit("next_stage && echo one >>log\nnext_stage && echo two >>log\n");
    assert_eq!(world.set_up(&mut Unwatched).unwrap(), container);
    world.commit("next_stage && echo eins >>log\n");
    let error = world.set_up(&mut Unwatched).unwrap_err();
    assert!(matches!(&error, SetupError::Edited { reason } if reason.is_edit()), "{error:?}");
    assert_eq!(world.file(&container, "log"), "one\ntwo\n");
}

#[test]
fn an_edited_stage_can_be_accepted_with_a_reason() {
    let script = |first: &str, third: &str| {
        format!(
            "next_stage && echo {first} >>log\nnext_stage && echo two >>log\nnext_stage && echo {third} >>log\neverytime && echo e >>log\n"
        )
    };
    let world = World::new(&script("one", "three"));
    let container = world.set_up(&mut Unwatched).unwrap();
    let accept = |number| {
        let mut told = Told::default();
        world.with(|setup| setup.accept(number, "only \"words\"", &mut told)).map(|()| told.0)
    };
    assert!(matches!(accept(1), Err(SetupError::NotEdited { number: 1, because: None, .. })));
    world.commit(&script("eins", "drei"));
    assert!(matches!(accept(2), Err(SetupError::NotEdited { because: Some(reason), .. }) if reason.is_edit()));
    assert!(matches!(accept(1), Err(SetupError::Edited { .. })), "the third stage was edited, too");
    world.commit(&script("eins", "three"));
    assert_eq!(accept(1).unwrap(), ["accepted 1 and 2"]);
    let plan = world.plan();
    assert!(matches!(plan.action, Action::Use(_)), "{:?}", plan.because);
    assert_eq!(world.set_up(&mut Unwatched).unwrap(), container);
    assert_eq!(world.file(&container, "log"), "one\ntwo\nthree\ne\ne\n");
    assert!(fs::read_to_string(world.ledger(&container)).unwrap().contains("reason = \"only \\\"words\\\"\"\n"));
    // What was accepted is what counts from now on.
    world.commit(&script("one", "three"));
    assert_ne!(world.set_up(&mut Unwatched).unwrap(), container);
}

#[test]
fn nothing_is_built_upon_where_docker_conf_says_so() {
    let world = World::new("next_stage && echo one >>log\n");
    fs::write(world.computation().join("docker.conf"), format!("image = \"{IMAGE}\"\nupdate = \"build\"\n")).unwrap();
    let first = world.set_up(&mut Unwatched).unwrap();
    assert_eq!(world.set_up(&mut Unwatched).unwrap(), first);
    world.commit("next_stage && echo one >>log\nnext_stage && echo two >>log\n");
    let second = world.set_up(&mut Unwatched).unwrap();
    assert_eq!((world.file(&first, "log"), world.file(&second, "log")), ("one\n".into(), "one\ntwo\n".into()));
}

#[test]
fn what_earlier_commits_ran_on_every_call_counts_where_docker_conf_says_so() {
    let world = World::new("next_stage && echo one >>log\neverytime && echo e >>log\n");
    fs::write(world.computation().join("docker.conf"), format!("image = \"{IMAGE}\"\nupdate = \"in-place\"\n"))
        .unwrap();
    world.git("add -A");
    world.git("commit -q -m change");
    let first = world.set_up(&mut Unwatched).unwrap();
    world.commit("next_stage && echo one >>log\nnext_stage && echo two >>log\neverytime && echo f >>log\n");
    assert!(matches!(world.plan().action, Action::Append(_)));
    assert_eq!(world.set_up(&mut Unwatched).unwrap(), first);
    assert_eq!(world.file(&first, "log"), "one\ne\ntwo\nf\n");
    // A commit that did not come before: its everytime chain counts.
    world.git("checkout -q HEAD~1");
    let mut told = Told::default();
    let second = world.set_up(&mut told).unwrap();
    assert_eq!(told.0, ["creating: RepeatedGone { text: \"everytime && echo f >>log\" }"]);
    assert_eq!(world.file(&second, "log"), "one\ne\n");
    // Nor is anything uncommitted a commit's.
    let script = world.computation().join("docker-setup.sh");
    fs::write(&script, "next_stage && echo one >>log\neverytime && echo x >>log\n").unwrap();
    assert_eq!(world.set_up(&mut Unwatched).unwrap(), second);
    fs::write(&script, "next_stage && echo one >>log\neverytime && echo y >>log\n").unwrap();
    assert_ne!(world.set_up(&mut Unwatched).unwrap(), second);
}

#[test]
fn what_is_set_aside_is_ready_for_no_call() {
    let world = World::new("next_stage && echo one >>log\n");
    let old = world.set_up(&mut Unwatched).unwrap();
    world.commit("next_stage && echo eins >>log\n");
    world.set_up(&mut Unwatched).unwrap();
    let ready = world.ledger(&old).with_file_name("ready");
    assert_eq!(fs::read_to_string(ready).unwrap(), "\n");
}
