//! P5: the order of what is due at about the same moment.
//!
//! Events of exactly one instant are rare, and which of them comes first is arbitrary. While a shuffle holds, time has
//! grains: what is due within one is due at its end, in an order by luck. Nothing comes earlier than it would have.

use crate::{agenda::Due, world::World};
use whitewater_record::{Seed, SimTime, Span, Stream};

/// The shuffles that hold.
#[derive(Debug)]
pub(crate) struct Shuffling {
    luck: Stream,
    /// The faults, with their grains.
    on: Vec<(usize, Span)>,
    /// The last moment to which something was put off.
    last: SimTime,
}

impl Shuffling {
    pub(crate) fn new(seed: Seed) -> Self {
        Self { luck: seed.stream("schedule", 0), on: Vec::new(), last: SimTime::ZERO }
    }

    /// Throws by another root from now on.
    pub(crate) fn reseed(&mut self, seed: Seed) {
        self.luck = Self::new(seed).luck;
    }

    /// A shuffle begins.
    pub(crate) fn begin(&mut self, fault: usize, grain: Span) {
        self.on.push((fault, grain));
    }

    /// A shuffle ends, if this fault is one.
    pub(crate) fn end(&mut self, fault: usize) {
        self.on.retain(|(other, _)| *other != fault);
    }
}

impl World {
    /// When something is due that should be at `at`, and its rank among what is due then.
    pub(crate) fn shuffle(&mut self, at: SimTime, due: &Due) -> (SimTime, u32) {
        let Some(&(fault, grain)) = self.shuffling.on.last() else { return (at, 0) };
        // What keeps an order by contract keeps it: streams of watches, and the plan's own moments.
        let is_loose = matches!(
            due,
            Due::Deliver { .. }
                | Due::Request { .. }
                | Due::Answer { .. }
                | Due::DiskDone { .. }
                | Due::PasswordDone { .. }
                | Due::Gathered { .. }
                | Due::Wake { .. }
        );
        if !is_loose || at == SimTime::NEVER {
            return (at, 0);
        }
        let end = SimTime(at.0.div_ceil(grain.0).saturating_mul(grain.0));
        if end == self.shuffling.last {
            self.nemesis.witness(fault);
        }
        self.shuffling.last = end;
        let rank = u32::try_from(self.shuffling.luck.bits() >> 33).expect("31 bits are left");
        (end, 1 + rank)
    }
}
