//! One stream: its watches, and what may go out on it.

use crate::{
    limits::WATCH_ANSWERS_MAX,
    watch::{WatchOutput, watcher::WatcherId},
};
use std::collections::{BTreeMap, VecDeque};
use whitewater_api::{Revision, StreamId, WatchId, watch::WatchBody};

/// A stream of watches.
#[derive(Clone, Debug)]
pub(crate) struct Stream {
    id: StreamId,
    pub(crate) watches: BTreeMap<WatchId, WatcherId>,
    /// Watches that have something to catch up with, in the order of their turns. Some may have ended since.
    pub(crate) behind: VecDeque<WatcherId>,
    /// Answers that wait for credit. Invariant: empty while there is credit; bounded by
    /// [`crate::limits::WATCH_ANSWERS_MAX`].
    answers: VecDeque<WatchOutput>,
    /// How many messages may go out.
    credit: u64,
    /// The client wants to know how far all watches have come; not before this revision.
    pub(crate) asks_progress: Option<Revision>,
    /// Whether it waits for its turn in the queue of streams.
    pub(crate) is_queued: bool,
    /// The number for the next watch that wants one from us.
    next: i64,
    /// Whether it ends when the member has no leader.
    pub(crate) require_leader: bool,
}

impl Stream {
    pub(crate) fn new(id: StreamId, require_leader: bool) -> Self {
        Self {
            id,
            watches: BTreeMap::new(),
            behind: VecDeque::new(),
            answers: VecDeque::new(),
            credit: 0,
            asks_progress: None,
            is_queued: false,
            next: 0,
            require_leader,
        }
    }

    /// A number that is not in use (etcd, `mvcc/watcher.go`: they rise from 0).
    pub(crate) fn next_watch(&mut self) -> WatchId {
        while self.watches.contains_key(&WatchId(self.next)) {
            self.next += 1;
        }
        self.next += 1;
        WatchId(self.next - 1)
    }

    pub(crate) const fn has_credit(&self) -> bool {
        self.credit > 0
    }

    pub(crate) fn answers_waiting(&self) -> usize {
        self.answers.len()
    }

    /// Lets `credit` more messages out, the answers that wait first.
    pub(crate) fn grant(&mut self, credit: u64, outputs: &mut Vec<WatchOutput>) {
        self.credit = self.credit.saturating_add(credit);
        while self.credit > 0
            && let Some(answer) = self.answers.pop_front()
        {
            self.credit -= 1;
            outputs.push(answer);
        }
    }

    /// Sends what follows from the watches. There is credit, or a mutation does not care.
    pub(crate) fn send(
        &mut self,
        watch: WatchId,
        revision: Revision,
        body: WatchBody,
        outputs: &mut Vec<WatchOutput>,
    ) {
        self.credit = self.credit.saturating_sub(1);
        outputs.push(WatchOutput::Message { stream: self.id, watch, revision, body });
    }

    /// Sends, now or later, what the client asked for.
    pub(crate) fn answer(
        &mut self,
        watch: WatchId,
        revision: Revision,
        body: WatchBody,
        outputs: &mut Vec<WatchOutput>,
    ) {
        if self.has_credit() {
            return self.send(watch, revision, body, outputs);
        }
        self.answers.push_back(WatchOutput::Message { stream: self.id, watch, revision, body });
    }

    pub(crate) fn check_invariants(&self) {
        assert!(self.answers.is_empty() || self.credit == 0, "answers wait where there is credit");
        assert!(self.answers.len() <= WATCH_ANSWERS_MAX, "too many answers wait");
    }
}
