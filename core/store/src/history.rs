//! What one key was, and when.
//!
//! Most keys of most runs have one version, and most reads ask for the newest: so it lies by itself, and only a key that
//! was overwritten has a queue of older ones. The queue loses versions at its front, when compaction gets to them, one
//! at a time and without moving the rest.

use crate::hash::Hash;
use std::{collections::VecDeque, ops::Range};
use whitewater_api::{Key, KeyValue, LeaseId, Revision, Value};

/// One write of one key: a value, or the mark of a delete.
#[derive(Clone, Debug)]
#[expect(clippy::struct_field_names, reason = "version is etcd's word for the count of writes")]
pub(crate) struct Version {
    /// What was written. Empty in a tombstone.
    pub(crate) value: Value,
    /// The revision that created the key. Zero in a tombstone, and only there.
    /// Invariant: `created <= modified`.
    pub(crate) created: Revision,
    /// The revision that wrote this.
    pub(crate) modified: Revision,
    /// The place among the changes of that revision, from 0.
    pub(crate) sub: u32,
    /// The how-manieth write since the key was created, from 1. Zero in a tombstone.
    pub(crate) version: u64,
    /// The lease that the key hangs on.
    pub(crate) lease: LeaseId,
}

impl Version {
    /// The mark of a delete.
    pub(crate) fn tombstone(modified: Revision, sub: u32) -> Self {
        let (value, created, lease) = (Value::default(), Revision(0), LeaseId::NONE);
        Self { value, created, modified, sub, version: 0, lease }
    }

    /// Whether this marks a delete.
    pub(crate) fn is_tombstone(&self) -> bool {
        self.created == Revision(0)
    }

    /// Where this stands in the order of all changes.
    pub(crate) fn place(&self) -> (Revision, u32) {
        (self.modified, self.sub)
    }

    /// As a client sees it.
    pub(crate) fn key_value(&self, key: &Key) -> KeyValue {
        KeyValue { value: self.value.clone(), ..self.key_only(key) }
    }

    /// As a client sees it that does not care for the value.
    pub(crate) fn key_only(&self, key: &Key) -> KeyValue {
        KeyValue {
            key: key.clone(),
            value: Value::default(),
            create_revision: self.created,
            mod_revision: self.modified,
            version: self.version,
            lease: self.lease,
        }
    }

    /// Adds all of this to `hash`.
    pub(crate) fn hash(&self, key: &Key, hash: Hash) -> Hash {
        hash.bytes(key.as_slice())
            .word(self.modified.0)
            .word(u64::from(self.sub))
            .word(self.created.0)
            .word(self.version)
            .word(self.lease.0.cast_unsigned())
            .bytes(self.value.as_slice())
    }
}

/// The versions of one key, oldest first.
///
/// Invariant: never empty; places rise strictly; between two tombstones `created` stays and `version` counts up by one.
///
/// One word long, for the map of keys has nodes that are half empty where keys come in order.
#[derive(Clone, Debug)]
pub(crate) struct History(Box<Versions>);

#[derive(Clone, Debug)]
struct Versions {
    /// Invariant: no queue is empty.
    #[expect(
        clippy::box_collection,
        reason = "most keys have none, and a box is a quarter of a queue"
    )]
    older: Option<Box<VecDeque<Version>>>,
    newest: Version,
}

impl History {
    /// A key that was written once.
    pub(crate) fn new(version: Version) -> Self {
        Self(Box::new(Versions { older: None, newest: version }))
    }

    /// The last write.
    pub(crate) fn newest(&self) -> &Version {
        &self.0.newest
    }

    /// What the key is now, if it is not deleted.
    pub(crate) fn live(&self) -> Option<&Version> {
        Some(&self.0.newest).filter(|version| !version.is_tombstone())
    }

    /// What the key was at `revision`, if it was there.
    #[inline]
    pub(crate) fn at(&self, revision: Revision) -> Option<&Version> {
        if self.0.newest.modified <= revision {
            return self.live();
        }
        let older = self.0.older.as_ref()?;
        let known = older.partition_point(|version| version.modified <= revision);
        older.get(known.checked_sub(1)?).filter(|version| !version.is_tombstone())
    }

    /// The version of the generation that the newest tombstone ended, if it is still there.
    pub(crate) fn before_newest(&self) -> Option<&Version> {
        self.0.older.as_ref()?.back()
    }

    /// Adds a write.
    pub(crate) fn push(&mut self, version: Version) {
        assert!(
            version.place() > self.0.newest.place(),
            "history went back: {:?} to {:?}",
            self.0.newest.place(),
            version.place()
        );
        let former = std::mem::replace(&mut self.0.newest, version);
        self.0.older.get_or_insert_default().push_back(former);
    }

    /// Takes the last write back. `None` if it was the only one; then the whole history must go.
    pub(crate) fn pop(&mut self) -> Option<Version> {
        let older = self.0.older.as_mut()?;
        let former = older.pop_back().expect("no queue is empty");
        if older.is_empty() {
            self.0.older = None;
        }
        Some(std::mem::replace(&mut self.0.newest, former))
    }

    /// The version at `position`, oldest first.
    pub(crate) fn get(&self, position: usize) -> Option<&Version> {
        let older = self.older_count();
        if position == older { Some(&self.0.newest) } else { self.0.older.as_ref()?.get(position) }
    }

    /// Every version, oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Version> {
        self.0.older.iter().flat_map(|older| older.iter()).chain(std::iter::once(&self.0.newest))
    }

    /// The same, to be changed.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Version> {
        let Versions { older, newest } = &mut *self.0;
        older.iter_mut().flat_map(|older| older.iter_mut()).chain(std::iter::once(newest))
    }

    /// The versions up to `revision` that a compaction at `compacted` leaves: everything after it, and what the key was
    /// at that moment, be it a tombstone written at just that revision (etcd since 3.5.15; a watch that starts there
    /// must see the delete, #18089). Does not depend on how many of the others are still held.
    pub(crate) fn survivors(&self, compacted: Revision, revision: Revision) -> Range<usize> {
        let end = self.position(|version| version.modified <= revision);
        let known = self.position(|version| version.modified <= compacted);
        let Some(newest) = known.checked_sub(1) else { return 0..end };
        let gone = self
            .get(newest)
            .is_some_and(|version| version.is_tombstone() && version.modified < compacted);
        if gone { known..end } else { newest..end }
    }

    /// The first version that `before` does not hold for.
    pub(crate) fn position(&self, before: impl Fn(&Version) -> bool) -> usize {
        let position = self.0.older.as_ref().map_or(0, |older| older.partition_point(&before));
        if position == self.older_count() && before(&self.0.newest) {
            position + 1
        } else {
            position
        }
    }

    /// Removes the oldest version if another one at or before `revision` has replaced it.
    pub(crate) fn pop_replaced(&mut self, revision: Revision) -> Option<Version> {
        let second = if self.0.older.is_none() { return None } else { self.get(1)? };
        if second.modified > revision {
            return None;
        }
        self.pop_oldest()
    }

    /// Removes the oldest version if it is a tombstone at or before `revision` and not the only version.
    pub(crate) fn pop_buried(&mut self, revision: Revision) -> Option<Version> {
        let oldest = self.0.older.as_ref()?.front()?;
        if !oldest.is_tombstone() || oldest.modified > revision {
            return None;
        }
        self.pop_oldest()
    }

    /// Whether nothing is left but a tombstone at or before `revision`.
    pub(crate) fn is_buried(&self, revision: Revision) -> bool {
        self.0.older.is_none() && self.0.newest.is_tombstone() && self.0.newest.modified <= revision
    }

    /// Gives back the room that older versions have left.
    pub(crate) fn shrink(&mut self) {
        if let Some(older) = &mut self.0.older {
            older.shrink_to_fit();
        }
    }

    fn older_count(&self) -> usize {
        self.0.older.as_ref().map_or(0, |older| older.len())
    }

    fn pop_oldest(&mut self) -> Option<Version> {
        let older = self.0.older.as_mut()?;
        let oldest = older.pop_front();
        // A history that was long once does not keep its room for ever. Halving keeps the cost proportional.
        if older.is_empty() {
            self.0.older = None;
        } else if older.len() * 4 < older.capacity() {
            older.shrink_to(older.len() * 2);
        }
        oldest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(modified: u64, created: u64, version: u64) -> Version {
        Version {
            value: Value::default(),
            created: Revision(created),
            modified: Revision(modified),
            sub: 0,
            version,
            lease: LeaseId::NONE,
        }
    }

    /// Created at 2, written at 4, deleted at 6, created again at 8.
    fn history() -> History {
        let mut history = History::new(put(2, 2, 1));
        history.push(put(4, 2, 2));
        history.push(Version::tombstone(Revision(6), 0));
        history.push(put(8, 8, 1));
        history
    }

    #[test]
    fn a_key_is_what_was_written_last_at_or_before() {
        let seen = |revision| history().at(Revision(revision)).map(|version| version.modified.0);
        let expected =
            [None, None, Some(2), Some(2), Some(4), Some(4), None, None, Some(8), Some(8)];
        assert_eq!((0..10).map(seen).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn compaction_leaves_the_newest_live_version_and_a_tombstone_at_its_own_revision() {
        let left = |compacted| history().survivors(Revision(compacted), Revision(9));
        assert_eq!(left(1), 0..4);
        assert_eq!(left(2), 0..4);
        assert_eq!(left(3), 0..4);
        assert_eq!(left(4), 1..4);
        assert_eq!(left(5), 1..4);
        assert_eq!(left(6), 2..4, "the tombstone at the compaction revision stays");
        assert_eq!(left(7), 3..4, "an older tombstone goes");
        assert_eq!(left(9), 3..4);
    }

    #[test]
    fn a_view_ends_at_its_revision() {
        assert_eq!(history().survivors(Revision(4), Revision(6)), 1..3);
        assert_eq!(history().survivors(Revision(0), Revision(1)), 0..0);
    }
}
