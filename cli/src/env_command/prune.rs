//! Removes what is not needed any more, after it was shown what that is.

use std::{
    collections::BTreeMap,
    io::{self, BufRead, IsTerminal},
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;
use compeval_runtime::{
    container::identity::DIRECTORY,
    engine::Image,
    inventory::{KnownContainer, is_gone},
};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::{EnvError, ListFormat, Tended, print, tell};
use crate::{report::printable, words};

/// What is to go.
#[derive(Clone, Debug, Args)]
pub struct PruneArguments {
    /// Of all computations on this engine.
    #[arg(short, long)]
    all: bool,

    /// Keep so many stopped containers of each computation, the newest; those in which a stage failed go.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    keep: usize,

    /// Only what was made so many days ago, or more.
    #[arg(long, value_name = "DAYS")]
    older_than: Option<u32>,

    /// Only what belongs to directories that are gone; of that, all.
    #[arg(long)]
    unreachable: bool,

    /// Show what would go, and touch nothing.
    #[arg(short = 'n', long)]
    dry_run: bool,

    /// Do not ask.
    #[arg(short, long)]
    yes: bool,

    /// How to show what goes; `json` is the schema `ce.env.prune/1` (docs/schemas).
    #[arg(long, value_enum, default_value_t)]
    format: ListFormat,
}

impl PruneArguments {
    /// Whether nothing is to be touched.
    pub(super) fn is_dry(&self) -> bool {
        self.dry_run
    }
}

/// The name of the schema (`docs/schemas/ce.env.prune.1.json`), which is only ever extended.
const SCHEMA: &str = "ce.env.prune/1";

/// What goes.
#[derive(Debug, Default, Serialize)]
struct PruneDocument {
    schema: &'static str,
    containers: Vec<Going>,
    snapshots: Vec<Going>,
}

#[derive(Debug, Serialize)]
struct Going {
    /// A container's name, or a snapshot's id.
    name: String,
    directory: String,
    /// In bytes; of a snapshot, with the layers that it has in common with others.
    size: u64,
}

impl PruneDocument {
    fn size(&self) -> u64 {
        self.containers.iter().chain(&self.snapshots).map(|going| going.size).sum()
    }

    fn print(&self, format: ListFormat) -> Result<(), EnvError> {
        if format == ListFormat::Json {
            return print(&(serde_json::to_string_pretty(self).map_err(io::Error::from)? + "\n"));
        }
        for Going { name, directory, size } in &self.containers {
            show(&format!("container {name}  {}  {directory}", words::amount(*size)))?;
        }
        for Going { name, directory, size } in &self.snapshots {
            let id: String = name.chars().take("sha256:".len() + 12).collect();
            show(&format!("snapshot {id}  at most {}  {directory}", words::amount(*size)))?;
        }
        Ok(())
    }
}

/// Shows what would go, asks, and removes it. What runs stays, unless it is asked for what is unreachable; where calls run,
/// nothing is ever removed.
pub(super) fn prune(tended: &Tended<'_>, arguments: &PruneArguments) -> Result<(), EnvError> {
    let of = if arguments.all { None } else { Some(tended.directory) };
    let entries = tended.inventory.entries(of)?;
    let goes = chosen(&entries, arguments, Timestamp::now());
    let snapshots = unused(&tended.inventory.snapshots(of)?, &entries, &goes, arguments);
    let mut document = PruneDocument { schema: SCHEMA, ..PruneDocument::default() };
    for entry in &goes {
        let (name, directory) = (entry.container.name.clone(), entry.directory.display().to_string());
        document.containers.push(Going { name, directory, size: tended.inventory.size(entry)? });
    }
    for snapshot in &snapshots {
        let directory = snapshot.labels.get(DIRECTORY).cloned().unwrap_or_default();
        document.snapshots.push(Going { name: snapshot.id.clone(), directory, size: snapshot.size });
    }
    document.print(arguments.format)?;
    if goes.is_empty() && snapshots.is_empty() {
        tell("ce-env: there is nothing to remove\n");
        return Ok(());
    }
    let what = format!(
        "{} and {}, at most {}",
        words::count(goes.len(), "container"),
        words::count(snapshots.len(), "snapshot"),
        words::amount(document.size())
    );
    if arguments.dry_run {
        tell(&format!("ce-env: would remove {what}\n"));
        return Ok(());
    }
    if !arguments.yes && !is_agreed(&what)? {
        tell("ce-env: nothing was removed\n");
        return Ok(());
    }
    for entry in goes {
        // Somebody may have begun to use it while the question stood there.
        if tended.inventory.remove(entry, false)? > 0 {
            tell(&format!("ce-env: container {} stays: it is in use\n", entry.container.name));
        }
    }
    let mut kept = 0;
    // What others are made from goes after them.
    for snapshot in &snapshots {
        kept += usize::from(!tended.inventory.remove_snapshot(snapshot)?);
    }
    let kept = if kept > 0 {
        format!("; {} stay, for others are made from them", words::count(kept, "snapshot"))
    } else {
        String::new()
    };
    tell(&format!("ce-env: removed {what}{kept}\n"));
    Ok(())
}

fn show(line: &str) -> Result<(), EnvError> {
    print(&format!("{}\n", printable(line)))
}

/// The containers that go.
fn chosen<'e>(entries: &'e [KnownContainer], arguments: &PruneArguments, now: Timestamp) -> Vec<&'e KnownContainer> {
    let mut kept: BTreeMap<PathBuf, usize> = BTreeMap::new();
    let is_old = |created: Timestamp| is_older(created, arguments.older_than, now);
    let mut goes = |entry: &&KnownContainer| {
        let is_free = entry.calls == 0 && is_old(entry.container.created);
        if arguments.unreachable {
            return is_free && !entry.is_reachable();
        }
        if entry.is_up() {
            return false;
        }
        // One in which a stage failed is of no use to calls.
        let kept = kept.entry(entry.directory.clone()).or_default();
        *kept += usize::from(!entry.has_failed());
        is_free && (entry.has_failed() || *kept > arguments.keep)
    };
    entries.iter().filter(|entry| goes(entry)).collect()
}

fn is_older(created: Timestamp, days: Option<u32>, now: Timestamp) -> bool {
    let day = Duration::from_secs(24 * 3600);
    let least = days.and_then(|days| SignedDuration::try_from(day * days).ok());
    least.is_none_or(|least| now.duration_since(created) >= least)
}

/// The snapshots of computations that no container is left of, newest first.
fn unused(
    snapshots: &[Image],
    entries: &[KnownContainer],
    goes: &[&KnownContainer],
    arguments: &PruneArguments,
) -> Vec<Image> {
    let goes_too = |entry: &KnownContainer| goes.iter().any(|gone| gone.container.id == entry.container.id);
    let is_unused = |snapshot: &&Image| {
        let directory = snapshot.labels.get(DIRECTORY).map(String::as_str).unwrap_or_default();
        let is_gone = is_gone(Path::new(directory));
        let has_container = entries.iter().any(|entry| entry.directory.as_os_str() == directory && !goes_too(entry));
        !has_container && (is_gone || !arguments.unreachable) && arguments.older_than.is_none()
    };
    snapshots.iter().filter(is_unused).cloned().collect()
}

/// Asks whoever sits at the terminal.
fn is_agreed(what: &str) -> Result<bool, EnvError> {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        return Err(EnvError::NotAsked);
    }
    tell(&format!("ce-env: remove {what}? [y/N] "));
    let mut answer = String::new();
    stdin.lock().read_line(&mut answer).map_err(|_| EnvError::NotAsked)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
