//! Between which revisions an operation must lie, by real time alone. One sweep each way, O(n log n).
//!
//! Intervals are closed: an operation that returns at the instant at which another is invoked overlaps it.

use crate::case::{Case, Op};
use whitewater_api::Revision;
use whitewater_record::SimTime;

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
        let count = u32::try_from(ops.len()).expect("operations are numbered by u32");
        let mut by_invocation: Vec<u32> = (0..count).collect();
        if !ops.is_sorted_by_key(|op| op.invoked) {
            by_invocation.sort_by_key(|op| ops[*op as usize].invoked);
        }
        let mut by_completion: Vec<(SimTime, u32)> =
            (0..).zip(ops).map(|(operation, op)| (op.completed, operation)).collect();
        by_completion.sort_unstable();

        let mut floor = vec![(0, u32::MAX); ops.len()];
        let mut told = by_completion.iter().peekable();
        let mut highest = (Revision::FIRST.0, u32::MAX);
        for op in &by_invocation {
            let invoked = ops[*op as usize].invoked;
            while let Some((_, before)) = told.next_if(|(completed, _)| *completed < invoked) {
                let before_op = &ops[*before as usize];
                if before_op.revision > highest.0 && tells(case, *before) {
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
        let mut made: Vec<(SimTime, u64)> =
            writes.map(|(revision, op)| (ops[op as usize].invoked, revision)).collect();
        made.sort_unstable();
        // Up to each of these times, the highest revision that may have been made.
        let mut highest = case.origin.revision;
        for (_, revision) in &mut made {
            highest = highest.max(*revision);
            *revision = highest;
        }
        let ceiling = |op: &Op| {
            let end = made.partition_point(|(invoked, _)| *invoked <= op.completed);
            end.checked_sub(1).map_or(case.origin.revision, |last| made[last].1)
        };
        ops.iter().map(ceiling).collect()
    }
}

/// Whether the header of the answer tells the newest revision at some moment between invocation and return.
pub(crate) fn tells(case: &Case, operation: u32) -> bool {
    case.operations[operation as usize].tells
}
