//! Reads the rows of all streams in order: which watches there were, what each was told, and whether each message may
//! come where it comes. What can be said of a stream by itself is said here.

mod promises;

use super::streams::{Streams, Watch, name, objection, telling};
use crate::{
    case::Case,
    deed::{Fate, fate},
    intern::Table,
    keyring::Keyring,
    limits::OBJECTIONS_MAX,
    ruling::Anomaly,
};
use std::collections::BTreeMap;
use whitewater_api::{
    Process, Request, Revision, WatchId, WatchRequest, WatchResponse,
    watch::{CancelReason, WatchBody, WatchCreate},
};
use whitewater_record::{History, SimTime, WatchMessage, WatchRow};

/// Reads all rows.
pub(crate) fn read<'h>(case: &Case<'h>, keys: &Keyring<'h>) -> Streams<'h> {
    let history = case.history;
    let mut reader = Reader {
        history,
        keys,
        compactions: compactions(history),
        objections: 0,
        out: Streams::default(),
    };
    let mut streams: BTreeMap<(Process, u32), Stream> = BTreeMap::new();
    for (number, row) in (0..).zip(&history.watches) {
        let stream = streams.entry((row.process, row.stream)).or_default();
        if let Err(anomaly) = reader.row(stream, number, row) {
            reader.out.objection.get_or_insert(anomaly);
            reader.objections += 1;
        }
        // What comes after that much disorder is no evidence either.
        if reader.out.doubt.is_some() || reader.objections > OBJECTIONS_MAX {
            break;
        }
    }
    reader.out
}

/// The compactions that happened or may have: by revision, the earliest invocation.
fn compactions(history: &History) -> Table<u64, SimTime> {
    let mut compactions = Table::default();
    for operation in &history.operations {
        let Request::Compact(compact) = &operation.request else { continue };
        if !matches!(fate(operation), Fate::Refused(_)) {
            let earliest = compactions.entry(compact.revision.0).or_insert(operation.invoked);
            *earliest = operation.invoked.min(*earliest);
        }
    }
    compactions
}

/// One stream, as its client knows it.
#[derive(Default)]
struct Stream<'h> {
    /// Asked for and not answered yet.
    pending: Vec<(u32, &'h WatchCreate)>,
    /// By number: the watch.
    open: BTreeMap<WatchId, u32>,
    ended: BTreeMap<WatchId, u32>,
    /// Watches that the client asked to end.
    cancels: Vec<WatchId>,
    has_asked_progress: bool,
    is_broken: bool,
    at: SimTime,
}

struct Reader<'a, 'h> {
    history: &'h History,
    keys: &'a Keyring<'h>,
    compactions: Table<u64, SimTime>,
    objections: usize,
    out: Streams<'h>,
}

impl<'h> Reader<'_, 'h> {
    fn row(
        &mut self,
        stream: &mut Stream<'h>,
        number: u32,
        row: &'h WatchRow,
    ) -> Result<(), Anomaly> {
        if stream.is_broken || row.at < stream.at {
            let (process, at) = (row.process, row.at);
            let why = if stream.is_broken { "after it broke" } else { "out of order" };
            self.out.doubt =
                Some(format!("stream {} of {process} has a row {why}, at {at}", row.stream));
            return Ok(());
        }
        stream.at = row.at;
        match &row.message {
            WatchMessage::Broken => stream.is_broken = true,
            WatchMessage::As(_) => {}
            WatchMessage::Sent(WatchRequest::Create(create)) => {
                stream.pending.push((number, create));
            }
            WatchMessage::Sent(WatchRequest::Cancel(watch)) => stream.cancels.push(*watch),
            WatchMessage::Sent(WatchRequest::Progress) => stream.has_asked_progress = true,
            WatchMessage::Received(response) => {
                self.out.messages += 1;
                return self.received(stream, number, row, response);
            }
        }
        Ok(())
    }

    fn received(
        &mut self,
        stream: &mut Stream<'h>,
        number: u32,
        row: &'h WatchRow,
        response: &'h WatchResponse,
    ) -> Result<(), Anomaly> {
        let revision = response.header.revision.0;
        match &response.body {
            WatchBody::Created => self.created(stream, number, row, response),
            WatchBody::Canceled(reason) => self.canceled(stream, number, response.watch, reason),
            WatchBody::Progress if response.watch == WatchId::ALL => {
                if !stream.has_asked_progress {
                    let sentence = format!(
                        "at {} {} told {}/{} progress of all watches, but nobody had asked",
                        row.at, row.node, row.process, row.stream
                    );
                    return Err(self.object(number, "unasked-progress", sentence));
                }
                let mut watches = stream.open.values();
                watches.try_for_each(|watch| self.progress(number, *watch, revision))
            }
            WatchBody::Progress => {
                let watch = self.open(stream, number, response.watch)?;
                if !self.out.watches[watch as usize].create.progress {
                    let what = "progress, but it had not been asked for";
                    return Err(self.told(number, watch, "unasked-progress", what));
                }
                self.progress(number, watch, revision)
            }
            WatchBody::Events { events, fragment } => {
                let watch = self.open(stream, number, response.watch)?;
                self.message(number, watch, events, *fragment)?;
                self.promise(number, watch, revision, *fragment)
            }
        }
    }

    fn object(&self, row: u32, code: &str, sentence: String) -> Anomaly {
        objection(self.history, row, code, sentence)
    }

    fn told(&self, row: u32, watch: u32, code: &str, what: &str) -> Anomaly {
        let told = telling(self.history, row, &self.out.watches[watch as usize]);
        self.object(row, code, format!("{told} {what}"))
    }

    /// The watch that a message belongs to.
    fn open(&self, stream: &Stream, number: u32, id: WatchId) -> Result<u32, Anomaly> {
        if let Some(watch) = stream.open.get(&id) {
            return Ok(*watch);
        }
        if let Some(watch) = stream.ended.get(&id) {
            return Err(self.told(number, *watch, "told-after-end", "more, after its end"));
        }
        let WatchRow { process, stream: which, node, at, .. } =
            &self.history.watches[number as usize];
        let is_pending = stream.pending.iter().any(|(_, create)| create.watch == id);
        let (code, why) = if is_pending {
            ("not-created-first", "before it was created")
        } else {
            ("unopened-watch", "which was never opened")
        };
        let sentence = format!("at {at} {node} sent {process}/{which} a message of {id}, {why}");
        Err(self.object(number, code, sentence))
    }

    fn created(
        &mut self,
        stream: &mut Stream<'h>,
        number: u32,
        row: &'h WatchRow,
        response: &WatchResponse,
    ) -> Result<(), Anomaly> {
        let id = response.watch;
        if let Some(watch) = stream.open.get(&id) {
            return Err(self.told(number, *watch, "created-twice", "that it is created, again"));
        }
        let Some((asked, create)) = stream.answer(id) else {
            self.open(stream, number, id)?;
            return Ok(());
        };
        let start = match create.start {
            Revision::LATEST => response.header.revision.0.saturating_add(1),
            Revision(start) => start,
        };
        let index = u32::try_from(self.out.watches.len()).expect("watches are numbered by u32");
        stream.open.insert(id, index);
        stream.ended.remove(&id);
        stream.cancels.retain(|cancel| *cancel != id);
        self.out.watches.push(Watch {
            create,
            keys: self.keys.interval(&create.range),
            process: row.process,
            stream: row.stream,
            id,
            asked,
            start,
            promised: start.saturating_sub(1),
            promises: Vec::new(),
            first: 0,
            last: 0,
            newest: Vec::new(),
            told: Vec::new(),
            header: 0,
            is_cut: false,
        });
        Ok(())
    }

    fn canceled(
        &mut self,
        stream: &mut Stream<'h>,
        number: u32,
        id: WatchId,
        reason: &'h CancelReason,
    ) -> Result<(), Anomaly> {
        if matches!(reason, CancelReason::Duplicate) {
            let is_right = stream.open.contains_key(&id) && stream.answer_exactly(id).is_some();
            if is_right {
                return Ok(());
            }
            let WatchRow { process, node, at, .. } = &self.history.watches[number as usize];
            let sentence = format!(
                "at {at} {node} refused {process} a watch {id} as a duplicate, but there is none of that number"
            );
            return Err(self.object(number, "unexplained-duplicate", sentence));
        }
        let Some(watch) = stream.open.get(&id).copied() else {
            let answered = match reason {
                CancelReason::Compacted(_) => stream.answer(id),
                CancelReason::Refused(_) => stream.answer(id).or_else(|| stream.pending.pop()),
                CancelReason::Asked | CancelReason::Duplicate => None,
            };
            return match (answered, reason) {
                (Some((_, create)), CancelReason::Compacted(to)) => {
                    let start = create.start.0;
                    let next = if start == 0 { u64::MAX } else { start };
                    let who = format!("the watch of {} that it asked for", create.range);
                    self.compacted(number, &who, next, to.0)
                }
                (Some(_), _) => Ok(()),
                (None, _) => self.open(stream, number, id).map(|_| ()),
            };
        };
        stream.open.remove(&id);
        stream.ended.insert(id, watch);
        match reason {
            CancelReason::Asked if !stream.cancels.contains(&id) => {
                let what = "that it is canceled as was asked, but nobody had asked";
                Err(self.told(number, watch, "unasked-cancel", what))
            }
            CancelReason::Compacted(to) => {
                let watch = &self.out.watches[watch as usize];
                self.compacted(number, &name(watch), watch.next(), to.0)
            }
            CancelReason::Asked | CancelReason::Duplicate | CancelReason::Refused(_) => Ok(()),
        }
    }

    /// A watch was ended because what it should tell next is forgotten.
    fn compacted(&self, number: u32, who: &str, next: u64, to: u64) -> Result<(), Anomaly> {
        let WatchRow { node, at, .. } = &self.history.watches[number as usize];
        let told = format!("at {at} {node} ended {who}, compacted to {}", Revision(to));
        if self.compactions.get(&to).is_none_or(|invoked| invoked > at) {
            let sentence = format!("{told}, but nobody had asked for that compaction");
            return Err(self.object(number, "compaction-not-asked", sentence));
        }
        if next >= to {
            let next = Revision(next);
            let sentence = format!("{told}, but all that it still had to tell is from {next} on");
            return Err(self.object(number, "not-compacted", sentence));
        }
        Ok(())
    }
}

impl<'h> Stream<'h> {
    /// Takes out what a message about a new watch answers.
    fn answer(&mut self, id: WatchId) -> Option<(u32, &'h WatchCreate)> {
        self.answer_exactly(id).or_else(|| self.answer_exactly(WatchId::AUTO))
    }

    fn answer_exactly(&mut self, id: WatchId) -> Option<(u32, &'h WatchCreate)> {
        let place = self.pending.iter().position(|(_, create)| create.watch == id)?;
        Some(self.pending.remove(place))
    }
}
