//! One node's clocks (C1-C4): what a machine believes the time to be, against true time.
//!
//! There are three. The monotonic clock goes on while the machine is suspended, as `CLOCK_BOOTTIME` does on Linux; it
//! drives timers and leases, may run too fast or too slow, and never goes back. The awake clock stands still meanwhile,
//! as `CLOCK_MONOTONIC` does there. The wall clock runs at the rate of the first with an offset, and jumps and is slewed.
//! All are piecewise linear in true time, with a bend wherever a rate changes; integer arithmetic makes them the same on
//! every machine. Jitter of timers (C3) is the caller's: it is no property of a clock.

use crate::limits::DRIFT_PPM_MAX;
use whitewater_api::Monotonic;
use whitewater_record::{ClockProfile, SimTime};

const MILLION: u64 = 1_000_000;

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
    /// The wall clock less the monotonic clock, but for slews.
    offset_ns: i64,
    /// Slews that hold, and what they have added since, in millionths of a nanosecond so that each can be taken back
    /// exactly.
    slew_ppm: i64,
    slewed: i128,
    slewed_at: SimTime,
    /// What the monotonic clock showed when the machine fell asleep, if it sleeps.
    asleep_since: Option<Monotonic>,
    /// How long it has slept before, by the monotonic clock.
    asleep_ns: u64,
}

impl Clock {
    /// A clock that starts with the run.
    pub fn new(profile: ClockProfile) -> Self {
        Self {
            bend: SimTime::ZERO,
            local: Monotonic(0),
            drift_ppm: i64::from(profile.drift_ppm),
            offset_ns: profile.offset_ns,
            slew_ppm: 0,
            slewed: 0,
            slewed_at: SimTime::ZERO,
            asleep_since: None,
            asleep_ns: 0,
        }
    }

    /// What the monotonic clock shows. `now` must not lie before the last change of the drift.
    pub fn monotonic(&self, now: SimTime) -> Monotonic {
        let shown = match (now - self.bend).0.checked_mul(self.rate()) {
            Some(millionths) => millionths / MILLION,
            None => narrow(
                u128::from((now - self.bend).0) * u128::from(self.rate()) / u128::from(MILLION),
            ),
        };
        Monotonic(self.local.0.saturating_add(shown))
    }

    /// The earliest moment from `now` on at which [`Self::monotonic`] shows `local` or later. A change of the drift
    /// moves it: ask again then.
    pub fn when(&self, local: Monotonic, now: SimTime) -> SimTime {
        if self.monotonic(now) >= local {
            return now;
        }
        // The least d with floor(d * rate / million) >= wanted.
        let wanted = local.since(self.local);
        let elapsed = match wanted.checked_mul(MILLION) {
            Some(millionths) => millionths.div_ceil(self.rate()),
            None => narrow((u128::from(wanted) * u128::from(MILLION)).div_ceil(self.rate().into())),
        };
        SimTime(self.bend.0.saturating_add(elapsed))
    }

    /// What the wall clock shows, in nanoseconds since the start of the run on a true clock.
    pub fn wall(&self, now: SimTime) -> i64 {
        let local = i64::try_from(self.monotonic(now).0).unwrap_or(i64::MAX);
        let slewed = i64::try_from(self.slewed(now) / 1_000_000).unwrap_or(i64::MAX);
        local.saturating_add(self.offset_ns).saturating_add(slewed)
    }

    /// What the clock shows that stands still while the machine sleeps. Never ahead of [`Self::monotonic`].
    pub fn awake(&self, now: SimTime) -> Monotonic {
        let shown = self.asleep_since.unwrap_or_else(|| self.monotonic(now));
        Monotonic(shown.0 - self.asleep_ns)
    }

    /// The earliest moment from `now` on at which [`Self::awake`] shows `local` or later, if the machine does not sleep
    /// any more.
    pub fn when_awake(&self, local: Monotonic, now: SimTime) -> SimTime {
        self.when(Monotonic(local.0.saturating_add(self.asleep_ns)), now)
    }

    /// C4: the machine falls asleep. Nothing changes if it sleeps already.
    pub fn suspend(&mut self, now: SimTime) {
        let shown = self.monotonic(now);
        self.asleep_since.get_or_insert(shown);
    }

    /// C4: the machine wakes up. Nothing changes if it is awake.
    pub fn wake_up(&mut self, now: SimTime) {
        if let Some(since) = self.asleep_since.take() {
            self.asleep_ns += self.monotonic(now).since(since);
        }
    }

    /// C3: the wall clock alone runs `by_ppm` faster from `now` on; negative is slower. Slews add up.
    pub fn slew(&mut self, now: SimTime, by_ppm: i32) {
        self.slewed = self.slewed(now);
        self.slewed_at = now;
        self.slew_ppm += i64::from(by_ppm);
    }

    /// C3: a slew that began at `since` ends, and what it has added is taken back.
    pub fn end_slew(&mut self, now: SimTime, by_ppm: i32, since: SimTime) {
        self.slew(now, 0);
        self.slew_ppm -= i64::from(by_ppm);
        self.slewed -= i128::from(now.since(since).0) * i128::from(by_ppm);
    }

    fn slewed(&self, now: SimTime) -> i128 {
        self.slewed + i128::from(now.since(self.slewed_at).0) * i128::from(self.slew_ppm)
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
    fn rate(&self) -> u64 {
        u64::try_from(1_000_000 + self.drift_ppm()).expect("the drift's limit is below a million")
    }
}

fn narrow(wide: u128) -> u64 {
    u64::try_from(wide).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
