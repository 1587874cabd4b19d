//! Sums over many seeds.

use std::time::Duration;
use whitewater_benches::{
    judging::{self, Extent},
    limits,
    seeds::{Course, Lap, Split},
};
use whitewater_record::Seed;

/// What some seeds were and took together.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sum {
    pub(crate) seeds: u64,
    pub(crate) split: Split,
    pub(crate) operations: u64,
    pub(crate) operations_ok: u64,
    simulated: Duration,
    messages: u64,
    events: u64,
    witnessed: u64,
    not_cross_checked: u64,
}

/// All seeds, and those of them that were busy enough.
#[derive(Clone, Debug, Default)]
pub(crate) struct Laps {
    pub(crate) all: Sum,
    pub(crate) busy: Sum,
    /// Seeds that would be busy enough if only operations that ended ok counted.
    pub(crate) busy_ok: u64,
    /// CPU time of each step of the judges, if it was asked for.
    shares: Option<[Duration; 4]>,
    /// What each seed took.
    times: Vec<(Duration, Seed)>,
    /// What invariants and judges objected to: a measurement of a broken program is worth little.
    objections: Vec<String>,
}

impl Laps {
    /// Runs seeds from 1 on. `has_shares` judges each history again for the shares of the judges, which is not counted.
    pub(crate) fn run(course: &Course, seeds: u64, has_shares: bool) -> Self {
        let mut laps = Self::default();
        for seed in (1..=seeds).map(Seed) {
            let lap = course.run(seed);
            laps.all.add(&lap);
            if lap.operations >= limits::BUSY_OPERATIONS_MIN {
                laps.busy.add(&lap);
            }
            laps.busy_ok += u64::from(lap.operations_ok >= limits::BUSY_OPERATIONS_MIN);
            laps.times.push((lap.split.total(), seed));
            laps.objections
                .extend(lap.objections.iter().map(|text| format!("seed {seed}: {text}")));
            if has_shares {
                let sums = laps.shares.get_or_insert_default();
                let shares = judging::shares(&lap.history);
                sums.iter_mut().zip(shares).for_each(|(sum, share)| *sum += share);
            }
        }
        laps.times.sort();
        laps
    }

    /// Where the time goes, and what came of it.
    pub(crate) fn notes(&self) -> Vec<String> {
        let Split { planning, world, judging } = self.all.split;
        let total = self.all.split.total();
        let share = |part: Duration| format!("{:.1} %", 100.0 * ratio(part, total));
        let mut notes = vec![format!(
            "where the time goes: planning {}, world {}, judging {}",
            share(planning),
            share(world),
            share(judging)
        )];
        if let Some(shares) = self.shares {
            let steps = Extent::ALL.iter().zip(shares);
            let judges: Vec<String> =
                steps.map(|(extent, part)| format!("{} {}", extent.step(), share(part))).collect();
            notes.push(format!("of that, the judges: {}", judges.join(", ")));
        }
        notes.push(self.all.busyness());
        notes.push(self.extremes());
        notes.push(format!(
            "not cross-checked, the black box being out of budget: {} of {} seeds",
            self.all.not_cross_checked, self.all.seeds
        ));
        notes.extend(self.objections.iter().cloned());
        notes
    }

    /// The seed in the middle, and those that took most.
    fn extremes(&self) -> String {
        let millis = |time: &Duration| time.as_secs_f64() * 1e3;
        let median = self.times.get(self.times.len() / 2).map_or(0.0, |(time, _)| millis(time));
        let longest = self.times.iter().rev().take(limits::LONGEST_SEEDS);
        let longest: Vec<String> =
            longest.map(|(time, seed)| format!("{:.0} ms (seed {seed})", millis(time))).collect();
        format!("the median seed takes {median:.0} ms, the longest ones {}", longest.join(", "))
    }
}

impl Sum {
    fn add(&mut self, lap: &Lap) {
        self.seeds += 1;
        self.split.planning += lap.split.planning;
        self.split.world += lap.split.world;
        self.split.judging += lap.split.judging;
        self.operations += lap.operations;
        self.operations_ok += lap.operations_ok;
        self.simulated += lap.simulated;
        self.messages += lap.messages;
        self.events += lap.events;
        self.witnessed += lap.witnessed;
        self.not_cross_checked += u64::from(!lap.is_cross_checked);
    }

    /// So many of something per second of CPU time.
    pub(crate) fn rate(&self, count: u64) -> f64 {
        float(count) / self.split.total().as_secs_f64().max(f64::MIN_POSITIVE)
    }

    /// The seeds themselves, per second of CPU time.
    pub(crate) fn seeds_rate(&self) -> f64 {
        self.rate(self.seeds)
    }

    /// Simulated seconds per second of CPU time.
    pub(crate) fn simulated_rate(&self) -> f64 {
        ratio(self.simulated, self.split.total())
    }

    /// The mean over the seeds.
    pub(crate) fn mean(&self, count: u64) -> f64 {
        float(count) / float(self.seeds.max(1))
    }

    /// What was done in the time.
    fn busyness(&self) -> String {
        format!(
            "a seed: {:.0} operations, {:.0} of them ok; {:.0} messages, {:.0} events, {:.0} witnessed faults. \
             A CPU-second: {:.0} operations, {:.0} messages, {:.0} simulated seconds",
            self.mean(self.operations),
            self.mean(self.operations_ok),
            self.mean(self.messages),
            self.mean(self.events),
            self.mean(self.witnessed),
            self.rate(self.operations),
            self.rate(self.messages),
            self.simulated_rate()
        )
    }
}

/// How many times `whole` goes into `part`.
pub(crate) fn ratio(part: Duration, whole: Duration) -> f64 {
    part.as_secs_f64() / whole.as_secs_f64().max(f64::MIN_POSITIVE)
}

/// The number, near enough for a table.
#[expect(clippy::cast_precision_loss, reason = "a table shows four digits")]
pub(crate) fn float(count: u64) -> f64 {
    count as f64
}
