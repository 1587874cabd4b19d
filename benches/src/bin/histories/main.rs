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
use mimalloc::MiMalloc;
use std::{
    io::{self, Write},
    path::PathBuf,
    time::Duration,
};
use whitewater_benches::{
    recorded::{self, Cost},
    usage,
};

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

/// As in the command.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> io::Result<()> {
    let args = Args::parse();
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "{:>12} {:>10} {:>12} {:>9}  {:48} verdict",
        "cpu ms", "bytes", "visited", "ops", "file"
    )?;
    let mut total = Duration::ZERO;
    for path in recorded::files(&args.paths)? {
        let history = match recorded::read(&path)? {
            Ok(history) => history,
            Err(error) => {
                writeln!(out, "{error}")?;
                continue;
            }
        };
        let cost = recorded::judge(&history, Duration::from_secs(args.seconds));
        total += cost.cpu;
        let Cost { verdict, cpu, bytes, configurations, engines, is_right: _ } = cost;
        writeln!(
            out,
            "{:>12.3} {bytes:>10} {configurations:>12} {:>9}  {:48} {verdict} {engines:?}",
            cpu.as_secs_f64() * 1e3,
            history.len(),
            recorded::name(&path),
        )?;
    }
    writeln!(out, "{:>12.3} in total", total.as_secs_f64() * 1e3)?;
    writeln!(
        out,
        "{:>12} KiB resident at most, the histories included",
        usage::peak_bytes() / 1_024
    )
}
