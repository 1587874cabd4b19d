//! How clients learn how far their watches have come when nothing happens.
//!
//! A promise that everything up to a revision was told is given only to watches that are synced, and after the events
//! on the same stream (etcd #15220).

use crate::watch::{WatchOutput, Watches, watcher::WatcherId};
use whitewater_api::{Monotonic, Revision, StreamId, WatchId, watch::WatchBody};
use whitewater_mutation::Mutation;

impl Watches {
    /// etcd answers nothing if there is no watch, or if one is not synced; we wait until all are.
    pub(super) fn ask_progress(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        if !stream.watches.is_empty() {
            stream.asks_progress = Some(self.told);
            self.asking.insert(id);
        }
    }

    /// Answers the clients that wait to hear how far all watches of a stream have come.
    pub(super) fn answer_progress(&mut self, outputs: &mut Vec<WatchOutput>) {
        if self.asking.is_empty() {
            return;
        }
        let (told, hasty) = (self.told, self.mutations.has(Mutation::ProgressAheadOfEvents));
        let mut answered = Vec::new();
        for id in &self.asking {
            let stream = self.streams.get_mut(id).expect("a closed stream does not ask");
            let is_ready = stream.behind.is_empty() && stream.asks_progress <= Some(told);
            if !stream.has_credit() || !(is_ready || hasty) {
                continue;
            }
            // A watch that waits for a future revision has not come so far yet (etcd #20221).
            let watchers = stream.watches.values().map(|key| &self.watchers[key]);
            let last = watchers.filter(|watcher| !watcher.is_synced(told)).map(|w| w.start).max();
            if let Some(start) = last.filter(|_| !hasty) {
                stream.asks_progress = Some(Revision(start.0 - 1));
                continue;
            }
            stream.asks_progress = None;
            stream.send(WatchId::ALL, told, WatchBody::Progress, outputs);
            answered.push(*id);
        }
        for id in answered {
            self.asking.remove(&id);
        }
    }

    /// Tells the watches that are due how far they have come. One that cannot be told waits for its next turn (etcd,
    /// `v3rpc/watch.go`).
    pub(super) fn tell_due(&mut self, now: Monotonic, outputs: &mut Vec<WatchOutput>) {
        while let Some((due, key)) = self.dues.first().copied()
            && due <= now
        {
            let watcher = &self.watchers[&key];
            let real = watcher.told_at.after(self.limits.progress_nanos);
            if real > now {
                self.set_due(key, Some(real));
                continue;
            }
            let hasty = self.mutations.has(Mutation::ProgressAheadOfEvents);
            let is_synced = watcher.is_synced(self.told) || hasty;
            let (id, watch) = (watcher.stream, watcher.id);
            let stream = self.streams.get_mut(&id).expect("a watcher has its stream");
            if is_synced && stream.has_credit() {
                stream.send(watch, self.told, WatchBody::Progress, outputs);
            }
            let watcher = self.watchers.get_mut(&key).expect("who is due is a watcher");
            watcher.told_at = now;
            self.set_due(key, Some(now.after(self.limits.progress_nanos.max(1))));
        }
    }

    pub(super) fn set_due(&mut self, key: WatcherId, due: Option<Monotonic>) {
        let watcher = self.watchers.get_mut(&key).expect("the caller has seen it");
        if let Some(former) = std::mem::replace(&mut watcher.due, due) {
            self.dues.remove(&(former, key));
        }
        if let Some(due) = due {
            self.dues.insert((due, key));
        }
    }
}
