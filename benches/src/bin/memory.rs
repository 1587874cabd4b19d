//! How much memory the judges and Porcupine's algorithm take for the same histories: the most that each has allocated at
//! a time, beside the history itself.
//!
//! ```text
//!  cargo run --release -p whitewater-benches --bin memory [-- FILE_OR_DIRECTORY..] [--all]
//! ```
//!
//! The histories are those of `beside`. An allocator counts, which takes time: so time is measured there and memory here.

#![forbid(unsafe_code)]

use clap::Parser;
use peak_alloc::PeakAlloc;
use std::{
    hint::black_box,
    io::{self, Write},
    path::PathBuf,
};
use whitewater_benches::{
    recorded,
    rival::{self, Patience},
};
use whitewater_record::Recorded;

/// Compares the memory of the judges with that of Porcupine's algorithm.
#[derive(Debug, Parser)]
#[command(name = "memory")]
struct Args {
    /// Histories, or directories of them.
    paths: Vec<PathBuf>,
    #[command(flatten)]
    patience: Patience,
    /// A line for each history.
    #[arg(long)]
    all: bool,
}

/// Counts.
#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

fn main() -> io::Result<()> {
    let args = Args::parse();
    let mut out = io::stdout().lock();
    let paths = recorded::paths(args.paths);
    if paths.is_empty() {
        return writeln!(out, "memory: {}", recorded::SKIPPED);
    }
    let limits = args.patience.limits();
    let (mut files, mut most, mut more) = (0, [0, 0], Vec::new());
    for path in recorded::files(&paths)? {
        let Ok(Recorded::Plain(history)) = recorded::read(&path)? else { continue };
        let ours = peak(|| recorded::verdict(&history, limits.time));
        let theirs = peak(|| rival::judge(&history, limits));
        let name = recorded::name(&path);
        if args.all {
            writeln!(out, "{ours:>12} {theirs:>12}  {name}")?;
        }
        files += 1;
        most = [most[0].max(ours), most[1].max(theirs)];
        if ours > theirs {
            more.push((ours, theirs, name));
        }
    }
    writeln!(
        out,
        "peak memory of {files} histories: at most {} KiB, the rival's {} KiB; higher than the rival's at {}",
        most[0] >> 10,
        most[1] >> 10,
        more.len()
    )?;
    more.into_iter().try_for_each(|(ours, theirs, name)| {
        writeln!(out, "  {ours} bytes, the rival {theirs}: {name}")
    })
}

/// The most bytes that some work has allocated at a time.
fn peak<T>(work: impl FnOnce() -> T) -> usize {
    let before = ALLOCATOR.current_usage();
    ALLOCATOR.reset_peak_usage();
    black_box(work());
    ALLOCATOR.peak_usage().saturating_sub(before)
}
