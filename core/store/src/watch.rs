//! Watches: who is told of which changes, and how far each has been told.
//!
//! The store's journal is the queue. A watch that has been told everything is in an index by what it watches, and hears
//! of a revision as soon as it is made. One that starts in the past, or whose client is slow, is *behind*: nothing is
//! kept for it but a place in the journal, from where it catches up in bounded batches. What compaction takes away before
//! that is lost to it, and it is told so.
//!
//! Invariants:
//!
//! - On each watch events come in order, once, without gaps, and those of a revision together, unless it takes fragments.
//! - A message is given out only against credit of its stream; what waits for credit is bounded.
//! - A progress notification at a revision comes after all events up to it (etcd #15220).
//! - What a watch is told depends on the applied requests alone; when, on credit.

mod index;
mod intervals;
mod progress;
mod replay;
mod stream;
mod telling;
mod watcher;

use crate::{
    limits::{WATCH_ANSWERS_MAX, WATCH_EVENTS_MAX, WATCH_ROWS_MAX},
    store::Store,
    watch::{
        index::Index,
        stream::Stream,
        watcher::{Place, State, Watcher, WatcherId},
    },
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use whitewater_api::{
    Error, Monotonic, Revision, StreamEnd, StreamId, Tuning, WatchId, WatchRequest,
    watch::{CancelReason, WatchBody, WatchCreate},
};
use whitewater_mutation::{Mutation, Mutations};

/// What an operator may set.
#[derive(Clone, Copy, Debug)]
pub struct WatchLimits {
    /// Streams.
    pub streams_max: u64,
    /// Watches of one stream.
    pub watches_max: u64,
    /// Bytes of events in one message.
    pub message_bytes_max: u64,
    /// Nanoseconds without events after which a watch is told how far it has come, if it asked to be.
    pub progress_nanos: u64,
}

/// What shall be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WatchOutput {
    /// Send a message. Uses one credit.
    Message {
        /// On which stream.
        stream: StreamId,
        /// Of which watch.
        watch: WatchId,
        /// The revision for its header.
        revision: Revision,
        /// What it says.
        body: WatchBody,
    },
    /// End a stream. Nothing more comes on it.
    End {
        /// Which stream.
        stream: StreamId,
        /// Why.
        end: StreamEnd,
    },
}

/// All watches of a member.
#[derive(Clone, Debug)]
pub struct Watches {
    limits: WatchLimits,
    mutations: Mutations,
    streams: BTreeMap<StreamId, Stream>,
    watchers: BTreeMap<WatcherId, Watcher>,
    /// How many watches were ever opened: the id of the next one.
    opened: u64,
    /// Invariant: holds just the watchers that are [`State::Synced`].
    index: Index,
    /// The revision up to which synced watchers were told: the store's, between calls.
    told: Revision,
    /// Streams that have something to do and credit for it, in the order of their turns.
    queue: VecDeque<StreamId>,
    /// Streams whose client waits to hear how far all watches have come.
    asking: BTreeSet<StreamId>,
    /// Watchers by the time at which they are due to be told how far they have come.
    dues: BTreeSet<(Monotonic, WatcherId)>,
}

impl WatchLimits {
    /// The limits that a replica's settings give.
    #[must_use]
    pub const fn new(tuning: &Tuning) -> Self {
        Self {
            streams_max: tuning.watch_streams_max,
            watches_max: tuning.watches_max,
            message_bytes_max: tuning.watch_message_bytes_max,
            progress_nanos: tuning.watch_progress_ms * 1_000_000,
        }
    }
}

impl Watches {
    /// No watches yet, of a store at `revision`.
    #[must_use]
    pub fn new(limits: WatchLimits, revision: Revision, mutations: Mutations) -> Self {
        Self {
            limits,
            mutations,
            streams: BTreeMap::new(),
            watchers: BTreeMap::new(),
            opened: 0,
            index: Index::default(),
            told: revision,
            queue: VecDeque::new(),
            asking: BTreeSet::new(),
            dues: BTreeSet::new(),
        }
    }

    // What clients do.

    /// Opens a stream, without credit.
    ///
    /// # Panics
    ///
    /// If it is open already.
    pub fn open(&mut self, id: StreamId, require_leader: bool, outputs: &mut Vec<WatchOutput>) {
        if self.streams.len() as u64 >= self.limits.streams_max {
            return outputs.push(WatchOutput::End { stream: id, end: StreamEnd::TooMany });
        }
        let former = self.streams.insert(id, Stream::new(id, require_leader));
        assert!(former.is_none(), "stream {id} is open already");
    }

    /// Forgets a stream, if it is still there, and all its watches.
    pub fn close(&mut self, id: StreamId) {
        let Some(stream) = self.streams.remove(&id) else { return };
        for watcher in stream.watches.into_values() {
            self.forget(watcher);
        }
        self.asking.remove(&id);
    }

    /// Lets `credit` more messages out on a stream, if it is still there.
    pub fn grant(&mut self, id: StreamId, credit: u64, outputs: &mut Vec<WatchOutput>) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        stream.grant(credit, outputs);
        self.enqueue(id);
    }

    /// Takes what a client says on a stream, if the stream is still there.
    pub fn request(
        &mut self,
        now: Monotonic,
        id: StreamId,
        request: WatchRequest,
        outputs: &mut Vec<WatchOutput>,
    ) {
        let Some(stream) = self.streams.get(&id) else { return };
        if stream.answers_waiting() >= WATCH_ANSWERS_MAX {
            return self.end(id, StreamEnd::Overrun, outputs);
        }
        match request {
            WatchRequest::Create(create) => self.create(now, id, create, outputs),
            WatchRequest::Cancel(watch) => self.cancel(id, watch, outputs),
            WatchRequest::Progress => self.ask_progress(id),
        }
    }

    /// Refuses a watch, if its stream is still there.
    pub fn refuse(&mut self, id: StreamId, why: &Error, outputs: &mut Vec<WatchOutput>) {
        if self.mutations.has(Mutation::WatchEndUntold) {
            return;
        }
        let Some(stream) = self.streams.get_mut(&id) else { return };
        if stream.answers_waiting() >= WATCH_ANSWERS_MAX {
            return self.end(id, StreamEnd::Overrun, outputs);
        }
        let body = WatchBody::Canceled(CancelReason::Refused(why.to_string()));
        stream.answer(WatchId::ALL, self.told, body, outputs);
    }

    /// Ends the streams whose clients do not want to stay at a member without a leader.
    pub fn end_leaderless(&mut self, outputs: &mut Vec<WatchOutput>) {
        let requires = |(id, stream): (&StreamId, &Stream)| stream.require_leader.then_some(*id);
        for id in self.streams.iter().filter_map(requires).collect::<Vec<_>>() {
            self.end(id, StreamEnd::NoLeader, outputs);
        }
    }

    /// How many streams and how many watches there are.
    #[must_use]
    pub fn len(&self) -> (usize, usize) {
        (self.streams.len(), self.watchers.len())
    }

    /// How many watches have not been told everything.
    #[must_use]
    pub fn behind(&self) -> usize {
        self.watchers.len() - self.index.len()
    }

    /// Whether there are no streams.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }

    // What the store does.

    /// The store has applied a request: tells of the revision that it made, if it made one.
    ///
    /// # Panics
    ///
    /// If it made more than one since the last call.
    pub fn on_applied(&mut self, store: &Store, now: Monotonic, outputs: &mut Vec<WatchOutput>) {
        if store.revision() == self.told {
            return;
        }
        assert_eq!(store.revision(), self.told.next(), "watches were not told of each revision");
        self.told = store.revision();
        if self.index.is_empty() {
            return;
        }
        let (mut hits, mut events) = (Vec::new(), Vec::new());
        for (place, key) in store.changes_of(self.told) {
            let known = hits.len();
            self.index.visit(key, |watcher| hits.push((watcher, events.len())));
            let is_wanted = hits.len() > known;
            events.push(is_wanted.then(|| store.event_at(key, place)));
            if hits.len() > WATCH_EVENTS_MAX {
                return self.let_all_fall_behind(self.told);
            }
        }
        hits.sort_unstable();
        for hits in hits.chunk_by(|(one, _), (other, _)| one == other) {
            let events = hits.iter().filter_map(|(_, sub)| events[*sub].as_ref());
            self.tell(now, hits[0].0, events, outputs);
        }
    }

    /// The store was replaced by a newer one: all watches go on from where they are.
    ///
    /// # Panics
    ///
    /// If the new one is older.
    pub fn on_restored(&mut self, store: &Store) {
        assert!(store.revision() >= self.told, "{} after {}", store.revision(), self.told);
        let goes_back = self.mutations.has(Mutation::WatchGoesBackAfterSnapshot);
        let first = if goes_back { store.compacted() } else { self.told.next() };
        let is_newer = store.revision() > self.told;
        self.told = store.revision();
        if is_newer && !self.mutations.has(Mutation::WatchSkipsOnSnapshot) {
            self.let_all_fall_behind(first);
        }
    }

    // What goes on besides.

    /// Takes a bounded step for the watches that catch up, and tells how far watches have come that are due.
    pub fn pump(&mut self, store: &Store, now: Monotonic, outputs: &mut Vec<WatchOutput>) {
        assert_eq!(self.told, store.revision(), "watches were not told of each revision");
        if self.mutations.has(Mutation::ProgressAheadOfEvents) {
            self.answer_progress(outputs);
        }
        let mut rows = 0;
        while rows < WATCH_ROWS_MAX
            && let Some(id) = self.queue.pop_front()
        {
            let Some(stream) = self.streams.get_mut(&id) else { continue };
            stream.is_queued = false;
            if stream.has_credit()
                && let Some(watcher) = stream.behind.pop_front()
            {
                rows += 1 + self.catch_up(store, now, watcher, outputs);
            }
            self.enqueue(id);
        }
        self.tell_due(now, outputs);
        self.answer_progress(outputs);
    }

    /// Checks the invariants. Looks at everything, so it is for tests and for moments that can afford it.
    ///
    /// # Panics
    ///
    /// If one does not hold.
    pub fn check_invariants(&self) {
        let mut synced = Index::default();
        for (key, watcher) in &self.watchers {
            let stream = self.streams.get(&watcher.stream).expect("a watcher without its stream");
            assert_eq!(stream.watches.get(&watcher.id), Some(key), "a stream forgot a watcher");
            match watcher.state {
                State::Synced { .. } => synced.insert(&watcher.range, *key),
                State::Behind(_) => assert!(stream.behind.contains(key), "{key:?} waits nowhere"),
            }
            let is_due = watcher.due.is_none_or(|due| self.dues.contains(&(due, *key)));
            assert!(is_due, "{key:?} is due and nobody knows");
        }
        assert!(self.index.is_sound(), "the index has lost count");
        assert_eq!(self.index.len(), synced.len(), "the index holds others than the synced");
        let watches: usize = self.streams.values().map(|stream| stream.watches.len()).sum();
        assert_eq!(watches, self.watchers.len(), "a stream knows a watcher that is not");
        for (id, stream) in &self.streams {
            assert!(stream.is_queued == self.queue.contains(id), "{id} is queued or is not");
            stream.check_invariants();
        }
    }

    /// When [`Watches::pump`] shall be called again at the latest; `None` if it has nothing to wait for.
    #[must_use]
    pub fn next_wake(&self, now: Monotonic) -> Option<Monotonic> {
        if !self.queue.is_empty() {
            return Some(now);
        }
        self.dues.first().map(|(due, _)| *due)
    }
}

// How watches begin and end.
impl Watches {
    fn create(
        &mut self,
        now: Monotonic,
        id: StreamId,
        create: WatchCreate,
        outputs: &mut Vec<WatchOutput>,
    ) {
        let revision = self.told;
        let refusal = self.refusal(id, &create);
        let stream = self.streams.get_mut(&id).expect("the caller has seen the stream");
        if let Some(reason) = refusal {
            return stream.answer(WatchId::ALL, revision, WatchBody::Canceled(reason), outputs);
        }
        let watch = match create.watch {
            WatchId::AUTO => stream.next_watch(),
            chosen => chosen,
        };
        let key = WatcherId(self.opened);
        self.opened += 1;
        stream.watches.insert(watch, key);
        stream.answer(watch, revision, WatchBody::Created, outputs);
        let mut start =
            if create.start == Revision::LATEST { revision.next() } else { create.start };
        if self.mutations.has(Mutation::WatchFromFutureSendsOld) {
            start = start.min(revision.next());
        }
        let is_behind = start <= revision;
        let wants_progress = create.progress;
        let mut watcher = Watcher::new(id, watch, create, start);
        watcher.told_at = now;
        self.index.insert(&watcher.range, key);
        self.watchers.insert(key, watcher);
        if wants_progress {
            self.set_due(key, Some(now.after(self.limits.progress_nanos)));
        }
        if is_behind {
            self.fall_behind(key, Place::start_of(start));
        }
    }

    /// Why a watch cannot be.
    fn refusal(&self, id: StreamId, create: &WatchCreate) -> Option<CancelReason> {
        let stream = self.streams.get(&id)?;
        let refused = |why: &str| Some(CancelReason::Refused(why.to_owned()));
        if create.range.is_empty() {
            return refused("mvcc: watcher range is empty");
        }
        if create.watch < WatchId::AUTO {
            return refused("mvcc: watch ID is negative");
        }
        if stream.watches.len() as u64 >= self.limits.watches_max {
            return refused("etcdserver: too many watches on the stream");
        }
        let is_taken = create.watch != WatchId::AUTO && stream.watches.contains_key(&create.watch);
        is_taken.then_some(CancelReason::Duplicate)
    }

    fn cancel(&mut self, id: StreamId, watch: WatchId, outputs: &mut Vec<WatchOutput>) {
        if self.mutations.has(Mutation::WatchCancelIgnored) {
            return;
        }
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let Some(watcher) = stream.watches.remove(&watch) else { return };
        // It may have been the one that the answer waited for.
        stream.asks_progress = stream.asks_progress.map(|_| self.told);
        if !self.mutations.has(Mutation::WatchEndUntold) {
            let body = WatchBody::Canceled(CancelReason::Asked);
            stream.answer(watch, self.told, body, outputs);
        }
        self.forget(watcher);
    }

    fn end(&mut self, id: StreamId, end: StreamEnd, outputs: &mut Vec<WatchOutput>) {
        self.close(id);
        outputs.push(WatchOutput::End { stream: id, end });
    }

    /// Forgets a watcher that its stream has forgotten.
    fn forget(&mut self, key: WatcherId) {
        self.set_due(key, None);
        let watcher = self.watchers.remove(&key).expect("a stream knows only watches that are");
        match watcher.state {
            State::Synced { .. } => self.index.remove(&watcher.range, key),
            State::Behind(_) => {} // Its place in the queue of its stream is skipped.
        }
    }
}

#[cfg(test)]
mod tests;
