//! Compaction by itself leaves what is younger than its period. etcd, `server/etcdserver/api/v3compactor/periodic.go`.

use whitewater_api::{Revision, Tuning};
use whitewater_record::{SimTime, Span};

/// When each revision was first reached anywhere.
#[derive(Debug, Default)]
pub(crate) struct Reached {
    /// Invariant: both rise.
    revisions: Vec<(SimTime, Revision)>,
}

impl Reached {
    /// A member's content is of this revision.
    pub(crate) fn note(&mut self, now: SimTime, revision: Revision) {
        if self.revisions.last().is_none_or(|(_, newest)| *newest < revision) {
            self.revisions.push((now, revision));
        }
    }

    /// A leader compacts to `revision` because its period is over. Whether anything younger could have been meant, and what is
    /// wrong. The leader's clock may run too fast by as much as the cluster is told to bear.
    pub(crate) fn check(
        &self,
        revision: Revision,
        tuning: &Tuning,
        now: SimTime,
    ) -> (bool, Option<String>) {
        let place = self.revisions.partition_point(|(_, reached)| *reached < revision);
        let discriminates = self.revisions.last().is_some_and(|(_, newest)| *newest > revision);
        let Some((reached, _)) = self.revisions.get(place) else {
            let wrong = format!("it compacts to revision {revision}, which nobody has reached");
            return (discriminates, Some(wrong));
        };
        let period = u128::from(tuning.auto_compaction_period_ms) * 1_000_000;
        let least =
            period * u128::from(1_000_000 - tuning.drift_ppm_max.min(1_000_000)) / 1_000_000;
        let age = now.since(*reached);
        let wrong = (u128::from(age.0) < least).then(|| {
            let period = Span::millis(tuning.auto_compaction_period_ms);
            format!(
                "it compacts to revision {revision}, which is {age} old, and keeps less than its period of {period}"
            )
        });
        (discriminates, wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_younger_than_the_period_stays() {
        let tuning = Tuning { auto_compaction_period_ms: 10_000, ..Tuning::default() };
        let mut reached = Reached::default();
        for second in 1..=30 {
            reached.note(SimTime(second * 1_000_000_000), Revision(second));
            reached.note(SimTime(second * 1_000_000_000 + 1), Revision(second));
        }
        let now = SimTime(31_000_000_000);
        assert_eq!(reached.check(Revision(20), &tuning, now), (true, None));
        let (discriminates, wrong) = reached.check(Revision(25), &tuning, now);
        assert!(discriminates);
        assert!(wrong.unwrap().contains("6s old"));
        assert!(reached.check(Revision(30), &tuning, now).1.is_some());
        assert!(reached.check(Revision(31), &tuning, now).1.unwrap().contains("nobody"));
    }
}
