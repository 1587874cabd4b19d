//! What goes over a stream of watches, for the history and the trace.

use crate::world::World;
use whitewater_api::{
    Revision, WatchId, WatchRequest, WatchResponse,
    watch::{EventKind, WatchBody},
};
use whitewater_record::{Mixer, RowKind, WatchMessage, WatchRow};

impl World {
    pub(super) fn record_watch(&mut self, index: usize, message: WatchMessage) {
        let watcher = &self.watchers[index];
        let (process, stream, node) = (watcher.process, watcher.streams - 1, watcher.node);
        let numbers = [vec![u64::from(process.0), u64::from(stream)], numbers(&message)].concat();
        match message {
            WatchMessage::Sent(_) | WatchMessage::Broken | WatchMessage::As(_) => {
                self.begin(RowKind::Watch, node.0, &numbers);
            }
            WatchMessage::Received(_) => self.row(RowKind::Watch, node.0, &numbers),
        }
        self.history.watches.push(WatchRow { process, stream, node, at: self.now, message });
    }
}

/// A message for the trace: which it is, of which watch, at which revision, and a few words of what it says.
fn numbers(message: &WatchMessage) -> Vec<u64> {
    let mut mixer = Mixer::default();
    let mut add = |word: u64, bytes: &[u8]| {
        mixer.add(word);
        for chunk in bytes.chunks(8) {
            mixer.add(chunk.iter().fold(1, |word, byte| word << 8 | u64::from(*byte)));
        }
    };
    let (kind, watch, revision) = match message {
        WatchMessage::Sent(request) => {
            add(1, request.to_string().as_bytes());
            let watch = match request {
                WatchRequest::Create(create) => create.watch,
                WatchRequest::Cancel(watch) => *watch,
                WatchRequest::Progress => WatchId::ALL,
            };
            (0, watch, Revision(0))
        }
        WatchMessage::Received(WatchResponse { header, watch, body }) => {
            let kind = match body {
                WatchBody::Created => 1,
                WatchBody::Events { events, fragment } => {
                    add(u64::from(*fragment), &[]);
                    for event in events {
                        add(u64::from(event.kind == EventKind::Delete), event.kv.key.as_slice());
                        add(event.kv.mod_revision.0, event.kv.value.as_slice());
                    }
                    2
                }
                WatchBody::Progress => 3,
                WatchBody::Canceled(reason) => {
                    add(1, reason.to_string().as_bytes());
                    4
                }
            };
            (kind, *watch, header.revision)
        }
        WatchMessage::Broken => (5, WatchId::ALL, Revision(0)),
        WatchMessage::As(user) => {
            add(2, user.as_bytes());
            (6, WatchId::ALL, Revision(0))
        }
    };
    vec![kind, watch.0.cast_unsigned(), revision.0, mixer.finish()]
}
