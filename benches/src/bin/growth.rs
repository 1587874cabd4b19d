//! How the judges by revisions grow with the history: CPU time and memory, from a thousand operations on.
//!
//! ```text
//!  cargo run --release -p whitewater-benches --bin growth [-- --most 1000000] [--streamed] [--bursts] [--corrupt]
//!  cargo run --release -p whitewater-benches --bin growth -- --command target/release/whitewater --most 10000000
//! ```
//!
//! With `--command` it is the command itself that judges, `whitewater check --stream -`: the history is written into a
//! pipe, so that it takes no place on a disk, and what is shown is the CPU time and the memory of that process.
//!
//! Time should grow by n log n. Streamed, memory should hardly grow at all. Measured figures: `benches/README.md`.

#![forbid(unsafe_code)]

use clap::Parser;
use mimalloc::MiMalloc;
use std::{
    io::{self, Write},
    path::PathBuf,
    time::Duration,
};
use whitewater_api::{Completion, Request, Revision};
use whitewater_benches::{
    piped,
    traffic::{Event, Shape, Traffic},
    usage,
};
use whitewater_checkers::{Budget, Judgement, Ruling, Stream, counterexample, judge_by_revisions};
use whitewater_record::{History, Seed};

/// Measures the judges by revisions on histories that grow tenfold.
#[derive(Debug, Parser)]
#[command(name = "growth")]
struct Args {
    /// Operations of the longest history.
    #[arg(long, default_value_t = 1_000_000)]
    most: u64,
    /// Judge while the history comes in, instead of the whole.
    #[arg(long)]
    streamed: bool,
    /// Let this command judge what is written to it.
    #[arg(long, conflicts_with_all = ["streamed", "corrupt"])]
    command: Option<PathBuf>,
    /// Outcomes are lost in bursts.
    #[arg(long)]
    bursts: bool,
    /// Of a million operations, how many outcomes are lost.
    #[arg(long, default_value_t = 1_000)]
    unknown: u32,
    /// How many keys there are, and how many of them are listed together.
    #[arg(long, default_value_t = 1_000)]
    keys: usize,
    #[arg(long, default_value_t = 20)]
    group: usize,
    /// Without compactions.
    #[arg(long)]
    uncompacted: bool,
    /// Judge the whole so many times; the time that took least counts.
    #[arg(long, default_value_t = 1)]
    times: u32,
    /// One read near the end is stale, and is explained.
    #[arg(long)]
    corrupt: bool,
}

/// As in the command.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Operations in a window of the stream.
const WINDOW: usize = 10_000;

fn main() -> io::Result<()> {
    let args = Args::parse();
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "{:>10}  {:>10}  {:>7}  {:>9}  ruling",
        "operations", "CPU ms", "ns/op", "peak MiB"
    )?;
    let mut operations = 1_000;
    while operations <= args.most {
        let shape = Shape {
            operations,
            keys: args.keys,
            group: args.group,
            unknown_ppm: args.unknown,
            has_bursts: args.bursts,
            compaction: if args.uncompacted { u64::MAX } else { 20_000 },
            ..Shape::default()
        };
        let (cpu, rulings) = match &args.command {
            Some(command) => piped::judge(command, shape)?,
            None if args.streamed => streamed(shape),
            None => whole(shape, &args),
        };
        let peak = match &args.command {
            Some(_) => usage::children_peak_bytes(),
            None => usage::peak_bytes(),
        };
        let peak = peak >> 20;
        let (millis, nanos) = (cpu.as_micros() / 1_000, cpu.as_nanos() / u128::from(operations));
        writeln!(out, "{operations:>10}  {millis:>10}  {nanos:>7}  {peak:>9}  {rulings}")?;
        operations *= 10;
    }
    Ok(())
}

fn whole(shape: Shape, args: &Args) -> (Duration, String) {
    let mut history = Traffic::history(Seed(1), shape);
    if args.corrupt {
        corrupt(&mut history);
        let found = usage::timed(|| counterexample::find(&history, &Budget::default()));
        let text = found.1.map_or_else(
            || "no counterexample".to_owned(),
            |found| format!("{} operations after {} checks", found.core.len(), found.checks),
        );
        return (found.0, text);
    }
    let judge = || usage::timed(|| judge_by_revisions(&history, &Budget::default()));
    let (mut least, judgements) = judge();
    for _ in 1..args.times {
        least = least.min(judge().0);
    }
    (least, rulings(&judgements))
}

/// The generator's time is taken off: it is measured alone first.
fn streamed(shape: Shape) -> (Duration, String) {
    let (alone, _) = usage::timed(|| Traffic::new(Seed(1), shape).count());
    let (both, judgements) = usage::timed(|| {
        let mut stream = Stream::new(Budget::default(), WINDOW);
        for event in Traffic::new(Seed(1), shape) {
            let is_over = match event {
                Event::Invoked(id, at, request) => {
                    stream.invoke(id, at, request);
                    false
                }
                Event::Completed(id, at, completion) => stream.complete(id, at, completion),
            };
            if is_over {
                break;
            }
        }
        stream.finish()
    });
    (both.saturating_sub(alone), rulings(&judgements))
}

/// The last read that saw a key is told the revision and the answer of the first of the same.
fn corrupt(history: &mut History) {
    let is_get = |place: &usize| {
        let operation = &history.operations[*place];
        matches!(&operation.request, Request::Range(range)
            if !range.serializable && range.revision == Revision(0) && range.limit == 0)
            && matches!(operation.completion, Completion::Ok(_))
    };
    let places = 0..history.operations.len();
    let Some(early) = places.clone().find(is_get) else { return };
    let request = history.operations[early].request.clone();
    let same = |place: &usize| is_get(place) && history.operations[*place].request == request;
    if let Some(late) = places.rev().find(same) {
        history.operations[late].completion = history.operations[early].completion.clone();
    }
}

fn rulings(judgements: &[Judgement]) -> String {
    let word = |judgement: &Judgement| match &judgement.ruling {
        Ruling::Holds => "holds".to_owned(),
        Ruling::Broken(anomaly) => format!("broken: {}", anomaly.sentence),
        Ruling::Undecided(reason) => format!("undecided: {reason}"),
        Ruling::NotApplicable(_) => "not applicable".to_owned(),
        Ruling::Withheld(_) => "withheld".to_owned(),
    };
    judgements.iter().map(word).collect::<Vec<_>>().join(", ")
}
