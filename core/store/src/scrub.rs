//! Physical compaction: removes what the logical one has given up, a bounded step at a time.
//!
//! It repeats history: the journal is walked from its front, and every change up to the compaction revision is visited
//! once, as if there were a compaction at just its revision. A visit removes the version that the change replaced, or
//! the tombstone that it is. So the cost of a step does not depend on the size of the store, nor on the length of a
//! history, and nothing is scanned. Changes at the compaction revision itself are visited too but stay in the journal,
//! because that revision can still be read and its tombstones are still needed.

use crate::{history::History, journal::Change, store::Store};
use whitewater_api::Key;
use whitewater_mutation::Mutation;

impl Store {
    /// Visits up to `steps` changes, and says whether any are left. Does nothing while a view is open, so a caller must
    /// not loop until nothing is left then. Changes no answer, no [`Store::chain`] and no [`Store::digest`].
    pub fn scrub(&mut self, steps: usize) -> bool {
        for _ in 0..steps {
            if !self.views.is_empty() {
                break;
            }
            let Some(change) = self.next_to_scrub() else { break };
            self.scrubbed = change.revision;
            self.visit(&change);
        }
        self.has_scrubbing_left()
    }

    /// Whether physical compaction has anything to visit yet.
    #[must_use]
    pub fn has_scrubbing_left(&self) -> bool {
        let changes = &self.journal.changes;
        changes.front().is_some_and(|change| change.revision < self.compacted)
            || changes
                .get(self.scrubbed_changes)
                .is_some_and(|change| change.revision == self.compacted)
    }

    fn next_to_scrub(&mut self) -> Option<Change> {
        if !self.has_scrubbing_left() {
            return None;
        }
        let changes = &mut self.journal.changes;
        if changes.front()?.revision < self.compacted {
            if changes.len() * 4 < changes.capacity() {
                changes.shrink_to(changes.len() * 2);
            }
            return changes.pop_front();
        }
        self.scrubbed_changes += 1;
        changes.get(self.scrubbed_changes - 1).cloned()
    }

    /// Compacts one key at the revision of one of its changes.
    fn visit(&mut self, Change { revision, key, .. }: &Change) {
        let Some(history) = self.keys.get_mut(key) else { return };
        while let Some(replaced) = history.pop_replaced(*revision) {
            self.journal.forget(key, &replaced);
        }
        let is_bygone = *revision < self.compacted;
        if is_bygone && let Some(tombstone) = history.pop_buried(*revision) {
            self.journal.forget(key, &tombstone);
        }
        let is_forgotten = self.mutations.has(Mutation::CompactionDropsLive)
            && history.live().is_some_and(|version| version.modified == self.compacted);
        if is_forgotten || (is_bygone && history.is_buried(*revision)) {
            self.remove(key);
        }
    }

    /// Removes a key with all that is left of its history.
    fn remove(&mut self, key: &Key) {
        let history = self.keys.remove(key);
        if let Some(history) = &history {
            self.stretches.on_forgotten(key, history.live().is_some());
        }
        for version in history.iter().flat_map(History::iter) {
            self.journal.forget(key, version);
        }
    }
}

#[cfg(test)]
mod tests;
