//! Events from the journal.
//!
//! The journal and the histories hold every change at or after the compaction, so they are the queue of every watch that
//! is behind: a place in it is all that has to be kept.

use crate::{
    history::{History, Version},
    journal::Change,
    store::Store,
    watch::watcher::{Place, Watcher},
};
use whitewater_api::{
    End, Key, KeyRange, Revision,
    watch::{EventKind, WatchEvent},
};
use whitewater_mutation::Mutation;

/// How much one batch may hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BatchLimits {
    /// Bytes of events; ignored within a revision unless it may go out in fragments.
    pub(crate) bytes: u64,
    /// Changes to look at; ignored within a revision.
    pub(crate) rows: usize,
}

/// What one watch is told next.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    pub(crate) events: Vec<WatchEvent>,
    /// Where the batch ends; `None` at the end of all.
    pub(crate) next: Option<Place>,
    /// How many changes were looked at.
    pub(crate) rows: usize,
}

/// A change, and what it wrote where the watch is concerned.
type Row<'a> = (Place, Option<(&'a Key, &'a Version)>);

impl Store {
    /// The keys that changed at the newest revision, in order.
    pub(crate) fn changes_of(
        &self,
        revision: Revision,
    ) -> impl Iterator<Item = (Place, &Key)> + '_ {
        self.changes_from(Place::start_of(revision))
            .take_while(move |(place, _)| place.revision == revision)
    }

    /// The event of one change, with what was there before.
    pub(crate) fn event_at(&self, key: &Key, place: Place) -> WatchEvent {
        let version = self.version_at(key, place).expect("what was just written is there");
        self.event(key, version, true)
    }

    /// What comes at or after `from`, a place that is not compacted, for `watcher`.
    pub(crate) fn batch(&self, watcher: &Watcher, from: Place, limits: BatchLimits) -> Batch {
        let mut batch = Batch { events: Vec::new(), next: None, rows: 0 };
        let (mut bytes, mut current) = (0, from.revision);
        for (place, written) in self.rows(&watcher.range, from) {
            let is_full = !batch.events.is_empty() && bytes >= limits.bytes;
            if place.revision != current {
                if is_full || batch.rows >= limits.rows {
                    batch.next = Some(Place::start_of(place.revision));
                    break;
                }
                current = place.revision;
            }
            batch.rows += 1;
            let event = written.and_then(|written| self.event_for(watcher, written));
            let Some(event) = event else { continue };
            if is_full && watcher.fragment {
                batch.next = Some(place);
                break;
            }
            let is_further =
                batch.events.last().is_some_and(|last| last.kv.mod_revision == current);
            if is_further && self.mutations.has(Mutation::WatchMissesTxnEvents) {
                continue;
            }
            bytes += event_bytes(&event);
            batch.events.push(event);
        }
        batch
    }

    /// The changes from a place on. For one key its history tells, without a look at the others.
    fn rows<'a>(&'a self, range: &'a KeyRange, from: Place) -> impl Iterator<Item = Row<'a>> + 'a {
        let one = (range.end == End::Single).then(|| self.rows_of_key(&range.start, from));
        let many = (range.end != End::Single).then(|| self.rows_of_range(range, from));
        one.into_iter().flatten().chain(many.into_iter().flatten())
    }

    fn rows_of_key<'a>(&'a self, key: &'a Key, from: Place) -> impl Iterator<Item = Row<'a>> + 'a {
        self.keys.get_key_value(key).into_iter().flat_map(move |(key, history)| {
            let start = history.position(|version| version.place() < (from.revision, from.sub));
            (start..).map_while(|position| history.get(position)).map(move |version| {
                let (revision, sub) = version.place();
                let is_left = !self.is_replaced(history, version);
                (Place { revision, sub }, is_left.then_some((key, version)))
            })
        })
    }

    fn rows_of_range<'a>(
        &'a self,
        range: &'a KeyRange,
        from: Place,
    ) -> impl Iterator<Item = Row<'a>> + 'a {
        self.changes_from(from).map(|(place, key)| {
            let version = range.contains(key).then(|| self.version_at(key, place)).flatten();
            (place, version.map(|version| (key, version)))
        })
    }

    fn changes_from(&self, from: Place) -> impl Iterator<Item = (Place, &Key)> + '_ {
        let changes = &self.journal.changes;
        let place = |change: &Change| Place { revision: change.revision, sub: change.sub };
        let start = changes.partition_point(|change| place(change) < from);
        changes.range(start..).map(move |change| (place(change), &change.key))
    }

    /// What a change wrote, unless compaction has forgotten it.
    fn version_at(&self, key: &Key, place: Place) -> Option<&Version> {
        let history = self.keys.get(key)?;
        let place = (place.revision, place.sub);
        let position = history.position(|version| version.place() < place);
        let version = history.get(position).filter(|version| version.place() == place)?;
        Some(version).filter(|version| !self.is_replaced(history, version))
    }

    /// Whether compaction has forgotten a version at its own revision, or may: the transaction that put the key has
    /// deleted it too (etcd admits that in nested transactions), and only what was there at its end is left.
    fn is_replaced(&self, history: &History, version: &Version) -> bool {
        if version.modified != self.compacted {
            return false;
        }
        let end = history.position(|other| other.modified <= version.modified);
        history.get(end - 1).is_some_and(|last| last.sub != version.sub)
    }

    fn event_for(&self, watcher: &Watcher, (key, version): (&Key, &Version)) -> Option<WatchEvent> {
        let is_dropped = self.mutations.has(Mutation::WatchDropsDeleteAtCompaction)
            && version.modified == self.compacted;
        if !watcher.wants(kind_of(version), self.mutations)
            || (is_dropped && version.is_tombstone())
        {
            return None;
        }
        Some(self.event(key, version, watcher.prev_kv))
    }

    fn event(&self, key: &Key, version: &Version, prev_kv: bool) -> WatchEvent {
        let mut before = Revision(version.modified.0 - 1);
        if self.mutations.has(Mutation::WatchPrevKvWrong) {
            before = version.modified;
        }
        let is_known = prev_kv && before >= self.compacted;
        let previous = self.keys.get(key).filter(|_| is_known);
        let previous = previous.and_then(|history| history.at(before));
        WatchEvent {
            kind: kind_of(version),
            kv: version.key_value(key),
            prev_kv: previous.map(|version| version.key_value(key)),
        }
    }
}

fn kind_of(version: &Version) -> EventKind {
    if version.is_tombstone() { EventKind::Delete } else { EventKind::Put }
}

/// What an event weighs in a message, roughly.
pub(crate) fn event_bytes(event: &WatchEvent) -> u64 {
    let kvs = [Some(&event.kv), event.prev_kv.as_ref()];
    let bytes = kvs.into_iter().flatten().map(|kv| kv.key.len() + kv.value.len());
    bytes.sum::<usize>() as u64 + crate::limits::EVENT_BYTES
}
