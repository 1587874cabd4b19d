//! Leases as the search sees them: a number each, and a cell that says whether one has ended.
//!
//! A cell for the life of a lease lies behind the keys of its component. A lease of an id that was granted more than
//! once has none: it may be there again at any time.

use super::problem::{Component, NEVER};
use crate::case::{Case, Step};
use std::collections::BTreeMap;

/// One lease.
#[derive(Clone, Copy, Debug)]
struct Lease {
    /// From 1; 0 is none.
    number: u32,
    /// Its component, and the cell of its life there.
    life: Option<(u32, u32)>,
}

/// All that keys may hang on.
#[derive(Debug, Default)]
pub(super) struct Lives {
    leases: BTreeMap<i64, Lease>,
    /// By key of the case: whether it may hang on one.
    pub(super) leased: Vec<bool>,
}

impl Lives {
    /// `places` are the component of each key, and its number there.
    pub(super) fn new(
        case: &Case,
        places: &[(u32, u32)],
        components: &mut [Component],
        names: &mut [Vec<u32>],
    ) -> Self {
        let mut lives = Self { leases: BTreeMap::new(), leased: vec![false; case.keys.len()] };
        for (number, (lease, grants)) in (1..).zip(&case.leases) {
            let is_one = grants.told.len() + grants.open.len() <= 1;
            lives.leases.insert(*lease, Lease { number, life: is_one.then_some((NEVER, NEVER)) });
        }
        for op in &case.operations {
            let Step::Revoke(revoke) = &*op.step else { continue };
            for key in &revoke.keys {
                lives.leased[*key as usize] = true;
            }
            let Some(first) = revoke.keys.first() else { continue };
            let Some(Lease { life: Some(life), .. }) = lives.leases.get_mut(&revoke.lease) else {
                continue;
            };
            if life.0 == NEVER {
                let (component, _) = places[*first as usize];
                let keys = &mut components[component as usize].keys;
                *life = (component, u32::try_from(*keys).expect("keys are numbered by u32"));
                *keys += 1;
                names[component as usize].push(*first);
            }
        }
        lives
    }

    /// The number of a lease; 0 for none.
    pub(super) fn number(&self, lease: i64) -> u32 {
        self.leases.get(&lease).map_or(0, |lease| lease.number)
    }

    /// The cell of its life, in the component of its keys.
    pub(super) fn life(&self, lease: i64) -> Option<u32> {
        let (component, cell) = self.leases.get(&lease)?.life?;
        (component != NEVER).then_some(cell)
    }

    /// By number: the lease. The first is none.
    pub(super) fn ids(&self) -> Vec<i64> {
        std::iter::once(0).chain(self.leases.keys().copied()).collect()
    }
}
