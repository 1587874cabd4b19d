//! The measurements. Each is over the seeds from 1 on, so that two commits are compared over the same ones.

use crate::{
    laps::{Laps, float, ratio},
    table::{Figure, Reach},
};
use clap::ValueEnum;
use std::{iter, time::Duration};
use whitewater_benches::{limits, seeds::Course, usage};
use whitewater_record::Seed;
use whitewater_scenarios::Overrides;

/// What can be measured. Memory first: its peak is that of the whole process so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Row {
    /// Peak memory over many swarm seeds.
    Memory,
    /// Swarm on 3 nodes.
    Swarm3,
    /// Swarm on 5 nodes.
    Swarm5,
    /// 5 nodes without clients.
    Idle,
    /// Quiet on 3 nodes.
    Quiet,
}

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Amount {
    /// A tenth of the seeds.
    pub(crate) quick: bool,
    /// The shares of the judges too.
    pub(crate) has_shares: bool,
}

impl Amount {
    fn of(self, seeds: u64) -> u64 {
        if self.quick { seeds.div_ceil(10) } else { seeds }
    }

    fn run(self, course: &Course, seeds: u64) -> Laps {
        Laps::run(course, self.of(seeds), self.has_shares)
    }
}

/// Measures a row of the table, or several.
pub(crate) fn measure(row: Row, amount: Amount) -> Vec<Figure> {
    match row {
        Row::Memory => memory(amount),
        Row::Swarm3 => swarm(3, 15.0, 300, amount),
        Row::Swarm5 => swarm(5, 8.0, 200, amount),
        Row::Idle => idle(10, amount),
        Row::Quiet => quiet(100, amount),
    }
}

/// Swarm seeds as a worker gets them, one after the other.
fn memory(amount: Amount) -> Vec<Figure> {
    let course = Course::new("swarm", Overrides::default());
    let (first, last) = (amount.of(limits::MEMORY_SEEDS_FIRST), amount.of(limits::MEMORY_SEEDS));
    let (mut figures, mut total) = (Vec::new(), Duration::ZERO);
    let (mut peak, mut peak_seed) = (0, 0);
    for seed in 1..=last {
        total += course.run(Seed(seed)).split.total();
        if usage::peak_bytes() > peak {
            (peak, peak_seed) = (usage::peak_bytes(), seed);
        }
        if seed == first || seed == last {
            let resident = usage::resident_bytes().map(|bytes| {
                format!("resident between two seeds, at that moment: {:.1} MB", megabytes(bytes))
            });
            let by = format!("the peak is seed {peak_seed}'s");
            let cpu = format!("{:.1} s of CPU time", total.as_secs_f64());
            figures.push(Figure {
                what: format!("peak memory after {seed} seeds, swarm as drawn"),
                reach: if seed == last { Reach::AtMost(150.0) } else { Reach::Any },
                measured: megabytes(peak),
                unit: "MB",
                notes: resident.into_iter().chain([by, cpu]).collect(),
            });
        }
    }
    figures
}

fn swarm(nodes: u64, reach: f64, seeds: u64, amount: Amount) -> Vec<Figure> {
    let overrides = Overrides { nodes: Some(nodes), clients: Some(3), ..Overrides::default() };
    let laps = amount.run(&Course::new("swarm", overrides), seeds);
    let size = format!("{nodes} nodes, 3 clients, 60 s, swarm");
    let (all, busy) = (&laps.all, &laps.busy);
    let least = limits::BUSY_OPERATIONS_MIN;
    let mut notes = vec![format!(
        "of {} seeds {} had fewer than {least} operations, {} fewer than {least} that ended ok; \
         mean of all {:.0}, of those that count {:.0}",
        all.seeds,
        all.seeds - busy.seeds,
        all.seeds - laps.busy_ok,
        all.mean(all.operations),
        busy.mean(busy.operations)
    )];
    notes.extend(laps.notes());
    let unit = "seeds per CPU-second";
    vec![
        Figure {
            what: format!("{size}, seeds with >= {least} operations"),
            reach: Reach::AtLeast(reach),
            measured: busy.seeds_rate(),
            unit,
            notes,
        },
        Figure {
            what: format!("{size}, all seeds"),
            reach: Reach::Any,
            measured: all.seeds_rate(),
            unit,
            notes: Vec::new(),
        },
        Figure {
            what: format!("{size}, the share of the judges"),
            reach: Reach::AtMost(20.0),
            measured: 100.0 * ratio(all.split.judging, all.split.total()),
            unit: "% of CPU time",
            notes: Vec::new(),
        },
    ]
}

fn idle(seeds: u64, amount: Amount) -> Vec<Figure> {
    let laps = amount.run(&Course::idle(5, limits::IDLE), seeds);
    vec![Figure {
        what: "idle 5-node cluster".to_owned(),
        reach: Reach::AtLeast(10_000.0),
        measured: laps.all.simulated_rate(),
        unit: "simulated seconds per CPU-second",
        notes: laps.notes(),
    }]
}

fn quiet(seeds: u64, amount: Amount) -> Vec<Figure> {
    let laps = amount.run(&Course::new("quiet", Overrides::default()), seeds);
    let ok =
        format!("counting only those that ended ok: {:.0}", laps.all.rate(laps.all.operations_ok));
    vec![Figure {
        what: "client operations run and fully checked, quiet".to_owned(),
        reach: Reach::AtLeast(40_000.0),
        measured: laps.all.rate(laps.all.operations),
        unit: "operations per CPU-second",
        notes: iter::once(ok).chain(laps.notes()).collect(),
    }]
}

fn megabytes(bytes: u64) -> f64 {
    float(bytes) / 1e6
}
