//! What it costs to judge recorded histories.
//!
//! ```text
//!  cargo run --release -p whitewater-benches --bin histories -- FILE_OR_DIRECTORY..
//! ```
//!
//! One row for each file: operations, verdict, CPU time of judging without reading, the most bytes that a search held,
//! configurations, and the engines that decided keys. Histories of etcd are judged by all judges at once.

#![forbid(unsafe_code)]

use clap::Parser;
use flate2::read::MultiGzDecoder;
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, BufReader, Read, Write},
    path::{Path, PathBuf},
    time::Duration,
};
use whitewater_benches::usage;
use whitewater_checkers::{
    Budget, Ruling,
    plain::{self, Decision},
};
use whitewater_record::{History, HistoryError, PlainHistory, Recorded, formats};

/// Measures what it costs to judge recorded histories.
#[derive(Debug, Parser)]
#[command(name = "histories")]
struct Args {
    /// Histories, or directories of them.
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// Give up on a key after so many seconds of CPU time.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
}

/// What judging a history cost.
struct Cost {
    verdict: String,
    cpu: Duration,
    bytes: usize,
    configurations: u64,
    /// By engine: how many keys it decided.
    engines: BTreeMap<&'static str, u32>,
}

fn main() -> io::Result<()> {
    let args = Args::parse();
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "{:>12} {:>10} {:>12} {:>9}  {:48} verdict",
        "cpu ms", "bytes", "visited", "ops", "file"
    )?;
    let mut total = Duration::ZERO;
    for path in files(&args.paths)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let recorded = match read(&path, &name)? {
            Ok(recorded) => recorded,
            Err(error) => {
                writeln!(out, "{error}")?;
                continue;
            }
        };
        let cost = match &recorded {
            Recorded::Plain(history) => judge(history, Duration::from_secs(args.seconds)),
            Recorded::Etcd(history) => judge_etcd(history),
        };
        total += cost.cpu;
        let Cost { verdict, cpu, bytes, configurations, engines } = cost;
        writeln!(
            out,
            "{:>12.3} {bytes:>10} {configurations:>12} {:>9}  {name:48} {verdict} {engines:?}",
            cpu.as_secs_f64() * 1e3,
            recorded.len(),
        )?;
    }
    writeln!(out, "{:>12.3} in total", total.as_secs_f64() * 1e3)?;
    writeln!(
        out,
        "{:>12} KiB resident at most, the histories included",
        usage::peak_bytes() / 1_024
    )
}

/// The files, those of directories by name.
fn files(paths: &[PathBuf]) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            let entries = fs::read_dir(path)?.map(|entry| entry.map(|entry| entry.path()));
            let mut entries: Vec<PathBuf> = entries.collect::<io::Result<_>>()?;
            entries.retain(|entry| is_history(entry));
            entries.sort();
            files.extend(entries);
        } else {
            files.push(path.clone());
        }
    }
    Ok(files)
}

/// A history; the inner error is of its content.
fn read(path: &Path, name: &str) -> io::Result<Result<Recorded, HistoryError>> {
    let is_packed = path.extension().is_some_and(|ending| ending == "gz");
    let file = File::open(path)?;
    let input: Box<dyn Read> =
        if is_packed { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };
    Ok(formats::read(name, None, BufReader::new(input)).map(|(_, recorded)| recorded))
}

/// By all judges of etcd's histories.
fn judge_etcd(history: &History) -> Cost {
    let before = usage::cpu();
    let judgements = whitewater_checkers::judge(history, &Budget::default());
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
    Cost {
        verdict: broken.or_else(open).unwrap_or_else(|| "ok".to_owned()),
        cpu: usage::cpu().saturating_sub(before),
        bytes: 0,
        configurations: 0,
        engines: BTreeMap::new(),
    }
}

fn is_history(path: &Path) -> bool {
    let ending = path.extension().unwrap_or_default();
    ["log", "txt", "jsonl", "gz"].iter().any(|known| ending == *known)
}

fn judge(history: &PlainHistory, limit: Duration) -> Cost {
    let before = usage::cpu();
    let mut cost = Cost {
        verdict: String::new(),
        cpu: Duration::ZERO,
        bytes: 0,
        configurations: 0,
        engines: BTreeMap::new(),
    };
    cost.verdict = match plain::partitions(history) {
        Err(reason) => format!("unsound: {reason}"),
        Ok(partitions) => {
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
                Ruling::Holds => "ok".to_owned(),
                Ruling::Broken(anomaly) => format!("{}: {}", anomaly.code, anomaly.sentence),
                Ruling::Undecided(reason) => format!("undecided: {reason}"),
                Ruling::NotApplicable(reason) | Ruling::Withheld(reason) => reason,
            }
        }
    };
    cost.cpu = usage::cpu().saturating_sub(before);
    cost
}
