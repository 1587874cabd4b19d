//! What clients of watches were told, and what they had to be told.
//!
//! The oracle knows what the requests did, by way of the model, and nothing of journals, indexes or places.

use std::collections::{BTreeMap, VecDeque};
use whitewater_api::{
    Revision, WatchId,
    watch::{CancelReason, EventKind, WatchBody, WatchCreate, WatchEvent},
};

/// What the member that serves the watches holds, as far as the clients may know.
pub(crate) struct Truth {
    /// What happened, by revision less two: nothing happens at the first.
    pub(crate) events: Vec<Vec<WatchEvent>>,
    /// How far the member has come.
    pub(crate) revision: Revision,
    /// What the member has applied of compactions.
    pub(crate) compacted: Revision,
}

/// One stream, from its client's side.
#[derive(Default)]
pub(crate) struct Client {
    /// Creations whose answers have not come, with the member's revision when they were asked.
    created: VecDeque<(WatchCreate, Revision)>,
    watches: BTreeMap<WatchId, Told>,
    canceled: BTreeMap<WatchId, usize>,
    /// How many messages may still come.
    pub(crate) credit: u64,
    asks_progress: bool,
    /// Whether it asked for progress when it had a watch, so that there has to be an answer.
    expects_progress: bool,
}

/// What one watch was told.
struct Told {
    create: WatchCreate,
    start: Revision,
    /// Told is everything before this.
    next: Revision,
    /// The events of messages that were not the last of their revision.
    fragments: Vec<WatchEvent>,
}

impl Truth {
    /// What a watch wants to hear of the revisions from `first` to `last`, in order.
    fn events(&self, first: Revision, last: Revision, create: &WatchCreate) -> Vec<WatchEvent> {
        let revisions =
            (first.0.max(2)..=last.0).map(|revision| (Revision(revision), revision - 2));
        let events = revisions.flat_map(|(revision, index)| {
            let events = &self.events[usize::try_from(index).expect("a small number")];
            // Of what happened to a key at the compaction revision only the last is left.
            let is_left = move |at: usize| {
                let mut later = events[at + 1..].iter();
                revision != self.compacted || later.all(|one| one.kv.key != events[at].kv.key)
            };
            (0..events.len()).filter(move |at| is_left(*at)).map(|at| &events[at])
        });
        let is_wanted = |event: &&WatchEvent| {
            let is_filtered = match event.kind {
                EventKind::Put => create.no_put,
                EventKind::Delete => create.no_delete,
            };
            create.range.contains(&event.kv.key) && !is_filtered
        };
        events.filter(is_wanted).map(|event| self.see(event, create)).collect()
    }

    /// The event, without what was there before if that is forgotten or was not asked for.
    fn see(&self, event: &WatchEvent, create: &WatchCreate) -> WatchEvent {
        let is_known = create.prev_kv && event.kv.mod_revision > self.compacted;
        let prev_kv = event.prev_kv.clone().filter(|_| is_known);
        WatchEvent { prev_kv, ..event.clone() }
    }
}

impl Client {
    pub(crate) fn create(&mut self, create: WatchCreate, revision: Revision) {
        self.created.push_back((create, revision));
    }

    pub(crate) fn cancel(&mut self, watch: WatchId) {
        *self.canceled.entry(watch).or_default() += 1;
    }

    pub(crate) fn ask_progress(&mut self) {
        self.asks_progress = true;
        let mut watches = self.watches.keys();
        self.expects_progress |= watches.any(|watch| !self.canceled.contains_key(watch));
    }

    pub(crate) fn watches(&self) -> impl Iterator<Item = WatchId> + '_ {
        self.watches.keys().copied()
    }

    /// A message came.
    pub(crate) fn take(
        &mut self,
        truth: &Truth,
        watch: WatchId,
        revision: Revision,
        body: WatchBody,
    ) {
        assert!(self.credit > 0, "more messages than there was credit for");
        self.credit -= 1;
        assert!(revision <= truth.revision, "{watch} hears of {revision} from the future");
        match body {
            WatchBody::Created => self.take_created(watch, revision),
            WatchBody::Events { events, fragment } => {
                let told = self.watches.get_mut(&watch).expect("events of no watch");
                told.take(truth, revision, events, fragment);
            }
            WatchBody::Progress if watch == WatchId::ALL => {
                assert!(self.asks_progress, "an answer that nobody waited for");
                self.asks_progress = false;
                self.expects_progress = false;
                self.watches.values_mut().for_each(|told| told.take_progress(truth, revision));
            }
            WatchBody::Progress => {
                let told = self.watches.get_mut(&watch).expect("progress of no watch");
                assert!(told.create.progress, "{watch} did not ask for progress");
                told.take_progress(truth, revision);
            }
            WatchBody::Canceled(reason) => self.take_canceled(truth, watch, &reason),
        }
    }

    fn take_created(&mut self, watch: WatchId, revision: Revision) {
        let (create, asked) = self.created.pop_front().expect("nobody asked for a watch");
        assert_eq!(revision, asked, "the revision of a new watch is that of the request");
        assert!(create.watch == WatchId::AUTO || create.watch == watch);
        let start = if create.start == Revision(0) { revision.next() } else { create.start };
        let told = Told { create, start, next: start, fragments: Vec::new() };
        assert!(self.watches.insert(watch, told).is_none(), "{watch} was there already");
    }

    fn take_canceled(&mut self, truth: &Truth, watch: WatchId, reason: &CancelReason) {
        match reason {
            CancelReason::Asked => {
                let asked = self.canceled.get_mut(&watch).filter(|times| **times > 0);
                *asked.expect("nobody canceled it") -= 1;
                self.watches.remove(&watch).expect("canceled twice");
            }
            CancelReason::Compacted(at) => {
                let told = self.watches.remove(&watch).expect("canceled twice");
                assert_eq!(*at, truth.compacted);
                assert!(told.next < *at, "{watch} had come to {}, which is not lost", told.next);
            }
            CancelReason::Duplicate => {
                let (create, _) = self.created.pop_front().expect("nobody asked for a watch");
                assert!(watch == WatchId::ALL && create.watch != WatchId::AUTO);
            }
            CancelReason::Refused(_) => {
                let (create, _) = self.created.pop_front().expect("nobody asked for a watch");
                assert!(watch == WatchId::ALL && create.range.is_empty());
            }
        }
    }

    /// Nothing is on its way any more and there was credit for all: every watch has been told all there is.
    pub(crate) fn check_rest(&self, truth: &Truth) {
        assert!(self.created.is_empty(), "a creation was not answered");
        for (watch, told) in &self.watches {
            let rest = truth.events(told.next, truth.revision, &told.create);
            assert!(rest.is_empty(), "{watch} at {} was not told {rest:?}", told.next);
        }
        let has_future = self.watches.values().any(|told| told.start > truth.revision.next());
        let is_answered = !self.expects_progress || self.watches.is_empty() || has_future;
        assert!(is_answered, "a question for progress was not answered");
    }
}

impl Told {
    fn take(&mut self, truth: &Truth, revision: Revision, events: Vec<WatchEvent>, fragment: bool) {
        assert!(!events.is_empty(), "a message without events");
        assert!(!fragment || self.create.fragment, "a fragment for a watch without");
        // What is forgotten by now may have been told with an earlier fragment.
        let expected = truth.events(self.next, revision, &self.create);
        let is_left = |event: &WatchEvent| {
            let place = |one: &WatchEvent| (one.kv.mod_revision, one.kv.key.clone(), one.kind);
            expected.iter().any(|one| place(one) == place(event))
        };
        self.fragments.retain(is_left);
        for former in &mut self.fragments {
            *former = truth.see(former, &self.create);
        }
        self.fragments.extend(events);
        if fragment {
            return;
        }
        let told = std::mem::take(&mut self.fragments);
        assert_eq!(told, expected, "from {} to {revision}", self.next);
        self.next = revision.next();
    }

    fn take_progress(&mut self, truth: &Truth, revision: Revision) {
        assert!(self.start <= revision.next(), "progress at {revision} before {}", self.start);
        assert!(self.fragments.is_empty(), "progress within a revision");
        let rest = truth.events(self.next, revision, &self.create);
        assert!(rest.is_empty(), "progress at {revision} ahead of {rest:?}");
        self.next = self.next.max(revision.next());
    }
}
