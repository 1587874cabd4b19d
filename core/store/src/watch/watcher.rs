//! One watch: what it wants, and how far it has come.

use whitewater_api::{
    KeyRange, Monotonic, Revision, StreamId, WatchId,
    watch::{EventKind, WatchCreate, WatchEvent},
};
use whitewater_mutation::{Mutation, Mutations};

/// A watch, among those of all streams. Never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct WatcherId(pub(crate) u64);

/// A watch.
#[derive(Clone, Debug)]
pub(crate) struct Watcher {
    pub(crate) stream: StreamId,
    pub(crate) id: WatchId,
    pub(crate) range: KeyRange,
    pub(crate) prev_kv: bool,
    pub(crate) fragment: bool,
    pub(crate) no_put: bool,
    pub(crate) no_delete: bool,
    pub(crate) state: State,
    /// When it is due to be told how far it has come, unless it was told something since. `None`: never.
    pub(crate) due: Option<Monotonic>,
    /// When it was last told something.
    pub(crate) told_at: Monotonic,
    /// The first revision that it wanted.
    pub(crate) start: Revision,
    /// The last revision of which it was told.
    pub(crate) last: Revision,
}

/// How far a watch has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// It has been told all that there is, and is in the index. Wants nothing before `from`.
    Synced {
        /// May lie in the future.
        from: Revision,
    },
    /// It goes on at this place in the journal: nothing else is kept for it.
    Behind(Place),
}

/// A place among all changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) revision: Revision,
    /// The how-manieth change of the revision, from 0. More only within a revision that goes out in fragments.
    pub(crate) sub: u32,
}

impl Place {
    /// The first change of a revision.
    pub(crate) const fn start_of(revision: Revision) -> Self {
        Self { revision, sub: 0 }
    }
}

impl Watcher {
    pub(crate) fn new(stream: StreamId, id: WatchId, create: WatchCreate, start: Revision) -> Self {
        Self {
            stream,
            id,
            range: create.range,
            prev_kv: create.prev_kv,
            fragment: create.fragment,
            no_put: create.no_put,
            no_delete: create.no_delete,
            state: State::Synced { from: start },
            due: None,
            told_at: Monotonic::default(),
            start,
            last: Revision(0),
        }
    }

    /// Whether it wants to hear of such events.
    pub(crate) fn wants(&self, kind: EventKind, mutations: Mutations) -> bool {
        let wants = match kind {
            EventKind::Put => !self.no_put,
            EventKind::Delete => !self.no_delete,
        };
        let has_filter = self.no_put || self.no_delete;
        wants != (has_filter && mutations.has(Mutation::WatchFilterInverted))
    }

    /// The event as this watch is told it.
    pub(crate) fn view(&self, event: &WatchEvent) -> WatchEvent {
        let prev_kv = event.prev_kv.as_ref().filter(|_| self.prev_kv).cloned();
        WatchEvent { kind: event.kind, kv: event.kv.clone(), prev_kv }
    }

    /// Takes note of what it is told.
    pub(crate) fn note(&mut self, now: Monotonic, events: &[WatchEvent]) {
        self.told_at = now;
        self.last = events.last().map_or(self.last, |event| event.kv.mod_revision);
    }

    /// Whether everything up to `revision`, the newest, was told, and it is not still waiting for its start.
    pub(crate) fn is_synced(&self, revision: Revision) -> bool {
        match self.state {
            State::Synced { from } => from <= revision.next(),
            State::Behind(_) => false,
        }
    }
}
