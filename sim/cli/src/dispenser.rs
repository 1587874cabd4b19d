//! Hands out seeds, in order, until there are no more or a reason to stop.

use crate::interrupt::Interrupt;
use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Instant,
};
use whitewater_record::Seed;

/// The seeds of a campaign. What was handed out is always a run of seeds without a hole.
#[derive(Debug)]
pub(crate) struct Dispenser {
    /// The first seed.
    pub(crate) first: Seed,
    /// How many there are at most.
    pub(crate) count: u64,
    /// None is handed out after this.
    pub(crate) deadline: Option<Instant>,
    /// None is handed out after a Ctrl-C.
    pub(crate) interrupt: Interrupt,
    handed_out: AtomicU64,
    stopped: AtomicBool,
}

impl Dispenser {
    /// `count` seeds from `first` on.
    pub(crate) fn new(
        first: Seed,
        count: u64,
        deadline: Option<Instant>,
        interrupt: Interrupt,
    ) -> Self {
        let (handed_out, stopped) = (AtomicU64::new(0), AtomicBool::new(false));
        Self { first, count, deadline, interrupt, handed_out, stopped }
    }

    /// Leaves out so many seeds at the beginning, which were run before.
    pub(crate) fn skip(self, seeds: u64) -> Self {
        Self { handed_out: AtomicU64::new(seeds), ..self }
    }

    /// The next seed and its place in the order, from 0.
    pub(crate) fn next(&self) -> Option<(u64, Seed)> {
        if self.stopped.load(Ordering::Relaxed) || self.interrupt.is_set() || self.is_late() {
            return None;
        }
        let claim = |n: u64| (n < self.count).then_some(n + 1);
        let place =
            self.handed_out.fetch_update(Ordering::Relaxed, Ordering::Relaxed, claim).ok()?;
        Some((place, Seed(self.first.0.wrapping_add(place))))
    }

    /// Hands out no more.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// Whether all seeds were handed out.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.handed_out.load(Ordering::Relaxed) >= self.count
    }

    fn is_late(&self) -> bool {
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_come_in_order_without_a_hole_and_wrap_at_the_end() {
        let dispenser = Dispenser::new(Seed(u64::MAX), 2, None, Interrupt::default());
        assert_eq!(dispenser.next(), Some((0, Seed(u64::MAX))));
        assert_eq!(dispenser.next(), Some((1, Seed(0))));
        assert_eq!(dispenser.next(), None);
        assert!(dispenser.is_exhausted());
    }
}
