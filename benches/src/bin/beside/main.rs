//! The judges of registers and keys beside Porcupine's algorithm, on the same histories, in one run.
//!
//! ```text
//!  cargo run --release -p whitewater-benches --bin beside [-- FILE_OR_DIRECTORY..]
//! ```
//!
//! The histories are those of the arguments, or else of the folder that `WHITEWATER_HISTORIES` names. The rival is
//! [`whitewater_benches::rival`], Porcupine's published algorithm in Rust, not Porcupine itself. Where a `porcupine.csv`
//! lies beside the histories, what Porcupine itself was measured to take is shown as well.
//!
//! Both are asked for the same, a verdict and nothing else; what it takes with the reason is shown beside it. Memory is
//! measured apart, by `memory`: an allocator that counts is slower.

#![forbid(unsafe_code)]

mod families;

use crate::families::{Families, Row};
use clap::Parser;
use mimalloc::MiMalloc;
use std::{
    io::{self, Write},
    path::PathBuf,
};
use whitewater_benches::{
    recorded,
    rival::{self, Patience},
    usage,
};
use whitewater_record::Recorded;

/// Measures the judges beside Porcupine's algorithm.
#[derive(Debug, Parser)]
#[command(name = "beside")]
struct Args {
    /// Histories, or directories of them.
    paths: Vec<PathBuf>,
    #[command(flatten)]
    patience: Patience,
    /// A line for each history.
    #[arg(long)]
    all: bool,
}

/// As in the command.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> io::Result<()> {
    let args = Args::parse();
    let mut out = io::stdout().lock();
    let paths = recorded::paths(args.paths);
    if paths.is_empty() {
        return writeln!(out, "beside: {}", recorded::SKIPPED);
    }
    let limits = args.patience.limits();
    let mut families = Families::default();
    for path in recorded::files(&paths)? {
        let history = match recorded::read(&path)? {
            Ok(Recorded::Plain(history)) => history,
            Ok(Recorded::Etcd(_)) => continue,
            Err(error) => {
                writeln!(out, "{error}")?;
                continue;
            }
        };
        let (ours, verdict) = usage::timed_often(|| recorded::verdict(&history, limits.time));
        let (theirs, found) = usage::timed_often(|| rival::judge(&history, limits));
        let recorded = Recorded::Plain(history);
        let (explained, cost) = usage::timed_often(|| recorded::judge(&recorded, limits.time));
        assert!(cost.is_right == verdict, "{}: with a reason it is another", path.display());
        families.add(&Row {
            path: &path,
            is_right: [verdict, found.is_right()],
            ours,
            theirs,
            explained,
            porcupine: families::porcupine(&path)?,
        });
        if args.all {
            let [ours, theirs, explained] =
                [ours, theirs, explained].map(|time| time.as_secs_f64() * 1e3);
            let name = recorded::name(&path);
            writeln!(
                out,
                "{ours:>12.4} {theirs:>12.4} {explained:>12.4}  {name} {verdict:?} {found:?}"
            )?;
        }
    }
    families.write(&mut out)?;
    writeln!(out, "peak memory of all: {} MiB", usage::peak_bytes() >> 20)
}
