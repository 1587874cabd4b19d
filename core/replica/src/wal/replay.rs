//! Replaying records: what they amount to.

use crate::wal::{
    record::Record,
    segment::{Head, State},
};
use raft::eraftpb::Entry;
use whitewater_api::Index;
use whitewater_mutation::{Mutation, Mutations};

/// A log being replayed.
pub(super) struct Replay {
    mutations: Mutations,
    /// The newest mark of the whole log, which is known before the replay starts.
    mark_final: Index,
    pub(super) state: State,
    /// The entries that were seen, up to `state.last_index`.
    /// Invariant: contiguous. Those between the mark and the first one lie before the segment where the replay started.
    entries: Vec<Entry>,
}

/// An entry that would leave a gap before it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gap {
    pub(super) index: Index,
    pub(super) last: Index,
}

impl Replay {
    /// A replay that starts at a segment.
    pub(super) fn new(head: &Head, mark_final: Index, mutations: Mutations) -> Self {
        Self { mutations, mark_final, state: head.state.clone(), entries: Vec::new() }
    }

    /// Takes the next record.
    pub(super) fn apply(&mut self, record: Record) -> Result<(), Gap> {
        match record {
            Record::Entry(entry) => return self.apply_entry(entry),
            Record::Snapshot(mark) => {
                if mark.installed {
                    self.entries.clear();
                }
                self.state.absorb(&Record::Snapshot(mark));
            }
            Record::HardState { .. } | Record::Peer { .. } | Record::Renewal(_) => {
                self.state.absorb(&record);
            }
        }
        Ok(())
    }

    fn apply_entry(&mut self, entry: Entry) -> Result<(), Gap> {
        let index = Index(entry.index);
        let last = self.state.last_index;
        if self.mutations.has(Mutation::ConflictKept) && index <= last {
            return Ok(());
        }
        if self.mutations.has(Mutation::GhostTail) && index <= self.mark_final {
            self.state.last_index = last.max(self.mark_final);
            return Ok(());
        }
        if index.0 == 0 || index.0 - 1 > last.0 {
            return Err(Gap { index, last });
        }
        // Whatever the snapshot covers: what a leader overwrote is gone, and so is all behind it (etcd #22442).
        let kept = self.entries.partition_point(|kept| kept.index < entry.index);
        self.entries.truncate(kept);
        self.entries.push(entry);
        self.state.last_index = index;
        Ok(())
    }

    /// The state, and the entries behind the mark; `None` if some of those are missing.
    pub(super) fn finish(mut self) -> Option<(State, Vec<Entry>)> {
        let mark = self.state.mark_index();
        let covered = self.entries.partition_point(|entry| entry.index <= mark.0);
        self.entries.drain(..covered);
        self.state.last_index = self.state.last_index.max(mark);
        let behind = self.state.last_index.0 - mark.0;
        (self.entries.len() as u64 == behind).then_some((self.state, self.entries))
    }
}
