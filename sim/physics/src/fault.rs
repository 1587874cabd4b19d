//! Faults of the plan that hold right now, and what each of them has touched.

use std::{collections::BTreeMap, fmt};

/// A fault of the plan, by its place in the plan's list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FaultId(pub u32);

impl fmt::Display for FaultId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "fault {}", self.0)
    }
}

/// One fault that holds.
#[derive(Clone, Debug)]
pub(crate) struct Active<T> {
    pub(crate) fault: FaultId,
    pub(crate) effect: T,
    /// Its witness: how often its effect was seen.
    pub(crate) touched: u64,
}

/// The faults that hold, in the order in which they began, and the witnesses of those that have ended.
///
/// They may overlap and come and go (a flapping partition begins and ends many times under one id). A list and not a
/// map: it is empty most of the time and walked for each message otherwise.
#[derive(Clone, Debug)]
pub(crate) struct Faults<T> {
    active: Vec<Active<T>>,
    ended: BTreeMap<FaultId, u64>,
}

impl<T> Faults<T> {
    pub(crate) fn new() -> Self {
        Self { active: Vec::new(), ended: BTreeMap::new() }
    }

    pub(crate) fn begin(&mut self, fault: FaultId, effect: T) -> &mut Active<T> {
        self.active.push(Active { fault, effect, touched: 0 });
        self.active.last_mut().expect("it was just pushed")
    }

    /// Ends everything that began under this id.
    pub(crate) fn end(&mut self, fault: FaultId) {
        let ended = &mut self.ended;
        self.active.retain(|active| {
            if active.fault == fault {
                *ended.entry(fault).or_default() += active.touched;
            }
            active.fault != fault
        });
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.active.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Active<T>> {
        self.active.iter()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Active<T>> {
        self.active.iter_mut()
    }

    /// How often the fault was seen to matter, over all times that it held.
    pub(crate) fn witnessed(&self, fault: FaultId) -> u64 {
        let now: u64 = self.active.iter().filter(|a| a.fault == fault).map(|a| a.touched).sum();
        now + self.ended.get(&fault).copied().unwrap_or(0)
    }
}
