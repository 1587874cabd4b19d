//! Histories that somebody recorded: files, and what it costs to judge them.

use crate::usage;
use flate2::read::MultiGzDecoder;
use std::{
    collections::BTreeMap,
    env,
    fs::{self, File},
    io::{self, BufReader, Read},
    path::{Path, PathBuf},
    time::Duration,
};
use whitewater_api::Value;
use whitewater_checkers::{
    Budget, Ruling,
    plain::{self, Decision},
};
use whitewater_record::{History, HistoryError, PlainAction, PlainHistory, Recorded, formats};

/// What judging a history cost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// In words.
    pub verdict: String,
    /// Whether the history is right; nothing, if that was not decided.
    pub is_right: Option<bool>,
    /// CPU time, without reading.
    pub cpu: Duration,
    /// The most bytes that a search held.
    pub bytes: usize,
    /// Configurations visited.
    pub configurations: u64,
    /// By engine: how many keys it decided.
    pub engines: BTreeMap<&'static str, u32>,
}

/// What a bench of histories says where it has none.
pub const SKIPPED: &str = "skipped, for there are no histories. Name files or folders, or a folder in WHITEWATER_HISTORIES.";

/// What a bench of histories reads: what was named, or the folder in `WHITEWATER_HISTORIES`; nothing if there is neither.
pub fn paths(named: Vec<PathBuf>) -> Vec<PathBuf> {
    if !named.is_empty() {
        return named;
    }
    env::var_os("WHITEWATER_HISTORIES").map(PathBuf::from).into_iter().collect()
}

/// The files that paths stand for, those of directories by name, of all depths.
pub fn files(paths: &[PathBuf]) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let entries = fs::read_dir(path)?.map(|entry| entry.map(|entry| entry.path()));
        let mut entries: Vec<PathBuf> = entries.collect::<io::Result<_>>()?;
        entries.retain(|entry| entry.is_dir() || is_history(entry));
        entries.sort();
        files.extend(self::files(&entries)?);
    }
    Ok(files)
}

/// A history; the inner error is of its content.
pub fn read(path: &Path) -> io::Result<Result<Recorded, HistoryError>> {
    let name = name(path);
    let is_packed = path.extension().is_some_and(|ending| ending == "gz");
    let file = File::open(path)?;
    let input: Box<dyn Read> =
        if is_packed { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };
    Ok(formats::read(&name, None, BufReader::new(input)).map(|(_, recorded)| recorded))
}

/// The last part of a path.
pub fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Judges a history. Of one of registers or keys, `limit` bounds the CPU time for each key.
pub fn judge(recorded: &Recorded, limit: Duration) -> Cost {
    match recorded {
        Recorded::Plain(history) => plain(history, limit),
        Recorded::Etcd(history) => etcd(history),
    }
}

/// Whether a history of registers or keys is right, and nothing else, as Porcupine says it; nothing, if that was not
/// decided in `limit` of CPU time.
#[must_use]
pub fn verdict(history: &PlainHistory, limit: Duration) -> Option<bool> {
    let end = usage::cpu() + limit;
    plain::is_linearizable(history, &Budget::default(), &|| usage::cpu() > end)
}

/// Reads each operation once: its times, its key and its value. No judge takes less. Returns what nobody can leave out.
#[must_use]
pub fn reading(history: &PlainHistory) -> u64 {
    let bytes =
        |bytes: &[u8]| bytes.iter().fold(0, |sum: u64, byte| sum.rotate_left(7) ^ u64::from(*byte));
    let value = |value: Option<&Value>| value.map_or(0, |value| bytes(value.as_slice()));
    history.operations.iter().fold(0, |sum: u64, operation| {
        let held = match &operation.action {
            PlainAction::Read(seen) => value(seen.as_ref()),
            PlainAction::Write(written) | PlainAction::Append(written) => value(Some(written)),
            PlainAction::Delete => 0,
            PlainAction::Cas { from, to, .. } => value(from.as_ref()) ^ value(Some(to)),
        };
        let times = operation.invoked.0 ^ operation.completed.map_or(0, |at| at.0);
        sum.rotate_left(1) ^ times ^ bytes(operation.key.as_slice()) ^ held
    })
}

/// By all judges of etcd's histories.
fn etcd(history: &History) -> Cost {
    let (cpu, judgements) =
        usage::timed(|| whitewater_checkers::judge(history, &Budget::default()));
    let broken = judgements.iter().find_map(|it| {
        it.ruling.anomaly().map(|anomaly| format!("{}: {}", anomaly.code, anomaly.sentence))
    });
    let open = || {
        judgements.iter().find_map(|it| match &it.ruling {
            Ruling::Undecided(reason) => Some(format!("undecided, {}: {reason}", it.judge)),
            Ruling::Holds | Ruling::Broken(_) | Ruling::NotApplicable(_) | Ruling::Withheld(_) => {
                None
            }
        })
    };
    let is_right = if broken.is_some() { Some(false) } else { open().is_none().then_some(true) };
    let verdict = broken.or_else(open).unwrap_or_else(|| "ok".to_owned());
    Cost { verdict, is_right, cpu, ..Cost::default() }
}

fn plain(history: &PlainHistory, limit: Duration) -> Cost {
    let mut cost = Cost::default();
    let (cpu, (is_right, verdict)) = usage::timed(|| {
        let partitions = match plain::partitions(history) {
            Err(reason) => return (None, format!("unsound: {reason}")),
            Ok(partitions) => partitions,
        };
        let mut decide = |partition: &plain::Partition<'_>| -> Decision {
            let start = usage::cpu();
            let is_late = || usage::cpu().saturating_sub(start) > limit;
            let (decision, effort) = partition.decide(&Budget::default(), &is_late);
            cost.bytes = cost.bytes.max(effort.bytes);
            cost.configurations += effort.configurations;
            *cost.engines.entry(effort.engine).or_default() += 1;
            decision
        };
        let decisions: Vec<Decision> = partitions.iter().map(&mut decide).collect();
        match plain::combine(history, &decisions).ruling {
            Ruling::Holds => (Some(true), "ok".to_owned()),
            Ruling::Broken(anomaly) => {
                (Some(false), format!("{}: {}", anomaly.code, anomaly.sentence))
            }
            Ruling::Undecided(reason) => (None, format!("undecided: {reason}")),
            Ruling::NotApplicable(reason) | Ruling::Withheld(reason) => (None, reason),
        }
    });
    Cost { verdict, is_right, cpu, ..cost }
}

fn is_history(path: &Path) -> bool {
    let ending = path.extension().unwrap_or_default();
    ["log", "txt", "jsonl", "gz"].iter().any(|known| ending == *known)
}
