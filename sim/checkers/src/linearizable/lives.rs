//! Leases as the search sees them: a number each, and a cell that says whether it is there.
//!
//! The cell of a life lies behind the keys of its component; a lease on which no key can hang has a component of its own.
//! A grant needs a lease that is not there, an end and a put on it one that is. One that nobody asked for may come from
//! before the record, and is there from the start.

use super::{
    components::id,
    problem::{Component, Life, NEVER},
};
use crate::{
    case::{Case, Keys},
    ends::Grants,
};
use std::collections::BTreeMap;

/// All that keys may hang on.
#[derive(Debug, Default)]
pub(super) struct Lives {
    /// By number, from 1: the lease. The first is none.
    ids: Vec<i64>,
    numbers: BTreeMap<i64, u32>,
    /// By number - 1.
    pub(super) all: Vec<Life>,
    /// By operation that grants one: its number.
    grants: BTreeMap<u32, u32>,
    /// By key of the case: whether it may hang on one.
    pub(super) leased: Vec<bool>,
}

impl Lives {
    /// `places` are the component of each key, and its number there.
    pub(super) fn new(
        case: &Case,
        places: &[(u32, u32)],
        components: &mut Vec<Component>,
        names: &mut Vec<Vec<u32>>,
    ) -> Self {
        let mut lives =
            Self { ids: vec![0], leased: vec![false; case.keys.len()], ..Self::default() };
        if case.leases.is_empty() {
            return lives;
        }
        let keys_of = case.keys_of_leases();
        for (lease, grants) in &case.leases {
            let keys = keys_of.get(lease).copied().unwrap_or_default();
            for key in keys {
                lives.leased[*key as usize] = true;
            }
            let component = keys.first().map(|first| places[*first as usize].0);
            let component = component.unwrap_or_else(|| {
                names.push(Vec::new());
                components.push(Component::default());
                id(components.len() - 1)
            });
            let own = &mut components[component as usize];
            let cell = id(own.keys);
            own.keys += 1;
            // It is no key of the case.
            names[component as usize].push(NEVER);
            if grants.is_unasked() {
                own.alive.push(cell);
            }
            let number = id(lives.ids.len());
            lives.numbers.insert(*lease, number);
            lives.ids.push(*lease);
            let keys = keys.iter().map(|key| places[*key as usize].1).collect();
            lives.all.push(Life { number, component, cell, keys, grants: Vec::new() });
        }
        lives.grants(case);
        lives
    }

    fn grants(&mut self, case: &Case) {
        for (operation, op) in (0..).zip(&case.history.operations) {
            let Some((lease, _)) = Grants::note(op, 0) else { continue };
            let Some(number) = self.numbers.get(&lease).copied() else { continue };
            self.grants.insert(operation, number);
            self.all[number as usize - 1].grants.push(operation);
        }
    }

    /// The number of a lease; 0 for none, and [`NEVER`] for one on which nobody hangs a key.
    pub(super) fn number(&self, lease: i64) -> u32 {
        let unknown = if lease == 0 { 0 } else { NEVER };
        self.numbers.get(&lease).copied().unwrap_or(unknown)
    }

    /// How it goes with a lease.
    pub(super) fn life(&self, lease: i64) -> Option<&Life> {
        self.all.get((self.number(lease) as usize).checked_sub(1)?)
    }

    /// The operations that grant one.
    pub(super) fn granting(&self) -> impl Iterator<Item = u32> + '_ {
        self.grants.keys().copied()
    }

    /// How it goes with the lease that an operation grants.
    pub(super) fn granted(&self, operation: u32) -> Option<&Life> {
        let number = self.grants.get(&operation)?;
        self.all.get(*number as usize - 1)
    }

    /// By number: the lease. The first is none.
    pub(super) fn ids(&self) -> Vec<i64> {
        self.ids.clone()
    }
}

impl Life {
    /// Whether it may be granted again after its end.
    pub(super) fn is_renewable(&self) -> bool {
        self.grants.len() > 1
    }

    /// Whether this is its cell.
    pub(super) fn is_at(&self, component: u32, cell: u32) -> bool {
        self.component == component && self.cell == cell
    }

    /// Its cell, as an interval.
    pub(super) fn span(&self) -> Keys {
        Keys { low: self.cell, high: self.cell + 1 }
    }
}
