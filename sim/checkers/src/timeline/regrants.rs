//! Grants of leases that may have been granted before: one that was there could not be granted.
//!
//! A lease on which nothing hangs may have ended unseen just before. So a grant that was acknowledged needs a revision
//! between those that it can have come at after which nothing hung on its lease.

use crate::{
    case::Case,
    ends::{Grant, Grants},
    model::{Mismatch, Model},
};
use std::collections::BTreeMap;

/// One grant.
#[derive(Debug)]
struct Regrant<'a> {
    operation: u32,
    lease: i64,
    /// The first revision after which it may have come.
    low: u64,
    /// What may hang on the lease.
    keys: &'a [u32],
}

/// All of them, by the last revision after which they may have come.
#[derive(Debug, Default)]
pub(super) struct Regrants<'a>(BTreeMap<u64, Vec<Regrant<'a>>>);

impl<'a> Regrants<'a> {
    pub(super) fn new(case: &'a Case) -> Self {
        let mut regrants = Self::default();
        if !case.leases.values().any(Grants::is_renewable) {
            return regrants;
        }
        let keys_of = case.keys_of_leases();
        for (operation, op) in (0..).zip(&case.history.operations) {
            let Some((lease, noted)) = Grants::note(op, 0) else { continue };
            let renewable = case.leases.get(&lease).filter(|grants| grants.is_renewable());
            let (Some(grants), Some(noted)) = (renewable, noted.told.first()) else { continue };
            let is_it = |told: &&Grant| told.high == noted.high && told.asked == noted.asked;
            let Some(told) = grants.told.iter().find(is_it) else { continue };
            let keys = keys_of.get(&lease).copied().unwrap_or_default();
            // Of what was before the history nothing is known.
            if told.low >= case.origin.oldest {
                let regrant = Regrant { operation, lease, low: told.low, keys };
                regrants.0.entry(told.high).or_default().push(regrant);
            }
        }
        regrants
    }

    /// A grant of which this revision is the last at which it may have come, and that cannot have come. The model must have
    /// come so far.
    pub(super) fn impossible(&self, model: &Model, revision: u64) -> Option<(u32, Mismatch)> {
        let due = self.0.get(&revision)?;
        let regrant = due.iter().find(|regrant| {
            let hangs = |key: &u32, at: u64| {
                model.at(*key, at).is_some_and(|cell| cell.lease == regrant.lease)
            };
            let mut revisions = regrant.low..=revision;
            model.hanging(regrant.lease).is_some()
                && revisions.all(|at| regrant.keys.iter().any(|key| hangs(key, at)))
        })?;
        Some((regrant.operation, Mismatch::Granted { lease: regrant.lease }))
    }
}
