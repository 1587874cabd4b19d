//! What it costs to write a trace: of a run's CPU time, and in bytes an event.
//!
//! ```text
//!  cargo run --release -p whitewater-benches --bin tracing
//!  for part in played kept packed; do perf stat -e instructions:u target/release/tracing --only $part; done
//! ```
//!
//! Instructions are the same on a busy machine, CPU time is not quite.

#![forbid(unsafe_code)]

use clap::{Parser, ValueEnum};
use mimalloc::MiMalloc;
use std::{
    io::{self, Write},
    time::Duration,
};
use whitewater_benches::{seeds::Course, usage};
use whitewater_record::{Plan, Seed};
use whitewater_scenarios::Overrides;
use whitewater_world::{Options, Run};

/// Measures what it costs to write traces.
#[derive(Debug, Parser)]
#[command(name = "tracing")]
struct Args {
    /// How many seeds, from 1 on.
    #[arg(long, default_value_t = 40)]
    seeds: u64,
    /// A scenario of the catalogue.
    #[arg(long, default_value = "swarm")]
    scenario: String,
    /// Only this, for a profiler or a counter of instructions around it.
    #[arg(long, value_enum)]
    only: Option<Part>,
}

/// How much of it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Planned and played, as a campaign does: the trace is hashed, not kept.
    Played,
    /// The rows are kept too.
    Kept,
    /// They are packed too.
    Packed,
}

/// As in the command.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> io::Result<()> {
    let args = Args::parse();
    let course = Course::new(&args.scenario, Overrides::default());
    let (mut events, mut bytes, mut sums) = (0, 0, [Duration::ZERO; 3]);
    for seed in (1..=args.seeds).map(Seed) {
        // The parts take turns, so that what else the machine does falls on all of them.
        for (part, sum) in Part::value_variants().iter().zip(&mut sums) {
            if args.only.is_none_or(|only| only == *part) {
                let (took, (rows, packed)) = usage::timed(|| part.run(&course.plan(seed)));
                *sum += took;
                events += if *part == Part::Packed { rows } else { 0 };
                bytes += packed;
            }
        }
    }
    let mut out = io::stdout().lock();
    for (part, sum) in Part::value_variants().iter().zip(sums) {
        writeln!(out, "{part:?}: {:.3} s of CPU time", sum.as_secs_f64())?;
    }
    let [played, _, packed] = sums.map(|sum| sum.as_secs_f64());
    if args.only.is_none() {
        let share = 100.0 * (packed - played) / played;
        writeln!(out, "writing traces: {share:.1} % of what it takes to play (<= 15)")?;
    }
    if let Some(each) = (bytes * 100).checked_div(events) {
        writeln!(out, "{events} events, {}.{:02} bytes each (<= 12)", each / 100, each % 100)?;
    }
    Ok(())
}

impl Part {
    /// How many events there were, and how many bytes they became.
    fn run(self, plan: &Plan) -> (u64, u64) {
        let options = Options { keep_trace: self != Self::Played, until: None };
        let Run { trace, .. } = whitewater_world::play(plan, &options);
        let mut packed = Vec::new();
        if self == Self::Packed {
            trace.pack(&mut packed).expect("memory takes everything");
        }
        (trace.events(), packed.len() as u64)
    }
}
