//! The clock that the replica is told.

use rustix::time::{ClockId, clock_gettime};
use whitewater_api::Monotonic;

/// Nanoseconds since the machine was started. It goes on while the machine sleeps, or a lease would outlive its quorum.
pub(crate) fn now() -> Monotonic {
    let time = clock_gettime(ClockId::Boottime);
    let seconds =
        u64::try_from(time.tv_sec).expect("the clock counts from the start of the machine");
    let nanos = u64::try_from(time.tv_nsec).expect("nanoseconds are not negative");
    Monotonic(seconds * 1_000_000_000 + nanos)
}
