//! Leases: the table of them, and the keys that hang on each (etcd, `server/lease/lessor.go`).
//!
//! There is no clock here. The table says for how long a lease was granted and how much of that was left when its leader
//! last wrote it down; when it ends, the log says. So it is the same on every replica.
//!
//! Invariants, checked by [`Store::check_invariants`]:
//!
//! - A key hangs on the lease that its newest version names, and on no other; that lease is there.
//! - A lease that ends takes its keys with it, in their order, at one revision; without keys it makes none.
//! - What is left is less than what was granted; 0 stands for all of it.

use crate::{
    history::Version,
    limits::{LEASE_BYTES, LINK_BYTES},
    store::Store,
    view::View,
};
use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    iter,
    ops::Bound,
};
use whitewater_api::{Error, Key, LEASE_TTL_MAX, LeaseCheckpoint, LeaseId};
use whitewater_mutation::Mutation;

/// One lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    pub(crate) terms: Terms,
    keys: BTreeSet<Key>,
}

/// What a lease is, but for its keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Terms {
    /// Seconds. Invariant: `1 <= granted <= LEASE_TTL_MAX`.
    pub(crate) granted: i64,
    /// Seconds at the last checkpoint. Invariant: `0 <= remaining < granted`; 0 for all that was granted.
    pub(crate) remaining: i64,
}

/// What leases were when a view was opened, of those that have changed since. `None`: it was not there.
pub(crate) type FormerLeases = BTreeMap<LeaseId, Option<Terms>>;

/// All leases.
#[derive(Clone, Debug, Default)]
pub(crate) struct Leases {
    table: BTreeMap<LeaseId, Lease>,
    /// How many keys hang on all of them.
    links: u64,
}

impl Lease {
    /// For how long it was granted, in seconds.
    #[must_use]
    pub fn granted(&self) -> i64 {
        self.terms.granted
    }

    /// How much of that a leader has to give it that knows nothing of it but the log, in seconds.
    #[must_use]
    pub fn remaining(&self) -> i64 {
        if self.terms.remaining > 0 { self.terms.remaining } else { self.terms.granted }
    }

    /// Whether less than all is left, by the last checkpoint.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.terms.remaining > 0
    }

    /// The keys that hang on it, in order.
    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        self.keys.iter()
    }
}

impl Terms {
    /// Whether the numbers can be a lease's.
    pub(crate) fn are_sound(self) -> bool {
        (1..=LEASE_TTL_MAX).contains(&self.granted) && (0..self.granted).contains(&self.remaining)
    }
}

impl Leases {
    pub(crate) fn get(&self, id: LeaseId) -> Option<&Lease> {
        self.table.get(&id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (LeaseId, &Lease)> {
        self.table.iter().map(|(id, lease)| (*id, lease))
    }

    /// Adds a lease without keys.
    pub(crate) fn insert(&mut self, id: LeaseId, terms: Terms) {
        let former = self.table.insert(id, Lease { terms, keys: BTreeSet::new() });
        self.links -= former.map_or(0, |lease| lease.keys.len() as u64);
    }

    /// The last lease of the table.
    pub(crate) fn last(&self) -> Option<LeaseId> {
        self.table.last_key_value().map(|(id, _)| *id)
    }

    /// Hangs a key on a lease. Whether that is there.
    pub(crate) fn attach(&mut self, id: LeaseId, key: &Key) -> bool {
        let Some(lease) = self.table.get_mut(&id) else { return false };
        self.links += u64::from(lease.keys.insert(key.clone()));
        true
    }

    fn detach(&mut self, id: LeaseId, key: &Key) {
        if let Some(lease) = self.table.get_mut(&id) {
            self.links -= u64::from(lease.keys.remove(key));
        }
    }

    /// Takes a key from one lease to another; either may be none.
    #[inline]
    pub(crate) fn relink(&mut self, key: &Key, from: LeaseId, to: LeaseId) {
        if from == to {
            return;
        }
        if from != LeaseId::NONE {
            self.detach(from, key);
        }
        if to != LeaseId::NONE {
            self.attach(to, key);
        }
    }

    /// Roughly the bytes held.
    pub(crate) fn bytes(&self) -> u64 {
        self.table.len() as u64 * LEASE_BYTES + self.links * LINK_BYTES
    }

    /// Whether the count of links is right.
    pub(crate) fn counts_right(&self) -> bool {
        self.links == self.table.values().map(|lease| lease.keys.len() as u64).sum::<u64>()
    }
}

impl Store {
    /// A lease.
    #[must_use]
    pub fn lease(&self, id: LeaseId) -> Option<&Lease> {
        self.leases.get(id)
    }

    /// The leases behind `after`, by id.
    pub fn leases(&self, after: Option<LeaseId>) -> impl Iterator<Item = (LeaseId, &Lease)> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.leases.table.range((start, Bound::Unbounded)).map(|(id, lease)| (*id, lease))
    }

    /// Ends a lease, because a client or the leader's clock says so, and deletes the keys that hang on it at one
    /// revision.
    pub fn revoke(&mut self, id: LeaseId) -> Result<(), Error> {
        if self.leases.get(id).is_none() {
            return Err(Error::LeaseNotFound);
        }
        self.remember(id);
        let lease = self.leases.table.remove(&id).expect("it was just seen");
        self.leases.links -= lease.keys.len() as u64;
        self.journal.record_lease(0, id, 0);
        self.tally.note_end(lease.keys.len() as u64);
        let mut keys = lease.keys;
        if self.mutations.has(Mutation::LeaseRevokeLeavesKeys) {
            keys.pop_last();
        }
        for key in keys {
            self.bury(key);
            if self.mutations.has(Mutation::LeaseRevokeInParts) {
                self.commit();
            }
        }
        self.commit();
        self.note_peak();
        Ok(())
    }

    /// Writes down what is left of leases. Those that have ended since are skipped.
    pub fn checkpoint(&mut self, checkpoints: &[LeaseCheckpoint]) {
        for LeaseCheckpoint { lease: id, remaining } in checkpoints {
            let Some(lease) = self.leases.get(*id) else { continue };
            let remaining = if *remaining < lease.granted() { (*remaining).max(0) } else { 0 };
            if remaining == lease.terms.remaining {
                continue;
            }
            self.remember(*id);
            self.leases.table.get_mut(id).expect("it was just seen").terms.remaining = remaining;
            self.journal.record_lease(1, *id, remaining);
        }
    }

    pub(crate) fn grant(&mut self, id: LeaseId, ttl: i64) -> Result<(), Error> {
        let terms = Terms { granted: ttl, remaining: 0 };
        assert!(id != LeaseId::NONE, "a lease gets its id before its grant goes into the log");
        assert!(
            terms.are_sound(),
            "a lease gets its time before its grant goes into the log: {ttl}"
        );
        if self.leases.get(id).is_some() && !self.mutations.has(Mutation::LeaseGrantOverwrites) {
            return Err(Error::LeaseExists);
        }
        self.remember(id);
        self.leases.insert(id, terms);
        self.journal.record_lease(2, id, ttl);
        self.tally.granted += 1;
        Ok(())
    }

    /// Deletes one key, as part of the revision in the making.
    fn bury(&mut self, key: Key) {
        let Some(history) = self.keys.get_mut(&key).filter(|key| key.live().is_some()) else {
            return;
        };
        let tombstone = Version::tombstone(self.revision.next(), self.journal.pending);
        self.stretches.on_deleted(&key);
        self.journal.record(key, &tombstone);
        history.push(tombstone);
    }

    /// Keeps what a lease is for the views that are open, before it changes.
    fn remember(&mut self, id: LeaseId) {
        let terms = self.leases.get(id).map(|lease| lease.terms);
        for former in self.views.values_mut() {
            if let Entry::Vacant(entry) = former.entry(id) {
                entry.insert(terms);
            }
        }
    }

    /// The leases behind `after` as they were when a view was opened, by id.
    pub(crate) fn leases_in(
        &self,
        view: &View,
        after: Option<LeaseId>,
    ) -> impl Iterator<Item = (LeaseId, Terms)> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let former = self.former_leases(view).range((start, Bound::Unbounded));
        let mut then = former.map(|(id, terms)| (*id, *terms)).peekable();
        let mut now = self.leases(after).map(|(id, lease)| (id, Some(lease.terms))).peekable();
        iter::from_fn(move || {
            loop {
                let next = match (now.peek(), then.peek()) {
                    (Some((present, _)), Some((changed, _))) if present < changed => now.next(),
                    (Some((present, _)), Some((changed, _))) => {
                        if present == changed {
                            now.next();
                        }
                        then.next()
                    }
                    (Some(_), None) => now.next(),
                    (None, _) => then.next(),
                };
                if let (id, Some(terms)) = next? {
                    return Some((id, terms));
                }
            }
        })
    }

    /// Every lease, as it is.
    pub(crate) fn all_terms(&self) -> impl Iterator<Item = (LeaseId, Terms)> {
        self.leases.iter().map(|(id, lease)| (id, lease.terms))
    }

    /// Whether keys may hang on leases that are not there.
    pub(crate) fn may_dangle(&self) -> bool {
        self.mutations.has(Mutation::LeaseLostInSnapshot)
            || self.mutations.has(Mutation::LeaseRevokeLeavesKeys)
    }
}

#[cfg(test)]
mod tests;
