//! How a watch is told of events, and how it falls behind and catches up.

use crate::{
    limits::WATCH_ROWS_MAX,
    store::Store,
    watch::{
        WatchOutput, Watches,
        replay::{BatchLimits, event_bytes},
        stream::Stream,
        watcher::{Place, State, WatcherId},
    },
};
use whitewater_api::{
    Monotonic, Revision, StreamId, WatchId,
    watch::{CancelReason, WatchBody, WatchEvent},
};
use whitewater_mutation::{Mutation, Mutations};

impl Watches {
    /// Tells a synced watcher of what has just happened, or lets it fall behind.
    pub(super) fn tell<'a>(
        &mut self,
        now: Monotonic,
        key: WatcherId,
        events: impl Iterator<Item = &'a WatchEvent>,
        outputs: &mut Vec<WatchOutput>,
    ) {
        let watcher = self.watchers.get_mut(&key).expect("what is in the index is a watcher");
        let State::Synced { from } = watcher.state else {
            unreachable!("a watcher in the index is behind");
        };
        if from > self.told {
            return;
        }
        let events = events.filter(|event| watcher.wants(event.kind, self.mutations));
        let mut events: Vec<WatchEvent> = events.map(|event| watcher.view(event)).collect();
        if events.is_empty() {
            return;
        }
        if self.mutations.has(Mutation::WatchMissesTxnEvents) {
            events.truncate(1);
        }
        let bytes = || events.iter().map(event_bytes).sum::<u64>();
        let must_split =
            watcher.fragment && events.len() > 1 && bytes() > self.limits.message_bytes_max;
        let stream = self.streams.get_mut(&watcher.stream).expect("a watcher has its stream");
        if stream.has_credit() && !must_split {
            watcher.note(now, &events);
            let body = WatchBody::Events { events, fragment: false };
            return send_events(stream, watcher.id, (self.told, body), self.mutations, outputs);
        }
        if self.mutations.has(Mutation::WatchEventLostWhenSlow) && !must_split {
            return;
        }
        let mut next = self.told;
        if self.mutations.has(Mutation::WatchDuplicateEvent) && watcher.last >= watcher.start {
            next = watcher.last;
        }
        self.fall_behind(key, Place::start_of(next));
    }

    /// Sends the next batch to a watcher that is behind. Says how many changes it has looked at.
    pub(super) fn catch_up(
        &mut self,
        store: &Store,
        now: Monotonic,
        key: WatcherId,
        outputs: &mut Vec<WatchOutput>,
    ) -> usize {
        let Some(watcher) = self.watchers.get(&key) else { return 0 };
        let State::Behind(mut from) = watcher.state else { return 0 };
        if from.revision < store.compacted() {
            if !self.mutations.has(Mutation::WatchNotCanceledByCompaction) {
                self.cancel_compacted(store, key, outputs);
                return 0;
            }
            from = Place::start_of(store.compacted());
        }
        let limits = BatchLimits { bytes: self.limits.message_bytes_max, rows: WATCH_ROWS_MAX };
        let batch = store.batch(watcher, from, limits);
        let watcher = self.watchers.get_mut(&key).expect("it was there");
        let stream = self.streams.get_mut(&watcher.stream).expect("a watcher has its stream");
        // Told is what lies before the next place; a fragment belongs to the revision that it is of.
        let (revision, fragment) = match batch.next {
            None => (self.told, false),
            Some(place) if place.sub > 0 => (place.revision, true),
            Some(place) => (Revision(place.revision.0 - 1), false),
        };
        if let Some(next) = batch.next {
            watcher.state = State::Behind(next);
            stream.behind.push_back(key);
        } else {
            watcher.state = State::Synced { from: watcher.start };
            self.index.insert(&watcher.range, key);
        }
        if !batch.events.is_empty() {
            watcher.note(now, &batch.events);
            let body = WatchBody::Events { events: batch.events, fragment };
            send_events(stream, watcher.id, (revision, body), self.mutations, outputs);
        }
        batch.rows
    }

    fn cancel_compacted(&mut self, store: &Store, key: WatcherId, outputs: &mut Vec<WatchOutput>) {
        let watcher = &self.watchers[&key];
        let stream = self.streams.get_mut(&watcher.stream).expect("a watcher has its stream");
        stream.watches.remove(&watcher.id);
        let body = WatchBody::Canceled(CancelReason::Compacted(store.compacted()));
        stream.send(watcher.id, self.told, body, outputs);
        self.forget(key);
    }

    /// A synced watcher leaves the index and goes on at `next` when it is its turn.
    pub(super) fn fall_behind(&mut self, key: WatcherId, next: Place) {
        let watcher = self.watchers.get_mut(&key).expect("the caller has seen it");
        self.index.remove(&watcher.range, key);
        watcher.state = State::Behind(next);
        let id = watcher.stream;
        let stream = self.streams.get_mut(&id).expect("a watcher has its stream");
        stream.behind.push_back(key);
        self.enqueue(id);
    }

    /// Lets every synced watcher fall behind that wants something of what begins at `first`.
    pub(super) fn let_all_fall_behind(&mut self, first: Revision) {
        let mut falling = Vec::new();
        for (key, watcher) in &self.watchers {
            let State::Synced { from } = watcher.state else { continue };
            let next = from.max(first);
            if next <= self.told {
                falling.push((*key, Place::start_of(next)));
            }
        }
        for (key, next) in falling {
            self.fall_behind(key, next);
        }
    }

    /// Gives a stream a place in the queue, if it can go on.
    pub(super) fn enqueue(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        if stream.has_credit() && !stream.behind.is_empty() && !stream.is_queued {
            stream.is_queued = true;
            self.queue.push_back(id);
        }
    }
}

/// Sends events, for which there is credit.
fn send_events(
    stream: &mut Stream,
    watch: WatchId,
    (revision, mut body): (Revision, WatchBody),
    mutations: Mutations,
    outputs: &mut Vec<WatchOutput>,
) {
    if mutations.has(Mutation::WatchRevisionSplit)
        && let WatchBody::Events { events, .. } = &mut body
        && events.len() > 1
    {
        let rest = events.split_off(1);
        let first = WatchBody::Events { events: std::mem::replace(events, rest), fragment: false };
        stream.send(watch, revision, first, outputs);
    }
    stream.send(watch, revision, body, outputs);
}
