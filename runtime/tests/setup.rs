//! The life of a container on the in-memory engine: what is run, what is repeated, what is waited for.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[allow(dead_code, reason = "every test program uses its part of it")]
mod world;

use std::{
    fs,
    process::Command as Process,
    time::{Duration, Instant},
};

use compeval_interpreter::dispatch::Kind;
use compeval_runtime::{
    SetupError,
    call::{Call, Called},
    engine::{ContainerState, Containers, EngineError},
    ledger::LedgerError,
    setup::{
        notice::Unwatched,
        plan::{Fate, Plan},
    },
};

use world::{IMAGE, Told, World};

#[test]
fn a_cache_is_used_by_one_setup_at_a_time_unless_it_is_shared() {
    for (value, waits) in [("\"/cache\"", true), ("{ target = \"/cache\", shared = true }", false)] {
        let name = format!("test-{}", std::process::id());
        let world = |script: &str| {
            let world = World::new(script);
            let text = format!("image = \"{IMAGE}\"\ncaches = {{ {name} = {value} }}\n");
            fs::write(world.computation().join("docker.conf"), text).unwrap();
            world
        };
        let first = world("next_stage && : >\"$GFSDIR/runs\" && sleep 2.5\n");
        let second = world("next_stage && echo one >>log\n");
        let told = std::thread::scope(|scope| {
            scope.spawn(|| first.set_up(&mut Unwatched).unwrap());
            while !first.path("gfs/runs").exists() {
                std::thread::sleep(Duration::from_millis(5));
            }
            let mut told = Told::default();
            second.set_up(&mut told).unwrap();
            told.0
        });
        assert_eq!(told.contains(&format!("waiting for ce-cache-{name}")), waits, "{told:?}");
        let _ = fs::remove_dir(format!("/tmp/ce-cache-{name}.lock"));
    }
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
    assert_eq!(world.engine.calls().split_off(before), ["image", "containers", "converse"]);
}

#[test]
fn programs_that_cannot_run_are_told_apart() {
    let world = World::new("");
    let called = |program: &str| {
        let command = Call::new(program);
        world.with(|setup| setup.call(&command, &mut Unwatched, &mut |_, _| Ok(()))).unwrap()
    };
    assert_eq!(called("no-such-program"), Called::NotFound);
    assert_eq!(called("/no/such/program"), Called::NotFound);
    assert_eq!(called("/etc"), Called::NotExecutable);
    assert_eq!(world.call("kill -9 $$").0, Called::Ended(137));
    assert_eq!(world.call("exit 127").0, Called::Ended(127));
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
fn arguments_that_are_too_long_are_told_whichever_way_the_command_takes() {
    for script in ["", "everytime && true\n"] {
        let world = World::new(script);
        let error = world.try_call(&"x".repeat(200_000)).unwrap_err();
        let is_length = matches!(&error, SetupError::Engine { source: EngineError::ArgumentTooLong { .. }, .. });
        assert!(is_length, "{script:?}: {error:?}");
    }
}

#[test]
fn an_image_is_pulled_when_docker_conf_says_so() {
    for (pull, first, later) in [
        ("", Some(2), 0),
        ("pull = \"missing\"\n", Some(2), 0),
        ("pull = \"always\"\n", Some(2), 1),
        ("pull = \"never\"\n", None, 0),
    ] {
        let world = World::new("next_stage && echo one >>log\n");
        fs::write(world.computation().join("docker.conf"), format!("image = \"far/away:1\"\n{pull}")).unwrap();
        let mut told = Told::default();
        let error = world.set_up(&mut told).unwrap_err();
        assert!(matches!(error, SetupError::Engine { .. }), "{error:?}");
        world.engine.offer_image("far/away:1");
        let mut told = Told::default();
        let container = world.set_up(&mut told);
        assert_eq!(container.is_ok().then_some(told.0.len()), first, "{pull} {:?}", told.0);
        // Whoever has a container needs no image.
        let mut told = Told::default();
        if container.is_ok() {
            world.set_up(&mut told).unwrap();
            assert_eq!(told.0.len(), later, "{pull} {:?}", told.0);
        }
        assert!(world.engine.calls().iter().filter(|call| *call == "pull").count() <= 3);
    }
}
