//! The Raft log in memory, as raft-rs reads it. The WAL makes it durable.
//!
//! What `ready.rs` appends here is readable at once and durable later (Ready contract O9, O23).

use raft::{
    Error, GetEntriesContext, RaftState, Result, Storage, StorageError,
    eraftpb::{ConfState, Entry, HardState, Snapshot},
};
use std::collections::VecDeque;

/// The log behind the last compaction.
pub(crate) struct Log {
    /// Index and term of the entry before the first.
    base: (u64, u64),
    /// Invariant: indexes rise by one from `base.0 + 1`.
    entries: VecDeque<Entry>,
    /// What they take in memory.
    bytes: u64,
    /// What raft starts from; not kept up to date.
    start: RaftState,
    /// Index and term of the last applied entry: what a snapshot of the store would cover.
    /// Invariant: `base.0 <= applied.0 <= last`.
    applied: (u64, u64),
    /// The configuration as of `applied`.
    conf_state: ConfState,
    /// Whether another snapshot may be sent now.
    pub(crate) may_send_snapshot: bool,
}

impl Log {
    /// A log that starts behind a snapshot at `base`.
    pub(crate) fn new(
        base: (u64, u64),
        hard_state: HardState,
        conf_state: ConfState,
        entries: Vec<Entry>,
    ) -> Self {
        let start = RaftState::new(hard_state, conf_state.clone());
        let log = Self {
            base,
            bytes: entries.iter().map(memory).sum(),
            entries: entries.into(),
            start,
            applied: base,
            conf_state,
            may_send_snapshot: true,
        };
        log.check_invariants();
        log
    }

    /// Appends entries, cutting off what they replace.
    pub(crate) fn append(&mut self, entries: &[Entry]) {
        let Some(first) = entries.first() else { return };
        assert!(
            first.index > self.applied.0,
            "entry {} would overwrite applied {}",
            first.index,
            self.applied.0
        );
        let keep = first.index - self.base.0 - 1;
        assert!(
            keep <= self.len(),
            "a gap between last index {} and entry {}",
            self.last(),
            first.index
        );
        let replaced = self.entries.drain(usize::try_from(keep).expect("a length")..);
        self.bytes -= replaced.map(|entry| memory(&entry)).sum::<u64>();
        self.bytes += entries.iter().map(memory).sum::<u64>();
        self.entries.extend(entries.iter().cloned());
    }

    /// Forgets everything for a snapshot.
    pub(crate) fn restore(&mut self, base: (u64, u64), conf_state: ConfState) {
        self.entries.clear();
        self.bytes = 0;
        self.base = base;
        self.applied = base;
        self.conf_state = conf_state;
    }

    /// Forgets the entries up to `index`, all of which are applied.
    pub(crate) fn compact(&mut self, index: u64) {
        if index <= self.base.0 {
            return;
        }
        assert!(index <= self.applied.0, "compaction to {index} passes applied {}", self.applied.0);
        let term = self.term_of(index).expect("an applied entry behind the base is here");
        let drop = usize::try_from(index - self.base.0).expect("a length");
        self.bytes -= self.entries.drain(..drop).map(|entry| memory(&entry)).sum::<u64>();
        self.base = (index, term);
    }

    /// Forgets the oldest entries up to `index`, all of which are applied, until no more than so many bytes are left.
    pub(crate) fn trim(&mut self, index: u64, bytes_max: u64) {
        let mut excess = self.bytes.saturating_sub(bytes_max);
        let old = self.entries.iter().take_while(|entry| {
            let goes = excess > 0 && entry.index <= index;
            excess = excess.saturating_sub(memory(entry));
            goes
        });
        self.compact(self.base.0 + old.count() as u64);
    }

    /// Notes that the entry `index` of `term` was applied.
    pub(crate) fn on_applied(&mut self, index: u64, term: u64) {
        assert_eq!(index, self.applied.0 + 1, "entries are applied in order");
        self.applied = (index, term);
    }

    /// Notes the configuration as of the last applied entry.
    pub(crate) fn on_members(&mut self, conf_state: ConfState) {
        self.conf_state = conf_state;
    }

    /// Index and term of the last applied entry.
    pub(crate) const fn applied(&self) -> (u64, u64) {
        self.applied
    }

    /// The configuration as of the last applied entry.
    pub(crate) const fn conf_state(&self) -> &ConfState {
        &self.conf_state
    }

    /// The first index.
    pub(crate) const fn first(&self) -> u64 {
        self.base.0 + 1
    }

    /// The last index.
    pub(crate) fn last(&self) -> u64 {
        self.base.0 + self.len()
    }

    fn len(&self) -> u64 {
        u64::try_from(self.entries.len()).expect("a length fits 64 bits")
    }

    fn get(&self, index: u64) -> Option<&Entry> {
        let place = index.checked_sub(self.base.0 + 1)?;
        self.entries.get(usize::try_from(place).ok()?)
    }

    fn term_of(&self, index: u64) -> Option<u64> {
        if index == self.base.0 {
            Some(self.base.1)
        } else {
            self.get(index).map(|entry| entry.term)
        }
    }

    /// Panics if an invariant of a field does not hold.
    pub(crate) fn check_invariants(&self) {
        assert!(
            self.base.0 <= self.applied.0,
            "applied {} below base {}",
            self.applied.0,
            self.base.0
        );
        assert!(
            self.applied.0 <= self.last(),
            "applied {} above last {}",
            self.applied.0,
            self.last()
        );
        if let Some(first) = self.entries.front() {
            assert_eq!(first.index, self.first(), "the log starts elsewhere");
        }
        assert_eq!(self.bytes == 0, self.entries.is_empty(), "{} bytes of the log", self.bytes);
    }
}

/// About what an entry takes in memory, the same on every machine.
fn memory(entry: &Entry) -> u64 {
    const OVERHEAD: usize = 128;
    (entry.data.len() + entry.context.len() + OVERHEAD) as u64
}

/// About how many bytes raft counts for an entry.
pub(crate) fn entry_bytes(entry: &Entry) -> u64 {
    const OVERHEAD: usize = 12;
    u64::try_from(entry.data.len() + entry.context.len() + OVERHEAD).expect("a length fits 64 bits")
}

impl Storage for Log {
    fn initial_state(&self) -> Result<RaftState> {
        Ok(self.start.clone())
    }

    fn entries(
        &self,
        low: u64,
        high: u64,
        max_size: impl Into<Option<u64>>,
        _context: GetEntriesContext,
    ) -> Result<Vec<Entry>> {
        if low <= self.base.0 {
            return Err(Error::Store(StorageError::Compacted));
        }
        assert!(high <= self.last() + 1, "entries [{low}, {high}) pass last index {}", self.last());
        let from = usize::try_from(low - self.first()).expect("a length");
        let to = usize::try_from(high - self.first()).expect("a length");
        let bytes_max = max_size.into().unwrap_or(u64::MAX);
        let mut bytes = 0;
        let mut entries = Vec::with_capacity((to - from).min(64));
        for entry in self.entries.range(from..to) {
            bytes += entry_bytes(entry);
            // At least one, and no more than fit (Ready contract O21).
            if bytes > bytes_max && !entries.is_empty() {
                break;
            }
            entries.push(entry.clone());
        }
        Ok(entries)
    }

    fn term(&self, index: u64) -> Result<u64> {
        if index < self.base.0 {
            return Err(Error::Store(StorageError::Compacted));
        }
        self.term_of(index).ok_or(Error::Store(StorageError::Unavailable))
    }

    fn first_index(&self) -> Result<u64> {
        Ok(self.first())
    }

    fn last_index(&self) -> Result<u64> {
        Ok(self.last())
    }

    /// The meta data of a snapshot of what is applied now (O24; raft-rs's own storage fabricates, X10). The data is sent
    /// in parts by `transfer.rs`.
    fn snapshot(&self, request_index: u64, _to: u64) -> Result<Snapshot> {
        let (index, term) = self.applied;
        if !self.may_send_snapshot || index == 0 || index < request_index {
            return Err(Error::Store(StorageError::SnapshotTemporarilyUnavailable));
        }
        let mut snapshot = Snapshot::default();
        let metadata = snapshot.mut_metadata();
        metadata.index = index;
        metadata.term = term;
        metadata.set_conf_state(self.conf_state.clone());
        Ok(snapshot)
    }
}
