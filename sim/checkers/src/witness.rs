//! The order that the revisions give, for the black-box judge to verify: a candidate, not evidence.

use crate::{
    bounds::tells,
    case::{Case, Op, Step},
    timeline::{LEFT_OUT, Timeline},
};

/// The operations in the order of their revisions: what made a revision, then what saw it, each at a moment between its
/// invocation and its return.
/// Operations of unknown outcome that made no revision are left out.
pub(crate) fn witness(case: &Case, timeline: &Timeline) -> Vec<u32> {
    let ops = (0..).zip(&case.operations);
    // Whether the end of a lease made the revision that it tells, it does not tell.
    let is_writer = |id: u32, op: &Op| {
        let is_revoke = matches!(*op.step, Step::Revoke(_));
        is_revoke && timeline.writer_at(op.revision) == Some(id)
    };
    let quiet = ops.filter(|(id, op)| tells(case, *id) && !op.has_effect && !is_writer(*id, op));
    // What grants a lease may have been asked for after what ends it, so that comes as late as it can.
    let at = |op: &Op| if matches!(*op.step, Step::Revoke(_)) { op.completed } else { op.invoked };
    let mut reads: Vec<_> = quiet.map(|(id, op)| (op.revision, at(op), id)).collect();
    reads.sort_unstable();
    let mut reads = reads.into_iter().peekable();
    let mut order = Vec::with_capacity(timeline.writes.len() + reads.len());
    for (revision, writer) in (timeline.first..).zip(&timeline.writes) {
        // The first two slots of an empty store are empty, too: it starts at revision 1.
        if revision > 1 && *writer != LEFT_OUT {
            order.push(*writer);
        }
        while let Some((_, _, read)) = reads.next_if(|(at, ..)| *at <= revision) {
            order.push(read);
        }
    }
    order
}
