//! How evenly the heartbeats of a leader leave.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};
use whitewater_api::Term;

/// To one peer.
pub(super) struct Pace {
    most: Duration,
    /// The last one: in which term, and when.
    last: Mutex<Option<(Term, Instant)>>,
}

impl Pace {
    pub(super) fn new(heartbeat: Duration) -> Self {
        Self { most: 2 * heartbeat, last: Mutex::new(None) }
    }

    /// One leaves. Whether that is later than two should have left, as where a disk is slow (etcd, `raft.go`,
    /// `processMessages`). In another term there is another tenure.
    pub(super) fn is_late(&self, term: Term, now: Instant) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let before = last.replace((term, now));
        before.is_some_and(|(before, then)| before == term && now - then > self.most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heartbeat_is_late_after_two_of_the_same_term() {
        let (pace, start) = (Pace::new(Duration::from_millis(100)), Instant::now());
        let is_late =
            |term, millis| pace.is_late(Term(term), start + Duration::from_millis(millis));
        assert!(!is_late(2, 0), "the first one");
        assert!(!is_late(2, 200));
        assert!(is_late(2, 401));
        assert!(!is_late(2, 450));
        assert!(!is_late(4, 9_000), "another tenure");
        assert!(is_late(4, 9_201));
    }
}
