//! The operations of a history in the order of time, both ways. Most judges sweep over one or the other.

use crate::case::{Op, Status};
use whitewater_record::SimTime;

/// Positions of operations; those of equal times in the order of the history.
#[derive(Debug, Default)]
pub(crate) struct Order {
    /// By invocation.
    pub(crate) invoked: Vec<u32>,
    /// Those that completed, or were refused, by completion.
    pub(crate) completed: Vec<u32>,
}

/// Steps that an insertion may take on the average before it gives way to a sort: twice as many as operations are open
/// at a time, mostly.
const STEPS_MAX: usize = 64;

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
        sort(&mut ends);
        Self { invoked, completed: ends.into_iter().map(|(_, op)| op).collect() }
    }
}

/// In the order of invocation an operation is as far from its place in the order of completion as others are open, so
/// insertion is linear; unless some take very long.
fn sort(ends: &mut [(SimTime, u32)]) {
    let mut steps_left = ends.len().saturating_mul(STEPS_MAX);
    for next in 1..ends.len() {
        let this = ends[next];
        let before = ends[..next].iter().rev().take_while(|end| **end > this).take(steps_left);
        let steps = before.count();
        steps_left -= steps;
        ends.copy_within(next - steps..next, next - steps + 1);
        ends[next - steps] = this;
        if steps_left == 0 {
            ends.sort_unstable();
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_nearly_sorted_and_what_is_not_is_sorted(times in proptest::collection::vec(0_u64..50, 0..300)) {
            let mut ends: Vec<(SimTime, u32)> = times.iter().zip(0..).map(|(at, op)| (SimTime(*at), op)).collect();
            let mut plain = ends.clone();
            plain.sort_unstable();
            sort(&mut ends);
            prop_assert_eq!(ends, plain);
        }
    }

    #[test]
    fn many_long_ones_do_not_take_forever() {
        let mut ends: Vec<(SimTime, u32)> = (0..100_000).rev().map(|at| (SimTime(at), 0)).collect();
        sort(&mut ends);
        assert!(ends.is_sorted());
    }
}
