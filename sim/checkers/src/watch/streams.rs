//! Everything that was told on streams: which watches there were, and what each was told.

use crate::{case::Keys, ruling::Anomaly};
use whitewater_api::{
    Process, Revision, WatchId,
    watch::{EventKind, WatchCreate, WatchEvent},
};
use whitewater_record::{History, WatchRow};

/// Everything that was told on streams.
#[derive(Default)]
pub(crate) struct Streams<'h> {
    /// The watches that were opened, in the order of opening.
    pub(crate) watches: Vec<Watch<'h>>,
    /// The events that were told, in the order of the rows.
    pub(crate) told: Vec<Told<'h>>,
    /// Messages received.
    pub(crate) messages: u64,
    /// The first thing that is wrong with a stream by itself.
    pub(crate) objection: Option<Anomaly>,
    /// The rows cannot be what a client recorded.
    pub(crate) doubt: Option<String>,
}

/// One watch, from its creation to its end.
pub(crate) struct Watch<'h> {
    pub(crate) create: &'h WatchCreate,
    pub(crate) keys: Keys,
    pub(crate) process: Process,
    pub(crate) stream: u32,
    pub(crate) id: WatchId,
    /// The row that asked for it.
    pub(crate) asked: u32,
    /// The first revision to tell of.
    pub(crate) start: u64,
    /// Up to and with this revision everything was told, by the messages themselves; `start - 1` before the first.
    pub(crate) promised: u64,
    /// How `promised` grew.
    pub(crate) promises: Vec<Promise>,
    /// The revision of the first event that was told; 0 for none.
    pub(crate) first: u64,
    /// The revision of the newest event that was told; 0 for none.
    pub(crate) last: u64,
    /// The keys of the events at that revision.
    pub(super) newest: Vec<u32>,
    /// The numbers of the events that it was told.
    pub(crate) told: Vec<u32>,
    /// The revision in the last header that promised anything; 0 for none.
    pub(super) header: u64,
    /// The last message was a fragment.
    pub(super) is_cut: bool,
}

/// A message that says that everything up to a revision has been told.
#[derive(Clone, Copy)]
pub(crate) struct Promise {
    pub(crate) upto: u64,
    pub(crate) row: u32,
    pub(crate) is_progress: bool,
}

/// One event, as a watch told it.
#[derive(Clone, Copy)]
pub(crate) struct Told<'h> {
    pub(crate) watch: u32,
    pub(crate) row: u32,
    pub(crate) key: u32,
    pub(crate) event: &'h WatchEvent,
}

impl Told<'_> {
    pub(crate) fn revision(&self) -> u64 {
        self.event.kv.mod_revision.0
    }
}

impl Watch<'_> {
    /// Tells every kind of event.
    pub(crate) fn is_unfiltered(&self) -> bool {
        !self.create.no_put && !self.create.no_delete
    }

    /// Whether it tells events of this kind.
    pub(crate) fn wants(&self, is_put: bool) -> bool {
        if is_put { !self.create.no_put } else { !self.create.no_delete }
    }

    /// How many events it was told up to and with the revision to which it was told all.
    pub(crate) fn told_as_promised(&self) -> usize {
        let beyond = if self.last > self.promised { self.newest.len() } else { 0 };
        self.told.len() - beyond
    }

    pub(super) fn promise(&mut self, upto: u64, row: u32, is_progress: bool) {
        if upto > self.promised {
            self.promised = upto;
            self.promises.push(Promise { upto, row, is_progress });
        }
    }

    /// The first message that promised `revision`.
    pub(crate) fn promise_of(&self, revision: u64) -> Option<&Promise> {
        let index = self.promises.partition_point(|promise| promise.upto < revision);
        self.promises.get(index)
    }

    /// What it will tell next lies at this revision or above, as far as the client can know.
    pub(super) fn next(&self) -> u64 {
        self.start.max(self.promised.saturating_add(1))
    }
}

/// An anomaly whose evidence is a row.
pub(crate) fn objection(history: &History, row: u32, code: &str, sentence: String) -> Anomaly {
    let at = history.watches[row as usize].at;
    let anomaly = Anomaly::new(code, sentence, Vec::new(), at);
    Anomaly { rows: vec![row as usize], ..anomaly }
}

/// Such as `p7/0 w3 ([a,b)@r5)`.
pub(crate) fn name(watch: &Watch) -> String {
    let Watch { process, stream, id, create, start, .. } = watch;
    format!("{process}/{stream} {id} ({} from {})", create.range, Revision(*start))
}

/// Such as `at 3.4s n2 told p7/0 w3 ([a,b)@r5)`.
pub(crate) fn telling(history: &History, row: u32, watch: &Watch) -> String {
    let WatchRow { at, node, .. } = &history.watches[row as usize];
    format!("at {at} {node} told {}", name(watch))
}

/// Such as `put k3 at r9`.
pub(crate) fn event(event: &WatchEvent) -> String {
    let kind = match event.kind {
        EventKind::Put => "put",
        EventKind::Delete => "delete",
    };
    format!("{kind} {} at {}", event.kv.key, event.kv.mod_revision)
}
