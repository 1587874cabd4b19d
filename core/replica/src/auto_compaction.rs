//! Compaction without anybody asking: by revisions, or by time (etcd, `server/etcdserver/api/v3compactor`).
//!
//! By time, each member writes down the revision ten times a period (of an hour, if that is shorter), and the leader
//! compacts to the one of a period ago; the first time after a whole period, then each period or hour. By revisions, the
//! leader looks every five minutes and keeps so many of the last revisions. Every member keeps the record, so that a new
//! leader goes on where the old one was.

use crate::{
    door::{Event, Phase},
    leases::OwnCommand,
    limits,
    replica::Replica,
};
use std::collections::VecDeque;
use whitewater_api::{Monotonic, Revision, Tuning};
use whitewater_mutation::Mutation;

/// When to compact, and to which revision.
#[derive(Debug, Default)]
pub(crate) struct AutoCompaction {
    /// Revisions as they were, a tenth of the interval apart, the newest last. Invariant: at most one period of them.
    record: VecDeque<Revision>,
    /// When the record is next written, or the revisions are next counted.
    due: Monotonic,
    /// The last compaction by time, or the start.
    last: Monotonic,
    has_compacted: bool,
    /// The last revision that was compacted to by count.
    previous: Revision,
}

impl AutoCompaction {
    /// At the start of a process: the first record is of now.
    pub(crate) fn new(tuning: &Tuning, now: Monotonic, revision: Revision) -> Self {
        let mut this = Self { last: now, due: now, ..Self::default() };
        if tuning.auto_compaction_period_ms > 0 {
            this.note(tuning, revision);
        }
        this.due = now.after(Self::interval(tuning));
        this
    }

    /// Whether anything is to be done at all.
    pub(crate) const fn is_on(tuning: &Tuning) -> bool {
        tuning.auto_compaction_period_ms > 0 || tuning.auto_compaction_revisions > 0
    }

    fn compact_interval_ms(tuning: &Tuning) -> u64 {
        tuning.auto_compaction_period_ms.min(limits::AUTO_COMPACTION_INTERVAL_MS_MAX)
    }

    /// Nanoseconds between two looks.
    fn interval(tuning: &Tuning) -> u64 {
        if tuning.auto_compaction_period_ms > 0 {
            (Self::compact_interval_ms(tuning) * 1_000_000 / limits::AUTO_COMPACTION_RECORDS).max(1)
        } else {
            limits::AUTO_COMPACTION_REVISIONS_MS * 1_000_000
        }
    }

    fn note(&mut self, tuning: &Tuning, revision: Revision) {
        let kept = tuning.auto_compaction_period_ms * 1_000_000 / Self::interval(tuning) + 1;
        self.record.push_back(revision);
        while self.record.len() as u64 > kept {
            self.record.pop_front();
        }
    }

    /// What a look at `now` says to compact to. `leads`: whether it will be done.
    fn look(
        &mut self,
        tuning: &Tuning,
        now: Monotonic,
        revision: Revision,
        leads: bool,
    ) -> Option<Revision> {
        if now < self.due {
            return None;
        }
        self.due = now.after(Self::interval(tuning));
        if tuning.auto_compaction_period_ms == 0 {
            let keep = tuning.auto_compaction_revisions;
            let target = Revision(revision.0.saturating_sub(keep));
            let is_new = target > Revision(0) && target != self.previous;
            return (leads && is_new).then_some(target);
        }
        let wait = if self.has_compacted {
            Self::compact_interval_ms(tuning)
        } else {
            tuning.auto_compaction_period_ms
        };
        let is_time = leads && now.since(self.last) >= wait * 1_000_000;
        let target = self.record.front().copied().filter(|_| is_time);
        self.note(tuning, revision);
        target
    }

    /// The compaction is in the log.
    fn on_proposed(&mut self, now: Monotonic, target: Revision) {
        self.last = now;
        self.has_compacted = true;
        self.previous = target;
    }
}

impl Replica {
    /// Compacts, if it is time to.
    pub(crate) fn pump_auto_compaction(&mut self) {
        let tuning = &self.config.tuning;
        if !AutoCompaction::is_on(tuning) {
            return;
        }
        let (revision, leads) = (self.store.revision(), self.is_leader());
        let Some(mut target) = self.auto_compaction.look(tuning, self.now, revision, leads) else {
            return;
        };
        if self.config.mutations.has(Mutation::AutoCompactionTooFar) {
            target = revision;
        }
        if target <= self.store.compacted() {
            return self.auto_compaction.on_proposed(self.now, target);
        }
        if self.propose_own(&OwnCommand::Compact(target)).is_some() {
            self.auto_compaction.on_proposed(self.now, target);
            self.event(Event::AutoCompaction { revision: target });
        }
    }

    /// Nothing is looked at before the member takes part, and so nothing is woken for.
    pub(crate) fn auto_compaction_wake(&self) -> Option<Monotonic> {
        let looks = self.phase == Phase::Active && AutoCompaction::is_on(&self.config.tuning);
        looks.then_some(self.auto_compaction.due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: u64 = 60_000_000_000;

    /// What a leader compacts to, by minute, if each minute makes ten revisions.
    fn play(tuning: &Tuning, minutes: u64) -> Vec<(u64, u64)> {
        let mut auto = AutoCompaction::new(tuning, Monotonic(0), Revision(1));
        let mut compacted = Vec::new();
        for second in 1..=minutes * 60 {
            let now = Monotonic(second * 1_000_000_000);
            let revision = Revision(1 + second / 6);
            if let Some(target) = auto.look(tuning, now, revision, true) {
                auto.on_proposed(now, target);
                compacted.push((second / 60, target.0));
            }
        }
        compacted
    }

    #[test]
    fn by_time_what_is_older_than_the_period_goes() {
        let tuning = Tuning { auto_compaction_period_ms: 10 * 60_000, ..Tuning::default() };
        assert_eq!(play(&tuning, 35), [(10, 1), (20, 91), (30, 191)]);
    }

    #[test]
    fn a_period_of_hours_is_compacted_every_hour() {
        let tuning = Tuning { auto_compaction_period_ms: 3 * 3_600_000, ..Tuning::default() };
        assert_eq!(play(&tuning, 305), [(180, 1), (240, 541), (300, 1141)]);
    }

    #[test]
    fn by_count_so_many_revisions_stay() {
        let tuning = Tuning { auto_compaction_revisions: 100, ..Tuning::default() };
        assert_eq!(play(&tuning, 21), [(10, 1), (15, 51), (20, 101)]);
    }

    #[test]
    fn a_new_leader_goes_on_with_the_record_of_a_follower() {
        let tuning = Tuning { auto_compaction_period_ms: 10 * 60_000, ..Tuning::default() };
        let mut auto = AutoCompaction::new(&tuning, Monotonic(0), Revision(1));
        for minute in 1..25 {
            let now = Monotonic(minute * MINUTE);
            assert_eq!(auto.look(&tuning, now, Revision(1 + minute * 10), false), None);
        }
        let target = auto.look(&tuning, Monotonic(25 * MINUTE), Revision(251), true);
        assert_eq!(
            target,
            Some(Revision(141)),
            "of eleven looks ago, which may be a tenth of the period too old"
        );
    }
}
