//! What helps where single steps are stuck: several items at once.

use crate::{cluster, items, limits, operations};
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

/// The plan without one of its faults, and with its nodes under other names: a fault that only puts a certain node into a
/// role is not needed where another node has the role by itself.
pub(crate) fn without_one_renamed(plan: &Plan) -> Vec<Plan> {
    let groups = items::fault_groups(plan).into_iter();
    groups.flat_map(|group| cluster::renamed(&items::without_faults(plan, &group))).collect()
}

/// The plan without half of its operations, a quarter, and so on down to single ones.
pub(crate) fn without_chunks(plan: &Plan) -> Vec<Plan> {
    let places = operations::places(plan);
    let mut all = Vec::new();
    let mut size = places.len().div_ceil(2);
    while size > 0 {
        all.extend(places.chunks(size).map(|chunk| operations::without(plan, chunk)));
        size = if size == 1 { 0 } else { size.div_ceil(4) };
    }
    all
}

/// The plan without a stretch of its operations, for all stretches, and with what is left simplified in one way; nothing
/// if there are too many.
pub(crate) fn without_stretches(plan: &Plan) -> Vec<Plan> {
    let places = operations::places(plan);
    let count = places.len();
    if count > limits::STRETCH_OPERATIONS_MAX {
        return Vec::new();
    }
    let mut all = Vec::new();
    for length in (1..count).rev() {
        for stretch in places.windows(length) {
            let less = operations::without(plan, stretch);
            all.extend(operations::simplified(&less));
            all.push(less);
        }
    }
    all
}
