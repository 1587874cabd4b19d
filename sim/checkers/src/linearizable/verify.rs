//! A candidate order, verified in one pass. What it says about the revisions does not count; it is replayed on the
//! search's own state, where a revision is a token.

use super::{
    problem::{NEVER, Problem},
    state::{Cell, Player},
};

/// Why an order proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// Where it fails.
    pub(crate) operation: u32,
    pub(crate) reason: &'static str,
}

/// Whether `order` holds every operation of known outcome once and each of unknown outcome at most once, respects real
/// time, and explains every answer.
pub(super) fn verify(problem: &Problem, order: &[u32]) -> Result<(), Refusal> {
    let refuse = |operation: u32, reason| Err(Refusal { operation, reason });
    let mut is_placed = vec![false; problem.ops.len()];
    let mut stores: Vec<Vec<Cell>> =
        problem.components.iter().map(|c| vec![Cell::default(); c.keys]).collect();
    let mut newest_invocation = 0;
    for operation in order.iter().copied() {
        let Some(info) = problem.ops.get(operation as usize) else {
            return refuse(operation, "is not an operation of the history");
        };
        if std::mem::replace(&mut is_placed[operation as usize], true) {
            return refuse(operation, "comes twice");
        }
        // It touches no key that this judge looks at.
        if info.component == NEVER || !info.is_included {
            continue;
        }
        newest_invocation = info.invoked.max(newest_invocation);
        if info.returned < newest_invocation {
            return refuse(operation, "had returned before one that precedes it was invoked");
        }
        // Nobody is waited for here: who saw a write is checked when its own turn comes.
        let player = Player { problem, operation, now: NEVER, done: &[] };
        if player.play(&mut stores[info.component as usize]).is_err() {
            return refuse(operation, "cannot have given this answer there");
        }
    }
    let is_missing = |op: &u32| problem.ops[*op as usize].returned != NEVER;
    let mut left_out = (0..).zip(&is_placed).filter(|(_, placed)| !**placed).map(|(op, _)| op);
    left_out.find(is_missing).map_or(Ok(()), |op| refuse(op, "is left out"))
}
