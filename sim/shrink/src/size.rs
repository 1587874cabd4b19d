//! How large a plan is: what a person has to read, the dearest first.

use crate::{faults, operations, settings, watchers};
use std::collections::BTreeSet;
use whitewater_record::{Plan, When};

/// The size of a plan. Compared field by field, the first one first. Every step of the search makes it smaller, and
/// there is no endless descent, so the search ends.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size {
    /// Faults.
    pub faults: usize,
    /// Operations.
    pub operations: usize,
    /// Clients that do nothing but watch.
    pub watchers: usize,
    /// Members at the start.
    pub nodes: u64,
    /// Settings that are neither calm nor usual.
    pub settings: usize,
    /// Clients.
    pub clients: usize,
    /// Keys.
    pub keys: usize,
    /// How involved the faults are.
    pub fault_kinds: u64,
    /// How involved the operations are.
    pub operation_kinds: u64,
    /// Watches of all watchers.
    pub watches: usize,
    /// How involved the watchers and their watches are.
    pub watcher_kinds: usize,
    /// Operations whose moment depends on earlier ones.
    pub relative: usize,
    /// Parts of the weather that are still thrown, if only as usual.
    pub luck: usize,
    /// Digits of all times, and bytes of all values.
    pub digits: usize,
    /// Nanoseconds of all times together.
    pub nanos: u128,
}

impl Size {
    /// The size of a plan.
    pub fn of(plan: &Plan) -> Self {
        let operations = || plan.clients.iter().flat_map(|client| &client.operations);
        let keys: BTreeSet<_> =
            operations().flat_map(|operation| operations::keys(&operation.step)).collect();
        let values = operations().filter_map(|operation| operations::value(&operation.step));
        let moments = || times(plan);
        let values: usize = values.map(|value| value.as_slice().len()).sum();
        Self {
            faults: plan.faults.len(),
            operations: operations().count(),
            watchers: plan.watchers.len(),
            nodes: plan.cluster.nodes,
            settings: settings::unusual(plan),
            clients: plan.clients.len(),
            keys: keys.len(),
            fault_kinds: plan.faults.iter().map(|fault| faults::rank(&fault.fault)).sum(),
            operation_kinds: operations().map(|one| operations::rank(&one.step)).sum(),
            watches: watchers::watches(plan),
            watcher_kinds: watchers::rank(plan),
            relative: operations().filter(|one| matches!(one.when, When::After(_))).count(),
            luck: settings::luck(plan),
            digits: moments().map(digits).sum::<usize>() + values,
            nanos: moments().map(u128::from).sum(),
        }
    }
}

fn times(plan: &Plan) -> impl Iterator<Item = u64> {
    let operations = plan.clients.iter().flat_map(|client| &client.operations);
    let moments = operations.map(|operation| match operation.when {
        When::After(span) => span.0,
        When::At(at) => at.0,
    });
    let faults = plan.faults.iter().flat_map(|fault| [fault.at.0, fault.lasts.0]);
    faults.chain(moments).chain([plan.duration.0, plan.timeout.0])
}

/// How hard a time is to read: digits that say something, and places behind the seconds. 3s has one, 500ms has two,
/// 3.512s has seven, 3ns has ten.
pub(crate) fn digits(nanos: u64) -> usize {
    if nanos == 0 {
        return 0;
    }
    let text = nanos.to_string();
    let zeros = text.len() - text.trim_end_matches('0').len();
    text.len() - zeros + 9_usize.saturating_sub(zeros)
}
