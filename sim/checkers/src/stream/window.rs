//! One window of a stream: what it says, and up to which revision it is settled.

use super::{Pending, Stream};
use crate::{
    case::{Case, Status, Step},
    limits::WINDOWS_MAX,
    revision_order,
    ruling::{Anomaly, Ruling},
    serializable,
    timeline::{NOBODY, Timeline},
    writers::Writers,
};
use std::ops::Range;
use whitewater_api::Revision;

impl Stream {
    /// The order of the window, and the revision up to which it is settled; or an objection.
    pub(super) fn window<'a>(
        &mut self,
        case: &'a Case,
        pending: &[Pending],
        open: Range<usize>,
        is_last: bool,
    ) -> Option<(Timeline<'a>, u64)> {
        if let Some((position, reason)) = case.malformed.first() {
            let operation = u32::try_from(*position).expect("operations are numbered by u32");
            let sentence = format!("{}: {reason}", case.operation(operation));
            let ruling = case.broken("malformed-answer", sentence, &[operation]);
            self.object(0, ruling, pending);
            return None;
        }
        let writers = Writers::new(case);
        let timeline = match Timeline::new(case, &writers, &self.budget) {
            Ok(timeline) => timeline,
            Err(ruling) => {
                self.object(0, ruling, pending);
                return None;
            }
        };
        if let Err(ruling) = revision_order::compactions(case, &timeline) {
            self.object(0, ruling, pending);
            return None;
        }
        let is_forced = open.start >= self.window.saturating_mul(WINDOWS_MAX);
        // What is taken without need is the older half: the answers that would tell may still be on their way.
        let forced_until = match (is_last, is_forced) {
            (true, _) => u64::MAX,
            (false, true) => pending[open.start / 2].told,
            (false, false) => 0,
        };
        let mut doubts = timeline.guessed.clone();
        doubts.extend((case.origin.revision + 1..=timeline.newest()).filter(|revision| {
            let writer = timeline.writer(*revision);
            writer != NOBODY && open.contains(&(writer as usize))
        }));
        let held = doubts.iter().filter(|doubt| **doubt > forced_until).min();
        let revision = held.map_or(timeline.newest(), |doubt| doubt - 1);
        if !is_last {
            let taken = doubts.iter().filter(|doubt| **doubt <= revision);
            for doubt in taken {
                let (first, last) = self.guessed.unwrap_or((*doubt, *doubt));
                self.guessed = Some((first.min(*doubt), last.max(*doubt)));
            }
        }
        self.stale(case, &timeline, pending, revision, is_last);
        Some((timeline, revision))
    }

    /// Serializable reads of what is settled.
    fn stale(
        &mut self,
        case: &Case,
        timeline: &Timeline,
        pending: &[Pending],
        revision: u64,
        is_last: bool,
    ) {
        let judgement = serializable::judge(case, timeline);
        let first = |anomaly: &Anomaly| case.operations[anomaly.operations[0]].revision;
        match judgement.ruling {
            Ruling::Broken(anomaly) if is_last || first(&anomaly) <= revision => {
                self.object(1, Ruling::Broken(anomaly), pending);
            }
            Ruling::Undecided(reason) if is_last && self.rulings[1].is_none() => {
                self.rulings[1] = Some(Ruling::Undecided(reason));
            }
            Ruling::Holds
            | Ruling::Broken(_)
            | Ruling::Undecided(_)
            | Ruling::NotApplicable(_)
            | Ruling::Withheld(_) => {}
        }
    }

    /// The first objection stands; positions are those in the order of invocation.
    fn object(&mut self, judge: usize, ruling: Ruling, pending: &[Pending]) {
        if matches!(self.rulings[judge], Some(Ruling::Broken(_))) {
            return;
        }
        let ruling = match (ruling, self.guessed) {
            (Ruling::Broken(anomaly), Some((first, last))) => Ruling::Undecided(
                format!(
                    "{}; but who made some revisions between {} and {} was guessed",
                    anomaly.sentence,
                    Revision(first),
                    Revision(last)
                )
                .into(),
            ),
            (Ruling::Broken(mut anomaly), None) => {
                for operation in &mut anomaly.operations {
                    *operation = pending[*operation].position;
                }
                Ruling::Broken(anomaly)
            }
            (ruling, _) => ruling,
        };
        self.rulings[judge] = Some(ruling);
    }
}

/// Which operations need not be looked at again once everything up to `revision` is known.
pub(super) fn settle(
    case: &Case,
    timeline: &Timeline,
    pending: &[Pending],
    closed: usize,
    revision: u64,
) -> Vec<bool> {
    let mut settled: Vec<bool> = case
        .operations
        .iter()
        .zip(pending)
        .enumerate()
        .map(|(i, (op, pending))| match op.status {
            Status::Known if matches!(*op.step, Step::Compact(_) | Step::Other) => true,
            Status::Known => op.revision <= revision,
            Status::Refused => pending.told <= revision,
            Status::Unknown => !op.can_write && i < closed,
        })
        .collect();
    for at in case.origin.revision + 1..=revision {
        let writer = timeline.writer(at) as usize;
        if let Some(settled) = settled.get_mut(writer) {
            *settled = true;
        }
    }
    settled
}
