//! Between which revisions an operation must lie, by real time alone. One sweep each way, O(n log n).
//!
//! Intervals are closed: an operation that returns at the instant at which another is invoked overlaps it.

use crate::case::{Case, Status};

/// For each operation, the revisions that its place in real time leaves.
#[derive(Debug)]
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
        by_invocation.sort_by_key(|op| ops[*op as usize].invoked);
        let mut by_completion: Vec<u32> = (0..count).collect();
        by_completion.sort_by_key(|op| ops[*op as usize].completed);

        let mut floor = vec![(0, u32::MAX); ops.len()];
        let mut told = by_completion.iter().peekable();
        let mut highest = (1, u32::MAX);
        for op in &by_invocation {
            let invoked = ops[*op as usize].invoked;
            while let Some(before) = told.next_if(|op| ops[**op as usize].completed < invoked) {
                let before_op = &ops[*before as usize];
                if tells(case, *before) && before_op.revision > highest.0 {
                    highest = (before_op.revision, *before);
                }
            }
            floor[*op as usize] = highest;
        }

        let mut made: Vec<(u64, u32)> = writes.collect();
        made.sort_by_key(|(_, op)| ops[*op as usize].invoked);
        let mut made = made.into_iter().peekable();
        let mut ceiling = vec![1; ops.len()];
        let mut highest = 1;
        for op in &by_completion {
            let completed = ops[*op as usize].completed;
            while let Some((revision, _)) =
                made.next_if(|(_, op)| ops[*op as usize].invoked <= completed)
            {
                highest = highest.max(revision);
            }
            ceiling[*op as usize] = highest;
        }
        Self { floor, ceiling }
    }
}

/// Whether the header of the answer tells the newest revision at some moment between invocation and return.
pub(crate) fn tells(case: &Case, operation: u32) -> bool {
    let op = &case.operations[operation as usize];
    op.status == Status::Known && op.step.is_kv() && !op.step.is_serializable()
}
