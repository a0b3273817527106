//! The records of a state file, read.

use std::{collections::BTreeMap, time::Duration};

use bstr::ByteSlice;
use compeval_interpreter::stage::fingerprint::{Dependency, Difference, Fingerprint};
use serde::Deserialize;
use thiserror::Error;

use super::format::SCHEMA;

/// What became of a stage, as far as a record tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StageState {
    /// Its chain began.
    Started,
    /// Its chain ended with status 0.
    Applied,
    /// Its chain ended otherwise.
    Failed,
}

/// A record. The first one of a stage tells what it is, the next one how it ended.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Record {
    /// The stage, from 1.
    pub stage: u32,
    /// What it tells.
    pub state: StageState,
    /// The chain's fingerprint.
    pub fingerprint: Option<String>,
    /// What the fingerprint is made of, each part as [`Dependency`] writes it.
    #[serde(default)]
    pub parts: Vec<String>,
    /// The chain's text, as the script had it.
    pub text: Option<String>,
    /// The line of its marker, from 1.
    pub line: Option<usize>,
    /// The exit status.
    pub status: Option<i32>,
    /// The process in the container that ran it.
    pub pid: Option<u32>,
    /// The leader of the process group that it is in.
    pub group: Option<u32>,
    /// Which commit of the computation it was.
    pub commit: Option<String>,
    /// A hash of the setup script that it stood in.
    pub script: Option<String>,
    /// Seconds since the machine started: the difference of two records is a duration.
    pub uptime: Option<f64>,
    /// When the chain was sent, as RFC 3339 says.
    pub start: Option<String>,
}

/// A record of a command that runs on every call: written before it runs, once for each text.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct RepeatedRecord {
    /// Its fingerprint.
    #[serde(rename = "repeated")]
    pub fingerprint: String,
    /// Its text, as the script had it.
    pub text: String,
    /// The line that it began on, from 1.
    pub line: usize,
    /// Which commit of the computation it was.
    pub commit: Option<String>,
    /// A hash of the setup script that it stood in.
    pub script: Option<String>,
    /// Whether it does not count any more: a person has accepted what is said in its place.
    #[serde(default)]
    pub dropped: bool,
}

/// The records of a container, oldest first, and what they come to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Records {
    records: Vec<Record>,
    /// By fingerprint.
    repeated: BTreeMap<String, RepeatedRecord>,
    /// By stage, where its records are.
    stages: BTreeMap<u32, Places>,
    applied: u32,
    failed: Option<usize>,
    unfinished: Option<usize>,
}

/// Where records of one stage are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Places {
    last: usize,
    started: Option<usize>,
}

/// Why a state file cannot be used.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum LedgerError {
    /// A later version of this program wrote it.
    #[error("the container's ledger has schema {found}, and this program knows schemas up to {SCHEMA}")]
    Newer {
        /// The schema it says it has.
        found: u32,
    },
    /// It is not what this program writes.
    #[error("the container's ledger is damaged: {reason}")]
    Damaged {
        /// What is wrong with it.
        reason: String,
    },
}

#[derive(Deserialize)]
struct Header {
    schema: u32,
}

#[derive(Deserialize)]
struct Table {
    record: [Entry; 1],
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Entry {
    Stage(Box<Record>),
    Repeated(RepeatedRecord),
}

impl Record {
    /// What is different now in what the stage depends on; empty where its parts were not recorded.
    pub fn differences(&self, now: &Fingerprint) -> Vec<Difference> {
        let parts: Vec<Dependency> = self.parts.iter().filter_map(|part| Dependency::parse(part)).collect();
        if parts.is_empty() { Vec::new() } else { now.differences(&parts) }
    }
}

impl Records {
    /// Reads the text of a state file. An empty text is a ledger without records.
    ///
    /// # Errors
    /// When a newer program wrote it, or something before the last record cannot be read.
    pub fn parse(text: &[u8]) -> Result<Records, LedgerError> {
        let damaged = |reason: String| LedgerError::Damaged { reason };
        // A line without its end was cut off while the shell wrote it.
        let whole = text.rfind_byte(b'\n').map_or(0, |at| at + 1);
        let text = text.get(..whole).unwrap_or_default().to_str_lossy();
        let mut blocks = text.split("[[record]]\n");
        let header = blocks.next().unwrap_or_default();
        if header.trim().is_empty() {
            return match blocks.next() {
                None => Ok(Records::default()),
                Some(_) => Err(damaged("it does not begin with its schema".to_owned())),
            };
        }
        let Header { schema } = toml::from_str(header).map_err(|error| damaged(error.message().to_owned()))?;
        if schema > SCHEMA {
            return Err(LedgerError::Newer { found: schema });
        }
        let (mut records, mut repeated) = (Vec::new(), BTreeMap::new());
        let mut blocks = blocks.peekable();
        while let Some(block) = blocks.next() {
            match toml::from_str::<Table>(&format!("[[record]]\n{block}")) {
                Ok(Table { record: [Entry::Stage(record)] }) => records.push(*record),
                Ok(Table { record: [Entry::Repeated(record)] }) => {
                    repeated.insert(record.fingerprint.clone(), record);
                }
                // So was this record.
                Err(_) if blocks.peek().is_none() => break,
                Err(error) => return Err(damaged(error.message().to_owned())),
            }
        }
        repeated.retain(|_, record| !record.dropped);
        Ok(Records { repeated, ..Records::new(records) })
    }

    /// Looks at each record once.
    fn new(records: Vec<Record>) -> Records {
        let mut stages: BTreeMap<u32, Places> = BTreeMap::new();
        for (at, record) in records.iter().enumerate() {
            let places = stages.entry(record.stage).or_default();
            places.last = at;
            if record.state == StageState::Started {
                places.started = Some(at);
            }
        }
        let state = |at: usize| records.get(at).map(|record| record.state);
        let ended_so = |wanted| {
            let last = stages.values().map(|places| places.last);
            last.filter(|at| state(*at) == Some(wanted)).max()
        };
        let (failed, unfinished) = (ended_so(StageState::Failed), ended_so(StageState::Started));
        let without_gap = stages.iter().zip(1..).take_while(|((number, places), expected)| {
            *number == expected && state(places.last) == Some(StageState::Applied)
        });
        let applied = without_gap.last().map_or(0, |(_, number)| number);
        Records { records, repeated: BTreeMap::new(), stages, applied, failed, unfinished }
    }

    /// How many stages are applied: the first ones, without a gap.
    pub fn applied(&self) -> u32 {
        self.applied
    }

    /// The record that tells what stage `number` was when it last began.
    pub fn stage(&self, number: u32) -> Option<&Record> {
        self.records.get(self.stages.get(&number)?.started?)
    }

    /// All stages that have begun, each with its number and the record that tells what it was then.
    pub fn stages(&self) -> impl Iterator<Item = (u32, &Record)> {
        self.stages.iter().filter_map(|(number, places)| Some((*number, self.records.get(places.started?)?)))
    }

    /// The last record of stage `number`: how it ended, or that it began.
    pub fn last(&self, number: u32) -> Option<&Record> {
        self.records.get(self.stages.get(&number)?.last)
    }

    /// What runs on every call and has run there, by fingerprint.
    pub fn repeated(&self) -> impl Iterator<Item = &RepeatedRecord> {
        self.repeated.values()
    }

    /// Whether a command with this fingerprint, which runs on every call, has run there.
    pub fn has_repeated(&self, fingerprint: &str) -> bool {
        self.repeated.contains_key(fingerprint)
    }

    /// A stage that began and has not ended, as far as is recorded.
    pub fn unfinished(&self) -> Option<&Record> {
        self.records.get(self.unfinished?)
    }

    /// How long the applied stages behind the one with this fingerprint took together; all of them if there is none such.
    pub fn work_since(&self, fingerprint: &str) -> Duration {
        let is_it =
            |number: &u32| self.stage(*number).is_some_and(|record| record.fingerprint.as_deref() == Some(fingerprint));
        let first = (1..=self.applied).rev().find(is_it).map_or(1, |number| number + 1);
        (first..=self.applied).filter_map(|number| self.took(number)).sum()
    }

    /// How long stage `number` took when it ran last; `None` where the records do not tell.
    pub fn took(&self, number: u32) -> Option<Duration> {
        let places = self.stages.get(&number)?;
        if places.started == Some(places.last) {
            return None;
        }
        let uptime = |at: usize| self.records.get(at)?.uptime;
        Duration::try_from_secs_f64(uptime(places.last)? - uptime(places.started?)?).ok()
    }

    /// A stage that failed, or began and has not ended: nothing is built upon that.
    pub fn debris(&self) -> Option<&Record> {
        self.failed().or_else(|| self.unfinished())
    }

    /// A stage that failed and was not applied since.
    pub fn failed(&self) -> Option<&Record> {
        self.records.get(self.failed?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str = "schema = 1\n\n[[record]]\nstage = 1\nstate = \"started\"\npid = 7\ntext = \"a\"\n\n[[record]]\n\
        stage = 1\nstate = \"applied\"\nstatus = 0\n\n[[record]]\nstage = 2\nstate = \"started\"\npid = 9\n";

    #[test]
    fn applied_stages_are_the_first_ones_without_a_gap() {
        let ledger = Records::parse(TWO.as_bytes()).unwrap();
        assert_eq!(ledger.applied(), 1);
        assert_eq!(ledger.stage(1).unwrap().text.as_deref(), Some("a"));
        assert_eq!(ledger.unfinished().unwrap().pid, Some(9));
        assert_eq!(ledger.failed(), None);
    }

    #[test]
    fn a_torn_last_record_is_absent() {
        let starts: Vec<usize> = TWO.match_indices("\n\n").map(|(at, _)| at + 1).chain([TWO.len()]).collect();
        for cut in 0..=TWO.len() {
            let ledger = Records::parse(&TWO.as_bytes()[..cut]).unwrap();
            let whole = starts.iter().filter(|start| **start <= cut).count().saturating_sub(1);
            assert!(ledger.records.len() >= whole, "{whole}: {}", &TWO[..cut]);
            assert_eq!(ledger.applied(), u32::from(ledger.records.len() >= 2), "{}", &TWO[..cut]);
        }
    }

    #[test]
    fn a_newer_schema_and_nonsense_are_refused() {
        assert_eq!(Records::parse(b"schema = 3\n"), Err(LedgerError::Newer { found: 3 }));
        assert!(matches!(Records::parse(b"hello\n"), Err(LedgerError::Damaged { .. })));
        assert!(matches!(Records::parse(b"\n[[record]]\nstage = 1\n"), Err(LedgerError::Damaged { .. })));
        assert_eq!(Records::parse(b""), Ok(Records::default()));
    }

    #[test]
    fn what_runs_on_every_call_counts_until_it_is_dropped() {
        let one = "schema = 2\n\n[[record]]\nrepeated = \"a\"\ntext = \"x\"\nline = 1\n";
        let dropped = format!("{one}\n[[record]]\nrepeated = \"a\"\ntext = \"x\"\nline = 1\ndropped = true\n");
        let again = format!("{dropped}\n[[record]]\nrepeated = \"a\"\ntext = \"x\"\nline = 1\n");
        for (text, counts) in [(one, true), (&dropped, false), (&again, true)] {
            let ledger = Records::parse(text.as_bytes()).unwrap();
            assert_eq!((ledger.has_repeated("a"), ledger.repeated().count() == 1), (counts, counts), "{text}");
        }
    }

    #[test]
    fn a_failed_stage_is_seen_until_it_is_applied() {
        let failed = format!("{TWO}\n[[record]]\nstage = 2\nstate = \"failed\"\nstatus = 3\n");
        let ledger = Records::parse(failed.as_bytes()).unwrap();
        assert_eq!((ledger.applied(), ledger.failed().unwrap().status), (1, Some(3)));
        assert_eq!(ledger.unfinished(), None);
        let mended = format!("{failed}\n[[record]]\nstage = 2\nstate = \"applied\"\nstatus = 0\n");
        let ledger = Records::parse(mended.as_bytes()).unwrap();
        assert_eq!((ledger.applied(), ledger.failed()), (2, None));
    }

    #[test]
    fn each_question_has_the_last_answer_of_its_stage() {
        let records = |list: &[(u32, &str)]| {
            let record = |(stage, state): &(u32, &str)| format!("\n[[record]]\nstage = {stage}\nstate = \"{state}\"\n");
            let text: String = list.iter().map(record).collect();
            Records::parse(format!("schema = 1\n{text}").as_bytes()).unwrap()
        };
        let number = |record: Option<&Record>| record.map(|record| record.stage);
        let answers = |list: &[(u32, &str)]| {
            let records = records(list);
            (records.applied(), number(records.failed()), number(records.unfinished()))
        };
        assert_eq!(answers(&[(0, "applied"), (1, "applied")]), (0, None, None));
        assert_eq!(answers(&[(2, "applied"), (1, "applied"), (4, "applied")]), (2, None, None));
        assert_eq!(answers(&[(1, "failed"), (2, "failed"), (1, "applied")]), (1, Some(2), None));
        assert_eq!(answers(&[(1, "applied"), (1, "started")]), (0, None, Some(1)));
        assert_eq!(answers(&[(3, "failed"), (2, "failed"), (2, "started")]), (0, Some(3), Some(2)));
    }

    #[test]
    fn ten_times_the_records_take_ten_times_as_long() {
        let text = |stages: u32| {
            let record = |stage: u32, rest: &str| format!("\n[[record]]\nstage = {stage}\n{rest}\n");
            let both =
                |stage| record(stage, "state = \"started\"\ntext = \"a\"") + &record(stage, "state = \"applied\"");
            format!("schema = 1\n{}", (1..=stages).map(both).collect::<String>())
        };
        let time = |stages: u32| {
            let text = text(stages);
            let once = || {
                let begin = std::time::Instant::now();
                let records = Records::parse(text.as_bytes()).unwrap();
                let known = (1..=stages).filter(|stage| records.stage(*stage).is_some() && records.applied() == stages);
                assert_eq!(known.count(), stages as usize);
                assert_eq!((records.failed(), records.unfinished()), (None, None));
                begin.elapsed()
            };
            (0..3).map(|_| once()).min().unwrap()
        };
        let (few, many) = (time(400), time(4000));
        // A hundred times, if each record were looked for among all.
        assert!(many < few * 30, "{few:?} for 800 records, {many:?} for 8000");
    }
}
