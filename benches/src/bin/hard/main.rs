//! The hard families of registers, each from easy to hard, until Porcupine's algorithm does not decide any more: how much
//! faster the judges are at its last decided size, and whether they decide what comes after.
//!
//! ```text
//!  cargo run --release -p whitewater-benches --bin hard [-- --seconds 10] [FAMILY..]
//! ```

#![forbid(unsafe_code)]

mod families;

use clap::Parser;
use families::{FAMILIES, Family};
use mimalloc::MiMalloc;
use std::{
    hint::black_box,
    io::{self, Write},
    time::Duration,
};
use whitewater_benches::{
    recorded,
    registers::{self, Shape},
    rival::{self, Limits, Patience},
    usage,
};
use whitewater_record::Seed;

/// Measures the judges beside Porcupine's algorithm where that comes to its end.
#[derive(Debug, Parser)]
#[command(name = "hard")]
struct Args {
    /// Families, by the beginnings of their names; all, if none is named.
    families: Vec<String>,
    #[command(flatten)]
    patience: Patience,
    /// A line for each size.
    #[arg(long)]
    all: bool,
    /// No greater sizes than this.
    #[arg(long, default_value_t = u64::MAX)]
    most: u64,
    /// Every size by the judges, and none by the rival.
    #[arg(long)]
    alone: bool,
}

/// As in the command.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Histories of each size.
const SEEDS: u64 = 3;

/// So many sizes are judged after the last one that the rival decides.
const BEYOND: usize = 2;

/// One size of a family.
struct Row {
    size: u64,
    ours: Duration,
    theirs: Duration,
    /// What it takes to read the operations once.
    reading: Duration,
    is_decided: [bool; 2],
}

fn main() -> io::Result<()> {
    let args = Args::parse();
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "CPU ms of whitewater and of Porcupine's algorithm at the last size that it decides within {} s, and beyond, {SEEDS} histories each\n\
         both give a verdict and no reason; reading: what it takes to read each operation once, without judging\n\
         {:34} {:>10} {:>10} {:>12} {:>10} {:>10}  beyond it",
        args.patience.seconds,
        "family, by what grows",
        "last size",
        "ours",
        "rival",
        "ratio",
        "reading"
    )?;
    for family in FAMILIES {
        let is_wanted = |name: &String| family.name.starts_with(name.as_str());
        if args.families.is_empty() || args.families.iter().any(is_wanted) {
            let rows = measure(family, &args, &mut out)?;
            write(family, &rows, &mut out)?;
        }
    }
    writeln!(out, "peak memory of all: {} MiB", usage::peak_bytes() >> 20)
}

fn measure(family: &Family, args: &Args, out: &mut impl Write) -> io::Result<Vec<Row>> {
    let limits = args.patience.limits();
    let mut rows: Vec<Row> = Vec::new();
    let mut beyond = 0;
    for size in family.sizes.iter().filter(|size| **size <= args.most) {
        let row = judge((family.shape)(*size), *size, limits, beyond == 0 && !args.alone);
        if args.all || args.alone {
            let [ours, theirs] = [row.ours, row.theirs].map(millis);
            let name = family.name;
            writeln!(
                out,
                "  {name:32} {size:>10} {ours:>10.3} {theirs:>12.3} {:?}",
                row.is_decided
            )?;
        }
        beyond += usize::from(!row.is_decided[1]);
        rows.push(row);
        if beyond > BEYOND && !args.alone {
            break;
        }
    }
    Ok(rows)
}

/// All seeds of one size, together. Once the rival has given up on one, it need not try others, nor greater sizes.
fn judge(shape: Shape, size: u64, limits: Limits, tries_rival: bool) -> Row {
    let mut row = Row {
        size,
        ours: Duration::ZERO,
        theirs: Duration::ZERO,
        reading: Duration::ZERO,
        is_decided: [true, tries_rival],
    };
    for seed in 1..=SEEDS {
        let history = registers::history(Seed(seed), shape);
        row.reading += usage::timed_often(|| black_box(recorded::reading(&history))).0;
        let (ours, verdict) = usage::timed_often(|| recorded::verdict(&history, limits.time));
        row.ours += ours;
        row.is_decided[0] &= verdict.is_some();
        if !row.is_decided[1] {
            continue;
        }
        let (theirs, found) = usage::timed_often(|| rival::judge(&history, limits));
        let is_right = found.is_right();
        let agree = verdict.is_none() || is_right.is_none() || verdict == is_right;
        assert!(agree, "seed {seed} of {shape:?}: {verdict:?} and {found:?} do not agree");
        row.theirs += theirs;
        row.is_decided[1] = is_right.is_some();
    }
    row
}

fn write(family: &Family, rows: &[Row], out: &mut impl Write) -> io::Result<()> {
    let beyond = rows.iter().filter(|row| !row.is_decided[1]).map(|row| {
        let word = if row.is_decided[0] { "" } else { " UNDECIDED" };
        format!("{}: {:.3}{word}", row.size, millis(row.ours))
    });
    let beyond: Vec<String> = beyond.collect();
    let beyond = if beyond.is_empty() { "decided by both".to_owned() } else { beyond.join(", ") };
    let name = family.name;
    let Some(last) = rows.iter().rfind(|row| row.is_decided[1]) else {
        return writeln!(
            out,
            "{name:34} {:>10} {:>10} {:>12} {:>10} {:>10}  {beyond}",
            "none", "", "", "", ""
        );
    };
    let [ours, theirs, reading] = [last.ours, last.theirs, last.reading].map(millis);
    let (size, ratio) = (last.size, theirs / ours);
    let word = if last.is_decided[0] { "" } else { " OURS UNDECIDED" };
    writeln!(
        out,
        "{name:34} {size:>10} {ours:>10.3} {theirs:>12.3} {ratio:>10.1} {reading:>10.3}{word}  {beyond}"
    )
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
