//! One node's clocks (C1, C2): what a machine believes the time to be, against true time.
//!
//! The monotonic clock drives timers. It may run too fast or too slow, but it never goes back. The wall clock runs at
//! the same rate with an offset, and jumps. Both are piecewise linear in true time, with a bend wherever the drift
//! changes; integer arithmetic makes them the same on every machine.
//!
//! Left out for now: slew and leap seconds (C3), suspend (C4).

use crate::limits::DRIFT_PPM_MAX;
use whitewater_api::Monotonic;
use whitewater_record::{ClockProfile, SimTime};

const MILLION: u128 = 1_000_000;

/// The clocks of one node.
#[derive(Clone, Debug)]
pub struct Clock {
    /// Where the current piece begins, in true time.
    /// Invariant: never decreases.
    bend: SimTime,
    /// What the monotonic clock showed there, rounded down.
    local: Monotonic,
    /// Sum of all drifts that hold, not cut to the limit, so that each can be taken back exactly.
    drift_ppm: i64,
    /// The wall clock less the monotonic clock.
    offset_ns: i64,
}

impl Clock {
    /// A clock that starts with the run.
    pub fn new(profile: ClockProfile) -> Self {
        Self {
            bend: SimTime::ZERO,
            local: Monotonic(0),
            drift_ppm: i64::from(profile.drift_ppm),
            offset_ns: profile.offset_ns,
        }
    }

    /// What the monotonic clock shows. `now` must not lie before the last change of the drift.
    pub fn monotonic(&self, now: SimTime) -> Monotonic {
        let elapsed = u128::from((now - self.bend).0);
        Monotonic(self.local.0.saturating_add(narrow(elapsed * self.rate() / MILLION)))
    }

    /// The earliest moment from `now` on at which [`Self::monotonic`] shows `local` or later. A change of the drift
    /// moves it: ask again then.
    pub fn when(&self, local: Monotonic, now: SimTime) -> SimTime {
        if self.monotonic(now) >= local {
            return now;
        }
        let wanted = u128::from(local.since(self.local));
        // The least d with floor(d * rate / million) >= wanted.
        let elapsed = (wanted * MILLION).div_ceil(self.rate());
        SimTime(self.bend.0.saturating_add(narrow(elapsed)))
    }

    /// What the wall clock shows, in nanoseconds since the start of the run on a true clock.
    pub fn wall(&self, now: SimTime) -> i64 {
        let local = i64::try_from(self.monotonic(now).0).unwrap_or(i64::MAX);
        local.saturating_add(self.offset_ns)
    }

    /// C2: both clocks run `by_ppm` faster from `now` on; negative is slower. Drifts that overlap add up, and each is
    /// taken back by its negative.
    pub fn add_drift(&mut self, now: SimTime, by_ppm: i32) {
        self.local = self.monotonic(now);
        self.bend = now;
        self.drift_ppm += i64::from(by_ppm);
    }

    /// C1: the wall clock jumps; negative is back. Jumps add up, and each is taken back by its negative.
    pub fn jump(&mut self, by_ns: i64) {
        self.offset_ns = self.offset_ns.saturating_add(by_ns);
    }

    /// How much too fast both clocks run right now, in parts per million.
    pub fn drift_ppm(&self) -> i64 {
        self.drift_ppm.clamp(-DRIFT_PPM_MAX, DRIFT_PPM_MAX)
    }

    /// Local nanoseconds in a million true ones. Never zero.
    fn rate(&self) -> u128 {
        u128::try_from(1_000_000 + self.drift_ppm()).expect("the drift's limit is below a million")
    }
}

fn narrow(wide: u128) -> u64 {
    u64::try_from(wide).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
