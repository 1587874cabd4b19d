//! What changed, in order.
//!
//! Rows of (revision, sub-revision, key) for everything at or after the compaction. They say where physical compaction has work,
//! take a failed transaction back, and give the changes of a revision in sub-revision order. A row costs one push and
//! one shared key.

use crate::{hash::Hash, history::Version, limits::VERSION_BYTES};
use std::collections::VecDeque;
use whitewater_api::{AlarmMember, Key, LeaseId, Revision};

/// One change of one key.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    /// The revision that it belongs to.
    pub(crate) revision: Revision,
    /// Its place among the changes of that revision. Kept, because compaction leaves gaps at its own revision.
    pub(crate) sub: u32,
    /// The key that changed.
    pub(crate) key: Key,
}

/// The changes, with the sums that are kept along.
#[derive(Clone, Debug)]
pub(crate) struct Journal {
    /// Invariant: revisions never fall; within one revision in sub-revision order. Holds every change after the
    /// compaction; of those at or before it, the ones that physical compaction has not taken.
    pub(crate) changes: VecDeque<Change>,
    /// Changes of the revision in the making: the sub-revision of the next one. Zero between requests.
    pub(crate) pending: u32,
    /// Every effect so far.
    pub(crate) chain: Hash,
    /// Bytes of all versions held.
    pub(crate) bytes: u64,
}

/// Where to go back to when a transaction fails.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    chain: Hash,
    bytes: u64,
}

impl Journal {
    /// Nothing has happened.
    pub(crate) fn new() -> Self {
        Self { changes: VecDeque::new(), pending: 0, chain: Hash::new(0), bytes: 0 }
    }

    /// What a version of `key` weighs.
    pub(crate) fn weight(key: &Key, version: &Version) -> u64 {
        VERSION_BYTES + (key.len() + version.value.len()) as u64
    }

    /// Takes note of a version that is about to join the history of `key`.
    #[inline]
    pub(crate) fn record(&mut self, key: Key, version: &Version) {
        self.chain = version.hash(&key, self.chain);
        self.bytes += Self::weight(&key, version);
        self.changes.push_back(Change { revision: version.modified, sub: version.sub, key });
        self.pending += 1;
    }

    /// Takes note of a compaction.
    pub(crate) fn record_compaction(&mut self, revision: Revision) {
        // A key is never empty, so this cannot look like a change.
        self.chain = self.chain.bytes(&[]).word(revision.0);
    }

    /// Takes note of what became of a lease.
    pub(crate) fn record_lease(&mut self, what: u64, id: LeaseId, seconds: i64) {
        // Neither a change, for the key, nor a compaction, for the revision, that no store ever gets to.
        let chain = self.chain.bytes(&[]).word(u64::MAX).word(what);
        self.chain = chain.word(id.0.cast_unsigned()).word(seconds.cast_unsigned());
    }

    /// Takes note of a change of users and roles.
    pub(crate) fn record_auth(&mut self, change: u64) {
        // None of what a lease does has this number.
        self.chain = self.chain.bytes(&[]).word(u64::MAX).word(u64::MAX).word(change);
    }

    /// Takes note that revisions were left out.
    pub(crate) fn record_bump(&mut self, revisions: u64) {
        // None of what a lease, a user or an alarm does has this number.
        self.chain = self.chain.bytes(&[]).word(u64::MAX).word(u64::MAX - 1).word(revisions);
    }

    /// Takes note that an alarm was raised or put down.
    pub(crate) fn record_alarm(&mut self, about: AlarmMember, is_raised: bool) {
        let chain = self.chain.bytes(&[]).word(u64::MAX).word(3 + u64::from(is_raised));
        self.chain = chain.word(about.member.0).word(about.alarm as u64);
    }

    /// Takes note that a version is held no longer.
    pub(crate) fn forget(&mut self, key: &Key, version: &Version) {
        self.bytes -= Self::weight(key, version);
    }

    /// The state to go back to.
    pub(crate) fn mark(&self) -> Mark {
        assert_eq!(self.pending, 0, "a transaction starts with changes pending");
        Mark { chain: self.chain, bytes: self.bytes }
    }

    /// Takes the last pending change back; `None` when there is none left.
    pub(crate) fn pop_pending(&mut self) -> Option<Change> {
        self.pending = self.pending.checked_sub(1)?;
        self.changes.pop_back()
    }

    /// Sets the sums back, once the changes are.
    pub(crate) fn reset(&mut self, mark: Mark) {
        assert_eq!(self.pending, 0, "sums set back with changes pending");
        self.chain = mark.chain;
        self.bytes = mark.bytes;
    }
}
