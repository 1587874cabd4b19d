//! A learner votes only once it has caught up. etcd, `isLearnerReady`; etcd #10537.

use crate::observer::{ghost::Members, ledger::Ledger};
use whitewater_api::{Index, NodeId};

/// Of a hundred entries that the leader held when it put the promotion into its log, a learner has this many.
const READY_PERCENT: u64 = 90;

/// The learners that are promoted by the entry at an index.
pub(crate) fn promoted<'a>(
    before: &'a Members,
    after: &'a [NodeId],
) -> impl Iterator<Item = NodeId> + use<'a> {
    let learners = before.learners.iter().copied();
    learners.filter(|learner| after.contains(learner))
}

/// `held` is what the learner's disk holds, and what the one before it held: it may have been replaced since.
pub(crate) fn check<'a>(
    node: NodeId,
    index: Index,
    held: impl IntoIterator<Item = &'a Ledger>,
) -> Option<String> {
    let last = held.into_iter().map(|ledger| ledger.last().max(ledger.mark().0)).max();
    let last = last.unwrap_or(Index(0));
    let wanted = index.0.saturating_sub(1);
    (last.0 * 100 < wanted * READY_PERCENT).then(|| {
        format!("{node} is given a vote at {index}, and holds no more than what comes up to {last}")
    })
}
