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
}

impl Index {
    pub(crate) fn is_empty(&self) -> bool {
        self.singles.is_empty() && self.ranges.is_empty()
    }

    /// How many watchers there are.
    pub(crate) fn len(&self) -> usize {
        self.singles.values().map(BTreeSet::len).sum::<usize>() + self.ranges.len()
    }

    pub(crate) fn insert(&mut self, range: &KeyRange, watcher: WatcherId) {
        match range.end {
            End::Single => {
                self.singles.entry(range.start.clone()).or_default().insert(watcher);
            }
            End::Before(_) | End::Unbounded => self.ranges.insert(range, watcher),
        }
    }

    pub(crate) fn remove(&mut self, range: &KeyRange, watcher: WatcherId) {
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
