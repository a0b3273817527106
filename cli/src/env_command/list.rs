//! Containers as a table, one with its stages, and both as data: the schema `ce.env/1`, which is only ever extended
//! (`docs/schemas/ce.env.1.json`).

use std::{collections::BTreeMap, path::Path, time::Duration};

use compeval_interpreter::{
    Settings, Source,
    dispatch::dry_run::DryRun,
    execute::{Event, Observer},
    parse, run,
    stage::Counted,
    syntax::print::summary,
};
use compeval_runtime::{
    computation::{environment::LONGEST_SCRIPT, layout::SETUP_SCRIPT},
    file,
    inventory::KnownContainer,
    setup::{compare::Past, error::age},
};
use jiff::Timestamp;
use serde::Serialize;

use crate::{plan_report::WasPart, report::printable, words};

/// The name of the schema.
const SCHEMA: &str = "ce.env/1";

#[derive(Serialize)]
struct ListDocument<'e> {
    schema: &'static str,
    containers: Vec<FoundPart<'e>>,
}

#[derive(Serialize)]
struct FoundPart<'e> {
    name: &'e str,
    id: &'e str,
    state: &'static str,
    computation: &'e str,
    directory: String,
    is_reachable: bool,
    storage: String,
    version: &'e str,
    image: &'e str,
    created: String,
    calls: usize,
    applied: u32,
    has_failed: bool,
    ledger_error: Option<String>,
    stages: Vec<WasPart>,
}

/// As data.
pub(super) fn json(entries: &[KnownContainer]) -> Result<String, std::io::Error> {
    let document = ListDocument { schema: SCHEMA, containers: entries.iter().map(FoundPart::of).collect() };
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}

impl FoundPart<'_> {
    fn of(entry: &KnownContainer) -> FoundPart<'_> {
        FoundPart {
            name: &entry.container.name,
            id: &entry.container.id,
            state: words::state(entry.container.state),
            computation: &entry.computation,
            directory: entry.directory.display().to_string(),
            is_reachable: entry.is_reachable(),
            storage: entry.storage.display().to_string(),
            version: &entry.version,
            image: &entry.image,
            created: entry.container.created.to_string(),
            calls: entry.calls,
            applied: entry.ledger.as_ref().map_or(0, |ledger| ledger.applied()),
            has_failed: entry.has_failed(),
            ledger_error: entry.ledger.as_ref().err().map(ToString::to_string),
            stages: entry.stages().iter().map(WasPart::of).collect(),
        }
    }
}

/// A line for each container, under a heading; with the directory where several computations are listed.
pub(super) fn table(entries: &[KnownContainer], has_directory: bool) -> String {
    let heading = ["NAME", "STATE", "COMMIT", "STAGES", "CALLS", "CREATED", "DIRECTORY"].map(str::to_owned);
    let mut rows = vec![heading];
    rows.extend(entries.iter().map(|entry| {
        let gone = if entry.is_reachable() { "" } else { " (gone)" };
        [
            entry.container.name.clone(),
            words::state(entry.container.state).to_owned(),
            version(&entry.version),
            stages(entry),
            entry.calls.to_string(),
            format!("{} ago", since(entry.container.created)),
            format!("{}{gone}", entry.directory.display()),
        ]
    }));
    let columns = if has_directory { 7 } else { 6 };
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &[String; 7]| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        printable(cells.collect::<Vec<_>>().join("  ").trim_end()).into_owned() + "\n"
    };
    rows.iter().map(line).collect()
}

/// A version; with a `+` where it was none of the commits.
fn version(key: &str) -> String {
    let (commit, changes) = key.split_once('+').map_or((key, ""), |(commit, _)| (commit, "+"));
    format!("{}{changes}", commit.chars().take(7).collect::<String>())
}

/// How many stages are applied, and which one failed.
fn stages(entry: &KnownContainer) -> String {
    match &entry.ledger {
        Err(_) => "unreadable".to_owned(),
        Ok(ledger) => {
            let failed = ledger.failed().map(|record| format!(", {} failed", record.stage));
            let cut = || ledger.unfinished().map(|record| format!(", {} did not end", record.stage));
            format!("{}{}", ledger.applied(), failed.or_else(cut).unwrap_or_default())
        }
    }
}

/// A container with its stages.
pub(super) fn status(entry: &KnownContainer) -> String {
    let container = &entry.container;
    let mut lines = vec![
        format!("container    {} ({})", container.name, words::state(container.state)),
        format!("computation  {} in {}", entry.computation, entry.directory.display()),
        format!(
            "made         {} ago from image {}, for commit {}",
            since(container.created),
            entry.image,
            words::version(&entry.version)
        ),
        format!("storage      {}", entry.storage.display()),
        match entry.calls {
            0 => "calls        none".to_owned(),
            calls => format!("calls        {}", words::calls(calls)),
        },
        String::new(),
    ];
    match &entry.ledger {
        Err(error) => lines.push(error.to_string()),
        Ok(ledger) => {
            let titles = titles(&entry.directory);
            lines.extend(entry.stages().iter().map(|past| stage(past, titles.get(&past.text))));
            lines.push(format!("stages: {} applied", ledger.applied()));
        }
    }
    lines.iter().map(|line| printable(line).into_owned() + "\n").collect()
}

/// The titles of the stages that the script in a directory has now, by their texts; none, where it cannot be read.
fn titles(directory: &Path) -> BTreeMap<String, String> {
    #[derive(Default)]
    struct Titles(BTreeMap<String, String>);
    impl Observer for Titles {
        fn event(&mut self, event: Event<'_>) {
            let chain = match &event {
                Event::Started { request, .. } => request.chains.first(),
                Event::Inside { chain, .. } => Some(*chain),
                _ => None,
            };
            if let Some(chain) = chain {
                self.0.insert(chain.text.to_string(), words::title(&chain.place, &chain.text, usize::MAX));
            }
        }
    }
    let mut titles = Titles::default();
    if let Ok(text) = file::read(&directory.join(SETUP_SCRIPT), LONGEST_SCRIPT) {
        let script = parse(Source::new(SETUP_SCRIPT, text)).script;
        // A dry run has nothing that could go wrong.
        let _ = run(&script, &Settings::default(), &mut Counted(0), &mut DryRun, &mut titles);
    }
    titles.0
}

fn stage(past: &Past, title: Option<&String>) -> String {
    let sign = if past.failed.is_some() { '!' } else { '=' };
    let fate = match (past.failed, past.took) {
        (Some(status), _) => words::failed(status),
        (None, None) if past.is_applied => "accepted".to_owned(),
        (None, None) => "did not end".to_owned(),
        (None, Some(took)) => format!("took {:.1} s", took.as_secs_f64()),
    };
    let began = past.began.as_deref().and_then(|began| began.parse().ok());
    let when = began.map(|began: Timestamp| format!("{} ago, ", since(began))).unwrap_or_default();
    let text = words::without_marker(past.text.as_bytes());
    let title = summary(title.map_or(text, String::as_bytes), 50);
    format!("  {sign}  stage {:<4} {title:<55} {when}{fate}", past.number)
}

fn since(time: Timestamp) -> String {
    age(Duration::try_from(Timestamp::now().duration_since(time)).unwrap_or_default())
}
