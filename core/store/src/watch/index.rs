//! Which watchers want to hear of a key.

use crate::watch::{intervals::Intervals, watcher::WatcherId};
use std::collections::{BTreeMap, BTreeSet};
use whitewater_api::{End, Key, KeyRange};

/// The watchers that have been told everything so far, by what they watch.
#[derive(Clone, Debug, Default)]
pub(crate) struct Index {
    /// Those of one key, the most by far: a lookup finds them.
    singles: BTreeMap<Key, BTreeSet<WatcherId>>,
    ranges: Intervals<WatcherId>,
    /// How many there are.
    len: usize,
}

impl Index {
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many watchers there are.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// Whether the number of watchers is that of those who are here.
    pub(crate) fn is_sound(&self) -> bool {
        self.len == self.singles.values().map(BTreeSet::len).sum::<usize>() + self.ranges.len()
    }

    /// A watcher that is not here.
    pub(crate) fn insert(&mut self, range: &KeyRange, watcher: WatcherId) {
        self.len += 1;
        match range.end {
            End::Single => {
                self.singles.entry(range.start.clone()).or_default().insert(watcher);
            }
            End::Before(_) | End::Unbounded => self.ranges.insert(range, watcher),
        }
    }

    /// A watcher that is here.
    pub(crate) fn remove(&mut self, range: &KeyRange, watcher: WatcherId) {
        self.len -= 1;
        if range.end != End::Single {
            return self.ranges.remove(range, watcher);
        }
        if let Some(watchers) = self.singles.get_mut(&range.start) {
            watchers.remove(&watcher);
            if watchers.is_empty() {
                self.singles.remove(&range.start);
            }
        }
    }

    /// Visits every watcher of `key` once.
    pub(crate) fn visit(&self, key: &Key, mut visit: impl FnMut(WatcherId)) {
        if let Some(watchers) = self.singles.get(key) {
            watchers.iter().copied().for_each(&mut visit);
        }
        self.ranges.visit(key, &mut visit);
    }
}
