//! The table of figures: what a whole seed costs, in CPU time of this one process.
//!
//! ```text
//!  cargo run --release -p whitewater-benches --bin figures [-- --quick] [--json] [--only ROW] [--once]
//! ```
//!
//! Open `rows.rs` first: it holds the measurements. `table.rs` is how they are shown.

#![forbid(unsafe_code)]

mod laps;
mod rows;
mod table;

use crate::rows::{Amount, Row};
use clap::{Parser, ValueEnum};
use mimalloc::MiMalloc;
use std::io::{self, Write};

/// Measures what a whole seed costs, in CPU time of this one process.
#[derive(Debug, Parser)]
#[command(name = "figures")]
struct Args {
    /// A tenth of the seeds.
    #[arg(long)]
    quick: bool,
    /// One JSON document instead of a table.
    #[arg(long)]
    json: bool,
    /// Only this row.
    #[arg(long, value_enum)]
    only: Option<Row>,
    /// Judge each history once, so that a profiler sees just what is counted. Leaves out the shares of the judges.
    #[arg(long)]
    once: bool,
}

/// As in the command.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> io::Result<()> {
    let args = Args::parse();
    let amount = Amount { quick: args.quick, has_shares: !args.once };
    let is_wanted = |row: &&Row| args.only.is_none_or(|only| only == **row);
    let mut figures = Vec::new();
    for row in Row::value_variants().iter().filter(is_wanted) {
        figures.extend(rows::measure(*row, amount));
    }
    let mut out = io::stdout().lock();
    if args.json {
        serde_json::to_writer_pretty(&mut out, &figures)?;
        return writeln!(out);
    }
    table::write(&figures, &mut out)
}
