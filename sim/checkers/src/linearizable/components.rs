//! Keys that one operation touches belong together, and are searched together.

use super::problem::{Component, NEVER};
use crate::case::{Case, Keys, Step};

/// The keys of a case in components.
#[derive(Debug, Default)]
pub(super) struct Division {
    pub(super) components: Vec<Component>,
    /// By component and key in it: the key's number in the case. They keep their order.
    pub(super) names: Vec<Vec<u32>>,
    /// By key: its component, and its number there.
    pub(super) places: Vec<(u32, u32)>,
}

impl Division {
    /// By the operations that are included.
    pub(super) fn new(case: &Case, is_included: &[bool]) -> Self {
        let mut division = Self::default();
        let mut parents: Vec<u32> = (0..id(case.keys.len())).collect();
        let mut intervals = Vec::new();
        let included = case.operations.iter().zip(is_included).filter(|(_, included)| **included);
        for (op, _) in included {
            intervals.clear();
            touched(&op.step, &mut intervals);
            unite(&mut parents, &intervals);
        }
        let mut numbers = vec![NEVER; parents.len()];
        for key in 0..id(parents.len()) {
            let root = root(&mut parents, key);
            if numbers[root as usize] == NEVER {
                numbers[root as usize] = id(division.components.len());
                division.components.push(Component::default());
                division.names.push(Vec::new());
            }
            let number = numbers[root as usize];
            let component = &mut division.components[number as usize];
            division.places.push((number, id(component.keys)));
            component.keys += 1;
            division.names[number as usize].push(key);
        }
        division
    }
}

/// A number of something in a history.
pub(super) fn id(index: usize) -> u32 {
    u32::try_from(index).expect("everything in a history is numbered by u32")
}

/// The interval of one key.
pub(super) fn single(key: u32) -> Keys {
    Keys { low: key, high: key + 1 }
}

/// All keys that a step looks at or changes.
pub(super) fn touched(step: &Step, all: &mut Vec<Keys>) {
    match step {
        Step::Put(put) => all.push(single(put.key)),
        Step::Range(range) => all.push(range.keys),
        Step::Delete(delete) => all.push(delete.keys),
        Step::Txn(txn) => {
            all.extend(txn.compares.iter().map(|condition| condition.keys));
            let [success, failure] = txn.possible();
            success.iter().chain(failure).for_each(|step| touched(step, all));
        }
        Step::Revoke(revoke) => all.extend(revoke.intervals()),
        Step::Compact(_) | Step::Other => {}
    }
}

fn unite(parents: &mut [u32], intervals: &[Keys]) {
    let mut first = None;
    for key in intervals.iter().flat_map(|keys| keys.iter()) {
        let this = root(parents, key);
        let first = *first.get_or_insert(this);
        if first != this {
            let first = root(parents, first);
            parents[this as usize] = first;
        }
    }
}

fn root(parents: &mut [u32], mut key: u32) -> u32 {
    while parents[key as usize] != key {
        let above = parents[parents[key as usize] as usize];
        parents[key as usize] = above;
        key = above;
    }
    key
}
