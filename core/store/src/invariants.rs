//! The invariants of the store, in code.

use crate::{
    history::{History, Version},
    journal::Journal,
    store::Store,
};
use std::collections::{BTreeMap, BTreeSet};
use whitewater_api::{Key, LeaseId, Revision};
use whitewater_mutation::Mutation;

impl Store {
    /// Checks every invariant of the store. Looks at everything, so it is for tests and for moments that can afford it.
    ///
    /// # Panics
    ///
    /// If one does not hold.
    pub fn check_invariants(&self) {
        assert_eq!(self.journal.pending, 0, "changes are pending between requests");
        assert!(
            self.compacted <= self.revision,
            "compacted {} beyond {}",
            self.compacted,
            self.revision
        );
        assert!(
            self.scrubbed <= self.compacted,
            "scrubbed {} beyond {}",
            self.scrubbed,
            self.compacted
        );
        let mut bytes = 0;
        for (key, history) in &self.keys {
            assert!(!key.is_empty(), "an empty key is held");
            self.check_history(key, history);
            bytes += history.iter().map(|version| Journal::weight(key, version)).sum::<u64>();
        }
        assert_eq!(self.journal.bytes, bytes, "the sum of bytes is off");
        assert!(self.stretches.are_sound(&self.keys), "the count of keys is off");
        assert!(self.bytes() <= self.peak, "{} bytes above the peak {}", self.bytes(), self.peak);
        self.check_journal();
        self.check_leases();
        assert!(self.auth.is_sound(), "users and roles do not fit: {:?}", self.auth);
    }

    /// A key hangs on the lease that it names, and on no other.
    fn check_leases(&self) {
        assert!(self.leases.counts_right(), "the count of keys on leases is off");
        for (id, terms) in self.all_terms() {
            assert!(id != LeaseId::NONE, "no lease has the id of none");
            assert!(terms.are_sound(), "{id} has {terms:?}");
        }
        let live = self.keys.iter().filter_map(|(key, history)| Some((history.live()?.lease, key)));
        let named: BTreeSet<(LeaseId, &Key)> =
            live.filter(|(id, _)| *id != LeaseId::NONE).collect();
        let hangs: BTreeSet<(LeaseId, &Key)> = self
            .leases
            .iter()
            .flat_map(|(id, lease)| lease.keys().map(move |key| (id, key)))
            .collect();
        assert_eq!(named, hangs, "keys hang on other leases than they name");
    }

    fn check_history(&self, key: &Key, history: &History) {
        let mut previous: Option<&Version> = None;
        for version in history.iter() {
            assert!(version.modified <= self.revision, "{key}: {version:?} is from the future");
            assert!(
                version.created <= version.modified,
                "{key}: {version:?} is older than its key"
            );
            if let Some(previous) = previous {
                assert!(
                    previous.place() < version.place(),
                    "{key}: {previous:?} before {version:?}"
                );
            }
            let is_first = previous.is_some_and(Version::is_tombstone);
            if version.is_tombstone() {
                assert_eq!(version.version, 0, "{key}: a tombstone has a version");
                assert!(!is_first, "{key}: deleted twice: {version:?}");
            } else if is_first && !self.mutations.has(Mutation::VersionNotReset) {
                assert_eq!(version.version, 1, "{key}: {version:?} does not start at 1");
                assert_eq!(
                    version.created, version.modified,
                    "{key}: {version:?} was there before"
                );
            } else if let Some(previous) = previous.filter(|_| !is_first) {
                assert_eq!(version.version, previous.version + 1, "{key}: {version:?} skips one");
                assert_eq!(
                    version.created, previous.created,
                    "{key}: {version:?} was created twice"
                );
            }
            previous = Some(version);
        }
    }

    /// The journal rises, and tells of every version after what was scrubbed, once.
    fn check_journal(&self) {
        let mut last = Revision(0);
        let mut told: BTreeMap<(&Key, Revision), usize> = BTreeMap::new();
        for change in &self.journal.changes {
            assert!(
                change.revision >= last,
                "the journal goes back from {last} to {}",
                change.revision
            );
            last = change.revision;
            *told.entry((&change.key, change.revision)).or_default() += 1;
        }
        for (key, history) in &self.keys {
            for version in history.iter().filter(|version| version.modified > self.compacted) {
                let row = told.get_mut(&(key, version.modified)).filter(|rows| **rows > 0);
                *row.unwrap_or_else(|| panic!("{key}: {version:?} is not in the journal")) -= 1;
            }
        }
        let untold =
            told.iter().find(|((_, revision), rows)| *revision > self.compacted && **rows > 0);
        assert!(untold.is_none(), "the journal tells of what is not there: {untold:?}");
    }
}
