//! What a watcher is told: messages come, wait until it takes them, and say how far its watches have come.

use super::{State, Watched, place};
use crate::{
    agenda::Due,
    streams::{Down, Up},
    world::{PhaseOfRun, World},
};
use whitewater_api::{
    StreamId, WatchId, WatchResponse,
    watch::{CancelReason, WatchBody},
};
use whitewater_record::{Span, WatchMessage};

impl World {
    /// Something has come on the stream that the watcher has open.
    pub(crate) fn on_watcher_packet(&mut self, index: usize, stream: StreamId, packet: Down) {
        let pace = self.pace(index);
        let watcher = &mut self.watchers[index];
        watcher.heard = self.now;
        match packet {
            Down::Pong => {}
            Down::Reset | Down::End => self.break_stream(index),
            Down::Say(mut response) => {
                if let Some(import) = &self.import {
                    import.namespace().leave_watch(&mut response);
                }
                watcher.inbox.push_back(*response);
                if pace == Span(0) {
                    self.take_all(index, stream);
                } else if !watcher.is_taking {
                    watcher.is_taking = true;
                    self.later(self.now + pace, Due::WatcherTakes { watcher: index, stream });
                }
            }
        }
    }

    /// A slow watcher takes a message.
    pub(crate) fn on_watcher_takes(&mut self, index: usize, stream: StreamId) {
        if self.watchers[index].stream != Some(stream) {
            return;
        }
        self.cause = None;
        let pace = self.pace(index);
        self.take_one(index, stream);
        if pace == Span(0) {
            self.take_all(index, stream);
        }
        let watcher = &mut self.watchers[index];
        watcher.is_taking = !watcher.inbox.is_empty();
        if watcher.is_taking {
            self.later(self.now + pace, Due::WatcherTakes { watcher: index, stream });
        }
    }

    /// Once all is healed nobody dawdles.
    fn pace(&self, index: usize) -> Span {
        if self.phase == PhaseOfRun::Safety { self.plan.watchers[index].pace } else { Span(0) }
    }

    fn take_all(&mut self, index: usize, stream: StreamId) {
        while self.watchers[index].stream == Some(stream) && self.take_one(index, stream) {}
    }

    /// Takes the next message, if there is one.
    fn take_one(&mut self, index: usize, stream: StreamId) -> bool {
        let Some(response) = self.watchers[index].inbox.pop_front() else { return false };
        let window = self.plan.watchers[index].window;
        let watcher = &mut self.watchers[index];
        watcher.taken += 1;
        if watcher.taken * 2 >= window {
            let credit = std::mem::take(&mut watcher.taken);
            self.send_up(stream, Up::Ready(credit));
        }
        self.record_watch(index, WatchMessage::Received(response.clone()));
        self.learn(index, stream, &response);
        true
    }

    /// What a message says of how far the watches have come.
    fn learn(&mut self, index: usize, stream: StreamId, response: &WatchResponse) {
        let (watch, revision) = (response.watch, response.header.revision);
        let watcher = &mut self.watchers[index];
        let reach = |watched: &mut Watched| watched.next = watched.next.max(Some(revision.next()));
        match &response.body {
            WatchBody::Created => {
                if let Some(watched) = watcher.watched(watch) {
                    watched.state = State::Open;
                    watched.next.get_or_insert(revision.next());
                }
            }
            WatchBody::Progress if watch == WatchId::ALL => {
                let open = watcher.watches.iter_mut().filter(|watched| watched.state.is_open());
                open.for_each(reach);
            }
            WatchBody::Progress | WatchBody::Events { fragment: false, .. } => {
                watcher.watched(watch).into_iter().for_each(reach);
            }
            WatchBody::Events { fragment: true, .. } => {}
            WatchBody::Canceled(CancelReason::Refused(_))
                if self.plan.watchers[index].user.is_some() =>
            {
                watcher.guest.forget();
                self.observer.tally.sometimes("watch refused to a user");
                self.break_stream(index);
            }
            WatchBody::Canceled(reason) => {
                let Some(watched) = watcher.watched(watch) else { return };
                let place = place(watch).expect("it was just found");
                if watched.state == State::Ending && *reason == CancelReason::Asked {
                    self.observer.tally.sometimes("watch canceled and opened anew");
                    return self.create_watch(index, stream, place);
                }
                watched.state = State::Closed;
                let CancelReason::Compacted(compacted) = reason else { return };
                self.observer.tally.sometimes("watch canceled by compaction");
                if self.plan.watchers[index].lists.is_some() {
                    watched.next = None;
                    self.want_list(index, place);
                } else {
                    // Without a list it goes on from the oldest that there is.
                    watched.next = watched.next.max(Some(*compacted));
                    self.create_watch(index, stream, place);
                }
            }
        }
    }
}
