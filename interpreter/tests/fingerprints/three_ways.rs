//! A script and its tree, gone through in every way that there is: all must tell the same fingerprints.
//!
//! A dry run; a real run with `sh`, in two places; a second run and a second dry run over what the first recorded.

use std::{
    cell::RefCell,
    collections::{BTreeMap, HashMap},
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use bstr::{BStr, ByteSlice};
use compeval_interpreter::{
    Dispatcher, Request, Response, Settings, Source, State,
    dispatch::{DispatchError, Kind, dry_run::DryRun, local::Local},
    execute::{End, Event, Observer},
    language::marker::Marker,
    parse,
    program::{Hooks, RecordHook},
    run,
    stage::{Chain, Fingerprint, Ledger},
};

/// Programs that do nothing here.
const PROGRAMS: [&str; 12] =
    ["apt-get", "dpkg", "git", "install-tool", "make", "npm", "patch", "pip", "prog", "python3", "rsync", "unzip"];

/// A script and the files of its computation, by their paths.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Case {
    pub(crate) script: String,
    pub(crate) files: BTreeMap<String, String>,
    /// Whether there are stages that a dry run cannot know of.
    pub(crate) is_unplanned: bool,
}

/// Fingerprints of one run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    /// By the stage's number.
    pub(crate) stages: BTreeMap<u32, Fingerprint>,
    /// In the order in which they ran.
    pub(crate) everytime: Vec<Fingerprint>,
}

/// The same from a dry run.
#[derive(Debug, Default)]
struct Planned {
    told: Told,
    /// What it told while nothing was in doubt.
    sure: Told,
    /// Whether nothing was.
    all: bool,
}

impl Case {
    pub(crate) fn new(script: &str) -> Case {
        Case { script: script.to_owned(), ..Case::default() }
    }

    /// What a dry run tells.
    pub(crate) fn planned(&self) -> Result<Told, String> {
        let place = Place::new("one");
        place.write(&self.files);
        Ok(place.plan(self, &Told::default())?.told)
    }

    /// What all ways tell.
    pub(crate) fn told(&self) -> Result<Told, String> {
        let (one, other) = (Place::new("one"), Place::new("another/place"));
        for place in [&one, &other] {
            place.write(&self.files);
        }
        let planned = one.plan(self, &Told::default())?;
        let first = one.run(self, &Told::default())?;
        planned.agree("a dry run and a run", &first)?;
        agree("two runs in different places", &first, &other.run(self, &Told::default())?)?;
        let again = one.run(self, &first)?;
        agree("a run and the next", &Told { stages: again.stages.clone(), ..first.clone() }, &again)?;
        one.plan(self, &first)?.agree("a run and the next dry run", &first)?;
        Ok(first)
    }
}

impl Told {
    /// All that matters of it.
    pub(crate) fn hashes(&self) -> Vec<&str> {
        self.stages.values().chain(&self.everytime).map(|fingerprint| fingerprint.hash.as_str()).collect()
    }
}

fn agree(what: &str, first: &Told, second: &Told) -> Result<(), String> {
    for (number, fingerprint) in &second.stages {
        match first.stages.get(number) {
            Some(other) if other.hash == fingerprint.hash => {}
            Some(other) => return Err(format!("{what}: stage {number}: {:?}", fingerprint.differences(&other.parts))),
            None => return Err(format!("{what}: stage {number} is in one of them only")),
        }
    }
    for (index, (first, second)) in first.everytime.iter().zip(&second.everytime).enumerate() {
        if first.hash != second.hash {
            return Err(format!("{what}: everytime chain {}: {:?}", index + 1, second.differences(&first.parts)));
        }
    }
    Ok(())
}

impl Planned {
    fn agree(&self, what: &str, run: &Told) -> Result<(), String> {
        agree(what, run, &self.sure)?;
        let counts = |told: &Told| (told.stages.len(), told.everytime.len());
        // What was in doubt has come true.
        if counts(&self.told) == counts(run) {
            agree(what, run, &self.told)?;
        }
        match self.all && counts(&self.sure) != counts(run) {
            true => Err(format!("{what}: {:?} and {:?} chains", counts(&self.sure), counts(run))),
            false => Ok(()),
        }
    }
}

/// A computation's directory, and another one to run in.
struct Place {
    _root: tempfile::TempDir,
    root: PathBuf,
}

impl Place {
    fn new(below: &str) -> Place {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap().join(below);
        for name in ["tree", "gfs", "bin"] {
            fs::create_dir_all(root.join(name)).unwrap();
        }
        PROGRAMS.iter().for_each(|program| symlink("/bin/true", root.join("bin").join(program)).unwrap());
        Place { _root: directory, root }
    }

    fn write(&self, files: &BTreeMap<String, String>) {
        for (path, text) in files {
            let path = self.root.join("tree").join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }

    fn settings(&self) -> Settings {
        let directory = |name: &str| self.root.join(name).to_str().unwrap().into();
        let known = [("COMPDIR", directory("tree")), ("GFSDIR", directory("gfs"))];
        let state = State::with_environment(known.map(|(name, value)| (name.to_owned(), value)));
        Settings { state, ..Settings::default() }
    }

    fn plan(&self, case: &Case, recorded: &Told) -> Result<Planned, String> {
        let mut planner = Planner(Planned { all: !case.is_unplanned, ..Planned::default() });
        let mut ledger = Recorded { tree: self.root.join("tree"), recorded };
        let script = parse(Source::new("script", case.script.as_str())).script;
        let outcome = run(&script, &self.settings(), &mut ledger, &mut DryRun, &mut planner).unwrap();
        match outcome.end {
            End::Diverged { number, chain } => Err(diverged("a dry run", number, &chain, recorded)),
            _ => Ok(planner.0),
        }
    }

    fn run(&self, case: &Case, recorded: &Told) -> Result<Told, String> {
        let parsed = parse(Source::new("script", case.script.as_str()));
        if !parsed.errors.is_empty() {
            return Err(format!("{:?}", parsed.errors));
        }
        let work = self.root.join("work");
        if work.exists() {
            fs::remove_dir_all(&work).unwrap();
        }
        fs::create_dir(&work).unwrap();
        let told = RefCell::new(Told::default());
        let mut errors = Vec::new();
        let scratch = self.root.to_str().unwrap().to_owned();
        let records = self.records();
        let record = Some(RecordHook { file: records.to_str().unwrap(), started: &[] });
        let inner = Local::new(&["sh"], Hooks { scratch: &scratch, record })
            .output(std::io::sink())
            .errors(&mut errors)
            .prepare(|command| {
                let path = format!("{}/bin:/usr/bin:/bin", self.root.display());
                command.current_dir(&work).env_clear().env("PATH", path).env("HOME", &work);
                command.env("COMPDIR", self.root.join("tree")).env("GFSDIR", self.root.join("gfs"));
            });
        let mut dispatcher = Recording { inner, records: self.records(), told: &told };
        let mut ledger = Recorded { tree: self.root.join("tree"), recorded };
        let mut observer = Skips(&told);
        let outcome = run(&parsed.script, &self.settings(), &mut ledger, &mut dispatcher, &mut observer).unwrap();
        drop(dispatcher);
        if let End::Diverged { number, chain } = &outcome.end {
            return Err(diverged("a run", *number, chain, recorded));
        }
        if outcome.end != End::Finished {
            return Err(format!("{:?}: {}", outcome.end, errors.as_bstr()));
        }
        Ok(told.into_inner())
    }

    fn records(&self) -> PathBuf {
        self.root.join("records")
    }
}

fn diverged(what: &str, number: u32, chain: &Chain, recorded: &Told) -> String {
    let differences = chain.fingerprint.differences(&recorded.stages[&number].parts);
    format!("{what} takes stage {number} for another: {differences:?}")
}

/// What a run has recorded, and the content of the tree.
struct Recorded<'r> {
    tree: PathBuf,
    recorded: &'r Told,
}

impl Ledger for Recorded<'_> {
    fn applied(&self) -> u32 {
        u32::try_from(self.recorded.stages.len()).unwrap()
    }

    fn fingerprint(&self, number: u32) -> Option<String> {
        Some(self.recorded.stages.get(&number)?.hash.clone())
    }

    fn content(&mut self, path: &BStr) -> Option<String> {
        content(&self.tree.join(path.to_path().unwrap()))
    }
}

/// What is in a file, or in all of a directory.
fn content(path: &Path) -> Option<String> {
    if !path.is_dir() {
        return fs::read_to_string(path).ok();
    }
    let mut names: Vec<PathBuf> = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    let entries = names.iter().map(|entry| format!("{:?}: {:?}\n", entry.file_name().unwrap(), content(entry)));
    Some(entries.collect())
}

/// Notes the chains that were applied.
struct Recording<'r, 'h> {
    inner: Local<'h>,
    records: PathBuf,
    told: &'r RefCell<Told>,
}

impl Dispatcher for Recording<'_, '_> {
    fn dispatch(&mut self, request: &Request<'_>) -> Result<Response, DispatchError> {
        fs::write(&self.records, "").unwrap();
        let response = self.inner.dispatch(request)?;
        let mut told = self.told.borrow_mut();
        if request.kind == Kind::Everytime {
            told.everytime.push(request.chains[0].fingerprint.clone());
        }
        let records = fs::read_to_string(&self.records).unwrap();
        let mut started = HashMap::new();
        for record in records.split("[[record]]").skip(1) {
            let value = |key| record.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = ")).unwrap();
            let number: u32 = value("stage").parse().unwrap();
            match value("state") {
                "\"started\"" => drop(started.insert(number, value("fingerprint").trim_matches('"'))),
                "\"applied\"" => {
                    let chain = request.chains.iter().find(|chain| chain.fingerprint.hash == started[&number]).unwrap();
                    told.stages.insert(number, chain.fingerprint.clone());
                }
                _ => {}
            }
        }
        Ok(response)
    }
}

/// Notes the stages that were skipped.
struct Skips<'r>(&'r RefCell<Told>);

impl Observer for Skips<'_> {
    fn event(&mut self, event: Event<'_>) {
        if let Event::Skipped { number, chain, .. } = event {
            self.0.borrow_mut().stages.insert(number, chain.fingerprint.clone());
        }
    }
}

/// Notes what a dry run is sure of.
struct Planner(Planned);

impl Planner {
    fn note(&mut self, kind: Kind, chain: Option<&Chain>, is_sure: bool) {
        self.0.all &= is_sure;
        let Some(chain) = chain else { return };
        let all = [Some(&mut self.0.told), self.0.all.then_some(&mut self.0.sure)];
        for told in all.into_iter().flatten() {
            match (kind, chain.marker) {
                (Kind::Stage(number), _) => drop(told.stages.insert(number, chain.fingerprint.clone())),
                (Kind::Everytime, Marker::Everytime) => told.everytime.push(chain.fingerprint.clone()),
                _ => {}
            }
        }
    }
}

impl Observer for Planner {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Skipped { number, chain, depends_on } => {
                self.note(Kind::Stage(number), Some(chain), depends_on.is_none());
            }
            Event::Started { request, depends_on } => {
                let chain = request.chains.first().filter(|_| matches!(request.kind, Kind::Stage(_) | Kind::Everytime));
                self.note(request.kind, chain, depends_on.is_none());
            }
            Event::Inside { kind, chain, depends_on, .. } => {
                // An everytime chain in there is none that a run tells of.
                let chain = Some(chain).filter(|_| kind != Kind::Everytime);
                self.note(kind, chain, depends_on.is_none());
            }
            Event::Ended { .. } => {}
        }
    }
}
