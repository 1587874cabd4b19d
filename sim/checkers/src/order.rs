//! The operations of a history in the order of time, both ways. Most judges sweep over one or the other.

use crate::{
    case::{Op, Status},
    nearly,
};
use whitewater_record::SimTime;

/// Positions of operations; those of equal times in the order of the history.
#[derive(Debug, Default)]
pub(crate) struct Order {
    /// By invocation.
    pub(crate) invoked: Vec<u32>,
    /// Those that completed, or were refused, by completion.
    pub(crate) completed: Vec<u32>,
}

impl Order {
    pub(crate) fn new(ops: &[Op]) -> Self {
        let count = u32::try_from(ops.len()).expect("operations are numbered by u32");
        let mut invoked: Vec<u32> = (0..count).collect();
        if !ops.is_sorted_by_key(|op| op.invoked) {
            invoked.sort_by_key(|op| ops[*op as usize].invoked);
        }
        let ends = invoked.iter().map(|op| (&ops[*op as usize], *op));
        let ends = ends.filter(|(op, _)| op.status != Status::Unknown);
        let mut ends: Vec<(SimTime, u32)> = ends.map(|(op, id)| (op.completed, id)).collect();
        nearly::sort(&mut ends);
        Self { invoked, completed: ends.into_iter().map(|(_, op)| op).collect() }
    }
}
