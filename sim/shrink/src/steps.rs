//! What helps where single steps are stuck: two items at once.

use crate::{items, limits, operations};
use whitewater_record::Plan;

/// The plan without two of its faults and operations, for all pairs; nothing if there are too many.
pub(crate) fn without_pairs(plan: &Plan) -> Vec<Plan> {
    let groups = items::fault_groups(plan);
    let places = operations::places(plan);
    let count = groups.len() + places.len();
    if count > limits::PAIR_ITEMS_MAX {
        return Vec::new();
    }
    let mut all = Vec::new();
    for a in 0..count {
        for b in a + 1..count {
            let faults: Vec<usize> =
                [a, b].iter().filter_map(|i| groups.get(*i)).flatten().copied().collect();
            let gone: Vec<operations::Place> = [a, b]
                .iter()
                .filter_map(|i| i.checked_sub(groups.len()).and_then(|i| places.get(i)))
                .copied()
                .collect();
            all.push(operations::without(&items::without_faults(plan, &faults), &gone));
        }
    }
    all
}
