//! Which container a call uses, and what runs in it: the table of `docs/containers.md`, each row of which is done for real.
//! With `CE_UPDATE_DOCS=1` the table is written anew.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[allow(dead_code, reason = "every test program uses its part of it")]
mod support;

use std::{collections::BTreeSet, env, fs, path::Path};

use compeval_machine_image::{Kind, ensure};

use support::Computation;

/// What happens, and what is done to the computation for that.
type Row = (&'static str, fn(&Computation));

const ROWS: &[Row] = &[
    ("the first call", |_| {}),
    ("nothing", |_| {}),
    ("a new file, not committed (an editor's, say)", |it| it.write(".exec.swp", "x")),
    ("a commit that changes no file the setup reads", |it| {
        it.write("README", "read me");
        it.commit("documented");
    }),
    ("comments and layout of the script", |it| script(it, "# first\n@a\n\n  @b\n@c\n", "e")),
    ("a stage is appended", |it| {
        script(it, "@a\n@b\n@c\n", "e");
        let text = fs::read_to_string(it.path("docker-setup.sh")).unwrap();
        it.write("docker-setup.sh", text + "next_stage && echo d >>$GFSDIR/log\n");
    }),
    ("that stage is taken away again", |it| script(it, "@a\n@b\n@c\n", "e")),
    ("a stage is inserted before the everytime chain", |it| script(it, "@a\n@b\n@c\n@d\n", "e")),
    ("the third stage is edited", |it| script(it, "@a\n@b\n@x\n@d\n", "e")),
    ("that edit is taken back", |it| script(it, "@a\n@b\n@c\n@d\n", "e")),
    ("the first stage is removed", |it| script(it, "@b\n@c\n@d\n", "e")),
    ("a stage is inserted in second place", |it| script(it, "@b\n@y\n@c\n@d\n", "e")),
    ("a file changes that the first stage reads", |it| {
        script(it, "next_stage && cat \"$COMPDIR/data\" && echo r >>$GFSDIR/log\n@c\n", "e");
        it.call(&ARGUMENTS);
        it.write("data", "two");
    }),
    ("the text of an everytime chain", |it| {
        script(it, "@a\n@b\n@c\n@d\n", "e");
        it.call(&ARGUMENTS);
        script(it, "@a\n@b\n@c\n@d\n", "f");
    }),
    ("an everytime chain is added", |it| script(it, "@a\n@b\n@c\n@d\n", "f\neverytime && echo g >>$GFSDIR/log")),
    ("`env` of docker.conf", |it| {
        let text = fs::read_to_string(it.path("docker.conf")).unwrap();
        it.write("docker.conf", text + "env = { LANG = \"C\" }\n");
    }),
    ("the second stage fails", |it| script(it, "@a\nnext_stage && echo z >>$GFSDIR/log && false\n", "e")),
    ("it is mended", |it| script(it, "@a\nnext_stage && echo z >>$GFSDIR/log\n", "e")),
];

const ARGUMENTS: [&str; 7] = ["--snapshot-after", "1", "--entrypoint", "sh", "--", "-c", "cat /etc/hostname"];

/// Writes the setup script: `@NAME` stands for a stage that tells its name, and an everytime chain that does follows.
fn script(computation: &Computation, stages: &str, everytime: &str) {
    let told = |line: &str| match line.trim().strip_prefix('@') {
        // The one that is worth a snapshot.
        Some("b") => "next_stage && echo b >>$GFSDIR/log && sleep 1.2\n".to_owned(),
        Some(name) => format!("next_stage && echo {name} >>$GFSDIR/log\n"),
        None => format!("{line}\n"),
    };
    let stages: String = stages.lines().map(told).collect();
    let everytime = everytime.replacen("", "everytime && echo ", 1);
    let everytime = match everytime.split_once('\n') {
        Some((first, rest)) => format!("{first} >>$GFSDIR/log\n{rest}\n"),
        None => format!("{everytime} >>$GFSDIR/log\n"),
    };
    computation.write("docker-setup.sh", stages + &everytime);
}

#[test]
fn what_runs_where_is_as_documented() {
    let Some(docker) = support::engine_for_tests("which container") else { return };
    let image = ensure(&docker, Kind::Dash).unwrap();
    let computation = Computation::new(docker, &image, "");
    computation.write("data", "one");
    script(&computation, "@a\n@b\n@c\n", "e");
    computation.commit("a script");
    let (mut known, mut last) = (BTreeSet::new(), String::new());
    let mut table = String::from("| what changed | what runs | in which container |\n|---|---|---|\n");
    for (what, change) in ROWS {
        change(&computation);
        let before = computation.lines("log").len();
        known.extend(computation.containers().into_iter().map(|container| container.id));
        let run = computation.call(&ARGUMENTS);
        let ran = computation.lines("log").split_off(before).join(", ");
        let ran = if ran.is_empty() { "nothing".to_owned() } else { ran };
        let id = String::from_utf8(run.stdout).unwrap().trim().to_owned();
        assert!(run.status == Some(0) || run.stderr.contains("is kept, stopped"), "{what}: {}", run.stderr);
        let place = match () {
            () if run.status != Some(0) => "in one that is kept, stopped, for a look".to_owned(),
            () if id == last => "the same".to_owned(),
            () if known.iter().any(|other| other.starts_with(&id)) => "an older one".to_owned(),
            () => {
                let container = computation.engine().container(&id).unwrap().unwrap();
                let snapshot = container.labels["compeval.snapshot"].clone();
                if snapshot.is_empty() { "a new one, from the image" } else { "a new one, from a snapshot" }.to_owned()
            }
        };
        table += &format!("| {what} | {ran} | {place} |\n");
        last = id;
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/containers.md");
    let text = fs::read_to_string(&path).unwrap();
    let (head, rest) = text.split_once("<!-- table -->\n").unwrap();
    let (documented, tail) = rest.split_once("<!-- end -->").unwrap();
    if env::var_os("CE_UPDATE_DOCS").is_some() {
        fs::write(&path, format!("{head}<!-- table -->\n{table}<!-- end -->{tail}")).unwrap();
    } else {
        assert_eq!(table, documented);
    }
}
