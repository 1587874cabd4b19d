//! A write, and the reads that saw its value.

use super::{END, NOBODY, START};

/// A value, who wrote it, and who saw it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cluster {
    pub(super) writer: u32,
    pub(super) is_initial: bool,
    pub(super) is_named: bool,
    pub(super) is_written_twice: bool,
    /// Somebody saw it, so that it was there.
    pub(super) is_seen: bool,
    /// A swap that made something else of it, and the cluster of that.
    pub(super) swap: u32,
    pub(super) successor: u32,
    /// The first return of an observer of it, and the last invocation.
    pub(super) first: (u64, u32),
    pub(super) last: (u64, u32),
    /// When it was written: invocation and return. Kept here, because to look it up among the operations of a long
    /// history is to wait for memory.
    pub(super) written: (u64, u64),
}

impl Cluster {
    pub(super) const fn new() -> Self {
        Self {
            writer: NOBODY,
            is_initial: false,
            is_named: false,
            is_written_twice: false,
            is_seen: false,
            swap: NOBODY,
            successor: NOBODY,
            first: (END, NOBODY),
            last: (START, NOBODY),
            written: (START, END),
        }
    }

    /// Whether the value is named, and it is not known which write of it is meant.
    pub(super) const fn is_ambiguous(&self) -> bool {
        self.is_named && (self.is_written_twice || self.is_initial && self.writer != NOBODY)
    }

    pub(super) fn see(&mut self, position: u32, (invoked, end): (u64, u64)) {
        self.is_seen = true;
        self.first = self.first.min((end, position));
        if invoked > self.last.0 {
            self.last = (invoked, position);
        }
    }
}
