//! Between which revisions an operation must lie, by real time alone. One sweep each way, O(n log n).
//!
//! Intervals are closed: an operation that returns at the instant at which another is invoked overlaps it.

use crate::case::{Case, Status, Step};
use whitewater_api::Revision;

/// For each operation, the revisions that its place in real time leaves.
#[derive(Debug, Default)]
pub(crate) struct Bounds {
    /// The largest revision that was told before the operation was invoked, and by whom.
    pub(crate) floor: Vec<(u64, u32)>,
    /// The largest revision whose write was invoked before the operation returned.
    pub(crate) ceiling: Vec<u64>,
}

impl Bounds {
    /// `writes` are the revisions with their writers.
    pub(crate) fn new(case: &Case, writes: impl Iterator<Item = (u64, u32)>) -> Self {
        let ops = &case.operations;
        let mut floor = vec![(0, u32::MAX); ops.len()];
        let mut told = case.order.completed.iter().peekable();
        let mut highest = (Revision::FIRST.0, u32::MAX);
        for op in &case.order.invoked {
            let invoked = ops[*op as usize].invoked;
            while let Some(before) = told.next_if(|op| ops[**op as usize].completed < invoked) {
                let before_op = &ops[*before as usize];
                // Where a compaction was, its header does not tell, but that there was such a revision it does.
                let is_told = before_op.tells
                    || (matches!(*before_op.step, Step::Compact(_))
                        && before_op.status == Status::Known);
                if before_op.revision > highest.0 && is_told {
                    highest = (before_op.revision, *before);
                }
            }
            floor[*op as usize] = highest;
        }
        for (floor, known) in floor.iter_mut().zip(&case.origin.floors) {
            if floor.0 < *known {
                *floor = (*known, u32::MAX);
            }
        }

        Self { floor, ceiling: Self::ceilings(case, writes) }
    }

    /// The upper bounds alone, after more of the writers became known.
    pub(crate) fn ceilings(case: &Case, writes: impl Iterator<Item = (u64, u32)>) -> Vec<u64> {
        let ops = &case.operations;
        // By operation: the revision that it made, or 0.
        let mut made = vec![0; ops.len()];
        writes.for_each(|(revision, op)| made[op as usize] = revision);
        let mut highest = case.origin.revision;
        let mut invoked = case.order.invoked.iter().peekable();
        let mut ceiling = vec![0; ops.len()];
        let mut epochs = case.epochs.iter().peekable();
        for op in &case.order.completed {
            let completed = ops[*op as usize].completed;
            while let Some(epoch) = epochs.next_if(|epoch| epoch.at <= completed) {
                highest = highest.max(epoch.first);
            }
            while let Some(op) = invoked.next_if(|op| ops[**op as usize].invoked <= completed) {
                highest = highest.max(made[*op as usize]);
            }
            ceiling[*op as usize] = highest;
        }
        let highest = epochs.map(|epoch| epoch.first).fold(highest, u64::max);
        let highest = invoked.map(|op| made[*op as usize]).fold(highest, u64::max);
        for (ceiling, op) in ceiling.iter_mut().zip(ops) {
            if op.status == Status::Unknown {
                *ceiling = highest;
            }
        }
        ceiling
    }
}

/// Whether the header of the answer tells the newest revision at some moment between invocation and return.
pub(crate) fn tells(case: &Case, operation: u32) -> bool {
    case.operations[operation as usize].tells
}
